//! The embedded log: a folder on one machine.
//!
//! ```text
//! meta                what log this is, how many partitions; the file that makes the folder a log
//! lock                held by the one writer
//! segment-0000000001  full journals, split by partition, kept for ever
//! segment-0000000002
//! journal-0000000003  full, being split
//! journal-0000000004  takes appends
//! ```
//!
//! Why one journal: with a file for each partition every sync would be one a partition. Why split it: a reader of one
//! partition then reads its own bytes only, in order.

mod catalog;
mod checksum;
mod commit;
mod follow;
mod following;
mod format;
mod group;
mod journal;
mod meta;
mod queue;
mod reader;
mod recover;
mod sealing;
mod segment;

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use self::catalog::{Catalog, Shared};
use self::commit::Committer;
use self::follow::Follower;
use self::following::Following;
use self::meta::{Meta, lock_path, meta_path};
use self::queue::Queue;
use self::reader::Reader;
use self::recover::unavailable;
use self::sealing::Seals;
use crate::files::{FileLock, Files, LockError, RealFiles, make_folder};
use crate::{
    Append, AppendError, Checkpoint, EventLog, LogId, OpenError, PARTITIONS_MAX, PartitionReader, Position,
    ReadError, Ticket, check_batch,
};

/// How the embedded log works; the defaults are measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A journal of this many bytes is closed and split; at most 1 GiB. While the one before is still being split it may
    /// grow to twice this.
    pub journal_bytes: u64,
    /// A group takes no further batch when it has this many bytes; at most 64 MiB.
    pub group_bytes: usize,
    /// Appends block while this many bytes wait.
    pub queue_bytes: usize,
    /// Who splits full journals.
    pub sealing: Sealing,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            journal_bytes: 256 << 20,
            group_bytes: 8 << 20,
            queue_bytes: 64 << 20,
            sealing: Sealing::Background,
        }
    }
}

/// Who splits full journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// A thread of its own, while the next journal takes appends.
    Background,
    /// The thread that commits, in between: every run does the same in the same order, which tests with seeds need.
    Inline,
}

/// What was found and mended when a log was opened for writing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OpenReport {
    /// Bytes that were being written at a crash, never acknowledged, and are cut off now.
    pub torn_tail: Option<TornTail>,
    /// Files that a crash left over, removed now.
    pub removed: Vec<PathBuf>,
    /// Full journals that were not split yet; that is being done now.
    pub unsealed: usize,
}

/// A journal's end that was written in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The journal.
    pub file: PathBuf,
    /// Where it was cut.
    pub byte: u64,
    /// How many bytes went.
    pub dropped_bytes: u64,
}

/// The event log in a folder on this machine: one process writes, any number read beside it.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    role: Role,
    report: OpenReport,
}

enum Role {
    Writer(Writer),
    Reader(Mutex<Follower>),
}

struct Writer {
    queue: Arc<Queue>,
    seals: Arc<Seals>,
    queue_bytes: usize,
    committing: Option<JoinHandle<()>>,
    sealing: Option<JoinHandle<()>>,
    _lock: Box<dyn FileLock>,
}

impl EmbeddedLog {
    /// Makes an empty log in `dir`, and opens it for writing. The folder is made if it isn't there; it may hold other
    /// files, not another log.
    pub fn create(dir: &Path, partitions: u16) -> Result<EmbeddedLog, OpenError> {
        EmbeddedLog::create_with(RealFiles::shared(), dir, partitions, Options::default())
    }

    /// Opens the log in `dir` for writing, as its only writer. What a crash left half done is mended, and told by
    /// [`EmbeddedLog::report`].
    pub fn open(dir: &Path) -> Result<EmbeddedLog, OpenError> {
        EmbeddedLog::open_with(RealFiles::shared(), dir, Options::default())
    }

    /// Opens the log in `dir` for reading, beside a writer or without one. Changes nothing and needs no write access;
    /// sees what the writer has synced. Appends are refused.
    pub fn open_reader(dir: &Path) -> Result<EmbeddedLog, OpenError> {
        EmbeddedLog::open_reader_with(RealFiles::shared(), dir)
    }

