//! Bad disks and bad bytes: each is told with its place and what to do, and nothing else is lost.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::error::Error;
use std::path::{Path, PathBuf};

use event_log::testing::FaultyFiles;
use event_log::{
    Append, AppendError, Checkpoint, EmbeddedLog, EventLog, OpenError, Options, Position, ReadError, Sealing,
};
use expect_test::{Expect, expect};

const DIR: &str = "log";
const PARTITIONS: u16 = 2;

fn options() -> Options {
    Options { journal_bytes: 700, sealing: Sealing::Inline, ..Options::default() }
}

fn record(partition: u16, number: usize) -> Vec<u8> {
    format!("record {number} of partition {partition}").into_bytes()
}

fn append(log: &EmbeddedLog, number: usize) -> Result<Vec<u64>, AppendError> {
    let records: Vec<_> = (0..PARTITIONS).map(|partition| record(partition, number)).collect();
    let batch: Vec<_> =
        (0..).zip(&records).map(|(partition, bytes)| Append { partition, key: b"", bytes }).collect();
    log.append(&batch)
}

fn create(files: &FaultyFiles) -> EmbeddedLog {
    EmbeddedLog::create_with(files.shared(), Path::new(DIR), PARTITIONS, options()).unwrap()
}

fn open(files: &FaultyFiles) -> Result<EmbeddedLog, OpenError> {
    EmbeddedLog::open_with(files.shared(), Path::new(DIR), options())
}

fn open_reader(files: &FaultyFiles) -> Result<EmbeddedLog, OpenError> {
    EmbeddedLog::open_reader_with(files.shared(), Path::new(DIR))
}

/// How many records a partition gives, each the right one, and the error that ended it.
fn read(log: &EmbeddedLog, partition: u16) -> (usize, Option<ReadError>) {
    let mut reader = match log.reader(partition, 0) {
        Ok(reader) => reader,
        Err(error) => return (0, Some(error)),
    };
    let mut number = 0;
    loop {
        match reader.next_batch(100) {
            Ok(None) => return (number, None),
            Ok(Some(batch)) => {
                for found in batch {
                    assert_eq!(found.bytes, record(partition, number), "another record than was written");
                    number += 1;
                }
            }
            Err(error) => {
                assert_eq!(reader.position(), number as u64, "after an error the reader stays");
                return (number, Some(error));
            }
        }
    }
}

fn check(error: &dyn Error, expected: &Expect) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!("\nbecause: {error}"));
        source = error.source();
    }
    expected.assert_eq(&text);
}

fn journals(files: &FaultyFiles) -> Vec<PathBuf> {
    files.paths().into_iter().filter(|path| path.to_string_lossy().contains("journal-")).collect()
}

/// A log with three segments and a journal of `PER_JOURNAL` or fewer records a partition.
fn made(records: usize) -> FaultyFiles {
    let files = FaultyFiles::new(1);
    let log = create(&files);
    for number in 0..records {
        append(&log, number).unwrap();
    }
    drop(log);
    files
}

#[test]
fn a_read_that_fails_once_leaves_the_reader_where_it_was() {
    const RECORDS: usize = 18;
    let files = made(RECORDS);
    let log = open(&files).unwrap();
    for failing in 0..60 {
        let mut reader = log.reader(1, 0).unwrap();
        files.fail_read_after(failing);
        let (mut number, mut failed) = (0, 0);
        loop {
            match reader.next_batch(1 << 20) {
                Ok(None) => break,
                Ok(Some(batch)) => {
                    for found in batch {
                        assert_eq!(found.bytes, record(1, number), "read {failing} failed");
                        number += 1;
                    }
                }
                Err(ReadError::Unavailable { .. }) => {
                    assert_eq!(reader.position(), number as u64);
                    failed += 1;
                }
                Err(error) => panic!("read {failing} failed, and then: {error}"),
            }
        }
        assert_eq!(number, RECORDS);
        assert!(failed == 1 || failing > 5, "{failing}");
    }
}

