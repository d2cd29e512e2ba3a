//! What cannot be read: files that rotted are built again, and a log that cannot be read holds up what stands in its way only.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use contract::EventView;
use event_log::{
    Append, AppendError, Checkpoint, EmbeddedLog, EventLog, Followed, Follower, LogId, PartitionReader,
    ReadError, Ticket, files::RealFiles,
};
use projector::{Opened, Options, Projector, Reader, StoreError};
use tempfile::TempDir;

use crate::{BUNDLE, PARTITIONS, built, city, copy, open, options};

/// The folder of the generation that serves.
fn generation(root: &Path) -> PathBuf {
    root.join(fs::read_to_string(root.join("current")).unwrap().trim())
}

/// The base file of partition 0.
fn base(root: &Path) -> PathBuf {
    let mut bases = fs::read_dir(generation(root).join("bases")).unwrap().map(|entry| entry.unwrap().path());
    bases.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("p0000-")).unwrap()
}

/// Flips a bit of the last people in the base file of partition 0.
fn damage_last_block(root: &Path) {
    let path = base(root);
    let mut bytes = fs::read(&path).unwrap();
    // The footer of 60 bytes ends with the length of the meta and its digest; the people end where the meta begins.
    let footer = bytes.len() - 60;
    let meta_at = u64::from_le_bytes(bytes[footer + 12..footer + 20].try_into().unwrap()) as usize;
    assert!(meta_at > 3 * 8192, "the first people stand in another block than the last");
    bytes[meta_at - 10] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Appends further copies of an event about the first subject of partition 0: enough for a merge, and nothing else is read.
fn tell_about_the_first(log: &EmbeddedLog, copies: usize) {
    let mut reader = log.reader(0, 0).unwrap();
    let mut first: Option<(contract::Subject, Vec<u8>)> = None;
    while let Some(batch) = reader.next_batch(1 << 16).unwrap() {
        for record in batch.iter() {
            let subject = EventView::parse(record.bytes).unwrap().subject;
            if first.as_ref().is_none_or(|(first, _)| subject < *first) {
                first = Some((subject, record.bytes.to_vec()));
            }
        }
    }
    let (_, bytes) = first.unwrap();
    let records = vec![Append { partition: 0, key: &[], bytes: &bytes }; copies];
    log.append(&records).unwrap();
}

/// Follows the log until `wait` has seen what it waits for, one thing after the other.
pub(crate) fn follow(projector: &mut Projector<'_>, wait: &[(&str, &(dyn Fn() -> bool + Sync))]) {
    let shutdown = AtomicBool::new(false);
    let missing = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let begun = Instant::now();
            let seen = |is_so: &(dyn Fn() -> bool + Sync)| loop {
                if is_so() || begun.elapsed() > Duration::from_secs(60) {
                    return is_so();
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            let missing = wait.iter().find(|(_, is_so)| !seen(is_so)).map(|(what, _)| what.to_string());
            shutdown.store(true, Ordering::Relaxed);
            missing
        });
        projector.follow(&shutdown, &mut |_| {}).unwrap();
        waiting.join().unwrap()
    });
    assert_eq!(missing, None, "waited for too long");
}

#[test]
fn a_block_that_only_a_merge_reads_is_noticed_and_all_is_built_again() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 600);
    let root = folders.path().join("projector");
    open(&root, &log).unwrap().0.catch_up(&|_| {}).unwrap();
    for way in ["catching up", "following", "rebuilding"] {
        let before = generation(&root);
        damage_last_block(&root);
        tell_about_the_first(&log, 1_500);
        let (mut projector, opened) = open(&root, &log).unwrap();
        assert_eq!(opened, Opened::Snapshot, "nobody knows of the damage yet");
        match way {
            "catching up" => {
                assert!(projector.catch_up(&|_| {}).unwrap() > 1_500, "everything is read again")
            }
            "following" => follow(&mut projector, &[("it is built again", &|| !before.exists())]),
            _ => {
                // What is being merged fails while all is built anew: it would have been given up anyway.
                projector.read_to_end(&|_| {}).unwrap();
                assert_eq!(projector.rebuild(&|_| {}).unwrap().differences, Vec::<String>::new());
            }
        }
        assert!(!before.exists() && generation(&root).exists(), "{way}");
        assert_eq!(projector.positions(), log.ends().unwrap(), "{way}");
        assert_eq!(projector.digests(), built(&log), "{way}");
        drop(projector);
        assert_eq!(open(&root, &log).unwrap().1, Opened::Snapshot, "{way} left nothing to mend");
    }
}

