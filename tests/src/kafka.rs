//! Events that flow into topics of real brokers while something breaks, and the books that are checked when it is quiet.
//!
//! ```text
//!  a city's events ──▶ writer ──▶ topic ──▶ follower ──▶ figures ──┐
//!                                   │                               ├── the same, to the byte
//!  the same events ──▶ embedded log ┼────────────────▶ figures ──┘
//!                                   └──▶ every offset that was told, the brokers' ends, the census
//! ```

use std::{
    collections::{HashMap, VecDeque},
    fs,
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use contract::EventView;
use event_log::{Append, AppendError, EmbeddedLog, EventLog, Ticket, files::RealFiles, partition_of};
use kafka_harness::Cluster;
use kafka_log::{Address, Contents, KafkaLog, Plan, Roles, Settings, Topics};
use policy::Bundle;
use projector::{Digests, Manifest, Options, Projector, Reader};
use simulator::{Config, records};

use crate::bench::Bench;

/// Into how many partitions the events are cut.
pub const PARTITIONS: u16 = 4;
/// Nothing that works takes as long: elections, restarts and resends included.
pub const PATIENCE: Duration = Duration::from_secs(150);
/// How often the writer sends while something breaks.
const PACE: Duration = Duration::from_millis(25);
/// So many batches are under way together.
const UNDER_WAY: usize = 4;

/// Partition, subject and bytes.
pub type Event = (u16, [u8; 16], Vec<u8>);

/// Events, in the order in which they were recorded, and what they come to.
pub struct Story {
    /// The events.
    pub events: Vec<Event>,
    /// The figures, by an embedded log.
    pub digests: Digests,
    /// How many of the events are different ones.
    pub distinct: u64,
}

impl Story {
    /// The events of a city.
    ///
    /// # Panics
    /// When the embedded log or the projector fails.
    #[must_use]
    pub fn of(bench: &Bench, config: Config) -> Story {
        let (city, _) = bench.city(config);
        let mut events: Vec<_> = records(&city, &bench.key, PARTITIONS)
            .into_iter()
            .flatten()
            .map(|bytes| {
                let event = EventView::parse(&bytes).expect("the simulator writes events");
                let (subject, recorded) = (event.subject, event.recorded_at);
                (recorded, partition_of(&subject, PARTITIONS), subject.0, bytes)
            })
            .collect();
        // Stable: what was recorded together keeps its order in a partition.
        events.sort_by_key(|(recorded, ..)| *recorded);
        let events: Vec<_> =
            events.into_iter().map(|(_, partition, key, bytes)| (partition, key, bytes)).collect();

        let folder = tempfile::tempdir().expect("a folder");
        let log = EmbeddedLog::create(&folder.path().join("log"), PARTITIONS).expect("a log");
        append_all(&log, &events);
        let (digests, manifest) = build(&log, &bench.bundle, &folder.path().join("derived"));
        Story { events, digests, distinct: distinct(&manifest) }
    }
}

/// Appends events where nothing breaks.
///
/// # Panics
/// When the log does not take them.
pub fn append_all(log: &dyn EventLog, events: &[Event]) {
    for batch in events.chunks(1000) {
        log.append(&appends(batch)).expect("an append");
    }
}

fn appends(events: &[Event]) -> Vec<Append<'_>> {
    events.iter().map(|(partition, key, bytes)| Append { partition: *partition, key, bytes }).collect()
}

fn distinct(manifest: &Manifest) -> u64 {
    manifest.partitions.iter().map(|partition| partition.facts - partition.copies).sum()
}

/// The figures of a log, read from its beginning to its end into an empty folder.
///
/// # Panics
/// When they cannot be.
pub fn build(log: &dyn EventLog, bundle: &Bundle, root: &Path) -> (Digests, Manifest) {
    let (mut projector, _) = Projector::open(root, RealFiles::shared(), log, bundle, Options::default())
        .expect("a projector in an empty folder");
    projector.catch_up(&|_| {}).expect("a log that can be read");
    (projector.digests(), projector.manifest())
}

/// Settings of the C client, as an operator writes them.
///
/// # Panics
/// When they are none.
#[must_use]
pub fn settings(text: &str) -> Settings {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), text).expect("written");
    Settings::read(file.path()).expect("settings")
}

/// The topics of one deployment, made by `vertebra topics apply`'s own code.
pub struct Deployment<'a> {
    /// The brokers.
    pub cluster: &'a Cluster,
    /// The part of the topics' names that is its own.
    pub prefix: String,
}

impl<'a> Deployment<'a> {
    /// Makes its topics, with as many replicas as there are brokers.
    ///
    /// # Panics
    /// When the cluster does not make them.
    #[must_use]
    pub fn make(cluster: &'a Cluster, prefix: &str, partitions: u16) -> Deployment<'a> {
        let deployment = Deployment { cluster, prefix: prefix.to_owned() };
        let replicas = cluster.nodes().len() as u16;
        let plan = Plan { partitions, replicas, roles: Roles::default() };
        let topics = Topics::new(&deployment.direct(), &Settings::default()).expect("a client");
        topics.apply(&plan).expect("topics");
        assert_eq!(
            topics.check(&plan).expect("an answer"),
            [],
            "topics that were just made are as they must be"
        );
        deployment
    }

    /// Its address.
    #[must_use]
    pub fn direct(&self) -> Address {
        Address { brokers: self.cluster.bootstrap(), prefix: self.prefix.clone() }
    }

    /// Its address through the proxies.
    #[must_use]
    pub fn proxied(&self) -> Address {
        Address { brokers: self.cluster.proxied_bootstrap(), prefix: self.prefix.clone() }
    }

    /// The topic of its events.
    #[must_use]
    pub fn topic(&self) -> String {
        self.direct().events()
    }

    /// Its log of events, straight at the brokers.
    ///
    /// # Panics
    /// When they do not answer.
    #[must_use]
    pub fn open(&self) -> KafkaLog {
        open(&self.direct(), &Settings::default())
    }
}

/// The log of events at an address.
///
/// # Panics
/// When it cannot be opened.
#[must_use]
pub fn open(address: &Address, settings: &Settings) -> KafkaLog {
    KafkaLog::open(address, settings, &address.events(), Contents::Events)
        .expect("brokers that answer")
        .expect("a topic")
}

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
    placed: Vec<u64>,
    /// Which events were once in a batch that was answered "unknown": only these may stand in the log twice.
    doubtful: Vec<bool>,
    /// How many batches were answered "unavailable": nothing of them is stored.
    pub unavailable: u64,
    /// How many batches were answered "unknown".
    pub unknown: u64,
    /// The longest that a batch waited for its answer.
    pub longest: Duration,
}

