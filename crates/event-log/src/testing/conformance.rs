//! What every event log must pass, whatever it is made of.

use std::thread;
use std::time::{Duration, Instant};

use crate::{
    Append, AppendError, BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Checkpoint, EventLog, Follower, LastRecord,
    RECORD_BYTES_MAX, ReadError, partition_of, verify,
};
use contract::Subject;

/// Waiting for what must come; never reached when it does.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the suite. `make` gives a new, empty log with that many partitions each time.
///
/// # Panics
/// With what the log did otherwise than it must.
pub fn conformance(make: &dyn Fn(u16) -> Box<dyn EventLog>) {
    a_new_log_is_empty(make(3).as_ref());
    offsets_are_dense_and_in_the_batchs_order(make(3).as_ref());
    readers_begin_anywhere_and_are_independent(make(1).as_ref());
    sizes_from_nothing_to_the_most(make(2).as_ref());
    what_cannot_be_is_refused_and_changes_nothing(make(2).as_ref());
    many_callers_at_once_keep_their_own_order(make(4).as_ref());
    following_waits_for_the_next_record_or_the_timeout(make(2).as_ref());
    a_follower_sees_each_record_once(make(2).as_ref());
    a_follower_sees_what_it_is_given_and_no_more(make(2).as_ref());
    a_checkpoint_tells_whether_the_log_is_the_one_that_was_read(make(2).as_ref());
    a_reader_goes_on_whenever_there_is_more(make(2).as_ref());
    assert_ne!(make(1).id(), make(1).id(), "each log has an id of its own");
}

/// Everything a reader gives from `from` to the end.
fn read(log: &dyn EventLog, partition: u16, from: u64, max_bytes: usize) -> Vec<Vec<u8>> {
    let mut reader = log.reader(partition, from).expect("a reader within the partition");
    let mut records = Vec::new();
    while let Some(batch) = reader.next_batch(max_bytes).expect("sound records") {
        assert!(batch.len() > 0, "a batch has at least one record");
        assert_eq!(batch.first_offset(), from + records.len() as u64, "batches follow each other");
        for record in batch {
            assert_eq!(record.offset, from + records.len() as u64, "offsets follow each other");
            records.push(record.bytes.to_vec());
        }
        assert_eq!(reader.position(), from + records.len() as u64, "the position is the next offset");
    }
    records
}

fn one(log: &dyn EventLog, partition: u16, bytes: &[u8]) -> u64 {
    log.append(&[Append { partition, key: b"key", bytes }]).expect("an append")[0]
}

fn a_new_log_is_empty(log: &dyn EventLog) {
    assert_eq!(log.partitions(), 3);
    assert_eq!(log.ends().expect("ends"), [0, 0, 0]);
    for partition in 0..3 {
        assert!(read(log, partition, 0, 1000).is_empty());
    }
    assert_eq!(log.append(&[]).expect("an empty batch is nothing"), Vec::<u64>::new());
    assert_eq!(log.ends().expect("ends"), [0, 0, 0]);
}

fn offsets_are_dense_and_in_the_batchs_order(log: &dyn EventLog) {
    let mut expected = vec![Vec::new(); 3];
    for round in 0..50u32 {
        let records: Vec<(u16, Vec<u8>)> = (0..(round * 7) % 23)
            .map(|index| ((index * index + round) as u16 % 3, format!("{round}/{index}").into_bytes()))
            .collect();
        let batch: Vec<_> = records
            .iter()
            .map(|(partition, bytes)| Append { partition: *partition, key: bytes, bytes })
            .collect();
        let offsets = log.append(&batch).expect("an append");
        assert_eq!(offsets.len(), records.len());
        for ((partition, bytes), offset) in records.into_iter().zip(offsets) {
            let own: &mut Vec<Vec<u8>> = &mut expected[usize::from(partition)];
            assert_eq!(offset, own.len() as u64, "offsets follow each other in the batch's order");
            own.push(bytes);
        }
        // Acknowledged is readable, at once.
        let ends: Vec<u64> = expected.iter().map(|records| records.len() as u64).collect();
        assert_eq!(log.ends().expect("ends"), ends);
    }
    for (partition, expected) in (0..).zip(&expected) {
        assert_eq!(&read(log, partition, 0, 100), expected);
        assert_eq!(&read(log, partition, 0, 1 << 20), expected);
    }
}

