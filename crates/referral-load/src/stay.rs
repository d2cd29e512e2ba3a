//! Stays in a ward.

use contract::{Code, Day, IdHash, Kind};
use history::{Body, Fact, PersonView};
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

impl Stay {
    /// The stay of fact number `at`, if it tells one that no claim tells better. `died`: when the person died.
    pub(crate) fn of(view: &PersonView<'_>, at: usize, died: Option<Day>, bundle: &Bundle) -> Option<Stay> {
        let fact = &view.facts[at];
        match &fact.body {
            Body::ClaimSubmitted(claim) => {
                // Some claims leave out what the check-in said.
                let checked_in = || {
                    let of_record =
                        |other: &&Fact| other.kind == Kind::VisitOpened && other.record == fact.record;
                    view.facts.iter().filter(of_record).find_map(|other| match other.body {
                        Body::VisitOpened { admitted, .. } => admitted,
                        _ => None,
                    })
                };
                let admitted = claim.admitted.or_else(checked_in)?;
                Some(Stay {
                    facility: claim.facility,
                    present: Span { from: admitted, until: claim.ended },
                    stale: Span { from: claim.ended, until: claim.ended },
                    discharged: Some(claim.ended),
                    event: fact.id,
                })
            }
            Body::VisitOpened { facility, admitted: Some(admitted), .. } if !has_claim(view, at) => {
                let days = bundle
                    .policy
                    .number(Parameter::StaleInpatientDays, *admitted)
                    .map_or(0, |f| f.value as i32);
                let end = died.unwrap_or(Day::MAX);
                let present = Span { from: *admitted, until: (*admitted + days).min(end) };
                let stale = Span { from: *admitted + days, until: end };
                Some(Stay { facility: *facility, present, stale, discharged: None, event: fact.id })
            }
            _ => None,
        }
    }
}

/// Whether the visit of fact number `at` has its claim.
pub(crate) fn has_claim(view: &PersonView<'_>, at: usize) -> bool {
    let record = view.facts[at].record;
    view.facts.iter().any(|fact| fact.kind == Kind::ClaimSubmitted && fact.record == record)
}
