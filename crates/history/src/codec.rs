//! Facts as bytes: what base files and delta rows hold.
//!
//! A fact stands alone (no reference to the one before), so that a merge copies bytes. Codes are numbers of a
//! [`Dictionary`] kept beside the facts. Times are in days, minutes or milliseconds, whichever is exact; days are
//! relative to the day the fact occurred; both are small numbers most of the time.

use contract::{
    Code, Day, IdHash, Kind, Millis, RecordHash,
    varint::{self, unzigzag, zigzag},
};
use rustc_hash::FxHashMap;

use crate::{
    body::{Body, Claim, Segment, Transfer},
    fact::{Fact, History, LinkHash},
};

/// Codes by number.
pub type CodeIndex = [Code];

/// Numbers for codes, given as they come.
#[derive(Debug, Default, Clone)]
pub struct Dictionary {
    numbers: FxHashMap<Code, u32>,
    codes: Vec<Code>,
}

impl Dictionary {
    /// The codes by number.
    #[must_use]
    pub fn codes(&self) -> &CodeIndex {
        &self.codes
    }

    #[inline]
    fn number(&mut self, code: Code) -> u32 {
        let codes = &mut self.codes;
        *self.numbers.entry(code).or_insert_with(|| {
            codes.push(code);
            codes.len() as u32 - 1
        })
    }
}

impl From<&CodeIndex> for Dictionary {
    /// A dictionary that goes on from the codes of another.
    fn from(codes: &CodeIndex) -> Dictionary {
        let numbers = codes.iter().enumerate().map(|(number, code)| (*code, number as u32)).collect();
        Dictionary { numbers, codes: codes.to_vec() }
    }
}

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

impl History {
    /// Appends the bytes of fact number `at`.
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
        out.push(fact.kind.number() as u8 | if more == 0 { 0 } else { HAS_MORE });
        out.extend_from_slice(&fact.id.0.to_le_bytes());
        out.extend_from_slice(&fact.record.0.to_le_bytes()[..6]);
        let mut writer = Writer { out, dictionary, day: fact.occurred.day() };
        writer.number(fact.offset);
        writer.code(fact.emitter);
        writer.time(fact.occurred.0.wrapping_sub(EPOCH_MS));
        writer.time(fact.asserted.0.wrapping_sub(fact.occurred.0));
        writer.time(fact.recorded.0.wrapping_sub(fact.asserted.0));
        if more != 0 {
            writer.out.push(more);
            fact.corrects.iter().chain(&fact.voids).for_each(|id| writer.eight(id.0));
            if fact.content != 0 {
                writer.eight(fact.content);
            }
        }
        if !path.is_empty() {
            writer.number(path.len() as u64);
            path.iter().for_each(|link| writer.eight(link.0));
        }
        writer.body(&fact.body, fact.emitter, &self.segments);
    }

    /// Reads one fact from the front of `bytes` and adds it.
    ///
    /// # Errors
    /// When the bytes are no fact; the history may then hold parts of it and is to be cleared.
    #[inline]
    pub fn decode(&mut self, bytes: &mut &[u8], codes: &CodeIndex) -> Result<(), CodecError> {
        let mut reader = Reader { bytes, codes, day: Day::default() };
        let head = reader.byte()?;
        let kind = Kind::from_number(u32::from(head & !HAS_MORE)).ok_or(CodecError)?;
        let id = IdHash(reader.eight()?);
        let record = RecordHash(reader.six()?);
        let offset = reader.number()?;
        let emitter = reader.code()?;
        let occurred = Millis(reader.time()?.wrapping_add(EPOCH_MS));
        let asserted = Millis(reader.time()?.wrapping_add(occurred.0));
        let recorded = Millis(reader.time()?.wrapping_add(asserted.0));
        reader.day = Millis(occurred.0.clamp(Millis::MIN.0, Millis::MAX.0)).day();
        let more = if head & HAS_MORE == 0 { 0 } else { reader.byte()? };
        let corrects = if more & CORRECTS == 0 { None } else { Some(IdHash(reader.eight()?)) };
        let voids = if more & VOIDS == 0 { None } else { Some(IdHash(reader.eight()?)) };
        let content = if more & CONTENT == 0 { 0 } else { reader.eight()? };
        let path = if more & PATH == 0 {
            0
        } else {
            let links = reader.number()?;
            let path = (0..links).map(|_| reader.eight().map(LinkHash)).collect::<Result<Box<[_]>, _>>()?;
            self.intern_path(path)
        };
        let body = reader.body(kind, emitter, &mut self.segments)?;
        self.facts.push(Fact {
            occurred,
            asserted,
            recorded,
            id,
            kind,
            record,
            offset,
            content,
            emitter,
            corrects,
            voids,
            withdrawn: more & WITHDRAWN != 0,
            by_operator: more & BY_OPERATOR != 0,
            path,
            body,
        });
        Ok(())
    }
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    dictionary: &'a mut Dictionary,
    /// The day the fact occurred.
    day: Day,
}

