//! The embedded log on the machine's own disk.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use event_log::files::RealFiles;
use event_log::{
    Append, Checkpoint, EmbeddedLog, EventLog, OpenError, Options, RECORD_BYTES_MAX, ReadError, Sealing,
};

/// Small journals, so that a few records fill several.
fn small() -> Options {
    Options { journal_bytes: 4 << 10, ..Options::default() }
}

fn bytes_of(partition: u16, offset: u64) -> Vec<u8> {
    format!("record {offset} of partition {partition}, with some more text to make it long enough")
        .into_bytes()
}

/// Appends the next `count` records of each partition, one batch each round.
fn append(log: &EmbeddedLog, count: u64) {
    let mut ends = log.ends().unwrap();
    for _ in 0..count {
        let records: Vec<_> = (0..log.partitions())
            .map(|partition| bytes_of(partition, ends[usize::from(partition)]))
            .collect();
        let batch: Vec<_> =
            (0..).zip(&records).map(|(partition, bytes)| Append { partition, key: b"", bytes }).collect();
        assert_eq!(log.append(&batch).unwrap(), ends);
        ends.iter_mut().for_each(|end| *end += 1);
    }
}

fn check(log: &EmbeddedLog, expected: u64) {
    assert_eq!(log.ends().unwrap(), vec![expected; usize::from(log.partitions())]);
    for partition in 0..log.partitions() {
        for from in [0, expected / 3, expected / 2, expected] {
            let mut reader = log.reader(partition, from).unwrap();
            let mut next = from;
            while let Some(batch) = reader.next_batch(1000).unwrap() {
                for record in batch {
                    assert_eq!(record.offset, next);
                    assert_eq!(record.bytes, bytes_of(partition, next));
                    next += 1;
                }
            }
            assert_eq!((next, reader.position()), (expected, expected));
        }
    }
}

#[test]
fn records_are_read_back_across_seals_and_reopenings() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("log");
    let log = EmbeddedLog::create_with(RealFiles::shared(), &dir, 3, small()).unwrap();
    let id = log.id();
    append(&log, 100);
    check(&log, 100);
    drop(log);
    for round in 1..4 {
        let log = EmbeddedLog::open_with(RealFiles::shared(), &dir, small()).unwrap();
        assert_eq!((log.id(), log.partitions()), (id, 3));
        assert_eq!(log.report().torn_tail, None);
        append(&log, 50);
        check(&log, 100 + 50 * round);
    }
    let names =
        std::fs::read_dir(&dir).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    assert!(names.filter(|name| name.starts_with("segment-")).count() > 3);
}

#[test]
fn a_reader_beside_the_writer_follows_through_seals() {
    let dir = tempfile::tempdir().unwrap();
    let writer = EmbeddedLog::create_with(RealFiles::shared(), dir.path(), 2, small()).unwrap();
    let reader = EmbeddedLog::open_reader(dir.path()).unwrap();
    check(&reader, 0);
    for round in 1..=20 {
        let end = reader.ends().unwrap()[0];
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let mut follower = reader.follow(&[(0, Checkpoint::at(end))]).unwrap();
                let (_, batch) = follower.next(1, Duration::from_secs(10)).unwrap().unwrap();
                batch.unwrap().first_offset()
            });
            append(&writer, 7);
            assert_eq!(waiting.join().unwrap(), end);
        });
        check(&reader, 7 * round);
    }
    assert!(
        matches!(reader.append(&[Append { partition: 0, key: b"", bytes: b"x" }]), Err(error) if error.to_string().contains("reading only"))
    );
}

