//! One partition as the projector runs it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use contract::Subject;
use event_log::{EventLog, files::Files};
use history::{History, Resolver};
use policy::Bundle;
use rustc_hash::FxHashMap;

use crate::{
    base::{Base, LastBlock},
    deltas::{Row, load_row},
    error::{Corrupt, StoreError},
    figures::Fold,
    gather::Gathered,
    generation::Generation,
    histories::{Histories, merge},
    store::{Manifest, Store},
};

/// A history of more facts than this is quarantined: refolded at most once in [`QUARANTINE_EVERY`], because a single
/// fold of it costs as much as a thousand others.
pub(crate) const QUARANTINE_FACTS: usize = 10_000;
const QUARANTINE_EVERY: Duration = Duration::from_secs(60);

/// One partition: histories, rows not yet dropped, and why it stands still if it does.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) number: u16,
    pub(crate) histories: Histories,
    pub(crate) base_number: u64,
    /// Numbers of the delta rows in the store.
    rows: Vec<u64>,
    next_row: u64,
    /// What was read since the last commit.
    uncommitted: Option<Row>,
    /// Set: the log cannot be read further.
    pub(crate) stopped: Option<String>,
    pub(crate) quarantined: FxHashMap<Subject, Quarantined>,
}

/// A history that is folded late.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quarantined {
    /// The figures hold it as of this offset.
    folded_until: u64,
    folded_at: Instant,
    /// Facts came since.
    stale: bool,
}

