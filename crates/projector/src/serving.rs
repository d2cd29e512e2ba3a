//! A generation in use: store, partitions and figures.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use event_log::{EventLog, ReadError, files::Files};
use policy::Bundle;

use crate::{
    build::{Build, Progress, in_parallel},
    error::{Corrupt, StoreError},
    figures::{Figures, Fold, Part},
    generation::Generation,
    options::Options,
    partition::{Partition, Reading, Scratch},
    registry::REGISTRY,
    snapshot::{self, BaseState, Frozen, Manifest, PartitionState, ProjectionVersion, hex},
    store::Store,
};

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

/// What serves.
pub(crate) struct Serving {
    pub(crate) generation: Generation,
    pub(crate) store: Store,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) figures: Figures,
}

impl Serving {
    /// The generation that serves, or a new one in place of none or of one that cannot be used.
    pub(crate) fn open(
        root: &Path,
        files: &Arc<dyn Files>,
        log: &dyn EventLog,
        bundle: &Bundle,
        options: &Options,
    ) -> Result<(Serving, Opened), StoreError> {
        let Some(current) = Generation::current(files.as_ref(), root)? else {
            let serving = Serving::next(root, files, log, None, options)?;
            serving.generation.serve(files.as_ref(), root)?;
            return Ok((serving, Opened::Empty));
        };
        current.make(files.as_ref())?;
        match Serving::load(&current, files, log, bundle, options) {
            Err(error @ (StoreError::Corrupt(_) | StoreError::OtherVersion { .. })) => {
                tracing::warn!(%error, "the store is thrown away and built again from the log");
                let serving = Serving::next(root, files, log, Some(&current), options)?;
                serving.generation.serve(files.as_ref(), root)?;
                current.remove(files.as_ref())?;
                Ok((serving, Opened::Discarded { why: error.to_string() }))
            }
            loaded => loaded,
        }
    }

    /// A new, empty generation after `current`; it does not serve yet.
    pub(crate) fn next(
        root: &Path,
        files: &Arc<dyn Files>,
        log: &dyn EventLog,
        current: Option<&Generation>,
        options: &Options,
    ) -> Result<Serving, StoreError> {
        let generation = Generation::next(files.as_ref(), root, current)?;
        let Options { store_file_bytes, .. } = *options;
        let store = Store::create(&generation.store(), files, log.id(), log.partitions(), store_file_bytes)?;
        let partitions = (0..log.partitions()).map(Partition::new).collect();
        Ok(Serving { generation, store, partitions, figures: Figures::default() })
    }

    /// Removes what a crash left beside what serves. Gives back the bases that only the snapshot names still: readers stand
    /// on them until it is replaced.
    pub(crate) fn tidy(&self, files: &dyn Files, root: &Path) -> Result<Vec<PathBuf>, StoreError> {
        let path = |(number, base): (u16, u64)| self.generation.base_path(number, base);
        let own = self.partitions.iter().filter(|partition| partition.histories.base.is_some());
        let own: Vec<_> = own.map(|partition| path((partition.number, partition.base_number))).collect();
        // A snapshot that cannot be read serves nobody.
        let manifest = snapshot::read_manifest(files, &self.generation.snapshot()).ok().flatten();
        let states = manifest.into_iter().flat_map(|manifest| manifest.partitions).zip(0..);
        let named = states.filter_map(|(state, number)| Some((number, state.base?.number))).map(path);
        let obsolete: Vec<_> = named.filter(|path| !own.contains(path)).collect();
        self.generation.tidy(files, root, &[own, obsolete.clone()].concat())?;
        Ok(obsolete)
    }

