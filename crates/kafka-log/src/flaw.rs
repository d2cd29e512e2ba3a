//! What is wrong with a record around its bytes.

use contract::{EventView, Subject};
use event_log::{Flaw, RECORD_BYTES_MAX, partition_of};

use crate::{headers::REQUIRED, native::Message};

/// What a topic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Events: the key of each record is its subject, its headers are those of a CloudEvent.
    Events,
    /// Records that are only bytes.
    Bytes,
}

impl Contents {
    /// What is wrong with a record of a partition, if anything is.
    pub(crate) fn flaw_of(self, message: &Message<'_>, partition: u16, partitions: u16) -> Option<Flaw> {
        if message.value.len() > RECORD_BYTES_MAX {
            return Some(Flaw::TooLarge);
        }
        if self == Contents::Bytes {
            return None;
        }
        let Ok(key) = Subject::try_from(message.key) else { return Some(Flaw::Key) };
        if partition_of(&key, partitions) != partition {
            return Some(Flaw::Partition);
        }
        // Bytes that are no event are told as what they are by whoever reads them.
        if subject_of(message.value).is_some_and(|subject| subject != key) {
            return Some(Flaw::Key);
        }
        (!message.has_headers(&REQUIRED)).then_some(Flaw::Headers)
    }
}

/// Whom an encoded event is about.
fn subject_of(event: &[u8]) -> Option<Subject> {
    // The first two fields as every encoder writes them, event_id and subject, sixteen bytes each.
    if let ([0x0a, 16], [0x12, 16]) = (event.get(..2)?, event.get(18..20)?) {
        return event[20..].first_chunk().copied().map(Subject);
    }
    EventView::parse(event).ok().map(|view| view.subject)
}
