//! Facts as bytes: what base files and delta rows hold.
//!
//! ```text
//! kind 1 │ lengths │ id hash 8 │ record hash 6 │ numbers │ flags, what it refers to, content, path │ segments
//! ```
//!
//! A fact stands alone (no reference to the one before), so that a merge copies bytes. All it says is numbers of as many
//! bytes as they need, 0 to 8, and the lengths of all stand together before them, three bits each: so where a number lies
//! is known before the one in front of it is read, and nothing waits. Codes are numbers of a [`Dictionary`] kept beside the
//! facts. Times are in days, minutes or milliseconds, whichever is exact; days are relative to the day the fact occurred;
//! both are small numbers most of the time. What few facts have comes after, and a claim's segments at the end.

mod dictionary;
mod read;
mod write;

use contract::{Code, IdHash, Kind, Millis, RecordHash, varint};

pub use dictionary::{CodeIndex, Dictionary};
use read::Reader;
use write::Writer;

use crate::{
    body::{Body, Segment},
    fact::{Fact, History, LinkHash},
};

/// Bytes that are not facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the facts' bytes are damaged")]
pub struct CodecError;

/// In the first byte, beside the kind's number, which is below 128.
const HAS_MORE: u8 = 1 << 7;
const _: () = {
    let mut at = 0;
    while at < Kind::ALL.len() {
        assert!((Kind::ALL[at] as u16) < HAS_MORE as u16, "a kind's number and HAS_MORE share a byte");
        at += 1;
    }
};
const WITHDRAWN: u8 = 1;
const BY_OPERATOR: u8 = 1 << 1;
const CORRECTS: u8 = 1 << 2;
const VOIDS: u8 = 1 << 3;
const CONTENT: u8 = 1 << 4;
const PATH: u8 = 1 << 5;

/// Midnight in Hanoi, 2024-01-01: times near it are short.
const EPOCH_MS: i64 = 1_704_042_000_000;
const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// How a day is told that is not there, or not before or after any other.
const DAY_NONE: u64 = 0;
const DAY_OPEN: u64 = 1;
const DAY_FIRST: u64 = 2;

/// Lengths of 0 to 6 bytes, and 7 for 8 bytes.
const LENGTH_BITS: usize = 3;

#[inline]
const fn lengths_bytes(count: usize) -> usize {
    (count * LENGTH_BITS).div_ceil(8)
}

/// Of id and record.
const HASHES_BYTES: usize = 8 + 6;
/// Offset, emitter, occurred, asserted, recorded.
const HEAD_NUMBERS: usize = 5;
const SEGMENT_NUMBERS: usize = 7;

/// How many numbers a fact of this kind has: at most 21, whose lengths fit a word.
#[inline]
fn numbers(kind: Kind) -> usize {
    let body = match kind {
        Kind::HealthRecordOpened
        | Kind::HealthRecordClosed
        | Kind::SubjectErased
        | Kind::Retraction
        | Kind::CarriedEvent => 0,
        Kind::IdentityUnlinked | Kind::PersonDied => 1,
        Kind::PersonRegistered
        | Kind::InsuranceEnded
        | Kind::IdentityLinked
        | Kind::CareGiven
        | Kind::CopayBalanceReported
        | Kind::ExemptionConfirmed => 2,
        Kind::EntitlementGranted
        | Kind::EntitlementEnded
        | Kind::ReferralAccepted
        | Kind::ReferralDeclined
        | Kind::ReferralArrived
        | Kind::ReferralReturned
        | Kind::ReferralCancelled
        | Kind::ClaimAdjudicated
        | Kind::ClaimPaid => 3,
        Kind::ResidenceChanged | Kind::VisitOpened => 4,
        Kind::CheckUpCompleted => 5,
        Kind::ReferralIssued => 6,
        Kind::InsuranceGranted => 7,
        Kind::ClaimSubmitted => 14,
    };
    HEAD_NUMBERS + body
}

impl History {
    /// Appends the bytes of fact number `at`.
    pub fn encode(&self, at: usize, dictionary: &mut Dictionary, out: &mut Vec<u8>) {
        let fact = &self.facts[at];
        append_fact(&Head::of(fact), &fact.body, self.path(fact), &self.segments, dictionary, out);
    }

