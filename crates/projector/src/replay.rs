//! Reading the log from its first byte, with nothing that was derived.
//!
//! What the projector keeps is checked against this: no base file, no delta row and no snapshot is opened here.

use std::ops::Range;

use contract::Subject;
use event_log::{Checkpoint, EventLog};
use history::History;

use crate::{error::StoreError, gather::Gathered};

/// What one partition of the log holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Which partition.
    pub partition: u16,
    /// Every record before this offset was read, from the first one asked for.
    pub next_offset: u64,
    /// Facts, further copies of one event each counted.
    pub facts: u64,
    /// How many facts are a further copy.
    pub copies: u64,
    /// Records that gave no fact: offset and reason.
    pub set_aside: Vec<(u64, String)>,
    /// Why it could not be read to the end asked for.
    pub stopped: Option<String>,
}

/// Reads `offsets` of `partition` of `log` and visits everybody's sorted history once, in the order of subjects.
///
/// # Errors
/// Those of `visit`. A log that cannot be read further is told by [`Replayed::stopped`].
pub fn replay_partition(
    log: &dyn EventLog,
    partition: u16,
    offsets: Range<u64>,
    mut visit: impl FnMut(Subject, &History) -> Result<(), StoreError>,
) -> Result<Replayed, StoreError> {
    let mut gathered = Gathered::default();
    gathered.begin(Checkpoint::at(offsets.start));
    let stopped =
        gathered.read(log, partition, offsets.end, &mut |_| {}).err().map(|error| error.to_string());
    let mut replayed =
        Replayed { partition, next_offset: gathered.checkpoint.next, stopped, ..Replayed::default() };
    gathered.for_each_person(|person| {
        replayed.facts += person.history.facts().len() as u64;
        replayed.copies += person.copies as u64;
        visit(person.subject, person.history)
    })?;
    replayed.set_aside =
        gathered.set_aside.into_iter().map(|record| (record.offset, record.reason)).collect();
    Ok(replayed)
}
