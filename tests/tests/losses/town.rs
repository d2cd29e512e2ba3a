//! A city's events in a topic of its own, and projectors that read it.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use contract::EventView;
use event_log::{Append, EventLog, files::RealFiles};
use kafka_harness::Cluster;
use kafka_log::{Address, KafkaLog, Plan, Roles, Settings, Topics};
use projector::{Digests, Manifest, Options, Projector, Reader, StoreError};
use simulator::{Config, records};
use tempfile::TempDir;
use vertebra_tests::{
    bench::Bench,
    engine::{self, Log},
    kafka,
};

pub(crate) use vertebra_tests::kafka::PARTITIONS;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const BATCH: usize = 200;

pub(crate) static BENCH: LazyLock<Bench> = LazyLock::new(Bench::new);

/// The events of a city of so many people, by partition.
pub(crate) fn events(seed: u64, people: u64, partitions: u16) -> Log {
    let (city, _) = BENCH.city(Config::new(seed, people));
    records(&city, &BENCH.key, partitions)
}

/// Of each partition the records before its middle, and those from there on.
pub(crate) fn halves(log: &Log) -> (Log, Log) {
    log.iter()
        .map(|records| {
            let (before, after) = records.split_at(records.len() / 2);
            (before.to_vec(), after.to_vec())
        })
        .unzip()
}

/// What a plain fold makes of a log.
pub(crate) fn oracle(log: &Log) -> Digests {
    engine::fold(log, &BENCH.bundle).digests()
}

pub(crate) fn count(log: &Log) -> u64 {
    log.iter().map(|records| records.len() as u64).sum()
}

/// The topics of one test.
pub(crate) struct Town {
    pub(crate) address: Address,
    folder: TempDir,
}

impl Town {
    pub(crate) fn new(cluster: &Cluster, name: &str, partitions: u16, replicas: u16) -> Town {
        let town = Town::at(cluster, name);
        town.make_topics(partitions, replicas);
        town
    }

    /// One whose topics are still to be made.
    pub(crate) fn at(cluster: &Cluster, name: &str) -> Town {
        let address = format!("kafka://{}/{name}", cluster.bootstrap()).parse().unwrap();
        Town { address, folder: TempDir::new().unwrap() }
    }

    /// One without a cluster: folders only.
    pub(crate) fn nowhere() -> Town {
        Town { address: "kafka://nowhere.invalid:1".parse().unwrap(), folder: TempDir::new().unwrap() }
    }

    pub(crate) fn make_topics(&self, partitions: u16, replicas: u16) {
        let plan = Plan { partitions, replicas, roles: Roles::default() };
        Topics::new(&self.address, &Settings::default()).unwrap().apply(&plan).unwrap();
    }

    pub(crate) fn topic(&self) -> String {
        self.address.events()
    }

    pub(crate) fn log(&self) -> KafkaLog {
        open(&self.address)
    }

    /// A folder to project into.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn follow(&self, name: &str) -> Following {
        Following::start(self.address.clone(), self.folder(name))
    }
}

fn open(address: &Address) -> KafkaLog {
    kafka::open(address, &Settings::default())
}

/// Appends records to their partitions, a batch of one after a batch of the other.
pub(crate) fn write(log: &dyn EventLog, records: &Log) {
    let key = |bytes: &[u8]| EventView::parse(bytes).unwrap().subject.0;
    let longest = records.iter().map(Vec::len).max().unwrap_or(0);
    for from in (0..longest).step_by(BATCH) {
        for (partition, records) in (0..).zip(records) {
            let part = &records[from.min(records.len())..(from + BATCH).min(records.len())];
            let keys: Vec<[u8; 16]> = part.iter().map(|bytes| key(bytes)).collect();
            let batch: Vec<Append<'_>> =
                part.iter().zip(&keys).map(|(bytes, key)| Append { partition, key, bytes }).collect();
            log.append(&batch).unwrap();
        }
    }
}

/// As the product runs it, with snapshots at once.
pub(crate) fn options() -> Options {
    Options {
        workers: 2,
        commit_every: Duration::from_millis(50),
        snapshot_every: Duration::from_millis(50),
        ask_again_after: Duration::from_millis(500),
        ..Options::default()
    }
}

/// What a projector came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) digests: Digests,
    pub(crate) manifest: Manifest,
    /// How its following ended, where it followed.
    pub(crate) followed: Result<(), StoreError>,
}

