//! Planted bugs of a log: the books notice each of them. No brokers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use event_log::{
    Append, AppendError, Checkpoint, EmbeddedLog, EventLog, Follower, LogId, PartitionReader, ReadError,
    Ticket,
};
use vertebra_tests::kafka::{Logs, PARTITIONS, flow, shared};

/// What is wrong with a log, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    /// A record is acknowledged and not stored.
    Loses,
    /// A record is stored twice, and nobody was told that it might be.
    StoresTwice,
    /// "Unavailable" is said of what is stored.
    DeniesWhatItStored,
    /// Two offsets of one partition are told the other way round.
    SwapsOffsets,
}

/// A log with a bug in the batch of this number.
struct Broken {
    log: EmbeddedLog,
    bug: Bug,
    batches: AtomicU64,
}

const BATCH: u64 = 40;

impl EventLog for Broken {
    fn id(&self) -> LogId {
        self.log.id()
    }

    fn partitions(&self) -> u16 {
        self.log.partitions()
    }

    fn append_async(&self, batch: &[Append<'_>]) -> Result<Ticket, AppendError> {
        let now = self.batches.fetch_add(1, Ordering::Relaxed) == BATCH;
        if !now {
            return self.log.append_async(batch);
        }
        let mut offsets = self.log.append(match self.bug {
            Bug::Loses => &batch[1..],
            _ => batch,
        })?;
        match self.bug {
            Bug::None => {}
            Bug::Loses => offsets.insert(0, self.log.ends().unwrap()[usize::from(batch[0].partition)] - 1),
            Bug::StoresTwice => drop(self.log.append(&batch[..1])?),
            Bug::DeniesWhatItStored => {
                return Err(AppendError::Unavailable { action: "send it again".to_owned(), source: None });
            }
            Bug::SwapsOffsets => {
                let second = (1..batch.len()).find(|at| batch[*at].partition == batch[0].partition);
                offsets.swap(0, second.expect("a batch has several records of a partition"));
            }
        }
        let (completer, ticket) = Ticket::pair();
        completer.complete(Ok(offsets));
        Ok(ticket)
    }

    fn ends(&self) -> Result<Vec<u64>, ReadError> {
        self.log.ends()
    }

    fn reader(&self, partition: u16, from: u64) -> Result<Box<dyn PartitionReader + '_>, ReadError> {
        self.log.reader(partition, from)
    }

    fn follow(&self, from: &[(u16, Checkpoint)]) -> Result<Box<dyn Follower + '_>, ReadError> {
        self.log.follow(from)
    }
}

/// Whether the books of a log with this bug balance.
fn balances(bug: Bug) -> bool {
    let (bench, story) = shared();
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::create(&folder.path().join("log"), PARTITIONS).unwrap();
    let log = Broken { log, bug, batches: AtomicU64::new(0) };
    let logs = Logs { written: &log, followed: &log, checked: &log };
    let ends = || log.ends().unwrap();
    let flowed = || flow(logs, &ends, (story, &bench.bundle), |flow| flow.wait_for_more(500));
    catch_unwind(AssertUnwindSafe(flowed)).is_ok()
}

#[test]
fn the_books_of_a_log_with_a_bug_do_not_balance() {
    // Each on a thread of its own: they mostly wait.
    let bugs = [Bug::None, Bug::Loses, Bug::StoresTwice, Bug::DeniesWhatItStored, Bug::SwapsOffsets];
    thread::scope(|scope| {
        let all = bugs.map(|bug| (bug, scope.spawn(move || balances(bug))));
        for (bug, balanced) in all {
            assert_eq!(balanced.join().unwrap(), bug == Bug::None, "{bug:?}");
        }
    });
}