    /// [`EmbeddedLog::create`] with other files and options.
    pub fn create_with(
        files: Arc<dyn Files>,
        dir: &Path,
        partitions: u16,
        options: Options,
    ) -> Result<EmbeddedLog, OpenError> {
        if partitions == 0 || partitions > PARTITIONS_MAX {
            return Err(OpenError::Refused {
                place: dir.into(),
                what: format!("a log has 1 to {PARTITIONS_MAX} partitions, not {partitions}"),
            });
        }
        make_folder(files.as_ref(), dir).map_err(unavailable(dir))?;
        let lock = lock(files.as_ref(), dir)?;
        let names = files.list(dir).map_err(unavailable(dir))?;
        if names.iter().any(|name| name == "meta") {
            return Err(OpenError::Refused {
                place: dir.into(),
                what: "there is an event log here already: open it, or name another folder".into(),
            });
        }
        let meta = Meta { id: random_id(), partitions };
        let shared = Shared::new(Arc::clone(&files), dir.into(), meta, Catalog::default());
        recover::create(files.as_ref(), dir, meta, &shared)?;
        EmbeddedLog::start(files, dir, options, lock)
    }

    /// [`EmbeddedLog::open`] with other files and options.
    pub fn open_with(files: Arc<dyn Files>, dir: &Path, options: Options) -> Result<EmbeddedLog, OpenError> {
        // Before the lock, which would make a file in a folder that is none of ours.
        Meta::read(files.as_ref(), dir)?;
        let lock = lock(files.as_ref(), dir)?;
        EmbeddedLog::start(files, dir, options, lock)
    }

    /// [`EmbeddedLog::open_reader`] with other files.
    pub fn open_reader_with(files: Arc<dyn Files>, dir: &Path) -> Result<EmbeddedLog, OpenError> {
        let meta = Meta::read(files.as_ref(), dir)?;
        let (shared, follower) = follow::open(files, dir, meta)?;
        let role = Role::Reader(Mutex::new(follower));
        Ok(EmbeddedLog { shared: Arc::new(shared), role, report: OpenReport::default() })
    }

    fn start(
        files: Arc<dyn Files>,
        dir: &Path,
        options: Options,
        lock: Box<dyn FileLock>,
    ) -> Result<EmbeddedLog, OpenError> {
        let options = Options {
            journal_bytes: options.journal_bytes.min(1 << 30),
            group_bytes: options.group_bytes.clamp(1, format::GROUP_TARGET_BYTES_MAX),
            ..options
        };
        let meta = Meta::read(files.as_ref(), dir)?;
        let recovered = recover::recover(files, dir, meta)?;
        let shared = Arc::new(recovered.shared);
        let queue = Arc::new(Queue::default());
        let seals = Arc::new(Seals::default());
        recovered.unsealed.into_iter().for_each(|journal| seals.push(journal));
        let journal =
            shared.catalog().journals.last().cloned().ok_or_else(|| OpenError::Refused {
                place: dir.into(),
                what: "the log has no journal".into(),
            })?;
        let committer = Committer::new(
            Arc::clone(&shared),
            Arc::clone(&queue),
            Arc::clone(&seals),
            options,
            journal,
            recovered.position,
        );
        let sealing = match options.sealing {
            Sealing::Background => {
                let (seals, shared) = (Arc::clone(&seals), Arc::clone(&shared));
                Some(spawn(dir, "event-log-seal", move || seals.run(&shared))?)
            }
            Sealing::Inline => {
                seals.run_once(&shared);
                None
            }
        };
        let committing = Some(spawn(dir, "event-log-commit", move || committer.run())?);
        let writer =
            Writer { queue, seals, queue_bytes: options.queue_bytes, committing, sealing, _lock: lock };
        Ok(EmbeddedLog { shared, role: Role::Writer(writer), report: recovered.report })
    }

    /// What was found and mended at opening.
    #[must_use]
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// Blocks until some partition's end is past `seen` (one offset a partition) or until the timeout, and returns the ends
    /// then.
    fn wait(&self, seen: &[u64], timeout: Duration) -> Result<Vec<u64>, ReadError> {
        let past = |ends: &[u64]| ends.iter().zip(seen).any(|(end, seen)| end > seen);
        let deadline = Instant::now() + timeout;
        let mut pause = Duration::from_millis(1);
        loop {
            self.refresh(None)?;
            let ends = self.shared.announced();
            let left = deadline.saturating_duration_since(Instant::now());
            if past(&ends) || left.is_zero() {
                return Ok(ends.clone());
            }
            match &self.role {
                Role::Writer(_) => {
                    let waited = self.shared.changed.wait_timeout_while(ends, left, |ends| !past(ends));
                    return Ok(waited.unwrap_or_else(PoisonError::into_inner).0.clone());
                }
                // Another process writes: look again, less and less often.
                Role::Reader(_) => {
                    drop(ends);
                    thread::sleep(pause.min(left));
                    pause = (2 * pause).min(Duration::from_millis(20));
                }
            }
        }
    }

