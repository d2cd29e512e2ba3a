//! The contract: events, envelopes, codes, days, ids, validation and canonical bytes.
//!
//! What goes in is a [`v1::Submission`]: [`validate_submission`] finds its faults, [`DeploymentKey`] gives it a subject, an
//! id and a content hash, [`seal_person`] hides whom it is about, [`encode`] makes the bytes that the log keeps for ever.
//! What comes out is read in place by [`EventView`], or whole by [`decode`]. Pure: no clock, no file, no randomness; keys
//! and times are arguments.
//!
//! A new event is a message and the next tag in `proto/`; the compiler then asks for its [`Kind`] and its checks, the tests
//! for its golden bytes (`tests/golden.rs`).

mod code;
mod day;
mod encoded;
mod event;
mod identity;
mod ids;
mod json;
mod kind;
mod lanes;
mod personal;
mod record_key;
mod seal;
mod siv;
mod time;
mod validate;
pub mod varint;
mod walk;
pub mod wire;

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

pub use code::Code;
pub use day::{Day, DayError};
pub use encoded::{EventContent, EventName, NamingScratch, seal_person_encoded};
pub use event::{DecodeError, EVENT_BYTES_MAX, SUBMISSION_BYTES_MAX, decode, encode};
pub use identity::{DeploymentKey, IdentifierFinding, IdentifierProblem, identifier_problem};
pub use ids::{EventId, IdHash, RecordHash, Subject, form_hash};
pub use json::{
    JSON_BYTES_MAX, JsonError, NoJsonForm, event_from_json, event_to_json, submission_from_json,
    submission_to_json,
};
pub use kind::Kind;
pub use record_key::{is_retraction_key, numbered_key, retraction_key};
pub use seal::{OpenError, PersonKey, open_person, open_restricted, seal_person, seal_restricted};
pub use time::Millis;
pub use validate::{
    CODE_BYTES_MAX, FAULTS_MAX, Fault, FaultCode, KEY_BYTES_MAX, LINES_MAX, LIST_MAX, MONEY_MAX, PATH_MAX,
    TEXT_BYTES_MAX, YEARS, validate, validate_submission,
};
pub use walk::EventView;

/// The messages of `proto/vertebra/v1`, generated.
// A claim's body is large and the most frequent one: a box would cost an allocation for each.
#[allow(missing_docs, clippy::doc_markdown, clippy::large_enum_variant)]
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
