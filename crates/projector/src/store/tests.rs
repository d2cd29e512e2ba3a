#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use event_log::testing::{Bugs, FaultyFiles};

use super::*;

const LOG: LogId = LogId([7; 16]);
const PARTITIONS: u16 = 3;
const FILE_BYTES: u64 = 400;
/// A folder that is there without being made.
const FOLDER: &str = ".";

/// What a store says: manifests, and each partition's rows. A row is its first offset, the one after it, and some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    manifests: Vec<Option<Manifest>>,
    rows: Vec<VecDeque<Vec<u8>>>,
}

fn number(row: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(row[8 * at..8 * at + 8].try_into().unwrap())
}

impl Content {
    fn empty() -> Content {
        let partitions = usize::from(PARTITIONS);
        Content { manifests: vec![None; partitions], rows: vec![VecDeque::new(); partitions] }
    }

    fn of(store: &Store) -> Content {
        let manifests = (0..PARTITIONS).map(|partition| store.manifest(partition)).collect();
        let mut content = Content { manifests, ..Content::empty() };
        let push = |partition, row: &[u8]| {
            content.rows[usize::from(partition)].push_back(row.to_vec());
            Some(())
        };
        store.for_each_row(0..PARTITIONS, push).unwrap();
        for partition in 0..PARTITIONS {
            let mut rows = VecDeque::new();
            let push = |of, row: &[u8]| (of == partition).then(|| rows.push_back(row.to_vec()));
            store.for_each_row(partition..partition + 1, push).unwrap();
            assert_eq!(rows, content.rows[usize::from(partition)], "asked for one partition");
        }
        content
    }

    /// The offset after what is there.
    fn end(&self, partition: u16) -> u64 {
        let at = usize::from(partition);
        let in_base = self.manifests[at].map_or(0, |manifest| manifest.next_offset);
        self.rows[at].back().map_or(in_base, |row| number(row, 1))
    }

    fn commit(&mut self, store: &Store, partition: u16, bytes: usize) -> Result<(), StoreError> {
        let from = self.end(partition);
        let mut row = from.to_le_bytes().to_vec();
        row.extend_from_slice(&(from + 1 + bytes as u64 % 3).to_le_bytes());
        row.resize(row.len() + bytes, from as u8);
        store.commit(partition, from, &row)?;
        self.rows[usize::from(partition)].push_back(row);
        Ok(())
    }

    /// All but the last `left` rows go into a base.
    fn swap(&mut self, store: &Store, partition: u16, left: usize) -> Result<(), StoreError> {
        let (end, at) = (self.end(partition), usize::from(partition));
        let rows = &mut self.rows[at];
        let left = rows.split_off(rows.len().saturating_sub(left));
        let next_offset = left.front().map_or(end, |row| number(row, 0));
        let number = self.manifests[at].map_or(1, |manifest| manifest.number + 1);
        let manifest = Manifest { number, digest: [number as u8; 32], next_offset };
        (self.rows[at], self.manifests[at]) = (left, Some(manifest));
        store.swap_base(partition, manifest)
    }
}

fn create(disk: &FaultyFiles) -> Store {
    Store::create(Path::new(FOLDER), &disk.shared(), LOG, PARTITIONS, FILE_BYTES).unwrap()
}

fn open(disk: &FaultyFiles) -> Result<Store, StoreError> {
    Store::open(Path::new(FOLDER), &disk.shared(), LOG, PARTITIONS, FILE_BYTES)
}

fn names(disk: &FaultyFiles) -> Vec<String> {
    disk.shared().list(Path::new(FOLDER)).unwrap()
}

fn path(number: u64) -> PathBuf {
    Path::new(FOLDER).join(format!("rows-{number:08}.log"))
}

/// Three files and a group or more in each; what there is after each sync, with the length of the last file.
fn filled() -> (FaultyFiles, Vec<(u64, u64, Content)>) {
    let disk = FaultyFiles::new(1);
    let store = create(&disk);
    let (mut content, mut states) = (Content::empty(), Vec::new());
    for step in 0..8 {
        content.commit(&store, 0, 60).unwrap();
        content.commit(&store, 1, step).unwrap();
        if step == 3 {
            content.swap(&store, 1, 2).unwrap();
        }
        store.sync().unwrap();
        let inner = store.inner();
        let last = inner.rows.back().unwrap();
        states.push((last.number, last.length, content.clone()));
    }
    assert_eq!(states.last().unwrap().0, 3, "three files");
    (disk, states)
}

