//! Reading one fact.

use contract::{
    Code, Day, Kind, RecordHash,
    varint::{self, unzigzag},
};

use super::{
    CodeIndex, CodecError, DAY_FIRST, DAY_MS, DAY_NONE, DAY_OPEN, LENGTH_BITS, MINUTE_MS, SEGMENT_NUMBERS,
    lengths_bytes,
};
use crate::{
    body::{Body, Claim, Segment, Transfer},
    fact::LinkHash,
};

/// Reads one fact. Bytes past the end read as zeros; [`Reader::rest`] then says so. Always inlined, and what is not is given
/// a copy: where it stands has to stay in registers, which made decoding twice as fast.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a, 'b> {
    bytes: &'a [u8],
    pub(super) at: usize,
    /// The lengths of the numbers that are still to be read.
    lengths: u64,
    codes: &'b CodeIndex,
    /// The day the fact occurred.
    pub(super) day: Day,
}

/// What of a word a number of each length is.
const MASKS: [u64; 8] = [0, 0xff, 0xffff, 0xff_ffff, 0xffff_ffff, 0xff_ffff_ffff, 0xffff_ffff_ffff, u64::MAX];

/// What of each unit of time is a millisecond; no other unit is written.
const UNITS: [i64; 4] = [DAY_MS, MINUTE_MS, 1, 0];

/// The word that begins at byte `at`, with zeros for the bytes past the end, of which there are some.
#[inline(never)]
fn last_word(bytes: &[u8], at: usize) -> u64 {
    let past = at + 8 - bytes.len();
    match bytes.last_chunk() {
        // A fact that is not damaged has more than eight bytes.
        Some(last) if past < 8 => u64::from_le_bytes(*last) >> (8 * past),
        _ => 0,
    }
}

