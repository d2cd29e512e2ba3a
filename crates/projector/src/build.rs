//! Building histories and figures from the log, many partitions at a time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::ScopedJoinHandle,
};

use event_log::{Checkpoint, files::Files};
use history::Resolver;

use crate::{
    base::{Base, BaseWriter, Unsynced},
    error::StoreError,
    figures::{Figures, Fold},
    gather::Gathered,
    generation::Generation,
    partition::{Reading, Stopped},
};

/// How far long work has come: records done of records in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Done.
    pub done: u64,
    /// In all.
    pub total: u64,
}

/// Runs `work` for every item on `workers` threads that share nothing; each thread keeps an accumulator. The first error
/// ends all.
///
/// # Errors
/// The first of `work`.
pub fn in_parallel<T: Sync, A: Send>(
    workers: usize,
    items: &[T],
    make: impl Fn() -> A + Sync,
    work: impl Fn(&mut A, &T) -> Result<(), StoreError> + Sync,
) -> Result<Vec<A>, StoreError> {
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<StoreError>> = Mutex::new(None);
    let run = || {
        let mut accumulator = make();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(&mut accumulator, item) {
                next.store(items.len(), Ordering::Relaxed);
                failed.lock().expect("no thread panics with it").get_or_insert(error);
            }
        }
        accumulator
    };
    let accumulators = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.clamp(1, items.len().max(1))).map(|_| scope.spawn(run)).collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect()
    });
    match failed.into_inner().expect("no thread panics with it") {
        None => Ok(accumulators),
        Some(error) => Err(error),
    }
}

/// A partition that was built.
pub(crate) struct Built {
    pub(crate) partition: u16,
    pub(crate) base: Base,
    pub(crate) stopped: Option<Stopped>,
}

/// What is built from, and where to.
pub(crate) struct Build<'a> {
    pub(crate) reading: Reading<'a>,
    pub(crate) files: &'a Arc<dyn Files>,
    pub(crate) generation: &'a Generation,
    /// Up to which offset of each partition.
    pub(crate) ends: &'a [u64],
}

/// What one thread keeps from partition to partition: giving its memory back costs as much as a tenth of the work.
struct Worker<'scope, F> {
    built: Vec<Built>,
    /// The partition before, while its base is made safe beside the work on the next.
    syncing: Option<ScopedJoinHandle<'scope, Result<Built, StoreError>>>,
    figures: F,
    gathered: Gathered,
    resolver: Resolver,
}

/// Waits until a base is safe.
fn join(syncing: ScopedJoinHandle<'_, Result<Built, StoreError>>) -> Result<Built, StoreError> {
    syncing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Build<'_> {
    /// Builds the bases of `partitions` and the figures of everybody in them.
    pub(crate) fn run(
        &self,
        partitions: &[u16],
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(Vec<Built>, Figures), StoreError> {
        let mut figures = Figures::default();
        let shared = figures.share();
        let done = AtomicU64::new(0);
        let total = partitions.iter().map(|partition| self.ends[usize::from(*partition)]).sum();
        let report = |records| {
            progress(Progress { done: done.fetch_add(records, Ordering::Relaxed) + records, total })
        };
        let mut built = Vec::new();
        std::thread::scope(|scope| {
            let mut last = Vec::new();
            let make = || Worker {
                built: Vec::new(),
                syncing: None,
                figures: shared.part(),
                gathered: Gathered::default(),
                resolver: Resolver::new(),
            };
            let workers =
                in_parallel(self.reading.options.workers, partitions, make, |worker, &partition| {
                    let (unsynced, stopped) = self.partition(partition, worker, &report)?;
                    let syncing = scope.spawn(move || self.sync(partition, unsynced, stopped));
                    // No more than this one is unsynced, however slow the disk is.
                    if let Some(before) = worker.syncing.replace(syncing) {
                        worker.built.push(join(before)?);
                    }
                    Ok(())
                })?;
            for worker in workers {
                scope.spawn(|| worker.figures.finish());
                built.extend(worker.built);
                last.extend(worker.syncing);
            }
            for syncing in last {
                built.push(join(syncing)?);
            }
            Ok::<(), StoreError>(())
        })?;
        let folder = self.generation.bases();
        self.files.sync_dir(&folder).map_err(|source| StoreError::io(&folder, source))?;
        Ok((built, figures))
    }

    /// Reads a partition, writes its base, and folds everybody in it.
    fn partition(
        &self,
        number: u16,
        worker: &mut Worker<'_, impl Fold>,
        report: &dyn Fn(u64),
    ) -> Result<(Unsynced, Option<Stopped>), StoreError> {
        let Reading { log, bundle, options } = self.reading;
        let Worker { figures, gathered, resolver, .. } = worker;
        gathered.begin(Checkpoint::default());
        let read = gathered.read(log, number, self.ends[usize::from(number)], &mut |records| report(records));
        let stopped = read.err().map(|error| Stopped::new(number, gathered.checkpoint.next, &error, options));
        let mut writer = BaseWriter::create(self.files, &self.generation.base_path(number, 1), number)?;
        let mut copies = 0;
        gathered.for_each_person(|person| {
            writer.push_gathered(&person)?;
            copies += person.copies as u64;
            figures.add(person.subject, &resolver.view(person.history, None), bundle);
            Ok(())
        })?;
        writer.dictionary = std::mem::take(&mut gathered.dictionary);
        let unsynced =
            writer.write_rest(gathered.checkpoint, copies, &gathered.known, &gathered.set_aside)?;
        Ok((unsynced, stopped))
    }

    fn sync(&self, partition: u16, base: Unsynced, stopped: Option<Stopped>) -> Result<Built, StoreError> {
        base.sync()?;
        let base = Base::open(self.files.as_ref(), &self.generation.base_path(partition, 1))?;
        Ok(Built { partition, base, stopped })
    }
}