#[test]
fn a_store_of_an_older_build_is_built_again_and_one_that_lost_its_end_is_read_on() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 100);
    let half: Vec<u64> = log.ends().unwrap().iter().map(|end| end / 2).collect();
    let slow = EmbeddedLog::create(&folders.path().join("slow"), PARTITIONS).unwrap();
    copy(&log, &slow, &half);
    let root = folders.path().join("projector");
    let (mut projector, _) = open(&root, &slow).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    // Too few for a merge: they are rows of the store.
    tell_about_the_first(&slow, 5);
    projector.catch_up(&|_| {}).unwrap();
    drop(projector);

    let rows = generation(&root).join("store/rows-00000001.log");
    let whole = fs::read(&rows).unwrap();
    fs::write(&rows, &whole[..whole.len() - 1]).unwrap();
    let (mut projector, opened) = open(&root, &slow).unwrap();
    assert_eq!(opened, Opened::Folded { why: "the snapshot is ahead of the store".into() });
    assert_eq!(projector.positions(), half, "the last row was torn");
    assert_eq!(projector.catch_up(&|_| {}).unwrap(), 5);
    assert_eq!(projector.digests(), built(&slow));
    drop(projector);

    // What says which base is in force is no row: with it the store would begin anew under names that readers stand on.
    let before = generation(&root);
    fs::write(&rows, &whole[..200]).unwrap();
    let (mut projector, opened) = open(&root, &slow).unwrap();
    let why = "it has lost a base that the snapshot names";
    assert!(matches!(&opened, Opened::Discarded { why: told } if told.contains(why)), "{opened:?}");
    projector.catch_up(&|_| {}).unwrap();
    assert_eq!(projector.digests(), built(&slow));
    assert!(!before.exists());
    drop(projector);
    assert_eq!(open(&root, &slow).unwrap().1, Opened::Snapshot);

    let before = generation(&root);
    fs::remove_file(before.join("store/rows-00000001.log")).unwrap();
    fs::write(before.join("store/db"), "sled").unwrap();
    let (mut projector, opened) = open(&root, &slow).unwrap();
    assert!(matches!(&opened, Opened::Discarded { why } if why.contains("has version 1")), "{opened:?}");
    projector.catch_up(&|_| {}).unwrap();
    assert_eq!(projector.digests(), built(&slow));
    assert!(!before.exists());
}

#[test]
fn a_partition_to_which_little_comes_is_merged_once_and_lets_old_rows_go() {
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let folders = TempDir::new().unwrap();
        let log = city(&folders.path().join("log"), 600);
        let slow = EmbeddedLog::create(&folders.path().join("slow"), PARTITIONS).unwrap();
        let ends = log.ends().unwrap();
        let (half, rest): (Vec<u64>, Vec<u64>) = ends.iter().map(|end| (end / 2, end - end / 2)).unzip();
        copy(&log, &slow, &half);
        let root = folders.path().join("projector");
        let options = Options { store_file_bytes: 1 << 10, ..options() };
        let (mut projector, _) =
            Projector::open(&root, RealFiles::shared(), &slow, &BUNDLE, options).unwrap();
        projector.catch_up(&|_| {}).unwrap();
        tell_about_the_first(&slow, 5);
        for step in 1..=20 {
            let mut until: Vec<u64> =
                half.iter().zip(&rest).map(|(half, rest)| half + rest * step / 20).collect();
            until[0] = 0;
            copy(&log, &slow, &until);
            projector.catch_up(&|_| {}).unwrap();
        }
        let name = base(&root).file_name().unwrap().to_string_lossy().into_owned();
        let files = fs::read_dir(generation(&root).join("store")).unwrap().count();
        drop(projector);
        let whole = open(&root, &slow).unwrap().0.digests() == built(&slow);
        done.send((name, files, whole)).unwrap();
    });
    // It would go on merging for ever if it took no notice of what it has merged.
    let (name, files, whole) = wait.recv_timeout(Duration::from_secs(120)).expect("it comes to an end");
    assert_eq!(name, "p0000-00000002.base");
    assert!(files < 20, "{files} files");
    assert!(whole);
}

