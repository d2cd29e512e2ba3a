//! Crashes at every operation, from seeds: what was acknowledged is there once with its offset, nothing is invented, and
//! the log goes on. With a bug planted (a sync that does nothing) the same test must fail.
//!
//! A failing seed is run alone with `CRASH_SEED=n`; `CRASH_SEEDS` says how many there are.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use event_log::testing::{Bugs, FaultyFiles};
use event_log::{Append, AppendError, EmbeddedLog, EventLog, OpenError, Options, Sealing};

const PARTITIONS: u16 = 3;

/// What else a story has beside crashes of the machine and deaths of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// Operations that fail once.
    Errors,
    /// A disk that is full for a while.
    FullDisk,
    /// Sealing in a thread of its own: crashes come at any moment of it, not the same each time.
    Background,
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % limit
    }
}

/// A batch: partitions and bytes.
type Batch = Vec<(u16, Vec<u8>)>;

/// What the log must hold.
#[derive(Default)]
struct Truth {
    acknowledged: [Vec<Vec<u8>>; PARTITIONS as usize],
    /// May be there whole or not at all: nobody was told.
    unknown: Option<Batch>,
}

fn records(log: &EmbeddedLog, partition: u16) -> Result<Vec<Vec<u8>>, String> {
    let mut reader = log.reader(partition, 0).map_err(|error| error.to_string())?;
    let mut records = Vec::new();
    while let Some(batch) = reader.next_batch(300).map_err(|error| error.to_string())? {
        records.extend(batch.iter().map(|record| record.bytes.to_vec()));
    }
    Ok(records)
}

impl Truth {
    fn check(&mut self, log: &EmbeddedLog) -> Result<(), String> {
        let ends = log.ends().map_err(|error| error.to_string())?;
        let mut held = Vec::new();
        for partition in 0..PARTITIONS {
            let records = records(log, partition)?;
            if records.len() as u64 != ends[usize::from(partition)] {
                return Err(format!(
                    "partition {partition} says it ends at {ends:?}, it has {}",
                    records.len()
                ));
            }
            held.push(records);
        }
        let beginning = |(held, acknowledged): (&Vec<Vec<u8>>, &Vec<Vec<u8>>)| held.starts_with(acknowledged);
        if !held.iter().zip(&self.acknowledged).all(beginning) {
            let lens: Vec<_> = held.iter().map(Vec::len).collect();
            let expected: Vec<_> = self.acknowledged.iter().map(Vec::len).collect();
            return Err(format!("acknowledged records are lost or changed: {lens:?} for {expected:?}"));
        }
        if held[..] != self.acknowledged {
            for (partition, bytes) in self.unknown.take().unwrap_or_default() {
                self.acknowledged[usize::from(partition)].push(bytes);
            }
            if held[..] != self.acknowledged {
                return Err("the log holds what nobody sent, or a part of a batch".into());
            }
        }
        self.unknown = None;
        Ok(())
    }
}

fn batch(random: &mut Random, number: u64) -> Batch {
    (0..=random.below(6))
        .map(|index| {
            let len_max = if random.below(8) == 0 { 3000 } else { 60 };
            let len = random.below(len_max) as usize;
            let mut bytes = format!("{number}/{index}:").into_bytes();
            bytes.resize(bytes.len() + len, index as u8);
            (random.below(u64::from(PARTITIONS)) as u16, bytes)
        })
        .collect()
}

/// One story: several lives of a log on one disk, each ended by a crash, a death or properly.
fn story(seed: u64, bugs: Bugs, trouble: Trouble) -> Result<(), String> {
    let random = &mut Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let files = FaultyFiles::with_bugs(seed, bugs);
    let dir = Path::new("log");
    let sealing = if trouble == Trouble::Background { Sealing::Background } else { Sealing::Inline };
    let options =
        Options { journal_bytes: 200 + random.below(3000), group_bytes: 4096, queue_bytes: 4096, sealing };
    let mut truth = Truth::default();
    let mut number = 0;
    let mut made = false;
    for _life in 0..5 {
        files.crash_after(random.below(if made { 70 } else { 30 }));
        let opened = if made {
            EmbeddedLog::open_with(files.shared(), dir, options)
        } else {
            EmbeddedLog::create_with(files.shared(), dir, PARTITIONS, options)
        };
        match opened {
            Ok(log) => {
                made = true;
                truth.check(&log).or_else(|error| if files.has_crashed() { Ok(()) } else { Err(error) })?;
                // What became of the last life's batch is not known then: nothing new is sent.
                if !files.has_crashed() {
                    live(&log, &files, random, trouble, &mut truth, &mut number)?;
                }
                if !files.has_crashed() && truth.unknown.is_none() {
                    truth
                        .check(&log)
                        .or_else(|error| if files.has_crashed() { Ok(()) } else { Err(error) })?;
                }
                match random.below(3) {
                    // The machine goes, with the process in it.
                    0 => files.crash(),
                    // The process alone.
                    1 if !files.has_crashed() => files.kill(),
                    // An orderly end, as far as there still is a machine.
                    _ => {}
                }
                drop(log);
            }
            Err(OpenError::Refused { .. }) if !made => made = true,
            // An operation that was told to fail; the next life tries again.
            Err(OpenError::Unavailable { .. }) if trouble == Trouble::Errors => {}
            Err(error) if !files.has_crashed() => return Err(format!("cannot open: {error}")),
            Err(_) => {}
        }
        if files.has_crashed() {
            // In the middle of an operation the machine goes, or the process alone.
            if random.below(2) == 0 { files.crash() } else { files.kill() }
        }
        files.set_space_bytes(None);
        made = made || files.bytes(&dir.join("meta")).is_some();
        if files.bytes(&dir.join("meta")).is_none() && !truth.acknowledged.iter().all(Vec::is_empty) {
            return Err("the log is gone".into());
        }
        made = made && files.bytes(&dir.join("meta")).is_some();
    }
    files.crash_after(u64::MAX / 2);
    files.fail_after(u64::MAX / 2);
    if made {
        // A handle that only reads sees no more than a writer, and changes nothing.
        let before = files.operations();
        let reader = EmbeddedLog::open_reader_with(files.shared(), dir).map_err(|error| error.to_string())?;
        let seen: Vec<_> =
            (0..PARTITIONS).map(|partition| records(&reader, partition)).collect::<Result<_, _>>()?;
        if files.operations() != before {
            return Err("a reader changed the folder".into());
        }
        let log = EmbeddedLog::open_with(files.shared(), dir, options).map_err(|error| error.to_string())?;
        truth.check(&log)?;
        if !seen.iter().zip(&truth.acknowledged).all(|(seen, all)| all.starts_with(seen)) {
            return Err("a reader saw what is not in the log".into());
        }
        append(&log, &files, vec![(1, b"still alive".to_vec())], &mut truth)?;
        truth.check(&log)?;
    }
    Ok(())
}

