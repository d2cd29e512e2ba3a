//! Reading one partition, through segments and journals alike.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::EmbeddedLog;
use super::catalog::Place;
use super::format::frame_head;
use super::journal::{Damage, Journal, StretchFault, frames_of};
use super::segment::{Segment, SegmentError};
use crate::files::{Access, FileHandle, read_exact_at};
use crate::record::Span;
use crate::{PartitionReader, Position, ReadError, RecordBatch};

/// The least that is read from a segment at once.
const PIECE_BYTES_MIN: usize = 4 << 10;
/// A piece is never larger, however much is asked for.
const PIECE_BYTES_MAX: usize = 64 << 20;

/// Where a reader stands.
#[derive(Debug)]
enum At {
    /// To be looked up.
    Unknown,
    /// Before the frame at this byte of a segment.
    Segment { segment: Arc<Segment>, file: Box<dyn FileHandle>, at: u64 },
    /// Before the frame at this byte of a journal, which is in this run.
    Journal { journal: Arc<Journal>, run: usize, at: u64 },
}

pub(super) struct Reader<'a> {
    log: &'a EmbeddedLog,
    partition: u16,
    next: u64,
    at: At,
    buffer: Vec<u8>,
    spans: Vec<Span>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(log: &'a EmbeddedLog, partition: u16, from: u64) -> Reader<'a> {
        Reader { log, partition, next: from, at: At::Unknown, buffer: Vec::new(), spans: Vec::new() }
    }

    fn unavailable(&self, path: &Path, source: io::Error) -> ReadError {
        ReadError::Unavailable { place: path.into(), source }
    }

    fn corrupt(&self, path: &Path, damage: Damage) -> ReadError {
        ReadError::Corrupt {
            position: Some(Position { partition: self.partition, offset: self.next }),
            file: path.into(),
            byte: damage.byte,
            what: damage.what,
        }
    }

    fn fault(&self, path: &Path, start: u64, fault: StretchFault) -> ReadError {
        match fault {
            StretchFault::Frame { at, next, fault } => ReadError::Corrupt {
                position: Some(Position { partition: self.partition, offset: next }),
                file: path.into(),
                byte: start + at as u64,
                what: fault.describe(),
            },
            StretchFault::Gap { at, next, found } => ReadError::Gap {
                partition: self.partition,
                expected: next,
                found_partition: found.partition,
                found: found.offset,
                file: path.into(),
                byte: start + at as u64,
            },
        }
    }

    /// Finds the file that holds the next record; false if nothing holds it yet.
    fn locate(&mut self) -> Result<bool, ReadError> {
        let partition = usize::from(self.partition);
        let place = self.log.shared.catalog().place(partition, self.next);
        self.at = match place {
            None => return Ok(false),
            Some(Place::Segment(segment)) => {
                let file = self
                    .log
                    .shared
                    .files
                    .open(&segment.path, Access::Read)
                    .map_err(|error| self.unavailable(&segment.path, error))?;
                let at = segment.find(file.as_ref(), partition, self.next).map_err(|error| match error {
                    SegmentError::Io(error) => self.unavailable(&segment.path, error),
                    SegmentError::Damaged(damage) => self.corrupt(&segment.path, damage),
                })?;
                At::Segment { segment, file, at }
            }
            Some(Place::Journal(journal)) => {
                let (run, skip, mut at) = {
                    let index = journal.index();
                    let runs = &index.runs[partition];
                    let run = runs.partition_point(|run| run.next() <= self.next);
                    match runs.get(run) {
                        None => return Ok(false),
                        Some(found) => (run, self.next - found.first, u64::from(found.at)),
                    }
                };
                for _ in 0..skip {
                    let mut head = [0; super::format::FRAME_HEADER_BYTES];
                    read_exact_at(journal.file.as_ref(), &mut head, at)
                        .map_err(|error| self.unavailable(&journal.path, error))?;
                    let frame = frame_head(&head).map_err(|fault| {
                        self.corrupt(&journal.path, Damage { byte: at, what: fault.describe() })
                    })?;
                    at += frame.size() as u64;
                }
                At::Journal { journal, run, at }
            }
        };
        Ok(true)
    }

    /// Reads on in the segment; false at the end of the stretch.
    fn read_segment(&mut self, max_bytes: usize) -> Result<bool, ReadError> {
        let At::Segment { segment, file, at } = &self.at else { return Ok(false) };
        let (start, path) = (*at, segment.path.clone());
        let entry = &segment.entries[usize::from(self.partition)];
        let left = usize::try_from(entry.end().saturating_sub(start)).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(false);
        }
        let mut wanted = max_bytes.clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX).min(left);
        loop {
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
            read_exact_at(file.as_ref(), &mut self.buffer[..wanted], start)
                .map_err(|error| self.unavailable(&path, error))?;
            self.spans.clear();
            let spans = &mut self.spans;
            let (walked, fault) =
                frames_of(&self.buffer[..wanted], self.partition, self.next, |start, len| {
                    spans.push(Span { start: start as u32, len: len as u32 });
                });
            // What is sound before the damage is given first.
            if let (0, Some(fault)) = (walked, fault) {
                return Err(self.fault(&path, start, fault));
            }
            if walked > 0 {
                if let At::Segment { at, .. } = &mut self.at {
                    *at = start + walked as u64;
                }
                return Ok(true);
            }
            // Not one whole record: it is longer than the piece.
            let size = frame_head(&self.buffer[..wanted]).map_or(usize::MAX, |frame| frame.size());
            if size > left {
                let what = "a record does not fit into its stretch".into();
                return Err(self.corrupt(&path, Damage { byte: start, what }));
            }
            wanted = size;
        }
    }

    /// Reads on in the journal; false at the end of what it has.
    fn read_journal(&mut self, max_bytes: usize) -> Result<bool, ReadError> {
        let At::Journal { journal, run, at } = &mut self.at else { return Ok(false) };
        let journal = Arc::clone(journal);
        let max_bytes = max_bytes.clamp(1, PIECE_BYTES_MAX);
        self.spans.clear();
        let mut used = 0;
        let mut next = self.next;
        while used < max_bytes {
            let Some(found) = journal.index().runs[usize::from(self.partition)].get(*run).copied() else {
                break;
            };
            // Behind the run before stand group heads and other partitions' records, and how many is known only now.
            *at = (*at).max(u64::from(found.at));
            let run_end = u64::from(found.at) + u64::from(found.bytes);
            let left = (run_end - *at) as usize;
            let mut wanted = left.min(max_bytes - used).max(PIECE_BYTES_MIN.min(left));
            let walked = loop {
                if self.buffer.len() < used + wanted {
                    self.buffer.resize(used + wanted, 0);
                }
                let piece = &mut self.buffer[used..used + wanted];
                read_exact_at(journal.file.as_ref(), piece, *at)
                    .map_err(|source| ReadError::Unavailable { place: (&journal.path).into(), source })?;
                let spans = &mut self.spans;
                let mut found = next;
                let (walked, fault) = frames_of(piece, self.partition, next, |start, len| {
                    spans.push(Span { start: (used + start) as u32, len: len as u32 });
                    found += 1;
                });
                next = found;
                if walked > 0 || used > 0 && fault.is_some() {
                    break walked;
                }
                let size = frame_head(piece).map_or(usize::MAX, |frame| frame.size());
                let start = *at;
                if let Some(fault) = fault {
                    return Err(self.fault(&journal.path, start, fault));
                }
                if size > left {
                    let what = "a record does not fit among its neighbours".into();
                    return Err(self.corrupt(&journal.path, Damage { byte: start, what }));
                }
                wanted = size;
            };
            used += walked;
            *at += walked as u64;
            if *at < run_end {
                break;
            }
            *run += 1;
        }
        Ok(!self.spans.is_empty())
    }

    /// Reads the next run of records; says whether there are any. After an error it stays where it was.
    pub(super) fn fill(&mut self, max_bytes: usize) -> Result<bool, ReadError> {
        let mut refreshed = false;
        loop {
            let read = match self.at {
                At::Unknown => Ok(false),
                At::Segment { .. } => self.read_segment(max_bytes),
                At::Journal { .. } => self.read_journal(max_bytes),
            };
            // What was read before the fault is not given: the place is looked up again.
            let read = read.inspect_err(|_| self.at = At::Unknown)?;
            if read {
                self.next += self.spans.len() as u64;
                return Ok(true);
            }
            self.at = At::Unknown;
            if self.locate()? {
                continue;
            }
            if refreshed {
                return Ok(false);
            }
            self.log.refresh(Some((self.partition, self.next)))?;
            refreshed = true;
        }
    }

    /// What was read last.
    pub(super) fn batch(&self) -> RecordBatch<'_> {
        RecordBatch::new(self.next - self.spans.len() as u64, &self.buffer, &self.spans)
    }
}

impl PartitionReader for Reader<'_> {
    fn next_batch(&mut self, max_bytes: usize) -> Result<Option<RecordBatch<'_>>, ReadError> {
        Ok(if self.fill(max_bytes)? { Some(self.batch()) } else { None })
    }

    fn position(&self) -> u64 {
        self.next
    }
}
