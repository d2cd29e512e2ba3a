//! What comes of the log while it is followed.

use std::time::{Duration, Instant};

use event_log::{Checkpoint, Follower, ReadError, RecordBatch};

use super::Projector;
use crate::{
    error::StoreError,
    gather::{Gathered, READ_BYTES},
    partition::{Asked, Partition, Stopped},
    serving::Serving,
};

/// So many records are gathered before they are folded, where more are ready: whoever has many of them is folded once, and
/// a commit does not wait for long.
const GROUP_RECORDS: u64 = 1 << 17;
/// What was gathered of a partition in one go is not kept in memory for the next time if it was more than this.
const KEPT_RECORDS: u64 = 1 << 13;

/// What was gathered of each partition, and not folded yet.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// One for each partition of which something ever came.
    gathered: Vec<Option<Box<Gathered>>>,
    /// The partitions of which something waits.
    waiting: Vec<u16>,
}

impl Live {
    /// Gathers the records of `batch`; says how many.
    fn take(&mut self, partition: &mut Partition, batch: RecordBatch<'_>) -> Result<u64, ReadError> {
        let number = partition.number;
        let at = usize::from(number);
        if self.gathered.len() <= at {
            self.gathered.resize_with(at + 1, Option::default);
        }
        let gathered = self.gathered[at].get_or_insert_default();
        if !self.waiting.contains(&number) {
            partition.begin(gathered);
            self.waiting.push(number);
        }
        gathered.take(number, batch, u64::MAX)
    }

    /// How far the partition was gathered.
    fn reached(&self, partition: &Partition) -> Checkpoint {
        let gathered = self.gathered.get(usize::from(partition.number)).and_then(Option::as_deref);
        match gathered.filter(|_| self.waiting.contains(&partition.number)) {
            Some(gathered) => gathered.checkpoint,
            None => partition.histories.checkpoint,
        }
    }
}

impl Projector<'_> {
    /// Which partitions are followed from here, and from where: all but those that stand still for good. A process that has
    /// only some of a log's partitions follows these.
    pub(super) fn assignment(&self) -> Vec<(u16, Checkpoint)> {
        let partitions = self.serving.partitions.iter();
        let goes_on = |partition: &&Partition| partition.stopped.as_ref().is_none_or(Stopped::for_now);
        let from = |partition: &Partition| (partition.number, partition.histories.checkpoint);
        partitions.filter(goes_on).map(from).collect()
    }

    /// Takes in what is ready of the log, and waits up to `patience` where nothing is. All of it is gathered before it is
    /// folded: each person once, in however many pieces it comes.
    pub(super) fn take_ready(
        &mut self,
        follower: &mut dyn Follower,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let (mut patience, mut records) = (patience, 0);
        let fold_at = Instant::now() + patience + self.options.commit_every;
        let followed = loop {
            // However slowly it comes, it is not gathered for ever.
            if records >= GROUP_RECORDS || Instant::now() >= fold_at {
                break Ok(());
            }
            match follower.next(READ_BYTES, patience) {
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
                Ok(Some((number, came))) => {
                    patience = Duration::ZERO;
                    let partition = &mut self.serving.partitions[usize::from(number)];
                    if partition.stopped.as_ref().is_some_and(|stopped| !stopped.for_now()) {
                        continue;
                    }
                    let came = came.and_then(|batch| self.live.take(partition, batch));
                    self.snapshots.stale = true;
                    match came {
                        Ok(read) => {
                            partition.stopped = None;
                            records += read;
                        }
                        Err(error) => {
                            partition.stop(self.live.reached(partition).next, &error, &self.options);
                        }
                    }
                }
            }
        };
        self.fold_what_waits()?;
        Ok(followed?)
    }

    fn fold_what_waits(&mut self) -> Result<(), StoreError> {
        let (bundle, options) = (self.bundle, &self.options);
        let Serving { partitions, figures, .. } = &mut self.serving;
        for number in self.live.waiting.drain(..) {
            let at = usize::from(number);
            let Some(mut gathered) = self.live.gathered[at].take() else { continue };
            let read = partitions[at].fold(&mut gathered, bundle, options, figures, &mut self.folding)?;
            self.uncommitted_events += read;
            if read <= KEPT_RECORDS {
                self.live.gathered[at] = Some(gathered);
            }
        }
        Ok(())
    }

    /// Follows the partitions again whose storage did not answer, once it is time.
    pub(super) fn ask_again(&mut self, follower: &mut dyn Follower) {
        for partition in &mut self.serving.partitions {
            match partition.ask_again(&self.options) {
                Asked::NotNow => {}
                Asked::Now => follower.resume(partition.number, partition.histories.checkpoint),
                // Readers learn from the snapshot that it goes on.
                Asked::GoesOn => self.snapshots.stale = true,
            }
        }
    }
}
