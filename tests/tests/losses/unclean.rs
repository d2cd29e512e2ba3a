//! A leader is forced upon a partition that lacks what was acknowledged. Brokers don't promise to lose nothing then, so what can
//! be promised is that it is noticed.

use std::{collections::BTreeSet, time::Duration};

use audit::census;
use event_log::EventLog;
use kafka_harness::{Cluster, Nodes, required, wait_for};
use vertebra_tests::engine::Log;

use crate::{
    deleted::ids_only_in,
    town::{Town, count, events, halves, project, snapshot, write},
};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn acknowledged_records_lost_by_an_unclean_election_are_named() {
    if !required() {
        return;
    }
    let cluster = Cluster::start(Nodes::Three).unwrap();
    let town = Town::at(&cluster, "unclean");
    let topic = town.topic();
    // One replica in sync is enough here: `topics check` would say so. The third broker keeps the controllers' majority.
    cluster.create_topic(&topic, 1, 2, &[("min.insync.replicas", "1"), ("retention.ms", "-1")]).unwrap();
    let log = events(33, 150, 1);
    let (first, second) = halves(&log);
    let others = events(34, 400, 1);
    assert!(first[0].len() + others[0].len() > log[0].len());
    write(&town.log(), &first);

    let held = cluster.partitions(&topic).unwrap().remove(0);
    let (leader, other) = (held.replicas[0], held.replicas[1]);
    cluster.node(other).kill().unwrap();
    wait_for("the second replica to be out of sync", PATIENCE, || {
        Ok((cluster.partitions(&topic)?[0].in_sync == [leader]).then_some(()))
    })
    .unwrap();
    let following = town.follow("running");
    // Acknowledged by the only one that has them.
    write(&town.log(), &second);
    following.wait_for(count(&log));
    project(&town.log(), &town.folder("later")).is_of(&log);
    project(&town.log(), &town.folder("much-later")).is_of(&log);
    let (kept, end) = (first[0].len(), log[0].len());

    cluster.node(leader).kill().unwrap();
    cluster.node(other).start().unwrap();
    wait_for("nobody to lead", PATIENCE, || Ok(cluster.leader_of(&topic, 0)?.is_none().then_some(())))
        .unwrap();
    assert_eq!(cluster.elect_unclean(&topic, 0).unwrap(), other);
    assert_eq!(cluster.end_offsets(&topic).unwrap(), [kept as i64]);

    // The one that runs.
    let why = following.wait_for_stop(0);
    let lost_its_end = format!(
        "the log ends at offset {kept}, the figures stand at {end} and hold what stood at {kept} to {}",
        end - 1
    );
    let rewritten = format!("partition 0 holds another record at offset {}", end - 1);
    assert!(why.contains(&lost_its_end) || why.contains(&rewritten), "{why}");
    let ended = following.end();
    assert!(ended.followed.is_ok(), "{:?}", ended.followed);
    assert_eq!(ended.manifest.positions(), [end as u64]);

    // The one that goes on later.
    let later = project(&town.log(), &town.folder("later"));
    assert!(later.stopped()[0].1.contains(&lost_its_end), "{:?}", later.stopped());
    assert_eq!(later.digests, ended.digests);
    is_named(
        &town,
        "later",
        &log,
        kept,
        &format!(
            "the figures stand at offset {end}, the log ends at {kept}: it lost its end, what stood at {kept} to {}",
            end - 1
        ),
    );

    // And the one that comes when other records stand where those stood.
    write(&town.log(), &others);
    let much_later = project(&town.log(), &town.folder("much-later"));
    assert!(much_later.stopped()[0].1.contains(&rewritten), "{:?}", much_later.stopped());
    assert_eq!((&much_later.digests, much_later.manifest.positions()), (&later.digests, vec![end as u64]));
    is_named(
        &town,
        "much-later",
        &log,
        kept,
        &format!("the record at offset {} is another than the figures stand on", end - 1),
    );

    // Who led before gives up what only it had: nothing comes back by itself.
    cluster.node(leader).start().unwrap();
    cluster.wait_in_sync(&topic).unwrap();
    let again = project(&town.log(), &town.folder("later"));
    assert!(again.stopped()[0].1.contains(&rewritten), "{:?}", again.stopped());
    let mut now = first.clone();
    now[0].extend(others[0].iter().cloned());
    project(&town.log(), &town.folder("anew")).is_of(&now);
}

/// The census says what was lost: the range, and the ids of the events.
#[track_caller]
fn is_named(town: &Town, store: &str, log: &Log, kept: usize, words: &str) {
    let kafka = town.log();
    let counted = census(&kafka, Some(&snapshot(&town.folder(store)))).unwrap();
    let words = format!("partition 0: {words}");
    assert!(counted.findings.iter().any(|said| said.starts_with(&words)), "{words}: {:?}", counted.findings);
    assert_eq!(counted.partitions[0].end, kafka.ends().unwrap()[0]);
    let lost = counted.partitions[0].lost.as_ref().expect("they are named");
    let expected = ids_only_in(log, 0, kept..log[0].len());
    assert_eq!(lost.events, expected.len() as u64, "{lost:?}");
    assert!(lost.from >= kept as u64 && lost.until == log[0].len() as u64, "{lost:?}");
    let named: BTreeSet<String> = lost.ids.iter().cloned().collect();
    assert!(named.len() == expected.len().min(100) && named.is_subset(&expected));
    assert!(counted.findings.iter().any(|said| said.contains(&lost.ids[0])));
}
