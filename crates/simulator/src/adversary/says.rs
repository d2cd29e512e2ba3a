//! What is said: contents drawn from the few days, places and keys there are.

use contract::Day;

use super::Adversary;
use crate::{
    Key, Short,
    billing::{DONG, settle},
    person::at,
    truth::{
        BirthKnown, Card, Claim, DayNumber, Form, Money, Referral, ReferralStep, Residence, Says, Segment,
    },
};

const GROUPS: [&str; 11] = ["TE", "DN", "HT", "GD", "HN", "CN", "CC", "LH", "BT", "QN", "ZZ"];
/// Those that pay by the day, the ward or the hospital stand twice.
const ROUTES: [&str; 33] = [
    "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.11", "1.12", "1.13", "1.13", "1.14", "1.14", "1.15",
    "1.16", "1.17", "1.18", "1.18", "2", "3.1", "3.1", "3.2", "3.3", "3.3", "3.6", "7", "7.2", "7.3", "7.4",
    "8", "9", "10", "zz",
];
const VISIT_TYPES: [&str; 7] = ["01", "02", "03", "04", "09", "15", "16"];
pub(super) const FORMS: [&str; 9] = ["77", " 77 ", "ab/26", "AB/26", "Ab/26 ", "78", "", "", "đ9"];
const AREAS: [&str; 4] = ["", "", "K1", "K3"];
const DIAGNOSES: [&str; 4] = ["I10", "C34.9", "A15.0", ""];

