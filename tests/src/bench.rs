//! What every law is tried on: the repository's bundle, random cities, and the questions that are asked of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    ops::Range,
    panic::AssertUnwindSafe,
};

use contract::DeploymentKey;
use policy::{Bundle, testing::files};
use simulator::{City, Config, Places, truth::Person};

use crate::oracle::{Question, World, day};

/// The bundle, for the engine and for the oracle, and where cities stand.
pub struct Bench {
    /// The repository's, as the engine reads it.
    pub bundle: Bundle,
    /// The same, as the oracle reads it.
    pub world: World,
    /// The key of every log.
    pub key: DeploymentKey,
    places: Places,
}

impl Default for Bench {
    fn default() -> Bench {
        Bench::new()
    }
}

impl Bench {
    /// Reads `reference/` and `policy/`.
    ///
    /// # Panics
    /// When they are broken.
    #[must_use]
    pub fn new() -> Bench {
        let bundle = policy::testing::bundle();
        let on = "2026-01-01".parse().expect("a day");
        let places = Places::of(&bundle.reference, on).expect("there are communes and facilities");
        Bench { bundle, world: World::read(), key: DeploymentKey::new(&[9; 32]), places }
    }

    /// A city, and the truth about its people.
    #[must_use]
    pub fn city(&self, config: Config) -> (City, Vec<Person>) {
        let city = City::new(config, self.places.clone());
        let people = (0..city.config().people).map(|index| city.person(index)).collect();
        (city, people)
    }
}

/// The repository's bundle with a planted mistake: in this file, this for that.
///
/// # Panics
/// When the file has no such words, or the bundle is broken by it.
#[must_use]
pub fn misread(file: &str, from: &str, to: &str) -> Bundle {
    let mut files = files();
    let text = String::from_utf8(files[file].clone()).expect("tables are UTF-8");
    assert!(text.contains(from), "{file} has no {from}");
    files.insert(file.to_owned(), text.replacen(from, to, 1).into_bytes());
    Bundle::parse(&files).unwrap_or_else(|faults| panic!("{file}, {from} -> {to}: {faults:?}"))
}

/// Days on which something changes by itself, and the days before them; and the first and the last that figures are kept for.
const DAYS: [&str; 14] = [
    "2024-01-01",
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
    "2028-12-31",
];

/// What is asked: on days of which something is to be feared, and as known at some moments.
#[must_use]
pub fn questions() -> Vec<Question> {
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

/// Holds figures, or rows and how often each is there, against each other.
///
/// # Panics
/// When they differ, with the first few differences.
#[track_caller]
pub fn same<N: Display + Default + PartialEq>(
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
            let (engine, truth) = (engine.get(name).unwrap_or(&none), truth.get(name).unwrap_or(&none));
            format!("{name}: engine {engine}, truth {truth}")
        })
        .take(12)
        .collect();
    panic!("seed {seed}, {question:?}:\n{}", differ.join("\n"));
}

/// Whether `check` fails, as a law must where a bug is planted.
pub fn fails(check: impl FnOnce()) -> bool {
    std::panic::catch_unwind(AssertUnwindSafe(check)).is_err()
}

/// Which random cities: `LAW_CITIES` of them, from `LAW_SEED` on.
#[must_use]
pub fn seeds() -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let first = number("LAW_SEED").unwrap_or(0);
    first..first + number("LAW_CITIES").unwrap_or(1000)
}
