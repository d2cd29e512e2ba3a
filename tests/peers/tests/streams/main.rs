//! The peer on Kafka Streams counts what the people it is told of count for, and goes on where it stood.

mod people;

use std::{collections::BTreeMap, path::Path, time::Duration};

use kafka_harness::{Cluster, Nodes};
use kafka_log::{Address, Contents, KafkaLog, Settings};
use peers::{Arguments, CaughtUp, Counts, Guarantee, Streams};

use self::people::{ON, add, person, sums, write};

const PEOPLE: u64 = 600;
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn exactly_once_it_counts_right_though_it_is_killed() {
    if !kafka_harness::required() {
        return;
    }
    let bench = Bench::new("once");
    let first = bench.write(0..PEOPLE / 2, false);
    let arguments = Arguments { report: true, more: few_partitions(), ..Arguments::new(bench.state()) };
    let mut running = bench.start(&arguments);
    let done = running.wait_caught_up(PATIENCE).expect("the first half");
    assert_eq!((done.events, done.set_aside), (first, 0));
    same(&done, &sums((0..PEOPLE / 2).map(|number| (number, false))));
    running.kill();

    let (again, second) = (bench.write(0..PEOPLE / 2, true), bench.write(PEOPLE / 2..PEOPLE, true));
    let mut running = bench.start(&arguments);
    running.wait_ready(PATIENCE).expect("ready again");
    // Somewhere in the second half.
    std::thread::sleep(Duration::from_millis(300));
    running.kill();
    let mut running = bench.start(&arguments);
    let done = running.wait_caught_up(PATIENCE).expect("the second half");
    assert!(done.pending <= again + second, "{} of {} read again", done.pending, again + second);
    same(&done, &sums((0..PEOPLE).map(|number| (number, true))));
    running.stop().expect("it ends in order");
}

#[test]
fn at_least_once_it_counts_right_if_it_ends_in_order() {
    if !kafka_harness::required() {
        return;
    }
    for combine in ["yes", "no"] {
        let bench = Bench::new(combine);
        let first = bench.write(0..PEOPLE / 2, false);
        let mut more = few_partitions();
        more.extend(["--combine".to_owned(), combine.to_owned()]);
        let arguments = Arguments {
            guarantee: Guarantee::AtLeastOnce,
            threads: 1,
            report: true,
            more,
            ..Arguments::new(bench.state())
        };
        let mut running = bench.start(&arguments);
        let done = running.wait_caught_up(PATIENCE).expect("the first half");
        assert_eq!(done.events, first);
        same(&done, &sums((0..PEOPLE / 2).map(|number| (number, false))));
        running.stop().expect("it ends in order");

        // All of the first half again, and where they have moved to.
        let (again, second) = (bench.write(0..PEOPLE / 2, true), bench.write(PEOPLE / 2..PEOPLE, true));
        let mut running = bench.start(&arguments);
        let done = running.wait_caught_up(PATIENCE).expect("the second half");
        assert_eq!(done.events, again + second);
        assert!(done.copies >= first, "{} copies of {first} events", done.copies);
        same(&done, &sums((0..PEOPLE).map(|number| (number, true))));
    }
}

fn few_partitions() -> Vec<String> {
    ["--cells", "2", "--commit-ms", "200"].map(String::from).to_vec()
}

#[track_caller]
fn same(done: &CaughtUp, expected: &BTreeMap<(String, String), Counts>) {
    let some = |(cell, counts): (&(String, String), &Counts)| {
        (*counts != Counts::default()).then(|| (cell.clone(), *counts))
    };
    let cells: BTreeMap<_, _> = done.cells.iter().filter_map(some).collect();
    assert_eq!(cells, *expected);
    let mut communes = BTreeMap::<String, Counts>::new();
    for ((commune, _), counts) in expected {
        add(communes.entry(commune.clone()).or_default(), counts);
    }
    let told: BTreeMap<_, _> =
        done.counts.iter().filter(|(commune, _)| communes.contains_key(*commune)).collect();
    assert_eq!(told, communes.iter().collect());
}

struct Bench {
    cluster: kafka_harness::Shared,
    prefix: String,
    log: KafkaLog,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(prefix: &str) -> Bench {
        let cluster = Cluster::shared().expect("a broker");
        assert_eq!(cluster.nodes().len(), Nodes::One.count() as usize);
        let topic = format!("{prefix}.events.v1");
        cluster.create_topic(&topic, 3, 1, &[]).expect("a topic");
        let address: Address =
            format!("kafka://{}/{prefix}", cluster.bootstrap()).parse().expect("an address");
        let log = KafkaLog::open(&address, &Settings::default(), &topic, Contents::Events)
            .expect("the log opens")
            .expect("the topic is there");
        let folder = tempfile::tempdir().expect("a folder");
        Bench { cluster, prefix: prefix.to_owned(), log, folder }
    }

    fn state(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, people: std::ops::Range<u64>, moved: bool) -> u64 {
        let people: Vec<_> = people.map(|number| person(number, moved)).collect();
        write(&self.log, &people)
    }

    fn start(&self, arguments: &Arguments) -> peers::Running {
        let arguments = Arguments { on: ON.to_owned(), heap_mib: 512, ..arguments.clone() };
        let streams = Streams::build().expect("the peer builds");
        streams.start(&self.cluster.bootstrap(), &self.prefix, &arguments).expect("the peer starts")
    }
}
