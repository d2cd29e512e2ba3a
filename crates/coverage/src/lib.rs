//! Coverage: how many people live where, who of them is insured, under health management, and checked up this year; who
//! will lapse and who is missing.
//!
//! Answers, for any day: of the people of a commune, an age band, a sex, a group:
//!
//! - **people**: alive on the day, from birth (where it isn't known: from the first day anything is known of them) until the
//!   day of death, which no longer counts. A subject made from no identifier is no person.
//! - **insured**: a card is in force: its interval holds the day, both ends inside, and nothing ended it earlier
//!   (InsuranceEnded names the first day without).
//! - **record**: under health management (a): an electronic health record exists (QD 31/QD-BYT of 2026-01-06).
//! - **managed**: under health management (b): a record, and a check-up or a contact with care (a claim in force, counted on
//!   its last day, or care given) within the last 12 months. A withdrawn payment request (route code 8) is no contact. No legal
//!   formula was found: the months are a row of `policy/parameters.toml`.
//! - **checked_up**: a check-up since the first of January (one a year: Resolution 72-NQ/TW; Decree 165/2026, art. 69). A claim
//!   of visit type 15 (periodic check-up) or 16 (screening) (QD 1804) is one too.
//!
//! Each over three *bases*, never mixed: `perm`, residents by permanent registration; `actual`, residents by where they in
//! fact live: the actual residence, where none holds the temporary, else the permanent one; `insured`, insured people by
//! where they in fact live. Of residences of one kind that disagree the latest begun holds; begun on one day, the later
//! asserted. The published population is reference data and no basis.
//!
//! Communes are those of the reference's list on every day: a day before the list began (Hanoi: 2025-07-01) is counted by them too,
//! so that figures can be compared over time. One that isn't on it counts as `unknown`; nowhere known to live as `none`. Birth or
//! sex not known: `unknown`.
//!
//! *Groups* are those of the cards in force and of the entitlements in force. They overlap: as `member`, each counts all its
//! people; as `main`, each person counts once, in the group with the highest card rate on the day, of equal ones the first in
//! the table of groups; `any` counts whoever is in one. Only `main` sums to `any`.
//! A card that prints no group (of 10 or 12 digits) counts as the group `none`, in all three ways; a group that no table knows as
//! `unknown`.

mod cells;
mod person;
mod project;
mod rows;

use contract::Day;
use policy::Bundle;
use projection::{List, ListRow, Person, Projection};
use timeline::{CubeSpec, Sink};

pub use cells::{
    AGE_BANDS, BASES, CHECK_UPS, CHECKED_UP, COMMUNE, CONTACTS, CUBES, FACILITY, GROUP, INSURED, MANAGED,
    PEOPLE, RECORD, REGISTERED,
};
pub use rows::{LAPSING, LISTS, MISSING, UNINSURED};

/// The projection.
#[derive(Debug, Clone, Copy)]
pub struct Coverage;

impl Projection for Coverage {
    const NAME: &'static str = "coverage";
    const VERSION: u32 = 1;
    const CUBES: &'static [CubeSpec] = CUBES;
    const LISTS: &'static [List] = LISTS;

    fn project<S: Sink>(person: &Person<'_>, bundle: &Bundle, sink: &mut S) {
        project::project(person, bundle, sink);
    }

    fn rows(person: &Person<'_>, bundle: &Bundle, on: Day, list: usize, rows: &mut Vec<ListRow>) {
        rows::rows(person, bundle, on, list, rows);
    }
}

#[cfg(test)]
mod tests;
