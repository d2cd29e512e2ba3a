//! The protobuf JSON form of events and submissions: what people write, and what `events cat` shows.
//!
//! Reading is stricter than protobuf's JSON asks for: a field may not come twice and an unknown one is refused, for a
//! misspelt field must not get lost. Errors say where and what was expected, and never quote a value: it may be personal.

mod read;

use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::{EVENT_BYTES_MAX, descriptors, v1};

/// The most bytes of one event or submission as JSON, which takes about four times the room.
pub const JSON_BYTES_MAX: usize = 4 * EVENT_BYTES_MAX;

/// JSON that is not an event or submission. Says nothing of its values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} column {column}{}{field}: {message}", if field.is_empty() { "" } else { ", " })]
pub struct JsonError {
    /// Line, from 1; 0: not a matter of one place.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// Path of the field, as in [`crate::Fault`]; empty: the whole text.
    pub field: String,
    /// What was expected.
    pub message: String,
}

/// A time or number that JSON has no words for: the event was never valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event with a time outside of the years 1 to 9999 has no JSON form")]
pub struct NoJsonForm;

/// Reads an event.
pub fn event_from_json(json: &[u8]) -> Result<v1::Event, JsonError> {
    read(json, "vertebra.v1.Event")
}

/// Reads a submission.
pub fn submission_from_json(json: &[u8]) -> Result<v1::Submission, JsonError> {
    read(json, "vertebra.v1.Submission")
}

/// Writes an event, on one line.
pub fn event_to_json(event: &v1::Event) -> Result<String, NoJsonForm> {
    write(event, "vertebra.v1.Event")
}

/// Writes a submission, on one line. It says in clear whom it is about.
pub fn submission_to_json(submission: &v1::Submission) -> Result<String, NoJsonForm> {
    write(submission, "vertebra.v1.Submission")
}

fn descriptor(name: &str) -> MessageDescriptor {
    descriptors().get_message_by_name(name).expect("the build script compiled the message of this name")
}

fn read<M: Message + Default>(json: &[u8], name: &str) -> Result<M, JsonError> {
    if json.len() > JSON_BYTES_MAX {
        return Err(JsonError {
            line: 0,
            column: 0,
            field: String::new(),
            message: format!("{} bytes; the most is {JSON_BYTES_MAX}", json.len()),
        });
    }
    let message = read::message(descriptor(name), json)?;
    Ok(M::decode(&message.encode_to_vec()[..]).expect("both forms are made from one descriptor"))
}

fn write<M: Message>(message: &M, name: &str) -> Result<String, NoJsonForm> {
    let message = DynamicMessage::decode(descriptor(name), &message.encode_to_vec()[..])
        .expect("both forms are made from one descriptor");
    serde_json::to_string(&message).map_err(|_| NoJsonForm)
}
