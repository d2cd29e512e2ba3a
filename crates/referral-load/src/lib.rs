//! Referral load: who sends whom where, which referrals are open and for how long, how patients come, and who is in the
//! beds.
//!
//! - A **referral** is a transfer form (Circular 01/2025/TT-BYT, appendix VI). A form for a test only (Form 9, Decree 188/2025,
//!   art. 44) is none. Told by both ends it counts once: an arrival joins the issue of the same sender with the same form
//!   number (trimmed, case-folded), the latest on or before its day, within 366 days (numbers may restart each year).
//! - **inferred**: an arrival without a matching number joins a form of the same sender and receiver issued within 10 working
//!   days of it. Such arrivals are a series of their own, never part of **arrived**.
//! - **by_receiver**: an arrival that joins nothing is a referral that only its receiver told, from its day on; it is part of
//!   **referred**.
//! - **open**: from the day of issue until the day on which the person arrived, it was declined, cancelled or returned, the
//!   form expired, or the person died. **expired**: on the first day after the form's own last day, else after the validity of
//!   its kind (10 working days; one year for listed diseases), when nothing had closed it. A late arrival is still one.
//! - **returned**: sent back to the grassroots; counts from the facility that returns to the one it returns to, on the first day
//!   that one end tells. Told again with the same form number within 366 days, or without a number on the same day, it is the same.
//! - A referral counts from sender to receiver as issued; an arrival where the person in fact arrived. **Tiers** and
//!   **direction** are those of the facilities on the day of issue (of an arrival, decline or expiry too, so that a
//!   referral stays in one cell); before 2025 there were none. A facility that the reference doesn't list stands by its code, or as
//!   `unknown` where what was sent has not the form of one.
//! - A **visit** counts on the day it began, once, by its claim, else by its check-in (**unbilled**). How the patient came is
//!   what policy says of the route code: **self** is self-referral, at any tier: load, but no referral. A withdrawn payment
//!   request (route code 8) is no visit.
//! - **present**: inpatients, from the day of admission until before the day of discharge; without a claim for 60 days at most,
//!   then **stale** until the claim comes or the person dies.
//!
//! The numbers 366, 10 and 60 are rows of `policy/parameters.toml`, the validity of forms is `policy/referral_validity.toml`.
//! What a facility did counts for subjects without any identifier too.

mod cells;
mod person;
mod project;
mod referral;
mod rows;
mod stay;

use contract::Day;
use policy::Bundle;
use projection::{List, ListRow, Person, Projection};
use timeline::{CubeSpec, Sink};

pub use cells::{ARRIVAL_TIMES, CUBES, DIRECTIONS, INPATIENTS, PAIR, TIER_PAIR, VISITS, WAITING};
pub use rows::{LISTS, OPEN, PRESENT};

/// The projection.
#[derive(Debug, Clone, Copy)]
pub struct ReferralLoad;

impl Projection for ReferralLoad {
    const NAME: &'static str = "referral-load";
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
