//! Published figures: the fourth denominator, always with its label.

use contract::Day;

use crate::{BundleFault, sheet::Sheet};

/// One published figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population {
    /// Its name, as `hanoi-province-2025`.
    pub id: String,
    /// `Hanoi`, `Vietnam`.
    pub scope: String,
    /// Who was counted.
    pub counted: Counted,
    /// The day it is said for.
    pub on: Day,
    /// Persons, where published.
    pub persons: Option<u32>,
    /// The published share in hundredths of a per cent, over the publisher's own denominator.
    pub share: Option<u32>,
    /// Where it was published.
    pub source: String,
    /// What to know before using it.
    pub note: String,
}

/// Who a published figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Everybody.
    Population,
    /// People with health insurance.
    Insured,
    /// People "under health management", by a definition that was not published.
    Managed,
}

pub(crate) const COLUMNS: &[&str] =
    &["id", "scope", "what", "date", "persons", "published_share", "source", "confidence", "note"];

pub(crate) fn read(sheet: &Sheet, faults: &mut Vec<BundleFault>) -> Vec<Population> {
    let kinds =
        [("population", Counted::Population), ("insured", Counted::Insured), ("managed", Counted::Managed)];
    let mut populations: Vec<Population> = Vec::new();
    for row in sheet.rows() {
        row.check_source(faults);
        let before = faults.len();
        let persons = row.number("persons", (0, 4_000_000_000), faults);
        let share = row.hundredths("published_share", 100, faults);
        if persons.is_none() && share.is_none() && faults.len() == before {
            faults.push(row.fault("persons", "neither persons nor a share: a figure is needed"));
        }
        let id = row.required("id", faults);
        if populations.iter().any(|known| known.id == id) {
            faults.push(row.fault("id", format!("{id} is there twice")));
        }
        populations.push(Population {
            id,
            scope: row.required("scope", faults),
            counted: row.choice("what", &kinds, faults).unwrap_or(Counted::Population),
            on: row.day("date", faults).unwrap_or_default(),
            persons,
            share,
            source: row.text("source").to_owned(),
            note: row.text("note").to_owned(),
        });
    }
    populations
}
