//! The whole command under bad luck: killed at random moments, on a full disk, in a folder that cannot be written, beside
//! another process, and on bytes that rotted. Nothing acknowledged is lost, nothing counts twice, and every fault is told with
//! what to do.
//!
//! `KILL_ROUNDS` (default 25) says how often the kill loop kills, `KILL_SEED` when.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[allow(dead_code, reason = "the command's stories use more of it")]
mod support;

#[allow(dead_code, reason = "crashes beside brokers use more of it")]
mod load;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use contract::Subject;
use event_log::{Append, EmbeddedLog, EventLog, Options, Sealing, files::RealFiles, partition_of};
use load::{
    Books, Figures, LINES_A_PERSON, Running, copy,
    kills::{Moments, appender, follower, kill, kill_at_random, number_of},
    lines, wait_until,
};
use serde_json::Value;
use support::Folder;

#[test]
fn killed_at_random_moments_nothing_acknowledged_is_lost_or_counted_twice() {
    let folder = Folder::new();
    let (mut books, all) = kill_at_random(&folder, number_of("KILL_ROUNDS", 25));

    // What is derived is the same from nothing: beside what served, and in another folder.
    let figures = Figures::of(&folder);
    folder.run(&["project", "--rebuild"]).ok();
    assert_eq!(Figures::of(&folder), figures);
    let fresh = Folder::new();
    for ground_state in ["log", "control", "keys"] {
        copy(&data(&folder).join(ground_state), &data(&fresh).join(ground_state));
    }
    fresh.run(&["project"]).ok();
    assert_eq!(Figures::of(&fresh), figures);
    assert_eq!(books.send(&fresh, all), all, "the index of what is known is rebuilt from the log");
}

#[test]
fn killed_while_the_folder_is_made_the_next_run_finishes_it() {
    let mut moments = Moments::new();
    let mut killed = 0;
    for _ in 0..12 {
        let folder = Folder::new();
        let file = lines(&folder, "part.jsonl", 0..LINES_A_PERSON);
        let begun = Instant::now();
        let mut appender = appender(&folder, &file);
        appender.ends_within(moments.next());
        let took = begun.elapsed();
        let was_killed = kill(&mut appender);
        killed += u64::from(was_killed);
        moments.learn(took, was_killed);
        let mut books = Books::default();
        books.take(0, &appender.said());
        books.send(&folder, 2 * LINES_A_PERSON);
        folder.run(&["project"]).ok();
        assert_eq!(books.compare(&folder), Vec::<String>::new());
        folder.run(&["doctor"]).ok();
    }
    assert!(killed >= 3, "{killed} killed");
}

fn data(folder: &Folder) -> PathBuf {
    PathBuf::from(folder.path("data"))
}

#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    let folder = Folder::new();
    let mut books = Books::default();
    books.send(&folder, 1000);
    folder.run(&["project"]).ok();

    // No file may be larger than 2 MiB: the log's journal is full after some thousand lines.
    let all = 12_000;
    let file = lines(&folder, "part.jsonl", 0..all);
    let ran = folder.run_with_small_files(2 << 20, &["append", "--json", &file]);
    assert_eq!(ran.code(), Some(4), "{}", ran.error());
    for words in ["nothing of this batch was stored", "check the disk, then send it again", "File too large"]
    {
        assert!(ran.error().contains(words), "{}", ran.error());
    }
    books.take(0, &ran.out());
    assert!((1000..all).contains(&books.next()), "{} lines were acknowledged", books.next());
    // The last group's mark may not have found room: whoever opens the log to write reads on to the end and sets it.
    folder.run(&["append", "/dev/null"]).ok();
    assert_eq!(books.compare(&folder), Vec::<String>::new());

    // The projector cannot write either; the last figures go on serving.
    let before = Figures::of(&folder);
    let ran = folder.run_with_small_files(8 << 10, &["project"]);
    assert_eq!(ran.code(), Some(4), "{}", ran.error());
    assert!(ran.error().contains("File too large"), "{}", ran.error());
    assert_eq!(Figures::of(&folder).rows(), before.rows());

    // There is room again.
    let acknowledged = books.next();
    assert!(books.send(&folder, all) >= acknowledged);
    folder.run(&["project"]).ok();
    books.check(&folder);
}

