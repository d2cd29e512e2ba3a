//! Lives that try every rule of the contract at once. See [`crate::Character::Adversarial`].
//!
//! Few days, few facilities, few record keys and few form numbers, so that everything meets everything: versions asserted on
//! one day, voids of voids, references that come before what they refer to, references by those who may not refer, a record
//! told under two identities, links, links of links, unlinks and unlinks withdrawn.

mod says;

use self::says::FORMS;
use crate::{
    Key, Short,
    billing::{DONG, settle},
    city::City,
    dice::Dice,
    event::nameless_record,
    past::reach_back,
    person::{Traits, at},
    teller::Teller,
    truth::{Card, Claim, DayNumber, Referral, ReferralStep, Says, TakesBack, Told},
};

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
}
