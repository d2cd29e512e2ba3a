//! Totals of claims are those of the truth.

#![allow(clippy::unwrap_used, reason = "these are tests: a panic is how they fail")]

use contract::{Day, Millis};
use event_log::{Append, files::RealFiles};
use projector::{Options, Projector};
use query::{ClaimsQuestion, Column, DataFolder, Desk, Standpoint, Value};
use simulator::{Config, records};
use tempfile::TempDir;
use vertebra_tests::{
    bench::{Bench, seeds},
    engine::Log,
    oracle::{self, Claims},
};

const PARTITIONS: u16 = 3;

/// What the reading door says of a log, as known before each of `moments`.
fn served(log: &Log, bench: &Bench, moments: &[Millis]) -> Vec<Claims> {
    let dir = TempDir::new().unwrap();
    let logs = DataFolder::own_logs(dir.path(), &RealFiles::shared());
    let folder =
        DataFolder::create(dir.path(), RealFiles::shared(), logs, Some(PARTITIONS), "key", Millis(0))
            .unwrap();
    folder.activate_bundle(bench.bundle.files(), Millis(0)).unwrap();
    let writer = folder.log_for_writing().unwrap();
    for (partition, records) in (0..).zip(log) {
        let batch: Vec<Append<'_>> =
            records.iter().map(|bytes| Append { partition, key: &[], bytes }).collect();
        writer.append(&batch).unwrap();
    }
    drop(writer);
    let log = folder.log().unwrap();
    let (mut projector, _) =
        Projector::open(&folder.projector(), RealFiles::shared(), &*log, &bench.bundle, Options::default())
            .unwrap();
    projector.catch_up(&|_| {}).unwrap();
    drop(projector);
    let desk = Desk::open(&folder, &*log, Millis(i64::MAX)).unwrap();
    let totals = |moment: &Millis| {
        let question = ClaimsQuestion {
            from: Day::new_year(1900),
            to: Day::new_year(2100),
            by: Vec::new(),
            filter: Vec::new(),
            standpoint: Standpoint::at(*moment),
        };
        let table = desk.claims(&question).unwrap().table;
        let number = |name: &str| {
            let is_named = |column: &Column| column.name == name;
            match &table.rows[0][table.columns.iter().position(is_named).unwrap()] {
                Value::Number(number) => *number,
                other => panic!("{other:?}"),
            }
        };
        Claims { live: number("live"), withdrawn: number("withdrawn"), visits: number("visits") }
    };
    moments.iter().map(totals).collect()
}

#[test]
fn totals_of_claims_are_those_of_the_truth() {
    let bench = Bench::new();
    let moments = ["2026-02-15", "2026-05-01", "2026-08-15", "2028-01-01"]
        .map(|day| day.parse::<Day>().unwrap().start());
    let mut seen = Claims::default();
    let configs = seeds().take(8).map(|seed| Config::adversarial(seed, 60)).chain([Config::new(4, 600)]);
    for config in configs {
        let seed = config.seed;
        let (city, people) = bench.city(config);
        let log = records(&city, &bench.key, PARTITIONS);
        for (moment, served) in moments.iter().zip(served(&log, &bench, &moments)) {
            let truth = oracle::claims(&people, moment.0);
            assert_eq!(served, truth, "seed {seed}, known before {moment}");
            seen.withdrawn += truth.withdrawn;
            seen.visits += truth.visits - truth.live;
        }
    }
    assert!(seen.withdrawn > 20 && seen.visits > 20, "{seen:?}: too few to show anything");
}
