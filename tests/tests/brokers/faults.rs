//! What breaks among brokers and on the way to them: nothing is lost, and nothing counts twice.

use std::{
    thread,
    time::{Duration, Instant},
};

use kafka_harness::{Cluster, Proxy, required, wait_for};
use kafka_log::Settings;
use vertebra_tests::kafka::{Deployment, Flow, Outcome, PARTITIONS, flow_through, settings, shared};

use crate::three;

/// How the events are sent and followed.
enum Way {
    /// Straight to the brokers, with our settings.
    Straight,
    /// Through the proxies, with more settings.
    Proxied(&'static str),
}

/// Events flow while `fault` breaks and mends something, and then the books are checked.
fn flow(name: &str, way: Way, fault: impl FnOnce(&Cluster, &str, &Flow<'_>)) -> Outcome {
    let cluster = three();
    let deployment = Deployment::make(&cluster, name, PARTITIONS);
    let (bench, story) = shared();
    let (address, settings) = match way {
        Way::Straight => (deployment.direct(), Settings::default()),
        Way::Proxied(more) => (deployment.proxied(), settings(more)),
    };
    let begun = Instant::now();
    let outcome = flow_through(&deployment, (&address, &settings), (story, &bench.bundle), |flow| {
        fault(&cluster, &deployment.topic(), flow);
    });
    let Outcome { sent, copies } = &outcome;
    println!(
        "{name}: {} events in {:.1} s, the longest answer after {:.1} s, {} unavailable, {} unknown, {copies} copies",
        story.events.len(),
        begun.elapsed().as_secs_f64(),
        sent.longest.as_secs_f64(),
        sent.unavailable,
        sent.unknown,
    );
    outcome
}

fn leader(cluster: &Cluster, topic: &str) -> u32 {
    wait_for("a leader", Duration::from_secs(60), || cluster.leader_of(topic, 0)).unwrap()
}

fn start_again(cluster: &Cluster, topic: &str, node: u32) {
    cluster.node(node).start().unwrap();
    cluster.wait_in_sync(topic).unwrap();
}

#[test]
fn a_broker_killed_and_started_again_loses_nothing() {
    if !required() {
        return;
    }
    flow("killed", Way::Straight, |cluster, topic, flow| {
        let victim = leader(cluster, topic);
        cluster.node(victim).kill().unwrap();
        // What remains takes events without it.
        flow.wait_for_more(100);
        flow.wait_until_followed();
        start_again(cluster, topic, victim);
        flow.wait_for_more(100);
    });
}

#[test]
fn a_leader_lost_in_the_middle_of_batches_loses_nothing_of_them() {
    if !required() {
        return;
    }
    flow("mid-batch", Way::Straight, |cluster, topic, flow| {
        for _ in 0..2 {
            let victim = leader(cluster, topic);
            // It takes what is sent and doesn't answer, until all that the writer has under way waits for it.
            cluster.node(victim).pause().unwrap();
            let mut acknowledged = u64::MAX;
            while acknowledged != flow.acknowledged() {
                acknowledged = flow.acknowledged();
                thread::sleep(Duration::from_millis(300));
            }
            cluster.node(victim).kill().unwrap();
            cluster.wait_for_other_leader(topic, 0, victim).unwrap();
            flow.wait_for_more(100);
            start_again(cluster, topic, victim);
        }
    });
}

#[test]
fn a_controller_lost_holds_up_nobody_for_long() {
    if !required() {
        return;
    }
    flow("controller", Way::Straight, |cluster, topic, flow| {
        let victim = cluster.controller().unwrap();
        cluster.node(victim).kill().unwrap();
        let next = wait_for("another controller", Duration::from_secs(60), || {
            Ok(cluster.controller().ok().filter(|controller| *controller != victim))
        });
        println!("the controller was {victim} and is {}", next.unwrap());
        flow.wait_for_more(100);
        start_again(cluster, topic, victim);
        flow.wait_for_more(100);
    });
}

#[test]
fn brokers_restarted_one_after_the_other_are_not_noticed_in_the_log() {
    if !required() {
        return;
    }
    let outcome = flow("rolling", Way::Straight, |cluster, topic, flow| {
        for node in cluster.nodes() {
            node.stop().unwrap();
            flow.wait_for_more(50);
            start_again(cluster, topic, node.id());
            flow.wait_for_more(50);
        }
    });
    // In order, and within what the client waits: every batch is answered with its offsets, none has to be sent again.
    assert_eq!((outcome.sent.unavailable, outcome.sent.unknown, outcome.copies), (0, 0, 0));
}

#[test]
fn all_brokers_killed_at_once_have_what_they_acknowledged() {
    if !required() {
        return;
    }
    flow("all", Way::Straight, |cluster, topic, flow| {
        cluster.nodes().iter().for_each(|node| node.kill().unwrap());
        thread::sleep(Duration::from_millis(500));
        cluster.start_all().unwrap();
        cluster.wait_in_sync(topic).unwrap();
        flow.wait_for_more(100);
    });
}

#[test]
fn a_network_cut_for_less_than_the_client_waits_is_only_waited_for() {
    if !required() {
        return;
    }
    let outcome = flow("cut", Way::Proxied(""), |cluster, topic, flow| {
        // From the leader of one partition, and then from everybody.
        let victim = leader(cluster, topic);
        cluster.proxy(victim).cut();
        thread::sleep(Duration::from_secs(2));
        cluster.proxy(victim).heal().unwrap();
        flow.wait_for_more(100);
        flow.wait_until_followed();
        cluster.proxies().iter().for_each(Proxy::cut);
        thread::sleep(Duration::from_secs(3));
        cluster.proxies().iter().for_each(|proxy| proxy.heal().unwrap());
        flow.wait_for_more(100);
        flow.wait_until_followed();
    });
    assert_eq!((outcome.sent.unavailable, outcome.sent.unknown, outcome.copies), (0, 0, 0));
}

/// The client gives up after two seconds.
const HASTY: &str = "message.timeout.ms=2000\nsocket.timeout.ms=2000\n";

#[test]
fn what_is_given_up_in_a_cut_network_is_sent_again_and_counts_once() {
    if !required() {
        return;
    }
    let outcome = flow("given-up", Way::Proxied(HASTY), |cluster, _, flow| {
        for _ in 0..2 {
            cluster.proxies().iter().for_each(Proxy::cut);
            thread::sleep(Duration::from_secs(4));
            cluster.proxies().iter().for_each(|proxy| proxy.heal().unwrap());
            flow.wait_for_more(100);
            flow.wait_until_followed();
        }
    });
    assert!(outcome.sent.unavailable + outcome.sent.unknown > 0, "the client gave something up");
}

#[test]
fn what_waits_in_a_silent_network_may_arrive_twice_and_counts_once() {
    if !required() {
        return;
    }
    let outcome = flow("silent", Way::Proxied(HASTY), |cluster, _, flow| {
        for _ in 0..2 {
            // Nobody is told: what was sent arrives when the line is there again, and by then was given up.
            cluster.proxies().iter().for_each(Proxy::stall);
            thread::sleep(Duration::from_secs(4));
            cluster.proxies().iter().for_each(|proxy| proxy.heal().unwrap());
            flow.wait_for_more(100);
            flow.wait_until_followed();
        }
    });
    assert!(outcome.sent.unknown > 0, "what was under way may be stored or not");
}

#[test]
fn a_slow_network_is_only_slow() {
    if !required() {
        return;
    }
    let outcome = flow("slow", Way::Proxied(""), |cluster, _, flow| {
        for proxy in cluster.proxies() {
            proxy.delay(Duration::from_millis(100));
            proxy.limit(Some(200_000));
        }
        flow.wait_for_more(500);
        flow.wait_until_followed();
        for proxy in cluster.proxies() {
            proxy.delay(Duration::ZERO);
            proxy.limit(None);
        }
    });
    assert_eq!((outcome.sent.unavailable, outcome.sent.unknown, outcome.copies), (0, 0, 0));
}
