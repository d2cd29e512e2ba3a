//! The contract: events, envelopes, codes, days, ids, validation and canonical bytes.

mod code;
mod day;
mod ids;
mod kind;
mod time;
mod walk;
pub mod wire;

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

pub use code::Code;
pub use day::{Day, DayError};
pub use ids::{EventId, IdHash, RecordHash, Subject, form_hash};
pub use kind::Kind;
pub use time::Millis;
pub use walk::EventView;

/// The messages of `proto/vertebra/v1`, generated.
#[allow(missing_docs, clippy::doc_markdown)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/vertebra.v1.rs"));
}

/// The descriptors of `proto/vertebra/v1` and what it imports: what a program needs to know the messages by name.
#[must_use]
pub fn descriptors() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        DescriptorPool::decode(&include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"))[..])
            .expect("the build script compiled these bytes")
    });
    &POOL
}