    /// Lets a handle that only reads look for what the writer has synced. `at`: an error names this position.
    fn refresh(&self, at: Option<(u16, u64)>) -> Result<(), ReadError> {
        let Role::Reader(follower) = &self.role else { return Ok(()) };
        let mut follower = lock_follower(follower);
        follower.refresh(&self.shared)?;
        let Some((file, damage)) = follower.damage() else { return Ok(()) };
        let position = at.map(|(partition, offset)| Position { partition, offset });
        if let Some(Position { partition, offset }) = position
            && offset < self.shared.announced()[usize::from(partition)]
        {
            return Ok(());
        }
        Err(ReadError::Corrupt { position, file, byte: damage.byte, what: damage.what })
    }
}

impl std::fmt::Debug for EmbeddedLog {
    // Never what waits to be written: it is about people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let writes = matches!(self.role, Role::Writer(_));
        f.debug_struct("EmbeddedLog")
            .field("dir", &self.shared.dir)
            .field("writes", &writes)
            .finish_non_exhaustive()
    }
}

impl EventLog for EmbeddedLog {
    fn id(&self) -> LogId {
        self.shared.meta.id
    }

    fn partitions(&self) -> u16 {
        self.shared.meta.partitions
    }

    fn append_async(&self, batch: &[Append<'_>]) -> Result<Ticket, AppendError> {
        check_batch(batch, self.partitions())?;
        match &self.role {
            Role::Writer(writer) => writer.queue.push(batch, writer.queue_bytes),
            Role::Reader(_) => Err(AppendError::Refused(format!(
                "the log in {} is open for reading only: open it for writing",
                self.shared.dir.display()
            ))),
        }
    }

    fn ends(&self) -> Result<Vec<u64>, ReadError> {
        self.refresh(None)?;
        Ok(self.shared.announced().clone())
    }

    fn reader(&self, partition: u16, from: u64) -> Result<Box<dyn PartitionReader + '_>, ReadError> {
        if partition >= self.partitions() {
            return Err(ReadError::Refused(format!(
                "the log has partitions 0 to {}, not {partition}",
                self.partitions() - 1
            )));
        }
        let end = || self.shared.announced()[usize::from(partition)];
        if from > end() {
            self.refresh(Some((partition, from)))?;
        }
        if from > end() {
            return Err(ReadError::OutOfRange { partition, offset: from, end: end() });
        }
        Ok(Box::new(Reader::new(self, partition, from)))
    }

    fn follow(&self, from: &[(u16, Checkpoint)]) -> Result<Box<dyn crate::Follower + '_>, ReadError> {
        Ok(Box::new(Following::new(self, from)?))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // What was handed over is still made durable; a journal that is being split is finished or left for later.
        self.queue.close();
        join(self.committing.take());
        // After the commits, which may need a journal split before they can begin the next.
        self.seals.close();
        join(self.sealing.take());
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if thread.is_some_and(|thread| thread.join().is_err()) {
        tracing::error!("a thread of the event log panicked");
    }
}

fn lock_follower(follower: &Mutex<Follower>) -> MutexGuard<'_, Follower> {
    follower.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock(files: &dyn Files, dir: &Path) -> Result<Box<dyn FileLock>, OpenError> {
    let path = lock_path(dir);
    match files.try_lock(&path) {
        Ok(lock) => Ok(lock),
        Err(LockError::Held(pid)) => Err(OpenError::Locked { path, pid }),
        Err(LockError::Io(source)) => Err(OpenError::Unavailable { place: path.into(), source }),
    }
}

fn spawn(dir: &Path, name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    thread::Builder::new().name(name.into()).spawn(run).map_err(unavailable(&meta_path(dir)))
}

/// Sixteen bytes from the standard library's source of hash seeds: enough to tell two logs apart, no secret.
fn random_id() -> LogId {
    let mut id = [0; 16];
    for (half, bytes) in id.chunks_exact_mut(8).enumerate() {
        bytes.copy_from_slice(&RandomState::new().hash_one((half, std::process::id())).to_le_bytes());
    }
    LogId(id)
}
