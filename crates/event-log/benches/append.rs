//! How fast the embedded log takes events and gives them back.
//!
//! Append: batches of 1,000 records of about 200 bytes, of random people over 64 partitions, each acknowledged after its
//! sync, up to 64 batches in flight. Read: everything, by two threads with a partition each at a time, every record
//! verified. `BENCH_SCALE` (1.0: 12 M events) makes it smaller, `BENCH_DIR` says where the log is written, `BENCH_JSONL`
//! names a file that gets a line for each figure.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and fails by panicking")]

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Instant;

use contract::Subject;
use event_log::files::{Files, RealFiles};
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

    let alone = disk_alone(dir.path(), &batches, rounds);
    let log = EmbeddedLog::create(&dir.path().join("log"), PARTITIONS).unwrap();
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
    let append = report("append", rounds * BATCH, start);

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
    let read = report("read", rounds * BATCH, start);
    let seconds = start.elapsed().as_secs_f64();
    println!("read: {:.2} GB/s of records", bytes.load(Ordering::Relaxed) as f64 / seconds / 1e9);
    let start = Instant::now();
    drop(log);
    println!("close: {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let log = EmbeddedLog::open(&dir.path().join("log")).unwrap();
    println!("open: {:.3} s", start.elapsed().as_secs_f64());
    assert_eq!(log.ends().unwrap(), ends);
    write_lines(append, alone, read);
}

/// The peer: the same bytes written to one file in groups of the same size, each synced. No log can be faster than the
/// disk it is on.
fn disk_alone(dir: &Path, batches: &[Vec<Append<'_>>], rounds: usize) -> f64 {
    let bytes: Vec<u8> = batches.iter().flatten().flat_map(|record| record.bytes).copied().collect();
    let path = dir.join("alone");
    let file = RealFiles.create(&path).unwrap();
    let (mut position, mut left) = (0, bytes.len() * rounds / batches.len());
    let start = Instant::now();
    while left > 0 {
        let group = &bytes[..Options::default().group_bytes.min(bytes.len()).min(left)];
        file.write_at(group, position).unwrap();
        file.sync_data().unwrap();
        position += group.len() as u64;
        left -= group.len();
    }
    let rate = report("disk alone, one write and one sync a group", rounds * BATCH, start);
    RealFiles.remove(&path).unwrap();
    rate
}

/// Prints how many events a second there were since `start`, and gives it.
fn report(what: &str, events: usize, start: Instant) -> f64 {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {:.2} M events/s ({events} in {seconds:.2} s)", events as f64 / seconds / 1e6);
    events as f64 / seconds
}

/// Adds the figures to the file that `BENCH_JSONL` names.
fn write_lines(append: f64, alone: f64, read: f64) {
    let Some(path) = std::env::var_os("BENCH_JSONL") else { return };
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    let line = |name: &str, value: f64, peer: &str| {
        format!("{{\"name\":\"{name}\",\"value\":{value:.0},\"unit\":\"events/s\"{peer}}}\n")
    };
    let peer = format!(",\"peer\":\"one file, one write and one sync a group\",\"peer_value\":{alone:.0}");
    let lines = line("append_events_per_s", append, &peer) + &line("log_read_events_per_s", read, "");
    file.write_all(lines.as_bytes()).unwrap();
}
