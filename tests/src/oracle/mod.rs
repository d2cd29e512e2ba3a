//! The oracle: every figure and every row of every list, worked out day by day and person by person from the simulator's truth, by the definitions in
//! the first lines of the projection crates and of the analysts' guide. It is slow and plain on purpose, and shares no code with the engine: not the rules of
//! what is in force, not the calendar, not policy, not reference data.

mod claims;
mod coverage;
mod days;
mod exemption;
mod held;
mod in_force;
mod lists;
mod referral;
mod world;

use std::collections::BTreeMap;

use simulator::truth::{DayNumber, Moment, Person};

pub use claims::{Claims, claims};
pub use days::day;
pub use lists::{Rows, row, rows};
pub use world::World;

/// Figures that are not 0, by `projection/cube[codes] measure`.
pub type Figures = BTreeMap<String, i64>;

/// What is asked: levels on a day, flows from a day to another, as known before a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The day of levels.
    pub on: DayNumber,
    /// First day of flows.
    pub from: DayNumber,
    /// Last day of flows.
    pub to: DayNumber,
    /// What was recorded before this moment is known.
    pub known_before: Moment,
}

/// The days that figures are kept for.
pub(crate) const FIRST_YEAR: i32 = 2024;
pub(crate) const LAST_YEAR: i32 = 2028;

/// The figures of all of `people`.
#[must_use]
pub fn figures(world: &World, people: &[Person], question: &Question) -> Figures {
    let mut sums = Sums { question: *question, figures: Figures::new() };
    for person in people {
        for (identity, facts) in (0..).zip(in_force::in_force(person, question.known_before)) {
            if facts.is_empty() {
                continue;
            }
            coverage::count_care(world, &facts, &mut sums);
            referral::count(world, &facts, &mut sums);
            exemption::count_claims(world, &facts, &mut sums);
            if person.is_named(identity) {
                coverage::count_person(world, &facts, &mut sums);
                exemption::count_person(world, &facts, &mut sums);
            }
        }
    }
    sums.figures.retain(|_, figure| *figure != 0);
    sums.figures
}

/// Figures as they add up.
struct Sums {
    question: Question,
    figures: Figures,
}

impl Sums {
    fn on(&self) -> DayNumber {
        self.question.on
    }

    fn level(&mut self, cube: &str, codes: &[&str], measure: &str, holds: bool) {
        if holds {
            *self.figures.entry(name(cube, codes, measure)).or_default() += 1;
        }
    }

    fn flow(&mut self, cube: &str, codes: &[&str], measure: &str, day: DayNumber, amount: i64) {
        let first = self.question.from.max(days::first_of(FIRST_YEAR));
        let last = self.question.to.min(days::last_of(LAST_YEAR));
        if (first..=last).contains(&day) {
            *self.figures.entry(name(cube, codes, measure)).or_default() += amount;
        }
    }
}

/// The name of a figure.
pub(crate) fn name(cube: &str, codes: &[&str], measure: &str) -> String {
    format!("{cube}[{}] {measure}", codes.join(","))
}
