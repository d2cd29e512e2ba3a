//! Intake's answers, and its books.

use contract::{EventId, Fault, IdentifierFinding};
use event_log::Position;

/// The answer to one submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What became of it.
    pub outcome: Outcome,
    /// Identifiers that were passed over, by their place in the submission's person.
    pub findings: Vec<IdentifierFinding>,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the log, durable.
    Accepted {
        /// The event's id: the emitter's own, or derived.
        event_id: EventId,
        /// Where it is.
        position: Position,
        /// Whether another version of the same record was known before.
        changed: bool,
        /// What was taken back because it is about another person: the version before, or this one where it is the older;
        /// what this one corrects; of a claim, the check-in and the forms of its visit, the latter said again about the
        /// claim's person.
        voided: Vec<EventId>,
    },
    /// The same was sent before, and nothing changed.
    Duplicate {
        /// The event's id.
        event_id: EventId,
        /// Where the first copy is.
        first: Position,
        /// Another version of the record counts, and goes on counting: to count again this one has to be asserted later.
        superseded: bool,
    },
    /// It is not in the log.
    Refused {
        /// Every fault, at least one.
        faults: Vec<Fault>,
    },
    /// A withdrawal just in case ([`crate::Item::just_in_case`]) met nothing that it could withdraw.
    NothingToWithdraw,
}

/// How many submissions came, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Submissions, withdrawals just in case that met nothing left out.
    pub sent: u64,
    /// Now in the log.
    pub accepted: u64,
    /// Of these, new versions of a known record.
    pub changed: u64,
    /// In the log before.
    pub duplicate: u64,
    /// Not in the log.
    pub refused: u64,
    /// Retractions that intake itself appended because a correction or a claim named another person. Not among the sent.
    pub retractions: u64,
}

impl Totals {
    /// Adds one receipt.
    pub fn add(&mut self, receipt: &Receipt) {
        match &receipt.outcome {
            Outcome::Accepted { changed, voided, .. } => {
                self.sent += 1;
                self.accepted += 1;
                self.changed += u64::from(*changed);
                self.retractions += voided.len() as u64;
            }
            Outcome::Duplicate { .. } => {
                self.sent += 1;
                self.duplicate += 1;
            }
            Outcome::Refused { .. } => {
                self.sent += 1;
                self.refused += 1;
            }
            Outcome::NothingToWithdraw => {}
        }
    }

    /// Whether every submission is accounted for, once.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.sent == self.accepted + self.duplicate + self.refused && self.changed <= self.accepted
    }
}
