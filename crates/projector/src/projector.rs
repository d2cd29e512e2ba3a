//! The runner: keeps histories and figures up with the log.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use event_log::{EventLog, files::Files};
use policy::Bundle;

use crate::{
    build::{Build, Progress, in_parallel},
    error::StoreError,
    figures::{Digests, Figures},
    generation::Generation,
    partition::{MergeWork, Merged, Partition, Scratch},
    snapshot::{self, BaseState, Manifest, PartitionState, hex, projection_versions},
    store::Store,
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

/// How a projector was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// There was nothing: everything is still to be read.
    Empty,
    /// From a snapshot of the figures.
    Snapshot,
    /// The figures were folded from the histories: there was no snapshot, or one of another bundle or version.
    Folded {
        /// Why.
        why: String,
    },
    /// The store was unusable and is thrown away: everything is to be read again.
    Discarded {
        /// What was wrong with it.
        why: String,
    },
}

/// Histories and figures of one log under one bundle.
pub struct Projector<'a> {
    log: &'a dyn EventLog,
    files: Arc<dyn Files>,
    root: PathBuf,
    bundle: &'a Bundle,
    options: Options,
    generation: Generation,
    store: Store,
    partitions: Vec<Partition>,
    figures: Figures,
    scratch: Scratch,
    merges: Merges,
    uncommitted_events: u64,
    committed_at: Instant,
    snapshot: SnapshotClock,
}

struct SnapshotClock {
    written_at: Instant,
    took: Duration,
    /// Something changed since.
    stale: bool,
}

/// Merges that run beside the projector.
struct Merges {
    sender: Sender<(MergeWork, Result<Merged, StoreError>)>,
    receiver: Receiver<(MergeWork, Result<Merged, StoreError>)>,
    running: usize,
    /// Failed, to be tried again.
    failed: Vec<(MergeWork, Instant)>,
    /// Base files that no longer serve; removed when no snapshot names them.
    obsolete: Vec<PathBuf>,
}

