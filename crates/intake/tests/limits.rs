//! A disk that fills up, and folders that may not be written, while intake works: nothing that was acknowledged is lost, and
//! nobody gets a second key.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    collections::BTreeSet,
    env, error,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use contract::{Millis, Subject};
use event_log::{EmbeddedLog, Options, testing::FaultyFiles};
use intake::{Intake, Item, Outcome, Receipt, SubmitError, keys::PersonKeysWriter};
use tempfile::TempDir;

const NOW: Millis = Millis(1_772_400_000_000);
/// Whom the child process of a test works for, and whether it speaks of people.
const FOLDER: &str = "INTAKE_TEST_FOLDER";
const OF_PEOPLE: &str = "INTAKE_TEST_OF_PEOPLE";

fn open(folder: &Path) -> Intake {
    Intake::open(folder, Arc::new(EmbeddedLog::open(&folder.join("log")).unwrap())).unwrap()
}

/// A folder with an empty log, and keys of so many people.
fn folder(people: u64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    EmbeddedLog::create(&folder.path().join("log"), 2).unwrap();
    let mut keys = PersonKeysWriter::create(folder.path()).unwrap();
    for number in 0..people {
        let mut subject = Subject::default();
        subject.0[8..].copy_from_slice(&number.to_be_bytes());
        keys.push(subject, &[1; 32]);
    }
    keys.finish().unwrap();
    folder
}

/// A visit; of somebody whose name is sealed, or of nobody.
fn visit(number: u32, of_somebody: bool) -> Item {
    let person = if of_somebody {
        format!(r#", "person": {{"identifiers": [{{"kind": 1, "value": "001080{number:06}"}}]}}"#)
    } else {
        String::new()
    };
    let json = format!(
        r#"{{"event": {{"emitter": "01004", "recordKey": "L{number}", "assertedAt": "2026-03-03T00:00:00+07:00",
            "occurredAt": "2026-03-01T08:00:00+07:00", "visitOpened": {{"facility": "01004", "visitType": "01"}}}}{person}}}"#
    );
    Item::new(contract::submission_from_json(json.as_bytes()).unwrap())
}

fn is_known(receipts: &[Receipt]) -> bool {
    receipts.iter().all(|receipt| matches!(receipt.outcome, Outcome::Duplicate { .. }))
}

fn keys_path(folder: &Path) -> PathBuf {
    folder.join("keys/persons.keys")
}

/// How many keys there are; each must be somebody else's.
fn keys(folder: &Path) -> usize {
    let bytes = fs::read(keys_path(folder)).unwrap();
    let slots: Vec<&[u8]> = bytes[16..].chunks(52).map(|slot| &slot[..16]).collect();
    assert_eq!(BTreeSet::from_iter(&slots).len(), slots.len(), "somebody has two keys");
    slots.len()
}

/// A message and its causes.
fn told(error: &dyn error::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(source) => format!("{error}: {}", told(source)),
    }
}

/// Not a test: what the tests run in a process of its own, under limits. Submits one visit after the other until one
/// is not taken, tries that one again, and prints what came of it.
#[test]
#[ignore = "run by the other tests"]
#[allow(clippy::print_stdout, reason = "the test that began it reads this")]
fn submits_for_another_test() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let of_somebody = env::var_os(OF_PEOPLE).is_some();
    let mut intake = open(Path::new(&folder));
    for number in 0..2_000 {
        if let Err(error) = intake.submit(vec![visit(number, of_somebody)], NOW) {
            println!("TAKEN {number} REFUSED {}", told(&error));
            let again = intake.submit(vec![visit(number, of_somebody)], NOW).unwrap_err();
            println!("AGAIN {}", told(&again));
            return;
        }
    }
    println!("TAKEN 2000 REFUSED nothing");
}

