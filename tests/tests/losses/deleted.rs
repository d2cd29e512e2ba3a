//! Records are deleted from a topic's head.

use std::collections::BTreeSet;

use audit::census;
use contract::{EventId, v1::event::Body};
use event_log::{CopyOptions, EmbeddedLog, EventLog, copy};
use vertebra_tests::engine::Log;

use crate::{
    broker,
    town::{PARTITIONS, Town, count, events, halves, oracle, project, snapshot, write},
};

/// Hashes of the ids of the events that stand before `offset` of a partition and nowhere after, as the census tells them.
pub(crate) fn ids_only_in(log: &Log, partition: u16, gone: std::ops::Range<usize>) -> BTreeSet<String> {
    let records = &log[usize::from(partition)];
    let id = |bytes: &Vec<u8>| {
        let event = contract::decode(bytes).unwrap();
        let id = match event.body.unwrap() {
            Body::CarriedEvent(carried) => contract::decode(&carried.event).unwrap().event_id,
            _ => event.event_id,
        };
        format!("{:016x}", EventId::try_from(&id[..]).unwrap().hash().0)
    };
    let kept = records.iter().enumerate().filter(|(at, _)| !gone.contains(at));
    let kept: BTreeSet<String> = kept.map(|(_, bytes)| id(bytes)).collect();
    records[gone].iter().map(id).filter(|id| !kept.contains(id)).collect()
}

#[test]
fn a_head_deleted_behind_a_projector_is_told_for_ever_and_one_in_front_stops_it() {
    let Some((cluster, _turn)) = broker() else { return };
    let town = Town::new(&cluster, "head", PARTITIONS, 1);
    let log = events(27, 300, PARTITIONS);
    let (first, second) = halves(&log);
    write(&town.log(), &first);
    let following = town.follow("figures");
    following.wait_for(count(&first));

    // Of two partitions; the projector is past it, and goes on.
    let deleted = [(1u16, 5usize), (3, first[3].len())];
    for (partition, before) in deleted {
        let begins = cluster.delete_records(&town.topic(), i32::from(partition), before as i64).unwrap();
        assert_eq!(begins, before as i64);
    }
    write(&town.log(), &second);
    following.wait_for(count(&log));
    following.end().is_of(&log);
    // As does one that is opened later.
    project(&town.log(), &town.folder("figures")).is_of(&log);

    // Told with partition, range and events; every time that it is asked.
    let reader = snapshot(&town.folder("figures"));
    let kafka = town.log();
    let begins: Vec<u64> = kafka.begins().unwrap();
    assert_eq!(begins, [0, deleted[0].1 as u64, 0, deleted[1].1 as u64]);
    let counted = census(&kafka, Some(&reader)).unwrap();
    let ends: Vec<i64> = counted.partitions.iter().map(|books| books.end as i64).collect();
    assert_eq!(ends, cluster.end_offsets(&town.topic()).unwrap());
    for (partition, before) in deleted {
        let said = format!(
            "partition {partition}: the log begins at offset {before}: what stood at 0 to {} was deleted",
            before - 1
        );
        assert!(counted.findings.contains(&said), "{said}: {:?}", counted.findings);
        let lost = counted.partitions[usize::from(partition)].lost.as_ref().expect("they are named");
        let expected = ids_only_in(&log, partition, 0..before);
        assert_eq!(lost.events, expected.len() as u64, "{lost:?}");
        assert!(lost.from < lost.until && lost.until <= before as u64, "{lost:?}");
        let named: BTreeSet<String> = lost.ids.iter().cloned().collect();
        assert_eq!(named.len(), expected.len().min(100));
        assert!(named.is_subset(&expected));
        let id = lost.ids[0].as_str();
        assert!(
            counted
                .findings
                .iter()
                .any(|said| said.contains(id) && said.starts_with(&format!("partition {partition}: ")))
        );
    }
    assert_eq!(counted.findings.len(), 4, "{:?}", counted.findings);

    // One that begins anew stops there, and only there.
    let anew = project(&kafka, &town.folder("anew"));
    let stopped = anew.stopped();
    assert_eq!(stopped.iter().map(|(partition, _)| *partition).collect::<Vec<_>>(), [1, 3]);
    for ((partition, why), (_, before)) in stopped.iter().zip(deleted) {
        let said = format!("partition {partition} has no records from offset 0 to before {before}");
        assert!(why.contains(&said) && why.contains("its head was deleted"), "{why}");
    }
    let only = |partitions: &[usize]| -> Log {
        let keep = |at: usize, records: &Vec<Vec<u8>>| {
            if partitions.contains(&at) { records.clone() } else { Vec::new() }
        };
        log.iter().enumerate().map(|(at, records)| keep(at, records)).collect()
    };
    assert_eq!(anew.digests, oracle(&only(&[0, 2])));

    // A copy with empty records in their place is a log to go on with.
    let backup = EmbeddedLog::create(&town.folder("backup"), PARTITIONS).unwrap();
    let refused = copy(&kafka, &backup, CopyOptions::default(), &mut |_, _| {}).unwrap_err();
    assert!(refused.to_string().contains("partition 1 has no records from offset 0"), "{refused}");
    let copied = copy(&kafka, &backup, CopyOptions { fill_missing: true }, &mut |_, _| {}).unwrap();
    assert_eq!((copied.records, copied.filled), (count(&log), (deleted[0].1 + deleted[1].1) as u64));
    let left: Log = (0..PARTITIONS)
        .map(|partition| {
            let gone = deleted.iter().find(|(of, _)| *of == partition).map_or(0, |(_, before)| *before);
            log[usize::from(partition)][gone..].to_vec()
        })
        .collect();
    let went_on = project(&backup, &town.folder("from-backup"));
    assert_eq!(went_on.stopped(), []);
    assert_eq!(went_on.digests, oracle(&left));
    assert_eq!(went_on.manifest.partitions[1].set_aside.len(), deleted[0].1);
}
