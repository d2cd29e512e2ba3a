//! Whatever way the figures were come by, they are the same, to the byte.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod another;
mod damage;

use std::{
    fs,
    path::Path,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use contract::{Day, DeploymentKey};
use event_log::{Append, EmbeddedLog, EventLog, files::RealFiles};
use policy::Bundle;
use projector::{Digests, Opened, Options, Points, Projector, REGISTRY, Reader, StoreError};
use simulator::{City, Config, Places, simulate};
use tempfile::TempDir;
use timeline::Period;

const PARTITIONS: u16 = 5;

static BUNDLE: LazyLock<Bundle> = LazyLock::new(policy::testing::bundle);

fn options() -> Options {
    Options {
        workers: 2,
        merge_facts_min: 50,
        snapshot_every: Duration::from_millis(50),
        commit_every: Duration::from_millis(20),
        // Some hundred people of these cities have so many.
        quarantine_facts: 20,
        ask_again_after: Duration::from_millis(50),
        ..Options::default()
    }
}

fn open<'a>(root: &Path, log: &'a dyn EventLog) -> Result<(Projector<'a>, Opened), StoreError> {
    Projector::open(root, RealFiles::shared(), log, &BUNDLE, options())
}

fn city(folder: &Path, people: u64) -> EmbeddedLog {
    let log = EmbeddedLog::create(folder, PARTITIONS).unwrap();
    let places = Places::of(&BUNDLE.reference, Day::new_year(2026)).unwrap();
    let city = City::new(Config::adversarial(7, people), places);
    simulate(&city, &DeploymentKey::new(&[7; 32]), &log, 2, &mut |_, _| {}, &mut |_| {}).unwrap();
    log
}

/// Appends the records of `from` that `to` lacks, up to the offsets `until`.
fn copy(from: &dyn EventLog, to: &dyn EventLog, until: &[u64]) {
    let ends = to.ends().unwrap();
    for partition in 0..from.partitions() {
        let at = usize::from(partition);
        let mut reader = from.reader(partition, ends[at]).unwrap();
        while let Some(batch) = reader.next_batch(1 << 16).unwrap() {
            let wanted = batch.iter().take_while(|record| record.offset < until[at]);
            let records: Vec<Append<'_>> =
                wanted.map(|record| Append { partition, key: &[], bytes: record.bytes }).collect();
            to.append(&records).unwrap();
        }
    }
}

/// Facts and further copies in each partition, with everything the log holds.
fn counts(projector: &mut Projector<'_>) -> Vec<(u64, u64)> {
    projector.catch_up(&|_| {}).unwrap();
    let manifest = projector.manifest();
    manifest.partitions.iter().map(|partition| (partition.facts, partition.copies)).collect()
}

fn built(log: &dyn EventLog) -> Digests {
    let folder = TempDir::new().unwrap();
    let (mut projector, opened) = open(folder.path(), log).unwrap();
    assert_eq!(opened, Opened::Empty);
    projector.catch_up(&|_| {}).unwrap();
    projector.digests()
}

#[test]
fn building_draining_following_reopening_and_rebuilding_give_the_same_figures() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("whole"), 600);
    let expected = built(&log);
    let ends = log.ends().unwrap();

    let slow = EmbeddedLog::create(&folders.path().join("slow"), PARTITIONS).unwrap();
    let root = folders.path().join("projector");
    let (mut projector, _) = open(&root, &slow).unwrap();
    for tenth in [1, 2, 3, 6, 7] {
        copy(&log, &slow, &ends.iter().map(|end| end * tenth / 10).collect::<Vec<_>>());
        projector.catch_up(&|_| {}).unwrap();
        let now = projector.digests();
        assert_eq!(now, built(&slow), "after {tenth} tenths");
        drop(projector);
        if tenth == 3 {
            let snapshot = fs::read_dir(&root).unwrap().find_map(|entry| {
                let path = entry.unwrap().path().join("snapshot");
                path.exists().then_some(path)
            });
            fs::remove_file(snapshot.unwrap()).unwrap();
        }
        let opened;
        (projector, opened) = open(&root, &slow).unwrap();
        assert_eq!(matches!(opened, Opened::Folded { .. }), tenth == 3, "{opened:?}");
        assert_eq!(projector.digests(), now, "reopened after {tenth} tenths");
    }
    let shutdown = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for hundredth in 71..=100 {
                copy(&log, &slow, &ends.iter().map(|end| end * hundredth / 100).collect::<Vec<_>>());
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_millis(300));
            shutdown.store(true, Ordering::Relaxed);
        });
        projector.follow(&shutdown, &mut |_| {}).unwrap();
    });
    projector.catch_up(&|_| {}).unwrap();
    assert_eq!(projector.positions(), ends);
    assert_eq!(projector.digests(), expected);
    assert_eq!(
        counts(&mut projector),
        counts(&mut open(&folders.path().join("again"), &log).unwrap().0),
        "facts and copies"
    );
    let rebuilt = projector.rebuild(&|_| {}).unwrap();
    assert_eq!((rebuilt.differences, rebuilt.before), (Vec::new(), rebuilt.after));
    assert_eq!(projector.digests(), expected);
}

