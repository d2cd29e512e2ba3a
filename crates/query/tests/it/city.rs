//! A projected city that tests ask.

use std::{collections::BTreeMap, path::Path, sync::LazyLock};

use contract::{Day, DeploymentKey, Millis};
use event_log::{EventLog, files::RealFiles};
use projector::{Options, Projector};
use query::{DataFolder, Desk};
use simulator::{City, Config, Places, simulate};
use tempfile::TempDir;

pub(crate) const PARTITIONS: u16 = 3;
/// The bundle changes in the middle of what is known.
pub(crate) const SECOND_BUNDLE: &str = "2026-06-30";

pub(crate) struct Projected {
    pub(crate) folder: DataFolder,
    pub(crate) log: Box<dyn EventLog>,
    _dir: TempDir,
}

static CITY: LazyLock<Projected> = LazyLock::new(|| projected(300));

/// The city all tests may read.
pub(crate) fn city() -> &'static Projected {
    &CITY
}

impl Projected {
    pub(crate) fn desk(&self) -> Desk<'_> {
        Desk::open(&self.folder, self.log.as_ref(), end_of("2027-12-31")).unwrap()
    }
}

pub(crate) fn day(text: &str) -> Day {
    text.parse().unwrap()
}

pub(crate) fn end_of(text: &str) -> Millis {
    query::parse_known_at(text).unwrap()
}

pub(crate) fn bundle_files() -> BTreeMap<String, Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    DataFolder::bundle_files(&RealFiles, &root.join("reference"), &root.join("policy")).unwrap()
}

/// The bundle with another number of months for health management, so that figures change with it.
pub(crate) fn other_bundle() -> BTreeMap<String, Vec<u8>> {
    let mut files = bundle_files();
    let path = "policy/parameters.toml";
    let text = String::from_utf8(files[path].clone()).unwrap();
    let changed = text.replace("value = 12", "value = 3");
    assert_ne!(text, changed, "the parameter that this test edits is there");
    files.insert(path.to_owned(), changed.into_bytes());
    files
}

fn projected(people: u64) -> Projected {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("data");
    let logs = DataFolder::own_logs(&root, &RealFiles::shared());
    let folder =
        DataFolder::create(&root, RealFiles::shared(), logs, Some(PARTITIONS), "key", Millis(0)).unwrap();
    folder.activate_bundle(&bundle_files(), Millis(0)).unwrap();
    folder.activate_bundle(&other_bundle(), end_of(SECOND_BUNDLE)).unwrap();
    let bundle = folder.active_bundle().unwrap();
    let log = folder.log_for_writing().unwrap();
    let places = Places::of(&bundle.reference, Day::new_year(2026)).unwrap();
    let city = City::new(Config::adversarial(11, people), places);
    simulate(&city, &DeploymentKey::new(&[7; 32]), log.as_ref(), 2, &mut |_, _| {}, &mut |_| {}).unwrap();
    drop(log);
    let log = folder.log().unwrap();
    let options = Options { workers: 2, ..Options::default() };
    let (mut projector, _) =
        Projector::open(&folder.projector(), RealFiles::shared(), log.as_ref(), &bundle, options).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    assert!(log.ends().unwrap().iter().sum::<u64>() > 1_000, "the city has events to ask about");
    drop(projector);
    Projected { folder, log, _dir: dir }
}
