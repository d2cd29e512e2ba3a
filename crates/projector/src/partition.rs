//! One partition as the projector runs it.

use std::{ops::Range, sync::Arc, time::Instant};

use contract::{IdHash, Subject};
use event_log::{Checkpoint, EventLog, ReadError, files::Files, verify};
use history::{History, Resolver};
use policy::Bundle;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    base::{Base, LastBlock},
    deltas::{Row, load_row},
    error::{Corrupt, StoreError},
    figures::Fold,
    gather::Gathered,
    generation::Generation,
    histories::{Histories, merge},
    options::Options,
    store::{Manifest, Store},
};

/// What a partition is read with.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) log: &'a dyn EventLog,
    pub(crate) bundle: &'a Bundle,
    pub(crate) options: &'a Options,
}

/// One partition: histories, rows not yet dropped, and why it stands still if it does.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) number: u16,
    pub(crate) histories: Histories,
    pub(crate) base_number: u64,
    /// What was read since the last commit.
    uncommitted: Option<Row>,
    /// Set: the log could not be read further.
    pub(crate) stopped: Option<Stopped>,
    /// What was read last was found in the log again, since this was loaded.
    compared: bool,
    quarantined: FxHashMap<Subject, Quarantined>,
}

/// Why a partition stands still.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) why: String,
    /// The storage did not answer, and is asked again then; never where the log itself is damaged.
    again: Option<Instant>,
    /// It was asked again.
    asked: bool,
}

impl Stopped {
    /// Stops at `offset` of a partition, and says so in the log of the process.
    pub(crate) fn new(partition: u16, offset: u64, error: &ReadError, options: &Options) -> Stopped {
        let unavailable = matches!(error, ReadError::Unavailable { .. });
        let again = unavailable.then(|| Instant::now() + options.ask_again_after);
        let why = match error {
            ReadError::OutOfRange { offset: at, end, .. } if at > end => {
                let last = at - 1;
                format!(
                    "the log ends at offset {end}, the figures stand at {at} and hold what stood at {end} to {last}: the log \
                     lost its end or is an older copy; bring it back, or remove the projector's folder to build the figures \
                     from what the log holds now"
                )
            }
            // The cause too: who reads this in a snapshot has no error to ask for it.
            error => match std::error::Error::source(error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
        };
        tracing::error!(partition, offset, why, for_now = unavailable, "the partition stopped");
        Stopped { why, again, asked: false }
    }

    /// Whether it is only until the storage answers.
    pub(crate) fn for_now(&self) -> bool {
        self.again.is_some()
    }
}

/// What becomes of a partition whose storage did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is not time, or it stands still for good, or not at all.
    NotNow,
    /// It is asked now.
    Now,
    /// It was asked, and has not complained since.
    GoesOn,
}

/// A history so long that a single fold of it costs as much as a thousand others: what comes is not folded with each few
/// events, but once before the figures are read.
#[derive(Debug)]
struct Quarantined {
    /// The figures hold it as of this offset.
    folded_until: u64,
    /// Facts came since.
    stale: bool,
    /// Of all its events, so that further copies can be counted without reading it.
    ids: FxHashSet<IdHash>,
}

impl Quarantined {
    fn new(history: &History, folded_until: u64) -> Quarantined {
        let ids = history.facts().iter().map(|fact| fact.id).collect();
        Quarantined { folded_until, stale: false, ids }
    }

    /// Takes note of new facts; says how many are a further copy.
    fn wait(&mut self, new: &History) -> u64 {
        self.stale = true;
        new.facts().iter().filter(|fact| !self.ids.insert(fact.id)).count() as u64
    }
}

/// Memory that is kept from partition to partition.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    gathered: Gathered,
    pub(crate) folding: Folding,
}

/// Memory that is kept from person to person.
#[derive(Debug, Default)]
pub(crate) struct Folding {
    history: History,
    resolver: Resolver,
    last: LastBlock,
}

impl Partition {
    /// An empty one.
    pub(crate) fn new(number: u16) -> Partition {
        Partition {
            number,
            histories: Histories::default(),
            base_number: 0,
            uncommitted: None,
            stopped: None,
            compared: false,
            quarantined: FxHashMap::default(),
        }
    }

