//! Following partitions as they grow: one consumer for all of them.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use event_log::{Checkpoint, Followed, Follower, ReadError};
use rdkafka::error::RDKafkaErrorCode;

use crate::{
    arena::Arena,
    config::Pace,
    core::{Core, Lease, PATIENCE},
    native::Bound,
    reader::{Obstacle, take, verdict},
};

/// How many records are taken from the client at once: of the largest that there may be, 2 GiB, which spans can still address.
const MESSAGES: usize = 2048;
/// How often it is looked whether the topic is still the same, ...
const EVERY: Duration = Duration::from_secs(1);
/// ... and how long that may keep from reading.
const LOOK: Duration = Duration::from_millis(250);
/// How often it is looked whether somebody holds a transaction open.
const ALARM_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Following<'a> {
    core: &'a Core,
    lease: Lease<'a>,
    parts: BTreeMap<u16, Part>,
    /// What is to be given next: partitions whose arenas hold something, or that met something.
    ready: VecDeque<u16>,
    /// The partition whose records were given last: its arena is to be emptied.
    given: Option<u16>,
    looked: Instant,
    /// When it was last looked for open transactions, and where readers waited for one.
    alarm: (Instant, Vec<(u16, u64)>),
}

struct Part {
    /// Where the last record that was read is compared before anything is given.
    verify: Option<Checkpoint>,
    /// The next record, and what waits to be given.
    arena: Arena,
    /// It is not read further, for this reason that is still to be told, or was.
    stands: Option<Option<ReadError>>,
    /// A gap that was seen once.
    suspected: Option<u64>,
}

impl Part {
    fn new(from: Checkpoint) -> Part {
        let mut arena = Arena::default();
        arena.begin(from.compares().unwrap_or(from.next));
        Part { verify: from.last.map(|_| from), arena, stands: None, suspected: None }
    }

    /// Under which leader the record before the next was written, where that is known.
    fn epoch(&self) -> Option<u32> {
        // With the last record itself at hand nothing is asked of the record before it.
        if self.verify.is_some() { None } else { self.arena.epoch() }
    }
}

