//! The runner: keeps histories and figures up with the log.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use event_log::{
    EventLog,
    files::{FileLock, Files, LockError, make_folder},
};
use policy::Bundle;

use crate::{
    build::Progress,
    error::StoreError,
    figures::{Digests, Figures},
    partition::{MergeWork, Merged, Partition, Scratch},
    serving::{Opened, Serving},
    snapshot::Manifest,
};

/// How the projector runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads for catching up and building.
    pub workers: usize,
    /// Live: the store commits at least this often ...
    pub commit_every: Duration,
    /// ... or after so many events.
    pub commit_events: u64,
    /// Fewer pending facts than this are not merged into a base.
    pub merge_facts_min: u64,
    /// Live: a snapshot is written at most this often, and never takes more than a twentieth of the time.
    pub snapshot_every: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            commit_every: Duration::from_millis(200),
            commit_events: 10_000,
            merge_facts_min: 1_000,
            snapshot_every: Duration::from_secs(2),
        }
    }
}

/// Histories and figures of one log under one bundle.
pub struct Projector<'a> {
    log: &'a dyn EventLog,
    files: Arc<dyn Files>,
    root: PathBuf,
    bundle: &'a Bundle,
    options: Options,
    serving: Serving,
    scratch: Scratch,
    merges: Merges,
    uncommitted_events: u64,
    committed_at: Instant,
    snapshots: Snapshots,
    /// One process at a time.
    _lock: Box<dyn FileLock>,
}

/// Snapshots, written beside the projector.
struct Snapshots {
    begun_at: Instant,
    took: Duration,
    /// Something changed since the last one was begun.
    stale: bool,
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
    fn new() -> Snapshots {
        Snapshots { begun_at: Instant::now(), took: Duration::ZERO, stale: true, running: None }
    }
}

/// Merges that run beside the projector.
#[derive(Default)]
struct Merges {
    /// One at a time: the projector itself needs a core.
    running: Option<JoinHandle<(MergeWork, Result<Merged, StoreError>)>>,
    /// Failed, to be tried again.
    failed: Vec<(MergeWork, Instant)>,
    /// Base files that no longer serve; removed when no snapshot names them.
    obsolete: Vec<PathBuf>,
}

impl Drop for Projector<'_> {
    /// Waits for what is written beside it: once the lock is released, another may write there.
    fn drop(&mut self) {
        // They ended or they panicked: nobody is left to be told.
        if let Some(running) = self.snapshots.running.take() {
            let _ = running.join();
        }
        if let Some(running) = self.merges.running.take() {
            let _ = running.join();
        }
    }
}

impl<'a> Projector<'a> {
    /// Opens the projector whose derived files stand in `root`, for `log` and `bundle`. A store that is damaged or of
    /// another version is thrown away: it is derived. Call [`Projector::catch_up`] next.
    ///
    /// # Errors
    /// When the folder belongs to another log or another process projects into it, or the disk refuses.
    pub fn open(
        root: &Path,
        files: Arc<dyn Files>,
        log: &'a dyn EventLog,
        bundle: &'a Bundle,
        options: Options,
    ) -> Result<(Projector<'a>, Opened), StoreError> {
        make_folder(files.as_ref(), root).map_err(|source| StoreError::io(root, source))?;
        let lock = lock(files.as_ref(), root)?;
        let (serving, opened) = Serving::open(root, &files, log, bundle, options.workers)?;
        let merges = Merges { obsolete: serving.tidy(files.as_ref(), root)?, ..Merges::default() };
        let projector = Projector {
            log,
            files,
            root: root.to_owned(),
            bundle,
            options,
            serving,
            scratch: Scratch::default(),
            merges,
            uncommitted_events: 0,
            committed_at: Instant::now(),
            snapshots: Snapshots::new(),
            _lock: lock,
        };
        Ok((projector, opened))
    }

