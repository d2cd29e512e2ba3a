//! The laws: whatever comes, in whatever order, the figures are those of the truth.

#![allow(clippy::unwrap_used, reason = "these are tests: a panic is how they fail")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use contract::DeploymentKey;
use event_log::{Append, EmbeddedLog, EventLog, files::RealFiles, partition_of};
use projector::{Options, Projector};
use simulator::{
    City, Config, Places, records, records_of,
    truth::{BirthKnown, Person, Says, Told},
};
use vertebra_tests::{
    engine::{self, Log, Whom},
    flaws::{Flaw, ListFlaw},
    oracle::{self, Question, Rows, World, day},
};

struct Bench {
    bundle: policy::Bundle,
    world: World,
    key: DeploymentKey,
    places: Places,
}

impl Bench {
    fn new() -> Bench {
        let bundle = bundle();
        let places = Places::of(&bundle.reference, "2026-01-01".parse().unwrap()).unwrap();
        Bench { bundle, world: World::read(), key: DeploymentKey::new(&[9; 32]), places }
    }

    fn city(&self, config: Config) -> (City, Vec<Person>) {
        let city = City::new(config, self.places.clone());
        let people = (0..city.config().people).map(|index| city.person(index)).collect();
        (city, people)
    }
}

fn bundle() -> policy::Bundle {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = BTreeMap::new();
    for folder in ["reference", "policy"] {
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let file = file.unwrap();
            let name = format!("{folder}/{}", file.file_name().to_string_lossy());
            if policy::Bundle::belongs(&name) {
                files.insert(name, std::fs::read(file.path()).unwrap());
            }
        }
    }
    policy::Bundle::parse(&files).unwrap()
}

/// Days on which something changes by itself, and the days before them.
const DAYS: [&str; 12] = [
    "2025-06-30",
    "2025-12-31",
    "2026-01-01",
    "2026-01-15",
    "2026-02-08",
    "2026-02-28",
    "2026-03-01",
    "2026-06-30",
    "2026-07-01",
    "2026-12-31",
    "2027-01-01",
    "2027-03-15",
];

fn questions() -> Vec<Question> {
    let whole = |on: &str, known_before| Question {
        on: day(on),
        from: day("2024-01-01"),
        to: day("2028-12-31"),
        known_before,
    };
    let mut questions: Vec<Question> = DAYS.iter().map(|on| whole(on, i64::MAX)).collect();
    for known in ["2025-10-01", "2026-02-01", "2026-05-20"] {
        let moment = i64::from(day(known)) * 86_400_000 - 7 * 3_600_000;
        questions.push(whole("2026-02-08", moment));
        questions.push(Question {
            from: day("2026-01-10"),
            to: day("2026-02-20"),
            ..whole("2026-07-01", moment)
        });
    }
    questions
}

#[track_caller]
fn same<N: Display + Default + PartialEq>(
    seed: u64,
    question: &Question,
    engine: &BTreeMap<String, N>,
    truth: &BTreeMap<String, N>,
) {
    if engine == truth {
        return;
    }
    let none = N::default();
    let names: BTreeSet<&String> = engine.keys().chain(truth.keys()).collect();
    let differ: Vec<String> = names
        .into_iter()
        .filter(|name| engine.get(*name) != truth.get(*name))
        .map(|name| {
            format!(
                "{name}: engine {}, truth {}",
                engine.get(name).unwrap_or(&none),
                truth.get(name).unwrap_or(&none)
            )
        })
        .take(12)
        .collect();
    panic!("seed {seed}, {question:?}:\n{}", differ.join("\n"));
}

/// Which random cities: `LAW_CITIES` of them, from `LAW_SEED` on.
fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("LAW_CITIES").ok().and_then(|count| count.parse().ok()).unwrap_or(1000);
    let first = std::env::var("LAW_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    first..first + count
}

#[test]
fn figures_are_those_of_the_truth() {
    let bench = Bench::new();
    for seed in seeds() {
        let (city, people) = bench.city(Config::adversarial(seed, 2));
        let log = records(&city, &bench.key, 3);
        for question in questions() {
            let engine = engine::figures(&log, &bench.bundle, &question);
            same(seed, &question, &engine, &oracle::figures(&bench.world, &people, &question));
        }
    }
}

#[test]
fn figures_of_a_plausible_city_are_those_of_the_truth() {
    let bench = Bench::new();
    let (city, people) = bench.city(Config::new(4, 1500));
    let log = records(&city, &bench.key, 4);
    for question in questions() {
        let engine = engine::figures(&log, &bench.bundle, &question);
        same(4, &question, &engine, &oracle::figures(&bench.world, &people, &question));
    }
}

