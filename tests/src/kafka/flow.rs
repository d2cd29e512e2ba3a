//! Sending and following while something breaks.

use std::{
    collections::VecDeque,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use event_log::{AppendError, EventLog, Ticket, files::RealFiles};
use kafka_log::{Address, Settings};
use policy::Bundle;
use projector::{Digests, Manifest, Options, Projector};

use super::{
    Deployment, PATIENCE, Story, appends,
    books::{Outcome, check},
    open,
};

/// How often the writer sends while something breaks.
const PACE: Duration = Duration::from_millis(25);
/// So many batches are under way together.
const UNDER_WAY: usize = 4;

/// Events on their way, while something breaks.
pub struct Flow<'a> {
    story: &'a Story,
    /// How many events have an offset.
    acknowledged: AtomicU64,
    /// How many events are in committed figures.
    followed: AtomicU64,
    /// Nothing breaks any more: the rest is sent as fast as it goes.
    hurry: AtomicBool,
    /// Whoever waits stops.
    over: AtomicBool,
}

/// What became of what was sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// Where each event was said to stand.
    pub(super) placed: Vec<u64>,
    /// Which events were once in a batch that was answered "unknown": only these may stand in the log twice.
    pub(super) doubtful: Vec<bool>,
    /// How many batches were answered "unavailable": nothing of them is stored.
    pub unavailable: u64,
    /// How many batches were answered "unknown".
    pub unknown: u64,
    /// The longest that a batch waited for its answer.
    pub longest: Duration,
}