#[test]
fn a_read_only_folder_is_told_and_can_be_asked() {
    let folder = Folder::new();
    let mut books = Books::default();
    books.send(&folder, 10 * LINES_A_PERSON);
    folder.run(&["project"]).ok();
    let figures = Figures::of(&folder);
    let more = lines(&folder, "more.jsonl", 0..20 * LINES_A_PERSON);

    folder.set_writable(false);
    if !folder.can_run_bound_by_permissions() {
        folder.set_writable(true);
        eprintln!("skipped: permissions do not bind this user, and the command cannot be run as another");
        return;
    }
    for arguments in [&["append", "--json", &more][..], &["project"], &["project", "--rebuild"]] {
        let ran = folder.run_bound_by_permissions(arguments);
        assert_eq!(ran.code(), Some(4), "{arguments:?}: {}", ran.error());
        assert!(ran.error().contains("Permission denied"), "{arguments:?}: {}", ran.error());
        assert_eq!(ran.out(), "", "nothing is acknowledged");
    }
    for arguments in
        [&["coverage"][..], &["claims"], &["events", "cat"], &["audit", "replay"], &["doctor", "census"]]
    {
        let ran = folder.run_bound_by_permissions(arguments);
        assert_eq!(ran.code(), Some(0), "{arguments:?}: {}", ran.error());
    }
    folder.set_writable(true);

    assert_eq!(Figures::of(&folder), figures);
    assert_eq!(books.send(&folder, 20 * LINES_A_PERSON), 10 * LINES_A_PERSON);
    folder.run(&["project"]).ok();
    books.check(&folder);
}

#[test]
fn of_two_processes_on_one_folder_the_second_says_so() {
    let folder = Folder::new();
    let mut books = Books::default();
    books.send(&folder, 10 * LINES_A_PERSON);

    let mut following = follower(&folder);
    wait_until("the projector follows", || following.complaints().contains("Following"));
    for arguments in [&["project"][..], &["project", "--rebuild"], &["project", "--follow"]] {
        let said = folder.run(arguments).fails(4);
        assert!(said.contains("another process") && said.contains("projects into"), "{said}");
    }

    // One appender waits for input with the log in its hands.
    let mut appending = Running::start(&folder, "append", &["append", "--json"], Stdio::piped());
    let holder = data(&folder).join("log").join("lock");
    let id = appending.id().to_string();
    wait_until("the appender holds the log", || fs::read_to_string(&holder).unwrap_or_default().trim() == id);
    let file = lines(&folder, "part.jsonl", 0..20 * LINES_A_PERSON);
    let said = folder.run(&["append", "--json", &file]).fails(4);
    assert!(said.contains("another process") && said.contains(&format!("(pid {id})")), "{said}");
    assert!(!said.contains("accepted"), "{said}");

    // Queries answer meanwhile, and what is appended is in them soon.
    let people = || Figures::of(&folder).people();
    assert_eq!(people(), 10);
    let input: String = (0..20 * LINES_A_PERSON).map(|number| load::line(number) + "\n").collect();
    appending.feed(&input);
    wait_until("the appender ends", || appending.ends_within(Duration::ZERO).is_some());
    assert_eq!(books.take(0, &appending.said()), 10 * LINES_A_PERSON);
    wait_until("the figures have it", || people() == 20);
    kill(&mut following);
    folder.run(&["project"]).ok();
    books.check(&folder);
}

/// A log whose records stand in a sealed segment, and its figures.
fn with_a_segment(people: usize) -> (Folder, Books) {
    let folder = Folder::new();
    let mut books = Books::default();
    books.send(&folder, people * LINES_A_PERSON);
    let options = Options { journal_bytes: 4096, sealing: Sealing::Inline, ..Options::default() };
    let log = EmbeddedLog::open_with(RealFiles::shared(), &data(&folder).join("log"), options).unwrap();
    // A copy of a known event; the journal was full long before it.
    let (partition, bytes) =
        records(&log).iter().find_map(|(at, records)| Some((*at, records.first()?.clone()))).unwrap();
    log.append(&[Append { partition, key: &[], bytes: &bytes }]).unwrap();
    (folder, books)
}

/// The records of every partition.
fn records(log: &EmbeddedLog) -> Vec<(u16, Vec<Vec<u8>>)> {
    let read = |partition| {
        let mut reader = log.reader(partition, 0).unwrap();
        let mut records = Vec::new();
        while let Some(batch) = reader.next_batch(1 << 20).unwrap() {
            records.extend(batch.iter().map(|record| record.bytes.to_vec()));
        }
        (partition, records)
    };
    (0..log.partitions()).map(read).collect()
}