/// How a day is told that is not there, or not before or after any other.
const DAY_NONE: u64 = 0;
const DAY_OPEN: u64 = 1;
const DAY_FIRST: u64 = 2;

impl Writer<'_> {
    #[inline]
    fn number(&mut self, value: u64) {
        varint::put(self.out, value);
    }

    fn signed(&mut self, value: i64) {
        self.number(zigzag(value));
    }

    fn eight(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    fn record(&mut self, record: RecordHash) {
        self.out.extend_from_slice(&record.0.to_le_bytes()[..6]);
    }

    #[inline]
    fn code(&mut self, code: Code) {
        let number = self.dictionary.number(code);
        self.number(u64::from(number));
    }

    /// A code that mostly is the emitter's.
    fn code_or_emitter(&mut self, code: Code, emitter: Code) {
        if code == emitter {
            self.number(0);
        } else {
            let number = self.dictionary.number(code);
            self.number(u64::from(number) + 1);
        }
    }

    #[inline]
    fn time(&mut self, millis: i64) {
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

    fn day(&mut self, day: Option<Day>) {
        match day {
            None | Some(Day::MIN) => self.number(DAY_NONE),
            Some(Day::MAX) => self.number(DAY_OPEN),
            Some(day) => self.number(zigzag(i64::from(day - self.day)) + DAY_FIRST),
        }
    }

    fn transfer(&mut self, transfer: &Transfer, emitter: Code) {
        self.eight(transfer.form);
        self.code_or_emitter(transfer.from, emitter);
        self.code_or_emitter(transfer.to, emitter);
    }

    fn body(&mut self, body: &Body, emitter: Code, segments: &[Segment]) {
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
                self.eight(link.0);
                self.number(u64::from(away));
            }
            Body::IdentityUnlinked { link } => self.eight(link.0),
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
            Body::ClaimSubmitted(claim) => self.claim(&claim, emitter, segments),
            Body::ClaimAdjudicated { claim, approved, refused } => {
                self.record(claim);
                self.signed(approved);
                self.signed(refused);
            }
            Body::ClaimPaid { claim, amount, on } => {
                self.record(claim);
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

    fn grant(&mut self, grant: Option<RecordHash>) {
        self.number(u64::from(grant.is_some()));
        if let Some(record) = grant {
            self.record(record);
        }
    }

    fn claim(&mut self, claim: &Claim, emitter: Code, segments: &[Segment]) {
        self.code_or_emitter(claim.facility, emitter);
        [claim.visit_type, claim.route, claim.group, claim.rate_digit]
            .into_iter()
            .for_each(|code| self.code(code));
        [Some(claim.started), Some(claim.ended), claim.admitted, claim.exempt_from]
            .into_iter()
            .for_each(|day| self.day(day));
        self.number(u64::from(claim.charged_rate));
        self.shares(claim.covered, claim.copay, claim.fund);
        let (start, count) = (claim.segments.0 as usize, claim.segments.1 as usize);
        self.number(count as u64);
        for segment in &segments[start..start + count] {
            self.code(segment.group);
            self.code(segment.rate_digit);
            self.number(u64::from(segment.charged_rate));
            self.number(u64::from(segment.year));
            self.shares(segment.covered, segment.copay, segment.fund);
        }
    }

    /// What the fund pays is what is covered less the copay, nearly always: then only the difference is told, as 0.
    fn shares(&mut self, covered: i64, copay: i64, fund: i64) {
        self.money(covered);
        self.money(copay);
        self.signed(covered.wrapping_sub(copay).wrapping_sub(fund));
    }

    /// Whole dong where it is whole, which saves a byte.
    fn money(&mut self, hundredths: i64) {
        if hundredths % 100 == 0 {
            self.number(zigzag(hundredths / 100) << 1);
        } else {
            // Amounts are bounded far below 2^61 (validation), so nothing is shifted out.
            self.number(zigzag(hundredths) << 1 | 1);
        }
    }
}

struct Reader<'a, 'b> {
    bytes: &'a mut &'b [u8],
    codes: &'a CodeIndex,
    day: Day,
}

impl Reader<'_, '_> {
    #[inline]
    fn byte(&mut self) -> Result<u8, CodecError> {
        varint::take_array::<1>(self.bytes).map(|byte| byte[0]).ok_or(CodecError)
    }

    #[inline]
    fn number(&mut self) -> Result<u64, CodecError> {
        varint::take(self.bytes).ok_or(CodecError)
    }

    fn number32(&mut self) -> Result<u32, CodecError> {
        self.number()?.try_into().map_err(|_| CodecError)
    }

    fn signed(&mut self) -> Result<i64, CodecError> {
        Ok(unzigzag(self.number()?))
    }

    #[inline]
    fn eight(&mut self) -> Result<u64, CodecError> {
        varint::take_array(self.bytes).map(u64::from_le_bytes).ok_or(CodecError)
    }

    #[inline]
    fn six(&mut self) -> Result<u64, CodecError> {
        let low = varint::take_array::<6>(self.bytes).ok_or(CodecError)?;
        Ok(u64::from_le_bytes([low[0], low[1], low[2], low[3], low[4], low[5], 0, 0]))
    }

    #[inline]
    fn code(&mut self) -> Result<Code, CodecError> {
        let number = self.number()?;
        self.codes.get(number as usize).copied().ok_or(CodecError)
    }

    #[inline]
    fn code_or_emitter(&mut self, emitter: Code) -> Result<Code, CodecError> {
        match self.number()? {
            0 => Ok(emitter),
            number => self.codes.get(number as usize - 1).copied().ok_or(CodecError),
        }
    }

    #[inline]
    fn time(&mut self) -> Result<i64, CodecError> {
        let told = self.number()?;
        let count = unzigzag(told >> 2);
        match told & 3 {
            0 => Ok(count.wrapping_mul(DAY_MS)),
            1 => Ok(count.wrapping_mul(MINUTE_MS)),
            2 => Ok(count),
            _ => Err(CodecError),
        }
    }

    #[inline]
    fn day(&mut self) -> Result<Option<Day>, CodecError> {
        Ok(match self.number()? {
            DAY_NONE => None,
            DAY_OPEN => Some(Day::MAX),
            told => {
                let days = i32::try_from(unzigzag(told - DAY_FIRST)).map_err(|_| CodecError)?;
                Some(Day(self.day.0.checked_add(days).ok_or(CodecError)?))
            }
        })
    }

    #[inline]
    fn first(&mut self) -> Result<Day, CodecError> {
        Ok(self.day()?.unwrap_or(Day::MIN))
    }

    fn grant(&mut self) -> Result<Option<RecordHash>, CodecError> {
        Ok(if self.number()? == 0 { None } else { Some(RecordHash(self.six()?)) })
    }

    fn transfer(&mut self, emitter: Code) -> Result<Transfer, CodecError> {
        Ok(Transfer {
            form: self.eight()?,
            from: self.code_or_emitter(emitter)?,
            to: self.code_or_emitter(emitter)?,
        })
    }

    #[inline]
    fn money(&mut self) -> Result<i64, CodecError> {
        let told = self.number()?;
        let count = unzigzag(told >> 1);
        Ok(if told & 1 == 0 { count.wrapping_mul(100) } else { count })
    }

    /// Covered, copay, fund.
    #[inline]
    fn shares(&mut self) -> Result<(i64, i64, i64), CodecError> {
        let (covered, copay) = (self.money()?, self.money()?);
        Ok((covered, copay, covered.wrapping_sub(copay).wrapping_sub(self.signed()?)))
    }

    fn body(&mut self, kind: Kind, emitter: Code, segments: &mut Vec<Segment>) -> Result<Body, CodecError> {
        Ok(match kind {
            Kind::HealthRecordOpened => Body::HealthRecordOpened,
            Kind::HealthRecordClosed => Body::HealthRecordClosed,
            Kind::SubjectErased => Body::SubjectErased,
            Kind::Retraction => Body::Retraction,
            // The event inside it is the fact.
            Kind::CarriedEvent => return Err(CodecError),
            Kind::PersonRegistered => Body::PersonRegistered {
                birth: self.day()?,
                sex: (self.number()? as i32).try_into().map_err(|_| CodecError)?,
            },
            Kind::ResidenceChanged => Body::ResidenceChanged {
                kind: (self.number()? as i32).try_into().map_err(|_| CodecError)?,
                commune: self.code()?,
                from: self.first()?,
                until: self.first()?,
            },
            Kind::InsuranceGranted => Body::InsuranceGranted {
                group: self.code()?,
                rate_digit: self.code()?,
                primary: self.code()?,
                area: self.code()?,
                from: self.first()?,
                until: self.first()?,
                five_years: self.day()?,
            },
            Kind::InsuranceEnded => Body::InsuranceEnded { grant: self.grant()?, on: self.first()? },
            Kind::EntitlementGranted => {
                Body::EntitlementGranted { group: self.code()?, from: self.first()?, until: self.first()? }
            }
            Kind::EntitlementEnded => {
                Body::EntitlementEnded { grant: self.grant()?, group: self.code()?, on: self.first()? }
            }
            Kind::IdentityLinked => {
                Body::IdentityLinked { link: LinkHash(self.eight()?), away: self.number()? != 0 }
            }
            Kind::IdentityUnlinked => Body::IdentityUnlinked { link: LinkHash(self.eight()?) },
            Kind::PersonDied => Body::PersonDied { on: self.first()? },
            Kind::CheckUpCompleted => Body::CheckUpCompleted {
                facility: self.code_or_emitter(emitter)?,
                programme: self.code()?,
                payer: self.code()?,
                class: self.code()?,
                follow_up: self.day()?,
            },
            Kind::CareGiven => {
                Body::CareGiven { facility: self.code_or_emitter(emitter)?, care: self.code()? }
            }
            Kind::ReferralIssued => Body::ReferralIssued {
                transfer: self.transfer(emitter)?,
                reason: self.code()?,
                form_kind: (self.number()? as i32).try_into().map_err(|_| CodecError)?,
                valid_until: self.day()?,
            },
            Kind::ReferralAccepted => Body::ReferralAccepted(self.transfer(emitter)?),
            Kind::ReferralDeclined => Body::ReferralDeclined(self.transfer(emitter)?),
            Kind::ReferralArrived => Body::ReferralArrived(self.transfer(emitter)?),
            Kind::ReferralReturned => Body::ReferralReturned(self.transfer(emitter)?),
            Kind::ReferralCancelled => Body::ReferralCancelled(self.transfer(emitter)?),
            Kind::VisitOpened => Body::VisitOpened {
                facility: self.code_or_emitter(emitter)?,
                visit_type: self.code()?,
                route: self.code()?,
                admitted: self.day()?,
            },
            Kind::ClaimSubmitted => Body::ClaimSubmitted(self.claim(emitter, segments)?),
            Kind::ClaimAdjudicated => Body::ClaimAdjudicated {
                claim: RecordHash(self.six()?),
                approved: self.signed()?,
                refused: self.signed()?,
            },
            Kind::ClaimPaid => {
                Body::ClaimPaid { claim: RecordHash(self.six()?), amount: self.signed()?, on: self.day()? }
            }
            Kind::CopayBalanceReported => {
                Body::CopayBalanceReported { year: self.number32()?, copay: self.signed()? }
            }
            Kind::ExemptionConfirmed => {
                Body::ExemptionConfirmed { year: self.number32()?, from: self.day()? }
            }
        })
    }

    #[inline]
    fn claim(&mut self, emitter: Code, segments: &mut Vec<Segment>) -> Result<Claim, CodecError> {
        let facility = self.code_or_emitter(emitter)?;
        let (visit_type, route, group, rate_digit) = (self.code()?, self.code()?, self.code()?, self.code()?);
        let (started, ended, admitted, exempt_from) =
            (self.first()?, self.first()?, self.day()?, self.day()?);
        let charged_rate = self.number32()?;
        let (covered, copay, fund) = self.shares()?;
        let (start, count) = (segments.len() as u32, self.number32()?);
        for _ in 0..count {
            let (group, rate_digit) = (self.code()?, self.code()?);
            let (charged_rate, year) = (self.number32()?, self.number32()?);
            let (covered, copay, fund) = self.shares()?;
            segments.push(Segment { group, rate_digit, charged_rate, year, covered, copay, fund });
        }
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
            segments: (start, count),
        })
    }
}

#[cfg(test)]
mod tests;
