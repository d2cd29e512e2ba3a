//! The histories of one partition up to an offset: base and deltas.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use contract::{EventView, Millis, Subject};
use event_log::{Checkpoint, EventLog, ReadError, files::Files};
use history::History;

use crate::{
    base::{Base, BaseWriter, LastBlock, Summary},
    deltas::Deltas,
    error::StoreError,
    gather::Gathered,
    known::KnownTimes,
    stored::SetAsideRecord,
};

/// One partition's histories.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    pub(crate) base: Option<Arc<Base>>,
    /// What a running merge is folding into the next base.
    pub(crate) merging: Option<Arc<Deltas>>,
    pub(crate) deltas: Deltas,
    /// How far the log is in these.
    pub(crate) checkpoint: Checkpoint,
    pub(crate) known: KnownTimes,
    pub(crate) set_aside: Vec<SetAsideRecord>,
}

impl Histories {
    /// Those of a base file alone.
    pub(crate) fn of(base: Base) -> Histories {
        Histories {
            checkpoint: base.summary.checkpoint,
            known: base.known.clone(),
            set_aside: base.set_aside.clone(),
            base: Some(Arc::new(base)),
            ..Histories::default()
        }
    }

    /// The sorted history of `subject`, into `history`; says whether there is any.
    pub(crate) fn get(
        &self,
        subject: Subject,
        history: &mut History,
        last: &mut LastBlock,
    ) -> Result<bool, StoreError> {
        history.clear();
        let mut found = match &self.base {
            Some(base) => base.get(subject, history, last)?,
            None => false,
        };
        found |= self.add_deltas(subject, history);
        history.sort();
        Ok(found)
    }

    fn all_deltas(&self) -> impl Iterator<Item = &Deltas> {
        self.merging.as_deref().into_iter().chain([&self.deltas])
    }

    /// Adds the pending facts of `subject`; says whether there are any.
    fn add_deltas(&self, subject: Subject, history: &mut History) -> bool {
        let mut found = false;
        for deltas in self.all_deltas() {
            found |= deltas.get(subject, history);
        }
        found
    }

    /// Facts and further copies among them.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let base = self.base.as_ref().map_or((0, 0), |base| (base.summary.facts, base.summary.copies));
        self.all_deltas().fold(base, |(facts, copies), deltas| (facts + deltas.facts, copies + deltas.copies))
    }

    /// Reads the log on, to before `until`, into memory only.
    pub(crate) fn read_on(
        &mut self,
        log: &dyn EventLog,
        partition: u16,
        until: u64,
    ) -> Result<(), StoreError> {
        if self.checkpoint.next >= until {
            return Ok(());
        }
        let mut gathered = Gathered::default();
        gathered.go_on(self.checkpoint, std::mem::take(&mut self.known), history::Dictionary::default());
        gathered.read(log, partition, until, &mut |_| {})?;
        if gathered.checkpoint.next < until {
            let end = gathered.checkpoint.next;
            return Err(ReadError::OutOfRange { partition, offset: until, end }.into());
        }
        let deltas = &mut self.deltas;
        gathered.for_each_person(|person| {
            deltas.add(person.subject, person.history);
            Ok(())
        })?;
        self.checkpoint = gathered.checkpoint;
        self.known = gathered.known;
        self.set_aside.append(&mut gathered.set_aside);
        Ok(())
    }

    /// Visits everybody's sorted history once, perhaps without facts that came at the offset `until` or later.
    pub(crate) fn for_each(
        &self,
        until: Option<u64>,
        mut visit: impl FnMut(Subject, &mut History) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut history = History::new();
        let mut left: BTreeSet<Subject> = self.all_deltas().flat_map(Deltas::subjects).collect();
        if let Some(base) = &self.base {
            let mut people = base.people();
            while let Some(person) = people.next()? {
                let subject = person.subject;
                history.clear();
                if person.decode_before(until.unwrap_or(u64::MAX), &base.codes, &mut history).is_none() {
                    return Err(people.damaged());
                }
                if !left.is_empty() && left.remove(&subject) {
                    self.add_deltas(subject, &mut history);
                    history.sort();
                }
                visit(subject, &mut history)?;
            }
        }
        for subject in left {
            history.clear();
            self.add_deltas(subject, &mut history);
            history.sort();
            visit(subject, &mut history)?;
        }
        Ok(())
    }

    /// Visits everybody's sorted history once, read on to `until` where these end earlier; the last argument says what to
    /// look back to, if anything is later. Gives back the offset before which the facts are these, and not just read.
    pub(crate) fn visit_until(
        mut self,
        log: &dyn EventLog,
        partition: u16,
        until: u64,
        mut visit: impl FnMut(Subject, &History, Option<u64>) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let stored = self.checkpoint.next;
        self.read_on(log, partition, until)?;
        let as_of = (self.checkpoint.next > until).then_some(until);
        self.for_each(as_of, |subject, history| visit(subject, history, as_of))?;
        Ok(stored.min(until))
    }

    /// The first offset of `partition` whose record was not known before `time`, at most the log's end now. Says whether
    /// a record known later was seen: without one, more may still come that was recorded before `time`.
    pub(crate) fn known_before(
        &self,
        log: &dyn EventLog,
        partition: u16,
        time: Millis,
    ) -> Result<(u64, bool), StoreError> {
        let (mut offset, mut latest) = self.known.start_of(time);
        let mut reader = log.reader(partition, offset)?;
        while let Some(batch) = reader.next_batch(64 << 10)? {
            for record in batch.iter() {
                if record.flaw.is_none()
                    && let Ok(view) = EventView::parse(record.bytes)
                {
                    latest = latest.max(view.recorded_at.0);
                }
                if latest >= time.0 {
                    return Ok((record.offset, true));
                }
                offset = record.offset + 1;
            }
        }
        Ok((offset, false))
    }
}

