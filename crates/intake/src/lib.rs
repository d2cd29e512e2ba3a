//! The front door: validate, dedupe, pseudonymise, seal, stamp, append, receipt.
//!
//! Every way into the log goes through [`Intake::submit`]: what is sent is accepted, a duplicate, or refused with a reason
//! that names the field, and every submission gets a [`Receipt`] only after it is durable. What intake appends of its own
//! stands in the receipt of the submission it is for, so every record of the log is accounted for ([`Totals`]).
//!
//! ```text
//! submissions ─▶ validate ─▶ whose? ─▶ which id? ─▶ known? ─▶ seal ─▶ stamp ─▶ keys, log synced ─▶ index ─▶ receipts
//!                 refused                            duplicate
//! ```
//!
//! Intake is the only holder of keys: the deployment's, under which identifiers become subjects, and one for each person,
//! under which names and numbers are sealed ([`keys`]). What it needs to know of the past (ids, and where a record's
//! person lives) is an index on disk, derived from the log and caught up with it whenever intake opens.

pub mod keys;

mod index;
mod receipt;
mod submit;

pub use index::IndexError;
pub use receipt::{FollowUp, FollowUpKind, Outcome, Receipt, StayReason, Stayed, Totals};
pub use submit::{Intake, Item, OpenError, SUBMISSIONS_MAX, SubmitError};