#[test]
fn a_merge_that_fails_is_tried_again_and_holds_up_no_other() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 600);
    let slow = EmbeddedLog::create(&folders.path().join("slow"), PARTITIONS).unwrap();
    let ends = log.ends().unwrap();
    let half: Vec<u64> = ends.iter().map(|end| end / 2).collect();
    copy(&log, &slow, &half);
    let root = folders.path().join("projector");
    let (mut projector, _) = open(&root, &slow).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    let bases = generation(&root).join("bases");
    let stands = |name: &str| bases.join(name).exists();
    // A folder of this name is in the way of the file.
    let in_the_way = event_log::files::temporary_path(&bases.join("p0000-00000002.base"));
    fs::create_dir_all(in_the_way.join("not empty")).unwrap();
    copy(&log, &slow, &ends);

    let others_are_merged = || (1..PARTITIONS).all(|number| stands(&format!("p{number:04}-00000002.base")));
    let it_is_merged = || {
        if in_the_way.is_dir() {
            // By now nothing is being merged, and nothing new comes.
            std::thread::sleep(Duration::from_millis(500));
            assert!(stands("p0000-00000001.base") && !stands("p0000-00000002.base"));
            fs::remove_dir_all(&in_the_way).unwrap();
        }
        stands("p0000-00000002.base")
    };
    follow(&mut projector, &[("others are merged", &others_are_merged), ("it is merged", &it_is_merged)]);
    assert_eq!(projector.positions(), slow.ends().unwrap());
    assert_eq!(projector.digests(), built(&slow));
    drop(projector);
    let (mut projector, opened) = open(&root, &slow).unwrap();
    assert_eq!(opened, Opened::Snapshot);
    assert_eq!(projector.digests(), built(&slow));
}

/// A log whose first partition cannot be read from an offset on, and that counts how often it is asked for what.
struct Broken<'a> {
    log: &'a EmbeddedLog,
    from: u64,
    /// What readers of the first partition say.
    says: fn() -> ReadError,
    mended: AtomicBool,
    asked: AtomicU64,
}

impl<'a> Broken<'a> {
    fn new(log: &'a EmbeddedLog, from: u64) -> Broken<'a> {
        let says = || ReadError::Refused("it is broken".into());
        Broken { log, from, says, mended: AtomicBool::new(false), asked: AtomicU64::new(0) }
    }
}

impl EventLog for Broken<'_> {
    fn id(&self) -> LogId {
        self.log.id()
    }

    fn partitions(&self) -> u16 {
        self.log.partitions()
    }

    fn append_async(&self, batch: &[Append<'_>]) -> Result<Ticket, AppendError> {
        self.log.append_async(batch)
    }

    fn ends(&self) -> Result<Vec<u64>, ReadError> {
        self.log.ends()
    }

    fn reader(&self, partition: u16, from: u64) -> Result<Box<dyn PartitionReader + '_>, ReadError> {
        if partition == 0 && from >= self.from && !self.mended.load(Ordering::Relaxed) {
            return Err((self.says)());
        }
        self.log.reader(partition, from)
    }