impl Ended {
    /// The partitions that stand still, and why.
    pub(crate) fn stopped(&self) -> Vec<(u16, &str)> {
        let states = (0..).zip(&self.manifest.partitions);
        states.filter_map(|(number, state)| Some((number, state.stopped.as_deref()?))).collect()
    }

    /// Nothing stands still, and the figures are those of `log`, all of it.
    #[track_caller]
    pub(crate) fn is_of(&self, log: &Log) {
        assert_eq!(self.stopped(), []);
        let ends: Vec<u64> = log.iter().map(|records| records.len() as u64).collect();
        assert_eq!(self.manifest.positions(), ends);
        assert_eq!(self.digests, oracle(log), "other figures than a plain fold of the same events gives");
    }
}

/// Reads a log to its end.
pub(crate) fn project(log: &dyn EventLog, root: &Path) -> Ended {
    let opened = Projector::open(root, RealFiles::shared(), log, &BENCH.bundle, options());
    let mut projector = opened.unwrap().0;
    projector.catch_up(&|_| {}).unwrap();
    Ended { digests: projector.digests(), manifest: projector.manifest(), followed: Ok(()) }
}

/// Follows a log from nothing, until so many records are counted.
pub(crate) fn project_following(log: &dyn EventLog, root: &Path, records: u64) -> Ended {
    let opened = Projector::open(root, RealFiles::shared(), log, &BENCH.bundle, options());
    let (mut projector, shutdown, mut counted) = (opened.unwrap().0, AtomicBool::new(false), 0);
    let followed = projector.follow(&shutdown, &mut |commit| {
        counted += commit.events;
        shutdown.store(counted >= records, Ordering::SeqCst);
    });
    Ended { digests: projector.digests(), manifest: projector.manifest(), followed }
}

/// The last snapshot.
pub(crate) fn snapshot(root: &Path) -> Reader {
    Reader::open(root, RealFiles::shared()).unwrap()
}

/// A projector that follows a topic, on a thread of its own.
pub(crate) struct Following {
    root: PathBuf,
    shutdown: Arc<AtomicBool>,
    counted: Arc<AtomicU64>,
    thread: JoinHandle<Ended>,
}

impl Following {
    fn start(address: Address, root: PathBuf) -> Following {
        let (shutdown, counted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let follow = {
            let (root, shutdown, counted) = (root.clone(), Arc::clone(&shutdown), Arc::clone(&counted));
            move || {
                let log = open(&address);
                let opened = Projector::open(&root, RealFiles::shared(), &log, &BENCH.bundle, options());
                let mut projector = opened.unwrap().0;
                projector.catch_up(&|_| {}).unwrap();
                counted.store(projector.positions().iter().sum(), Ordering::SeqCst);
                let followed = projector.follow(&shutdown, &mut |commit| {
                    counted.fetch_add(commit.events, Ordering::SeqCst);
                });
                Ended { digests: projector.digests(), manifest: projector.manifest(), followed }
            }
        };
        let thread = std::thread::spawn(follow);
        Following { root, shutdown, counted, thread }
    }

    /// Waits until it stands on so many records.
    #[track_caller]
    pub(crate) fn wait_for(&self, records: u64) {
        self.wait_until(&format!("{records} records"), |following| {
            following.counted.load(Ordering::SeqCst) >= records
        });
        assert_eq!(self.counted.load(Ordering::SeqCst), records, "more was counted than there is");
    }

    /// Waits until questions are answered that one of its partitions stands still.
    #[track_caller]
    pub(crate) fn wait_for_stop(&self, partition: u16) -> String {
        let why = || {
            let manifest = Reader::open(&self.root, RealFiles::shared()).ok()?.manifest().clone();
            let why = manifest.partitions[usize::from(partition)].stopped.clone();
            // Brokers that do not answer are asked again.
            why.filter(|why| !why.starts_with("cannot read"))
        };
        self.wait_until(&format!("partition {partition} to stand still"), |_| why().is_some());
        why().unwrap()
    }

    #[track_caller]
    fn wait_until(&self, what: &str, holds: impl Fn(&Following) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < until, "waited {PATIENCE:?} in vain for {what}");
            assert!(!self.thread.is_finished(), "it ended before {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Tells it to end.
    pub(crate) fn end(self) -> Ended {
        self.shutdown.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub(crate) fn ends_by_itself(self) -> Ended {
        let until = Instant::now() + PATIENCE;
        while !self.thread.is_finished() {
            assert!(Instant::now() < until, "it follows on");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.thread.join().unwrap()
    }
}
