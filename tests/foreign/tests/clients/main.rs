//! Other people's clients read the events: kcat, Python with `confluent-kafka`, Java with Kafka's own. Each prints what it
//! sees, and that is compared with what was written. `docs/guides/kafka.md` promises what stands here.
//!
//! Python and Java also copy what they read to a topic of as many partitions, each with its own partitioner: every record
//! has to come out where ours stands, and the copy has to be a log in which nothing is to be found fault with.

mod events;
mod kcat;
mod workshop;

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    sync::OnceLock,
};

use contract::{Kind, Millis, event_to_json};
use event_log::{Append, EventLog, Flaw, partition_of};
use kafka_harness::{Cluster, Shared, required};
use kafka_log::{Address, Contents, KafkaLog, Settings};
use serde_json::{Value, json};

use events::{Expected, all_events, missing_kinds};
use kcat::Shown;

const PARTITIONS: u16 = 12;

/// What stands in the topic, by partition and offset.
type Written = BTreeMap<(u16, u64), Expected>;

/// The topic that all clients read, written by whoever asks first.
struct Topic {
    address: Address,
    written: Written,
}

fn topic(cluster: &Cluster) -> &'static Topic {
    static TOPIC: OnceLock<Topic> = OnceLock::new();
    TOPIC.get_or_init(|| {
        let address: Address =
            format!("kafka://{}/foreign", cluster.bootstrap()).parse().expect("an address");
        create(cluster, &address.events());
        let events = all_events();
        let batch: Vec<_> = events
            .iter()
            .map(|event| Append {
                partition: partition_of(&event.subject, PARTITIONS),
                key: &event.subject.0,
                bytes: &event.bytes,
            })
            .collect();
        let log = open(&address, &address.events());
        let offsets = log.append(&batch).expect("appended");
        let ends = log.ends().expect("the cluster answers");
        let places: Vec<_> =
            batch.iter().zip(offsets).map(|(append, offset)| (append.partition, offset)).collect();
        // Dense, and in the order in which they were appended.
        for partition in 0..PARTITIONS {
            let offsets = places.iter().filter(|place| place.0 == partition).map(|place| place.1);
            assert!(offsets.eq(0..ends[usize::from(partition)]), "partition {partition}");
        }
        let written: Written = places.into_iter().zip(events).collect();
        Topic { address, written }
    })
}

fn create(cluster: &Cluster, name: &str) {
    cluster.create_topic(name, i32::from(PARTITIONS), 1, &[("retention.ms", "-1")]).expect("a topic");
}

fn open(address: &Address, topic: &str) -> KafkaLog {
    KafkaLog::open(address, &Settings::default(), topic, Contents::Events)
        .expect("the cluster answers")
        .expect("the topic is there")
}

#[test]
fn every_kind_is_written_and_one_that_is_not_is_missed() {
    let mut events = all_events();
    assert_eq!(missing_kinds(&events), [], "each kind needs a golden event");
    events.retain(|event| event.kind != Kind::ClaimPaid);
    assert_eq!(missing_kinds(&events), [Kind::ClaimPaid]);
}