    /// The next offset of each partition.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.serving.partitions.iter().map(|partition| partition.histories.next_offset).collect()
    }

    /// The figures.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.serving.figures
    }

    /// Digests of the figures.
    pub fn digests(&mut self) -> Digests {
        self.serving.figures.digests()
    }

    /// [`Projector::read_to_end`], then merges what is due and writes a snapshot, which readers in other processes answer from.
    ///
    /// # Errors
    /// When the disk refuses; open again.
    pub fn catch_up(&mut self, progress: &(dyn Fn(Progress) + Sync)) -> Result<u64, StoreError> {
        let read = self.read_to_end(progress)?;
        if self.snapshots.stale {
            self.begin_merges()?;
            self.end_merges(true)?;
            self.write_snapshot()?;
        }
        Ok(read)
    }

    /// Reads everything the log holds now: builds from nothing, or drains one partition after the other, each read, folded
    /// and committed once. Returns how many records were read. Ends with everything durable and in the figures.
    ///
    /// A base file that turns out damaged only now, where a person is read from it, is no reason to stop: everything is
    /// thrown away and built anew.
    ///
    /// # Errors
    /// When the disk refuses; open again.
    pub fn read_to_end(&mut self, progress: &(dyn Fn(Progress) + Sync)) -> Result<u64, StoreError> {
        match self.read_on_store(progress) {
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::warn!(%error, "the store is thrown away and built again from the log");
                self.start_over()?;
                self.read_on_store(progress)
            }
            result => result,
        }
    }

    /// An empty generation in place of the one that serves.
    fn start_over(&mut self) -> Result<(), StoreError> {
        // What is being merged or written is of the old generation.
        self.end_snapshot(true)?;
        if let Some(running) = self.merges.running.take() {
            let _ = running.join();
        }
        self.merges = Merges::default();
        self.uncommitted_events = 0;
        self.snapshots.stale = true;
        let old = self.serving.generation.clone();
        let new = Serving::next(&self.root, &self.files, self.log, Some(&old))?;
        new.generation.serve(self.files.as_ref(), &self.root)?;
        self.serving = new;
        old.remove(self.files.as_ref())
    }

    fn read_on_store(&mut self, progress: &(dyn Fn(Progress) + Sync)) -> Result<u64, StoreError> {
        let ends = self.log.ends()?;
        let behind: u64 = ends.iter().zip(self.positions()).map(|(end, at)| end.saturating_sub(at)).sum();
        if behind == 0 {
            return Ok(0);
        }
        // A base that stands already is never replaced under its own name: a crash would leave a manifest that names another.
        let is_new = |partition: &Partition| {
            partition.histories.next_offset == 0 && partition.histories.base.is_none()
        };
        self.snapshots.stale = true;
        if self.serving.partitions.iter().all(is_new) {
            self.serving.build(self.log, &self.files, self.bundle, &ends, self.options.workers, progress)?;
        } else {
            self.serving.drain(self.log, self.bundle, &ends, self.options.workers, progress)?;
        }
        self.refold(true)?;
        Ok(behind)
    }

    /// Follows the log until `shutdown`: figures change at once, the store commits every so often, base files are merged
    /// beside it, and a snapshot is written at once if the last one is older, then now and then and at the end. `observe`
    /// sees each commit.
    ///
    /// # Errors
    /// When the disk refuses, or a base file turns out damaged: open again and catch up.
    pub fn follow(
        &mut self,
        shutdown: &AtomicBool,
        observe: &mut dyn FnMut(Commit),
    ) -> Result<(), StoreError> {
        if self.snapshots.stale {
            self.end_snapshot(true)?;
            self.begin_snapshot();
        }
        let mut ends = self.log.ends()?;
        while !shutdown.load(Ordering::Relaxed) {
            let mut positions = self.positions();
            for (at, end) in ends.iter().enumerate() {
                // One that stands still waits for nothing more: the others go on, and nobody spins.
                if self.serving.partitions[at].stopped.is_some() {
                    positions[at] = positions[at].max(*end);
                }
            }
            if ends.iter().zip(&positions).all(|(end, at)| end <= at) {
                let patience = self.options.commit_every.saturating_sub(self.committed_at.elapsed());
                let patience = if self.uncommitted_events > 0 { patience } else { self.options.commit_every };
                ends = self.log.wait(&positions, patience.max(Duration::from_millis(1)))?;
            }
            self.apply_live(&ends, observe)?;
            self.commit_if_due(observe)?;
            self.end_merges(false)?;
            self.end_snapshot(false)?;
            if self.snapshot_due() {
                self.commit(observe)?;
                self.refold(true)?;
                self.begin_snapshot();
            }
            ends = self.log.ends()?;
        }
        self.commit(observe)?;
        self.refold(true)?;
        self.end_merges(true)?;
        self.write_snapshot()
    }

    fn apply_live(&mut self, ends: &[u64], observe: &mut dyn FnMut(Commit)) -> Result<(), StoreError> {
        for (at, end) in ends.iter().enumerate() {
            let partition = &mut self.serving.partitions[at];
            let read =
                partition.apply(self.log, *end, self.bundle, &mut self.serving.figures, &mut self.scratch)?;
            if read > 0 {
                self.uncommitted_events += read;
                self.snapshots.stale = true;
                self.commit_if_due(observe)?;
            }
        }
        self.refold(false)
    }

    fn refold(&mut self, all: bool) -> Result<(), StoreError> {
        for partition in &mut self.serving.partitions {
            partition.refold(all, self.bundle, &mut self.serving.figures, &mut self.scratch)?;
        }
        Ok(())
    }

    fn commit_if_due(&mut self, observe: &mut dyn FnMut(Commit)) -> Result<(), StoreError> {
        let due = self.uncommitted_events >= self.options.commit_events
            || self.committed_at.elapsed() >= self.options.commit_every;
        if due { self.commit(observe) } else { Ok(()) }
    }

    fn commit(&mut self, observe: &mut dyn FnMut(Commit)) -> Result<(), StoreError> {
        if self.uncommitted_events > 0 {
            let begun = Instant::now();
            for partition in &mut self.serving.partitions {
                partition.commit(&self.serving.store)?;
            }
            self.serving.store.sync()?;
            let events = std::mem::take(&mut self.uncommitted_events);
            observe(Commit { events, took: begun.elapsed() });
            self.begin_merges()?;
        }
        self.committed_at = Instant::now();
        Ok(())
    }

    fn begin_merges(&mut self) -> Result<(), StoreError> {
        if self.merges.running.is_some() {
            return Ok(());
        }
        let wanting = |partition: &&mut Partition| partition.wants_merge(self.options.merge_facts_min);
        let again = self.merges.failed.pop_if(|(_, since)| since.elapsed() > Duration::from_secs(10));
        let work = match again {
            Some((work, _)) => work,
            None => match self.serving.partitions.iter_mut().find(wanting) {
                Some(partition) => partition.begin_merge(&self.serving.store)?,
                None => return Ok(()),
            },
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
    fn end_merges(&mut self, all: bool) -> Result<(), StoreError> {
        while let Some(running) = self.merges.running.take_if(|running| all || running.is_finished()) {
            let (work, merged) = running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match merged {
                Ok(merged) => {
                    let partition = &mut self.serving.partitions[usize::from(merged.partition)];
                    let replaced = partition.end_merge(merged, &self.serving.store)?;
                    self.merges.obsolete.push(self.serving.generation.base_path(partition.number, replaced));
                    self.serving.store.sync()?;
                    self.snapshots.stale = true;
                }
                Err(error @ StoreError::Corrupt(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a merge failed and will be tried again");
                    self.merges.failed.push((work, Instant::now()));
                }
            }
            self.begin_merges()?;
        }
        Ok(())
    }

    fn snapshot_due(&self) -> bool {
        let Snapshots { begun_at, took, stale, running } = &self.snapshots;
        *stale && running.is_none() && begun_at.elapsed() >= self.options.snapshot_every.max(*took * 20)
    }

    /// Writes a snapshot; readers in other processes answer from it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_snapshot(&mut self) -> Result<(), StoreError> {
        self.end_snapshot(true)?;
        self.begin_snapshot();
        self.end_snapshot(true)
    }

    /// Begins to write a snapshot of the figures as they are now, on a thread of its own.
    fn begin_snapshot(&mut self) {
        let frozen = self.serving.freeze(self.log, self.bundle);
        let (files, path) = (Arc::clone(&self.files), self.serving.generation.snapshot());
        let (store, obsolete) = (self.serving.store.clone(), std::mem::take(&mut self.merges.obsolete));
        let begun_at = Instant::now();
        let write = move || {
            // The store first: threads that it starts for this are those that commits wait for.
            let settled = store.settle(files.as_ref());
            give_way();
            let result = settled.and_then(|()| frozen.write(files.as_ref(), &path));
            Written { result, took: begun_at.elapsed(), obsolete }
        };
        let running = Some(std::thread::spawn(write));
        self.snapshots = Snapshots { begun_at, took: self.snapshots.took, stale: false, running };
    }

    /// Takes in how the snapshot that was begun ended; `wait`: and waits for its end.
    fn end_snapshot(&mut self, wait: bool) -> Result<(), StoreError> {
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

    /// What the figures stand on.
    pub fn manifest(&mut self) -> Manifest {
        self.serving.freeze(self.log, self.bundle).manifest().clone()
    }

    /// Bytes on disk: sled, and base files.
    #[must_use]
    pub fn disk_bytes(&self) -> (u64, u64) {
        let bases = self.serving.partitions.iter().filter_map(|partition| partition.histories.base.as_ref());
        (self.serving.store.bytes(), bases.map(|base| base.summary.bytes).sum())
    }

    /// Builds everything anew from the log in a generation beside this one, then compares and swaps. `self` serves the
    /// new generation afterwards.
    ///
    /// # Errors
    /// When the log or the disk refuses; the old generation then goes on serving.
    pub fn rebuild(&mut self, progress: &(dyn Fn(Progress) + Sync)) -> Result<Rebuilt, StoreError> {
        let (positions, before) = (self.positions(), self.serving.figures.digests());
        let mut new = Serving::next(&self.root, &self.files, self.log, Some(&self.serving.generation))?;
        // The same positions first, so that a difference is one of the rebuild and not of new events.
        new.build(self.log, &self.files, self.bundle, &positions, self.options.workers, progress)?;
        let after = new.figures.digests();
        let differences = self.serving.figures.differences(&mut new.figures);
        new.store.settle(self.files.as_ref())?;
        new.freeze(self.log, self.bundle).write(self.files.as_ref(), &new.generation.snapshot())?;
        self.end_snapshot(true)?;
        self.end_merges(true)?;
        new.generation.serve(self.files.as_ref(), &self.root)?;
        let old = std::mem::replace(&mut self.serving, new);
        self.merges = Merges::default();
        self.snapshots.stale = true;
        let generation = old.generation.clone();
        drop(old);
        generation.remove(self.files.as_ref())?;
        self.catch_up(progress)?;
        Ok(Rebuilt { positions, before, after, differences })
    }
}

/// What a rebuild found.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// The positions at which both were compared.
    pub positions: Vec<u64>,
    /// Digests of what served.
    pub before: Digests,
    /// Digests of what was built.
    pub after: Digests,
    /// The sums that differ, the first of each cube.
    pub differences: Vec<String>,
}

/// One commit of the store.
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    /// How many events it made durable.
    pub events: u64,
    /// How long it took.
    pub took: Duration,
}

/// What runs beside the projector gives way to it, so that commits don't wait for a merge or a snapshot: on Linux a thread
/// has a priority of its own, and those it starts inherit it.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "the thread keeps its priority");
    }
}

fn lock(files: &dyn Files, root: &Path) -> Result<Box<dyn FileLock>, StoreError> {
    let path = root.join("lock");
    files.try_lock(&path).map_err(|error| match error {
        LockError::Held(process) => {
            let process = process.map_or_else(String::new, |id| format!(" (process {id})"));
            StoreError::Locked(format!(
                "another process{process} projects into {}; queries answer from its snapshots meanwhile",
                root.display()
            ))
        }
        LockError::Io(source) => StoreError::io(&path, source),
    })
}