impl Flow<'_> {
    /// How many events have an offset.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Waits until so many more events have an offset: the flow is alive.
    ///
    /// # Panics
    /// If it is not for [`PATIENCE`].
    pub fn wait_for_more(&self, more: u64) {
        let until = (self.acknowledged() + more).min(self.story.events.len() as u64);
        self.wait("events to be acknowledged", || self.acknowledged() >= until);
    }

    /// Waits until the figures have all that was acknowledged before.
    ///
    /// # Panics
    /// If they have not for [`PATIENCE`].
    pub fn wait_until_followed(&self) {
        let until = self.acknowledged();
        self.wait("figures to have what was acknowledged", || self.followed.load(Ordering::Acquire) >= until);
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(!self.over.load(Ordering::Acquire), "the flow ended while a test waited for {what}");
            assert!(Instant::now() < deadline, "waited for {what} for {PATIENCE:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends everything; what is not known to be stored, again and again.
    fn write(&self, log: &dyn EventLog) -> Sent {
        let events = &self.story.events;
        let (placed, doubtful) = (vec![u64::MAX; events.len()], vec![false; events.len()]);
        let mut sent = Sent { placed, doubtful, ..Sent::default() };
        let mut next = 0;
        let mut under_way: VecDeque<(usize, usize, Instant, Result<Ticket, AppendError>)> = VecDeque::new();
        let deadline = Instant::now() + 2 * PATIENCE;
        let send = |from: usize, until: usize| {
            (from, until, Instant::now(), log.append_async(&appends(&events[from..until])))
        };
        loop {
            let hurry = self.hurry.load(Ordering::Acquire);
            if next < events.len() && under_way.len() < UNDER_WAY {
                let left = events.len() - next;
                // There is always something left to send, however long it takes until nothing breaks any more.
                let count = if hurry { 500 } else { left / 400 + 1 };
                let until = next + count.min(left);
                under_way.push_back(send(next, until));
                next = until;
                if !hurry {
                    thread::sleep(PACE);
                    continue;
                }
            }
            let Some((from, until, since, ticket)) = under_way.pop_front() else { return sent };
            let answer = ticket.and_then(Ticket::wait);
            sent.longest = sent.longest.max(since.elapsed());
            match answer {
                Ok(offsets) => {
                    assert_eq!(offsets.len(), until - from, "one offset a record");
                    sent.placed[from..until].copy_from_slice(&offsets);
                    self.acknowledged.fetch_add((until - from) as u64, Ordering::AcqRel);
                    continue;
                }
                Err(AppendError::Unavailable { .. }) => sent.unavailable += 1,
                Err(AppendError::Unknown { .. }) => {
                    sent.unknown += 1;
                    sent.doubtful[from..until].fill(true);
                }
                Err(error) => panic!("an event of the simulator: {error}"),
            }
            assert!(Instant::now() < deadline, "the log takes no events for so long");
            assert!(!self.over.load(Ordering::Acquire), "the test ended");
            thread::sleep(Duration::from_millis(50));
            under_way.push_back(send(from, until));
        }
    }

    /// Follows until it is over.
    fn follow(&self, log: &dyn EventLog, bundle: &Bundle, root: &Path) -> (Digests, Manifest) {
        let options = Options { ask_again_after: Duration::from_secs(1), ..Options::default() };
        let (mut projector, _) = Projector::open(root, RealFiles::shared(), log, bundle, options)
            .expect("a projector in an empty folder");
        projector
            .follow(&self.over, &mut |commit| {
                self.followed.fetch_add(commit.events, Ordering::AcqRel);
            })
            .expect("to follow through whatever passes");
        (projector.digests(), projector.manifest())
    }
}

/// Ends the threads of a flow when the test panics.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Sends the events of `story` through `address` and follows them there, while `fault` breaks and mends something; then waits
/// until all is stored and followed, and checks the books.
///
/// # Panics
/// When anything was lost, counted twice or told wrongly.
pub fn flow_through(
    deployment: &Deployment<'_>,
    (address, settings): (&Address, &Settings),
    (story, bundle): (&Story, &Bundle),
    fault: impl FnOnce(&Flow<'_>),
) -> Outcome {
    let (written, followed) = (open(address, settings), open(address, settings));
    let logs = Logs { written: &written, followed: &followed, checked: &deployment.open() };
    let ends = || {
        let ends = deployment.cluster.end_offsets(&deployment.topic()).expect("the brokers answer");
        ends.into_iter().map(|end| end as u64).collect()
    };
    flow(logs, &ends, (story, bundle), fault)
}

/// One log, by everybody's own way to it.
pub struct Logs<'a> {
    /// What the writer appends to.
    pub written: &'a dyn EventLog,
    /// What figures follow.
    pub followed: &'a dyn EventLog,
    /// What the books are checked by.
    pub checked: &'a dyn EventLog,
}

/// The same, over any log; `ends` are those of its partitions by another way than the log's.
///
/// # Panics
/// As [`flow_through`].
pub fn flow(
    logs: Logs<'_>,
    ends: &dyn Fn() -> Vec<u64>,
    (story, bundle): (&Story, &Bundle),
    fault: impl FnOnce(&Flow<'_>),
) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let derived = folder.path().join("derived");
    let flow = Flow {
        story,
        acknowledged: AtomicU64::new(0),
        followed: AtomicU64::new(0),
        hurry: AtomicBool::new(false),
        over: AtomicBool::new(false),
    };
    let (sent, digests, manifest) = thread::scope(|scope| {
        let ending = Ending(&flow.over);
        let writer = scope.spawn(|| {
            let _ending = PanicEnds(&flow.over);
            flow.write(logs.written)
        });
        let follower = scope.spawn(|| {
            let _ending = PanicEnds(&flow.over);
            flow.follow(logs.followed, bundle, &derived)
        });
        flow.wait_for_more(story.events.len() as u64 / 50);
        flow.wait_until_followed();
        fault(&flow);
        flow.hurry.store(true, Ordering::Release);
        let sent = writer.join().expect("the writer");
        let end = ends().iter().sum();
        flow.wait("figures to have all that the brokers hold", || {
            flow.followed.load(Ordering::Acquire) >= end
        });
        drop(ending);
        let (digests, manifest) = follower.join().expect("the follower");
        (sent, digests, manifest)
    });
    check((logs.checked, ends()), (story, bundle), sent, (&digests, &manifest), &derived)
}

/// Ends the flow where a thread of it panics.
struct PanicEnds<'a>(&'a AtomicBool);

impl Drop for PanicEnds<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Release);
        }
    }
}
