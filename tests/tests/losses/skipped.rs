//! One record that a log does not give, and says nothing of: the canary of whoever counts.

use std::time::Duration;

use audit::census;
use event_log::{
    Append, AppendError, Checkpoint, EmbeddedLog, EventLog, Followed, Follower, LogId, PartitionReader,
    ReadError, RecordBatch, Span, Ticket,
};
use vertebra_tests::engine::Log;

use crate::{
    broker,
    town::{PARTITIONS, Town, count, events, oracle, project, project_following, snapshot, write},
};

/// How a record is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Skip {
    /// The next one comes with its own offset.
    Gap,
    /// The one before it stands in its place, so that offsets say nothing.
    Covered,
}

/// A log that leaves out the record at `at` of a partition.
struct Skipping<'a> {
    log: &'a dyn EventLog,
    partition: u16,
    at: u64,
    how: Skip,
}

/// Records that were copied, one run after the other.
#[derive(Default)]
struct Run {
    first: u64,
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Run {
    fn begin(&mut self, first: u64) {
        self.first = first;
        self.bytes.clear();
        self.spans.clear();
    }

    fn push(&mut self, bytes: &[u8]) {
        self.spans.push(Span { start: self.bytes.len() as u32, len: bytes.len() as u32 });
        self.bytes.extend_from_slice(bytes);
    }

    fn batch(&self) -> RecordBatch<'_> {
        RecordBatch::new(self.first, &self.bytes, &self.spans)
    }
}

impl Skipping<'_> {
    /// Copies a batch without the record, where it is in it, into what stands before and behind it.
    fn cut(&self, batch: RecordBatch<'_>, before: &mut Run, behind: &mut Run) {
        before.begin(batch.first_offset());
        behind.begin(self.at + 1);
        for record in batch.iter() {
            match (record.offset == self.at, self.how) {
                (true, Skip::Gap) => {}
                (true, Skip::Covered) => {
                    let last = before.spans.last().copied().expect("it is not the first of a batch");
                    before.spans.push(last);
                }
                (false, Skip::Gap) if record.offset > self.at => behind.push(record.bytes),
                (false, _) => before.push(record.bytes),
            }
        }
    }

    fn concerns(&self, partition: u16, batch: &RecordBatch<'_>) -> bool {
        partition == self.partition && (batch.first_offset()..batch.next_offset()).contains(&self.at)
    }
}

struct SkippingReader<'a> {
    log: &'a Skipping<'a>,
    partition: u16,
    inner: Box<dyn PartitionReader + 'a>,
    before: Run,
    behind: Run,
}

impl PartitionReader for SkippingReader<'_> {
    fn next_batch(&mut self, max_bytes: usize) -> Result<Option<RecordBatch<'_>>, ReadError> {
        if !self.behind.spans.is_empty() {
            std::mem::swap(&mut self.before, &mut self.behind);
            self.behind.begin(0);
            return Ok(Some(self.before.batch()));
        }
        let Some(batch) = self.inner.next_batch(max_bytes)? else { return Ok(None) };
        if !self.log.concerns(self.partition, &batch) {
            return Ok(Some(batch));
        }
        self.log.cut(batch, &mut self.before, &mut self.behind);
        if self.before.spans.is_empty() {
            std::mem::swap(&mut self.before, &mut self.behind);
            self.behind.begin(0);
        }
        Ok(Some(self.before.batch()))
    }

    fn position(&self) -> u64 {
        self.inner.position()
    }
}

struct SkippingFollower<'a> {
    log: &'a Skipping<'a>,
    inner: Box<dyn Follower + 'a>,
    before: Run,
    behind: Run,
}

impl Follower for SkippingFollower<'_> {
    fn next(&mut self, max_bytes: usize, patience: Duration) -> Result<Option<Followed<'_>>, ReadError> {
        if !self.behind.spans.is_empty() {
            std::mem::swap(&mut self.before, &mut self.behind);
            self.behind.begin(0);
            return Ok(Some((self.log.partition, Ok(self.before.batch()))));
        }
        match self.inner.next(max_bytes, patience)? {
            Some((partition, Ok(batch))) if self.log.concerns(partition, &batch) => {
                self.log.cut(batch, &mut self.before, &mut self.behind);
                if self.before.spans.is_empty() {
                    std::mem::swap(&mut self.before, &mut self.behind);
                    self.behind.begin(0);
                }
                Ok(Some((partition, Ok(self.before.batch()))))
            }
            followed => Ok(followed),
        }
    }

    fn resume(&mut self, partition: u16, from: Checkpoint) {
        self.inner.resume(partition, from);
    }
}