fn live(
    log: &EmbeddedLog,
    files: &FaultyFiles,
    random: &mut Random,
    trouble: Trouble,
    truth: &mut Truth,
    number: &mut u64,
) -> Result<(), String> {
    for _ in 0..random.below(20) {
        match trouble {
            Trouble::Errors if random.below(4) == 0 => files.fail_after(random.below(8)),
            Trouble::FullDisk => {
                let room = files.used_bytes() + random.below(600);
                files.set_space_bytes((random.below(3) > 0).then_some(room));
            }
            _ => {}
        }
        *number += 1;
        append(log, files, batch(random, *number), truth)?;
        if files.has_crashed() || truth.unknown.is_some() {
            break;
        }
    }
    Ok(())
}

fn append(log: &EmbeddedLog, files: &FaultyFiles, batch: Batch, truth: &mut Truth) -> Result<(), String> {
    let records: Vec<_> =
        batch.iter().map(|(partition, bytes)| Append { partition: *partition, key: b"", bytes }).collect();
    match log.append(&records) {
        Ok(offsets) => {
            for ((partition, bytes), offset) in batch.into_iter().zip(offsets) {
                let own = &mut truth.acknowledged[usize::from(partition)];
                if offset != own.len() as u64 {
                    return Err(format!("offset {offset} was given, expected {}", own.len()));
                }
                own.push(bytes);
            }
        }
        // Nothing was stored, says the log: that is checked.
        Err(AppendError::Unavailable { .. }) if !files.has_crashed() => {}
        Err(AppendError::Refused(what)) => return Err(format!("refused: {what}")),
        Err(_) => truth.unknown = Some(batch),
    }
    Ok(())
}

fn seeds() -> u64 {
    std::env::var("CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3000)
}

/// Runs many stories; the first seed that goes wrong, and how.
fn first_failure(bugs: Bugs, trouble: Trouble, seeds: u64) -> Option<(u64, String)> {
    if let Some(seed) = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return story(seed, bugs, trouble).err().map(|error| (seed, error));
    }
    let next = AtomicU64::new(0);
    let failures = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds {
                            return None;
                        }
                        if let Err(error) = story(seed, bugs, trouble) {
                            next.store(seeds, Ordering::Relaxed);
                            return Some((seed, error));
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    failures.into_iter().min()
}

fn check(trouble: Trouble, seeds: u64) {
    if let Some((seed, error)) = first_failure(Bugs::default(), trouble, seeds) {
        panic!("{trouble:?}, CRASH_SEED={seed}: {error}");
    }
}

#[test]
fn crashes_lose_nothing_acknowledged() {
    check(Trouble::None, seeds());
}

#[test]
fn neither_do_crashes_and_failing_operations() {
    check(Trouble::Errors, seeds());
}

#[test]
fn nor_crashes_and_a_full_disk() {
    check(Trouble::FullDisk, seeds());
}

#[test]
fn nor_crashes_while_a_thread_seals() {
    check(Trouble::Background, seeds() / 3);
}

#[test]
fn a_skipped_sync_of_bytes_is_caught() {
    let bugs = Bugs { ignore_sync_data: true, ..Bugs::default() };
    assert!(first_failure(bugs, Trouble::None, seeds()).is_some());
}

#[test]
fn a_skipped_sync_of_the_folders_own_name_is_caught() {
    let bugs = Bugs { ignore_new_folders: true, ..Bugs::default() };
    assert!(first_failure(bugs, Trouble::None, seeds()).is_some());
}

#[test]
fn a_skipped_sync_of_the_folder_is_caught() {
    let bugs = Bugs { ignore_sync_dir: true, ..Bugs::default() };
    assert!(first_failure(bugs, Trouble::None, seeds()).is_some());
}