/// The largest file of a folder whose name begins so.
fn largest(folder: PathBuf, prefix: &str) -> PathBuf {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix));
    named.max_by_key(|path| path.metadata().unwrap().len()).expect("there is one")
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_in_the_log_stops_its_partition_and_no_other() {
    let (folder, _) = with_a_segment(200);
    folder.run(&["project"]).ok();
    let sound = Figures::of(&folder);
    let segment = largest(data(&folder).join("log"), "segment-");
    flip_a_bit(&segment);
    let said = folder.run(&["audit", "replay"]).fails(1);
    assert!(said.contains("is damaged at byte") && said.contains("restore this file from a copy"), "{said}");
    fs::remove_dir_all(data(&folder).join("projector")).unwrap();

    // Figures from nothing: all but what stands behind the damage, and said so with an exit code.
    let said = folder.run(&["project", "--json"]).fails(5);
    let said: Value = serde_json::from_str(said.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    let stopped = said["stopped"].as_array().unwrap();
    assert_eq!(stopped.len(), 1, "{said}");
    let (partition, why) = (stopped[0][0].as_u64().unwrap(), stopped[0][1].as_str().unwrap());
    for words in [
        &segment.display().to_string()[segment.display().to_string().len() - 18..],
        "is damaged at byte",
        &format!("(partition {partition}, offset {})", said["positions"][partition as usize]),
        "restore this file from a copy",
    ] {
        assert!(why.contains(words), "{words} is missing in {why}");
    }
    let log = EmbeddedLog::open_reader(&data(&folder).join("log")).unwrap();
    for (at, end) in log.ends().unwrap().into_iter().enumerate() {
        assert_eq!(
            said["positions"][at] == end,
            at as u64 != partition,
            "partition {at} ends at {end}: {said}"
        );
    }
    assert_ne!(Figures::of(&folder).rows(), sound.rows());
    let said = folder.run(&["coverage", "--on", "2026-06-30"]).ok();
    assert!(said.contains(&format!("partition {partition}")), "an answer says what it lacks: {said}");
    for arguments in [&["doctor", "census"][..], &["doctor"]] {
        let said = folder.run(arguments).fails(1);
        assert!(said.contains("is damaged at byte"), "{arguments:?}: {said}");
    }

    // The file came back from a copy.
    flip_a_bit(&segment);
    folder.run(&["project"]).ok();
    assert_eq!(Figures::of(&folder), sound);
    folder.run(&["audit", "replay"]).ok();
}

#[test]
fn flipped_bits_in_what_is_derived_are_told_and_mended() {
    let (folder, mut books) = with_a_segment(200);
    folder.run(&["project"]).ok();
    let sound = Figures::of(&folder);
    let generation =
        || fs::read_to_string(data(&folder).join("projector/current")).unwrap().trim().to_owned();
    let generation = || data(&folder).join("projector").join(generation());

    // The snapshot: queries say so, the projector folds the histories again.
    flip_a_bit(&generation().join("snapshot"));
    let said = folder.run(&["coverage", "--on", "2026-06-30"]).fails(5);
    assert!(said.contains("snapshot is damaged") && said.contains("rebuild"), "{said}");
    folder.run(&["project"]).ok();
    assert_eq!(Figures::of(&folder), sound);

    // People in a base file: whoever reads them says so, and a rebuild mends it.
    let damage = || flip_a_bit(&largest(generation().join("bases"), "p"));
    damage();
    let said = folder.run(&["audit", "replay"]).fails(1);
    assert!(said.contains(".base is damaged at byte") && said.contains("rebuild"), "{said}");
    folder.run(&["project", "--rebuild"]).ok();
    assert_eq!(Figures::of(&folder), sound);
    folder.run(&["audit", "replay"]).ok();

    // The projector meets it when something new is said about everybody, and builds anew by itself.
    damage();
    let file = lines(&folder, "corrected.jsonl", 0..0);
    let corrected: String = (0..200)
        .map(|person| load::line(person * LINES_A_PERSON).replace("2020-01-01", "2020-01-02") + "\n")
        .collect();
    fs::write(&file, corrected).unwrap();
    folder.run(&["append", &file]).ok();
    folder.run(&["project"]).ok();
    assert_eq!(Figures::of(&folder).rows(), sound.rows());
    folder.run(&["audit", "replay"]).ok();

    // The index at a base file's end, which is read at every start.
    let base = largest(generation().join("bases"), "p");
    let mut bytes = fs::read(&base).unwrap();
    let near_the_end = bytes.len() - 80;
    bytes[near_the_end] ^= 1;
    fs::write(&base, bytes).unwrap();
    folder.run(&["project"]).ok();
    assert_eq!(Figures::of(&folder).rows(), sound.rows());
    folder.run(&["audit", "replay"]).ok();
    assert_eq!(books.send(&folder, 200 * LINES_A_PERSON), 200 * LINES_A_PERSON);

    // People in a base file whom nobody asks for: only a merge meets them, which is due because of somebody else.
    for arguments in [&["project"][..], &["project", "--rebuild"]] {
        let base = largest(generation().join("bases"), "p");
        flip_a_bit(&base);
        let name = base.file_name().unwrap().to_string_lossy().into_owned();
        tell_about_somebody_before_all(&folder, name[1..5].parse().unwrap());
        folder.run(arguments).ok();
        folder.run(&["audit", "replay"]).ok();
    }
}

/// Appends an event about a subject that stands before all others of a partition, so often that its base is merged.
fn tell_about_somebody_before_all(folder: &Folder, partition: u16) {
    let log = EmbeddedLog::open(&data(folder).join("log")).unwrap();
    let (_, records) = &records(&log)[usize::from(partition)];
    let subjects = (0u128..).map(|number| Subject(number.to_be_bytes()));
    let subject =
        subjects.skip(1).find(|subject| partition_of(subject, log.partitions()) == partition).unwrap();
    let event = contract::decode(&records[0]).unwrap();
    let bytes = contract::encode(&contract::v1::Event { subject: subject.0.to_vec(), ..event });
    log.append(&vec![Append { partition, key: &subject.0, bytes: &bytes }; 3_000]).unwrap();
}

/// The log of `folder` once more under its own name, with other records: as if the disk had changed its mind. What was
/// derived from the first stands beside it.
fn twin(folder: &Folder, empty: &Folder, change: impl FnOnce(&mut Vec<(u16, Vec<Vec<u8>>)>)) -> Folder {
    let twin = Folder::new();
    copy(&data(folder), &data(&twin));
    fs::remove_dir_all(data(&twin).join("log")).unwrap();
    copy(&data(empty).join("log"), &data(&twin).join("log"));
    let mut records = records(&EmbeddedLog::open_reader(&data(folder).join("log")).unwrap());
    change(&mut records);
    let log = EmbeddedLog::open(&data(&twin).join("log")).unwrap();
    for (partition, records) in &records {
        let batch: Vec<Append<'_>> =
            records.iter().map(|bytes| Append { partition: *partition, key: &[], bytes }).collect();
        log.append(&batch).unwrap();
    }
    twin
}

#[test]
fn the_checks_see_a_record_that_is_lost_doubled_or_never_acknowledged() {
    let (folder, empty) = (Folder::new(), Folder::new());
    let mut books = Books::default();
    books.send(&folder, 0);
    copy(&data(&folder), &data(&empty));
    books.send(&folder, 40 * LINES_A_PERSON);
    folder.run(&["project"]).ok();
    books.check(&folder);
    let some = &books.acknowledged[&7];
    let (partition, offset) = (some.partition as usize, some.offset as usize);

    // Nothing changed: nothing to see.
    let same = twin(&folder, &empty, |_| {});
    books.check(&same);

    // An acknowledged record is lost: what came after it in its partition stands one earlier.
    let lost = twin(&folder, &empty, |records| drop(records[partition].1.remove(offset)));
    let wrong = books.compare(&lost);
    assert!(wrong[0].contains("line 7 ") && wrong[0].contains("is not in the log"), "{wrong:?}");
    let counted = lost.run(&["doctor", "census"]).fails(1);
    let id = u128::from_str_radix(&some.event_id, 16).unwrap();
    let id = format!("{:016x}", contract::EventId(id.to_be_bytes()).hash().0);
    assert!(counted.contains("it lost its end") && counted.contains(&id), "{counted}");
    assert!(lost.run(&["doctor"]).fails(1).contains("the log lost its end or is an older copy"));
    assert!(lost.run(&["audit", "replay"]).fails(1).contains(&format!("partition {partition}")));
    assert!(lost.run(&["project"]).fails(5).contains("lost its end"));
    lost.run(&["coverage", "--by", "commune"]).ok();

    // It is lost, and life went on.
    let replaced = twin(&folder, &empty, |records| {
        let records = &mut records[partition].1;
        records.remove(offset);
        records.push(records[0].clone());
    });
    assert!(!books.compare(&replaced).is_empty());
    let said = replaced.run(&["audit", "replay"]).fails(1);
    assert!(said.contains("people differ") && said.contains(&format!("partition {partition}")), "{said}");
    assert!(replaced.run(&["doctor", "census"]).fails(1).contains("copies"));
    assert!(replaced.run(&["project"]).fails(5).contains("holds another record"));

    // It is there twice.
    let doubled = twin(&folder, &empty, |records| {
        let again = records[partition].1[offset].clone();
        records[partition].1.push(again);
    });
    assert!(books.compare(&doubled)[0].contains("line 7 "), "{:?}", books.compare(&doubled));

    // A receipt was printed for what was never stored.
    let mut forged = books.clone();
    forged.acknowledged.get_mut(&7).unwrap().event_id = "0".repeat(32);
    let wrong = forged.compare(&folder);
    assert!(
        wrong.len() == 2 && wrong[0].contains("is not in the log") && wrong[1].contains("nobody sent"),
        "{wrong:?}"
    );
}