/// Submits in a process whose files may not grow past so many bytes, as on a full disk. How many visits were acknowledged,
/// what the next was told, and what it was told again.
fn submitted(folder: &Path, of_somebody: bool, bytes: u64) -> (u32, String, String) {
    let mut command = Command::new("sh");
    // The shell counts blocks of 512 bytes. Ignored, the signal leaves the write to fail.
    let script = r#"trap '' XFSZ; ulimit -f "$0"; exec "$@""#;
    command.args(["-c", script, &(bytes / 512).to_string()]).arg(env::current_exe().unwrap());
    command.args(["--exact", "submits_for_another_test", "--ignored", "--nocapture"]).env(FOLDER, folder);
    if of_somebody {
        command.env(OF_PEOPLE, "yes");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = |word: &str| {
        let line = text.lines().find_map(|line| line.split_once(word));
        line.unwrap_or_else(|| panic!("no {word}in {text} {}", String::from_utf8_lossy(&output.stderr)))
            .1
            .to_owned()
    };
    let taken = after("TAKEN ");
    let (taken, refused) = taken.split_once(" REFUSED ").unwrap();
    (taken.parse().unwrap(), refused.to_owned(), after("AGAIN "))
}

#[test]
fn a_file_of_keys_that_cannot_grow_is_told_and_nothing_acknowledged_is_lost() {
    let folder = folder(100_000);
    drop(open(folder.path()));
    let length = fs::metadata(keys_path(folder.path())).unwrap().len();
    let (taken, refused, again) = submitted(folder.path(), true, length + 1024);
    assert!((1..40).contains(&taken), "{taken}");
    for told in [refused, again] {
        assert!(told.starts_with("cannot use the key file "), "{told}");
        assert!(told.contains("make room on the disk"), "{told}");
    }
    let mut intake = open(folder.path());
    assert!(is_known(&intake.submit((0..taken).map(|number| visit(number, true)).collect(), NOW).unwrap()));
    assert_eq!(keys(folder.path()), 100_000 + taken as usize);
    let rest = intake.submit((taken..50).map(|number| visit(number, true)).collect(), NOW).unwrap();
    assert!(rest.iter().all(|receipt| matches!(receipt.outcome, Outcome::Accepted { .. })));
    assert_eq!(keys(folder.path()), 100_050);
}

/// The files below a folder, and their lengths.
fn lengths(path: &Path) -> Vec<(PathBuf, u64)> {
    if !path.is_dir() {
        return vec![(path.into(), fs::metadata(path).unwrap().len())];
    }
    let mut files: Vec<_> =
        fs::read_dir(path).unwrap().flat_map(|entry| lengths(&entry.unwrap().path())).collect();
    files.sort();
    files
}

#[test]
fn an_index_that_cannot_grow_is_told_and_what_the_log_took_meanwhile_is_known() {
    let folder = folder(100_000);
    // The store makes its journal long, and cuts it when it is opened again.
    drop(open(folder.path()));
    drop(open(folder.path()));
    let index = folder.path().join("intake");
    let longest = lengths(&index).into_iter().map(|(_, length)| length).max().unwrap();
    let (taken, refused, again) = submitted(folder.path(), false, longest + 8192);
    assert!((1..2000).contains(&taken), "{taken}");
    for told in [refused, again] {
        assert!(told.starts_with("cannot use intake's index in "), "{told}");
        assert!(told.contains("it was left as it is: make room on the disk"), "{told}");
    }
    let mut intake = open(folder.path());
    assert_eq!(intake.rebuilt_index(), None);
    // The one that was refused is in the log, but nobody was told so.
    assert!(is_known(&intake.submit((0..=taken).map(|number| visit(number, false)).collect(), NOW).unwrap()));
}

#[test]
fn a_log_that_takes_nothing_for_a_while_costs_nobody_a_second_key() {
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyFiles::new(7);
    let log = EmbeddedLog::create_with(disk.shared(), Path::new("log"), 2, Options::default()).unwrap();
    let mut intake = Intake::open(folder.path(), Arc::new(log)).unwrap();
    let submit = |intake: &mut Intake, numbers: std::ops::Range<u32>| {
        intake.submit(numbers.map(|number| visit(number, true)).collect(), NOW)
    };
    assert_eq!(submit(&mut intake, 0..3).unwrap().len(), 3);
    for _ in 0..2 {
        disk.set_space_bytes(Some(disk.used_bytes()));
        let error = submit(&mut intake, 2..8).unwrap_err();
        assert!(matches!(error, SubmitError::Append(_)), "{}", told(&error));
    }
    disk.set_space_bytes(None);
    assert_eq!(submit(&mut intake, 0..8).unwrap().len(), 8);
    assert_eq!(keys(folder.path()), 8);
    assert!(is_known(&submit(&mut intake, 0..8).unwrap()));
}

/// A folder whose log has three visits of three people, and whose index knows of the first two.
fn with_an_index_behind() -> TempDir {
    let folder = folder(0);
    let (index, saved) = (folder.path().join("intake"), folder.path().join("saved"));
    let mut intake = open(folder.path());
    intake.submit(vec![visit(0, true), visit(1, true)], NOW).unwrap();
    drop(intake);
    assert!(Command::new("cp").arg("-r").args([&index, &saved]).status().unwrap().success());
    open(folder.path()).submit(vec![visit(2, true)], NOW).unwrap();
    fs::remove_dir_all(&index).unwrap();
    fs::rename(&saved, &index).unwrap();
    folder
}

fn damage(folder: &Path, slot: u64) {
    let file = File::options().write(true).open(keys_path(folder)).unwrap();
    file.write_all_at(&[0; 20], 16 + slot * 52).unwrap();
}

#[test]
fn keys_that_were_being_written_when_the_power_went_are_cut_off_in_whatever_order_they_were_kept() {
    let folder = with_an_index_behind();
    // Four more, of which the second and the third were kept: nothing was sealed under them.
    let mut bytes = fs::read(keys_path(folder.path())).unwrap();
    for number in 0..4 {
        let mut slot = [number + 1; 52];
        let sum = crc32c::crc32c(&slot[..48]);
        slot[48..].copy_from_slice(&sum.to_le_bytes());
        bytes.extend_from_slice(&slot);
    }
    fs::write(keys_path(folder.path()), &bytes).unwrap();
    damage(folder.path(), 3);
    damage(folder.path(), 6);
    let mut intake = open(folder.path());
    assert_eq!(keys(folder.path()), 3);
    assert!(is_known(&intake.submit((0..3).map(|number| visit(number, true)).collect(), NOW).unwrap()));
    assert_eq!(keys(folder.path()), 3);
}

#[test]
fn a_damaged_key_under_which_something_was_sealed_is_told_and_left() {
    let folder = with_an_index_behind();
    damage(folder.path(), 2);
    let before = fs::read(keys_path(folder.path())).unwrap();
    let log = Arc::new(EmbeddedLog::open(&folder.path().join("log")).unwrap());
    let error = Intake::open(folder.path(), log).unwrap_err();
    assert!(error.to_string().contains("slot 2 is damaged; restore this file from a copy"), "{error}");
    assert_eq!(fs::read(keys_path(folder.path())).unwrap(), before);
}
