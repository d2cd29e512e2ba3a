//! The event log: append a batch, read a partition from a position, follow.
//!
//! The log is the ground state: everything else is computed from it. This crate has the trait [`EventLog`] that the rest
//! of the system reads and writes through, the [`EmbeddedLog`] (a folder on one machine), and the [`files`] seam that all
//! file work goes through so that tests can take the disk's word away.
//!
//! ```text
//!  append ──▶ queue ──▶ group ──▶ journal ──(full)──▶ segment
//!             bounded   one write   all partitions     one file, a stretch for each partition
//!                       one sync    in arrival order   read without touching the others
//! ```
//!
//! What an implementation promises (and the conformance suite in `testing` checks):
//!
//! - an offset is given back only when the record will survive the loss of the machine's power;
//! - offsets of a partition begin at 0 and are dense: each follows the last, nothing is ever skipped or rewritten;
//! - records of one batch, and batches of one caller, keep their order within a partition;
//! - readers see only what is durable, in order, and verify every record; they never hold up the writer;
//! - a record that cannot be read stops its reader with an error that says where: it is never passed over.

pub mod files;

mod checkpoint;
mod copy;
mod embedded;
mod error;
mod logs;
mod partition;
mod record;
mod ticket;

#[cfg(feature = "testing")]
pub mod testing;

use std::time::Duration;

pub use checkpoint::{Checkpoint, LastRecord, verify};
pub use copy::{Copied, CopyError, CopyOptions, copy};
pub use embedded::{EmbeddedLog, OpenReport, Options, Sealing, TornTail};
pub use error::{AppendError, OpenError, Place, ReadError};
pub use logs::{EmbeddedLogs, Logs};
pub use partition::{Position, partition_of};
pub use record::{Flaw, Record, RecordBatch, RecordIter, Span};
pub use ticket::{Completer, Ticket};

/// The most bytes a record may have: 1 MiB, as in Kafka's default.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// The most records a batch may have.
pub const BATCH_RECORDS_MAX: usize = 1 << 16;
/// The most bytes the records of a batch may have together: 32 MiB.
pub const BATCH_BYTES_MAX: usize = 32 << 20;
/// The most partitions a log may have.
pub const PARTITIONS_MAX: u16 = 4096;

/// Names a log for ever: chosen at random when it is made. Positions of one log mean nothing in another, so a store that
/// was computed from a log keeps its id beside the positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub [u8; 16]);

impl LogId {
    /// Reads what [`Display`](std::fmt::Display) writes: 32 digits of hex.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<LogId> {
        let is_hex = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
        Some(LogId(number.to_be_bytes()))
    }
}

impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One record to append.
#[derive(Clone, Copy)]
pub struct Append<'a> {
    /// Where it goes: [`partition_of`] its subject.
    pub partition: u16,
    /// The subject's bytes: Kafka's record key. The embedded log keeps only `bytes`, which hold the subject too.
    pub key: &'a [u8],
    /// The event's canonical bytes.
    pub bytes: &'a [u8],
}

/// A log of records in partitions.
///
/// Every method may be called from many threads at once.
pub trait EventLog: Send + Sync {
    /// The log's name for ever.
    fn id(&self) -> LogId;

    /// How many partitions the log has: fixed when it is made.
    fn partitions(&self) -> u16;

