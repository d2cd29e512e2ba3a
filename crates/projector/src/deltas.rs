//! Facts that no base file holds yet.

use std::fmt;

use contract::{
    Code, Subject,
    v1::SubjectKind,
    varint::{put, take, take_array, take_bytes},
};
use event_log::Checkpoint;
use history::{CodeIndex, Dictionary, History};
use rustc_hash::FxHashMap;

use crate::{
    gather::GatheredPerson,
    known::KnownTimes,
    stored::{
        SetAsideRecord, VERSION, decode_facts, put_checkpoint, put_set_aside, take_checkpoint, take_set_aside,
    },
};

/// Pending facts by person.
#[derive(Debug, Default, Clone)]
pub(crate) struct Deltas {
    people: FxHashMap<Subject, Pending>,
    dictionary: Dictionary,
    pub(crate) facts: u64,
    pub(crate) copies: u64,
}

#[derive(Debug, Default, Clone)]
struct Pending {
    kind: SubjectKind,
    count: u32,
    facts: Vec<u8>,
}

impl Deltas {
    /// Adds the facts of a person.
    pub(crate) fn add(&mut self, subject: Subject, new: &History) {
        let pending = self.people.entry(subject).or_default();
        pending.kind = new.kind();
        pending.count += new.facts().len() as u32;
        for at in 0..new.facts().len() {
            new.encode(at, &mut self.dictionary, &mut pending.facts);
        }
        self.facts += new.facts().len() as u64;
    }

    /// Adds the facts of `subject` to `history`; says whether there are any.
    pub(crate) fn get(&self, subject: Subject, history: &mut History) -> bool {
        let Some(pending) = self.people.get(&subject) else { return false };
        pending.decode(self.dictionary.codes(), history).expect("these bytes were checked when they came");
        true
    }

    /// Who has facts here.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.people.keys().copied()
    }
}

impl Pending {
    fn decode(&self, codes: &CodeIndex, history: &mut History) -> Option<()> {
        history.set_kind(self.kind);
        decode_facts(self.count as usize, &self.facts, codes, u64::MAX, history)
    }
}

/// One commit's new facts as bytes: what a delta row of the store holds.
pub(crate) struct Row {
    /// The first offset it holds.
    pub(crate) from: u64,
    people: Vec<u8>,
    count: u64,
    copies: u64,
    samples_before: usize,
    set_aside_before: usize,
    /// The codes of its facts.
    pub(crate) dictionary: Dictionary,
}

impl fmt::Debug for Row {
    // Never the facts: they are about people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Row {
    /// Begins a row at the offset `from`: what is added to the known times and the set aside from here on belongs to it.
    pub(crate) fn begin(from: u64, known: &KnownTimes, set_aside: usize) -> Row {
        Row {
            from,
            people: Vec::new(),
            count: 0,
            copies: 0,
            samples_before: known.samples(),
            set_aside_before: set_aside,
            dictionary: Dictionary::default(),
        }
    }

    /// Adds the facts of a person, encoded with [`Row::dictionary`]; `copies` of them are there already.
    pub(crate) fn push(&mut self, person: &GatheredPerson<'_>, copies: u64) {
        self.count += 1;
        self.copies += copies;
        self.people.extend_from_slice(&person.subject.0);
        self.people.push(person.history.kind() as i32 as u8);
        put(&mut self.people, person.history.facts().len() as u64);
        put(&mut self.people, person.facts_bytes() as u64);
        person.append_facts(&mut self.people);
    }

    /// The row's bytes: checksum, first offset, checkpoint, copies, codes, known times, set aside, people.
    pub(crate) fn finish(
        self,
        checkpoint: Checkpoint,
        known: &KnownTimes,
        set_aside: &[SetAsideRecord],
    ) -> Vec<u8> {
        let mut out = vec![0; 4];
        put(&mut out, self.from);
        put_checkpoint(&mut out, checkpoint);
        put(&mut out, self.copies);
        let codes = self.dictionary.codes();
        put(&mut out, codes.len() as u64);
        codes.iter().for_each(|code| out.extend_from_slice(&code.packed().to_le_bytes()));
        known.encode_from(self.samples_before, &mut out);
        put_set_aside(&mut out, &set_aside[self.set_aside_before..]);
        put(&mut out, self.count);
        out.extend_from_slice(&self.people);
        let crc = row_crc(&out[4..]);
        out[..4].copy_from_slice(&crc.to_le_bytes());
        out
    }
}

/// Begins with the version of the facts: rows of another one are not read as what they are not, but built anew.
fn row_crc(row: &[u8]) -> u32 {
    crc32c::crc32c_append(VERSION, row)
}

/// Adds a row's content to what was loaded before it, up to the offset `next`, and gives the checkpoint after it; `None`: the
/// row is damaged, or not the one that comes next.
pub(crate) fn load_row(
    row: &[u8],
    next: u64,
    deltas: &mut Deltas,
    known: &mut KnownTimes,
    set_aside: &mut Vec<SetAsideRecord>,
) -> Option<Checkpoint> {
    let (crc, mut bytes) = row.split_first_chunk()?;
    if row_crc(bytes) != u32::from_le_bytes(*crc) {
        return None;
    }
    let bytes = &mut bytes;
    let from = take(bytes)?;
    let checkpoint = take_checkpoint(bytes).filter(|_| from == next)?;
    deltas.copies += take(bytes)?;
    let mut codes = Vec::new();
    for _ in 0..take(bytes)? {
        codes.push(Code::from_packed(u64::from_le_bytes(take_array(bytes)?)));
    }
    known.decode_more(bytes)?;
    set_aside.extend(take_set_aside(bytes)?);
    let mut history = History::new();
    for _ in 0..take(bytes)? {
        let subject = Subject(take_array(bytes)?);
        let [kind] = take_array(bytes)?;
        history.clear();
        history.set_kind(SubjectKind::try_from(i32::from(kind)).ok()?);
        let (count, length) = (take(bytes)? as usize, take(bytes)? as usize);
        decode_facts(count, take_bytes(bytes, length)?, &codes, u64::MAX, &mut history)?;
        deltas.add(subject, &history);
    }
    bytes.is_empty().then_some(checkpoint)
}
