//! Bugs planted in what is stored, and in the log, are found and named.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use audit::{Lag, PartitionCensus, ReplayReport, census, lag, replay, weigh};
use contract::{Day, DeploymentKey, EventView, v1};
use event_log::{Append, EmbeddedLog, EventLog, files::RealFiles};
use policy::Bundle;
use projector::{Options, Projector, Reader};
use simulator::{City, Config, Places, records};
use tempfile::TempDir;

const PARTITIONS: u16 = 3;

/// The records of every partition, in the order of the log.
type Records = Vec<Vec<Vec<u8>>>;

static BUNDLE: LazyLock<Bundle> = LazyLock::new(policy::testing::bundle);

static RECORDS: LazyLock<Records> = LazyLock::new(|| {
    let places = Places::of(&BUNDLE.reference, Day::new_year(2026)).unwrap();
    let city = City::new(Config::adversarial(5, 150), places);
    records(&city, &DeploymentKey::new(&[7; 32]), PARTITIONS)
});

/// Logs of one id with different records: as if one process had read another thing than the log holds.
struct Twins {
    dir: TempDir,
}

impl Twins {
    fn new() -> Twins {
        let dir = TempDir::new().unwrap();
        drop(EmbeddedLog::create(&dir.path().join("empty"), PARTITIONS).unwrap());
        Twins { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self, name: &str, records: &Records) -> EmbeddedLog {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        for entry in fs::read_dir(self.path("empty")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
        }
        let log = EmbeddedLog::open(&path).unwrap();
        for (partition, records) in (0..).zip(records) {
            let batch: Vec<Append<'_>> =
                records.iter().map(|bytes| Append { partition, key: &[], bytes }).collect();
            log.append(&batch).unwrap();
        }
        log
    }

    /// Projects `log` into the folder `name`.
    fn project(&self, name: &str, log: &EmbeddedLog) -> Reader {
        let root = self.path(name);
        let (mut projector, _) =
            Projector::open(&root, RealFiles::shared(), log, &BUNDLE, Options::default()).unwrap();
        projector.catch_up(&|_| {}).unwrap();
        drop(projector);
        Reader::open(&root, RealFiles::shared()).unwrap()
    }

    /// The one file below the folder `name` whose path ends so.
    fn file(&self, name: &str, end: &str) -> PathBuf {
        let mut folders = vec![self.path(name)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with(end) {
                    return path;
                }
            }
        }
        panic!("no file {end} in {name}")
    }
}

fn audited(log: &EmbeddedLog, reader: &Reader) -> ReplayReport {
    replay(log, &BUNDLE, None, Some(reader), &|_| {}).unwrap()
}

fn subject_at(partition: usize, offset: usize) -> String {
    EventView::parse(&RECORDS[partition][offset]).unwrap().subject.to_string()
}

