//! One broker and three keep what every log promises, and figures do not know where they came from.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use event_log::{EmbeddedLog, EventLog, files::RealFiles, testing::conformance};
use kafka_harness::{Cluster, required};
use kafka_log::{Contents, KafkaLog, Settings};
use projector::{Digests, Options, Projector};
use vertebra_tests::kafka::{Deployment, PARTITIONS, PATIENCE, Story, append_all, build, shared};

use crate::three;

/// Every log of the suite is a topic of its own.
fn conforms(cluster: &Cluster) {
    let number = AtomicU32::new(0);
    conformance(&|partitions| {
        let name = format!("conformance-{}", number.fetch_add(1, Ordering::Relaxed));
        let address = Deployment::make(cluster, &name, partitions).direct();
        // The suite's records are only bytes.
        let log = KafkaLog::open(&address, &Settings::default(), &address.events(), Contents::Bytes);
        Box::new(log.unwrap().unwrap())
    });
}

#[test]
fn one_broker_keeps_what_every_log_promises() {
    if required() {
        conforms(&Cluster::shared().unwrap());
    }
}

#[test]
fn three_brokers_keep_what_every_log_promises() {
    if required() {
        conforms(&three());
    }
}

#[test]
fn embedded_one_broker_and_three_give_the_same_bytes_however_they_are_read() {
    if !required() {
        return;
    }
    let (_, story) = shared();
    let folder = tempfile::tempdir().unwrap();
    let embedded = EmbeddedLog::create(&folder.path().join("log"), PARTITIONS).unwrap();
    every_way("embedded", story, &embedded);
    let one = Cluster::shared().unwrap();
    every_way("one", story, &Deployment::make(&one, "same", PARTITIONS).open());
    let three = three();
    every_way("three", story, &Deployment::make(&three, "same", PARTITIONS).open());
}

/// Appends the story to an empty log, and projects it while it comes, in two parts, and from nothing.
fn every_way(name: &str, story: &Story, log: &dyn EventLog) {
    let begun = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let bundle = &shared().0.bundle;
    let (over, live) = (AtomicBool::new(false), AtomicU64::new(0));
    let followed: Digests = thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let mut projector = open(&folder.path().join("live"), log);
            projector
                .follow(&over, &mut |commit| {
                    live.fetch_add(commit.events, Ordering::AcqRel);
                })
                .unwrap();
            projector.digests()
        });
        let mut drained = open(&folder.path().join("drained"), log);
        for (part, expected) in story.events.chunks(story.events.len() / 3 + 1).zip(1..) {
            append_all(log, part);
            // Built first, then drained twice: people have a base, deltas, and more deltas.
            let read = drained.catch_up(&|_| {}).unwrap();
            assert_eq!(read, part.len() as u64, "part {expected}");
        }
        let deadline = Instant::now() + PATIENCE;
        while live.load(Ordering::Acquire) < story.events.len() as u64 {
            assert!(!follower.is_finished() && Instant::now() < deadline, "{name}: to follow what is there");
            thread::sleep(Duration::from_millis(5));
        }
        over.store(true, Ordering::Release);
        assert_eq!(drained.digests(), story.digests, "{name}: drained");
        follower.join().unwrap()
    });
    assert_eq!(followed, story.digests, "{name}: followed");
    let (built, _) = build(log, bundle, &folder.path().join("built"));
    assert_eq!(built, story.digests, "{name}: built");
    println!("{name}: {} events, three ways, in {:.1} s", story.events.len(), begun.elapsed().as_secs_f64());
}

fn open<'a>(root: &Path, log: &'a dyn EventLog) -> Projector<'a> {
    let bundle = &shared().0.bundle;
    Projector::open(root, RealFiles::shared(), log, bundle, Options::default()).unwrap().0
}