impl Adversary<'_> {
    pub(super) fn says(&mut self) -> Says {
        let kind = *self.dice.weighted(&[
            (6, 0u8),
            (4, 1),
            (1, 2),
            (8, 3),
            (12, 4),
            (3, 5),
            (5, 6),
            (2, 7),
            (2, 8),
            (5, 9),
            (4, 10),
            (16, 11),
            (4, 12),
            (18, 13),
            (2, 14),
            (2, 15),
            (2, 16),
            (2, 17),
        ]);
        match kind {
            0 => {
                let known =
                    *self.dice.pick(&[BirthKnown::Day, BirthKnown::Day, BirthKnown::Month, BirthKnown::Year]);
                let born = known.first_day(self.born_about());
                Says::Registered { born, known, male: *self.dice.pick(&[Some(true), Some(false), None]) }
            }
            1 => Says::RecordOpened,
            2 => Says::RecordClosed,
            3 => {
                let kind = *self.dice.pick(&[Residence::Permanent, Residence::Temporary, Residence::Actual]);
                let (from, until) = self.interval();
                let until = until.filter(|_| self.dice.permille(350));
                Says::Lives { kind, commune: self.commune(), from, until }
            }
            4 => self.card(),
            5 => Says::InsuranceEnded { grant: self.grant_key(), on: self.day() },
            6 => {
                let (from, until) = self.interval();
                Says::Entitled { group: self.code(&GROUPS), from, until }
            }
            7 => {
                Says::EntitlementEnded { grant: self.grant_key(), group: self.code(&GROUPS), on: self.day() }
            }
            8 => Says::Died { on: self.day() },
            9 => Says::CheckUp {
                facility: self.facility(),
                class: 1 + self.dice.below(5) as u8,
                programme: Short::new("1"),
                payer: Short::new("2"),
            },
            10 => Says::Care { facility: self.facility(), care: "home-visit" },
            11 => self.referral(),
            12 => {
                let admitted_ms = self.dice.permille(600).then(|| at(self.day(), 7_000_000));
                Says::VisitOpened {
                    facility: self.facility(),
                    visit_type: self.code(&VISIT_TYPES),
                    route: self.code(&ROUTES),
                    admitted_ms,
                }
            }
            13 => self.claim(),
            14 => Says::Adjudicated {
                facility: self.facility(),
                claim: self.record_key(),
                approved: self.money(),
                refused: self.money(),
            },
            15 => {
                let on = self.day();
                Says::Paid { facility: self.facility(), claim: self.record_key(), amount: self.money(), on }
            }
            16 => Says::CopayBalance { year: self.year(), copay: self.money() * 30 },
            _ => Says::Exempted { year: self.year(), from: self.day() },
        }
    }

    /// The same kind of thing again, with some of it changed.
    pub(super) fn another(&mut self, says: &Says) -> Says {
        for _ in 0..200 {
            let other = self.says();
            if crate::wire::kind(&other) == crate::wire::kind(says) {
                return other;
            }
        }
        says.clone()
    }

    pub(super) fn occurred(&mut self, says: &Says, old: i64) -> i64 {
        match says {
            Says::Claimed(claim) => claim.ended_ms,
            _ if self.dice.permille(300) => at(self.day(), self.dice.below(86_000_000) as i64),
            _ => old,
        }
    }

    fn card(&mut self) -> Says {
        let (from, until) = self.interval();
        let years = *self.dice.pick(&[-900i32, -40, 0, 200, 2000]);
        Says::Insured(Card {
            group: self.printed_group(),
            digit: self.code(&["1", "2", "3", "4", "5", ""]),
            from,
            until,
            primary: self.facility(),
            five_years_on: self.dice.permille(800).then(|| self.day() + years),
            area: self.code(&AREAS),
        })
    }

    fn referral(&mut self) -> Says {
        let step = *self.dice.weighted(&[(10, 0u8), (2, 1), (2, 2), (8, 3), (2, 4), (2, 5)]);
        let step = match step {
            0 => ReferralStep::Issued {
                kind: *self.dice.pick(&[Form::Standard, Form::Standard, Form::OneYear, Form::TestOnly]),
                valid_until: self.perhaps(150),
                reason: 1 + self.dice.below(3) as u8,
                diagnosis: self.code(&DIAGNOSES),
            },
            1 => ReferralStep::Accepted,
            2 => ReferralStep::Declined,
            3 => ReferralStep::Arrived,
            4 => ReferralStep::Returned,
            _ => ReferralStep::Cancelled,
        };
        let form = Key::new(self.dice.pick::<&str>(&FORMS));
        let (from, to) = (self.end_of_referral(), self.end_of_referral());
        Says::Referral(Referral { step, form, from, to })
    }

    pub(super) fn claim(&mut self) -> Says {
        let started = self.day();
        let inpatient = self.dice.permille(400);
        let days = if inpatient { *self.dice.pick(&[0, 1, 3, 20, 70, 400]) } else { 0 };
        let ended_ms = at(started + days, 60_000_000);
        let route = self.code(&ROUTES);
        let mut claim = Claim {
            // What this route pays hangs on the hospital.
            facility: if route.as_str() == "3.3" { self.hospital() } else { self.facility() },
            visit_type: self.code(&VISIT_TYPES),
            route,
            referred_from: if self.dice.permille(200) { self.facility() } else { Short::EMPTY },
            form: Key::new(self.dice.pick::<&str>(&FORMS)),
            started_ms: at(started, 20_000_000),
            admitted_ms: inpatient.then(|| at(started, 30_000_000)),
            ended_ms,
            diagnosis: self.code(&DIAGNOSES),
            outcome: 1,
            discharge: 1,
            covered: self.money(),
            self_paid: self.money() / 7,
            group: self.printed_group(),
            digit: self.code(&["1", "2", "3", "4", "5", ""]),
            exempt_from: self.perhaps(80),
            charged_rate: *self.dice.pick(&[0, 4000, 4750, 5000, 8000, 9500, 10_000]),
            ..Claim::default()
        };
        settle(&mut claim);
        if self.dice.permille(200) {
            let year = Day(started).year() as u32;
            let mut segment = |year: u32| {
                let covered = claim.covered / 2;
                let fund = claim.fund / 2;
                Some(Segment {
                    group: self.code(&GROUPS),
                    digit: claim.digit,
                    charged_rate: claim.charged_rate,
                    year,
                    covered,
                    copay: covered - fund,
                    fund,
                })
            };
            claim.segments = [segment(year), segment(year + 1)];
        }
        Says::Claimed(Box::new(claim))
    }

    /// Amounts around what matters: the low-cost limit and the limit of the year's copay.
    fn money(&mut self) -> Money {
        let around = *self.dice.pick(&[100_000, 351_000, 379_500, 2_000_000, 14_040_000, 40_000_000]);
        (around + self.dice.between(-2, 2) * 500) * DONG
    }

    pub(super) fn day(&mut self) -> DayNumber {
        let first = self.city.first_day;
        match self.dice.below(10) {
            // Days on which rules change, and the days around them.
            0..=2 => *self.dice.pick(&[first, first - 1, first + 181, first + 180, first + 59, first + 58]),
            3..=6 => first + self.dice.below(40) as DayNumber,
            _ => first - 200 + self.dice.below(560) as DayNumber,
        }
    }

    fn perhaps(&mut self, permille: u32) -> Option<DayNumber> {
        self.dice.permille(permille).then(|| self.day())
    }

    fn interval(&mut self) -> (DayNumber, Option<DayNumber>) {
        let from = self.day();
        let until =
            self.dice.permille(800).then(|| from + *self.dice.pick(&[0, 1, 30, 90, 91, 92, 364, 365]));
        (from, until)
    }

    fn year(&mut self) -> u32 {
        (Day(self.city.first_day).year() - 1 + self.dice.below(3) as i32) as u32
    }

    /// Around a birthday that matters, or anything.
    fn born_about(&mut self) -> DayNumber {
        match self.dice.below(4) {
            0 => Day(self.day()).add_months(-72).0,
            1 => Day(self.day()).add_months(-75 * 12).0,
            2 => Day::from_ymd(2020, 2, 29).expect("a leap year").0,
            _ => self.born,
        }
    }

    pub(super) fn record_key(&mut self) -> Key {
        let mut key = Key::new(self.dice.pick::<&str>(&["A", "B", "C"]));
        // Most records share their key with others, some are alone.
        if self.dice.permille(750) {
            key.push_number(self.dice.below(6), 1);
        } else {
            self.serial += 1;
            key.push_number(self.traits.index * 100 + self.serial, 4);
        }
        key
    }

    fn grant_key(&mut self) -> Key {
        if self.dice.permille(300) { Key::EMPTY } else { self.record_key() }
    }

    pub(super) fn facility(&mut self) -> Short {
        let facilities = self.city.places.facilities();
        let few = facilities.len().min(7) as u64;
        // Seven spread over the list, so that every tier is among them; and one that nobody knows.
        match self.dice.below(few * 4 + 1) {
            0 => Short::new("99999"),
            drawn => {
                let place = (drawn - 1) / 4 * (facilities.len() as u64 - 1) / (few - 1).max(1);
                facilities[place as usize].code
            }
        }
    }

    /// A facility, or what nobody could take for one.
    fn end_of_referral(&mut self) -> Short {
        match self.dice.below(30) {
            0 => Short::new("1090012"),
            1 => Short::new("79-01"),
            2 => Short::new("79A01"),
            _ => self.facility(),
        }
    }

    fn hospital(&mut self) -> Short {
        let hospitals = self.city.places.hospitals();
        let number = *self.dice.pick(hospitals);
        self.city.places.facility(number).code
    }

    /// The group that a card prints: one of 10 or 12 digits none.
    fn printed_group(&mut self) -> Short {
        if self.dice.permille(100) { Short::EMPTY } else { self.code(&GROUPS) }
    }

    fn commune(&mut self) -> Short {
        let communes = self.city.places.communes();
        match self.dice.below(12) {
            0 => Short::new("99998"),
            drawn => communes[drawn as usize % communes.len().min(4)].code,
        }
    }

    pub(super) fn code(&mut self, codes: &[&str]) -> Short {
        Short::new(self.dice.pick::<&str>(codes))
    }
}