    /// One whose histories are those of a base file that was just written.
    pub(crate) fn of_base(number: u16, base: Base, store: &Store) -> Result<Partition, StoreError> {
        store.swap_base(number, manifest_of(1, &base))?;
        Ok(Partition { base_number: 1, histories: Histories::of(base), ..Partition::new(number) })
    }

    /// What the store and its base files hold of `numbers`.
    pub(crate) fn load(
        numbers: Range<u16>,
        store: &Store,
        files: &dyn Files,
        generation: &Generation,
    ) -> Result<Vec<Partition>, StoreError> {
        let load_base = |number| Partition::load_base(number, store.manifest(number), files, generation);
        let mut partitions = numbers.clone().map(load_base).collect::<Result<Vec<_>, _>>()?;
        store.for_each_row(numbers.clone(), |number, row| {
            let partition = &mut partitions[usize::from(number - numbers.start)];
            let Histories { deltas, known, set_aside, checkpoint, .. } = &mut partition.histories;
            *checkpoint = load_row(row, checkpoint.next, deltas, known, set_aside)?;
            Some(())
        })?;
        Ok(partitions)
    }

    fn load_base(
        number: u16,
        manifest: Option<Manifest>,
        files: &dyn Files,
        generation: &Generation,
    ) -> Result<Partition, StoreError> {
        let Some(manifest) = manifest else { return Ok(Partition::new(number)) };
        let path = generation.base_path(number, manifest.number);
        let base = Base::open(files, &path)?;
        if base.summary.partition != number || manifest_of(manifest.number, &base) != manifest {
            let what = "it is another file than the manifest names";
            return Err(StoreError::Corrupt(Corrupt::new(&path, 0, what)));
        }
        let histories = Histories::of(base);
        Ok(Partition { base_number: manifest.number, histories, ..Partition::new(number) })
    }

    /// Reads the log on to before `until`, which is not past its end, and takes what it changes into `figures`. Returns how
    /// many records it read. The new facts wait for [`Partition::commit`].
    ///
    /// A log that cannot be read further, or does not hold any more what was read, stops the partition, for good or until
    /// the storage is asked again: what stands before is taken in. Any other error leaves `figures` in between, to be folded
    /// anew.
    pub(crate) fn drain(
        &mut self,
        reading: Reading<'_>,
        until: u64,
        figures: &mut impl Fold,
        scratch: &mut Scratch,
    ) -> Result<u64, StoreError> {
        let Reading { log, bundle, options } = reading;
        let from = self.histories.checkpoint;
        if self.stands_still() {
            return Ok(0);
        }
        if let Err(error) = self.compare(log, until) {
            self.stop(from.next, &error, options);
            return Ok(0);
        }
        if until <= from.next {
            self.stopped = None;
            return Ok(0);
        }
        let Scratch { gathered, folding } = scratch;
        self.begin(gathered);
        let read = gathered.read(log, self.number, until, &mut |_| {});
        self.stopped = None;
        if let Err(error) = read {
            self.stop(gathered.checkpoint.next, &error, options);
        }
        self.fold(gathered, bundle, options, figures, folding)
    }

    /// Looks, the first time, whether the log that ends at `end` still has what was read last.
    fn compare(&mut self, log: &dyn EventLog, end: u64) -> Result<(), ReadError> {
        let Checkpoint { next, .. } = self.histories.checkpoint;
        if next > end {
            return Err(ReadError::OutOfRange { partition: self.number, offset: next, end });
        }
        if !self.compared {
            verify(log, self.number, &self.histories.checkpoint)?;
            self.compared = true;
        }
        Ok(())
    }

    /// Whether there is nothing to drain from a log that ends at `end`, and nothing to compare.
    pub(crate) fn is_at(&self, end: u64) -> bool {
        self.stands_still() || self.compared && self.histories.checkpoint.next == end
    }

    /// Stops at `offset`, for good or until the storage is asked again.
    pub(crate) fn stop(&mut self, offset: u64, error: &ReadError, options: &Options) {
        self.stopped = Some(Stopped::new(self.number, offset, error, options));
    }

