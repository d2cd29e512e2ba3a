//! The books, when it is quiet: what was told is there, nothing was lost, and nothing counts twice.

use std::{collections::HashMap, path::Path};

use event_log::{EventLog, files::RealFiles};
use policy::Bundle;
use projector::{Digests, Manifest, Reader};

use super::{Sent, Story, build, distinct};

/// What the checks found, for a test to print and to hold to more.
#[derive(Debug)]
pub struct Outcome {
    /// What became of what was sent.
    pub sent: Sent,
    /// Records in the log that hold an event again.
    pub copies: u64,
}

/// Everything the log holds, by partition, by offsets that follow each other from 0.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn read_all(log: &dyn EventLog) -> Vec<Vec<Vec<u8>>> {
    let all = 0..log.partitions();
    all.map(|partition| {
        let mut records: Vec<Vec<u8>> = Vec::new();
        let mut reader = log.reader(partition, 0).expect("a reader");
        while let Some(batch) = reader.next_batch(1 << 20).expect("sound records") {
            for record in batch {
                assert_eq!(record.offset, records.len() as u64, "offsets are dense");
                assert!(record.flaw.is_none(), "a flaw in what we wrote: {:?}", record.flaw);
                records.push(record.bytes.to_vec());
            }
        }
        records
    })
    .collect()
}

/// Checks the books.
///
/// # Panics
/// Where they do not balance.
pub(super) fn check(
    (log, brokers_ends): (&dyn EventLog, Vec<u64>),
    (story, bundle): (&Story, &Bundle),
    sent: Sent,
    (digests, manifest): (&Digests, &Manifest),
    derived: &Path,
) -> Outcome {
    let stopped: Vec<_> = manifest.partitions.iter().filter_map(|state| state.stopped.as_ref()).collect();
    assert!(stopped.is_empty(), "every partition goes on: {stopped:?}");

    // What was told to be stored is stored, there.
    let held = read_all(log);
    let ends: Vec<u64> = held.iter().map(|records| records.len() as u64).collect();
    assert_eq!(ends, brokers_ends, "what is read is what the brokers say there is");
    for ((partition, _, bytes), at) in story.events.iter().zip(&sent.placed) {
        let found = held[usize::from(*partition)].get(*at as usize);
        assert!(found == Some(bytes), "partition {partition} holds another record at {at} than it was told");
    }
    // Nothing that was not sent, and copies only of what was in doubt. What hospitals send twice is twice among the events.
    let mut books: HashMap<&[u8], (u64, bool, u64)> = HashMap::new();
    for ((_, _, bytes), doubtful) in story.events.iter().zip(&sent.doubtful) {
        let (sent, may_be_copied, _) = books.entry(bytes).or_default();
        *sent += 1;
        *may_be_copied |= doubtful;
    }
    for bytes in held.iter().flatten() {
        let (_, _, stored) = books.get_mut(&bytes[..]).expect("the log holds only what was sent");
        *stored += 1;
    }
    let mut copies = 0;
    for (sent, may_be_copied, stored) in books.values() {
        assert!(stored >= sent, "an event was lost");
        assert!(
            stored == sent || *may_be_copied,
            "an event stands {stored} times in the log, and was sent {sent} times"
        );
        copies += stored - sent;
    }
    if sent.unavailable + sent.unknown == 0 {
        let mut ordered = vec![Vec::new(); held.len()];
        story
            .events
            .iter()
            .for_each(|(partition, _, bytes)| ordered[usize::from(*partition)].push(bytes.clone()));
        assert!(held == ordered, "the log is what was sent, in its order");
    }

    // Figures: those that followed, and those of the log read from its beginning.
    assert_eq!(manifest.positions(), ends);
    assert_eq!(digests, &story.digests, "figures that followed");
    assert_eq!(distinct(manifest), story.distinct, "each event counts once");
    let folder = tempfile::tempdir().expect("a folder");
    let (built, _) = build(log, bundle, folder.path());
    assert_eq!(built, story.digests, "figures built from the log");

    let stored = Reader::open(derived, RealFiles::shared()).expect("a snapshot");
    let census = audit::census(log, Some(&stored)).expect("a census");
    assert!(census.is_clean(), "{:?}", census.findings);
    let counted: Vec<u64> = census.partitions.iter().map(|partition| partition.end).collect();
    assert_eq!(counted, brokers_ends, "the census agrees with the brokers");
    let events: u64 = census.partitions.iter().map(|partition| partition.events).sum();
    assert_eq!(events, story.distinct, "and counts each event once");
    Outcome { sent, copies }
}
