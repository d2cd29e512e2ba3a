//! What can go wrong, by what the caller does next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Position;

/// Where something stands, in words: a file or folder, or a topic of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(String);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Place {
    fn from(place: String) -> Place {
        Place(place)
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Place {
        Place(path.display().to_string())
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Place {
        Place::from(path.as_path())
    }
}

impl From<&PathBuf> for Place {
    fn from(path: &PathBuf) -> Place {
        Place::from(path.as_path())
    }
}

/// Why a batch has no offsets.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The batch can never be appended as it is: tell the sender. Nothing of it is in the log.
    #[error("refused: {0}")]
    Refused(String),
    /// Not now. Nothing of the batch is in the log: send it again later.
    #[error("the log cannot take events now, nothing of this batch was stored; {action}")]
    Unavailable {
        /// What would help.
        action: String,
        /// What the file system or the broker said.
        #[source]
        source: Option<Arc<io::Error>>,
    },
    /// It cannot be said whether the batch is in the log: look for it by event id, or answer the sender "unknown,
    /// resend".
    #[error("it is not known whether this batch was stored; {action}")]
    Unknown {
        /// What would help.
        action: String,
        /// What the file system or the broker said.
        #[source]
        source: Option<Arc<io::Error>>,
    },
}

/// Why a partition cannot be read further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The caller asked for what this log does not have.
    #[error("refused: {0}")]
    Refused(String),
    /// The position is not in the log. A store that is ahead of its log was computed from another log, or the log was
    /// replaced by an older copy: rebuild the store, or bring the log back.
    #[error(
        "partition {partition} holds offsets up to {end}, not {offset}: the store that asks is ahead of this log; use the log it was computed from, or rebuild it"
    )]
    OutOfRange {
        /// Which partition.
        partition: u16,
        /// The offset that was asked for.
        offset: u64,
        /// The partition's next offset.
        end: u64,
    },
    /// The storage failed: try again later.
    #[error("cannot read {place}; try again when the storage answers")]
    Unavailable {
        /// What does not answer.
        place: Place,
        /// What the file system or the broker said.
        #[source]
        source: io::Error,
    },
    /// The bytes are not those that were written: stop this partition, keep the others, tell somebody.
    #[error("{} is damaged at byte {byte}{}: {what}; nothing was changed; restore this file from a copy and start again", file.display(), position.map(|position| format!(" (partition {}, offset {})", position.partition, position.offset)).unwrap_or_default())]
    Corrupt {
        /// The first record that cannot be read; none where the damage ends the log for every partition.
        position: Option<Position>,
        /// The file.
        file: PathBuf,
        /// Where in the file.
        byte: u64,
        /// What is wrong there.
        what: String,
    },
    /// A sound record stands where another should: offsets must follow each other.
    #[error("{} has offset {found} of partition {found_partition} at byte {byte}, expected offset {expected} of partition {partition}; the files of this log do not belong together: restore the folder from one copy", file.display())]
    Gap {
        /// The partition that was being read.
        partition: u16,
        /// The offset that should stand there.
        expected: u64,
        /// The partition of the record that does.
        found_partition: u16,
        /// The offset of the record that does.
        found: u64,
        /// The file.
        file: PathBuf,
        /// Where in the file.
        byte: u64,
    },
    /// Records that every log keeps are not there: somebody deleted them, or something was written that is no record.
    #[error("partition {partition} has no records from offset {from} to before {until}: {why}")]
    Missing {
        /// Which partition.
        partition: u16,
        /// The first offset that is missing.
        from: u64,
        /// The first one that is there again.
        until: u64,
        /// How that can be, and what to do.
        why: String,
    },
    /// Another record stands at an offset than the one that was read there before: what came after it is not what it was
    /// either.
    #[error("partition {partition} holds another record at offset {offset} than was read there: {why}")]
    Rewritten {
        /// Which partition.
        partition: u16,
        /// The last offset that was read.
        offset: u64,
        /// How that can be, and what to do.
        why: String,
    },
    /// This is not the log any more that was opened: it was deleted and made again, or cut into other partitions.
    #[error("{place} is another log than the one that was opened: {why}")]
    Replaced {
        /// Where it stands.
        place: Place,
        /// What changed, and what to do.
        why: String,
    },
}

/// Why a log cannot be opened or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// What stands there is not what the caller thinks: another format, no log, or a log already.
    #[error("{place}: {what}")]
    Refused {
        /// Where.
        place: Place,
        /// What was found, what was expected, what to do.
        what: String,
    },
    /// Another process writes to this log.
    #[error("another process{} writes to this log and holds {}: stop it first, or open the log for reading", pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(), path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as far as the lock file says.
        pid: Option<u32>,
    },
    /// The storage failed: the folder may be read-only, full, or not allowed; the brokers may not answer.
    #[error(
        "cannot open the log: {place} failed; check that it can be reached, written to (reading needs no write access) and has space"
    )]
    Unavailable {
        /// What failed.
        place: Place,
        /// What the file system or the broker said.
        #[source]
        source: io::Error,
    },
    /// The log is damaged where it was whole before.
    #[error("{} is damaged at byte {byte}: {what}; nothing was changed; restore this file from a copy and open the log again", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Where in the file.
        byte: u64,
        /// What is wrong there.
        what: String,
    },
}
