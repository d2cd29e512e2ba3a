//! A stretch of one partition, grouped by person.
//!
//! The log has a partition's events in the order in which they were learned; histories want them by person. Events become
//! facts as they are read, and facts go into buckets by the first bits of their subject: small enough to sort and decode
//! within the processor's caches, and no more than that, since writing into many places in turn is slow.

use std::fmt;

use contract::{EventView, Subject, v1::SubjectKind};
use event_log::{Checkpoint, EventLog, ReadError, Record, RecordBatch};
use history::{Dictionary, Fact, FactError, History, append_short};

use crate::{error::StoreError, known::KnownTimes, stored::SetAsideRecord};

/// How many facts a bucket is meant for: about 400 KB.
const BUCKET_FACTS: u64 = 6000;
/// At most 256 buckets.
const BUCKET_BITS_MAX: u32 = 8;
/// How much of the log is asked for at once: what stays beside the processor until its events are facts.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// Facts of a stretch of a partition.
pub(crate) struct Gathered {
    /// Heads and facts, one after the other.
    buckets: Vec<Vec<u8>>,
    /// How many of a subject's bits say which bucket its facts are in.
    bucket_bits: u32,
    pub(crate) dictionary: Dictionary,
    pub(crate) known: KnownTimes,
    pub(crate) set_aside: Vec<SetAsideRecord>,
    /// Behind what was read last.
    pub(crate) checkpoint: Checkpoint,
    scratch: History,
    /// Memory for one person after the other.
    visited: History,
    in_order: InOrder,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// The first bytes of the subject, so that their order is that of subjects.
    subject: u64,
    occurred: i64,
    at: u32,
    /// With the head.
    length: u32,
}

/// In front of each fact: length 4, occurred 8, subject 16, kind 1.
const HEAD_BYTES: usize = 29;
const SUBJECT_AT: usize = 12;
const KIND_AT: usize = 28;

impl Entry {
    /// The entry of the fact at byte `at` of a bucket.
    #[inline]
    fn at(bucket: &[u8], at: usize) -> Entry {
        let head: &[u8; HEAD_BYTES] = bucket[at..].first_chunk().expect("a head is in front of each fact");
        let [l0, l1, l2, l3, o0, o1, o2, o3, o4, o5, o6, o7, s0, s1, s2, s3, s4, s5, s6, s7, ..] = *head;
        Entry {
            subject: u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            occurred: i64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
            at: at as u32,
            length: u32::from_le_bytes([l0, l1, l2, l3]),
        }
    }

    fn fact_bytes(&self) -> usize {
        self.length as usize - HEAD_BYTES
    }
}

/// One person of a [`Gathered`]: the facts in order, and where their bytes are, in the same order.
pub(crate) struct GatheredPerson<'a> {
    pub(crate) subject: Subject,
    pub(crate) history: &'a mut History,
    pub(crate) copies: usize,
    arena: &'a [u8],
    entries: &'a [Entry],
}

impl GatheredPerson<'_> {
    /// How many bytes the facts have.
    pub(crate) fn facts_bytes(&self) -> usize {
        self.entries.iter().map(Entry::fact_bytes).sum()
    }

    /// Appends the facts.
    pub(crate) fn append_facts(&self, out: &mut Vec<u8>) {
        for entry in self.entries {
            append_short(out, &self.arena[entry.at as usize + HEAD_BYTES..], entry.fact_bytes());
        }
    }
}

impl fmt::Debug for Gathered {
    // Never the facts: they are about people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").field("checkpoint", &self.checkpoint).finish_non_exhaustive()
    }
}

impl Default for Gathered {
    fn default() -> Gathered {
        Gathered {
            buckets: vec![Vec::new(); 1 << BUCKET_BITS_MAX],
            bucket_bits: 0,
            dictionary: Dictionary::default(),
            known: KnownTimes::default(),
            set_aside: Vec::new(),
            checkpoint: Checkpoint::default(),
            scratch: History::new(),
            visited: History::new(),
            in_order: InOrder::default(),
        }
    }
}

impl Gathered {
    /// Begins a stretch with the memory of the last.
    pub(crate) fn begin(&mut self, from: Checkpoint) {
        self.go_on(from, KnownTimes::default(), Dictionary::default());
    }