/// A disk with the same files.
fn copy(disk: &FaultyFiles) -> FaultyFiles {
    disk.copy(2)
}

#[test]
fn what_was_put_is_there_again_and_files_without_rows_of_their_own_go() {
    let disk = FaultyFiles::new(0);
    let mut store = create(&disk);
    let mut content = Content::empty();
    for step in 0..60 {
        content.commit(&store, step % 3, 39).unwrap();
        // Partition 2 is never merged until it is asked for, and keeps what others have left.
        if step % 9 == 4 {
            content.swap(&store, step % 2, usize::from(step % 3)).unwrap();
        }
        store.sync().unwrap();
        assert_eq!(Content::of(&store), content);
        if step % 7 == 0 {
            store = open(&disk).unwrap();
            assert_eq!(Content::of(&store), content, "opened again after {step}");
        }
    }
    assert!(names(&disk).len() > 5, "{:?}", names(&disk));
    assert_eq!(store.bytes(), disk.used_bytes());
    let mut asked = Vec::new();
    while let Some(pinning) = store.pinning().first().copied() {
        content.swap(&store, pinning, 0).unwrap();
        store.sync().unwrap();
        asked.push(pinning);
    }
    assert!(asked.contains(&2) && asked.len() <= 3, "each once: {asked:?}");
    let before = names(&disk).len();
    store.sync().unwrap();
    assert_eq!(names(&disk).len(), before - 1, "one at a time");
    (0..60).for_each(|_| store.sync().unwrap());
    assert!(store.bytes() < 5 * FILE_BYTES, "{}", store.bytes());
    assert!(!names(&disk).contains(&"rows-00000001.log".to_owned()));
    for partition in 0..PARTITIONS {
        content.swap(&store, partition, 0).unwrap();
    }
    (0..60).for_each(|_| store.sync().unwrap());
    assert_eq!(names(&disk).len(), 1, "all is in bases");
    assert_eq!(Content::of(&open(&disk).unwrap()), content);
}

#[test]
fn a_long_catch_up_is_written_in_pieces() {
    let disk = FaultyFiles::new(0);
    let store = create(&disk);
    let mut content = Content::empty();
    for _ in 0..4 {
        content.commit(&store, 0, GROUP_BYTES / 2).unwrap();
    }
    content.commit(&store, 1, 3 * GROUP_BYTES).unwrap();
    assert!(store.bytes() > 4 * GROUP_BYTES as u64, "before anybody syncs");
    content.commit(&store, 1, 3).unwrap();
    store.sync().unwrap();
    assert_eq!(Content::of(&open(&disk).unwrap()), content);
}

#[test]
fn a_tail_torn_at_any_byte_costs_what_was_not_whole_and_nothing_else() {
    let (disk, states) = filled();
    let whole = disk.bytes(&path(3)).unwrap();
    for cut in 0..=whole.len() {
        for zeros in [0, 30] {
            let disk = copy(&disk);
            disk.damage(&path(3), |bytes| {
                bytes.truncate(cut);
                bytes.resize(cut + zeros, 0);
            });
            let is_left = |(number, length, _): &&(u64, u64, Content)| {
                *number < 3 || *number == 3 && *length <= cut as u64
            };
            let (_, _, expected) = states.iter().rfind(is_left).unwrap();
            let mut store = open(&disk).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            assert_eq!(&Content::of(&store), expected, "cut at {cut}");
            // And it goes on from there.
            let mut content = expected.clone();
            for _ in 0..2 {
                content.commit(&store, 2, 5).unwrap();
                store.sync().unwrap();
                disk.crash();
                store = open(&disk).unwrap();
                assert_eq!(Content::of(&store), content, "gone on after {cut}");
            }
        }
    }
}

#[test]
fn a_row_that_holds_the_bytes_of_a_group_passes_for_none() {
    let disk = FaultyFiles::new(0);
    let store = create(&disk);
    let mut content = Content::empty();
    content.commit(&store, 0, 10).unwrap();
    store.sync().unwrap();
    let group = disk.bytes(&path(1)).unwrap().split_off(file::HEADER_BYTES + GROUP_HEAD_BYTES);
    store.commit(0, content.end(0), &group).unwrap();
    store.sync().unwrap();
    disk.damage(&path(1), |bytes| bytes.truncate(bytes.len() - 1));
    assert_eq!(Content::of(&open(&disk).unwrap()), content, "it is the torn end");
}

