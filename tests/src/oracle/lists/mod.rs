//! Lists: each row of each, worked out person by person by the definitions of the analysts' guide.

mod coverage;
mod exemption;
mod referral;

use std::collections::BTreeMap;

use simulator::truth::{DayNumber, Money, Person};

use super::{Question, World, days, in_force, in_force::Fact};

/// Rows of lists as [`row`] writes them, and how often each is there.
pub type Rows = BTreeMap<String, usize>;

/// The rows that all of `people` have in all lists.
#[must_use]
pub fn rows(world: &World, people: &[Person], question: &Question) -> Rows {
    let mut rows = Rows::new();
    for person in people {
        for (identity, facts) in in_force::in_force(person, question.known_before).iter().enumerate() {
            if facts.is_empty() {
                continue;
            }
            let mut sheet = Sheet { on: question.on, whom: (person.index, identity), rows: &mut rows };
            exemption::list_claims(world, facts, &mut sheet);
            referral::list(world, facts, &mut sheet);
            if person.is_named(identity as u8) {
                coverage::list(world, facts, &mut sheet);
                exemption::list_people(world, facts, &mut sheet);
            }
        }
    }
    rows
}

/// A row: the list, the number of the person and of the identity, each column with its value, and the number of what was told
/// that the row rests on.
#[must_use]
pub fn row(list: &str, whom: (u64, usize), columns: &[(&str, String)], event: Option<u32>) -> String {
    let mut row = format!("{list} {}.{}", whom.0, whom.1);
    columns.iter().for_each(|(column, value)| row.push_str(&format!(" {column}={value}")));
    if let Some(event) = event {
        row.push_str(&format!(" event={event}"));
    }
    row
}

/// Where the rows of one person go.
struct Sheet<'a> {
    on: DayNumber,
    whom: (u64, usize),
    rows: &'a mut Rows,
}

impl Sheet<'_> {
    fn add(&mut self, list: &str, columns: &[(&str, String)], event: Option<u32>) {
        *self.rows.entry(row(list, self.whom, columns, event)).or_default() += 1;
    }
}

fn written(day: DayNumber) -> String {
    days::date(day).to_string()
}

fn written_or_open(day: Option<DayNumber>) -> String {
    day.map_or_else(|| "open".to_owned(), written)
}

fn written_or_nothing(day: Option<DayNumber>) -> String {
    day.map(written).unwrap_or_default()
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

/// Dong, with two decimals where it isn't whole.
fn dong(money: Money) -> String {
    let sign = if money < 0 { "-" } else { "" };
    let (whole, rest) = (money.abs() / 100, money.abs() % 100);
    if rest == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:02}") }
}

/// The latest day up to `on` of care that fits.
fn latest<'a>(facts: &[Fact<'a>], on: DayNumber, fits: impl Fn(&Fact<'a>) -> bool) -> Option<DayNumber> {
    facts.iter().filter(|fact| fits(fact)).map(super::coverage::counts_on).filter(|day| *day <= on).max()
}
