//! The laws: whatever comes, in whatever order, the figures are those of the truth.

#![allow(clippy::unwrap_used, reason = "these are tests: a panic is how they fail")]

use event_log::{Append, EmbeddedLog, EventLog, files::RealFiles, partition_of};
use projector::{Options, Projector};
use simulator::{
    City, Config, records, records_of,
    truth::{BirthKnown, Person, Says, Told},
};
use vertebra_tests::{
    bench::{Bench, fails, misread, questions, same, seeds},
    engine::{self, Log, Whom},
    flaws::Flaw,
    oracle::{self, Figures, Question},
};

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

/// What makes digests of a log: the engine, or one with a planted bug.
type Fold<'a> = &'a dyn Fn(&Log) -> projector::Digests;

/// The law: no order, no copy and no number of partitions changes a byte.
fn however_it_is_told_it_is_the_same(bench: &Bench, city: &City, seed: u64, fold: Fold<'_>) {
    let mut chance = Chance(seed);
    let log = records(city, &bench.key, 3);
    let expected = fold(&log);

    let mut shuffled = log.clone();
    shuffled.iter_mut().for_each(|records| chance.shuffle(records));
    assert_eq!(fold(&shuffled), expected, "seed {seed}: shuffled");

    let mut doubled = log.clone();
    for records in doubled.iter_mut().filter(|records| !records.is_empty()) {
        for _ in 0..1 + chance.below(5) {
            let copy = records[chance.below(records.len())].clone();
            let at = chance.below(records.len() + 1);
            records.insert(at, copy);
        }
    }
    assert_eq!(fold(&doubled), expected, "seed {seed}: some events twice");

    let mut late = log.clone();
    for records in late.iter_mut().filter(|records| !records.is_empty()) {
        let latecomer = records.remove(chance.below(records.len()));
        records.push(latecomer);
    }
    assert_eq!(fold(&late), expected, "seed {seed}: some events late");

    for partitions in [1, 2, 16] {
        let other = records(city, &bench.key, partitions);
        assert_eq!(fold(&other), expected, "seed {seed}: {partitions} partitions");
    }
}

#[test]
fn no_order_no_copy_and_no_number_of_partitions_changes_a_byte() {
    let bench = Bench::new();
    for seed in seeds() {
        let (city, _) = bench.city(Config::adversarial(seed, 3));
        however_it_is_told_it_is_the_same(&bench, &city, seed, &|log| digests(log, &bench));
    }
}

/// The law: what is taken out and put in event by event is what a plain fold gives.
fn live_is_plain(seed: u64, mut live: projector::Figures, mut plain: projector::Figures) {
    assert_eq!(live.digests(), plain.digests(), "seed {seed}: {:?}", live.differences(&mut plain));
}