#[test]
fn a_reader_sees_the_past_as_a_log_that_ended_there_would_show_it() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 300);
    let (mut projector, _) = open(&folders.path().join("projector"), &log).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    let reader = Reader::open(&folders.path().join("projector"), RealFiles::shared()).unwrap();
    let half: Vec<u64> = log.ends().unwrap().iter().map(|end| end / 2).collect();
    let early = EmbeddedLog::create(&folders.path().join("early"), PARTITIONS).unwrap();
    copy(&log, &early, &half);
    let (mut early_projector, _) = open(&folders.path().join("early projector"), &early).unwrap();
    early_projector.catch_up(&|_| {}).unwrap();

    let day = "2026-06-30".parse::<Day>().unwrap();
    let period = Period { on: day, from: Day::new_year(2026), to: day };
    for (positions, figures) in
        [(log.ends().unwrap(), projector.figures()), (half, early_projector.figures())]
    {
        let add = |points: &mut Points, _, person: &history::PersonView<'_>| points.add(person, &BUNDLE);
        let mut parts = reader.fold(&log, &positions, || Points::new(period), add).unwrap().into_iter();
        let mut points = parts.next().unwrap();
        parts.for_each(|part| points.merge(&part));
        for (number, projection) in REGISTRY.iter().enumerate() {
            for cube in 0..projection.cubes.len() {
                let rows = points.rows(number, cube);
                assert_eq!(rows, figures.rows(number, cube, period), "{} {cube}", projection.name);
            }
        }
        assert!(!points.rows(0, 0).is_empty());
    }
}

#[test]
fn a_flipped_bit_in_a_derived_file_is_noticed_and_built_again() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 100);
    let root = folders.path().join("projector");
    let expected = built(&log);
    let (mut projector, _) = open(&root, &log).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    drop(projector);
    let current = fs::read_to_string(root.join("current")).unwrap();
    let generation = root.join(current.trim());
    let base = fs::read_dir(generation.join("bases")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&base).unwrap();
    let length = bytes.len();
    bytes[length - 80] ^= 1;
    fs::write(&base, &bytes).unwrap();
    let (mut projector, opened) = open(&root, &log).unwrap();
    assert!(
        matches!(&opened, Opened::Discarded { why } if why.contains(".base is damaged at byte")),
        "{opened:?}"
    );
    projector.catch_up(&|_| {}).unwrap();
    assert_eq!(projector.digests(), expected);
}

#[test]
fn a_reader_finds_the_base_that_took_the_place_of_its_own_and_tells_one_that_is_missing() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 100);
    let half: Vec<u64> = log.ends().unwrap().iter().map(|end| end / 2).collect();
    let slow = EmbeddedLog::create(&folders.path().join("slow"), PARTITIONS).unwrap();
    copy(&log, &slow, &half);
    let root = folders.path().join("projector");
    let (mut projector, _) = open(&root, &slow).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    let reader = Reader::open(&root, RealFiles::shared()).unwrap();
    let facts = || {
        let count = |facts: &mut usize, _, person: &history::PersonView<'_>| *facts += person.facts.len();
        reader.fold(&slow, &half, || 0, count).map(|parts| parts.into_iter().sum::<usize>())
    };
    let expected = facts().unwrap();
    assert!(expected > 100);
    let bases = |root: &Path| {
        let current = fs::read_to_string(root.join("current")).unwrap();
        let bases = fs::read_dir(root.join(current.trim()).join("bases")).unwrap();
        bases.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };

    // Merged away, and rebuilt in another generation.
    let before = bases(&root);
    copy(&log, &slow, &log.ends().unwrap());
    projector.catch_up(&|_| {}).unwrap();
    assert!(before.iter().all(|base| !base.exists()));
    assert_eq!(facts().unwrap(), expected);
    projector.rebuild(&|_| {}).unwrap();
    assert_eq!(facts().unwrap(), expected);

    fs::remove_file(&bases(&root)[0]).unwrap();
    let error = facts().unwrap_err().to_string();
    assert!(error.contains(".base is missing; it is derived from the log: rebuild it"), "{error}");
    drop(projector);
    let (mut projector, opened) = open(&root, &slow).unwrap();
    assert!(matches!(&opened, Opened::Discarded { why } if why.contains("is missing")), "{opened:?}");
    projector.catch_up(&|_| {}).unwrap();
    assert_eq!(facts().unwrap(), expected);
    assert_eq!(projector.digests(), built(&log));
}

#[test]
fn another_log_and_another_process_are_refused() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 20);
    let other = EmbeddedLog::create(&folders.path().join("other"), PARTITIONS).unwrap();
    let root = folders.path().join("projector");
    let (mut projector, _) = open(&root, &log).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    assert!(matches!(open(&root, &log), Err(StoreError::Locked(why)) if why.contains("another process")));
    drop(projector);
    assert!(matches!(open(&root, &other), Err(StoreError::Refused(why)) if why.contains("another log")));
}
