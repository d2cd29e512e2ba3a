//! The disk that forgets keeps what it promised, and nothing else for certain.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use event_log::files::{Files, LockError, make_folder};
use event_log::testing::{Bugs, FaultyFiles};

fn two_files(seed: u64, bugs: Bugs) -> (FaultyFiles, Vec<Option<Vec<u8>>>) {
    let files = FaultyFiles::with_bugs(seed, bugs);
    let (synced, not) = (Path::new("d/synced"), Path::new("d/not"));
    let process = files.shared();
    make_folder(process.as_ref(), Path::new("d")).unwrap();
    let file = process.create(synced).unwrap();
    file.write_at(b"kept", 0).unwrap();
    file.sync_data().unwrap();
    files.shared().sync_dir(Path::new("d")).unwrap();
    file.write_at(&[7; 2000], 4).unwrap();
    files.shared().create(not).unwrap();
    files.crash();
    let bytes = vec![files.bytes(synced), files.bytes(not)];
    (files, bytes)
}

#[test]
fn what_was_synced_stays_and_the_rest_comes_and_goes() {
    let (mut lens, mut seen_not) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..500 {
        let (_, bytes) = two_files(seed, Bugs::default());
        let synced = bytes[0].as_ref().expect("its folder was synced");
        assert_eq!(&synced[..4], b"kept");
        lens.insert(synced.len());
        seen_not.insert(bytes[1].is_some());
        assert_eq!(two_files(seed, Bugs::default()).1, bytes, "the same seed does the same");
    }
    assert!(lens.contains(&4) && lens.contains(&2004) && lens.len() > 50);
    assert_eq!(seen_not.len(), 2);
}

#[test]
fn planted_bugs_lose_what_was_synced() {
    let lost = |bugs| {
        (0..100)
            .any(|seed| two_files(seed, bugs).1[0].as_ref().is_none_or(|bytes| !bytes.starts_with(b"kept")))
    };
    assert!(!lost(Bugs::default()));
    assert!(lost(Bugs { ignore_sync_data: true, ..Bugs::default() }));
    assert!(lost(Bugs { ignore_sync_dir: true, ..Bugs::default() }));
}

#[test]
fn a_full_disk_takes_a_part_and_says_so() {
    let files = FaultyFiles::new(1);
    files.shared().create_dir(Path::new("d")).unwrap();
    let file = files.shared().create(Path::new("d/f")).unwrap();
    files.set_space_bytes(Some(10));
    file.write_at(&[1; 8], 0).unwrap();
    assert_eq!(file.write_at(&[1; 8], 8).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!((file.len().unwrap(), files.used_bytes()), (10, 10));
    files.set_space_bytes(None);
    file.write_at(&[1; 8], 8).unwrap();
    files.set_read_only(true);
    assert_eq!(file.write_at(&[1], 0).unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn handles_and_locks_end_with_their_process() {
    let files = FaultyFiles::new(1);
    files.shared().create_dir(Path::new("d")).unwrap();
    let file = files.shared().create(Path::new("d/f")).unwrap();
    let lock = files.shared().try_lock(Path::new("d/lock")).unwrap();
    assert!(matches!(files.shared().try_lock(Path::new("d/lock")), Err(LockError::Held(_))));
    file.write_at(b"x", 0).unwrap();
    files.kill();
    assert!(file.write_at(b"y", 0).is_err());
    let again = files.shared().try_lock(Path::new("d/lock")).unwrap();
    drop(lock);
    assert!(matches!(files.shared().try_lock(Path::new("d/lock")), Err(LockError::Held(_))));
    drop(again);
    assert_eq!(files.bytes(Path::new("d/f")).unwrap(), b"x");
}

#[test]
fn a_folder_that_was_only_made_comes_and_goes_with_what_is_in_it() {
    let file = Path::new("a/b/c/f");
    let left = |make: fn(&dyn Files, &Path) -> io::Result<()>| {
        let mut left = BTreeSet::new();
        for seed in 0..100 {
            let files = FaultyFiles::new(seed);
            let process = files.shared();
            make(process.as_ref(), Path::new("a/b/c")).unwrap();
            process.create(file).unwrap().sync_all().unwrap();
            process.sync_dir(Path::new("a/b/c")).unwrap();
            files.crash();
            left.insert(files.bytes(file).is_some());
        }
        left
    };
    assert_eq!(left(|files, folder| files.create_dir(folder)), BTreeSet::from([false, true]));
    assert_eq!(left(make_folder), BTreeSet::from([true]));

    // Also where a process died while it made them, and the next goes on.
    for (seed, died) in (0..100).flat_map(|seed| (0..8).map(move |died| (seed, died))) {
        let files = FaultyFiles::new(seed);
        files.crash_after(died);
        let made = make_folder(files.shared().as_ref(), Path::new("a/b/c"));
        assert_eq!(made.is_ok(), died > 5);
        files.kill();
        let process = files.shared();
        make_folder(process.as_ref(), Path::new("a/b/c")).unwrap();
        process.create(file).unwrap().sync_all().unwrap();
        process.sync_dir(Path::new("a/b/c")).unwrap();
        files.crash();
        assert!(files.bytes(file).is_some(), "{seed} {died}");
    }
}

#[test]
fn a_folder_is_removed_name_by_name_and_comes_back_where_that_was_not_synced() {
    let mut left = BTreeSet::new();
    for seed in 0..100 {
        let files = FaultyFiles::new(seed);
        let process = files.shared();
        for folder in ["d", "d/e", "o"] {
            make_folder(process.as_ref(), Path::new(folder)).unwrap();
        }
        for name in ["d/a", "d/e/b", "o/f"] {
            process.create(Path::new(name)).unwrap();
        }
        ["d", "d/e", "o"].iter().for_each(|folder| process.sync_dir(Path::new(folder)).unwrap());
        process.remove_dir(Path::new("d")).unwrap();
        process.remove_dir(Path::new("d")).unwrap();
        assert_eq!(files.paths(), [Path::new("o/f")]);
        assert_eq!(process.create(Path::new("d/a")).unwrap_err().kind(), io::ErrorKind::NotFound);
        files.crash();
        left.insert(files.paths().len());
    }
    assert_eq!(left, BTreeSet::from([1, 2, 3]));
}
