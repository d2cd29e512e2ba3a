//! Reading one partition.

use std::time::{Duration, Instant};

use event_log::{PartitionReader, ReadError, RecordBatch};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::{
    arena::Arena,
    config::Pace,
    core::{Core, Lease, PATIENCE},
    native::{Bound, Received, What},
    trouble::passes,
};

/// Who asks for no more than this is after a few records.
const SINGLE_BYTES: usize = 64 << 10;
/// How many records are taken from the client at once: of the largest that there may be, 2 GiB, which spans can still address.
const MESSAGES: usize = 2048;
/// How long the client is waited for before it is looked at how things stand.
const GLANCE: Duration = Duration::from_millis(250);

pub(crate) struct Reader<'a> {
    core: &'a Core,
    partition: u16,
    next: u64,
    /// There is nothing past it by what is known.
    end: u64,
    lease: Option<Lease<'a>>,
    arena: Arena,
}

/// What keeps a partition from being read on, as the client says it.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// The record after the last stands here, further than it should.
    Gap(u64),
    /// The client's own words.
    Failed(RDKafkaErrorCode, String),
}

/// Sorts what comes of one partition: pushes what follows the last record, and says what is in the way.
pub(crate) fn take(arena: &mut Arena, core: &Core, received: &Received<'_>) -> Option<Obstacle> {
    let next = arena.next();
    match &received.what {
        What::Record(message) if received.offset == next => {
            arena.push(message, core.checks(received.partition));
            None
        }
        // From before it was assigned anew.
        What::Record(_) if received.offset < next => None,
        What::End if received.offset <= next => None,
        What::Record(_) | What::End => Some(Obstacle::Gap(received.offset)),
        What::Failed { code, why } => Some(Obstacle::Failed(*code, why.clone())),
    }
}

/// What an error of the client means for a partition that is read at `next`; `None`: it passes.
pub(crate) fn verdict(
    core: &Core,
    partition: u16,
    next: u64,
    code: RDKafkaErrorCode,
    why: &str,
) -> Option<ReadError> {
    match code {
        RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
            Some(core.out_of_range(partition, next))
        }
        RDKafkaErrorCode::LogTruncation => Some(ReadError::Rewritten {
            partition,
            offset: next.saturating_sub(1),
            why: "a leader was elected that lacked records of the last one (an unclean election): what was read of the end is \
                  not in the log any more. Bring the log back from a copy, or rebuild the figures from what it holds now"
                .to_owned(),
        }),
        RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownPartition
        | RDKafkaErrorCode::UnknownTopicOrPartition => {
            // A topic that was just made is not known everywhere.
            core.still_the_same(PATIENCE).err()
        }
        code if passes(code) => None,
        code => {
            tracing::info!(partition, ?code, why, "a partition cannot be read");
            Some(core.cannot_read(KafkaError::MessageConsumption(code)))
        }
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(core: &'a Core, partition: u16, from: u64) -> Result<Reader<'a>, ReadError> {
        let end = core.offset(partition, Bound::Stable)?;
        if from > end {
            core.still_the_same(PATIENCE)?;
            return Err(ReadError::OutOfRange { partition, offset: from, end });
        }
        Ok(Reader { core, partition, next: from, end, lease: None, arena: Arena::default() })
    }

    /// Whether there is more, by what the brokers say now.
    fn has_more(&mut self) -> Result<bool, ReadError> {
        if self.next >= self.end {
            self.end = self.core.offset(self.partition, Bound::Stable)?;
            if self.next > self.end {
                return Err(self.core.out_of_range(self.partition, self.next));
            }
        }
        Ok(self.next < self.end)
    }

    /// A consumer that stands at the next record.
    fn lease(&mut self, max_bytes: usize) -> Result<&mut Lease<'a>, ReadError> {
        let pace = if max_bytes <= SINGLE_BYTES { Pace::Single } else { Pace::Bulk };
        if self.lease.as_ref().is_some_and(|lease| lease.pace == Pace::Single && pace == Pace::Bulk) {
            self.lease = None;
        }
        if self.lease.is_none() {
            let mut lease = self.core.consumer(pace)?;
            let assigned = lease.consumer().assign(&[(self.partition, self.next, None)]);
            assigned.map_err(|error| self.core.cannot_read(error))?;
            self.lease = Some(lease);
        }
        Ok(self.lease.as_mut().expect("it was just taken"))
    }

    /// Reads at least one record, of which there are some.
    fn fill(&mut self, max_bytes: usize) -> Result<(), ReadError> {
        let (core, partition) = (self.core, self.partition);
        let deadline = Instant::now() + PATIENCE;
        // What looks like a gap is looked at twice: messages from before an assignment may still come after it.
        let mut suspected = None;
        let mut last = None;
        self.arena.begin(self.next);
        loop {
            let mut arena = std::mem::take(&mut self.arena);
            let mut obstacle = None;
            let consumer = self.lease(max_bytes)?.consumer();
            let mut patience = GLANCE;
            while obstacle.is_none() && arena.len_bytes() < max_bytes.max(1) {
                let most = if max_bytes <= SINGLE_BYTES { 64 } else { MESSAGES.min(max_bytes / 256) };
                let count = consumer.receive(patience, most, &mut |received| {
                    if received.partition == partition && obstacle.is_none() {
                        obstacle = take(&mut arena, core, &received);
                    }
                });
                if count < most {
                    break;
                }
                patience = Duration::ZERO;
            }
            self.arena = arena;
            // A client that received nothing may not know its topic yet.
            let is_something = !self.arena.is_empty() || obstacle.is_some();
            if is_something && !self.lease(max_bytes)?.is_of_this_topic()? {
                self.lease = None;
                self.arena.begin(self.next);
            } else if !self.arena.is_empty() {
                // What is in the way is met again.
                if obstacle.is_some() {
                    self.lease = None;
                }
                return Ok(());
            }
            match obstacle {
                Some(Obstacle::Gap(found)) if suspected == Some(found) => {
                    let first = core.offset(partition, Bound::First)?;
                    return Err(core.missing(partition, self.next, found, first));
                }
                Some(Obstacle::Gap(found)) => {
                    suspected = Some(found);
                    self.lease = None;
                }
                Some(Obstacle::Failed(code, why)) => {
                    self.lease = None;
                    if let Some(error) = verdict(core, partition, self.next, code, &why) {
                        return Err(error);
                    }
                    last = Some(code);
                }
                None => {}
            }
            if Instant::now() >= deadline {
                let code = last.unwrap_or(RDKafkaErrorCode::OperationTimedOut);
                return Err(core.cannot_read(KafkaError::MessageConsumption(code)));
            }
        }
    }
}

impl PartitionReader for Reader<'_> {
    fn next_batch(&mut self, max_bytes: usize) -> Result<Option<RecordBatch<'_>>, ReadError> {
        if !self.has_more()? {
            // What it fetches from here on somebody else will ask for.
            self.lease = None;
            return Ok(None);
        }
        self.fill(max_bytes)?;
        self.next = self.arena.next();
        Ok(Some(self.arena.batch()))
    }

    fn position(&self) -> u64 {
        self.next
    }
}
