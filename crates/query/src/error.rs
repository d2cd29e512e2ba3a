//! What can go wrong, by what the caller does next.

use std::{
    io,
    path::{Path, PathBuf},
};

use event_log::{AppendError, OpenError, ReadError};
use projector::StoreError;
use reference::BundleFault;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The question asks for what there is not, or makes no sense: say it otherwise. The text says how.
    #[error("{0}")]
    Question(String),
    /// The question cannot be answered here: the text says what would have to be otherwise.
    #[error("{0}")]
    Refused(String),
    /// A receipt stands on what this build, or this folder, does not have.
    #[error("needs {0}")]
    Needs(String),
    /// The files of a bundle are broken: nothing of them is used. Every fault, each with file, row and column.
    #[error("the reference and policy files are not used, {} faults were found; the first: {}", .0.len(), .0[0])]
    Bundle(Vec<BundleFault>),
    /// The control log holds what it cannot hold.
    #[error(
        "the control log is damaged at offset {offset}: {what}; restore the folder `control` from a copy"
    )]
    Control {
        /// The record.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// A log could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The control log took no record.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Histories or figures could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file system refused.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
}

impl QueryError {
    pub(crate) fn io(path: &Path, source: io::Error) -> QueryError {
        QueryError::Io { path: path.to_owned(), source }
    }
}
