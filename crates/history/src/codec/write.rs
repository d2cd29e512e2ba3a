//! Writing one fact.

use contract::{
    Code, Day, RecordHash,
    varint::{self, zigzag},
};

use super::{
    DAY_FIRST, DAY_MS, DAY_NONE, DAY_OPEN, Dictionary, LENGTH_BITS, MINUTE_MS, SEGMENT_NUMBERS, append_short,
    lengths_bytes,
};
use crate::body::{Body, Claim, Segment, Transfer};

/// More than is ever written between two calls of [`Writer::make_room`]: 15 bytes of head, 8 of lengths, 19 numbers of 8.
const ROOM: usize = 256;
/// A segment, or what a fact says more before its path; and the bytes that a number's word is longer than the number.
const SPARE: usize = 80;

/// Writes one fact, first beside the others, then to them: so no byte asks whether there is room for it. Always inlined, as
/// the reader is.
pub(super) struct Writer<'a> {
    buffer: [u8; ROOM],
    at: usize,
    /// Where the lengths of the numbers that are being written stand.
    lengths_at: usize,
    lengths: u64,
    /// How many bits of the lengths are written.
    length_bits: usize,
    out: &'a mut Vec<u8>,
    dictionary: &'a mut Dictionary,
    /// The day the fact occurred.
    day: Day,
}

impl<'a> Writer<'a> {
    #[inline(always)]
    pub(super) fn new(out: &'a mut Vec<u8>, dictionary: &'a mut Dictionary, day: Day) -> Writer<'a> {
        let buffer = [0; ROOM];
        Writer { buffer, at: 0, lengths_at: 0, lengths: 0, length_bits: 0, out, dictionary, day }
    }

    #[inline(always)]
    pub(super) fn bytes<const N: usize>(&mut self, bytes: [u8; N]) {
        self.buffer[self.at..self.at + N].copy_from_slice(&bytes);
        self.at += N;
    }

    /// Begins `count` numbers: their lengths first.
    #[inline(always)]
    pub(super) fn begin(&mut self, count: usize) {
        self.make_room();
        (self.lengths_at, self.lengths, self.length_bits) = (self.at, 0, 0);
        self.at += lengths_bytes(count);
    }

    /// Ends the numbers that were begun.
    #[inline(always)]
    pub(super) fn end_numbers(&mut self) {
        let count = self.length_bits / LENGTH_BITS;
        let room = &mut self.buffer[self.lengths_at..][..lengths_bytes(count)];
        room.iter_mut().zip(self.lengths.to_le_bytes()).for_each(|(byte, lengths)| *byte = lengths);
    }

    #[inline(always)]
    pub(super) fn number(&mut self, value: u64) {
        let bytes = (u64::BITS + 7 - value.leading_zeros()) as usize / 8;
        let length = bytes.min(7);
        self.buffer[self.at..self.at + 8].copy_from_slice(&value.to_le_bytes());
        self.at += length + (length + 1) / 8;
        self.lengths |= (length as u64) << self.length_bits;
        self.length_bits += LENGTH_BITS;
    }

    /// A number among those of no lengths.
    pub(super) fn lone_number(&mut self, value: u64) {
        self.append();
        varint::put(self.out, value);
    }

    #[inline(always)]
    pub(super) fn make_room(&mut self) {
        if self.at > ROOM - SPARE {
            self.append();
        }
    }

    /// Appends what was written so far.
    #[inline(always)]
    pub(super) fn append(&mut self) {
        append_short(self.out, &self.buffer, self.at);
        self.at = 0;
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
        let (unit, count) = if millis % DAY_MS == 0 {
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
                [group, rate_digit, primary, area].into_iter().for_each(|code| self.code(code));
                [Some(from), Some(until), five_years].into_iter().for_each(|day| self.day(day));
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
                [programme, payer, class].into_iter().for_each(|code| self.code(code));
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
        [claim.visit_type, claim.route, claim.group, claim.rate_digit]
            .into_iter()
            .for_each(|code| self.code(code));
        [Some(claim.started), Some(claim.ended), claim.admitted, claim.exempt_from]
            .into_iter()
            .for_each(|day| self.day(day));
        self.number(u64::from(claim.charged_rate));
        self.shares(claim.covered, claim.copay, claim.fund);
        self.number(u64::from(claim.segments.1));
    }

    pub(super) fn segments(&mut self, segments: &[Segment]) {
        for segment in segments {
            self.begin(SEGMENT_NUMBERS);
            self.code(segment.group);
            self.code(segment.rate_digit);
            self.number(u64::from(segment.charged_rate));
            self.number(u64::from(segment.year));
            self.shares(segment.covered, segment.copay, segment.fund);
            self.end_numbers();
        }
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