    /// Reads one fact from the front of `bytes` and adds it.
    ///
    /// # Errors
    /// When the bytes are no fact; the history may then hold parts of it and is to be cleared.
    #[inline]
    pub fn decode(&mut self, bytes: &mut &[u8], codes: &CodeIndex) -> Result<(), CodecError> {
        self.decode_before(u64::MAX, bytes, codes)
    }

    /// As [`History::decode`], but a fact that came at the offset `until` or later may be passed over: who looks back to then
    /// needs few of the facts that came after.
    ///
    /// # Errors
    /// As [`History::decode`].
    #[inline(always)]
    pub fn decode_before(
        &mut self,
        until: u64,
        bytes: &mut &[u8],
        codes: &CodeIndex,
    ) -> Result<(), CodecError> {
        let mut reader = Reader::new(bytes, codes);
        let [head] = reader.bytes()?;
        let kind = Kind::from_number(u32::from(head & !HAS_MORE)).ok_or(CodecError)?;
        reader.begin(numbers(kind));
        let id = IdHash(reader.eight()?);
        let [b0, b1, b2, b3, b4, b5] = reader.bytes()?;
        let record = RecordHash(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, 0, 0]));
        let offset = reader.number();
        if offset >= until
            && head & HAS_MORE == 0
            && let Some(end) = reader.end_of_numbers(kind, numbers(kind) - 1)
        {
            *bytes = bytes.get(end..).ok_or(CodecError)?;
            return Ok(());
        }
        let emitter = reader.code()?;
        let occurred = Millis(reader.time()?.wrapping_add(EPOCH_MS));
        let asserted = Millis(reader.time()?.wrapping_add(occurred.0));
        let recorded = Millis(reader.time()?.wrapping_add(asserted.0));
        reader.day = Millis(occurred.0.clamp(Millis::MIN.0, Millis::MAX.0)).day();
        let fact = Fact::blank(&mut self.facts);
        (fact.occurred, fact.asserted, fact.recorded) = (occurred, asserted, recorded);
        (fact.id, fact.kind, fact.record) = (id, kind, record);
        (fact.offset, fact.emitter) = (offset, emitter);
        reader.body(&mut fact.body, kind, emitter, self.segments.len())?;
        let segments = match &fact.body {
            Body::ClaimSubmitted(claim) => claim.segments.1,
            _ => 0,
        };
        if head & HAS_MORE != 0 {
            reader.at = self.decode_more(reader)?;
        }
        if segments != 0 {
            reader.at = reader.segments(segments, &mut self.segments)?;
        }
        *bytes = reader.rest()?;
        Ok(())
    }

    /// What few facts have, of the last fact; says where it ends.
    #[cold]
    fn decode_more(&mut self, mut reader: Reader<'_, '_>) -> Result<usize, CodecError> {
        let [more] = reader.bytes()?;
        let corrects = if more & CORRECTS == 0 { None } else { Some(IdHash(reader.eight()?)) };
        let voids = if more & VOIDS == 0 { None } else { Some(IdHash(reader.eight()?)) };
        let content = if more & CONTENT == 0 { 0 } else { reader.eight()? };
        let path = if more & PATH == 0 {
            0
        } else {
            let links = reader.lone_number()?;
            let path = (0..links).map(|_| reader.eight().map(LinkHash)).collect::<Result<Box<[_]>, _>>()?;
            self.intern_path(path)
        };
        let fact = self.facts.last_mut().expect("it was just pushed");
        (fact.corrects, fact.voids, fact.content, fact.path) = (corrects, voids, content, path);
        (fact.withdrawn, fact.by_operator) = (more & WITHDRAWN != 0, more & BY_OPERATOR != 0);
        Ok(reader.at)
    }
}

/// A fact without its body.
pub(crate) struct Head {
    pub(crate) occurred: Millis,
    pub(crate) asserted: Millis,
    pub(crate) recorded: Millis,
    pub(crate) id: IdHash,
    pub(crate) kind: Kind,
    pub(crate) record: RecordHash,
    pub(crate) offset: u64,
    pub(crate) content: u64,
    pub(crate) emitter: Code,
    pub(crate) corrects: Option<IdHash>,
    pub(crate) voids: Option<IdHash>,
    pub(crate) withdrawn: bool,
    pub(crate) by_operator: bool,
}