    fn follow(&self, from: &[(u16, Checkpoint)]) -> Result<Box<dyn Follower + '_>, ReadError> {
        Ok(Box::new(BrokenFollower { log: self, inner: self.log.follow(from)?, told: false }))
    }
}

/// Tells once that the first partition cannot be read, and then nothing of it.
struct BrokenFollower<'a> {
    log: &'a Broken<'a>,
    inner: Box<dyn Follower + 'a>,
    told: bool,
}

impl Follower for BrokenFollower<'_> {
    fn next(&mut self, max_bytes: usize, patience: Duration) -> Result<Option<Followed<'_>>, ReadError> {
        self.log.asked.fetch_add(1, Ordering::Relaxed);
        let mended = self.log.mended.load(Ordering::Relaxed);
        match self.inner.next(max_bytes, patience)? {
            Some((0, Ok(batch))) if !mended && batch.first_offset() >= self.log.from => {
                let told = std::mem::replace(&mut self.told, true);
                Ok((!told).then(|| (0, Err((self.log.says)()))))
            }
            followed => Ok(followed),
        }
    }

    fn resume(&mut self, partition: u16, from: Checkpoint) {
        self.told = false;
        self.inner.resume(partition, from);
    }
}

#[test]
fn a_partition_that_stands_still_holds_up_no_other_and_nobody_spins() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 60);
    let broken = Broken::new(&log, 0);
    let (mut projector, _) = open(&folders.path().join("projector"), &broken).unwrap();
    let shutdown = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(600));
            shutdown.store(true, Ordering::Relaxed);
        });
        projector.follow(&shutdown, &mut |_| {}).unwrap();
    });
    let ends = log.ends().unwrap();
    assert_eq!(projector.positions(), [&[0], &ends[1..]].concat());
    assert!(!projector.waits_for_storage());
    // It waits 20 ms each time.
    let asked = broken.asked.load(Ordering::Relaxed);
    assert!(asked < 200, "{asked}");
}

#[test]
fn a_partition_whose_storage_does_not_answer_is_asked_again_and_readers_know_of_it() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 60);
    let root = folders.path().join("projector");
    open(&root, &log).unwrap().0.catch_up(&|_| {}).unwrap();
    let stood = log.ends().unwrap()[0];
    let mut broken = Broken::new(&log, stood);
    broken.says = || ReadError::Unavailable {
        place: "the file".to_owned().into(),
        source: std::io::Error::other("no answer"),
    };
    tell_about_the_first(&log, 3);

    // Who only catches up says so, and what else there is gets in.
    let (mut projector, _) = open(&root, &broken).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    assert_eq!(projector.positions()[0], stood);
    assert!(projector.waits_for_storage());
    let why = projector.manifest().partitions[0].stopped.clone().unwrap();
    assert_eq!(why, "cannot read the file; try again when the storage answers: no answer");
    drop(projector);

    // Who follows asks again. Nothing but that it stands still has changed: readers know even so.
    let (mut projector, _) = open(&root, &log).unwrap();
    projector.write_snapshot().unwrap();
    drop(projector);
    let (mut projector, _) = open(&root, &broken).unwrap();
    let stopped = || {
        let reader = Reader::open(&root, RealFiles::shared()).unwrap();
        reader.manifest().partitions[0].stopped.clone()
    };
    assert_eq!(stopped(), None);
    let goes_on = || {
        broken.mended.store(true, Ordering::Relaxed);
        stopped().is_none()
    };
    let stands_still = || stopped().is_some();
    follow(&mut projector, &[("it stands still", &stands_still), ("it goes on", &goes_on)]);
    assert_eq!(projector.positions(), log.ends().unwrap());
    assert_eq!(projector.digests(), built(&log));
}

