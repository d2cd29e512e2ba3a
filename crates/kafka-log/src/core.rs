//! One topic: what it is, where it begins and ends.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use event_log::{LogId, PARTITIONS_MAX, Place, ReadError};
use rdkafka::error::{KafkaError, KafkaResult};

use crate::{
    Address, Contents, Settings,
    arena::Checks,
    config::Pace,
    native::{Bound, Consumer, Inquiry, Topic},
    trouble::{cannot_read, is_passing, is_unknown},
};

/// How long a question may wait for its answer, over elections and restarts.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a single request may.
const REQUEST: Duration = Duration::from_secs(10);
/// So long the brokers have to say that there is no topic of a name: one that was just made is not known to each of them at
/// once, and who is asked is chance.
const NOT_THERE: Duration = Duration::from_secs(2);
/// Before a question is asked again.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// What readers, followers and appenders of a topic share.
pub(crate) struct Core {
    pub(crate) address: Address,
    pub(crate) settings: Settings,
    pub(crate) topic: String,
    pub(crate) contents: Contents,
    pub(crate) id: LogId,
    pub(crate) partitions: u16,
    inquiry: Inquiry,
    /// Consumers that read nothing now, by what they are for, and whether they are known to read this topic.
    idle: Mutex<Vec<(Pace, Consumer, bool)>>,
}

/// So many consumers are kept for the next who reads.
const IDLE_MAX: usize = 4;

/// Asks until there is an answer, or `patience` ends.
pub(crate) fn ask<T>(
    patience: Duration,
    mut question: impl FnMut(Duration) -> KafkaResult<T>,
) -> KafkaResult<T> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match question(left.clamp(PAUSE, REQUEST)) {
            Err(error) if is_passing(&error) && left > PAUSE => std::thread::sleep(PAUSE),
            answer => return answer,
        }
    }
}

/// Looks the topic up; `None`: there is none of this name, by what all brokers that were asked for a while say.
pub(crate) fn look_up(inquiry: &Inquiry, topic: &str, patience: Duration) -> KafkaResult<Option<Topic>> {
    let believed = Instant::now() + patience.min(NOT_THERE);
    loop {
        let found = ask(patience, |patience| inquiry.topic(topic, patience))?;
        if found.is_some() || Instant::now() >= believed {
            return Ok(found);
        }
        std::thread::sleep(PAUSE);
    }
}

impl Core {
    pub(crate) fn new(
        address: &Address,
        settings: &Settings,
        topic: &str,
        contents: Contents,
        inquiry: Inquiry,
        found: &Topic,
    ) -> Result<Core, String> {
        let count =
            u16::try_from(found.replicas.len()).ok().filter(|count| (1..=PARTITIONS_MAX).contains(count));
        let partitions = count.ok_or_else(|| {
            format!("the topic has {} partitions; a log has 1 to {PARTITIONS_MAX}", found.replicas.len())
        })?;
        Ok(Core {
            address: address.clone(),
            settings: settings.clone(),
            topic: topic.to_owned(),
            contents,
            id: LogId(found.id),
            partitions,
            inquiry,
            idle: Mutex::default(),
        })
    }

    /// Where this log is, in words.
    pub(crate) fn place(&self) -> String {
        format!("the topic {} at {}", self.topic, self.address.brokers)
    }

    pub(crate) fn checks(&self, partition: u16) -> Checks {
        Checks { contents: self.contents, partition, partitions: self.partitions }
    }

    pub(crate) fn cannot_read(&self, error: KafkaError) -> ReadError {
        cannot_read(&self.place(), error)
    }

    /// Whether the topic is still the one that was opened: same id, as many partitions.
    pub(crate) fn still_the_same(&self, patience: Duration) -> Result<(), ReadError> {
        let found = look_up(&self.inquiry, &self.topic, patience).map_err(|error| self.cannot_read(error))?;
        let why = match found {
            None => "there is no such topic any more".to_owned(),
            Some(found) if found.id != self.id.0 => {
                let found = LogId(found.id);
                format!("it was deleted and made again: its id was {}, and is {found}", self.id)
            }
            Some(found) if found.replicas.len() != usize::from(self.partitions) => {
                let (had, has) = (self.partitions, found.replicas.len());
                format!(
                    "it had {had} partitions, and has {has}: people's events would go to other ones than before"
                )
            }
            Some(_) => return Ok(()),
        };
        let why = format!(
            "{why}. What was computed from it stays as it is. Bring the topic back from a copy (`vertebra log copy`), or \
             project what it holds now into an empty folder"
        );
        Err(ReadError::Replaced { place: Place::from(self.place()), why })
    }

    /// A bound of each of `partitions`.
    pub(crate) fn offsets(&self, partitions: &[u16], bound: Bound) -> Result<Vec<u64>, ReadError> {
        self.offsets_within(partitions, bound, PATIENCE)
    }