impl Head {
    #[inline]
    fn of(fact: &Fact) -> Head {
        Head {
            occurred: fact.occurred,
            asserted: fact.asserted,
            recorded: fact.recorded,
            id: fact.id,
            kind: fact.kind,
            record: fact.record,
            offset: fact.offset,
            content: fact.content,
            emitter: fact.emitter,
            corrects: fact.corrects,
            voids: fact.voids,
            withdrawn: fact.withdrawn,
            by_operator: fact.by_operator,
        }
    }
}

/// Appends the bytes of a fact that was carried along `path`; `segments` has those of its body.
#[inline(always)]
pub(crate) fn append_fact(
    head: &Head,
    body: &Body,
    path: &[LinkHash],
    segments: &[Segment],
    dictionary: &mut Dictionary,
    out: &mut Vec<u8>,
) {
    let mut more = 0;
    for (set, bit) in [
        (head.withdrawn, WITHDRAWN),
        (head.by_operator, BY_OPERATOR),
        (head.corrects.is_some(), CORRECTS),
        (head.voids.is_some(), VOIDS),
        (head.content != 0, CONTENT),
        (!path.is_empty(), PATH),
    ] {
        more |= if set { bit } else { 0 };
    }
    let (start, room) = write::make_room(out);
    let hashes_at = 1 + lengths_bytes(numbers(head.kind));
    let mut writer = Writer::new(room, dictionary, hashes_at + HASHES_BYTES, head.occurred.day());
    writer.number(head.offset);
    writer.code(head.emitter);
    writer.time(head.occurred.0.wrapping_sub(EPOCH_MS));
    writer.time(head.asserted.0.wrapping_sub(head.occurred.0));
    writer.time(head.recorded.0.wrapping_sub(head.asserted.0));
    writer.body(body, head.emitter);
    // What is in front comes last, and the hashes over what is too long of the lengths: so nothing is read back, which
    // would wait until all of it is written.
    writer.put(0, [head.kind.number() as u8 | if more == 0 { 0 } else { HAS_MORE }]);
    writer.put(1, writer.lengths.to_le_bytes());
    writer.put(hashes_at, head.id.0.to_le_bytes());
    let [b0, b1, b2, b3, b4, b5, ..] = head.record.0.to_le_bytes();
    writer.put(hashes_at + 8, [b0, b1, b2, b3, b4, b5]);
    let end = start + writer.at;
    out.truncate(end);
    if more != 0 {
        append_more(head, more, path, out);
    }
    if let Body::ClaimSubmitted(claim) = body
        && claim.segments.1 != 0
    {
        let (start, count) = (claim.segments.0 as usize, claim.segments.1 as usize);
        write::append_segments(out, dictionary, &segments[start..start + count]);
    }
}

/// What few facts have.
#[cold]
fn append_more(head: &Head, more: u8, path: &[LinkHash], out: &mut Vec<u8>) {
    out.push(more);
    head.corrects.iter().chain(&head.voids).for_each(|id| out.extend_from_slice(&id.0.to_le_bytes()));
    if head.content != 0 {
        out.extend_from_slice(&head.content.to_le_bytes());
    }
    if !path.is_empty() {
        varint::put(out, path.len() as u64);
        path.iter().for_each(|link| out.extend_from_slice(&link.0.to_le_bytes()));
    }
}

/// Appends the first `length` bytes of `bytes`, faster where they are few and others follow: copying always as many bytes
/// takes a few instructions, copying so many a call.
#[inline]
pub fn append_short(out: &mut Vec<u8>, bytes: &[u8], length: usize) {
    const FEW: usize = 64;
    match bytes.first_chunk::<FEW>() {
        Some(few) if length <= FEW => {
            out.extend_from_slice(few);
            out.truncate(out.len() - (FEW - length));
        }
        _ => out.extend_from_slice(&bytes[..length]),
    }
}

#[cfg(test)]
mod tests;