    /// Hands a batch to the log and returns at once with a ticket for its offsets; blocks only while the log's bounded
    /// queue is full, so that back-pressure reaches the sender. Batches that wait together share one sync.
    fn append_async(&self, batch: &[Append<'_>]) -> Result<Ticket, AppendError>;

    /// Appends a batch and returns one offset for each record, in the batch's order, when all of them are durable.
    fn append(&self, batch: &[Append<'_>]) -> Result<Vec<u64>, AppendError> {
        self.append_async(batch)?.wait()
    }

    /// The next offset of each partition: everything before it is durable and can be read now.
    fn ends(&self) -> Result<Vec<u64>, ReadError>;

    /// The first offset of each partition that the log still has: 0, unless somebody deleted records from its head.
    fn begins(&self) -> Result<Vec<u64>, ReadError> {
        Ok(vec![0; usize::from(self.partitions())])
    }

    /// Partitions that hold records nobody can read yet, for a transaction that wrote them was never ended: partition, the
    /// offset at which readers wait, and the end of what stands there. Only logs that others can write to have such.
    fn unstable(&self) -> Result<Vec<(u16, u64, u64)>, ReadError> {
        Ok(Vec::new())
    }

    /// A reader of one partition, whose first record will be the one at offset `from`. `from` may be the partition's end,
    /// not past it: a store that is ahead of its log has another log's positions, or the log has lost its end.
    fn reader(&self, partition: u16, from: u64) -> Result<Box<dyn PartitionReader + '_>, ReadError>;

    /// Follows partitions, each from its checkpoint, also through what is still to come. What is given to follow comes from
    /// outside, so that another process may follow the others. A checkpoint whose last record is not the one that stands in
    /// the log now is answered for that partition by [`Follower::next`].
    fn follow(&self, from: &[(u16, Checkpoint)]) -> Result<Box<dyn Follower + '_>, ReadError>;
}

/// Several partitions as they grow, each in order.
pub trait Follower: Send {
    /// The next run of records of some partition, at least one and up to about `max_bytes`; waits for at most `patience`
    /// where there is nothing, and then gives `None`.
    ///
    /// An error inside is of one partition: nothing more comes of it until [`Follower::resume`], the others go on. Any other
    /// is of the whole log.
    fn next(&mut self, max_bytes: usize, patience: Duration) -> Result<Option<Followed<'_>>, ReadError>;

    /// Follows `partition` again, after an error, from where it stood.
    fn resume(&mut self, partition: u16, from: Checkpoint);

    /// Tells those who watch the log how far its partitions are computed, durably. Nothing depends on it.
    fn note(&mut self, _positions: &[(u16, u64)]) {}
}

/// What came of a partition that is followed.
pub type Followed<'a> = (u16, Result<RecordBatch<'a>, ReadError>);

/// Reads one partition in order.
pub trait PartitionReader: Send {
    /// The next run of records, at least one and up to about `max_bytes`; `None` at the end of what is durable now:
    /// ask again when there may be more. The records borrow the reader's buffer. Every record's
    /// checksum has been verified and every offset follows the last; after an error the reader stays where it was.
    fn next_batch(&mut self, max_bytes: usize) -> Result<Option<RecordBatch<'_>>, ReadError>;

    /// The offset of the next record to be read.
    fn position(&self) -> u64;
}

/// The faults of a batch that any log refuses, whatever it is made of.
pub fn check_batch(batch: &[Append<'_>], partitions: u16) -> Result<(), AppendError> {
    if batch.len() > BATCH_RECORDS_MAX {
        return Err(AppendError::Refused(format!(
            "the batch has {} records, the most is {BATCH_RECORDS_MAX}: send it in parts",
            batch.len()
        )));
    }
    let mut bytes = 0;
    for (index, record) in batch.iter().enumerate() {
        if record.partition >= partitions {
            return Err(AppendError::Refused(format!(
                "record {index} of the batch is for partition {}, the log has 0 to {}",
                record.partition,
                partitions - 1
            )));
        }
        if record.bytes.len() > RECORD_BYTES_MAX {
            return Err(AppendError::Refused(format!(
                "record {index} of the batch has {} bytes, the most is {RECORD_BYTES_MAX}",
                record.bytes.len()
            )));
        }
        bytes += record.bytes.len();
    }
    if bytes > BATCH_BYTES_MAX {
        return Err(AppendError::Refused(format!(
            "the batch has {bytes} bytes, the most is {BATCH_BYTES_MAX}: send it in parts"
        )));
    }
    Ok(())
}
