//! Events that flow into topics of real brokers while something breaks, and the books that are checked when it is quiet.
//!
//! ```text
//!  a city's events ──▶ writer ──▶ topic ──▶ follower ──▶ figures ──┐
//!                                   │                               ├── the same, to the byte
//!  the same events ──▶ embedded log ┼────────────────▶ figures ──┘
//!                                   └──▶ every offset that was told, the brokers' ends, the census
//! ```

mod books;
mod flow;

use std::{fs, path::Path, sync::OnceLock, time::Duration};

use contract::EventView;
use event_log::{Append, EmbeddedLog, EventLog, files::RealFiles, partition_of};
use kafka_harness::Cluster;
use kafka_log::{Address, Contents, KafkaLog, Plan, Roles, Settings, Topics};
use policy::Bundle;
use projector::{Digests, Manifest, Options, Projector};
use simulator::{Config, records};

pub use self::{
    books::{Outcome, read_all},
    flow::{Flow, Logs, Sent, flow, flow_through},
};
use crate::bench::Bench;

/// Into how many partitions the events are cut.
pub const PARTITIONS: u16 = 4;
/// Nothing that works takes as long: elections, restarts and resends included.
pub const PATIENCE: Duration = Duration::from_secs(150);
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