/// Without the rows that are known to be wrong: inpatients of withdrawn payment requests, and cards of groups that no table knows,
/// where somebody holds two of them.
fn without_known_faults(people: &[Person], rows: Rows) -> Rows {
    let is_of_withdrawn_request = |row: &str| {
        let (whom, event) = (row.split([' ', '.']).nth(1).unwrap(), row.rsplit('=').next().unwrap());
        let person = people.iter().find(|person| person.index.to_string() == whom).unwrap();
        match &person.told[event.parse::<usize>().unwrap()].says {
            Says::Claimed(claim) => claim.route.as_str() == "8",
            Says::VisitOpened { route, .. } => route.as_str() == "8",
            _ => false,
        }
    };
    let is_wrong = |row: &str| {
        row.starts_with("referral-load/present ") && is_of_withdrawn_request(row)
            || row.starts_with("fee-exemption/covered ") && row.contains(" group=ZZ ")
    };
    rows.into_iter().filter(|(row, _)| !is_wrong(row)).collect()
}

#[test]
fn lists_are_those_of_the_truth() {
    let bench = Bench::new();
    for seed in seeds() {
        let (city, people) = bench.city(Config::adversarial(seed, 2));
        let log = records(&city, &bench.key, 3);
        let whom = Whom::of(&city, &people, &bench.key);
        for question in questions() {
            let engine = engine::rows(&log, &bench.bundle, &question, &whom);
            let engine = without_known_faults(&people, engine);
            same(
                seed,
                &question,
                &engine,
                &without_known_faults(&people, oracle::rows(&bench.world, &people, &question)),
            );
        }
    }
}

#[test]
fn lists_of_a_plausible_city_are_those_of_the_truth() {
    let bench = Bench::new();
    let (city, people) = bench.city(Config::new(4, 1500));
    let log = records(&city, &bench.key, 4);
    let whom = Whom::of(&city, &people, &bench.key);
    for question in questions() {
        let engine = engine::rows(&log, &bench.bundle, &question, &whom);
        same(4, &question, &engine, &oracle::rows(&bench.world, &people, &question));
    }
}

/// Chance of the test's own.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % end as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

fn digests(log: &Log, bench: &Bench) -> projector::Digests {
    engine::fold(log, &bench.bundle).digests()
}

#[test]
fn no_order_no_copy_and_no_number_of_partitions_changes_a_byte() {
    let bench = Bench::new();
    for seed in seeds() {
        let mut chance = Chance(seed);
        let (city, _) = bench.city(Config::adversarial(seed, 3));
        let log = records(&city, &bench.key, 3);
        let expected = digests(&log, &bench);

        let mut shuffled = log.clone();
        shuffled.iter_mut().for_each(|records| chance.shuffle(records));
        assert_eq!(digests(&shuffled, &bench), expected, "seed {seed}: shuffled");

        let mut doubled = log.clone();
        for records in doubled.iter_mut().filter(|records| !records.is_empty()) {
            for _ in 0..1 + chance.below(5) {
                let copy = records[chance.below(records.len())].clone();
                let at = chance.below(records.len() + 1);
                records.insert(at, copy);
            }
        }
        assert_eq!(digests(&doubled, &bench), expected, "seed {seed}: some events twice");

        let mut late = log.clone();
        for records in late.iter_mut().filter(|records| !records.is_empty()) {
            let latecomer = records.remove(chance.below(records.len()));
            records.push(latecomer);
        }
        assert_eq!(digests(&late, &bench), expected, "seed {seed}: some events late");

        for partitions in [1, 2, 16] {
            let other = records(&city, &bench.key, partitions);
            assert_eq!(digests(&other, &bench), expected, "seed {seed}: {partitions} partitions");
        }
    }
}

#[test]
fn what_is_taken_out_and_put_in_event_by_event_is_what_a_plain_fold_gives() {
    let bench = Bench::new();
    for seed in seeds() {
        let (city, _) = bench.city(Config::adversarial(seed, 2));
        let mut log = records(&city, &bench.key, 2);
        Chance(seed).shuffle(&mut log[0]);
        let mut live = engine::fold_live(&log, &bench.bundle);
        let mut plain = engine::fold(&log, &bench.bundle);
        assert_eq!(live.digests(), plain.digests(), "seed {seed}: {:?}", live.differences(&mut plain));
    }
}