    /// Begins to gather what comes next into `gathered`: [`Partition::fold`] ends it, and nothing may be committed or merged
    /// in between.
    pub(crate) fn begin(&mut self, gathered: &mut Gathered) {
        let Histories { checkpoint, known, set_aside, .. } = &mut self.histories;
        let begin = || Row::begin(checkpoint.next, known, set_aside.len());
        let row = self.uncommitted.get_or_insert_with(begin);
        gathered.go_on(*checkpoint, std::mem::take(known), std::mem::take(&mut row.dictionary));
    }

    /// Takes what was gathered into the histories and what it changes into `figures`. Returns how many records it is.
    pub(crate) fn fold(
        &mut self,
        gathered: &mut Gathered,
        bundle: &Bundle,
        options: &Options,
        figures: &mut impl Fold,
        Folding { history, resolver, last }: &mut Folding,
    ) -> Result<u64, StoreError> {
        let (histories, quarantined) = (&mut self.histories, &mut self.quarantined);
        let mut row = self.uncommitted.take().expect("it was begun with what is gathered");
        let (from, until) = (histories.checkpoint.next, gathered.checkpoint.next);
        gathered.for_each_person(|person| {
            let copies = match quarantined.get_mut(&person.subject) {
                Some(quarantined) => quarantined.wait(person.history),
                None => {
                    histories.get(person.subject, history, last)?;
                    let copies_before = history.copies();
                    if !history.facts().is_empty() {
                        figures.subtract(person.subject, &resolver.view(history, None), bundle);
                    }
                    history.extend(person.history);
                    history.sort();
                    figures.add(person.subject, &resolver.view(history, None), bundle);
                    let facts = history.facts().len();
                    if facts > options.quarantine_facts {
                        quarantined.insert(person.subject, Quarantined::new(history, until));
                        tracing::warn!(subject = %person.subject, facts, "a history is quarantined: it is folded late");
                    }
                    (history.copies() - copies_before) as u64
                }
            };
            row.push(&person, copies);
            histories.deltas.add(person.subject, person.history);
            histories.deltas.copies += copies;
            Ok(())
        })?;
        histories.known = std::mem::take(&mut gathered.known);
        row.dictionary = std::mem::take(&mut gathered.dictionary);
        histories.checkpoint = gathered.checkpoint;
        histories.set_aside.append(&mut gathered.set_aside);
        self.uncommitted = Some(row);
        Ok(until - from)
    }

    /// Whether nothing is read now because the log could not be read further.
    pub(crate) fn stands_still(&self) -> bool {
        let still = |stopped: &Stopped| stopped.again.is_none_or(|again| Instant::now() < again);
        self.stopped.as_ref().is_some_and(still)
    }

    /// Whether the storage is to be asked again now; the next time it is, nothing having been heard meanwhile, the partition
    /// goes on.
    pub(crate) fn ask_again(&mut self, options: &Options) -> Asked {
        let due = |again: &Instant| Instant::now() >= *again;
        let Some(stopped) = self.stopped.as_mut().filter(|stopped| stopped.again.as_ref().is_some_and(due))
        else {
            return Asked::NotNow;
        };
        if stopped.asked {
            self.stopped = None;
            return Asked::GoesOn;
        }
        (stopped.asked, stopped.again) = (true, Some(Instant::now() + options.ask_again_after));
        Asked::Now
    }

    /// Folds the quarantined histories to which facts came.
    pub(crate) fn refold(
        &mut self,
        bundle: &Bundle,
        figures: &mut impl Fold,
        folding: &mut Folding,
    ) -> Result<(), StoreError> {
        let Folding { history, resolver, last } = folding;
        for (subject, quarantined) in self.quarantined.iter_mut().filter(|(_, waiting)| waiting.stale) {
            self.histories.get(*subject, history, last)?;
            figures.subtract(*subject, &resolver.view(history, Some(quarantined.folded_until)), bundle);
            figures.add(*subject, &resolver.view(history, None), bundle);
            (quarantined.folded_until, quarantined.stale) = (self.histories.checkpoint.next, false);
        }
        Ok(())
    }

