//! The runner: keeps histories and figures up with the log.

mod beside;
mod live;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use event_log::{
    EventLog, Follower,
    files::{FileLock, Files, LockError, make_folder},
};
use policy::Bundle;

use self::{
    beside::{Merges, Snapshots},
    live::Live,
};
use crate::{
    build::Progress,
    error::StoreError,
    figures::{Digests, Figures},
    options::Options,
    partition::{Folding, Partition, Reading, Stopped},
    serving::{Opened, Serving},
    snapshot::Manifest,
};

/// How often those who watch the log are told how far it is computed.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// Histories and figures of one log under one bundle.
pub struct Projector<'a> {
    log: &'a dyn EventLog,
    files: Arc<dyn Files>,
    root: PathBuf,
    bundle: &'a Bundle,
    options: Options,
    serving: Serving,
    live: Live,
    folding: Folding,
    merges: Merges,
    uncommitted_events: u64,
    committed_at: Instant,
    snapshots: Snapshots,
    /// One process at a time.
    _lock: Box<dyn FileLock>,
}

impl Drop for Projector<'_> {
    /// Waits for what is written beside it: once the lock is released, another may write there.
    fn drop(&mut self) {
        self.forget_what_runs();
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
        let (serving, opened) = Serving::open(root, &files, log, bundle, &options)?;
        let merges = Merges::after(serving.tidy(files.as_ref(), root)?);
        let projector = Projector {
            log,
            files,
            root: root.to_owned(),
            bundle,
            options,
            serving,
            live: Live::default(),
            folding: Folding::default(),
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
        self.serving.partitions.iter().map(|partition| partition.histories.checkpoint.next).collect()
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
        self.mending(|projector| {
            let read = projector.read_on_store(progress)?;
            if projector.snapshots.stale {
                projector.begin_merges()?;
                projector.end_merges(true)?;
                projector.write_snapshot()?;
            }
            Ok(read)
        })
    }

    /// Reads everything the log holds now: builds from nothing, or drains one partition after the other, each read, folded
    /// and committed once. Returns how many records were read. Ends with everything durable and in the figures.
    ///
    /// # Errors
    /// When the disk refuses; open again.
    pub fn read_to_end(&mut self, progress: &(dyn Fn(Progress) + Sync)) -> Result<u64, StoreError> {
        self.mending(|projector| projector.read_on_store(progress))
    }

    /// Does `work`. A derived file that turns out damaged only now, where a person is read from it or it is merged, is no
    /// reason to stop: everything is thrown away, and the work done once more, from nothing.
    fn mending<T>(
        &mut self,
        work: impl Fn(&mut Projector<'a>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match work(self) {
            Err(error @ StoreError::Corrupt(_)) => {
                self.start_over(&error)?;
                work(self)
            }
            result => result,
        }
    }

    /// An empty generation in place of the one that serves, which is damaged.
    fn start_over(&mut self, damage: &StoreError) -> Result<(), StoreError> {
        tracing::warn!(error = %damage, "the store is thrown away and built again from the log");
        let new = self.next_generation()?;
        self.serve(new)
    }

    fn next_generation(&self) -> Result<Serving, StoreError> {
        Serving::next(&self.root, &self.files, self.log, Some(&self.serving.generation), &self.options)
    }

    /// `new` in place of what serves, which is removed.
    fn serve(&mut self, new: Serving) -> Result<(), StoreError> {
        self.forget_what_runs();
        new.generation.serve(self.files.as_ref(), &self.root)?;
        let old = std::mem::replace(&mut self.serving, new);
        self.merges = Merges::default();
        self.uncommitted_events = 0;
        self.snapshots.stale = true;
        let generation = old.generation.clone();
        drop(old);
        generation.remove(self.files.as_ref())
    }

    fn read_on_store(&mut self, progress: &(dyn Fn(Progress) + Sync)) -> Result<u64, StoreError> {
        let ends = self.log.ends()?;
        let stood = self.stood();
        if self.serving.partitions.iter().zip(&ends).all(|(partition, end)| partition.is_at(*end)) {
            return Ok(0);
        }
        // A base that stands already is never replaced under its own name: a crash would leave a manifest that names another.
        let is_new = |partition: &Partition| {
            partition.histories.checkpoint.next == 0 && partition.histories.base.is_none()
        };
        let reading = Reading { log: self.log, bundle: self.bundle, options: &self.options };
        if self.serving.partitions.iter().all(is_new) {
            self.serving.build(reading, &self.files, &ends, progress)?;
        } else {
            self.serving.drain(reading, &ends, progress)?;
        }
        self.refold()?;
        let stands = self.stood();
        self.snapshots.stale |= stands != stood;
        Ok(stands.iter().zip(&stood).map(|((at, _), (before, _))| at - before).sum())
    }

    /// How far each partition is, and whether it stands still.
    fn stood(&self) -> Vec<(u64, bool)> {
        let stood =
            |partition: &Partition| (partition.histories.checkpoint.next, partition.stopped.is_some());
        self.serving.partitions.iter().map(stood).collect()
    }

    /// Follows the log until `shutdown`: figures change at once, the store commits every so often, base files are merged
    /// beside it, and a snapshot is written at once if the last one is older, then now and then and at the end. `observe`
    /// sees each commit. A derived file that turns out damaged is no reason to stop: everything is built anew.
    ///
    /// # Errors
    /// When the disk refuses; open again.
    pub fn follow(
        &mut self,
        shutdown: &AtomicBool,
        observe: &mut dyn FnMut(Commit),
    ) -> Result<(), StoreError> {
        loop {
            match self.follow_on_store(shutdown, observe) {
                Err(error @ StoreError::Corrupt(_)) => {
                    self.start_over(&error)?;
                    self.read_on_store(&|_| {})?;
                }
                result => return result,
            }
        }
    }

    fn follow_on_store(
        &mut self,
        shutdown: &AtomicBool,
        observe: &mut dyn FnMut(Commit),
    ) -> Result<(), StoreError> {
        if self.snapshots.stale {
            self.end_snapshot(true)?;
            self.begin_snapshot(Instant::now())?;
        }
        let log = self.log;
        let mut follower = log.follow(&self.assignment())?;
        let mut noted_at = Instant::now();
        while !shutdown.load(Ordering::Relaxed) {
            let patience = self.options.commit_every.saturating_sub(self.committed_at.elapsed());
            let patience = if self.uncommitted_events > 0 { patience } else { self.options.commit_every };
            self.take_ready(follower.as_mut(), patience.max(Duration::from_millis(1)))?;
            self.ask_again(follower.as_mut());
            self.commit_if_due(observe)?;
            if self.uncommitted_events == 0 && noted_at.elapsed() >= NOTE_EVERY {
                self.note(follower.as_mut());
                noted_at = Instant::now();
            }
            self.end_merges(false)?;
            self.try_merges_again()?;
            self.end_snapshot(false)?;
            if self.snapshot_due() {
                let begun_at = Instant::now();
                self.commit(observe)?;
                self.refold()?;
                self.begin_snapshot(begun_at)?;
            }
        }
        self.commit(observe)?;
        self.note(follower.as_mut());
        drop(follower);
        self.refold()?;
        self.end_merges(true)?;
        self.write_snapshot()
    }

    /// Tells those who watch the log how far it is computed.
    fn note(&self, follower: &mut dyn Follower) {
        let positions: Vec<(u16, u64)> = (0..).zip(self.positions()).collect();
        follower.note(&positions);
    }

    fn refold(&mut self) -> Result<(), StoreError> {
        let Serving { partitions, figures, .. } = &mut self.serving;
        let mut partitions = partitions.iter_mut();
        partitions.try_for_each(|partition| partition.refold(self.bundle, figures, &mut self.folding))
    }

    /// Whether it is only until the storage answers that partitions stand still: trying again may help.
    #[must_use]
    pub fn waits_for_storage(&self) -> bool {
        let mut stopped = self.serving.partitions.iter().filter_map(|partition| partition.stopped.as_ref());
        stopped.all(Stopped::for_now)
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

    /// What the figures stand on.
    pub fn manifest(&mut self) -> Manifest {
        self.serving.freeze(self.log, self.bundle).manifest().clone()
    }

    /// Bytes on disk: rows, and base files.
    #[must_use]
    pub fn disk_bytes(&self) -> (u64, u64) {
        let bases = self.serving.partitions.iter().filter_map(|partition| partition.histories.base.as_ref());
        (self.serving.store.bytes(), bases.map(|base| base.summary.bytes).sum())
    }

    /// Builds everything anew from the log in a generation beside this one, then compares and swaps. `self` serves the
    /// new generation afterwards.
    ///
    /// # Errors
    /// When the log or the disk refuses, or the log cannot be read as far as what serves; the old generation then goes on
    /// serving.
    pub fn rebuild(&mut self, progress: &(dyn Fn(Progress) + Sync)) -> Result<Rebuilt, StoreError> {
        let (positions, before) = (self.positions(), self.serving.figures.digests());
        let mut new = self.next_generation()?;
        // The same positions first, so that a difference is one of the rebuild and not of new events.
        let reading = Reading { log: self.log, bundle: self.bundle, options: &self.options };
        new.build(reading, &self.files, &positions, progress)?;
        let short = new
            .partitions
            .iter()
            .zip(&positions)
            .find(|(partition, at)| partition.histories.checkpoint.next < **at);
        if let Some((Partition { number, stopped, .. }, at)) = short {
            // What serves may be the only whole copy of what the log has lost.
            let why = stopped.as_ref().map_or("it ends before that", |stopped| &stopped.why).to_owned();
            let error = StoreError::Behind { partition: *number, at: *at, why };
            let generation = new.generation.clone();
            drop(new);
            generation.remove(self.files.as_ref())?;
            return Err(error);
        }
        let after = new.figures.digests();
        let differences = self.serving.figures.differences(&mut new.figures);
        new.freeze(self.log, self.bundle).write(self.files.as_ref(), &new.generation.snapshot())?;
        self.serve(new)?;
        let read = self.catch_up(progress)?;
        Ok(Rebuilt { positions, before, after, differences, read })
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
    /// How many records came since and were read too.
    pub read: u64,
}

/// One commit of the store.
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    /// How many events it made durable.
    pub events: u64,
    /// How long it took.
    pub took: Duration,
}

pub(crate) fn lock(files: &dyn Files, root: &Path) -> Result<Box<dyn FileLock>, StoreError> {
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
