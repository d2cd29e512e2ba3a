//! The city: who lives in it and what was said about each.

use std::ops::RangeInclusive;

use contract::Day;

use crate::{
    adversary,
    billing::Tariff,
    care,
    dice::Dice,
    person::{Traits, at},
    places::Places,
    registers,
    teller::Teller,
    truth::{DayNumber, Moment, Person},
};

/// What city to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The same seed gives the same city, to the byte.
    pub seed: u64,
    /// How many people.
    pub people: u64,
    /// The calendar year that is simulated, one of [`Config::YEARS`]. The registers are loaded in the December before.
    pub year: i32,
    /// How the people live.
    pub character: Character,
}

/// What is said about people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Character {
    /// What a city of this size would send, in about the shares it would send it.
    Plausible,
    /// Few facilities, few days and every trick of the contract at once: corrections, withdrawals, voids of voids, ties,
    /// links and unlinks. For tests of the rules; nobody lives like this.
    Adversarial,
}

impl Config {
    /// People of a Hanoi: `scale` 1000 is the whole of it.
    pub const HANOI_PEOPLE: u64 = 8_600_000;

    /// The years whose prices, cards and days off the simulator and its reference data know.
    pub const YEARS: RangeInclusive<i64> = 2026..=2027;

    /// A plausible city of 2026.
    #[must_use]
    pub fn new(seed: u64, people: u64) -> Config {
        Config { seed, people, year: 2026, character: Character::Plausible }
    }

    /// A city that tries to be misunderstood.
    #[must_use]
    pub fn adversarial(seed: u64, people: u64) -> Config {
        Config { character: Character::Adversarial, ..Config::new(seed, people) }
    }
}

/// A synthetic city. Each person is made from the seed and the person's number alone, so that any of them can be made at any
/// time and in any order.
#[derive(Debug, Clone)]
pub struct City {
    pub(crate) config: Config,
    pub(crate) places: Places,
    /// The first of January.
    pub(crate) first_day: DayNumber,
    /// The first of January after.
    pub(crate) end_day: DayNumber,
    pub(crate) tariff: Tariff,
}

impl City {
    /// The city that `config` describes, on `places`.
    #[must_use]
    pub fn new(config: Config, places: Places) -> City {
        let first_day = Day::new_year(config.year).0;
        let end_day = Day::new_year(config.year + 1).0;
        let tariff = Tariff { raised_on: Day::from_ymd(2026, 7, 1).expect("a day of the calendar").0 };
        City { config, places, first_day, end_day, tariff }
    }

    /// What city it is.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it is.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The truth about person `index`.
    #[must_use]
    pub fn person(&self, index: u64) -> Person {
        let mut person = Person::default();
        self.make(index, &mut person);
        person
    }

    /// Makes the truth about person `index` in `person`, whatever was in it; answers with who the person is.
    pub(crate) fn make(&self, index: u64, person: &mut Person) -> Traits {
        person.index = index;
        person.identities = 1;
        person.nameless = 0;
        person.told.clear();
        let (traits, mut dice) = self.draw(index);
        let mut teller = Teller { person, end_ms: at(self.end_day, 0) };
        match self.config.character {
            Character::Plausible => {
                let cards = registers::registers(self, &traits, &mut teller, &mut dice);
                care::year(self, &traits, &cards, &mut teller, &mut dice);
            }
            Character::Adversarial => adversary::life(self, &traits, &mut teller, &mut dice),
        }
        mark_copies(person);
        tell_apart(person);
        traits
    }

    fn draw(&self, index: u64) -> (Traits, Dice) {
        let mut dice = Dice::new(self.config.seed, index * 2);
        let traits = Traits::draw(self, index, &mut dice);
        (traits, dice)
    }

    /// Who person `index` is.
    pub(crate) fn traits(&self, index: u64) -> Traits {
        self.draw(index).0
    }

    /// The chance that only the person's details are made from, so that they can be made without the life.
    pub(crate) fn details_dice(&self, index: u64) -> Dice {
        Dice::new(self.config.seed, index * 2 + 1)
    }

    /// The first moment at which something can be recorded.
    pub(crate) fn load_begins(&self) -> Moment {
        at(self.first_day - 31, 0)
    }

    /// The moment before which everything is recorded.
    pub(crate) fn load_ends(&self) -> Moment {
        at(self.end_day, 0)
    }
}

/// Marks what says the same as something before it, asserted at the same time: by the rules of the contract the same event.
/// A withdrawn claim that is sent once more on the same day by a system that says only the day is one.
fn mark_copies(person: &mut Person) {
    for later in 1..person.told.len() {
        let (before, rest) = person.told.split_at_mut(later);
        let told = &mut rest[0];
        if let Some(back) = &mut told.takes_back {
            back.target = before[back.target as usize].copy_of.unwrap_or(back.target);
        }
        let same = before.iter().position(|other| other.copy_of.is_none() && other.is_same_event(told));
        if let Some(same) = same {
            told.copy_of = Some(same as u32);
        }
    }
}

/// No two things about one person are recorded in the same millisecond: which of two versions was recorded later is then
/// never a matter of their hashes, and the truth says it all.
fn tell_apart(person: &mut Person) {
    let mut order: Vec<(Moment, u32)> =
        person.told.iter().enumerate().map(|(index, told)| (told.recorded_ms, index as u32)).collect();
    order.sort_unstable();
    let mut last = Moment::MIN;
    for (recorded, index) in order {
        last = recorded.max(last + 1);
        person.told[index as usize].recorded_ms = last;
    }
}
