//! What runs beside the projector: merges of base files, and the writing of snapshots.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::Projector;
use crate::{
    error::StoreError,
    partition::{MergeWork, Merged, Partition},
    serving::Serving,
};

/// Snapshots, written beside the projector.
pub(super) struct Snapshots {
    begun_at: Instant,
    took: Duration,
    /// Something changed since the last one was begun.
    pub(super) stale: bool,
    running: Option<JoinHandle<Written>>,
}

/// How writing a snapshot ended.
struct Written {
    result: Result<(), StoreError>,
    took: Duration,
    /// Base files that no snapshot names any more, if it was written.
    obsolete: Vec<PathBuf>,
}

impl Snapshots {
    pub(super) fn new() -> Snapshots {
        Snapshots { begun_at: Instant::now(), took: Duration::ZERO, stale: true, running: None }
    }
}

/// Merges that run beside the projector.
#[derive(Default)]
pub(super) struct Merges {
    /// One at a time: the projector itself needs a core.
    running: Option<JoinHandle<(MergeWork, Result<Merged, StoreError>)>>,
    /// Failed, to be tried again.
    failed: VecDeque<(MergeWork, Instant)>,
    /// Base files that no longer serve; removed when no snapshot names them.
    obsolete: Vec<PathBuf>,
}

impl Merges {
    /// None yet; these base files serve only until the next snapshot.
    pub(super) fn after(obsolete: Vec<PathBuf>) -> Merges {
        Merges { obsolete, ..Merges::default() }
    }
}

impl Projector<'_> {
    /// Waits for what is written beside the projector, and takes no notice of how it ended: what serves is given up.
    pub(super) fn forget_what_runs(&mut self) {
        // They ended or they panicked: nobody is left to be told.
        if let Some(running) = self.snapshots.running.take() {
            let _ = running.join();
        }
        if let Some(running) = self.merges.running.take() {
            let _ = running.join();
        }
    }

    pub(super) fn begin_merges(&mut self) -> Result<(), StoreError> {
        if self.merges.running.is_some() {
            return Ok(());
        }
        let is_due = |(_, since): &(MergeWork, Instant)| since.elapsed() > self.options.ask_again_after;
        let again = if self.merges.failed.front().is_some_and(is_due) {
            self.merges.failed.pop_front()
        } else {
            None
        };
        let Serving { store, partitions, .. } = &mut self.serving;
        let wanting = |partition: &Partition| partition.wants_merge(self.options.merge_facts_min);
        let mut pinning = store.pinning().into_iter().map(usize::from);
        let pinning = pinning.find(|at| partitions[*at].can_merge());
        let work = match (again, pinning.or_else(|| partitions.iter().position(wanting))) {
            (Some((work, _)), _) => work,
            (None, Some(at)) => partitions[at].begin_merge(store)?,
            (None, None) => return Ok(()),
        };
        let (files, generation) = (Arc::clone(&self.files), self.serving.generation.clone());
        self.merges.running = Some(std::thread::spawn(move || {
            give_way();
            let merged = work.run(&files, &generation);
            (work, merged)
        }));
        Ok(())
    }

    /// Takes in what merges made; `all`: waits until none is left to do.
    pub(super) fn end_merges(&mut self, all: bool) -> Result<(), StoreError> {
        while let Some(running) = self.merges.running.take_if(|running| all || running.is_finished()) {
            let (work, merged) = running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match merged {
                Ok(merged) => {
                    let partition = &mut self.serving.partitions[usize::from(merged.partition)];
                    let store = &self.serving.store;
                    let replaced = partition.end_merge(merged, store)?;
                    if !store.pinning().is_empty() {
                        // Only what is synced makes files go: else the same ones were merged again and again.
                        store.sync()?;
                    }
                    self.merges.obsolete.push(self.serving.generation.base_path(partition.number, replaced));
                    self.snapshots.stale = true;
                }
                Err(error @ StoreError::Corrupt(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a merge failed and will be tried again");
                    self.merges.failed.push_back((work, Instant::now()));
                }
            }
            self.begin_merges()?;
        }
        Ok(())
    }

    /// Tries a merge that failed again once it is time, though nothing new has come.
    pub(super) fn try_merges_again(&mut self) -> Result<(), StoreError> {
        if self.merges.failed.is_empty() { Ok(()) } else { self.begin_merges() }
    }

    pub(super) fn snapshot_due(&self) -> bool {
        let Snapshots { begun_at, took, stale, running } = &self.snapshots;
        *stale && running.is_none() && begun_at.elapsed() >= self.options.snapshot_every.max(*took * 20)
    }

    /// Writes a snapshot; readers in other processes answer from it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_snapshot(&mut self) -> Result<(), StoreError> {
        self.end_snapshot(true)?;
        self.begin_snapshot(Instant::now())?;
        self.end_snapshot(true)
    }

    /// Begins to write a snapshot of the figures as they are now, on a thread of its own. What it takes counts from
    /// `begun_at`.
    pub(super) fn begin_snapshot(&mut self, begun_at: Instant) -> Result<(), StoreError> {
        // It says how far the store is, and bases that merges replaced go when it stands.
        self.serving.store.sync()?;
        let frozen = self.serving.freeze(self.log, self.bundle);
        let (files, path) = (Arc::clone(&self.files), self.serving.generation.snapshot());
        let obsolete = std::mem::take(&mut self.merges.obsolete);
        let write = move || {
            give_way();
            let result = frozen.write(files.as_ref(), &path);
            Written { result, took: begun_at.elapsed(), obsolete }
        };
        let running = Some(std::thread::spawn(write));
        self.snapshots = Snapshots { begun_at, took: self.snapshots.took, stale: false, running };
        Ok(())
    }

    /// Takes in how the snapshot that was begun ended; `wait`: and waits for its end.
    pub(super) fn end_snapshot(&mut self, wait: bool) -> Result<(), StoreError> {
        let ended = self.snapshots.running.take_if(|running| wait || running.is_finished());
        let Some(running) = ended else { return Ok(()) };
        let written = running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        self.snapshots.took = written.took;
        if let Err(error) = written.result {
            self.snapshots.stale = true;
            self.merges.obsolete.extend(written.obsolete);
            return Err(error);
        }
        for path in written.obsolete {
            event_log::files::remove_if_there(self.files.as_ref(), &path)
                .map_err(|source| StoreError::io(&path, source))?;
        }
        Ok(())
    }
}

/// What runs beside the projector gives way to it, so that commits don't wait for a merge or a snapshot: on Linux a thread
/// has a priority of its own, and those it starts inherit it.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "the thread keeps its priority");
    }
}
