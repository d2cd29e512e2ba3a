//! How far a partition was read, and what stood there: whoever goes on sees whether the log is still the one that was read.

use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use crate::{EventLog, ReadError, Record};

/// Where reading of a partition goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The next offset.
    pub next: u64,
    /// The record before it; `None`: nothing was read yet, or it is not known.
    pub last: Option<LastRecord>,
}

/// What is kept of the last record that was read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LastRecord {
    /// XXH3 of its bytes.
    pub hash: u64,
    /// Under which leader of its partition it was written, where the log has such.
    pub epoch: Option<u32>,
}

impl fmt::Debug for LastRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LastRecord {{ hash: {:016x}, epoch: {:?} }}", self.hash, self.epoch)
    }
}

impl Checkpoint {
    /// At `next`, with nothing known of the record before it.
    #[must_use]
    pub fn at(next: u64) -> Checkpoint {
        Checkpoint { next, last: None }
    }

    /// Behind `record`.
    #[must_use]
    pub fn after(record: &Record<'_>, epoch: Option<u32>) -> Checkpoint {
        let last = LastRecord { hash: xxh3_64(record.bytes), epoch };
        Checkpoint { next: record.offset + 1, last: Some(last) }
    }

    /// The offset of the record that is to be compared before reading goes on.
    #[must_use]
    pub fn compares(&self) -> Option<u64> {
        self.last.and(self.next.checked_sub(1))
    }

    /// Compares the last record that was read with the one that stands there now.
    pub fn check(&self, partition: u16, found: &Record<'_>) -> Result<(), ReadError> {
        match self.last {
            Some(last) if last.hash != xxh3_64(found.bytes) => Err(ReadError::Rewritten {
                partition,
                offset: found.offset,
                why: "the log was replaced by an older copy, or brokers elected a leader that lacked it; \
                      bring the log back, or rebuild the figures from what it holds now"
                    .to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// Reads the last record that was read before `from` again, and compares; where the log begins behind it, there is nothing to
/// compare with, and nothing that is still to be read lacks.
pub fn verify(log: &dyn EventLog, partition: u16, from: &Checkpoint) -> Result<(), ReadError> {
    let Some(offset) = from.compares() else { return Ok(()) };
    let mut reader = log.reader(partition, offset)?;
    let batch = match reader.next_batch(1) {
        Err(ReadError::Missing { .. }) if log.begins()?[usize::from(partition)] == from.next => return Ok(()),
        batch => batch?,
    };
    match batch.and_then(|batch| batch.iter().next()) {
        Some(record) => from.check(partition, &record),
        None => Err(ReadError::OutOfRange { partition, offset: from.next, end: offset }),
    }
}