    fn load(
        generation: &Generation,
        files: &Arc<dyn Files>,
        log: &dyn EventLog,
        bundle: &Bundle,
        options: &Options,
    ) -> Result<(Serving, Opened), StoreError> {
        let Options { store_file_bytes, workers, .. } = *options;
        let store = Store::open(&generation.store(), files, log.id(), log.partitions(), store_file_bytes)?;
        let mut partitions = Partition::load(0..log.partitions(), &store, files.as_ref(), generation)?;
        stop_what_runs_ahead(log, &mut partitions, options)?;
        refuse_lost_bases(generation, files.as_ref(), &partitions)?;
        let read = match snapshot::read(files.as_ref(), &generation.snapshot()) {
            Err(error @ (StoreError::Corrupt(_) | StoreError::OtherVersion { .. })) => Err(error.to_string()),
            Ok(None) => Err("there was no snapshot".to_owned()),
            Ok(Some((manifest, figures))) => {
                usable(&manifest, log, bundle, &partitions).map(|()| (manifest, figures))
            }
            Err(error) => return Err(error),
        };
        let renewed = match read {
            Ok((manifest, figures)) => {
                match renew(&partitions, &manifest.positions(), figures, log, bundle) {
                    // The store holds what the log cannot give any more.
                    Err(StoreError::Log(error)) => Err(error.to_string()),
                    renewed => Ok(renewed?),
                }
            }
            Err(why) => Err(why),
        };
        let (figures, opened) = match renewed {
            Ok(figures) => (figures, Opened::Snapshot),
            Err(_) if partitions.iter().all(|partition| partition.histories.checkpoint.next == 0) => {
                (Figures::default(), Opened::Empty)
            }
            Err(why) => (fold(&partitions, bundle, workers)?, Opened::Folded { why }),
        };
        Ok((Serving { generation: generation.clone(), store, partitions, figures }, opened))
    }

    /// Builds everything up to `ends`, from nothing.
    pub(crate) fn build(
        &mut self,
        reading: Reading<'_>,
        files: &Arc<dyn Files>,
        ends: &[u64],
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), StoreError> {
        let numbers: Vec<u16> = self.partitions.iter().map(|partition| partition.number).collect();
        let task = Build { reading, files, generation: &self.generation, ends };
        let (built, figures) = task.run(&numbers, progress)?;
        for built in built {
            let number = built.partition;
            let mut partition = Partition::of_base(number, built.base, &self.store)?;
            partition.stopped = built.stopped;
            self.partitions[usize::from(number)] = partition;
        }
        self.figures = figures;
        self.store.sync()
    }

    /// Reads on to `ends`: one partition after the other, each read, folded and committed once.
    pub(crate) fn drain(
        &mut self,
        reading: Reading<'_>,
        ends: &[u64],
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), StoreError> {
        let left = |partition: &Partition| {
            ends[usize::from(partition.number)].saturating_sub(partition.histories.checkpoint.next)
        };
        let (store, total) = (&self.store, self.partitions.iter().map(left).sum());
        let done = AtomicU64::new(0);
        let apply = |partition: &mut Partition, figures: &mut Part<'_, '_>, scratch: &mut Scratch| {
            let until = ends[usize::from(partition.number)];
            let read = partition.drain(reading, until, figures, scratch)?;
            partition.commit(store)?;
            let done = done.fetch_add(read, Ordering::Relaxed) + read;
            progress(Progress { done, total });
            Ok::<(), StoreError>(())
        };
        let shared = self.figures.share();
        let work: Vec<Mutex<&mut Partition>> = self.partitions.iter_mut().map(Mutex::new).collect();
        let make = || (shared.part(), Scratch::default());
        let parts = in_parallel(reading.options.workers, &work, make, |(figures, scratch), partition| {
            apply(&mut partition.lock().expect("each partition is taken once"), figures, scratch)
        })?;
        Part::finish_all(parts.into_iter().map(|(part, _)| part));
        self.store.sync()
    }

    /// The figures as they are, and what they stand on.
    pub(crate) fn freeze(&mut self, log: &dyn EventLog, bundle: &Bundle) -> Frozen {
        let manifest = Manifest {
            log: log.id().to_string(),
            bundle: hex(&bundle.digest()),
            projections: Vec::new(),
            partitions: self.partitions.iter().map(state_of).collect(),
            events_digest: String::new(),
        };
        Frozen { manifest, figures: self.figures.freeze() }
    }
}