/// Memory that is kept from person to person.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    gathered: Gathered,
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
            rows: Vec::new(),
            next_row: 0,
            uncommitted: None,
            stopped: None,
            quarantined: FxHashMap::default(),
        }
    }

    /// One whose histories are those of a base file that was just written.
    pub(crate) fn of_base(number: u16, base: Base, store: &Store) -> Result<Partition, StoreError> {
        let manifest = Manifest { number: 1, digest: base.summary.digest };
        store.swap_base(number, manifest, std::iter::empty())?;
        Ok(Partition { base_number: 1, histories: Histories::of(base), ..Partition::new(number) })
    }

    /// What the store and its base file hold.
    pub(crate) fn load(
        number: u16,
        store: &Store,
        files: &dyn Files,
        generation: &Generation,
    ) -> Result<Partition, StoreError> {
        let damaged = |what| StoreError::Corrupt(Corrupt::new(generation.folder(), 0, what));
        let loaded = store.load(number)?;
        let mut partition = Partition::new(number);
        if let Some(manifest) = loaded.manifest {
            let path = generation.base_path(number, manifest.number);
            let base = Base::open(files, &path)?;
            if base.summary.digest != manifest.digest || base.summary.partition != number {
                return Err(StoreError::Corrupt(Corrupt::new(
                    &path,
                    0,
                    "it is another file than the manifest names",
                )));
            }
            partition.histories = Histories::of(base);
            partition.base_number = manifest.number;
        }
        let Histories { deltas, known, set_aside, next_offset, .. } = &mut partition.histories;
        for (row, bytes) in loaded.rows {
            *next_offset = load_row(&bytes, *next_offset, deltas, known, set_aside)
                .ok_or_else(|| damaged("a delta row cannot be read, or the one before it is missing"))?;
            partition.rows.push(row);
            partition.next_row = row + 1;
        }
        Ok(partition)
    }

    /// Reads the log on to before `until` and takes what it changes into `figures`. Returns how many records it read.
    /// The new facts wait for [`Partition::commit`].
    ///
    /// A log that cannot be read further stops the partition: what stands before is taken in. Any other error leaves
    /// `figures` in between, to be folded anew.
    pub(crate) fn apply(
        &mut self,
        log: &dyn EventLog,
        until: u64,
        bundle: &Bundle,
        figures: &mut impl Fold,
        scratch: &mut Scratch,
    ) -> Result<u64, StoreError> {
        let from = self.histories.next_offset;
        if until <= from || self.stopped.is_some() {
            return Ok(0);
        }
        let (histories, quarantined) = (&mut self.histories, &mut self.quarantined);
        let begin = || Row::begin(from, &histories.known, histories.set_aside.len());
        let mut row = self.uncommitted.take().unwrap_or_else(begin);
        let Scratch { gathered, history, resolver, last } = scratch;
        gathered.go_on(from, std::mem::take(&mut histories.known), std::mem::take(&mut row.dictionary));
        if let Err(error) = gathered.read(log, self.number, until, &mut |_| {}) {
            tracing::error!(partition = self.number, offset = gathered.next_offset, %error, "the partition stopped");
            self.stopped = Some(error.to_string());
        }
        gathered.for_each_person(|person| {
            histories.get(person.subject, history, last)?;
            let copies_before = history.copies();
            let waits = quarantined.get_mut(&person.subject).is_some_and(|quarantined| {
                quarantined.stale = true;
                true
            });
            if !waits && !history.facts().is_empty() {
                figures.subtract(person.subject, &resolver.view(history, None), bundle);
            }
            history.extend(person.history);
            history.sort();
            let copies = (history.copies() - copies_before) as u64;
            if !waits {
                figures.add(person.subject, &resolver.view(history, None), bundle);
                if history.facts().len() > QUARANTINE_FACTS {
                    let folded_until = history.facts().iter().map(|fact| fact.offset + 1).max().unwrap_or(from);
                    let entry = Quarantined { folded_until, folded_at: Instant::now(), stale: false };
                    quarantined.insert(person.subject, entry);
                    tracing::warn!(subject = %person.subject, facts = history.facts().len(), "a history is quarantined: it is refolded at most once a minute");
                }
            }
            row.push(&person, copies);
            histories.deltas.add(person.subject, person.history);
            histories.deltas.copies += copies;
            Ok(())
        })?;
        histories.known = std::mem::take(&mut gathered.known);
        row.dictionary = std::mem::take(&mut gathered.dictionary);
        histories.next_offset = gathered.next_offset;
        histories.set_aside.append(&mut gathered.set_aside);
        self.uncommitted = Some(row);
        Ok(gathered.next_offset - from)
    }

    /// Folds quarantined histories that changed: those that waited long enough, or `all`.
    pub(crate) fn refold(
        &mut self,
        all: bool,
        bundle: &Bundle,
        figures: &mut impl Fold,
        scratch: &mut Scratch,
    ) -> Result<(), StoreError> {
        let Scratch { history, resolver, last, .. } = scratch;
        for (subject, quarantined) in &mut self.quarantined {
            if quarantined.stale && (all || quarantined.folded_at.elapsed() >= QUARANTINE_EVERY) {
                self.histories.get(*subject, history, last)?;
                figures.subtract(*subject, &resolver.view(history, Some(quarantined.folded_until)), bundle);
                figures.add(*subject, &resolver.view(history, None), bundle);
                let folded_until = self.histories.next_offset;
                *quarantined = Quarantined { folded_until, folded_at: Instant::now(), stale: false };
            }
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
        let Scratch { gathered, history, resolver, last } = scratch;
        if from >= self.histories.next_offset {
            return Ok(());
        }
        gathered.begin(from);
        gathered.read(log, self.number, self.histories.next_offset, &mut |_| {})?;
        gathered.for_each_person(|person| {
            self.histories.get(person.subject, history, last)?;
            figures.subtract(person.subject, &resolver.view(history, Some(from)), bundle);
            figures.add(person.subject, &resolver.view(history, None), bundle);
            Ok(())
        })
    }

    /// Hands what came since the last commit to the store, as one row. Durable after [`Store::sync`].
    pub(crate) fn commit(&mut self, store: &Store) -> Result<(), StoreError> {
        if let Some(row) = self.uncommitted.take() {
            let Histories { known, set_aside, next_offset, .. } = &self.histories;
            let (number, bytes) = (self.next_row, row.finish(*next_offset, known, set_aside));
            store.commit(self.number, number, &bytes)?;
            self.rows.push(number);
            self.next_row += 1;
        }
        Ok(())
    }

    /// Whether deltas are due to be merged: past a tenth of the base, and enough to be worth a file.
    pub(crate) fn wants_merge(&self, facts_min: u64) -> bool {
        let (facts, _) = self.histories.counts();
        let pending = self.histories.deltas.facts;
        self.histories.merging.is_none() && pending >= facts_min && pending * 11 > facts
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
            rows: std::mem::take(&mut self.rows),
            histories: Histories {
                base: self.histories.base.clone(),
                merging: Some(frozen),
                next_offset: self.histories.next_offset,
                known: self.histories.known.clone(),
                set_aside: self.histories.set_aside.clone(),
                ..Histories::default()
            },
        })
    }

    /// Makes a merged base the partition's own; gives back the number of the base it replaces.
    pub(crate) fn end_merge(&mut self, merged: Merged, store: &Store) -> Result<u64, StoreError> {
        let manifest = Manifest { number: merged.number, digest: merged.base.summary.digest };
        // With this all that was read is in the store: the base, the rows since begin_merge, and the last ones now.
        self.commit(store)?;
        store.swap_base(self.number, manifest, merged.rows.into_iter())?;
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
    rows: Vec<u64>,
    histories: Histories,
}

/// What a merge made.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) partition: u16,
    number: u64,
    rows: Vec<u64>,
    base: Base,
}

impl MergeWork {
    /// Writes the new base. May be tried again.
    pub(crate) fn run(&self, files: &Arc<dyn Files>, generation: &Generation) -> Result<Merged, StoreError> {
        let path = generation.base_path(self.partition, self.number);
        merge(files, &path, self.partition, &self.histories)?;
        let base = Base::open(files.as_ref(), &path)?;
        Ok(Merged { partition: self.partition, number: self.number, rows: self.rows.clone(), base })
    }
}