fn readers_begin_anywhere_and_are_independent(log: &dyn EventLog) {
    let all: Vec<Vec<u8>> = (0..300u32).map(|number| number.to_string().into_bytes()).collect();
    for part in all.chunks(17) {
        let batch: Vec<_> = part.iter().map(|bytes| Append { partition: 0, key: b"", bytes }).collect();
        log.append(&batch).expect("an append");
    }
    for from in [0, 1, 16, 17, 150, 299, 300] {
        assert_eq!(read(log, 0, from, 64), all[from as usize..], "from {from}");
    }
    let (mut slow, mut fast) = (log.reader(0, 10).expect("a reader"), log.reader(0, 0).expect("a reader"));
    assert_eq!(slow.next_batch(1).expect("sound").expect("more").first_offset(), 10);
    while fast.next_batch(1 << 20).expect("sound").is_some() {}
    let at = slow.position();
    assert_eq!(
        slow.next_batch(1).expect("sound").expect("more").first_offset(),
        at,
        "another reader moved this one"
    );
    // At the end a reader stays, and goes on when there is more.
    assert!(fast.next_batch(1).expect("sound").is_none());
    assert_eq!(one(log, 0, b"more"), 300);
    let batch = fast.next_batch(1).expect("sound").expect("what was appended");
    assert_eq!(
        (batch.first_offset(), batch.iter().next().map(|record| record.bytes)),
        (300, Some(&b"more"[..]))
    );
}

fn a_reader_goes_on_whenever_there_is_more(log: &dyn EventLog) {
    let mut reader = log.reader(0, 0).expect("a reader");
    for number in 0..20 {
        // Not told that it is at the end, and with others' records in between.
        one(log, 0, &[number]);
        one(log, 1, b"of the other partition");
        let batch = reader.next_batch(1 << 20).expect("sound").expect("what was appended");
        let given: Vec<_> = batch.iter().map(|record| (record.offset, record.bytes.to_vec())).collect();
        assert_eq!(given, [(u64::from(number), vec![number])]);
    }
}

fn sizes_from_nothing_to_the_most(log: &dyn EventLog) {
    let sizes = [0, 1, 15, 16, 4096, 100_000, RECORD_BYTES_MAX - 1, RECORD_BYTES_MAX, 3];
    let records: Vec<Vec<u8>> =
        sizes.iter().map(|size| (0..*size).map(|at| (at * 31 + size) as u8).collect()).collect();
    let batch: Vec<_> = records.iter().map(|bytes| Append { partition: 1, key: b"", bytes }).collect();
    log.append(&batch).expect("an append");
    for max_bytes in [0, 1, 5000, 4 << 20] {
        assert!(read(log, 1, 0, max_bytes) == records, "asked for {max_bytes} bytes at once");
    }
    assert!(read(log, 1, 6, 1) == records[6..]);
}

fn what_cannot_be_is_refused_and_changes_nothing(log: &dyn EventLog) {
    one(log, 0, b"first");
    let good = Append { partition: 1, key: b"", bytes: b"good" };
    let big = vec![0; RECORD_BYTES_MAX + 1];
    let most = vec![0; RECORD_BYTES_MAX];
    let most = Append { partition: 0, key: b"", bytes: &most };
    for bad in [
        vec![good, Append { partition: 2, key: b"", bytes: b"there is no partition 2" }],
        vec![good, Append { partition: 0, key: b"", bytes: &big }],
        vec![good; BATCH_RECORDS_MAX + 1],
        vec![most; BATCH_BYTES_MAX / RECORD_BYTES_MAX + 1],
    ] {
        assert!(matches!(log.append(&bad), Err(AppendError::Refused(_))));
    }
    assert_eq!(log.ends().expect("ends"), [1, 0], "a refused batch changes nothing");
    assert!(matches!(log.reader(2, 0).err(), Some(ReadError::Refused(_))));
    let ahead = log.reader(0, 2).err();
    assert!(matches!(ahead, Some(ReadError::OutOfRange { partition: 0, offset: 2, end: 1 })), "{ahead:?}");
    assert!(matches!(log.follow(&[(2, Checkpoint::at(0))]).err(), Some(ReadError::Refused(_))));
    assert_eq!(one(log, 0, b"second"), 1);
}

fn many_callers_at_once_keep_their_own_order(log: &dyn EventLog) {
    const CALLERS: u32 = 8;
    const BATCHES: u32 = 40;
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            scope.spawn(move || {
                let mut tickets = Vec::new();
                for number in 0..BATCHES {
                    let bytes = [caller.to_le_bytes(), number.to_le_bytes()].concat();
                    let mut subject = Subject([0; 16]);
                    subject.0[..4].copy_from_slice(&caller.to_le_bytes());
                    let partition = partition_of(&subject, 4);
                    let batch = [Append { partition, key: &subject.0, bytes: &bytes }; 3];
                    tickets.push(log.append_async(&batch).expect("an append"));
                }
                for ticket in tickets {
                    let offsets = ticket.wait().expect("an append");
                    assert!(offsets.is_sorted(), "a batch keeps its order");
                }
            });
        }
    });
    let mut seen = [0; CALLERS as usize];
    for partition in 0..4 {
        for bytes in read(log, partition, 0, 777) {
            let number =
                |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            let seen = &mut seen[number(0) as usize];
            assert_eq!(number(4), *seen / 3, "a caller's batches keep their order");
            *seen += 1;
        }
    }
    assert_eq!(seen, [3 * BATCHES; CALLERS as usize], "every record is there once");
}