#[test]
fn every_flipped_bit_is_told_or_harmless() {
    const RECORDS: usize = 18;
    let made = made(RECORDS);
    assert_eq!((made.paths().len(), journals(&made).len()), (5, 1), "{:?}", made.paths());
    let (mut told, mut harmless) = (0, 0);
    for path in made.paths() {
        let len = made.bytes(&path).unwrap().len();
        for (byte, bit) in (0..len).flat_map(|byte| [(byte, byte % 8), (byte, (byte + 4) % 8)]) {
            let files = made.copy(1);
            files.damage(&path, |bytes| bytes[byte] ^= 1 << bit);
            let place = || format!("{} byte {byte} of {len}, bit {bit}", path.display());

            // A handle that only reads.
            let last_mark = path == journals(&made)[0] && byte + 24 >= len;
            match open_reader(&files) {
                Err(OpenError::Corrupt { .. } | OpenError::Refused { .. }) => {}
                Err(other) => panic!("{}: {other}", place()),
                Ok(log) => {
                    for partition in 0..PARTITIONS {
                        match read(&log, partition) {
                            (_, Some(ReadError::Corrupt { .. } | ReadError::Gap { .. }))
                            | (RECORDS, None) => {}
                            // Without its mark the last group may not be durable, as far as a reader can see.
                            (number, None) if last_mark && number == RECORDS - 1 => {}
                            other => panic!("{}: {other:?}", place()),
                        }
                    }
                }
            }

            let before = files.paths().iter().map(|path| files.bytes(path)).collect::<Vec<_>>();
            match open(&files) {
                Err(OpenError::Corrupt { .. } | OpenError::Refused { .. }) => {
                    told += 1;
                    let after = files.paths().iter().map(|path| files.bytes(path)).collect::<Vec<_>>();
                    assert!(before == after, "{}: a damaged log was changed", place());
                }
                Err(other) => panic!("{}: {other}", place()),
                Ok(log) => {
                    if let Some(torn) = &log.report().torn_tail {
                        assert!(last_mark && torn.dropped_bytes == 24, "{}: {torn:?}", place());
                    }
                    for partition in 0..PARTITIONS {
                        match read(&log, partition) {
                            (_, Some(ReadError::Corrupt { .. } | ReadError::Gap { .. })) => told += 1,
                            (RECORDS, None) => harmless += 1,
                            other => panic!("{}: {other:?}", place()),
                        }
                    }
                }
            }
        }
    }
    assert!(told > 1000 && harmless > 500, "{told} {harmless}");
}

#[test]
fn damage_in_a_segment_stops_its_partition_where_it_is_and_no_other() {
    let files = made(18);
    let segment = Path::new(DIR).join("segment-0000000002");
    let text = record(1, 7);
    files.damage(&segment, |bytes| {
        let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
        bytes[at] ^= 1;
    });
    let log = open(&files).unwrap();
    assert!(matches!(read(&log, 0), (18, None)));
    let (number, error) = read(&log, 1);
    assert_eq!(number, 7, "what is sound before the damage is given");
    assert!(matches!(
        &error,
        Some(ReadError::Corrupt { position: Some(Position { partition: 1, offset: 7 }), .. })
    ));
    check(
        &error.unwrap(),
        &expect![
            "log/segment-0000000002 is damaged at byte 337 (partition 1, offset 7): the checksum of a record is not that of its bytes; nothing was changed; restore this file from a copy and start again"
        ],
    );
    assert!(log.reader(1, 8).unwrap().next_batch(1).is_ok(), "what is behind it can be asked for");
}

#[test]
fn swapped_records_are_a_gap() {
    let files = made(18);
    let segment = Path::new(DIR).join("segment-0000000002");
    files.damage(&segment, |bytes| {
        let find =
            |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).position(|window| window == text).unwrap();
        let (first, second) = (find(bytes, &record(0, 7)) - 16, find(bytes, &record(0, 8)) - 16);
        for at in 0..second - first {
            bytes.swap(first + at, second + at);
        }
    });
    check(
        &read(&open(&files).unwrap(), 0).1.unwrap(),
        &expect![
            "log/segment-0000000002 has offset 8 of partition 0 at byte 142, expected offset 7 of partition 0; the files of this log do not belong together: restore the folder from one copy"
        ],
    );
}

#[test]
fn damage_in_the_middle_of_a_journal_is_never_cut_off() {
    let files = made(16);
    let journal = journals(&files).pop().unwrap();
    files.damage(&journal, |bytes| bytes[100] ^= 1);
    check(
        &open(&files).unwrap_err(),
        &expect![
            "log/journal-0000000004 is damaged at byte 88: the checksum of a record is not that of its bytes; nothing was changed; restore this file from a copy and open the log again"
        ],
    );
    // What stands before it can still be read.
    let log = open_reader(&files).unwrap();
    let (number, error) = read(&log, 0);
    assert!(number > 6, "{number}");
    assert!(matches!(&error, Some(ReadError::Corrupt { .. })));
    assert!(matches!(log.ends(), Err(ReadError::Corrupt { position: None, .. })));
    let mut follower = log.follow(&[(0, Checkpoint::at(number as u64))]).unwrap();
    let answer = follower.next(1, std::time::Duration::from_secs(60));
    assert!(matches!(answer, Ok(Some((0, Err(ReadError::Corrupt { position: Some(_), .. }))))));
}