/// Events come in batches of any size, the projector catches up between them or is closed and opened again.
#[test]
fn the_projector_gives_what_a_plain_fold_gives_however_the_events_come() {
    let bench = Bench::new();
    for seed in 0..8 {
        let mut chance = Chance(seed);
        let (city, _) = bench.city(Config::adversarial(seed, 40));
        let log = records(&city, &bench.key, 4);
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedLog::create(&folder.path().join("log"), 4).unwrap();
        let mut next = [0; 4];
        let open = || {
            let root = folder.path().join("derived");
            Projector::open(&root, RealFiles::shared(), &store, &bench.bundle, Options::default()).unwrap().0
        };
        let mut projector = Some(open());
        while (0..4).any(|partition| next[partition] < log[partition].len()) {
            let mut batch: Vec<Append<'_>> = Vec::new();
            for _ in 0..1 + chance.below(400) {
                let partition = chance.below(4);
                if let Some(record) = log[partition].get(next[partition]) {
                    next[partition] += 1;
                    let event = contract::EventView::parse(record).unwrap();
                    assert_eq!(usize::from(partition_of(&event.subject, 4)), partition);
                    batch.push(Append { partition: partition as u16, key: &record[20..36], bytes: record });
                }
            }
            store.append(&batch).unwrap();
            if chance.below(6) == 0 {
                projector = None;
            }
            projector.get_or_insert_with(open).catch_up(&|_| ()).unwrap();
        }
        let mut projector = projector.unwrap_or_else(open);
        projector.catch_up(&|_| ()).unwrap();
        assert_eq!(projector.digests(), digests(&log, &bench), "seed {seed}");
    }
}

/// A person of one identity, and the same person known under three.
fn split(whole: &Person, chance: &mut Chance) -> Person {
    let mut split = Person { identities: 3, ..whole.clone() };
    for index in 0..split.told.len() {
        let identity = chance.below(3) as u8;
        // What goes with a person's details is about one identity; a copy of it is about the same.
        split.told[index].identity = match split.told[index].copy_of {
            Some(original) => split.told[original as usize].identity,
            None => identity,
        };
    }
    split
}

/// Every identity is somebody born on a known day: what is known of it begins with a link otherwise.
fn register(person: &mut Person, identities: u8) {
    for identity in 0..identities {
        let ms = 1_600_000_000_000 + i64::from(identity);
        person.told.push(Told {
            identity,
            emitter: "01001".into(),
            record_key: simulator::Key::new(&format!("DK{identity}")),
            asserted_ms: ms,
            occurred_ms: ms,
            recorded_ms: ms,
            says: Says::Registered { born: 0, known: BirthKnown::Day, male: Some(true) },
            takes_back: None,
            withdraws: false,
            by_operator: false,
            copy_of: None,
        });
    }
}

fn link(
    person: &mut Person,
    (link, from, to): (u32, u8, u8),
    recorded_ms: i64,
    chance: &mut Chance,
    says: Says,
) {
    let letters = if matches!(says, Says::Linked { .. }) { "LK" } else { "UL" };
    // In any order: before, between and after everything else.
    let recorded_ms =
        recorded_ms + chance.below(600) as i64 * 86_400_000 + i64::from(link * 10 + u32::from(from + to));
    person.told.push(Told {
        identity: from,
        emitter: "OP".into(),
        record_key: simulator::Key::new(&format!("{letters}{link}")),
        asserted_ms: recorded_ms,
        occurred_ms: 1_900_000_000_000,
        recorded_ms,
        says,
        takes_back: None,
        withdraws: false,
        by_operator: true,
        copy_of: None,
    });
}

#[test]
fn one_person_split_in_three_and_linked_is_one_person_and_unlinked_is_three() {
    let bench = Bench::new();
    let mut tried = 0;
    for seed in seeds() {
        let mut chance = Chance(seed);
        let (city, people) = bench.city(Config::adversarial(seed, 2));
        let one = people.into_iter().filter(|person| person.identities == 1);
        for mut whole in one {
            tried += 1;
            // A chain, or two who count as the third.
            let links = if chance.below(2) == 0 { [(0, 0, 1), (1, 1, 2)] } else { [(0, 0, 2), (1, 1, 2)] };
            let mut parts = split(&whole, &mut chance);
            register(&mut whole, 1);
            register(&mut parts, 3);
            let mut linked = parts.clone();
            for (number, from, to) in links {
                link(
                    &mut linked,
                    (number, from, to),
                    1_740_000_000_000,
                    &mut chance,
                    Says::Linked { link: number, from, to },
                );
            }
            let mut unlinked = linked.clone();
            for (number, from, to) in links {
                link(
                    &mut unlinked,
                    (number, from, to),
                    1_740_000_000_000,
                    &mut chance,
                    Says::Unlinked { link: number, from, to },
                );
            }
            for question in questions().iter().filter(|question| question.known_before == i64::MAX) {
                let figures = |person: &Person| {
                    let log = records_of(&city, std::slice::from_ref(person), &bench.key, 5);
                    engine::figures(&log, &bench.bundle, question)
                };
                same(seed, question, &figures(&linked), &figures(&whole));
                same(seed, question, &figures(&unlinked), &figures(&parts));
            }
        }
    }
    assert!(tried > 50, "only {tried} people to split");
}

