//! The whole command on a broker under bad luck: killed at random moments, nothing acknowledged is lost, nothing counts twice, and
//! what was derived is the same from nothing.
//!
//! `KILL_ROUNDS` (default 6) says how often the kill loop kills, `KILL_SEED` when.

#![cfg(all(unix, feature = "kafka"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[allow(dead_code, reason = "the command's stories use more of it")]
mod support;

#[allow(dead_code, reason = "crashes on one machine use more of it")]
mod load;

use std::{path::Path, process::Stdio, time::Duration};

use contract::{EventView, Subject};
use event_log::{EventLog, RECORD_BYTES_MAX, partition_of};
use kafka_harness::{Cluster, required};
use kafka_log::{Address, Contents, KafkaLog, Settings};
use load::{
    Books, Figures, LINES_A_PERSON, Running, copy,
    kills::{kill_at_random, number_of},
    wait_until,
};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::Value;
use support::Folder;

#[test]
fn killed_at_random_moments_nothing_acknowledged_is_lost_or_counted_twice() {
    if !required() {
        return;
    }
    let cluster = Cluster::shared().unwrap();
    let log = format!("kafka://{}/killed", cluster.bootstrap());
    let folder = Folder::with_log(&log);
    folder.run(&["topics", "apply", "--partitions", "8", "--replicas", "1"]).ok();
    let (mut books, all) = kill_at_random(&folder, number_of("KILL_ROUNDS", 6));

    // What is derived is the same from nothing: beside what served, with the store wiped, and in another folder.
    let figures = Figures::of(&folder);
    folder.run(&["project", "--rebuild"]).ok();
    assert_eq!(Figures::of(&folder), figures);
    std::fs::remove_dir_all(folder.path("data/projector")).unwrap();
    folder.run(&["project"]).ok();
    assert_eq!(Figures::of(&folder), figures);
    let fresh = Folder::with_log(&log);
    copy(Path::new(&folder.path("data/keys")), Path::new(&fresh.path("data/keys")));
    fresh.run(&["project"]).ok();
    assert_eq!(Figures::of(&fresh), figures);
    assert_eq!(books.send(&fresh, all), all, "the index of what is known is rebuilt from the log");
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody else who writes to the topic of the events.
struct Stranger {
    producer: BaseProducer,
    topic: String,
}

impl Stranger {
    fn new(address: &Address, transactions: Option<&str>) -> Stranger {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &address.brokers).set("message.max.bytes", "2000000");
        config.set("enable.idempotence", "true");
        if let Some(id) = transactions {
            config.set("transactional.id", id);
        }
        Stranger { producer: config.create().unwrap(), topic: address.events() }
    }

    fn send(&self, partition: u16, key: Option<&[u8]>, bytes: Option<&[u8]>, with_headers: bool) {
        let mut record = BaseRecord::<[u8], [u8]>::to(&self.topic).partition(i32::from(partition));
        record.key = key;
        record.payload = bytes;
        if with_headers {
            let names = ["ce_specversion", "ce_id", "ce_source", "ce_type"];
            let header = |key| Header { key, value: Some("1.0") };
            let headers =
                names.iter().fold(OwnedHeaders::new(), |headers, name| headers.insert(header(name)));
            record = record.headers(headers);
        }
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(PATIENCE).unwrap();
    }
}

/// The first event of a partition, and whom it is about.
fn an_event(log: &KafkaLog, partition: u16) -> (Vec<u8>, Subject) {
    let mut reader = log.reader(partition, 0).unwrap();
    let batch = reader.next_batch(1).unwrap().expect("there is one");
    let record = batch.iter().next().unwrap();
    (record.bytes.to_vec(), EventView::parse(record.bytes).unwrap().subject)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().find(|line| line.starts_with('{')).expect("JSON")).unwrap()
}

