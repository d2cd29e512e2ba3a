//! Several processes on one folder, real ones: killed at any moment, locked out, following.
//!
//! The test binary runs itself again with `EVENT_LOG_CHILD` naming what the child does. `KILL_ROUNDS` says how often the
//! writer is killed (30).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use event_log::files::RealFiles;
use event_log::{Append, Checkpoint, EmbeddedLog, EventLog, OpenError, Options};

const PARTITIONS: u16 = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// Small journals: seals, too, are killed in the middle.
fn options() -> Options {
    Options { journal_bytes: 32 << 10, ..Options::default() }
}

/// A record that says which it is, and whose bytes can be checked.
fn record(id: u64) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.resize(8 + (id % 300) as usize, id as u8);
    bytes
}

fn id_of(bytes: &[u8]) -> u64 {
    let id = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert!(bytes == record(id), "the bytes are not those of record {id}");
    id
}

/// Runs this binary again for `what`, on the log in `dir`.
fn child(what: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "as_a_child", "--nocapture", "--test-threads=1"])
        .env("EVENT_LOG_CHILD", what)
        .env("EVENT_LOG_DIR", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a child does; in the parent, nothing.
#[test]
fn as_a_child() {
    let (Ok(what), Some(dir)) = (std::env::var("EVENT_LOG_CHILD"), std::env::var_os("EVENT_LOG_DIR")) else {
        return;
    };
    let dir = Path::new(&dir);
    match what.as_str() {
        "write" => write_until_killed(dir),
        "lock" => println!("\nsaid {}", EmbeddedLog::open(dir).unwrap_err()),
        "follow" => println!("\nsaid {:?}", follow(dir, 2000)),
        other => panic!("a child that does {other}?"),
    }
}

fn write_until_killed(dir: &Path) {
    let log = EmbeddedLog::open_with(RealFiles::shared(), dir, options()).unwrap();
    let base = log.ends().unwrap().iter().sum::<u64>() << 20;
    println!();
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let log = &log;
            scope.spawn(move || {
                for number in 0.. {
                    let first = base + (number << 10 << 2) + (thread << 10);
                    let ids: Vec<u64> = (first..).take(1 + (number % 40) as usize).collect();
                    let records: Vec<_> = ids.iter().map(|id| record(*id)).collect();
                    let batch: Vec<_> = records
                        .iter()
                        .zip(&ids)
                        .map(|(bytes, id)| Append { partition: (id % 7 % 4) as u16, key: b"", bytes })
                        .collect();
                    let offsets = log.append(&batch).unwrap();
                    let mut said = String::new();
                    for ((append, id), offset) in batch.iter().zip(&ids).zip(offsets) {
                        said.push_str(&format!("acknowledged {} {offset} {id}\n", append.partition));
                    }
                    std::io::stdout().lock().write_all(said.as_bytes()).unwrap();
                }
            });
        }
    });
}

/// Reads from the beginning until there are `count` records; each once, in order.
fn follow(dir: &Path, count: u64) -> Vec<u64> {
    let log = EmbeddedLog::open_reader(dir).unwrap();
    let begin: Vec<_> = (0..PARTITIONS).map(|partition| (partition, Checkpoint::at(0))).collect();
    let mut follower = log.follow(&begin).unwrap();
    let mut ends = vec![0; usize::from(PARTITIONS)];
    while ends.iter().sum::<u64>() < count {
        let (partition, batch) =
            follower.next(4096, PATIENCE).unwrap().unwrap_or_else(|| panic!("hangs at {ends:?}"));
        for record in batch.unwrap() {
            let end = &mut ends[usize::from(partition)];
            assert_eq!(record.offset, *end);
            assert_eq!(id_of(record.bytes) % u64::from(PARTITIONS), u64::from(partition));
            *end += 1;
        }
    }
    ends
}

fn said(mut child: Child) -> String {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix("said ")).unwrap();
    line.to_owned()
}

