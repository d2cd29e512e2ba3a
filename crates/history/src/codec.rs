//! Facts as bytes: what base files and delta rows hold.
//!
//! ```text
//! kind 1 │ id hash 8 │ record hash 6 │ lengths │ numbers │ flags, what it refers to, content, path │ segments
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

use contract::{IdHash, Kind, Millis, RecordHash};

pub use dictionary::{CodeIndex, Dictionary};
use read::Reader;
use write::Writer;

use crate::{
    body::Body,
    fact::{Fact, History, LinkHash},
};

/// Bytes that are not facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the facts' bytes are damaged")]
pub struct CodecError;

/// In the first byte, beside the kind's number, which is below 128.
const HAS_MORE: u8 = 1 << 7;
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
    #[inline]
    pub fn encode(&self, at: usize, dictionary: &mut Dictionary, out: &mut Vec<u8>) {
        let fact = &self.facts[at];
        let path = self.path(fact);
        let mut more = 0;
        for (set, bit) in [
            (fact.withdrawn, WITHDRAWN),
            (fact.by_operator, BY_OPERATOR),
            (fact.corrects.is_some(), CORRECTS),
            (fact.voids.is_some(), VOIDS),
            (fact.content != 0, CONTENT),
            (!path.is_empty(), PATH),
        ] {
            more |= if set { bit } else { 0 };
        }
        let mut writer = Writer::new(out, dictionary, fact.occurred.day());
        writer.bytes([fact.kind.number() as u8 | if more == 0 { 0 } else { HAS_MORE }]);
        writer.bytes(fact.id.0.to_le_bytes());
        let [b0, b1, b2, b3, b4, b5, ..] = fact.record.0.to_le_bytes();
        writer.bytes([b0, b1, b2, b3, b4, b5]);
        writer.begin(numbers(fact.kind));
        writer.number(fact.offset);
        writer.code(fact.emitter);
        writer.time(fact.occurred.0.wrapping_sub(EPOCH_MS));
        writer.time(fact.asserted.0.wrapping_sub(fact.occurred.0));
        writer.time(fact.recorded.0.wrapping_sub(fact.asserted.0));
        writer.body(&fact.body, fact.emitter);
        writer.end_numbers();
        if more != 0 {
            writer.make_room();
            writer.bytes([more]);
            fact.corrects.iter().chain(&fact.voids).for_each(|id| writer.bytes(id.0.to_le_bytes()));
            if fact.content != 0 {
                writer.bytes(fact.content.to_le_bytes());
            }
            if !path.is_empty() {
                writer.lone_number(path.len() as u64);
                for link in path {
                    writer.make_room();
                    writer.bytes(link.0.to_le_bytes());
                }
            }
        }
        if let Body::ClaimSubmitted(claim) = &fact.body {
            let (start, count) = (claim.segments.0 as usize, claim.segments.1 as usize);
            writer.segments(&self.segments[start..start + count]);
        }
        writer.append();
    }

    /// Reads one fact from the front of `bytes` and adds it.
    ///
    /// # Errors
    /// When the bytes are no fact; the history may then hold parts of it and is to be cleared.
    #[inline]
    pub fn decode(&mut self, bytes: &mut &[u8], codes: &CodeIndex) -> Result<(), CodecError> {
        let mut reader = Reader::new(bytes, codes);
        let [head] = reader.bytes()?;
        let kind = Kind::from_number(u32::from(head & !HAS_MORE)).ok_or(CodecError)?;
        let id = IdHash(reader.eight()?);
        let [b0, b1, b2, b3, b4, b5] = reader.bytes()?;
        let record = RecordHash(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, 0, 0]));
        reader.begin(numbers(kind));
        let offset = reader.number();
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
            self.decode_more(&mut reader)?;
        }
        if segments != 0 {
            reader.segments(segments, &mut self.segments)?;
        }
        *bytes = reader.rest()?;
        Ok(())
    }

    /// What few facts have, of the last fact.
    #[cold]
    fn decode_more(&mut self, reader: &mut Reader<'_, '_>) -> Result<(), CodecError> {
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
        Ok(())
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
