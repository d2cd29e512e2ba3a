//! Writing one fact.

use contract::{Code, Day, RecordHash, varint::zigzag};

use super::{
    DAY_FIRST, DAY_MS, DAY_NONE, DAY_OPEN, Dictionary, LENGTH_BITS, MINUTE_MS, SEGMENT_NUMBERS, lengths_bytes,
};
use crate::body::{Body, Claim, Segment, Transfer};

/// More than the longest fact has before what few facts have: 15 bytes of head, 8 of lengths, 19 numbers of 8.
const ROOM: usize = 192;

/// Writes the numbers of one fact or of a segment into room at the end of all others: so no byte asks whether there is room
/// for it. Always inlined and never lent, as the reader is.
pub(super) struct Writer<'a> {
    room: &'a mut [u8; ROOM],
    /// Up to where it is written.
    pub(super) at: usize,
    /// The lengths of the numbers that are written.
    pub(super) lengths: u64,
    /// How many bits of the lengths there are.
    length_bits: usize,
    dictionary: &'a mut Dictionary,
    /// The day the fact occurred.
    day: Day,
}

/// Adds room at the end of `out`, and says where it begins. What is not needed of it is to be truncated.
#[inline(always)]
pub(super) fn make_room(out: &mut Vec<u8>) -> (usize, &mut [u8; ROOM]) {
    let start = out.len();
    out.extend_from_slice(&[0; ROOM]);
    (start, out[start..].first_chunk_mut().expect("it was just made"))
}

pub(super) fn append_segments(out: &mut Vec<u8>, dictionary: &mut Dictionary, segments: &[Segment]) {
    for segment in segments {
        let (start, room) = make_room(out);
        const LENGTHS_BYTES: usize = lengths_bytes(SEGMENT_NUMBERS);
        let mut writer = Writer::new(room, dictionary, LENGTHS_BYTES, Day::default());
        writer.segment(segment);
        let lengths = writer.lengths.to_le_bytes();
        writer.put::<LENGTHS_BYTES>(0, *lengths.first_chunk().expect("a word has more bytes"));
        let end = start + writer.at;
        out.truncate(end);
    }
}

