//! Fee exemption: which share of the cost whose card pays, who pays no more copay this year, since when, until when and why;
//! and what facilities charged against what policy says.
//!
//! Answers, for any day: of the people of a commune, by main group and the rate it pays:
//!
//! - **insured**: a card is in force. The *main group* is the one with the highest rate among the cards in force and the
//!   entitlements in force; the rate is that of the group on the day, not of the printed digit, which lags behind the law
//!   (Decree 188/2025, art. 21; from 2026-01-01 near-poor people and those of 75 with a social pension are paid for in full:
//!   Resolution 261/2025/QH15, art. 2). `100%` is fully covered; `unknown`: neither group nor digit is known.
//! - **exempt**: of them, those who pay no more copay this calendar year: five years of insurance in a row, and copay of the
//!   year strictly above six months' reference level (Law on Health Insurance, art. 22(1)(d); Decree 188/2025, art. 18(2)), from
//!   the day on which both hold until 31 December. What changes when the level does within the year is policy's formula.
//!   Copay *as received* is a lower bound: a facility that does not report is not in it.
//! - **confirmed**: of them, those whose exemption the payer confirmed, from the day it said; **agreed**: both.
//!
//! *Five years* complete on the day that the latest begun card with such a day says (NAM_NAM_LIEN_TUC); where none does, on
//! the day on which five years of cards in this history complete, gaps of up to three months not counted as breaks; else it
//! is unknown, and unknown is not exempt. A longer gap begins anew: what a card from before it says no longer holds.
//!
//! Claims in force, by their last day: **claims**, **covered** (T_TONGCHI_BH), **copay** (T_BNCCT) and **fund** (T_BHTT) as
//! charged; **due**: the copay that policy asks for, segment by segment: card rate of the segment's group times the
//! route's share, unless the visit is cheap (below 15 % of the level) or the year's copay was behind the person before that
//! day, by our reckoning or by the payer's word. A claim is **overcharged** or **undercharged** when its copay differs from that by more than one dong, and by how much is
//! **overcharge** or **undercharge**. **low_cost** and **exempted** count claims for which one of these two rules raised what
//! the card pays to all: nothing is due then, unless the route pays a share only, which still applies (QD 3176, MUC_HUONG); a
//! claim whose card pays all anyway is in neither. **unpriced** those for which policy has no rate (then nothing is due, over or under). A withdrawn payment request (route code 8) is no
//! claim. An *inpatient* is who was admitted to a ward by the claim, where it says nothing by its check-in. The claims of subjects without any identifier count too; such a subject is no person.

mod cells;
mod claims;
mod explain;
mod person;
mod project;
mod rows;

use contract::Day;
use policy::Bundle;
use projection::{List, ListRow, Person, Projection};
use timeline::{CubeSpec, Sink};

pub use cells::{
    AGREED, CLAIMS, COMMUNE, CONFIRMED, COPAY, COVERED, CUBES, DUE, EXEMPT, EXEMPTED, FACILITY, FUND,
    INSURED, LOW_COST, OVERCHARGE, OVERCHARGED, TIER_GROUP, UNDERCHARGE, UNDERCHARGED, UNPRICED,
};
pub use explain::{
    AnnualStep, CardNow, ClaimStep, Continuity, Explanation, PayerSays, RuleCited, SegmentStep, StepSaid,
    Why, explain,
};
pub use rows::{COVERED_LIST, EXEMPT_LIST, LISTS, MISCHARGED_LIST, NEAR_LIST};

/// The projection.
#[derive(Debug, Clone, Copy)]
pub struct FeeExemption;

impl Projection for FeeExemption {
    const NAME: &'static str = "fee-exemption";
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
