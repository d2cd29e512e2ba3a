//! Records copied out of the client's buffers, which are given back at once: one record held would hold a whole fetch.

use event_log::{Checkpoint, Flaw, RecordBatch, Span};

use crate::{flaw::Contents, native::Message};

/// A run of records of one partition.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    first: u64,
    bytes: Vec<u8>,
    spans: Vec<Span>,
    flaws: Vec<(u64, Flaw)>,
    epoch: Option<u32>,
}

/// What a record is checked with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checks {
    pub(crate) contents: Contents,
    pub(crate) partition: u16,
    pub(crate) partitions: u16,
}

impl Arena {
    /// Begins anew, with the record at `first`.
    pub(crate) fn begin(&mut self, first: u64) {
        self.first = first;
        self.bytes.clear();
        self.spans.clear();
        self.flaws.clear();
    }

    /// Adds the next record.
    pub(crate) fn push(&mut self, message: &Message<'_>, checks: Checks) {
        let offset = self.next();
        let flaw = checks.contents.flaw_of(message, checks.partition, checks.partitions);
        let value = if flaw == Some(Flaw::TooLarge) { &[] } else { message.value };
        self.flaws.extend(flaw.map(|flaw| (offset, flaw)));
        self.spans.push(Span { start: self.bytes.len() as u32, len: value.len() as u32 });
        self.bytes.extend_from_slice(value);
        self.epoch = message.epoch();
    }

    /// The offset of the first record.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The offset after the last record.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.spans.len() as u64
    }

    /// Under which leader the last record was written.
    pub(crate) fn epoch(&self) -> Option<u32> {
        self.epoch
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(crate) fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The records; there is at least one.
    pub(crate) fn batch(&self) -> RecordBatch<'_> {
        RecordBatch::new(self.first, &self.bytes, &self.spans).with(&self.flaws, self.epoch)
    }

    /// Leaves out the first record, once it was compared with what `from` says of it.
    pub(crate) fn compare(&mut self, partition: u16, from: &Checkpoint) -> Result<(), event_log::ReadError> {
        if let Some(record) = self.batch().iter().next() {
            from.check(partition, &record)?;
        }
        self.spans.remove(0);
        self.first += 1;
        Ok(())
    }
}