/// What the checks found, for a test to print and to hold to more.
#[derive(Debug)]
pub struct Outcome {
    /// What became of what was sent.
    pub sent: Sent,
    /// Records in the log that hold an event again.
    pub copies: u64,
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

/// Everything the log holds, by partition, by offsets that follow each other from 0.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn read_all(log: &dyn EventLog) -> Vec<Vec<Vec<u8>>> {
    let all = 0..log.partitions();
    all.map(|partition| {
        let mut records: Vec<Vec<u8>> = Vec::new();
        let mut reader = log.reader(partition, 0).expect("a reader");
        while let Some(batch) = reader.next_batch(1 << 20).expect("sound records") {
            for record in batch {
                assert_eq!(record.offset, records.len() as u64, "offsets are dense");
                assert!(record.flaw.is_none(), "a flaw in what we wrote: {:?}", record.flaw);
                records.push(record.bytes.to_vec());
            }
        }
        records
    })
    .collect()
}

/// The books, when it is quiet.
fn check(
    (log, brokers_ends): (&dyn EventLog, Vec<u64>),
    (story, bundle): (&Story, &Bundle),
    sent: Sent,
    (digests, manifest): (&Digests, &Manifest),
    derived: &Path,
) -> Outcome {
    let stopped: Vec<_> = manifest.partitions.iter().filter_map(|state| state.stopped.as_ref()).collect();
    assert!(stopped.is_empty(), "every partition goes on: {stopped:?}");

    // What was told to be stored is stored, there.
    let held = read_all(log);
    let ends: Vec<u64> = held.iter().map(|records| records.len() as u64).collect();
    assert_eq!(ends, brokers_ends, "what is read is what the brokers say there is");
    for ((partition, _, bytes), at) in story.events.iter().zip(&sent.placed) {
        let found = held[usize::from(*partition)].get(*at as usize);
        assert!(found == Some(bytes), "partition {partition} holds another record at {at} than it was told");
    }
    // Nothing that was not sent, and copies only of what was in doubt. What hospitals send twice is twice among the events.
    let mut books: HashMap<&[u8], (u64, bool, u64)> = HashMap::new();
    for ((_, _, bytes), doubtful) in story.events.iter().zip(&sent.doubtful) {
        let (sent, may_be_copied, _) = books.entry(bytes).or_default();
        *sent += 1;
        *may_be_copied |= doubtful;
    }
    for bytes in held.iter().flatten() {
        let (_, _, stored) = books.get_mut(&bytes[..]).expect("the log holds only what was sent");
        *stored += 1;
    }
    let mut copies = 0;
    for (sent, may_be_copied, stored) in books.values() {
        assert!(stored >= sent, "an event was lost");
        assert!(
            stored == sent || *may_be_copied,
            "an event stands {stored} times in the log, and was sent {sent} times"
        );
        copies += stored - sent;
    }
    if sent.unavailable + sent.unknown == 0 {
        let mut ordered = vec![Vec::new(); held.len()];
        story
            .events
            .iter()
            .for_each(|(partition, _, bytes)| ordered[usize::from(*partition)].push(bytes.clone()));
        assert!(held == ordered, "the log is what was sent, in its order");
    }

    // Figures: those that followed, and those of the log read from its beginning.
    assert_eq!(manifest.positions(), ends);
    assert_eq!(digests, &story.digests, "figures that followed");
    assert_eq!(distinct(manifest), story.distinct, "each event counts once");
    let folder = tempfile::tempdir().expect("a folder");
    let (built, _) = build(log, bundle, folder.path());
    assert_eq!(built, story.digests, "figures built from the log");

    let stored = Reader::open(derived, RealFiles::shared()).expect("a snapshot");
    let census = audit::census(log, Some(&stored)).expect("a census");
    assert!(census.is_clean(), "{:?}", census.findings);
    let counted: Vec<u64> = census.partitions.iter().map(|partition| partition.end).collect();
    assert_eq!(counted, brokers_ends, "the census agrees with the brokers");
    let events: u64 = census.partitions.iter().map(|partition| partition.events).sum();
    assert_eq!(events, story.distinct, "and counts each event once");
    Outcome { sent, copies }
}

/// What all tests of a program project: an adversarial city's events, and the bundle.
///
/// # Panics
/// When the bundle is broken.
pub fn shared() -> &'static (Bench, Story) {
    static SHARED: OnceLock<(Bench, Story)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let bench = Bench::new();
        let story = Story::of(&bench, Config::adversarial(7, 400));
        (bench, story)
    })
}
