//! Intake's answers, and its books.

use std::fmt;

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
        /// Every record that intake appended of its own because of it, in the order they were appended.
        follow_ups: Vec<FollowUp>,
        /// Forms of a claim's visit that should have moved to the claim's person, and did not.
        stayed: Vec<Stayed>,
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

/// A record that intake appended of its own, because of a submission that it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// Which of the two it is.
    pub what: FollowUpKind,
    /// The event that it takes back, or says again.
    pub of: EventId,
    /// Its own id.
    pub event_id: EventId,
    /// Where it is.
    pub position: Position,
}

/// What intake appends of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowUpKind {
    /// An event is taken back where it is, because the record is about another person: the version before, or the one
    /// accepted where that is the older; what it corrects; of a claim, the check-in and the forms of its visit, and
    /// what these took back themselves, which would count again without them. Or what was said again, because its emitter
    /// took back the event it was said by first.
    Retraction,
    /// A form of a claim's visit, after it was taken back, about the claim's person; or once its emitter restored it.
    SaidAgain,
}

impl FollowUpKind {
    /// A stable name for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FollowUpKind::Retraction => "retraction",
            FollowUpKind::SaidAgain => "said_again",
        }
    }
}

/// A form that stays with the person it named, though the claim of its visit names another: until it is sent again, the
/// visit counts for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stayed {
    /// The form's event.
    pub event_id: EventId,
    /// Why it stays.
    pub why: StayReason,
}

/// Why a form does not move with its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StayReason {
    /// Its names or its restricted diagnoses cannot be opened, for the key they were sealed under is gone. Said again
    /// without them, it would read as if the emitter had taken them back.
    CannotBeOpened,
    /// It cannot be read, or not be said as it is.
    CannotBeSaid,
    /// The visit has more forms than are moved along: it and those after it stay.
    TooMany,
    /// More events take it and each other back than are read to learn whether it counts.
    TakenBackTooOften,
}

impl StayReason {
    /// A stable name for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            StayReason::CannotBeOpened => "form_cannot_be_opened",
            StayReason::CannotBeSaid => "form_cannot_be_said",
            StayReason::TooMany => "forms_too_many",
            StayReason::TakenBackTooOften => "form_taken_back_too_often",
        }
    }
}

impl fmt::Display for StayReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            StayReason::CannotBeOpened => "the key of its sealed fields is gone",
            StayReason::CannotBeSaid => "it cannot be read, or is too large to be said again",
            StayReason::TooMany => "the visit has too many",
            StayReason::TakenBackTooOften => "too many events take the visit's forms back and restore them",
        };
        write!(
            f,
            "a form of the visit stays with the person it named: {why}; send the form again, asserted later"
        )
    }
}

/// The books: what came in and what became of it, what the log grew by and why.
///
/// Two equations hold for every batch that was answered, so for every sum of batches, and [`Totals::balance`] checks them:
///
/// ```text
/// sent     = accepted + duplicate + refused + nothing_to_withdraw
/// appended = accepted + retractions + said_again
/// ```
///
/// The left sides are counted where things come in and where the log takes them, the right sides from the receipts. So the
/// log's records after less those before are `appended`, where nobody else writes. A batch that failed has no receipts and
/// is in no books, though parts of it may be in the log: sent again, they come back as duplicates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Submissions that came in.
    pub sent: u64,
    /// Now in the log.
    pub accepted: u64,
    /// Of these, new versions of a known record.
    pub changed: u64,
    /// In the log before.
    pub duplicate: u64,
    /// Not in the log.
    pub refused: u64,
    /// Withdrawals just in case that met nothing.
    pub nothing_to_withdraw: u64,
    /// Records that the log took.
    pub appended: u64,
    /// Of these, what intake took back of its own ([`FollowUpKind::Retraction`]).
    pub retractions: u64,
    /// And what it said again about another person ([`FollowUpKind::SaidAgain`]).
    pub said_again: u64,
    /// Forms that should have moved and stayed; no records.
    pub stayed: u64,
}

impl Totals {
    /// Adds what one receipt says. What came in, and what the log took, is counted apart.
    pub fn add(&mut self, receipt: &Receipt) {
        match &receipt.outcome {
            Outcome::Accepted { changed, follow_ups, stayed, .. } => {
                self.accepted += 1;
                self.changed += u64::from(*changed);
                for follow_up in follow_ups {
                    match follow_up.what {
                        FollowUpKind::Retraction => self.retractions += 1,
                        FollowUpKind::SaidAgain => self.said_again += 1,
                    }
                }
                self.stayed += stayed.len() as u64;
            }
            Outcome::Duplicate { .. } => self.duplicate += 1,
            Outcome::Refused { .. } => self.refused += 1,
            Outcome::NothingToWithdraw => self.nothing_to_withdraw += 1,
        }
    }

    /// Adds the totals of other batches.
    pub fn add_all(&mut self, other: &Totals) {
        let Totals {
            sent,
            accepted,
            changed,
            duplicate,
            refused,
            nothing_to_withdraw,
            appended,
            retractions,
            said_again,
            stayed,
        } = other;
        self.sent += sent;
        self.accepted += accepted;
        self.changed += changed;
        self.duplicate += duplicate;
        self.refused += refused;
        self.nothing_to_withdraw += nothing_to_withdraw;
        self.appended += appended;
        self.retractions += retractions;
        self.said_again += said_again;
        self.stayed += stayed;
    }

    /// Whether every submission and every record of the log is accounted for, once.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.sent == self.accepted + self.duplicate + self.refused + self.nothing_to_withdraw
            && self.appended == self.accepted + self.retractions + self.said_again
            && self.changed <= self.accepted
    }
}