#[test]
fn a_flipped_bit_is_damage_or_the_torn_end() {
    let (disk, states) = filled();
    let before_last = &states[states.len() - 2].2;
    for file in 1..=3 {
        let bits = disk.bytes(&path(file)).unwrap().len() * 8;
        let mut torn = 0;
        for bit in 0..bits {
            let disk = copy(&disk);
            disk.damage(&path(file), |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
            match open(&disk) {
                Ok(store) => {
                    assert_eq!(&Content::of(&store), before_last, "file {file}, bit {bit}");
                    torn += 1;
                }
                Err(StoreError::Corrupt(_) | StoreError::OtherVersion { .. }) => {}
                Err(error) => panic!("file {file}, bit {bit}: {error}"),
            }
        }
        assert_eq!(torn > 0, file == 3, "only the last group can have been torn");
    }
}

#[test]
fn who_only_looks_leaves_what_a_crash_tore() {
    let (disk, states) = filled();
    let look = |disk: &FaultyFiles| Store::look(Path::new(FOLDER), &disk.shared(), LOG, PARTITIONS);
    let whole = disk.bytes(&path(3)).unwrap();
    for cut in [0, 30, whole.len() - 1, whole.len()] {
        let disk = copy(&disk);
        disk.damage(&path(3), |bytes| bytes.truncate(cut));
        let store = look(&disk).unwrap();
        let is_left =
            |(number, length, _): &&(u64, u64, Content)| *number < 3 || *number == 3 && *length <= cut as u64;
        assert_eq!(Content::of(&store), states.iter().rfind(is_left).unwrap().2, "cut at {cut}");
        assert!(store.commit(0, 0, &[]).is_err() && store.sync().is_err());
        assert_eq!((disk.bytes(&path(3)).unwrap().len(), names(&disk).len()), (cut, 3));
    }
    disk.damage(&path(2), |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert!(matches!(look(&disk), Err(StoreError::Corrupt(_))), "no crash tears what others follow");
}

#[test]
fn files_that_are_missing_or_of_others_are_told() {
    let (disk, states) = filled();
    let without = |number| {
        let disk = copy(&disk);
        disk.shared().remove(&path(number)).unwrap();
        open(&disk)
    };
    let refusal = |opened: Result<Store, StoreError>| opened.err().unwrap().to_string();
    assert!(refusal(without(2)).contains("rows-00000002.log is missing"));
    let last_of_two = states.iter().rfind(|(number, ..)| *number == 2).unwrap();
    assert_eq!(Content::of(&without(3).unwrap()), last_of_two.2, "the log has the rest");
    // Rows that begin later than those before them end: the projector notices by their offsets.
    let first_missing = Content::of(&without(1).unwrap());
    assert!(number(&first_missing.rows[0][0], 0) > 0);

    let of = |log, partitions| Store::open(Path::new(FOLDER), &disk.shared(), log, partitions, FILE_BYTES);
    for opened in [of(LogId([8; 16]), PARTITIONS), of(LOG, PARTITIONS + 1)] {
        assert!(refusal(opened).contains("were computed from another log"));
        assert_eq!(names(&disk).len(), 3, "nothing of another log's is removed");
    }
    assert!(refusal(open(&FaultyFiles::new(0))).contains("rows-00000001.log is missing"));
    let sled = FaultyFiles::new(0);
    sled.shared().create(&Path::new(FOLDER).join("db")).unwrap();
    assert!(refusal(open(&sled)).contains("db has version 1, this build reads 2; rebuild it from the log"));
    disk.damage(&path(1), |bytes| bytes[7] = b'3');
    assert!(refusal(open(&disk)).contains("rows-00000001.log has version 3, this build reads 2"));
}

#[test]
fn after_a_write_that_failed_nothing_is_taken_until_it_is_opened_again() {
    // The write, the sync, and what a new file takes.
    for operation in 0..7 {
        let disk = FaultyFiles::new(operation);
        let store = create(&disk);
        let mut content = Content::empty();
        content.commit(&store, 0, 400).unwrap();
        store.sync().unwrap();
        let safe = content.clone();
        content.commit(&store, 0, 10).unwrap();
        disk.fail_after(operation);
        let failed = store.sync();
        assert_eq!(failed.is_err(), operation < 6, "operation {operation}");
        if failed.is_err() {
            for later in [store.sync(), store.commit(0, 1, &[]), content.clone().swap(&store, 0, 0)] {
                let Err(StoreError::Io { source, .. }) = later else { panic!("it is taken") };
                assert_eq!(source.to_string(), "an earlier write failed: open the store again");
            }
        }
        disk.kill();
        let found = Content::of(&open(&disk).unwrap());
        assert!(found == safe || found == content, "operation {operation}");
        // What can be read is safe, though a sync of it may have failed.
        disk.crash();
        assert_eq!(Content::of(&open(&disk).unwrap()), found, "operation {operation}");
    }
}

#[test]
fn a_full_disk_is_said_and_costs_only_what_was_being_written() {
    let disk = FaultyFiles::new(0);
    let store = create(&disk);
    let mut content = Content::empty();
    content.commit(&store, 0, 100).unwrap();
    store.sync().unwrap();
    disk.set_space_bytes(Some(disk.used_bytes() + 30));
    content.clone().commit(&store, 0, 100).unwrap();
    let Err(StoreError::Io { path: of, source }) = store.sync() else { panic!("there was room") };
    assert_eq!((of, source.kind()), (path(1), io::ErrorKind::StorageFull));
    let store = open(&disk).unwrap();
    assert_eq!(Content::of(&store), content, "while it is still full");
    disk.set_space_bytes(None);
    content.commit(&store, 0, 100).unwrap();
    store.sync().unwrap();
    disk.crash();
    assert_eq!(Content::of(&open(&disk).unwrap()), content);
}

/// SplitMix64: a number below the limit.
fn below(random: &mut u64, limit: u64) -> u64 {
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (*random ^ (*random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (value ^ (value >> 31)) % limit
}

/// One store through several lives. After each there must be what was synced last, or that with all that came since.
fn story(seed: u64, bugs: Bugs) -> Result<(), String> {
    let mut random = seed.wrapping_mul(0x2545_f491_4f6c_dd1d);
    let mut random = |limit| below(&mut random, limit);
    let disk = FaultyFiles::with_bugs(seed, bugs);
    let mut store = create(&disk);
    let (mut content, mut safe) = (Content::empty(), Content::empty());
    for _ in 0..6 {
        match random(4) {
            0 => disk.fail_after(random(40)),
            1 => disk.set_space_bytes(Some(disk.used_bytes() + random(1_500))),
            _ => disk.crash_after(random(60)),
        }
        for _ in 0..40 {
            let partition = random(u64::from(PARTITIONS)) as u16;
            let done = match random(8) {
                0 => content.swap(&store, partition, random(4) as usize),
                1..4 => content.commit(&store, partition, random(90) as usize),
                _ => store.sync().inspect(|()| safe.clone_from(&content)),
            };
            if done.is_err() {
                break;
            }
        }
        loop {
            if random(3) == 0 {
                disk.kill()
            } else {
                disk.crash()
            }
            disk.set_space_bytes(None);
            if random(2) == 0 {
                disk.crash_after(random(8));
            }
            match open(&disk) {
                Ok(opened) => store = opened,
                Err(_) if disk.has_crashed() => continue,
                Err(error) => return Err(error.to_string()),
            }
            let found = Content::of(&store);
            if found != safe && found != content {
                return Err("neither what was synced nor what came after it".to_owned());
            }
            (content, safe) = (found.clone(), found);
            break;
        }
    }
    Ok(())
}

fn first_failure(bugs: Bugs) -> Option<(u64, String)> {
    (0..3_000).find_map(|seed| story(seed, bugs).err().map(|error| (seed, error)))
}

#[test]
fn what_was_synced_survives_every_crash() {
    assert_eq!(first_failure(Bugs::default()), None);
}

#[test]
fn a_sync_that_is_left_out_is_caught() {
    assert!(first_failure(Bugs { ignore_sync_data: true, ..Bugs::default() }).is_some());
    assert!(first_failure(Bugs { ignore_sync_dir: true, ..Bugs::default() }).is_some());
}
