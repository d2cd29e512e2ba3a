//! Stays in a ward.

use contract::{Code, Day, IdHash};
use history::{Claim, Fact};
use policy::{Bundle, Parameter};
use projection::Span;

/// A stay: present while it lasts, stale when it should long have ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stay {
    pub(crate) facility: Code,
    /// From the day of admission until before the day of discharge.
    pub(crate) present: Span,
    /// Without a claim for too long.
    pub(crate) stale: Span,
    /// The day of discharge, if a claim told it.
    pub(crate) discharged: Option<Day>,
    /// The claim, or the check-in.
    pub(crate) event: IdHash,
}

/// A check-in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckIn<'v> {
    pub(crate) fact: &'v Fact,
    pub(crate) facility: Code,
    pub(crate) route: Code,
    /// The day of admission to a ward.
    pub(crate) admitted: Option<Day>,
}

impl Stay {
    /// The stay that a claim tells.
    pub(crate) fn of_claim(fact: &Fact, claim: &Claim, admitted: Day) -> Stay {
        Stay {
            facility: claim.facility,
            present: Span { from: admitted, until: claim.ended },
            stale: Span { from: claim.ended, until: claim.ended },
            discharged: Some(claim.ended),
            event: fact.id,
        }
    }
}

impl CheckIn<'_> {
    /// The stay it tells, if it does; only where no claim tells it better. `died`: when the person died.
    pub(crate) fn stay(&self, died: Option<Day>, bundle: &Bundle) -> Option<Stay> {
        let admitted = self.admitted?;
        let days = bundle.policy.number(Parameter::StaleInpatientDays, admitted);
        let days = days.map_or(0, |figure| figure.value as i32);
        let end = died.unwrap_or(Day::MAX);
        let present = Span { from: admitted, until: (admitted + days).min(end) };
        let stale = Span { from: admitted + days, until: end };
        Some(Stay { facility: self.facility, present, stale, discharged: None, event: self.fact.id })
    }
}
