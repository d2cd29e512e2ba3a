//! The writer's threads: one groups what waits, writes it with one write and one sync, and tells the callers; one seals
//! full journals behind it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Options;
use super::catalog::Shared;
use super::format::{GROUP_HEADER_BYTES, Group, JOURNAL_MAGIC, encode_header, header_bytes, put_frame};
use super::journal::{Journal, Run};
use super::meta::{journal_path, segment_path};
use super::segment::{SegmentError, seal};
use crate::files::{Access, remove_if_there};
use crate::{Append, AppendError, Completer, Ticket};

/// How long until what failed for want of space is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Partition and length of each record of a batch, and their bytes.
type Buffers = (Vec<(u16, u32)>, Vec<u8>);

/// A batch on its way.
struct Pending {
    records: Vec<(u16, u32)>,
    bytes: Vec<u8>,
    completer: Completer,
}

/// Batches that wait for the next group: bounded, so that a log that cannot keep up slows its callers down.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Default)]
struct QueueState {
    batches: VecDeque<Pending>,
    bytes: usize,
    closed: bool,
    /// Buffers of batches that are done: big allocations cost more than the copying.
    spare: Vec<Buffers>,
}

const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 1 << 20;

impl Queue {
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, batch: &[Append<'_>], bytes_max: usize) -> Result<Ticket, AppendError> {
        let (completer, ticket) = Ticket::pair();
        if batch.is_empty() {
            completer.complete(Ok(Vec::new()));
            return Ok(ticket);
        }
        let (mut records, mut bytes) = self.state().spare.pop().unwrap_or_default();
        records.extend(batch.iter().map(|record| (record.partition, record.bytes.len() as u32)));
        for record in batch {
            bytes.extend_from_slice(record.bytes);
        }
        let mut state = self.state();
        while !state.closed && !state.batches.is_empty() && state.bytes + bytes.len() > bytes_max {
            state = self.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(AppendError::Unavailable {
                action: "the log's writer has ended: open the log again".into(),
                source: None,
            });
        }
        state.bytes += bytes.len();
        state.batches.push_back(Pending { records, bytes, completer });
        drop(state);
        self.filled.notify_one();
        Ok(ticket)
    }

    /// No more batches; what waits is still written.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// The batches of the next group, in order; empty when `patience` ran out, `None` when the queue is closed and empty.
    fn take(&self, target_bytes: usize, patience: Option<Duration>, group: &mut Vec<Pending>) -> Option<()> {
        let mut state = self.state();
        while state.batches.is_empty() {
            if state.closed {
                return None;
            }
            match patience {
                None => state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let (again, timeout) =
                        self.filled.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
                    state = again;
                    if timeout.timed_out() && state.batches.is_empty() {
                        return Some(());
                    }
                }
            }
        }
        let mut bytes = 0;
        while bytes < target_bytes {
            let Some(batch) = state.batches.pop_front() else { break };
            bytes += batch.bytes.len();
            group.push(batch);
        }
        state.bytes -= bytes;
        drop(state);
        self.drained.notify_all();
        Some(())
    }

    fn is_empty(&self) -> bool {
        self.state().batches.is_empty()
    }

    fn recycle(&self, mut records: Vec<(u16, u32)>, mut bytes: Vec<u8>) {
        records.clear();
        bytes.clear();
        let mut state = self.state();
        if state.spare.len() < SPARE_BUFFERS_MAX && bytes.capacity() <= SPARE_BYTES_MAX {
            state.spare.push((records, bytes));
        }
    }
}

/// Closes the queue however its thread ends, so that nobody waits for one that is gone.
struct CloseOnExit<'a>(&'a Queue);

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        self.0.close();
        // Their completers say that nobody knows.
        self.0.state().batches.clear();
    }
}

/// Full journals that wait to be split.
#[derive(Debug, Default)]
pub(super) struct Seals {
    state: Mutex<SealState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SealState {
    pending: VecDeque<Arc<Journal>>,
    failed: Option<Arc<io::Error>>,
    closed: bool,
}

impl Seals {
    fn state(&self) -> MutexGuard<'_, SealState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, journal: Arc<Journal>) {
        self.state().pending.push_back(journal);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Whether all full journals are split.
    fn is_idle(&self) -> bool {
        self.state().pending.is_empty()
    }