/// What a follower gives next: partition, first offset and records.
fn followed(follower: &mut dyn Follower, patience: Duration) -> Option<(u16, u64, Vec<Vec<u8>>)> {
    let (partition, batch) = follower.next(1 << 20, patience).expect("a log that answers")?;
    let batch = batch.expect("sound records");
    Some((partition, batch.first_offset(), batch.iter().map(|record| record.bytes.to_vec()).collect()))
}

fn following_waits_for_the_next_record_or_the_timeout(log: &dyn EventLog) {
    one(log, 0, b"first");
    let mut follower = log.follow(&[(0, Checkpoint::at(0)), (1, Checkpoint::at(0))]).expect("a follower");
    let start = Instant::now();
    let first = followed(follower.as_mut(), PATIENCE);
    assert_eq!(first, Some((0, 0, vec![b"first".to_vec()])), "there is more already");
    assert!(start.elapsed() < PATIENCE / 2);
    let start = Instant::now();
    assert_eq!(followed(follower.as_mut(), Duration::from_millis(50)), None);
    assert!(start.elapsed() >= Duration::from_millis(50), "nothing came, so it waits");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| followed(follower.as_mut(), PATIENCE));
        one(log, 1, b"second");
        let second = waiting.join().expect("the waiting thread");
        assert_eq!(second, Some((1, 0, vec![b"second".to_vec()])));
    });
    assert!(start.elapsed() < PATIENCE / 2);
}

fn a_follower_sees_each_record_once(log: &dyn EventLog) {
    const RECORDS: u64 = 500;
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..RECORDS {
                one(log, (number % 2) as u16, &number.to_le_bytes());
            }
        });
        let mut follower = log.follow(&[(0, Checkpoint::at(0)), (1, Checkpoint::at(0))]).expect("a follower");
        let mut ends = [0, 0];
        while ends.iter().sum::<u64>() < RECORDS {
            let (partition, first, records) = followed(follower.as_mut(), PATIENCE).expect("more");
            let end = &mut ends[usize::from(partition)];
            assert_eq!(first, *end, "a record was left out or came twice");
            for bytes in records {
                assert_eq!(bytes, (*end * 2 + u64::from(partition)).to_le_bytes());
                *end += 1;
            }
        }
    });
}

fn a_follower_sees_what_it_is_given_and_no_more(log: &dyn EventLog) {
    for number in 0..6 {
        one(log, number % 2, &[number as u8]);
    }
    let mut follower = log.follow(&[(1, Checkpoint::at(2))]).expect("a follower");
    assert_eq!(followed(follower.as_mut(), PATIENCE), Some((1, 2, vec![vec![5]])));
    assert_eq!(followed(follower.as_mut(), Duration::from_millis(20)), None);
}

fn a_checkpoint_tells_whether_the_log_is_the_one_that_was_read(log: &dyn EventLog) {
    for bytes in [b"one", b"two", b"six"] {
        one(log, 0, bytes);
    }
    let mut reader = log.reader(0, 0).expect("a reader");
    let mut checkpoint = Checkpoint::default();
    while let Some(batch) = reader.next_batch(1).expect("sound") {
        checkpoint = batch.checkpoint();
        if checkpoint.next == 2 {
            break;
        }
    }
    // However many came at once, what is behind them is behind the last.
    checkpoint.next = checkpoint.next.min(3);
    verify(log, 0, &checkpoint).expect("nothing changed");
    let mut follower = log.follow(&[(0, checkpoint)]).expect("a follower");
    if checkpoint.next < 3 {
        assert_eq!(followed(follower.as_mut(), PATIENCE).map(|(_, first, _)| first), Some(checkpoint.next));
    }
    let last = checkpoint.last.map(|last| LastRecord { hash: last.hash ^ 1, ..last });
    let changed = Checkpoint { last, ..checkpoint };
    assert!(matches!(verify(log, 0, &changed), Err(ReadError::Rewritten { partition: 0, .. })));
    let mut follower = log.follow(&[(0, changed), (1, Checkpoint::at(0))]).expect("a follower");
    one(log, 1, b"of the other partition");
    let mut seen = Vec::new();
    while let Some((partition, batch)) = follower.next(1 << 20, PATIENCE).expect("a log that answers") {
        seen.push((partition, batch.map(|batch| batch.len())));
        if seen.len() == 2 {
            break;
        }
    }
    assert!(seen.iter().any(|(at, batch)| *at == 0 && matches!(batch, Err(ReadError::Rewritten { .. }))));
    assert!(seen.iter().any(|(at, batch)| *at == 1 && matches!(batch, Ok(1))), "the others go on");
    follower.resume(0, checkpoint);
    one(log, 0, b"ten");
    let (partition, first, _) = followed(follower.as_mut(), PATIENCE).expect("followed again");
    assert_eq!((partition, first), (0, checkpoint.next));
    let ahead = Checkpoint::at(9);
    let mut follower = log.follow(&[(0, ahead)]).expect("a follower");
    let answer = follower.next(1 << 20, PATIENCE).expect("a log that answers");
    assert!(matches!(answer, Some((0, Err(ReadError::OutOfRange { offset: 9, end: 4, .. })))));
}
