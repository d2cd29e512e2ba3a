//! A log that is not any more what was read of it, and records in it that somebody else wrote.

use std::{path::Path, time::Duration};

use event_log::{
    Append, AppendError, Checkpoint, EmbeddedLog, EventLog, Flaw, Followed, Follower, LogId, PartitionReader,
    ReadError, RecordBatch, Ticket,
};
use projector::{Opened, Projector, replay_partition};
use tempfile::TempDir;

use crate::{PARTITIONS, built, city, copy, damage::follow, open};

/// A log under the name of another, some records of whose first partition have flaws.
struct Twin<'a> {
    id: LogId,
    log: &'a EmbeddedLog,
    flaws: Vec<(u64, Flaw)>,
}

impl<'a> Twin<'a> {
    fn of(other: &dyn EventLog, log: &'a EmbeddedLog) -> Twin<'a> {
        Twin { id: other.id(), log, flaws: Vec::new() }
    }

    fn flawed<'b>(&'b self, partition: u16, batch: RecordBatch<'b>) -> RecordBatch<'b> {
        if partition == 0 { batch.with(&self.flaws, Some(7)) } else { batch }
    }
}

impl EventLog for Twin<'_> {
    fn id(&self) -> LogId {
        self.id
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
        Ok(Box::new(TwinReader { twin: self, partition, inner: self.log.reader(partition, from)? }))
    }

    fn follow(&self, from: &[(u16, Checkpoint)]) -> Result<Box<dyn Follower + '_>, ReadError> {
        Ok(Box::new(TwinFollower { twin: self, inner: self.log.follow(from)? }))
    }
}

struct TwinReader<'a> {
    twin: &'a Twin<'a>,
    partition: u16,
    inner: Box<dyn PartitionReader + 'a>,
}

impl PartitionReader for TwinReader<'_> {
    fn next_batch(&mut self, max_bytes: usize) -> Result<Option<RecordBatch<'_>>, ReadError> {
        Ok(self.inner.next_batch(max_bytes)?.map(|batch| self.twin.flawed(self.partition, batch)))
    }

    fn position(&self) -> u64 {
        self.inner.position()
    }
}

struct TwinFollower<'a> {
    twin: &'a Twin<'a>,
    inner: Box<dyn Follower + 'a>,
}

impl Follower for TwinFollower<'_> {
    fn next(&mut self, max_bytes: usize, patience: Duration) -> Result<Option<Followed<'_>>, ReadError> {
        let followed = self.inner.next(max_bytes, patience)?;
        Ok(followed
            .map(|(partition, came)| (partition, came.map(|batch| self.twin.flawed(partition, batch)))))
    }

    fn resume(&mut self, partition: u16, from: Checkpoint) {
        self.inner.resume(partition, from);
    }
}

/// The first records of each partition of `log`, in a log of their own.
fn beginning(folder: &Path, log: &EmbeddedLog, until: &[u64]) -> EmbeddedLog {
    let beginning = EmbeddedLog::create(folder, PARTITIONS).unwrap();
    copy(log, &beginning, until);
    beginning
}

fn stopped(projector: &mut Projector<'_>) -> Vec<Option<String>> {
    projector.manifest().partitions.into_iter().map(|partition| partition.stopped).collect()
}

#[test]
fn a_partition_that_lost_its_end_stands_still_and_the_others_go_on() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 200);
    let ends = log.ends().unwrap();
    let half: Vec<u64> = ends.iter().map(|end| end / 2).collect();
    let early = beginning(&folders.path().join("early"), &log, &half);
    let root = folders.path().join("projector");
    open(&root, &early).unwrap().0.catch_up(&|_| {}).unwrap();

    // The first partition is an older copy; to the others came something.
    let mut until = ends.clone();
    until[0] = half[0] - 3;
    let shorter = beginning(&folders.path().join("shorter"), &log, &until);
    let shorter = Twin::of(&early, &shorter);
    let (mut projector, opened) = open(&root, &shorter).unwrap();
    assert_eq!(opened, Opened::Snapshot, "the figures go on serving");
    let read = projector.catch_up(&|_| {}).unwrap();
    assert_eq!(read, ends[1..].iter().sum::<u64>() - half[1..].iter().sum::<u64>());
    until[0] = half[0];
    assert_eq!(projector.positions(), until);
    let why = stopped(&mut projector);
    let lost = format!("hold what stood at {} to {}", half[0] - 3, half[0] - 1);
    assert!(why[0].as_ref().unwrap().contains(&lost) && why[1..].iter().all(Option::is_none), "{why:?}");
    assert!(!projector.waits_for_storage(), "asking again does not help");
    assert_eq!(projector.digests(), built(&beginning(&folders.path().join("both"), &log, &until)));
    follow(&mut projector, &[]);
    drop(projector);

    // With its end the log is the one that was read.
    let whole = Twin::of(&early, &log);
    let (mut projector, _) = open(&root, &whole).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    assert_eq!(stopped(&mut projector), vec![None; usize::from(PARTITIONS)]);
    assert_eq!(projector.digests(), built(&log));
}

