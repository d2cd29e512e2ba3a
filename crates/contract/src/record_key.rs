//! Record keys that are made, not given: whoever makes one and whoever looks for it spells it here.

use std::borrow::Cow;

use crate::EventId;

/// The key of the `number`th of several records that a source sends under one key of its own, from 1: the first has the
/// key as it is, as if it were alone.
#[must_use]
pub fn numbered_key(record_key: &str, number: usize) -> Cow<'_, str> {
    match number {
        0 | 1 => record_key.into(),
        _ => format!("{record_key}#{number}").into(),
    }
}

/// The key of the retraction by which intake takes `target` back, because the record turned out to be about another
/// person.
#[must_use]
pub fn retraction_key(target: EventId) -> String {
    format!("void-{target}")
}
