//! Three brokers: what a fault does to them is what the harness says it does.

mod support;

use std::time::{Duration, Instant};

use kafka_harness::{Cluster, Error, Nodes, Options, required, wait_for, wire::Connection};
use support::produce;

#[test]
fn three_brokers_lose_one_and_take_it_back() -> Result<(), Error> {
    if !required() {
        return Ok(());
    }
    let started = Instant::now();
    let cluster = Cluster::with(Options { nodes: Nodes::Three, proxied: true, ..Options::default() })?;
    println!("up in {:?}", started.elapsed());
    cluster.create_topic("events", 3, 3, &[])?;
    cluster.wait_in_sync("events")?;
    let leader = cluster.leader_of("events", 0)?.expect("a topic that is ready has leaders");

    // The leader is lost: another of those in sync takes over.
    cluster.node(leader).kill()?;
    let started = Instant::now();
    let other = cluster.wait_for_other_leader("events", 0, leader)?;
    println!("another leader in {:?}", started.elapsed());
    assert_ne!(other, leader);
    assert_eq!(cluster.end_offsets("events")?, [0, 0, 0]);
    let started = Instant::now();
    cluster.node(leader).start()?;
    cluster.wait_in_sync("events")?;
    println!("back and in sync in {:?}", started.elapsed());

    // The controller is lost: there is another, and it does what it is asked.
    let controller = cluster.controller()?;
    cluster.node(controller).kill()?;
    cluster.create_topic("more", 1, 2, &[])?;
    assert_ne!(cluster.controller()?, controller);
    cluster.node(controller).start()?;
    cluster.wait_in_sync("events")?;

    // One is held: it is missed like one that was killed, and there again without a start.
    let held = cluster.leader_of("events", 1)?.expect("all are in sync");
    cluster.node(held).pause()?;
    cluster.wait_for_other_leader("events", 1, held)?;
    cluster.node(held).resume()?;
    cluster.wait_in_sync("events")?;

    // A proxy stands before each broker, and its cut is not the broker's death.
    let through = Connection::open(cluster.proxy(1).port())?.metadata(None)?;
    // Those who come through one proxy come through the others, too.
    let told: Vec<_> = through.brokers.iter().map(|broker| broker.port).collect();
    for proxy in cluster.proxies() {
        assert!(told.contains(&i32::from(proxy.port())), "{told:?}");
    }
    cluster.proxy(1).cut();
    assert!(Connection::open(cluster.proxy(1).port()).is_err());
    assert!(Connection::open(cluster.node(1).port()).is_ok());
    Ok(())
}

#[test]
fn a_leader_is_forced_upon_a_partition_only_when_asked() -> Result<(), Error> {
    if !required() {
        return Ok(());
    }
    let cluster = Cluster::start(Nodes::Three)?;
    cluster.create_topic("events", 1, 2, &[("min.insync.replicas", "1")])?;
    let held = cluster.partitions("events")?.remove(0);
    let (first, second) = (held.replicas[0], held.replicas[1]);
    produce(&cluster, "events", 100)?;
    // The second misses what comes next: it is out of sync when the first goes.
    cluster.node(second).kill()?;
    wait_for("the second replica to be out of sync", Duration::from_secs(30), || {
        Ok((cluster.partitions("events")?[0].in_sync == [first]).then_some(()))
    })?;
    produce(&cluster, "events", 20)?;
    assert_eq!(cluster.end_offsets("events")?, [120]);
    cluster.node(first).kill()?;
    cluster.node(second).start()?;
    wait_for("nobody to lead", Duration::from_secs(30), || {
        Ok(cluster.leader_of("events", 0)?.is_none().then_some(()))
    })?;
    assert_eq!(cluster.elect_unclean("events", 0)?, second);
    assert_eq!(cluster.end_offsets("events")?, [100]);
    // Who led before gives up what only it had.
    cluster.node(first).start()?;
    cluster.wait_in_sync("events")?;
    assert_eq!(cluster.end_offsets("events")?, [100]);
    Ok(())
}
