//! One broker: what it was told is there after it was killed.

mod support;

use std::time::Instant;

use kafka_harness::{Cluster, Error, Nodes, required};
use support::produce;

#[test]
fn a_killed_broker_has_its_topics_when_it_is_back() -> Result<(), Error> {
    if !required() {
        return Ok(());
    }
    let started = Instant::now();
    let cluster = Cluster::start(Nodes::One)?;
    println!("up in {:?}", started.elapsed());
    cluster.create_topic("events", 4, 1, &[("retention.ms", "-1")])?;
    produce(&cluster, "events", 1000)?;
    let before = cluster.end_offsets("events")?;
    assert_eq!(before.iter().sum::<i64>(), 1000);
    assert_eq!(cluster.leader_of("events", 3)?, Some(1));
    assert_eq!(cluster.controller()?, 1);

    cluster.node(1).kill()?;
    assert!(matches!(cluster.leader_of("events", 0), Err(Error::NoBroker)));
    let started = Instant::now();
    cluster.node(1).start()?;
    println!("back in {:?}", started.elapsed());
    assert_eq!(cluster.end_offsets("events")?, before);

    let started = Instant::now();
    cluster.node(1).stop()?;
    println!("ended in {:?}", started.elapsed());
    let started = Instant::now();
    cluster.node(1).start()?;
    println!("back in {:?}", started.elapsed());
    assert_eq!(cluster.end_offsets("events")?, before);

    assert_eq!(cluster.start_offsets("events")?, [0, 0, 0, 0]);
    assert_eq!(cluster.delete_records("events", 2, before[2] / 2)?, before[2] / 2);
    assert_eq!(cluster.start_offsets("events")?, [0, 0, before[2] / 2, 0]);
    cluster.delete_topic("events")?;
    assert!(cluster.partitions("events")?.is_empty());
    Ok(())
}