#[test]
fn kcat_shows_key_headers_and_value() {
    if !required() || !kcat::is_installed() {
        return;
    }
    let cluster = Cluster::shared().expect("a broker");
    let Topic { address, written } = topic(&cluster);
    let shown = kcat::show(&address.brokers, &address.events());
    assert_eq!(shown.keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
    for (place, expected) in written {
        let headers = expected.headers().map(|(name, value)| format!("{name}={value}")).join(",");
        let Shown { headers: shown, key, value } = &shown[place];
        assert_eq!(*shown, headers, "{place:?}");
        assert_eq!(key.as_deref(), Some(&expected.subject.0[..]), "{place:?}");
        assert!(*value == expected.bytes, "{place:?}: another value");
    }
}

#[test]
fn a_control_record_says_only_that_it_is_protobuf() {
    if !required() || !kcat::is_installed() {
        return;
    }
    let cluster = Cluster::shared().expect("a broker");
    let address: Address =
        format!("kafka://{}/control-only", cluster.bootstrap()).parse().expect("an address");
    cluster.create_topic(&address.control(), 1, 1, &[]).expect("a topic");
    let log = KafkaLog::open(&address, &Settings::default(), &address.control(), Contents::Bytes)
        .expect("the cluster answers")
        .expect("the topic is there");
    // A control record recorded at the beginning of 1970.
    let bytes = b"\x0a\x00";
    log.append(&[Append { partition: 0, key: &[], bytes }]).expect("appended");
    let shown = kcat::show(&address.brokers, &address.control());
    let [(place, record)] = &shown.iter().collect::<Vec<_>>()[..] else { panic!("one record") };
    assert_eq!(**place, (0, 0));
    assert_eq!(record.headers, "content-type=application/protobuf");
    assert_eq!(record.key.as_deref(), Some(&[][..]));
    assert_eq!(record.value, bytes);
}

#[test]
fn python_reads_every_kind_and_partitions_alike() {
    if required() {
        compare("python", workshop::python().command());
    }
}

#[test]
fn java_reads_every_kind_and_partitions_alike() {
    if required() {
        compare("java", workshop::java().command());
    }
}

/// The canary: a client with another partitioner is found out, by what it says and by our own reader.
#[test]
fn a_client_that_partitions_otherwise_is_noticed() {
    if !required() {
        return;
    }
    // Python's own default; the argument after the topics.
    let (seen, copy) = read_and_copy("crc32", workshop::python().command(), &["consistent_random"]);
    let strayed = seen.values().filter(|line| line["partition"] != line["partition_of_copy"]).count();
    // One in twelve happens to agree.
    assert!(strayed > seen.len() / 2, "{strayed} of {} records in another partition", seen.len());
    let flaws: Vec<_> = records(&copy).into_iter().filter_map(|record| record.flaw).collect();
    assert_eq!(flaws, vec![Flaw::Partition; strayed]);
}

/// What a client says of each record, by partition and offset.
type Seen = BTreeMap<(u16, u64), Value>;

/// Has a client read the topic and copy it, into a log of its own.
fn read_and_copy(client: &str, mut command: Command, more: &[&str]) -> (Seen, KafkaLog) {
    let cluster: Shared = Cluster::shared().expect("a broker");
    let Topic { address, .. } = topic(&cluster);
    let copy = format!("foreign.copy-{client}.v1");
    create(&cluster, &copy);
    command.args([&address.brokers, &address.events(), &copy]).args(more).stdin(Stdio::null());
    let output = command.output().expect("the client runs");
    assert!(output.status.success(), "{client}: {}", String::from_utf8_lossy(&output.stderr));
    let mut seen = BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let number = |name: &str| line[name].as_u64().unwrap_or_else(|| panic!("{name}: a number"));
        let place = (u16::try_from(number("partition")).expect("few"), number("offset"));
        assert!(seen.insert(place, line).is_none(), "{client}: {place:?} twice");
    }
    (seen, open(address, &copy))
}

/// Compares what a client saw, and what it copied, with what was written.
fn compare(client: &str, command: Command) {
    let (seen, copy) = read_and_copy(client, command, &[]);
    let written = &topic(&Cluster::shared().expect("a broker")).written;
    assert_eq!(
        seen.keys().collect::<Vec<_>>(),
        written.keys().collect::<Vec<_>>(),
        "{client}: other records"
    );
    for ((partition, offset), expected) in written {
        let event: Value =
            serde_json::from_str(&event_to_json(&expected.event).expect("times in range")).expect("JSON");
        let headers: Vec<_> =
            expected.headers().into_iter().map(|(name, value)| json!([name, value])).collect();
        let occurred = Millis::from_timestamp(expected.event.occurred_at.as_ref().expect("set"));
        let line = json!({
            "partition": partition,
            "offset": offset,
            "key": expected.subject.to_string(),
            "headers": headers,
            "time_ms": occurred.0,
            "kind": expected.kind.name(),
            "event_id": expected.uuid(),
            "subject": expected.subject.to_string(),
            "event": event,
            "same_bytes": true,
            "partition_of_copy": partition,
        });
        let saw = seen[&(*partition, *offset)].as_object().expect("an object");
        for (name, expected) in line.as_object().expect("an object") {
            assert_eq!(saw.get(name), Some(expected), "{client}: {name} at {partition}:{offset}");
        }
    }
    // The copy is a log like ours: the same records at the same places, with nothing to be found fault with.
    let copied = records(&copy);
    assert_eq!(copied.len(), written.len(), "{client}");
    for (record, (place, expected)) in copied.iter().zip(written) {
        assert_eq!((record.place, record.flaw), (*place, None), "{client}");
        assert!(record.bytes == expected.bytes, "{client}: other bytes at {place:?} of the copy");
    }
}

/// A record as our own reader gives it.
struct Read {
    place: (u16, u64),
    flaw: Option<Flaw>,
    bytes: Vec<u8>,
}

/// All records of a log, by partition and offset.
fn records(log: &KafkaLog) -> Vec<Read> {
    let mut records = Vec::new();
    for partition in 0..PARTITIONS {
        let mut reader = log.reader(partition, 0).expect("a reader");
        while let Some(batch) = reader.next_batch(1 << 20).expect("readable") {
            records.extend(batch.iter().map(|record| Read {
                place: (partition, record.offset),
                flaw: record.flaw,
                bytes: record.bytes.to_vec(),
            }));
        }
    }
    records
}