#[test]
fn a_torn_tail_is_cut_off_and_said_so() {
    let files = made(16);
    let journal = journals(&files).pop().unwrap();
    let len = files.bytes(&journal).unwrap().len();
    // Beside the log, what a crash in the middle of a group leaves.
    files.damage(&journal, |bytes| bytes.extend_from_within(len - 24..len - 5));
    let log = open(&files).unwrap();
    let torn = log.report().torn_tail.clone().unwrap();
    assert_eq!((torn.file, torn.byte, torn.dropped_bytes), (journal, len as u64, 19));
    append(&log, 16).unwrap();
    assert!(matches!(read(&log, 1), (17, None)));
    drop(log);
    assert_eq!(open(&files).unwrap().report().torn_tail, None);
}

#[test]
fn a_file_that_is_missing_or_of_another_log_is_told() {
    let files = made(18);
    let journal = journals(&files).pop().unwrap();
    let segment = Path::new(DIR).join("segment-0000000002");
    for path in [&journal, &segment] {
        let files = files.copy(1);
        files.shared().remove(path).unwrap();
        assert!(matches!(open(&files), Err(OpenError::Corrupt { .. })), "{}", path.display());
        assert!(matches!(open_reader(&files), Err(OpenError::Corrupt { .. })), "{}", path.display());
        let other = made(18).bytes(path).unwrap();
        files.shared().create(path).unwrap().write_at(&other, 0).unwrap();
        assert!(matches!(open(&files), Err(OpenError::Corrupt { .. })), "{}", path.display());
    }
    let files = files.copy(1);
    files.damage(&Path::new(DIR).join("meta"), |bytes| {
        *bytes = String::from_utf8(bytes.clone()).unwrap().replace("format 1", "format 2").into_bytes();
    });
    check(
        &open(&files).unwrap_err(),
        &expect!["log/meta: the log has format 2, this build reads format 1: use the build that wrote it"],
    );
}

#[test]
fn a_full_disk_refuses_and_the_log_goes_on_when_there_is_room() {
    let files = FaultyFiles::new(1);
    let log = create(&files);
    let mut number = 0;
    for room in [0, 1, 30, 90, 100, 200, 500, 2000] {
        files.set_space_bytes(Some(files.used_bytes() + room));
        let error = loop {
            match append(&log, number) {
                Ok(_) => number += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, AppendError::Unavailable { .. }));
        assert!(error.to_string().contains("the disk is full: make room, then send it again"), "{error}");
        assert!(matches!(read(&log, 0), (read, None) if read == number));
        files.set_space_bytes(None);
        append(&log, number).unwrap();
        number += 1;
    }
    drop(log);
    let log = open(&files).unwrap();
    assert_eq!(log.report().torn_tail, None);
    assert!(matches!(read(&log, 1), (read, None) if read == number));
}

#[test]
fn a_folder_that_turns_read_only_loses_nothing() {
    let files = FaultyFiles::new(1);
    let log = create(&files);
    (0..10).for_each(|number| drop(append(&log, number).unwrap()));
    files.set_read_only(true);
    let error = append(&log, 10).unwrap_err();
    check(
        &error,
        &expect![[r#"
        the log cannot take events now, nothing of this batch was stored; cannot begin a new journal; the folder cannot be written: make it writable, then send it again
        because: read-only filesystem or storage medium"#]],
    );
    append(&log, 10).unwrap_err();
    files.set_read_only(false);
    append(&log, 10).unwrap();
    drop(log);
    files.set_read_only(true);
    assert!(matches!(open(&files), Err(OpenError::Unavailable { .. })));
    assert!(matches!(read(&open_reader(&files).unwrap(), 1), (11, None)), "reading needs no write access");
}

#[test]
fn a_sync_that_fails_and_cannot_be_taken_back_is_unknown() {
    let files = FaultyFiles::new(1);
    let log = create(&files);
    append(&log, 0).unwrap();
    // The write, the sync (fails), the cut (fails too, for the folder is read-only by then).
    files.fail_after(1);
    files.set_read_only_after(2);
    assert!(matches!(append(&log, 1), Err(AppendError::Unknown { .. })));
    assert!(matches!(append(&log, 1), Err(AppendError::Unavailable { .. })));
    files.set_read_only(false);
    append(&log, 1).unwrap();
    assert!(matches!(read(&log, 1), (2, None)));
    drop(log);
    files.crash();
    assert!(matches!(read(&open(&files).unwrap(), 1), (2, None)));
}
