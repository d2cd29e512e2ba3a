use std::path::Path;

use contract::Millis;
use event_log::{EventLog, files::RealFiles};
use query::{DataFolder, QueryError};
use tempfile::TempDir;

use crate::city::{bundle_files, end_of, other_bundle};

fn folder() -> (TempDir, DataFolder) {
    let dir = TempDir::new().unwrap();
    let folder = create(&dir.path().join("data"), Some(4), "a key").unwrap();
    (dir, folder)
}

fn create(root: &Path, partitions: Option<u16>, key: &str) -> Result<DataFolder, QueryError> {
    let files = RealFiles::shared();
    let logs = DataFolder::own_logs(root, &files);
    DataFolder::create(root, files, logs, partitions, key, Millis(1))
}

#[test]
fn a_folder_is_made_once_and_says_what_it_is() {
    let (_dir, folder) = folder();
    let control = folder.control().unwrap();
    assert_eq!((control.key_id.as_str(), control.partitions), ("a key", 4));
    assert_eq!(folder.log().unwrap().partitions(), 4);
    let again = create(folder.root(), Some(8), "another");
    assert!(matches!(again, Err(QueryError::Refused(why)) if why.contains("holds a deployment already")));
    let nothing = TempDir::new().unwrap();
    let none = DataFolder::open(
        nothing.path(),
        RealFiles::shared(),
        DataFolder::own_logs(nothing.path(), &RealFiles::shared()),
    );
    assert!(matches!(none, Err(QueryError::Refused(why)) if why.contains("vertebra simulate")));
    assert!(
        matches!(folder.active_bundle(), Err(QueryError::Refused(why)) if why.contains("vertebra project"))
    );
}

#[test]
fn bundles_are_kept_by_content_and_found_by_time_and_digest() {
    let (_dir, folder) = folder();
    let (first, changed) = folder.activate_bundle(&bundle_files(), end_of("2026-01-01")).unwrap();
    assert!(changed);
    let stored = folder.control().unwrap().end();
    assert_eq!(stored, 1 + first.files().len() as u64 + 1, "the deployment, every file, the activation");
    let (_, changed) = folder.activate_bundle(&bundle_files(), end_of("2026-01-02")).unwrap();
    assert!(!changed, "it is active already");
    assert_eq!(folder.control().unwrap().end(), stored);
    let (second, changed) = folder.activate_bundle(&other_bundle(), end_of("2026-02-01")).unwrap();
    assert!(changed);
    assert_eq!(folder.control().unwrap().end(), stored + 2, "the one file that changed, and the activation");
    folder.activate_bundle(&bundle_files(), end_of("2026-03-01")).unwrap();
    assert_eq!(folder.control().unwrap().end(), stored + 3, "every file was there");

    let control = folder.control().unwrap();
    let at = |day: &str| control.bundle(control.at(end_of(day)).unwrap()).unwrap().digest();
    assert_eq!(at("2025-06-01"), first.digest(), "before the first there is only the first");
    assert_eq!(at("2026-01-15"), first.digest());
    assert_eq!(at("2026-02-15"), second.digest());
    assert_eq!(at("2026-03-15"), first.digest());
    assert_eq!(folder.active_bundle().unwrap().digest(), first.digest());
    let found = control.bundle(control.by_digest(&second.digest()).unwrap()).unwrap();
    assert_eq!(found.files(), second.files());
    assert!(control.by_digest(&[0; 32]).is_none());
}

#[test]
fn a_broken_bundle_is_refused_with_every_fault_and_changes_nothing() {
    let (_dir, folder) = folder();
    let mut files = bundle_files();
    files.insert("policy/route.toml".to_owned(), b"[[rule]]\nid = 1\n".to_vec());
    files.remove("reference/communes.csv");
    let Err(QueryError::Bundle(faults)) = folder.activate_bundle(&files, Millis(2)) else {
        panic!("it is broken")
    };
    for file in ["policy/route.toml", "reference/communes.csv"] {
        assert!(faults.iter().any(|fault| fault.file == file), "{file}: {faults:?}");
    }
    assert_eq!(folder.control().unwrap().end(), 1);
    let mut files = bundle_files();
    files.get_mut("reference/holidays.csv").unwrap().resize((64 << 20) + 1, b'\n');
    let refused = folder.activate_bundle(&files, Millis(2)).map(|(bundle, _)| bundle.digest());
    assert!(matches!(refused, Err(QueryError::Refused(why)) if why.contains("has 67108865 bytes")));
    assert_eq!(folder.control().unwrap().end(), 1);
}

#[test]
fn a_table_of_more_than_a_record_holds_is_kept_in_parts() {
    let (_dir, folder) = folder();
    let mut files = bundle_files();
    let path = "policy/parameters.toml";
    files.get_mut(path).unwrap().resize(5 << 19, b'\n');
    let (bundle, _) = folder.activate_bundle(&files, Millis(2)).unwrap();
    let stored = 1 + bundle.files().len() as u64 + 2 + 1;
    assert_eq!(
        folder.control().unwrap().end(),
        stored,
        "the deployment, every file, two more parts, the activation"
    );
    assert_eq!(folder.active_bundle().unwrap().files(), bundle.files());
    assert_eq!(bundle.files()[path].len(), 5 << 19);
    // Only its last part becomes another.
    *files.get_mut(path).unwrap().last_mut().unwrap() = b' ';
    folder.activate_bundle(&files, Millis(3)).unwrap();
    assert_eq!(folder.control().unwrap().end(), stored + 2);
}

#[test]
fn a_folder_that_was_made_in_part_is_finished_with_as_many_partitions() {
    let dir = TempDir::new().unwrap();
    drop(event_log::EmbeddedLog::create(&dir.path().join("log"), 4).unwrap());
    let make = |partitions| create(dir.path(), partitions, "a key");
    let refused = make(Some(8));
    assert!(matches!(refused, Err(QueryError::Refused(why)) if why.contains("was begun with 4 partitions")));
    assert_eq!(make(None).unwrap().control().unwrap().partitions, 4, "as many as it has");
}

#[test]
fn an_event_log_without_its_control_log_is_not_taken_for_an_empty_one() {
    let dir = TempDir::new().unwrap();
    let log = event_log::EmbeddedLog::create(&dir.path().join("log"), 4).unwrap();
    log.append(&[event_log::Append { partition: 1, key: &[], bytes: b"an event" }]).unwrap();
    drop(log);
    let refused = create(dir.path(), Some(4), "a key");
    assert!(matches!(refused, Err(QueryError::Refused(why)) if why.contains("holds events")));
}
