//! A small town's events, in the order in which they are told, and what an undisturbed projector makes of each stretch.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use contract::{Day, DeploymentKey, Subject};
use event_log::{Append, EmbeddedLog, EventLog, files::RealFiles, testing::FaultyFiles};
use history::{Dictionary, History};
use policy::Bundle;
use projector::{Digests, Projector, replay_partition};
use simulator::{City, Config, Places, records};
use xxhash_rust::xxh3::xxh3_128;

pub(crate) const PARTITIONS: u16 = 3;
/// In so many stretches the events are told.
pub(crate) const STEPS: usize = 10;
const PEOPLE: u64 = 14;

pub(crate) static BUNDLE: LazyLock<Bundle> = LazyLock::new(policy::testing::bundle);

/// A stretch of events: partition and bytes.
pub(crate) type Stretch = Vec<(u16, Vec<u8>)>;

/// What there is after some stretches.
pub(crate) struct Expected {
    pub(crate) ends: Vec<u64>,
    pub(crate) digests: Digests,
    pub(crate) histories: u128,
    pub(crate) facts: u64,
    pub(crate) copies: u64,
}

pub(crate) struct Town {
    pub(crate) stretches: Vec<Stretch>,
    /// One more than there are stretches: before the first, and after each.
    pub(crate) expected: Vec<Expected>,
}

pub(crate) static TOWN: LazyLock<Town> = LazyLock::new(|| {
    let places = Places::of(&BUNDLE.reference, Day::new_year(2026)).unwrap();
    let city = City::new(Config::adversarial(11, PEOPLE), places);
    let records = records(&city, &DeploymentKey::new(&[7; 32]), PARTITIONS);
    let stretches: Vec<Stretch> = (0..STEPS)
        .map(|step| {
            let of_partition = |(partition, records): (u16, &Vec<Vec<u8>>)| {
                // The first is half of it: what is built at once, and then added to.
                let until =
                    |step: usize| records.len() * (STEPS + step) / (2 * STEPS) * usize::from(step > 0);
                let until = |step| if step == STEPS { records.len() } else { until(step) };
                records[until(step)..until(step + 1)]
                    .iter()
                    .map(move |bytes| (partition, bytes.clone()))
                    .collect()
            };
            (0..).zip(&records).map(of_partition).collect::<Vec<Stretch>>().concat()
        })
        .collect();
    let files = FaultyFiles::new(0);
    let log =
        EmbeddedLog::create_with(files.shared(), Path::new("log"), PARTITIONS, Default::default()).unwrap();
    let mut expected = vec![undisturbed(&log)];
    for stretch in &stretches {
        append(&log, stretch).unwrap();
        expected.push(undisturbed(&log));
    }
    Town { stretches, expected }
});

pub(crate) fn append(log: &EmbeddedLog, stretch: &Stretch) -> Result<(), event_log::AppendError> {
    let appends: Vec<_> =
        stretch.iter().map(|(partition, bytes)| Append { partition: *partition, key: b"", bytes }).collect();
    log.append(&appends).map(drop)
}

/// Built once, from nothing, on a disk without faults; histories straight from the log.
fn undisturbed(log: &EmbeddedLog) -> Expected {
    let folder = tempfile::tempdir().unwrap();
    let root: PathBuf = folder.path().join("projector");
    let (mut projector, _) =
        Projector::open(&root, RealFiles::shared(), log, &BUNDLE, Default::default()).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    let ends = log.ends().unwrap();
    let mut expected = Expected { ends, digests: projector.digests(), histories: 0, facts: 0, copies: 0 };
    for partition in 0..PARTITIONS {
        let until = expected.ends[usize::from(partition)];
        let replayed = replay_partition(log, partition, 0..until, |subject, history| {
            expected.histories = expected.histories.wrapping_add(hash(subject, history));
            Ok(())
        });
        let replayed = replayed.unwrap();
        expected.facts += replayed.facts;
        expected.copies += replayed.copies;
    }
    expected
}

/// Names a person's whole history: every fact, offsets included.
pub(crate) fn hash(subject: Subject, history: &History) -> u128 {
    let (mut bytes, mut dictionary) = (subject.0.to_vec(), Dictionary::default());
    (0..history.facts().len()).for_each(|at| history.encode(at, &mut dictionary, &mut bytes));
    dictionary.codes().iter().for_each(|code| bytes.extend_from_slice(&code.packed().to_le_bytes()));
    xxh3_128(&bytes)
}