impl<'a, 'b> Reader<'a, 'b> {
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8], codes: &'b CodeIndex) -> Reader<'a, 'b> {
        Reader { bytes, at: 0, lengths: 0, codes, day: Day::default() }
    }

    /// What is left after what was read.
    #[inline(always)]
    pub(super) fn rest(&self) -> Result<&'a [u8], CodecError> {
        self.bytes.get(self.at..).ok_or(CodecError)
    }

    #[inline(always)]
    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let bytes = self.rest()?.first_chunk().ok_or(CodecError)?;
        self.at += N;
        Ok(*bytes)
    }

    #[inline(always)]
    pub(super) fn eight(&mut self) -> Result<u64, CodecError> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// A number among those of no lengths.
    pub(super) fn lone_number(&mut self) -> Result<u64, CodecError> {
        let mut rest = self.rest()?;
        let number = varint::take(&mut rest).ok_or(CodecError)?;
        self.at = self.bytes.len() - rest.len();
        Ok(number)
    }

    /// Begins `count` numbers: their lengths first.
    #[inline(always)]
    pub(super) fn begin(&mut self, count: usize) {
        self.lengths = self.word();
        self.at += lengths_bytes(count);
    }

    /// The next eight bytes.
    #[inline(always)]
    fn word(&self) -> u64 {
        match self.bytes.get(self.at..self.at + 8) {
            Some(word) => u64::from_le_bytes(word.try_into().expect("it is eight bytes long")),
            None => last_word(self.bytes, self.at),
        }
    }

    #[inline(always)]
    pub(super) fn number(&mut self) -> u64 {
        let length = (self.lengths & 7) as usize;
        self.lengths >>= LENGTH_BITS;
        let number = self.word() & MASKS[length];
        self.at += length + (length + 1) / 8;
        number
    }

    /// Where the numbers end that are `left` of a fact of this kind, if nothing follows them.
    #[inline(never)]
    pub(super) fn end_of_numbers(self, kind: Kind, left: usize) -> Option<usize> {
        let length = |number: usize| (self.lengths >> (LENGTH_BITS * number)) as usize & 7;
        // The last number of a claim is that of its segments.
        let ends = kind != Kind::ClaimSubmitted || length(left - 1) == 0;
        ends.then(|| self.at + (0..left).map(length).map(|length| length + (length + 1) / 8).sum::<usize>())
    }

    #[inline(always)]
    fn number32(&mut self) -> Result<u32, CodecError> {
        self.number().try_into().map_err(|_| CodecError)
    }

    #[inline(always)]
    fn signed(&mut self) -> i64 {
        unzigzag(self.number())
    }

    #[inline(always)]
    pub(super) fn code(&mut self) -> Result<Code, CodecError> {
        let number = self.number();
        self.codes.get(number as usize).copied().ok_or(CodecError)
    }

    #[inline(always)]
    fn code_or_emitter(&mut self, emitter: Code) -> Result<Code, CodecError> {
        match self.number() {
            0 => Ok(emitter),
            number => self.codes.get(number as usize - 1).copied().ok_or(CodecError),
        }
    }

    #[inline(always)]
    pub(super) fn time(&mut self) -> Result<i64, CodecError> {
        let told = self.number();
        match UNITS[(told & 3) as usize] {
            0 => Err(CodecError),
            unit => Ok(unzigzag(told >> 2).wrapping_mul(unit)),
        }
    }

    #[inline(always)]
    fn day(&mut self) -> Result<Option<Day>, CodecError> {
        Ok(match self.number() {
            DAY_NONE => None,
            DAY_OPEN => Some(Day::MAX),
            told => {
                let days = i32::try_from(unzigzag(told - DAY_FIRST)).map_err(|_| CodecError)?;
                Some(Day(self.day.0.checked_add(days).ok_or(CodecError)?))
            }
        })
    }

    #[inline(always)]
    fn first(&mut self) -> Result<Day, CodecError> {
        Ok(self.day()?.unwrap_or(Day::MIN))
    }

    #[inline(always)]
    fn grant(&mut self) -> Option<RecordHash> {
        self.number().checked_sub(1).map(RecordHash)
    }

    #[inline(always)]
    fn transfer(&mut self, emitter: Code) -> Result<Transfer, CodecError> {
        Ok(Transfer {
            form: self.number(),
            from: self.code_or_emitter(emitter)?,
            to: self.code_or_emitter(emitter)?,
        })
    }

    #[inline(always)]
    fn money(&mut self) -> i64 {
        let told = self.number();
        let count = unzigzag(told >> 1);
        if told & 1 == 0 { count.wrapping_mul(100) } else { count }
    }

    /// Covered, copay, fund.
    #[inline(always)]
    fn shares(&mut self) -> (i64, i64, i64) {
        let (covered, copay) = (self.money(), self.money());
        (covered, copay, covered.wrapping_sub(copay).wrapping_sub(self.signed()))
    }

    /// `body` becomes that of a `kind` fact whose segments are to stand from number `segments` on.
    #[inline(always)]
    pub(super) fn body(
        &mut self,
        body: &mut Body,
        kind: Kind,
        emitter: Code,
        segments: usize,
    ) -> Result<(), CodecError> {
        match kind {
            Kind::HealthRecordOpened => *body = Body::HealthRecordOpened,
            Kind::HealthRecordClosed => *body = Body::HealthRecordClosed,
            Kind::SubjectErased => *body = Body::SubjectErased,
            Kind::Retraction => *body = Body::Retraction,
            // The event inside it is the fact.
            Kind::CarriedEvent => return Err(CodecError),
            Kind::PersonRegistered => {
                *body = Body::PersonRegistered {
                    birth: self.day()?,
                    sex: (self.number() as i32).try_into().map_err(|_| CodecError)?,
                }
            }
            Kind::ResidenceChanged => {
                *body = Body::ResidenceChanged {
                    kind: (self.number() as i32).try_into().map_err(|_| CodecError)?,
                    commune: self.code()?,
                    from: self.first()?,
                    until: self.first()?,
                }
            }
            Kind::InsuranceGranted => {
                *body = Body::InsuranceGranted {
                    group: self.code()?,
                    rate_digit: self.code()?,
                    primary: self.code()?,
                    area: self.code()?,
                    from: self.first()?,
                    until: self.first()?,
                    five_years: self.day()?,
                }
            }
            Kind::InsuranceEnded => *body = Body::InsuranceEnded { grant: self.grant(), on: self.first()? },
            Kind::EntitlementGranted => {
                *body = Body::EntitlementGranted {
                    group: self.code()?,
                    from: self.first()?,
                    until: self.first()?,
                };
            }
            Kind::EntitlementEnded => {
                *body =
                    Body::EntitlementEnded { grant: self.grant(), group: self.code()?, on: self.first()? };
            }
            Kind::IdentityLinked => {
                *body = Body::IdentityLinked { link: LinkHash(self.number()), away: self.number() != 0 };
            }
            Kind::IdentityUnlinked => *body = Body::IdentityUnlinked { link: LinkHash(self.number()) },
            Kind::PersonDied => *body = Body::PersonDied { on: self.first()? },
            Kind::CheckUpCompleted => {
                *body = Body::CheckUpCompleted {
                    facility: self.code_or_emitter(emitter)?,
                    programme: self.code()?,
                    payer: self.code()?,
                    class: self.code()?,
                    follow_up: self.day()?,
                }
            }
            Kind::CareGiven => {
                *body = Body::CareGiven { facility: self.code_or_emitter(emitter)?, care: self.code()? };
            }
            Kind::ReferralIssued => {
                *body = Body::ReferralIssued {
                    transfer: self.transfer(emitter)?,
                    reason: self.code()?,
                    form_kind: (self.number() as i32).try_into().map_err(|_| CodecError)?,
                    valid_until: self.day()?,
                }
            }
            Kind::ReferralAccepted => *body = Body::ReferralAccepted(self.transfer(emitter)?),
            Kind::ReferralDeclined => *body = Body::ReferralDeclined(self.transfer(emitter)?),
            Kind::ReferralArrived => *body = Body::ReferralArrived(self.transfer(emitter)?),
            Kind::ReferralReturned => *body = Body::ReferralReturned(self.transfer(emitter)?),
            Kind::ReferralCancelled => *body = Body::ReferralCancelled(self.transfer(emitter)?),
            Kind::VisitOpened => {
                *body = Body::VisitOpened {
                    facility: self.code_or_emitter(emitter)?,
                    visit_type: self.code()?,
                    route: self.code()?,
                    admitted: self.day()?,
                }
            }
            Kind::ClaimSubmitted => *body = Body::ClaimSubmitted(self.claim(emitter, segments)?),
            Kind::ClaimAdjudicated => {
                *body = Body::ClaimAdjudicated {
                    claim: RecordHash(self.number()),
                    approved: self.signed(),
                    refused: self.signed(),
                }
            }
            Kind::ClaimPaid => {
                *body = Body::ClaimPaid {
                    claim: RecordHash(self.number()),
                    amount: self.signed(),
                    on: self.day()?,
                };
            }
            Kind::CopayBalanceReported => {
                *body = Body::CopayBalanceReported { year: self.number32()?, copay: self.signed() };
            }
            Kind::ExemptionConfirmed => {
                *body = Body::ExemptionConfirmed { year: self.number32()?, from: self.day()? };
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn claim(&mut self, emitter: Code, segments: usize) -> Result<Claim, CodecError> {
        let facility = self.code_or_emitter(emitter)?;
        let (visit_type, route, group, rate_digit) = (self.code()?, self.code()?, self.code()?, self.code()?);
        let (started, ended, admitted, exempt_from) =
            (self.first()?, self.first()?, self.day()?, self.day()?);
        let charged_rate = self.number32()?;
        let (covered, copay, fund) = self.shares();
        Ok(Claim {
            facility,
            visit_type,
            route,
            started,
            admitted,
            ended,
            group,
            rate_digit,
            charged_rate,
            covered,
            copay,
            fund,
            exempt_from,
            segments: (segments as u32, self.number32()?),
        })
    }

    /// Adds `count` segments, and says where they end.
    pub(super) fn segments(mut self, count: u32, segments: &mut Vec<Segment>) -> Result<usize, CodecError> {
        for _ in 0..count {
            self.begin(SEGMENT_NUMBERS);
            let (group, rate_digit) = (self.code()?, self.code()?);
            let (charged_rate, year) = (self.number32()?, self.number32()?);
            let (covered, copay, fund) = self.shares();
            // Checked each time: a count that is damaged may be large.
            self.rest()?;
            segments.push(Segment { group, rate_digit, charged_rate, year, covered, copay, fund });
        }
        Ok(self.at)
    }
}
