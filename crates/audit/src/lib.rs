//! Checking: replay of the log against what is kept and served, the census of records, and what a deployment weighs.
//!
//! A replay starts from the log's bytes and a bundle and uses nothing that was derived. What it shows is consistency: that
//! the figures are those of the events received, not that the events are true.

mod census;
mod doctor;
mod lag;
mod lost;
mod replay;

pub use census::{Census, PartitionCensus, census, open_transaction};
pub use doctor::{Weights, weigh};
pub use lag::{Lag, lag};
pub use lost::Lost;
pub use replay::{AuditError, PersonDifference, ReplayReport, Stored, replay};
