//! What was said, as the bytes of the contract.
//!
//! Written straight to the wire, because a city has sixty million events; a test holds these bytes equal to the contract's
//! own encoder.

use contract::Day;

use crate::{
    Short,
    truth::{
        BirthKnown, Card, Claim, DayNumber, Form, Moment, Money, Referral, ReferralStep, Residence, Says,
        Segment,
    },
};

/// Appends protobuf fields to a buffer. Fields must come in the order of their numbers; empty ones are left out.
pub(crate) struct Fields<'a>(pub(crate) &'a mut Vec<u8>);

const VARINT: u32 = 0;
const BYTES: u32 = 2;

impl Fields<'_> {
    #[inline]
    pub(crate) fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    #[inline]
    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    #[inline]
    pub(crate) fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.tag(field, VARINT);
            self.varint(number);
        }
    }

    #[inline]
    fn money(&mut self, field: u32, money: Money) {
        self.number(field, money as u64);
    }

    #[inline]
    pub(crate) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.tag(field, BYTES);
            self.varint(bytes.len() as u64);
            self.0.extend_from_slice(bytes);
        }
    }

    #[inline]
    fn text<const N: usize>(&mut self, field: u32, text: &crate::text::Text<N>) {
        self.bytes(field, text.as_bytes());
    }

    /// A message, whatever is in it: an empty one is a field too.
    #[inline]
    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Fields<'_>)) {
        self.tag(field, BYTES);
        // Almost all messages have fewer than 128 bytes, and so a length of one.
        let at = self.0.len();
        self.0.push(0);
        write(&mut Fields(self.0));
        let length = self.0.len() - at - 1;
        if length < 0x80 {
            self.0[at] = length as u8;
            return;
        }
        let more = (length.ilog2() / 7) as usize;
        let end = self.0.len();
        self.0.resize(end + more, 0);
        self.0.copy_within(at + 1..end, at + 1 + more);
        for (place, byte) in self.0[at..=at + more].iter_mut().enumerate() {
            let rest = (length >> (7 * place)) as u8;
            *byte = if place < more { rest | 0x80 } else { rest };
        }
    }

    #[inline]
    pub(crate) fn moment(&mut self, field: u32, moment: Moment) {
        self.message(field, |timestamp| {
            timestamp.number(1, moment.div_euclid(1000) as u64);
            timestamp.number(2, moment.rem_euclid(1000) as u64 * 1_000_000);
        });
    }

    #[inline]
    fn day(&mut self, field: u32, day: Option<DayNumber>) {
        if let Some(day) = day {
            self.bytes(field, &written(day));
        }
    }
}

/// `YYYY-MM-DD`.
fn written(day: DayNumber) -> [u8; 10] {
    let (year, month, day) = Day(day).ymd();
    let mut text = *b"0000-00-00";
    let mut put = |at: usize, width: usize, mut number: u32| {
        for place in (at..at + width).rev() {
            text[place] = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0, 4, year as u32);
    put(5, 2, month);
    put(8, 2, day);
    text
}

/// The number of the body's field in `Event`.
pub(crate) fn kind(says: &Says) -> u32 {
    match says {
        Says::Registered { .. } => 32,
        Says::RecordOpened => 33,
        Says::RecordClosed => 34,
        Says::Lives { .. } => 35,
        Says::Insured(_) => 36,
        Says::InsuranceEnded { .. } => 37,
        Says::Entitled { .. } => 38,
        Says::EntitlementEnded { .. } => 39,
        Says::Linked { .. } => 40,
        Says::Unlinked { .. } => 41,
        Says::Died { .. } => 44,
        Says::Nothing => 45,
        Says::CheckUp { .. } => 64,
        Says::Care { .. } => 65,
        Says::Referral(referral) => match referral.step {
            ReferralStep::Issued { .. } => 80,
            ReferralStep::Accepted => 81,
            ReferralStep::Declined => 82,
            ReferralStep::Arrived => 83,
            ReferralStep::Returned => 84,
            ReferralStep::Cancelled => 85,
        },
        Says::VisitOpened { .. } => 96,
        Says::Claimed(_) => 97,
        Says::Adjudicated { .. } => 98,
        Says::Paid { .. } => 99,
        Says::CopayBalance { .. } => 100,
        Says::Exempted { .. } => 101,
    }
}

/// What a link is called, and which subjects it joins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkNames {
    pub(crate) id: [u8; 16],
    pub(crate) from: [u8; 16],
    pub(crate) to: [u8; 16],
}

