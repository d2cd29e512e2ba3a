//! Somebody writes to the topic with transactions.

use std::time::Duration;

use audit::census;
use contract::EventView;
use event_log::EventLog;
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};

use crate::{
    broker,
    town::{PARTITIONS, Town, count, events, halves, project, snapshot, write},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A producer as nobody may use one here.
struct Transactional {
    producer: BaseProducer,
    topic: String,
}

impl Transactional {
    fn new(town: &Town, name: &str) -> Transactional {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &town.address.brokers)
            .set("transactional.id", name)
            .create()
            .unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        Transactional { producer, topic: town.topic() }
    }

    /// Begins a transaction, and writes these events to a partition.
    fn begin(&self, partition: u16, records: &[Vec<u8>]) {
        self.producer.begin_transaction().unwrap();
        for bytes in records {
            let key = EventView::parse(bytes).unwrap().subject.0;
            let header = |key, value: &'static str| Header { key, value: Some(value) };
            let headers = OwnedHeaders::new()
                .insert(header("ce_specversion", "1.0"))
                .insert(header("ce_id", "1"))
                .insert(header("ce_source", "/emitters/1"))
                .insert(header("ce_type", "vertebra.v1.x"));
            let record = BaseRecord::to(&self.topic)
                .partition(i32::from(partition))
                .key(&key[..])
                .payload(&bytes[..])
                .headers(headers);
            self.producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        self.producer.flush(PATIENCE).unwrap();
    }
}

#[test]
fn transactions_committed_aborted_and_left_open_are_named() {
    let Some((cluster, _turn)) = broker() else { return };
    let town = Town::new(&cluster, "transactions", PARTITIONS, 1);
    let log = events(28, 200, PARTITIONS);
    let (first, second) = halves(&log);
    write(&town.log(), &first);
    let following = town.follow("figures");
    following.wait_for(count(&first));
    let begin = |partition: u16| first[usize::from(partition)].len() as u64;

    // Committed: the events are there, and a mark takes an offset behind them.
    let committed = Transactional::new(&town, "committed");
    committed.begin(0, &second[0][..3]);
    committed.producer.commit_transaction(PATIENCE).unwrap();
    // Aborted: neither events nor mark can be read.
    let aborted = Transactional::new(&town, "aborted");
    aborted.begin(1, &second[1][..3]);
    aborted.producer.abort_transaction(PATIENCE).unwrap();
    // Left open: everything behind it waits.
    let open = Transactional::new(&town, "open");
    open.begin(2, &second[2][..3]);
    // Somebody who writes as all should.
    write(
        &town.log(),
        &vec![second[0][3..].to_vec(), second[1][3..].to_vec(), second[2][3..].to_vec(), second[3].clone()],
    );

    let missing = [(0, begin(0) + 3, begin(0) + 4), (1, begin(1), begin(1) + 4)];
    for (partition, from, until) in missing {
        let why = following.wait_for_stop(partition);
        let said = format!(
            "partition {partition} has no records from offset {from} to before {until}: a transaction wrote"
        );
        assert!(why.contains(&said), "{said}: {why}");
    }
    // What came before the marks is counted, as is the partition that nobody wrote to with transactions.
    following.wait_for(count(&first) + 3 + second[3].len() as u64);

    let kafka = town.log();
    let ends = kafka.ends().unwrap();
    let high = cluster.end_offsets(&town.topic()).unwrap();
    assert_eq!(ends[2], begin(2));
    assert_eq!(kafka.unstable().unwrap(), [(2, begin(2), high[2] as u64)]);
    let reader = snapshot(&town.folder("figures"));
    let counted = census(&kafka, Some(&reader)).unwrap();
    let held_up = format!(
        "partition 2 cannot be read past offset {}: a transaction that was not ended holds up what stands there to {}",
        begin(2),
        high[2] - 1
    );
    assert!(counted.findings.iter().any(|said| said.contains(&held_up)), "{held_up}: {:?}", counted.findings);
    for (partition, from, until) in missing {
        let said = format!(
            "partition {partition}: partition {partition} has no records from offset {from} to before {until}"
        );
        assert!(counted.findings.iter().any(|found| found.contains(&said)), "{said}: {:?}", counted.findings);
    }

    // It ends: its mark stands there for ever.
    open.producer.abort_transaction(PATIENCE).unwrap();
    let why = following.wait_for_stop(2);
    let said = format!("partition 2 has no records from offset {} to before {}", begin(2), begin(2) + 3);
    assert!(why.contains(&said), "{said}: {why}");
    assert_eq!(kafka.unstable().unwrap(), []);
    assert_eq!(following.end().stopped().len(), 3);

    // And one that begins anew stands still at the same places.
    let anew = project(&kafka, &town.folder("anew"));
    assert_eq!(anew.stopped().iter().map(|(partition, _)| *partition).collect::<Vec<_>>(), [0, 1, 2]);
}