fn state_of(partition: &Partition) -> PartitionState {
    let histories = &partition.histories;
    let (facts, copies) = histories.counts();
    PartitionState {
        next_offset: histories.checkpoint.next,
        last_hash: histories.checkpoint.last.map(|last| format!("{:016x}", last.hash)),
        leader_epoch: histories.checkpoint.last.and_then(|last| last.epoch),
        facts,
        copies,
        set_aside: histories.set_aside.iter().map(|record| (record.offset, record.reason.clone())).collect(),
        stopped: partition.stopped.as_ref().map(|stopped| stopped.why.clone()),
        known_until_ms: histories.known.latest().map(|known| known.0),
        base: histories.base.as_ref().map(|base| BaseState {
            number: partition.base_number,
            digest: hex(&base.summary.digest),
            next_offset: base.summary.checkpoint.next,
        }),
    }
}

/// A log that ends before what was read of it lost its end, or is an older copy: nothing more is read of these partitions,
/// and their figures go on serving.
fn stop_what_runs_ahead(
    log: &dyn EventLog,
    partitions: &mut [Partition],
    options: &Options,
) -> Result<(), StoreError> {
    for (partition, end) in partitions.iter_mut().zip(log.ends()?) {
        let (number, at) = (partition.number, partition.histories.checkpoint.next);
        if at > end {
            partition.stop(at, &ReadError::OutOfRange { partition: number, offset: at, end }, options);
        }
    }
    Ok(())
}

/// A base that the snapshot names and the store doesn't know was lost by the store, for it was synced before: the next base
/// would take its name, and readers stand on it.
fn refuse_lost_bases(
    generation: &Generation,
    files: &dyn Files,
    partitions: &[Partition],
) -> Result<(), StoreError> {
    // A snapshot that cannot be read names none.
    let manifest = snapshot::read_manifest(files, &generation.snapshot()).ok().flatten();
    let states = manifest.into_iter().flat_map(|manifest| manifest.partitions);
    let is_lost = |(partition, state): (&Partition, PartitionState)| {
        state.base.is_some_and(|base| base.number > partition.base_number)
    };
    if partitions.iter().zip(states).any(is_lost) {
        let what = "it has lost a base that the snapshot names";
        return Err(StoreError::Corrupt(Corrupt::new(&generation.store(), 0, what)));
    }
    Ok(())
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
    let same = |(known, written): (&crate::Registered, &ProjectionVersion)| {
        known.name == written.name && known.version == written.version
    };
    if manifest.projections.len() != REGISTRY.len() || !REGISTRY.iter().zip(&manifest.projections).all(same) {
        return Err("the snapshot is of other projections".to_owned());
    }
    let positions = manifest.positions();
    let ahead = |(partition, at): (&Partition, &u64)| partition.histories.checkpoint.next < *at;
    if positions.len() != partitions.len() || partitions.iter().zip(&positions).any(ahead) {
        return Err("the snapshot is ahead of the store".to_owned());
    }
    Ok(())
}

/// Brings figures that stand at `positions` up to where the partitions stand.
fn renew(
    partitions: &[Partition],
    positions: &[u64],
    mut figures: Figures,
    log: &dyn EventLog,
    bundle: &Bundle,
) -> Result<Figures, StoreError> {
    let mut scratch = Scratch::default();
    for (partition, from) in partitions.iter().zip(positions) {
        partition.renew(log, *from, bundle, &mut figures, &mut scratch)?;
    }
    Ok(figures)
}

/// Folds everybody anew.
fn fold(partitions: &[Partition], bundle: &Bundle, workers: usize) -> Result<Figures, StoreError> {
    let mut figures = Figures::default();
    let shared = figures.share();
    let make = || (shared.part(), history::Resolver::new());
    let parts = in_parallel(workers, partitions, make, |(figures, resolver), partition| {
        partition.histories.for_each(None, |subject, history| {
            figures.add(subject, &resolver.view(history, None), bundle);
            Ok(())
        })
    })?;
    Part::finish_all(parts.into_iter().map(|(part, _)| part));
    Ok(figures)
}
