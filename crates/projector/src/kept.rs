//! Histories as the store holds them, for whoever checks them.

use std::{path::Path, sync::Arc};

use contract::Subject;
use event_log::{
    EventLog, LogId,
    files::{FileLock, Files},
};
use history::History;

use crate::{
    error::{Corrupt, StoreError},
    generation::Generation,
    histories::Histories,
    partition::Partition,
    projector::lock,
    snapshot,
    store::Store,
};

/// The histories of the generation that serves: base files, and the rows of new facts that are in no base yet. Nobody can
/// project meanwhile, so this is for checking; whoever asks questions takes a [`Reader`](crate::Reader).
pub struct Kept {
    files: Arc<dyn Files>,
    generation: Generation,
    store: Store,
    /// Where the snapshot stands: the store was synced before it was written.
    at_least: Vec<u64>,
    /// One process at a time.
    _lock: Box<dyn FileLock>,
}

impl Kept {
    /// Opens what the projector keeps in `root` of `log`, which has so many `partitions`, and leaves it as it is: damage is to be found, not mended.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when somebody projects, [`StoreError::Io`] where the folder cannot be written, for the store
    /// is opened by one process.
    pub(crate) fn open(
        root: &Path,
        files: Arc<dyn Files>,
        log: LogId,
        partitions: u16,
    ) -> Result<Kept, StoreError> {
        let lock = lock(files.as_ref(), root)?;
        let none = || StoreError::Refused(format!("nothing was projected into {} yet", root.display()));
        let generation = Generation::current(files.as_ref(), root)?.ok_or_else(none)?;
        let store = Store::look(&generation.store(), &files, log, partitions)?;
        let snapshot = snapshot::read_manifest(files.as_ref(), &generation.snapshot()).ok().flatten();
        let at_least = snapshot.map_or_else(Vec::new, |manifest| manifest.positions());
        Ok(Kept { files, generation, store, at_least, _lock: lock })
    }

    /// Visits everybody's sorted history in one partition, as [`Reader::visit_partition`](crate::Reader::visit_partition)
    /// does. Gives back the offset before which the facts are those stored; past it the log is read, up to `until`.
    ///
    /// # Errors
    /// When what is stored or the log cannot be read, and those of `visit`.
    pub fn visit_partition(
        &self,
        log: &dyn EventLog,
        partition: u16,
        until: u64,
        visit: impl FnMut(Subject, &History, Option<u64>) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let histories = self.load(partition)?;
        let at_least = self.at_least.get(usize::from(partition)).copied().unwrap_or_default();
        let ends = histories.checkpoint.next;
        if ends < at_least {
            return Err(StoreError::Corrupt(Corrupt::new(
                &self.generation.store(),
                0,
                &format!(
                    "the rows of partition {partition} end at offset {ends}, before the snapshot at {at_least} that was written after them"
                ),
            )));
        }
        histories.visit_until(log, partition, until, visit)
    }

    /// Visits everybody's sorted history in one partition as it is stored, whatever the log says.
    ///
    /// # Errors
    /// When what is stored cannot be read, and those of `visit`.
    pub fn visit_stored(
        &self,
        partition: u16,
        mut visit: impl FnMut(Subject, &History) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.load(partition)?.for_each(None, |subject, history| visit(subject, history))
    }

    fn load(&self, partition: u16) -> Result<Histories, StoreError> {
        let only = partition..partition + 1;
        let loaded = Partition::load(only, &self.store, self.files.as_ref(), &self.generation)?;
        Ok(loaded.into_iter().next().expect("one was asked for").histories)
    }
}
