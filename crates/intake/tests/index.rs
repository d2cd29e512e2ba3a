//! Intake's index is thrown away for damage alone: a machine that refuses is told, and costs no good index.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    env, error,
    fs::{self, File, Permissions},
    os::unix::{
        fs::{FileExt, MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use contract::Millis;
use event_log::EmbeddedLog;
use intake::{Intake, Item, OpenError, Outcome, Receipt};
use tempfile::TempDir;

const NOW: Millis = Millis(1_772_400_000_000);
/// Whom the child process of a test works for.
const FOLDER: &str = "INTAKE_TEST_FOLDER";
/// `nobody`, whom permissions bind.
const NOBODY: u32 = 65_534;

fn open(folder: &Path) -> Result<Intake, OpenError> {
    // A process that another test is just beginning still holds the locks of all of them, for a moment.
    let log = (0..500).find_map(|_| {
        let log = EmbeddedLog::open(&folder.join("log")).ok();
        if log.is_none() {
            thread::sleep(Duration::from_millis(10));
        }
        log
    });
    Intake::open(folder, Arc::new(log.unwrap()))
}

/// A folder whose log, keys and index know one claim.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    EmbeddedLog::create(&folder.path().join("log"), 4).unwrap();
    let mut intake = open(folder.path()).unwrap();
    assert_eq!(intake.rebuilt_index(), None);
    assert!(matches!(outcome(&submit(&mut intake, 0..1)), Outcome::Accepted { .. }));
    folder
}

fn claim(number: u32) -> Item {
    let json = format!(
        r#"{{"event": {{"emitter": "01004", "recordKey": "L{number}", "assertedAt": "2026-03-03T00:00:00+07:00",
            "occurredAt": "2026-03-01T08:00:00+07:00", "visitOpened": {{"facility": "01004", "visitType": "01"}}}},
          "person": {{"identifiers": [{{"kind": 1, "value": "001080000001"}}]}}}}"#
    );
    Item::new(contract::submission_from_json(json.as_bytes()).unwrap())
}

fn submit(intake: &mut Intake, claims: std::ops::Range<u32>) -> Vec<Receipt> {
    intake.submit(claims.map(claim).collect(), NOW).unwrap()
}

fn outcome(receipts: &[Receipt]) -> &Outcome {
    &receipts[0].outcome
}

fn knows_its_claim(intake: &mut Intake) -> bool {
    matches!(outcome(&submit(intake, 0..1)), Outcome::Duplicate { .. })
}

/// A message and its causes.
fn told(error: &dyn error::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(source) => format!("{error}: {}", told(source)),
    }
}

fn walk(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.into()];
    }
    let mut files: Vec<_> =
        fs::read_dir(path).unwrap().flat_map(|entry| walk(&entry.unwrap().path())).collect();
    files.sort();
    files
}

/// Not a test: what the tests run in a process of its own, under limits. Opens the folder and prints what came of it.
#[test]
#[ignore = "run by the other tests"]
#[allow(clippy::print_stdout, reason = "the test that began it reads this")]
fn opens_for_another_test() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    // Reads only: it is the index that is to meet the limits.
    let log = EmbeddedLog::open_reader(&folder.join("log")).unwrap();
    match Intake::open(folder, Arc::new(log)) {
        Ok(intake) => println!("OPENED {:?}", intake.rebuilt_index()),
        Err(error) => println!("REFUSED {}", told(&error)),
    }
}

/// A process that opens `folder`, begun by `shell`.
fn child(folder: &Path, shell: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", shell, "sh"]).arg(env::current_exe().unwrap());
    command.args(["--exact", "opens_for_another_test", "--ignored", "--nocapture"]);
    command.env(FOLDER, folder);
    command
}

/// What the process said; `None`: it could not be run.
fn said(mut command: Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| {
        let at = line.find("OPENED").or_else(|| line.find("REFUSED"))?;
        Some(line[at..].to_owned())
    })
}

fn set_writable(path: &Path, writable: bool, owner: Option<u32>) {
    chown(path, owner, None).unwrap();
    let mode = u32::from(writable) * 0o200 + if path.is_dir() { 0o555 } else { 0o444 };
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            set_writable(&entry.unwrap().path(), writable, owner);
        }
    }
}