#[test]
fn damage_in_the_log_before_where_the_store_stands_stops_nobody() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 200);
    let half: Vec<u64> = log.ends().unwrap().iter().map(|end| end / 2).collect();
    let slow = EmbeddedLog::create(&folders.path().join("slow"), PARTITIONS).unwrap();
    copy(&log, &slow, &half);
    let root = folders.path().join("projector");
    let (mut projector, _) = open(&root, &slow).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    let old = fs::read(generation(&root).join("snapshot")).unwrap();
    copy(&log, &slow, &log.ends().unwrap());
    projector.catch_up(&|_| {}).unwrap();
    drop(projector);
    // A crash before the second snapshot.
    fs::write(generation(&root).join("snapshot"), old).unwrap();

    let broken = Broken::new(&slow, half[0]);
    let (mut projector, opened) = open(&root, &broken).unwrap();
    assert!(matches!(&opened, Opened::Folded { why } if why.contains("it is broken")), "{opened:?}");
    assert_eq!(projector.positions(), log.ends().unwrap());
    assert_eq!(projector.digests(), built(&log));
}

#[test]
fn a_rebuild_from_a_log_that_lost_something_leaves_what_serves() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 200);
    let root = folders.path().join("projector");
    let (mut projector, _) = open(&root, &log).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    let (digests, before) = (projector.digests(), generation(&root));
    drop(projector);

    let broken = Broken::new(&log, 0);
    let (mut projector, _) = open(&root, &broken).unwrap();
    let error = projector.rebuild(&|_| {}).unwrap_err();
    assert!(
        matches!(&error, StoreError::Behind { partition: 0, why, .. } if why.contains("it is broken")),
        "{error}"
    );
    assert_eq!(projector.digests(), digests);
    assert_eq!(generation(&root), before);
    let generations =
        fs::read_dir(&root).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(generations, 1, "the one that was built is gone");
    drop(projector);
    let (mut projector, opened) = open(&root, &broken).unwrap();
    assert_eq!((opened, projector.digests()), (Opened::Snapshot, digests));
}

#[test]
fn a_flipped_digit_in_a_snapshots_manifest_and_a_base_of_another_partition_are_noticed() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 100);
    let root = folders.path().join("projector");
    open(&root, &log).unwrap().0.catch_up(&|_| {}).unwrap();
    let ends = log.ends().unwrap();
    let (snapshot, first, base) =
        (generation(&root).join("snapshot"), format!("{{\"next_offset\":{}", ends[0]), base(&root));

    // Another base under the name of this one: nobody is told of people of another partition.
    let sound = fs::read(&base).unwrap();
    fs::copy(
        base.with_file_name(base.file_name().unwrap().to_str().unwrap().replace("p0000", "p0001")),
        &base,
    )
    .unwrap();
    let reader = Reader::open(&root, RealFiles::shared()).unwrap();
    let error = reader.visit_partition(&log, 0, ends[0], |_, _, _| Ok(())).unwrap_err().to_string();
    assert!(error.contains("it is another file than the snapshot names"), "{error}");
    fs::write(&base, sound).unwrap();
    reader.visit_partition(&log, 0, ends[0], |_, _, _| Ok(())).unwrap();

    let mut bytes = fs::read(&snapshot).unwrap();
    let at = bytes.windows(first.len()).position(|text| text == first.as_bytes()).unwrap() + first.len() - 1;
    bytes[at] ^= 1;
    fs::write(&snapshot, &bytes).unwrap();
    let error = Reader::open(&root, RealFiles::shared()).err().unwrap().to_string();
    assert!(error.contains("the manifest does not have its checksum"), "{error}");

    // One of an older build is said to be one, and its figures are folded again.
    bytes[6..8].copy_from_slice(b"01");
    fs::write(&snapshot, &bytes).unwrap();
    let error = Reader::open(&root, RealFiles::shared()).err().unwrap().to_string();
    assert!(error.contains("has version 1, this build reads 2"), "{error}");
    let (mut projector, opened) = open(&root, &log).unwrap();
    assert!(matches!(&opened, Opened::Folded { why } if why.contains("has version 1")), "{opened:?}");
    assert_eq!(projector.digests(), built(&log));
}
