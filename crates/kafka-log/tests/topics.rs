//! Topics are made as the log needs them, and whatever is wrong with them is named: on a real broker.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::process::Output;

use event_log::OpenError;
use kafka_harness::{Cluster, Options};
use kafka_log::{Address, Finding, Plan, Roles, Settings, Topics};

const EVENTS: &str = "t.events.v1";

fn topics(cluster: &Cluster) -> Topics {
    let address: Address = format!("kafka://{}/t", cluster.bootstrap()).parse().unwrap();
    Topics::new(&address, &Settings::default()).unwrap()
}

fn plan() -> Plan {
    Plan { partitions: 4, replicas: 1, roles: Roles::default() }
}

/// Whether exactly these are found, each by what it is about and by words of what is wrong.
fn finds(found: &[Finding], expected: &[(&str, &str)]) {
    let is = |finding: &Finding, (about, what): &(&str, &str)| {
        finding.about == *about && finding.what.contains(what)
    };
    for expected in expected {
        assert!(found.iter().any(|finding| is(finding, expected)), "{expected:?} is not among {found:#?}");
    }
    for finding in found {
        assert!(expected.iter().any(|expected| is(finding, expected)), "{finding:#?} was not expected");
    }
}

#[test]
fn what_is_wrong_with_topics_is_named_and_mended() {
    if !kafka_harness::required() {
        return;
    }
    let cluster = Cluster::shared().unwrap();
    let topics = topics(&cluster);
    let none = [(EVENTS, "no such topic"), ("t.control.v1", "no such topic")];
    finds(&topics.check(&plan()).unwrap(), &none);
    assert!(cluster.partitions(EVENTS).unwrap_or_default().is_empty(), "check changes nothing");
    let made = topics.apply(&plan()).unwrap();
    finds(&made, &[(EVENTS, "4 partitions of 1 replicas"), ("t.control.v1", "1 partitions of 1 replicas")]);
    assert_eq!(cluster.partitions(EVENTS).unwrap().len(), 4);
    finds(&topics.check(&plan()).unwrap(), &[]);
    finds(&topics.apply(&plan()).unwrap(), &[]);

    for (name, value) in [
        ("retention.ms", "604800000"),
        ("cleanup.policy", "compact"),
        ("unclean.leader.election.enable", "true"),
        ("max.message.bytes", "1000"),
        ("compression.type", "gzip"),
    ] {
        cluster.set_topic_config(EVENTS, name, value).unwrap();
    }
    let wrong = [
        (EVENTS, "retention.ms is 604800000, expected -1"),
        (EVENTS, "cleanup.policy is compact, expected delete"),
        (EVENTS, "unclean.leader.election.enable is true, expected false"),
        (EVENTS, "max.message.bytes is 1000, expected 2097152 or more"),
        (EVENTS, "compression.type is gzip, expected producer"),
    ];
    finds(&topics.check(&plan()).unwrap(), &wrong);
    finds(&topics.apply(&plan()).unwrap(), &[(EVENTS, "set ")]);
    finds(&topics.check(&plan()).unwrap(), &[]);

    // What cannot be mended is told, and left alone.
    let other = Plan { partitions: 8, replicas: 3, roles: Roles::default() };
    let told = [
        (EVENTS, "it has 4 partitions, 8 were expected"),
        (EVENTS, "partition 0 has 1 replicas, 3 were expected"),
        (EVENTS, "min.insync.replicas is 1, expected 2"),
        ("t.control.v1", "partition 0 has 1 replicas, 3 were expected"),
        ("t.control.v1", "min.insync.replicas is 1, expected 2"),
    ];
    finds(&topics.check(&other).unwrap(), &told);
    assert_eq!(cluster.partitions(EVENTS).unwrap().len(), 4);
    // Roles mean nothing where everybody may do everything.
    let roles = Roles { writers: vec!["User:intake".to_owned()], readers: Vec::new() };
    let brokers = cluster.bootstrap();
    finds(&topics.check(&Plan { roles, ..plan() }).unwrap(), &[(brokers.as_str(), "no authorizer")]);
}

#[test]
fn topics_that_cannot_be_made_are_refused_in_words() {
    if !kafka_harness::required() {
        return;
    }
    let cluster = Cluster::shared().unwrap();
    let address: Address = format!("kafka://{}/u", cluster.bootstrap()).parse().unwrap();
    let topics = Topics::new(&address, &Settings::default()).unwrap();
    let error = topics.apply(&Plan { replicas: 3, ..plan() }).unwrap_err();
    assert!(matches!(&error, OpenError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("replica"), "{error}");
}

#[test]
fn who_may_do_what_is_looked_at_where_there_is_an_authorizer() {
    if !kafka_harness::required() {
        return;
    }
    let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let settings = vec![
        setting("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        setting("super.users", "User:ANONYMOUS"),
    ];
    let cluster = Cluster::with(Options { settings, ..Options::default() }).unwrap();
    let topics = topics(&cluster);
    let principals = |names: &[&str]| names.iter().map(|name| format!("User:{name}")).collect();
    let roles = Roles { writers: principals(&["intake"]), readers: principals(&["projector"]) };
    let plan = Plan { roles, ..plan() };
    topics.apply(&Plan { roles: Roles::default(), ..plan.clone() }).unwrap();
    let missing = topics.check(&plan).unwrap();
    let missing: Vec<_> =
        missing.iter().map(|finding| (finding.about.as_str(), finding.what.as_str())).collect();
    assert!(missing.contains(&("User:intake", "is not allowed: Write of Topic t.events.v1")), "{missing:#?}");
    assert!(
        missing.contains(&("User:projector", "is not allowed: Read of Topic t.control.v1")),
        "{missing:#?}"
    );
    assert!(!missing.iter().any(|(about, what)| *about == "User:projector" && what.contains("Write")));
    assert_eq!(topics.apply(&plan).unwrap().len(), missing.len());
    finds(&topics.check(&plan).unwrap(), &[]);

    // Rights that nobody may have, given by somebody else.
    let bootstrap = cluster.bootstrap();
    let allow = |arguments: &[&str]| {
        let all = [&["--bootstrap-server", &bootstrap, "--add", "--force"], arguments].concat();
        let Output { status, stderr, .. } = cluster.tool("org.apache.kafka.tools.AclCommand", &all).unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    };
    allow(&["--allow-principal", "User:cleaner", "--operation", "Delete", "--topic", EVENTS]);
    allow(&["--allow-principal", "User:etl", "--operation", "Write", "--transactional-id", "*"]);
    allow(&[
        "--allow-principal",
        "User:tuner",
        "--operation",
        "AlterConfigs",
        "--topic",
        "t.",
        "--resource-pattern-type",
        "prefixed",
    ]);
    allow(&["--allow-principal", "User:admin", "--operation", "All", "--topic", "*"]);
    allow(&["--deny-principal", "User:nobody", "--operation", "Delete", "--topic", EVENTS]);
    allow(&["--allow-principal", "User:others", "--operation", "All", "--topic", "of-others"]);
    let harms = [
        ("User:cleaner", "may delete records"),
        ("User:etl", "may write with transactions"),
        ("User:tuner", "may change retention"),
        ("User:admin", "may delete records"),
    ];
    finds(&topics.check(&plan).unwrap(), &harms);
    topics.apply(&plan).unwrap();
    finds(&topics.check(&plan).unwrap(), &harms);
}