    /// The same, with codes and known times that stand already.
    pub(crate) fn go_on(&mut self, from: Checkpoint, known: KnownTimes, dictionary: Dictionary) {
        // Left full only by a visit that failed.
        self.buckets.iter_mut().for_each(Vec::clear);
        (self.known, self.dictionary, self.checkpoint) = (known, dictionary, from);
        self.set_aside.clear();
        self.bucket_bits = 0;
    }

    /// Reads `partition` of `log` from where the stretch begins to before `until`; calls `progress` with the number of
    /// records after each piece.
    pub(crate) fn read(
        &mut self,
        log: &dyn EventLog,
        partition: u16,
        until: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ReadError> {
        let buckets = (until.saturating_sub(self.checkpoint.next) / BUCKET_FACTS).min(1 << BUCKET_BITS_MAX);
        self.bucket_bits = buckets.next_power_of_two().trailing_zeros();
        let mut reader = log.reader(partition, self.checkpoint.next)?;
        while self.checkpoint.next < until {
            let Some(batch) = reader.next_batch(READ_BYTES)? else { break };
            progress(self.take(partition, batch, until)?);
        }
        Ok(())
    }

    /// Takes the records of `batch` before `until`. Says how many.
    ///
    /// # Errors
    /// [`ReadError::Missing`] when they don't follow what was taken last: nothing is passed over, whatever the log says.
    pub(crate) fn take(
        &mut self,
        partition: u16,
        batch: RecordBatch<'_>,
        until: u64,
    ) -> Result<u64, ReadError> {
        let (from, found) = (self.checkpoint.next, batch.first_offset());
        if found != from {
            let why = "the log gave the record at the second offset where the first was asked for".to_owned();
            return Err(ReadError::Missing { partition, from, until: found, why });
        }
        if batch.next_offset() <= until {
            batch.iter().for_each(|record| self.push(record));
            self.checkpoint = batch.checkpoint();
        } else {
            for record in batch.iter().take_while(|record| record.offset < until) {
                self.push(record);
                self.checkpoint = Checkpoint::after(&record, None);
            }
        }
        Ok(self.checkpoint.next - from)
    }

    #[inline]
    fn push(&mut self, record: Record<'_>) {
        if record.flaw.is_none()
            && let Some(view) = EventView::parse_straight(record.bytes)
            && self.push_event(&view, record.offset).is_ok()
        {
            return;
        }
        self.push_unusual(record);
    }

    /// An event that looks like few others, or is broken.
    #[cold]
    fn push_unusual(&mut self, record: Record<'_>) {
        let read = match (record.flaw, EventView::parse(record.bytes)) {
            (Some(flaw), _) => Err(flaw.to_string()),
            (None, Ok(view)) => self.push_event(&view, record.offset).map_err(|error| error.to_string()),
            (None, Err(error)) => Err(FactError::from(error).to_string()),
        };
        if let Err(reason) = read {
            self.known.push(record.offset, None);
            self.set_aside.push(SetAsideRecord { offset: record.offset, reason });
        }
    }

    #[inline(always)]
    fn push_event(&mut self, view: &EventView<'_>, offset: u64) -> Result<(), FactError> {
        let subject = u64::from_be_bytes(*view.subject.0.first_chunk().expect("eight of sixteen bytes"));
        let bucket = &mut self.buckets[first_bits(subject, self.bucket_bits)];
        let at = bucket.len();
        let mut head = [0; HEAD_BYTES];
        head[4..SUBJECT_AT].copy_from_slice(&view.occurred_at.0.to_le_bytes());
        head[SUBJECT_AT..KIND_AT].copy_from_slice(&view.subject.0);
        head[KIND_AT] = view.subject_kind as i32 as u8;
        bucket.extend_from_slice(&head);
        let encoded = self.scratch.encode_event(view, offset, &mut self.dictionary, bucket);
        if encoded.is_err() {
            bucket.truncate(at);
            return encoded;
        }
        let length = (bucket.len() - at) as u32;
        bucket[at..at + 4].copy_from_slice(&length.to_le_bytes());
        self.known.push(offset, Some(view.recorded_at));
        Ok(())
    }

    /// Visits everybody once, in the order of subjects. What is visited is forgotten.
    pub(crate) fn for_each_person(
        &mut self,
        mut visit: impl FnMut(GatheredPerson<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (history, in_order) = (&mut self.visited, &mut self.in_order);
        for bucket in self.buckets.iter_mut().filter(|bucket| !bucket.is_empty()) {
            let arena = bucket.as_slice();
            let mut rest = in_order.of(arena, self.bucket_bits);
            while let Some(first) = rest.first() {
                let (prefix, subject) = (first.subject, subject_at(arena, first));
                let same_prefix = rest.iter().take_while(|entry| entry.subject == prefix).count();
                let (group, after) = rest.split_at_mut(same_prefix);
                rest = after;
                if group.iter().all(|entry| subject_at(arena, entry) == subject) {
                    visit(person(arena, subject, group, &self.dictionary, history))?;
                } else {
                    // Two subjects share their first eight bytes.
                    group.sort_by_key(|entry| subject_at(arena, entry));
                    for group in
                        group.chunk_by_mut(|one, other| subject_at(arena, one) == subject_at(arena, other))
                    {
                        let subject = subject_at(arena, &group[0]);
                        visit(person(arena, subject, group, &self.dictionary, history))?;
                    }
                }
            }
            bucket.clear();
        }
        Ok(())
    }
}

/// Puts entries in order of subject and time: first each where its subject's next bits say, so that what then still has to
/// be compared are a few people's. Keeps its memory from bucket to bucket.
#[derive(Default)]
struct InOrder {
    as_they_came: Vec<Entry>,
    entries: Vec<Entry>,
    /// Where the entries of each slot begin, then where they end.
    slots: Vec<u32>,
}

impl InOrder {
    /// The entries of a bucket whose subjects share this many first bits.
    fn of(&mut self, bucket: &[u8], bucket_bits: u32) -> &mut [Entry] {
        // Going through all of the bucket also brings it beside the processor, before it is read in another order.
        let entries = &mut self.as_they_came;
        entries.clear();
        let mut at = 0;
        while at < bucket.len() {
            let entry = Entry::at(bucket, at);
            entries.push(entry);
            at += entry.length as usize;
        }
        let entries = &self.as_they_came;
        // About as many slots as there are people.
        let bits = (entries.len() / 4).next_power_of_two().trailing_zeros();
        let slot = |entry: &Entry| first_bits(entry.subject << bucket_bits, bits);
        self.slots.clear();
        self.slots.resize((1 << bits) + 1, 0);
        entries.iter().for_each(|entry| self.slots[slot(entry) + 1] += 1);
        let mut before = 0;
        for slot in &mut self.slots {
            before += *slot;
            *slot = before;
        }
        self.entries.clear();
        self.entries.resize(entries.len(), Entry::default());
        for entry in entries {
            let at = &mut self.slots[slot(entry)];
            self.entries[*at as usize] = *entry;
            *at += 1;
        }
        let mut start = 0;
        for end in &self.slots[..1 << bits] {
            self.entries[start..*end as usize]
                .sort_unstable_by_key(|entry| (entry.subject, entry.occurred, entry.at));
            start = *end as usize;
        }
        &mut self.entries
    }
}

/// As a number; no more than 32 bits.
#[inline]
fn first_bits(subject: u64, bits: u32) -> usize {
    (subject >> 32 >> (32 - bits)) as usize
}

fn subject_at(arena: &[u8], entry: &Entry) -> Subject {
    let subject = arena[entry.at as usize + SUBJECT_AT..].first_chunk();
    Subject(*subject.expect("every head has a subject"))
}

fn person<'a>(
    arena: &'a [u8],
    subject: Subject,
    entries: &'a mut [Entry],
    dictionary: &Dictionary,
    history: &'a mut History,
) -> GatheredPerson<'a> {
    history.clear();
    for entry in &*entries {
        // To the end of all: facts are read fastest where other bytes follow.
        let bytes = &arena[entry.at as usize..];
        let kind = SubjectKind::try_from(i32::from(bytes[KIND_AT])).expect("written from a kind");
        history.set_kind(kind);
        let mut fact = &bytes[HEAD_BYTES..];
        history.decode(&mut fact, dictionary.codes()).expect("these bytes were encoded with this dictionary");
    }
    let facts = history.facts();
    let key = |fact: &Fact| (fact.order(), fact.offset);
    if !facts.is_sorted_by_key(key) {
        let mut in_order: Vec<(usize, Entry)> = entries.iter().copied().enumerate().collect();
        in_order.sort_unstable_by_key(|(at, _)| key(&facts[*at]));
        entries.iter_mut().zip(in_order).for_each(|(entry, (_, in_order))| *entry = in_order);
        history.sort();
    }
    let copies = history.copies();
    GatheredPerson { subject, history, copies, arena, entries }
}