/// Writes a base of `base` and `deltas` together, at `path`.
pub(crate) fn merge(
    files: &Arc<dyn Files>,
    path: &Path,
    partition: u16,
    histories: &Histories,
) -> Result<Summary, StoreError> {
    let mut writer = BaseWriter::create(files, path, partition)?.gentle();
    let touched: BTreeSet<Subject> = histories.all_deltas().flat_map(Deltas::subjects).collect();
    let mut touched = touched.into_iter().peekable();
    let mut scratch = Scratch::default();
    if let Some(base) = &histories.base {
        writer.dictionary = history::Dictionary::from(&base.codes[..]);
        let mut people = base.people();
        while let Some(person) = people.next()? {
            while let Some(new) = touched.next_if(|subject| *subject < person.subject) {
                scratch.history.clear();
                scratch.push(histories, new, &mut writer)?;
            }
            let subject = person.subject;
            if touched.next_if_eq(&subject).is_some() {
                scratch.history.clear();
                if person.decode(&base.codes, &mut scratch.history).is_none() {
                    return Err(people.damaged());
                }
                scratch.push(histories, subject, &mut writer)?;
            } else {
                writer.push(subject, person.kind, person.count, person.facts)?;
            }
        }
    }
    for new in touched {
        scratch.history.clear();
        scratch.push(histories, new, &mut writer)?;
    }
    let (_, copies) = histories.counts();
    writer.finish(histories.checkpoint, copies, &histories.known, &histories.set_aside)
}

#[derive(Default)]
struct Scratch {
    history: History,
    facts: Vec<u8>,
}

impl Scratch {
    /// Adds the pending facts of `subject` to the history and writes it.
    fn push(
        &mut self,
        histories: &Histories,
        subject: Subject,
        writer: &mut BaseWriter,
    ) -> Result<(), StoreError> {
        histories.add_deltas(subject, &mut self.history);
        self.history.sort();
        self.facts.clear();
        for at in 0..self.history.facts().len() {
            self.history.encode(at, &mut writer.dictionary, &mut self.facts);
        }
        writer.push(subject, self.history.kind(), self.history.facts().len(), &self.facts)
    }
}
