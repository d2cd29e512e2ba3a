//! Building histories and figures from the log, many partitions at a time.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use event_log::{EventLog, files::Files};
use history::Resolver;
use policy::Bundle;

use crate::{
    base::{Base, BaseWriter},
    error::StoreError,
    figures::{Figures, Fold},
    gather::Gathered,
    generation::Generation,
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
    pub(crate) stopped: Option<String>,
}

/// What is built from, and where to.
pub(crate) struct Build<'a> {
    pub(crate) log: &'a dyn EventLog,
    pub(crate) files: &'a Arc<dyn Files>,
    pub(crate) generation: &'a Generation,
    /// Up to which offset of each partition.
    pub(crate) ends: &'a [u64],
    pub(crate) bundle: &'a Bundle,
}

impl Build<'_> {
    /// Builds the bases of `partitions` and the figures of everybody in them.
    pub(crate) fn run(
        &self,
        partitions: &[u16],
        workers: usize,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(Vec<Built>, Figures), StoreError> {
        let mut figures = Figures::default();
        let shared = figures.share();
        let done = AtomicU64::new(0);
        let total = partitions.iter().map(|partition| self.ends[usize::from(*partition)]).sum();
        let report = |records| {
            progress(Progress { done: done.fetch_add(records, Ordering::Relaxed) + records, total })
        };
        // The memory of one partition serves the next: giving it back costs as much as a tenth of the work.
        let make = || (Vec::new(), shared.part(), Gathered::default());
        let accumulators =
            in_parallel(workers, partitions, make, |(built, figures, gathered), partition| {
                built.push(self.partition(*partition, figures, gathered, &report)?);
                Ok(())
            })?;
        let mut built = Vec::new();
        for (mut others, part, _) in accumulators {
            built.append(&mut others);
            part.finish();
        }
        Ok((built, figures))
    }

    fn partition(
        &self,
        number: u16,
        figures: &mut impl Fold,
        gathered: &mut Gathered,
        report: &dyn Fn(u64),
    ) -> Result<Built, StoreError> {
        gathered.begin(0);
        let read =
            gathered.read(self.log, number, self.ends[usize::from(number)], &mut |records| report(records));
        let stopped = read.err().map(|error| {
            tracing::error!(partition = number, offset = gathered.next_offset, %error, "the partition stopped");
            error.to_string()
        });
        let path = self.generation.base_path(number, 1);
        let mut writer = BaseWriter::create(self.files, &path, number)?;
        let mut resolver = Resolver::new();
        let mut copies = 0;
        gathered.for_each_person(|person| {
            writer.push_gathered(&person)?;
            copies += person.copies as u64;
            figures.add(person.subject, &resolver.view(person.history, None), self.bundle);
            Ok(())
        })?;
        writer.dictionary = std::mem::take(&mut gathered.dictionary);
        writer.finish(gathered.next_offset, copies, &gathered.known, &gathered.set_aside)?;
        Ok(Built { partition: number, base: Base::open(self.files.as_ref(), &path)?, stopped })
    }
}