#[test]
fn what_is_taken_out_and_put_in_event_by_event_is_what_a_plain_fold_gives() {
    let bench = Bench::new();
    for seed in seeds() {
        let (city, _) = bench.city(Config::adversarial(seed, 2));
        let mut log = records(&city, &bench.key, 2);
        Chance(seed).shuffle(&mut log[0]);
        live_is_plain(seed, engine::fold_live(&log, &bench.bundle), engine::fold(&log, &bench.bundle));
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

/// A person of one identity, and the same person known under three. Those that a link takes away may come from no identifier.
fn split(whole: &Person, chance: &mut Chance) -> Person {
    let nameless = chance.below(4) as u8;
    let mut split = Person { identities: 3, nameless, ..whole.clone() };
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

/// What answers a question about a log: the engine, or one with a planted bug.
type Ask<'a> = &'a dyn Fn(&Log, &Question) -> Figures;

/// The law: one person split in three and linked is one person, and unlinked is three.
fn links_join_and_unlinks_part(
    bench: &Bench,
    city: &City,
    seed: u64,
    mut whole: Person,
    chance: &mut Chance,
    ask: Ask<'_>,
) {
    whole.nameless = 0;
    // A chain, or two who count as the third.
    let links = if chance.below(2) == 0 { [(0, 0, 1), (1, 1, 2)] } else { [(0, 0, 2), (1, 1, 2)] };
    let mut parts = split(&whole, chance);
    register(&mut whole, 1);
    register(&mut parts, 3);
    let mut told = |person: &mut Person, says: fn(u32, u8, u8) -> Says| {
        for (number, from, to) in links {
            link(person, (number, from, to), 1_740_000_000_000, chance, says(number, from, to));
        }
    };
    let mut linked = parts.clone();
    told(&mut linked, |link, from, to| Says::Linked { link, from, to });
    let mut unlinked = linked.clone();
    told(&mut unlinked, |link, from, to| Says::Unlinked { link, from, to });
    for question in questions().iter().filter(|question| question.known_before == i64::MAX) {
        let figures =
            |person: &Person| ask(&records_of(city, std::slice::from_ref(person), &bench.key, 5), question);
        same(seed, question, &figures(&linked), &figures(&whole));
        same(seed, question, &figures(&unlinked), &figures(&parts));
    }
}

#[test]
fn one_person_split_in_three_and_linked_is_one_person_and_unlinked_is_three() {
    let bench = Bench::new();
    let mut tried = 0;
    for seed in seeds() {
        let mut chance = Chance(seed);
        let (city, people) = bench.city(Config::adversarial(seed, 2));
        for whole in people.into_iter().filter(|person| person.identities == 1) {
            tried += 1;
            links_join_and_unlinks_part(&bench, &city, seed, whole, &mut chance, &|log, question| {
                engine::figures(log, &bench.bundle, question)
            });
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
fn the_law_of_any_order_catches_every_planted_bug_it_is_for() {
    let bench = Bench::new();
    for flaw in Flaw::OF_ORDER {
        let caught = (0..20).any(|seed| {
            let (city, _) = bench.city(Config::adversarial(seed, 3));
            fails(|| {
                however_it_is_told_it_is_the_same(&bench, &city, seed, &|log| {
                    digests(&flaw.seen(log), &bench)
                });
            })
        });
        assert!(caught, "{flaw:?} went unnoticed");
    }
}

#[test]
fn the_law_of_links_catches_every_planted_bug_it_is_for() {
    let bench = Bench::new();
    for flaw in Flaw::OF_LINKS {
        let caught = (0..40).any(|seed| {
            let (city, people) = bench.city(Config::adversarial(seed, 2));
            let mut one = people.into_iter().filter(|person| person.identities == 1);
            one.any(|whole| {
                fails(|| {
                    let chance = &mut Chance(seed);
                    links_join_and_unlinks_part(&bench, &city, seed, whole, chance, &|log, question| {
                        engine::figures(&flaw.seen(log), &bench.bundle, question)
                    });
                })
            })
        });
        assert!(caught, "{flaw:?} went unnoticed");
    }
}

/// What a reader of the law may get wrong: a number, a day, an order.
const MISREADINGS: [(&str, &str, &str); 27] = [
    ("policy/annual_exemption.toml", "years = 5", "years = 4"),
    ("policy/annual_exemption.toml", "gap_months = 3", "gap_months = 2"),
    ("policy/annual_exemption.toml", "gap_months = 3", "gap_months = 4"),
    ("policy/annual_exemption.toml", " months = 6", " months = 7"),
    ("policy/annual_exemption.toml", "strictly_above = true", "strictly_above = false"),
    ("policy/annual_exemption.toml", "\"remaining-months\"", "\"level-in-force\""),
    ("policy/base_salary.toml", "2_530_000", "2_530_100"),
    ("policy/base_salary.toml", "valid_from = 2026-07-01", "valid_from = 2026-07-02"),
    ("policy/card_rates.toml", "\"95%\"", "\"94.99%\""),
    ("policy/card_rates.toml", "2026-01-01", "2026-01-02"),
    ("policy/copay_counting.toml", "below = \"100%\"", "below = \"50%\""),
    ("policy/low_cost.toml", "15%", "15.01%"),
    ("policy/parameters.toml", "value = 12", "value = 11"),
    ("policy/parameters.toml", "value = 366", "value = 365"),
    ("policy/parameters.toml", "value = 10", "value = 9"),
    (
        "policy/parameters.toml",
        "stale-inpatient-days\" }\nthen = { value = 60",
        "stale-inpatient-days\" }\nthen = { value = 61",
    ),
    ("policy/referral_validity.toml", "working_days = 10", "working_days = 11"),
    ("policy/referral_validity.toml", "years = 1", "years = 2"),
    ("policy/route.toml", "\"40%\"", "\"40.01%\""),
    ("policy/route.toml", "score = { at_least = 50,", "score = { at_least = 60,"),
    ("policy/route.toml", "factor = \"0%\"", "factor = \"50%\""),
    ("policy/route.toml", "valid_from = 2026-07-01", "valid_from = 2026-07-02"),
    ("policy/route_codes.toml", "kind = \"own\"", "kind = \"referred\""),
    ("policy/route_codes.toml", "kind = \"self-referral\"", "kind = \"own\""),
    ("policy/switches.toml", "chosen = \"card-rate\"", "chosen = \"claim-rate\""),
    ("policy/switches.toml", "chosen = \"excluded\"", "chosen = \"counted\""),
    ("reference/holidays.csv", "2026-02-17,", "2026-02-25,"),
];

#[test]
fn the_oracle_notices_a_law_that_is_read_wrongly() {
    let bench = Bench::new();
    let (city, people) = bench.city(Config::adversarial(3, 3000));
    let log = records(&city, &bench.key, 3);
    let whom = Whom::of(&city, &people, &bench.key);
    // What the oracle holds a good reading to: that it says the same is the matter of the tests above.
    let told = |bundle: &policy::Bundle, question: &Question| {
        (engine::figures(&log, bundle, question), engine::rows(&log, bundle, question, &whom))
    };
    let good: Vec<_> =
        questions().into_iter().map(|question| (question, told(&bench.bundle, &question))).collect();
    for (question, (figures, _)) in &good {
        same(3, question, figures, &oracle::figures(&bench.world, &people, question));
    }
    for (file, from, to) in MISREADINGS {
        let bundle = misread(file, from, to);
        let is_noticed = good.iter().any(|(question, good)| told(&bundle, question) != *good);
        assert!(is_noticed, "{file}, {from} -> {to}: went unnoticed");
    }
}

/// Edits of what the tables mark as asked for by no figure.
const OF_NO_FIGURE: [(&str, &str, &str); 8] = [
    ("policy/card_rates.toml", "ratio_caps = true", "ratio_caps = false"),
    (
        "policy/parameters.toml",
        "child-under-years\" }\nthen = { value = 6",
        "child-under-years\" }\nthen = { value = 7",
    ),
    ("policy/parameters.toml", "{ value = 60 }", "{ value = 65 }"),
    ("policy/parameters.toml", "{ value = 75 }", "{ value = 70 }"),
    ("policy/parameters.toml", "{ value = 80 }", "{ value = 85 }"),
    ("policy/parameters.toml", "{ value = 15 }", "{ value = 30 }"),
    ("policy/self_referral.toml", "code = \"1.12\"", "code = \"1.11\""),
    ("policy/switches.toml", "chosen = \"none\"", "chosen = \"apply\""),
];

#[test]
fn what_no_figure_asks_for_changes_none() {
    let bench = Bench::new();
    let (city, _) = bench.city(Config::adversarial(3, 300));
    let log = records(&city, &bench.key, 3);
    for (file, from, to) in OF_NO_FIGURE {
        let bundle = misread(file, from, to);
        for question in questions() {
            let figures = |bundle: &policy::Bundle| engine::figures(&log, bundle, &question);
            same(3, &question, &figures(&bundle), &figures(&bench.bundle));
        }
    }
}

/// A weight that is clamped at nothing, as a counter would be that cannot go below it, is never taken out again; a sum that is
/// clamped at what four bytes hold is too small.
#[test]
fn a_clamped_sum_is_caught() {
    let bench = Bench::new();
    let (city, people) = bench.city(Config::adversarial(1, 20));
    let log = records(&city, &bench.key, 2);
    let clamped = || engine::fold_clamped(&log, &bench.bundle);
    assert!(fails(|| live_is_plain(1, clamped(), engine::fold(&log, &bench.bundle))));
    let clamped = |question| {
        let mut figures = engine::figures(&log, &bench.bundle, question);
        figures.values_mut().for_each(|figure| *figure = (*figure).min(i64::from(i32::MAX)));
        figures
    };
    let differs = |question| clamped(question) != oracle::figures(&bench.world, &people, question);
    assert!(questions().iter().any(differs));
}
