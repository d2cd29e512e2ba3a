//! What can go wrong, by what the caller does next.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use event_log::ReadError;

/// Where a derived file is damaged, or that it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrupt {
    path: PathBuf,
    /// The byte and what is wrong there; `None`: there is no file.
    damage: Option<(u64, String)>,
}

impl Corrupt {
    pub(crate) fn new(path: &Path, byte: u64, what: &str) -> Corrupt {
        Corrupt { path: path.to_owned(), damage: Some((byte, what.to_owned())) }
    }

    pub(crate) fn missing(path: &Path) -> Corrupt {
        Corrupt { path: path.to_owned(), damage: None }
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.damage.is_none()
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.damage {
            Some((byte, what)) => write!(f, "{path} is damaged at byte {byte}: {what}"),
            None => write!(f, "{path} is missing"),
        }
    }
}

/// Why the projector's own files could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A derived file is damaged or missing: all of them are thrown away and built from the log again, by a rebuild, or by the
    /// next to project where it meets the damage.
    #[error("{0}; it is derived from the log: rebuild it")]
    Corrupt(Corrupt),
    /// A derived file has another version's shape: it is built from the log again.
    #[error("{} has version {found}, this build reads {expected}; rebuild it from the log", path.display())]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version this build reads and writes.
        expected: u32,
    },
    /// The file system refused: try again when there is room, or the right to write.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// The log could not be read: that partition stands still, the others go on.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The log can no longer be read as far as the figures stand: they are not given up for what is left of it.
    #[error(
        "the log cannot be read as far as the figures stand, offset {at} of partition {partition}: {why}; nothing was changed, and they go on serving"
    )]
    Behind {
        /// Which partition.
        partition: u16,
        /// Where the figures stand.
        at: u64,
        /// Why the log cannot be read so far.
        why: String,
    },
    /// Another process projects into the folder: try again when it has ended.
    #[error("{0}")]
    Locked(String),
    /// The folder belongs to another log, or nothing was projected into it.
    #[error("{0}")]
    Refused(String),
}

impl StoreError {
    pub(crate) fn io(path: &Path, source: io::Error) -> StoreError {
        StoreError::Io { path: path.to_owned(), source }
    }
}