impl<'a> Following<'a> {
    pub(crate) fn new(core: &'a Core, from: &[(u16, Checkpoint)]) -> Result<Following<'a>, ReadError> {
        if let Some((partition, _)) = from.iter().find(|(partition, _)| *partition >= core.partitions) {
            let last = core.partitions - 1;
            return Err(ReadError::Refused(format!("the log has partitions 0 to {last}, not {partition}")));
        }
        core.still_the_same(PATIENCE)?;
        let lease = core.consumer(Pace::Live)?;
        let parts = from.iter().map(|(partition, from)| (*partition, Part::new(*from))).collect();
        let now = Instant::now();
        let alarm = (now, Vec::new());
        let mut following =
            Following { core, lease, parts, ready: VecDeque::new(), given: None, looked: now, alarm };
        following.assign()?;
        Ok(following)
    }

    /// Reads all that does not stand still, each from where it is.
    fn assign(&mut self) -> Result<(), ReadError> {
        let read = self.parts.iter().filter(|(_, part)| part.stands.is_none());
        let from: Vec<_> =
            read.map(|(partition, part)| (*partition, part.arena.next(), part.epoch())).collect();
        self.lease.consumer().assign(&from).map_err(|error| self.core.cannot_read(error))
    }

    /// Takes what the client has; waits for at most `patience` where it has nothing.
    fn receive(&mut self, patience: Duration) -> Result<(), ReadError> {
        let Following { core, lease, parts, ready, .. } = self;
        let mut obstacles: Vec<(u16, Obstacle)> = Vec::new();
        lease.consumer().receive(patience, MESSAGES, &mut |received| {
            let partition = received.partition;
            let Some(part) = parts.get_mut(&partition).filter(|part| part.stands.is_none()) else { return };
            if obstacles.iter().any(|(at, _)| *at == partition) {
                return;
            }
            let was_empty = part.arena.is_empty();
            obstacles.extend(take(&mut part.arena, core, &received).map(|obstacle| (partition, obstacle)));
            if was_empty && !part.arena.is_empty() {
                ready.push_back(partition);
                part.suspected = None;
            }
        });
        let is_something = !ready.is_empty() || !obstacles.is_empty();
        if is_something && !lease.is_of_this_topic().inspect_err(|_| ready.clear())? {
            // With another consumer, from behind what was given.
            for part in parts.values_mut() {
                part.arena.begin(part.arena.first());
            }
            ready.clear();
            ready.extend(
                parts
                    .iter()
                    .filter(|(_, part)| part.stands.as_ref().is_some_and(Option::is_some))
                    .map(|(at, _)| *at),
            );
            self.lease = core.consumer(Pace::Live)?;
            return self.assign();
        }
        if obstacles.is_empty() {
            return Ok(());
        }
        for (partition, obstacle) in obstacles {
            self.meet(partition, obstacle);
        }
        self.assign()
    }

    /// Decides what becomes of a partition that something is in the way of.
    fn meet(&mut self, partition: u16, obstacle: Obstacle) {
        let core = self.core;
        let Some(part) = self.parts.get_mut(&partition) else { return };
        let next = part.arena.next();
        let error = match obstacle {
            // Messages from before an assignment may still come after it: it is looked at twice.
            Obstacle::Gap(found) if part.suspected != Some(found) || !part.arena.is_empty() => {
                part.suspected = Some(found);
                None
            }
            Obstacle::Gap(found) => Some(match core.offset(partition, Bound::First) {
                Ok(first) => core.missing(partition, next, found, first),
                Err(error) => error,
            }),
            Obstacle::Failed(code @ RDKafkaErrorCode::LogTruncation, why) => {
                verdict(core, partition, next, code, &why)
            }
            Obstacle::Failed(code, why) => {
                // A store that is ahead is told what it asked for, not what is compared before.
                let asked = part.verify.map_or(next, |from| from.next);
                match verdict(core, partition, next, code, &why) {
                    // What was read last is deleted, and nothing behind it: there is nothing to compare with, and nothing lacks.
                    Some(ReadError::Missing { until, .. }) if part.verify.is_some() && until == asked => {
                        part.verify = None;
                        part.arena.begin(asked);
                        None
                    }
                    Some(ReadError::OutOfRange { end, .. }) => {
                        Some(ReadError::OutOfRange { partition, offset: asked, end })
                    }
                    error => error,
                }
            }
        };
        if let Some(error) = error {
            self.stop(partition, error);
        }
    }

    fn stop(&mut self, partition: u16, error: ReadError) {
        if let Some(part) = self.parts.get_mut(&partition) {
            part.stands = Some(Some(error));
            if !self.ready.contains(&partition) {
                self.ready.push_back(partition);
            }
        }
    }

    /// Looks now and then whether somebody writes with transactions and holds one open: nobody reads past it, and nothing else
    /// would tell.
    fn raise_alarms(&mut self) {
        let (raised_at, waiting) = &mut self.alarm;
        if raised_at.elapsed() < ALARM_EVERY {
            return;
        }
        *raised_at = Instant::now();
        // Brokers that do not answer now are asked again.
        let Ok(unstable) = self.core.unstable(LOOK) else { return };
        for (partition, at, end) in &unstable {
            // Twice at the same place: one that is about to end is told when its marks are met.
            if waiting.contains(&(*partition, *at)) {
                tracing::warn!(
                    partition,
                    at,
                    end,
                    "a transaction that was not ended holds this partition up: nothing behind it can be read; only producers \
                     without transactions may write to the topic, see `vertebra topics check`"
                );
            }
        }
        *waiting = unstable.into_iter().map(|(partition, at, _)| (partition, at)).collect();
    }

    /// Compares what is to be compared of a partition; says whether there is something to give.
    fn compare(&mut self, partition: u16) -> bool {
        let Some(part) = self.parts.get_mut(&partition) else { return false };
        let Some(from) = part.verify.take_if(|_| !part.arena.is_empty()) else { return true };
        let Err(error) = part.arena.compare(partition, &from) else { return !part.arena.is_empty() };
        part.arena.begin(from.next);
        part.stands = Some(Some(error));
        true
    }
}

impl Follower for Following<'_> {
    fn next(&mut self, _max_bytes: usize, patience: Duration) -> Result<Option<Followed<'_>>, ReadError> {
        let deadline = Instant::now() + patience;
        if let Some(part) = self.given.take().and_then(|given| self.parts.get_mut(&given)) {
            part.arena.begin(part.arena.next());
        }
        loop {
            while let Some(partition) = self.ready.pop_front() {
                if !self.compare(partition) {
                    continue;
                }
                let Some(part) = self.parts.get_mut(&partition) else { continue };
                if part.arena.is_empty() {
                    // Told once; it is not read until somebody says so.
                    let Some(error) = part.stands.as_mut().and_then(Option::take) else { continue };
                    self.assign()?;
                    return Ok(Some((partition, Err(error))));
                }
                if part.stands.as_ref().is_some_and(Option::is_some) {
                    // What came before it is given first.
                    self.ready.push_front(partition);
                }
                self.given = Some(partition);
                return Ok(Some((partition, Ok(self.parts[&partition].arena.batch()))));
            }
            if self.looked.elapsed() >= EVERY {
                // Brokers that do not answer now are asked the next time; what one says in a hurry is asked again.
                if let Err(ReadError::Replaced { .. }) = self.core.still_the_same(LOOK)
                    && let Err(replaced @ ReadError::Replaced { .. }) = self.core.still_the_same(PATIENCE)
                {
                    return Err(replaced);
                }
                self.raise_alarms();
                // Only now: between two looks there is time to read, however long they take.
                self.looked = Instant::now();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.receive(left.min(EVERY))?;
            if self.ready.is_empty() && left.is_zero() {
                return Ok(None);
            }
        }
    }

    fn resume(&mut self, partition: u16, from: Checkpoint) {
        let Some(part) = self.parts.get_mut(&partition) else { return };
        *part = Part::new(from);
        self.ready.retain(|ready| *ready != partition);
        if let Err(error) = self.assign() {
            self.stop(partition, error);
        }
    }

    fn note(&mut self, positions: &[(u16, u64)]) {
        self.lease.consumer().note(positions);
    }
}