    /// Takes the people of the stretch `from..` out of `figures` as they stood at `from` and adds them as they stand:
    /// what a snapshot that is older than the store lacks.
    pub(crate) fn renew(
        &self,
        log: &dyn EventLog,
        from: u64,
        bundle: &Bundle,
        figures: &mut impl Fold,
        scratch: &mut Scratch,
    ) -> Result<(), StoreError> {
        let Scratch { gathered, folding: Folding { history, resolver, last } } = scratch;
        let (partition, Checkpoint { next, last: known }) = (self.number, self.histories.checkpoint);
        if from >= next {
            return Ok(());
        }
        gathered.begin(Checkpoint::at(from));
        gathered.read(log, partition, next, &mut |_| {})?;
        let read = gathered.checkpoint;
        if read.next < next {
            return Err(ReadError::OutOfRange { partition, offset: next, end: read.next }.into());
        }
        if let (Some(known), Some(read)) = (known, read.last)
            && known.hash != read.hash
        {
            let why = "people of the stretch before it cannot be looked up in the log".to_owned();
            return Err(ReadError::Rewritten { partition, offset: next - 1, why }.into());
        }
        gathered.for_each_person(|person| {
            self.histories.get(person.subject, history, last)?;
            figures.subtract(person.subject, &resolver.view(history, Some(from)), bundle);
            figures.add(person.subject, &resolver.view(history, None), bundle);
            Ok(())
        })
    }

    /// Hands what came since the last commit to the store, as one row. Durable after [`Store::sync`].
    pub(crate) fn commit(&mut self, store: &Store) -> Result<(), StoreError> {
        let Histories { known, set_aside, checkpoint, .. } = &self.histories;
        // One for which nothing was read stays begun.
        if let Some(row) = self.uncommitted.take_if(|row| row.from < checkpoint.next) {
            let from = row.from;
            store.commit(self.number, from, &row.finish(*checkpoint, known, set_aside))?;
        }
        Ok(())
    }

    /// Whether deltas are due to be merged: past a tenth of the base, and enough to be worth a file.
    pub(crate) fn wants_merge(&self, facts_min: u64) -> bool {
        let (facts, _) = self.histories.counts();
        let pending = self.histories.deltas.facts;
        self.can_merge() && pending >= facts_min && pending * 11 > facts
    }

    /// Whether no merge is running, or to be tried again.
    pub(crate) fn can_merge(&self) -> bool {
        self.histories.merging.is_none()
    }

    /// Freezes the deltas and gives the work of merging them, which may run on any thread.
    pub(crate) fn begin_merge(&mut self, store: &Store) -> Result<MergeWork, StoreError> {
        // Rows must be in the store before their facts are in a base: the base drops them.
        self.commit(store)?;
        let frozen = Arc::new(std::mem::take(&mut self.histories.deltas));
        self.histories.merging = Some(Arc::clone(&frozen));
        Ok(MergeWork {
            partition: self.number,
            number: self.base_number + 1,
            histories: Histories {
                base: self.histories.base.clone(),
                merging: Some(frozen),
                checkpoint: self.histories.checkpoint,
                known: self.histories.known.clone(),
                set_aside: self.histories.set_aside.clone(),
                ..Histories::default()
            },
        })
    }

    /// Makes a merged base the partition's own; gives back the number of the base it replaces.
    pub(crate) fn end_merge(&mut self, merged: Merged, store: &Store) -> Result<u64, StoreError> {
        // With this all that was read is in the store: the base, the rows since begin_merge, and the last ones now.
        self.commit(store)?;
        store.swap_base(self.number, manifest_of(merged.number, &merged.base))?;
        self.histories.base = Some(Arc::new(merged.base));
        self.histories.merging = None;
        Ok(std::mem::replace(&mut self.base_number, merged.number))
    }
}

/// A merge to be done.
#[derive(Debug)]
pub(crate) struct MergeWork {
    partition: u16,
    number: u64,
    histories: Histories,
}

/// What a merge made.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) partition: u16,
    number: u64,
    base: Base,
}

impl MergeWork {
    /// Writes the new base. May be tried again.
    pub(crate) fn run(&self, files: &Arc<dyn Files>, generation: &Generation) -> Result<Merged, StoreError> {
        let path = generation.base_path(self.partition, self.number);
        merge(files, &path, self.partition, &self.histories)?;
        let base = Base::open(files.as_ref(), &path)?;
        Ok(Merged { partition: self.partition, number: self.number, base })
    }
}

/// What the store says of base number `number` of a partition.
fn manifest_of(number: u64, base: &Base) -> Manifest {
    Manifest { number, digest: base.summary.digest, next_offset: base.summary.checkpoint.next }
}
