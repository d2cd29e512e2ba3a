//! Records as readers see them.

use std::fmt;

use crate::Checkpoint;

/// One record of a partition.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: u64,
    /// The event's canonical bytes, exactly as they were appended; of a record that is too large, none.
    pub bytes: &'a [u8],
    /// What is wrong with the record around the bytes: it is no event of ours, whatever its bytes say.
    pub flaw: Option<Flaw>,
}

/// Why a record cannot be what intake wrote. Somebody else wrote it, or to the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The record's key is not the subject that its event is about.
    Key,
    /// The record stands in another partition than its key belongs to.
    Partition,
    /// It has not the headers that say what it is.
    Headers,
    /// It is larger than any record may be.
    TooLarge,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::Key => "the record's key is not the subject of its event",
            Flaw::Partition => "the record stands in another partition than its key belongs to",
            Flaw::Headers => "the record has not the headers of an event",
            Flaw::TooLarge => "the record is larger than any may be",
        })
    }
}

impl fmt::Debug for Record<'_> {
    // Never the bytes: they are about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record {{ offset: {}, {} bytes }}", self.offset, self.bytes.len())
    }
}

/// Where a record's bytes stand in a reader's buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// How many there are.
    pub len: u32,
}

/// A run of records whose offsets follow each other, all verified.
#[derive(Clone, Copy)]
pub struct RecordBatch<'a> {
    first_offset: u64,
    buffer: &'a [u8],
    spans: &'a [Span],
    flaws: &'a [(u64, Flaw)],
    epoch: Option<u32>,
}

impl<'a> RecordBatch<'a> {
    /// Records from `first_offset` on, each where its span says; for implementations of the log.
    ///
    /// # Panics
    /// When read, if a span is not within the buffer.
    #[must_use]
    pub fn new(first_offset: u64, buffer: &'a [u8], spans: &'a [Span]) -> RecordBatch<'a> {
        RecordBatch { first_offset, buffer, spans, flaws: &[], epoch: None }
    }

    /// The same, some of the records with flaws, by their offsets in order; `epoch`: under which leader the last was written.
    #[must_use]
    pub fn with(self, flaws: &'a [(u64, Flaw)], epoch: Option<u32>) -> RecordBatch<'a> {
        RecordBatch { flaws, epoch, ..self }
    }

    /// Where reading goes on behind these records.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        let last = RecordIter {
            offset: self.next_offset() - 1,
            spans: self.spans[self.spans.len() - 1..].iter(),
            ..self.iter()
        };
        last.last()
            .map_or(Checkpoint::at(self.next_offset()), |record| Checkpoint::after(&record, self.epoch))
    }

    /// The offset of the first record.
    #[must_use]
    pub fn first_offset(&self) -> u64 {
        self.first_offset
    }

    /// The offset after the last record.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.first_offset + self.spans.len() as u64
    }

    /// How many records: at least one.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a batch is never empty: a reader at the end gives none")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The records, in order.
    #[must_use]
    #[inline]
    pub fn iter(&self) -> RecordIter<'a> {
        RecordIter {
            offset: self.first_offset,
            buffer: self.buffer,
            spans: self.spans.iter(),
            flaws: self.flaws,
        }
    }
}

impl fmt::Debug for RecordBatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordBatch {{ offsets: {}..{} }}", self.first_offset, self.next_offset())
    }
}

impl<'a> IntoIterator for RecordBatch<'a> {
    type Item = Record<'a>;
    type IntoIter = RecordIter<'a>;

    #[inline]
    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

/// The records of a [`RecordBatch`].
#[derive(Clone)]
pub struct RecordIter<'a> {
    offset: u64,
    buffer: &'a [u8],
    spans: std::slice::Iter<'a, Span>,
    flaws: &'a [(u64, Flaw)],
}

impl fmt::Debug for RecordIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordIter {{ offset: {}, left: {} }}", self.offset, self.spans.len())
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        let span = self.spans.next()?;
        let start = span.start as usize;
        let bytes = &self.buffer[start..start + span.len as usize];
        let mut flaw = None;
        while let Some((offset, found)) = self.flaws.first().filter(|(offset, _)| *offset <= self.offset) {
            flaw = (*offset == self.offset).then_some(*found);
            self.flaws = &self.flaws[1..];
        }
        let record = Record { offset: self.offset, bytes, flaw };
        self.offset += 1;
        Some(record)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for RecordIter<'_> {}