#[test]
fn any_offset_of_a_long_stretch_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { journal_bytes: 300 << 10, ..Options::default() };
    let log = EmbeddedLog::create_with(RealFiles::shared(), dir.path(), 2, options).unwrap();
    // Sizes from nothing to more than the distance between two points of a segment's index.
    let bytes = |number: u64| vec![number as u8; (number * number * 7919 % 50_000) as usize];
    for number in 0..400 {
        log.append(&[Append { partition: (number % 2) as u16, key: b"", bytes: &bytes(number) }]).unwrap();
    }
    for number in (0..400).rev() {
        let mut reader = log.reader((number % 2) as u16, number / 2).unwrap();
        let batch = reader.next_batch(1).unwrap().unwrap();
        let record = batch.iter().next().unwrap();
        assert!(record.offset == number / 2 && record.bytes == bytes(number), "record {number}");
    }
}

#[test]
fn records_longer_than_a_piece_are_split_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { sealing: Sealing::Inline, ..small() };
    let log = EmbeddedLog::create_with(RealFiles::shared(), dir.path(), 2, options).unwrap();
    let records: Vec<Vec<u8>> =
        [RECORD_BYTES_MAX, 100, 300 << 10, 0, 256 << 10, RECORD_BYTES_MAX - 1, 7, 200 << 10]
            .iter()
            .zip(0..)
            .map(|(len, number)| vec![number; *len])
            .collect();
    for _ in 0..3 {
        // All in one run of their partition, behind one of the other.
        let batch: Vec<_> = records.iter().map(|bytes| Append { partition: 1, key: b"", bytes }).collect();
        log.append(&[&[Append { partition: 0, key: b"", bytes: b"other" }], &batch[..]].concat()).unwrap();
    }
    drop(log);
    let log = EmbeddedLog::open_with(RealFiles::shared(), dir.path(), options).unwrap();
    append(&log, 1);
    assert!(log.report().unsealed <= 1);
    let mut reader = log.reader(1, 0).unwrap();
    let mut read = Vec::new();
    while let Some(batch) = reader.next_batch(1 << 20).unwrap() {
        read.extend(batch.iter().map(|record| record.bytes.to_vec()));
    }
    read.pop();
    assert_eq!(read, [&records[..], &records, &records].concat());
}

#[test]
fn a_log_is_closed_with_appends_in_flight() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { journal_bytes: 1 << 10, group_bytes: 1, ..Options::default() };
    let (closed, ends) = std::sync::mpsc::channel();
    let path = dir.path().to_owned();
    // In a thread of its own, so that a log that never ends is a failure and no hang.
    std::thread::spawn(move || {
        for round in 0..50 {
            let path = path.join(round.to_string());
            let log = EmbeddedLog::create_with(RealFiles::shared(), &path, 1, options).unwrap();
            for _ in 0..10 {
                drop(log.append_async(&[Append { partition: 0, key: b"", bytes: &[1; 600] }]).unwrap());
            }
            drop(log);
            closed.send(EmbeddedLog::open(&path).unwrap().ends().unwrap()).unwrap();
        }
    });
    for _ in 0..50 {
        assert_eq!(ends.recv_timeout(Duration::from_secs(60)).expect("the log closes"), [10]);
    }
}

#[test]
fn one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::create(dir.path(), 2).unwrap();
    let error = EmbeddedLog::open(dir.path()).unwrap_err();
    assert!(
        matches!(error, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    drop(log);
    EmbeddedLog::open(dir.path()).unwrap();
}

#[test]
fn what_is_not_a_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(EmbeddedLog::open(dir.path()), Err(OpenError::Refused { .. })));
    assert!(matches!(EmbeddedLog::open_reader(dir.path()), Err(OpenError::Refused { .. })));
    assert!(matches!(EmbeddedLog::create(dir.path(), 0), Err(OpenError::Refused { .. })));
    drop(EmbeddedLog::create(dir.path(), 1).unwrap());
    assert!(matches!(EmbeddedLog::create(dir.path(), 1), Err(OpenError::Refused { .. })));
    let log = EmbeddedLog::open(dir.path()).unwrap();
    assert!(matches!(log.reader(1, 0).err(), Some(ReadError::Refused(_))));
    assert!(matches!(log.reader(0, 1).err(), Some(ReadError::OutOfRange { end: 0, .. })));
}
