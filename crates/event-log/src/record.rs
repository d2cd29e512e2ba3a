//! Records as readers see them.

use std::fmt;

/// One record of a partition.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: u64,
    /// The event's canonical bytes, exactly as they were appended.
    pub bytes: &'a [u8],
}

impl fmt::Debug for Record<'_> {
    // Never the bytes: they are about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record {{ offset: {}, {} bytes }}", self.offset, self.bytes.len())
    }
}

/// Where a record's bytes stand in a reader's buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// A run of records whose offsets follow each other, all verified.
#[derive(Clone, Copy)]
pub struct RecordBatch<'a> {
    first_offset: u64,
    buffer: &'a [u8],
    spans: &'a [Span],
}

impl<'a> RecordBatch<'a> {
    pub(crate) fn new(first_offset: u64, buffer: &'a [u8], spans: &'a [Span]) -> RecordBatch<'a> {
        RecordBatch { first_offset, buffer, spans }
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
        RecordIter { offset: self.first_offset, buffer: self.buffer, spans: self.spans.iter() }
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
        let record = Record { offset: self.offset, bytes: &self.buffer[start..start + span.len as usize] };
        self.offset += 1;
        Some(record)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for RecordIter<'_> {}