/// Whether the oracle tells an engine with this bug from a good one.
fn is_caught(bench: &Bench, flaw: Flaw, config: Config) -> bool {
    let (city, people) = bench.city(config);
    let log = flaw.seen(&records(&city, &bench.key, 3));
    questions().iter().any(|question| {
        engine::figures(&log, &bench.bundle, question) != oracle::figures(&bench.world, &people, question)
    })
}

#[test]
fn the_oracle_catches_every_planted_bug() {
    let bench = Bench::new();
    for flaw in Flaw::ALL {
        let caught = match flaw {
            Flaw::LosesOneIn(_) => is_caught(&bench, flaw, Config::new(4, 1500)),
            _ => (0..40).any(|seed| is_caught(&bench, flaw, Config::adversarial(seed, 2))),
        };
        assert!(caught, "{flaw:?} went unnoticed");
    }
}

#[test]
fn the_oracle_of_lists_catches_every_planted_bug() {
    let bench = Bench::new();
    let (city, people) = bench.city(Config::adversarial(6, 1000));
    let log = records(&city, &bench.key, 3);
    let whom = Whom::of(&city, &people, &bench.key);
    let engine = |log: &Log, question: &Question| {
        without_known_faults(&people, engine::rows(log, &bench.bundle, question, &whom))
    };
    // Most copay is charged in these weeks, and a list that seldom changes must be seen to.
    let daily = (day("2026-01-01")..day("2026-02-15")).map(|on| Question { on, ..questions()[0] });
    let truths: Vec<(Question, Rows)> = questions()
        .into_iter()
        .chain(daily)
        .map(|question| {
            let truth = oracle::rows(&bench.world, &people, &question);
            (question, without_known_faults(&people, truth))
        })
        .collect();

    for (list, columns) in engine::lists() {
        let of_list = |rows: &Rows| -> Rows {
            let name = format!("{list} ");
            rows.iter()
                .filter(|(row, _)| row.starts_with(&name))
                .map(|(row, count)| (row.clone(), *count))
                .collect()
        };
        let rests_on_events =
            truths.iter().any(|(_, rows)| of_list(rows).keys().any(|row| row.contains(" event=")));
        for flaw in ListFlaw::of(columns, rests_on_events) {
            let differs = |(question, truth): &(Question, Rows)| {
                let truth = of_list(truth);
                let asked = flaw.asked(question);
                let good = if asked == *question { truth.clone() } else { of_list(&engine(&log, &asked)) };
                flaw.told(good) != truth
            };
            assert!(truths.iter().any(differs), "{list}: {flaw:?} went unnoticed");
        }
        for flaw in Flaw::ALL.into_iter().filter(|flaw| !matches!(flaw, Flaw::LosesOneIn(_))) {
            let log = flaw.seen(&log);
            let differs =
                |(question, truth): &(Question, Rows)| of_list(&engine(&log, question)) != of_list(truth);
            assert!(truths.iter().any(differs), "{list}: {flaw:?} went unnoticed");
        }
    }
}

#[test]
fn the_oracle_of_lists_notices_one_event_in_ten_thousand() {
    let bench = Bench::new();
    let (city, people) = bench.city(Config::new(4, 1500));
    let log = Flaw::LosesOneIn(10_000).seen(&records(&city, &bench.key, 3));
    let whom = Whom::of(&city, &people, &bench.key);
    assert!(questions().iter().any(|question| {
        engine::rows(&log, &bench.bundle, question, &whom) != oracle::rows(&bench.world, &people, question)
    }));
}

#[test]
fn the_laws_catch_every_planted_bug() {
    let bench = Bench::new();
    for flaw in Flaw::ALL {
        let differs = |seed| {
            let config = match flaw {
                Flaw::LosesOneIn(_) => Config::new(seed, 1500),
                _ => Config::adversarial(seed, 100),
            };
            let (city, _) = bench.city(config);
            let log = records(&city, &bench.key, 3);
            digests(&flaw.seen(&log), &bench) != digests(&log, &bench)
        };
        assert!((0..2).any(differs), "{flaw:?} went unnoticed");
    }
}

/// A weight that is clamped at nothing, as a counter would be that cannot go below it, is never taken out again; a sum that is
/// clamped at what four bytes hold is too small.
#[test]
fn a_clamped_sum_is_caught() {
    let bench = Bench::new();
    let (city, people) = bench.city(Config::adversarial(1, 20));
    let log = records(&city, &bench.key, 2);
    let mut good = engine::fold_live(&log, &bench.bundle);
    let mut clamped = engine::fold_clamped(&log, &bench.bundle);
    assert_ne!(good.digests(), clamped.digests());
    let clamped = |question| {
        let mut figures = engine::figures(&log, &bench.bundle, question);
        figures.values_mut().for_each(|figure| *figure = (*figure).min(i64::from(i32::MAX)));
        figures
    };
    let differs = |question| clamped(question) != oracle::figures(&bench.world, &people, question);
    assert!(questions().iter().any(differs));
}