impl Merges {
    fn new() -> Merges {
        let (sender, receiver) = channel();
        Merges { sender, receiver, running: 0, failed: Vec::new(), obsolete: Vec::new() }
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
        let current = Generation::current(files.as_ref(), root)?;
        let mut discarded = None;
        if let Some(generation) = &current {
            match Self::open_generation(root, &files, log, bundle, &options, generation) {
                Ok(opened) => return Ok(opened),
                Err(error @ (StoreError::Corrupt(_) | StoreError::OtherVersion { .. })) => {
                    tracing::warn!(%error, "the store is thrown away and built again from the log");
                    discarded = Some(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        let generation = Generation::next(files.as_ref(), root, current.as_ref())?;
        let store = Store::open(&generation.store(), log.id(), log.partitions())?;
        let partitions = (0..log.partitions()).map(Partition::new).collect();
        generation.serve(files.as_ref(), root)?;
        if let Some(old) = current {
            old.remove()?;
        }
        let projector = Self::assemble(
            root,
            files,
            log,
            bundle,
            options,
            generation,
            store,
            partitions,
            Figures::default(),
        );
        let opened = discarded.map_or(Opened::Empty, |why| Opened::Discarded { why });
        Ok((projector, opened))
    }

    fn open_generation(
        root: &Path,
        files: &Arc<dyn Files>,
        log: &'a dyn EventLog,
        bundle: &'a Bundle,
        options: &Options,
        generation: &Generation,
    ) -> Result<(Projector<'a>, Opened), StoreError> {
        let store = Store::open(&generation.store(), log.id(), log.partitions())?;
        let load = |number| Partition::load(number, &store, files.as_ref(), generation);
        let partitions = (0..log.partitions()).map(load).collect::<Result<Vec<_>, _>>()?;
        let ends = log.ends()?;
        for (partition, end) in partitions.iter().zip(&ends) {
            if partition.histories.next_offset > *end {
                return Err(StoreError::Refused(format!(
                    "the figures in {} stand at offset {} of partition {}, the log ends at {end}: the log lost its end or is an older copy; bring it back, or project into an empty folder",
                    root.display(),
                    partition.histories.next_offset,
                    partition.number
                )));
            }
        }
        let read = match snapshot::read(files.as_ref(), &generation.snapshot()) {
            Err(error @ StoreError::Corrupt(_)) => Err(error.to_string()),
            Ok(None) => Err("there was no snapshot".to_owned()),
            Ok(Some((manifest, figures))) => match usable(&manifest, log, bundle, &partitions) {
                Ok(()) => Ok((manifest, figures)),
                Err(why) => Err(why),
            },
            Err(error) => return Err(error),
        };
        let mut scratch = Scratch::default();
        let (figures, opened) = match read {
            Ok((manifest, mut figures)) => {
                for (partition, from) in partitions.iter().zip(manifest.positions()) {
                    partition.renew(log, from, bundle, &mut figures, &mut scratch)?;
                }
                (figures, Opened::Snapshot)
            }
            Err(_) if partitions.iter().all(|partition| partition.histories.next_offset == 0) => {
                (Figures::default(), Opened::Empty)
            }
            Err(why) => (fold(&partitions, bundle, options.workers)?, Opened::Folded { why }),
        };
        let (generation, options) = (generation.clone(), options.clone());
        let files = Arc::clone(files);
        let projector =
            Self::assemble(root, files, log, bundle, options, generation, store, partitions, figures);
        Ok((projector, opened))
    }

    #[allow(clippy::too_many_arguments, reason = "puts together what two ways of opening found")]
    fn assemble(
        root: &Path,
        files: Arc<dyn Files>,
        log: &'a dyn EventLog,
        bundle: &'a Bundle,
        options: Options,
        generation: Generation,
        store: Store,
        partitions: Vec<Partition>,
        figures: Figures,
    ) -> Projector<'a> {
        Projector {
            log,
            files,
            root: root.to_owned(),
            bundle,
            options,
            generation,
            store,
            partitions,
            figures,
            scratch: Scratch::default(),
            merges: Merges::new(),
            uncommitted_events: 0,
            committed_at: Instant::now(),
            snapshot: SnapshotClock { written_at: Instant::now(), took: Duration::ZERO, stale: true },
        }
    }

    /// The next offset of each partition.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.partitions.iter().map(|partition| partition.histories.next_offset).collect()
    }

    /// The figures.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Digests of the figures.
    pub fn digests(&mut self) -> Digests {
        self.figures.digests()
    }

    /// Reads everything the log holds now: builds from nothing, or drains one partition after the other, each read, folded
    /// and committed once. Returns how many records were read. Ends with everything durable and a snapshot.
    ///
    /// # Errors
    /// When the disk refuses or a base file turns out damaged; open again.
    pub fn catch_up(&mut self, progress: &(dyn Fn(Progress) + Sync)) -> Result<u64, StoreError> {
        let ends = self.log.ends()?;
        let behind: u64 = ends.iter().zip(self.positions()).map(|(end, at)| end.saturating_sub(at)).sum();
        if behind == 0 && !self.snapshot.stale {
            return Ok(0);
        }
        if self.partitions.iter().all(|partition| partition.histories.next_offset == 0) {
            self.build(&ends, progress)?;
        } else {
            self.drain(&ends, behind, progress)?;
        }
        for partition in &mut self.partitions {
            partition.refold(true, self.bundle, &mut self.figures, &mut self.scratch)?;
        }
        self.begin_merges();
        self.end_merges(true)?;
        self.write_snapshot()?;
        Ok(behind)
    }

    fn build(&mut self, ends: &[u64], progress: &(dyn Fn(Progress) + Sync)) -> Result<(), StoreError> {
        let numbers: Vec<u16> = (0..self.log.partitions()).collect();
        let task = Build {
            log: self.log,
            files: &self.files,
            generation: &self.generation,
            ends,
            bundle: self.bundle,
        };
        let (built, figures) = task.run(&numbers, self.options.workers, progress)?;
        for built in built {
            let number = built.partition;
            let mut partition = Partition::of_base(number, built.base, &self.store)?;
            partition.stopped = built.stopped;
            self.partitions[usize::from(number)] = partition;
        }
        self.figures = figures;
        self.store.sync()
    }

    fn drain(
        &mut self,
        ends: &[u64],
        behind: u64,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), StoreError> {
        // For a few events a second set of sums costs more than a second thread brings.
        const PARALLEL_MIN: u64 = 20_000;
        let (log, bundle, store) = (self.log, self.bundle, &self.store);
        let done = std::sync::atomic::AtomicU64::new(0);
        let apply = |partition: &mut Partition, figures: &mut Figures, scratch: &mut Scratch| {
            let until = ends[usize::from(partition.number)];
            let read = partition.apply(log, until, bundle, figures, scratch)?;
            partition.commit(store)?;
            let done = done.fetch_add(read, Ordering::Relaxed) + read;
            progress(Progress { done, total: behind });
            Ok(())
        };
        if behind < PARALLEL_MIN {
            for partition in &mut self.partitions {
                apply(partition, &mut self.figures, &mut self.scratch)?;
            }
        } else {
            let work: Vec<std::sync::Mutex<&mut Partition>> =
                self.partitions.iter_mut().map(std::sync::Mutex::new).collect();
            let make = || (Figures::default(), Scratch::default());
            let changes = in_parallel(self.options.workers, &work, make, |(figures, scratch), partition| {
                apply(&mut partition.lock().expect("each partition is taken once"), figures, scratch)
            })?;
            drop(work);
            changes.into_iter().for_each(|(mut figures, _)| self.figures.merge(&mut figures));
        }
        self.snapshot.stale = true;
        self.store.sync()
    }

    /// Follows the log until `shutdown`: figures change at once, the store commits every so often, base files are merged
    /// beside it, and a snapshot is written now and then and at the end. `observe` sees each commit.
    ///
    /// # Errors
    /// As [`Projector::catch_up`].
    pub fn follow(
        &mut self,
        shutdown: &AtomicBool,
        observe: &mut dyn FnMut(Commit),
    ) -> Result<(), StoreError> {
        let mut ends = self.log.ends()?;
        while !shutdown.load(Ordering::Relaxed) {
            let positions = self.positions();
            if ends.iter().zip(&positions).all(|(end, at)| end <= at) {
                let patience = self.options.commit_every.saturating_sub(self.committed_at.elapsed());
                let patience = if self.uncommitted_events > 0 { patience } else { self.options.commit_every };
                ends = self.log.wait(&positions, patience.max(Duration::from_millis(1)))?;
            }
            self.apply_live(&ends, observe)?;
            self.commit_if_due(observe)?;
            self.end_merges(false)?;
            if self.snapshot_due() {
                self.commit(observe)?;
                self.refold(true)?;
                self.write_snapshot()?;
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
            let partition = &mut self.partitions[at];
            let read = partition.apply(self.log, *end, self.bundle, &mut self.figures, &mut self.scratch)?;
            if read > 0 {
                self.uncommitted_events += read;
                self.snapshot.stale = true;
                self.commit_if_due(observe)?;
            }
        }
        self.refold(false)
    }

    fn refold(&mut self, all: bool) -> Result<(), StoreError> {
        for partition in &mut self.partitions {
            partition.refold(all, self.bundle, &mut self.figures, &mut self.scratch)?;
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
            for partition in &mut self.partitions {
                partition.commit(&self.store)?;
            }
            self.store.sync()?;
            let events = std::mem::take(&mut self.uncommitted_events);
            observe(Commit { events, took: begun.elapsed() });
            self.begin_merges();
        }
        self.committed_at = Instant::now();
        Ok(())
    }

    fn begin_merges(&mut self) {
        // One at a time: the projector itself needs a core.
        while self.merges.running == 0 {
            let wanting = |partition: &&mut Partition| partition.wants_merge(self.options.merge_facts_min);
            let again = self.merges.failed.pop_if(|(_, since)| since.elapsed() > Duration::from_secs(10));
            let work = match again {
                Some((work, _)) => work,
                None => match self.partitions.iter_mut().find(wanting) {
                    Some(partition) => partition.begin_merge(),
                    None => return,
                },
            };
            let (files, generation) = (Arc::clone(&self.files), self.generation.clone());
            let sender = self.merges.sender.clone();
            self.merges.running += 1;
            std::thread::spawn(move || {
                let merged = work.run(&files, &generation);
                // The projector may be gone: then nobody needs the merge.
                let _ = sender.send((work, merged));
            });
        }
    }

    /// Takes in what merges made; `all`: waits until none is left to do.
    fn end_merges(&mut self, all: bool) -> Result<(), StoreError> {
        while self.merges.running > 0 {
            let received =
                if all { self.merges.receiver.recv().ok() } else { self.merges.receiver.try_recv().ok() };
            let Some((work, merged)) = received else { return Ok(()) };
            self.merges.running -= 1;
            match merged {
                Ok(merged) => {
                    let partition = &mut self.partitions[usize::from(merged.partition)];
                    let replaced = partition.end_merge(merged, &self.store)?;
                    self.merges.obsolete.push(self.generation.base_path(partition.number, replaced));
                    self.store.sync()?;
                    self.snapshot.stale = true;
                }
                Err(error @ StoreError::Corrupt(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a merge failed and will be tried again");
                    self.merges.failed.push((work, Instant::now()));
                }
            }
            self.begin_merges();
        }
        Ok(())
    }

    fn snapshot_due(&self) -> bool {
        let clock = &self.snapshot;
        clock.stale && clock.written_at.elapsed() >= self.options.snapshot_every.max(clock.took * 20)
    }

    /// Writes a snapshot; readers in other processes answer from it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_snapshot(&mut self) -> Result<(), StoreError> {
        let begun = Instant::now();
        let manifest = self.manifest();
        snapshot::write(self.files.as_ref(), &self.generation.snapshot(), &manifest, &mut self.figures)?;
        for path in self.merges.obsolete.drain(..) {
            event_log::files::remove_if_there(self.files.as_ref(), &path)
                .map_err(|source| StoreError::io(&path, source))?;
        }
        self.snapshot = SnapshotClock { written_at: Instant::now(), took: begun.elapsed(), stale: false };
        Ok(())
    }

    /// What the figures stand on.
    pub fn manifest(&mut self) -> Manifest {
        let digests = self.figures.digests();
        Manifest {
            log: self.log.id().to_string(),
            bundle: hex(&self.bundle.digest()),
            projections: projection_versions(&digests),
            partitions: self.partitions.iter().map(state_of).collect(),
            events_digest: hex(&digests.events),
        }
    }

    /// Bytes on disk: sled, and base files.
    #[must_use]
    pub fn disk_bytes(&self) -> (u64, u64) {
        let bases = self.partitions.iter().filter_map(|partition| partition.histories.base.as_ref());
        (self.store.bytes(), bases.map(|base| base.summary.bytes).sum())
    }

    /// Builds everything anew from the log in a generation beside this one, then compares and swaps. `self` serves the
    /// new generation afterwards.
    ///
    /// # Errors
    /// When the log or the disk refuses; the old generation then goes on serving.
    pub fn rebuild(&mut self, progress: &(dyn Fn(Progress) + Sync)) -> Result<Rebuilt, StoreError> {
        let before = (self.positions(), self.figures.digests());
        let generation = Generation::next(self.files.as_ref(), &self.root, Some(&self.generation))?;
        let store = Store::open(&generation.store(), self.log.id(), self.log.partitions())?;
        let partitions = (0..self.log.partitions()).map(Partition::new).collect();
        let mut new = Self::assemble(
            &self.root,
            Arc::clone(&self.files),
            self.log,
            self.bundle,
            self.options.clone(),
            generation,
            store,
            partitions,
            Figures::default(),
        );
        // The same positions first, so that a difference is one of the rebuild and not of new events.
        new.build(&before.0, progress)?;
        let after = new.figures.digests();
        let differences = self.figures.differences(&mut new.figures);
        new.write_snapshot()?;
        new.generation.serve(self.files.as_ref(), &self.root)?;
        let old = std::mem::replace(self, new);
        let folder = old.generation.clone();
        drop(old);
        folder.remove()?;
        self.catch_up(progress)?;
        Ok(Rebuilt { positions: before.0, before: before.1, after, differences })
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

fn state_of(partition: &Partition) -> PartitionState {
    let histories = &partition.histories;
    let (facts, copies) = histories.counts();
    PartitionState {
        next_offset: histories.next_offset,
        facts,
        copies,
        set_aside: histories.set_aside.iter().map(|record| (record.offset, record.reason.clone())).collect(),
        stopped: partition.stopped.clone(),
        known_until_ms: histories.known.latest().map(|known| known.0),
        base: histories.base.as_ref().map(|base| BaseState {
            number: partition.base_number,
            digest: hex(&base.summary.digest),
            next_offset: base.summary.next_offset,
        }),
    }
}

/// Whether figures of a snapshot can be gone on from; why not.
fn usable(
    manifest: &Manifest,
    log: &dyn EventLog,
    bundle: &Bundle,
    partitions: &[Partition],
) -> Result<(), String> {
    if manifest.log != log.id().to_string() {
        return Err("the snapshot is of another log".to_owned());
    }
    if manifest.bundle != hex(&bundle.digest()) {
        return Err("the snapshot is of another bundle".to_owned());
    }
    let same = |(known, written): (&crate::Registered, &snapshot::ProjectionVersion)| {
        known.name == written.name && known.version == written.version
    };
    let registry = &crate::registry::REGISTRY;
    if manifest.projections.len() != registry.len() || !registry.iter().zip(&manifest.projections).all(same) {
        return Err("the snapshot is of other projections".to_owned());
    }
    let positions = manifest.positions();
    let ahead = |(partition, at): (&Partition, &u64)| partition.histories.next_offset < *at;
    if positions.len() != partitions.len() || partitions.iter().zip(&positions).any(ahead) {
        return Err("the snapshot is ahead of the store".to_owned());
    }
    Ok(())
}

/// Folds everybody anew.
fn fold(partitions: &[Partition], bundle: &Bundle, workers: usize) -> Result<Figures, StoreError> {
    let make = || (Figures::default(), history::Resolver::new());
    let folded = in_parallel(workers, partitions, make, |(figures, resolver), partition| {
        partition.histories.for_each(|subject, history| {
            figures.add(subject, &resolver.view(history, None), bundle);
            Ok(())
        })
    })?;
    let mut sum = Figures::default();
    folded.into_iter().for_each(|(mut figures, _)| sum.merge(&mut figures));
    Ok(sum)
}