    fn offsets_within(
        &self,
        partitions: &[u16],
        bound: Bound,
        within: Duration,
    ) -> Result<Vec<u64>, ReadError> {
        let deadline = Instant::now() + within;
        loop {
            let asked =
                ask(within, |patience| self.inquiry.offsets(&self.topic, partitions, bound, patience));
            let error = match asked {
                Ok(offsets) => return Ok(offsets),
                Err(error) => error,
            };
            // A broker that doesn't know the topic yet is no broker that knows of none.
            let is_unknown = is_unknown(&error);
            let patience = if is_unknown { NOT_THERE } else { Duration::ZERO };
            match self.still_the_same(patience) {
                Err(replaced @ ReadError::Replaced { .. }) => return Err(replaced),
                Ok(()) if is_unknown && Instant::now() < deadline => std::thread::sleep(PAUSE),
                _ => return Err(self.cannot_read(error)),
            }
        }
    }

    /// A bound of one partition.
    pub(crate) fn offset(&self, partition: u16, bound: Bound) -> Result<u64, ReadError> {
        Ok(self.offsets(&[partition], bound)?[0])
    }

    /// Partitions that a transaction holds open: partition, where readers wait, and the end.
    pub(crate) fn unstable(&self, patience: Duration) -> Result<Vec<(u16, u64, u64)>, ReadError> {
        // The ends first: what is appended between the two questions does not look like a transaction.
        let ends = self.offsets_within(&self.all(), Bound::High, patience)?;
        let stable = self.offsets_within(&self.all(), Bound::Stable, patience)?;
        let both = (0..).zip(stable).zip(ends).map(|((partition, stable), end)| (partition, stable, end));
        Ok(both.filter(|(_, stable, end)| stable < end).collect())
    }

    /// The numbers of all partitions.
    pub(crate) fn all(&self) -> Vec<u16> {
        (0..self.partitions).collect()
    }

    /// Why there is nothing to read at `offset` of a partition.
    pub(crate) fn out_of_range(&self, partition: u16, offset: u64) -> ReadError {
        let look = || -> Result<ReadError, ReadError> {
            self.still_the_same(PATIENCE)?;
            let end = self.offset(partition, Bound::Stable)?;
            if offset > end {
                return Ok(ReadError::OutOfRange { partition, offset, end });
            }
            let first = self.offset(partition, Bound::First)?;
            if offset < first {
                return Ok(self.missing(partition, offset, first, first));
            }
            // It was between, for a moment: whoever asks again is answered.
            let source = std::io::Error::other("the broker says that the offset is not there");
            Ok(ReadError::Unavailable { place: Place::from(self.place()), source })
        };
        look().unwrap_or_else(|error| error)
    }

    /// Records from `from` to before `until` are not there, and the log begins at `first`.
    pub(crate) fn missing(&self, partition: u16, from: u64, until: u64, first: u64) -> ReadError {
        let why = if first > from {
            format!(
                "the topic begins at offset {first} now: its head was deleted, by retention or by somebody. What was read \
                 before stays counted; bring the records back from a copy of the log, and see `vertebra topics check`"
            )
        } else {
            "a transaction wrote into the topic, whose marks take offsets, or it is compacted. Only producers without \
             transactions may write to it; see `vertebra topics check`. To go on without what is missing, copy the log \
             into a new topic (`vertebra log copy --fill-missing`) and project that"
                .to_owned()
        };
        ReadError::Missing { partition, from, until, why }
    }

    /// A consumer for reading.
    pub(crate) fn consumer(&self, pace: Pace) -> Result<Lease<'_>, ReadError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let found = idle.iter().position(|(of, ..)| *of == pace).map(|at| idle.swap_remove(at));
        drop(idle);
        let (consumer, is_proven) = match found {
            Some((_, consumer, is_proven)) => (consumer, is_proven),
            None => {
                let config = self.settings.for_reading(&self.address, pace);
                (Consumer::new(&config, &self.topic).map_err(|error| self.cannot_read(error))?, false)
            }
        };
        Ok(Lease { core: self, pace, is_proven, consumer: Some(consumer) })
    }
}

/// A consumer that is given back when it is dropped.
pub(crate) struct Lease<'a> {
    core: &'a Core,
    pub(crate) pace: Pace,
    /// It was seen to read the topic that was opened: should that become another, the client sees it by itself.
    is_proven: bool,
    consumer: Option<Consumer>,
}

impl Lease<'_> {
    pub(crate) fn consumer(&mut self) -> &mut Consumer {
        self.consumer.as_mut().expect("it is given back only at the end")
    }

    /// Sees that what was received is of the topic that was opened; `false`: it may be of another, which is gone again. What was
    /// received is given to nobody before. A new client takes any topic of the name for the one that is meant: it was, if
    /// that is still there now.
    pub(crate) fn is_of_this_topic(&mut self) -> Result<bool, ReadError> {
        let saw_another = self.consumer().saw_another_topic();
        if saw_another || !self.is_proven {
            self.core.still_the_same(PATIENCE)?;
            self.is_proven = true;
        }
        Ok(!saw_another)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(consumer) = self.consumer.take() else { return };
        // It lets go of what it fetched. One that saw another topic is of no use.
        if consumer.assign(&[]).is_err() || consumer.saw_another_topic() {
            return;
        }
        let mut idle = self.core.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push((self.pace, consumer, self.is_proven));
        }
    }
}