impl<'a> Writer<'a> {
    /// A writer that begins at byte `at` of the room.
    #[inline(always)]
    pub(super) fn new(
        room: &'a mut [u8; ROOM],
        dictionary: &'a mut Dictionary,
        at: usize,
        day: Day,
    ) -> Writer<'a> {
        Writer { room, at, lengths: 0, length_bits: 0, dictionary, day }
    }

    /// Puts bytes in front of what is written.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.room[at..at + N].copy_from_slice(&bytes);
    }

    #[inline(always)]
    pub(super) fn number(&mut self, value: u64) {
        let bytes = (u64::BITS + 7 - value.leading_zeros()) as usize / 8;
        let length = bytes.min(7);
        self.room[self.at..self.at + 8].copy_from_slice(&value.to_le_bytes());
        self.at += length + (length + 1) / 8;
        self.lengths |= (length as u64) << self.length_bits;
        self.length_bits += LENGTH_BITS;
    }

    #[inline(always)]
    fn signed(&mut self, value: i64) {
        self.number(zigzag(value));
    }

    #[inline(always)]
    pub(super) fn code(&mut self, code: Code) {
        let number = self.dictionary.number(code);
        self.number(u64::from(number));
    }

    /// A code that mostly is the emitter's.
    #[inline(always)]
    fn code_or_emitter(&mut self, code: Code, emitter: Code) {
        if code == emitter {
            self.number(0);
        } else {
            let number = self.dictionary.number(code);
            self.number(u64::from(number) + 1);
        }
    }

    #[inline(always)]
    pub(super) fn time(&mut self, millis: i64) {
        // Days and minutes have whole multiples of 32 milliseconds, other times hardly ever.
        let (unit, count) = if millis % 32 != 0 {
            (2, millis)
        } else if millis % DAY_MS == 0 {
            (0, millis / DAY_MS)
        } else if millis % MINUTE_MS == 0 {
            (1, millis / MINUTE_MS)
        } else {
            (2, millis)
        };
        // Times are bounded far below 2^61 (validation: the years 1900 to 2100), so nothing is shifted out.
        self.number(zigzag(count) << 2 | unit);
    }

    #[inline(always)]
    fn day(&mut self, day: Option<Day>) {
        match day {
            None | Some(Day::MIN) => self.number(DAY_NONE),
            Some(Day::MAX) => self.number(DAY_OPEN),
            Some(day) => self.number(zigzag(i64::from(day - self.day)) + DAY_FIRST),
        }
    }

    #[inline(always)]
    fn transfer(&mut self, transfer: &Transfer, emitter: Code) {
        self.number(transfer.form);
        self.code_or_emitter(transfer.from, emitter);
        self.code_or_emitter(transfer.to, emitter);
    }

    #[inline(always)]
    pub(super) fn body(&mut self, body: &Body, emitter: Code) {
        match *body {
            Body::HealthRecordOpened | Body::HealthRecordClosed | Body::SubjectErased | Body::Retraction => {}
            Body::PersonRegistered { birth, sex } => {
                self.day(birth);
                self.number(sex as u64);
            }
            Body::ResidenceChanged { kind, commune, from, until } => {
                self.number(kind as u64);
                self.code(commune);
                self.day(Some(from));
                self.day(Some(until));
            }
            Body::InsuranceGranted { group, rate_digit, from, until, primary, five_years, area } => {
                self.code(group);
                self.code(rate_digit);
                self.code(primary);
                self.code(area);
                self.day(Some(from));
                self.day(Some(until));
                self.day(five_years);
            }
            Body::InsuranceEnded { grant, on } => {
                self.grant(grant);
                self.day(Some(on));
            }
            Body::EntitlementGranted { group, from, until } => {
                self.code(group);
                self.day(Some(from));
                self.day(Some(until));
            }
            Body::EntitlementEnded { grant, group, on } => {
                self.grant(grant);
                self.code(group);
                self.day(Some(on));
            }
            Body::IdentityLinked { link, away } => {
                self.number(link.0);
                self.number(u64::from(away));
            }
            Body::IdentityUnlinked { link } => self.number(link.0),
            Body::PersonDied { on } => self.day(Some(on)),
            Body::CheckUpCompleted { facility, programme, payer, class, follow_up } => {
                self.code_or_emitter(facility, emitter);
                self.code(programme);
                self.code(payer);
                self.code(class);
                self.day(follow_up);
            }
            Body::CareGiven { facility, care } => {
                self.code_or_emitter(facility, emitter);
                self.code(care);
            }
            Body::ReferralIssued { transfer, reason, form_kind, valid_until } => {
                self.transfer(&transfer, emitter);
                self.code(reason);
                self.number(form_kind as u64);
                self.day(valid_until);
            }
            Body::ReferralAccepted(transfer)
            | Body::ReferralDeclined(transfer)
            | Body::ReferralArrived(transfer)
            | Body::ReferralReturned(transfer)
            | Body::ReferralCancelled(transfer) => self.transfer(&transfer, emitter),
            Body::VisitOpened { facility, visit_type, route, admitted } => {
                self.code_or_emitter(facility, emitter);
                self.code(visit_type);
                self.code(route);
                self.day(admitted);
            }
            Body::ClaimSubmitted(claim) => self.claim(&claim, emitter),
            Body::ClaimAdjudicated { claim, approved, refused } => {
                self.number(claim.0);
                self.signed(approved);
                self.signed(refused);
            }
            Body::ClaimPaid { claim, amount, on } => {
                self.number(claim.0);
                self.signed(amount);
                self.day(on);
            }
            Body::CopayBalanceReported { year, copay } => {
                self.number(u64::from(year));
                self.signed(copay);
            }
            Body::ExemptionConfirmed { year, from } => {
                self.number(u64::from(year));
                self.day(from);
            }
        }
    }

    #[inline(always)]
    fn grant(&mut self, grant: Option<RecordHash>) {
        // Hashes of records have 48 bits.
        self.number(grant.map_or(0, |record| record.0 + 1));
    }

    #[inline(always)]
    fn claim(&mut self, claim: &Claim, emitter: Code) {
        self.code_or_emitter(claim.facility, emitter);
        self.code(claim.visit_type);
        self.code(claim.route);
        self.code(claim.group);
        self.code(claim.rate_digit);
        self.day(Some(claim.started));
        self.day(Some(claim.ended));
        self.day(claim.admitted);
        self.day(claim.exempt_from);
        self.number(u64::from(claim.charged_rate));
        self.shares(claim.covered, claim.copay, claim.fund);
        self.number(u64::from(claim.segments.1));
    }

    #[inline(always)]
    fn segment(&mut self, segment: &Segment) {
        self.code(segment.group);
        self.code(segment.rate_digit);
        self.number(u64::from(segment.charged_rate));
        self.number(u64::from(segment.year));
        self.shares(segment.covered, segment.copay, segment.fund);
    }

    /// What the fund pays is what is covered less the copay, nearly always: then only the difference is told, as 0.
    #[inline(always)]
    fn shares(&mut self, covered: i64, copay: i64, fund: i64) {
        self.money(covered);
        self.money(copay);
        self.signed(covered.wrapping_sub(copay).wrapping_sub(fund));
    }

    /// Whole dong where it is whole, which saves a byte.
    #[inline(always)]
    fn money(&mut self, hundredths: i64) {
        if hundredths % 100 == 0 {
            self.number(zigzag(hundredths / 100) << 1);
        } else {
            // Amounts are bounded far below 2^61 (validation), so nothing is shifted out.
            self.number(zigzag(hundredths) << 1 | 1);
        }
    }
}