#[test]
fn a_read_only_folder_is_told_and_the_index_stays() {
    let folder = folder();
    let index = folder.path().join("intake");
    let superuser = fs::metadata(folder.path()).unwrap().uid() == 0;
    let owner = superuser.then_some(NOBODY);
    set_writable(folder.path(), true, owner);
    set_writable(&index, false, owner);
    let files = walk(&index);
    let mut command = child(folder.path(), r#"exec "$@""#);
    if superuser {
        command.uid(NOBODY);
    }
    let said = said(command);
    assert_eq!(walk(&index), files);
    set_writable(folder.path(), true, superuser.then_some(0));
    let mut intake = open(folder.path()).unwrap();
    assert_eq!(intake.rebuilt_index(), None);
    assert!(knows_its_claim(&mut intake));
    // Another user may have no way to the test's own program.
    if let Some(said) = said {
        assert!(said.starts_with("REFUSED cannot use intake's index in "), "{said}");
        assert!(said.contains("it was left as it is: make room on the disk, or give the right"), "{said}");
        assert!(said.contains("Permission denied") || said.contains("PermissionDenied"), "{said}");
    }
}

#[test]
fn a_full_disk_is_told_and_the_index_stays() {
    let folder = folder();
    let index = folder.path().join("intake");
    // As a crash leaves it: the log has more than the index.
    let saved = folder.path().join("saved");
    assert!(Command::new("cp").arg("-r").args([&index, &saved]).status().unwrap().success());
    submit(&mut open(folder.path()).unwrap(), 1..1000);
    fs::remove_dir_all(&index).unwrap();
    fs::rename(&saved, &index).unwrap();
    // Files may not grow: ignored, the signal leaves the write to fail.
    let said = said(child(folder.path(), r#"trap '' XFSZ; ulimit -f 1; exec "$@""#)).unwrap();
    assert!(said.starts_with("REFUSED cannot use intake's index in "), "{said}");
    let mut intake = open(folder.path()).unwrap();
    assert_eq!(intake.rebuilt_index(), None);
    assert!(knows_its_claim(&mut intake));
    assert!(matches!(outcome(&submit(&mut intake, 999..1000)), Outcome::Duplicate { .. }));
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let folder = folder();
    let index = folder.path().join("intake");
    fs::remove_dir_all(&index).unwrap();
    fs::write(&index, b"mine").unwrap();
    let error = told(&open(folder.path()).unwrap_err());
    assert!(error.starts_with("cannot write to "), "{error}");
    assert_eq!(fs::read(&index).unwrap(), b"mine");
}

#[test]
fn a_damaged_file_and_a_missing_one_are_built_again_and_told() {
    let folder = folder();
    let index = folder.path().join("intake");
    let mut rebuilt = 0;
    for file in walk(&index) {
        for cut in [true, false] {
            if !file.exists() || fs::metadata(&file).unwrap().len() == 0 {
                continue;
            }
            if cut {
                File::options().write(true).open(&file).unwrap().set_len(1).unwrap();
            } else {
                fs::remove_file(&file).unwrap();
            }
            let mut intake = open(folder.path()).unwrap();
            rebuilt += u32::from(intake.rebuilt_index().is_some());
            assert!(knows_its_claim(&mut intake), "{} {cut}", file.display());
        }
    }
    assert!(rebuilt > 5, "{rebuilt}");
}

#[test]
fn damage_met_while_working_is_told_and_built_again_by_the_next_start() {
    let folder = folder();
    let index = folder.path().join("intake");
    let mut intake = open(folder.path()).unwrap();
    for part in 0..3 {
        submit(&mut intake, part * 9_000..(part + 1) * 9_000);
    }
    drop(intake);
    // Built from a log of this length it has tables, whose blocks are read when they are needed.
    fs::remove_dir_all(&index).unwrap();
    drop(open(folder.path()).unwrap());
    let tables: Vec<_> = walk(&index)
        .into_iter()
        .filter(|path| path.parent().is_some_and(|folder| folder.ends_with("tables")))
        .filter(|path| fs::metadata(path).unwrap().len() > 100_000)
        .collect();
    assert_eq!(tables.len(), 2, "events and records");
    for table in tables {
        let file = File::options().write(true).open(table).unwrap();
        let length = file.metadata().unwrap().len();
        for at in (0..length / 2).step_by(1 << 10) {
            file.write_all_at(b"?", at).unwrap();
        }
    }
    let mut intake = open(folder.path()).unwrap();
    assert_eq!(intake.rebuilt_index(), None);
    let error = (0..27).find_map(|part| intake.submit(vec![claim(part * 1000)], NOW).err());
    let error = told(&error.unwrap());
    assert!(error.contains("is damaged or of another version"), "{error}");
    drop(intake);
    let mut intake = open(folder.path()).unwrap();
    assert!(intake.rebuilt_index().is_some());
    assert!(knows_its_claim(&mut intake));
}
