//! Where the logs of a deployment stand.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{EmbeddedLog, EventLog, OpenError, files::Files};

/// A place that logs stand in, each with a name: a folder on this machine, or a cluster of brokers.
pub trait Logs: fmt::Debug + Send + Sync {
    /// Opens a log for reading, beside whoever writes it; `None`: there is none of this name.
    fn open(&self, name: &str) -> Result<Option<Box<dyn EventLog>>, OpenError>;

    /// Opens a log that there is for writing.
    fn open_for_writing(&self, name: &str) -> Result<Box<dyn EventLog>, OpenError>;

    /// Makes an empty log, and opens it for writing.
    fn create(&self, name: &str, partitions: u16) -> Result<Box<dyn EventLog>, OpenError>;
}

/// Logs as folders in a folder.
#[derive(Clone, Debug)]
pub struct EmbeddedLogs {
    root: PathBuf,
    files: Arc<dyn Files>,
}

impl EmbeddedLogs {
    /// Those in `root`, which need not be there yet.
    #[must_use]
    pub fn new(root: &Path, files: Arc<dyn Files>) -> EmbeddedLogs {
        EmbeddedLogs { root: root.to_owned(), files }
    }
}

impl Logs for EmbeddedLogs {
    fn open(&self, name: &str) -> Result<Option<Box<dyn EventLog>>, OpenError> {
        let path = self.root.join(name);
        let is_log = match self.files.list(&path) {
            Ok(names) => names.iter().any(|name| name == "meta"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(source) => return Err(OpenError::Unavailable { place: path.into(), source }),
        };
        if !is_log {
            return Ok(None);
        }
        Ok(Some(Box::new(EmbeddedLog::open_reader_with(Arc::clone(&self.files), &path)?)))
    }

    fn open_for_writing(&self, name: &str) -> Result<Box<dyn EventLog>, OpenError> {
        let path = self.root.join(name);
        Ok(Box::new(EmbeddedLog::open_with(Arc::clone(&self.files), &path, Default::default())?))
    }

    fn create(&self, name: &str, partitions: u16) -> Result<Box<dyn EventLog>, OpenError> {
        let (path, files) = (self.root.join(name), Arc::clone(&self.files));
        Ok(Box::new(EmbeddedLog::create_with(files, &path, partitions, Default::default())?))
    }
}