#[test]
fn a_topic_made_again_under_the_command_is_named_and_what_was_told_is_not_told_of_it() {
    if !required() {
        return;
    }
    let cluster = Cluster::shared().unwrap();
    let address: Address = format!("kafka://{}/again", cluster.bootstrap()).parse().unwrap();
    let folder = Folder::with_log(&address.to_string());
    let apply = ["topics", "apply", "--partitions", "4", "--replicas", "1"];
    folder.run(&apply).ok();
    let mut books = Books::default();
    books.send(&folder, 20 * LINES_A_PERSON);
    folder.run(&["project"]).ok();

    let mut following = Running::start(&folder, "follow", &["project", "--follow"], Stdio::null());
    wait_until("the projector follows", || following.complaints().contains("Following"));
    cluster.delete_topic(&address.events()).unwrap();
    folder.run(&apply).ok();
    wait_until("the projector ends", || following.ends_within(Duration::ZERO).is_some());
    assert_eq!(following.ends_within(Duration::ZERO).unwrap().code(), Some(5), "{}", following.complaints());
    let said = following.complaints();
    for words in [&address.events()[..], "deleted and made again: its id was ", "vertebra log copy"] {
        assert!(said.contains(words), "{words}: {said}");
    }

    // Lines that were told before are not in this log: nobody is told that they are.
    let file = load::lines(&folder, "again.jsonl", 0..20 * LINES_A_PERSON);
    let ran = folder.run(&["append", "--json", &file]);
    assert!(!ran.out().contains("duplicate"), "{}", ran.out());
    let said = folder.run(&["project"]).fails(3);
    assert!(said.contains("computed from another log"), "{said}");
    let said = folder.run(&["doctor", "census"]).fails(1);
    assert!(said.contains("the figures are of the log "), "{said}");
}