    /// Waits until all full journals are split, or splitting failed.
    fn wait_idle(&self) -> Result<(), Arc<io::Error>> {
        let mut state = self.state();
        loop {
            if state.pending.is_empty() {
                return Ok(());
            }
            if let Some(error) = &state.failed {
                return Err(Arc::clone(error));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Splits what waits, oldest first; stops at the first failure.
    pub(super) fn run_once(&self, shared: &Shared) {
        loop {
            let Some(journal) = self.state().pending.front().cloned() else { return };
            let done = seal_and_remove(shared, &journal);
            let mut state = self.state();
            match done {
                Ok(()) => {
                    state.pending.pop_front();
                    state.failed = None;
                }
                Err(error) => {
                    tracing::warn!(journal = %journal.path.display(), %error, "cannot seal the journal, will try again");
                    state.failed = Some(Arc::new(error));
                }
            }
            let failed = state.failed.is_some();
            drop(state);
            self.changed.notify_all();
            if failed {
                return;
            }
        }
    }

    /// The sealing thread.
    pub(super) fn run(&self, shared: &Shared) {
        loop {
            let mut state = self.state();
            while !state.closed && state.pending.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.failed.is_some() && !state.closed {
                state = self.changed.wait_timeout(state, RETRY).unwrap_or_else(PoisonError::into_inner).0;
            }
            // What is left is done when the log is opened again.
            if state.closed {
                return;
            }
            drop(state);
            self.run_once(shared);
        }
    }
}

/// Splits a journal, shows readers the segment, and removes the journal only when the segment is safe under its name.
fn seal_and_remove(shared: &Shared, journal: &Journal) -> io::Result<()> {
    let number = journal.stamp.number;
    let sealed = shared.catalog().segments.last().is_some_and(|segment| segment.stamp.number == number);
    if !sealed {
        let segment = match seal(shared.files.as_ref(), journal, &segment_path(&shared.dir, number)) {
            Ok(segment) => segment,
            Err(SegmentError::Io(error)) => return Err(error),
            Err(SegmentError::Damaged(damage)) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is damaged at byte {}: {}", journal.path.display(), damage.byte, damage.what),
                ));
            }
        };
        shared.catalog_mut().replace_journal(segment);
    }
    remove_if_there(shared.files.as_ref(), &journal.path)?;
    shared.files.sync_dir(&shared.dir)
}

/// The committing thread's state.
pub(super) struct Committer {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    seals: Arc<Seals>,
    options: Options,
    journal: Arc<Journal>,
    /// Where the next group is written.
    position: u64,
    /// Everything before this byte is durable.
    durable: u64,
    /// The last group's durability is not written down yet.
    mark_due: bool,
    /// A closing mark was written: the next group needs a new journal.
    closed: bool,
    /// What follows `durable` could not be cut off yet: nothing is written before it is.
    untidy: bool,
    ends: Vec<u64>,
    group: Vec<u8>,
    runs: Vec<(u16, Run)>,
    order: Vec<Ordered>,
    starts: Vec<u32>,
}

/// A write that did not become durable.
struct WriteFailed {
    error: io::Error,
    /// All bytes may be there.
    may_be_whole: bool,
}

/// A record of a group, put in its partition's place.
#[derive(Clone, Copy, Debug, Default)]
struct Ordered {
    batch: u32,
    at: u32,
    len: u32,
}

impl Committer {
    /// Goes on in `journal`, whose `position` is durable up to there.
    pub(super) fn new(
        shared: Arc<Shared>,
        queue: Arc<Queue>,
        seals: Arc<Seals>,
        options: Options,
        journal: Arc<Journal>,
        position: u64,
    ) -> Committer {
        let (ends, closed) = {
            let index = journal.index();
            (index.ends.clone(), index.closed)
        };
        Committer {
            shared,
            queue,
            seals,
            options,
            journal,
            position,
            durable: position,
            mark_due: !closed,
            closed,
            untidy: false,
            ends,
            group: Vec::new(),
            runs: Vec::new(),
            order: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// The committing thread.
    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let _close = CloseOnExit(&queue);
        let mut batches = Vec::new();
        self.mark();
        loop {
            let patience = self.mark_due.then_some(RETRY);
            if queue.take(self.options.group_bytes, patience, &mut batches).is_none() {
                return;
            }
            if batches.is_empty() {
                self.mark();
                continue;
            }
            let outcome = self.commit(&batches);
            match outcome {
                Ok(mut offsets) => {
                    offsets.reverse();
                    for batch in batches.drain(..) {
                        batch.completer.complete(Ok(offsets.pop().unwrap_or_default()));
                        queue.recycle(batch.records, batch.bytes);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a group of appends failed");
                    for batch in batches.drain(..) {
                        batch.completer.complete(Err(error.clone()));
                        queue.recycle(batch.records, batch.bytes);
                    }
                }
            }
        }
    }

    /// Makes a group of batches durable and gives the offsets of each.
    fn commit(&mut self, batches: &[Pending]) -> Result<Vec<Vec<u64>>, AppendError> {
        if self.untidy {
            self.tidy().map_err(|error| unavailable("an earlier write could not be taken back", error))?;
        }
        let offsets = self.encode(batches);
        if self.must_rotate(self.group.len() as u64) {
            self.rotate().map_err(|error| unavailable("cannot begin a new journal", error))?;
        }
        // The head can only be made now, and the frames moved, that the place is known.
        let start = self.position;
        let frames = batches.iter().map(|batch| batch.records.len() as u32).sum();
        let body = self.group.len() - GROUP_HEADER_BYTES;
        let head = Group { body, frames, durable: self.durable, closing: false };
        self.group[..GROUP_HEADER_BYTES].copy_from_slice(&head.encode(&self.journal.stamp, start));
        if let Err(failed) = self.write(&self.group, start) {
            return Err(self.take_back(failed));
        }
        self.position = start + self.group.len() as u64;
        self.durable = self.position;
        self.mark_due = true;
        for (_, run) in &mut self.runs {
            run.at += start as u32;
        }
        for (partition, run) in &self.runs {
            self.ends[usize::from(*partition)] = run.next();
        }
        if self.queue.is_empty() {
            // Nothing follows at once to say that this group is durable.
            self.mark();
        }
        self.journal.publish(&self.runs);
        self.shared.announce(&self.ends);
        Ok(offsets)
    }

    /// Puts the batches' frames into `group`, those of a partition beside each other so that a reader finds long runs;
    /// `runs` count from the group's beginning. Gives each batch's offsets.
    fn encode(&mut self, batches: &[Pending]) -> Vec<Vec<u64>> {
        let partitions = self.ends.len();
        self.starts.clear();
        self.starts.resize(partitions + 1, 0);
        for (partition, _) in batches.iter().flat_map(|batch| &batch.records) {
            self.starts[usize::from(*partition) + 1] += 1;
        }
        for partition in 0..partitions {
            self.starts[partition + 1] += self.starts[partition];
        }
        let records = self.starts[partitions] as usize;
        self.order.resize(records, Ordered::default());
        let mut filled = self.starts.clone();
        let mut offsets = Vec::with_capacity(batches.len());
        for (batch, pending) in batches.iter().enumerate() {
            let mut at = 0;
            let own = pending.records.iter().map(|(partition, len)| {
                let partition = usize::from(*partition);
                let slot = filled[partition];
                filled[partition] += 1;
                self.order[slot as usize] = Ordered { batch: batch as u32, at, len: *len };
                at += len;
                self.ends[partition] + u64::from(slot - self.starts[partition])
            });
            offsets.push(own.collect());
        }
        self.group.clear();
        self.group.resize(GROUP_HEADER_BYTES, 0);
        self.runs.clear();
        for partition in 0..partitions {
            let (from, to) = (self.starts[partition] as usize, self.starts[partition + 1] as usize);
            if from == to {
                continue;
            }
            let (first, at) = (self.ends[partition], self.group.len());
            for (record, offset) in self.order[from..to].iter().zip(first..) {
                let bytes = &batches[record.batch as usize].bytes[record.at as usize..];
                put_frame(&mut self.group, partition as u16, offset, &bytes[..record.len as usize]);
            }
            let bytes = (self.group.len() - at) as u32;
            self.runs
                .push((partition as u16, Run { first, count: (to - from) as u32, at: at as u32, bytes }));
        }
        offsets
    }

    /// Writes at the journal's end and syncs.
    fn write(&self, bytes: &[u8], position: u64) -> Result<(), WriteFailed> {
        let file = &self.journal.file;
        // Bytes that were not all written are no whole group, and are cut off whenever the log is opened.
        file.write_at(bytes, position).map_err(|error| WriteFailed { error, may_be_whole: false })?;
        file.sync_data().map_err(|error| WriteFailed { error, may_be_whole: true })
    }

    /// Undoes a write that failed, now or before the next one.
    fn take_back(&mut self, failed: WriteFailed) -> AppendError {
        match self.tidy() {
            Err(_) if failed.may_be_whole => AppendError::Unknown {
                action: "syncing failed and the write could not be taken back: look for the batch by event id when the log answers again".into(),
                source: Some(Arc::new(failed.error)),
            },
            _ => unavailable("the write failed", failed.error),
        }
    }

    /// Cuts off what is not durable, also what was written since the last sync: after a failed one it may be lost though
    /// it looks written.
    fn tidy(&mut self) -> io::Result<()> {
        self.untidy = true;
        self.position = self.durable;
        self.mark_due = true;
        self.journal.file.truncate(self.durable)?;
        self.journal.file.sync_data()?;
        self.untidy = false;
        Ok(())
    }

    /// Says, for readers beside us and for whoever opens the log next, that all is durable. Not synced: it may be lost.
    fn mark(&mut self) {
        if !self.mark_due || self.closed || self.untidy {
            self.mark_due = false;
            return;
        }
        let mark = Group::mark(self.durable).encode(&self.journal.stamp, self.position);
        // On a full disk the next group says it, or the next try; whatever was written of this one is written over.
        if self.journal.file.write_at(&mark, self.position).is_ok() {
            self.position += mark.len() as u64;
            self.mark_due = false;
        }
    }

    fn must_rotate(&self, group_bytes: u64) -> bool {
        let empty = self.position <= header_bytes(self.shared.meta.partitions) as u64;
        let limit = self.options.journal_bytes;
        let after = self.position + group_bytes;
        // While the journal before is still being split this one may grow to twice its size.
        self.closed || !empty && after > limit && (after > 2 * limit || self.seals.is_idle())
    }

    /// Closes the journal and begins the next one.
    fn rotate(&mut self) -> io::Result<()> {
        if self.options.sealing == super::Sealing::Inline {
            self.seals.run_once(&self.shared);
        }
        self.seals.wait_idle().map_err(|error| io::Error::new(error.kind(), error))?;
        if !self.closed {
            let closing = Group::closing(self.durable).encode(&self.journal.stamp, self.position);
            if let Err(failed) = self.write(&closing, self.position) {
                // Nobody's records: only the error matters, and that the end is tidy before the next try.
                let _ = self.tidy();
                return Err(failed.error);
            }
            self.closed = true;
        }
        let next = Arc::new(begin_journal(&self.shared, self.journal.stamp.number + 1, &self.ends)?);
        // What cannot be reserved is allocated as it is written.
        let _ = next.file.reserve(self.options.journal_bytes);
        self.shared.catalog_mut().journals.push(Arc::clone(&next));
        let full = std::mem::replace(&mut self.journal, next);
        full.index_mut().closed = true;
        self.position = header_bytes(self.shared.meta.partitions) as u64;
        self.durable = self.position;
        self.closed = false;
        self.mark_due = false;
        self.seals.push(full);
        if self.options.sealing == super::Sealing::Inline {
            self.seals.run_once(&self.shared);
        }
        Ok(())
    }
}

/// Makes a journal with nothing in it; afterwards it is safe under its name. What an earlier try left is used again, so
/// that readers who have it open already stay with us.
pub(super) fn begin_journal(shared: &Shared, number: u64, first: &[u64]) -> io::Result<Journal> {
    let path = journal_path(&shared.dir, number);
    let stamp = shared.stamp(number);
    let file = match shared.files.create(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            shared.files.open(&path, Access::Write)?
        }
        Err(error) => return Err(error),
    };
    file.write_at(&encode_header(JOURNAL_MAGIC, &stamp, first), 0)?;
    file.sync_all()?;
    shared.files.sync_dir(&shared.dir)?;
    Ok(Journal::new(stamp, path, file, first.to_vec()))
}

fn unavailable(what: &str, error: io::Error) -> AppendError {
    let action = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: make room, then send it again"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "the folder cannot be written: make it writable, then send it again"
        }
        _ => "check the disk, then send it again",
    };
    AppendError::Unavailable { action: format!("{what}; {action}"), source: Some(Arc::new(error)) }
}