/// Writes the body of an event. `link` is called for links alone.
pub(crate) fn body(says: &Says, fields: &mut Fields<'_>, link: impl FnOnce(u32, u8, u8) -> LinkNames) {
    match says {
        Says::Registered { born, known, male } => {
            let born = written(*born);
            let length = match known {
                BirthKnown::Day => 10,
                BirthKnown::Month => 7,
                BirthKnown::Year => 4,
            };
            fields.bytes(1, &born[..length]);
            fields.number(2, male.map_or(0, |male| if male { 1 } else { 2 }));
        }
        Says::RecordOpened | Says::RecordClosed | Says::Nothing => {}
        Says::Lives { kind, commune, from, until } => {
            fields.number(
                1,
                match kind {
                    Residence::Permanent => 1,
                    Residence::Temporary => 2,
                    Residence::Actual => 3,
                },
            );
            fields.text(2, commune);
            fields.day(4, Some(*from));
            fields.day(5, *until);
        }
        Says::Insured(card) => insured(card, fields),
        Says::InsuranceEnded { grant, on } => {
            fields.text(1, grant);
            fields.day(2, Some(*on));
        }
        Says::Entitled { group, from, until } => {
            fields.text(1, group);
            fields.day(2, Some(*from));
            fields.day(3, *until);
        }
        Says::EntitlementEnded { grant, group, on } => {
            fields.text(1, grant);
            fields.text(2, group);
            fields.day(3, Some(*on));
        }
        Says::Linked { link: number, from, to } | Says::Unlinked { link: number, from, to } => {
            let names = link(*number, *from, *to);
            fields.bytes(1, &names.id);
            fields.bytes(2, &names.from);
            fields.bytes(3, &names.to);
            fields.bytes(4, if matches!(says, Says::Linked { .. }) { b"same person" } else { b"two people" });
        }
        Says::Died { on } => fields.day(1, Some(*on)),
        Says::CheckUp { facility, class, programme, payer } => {
            fields.text(1, facility);
            fields.text(2, programme);
            fields.text(3, payer);
            fields.bytes(4, &[b'0' + class]);
        }
        Says::Care { facility, care } => {
            fields.text(1, facility);
            fields.bytes(2, care.as_bytes());
        }
        Says::Referral(referral) => transfer(referral, fields),
        Says::VisitOpened { facility, visit_type, route, admitted_ms } => {
            fields.text(1, facility);
            fields.text(2, visit_type);
            fields.text(3, route);
            if let Some(admitted) = admitted_ms {
                fields.moment(4, *admitted);
            }
        }
        Says::Claimed(claim) => claimed(claim, fields),
        Says::Adjudicated { facility, claim, approved, refused } => {
            fields.text(1, facility);
            fields.text(2, claim);
            fields.money(3, *approved);
            fields.money(4, *refused);
        }
        Says::Paid { facility, claim, amount, on } => {
            fields.text(1, facility);
            fields.text(2, claim);
            fields.money(3, *amount);
            fields.day(4, Some(*on));
        }
        Says::CopayBalance { year, copay } => {
            fields.number(1, u64::from(*year));
            fields.money(2, *copay);
        }
        Says::Exempted { year, from } => {
            fields.number(1, u64::from(*year));
            fields.day(2, Some(*from));
        }
    }
}

fn insured(card: &Card, fields: &mut Fields<'_>) {
    fields.text(1, &card.group);
    fields.text(2, &card.digit);
    fields.day(3, Some(card.from));
    fields.day(4, card.until);
    fields.text(5, &card.primary);
    fields.day(6, card.five_years_on);
    fields.text(7, &card.area);
}

fn transfer(referral: &Referral, fields: &mut Fields<'_>) {
    fields.text(1, &referral.form);
    fields.text(2, &referral.from);
    fields.text(3, &referral.to);
    match referral.step {
        ReferralStep::Issued { kind, valid_until, reason, diagnosis } => {
            fields.bytes(4, &[b'0' + reason]);
            fields.number(
                5,
                match kind {
                    Form::Standard => 1,
                    Form::OneYear => 2,
                    Form::TestOnly => 3,
                },
            );
            fields.day(6, valid_until);
            fields.text(7, &diagnosis);
        }
        ReferralStep::Declined => fields.bytes(4, b"no free bed"),
        ReferralStep::Cancelled => fields.bytes(4, b"issued by mistake"),
        ReferralStep::Accepted | ReferralStep::Arrived | ReferralStep::Returned => {}
    }
}

fn claimed(claim: &Claim, fields: &mut Fields<'_>) {
    let digit = |number: u8| {
        if number == 0 {
            Short::EMPTY
        } else {
            Short::new(["1", "2", "3", "4", "5", "6", "7", "8", "9"][usize::from(number) - 1])
        }
    };
    fields.text(1, &claim.facility);
    fields.text(2, &claim.visit_type);
    fields.text(3, &claim.route);
    fields.text(4, &claim.referred_from);
    fields.text(5, &claim.referred_to);
    fields.text(6, &claim.form);
    fields.moment(7, claim.started_ms);
    if let Some(admitted) = claim.admitted_ms {
        fields.moment(8, admitted);
    }
    fields.moment(9, claim.ended_ms);
    fields.text(10, &claim.diagnosis);
    fields.text(11, &claim.other_diagnosis);
    fields.text(12, &digit(claim.outcome));
    fields.text(13, &digit(claim.discharge));
    fields.message(14, |totals| {
        totals.money(1, claim.total);
        totals.money(2, claim.covered);
        totals.money(3, claim.self_paid);
        totals.money(4, claim.copay);
        totals.money(5, claim.fund);
    });
    for segment in claim.segments.iter().flatten() {
        fields.message(15, |fields| part(segment, fields));
    }
    fields.text(17, &claim.group);
    fields.text(18, &claim.digit);
    fields.day(19, claim.exempt_from);
    fields.day(20, claim.paid_on);
    fields.number(21, u64::from(claim.charged_rate));
}

fn part(segment: &Segment, fields: &mut Fields<'_>) {
    fields.text(1, &segment.group);
    fields.text(2, &segment.digit);
    fields.number(3, u64::from(segment.charged_rate));
    fields.number(4, u64::from(segment.year));
    fields.money(5, segment.covered);
    fields.money(6, segment.copay);
    fields.money(7, segment.fund);
}
