//! How fast the embedded log takes events and gives them back.
//!
//! Append: batches of 1,000 records of about 200 bytes, of random people over 64 partitions, each acknowledged after its
//! sync, up to 64 batches in flight. Read: everything, by two threads with a partition each at a time, every record
//! verified. `BENCH_SCALE` (1.0: 12 M events) makes it smaller, `BENCH_DIR` says where the log is written.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and fails by panicking")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Instant;

use contract::Subject;
use event_log::files::RealFiles;
use event_log::{Append, EmbeddedLog, EventLog, Options, partition_of};

const PARTITIONS: u16 = 64;
const BATCH: usize = 1000;
const IN_FLIGHT: usize = 64;
const EVENTS: f64 = 12e6;

/// Batches to choose from: made beforehand, so that only the log is measured.
fn batches(count: usize) -> Vec<Vec<(u16, Subject, Vec<u8>)>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut record = || {
        let mut subject = Subject([0; 16]);
        subject.0[..8].copy_from_slice(&random().to_le_bytes());
        subject.0[8..].copy_from_slice(&random().to_le_bytes());
        let len = 160 + (random() % 80) as usize;
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&random().to_le_bytes());
        }
        (partition_of(&subject, PARTITIONS), subject, bytes)
    };
    (0..count).map(|_| (0..BATCH).map(|_| record()).collect()).collect()
}

fn main() {
    let scale: f64 = std::env::var("BENCH_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1.0);
    let rounds = ((EVENTS * scale) as usize / BATCH).max(IN_FLIGHT);
    let dir = match std::env::var_os("BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let records = batches(100);
    let batches: Vec<Vec<Append<'_>>> = records
        .iter()
        .map(|batch| {
            batch
                .iter()
                .map(|(partition, subject, bytes)| Append { partition: *partition, key: &subject.0, bytes })
                .collect()
        })
        .collect();

    let group_bytes = std::env::var("GROUP_BYTES").ok().and_then(|bytes| bytes.parse().ok());
    let mut options = Options::default();
    options.group_bytes = group_bytes.unwrap_or(options.group_bytes);
    let log = EmbeddedLog::create_with(RealFiles::shared(), dir.path(), PARTITIONS, options).unwrap();
    let start = Instant::now();
    let mut in_flight = VecDeque::new();
    for round in 0..rounds {
        if in_flight.len() == IN_FLIGHT {
            let ticket: event_log::Ticket = in_flight.pop_front().unwrap();
            assert_eq!(ticket.wait().unwrap().len(), BATCH);
        }
        in_flight.push_back(log.append_async(&batches[round % batches.len()]).unwrap());
    }
    for ticket in in_flight {
        ticket.wait().unwrap();
    }
    report("append", rounds * BATCH, start);

    let ends = log.ends().unwrap();
    let (partition, bytes) = (AtomicU16::new(0), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let partition = partition.fetch_add(1, Ordering::Relaxed);
                    if partition >= PARTITIONS {
                        break;
                    }
                    let mut reader = log.reader(partition, 0).unwrap();
                    let mut sum = 0;
                    while let Some(batch) = reader.next_batch(256 << 10).unwrap() {
                        sum += batch.iter().map(|record| record.bytes.len() as u64).sum::<u64>();
                    }
                    assert_eq!(reader.position(), ends[usize::from(partition)]);
                    bytes.fetch_add(sum, Ordering::Relaxed);
                }
            });
        }
    });
    report("read", rounds * BATCH, start);
    let seconds = start.elapsed().as_secs_f64();
    println!("read: {:.2} GB/s of records", bytes.load(Ordering::Relaxed) as f64 / seconds / 1e9);
    let start = Instant::now();
    drop(log);
    println!("close: {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    println!("open: {:.3} s", start.elapsed().as_secs_f64());
    assert_eq!(log.ends().unwrap(), ends);
}

fn report(what: &str, events: usize, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {:.2} M events/s ({events} in {seconds:.2} s)", events as f64 / seconds / 1e6);
}
