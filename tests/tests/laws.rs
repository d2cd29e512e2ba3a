//! The laws: whatever comes, in whatever order, the figures are those of the truth.

use contract::DeploymentKey;
use simulator::{City, Config, Places, records, truth::Person};
use vertebra_tests::{
    engine,
    oracle::{self, Figures, Question, World, day},
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
    let mut files = std::collections::BTreeMap::new();
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
fn same(seed: u64, question: &Question, engine: &Figures, truth: &Figures) {
    if engine == truth {
        return;
    }
    let names: std::collections::BTreeSet<&String> = engine.keys().chain(truth.keys()).collect();
    let differ: Vec<String> = names
        .into_iter()
        .filter(|name| engine.get(*name) != truth.get(*name))
        .map(|name| {
            format!(
                "{name}: engine {}, truth {}",
                engine.get(name).unwrap_or(&0),
                truth.get(name).unwrap_or(&0)
            )
        })
        .take(12)
        .collect();
    panic!("seed {seed}, {question:?}:\n{}", differ.join("\n"));
}

fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("LAW_CITIES").ok().and_then(|count| count.parse().ok()).unwrap_or(1500);
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
