//! The event log on Apache Kafka: the same promises as the embedded log, kept with brokers.
//!
//! ```text
//!  append ──▶ one idempotent producer, acks=all ──▶ topic ◀── a consumer for each reader (assigned by hand,
//!                │ no offset told?                              from an offset, never from a group)
//!                └──▶ looked for in the partition's end     ◀── one consumer for a follower of all partitions
//! ```
//!
//! What Kafka promises less than an [`EventLog`] must, is looked at here, and told:
//!
//! - offsets are dense as long as nobody writes with transactions, compacts or deletes: a gap is [`ReadError::Missing`];
//! - a topic that was deleted and made again has another id: [`ReadError::Replaced`];
//! - a leader that lacked records: [`ReadError::Rewritten`], by the leader's epoch while it is read, and by the last
//!   record's hash when it is gone on from;
//! - a record that somebody else wrote, to the wrong partition, without headers or under another key, is given with its
//!   [`Flaw`](event_log::Flaw);
//! - an acknowledgement that did not come is no answer: the record is looked for before one is given.

mod address;
mod appending;
mod arena;
mod config;
mod context;
mod core;
mod flaw;
mod following;
mod headers;
mod logs;
mod native;
mod reader;
mod topics;
mod trouble;

use std::sync::{Arc, Mutex, PoisonError};

use event_log::{
    Append, AppendError, Checkpoint, EventLog, Follower, LogId, OpenError, PartitionReader, Place, ReadError,
    Ticket, check_batch,
};

pub use address::Address;
pub use config::{Settings, SettingsError};
pub use flaw::Contents;
pub use logs::KafkaLogs;
pub use topics::{Finding, Plan, Roles, Topics};

use self::{
    appending::Appending,
    core::{Core, PATIENCE, look_up},
    following::Following,
    native::{Bound, Inquiry},
    reader::Reader,
    trouble::cannot_open,
};

/// A topic as a log.
pub struct KafkaLog {
    core: Arc<Core>,
    /// Made when something is appended first, and anew when it broke.
    appending: Mutex<Option<Arc<Appending>>>,
}

impl std::fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaLog").field("topic", &self.core.topic).finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Opens a topic, for reading and appending; `None`: there is no topic of this name.
    ///
    /// # Errors
    /// When the cluster does not answer or refuses, or the topic cannot be a log.
    pub fn open(
        address: &Address,
        settings: &Settings,
        topic: &str,
        contents: Contents,
    ) -> Result<Option<KafkaLog>, OpenError> {
        let place = format!("the topic {topic} at {}", address.brokers);
        let unavailable = |error| cannot_open(&place, error);
        let inquiry = Inquiry::new(&settings.for_questions(address)).map_err(unavailable)?;
        let Some(found) = look_up(&inquiry, topic, PATIENCE).map_err(unavailable)? else { return Ok(None) };
        let core = Core::new(address, settings, topic, contents, inquiry, &found)
            .map_err(|what| OpenError::Refused { place: Place::from(place), what })?;
        Ok(Some(KafkaLog { core: Arc::new(core), appending: Mutex::new(None) }))
    }

    fn appending(&self) -> Result<Arc<Appending>, AppendError> {
        let mut appending = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(appending) = appending.as_ref().filter(|appending| !appending.is_broken()) {
            return Ok(Arc::clone(appending));
        }
        let new = Arc::new(Appending::new(&self.core)?);
        *appending = Some(Arc::clone(&new));
        Ok(new)
    }
}

impl EventLog for KafkaLog {
    fn id(&self) -> LogId {
        self.core.id
    }

    fn partitions(&self) -> u16 {
        self.core.partitions
    }

    fn append_async(&self, batch: &[Append<'_>]) -> Result<Ticket, AppendError> {
        check_batch(batch, self.core.partitions)?;
        let appending = self.appending()?;
        appending.look()?;
        Ok(appending.append(batch))
    }

    fn ends(&self) -> Result<Vec<u64>, ReadError> {
        self.core.still_the_same(PATIENCE)?;
        self.core.offsets(&self.core.all(), Bound::Stable)
    }

    fn begins(&self) -> Result<Vec<u64>, ReadError> {
        self.core.offsets(&self.core.all(), Bound::First)
    }

    fn unstable(&self) -> Result<Vec<(u16, u64, u64)>, ReadError> {
        self.core.unstable(PATIENCE)
    }

    fn reader(&self, partition: u16, from: u64) -> Result<Box<dyn PartitionReader + '_>, ReadError> {
        if partition >= self.core.partitions {
            let last = self.core.partitions - 1;
            return Err(ReadError::Refused(format!("the log has partitions 0 to {last}, not {partition}")));
        }
        Ok(Box::new(Reader::new(&self.core, partition, from)?))
    }

    fn follow(&self, from: &[(u16, Checkpoint)]) -> Result<Box<dyn Follower + '_>, ReadError> {
        Ok(Box::new(Following::new(&self.core, from)?))
    }
}
