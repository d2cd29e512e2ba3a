//! Following partitions as they grow.

use std::time::{Duration, Instant};

use super::{EmbeddedLog, reader::Reader};
use crate::{Checkpoint, EventLog, Followed, Follower, PartitionReader, ReadError, verify};

/// Readers of the partitions, asked in turn.
pub(super) struct Following<'a> {
    log: &'a EmbeddedLog,
    parts: Vec<Part<'a>>,
    /// Whose turn it is.
    turn: usize,
    /// One offset for each partition of the log: what is not past it is not looked at.
    seen: Vec<u64>,
    ends: Vec<u64>,
}

struct Part<'a> {
    partition: u16,
    /// To be compared with the log before the first record is read.
    unverified: Option<Checkpoint>,
    /// `None`: it stands still.
    reader: Option<Reader<'a>>,
}

impl<'a> Following<'a> {
    pub(super) fn new(log: &'a EmbeddedLog, from: &[(u16, Checkpoint)]) -> Result<Following<'a>, ReadError> {
        let count = log.partitions();
        if let Some((partition, _)) = from.iter().find(|(partition, _)| *partition >= count) {
            let last = count - 1;
            return Err(ReadError::Refused(format!("the log has partitions 0 to {last}, not {partition}")));
        }
        let mut following = Following {
            log,
            parts: Vec::new(),
            turn: 0,
            seen: vec![u64::MAX; usize::from(count)],
            ends: vec![0; usize::from(count)],
        };
        for (partition, checkpoint) in from {
            following.parts.push(Part { partition: *partition, unverified: None, reader: None });
            following.resume(*partition, *checkpoint);
        }
        Ok(following)
    }

    /// The place of a partition, in turn, that has something new or is to be compared.
    fn due(&self) -> Option<usize> {
        let count = self.parts.len();
        let mut turns = (0..count).map(|step| (self.turn + step) % count);
        turns.find(|at| {
            let Part { partition, unverified, reader } = &self.parts[*at];
            let at = usize::from(*partition);
            reader.is_some() && (unverified.is_some() || self.seen[at] < self.ends[at])
        })
    }

    /// Compares what is to be compared, and reads on; says whether there is anything.
    fn read(&mut self, at: usize, max_bytes: usize) -> Result<bool, ReadError> {
        let Part { partition, unverified, reader } = &mut self.parts[at];
        let (log, number) = (self.log, *partition);
        let Some(reading) = reader else { return Ok(false) };
        let mut read = || {
            if let Some(from) = unverified.take() {
                verify(log, number, &from)?;
                // Says so where the log ends before it.
                log.reader(number, from.next)?;
            }
            reading.fill(max_bytes)
        };
        let read = read();
        let seen = &mut self.seen[usize::from(number)];
        match read {
            Ok(true) => *seen = reading.position(),
            // Nothing yet of what was announced.
            Ok(false) => *seen = self.ends[usize::from(number)].max(*seen),
            Err(_) => (*seen, *reader) = (u64::MAX, None),
        }
        read
    }
}

impl Follower for Following<'_> {
    fn next(&mut self, max_bytes: usize, patience: Duration) -> Result<Option<Followed<'_>>, ReadError> {
        let deadline = Instant::now() + patience;
        loop {
            while let Some(at) = self.due() {
                self.turn = at + 1;
                let partition = self.parts[at].partition;
                match self.read(at, max_bytes) {
                    Ok(false) => {}
                    Err(error) => return Ok(Some((partition, Err(error)))),
                    Ok(true) => {
                        let batch =
                            self.parts[at].reader.as_ref().map(|reader| (partition, Ok(reader.batch())));
                        return Ok(batch);
                    }
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.ends = self.log.wait(&self.seen, left)?;
        }
    }

    fn resume(&mut self, partition: u16, from: Checkpoint) {
        let Some(part) = self.parts.iter_mut().find(|part| part.partition == partition) else { return };
        part.unverified = Some(from);
        part.reader = Some(Reader::new(self.log, partition, from.next));
        self.seen[usize::from(partition)] = from.next;
    }
}