#[test]
fn a_writer_killed_at_any_moment_keeps_what_it_acknowledged() {
    let rounds: u64 = std::env::var("KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(30);
    let dir = tempfile::tempdir().unwrap();
    drop(EmbeddedLog::create(dir.path(), PARTITIONS).unwrap());
    let mut acknowledged = HashMap::new();
    let mut rng = 0x9e37_79b9_u64;
    for round in 0..rounds {
        let mut writer = child("write", dir.path());
        let mut output = BufReader::new(writer.stdout.take().unwrap());
        rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (mut lines_wanted, mut killed) = ((rng >> 33) % 3000, false);
        let mut line = String::new();
        // What follows the kill was acknowledged too; only the last line may be cut off.
        while output.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            let words: Vec<_> = line.trim_end().split(' ').collect();
            if let ["acknowledged", partition, offset, id] = words[..] {
                let place = (partition.parse::<u16>().unwrap(), offset.parse::<u64>().unwrap());
                acknowledged.insert(place, id.parse::<u64>().unwrap());
                lines_wanted = lines_wanted.saturating_sub(1);
                if lines_wanted == 0 && !killed {
                    writer.kill().unwrap();
                    killed = true;
                }
            }
            line.clear();
        }
        writer.wait().unwrap();
        assert!(killed, "the writer of round {round} ended by itself");

        let log = EmbeddedLog::open_with(RealFiles::shared(), dir.path(), options()).unwrap();
        let mut ids = HashMap::new();
        let mut left = acknowledged.len();
        for partition in 0..PARTITIONS {
            let mut reader = log.reader(partition, 0).unwrap();
            while let Some(batch) = reader.next_batch(64 << 10).unwrap() {
                for record in batch {
                    let (id, place) = (id_of(record.bytes), (partition, record.offset));
                    assert_eq!(ids.insert(id, place), None, "record {id} is there twice");
                    if let Some(acknowledged) = acknowledged.get(&place) {
                        assert_eq!(id, *acknowledged, "another record at {place:?}");
                        left -= 1;
                    }
                }
            }
        }
        assert_eq!(left, 0, "acknowledged records are lost in round {round}");
    }
    assert!(acknowledged.len() > rounds as usize * 100);
}

#[test]
fn a_second_writing_process_is_told_who_holds_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::create(dir.path(), PARTITIONS).unwrap();
    let text = said(child("lock", dir.path()));
    let lock = dir.path().join("lock");
    assert_eq!(
        text,
        format!(
            "another process (pid {}) writes to this log and holds {}: stop it first, or open the log for reading",
            std::process::id(),
            lock.display()
        )
    );
    log.append(&[Append { partition: 0, key: b"", bytes: &record(4) }]).unwrap();
}

#[test]
fn a_dead_writers_lock_is_free() {
    let dir = tempfile::tempdir().unwrap();
    drop(EmbeddedLog::create(dir.path(), PARTITIONS).unwrap());
    let mut writer = child("write", dir.path());
    let mut line = String::new();
    let mut output = BufReader::new(writer.stdout.take().unwrap());
    while !line.starts_with("acknowledged") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0);
    }
    assert!(
        matches!(EmbeddedLog::open(dir.path()), Err(OpenError::Locked { pid: Some(pid), .. }) if pid == writer.id())
    );
    writer.kill().unwrap();
    writer.wait().unwrap();
    EmbeddedLog::open(dir.path()).unwrap();
}

#[test]
fn another_process_follows_through_seals() {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::create_with(RealFiles::shared(), dir.path(), PARTITIONS, options()).unwrap();
    let followers = [child("follow", dir.path()), child("follow", dir.path())];
    for number in 0..500 {
        let ids: Vec<u64> = (number * 4..number * 4 + 4).collect();
        let records: Vec<_> = ids.iter().map(|id| record(*id)).collect();
        let batch: Vec<_> = records
            .iter()
            .zip(&ids)
            .map(|(bytes, id)| Append { partition: (id % u64::from(PARTITIONS)) as u16, key: b"", bytes })
            .collect();
        log.append(&batch).unwrap();
    }
    for follower in followers {
        assert_eq!(said(follower), "[500, 500, 500, 500]");
    }
    let names =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.filter(|name| name.starts_with("segment-")).count() > 3, "nothing was sealed on the way");
}