#[test]
fn a_partition_that_was_rewritten_stands_still_however_the_log_goes_on() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 200);
    let ends = log.ends().unwrap();
    let half: Vec<u64> = ends.iter().map(|end| end / 2).collect();
    let early = beginning(&folders.path().join("early"), &log, &half);

    // A leader was elected that lacked the last record, and life went on.
    let mut until = half.clone();
    until[0] -= 1;
    let rewritten = beginning(&folders.path().join("rewritten"), &log, &until);
    rewritten.append(&[Append { partition: 0, key: &[], bytes: b"another" }]).unwrap();
    let twin = Twin::of(&early, &rewritten);
    for way in ["nothing came", "catching up", "following"] {
        if way == "catching up" {
            copy(&log, &rewritten, &ends);
        }
        let root = folders.path().join(way);
        open(&root, &early).unwrap().0.catch_up(&|_| {}).unwrap();
        let (mut projector, opened) = open(&root, &twin).unwrap();
        assert_eq!(opened, Opened::Snapshot, "{way}");
        if way == "following" {
            let all_but_one = || {
                let reader = projector::Reader::open(&root, event_log::files::RealFiles::shared()).unwrap();
                reader.manifest().positions()[1..] == ends[1..]
            };
            follow(&mut projector, &[("the others go on", &all_but_one)]);
        } else {
            projector.catch_up(&|_| {}).unwrap();
        }
        let stands = if way == "nothing came" { &half } else { &ends };
        assert_eq!(projector.positions(), [&half[..1], &stands[1..]].concat(), "{way}");
        let why = stopped(&mut projector);
        let expected = format!("holds another record at offset {}", half[0] - 1);
        assert!(why[0].as_ref().is_some_and(|why| why.contains(&expected)), "{way}: {why:?}");
        assert!(why[1..].iter().all(Option::is_none), "{way}: {why:?}");
        drop(projector);
        let reader = projector::Reader::open(&root, event_log::files::RealFiles::shared()).unwrap();
        assert!(reader.manifest().partitions[0].stopped.is_some(), "{way}: readers know");
    }
}

#[test]
fn a_record_of_somebody_elses_is_set_aside_whatever_its_bytes_say() {
    let folders = TempDir::new().unwrap();
    let log = city(&folders.path().join("log"), 100);
    let ends = log.ends().unwrap();
    let mut twin = Twin::of(&log, &log);
    twin.flaws = vec![(2, Flaw::Key), (5, Flaw::Partition)];
    let expected: Vec<(u64, String)> =
        twin.flaws.iter().map(|(offset, flaw)| (*offset, flaw.to_string())).collect();
    let replayed = replay_partition(&twin, 0, 0..ends[0], |_, _| Ok(())).unwrap();
    assert_eq!((&replayed.set_aside, replayed.facts), (&expected, ends[0] - 2));

    let root = folders.path().join("drained");
    let (mut projector, _) = open(&root, &twin).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    let (drained, manifest) = (projector.digests(), projector.manifest());
    assert_eq!((&manifest.partitions[0].set_aside, manifest.partitions[0].facts), (&expected, ends[0] - 2));
    assert_eq!(manifest.partitions[0].leader_epoch, Some(7));
    assert_eq!(manifest.partitions[1].leader_epoch, None);
    drop(projector);
    assert_eq!(open(&root, &twin).unwrap().0.manifest().partitions[0].leader_epoch, Some(7));

    let (mut projector, _) = open(&folders.path().join("followed"), &twin).unwrap();
    let root = folders.path().join("followed");
    let all = || {
        let reader = projector::Reader::open(&root, event_log::files::RealFiles::shared());
        reader.is_ok_and(|reader| reader.manifest().positions() == ends)
    };
    follow(&mut projector, &[("all is read", &all)]);
    assert_eq!(projector.manifest().partitions[0].set_aside, expected);
    assert_eq!(projector.digests(), drained);

    // As if they had been no events at all.
    let garbage = EmbeddedLog::create(&folders.path().join("garbage"), PARTITIONS).unwrap();
    copy(&log, &garbage, &[2, 0, 0, 0, 0]);
    let no_event = Append { partition: 0, key: &[], bytes: b"no event" };
    garbage.append(&[no_event]).unwrap();
    copy(&log, &garbage, &[5, 0, 0, 0, 0]);
    garbage.append(&[no_event]).unwrap();
    copy(&log, &garbage, &ends);
    assert_eq!(built(&garbage), drained);
}