fn flip(path: &Path, from_end: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() - from_end;
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn how_far_figures_are_behind_is_told_in_records_and_in_recorded_time() {
    let twins = Twins::new();
    let mut records = RECORDS.clone();
    let rest = records[1].split_off(20);
    let log = twins.log("log", &records);
    let reader = twins.project("figures", &log);
    let of = |log: &EmbeddedLog| lag(log, &log.ends().unwrap(), reader.manifest()).unwrap();
    assert_eq!(of(&log), Lag::default());
    let recorded = |bytes: &Vec<u8>| EventView::parse(bytes).unwrap().recorded_at.0;
    let before = records[1].iter().map(recorded).max().unwrap();
    let batch: Vec<Append<'_>> = rest.iter().map(|bytes| Append { partition: 1, key: &[], bytes }).collect();
    log.append(&batch).unwrap();
    let milliseconds = recorded(rest.last().unwrap()) - before;
    assert!(milliseconds > 0, "the city lives for a year");
    assert_eq!(of(&log), Lag { records: rest.len() as u64, milliseconds });
}

#[test]
fn what_is_right_is_found_right_whole_and_in_part() {
    let twins = Twins::new();
    let log = twins.log("log", &RECORDS);
    let reader = twins.project("figures", &log);
    let whole = audited(&log, &reader);
    assert!(whole.is_clean(), "{:?}", whole.stored);
    let stored = whole.stored.as_ref().unwrap();
    assert!(stored.figures_compared);
    let (manifest, _) = reader.figures().unwrap();
    assert_eq!(whole.projections, manifest.projections);
    assert_eq!(whole.events_digest, manifest.events_digest);
    assert_eq!(whole.records, RECORDS.iter().map(|partition| partition.len() as u64).sum::<u64>());

    let half: Vec<u64> = whole.positions.iter().map(|position| position / 2).collect();
    let part = replay(&log, &BUNDLE, Some(&half), Some(&reader), &|_| {}).unwrap();
    assert!(part.is_clean(), "{:?}", part.stored);
    assert!(!part.stored.as_ref().unwrap().figures_compared, "the snapshot stands elsewhere; histories were");
    assert_ne!(part.projections, whole.projections);
    let again = replay(&log, &BUNDLE, Some(&half), None, &|_| {}).unwrap();
    assert_eq!(again.projections, part.projections, "the same positions, the same bytes");
    let beyond: Vec<u64> = whole.positions.iter().map(|position| position + 1).collect();
    let refused = replay(&log, &BUNDLE, Some(&beyond), None, &|_| {}).unwrap_err().to_string();
    assert!(refused.starts_with("partition 0 ends at offset"), "{refused}");
}

#[test]
fn a_skipped_event_is_found_with_whom_and_where() {
    let twins = Twins::new();
    let log = twins.log("log", &RECORDS);
    let mut lossy = RECORDS.clone();
    let offset = lossy[1].len() / 2;
    lossy[1][offset] = vec![0xff; 8];
    let reader = twins.project("figures", &twins.log("lossy", &lossy));
    let report = audited(&log, &reader);
    let stored = report.stored.as_ref().unwrap();
    let person = stored.person.as_ref().unwrap();
    assert_eq!((person.subject.clone(), person.partition), (subject_at(1, offset), 1));
    assert_eq!(person.offset, Some(offset as u64));
    assert_eq!(person.what, "the log has an event here that the stored history lacks");
    assert_eq!(stored.people, 1);
    assert!(!report.is_clean());
    let half: Vec<u64> = report.positions.iter().map(|position| position / 2 + 1).collect();
    let part = replay(&log, &BUNDLE, Some(&half), Some(&reader), &|_| {}).unwrap();
    assert_eq!(part.stored.unwrap().person.unwrap().offset, Some(offset as u64), "in a part of the log too");

    let books = census(&log, Some(&reader)).unwrap();
    assert!(
        books.findings.iter().any(|finding| finding.contains("set 1 records aside, the log gives 0")),
        "{books:?}"
    );
}

#[test]
fn a_swapped_pair_is_found_though_no_sum_shows_it() {
    let twins = Twins::new();
    let log = twins.log("log", &RECORDS);
    let mut swapped = RECORDS.clone();
    let pairs = 0..swapped[2].len() - 1;
    let plain = |at: usize| EventView::parse(&RECORDS[2][at]).unwrap();
    let at = pairs.clone().find(|at| plain(*at).subject != plain(at + 1).subject).unwrap();
    swapped[2].swap(at, at + 1);
    let reader = twins.project("figures", &twins.log("swapped", &swapped));
    let report = audited(&log, &reader);
    let stored = report.stored.unwrap();
    assert_eq!(stored.figures, Vec::<String>::new(), "no figure depends on the order");
    assert_eq!(stored.people, 2);
    let person = stored.person.unwrap();
    assert_eq!((person.partition, person.offset), (2, Some(at as u64)));
    assert!([subject_at(2, at), subject_at(2, at + 1)].contains(&person.subject));
}

#[test]
fn sums_that_are_not_those_of_the_histories_are_found_by_cell() {
    let twins = Twins::new();
    let log = twins.log("log", &RECORDS);
    let reader = twins.project("figures", &log);
    let mut fewer = RECORDS.clone();
    for partition in &mut fewer {
        let twin = partition[0].clone();
        partition.iter_mut().step_by(5).for_each(|record| record.clone_from(&twin));
    }
    drop(twins.project("others", &twins.log("fewer", &fewer)));
    fs::copy(twins.file("others", "/snapshot"), twins.file("figures", "/snapshot")).unwrap();
    let stored = audited(&log, &reader).stored.unwrap();
    assert!(stored.person.is_none(), "the histories are right");
    assert!(stored.figures_compared && !stored.figures.is_empty());
    assert!(
        stored.figures[0].starts_with("coverage ") && stored.figures[0].contains(" changes on "),
        "{:?}",
        stored.figures
    );
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let twins = Twins::new();
    let log = twins.log("log", &RECORDS);
    let reader = twins.project("figures", &log);
    let base = twins.file("figures", "p0000-00000001.base");
    let sound = fs::read(&base).unwrap();
    for from_end in [1, 60, sound.len() / 2, sound.len() - 20] {
        flip(&base, from_end);
        let report = audited(&log, &reader);
        let person = report.stored.as_ref().and_then(|stored| stored.person.clone());
        let found = person.unwrap_or_else(|| panic!("a bit {from_end} bytes before the end"));
        assert_eq!(found.partition, 0);
        assert!(found.what.contains("damaged"), "{}", found.what);
        fs::write(&base, &sound).unwrap();
    }
    assert!(audited(&log, &reader).is_clean());

    // What the store says, each time as it is: nobody mends it by looking.
    let rows = twins.file("figures", "rows-00000001.log");
    let sound = fs::read(&rows).unwrap();
    for from_end in (1..=sound.len()).step_by(13) {
        flip(&rows, from_end);
        let flipped = fs::read(&rows).unwrap();
        assert!(!audited(&log, &reader).is_clean(), "a bit {from_end} bytes before the end");
        assert!(fs::read(&rows).unwrap() == flipped, "a bit {from_end} bytes before the end is still there");
        fs::write(&rows, &sound).unwrap();
    }
    assert!(audited(&log, &reader).is_clean());

    let snapshot = twins.file("figures", "/snapshot");
    let sound = fs::read(&snapshot).unwrap();
    flip(&snapshot, sound.len() / 2);
    let stored = audited(&log, &reader).stored.unwrap();
    assert!(stored.figures[0].contains("damaged"), "{:?}", stored.figures);
    fs::write(&snapshot, &sound).unwrap();

    let ends = log.ends().unwrap();
    drop(log);
    let journal = twins.file("log", "journal-0000000001");
    let length = fs::read(&journal).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    let mut bytes = fs::read(&journal).unwrap();
    bytes[length / 2] ^= 1;
    fs::write(&journal, bytes).unwrap();
    match EmbeddedLog::open_reader(&twins.path("log")) {
        Err(error) => assert!(error.to_string().contains("damaged"), "{error}"),
        Ok(log) => match replay(&log, &BUNDLE, Some(&ends), Some(&reader), &|_| {}) {
            Err(error) => assert!(error.to_string().contains("damaged"), "{error}"),
            Ok(report) => assert!(!report.is_clean() && !report.stopped.is_empty()),
        },
    }
}

#[test]
fn the_books_of_the_log_balance() {
    let twins = Twins::new();
    let mut with_garbage = RECORDS.clone();
    with_garbage[0].push(b"no event at all".to_vec());
    let again = with_garbage[0][0].clone();
    with_garbage[0].push(again);
    let log = twins.log("log", &with_garbage);
    let reader = twins.project("figures", &log);
    let books = census(&log, Some(&reader)).unwrap();
    assert!(books.is_clean(), "{:?}", books.findings);
    for (partition, records) in books.partitions.iter().zip(&with_garbage) {
        assert_eq!(partition.records, records.len() as u64);
        assert_eq!(partition.records, partition.events + partition.copies + partition.set_aside.len() as u64);
        assert_eq!(partition.projected, Some(partition.end));
    }
    let first = &books.partitions[0];
    assert_eq!(first.set_aside.len(), 1);
    assert_eq!(first.set_aside[0].0, with_garbage[0].len() as u64 - 2);
    assert!(first.copies > 0);
    assert!(audited(&log, &reader).is_clean(), "what is set aside is so on both sides");

    let mut shorter = with_garbage.clone();
    shorter[1].truncate(10);
    let lost = census(&twins.log("shorter", &shorter), Some(&reader)).unwrap();
    assert!(lost.findings.iter().any(|finding| finding.contains("it lost its end")), "{:?}", lost.findings);
    // What it lost is named by what histories know.
    let whole = &with_garbage[1];
    let lost = lost.partitions[1].lost.as_ref().unwrap();
    assert_eq!((lost.from, lost.until, &lost.bases_only), (10, whole.len() as u64, &None));
    let whose = |bytes: &Vec<u8>| {
        let event = contract::decode(bytes).unwrap();
        let id = match event.body {
            Some(v1::event::Body::CarriedEvent(carried)) => {
                contract::decode(&carried.event).unwrap().event_id
            }
            _ => event.event_id,
        };
        (event.subject, format!("{:016x}", contract::EventId(id.try_into().unwrap()).hash().0))
    };
    let mut there: HashSet<_> = whole[..10].iter().map(whose).collect();
    let gone: Vec<_> = whole[10..].iter().map(whose).filter(|event| there.insert(event.clone())).collect();
    let ids: Vec<&String> = gone.iter().map(|(_, id)| id).take(100).collect();
    assert_eq!((lost.events, lost.ids.iter().collect::<Vec<_>>()), (gone.len() as u64, ids));
    let other = EmbeddedLog::create(&twins.path("other"), PARTITIONS).unwrap();
    let strange = census(&other, Some(&reader)).unwrap();
    assert!(strange.findings[0].starts_with("the figures are of the log"), "{:?}", strange.findings);
    let lost = strange.partitions[1].lost.as_ref().unwrap();
    assert_eq!((lost.from, lost.until), (0, whole.len() as u64), "all of it");
}

#[test]
fn a_census_tells_of_events_that_contradict_themselves() {
    let twins = Twins::new();
    let before = census(&twins.log("before", &RECORDS), None).unwrap();
    // An id of an emitter's own, with two contents; and two events that take each other back.
    let event = |id: u8, content: u8, voids: Option<u8>| {
        let mut event = contract::decode(&RECORDS[1][0]).unwrap();
        event.event_id = vec![id; 16];
        event.content_hash = vec![content; 16];
        (event.corrects, event.record_key) = (None, format!("K{id}"));
        event.voids = voids.map(|id| v1::EventReference { event_id: vec![id; 16], ..Default::default() });
        contract::encode(&event)
    };
    let mut records = RECORDS.clone();
    let end = records[1].len() as u64;
    records[1].extend([event(1, 1, None), event(1, 2, None), event(2, 1, Some(3)), event(3, 1, Some(2))]);
    let after = census(&twins.log("after", &records), None).unwrap();
    assert!(after.is_clean(), "{:?}", after.findings);
    let new = |of: fn(&PartitionCensus) -> &Vec<u64>| {
        let (before, after) = (of(&before.partitions[1]), of(&after.partitions[1]));
        after.iter().copied().filter(|offset| !before.contains(offset)).collect::<Vec<u64>>()
    };
    assert_eq!(new(|partition| &partition.conflicts), [end]);
    assert_eq!(new(|partition| &partition.circles), [end + 2, end + 3]);
    assert_eq!(before.partitions[0], after.partitions[0]);
}

#[test]
fn a_deployment_is_weighed() {
    let twins = Twins::new();
    let log = twins.log("log", &RECORDS);
    let reader = twins.project("projector", &log);
    let weights = weigh(twins.dir.path(), Some(twins.dir.path()), 1_000, Some(reader.manifest())).unwrap();
    let records = RECORDS.iter().map(|partition| partition.len() as u64).sum::<u64>();
    assert_eq!((weights.records, weights.facts), (records, records));
    assert!(weights.log_bytes > records * 100 && weights.projector_bytes > 0);
    // Of all records, also of those that the figures do not stand on yet.
    assert_eq!(weights.log_bytes_per_record_hundredths, Some(weights.log_bytes * 100 / 1_000));
    assert_eq!((weights.control_bytes, weights.intake_bytes, weights.keys_bytes), (0, 0, 0));
    assert_eq!((weights.log_records, weights.stopped), (1_000, 0));
    let nothing = weigh(&twins.path("nowhere"), None, 0, None).unwrap();
    assert_eq!(nothing.log_bytes_per_record_hundredths, None);
}

#[test]
fn a_wrong_row_that_no_base_holds_yet_is_found_when_nobody_projects() {
    let twins = Twins::new();
    let log = twins.log("log", &RECORDS);
    let mut half = RECORDS.clone();
    half.iter_mut().for_each(|partition| partition.truncate(partition.len() / 2));
    drop(twins.project("figures", &twins.log("half", &half)));
    let bases: Vec<u64> = half.iter().map(|partition| partition.len() as u64).collect();
    let mut lossy = RECORDS.clone();
    let offset = lossy[1].len() - 3;
    lossy[1][offset] = vec![0xff; 8];
    let lossy = twins.log("lossy", &lossy);
    // Too few facts for a merge.
    let reader = twins.project("figures", &lossy);

    let stored = audited(&log, &reader).stored.unwrap();
    assert_eq!((&stored.histories_until, &stored.bases_only), (&log.ends().unwrap(), &None));
    let person = stored.person.unwrap();
    assert_eq!((person.partition, person.offset), (1, Some(offset as u64)));

    let root = twins.path("figures");
    let projects = Projector::open(&root, RealFiles::shared(), &lossy, &BUNDLE, Options::default()).unwrap();
    let stored = audited(&log, &reader).stored.unwrap();
    assert!(stored.bases_only.unwrap().contains("another process"), "the rows could not be looked at");
    assert_eq!((stored.histories_until, stored.person), (bases, None), "and it says how far it looked");
    drop(projects);
}

#[test]
fn figures_are_compared_though_the_snapshot_was_replaced_since_the_reader_was_opened() {
    let twins = Twins::new();
    let mut half = RECORDS.clone();
    half.iter_mut().for_each(|partition| partition.truncate(partition.len() / 2));
    let early = twins.project("figures", &twins.log("half", &half));
    let log = twins.log("log", &RECORDS);
    drop(twins.project("figures", &log));
    let report = audited(&log, &early);
    assert_eq!(report.positions, log.ends().unwrap());
    assert!(report.is_clean() && report.stored.unwrap().figures_compared);
}
