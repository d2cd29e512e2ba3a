//! What the C client says of itself.

use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::{ClientContext, config::RDKafkaLogLevel, error::KafkaError};

/// Hears what a client says. Nothing of it is about a record.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// The client saw that the topic of its name is another one than before. It goes on with that one by itself, from the same
    /// offsets, and tells nobody but its own log.
    pub(crate) another_topic: AtomicBool,
}

impl Context {
    /// A line of the client's log; the level is that of syslog.
    pub(crate) fn heard(&self, level: i32, facility: &str, line: &str) {
        if line.contains(" changed id from ") && !line.contains(NO_ID) {
            self.another_topic.store(true, Ordering::Release);
        }
        match level {
            0..=3 => tracing::warn!(target: "librdkafka", facility, "{line}"),
            4 => tracing::info!(target: "librdkafka", facility, "{line}"),
            _ => tracing::trace!(target: "librdkafka", facility, "{line}"),
        }
    }

    /// An error of the whole client: brokers that do not answer, and what cannot be mended.
    pub(crate) fn troubled(&self, code: i32, reason: &str) {
        tracing::info!(target: "librdkafka", code, "{reason}");
    }
}

/// The id of no topic, which every topic had before it was looked up.
const NO_ID: &str = "changed id from AAAAAAAAAAAAAAAAAAAAAA ";

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.heard(level as i32, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::info!(target: "librdkafka", %error, "{reason}");
    }
}
