//! The contract: events, envelopes, codes, days, ids, validation and canonical bytes.

mod code;
mod day;
mod ids;
mod time;

pub use code::Code;
pub use day::{Day, DayError};
pub use ids::{EventId, IdHash, RecordHash, Subject, form_hash};
pub use time::Millis;

/// The messages of `proto/vertebra/v1`, generated.
#[allow(missing_docs, clippy::doc_markdown)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/vertebra.v1.rs"));
}
