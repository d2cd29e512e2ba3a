//! The committing thread: makes a group of what waits, writes it, syncs once, and tells the callers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::catalog::Shared;
use super::format::{Group, JOURNAL_MAGIC, encode_header, header_bytes};
use super::group::Arrangement;
use super::journal::Journal;
use super::meta::journal_path;
use super::queue::{CloseOnExit, Pending, Queue};
use super::sealing::Seals;
use super::{Options, Sealing};
use crate::AppendError;
use crate::files::Access;

/// How long until what failed for want of space is tried again.
const RETRY: Duration = Duration::from_millis(200);

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
    group: Arrangement,
}

/// A write that did not become durable.
struct WriteFailed {
    error: io::Error,
    /// All bytes may be there.
    may_be_whole: bool,
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
            group: Arrangement::default(),
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
                Ok(offsets) => {
                    for (batch, offsets) in batches.drain(..).zip(offsets) {
                        queue.recycle(batch).complete(Ok(offsets));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a group of appends failed");
                    batches.drain(..).for_each(|batch| queue.recycle(batch).complete(Err(error.clone())));
                }
            }
        }
    }

    /// Makes a group of batches durable and gives the offsets of each.
    fn commit(&mut self, batches: &[Pending]) -> Result<Vec<Vec<u64>>, AppendError> {
        if self.untidy {
            self.tidy().map_err(|error| unavailable("an earlier write could not be taken back", error))?;
        }
        let offsets = self.group.arrange(batches, &self.ends);
        if self.must_rotate(self.group.bytes as u64) {
            self.rotate().map_err(|error| unavailable("cannot begin a new journal", error))?;
        }
        let (start, file) = (self.position, self.journal.file.as_ref());
        let written = self.group.write(batches, file, &self.journal.stamp, start, self.durable);
        if let Err(failed) = self.sync(written) {
            return Err(self.take_back(failed));
        }
        self.position = start + self.group.bytes as u64;
        self.durable = self.position;
        self.mark_due = true;
        for (partition, run) in &mut self.group.runs {
            run.at += start as u32;
            self.ends[usize::from(*partition)] = run.next();
        }
        if self.queue.is_empty() {
            // Nothing follows at once to say that this group is durable.
            self.mark();
        }
        self.journal.publish(&self.group.runs);
        self.shared.announce(&self.ends);
        Ok(offsets)
    }

    /// Syncs what was written at the journal's end.
    fn sync(&self, written: io::Result<()>) -> Result<(), WriteFailed> {
        // Bytes that were not all written are no whole group, and are cut off whenever the log is opened.
        written.map_err(|error| WriteFailed { error, may_be_whole: false })?;
        self.journal.file.sync_data().map_err(|error| WriteFailed { error, may_be_whole: true })
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
        if self.options.sealing == Sealing::Inline {
            self.seals.run_once(&self.shared);
        }
        self.seals.wait_idle().map_err(|error| io::Error::new(error.kind(), error))?;
        if !self.closed {
            let closing = Group::closing(self.durable).encode(&self.journal.stamp, self.position);
            let written = self.journal.file.write_at(&closing, self.position);
            if let Err(failed) = self.sync(written) {
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
        if self.options.sealing == Sealing::Inline {
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