#[test]
fn what_others_write_is_set_aside_with_its_place_and_what_they_hold_up_or_delete_is_told() {
    const PARTITIONS: u16 = 4;
    if !required() {
        return;
    }
    let cluster = Cluster::shared().unwrap();
    let address: Address = format!("kafka://{}/strange", cluster.bootstrap()).parse().unwrap();
    let folder = Folder::with_log(&address.to_string());
    folder.run(&["topics", "apply", "--partitions", "4", "--replicas", "1"]).ok();
    let mut books = Books::default();
    let all = 40 * LINES_A_PERSON;
    books.send(&folder, all);
    folder.run(&["project"]).ok();
    let sound = Figures::of(&folder);
    let log = KafkaLog::open(&address, &Settings::default(), &address.events(), Contents::Events);
    let log = log.unwrap().expect("the topic is there");
    let ends = log.ends().unwrap();
    let (event, subject) = an_event(&log, 1);
    let another = (0u8..=255)
        .map(|first| Subject([first; 16]))
        .find(|other| partition_of(other, PARTITIONS) == 1)
        .unwrap();
    let (key, large) = (Some(&subject.0[..]), vec![0; RECORD_BYTES_MAX + 1]);

    let mut following = Running::start(&folder, "follow", &["project", "--follow"], Stdio::null());
    wait_until("the projector follows", || following.complaints().contains("Following"));
    let stranger = Stranger::new(&address, None);
    let mut expected: Vec<(u64, u64, &str)> = Vec::new();
    for (partition, key, bytes, with_headers, why) in [
        (2, key, Some(&event[..]), true, "in another partition than its key belongs to"),
        (1, key, Some(&event[..]), false, "has not the headers of an event"),
        (1, key, Some(b"no event"), true, ""),
        (1, key, Some(&large[..]), true, "larger than any may be"),
        (1, Some(&another.0[..]), Some(&event[..]), true, "key is not the subject"),
        (1, Some(b"short"), Some(&event[..]), true, "key is not the subject"),
        (1, None, Some(&event[..]), true, "key is not the subject"),
        (1, key, None, true, ""),
    ] {
        stranger.send(partition, key, bytes, with_headers);
        let before = expected.iter().filter(|(at, ..)| *at == u64::from(partition)).count() as u64;
        expected.push((u64::from(partition), ends[usize::from(partition)] + before, why));
    }
    expected.sort_by_key(|(partition, offset, _)| (*partition, *offset));
    // A copy of a sound event, as who is in doubt sends it again: it changes nothing, and comes behind all those.
    stranger.send(1, key, Some(&event), true);
    let until = expected.iter().filter(|(partition, ..)| *partition == 1).count() as u64 + ends[1] + 1;
    let position = || {
        let said = json(&folder.run(&["coverage", "--on", "2026-06-30", "--by", "none", "--json"]).ok());
        said["receipt"]["positions"][1].as_u64()
    };
    wait_until("the projector is past them", || position() == Some(until));
    following.interrupt();

    let said = json(&folder.run(&["project", "--json"]).ok());
    let found = |said: &Value| -> Vec<(u64, u64, String)> { serde_json::from_value(said.clone()).unwrap() };
    let aside = found(&said["set_aside"]);
    assert_eq!(aside.len(), expected.len(), "{aside:?}");
    for ((partition, offset, why), (at, stands, words)) in aside.iter().zip(&expected) {
        assert_eq!((partition, offset), (at, stands), "{aside:?}");
        assert!(!why.is_empty() && why.contains(words), "{partition}:{offset}: {words}: {why}");
    }
    assert_eq!((&said["copies"], &said["stopped"]), (&1.into(), &Value::Array(Vec::new())), "{said}");
    assert_eq!(Figures::of(&folder).rows(), sound.rows());

    let many = expected.len();
    let said = folder.run(&["doctor"]).ok();
    assert!(said.contains(&format!("{many} records could not be read and are set aside")), "{said}");
    let census = json(&folder.run(&["doctor", "census", "--json"]).ok());
    let books_of = |partition: usize| &census["partitions"][partition];
    let set_aside = |partition: usize| books_of(partition)["set_aside"].as_array().unwrap().len();
    assert_eq!((set_aside(0), set_aside(1), set_aside(2), set_aside(3)), (0, many - 1, 1, 0), "{census}");
    let counted = ["records", "events", "copies"].map(|name| books_of(1)[name].as_u64().unwrap());
    assert_eq!(counted, [until, ends[1], 1], "{census}");
    let end = |partition: usize| books_of(partition)["end"].as_i64().unwrap();
    assert_eq!((0..4).map(end).collect::<Vec<_>>(), cluster.end_offsets(&address.events()).unwrap());
    let cat = folder.run(&["events", "cat"]).ok();
    let unreadable = cat.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let unreadable: Vec<(u64, u64)> = unreadable
        .filter(|line| line.get("unreadable").is_some())
        .map(|line| (line["partition"].as_u64().unwrap(), line["offset"].as_u64().unwrap()))
        .collect();
    assert_eq!(unreadable, expected.iter().map(|(at, offset, _)| (*at, *offset)).collect::<Vec<_>>());

    // A copy has empty records in the place of those that are none of ours; what does not decode is copied as it is.
    let said = json(&folder.run(&["log", "copy", "--to", "backup", "--json"]).ok());
    assert_eq!(said["logs"][0]["flawed"], 6, "{said}");
    let backup = Folder::with_log(&folder.path("backup"));
    copy(Path::new(&folder.path("data/keys")), Path::new(&backup.path("data/keys")));
    let said = json(&backup.run(&["project", "--json"]).ok());
    assert_eq!(found(&said["set_aside"]).len(), many, "{said}");
    assert_eq!(Figures::of(&backup).rows(), sound.rows());

    // Held up by a transaction: whoever follows says so, and so does the doctor, with an exit code.
    let mut following = Running::start(&folder, "follow", &["project", "--follow"], Stdio::null());
    let holder = Stranger::new(&address, Some("holder"));
    holder.producer.init_transactions(PATIENCE).unwrap();
    holder.producer.begin_transaction().unwrap();
    let at = log.ends().unwrap()[3];
    let (event, subject) = an_event(&log, 3);
    holder.send(3, Some(&subject.0), Some(&event), true);
    let words = format!(
        "partition 3 cannot be read past offset {at}: a transaction that was not ended holds up what stands there to {at}"
    );
    for arguments in [&["doctor"][..], &["doctor", "census"]] {
        let said = folder.run(arguments).fails(1);
        assert!(said.contains(&words), "{words}: {said}");
    }
    wait_until("the projector complains", || {
        following.complaints().contains("a transaction that was not ended")
    });
    holder.producer.abort_transaction(PATIENCE).unwrap();
    let words = format!("partition 3 has no records from offset {at} to before {}", at + 2);
    wait_until("the projector stops there", || following.complaints().contains(&words));
    following.interrupt();
    let said = folder.run(&["project"]).fails(5);
    assert!(said.contains(&words), "{words}: {said}");

    // Its head deleted: told by both, every time.
    cluster.delete_records(&address.events(), 0, 2).unwrap();
    for (arguments, words) in [
        (&["doctor"][..], "partition 0 of the log begins at offset 2: what stood at 0 to 1 was deleted"),
        (&["doctor", "census"], "partition 0: the log begins at offset 2: what stood at 0 to 1 was deleted"),
        (
            &["doctor", "census"],
            "partition 0: histories hold 2 events of offsets 0 to 1 that the log does not give; the hashes of their ids: ",
        ),
    ] {
        let said = folder.run(arguments).fails(1);
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = folder.run(&["log", "copy", "--to", "whole"]).fails(5);
    assert!(said.contains("partition 0 has no records from offset 0 to before 2"), "{said}");
    let said = json(&folder.run(&["log", "copy", "--to", "filled", "--fill-missing", "--json"]).ok());
    assert_eq!(said["logs"][0]["filled"], 4, "two of the head, an aborted event and its mark: {said}");
    let filled = Folder::with_log(&folder.path("filled"));
    copy(Path::new(&folder.path("data/keys")), Path::new(&filled.path("data/keys")));
    let said = json(&filled.run(&["project", "--json"]).ok());
    assert_eq!(found(&said["set_aside"]).len(), many + 4, "{said}");
}
