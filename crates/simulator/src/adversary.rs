//! Lives that try every rule of the contract at once. See [`crate::Character::Adversarial`].
//!
//! Few days, few facilities, few record keys and few form numbers, so that everything meets everything: versions asserted on
//! one day, voids of voids, references that come before what they refer to, references by those who may not refer, a record
//! told under two identities, links, links of links, unlinks and unlinks withdrawn.

use contract::Day;

use crate::{
    Key, Short,
    billing::{DONG, settle},
    city::City,
    dice::Dice,
    event::nameless_record,
    past::reach_back,
    person::{Traits, at},
    teller::Teller,
    truth::{
        BirthKnown, Card, Claim, DayNumber, Form, Money, Referral, ReferralStep, Residence, Says, Segment,
        TakesBack, Told,
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
const FORMS: [&str; 9] = ["77", " 77 ", "ab/26", "AB/26", "Ab/26 ", "78", "", "", "đ9"];
const AREAS: [&str; 4] = ["", "", "K1", "K3"];
const DIAGNOSES: [&str; 4] = ["I10", "C34.9", "A15.0", ""];

/// Makes up everything that is said about a person.
pub(crate) fn life(city: &City, traits: &Traits, teller: &mut Teller<'_>, dice: &mut Dice) {
    let identities = *dice.weighted(&[(4, 1u8), (3, 2), (2, 3)]);
    teller.person.identities = identities;
    // By chance of its own, so that everybody else lives as without it.
    let mut own = Dice::new(city.config.seed ^ 0x6e6f_6e65, traits.index);
    let nameless = (0..identities).filter(|_| own.permille(150)).fold(0, |all, identity| all | 1 << identity);
    teller.person.nameless = nameless;
    let mut adversary = Adversary { city, traits, dice, born: traits.born, nameless, serial: 0 };
    let events = 1 + adversary.dice.below(28);
    for _ in 0..events {
        let identity = adversary.dice.below(u64::from(identities)) as u8;
        let known = teller.person.told.len() as u64;
        let doubts = known > 0 && adversary.dice.permille(450);
        if doubts {
            let target = adversary.dice.below(known) as u32;
            adversary.doubt(teller, target, identity);
        } else {
            let told = adversary.fresh(identity);
            teller.push(told);
        }
    }
    if identities > 1 {
        adversary.links(teller, identities);
    }
    reach_back(teller.person, city.first_day, &mut own);
    let born = traits.born;
    Adversary { city, traits, dice: &mut own, born, nameless, serial: 50 }.other_ends(teller);
    if adversary.dice.permille(300) && !teller.person.told.is_empty() {
        // What is taken back may become known after what takes it back.
        let known = teller.person.told.len() as u64;
        let (one, other) = (adversary.dice.below(known) as usize, adversary.dice.below(known) as usize);
        let told = &mut teller.person.told;
        let (first, second) = (told[one].recorded_ms, told[other].recorded_ms);
        (told[one].recorded_ms, told[other].recorded_ms) = (second, first);
    }
}

struct Adversary<'a> {
    city: &'a City,
    traits: &'a Traits,
    dice: &'a mut Dice,
    born: DayNumber,
    /// As in [`crate::truth::Person::nameless`].
    nameless: u8,
    serial: u64,
}

impl Adversary<'_> {
    /// Something new, by some emitter, about some record of few.
    fn fresh(&mut self, identity: u8) -> Told {
        let says = self.says();
        let occurred = self.day();
        let asserted = if self.dice.permille(600) { occurred } else { self.day() };
        let recorded = asserted.max(occurred) + *self.dice.pick(&[0, 0, 0, 1, 5, 40, 200]);
        let asserted_ms =
            at(asserted, if self.dice.permille(700) { 0 } else { self.dice.below(80_000_000) as i64 });
        let occurred_ms = match &says {
            Says::Claimed(claim) => claim.ended_ms,
            _ => at(occurred, self.dice.below(86_000_000) as i64),
        };
        let emitter = match &says {
            Says::Referral(referral) if self.dice.permille(800) => match referral.step {
                ReferralStep::Issued { .. } | ReferralStep::Cancelled => referral.from,
                _ => referral.to,
            },
            Says::Claimed(claim) => claim.facility,
            Says::VisitOpened { facility, .. } => *facility,
            _ => self.facility(),
        };
        let record_key = self.record_key();
        let (emitter, record_key) = if self.nameless >> identity & 1 == 1 {
            nameless_record(self.traits.index, identity)
        } else {
            (emitter, record_key)
        };
        Told {
            identity,
            emitter,
            record_key,
            asserted_ms,
            occurred_ms,
            recorded_ms: at(recorded, 80_000_000 + self.dice.below(6_000_000) as i64),
            says,
            takes_back: None,
            withdraws: false,
            by_operator: self.dice.permille(60),
            copy_of: None,
        }
    }

    /// Something about what was said as number `target`.
    fn doubt(&mut self, teller: &mut Teller<'_>, target: u32, identity: u8) {
        let old = teller.told(target).clone();
        if old.copy_of.is_some() || matches!(old.says, Says::Linked { .. } | Says::Unlinked { .. }) {
            return;
        }
        let later = *self.dice.pick(&[-3i64, 0, 0, 1, 2, 30]) * 86_400_000;
        let recorded_ms =
            (old.recorded_ms + later.max(-40_000_000) + self.dice.between(1, 3_600_000)).max(old.asserted_ms);
        let asserted_ms = old.asserted_ms + *self.dice.pick(&[0, 0, 0, 86_400_000, -86_400_000, 3_600_000]);
        let asserted_ms = asserted_ms.min(recorded_ms);
        // Another identity, if the record moved to another person.
        let moves = self.dice.permille(250) && self.nameless >> identity & 1 == 0;
        let identity = if moves { identity } else { old.identity };
        match self.dice.below(10) {
            // Sent again.
            0 | 1 => {
                teller.push(Told {
                    recorded_ms: old.recorded_ms.max(recorded_ms),
                    copy_of: Some(target),
                    ..old
                });
            }
            2..=5 if old.says == Says::Nothing => {}
            // A new version.
            2..=4 => {
                let says = self.another(&old.says);
                let occurred_ms = self.occurred(&says, old.occurred_ms);
                teller.push(Told {
                    identity,
                    asserted_ms,
                    occurred_ms,
                    recorded_ms,
                    says,
                    takes_back: None,
                    ..old
                });
            }
            // A withdrawal, or a version after one.
            5 => {
                teller.push(Told { identity, asserted_ms, recorded_ms, withdraws: !old.withdraws, ..old });
            }
            // Taken back, by the emitter, by an operator, or by somebody who may not.
            6..=8 => {
                let told = self.taking_back(old, target, recorded_ms, Says::Nothing, false);
                teller.push(told);
            }
            // Replaced.
            _ if old.says != Says::Nothing => {
                let says = self.another(&old.says);
                let occurred_ms = self.occurred(&says, old.occurred_ms);
                let told = self.taking_back(old, target, recorded_ms, says, true);
                teller.push(Told { occurred_ms, ..told });
            }
            _ => {}
        }
    }

    fn taking_back(&mut self, old: Told, target: u32, recorded_ms: i64, says: Says, instead: bool) -> Told {
        let (emitter, by_operator) = match self.dice.below(10) {
            0 => (self.facility(), false),
            1 | 2 => (self.facility(), true),
            _ => (old.emitter, false),
        };
        let own_key = self.record_key();
        // What replaces a record of nobody is a version of that record, or it would be about another nobody.
        let of_nobody = instead && self.nameless >> old.identity & 1 == 1;
        let (emitter, by_operator, record_key) =
            if of_nobody { (old.emitter, false, old.record_key) } else { (emitter, by_operator, own_key) };
        Told {
            emitter,
            by_operator,
            record_key,
            asserted_ms: recorded_ms - self.dice.below(80_000_000) as i64,
            recorded_ms,
            says,
            withdraws: instead && self.dice.permille(60),
            takes_back: Some(TakesBack { target, instead }),
            copy_of: None,
            ..old
        }
    }

    /// Links and unlinks, at any time, without a circle.
    fn links(&mut self, teller: &mut Teller<'_>, identities: u8) {
        let first = self.city.first_day - 200;
        for link in 0..self.dice.below(4) as u32 {
            let from = self.dice.below(u64::from(identities) - 1) as u8;
            let to = self.dice.between(i64::from(from) + 1, i64::from(identities) - 1) as u8;
            let day = first + self.dice.below(700) as DayNumber;
            let mut key = Key::new("LK");
            key.push_number(u64::from(link), 1);
            let linked = Told {
                identity: from,
                emitter: Short::new("OP"),
                record_key: key,
                asserted_ms: at(day, 0),
                occurred_ms: at(day, 0),
                recorded_ms: at(day, self.dice.below(86_000_000) as i64),
                says: Says::Linked { link, from, to },
                takes_back: None,
                withdraws: false,
                by_operator: true,
                copy_of: None,
            };
            teller.push(linked.clone());
            if self.dice.permille(500) {
                let mut key = Key::new("UL");
                key.push_number(u64::from(link), 1);
                let ms = linked.recorded_ms + self.dice.between(-3, 200) * 86_400_000;
                let unlinked = Told {
                    record_key: key,
                    asserted_ms: ms,
                    recorded_ms: ms,
                    says: Says::Unlinked { link, from, to },
                    ..linked
                };
                teller.push(unlinked.clone());
                if self.dice.permille(400) {
                    // They are one person after all.
                    let ms = ms + self.dice.between(1, 100) * 86_400_000;
                    teller.push(Told { asserted_ms: ms, recorded_ms: ms, withdraws: true, ..unlinked });
                }
            }
        }
    }

    /// What the other end tells too: who was sent back, and that a patient was admitted.
    fn other_ends(&mut self, teller: &mut Teller<'_>) {
        for told in teller.person.told.clone() {
            let Says::Referral(back @ Referral { step: ReferralStep::Returned, .. }) = told.says else {
                continue;
            };
            let is_new = told.copy_of.is_none() && told.takes_back.is_none();
            if is_new && teller.person.is_named(told.identity) && self.dice.permille(600) {
                let other = if told.emitter == back.from { back.to } else { back.from };
                let typed = Key::new(self.dice.pick::<&str>(&FORMS));
                let form = if self.dice.permille(700) { back.form } else { typed };
                let later_ms = *self.dice.pick(&[0, 0, 1, 9, 366, 367]) * 86_400_000;
                teller.push(Told {
                    emitter: other,
                    record_key: self.record_key(),
                    asserted_ms: told.asserted_ms + later_ms,
                    occurred_ms: told.occurred_ms + later_ms,
                    recorded_ms: told.recorded_ms + later_ms,
                    says: Says::Referral(Referral { form, ..back }),
                    withdraws: false,
                    by_operator: false,
                    ..told
                });
            }
        }
        if teller.person.is_named(0) && self.dice.permille(250) {
            self.admitted_by_check_in(teller);
        }
        if teller.person.is_named(0) && self.dice.permille(100) {
            self.insured_anew(teller);
        }
    }

    /// A card that says when five years complete, one after a gap that says nothing, and more copay than a year asks for.
    fn insured_anew(&mut self, teller: &mut Teller<'_>) {
        let begins = self.city.first_day + *self.dice.pick(&[-100, 20, 90]);
        let ends = begins - *self.dice.pick(&[30, 90, 91, 92, 93, 94, 400]);
        let card = |from: DayNumber, until: DayNumber, five_years_on: Option<DayNumber>| {
            let (group, digit) = (Short::new("GD"), Short::new("4"));
            let (primary, area) = (Short::EMPTY, Short::EMPTY);
            Says::Insured(Card { group, digit, from, until: Some(until), primary, five_years_on, area })
        };
        let Says::Claimed(mut claim) = self.claim() else { return };
        (claim.route, claim.covered) = (Short::new("1.1"), 90_000_000 * DONG);
        claim.segments = [None; 2];
        settle(&mut claim);
        let (facility, ended_ms) = (claim.facility, claim.ended_ms);
        let told = [
            (card(ends - 700, ends, Some(ends - 200)), at(ends - 700, 0)),
            (card(begins, begins + 364, None), at(begins, 0)),
            (Says::Claimed(claim), ended_ms),
        ];
        for (says, ms) in told {
            let emitter = if matches!(says, Says::Claimed(_)) { facility } else { self.facility() };
            teller.push(Told {
                identity: 0,
                emitter,
                record_key: self.record_key(),
                asserted_ms: ms,
                occurred_ms: ms,
                recorded_ms: ms + 60_000,
                says,
                takes_back: None,
                withdraws: false,
                by_operator: false,
                copy_of: None,
            });
        }
    }

    /// A claim that leaves out what its check-in said: that the patient was admitted.
    fn admitted_by_check_in(&mut self, teller: &mut Teller<'_>) {
        let Says::Claimed(mut claim) = self.claim() else { return };
        claim.route = self.code(&["3.1", "3.1", "3.3", "1.1"]);
        let admitted_ms = claim.admitted_ms.take().or(Some(claim.started_ms + 3_600_000));
        let Claim { facility, visit_type, route, started_ms, ended_ms, .. } = *claim;
        let opened = Told {
            identity: 0,
            emitter: facility,
            record_key: self.record_key(),
            asserted_ms: started_ms,
            occurred_ms: started_ms,
            recorded_ms: started_ms + 60_000,
            says: Says::VisitOpened { facility, visit_type, route, admitted_ms },
            takes_back: None,
            withdraws: false,
            by_operator: false,
            copy_of: None,
        };
        teller.push(opened.clone());
        teller.push(Told {
            asserted_ms: ended_ms,
            occurred_ms: ended_ms,
            recorded_ms: ended_ms + 60_000,
            says: Says::Claimed(claim),
            ..opened
        });
    }

    fn says(&mut self) -> Says {
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
    fn another(&mut self, says: &Says) -> Says {
        for _ in 0..200 {
            let other = self.says();
            if crate::wire::kind(&other) == crate::wire::kind(says) {
                return other;
            }
        }
        says.clone()
    }

    fn occurred(&mut self, says: &Says, old: i64) -> i64 {
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

    fn claim(&mut self) -> Says {
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

    fn day(&mut self) -> DayNumber {
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

    fn record_key(&mut self) -> Key {
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

    fn facility(&mut self) -> Short {
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

    fn code(&mut self, codes: &[&str]) -> Short {
        Short::new(self.dice.pick::<&str>(codes))
    }
}