impl EventLog for Skipping<'_> {
    fn id(&self) -> LogId {
        self.log.id()
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
        let inner = self.log.reader(partition, from)?;
        Ok(Box::new(SkippingReader {
            log: self,
            partition,
            inner,
            before: Run::default(),
            behind: Run::default(),
        }))
    }

    fn follow(&self, from: &[(u16, Checkpoint)]) -> Result<Box<dyn Follower + '_>, ReadError> {
        let inner = self.log.follow(from)?;
        Ok(Box::new(SkippingFollower { log: self, inner, before: Run::default(), behind: Run::default() }))
    }
}

/// The same events told again and again of other people, until there are so many.
fn many(log: &Log, records: u64) -> Log {
    let rounds = records.div_ceil(count(log)) as u32;
    let told = |records: &Vec<Vec<u8>>| {
        let round = |round: u32| {
            records.iter().map(move |bytes| {
                let mut bytes = bytes.clone();
                // Id and subject, sixteen bytes each, stand first.
                assert_eq!((bytes[..2].to_vec(), bytes[18..20].to_vec()), (vec![0x0a, 16], vec![0x12, 16]));
                for (at, byte) in round.to_le_bytes().into_iter().enumerate() {
                    bytes[4 + at] ^= byte;
                    bytes[28 + at] ^= byte;
                }
                bytes
            })
        };
        (0..rounds).flat_map(round).collect()
    };
    log.iter().map(told).collect()
}

/// Both that count find what `skipping` leaves out of `log`, which the rest of it says nothing of.
fn is_found(town: &Town, log: &dyn EventLog, skipping: &Skipping<'_>, name: &str) {
    let Skipping { partition, at, how, .. } = *skipping;
    let root = town.folder(name);
    let projected = project(skipping, &root);
    match how {
        Skip::Gap => {
            // The projector's own check.
            let said = format!("partition {partition} has no records from offset {at} to before {}", at + 1);
            assert_eq!(projected.stopped().len(), 1, "{:?}", projected.stopped());
            let (stopped, why) = projected.stopped()[0];
            assert!(stopped == partition && why.contains(&said), "{why}");
            assert_eq!(projected.manifest.partitions[usize::from(partition)].next_offset, at);
            // The census', of the same log.
            let counted = census(skipping, None).unwrap();
            let place = format!("partition {partition}: ");
            assert!(!counted.is_clean() && counted.findings.iter().all(|said| said.starts_with(&place)));
            let said = format!("partition {partition}: offset {} stands where {at} should", at + 1);
            assert!(
                counted.findings.contains(&said),
                "{said}: {:?}",
                &counted.findings[..counted.findings.len().min(3)]
            );
        }
        Skip::Covered => {
            assert_eq!(projected.stopped(), [], "offsets say nothing");
            // The census sees what figures made of it lack.
            let counted = census(log, Some(&snapshot(&root))).unwrap();
            let said = format!("partition {partition}: the figures hold ");
            assert!(counted.findings.iter().any(|found| found.starts_with(&said)), "{:?}", counted.findings);
            assert!(
                counted.findings.iter().all(|found| found.starts_with(&format!("partition {partition}: ")))
            );
        }
    }
}

#[test]
fn one_record_in_a_million_that_is_skipped_is_found() {
    let few = events(31, 600, PARTITIONS);
    let log = many(&few, 1_000_000);
    assert!(count(&log) >= 1_000_000);
    let town = Town::nowhere();
    let embedded = EmbeddedLog::create(&town.folder("log"), PARTITIONS).unwrap();
    write(&embedded, &log);
    let (partition, at) = (2, log[2].len() as u64 * 2 / 3);
    drop(log);
    for how in [Skip::Gap, Skip::Covered] {
        let skipping = Skipping { log: &embedded, partition, at, how };
        is_found(&town, &embedded, &skipping, &format!("{how:?}"));
    }
}

#[test]
fn a_record_that_the_consumer_skips_is_found() {
    let Some((cluster, _turn)) = broker() else { return };
    let town = Town::new(&cluster, "skipped", PARTITIONS, 1);
    let log = events(32, 300, PARTITIONS);
    write(&town.log(), &log);
    let kafka = town.log();
    let (partition, at) = (1, log[1].len() as u64 / 2);
    for how in [Skip::Gap, Skip::Covered] {
        let skipping = Skipping { log: &kafka, partition, at, how };
        is_found(&town, &kafka, &skipping, &format!("{how:?}"));
    }
    // By one that follows, too: from nothing, so that all comes to it.
    let skipping = Skipping { log: &kafka, partition, at, how: Skip::Gap };
    let followed =
        project_following(&skipping, &town.folder("followed"), count(&log) - (log[1].len() as u64 - at));
    let said = format!("partition {partition} has no records from offset {at} to before {}", at + 1);
    assert!(followed.stopped()[0].1.contains(&said), "{:?}", followed.stopped());
    let mut rest = log.clone();
    rest[1].truncate(at as usize);
    assert_eq!(followed.digests, oracle(&rest));
}
