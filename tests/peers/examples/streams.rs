//! Measures the peer on Kafka Streams: a broker, a city of made-up people, and the peer in several ways.
//!
//! ```text
//! cargo run --release -p peers --example streams -- --people 200000 --partitions 16 -- --guarantee alo --threads 2 / --combine no
//! ```
//!
//! After the second `--` come options of the peer (and `--heap MIB`); `/` begins the options of another run. Each run starts from
//! nothing, is stopped in order and started again; and from nothing again, killed halfway and started again: the times to be ready.

#![allow(clippy::print_stdout, reason = "what it is for")]

#[path = "../tests/streams/people.rs"]
mod people;

use std::time::{Duration, Instant};

use kafka_harness::{Cluster, Nodes, Options, Pace};
use kafka_log::{Address, Contents, KafkaLog, Settings};
use peers::{Arguments, CaughtUp, Counts, Guarantee, Streams};

use self::people::{add, person, sums, write};

const PATIENCE: Duration = Duration::from_secs(1200);
const PREFIX: &str = "vertebra";
const CHUNK: u64 = 50_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, without: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).map_or(without, |text| text.parse().expect("a number"))
    };
    let (people, partitions) = (number("--people", 200_000), number("--partitions", 16));
    let runs: Vec<Vec<String>> = match arguments.iter().position(|argument| argument == "--") {
        Some(at) => arguments[at + 1..].split(|argument| argument == "/").map(<[String]>::to_vec).collect(),
        None => vec![Vec::new()],
    };
    let options = Options { nodes: Nodes::One, pace: Pace::Sustained, heap_mib: 1024, ..Options::default() };
    let cluster = Cluster::with(options).expect("a broker");
    let topic = format!("{PREFIX}.events.v1");
    let count = i32::try_from(partitions).expect("few partitions");
    cluster.create_topic(&topic, count, 1, &[]).expect("a topic");
    let address: Address = format!("kafka://{}/{PREFIX}", cluster.bootstrap()).parse().expect("an address");
    let log = KafkaLog::open(&address, &Settings::default(), &topic, Contents::Events)
        .expect("the log opens")
        .expect("the topic is there");
    let began = Instant::now();
    let mut events = 0;
    for first in (0..people).step_by(CHUNK as usize) {
        let chunk: Vec<_> = (first..people.min(first + CHUNK)).map(|number| person(number, true)).collect();
        events += write(&log, &chunk);
    }
    println!("{events} events of {people} people written in {:.1} s", began.elapsed().as_secs_f64());
    let mut expected = Counts::default();
    sums((0..people).map(|number| (number, true))).values().for_each(|counts| add(&mut expected, counts));

    let streams = Streams::build().expect("the peer builds");
    for (run, more) in runs.into_iter().enumerate() {
        let folder = tempfile::tempdir().expect("a folder");
        let (arguments, said) = arguments_of(folder.path(), more, run);
        let start = || streams.start(&cluster.bootstrap(), PREFIX, &arguments).expect("it starts");
        let mut running = start();
        let done = running.wait_caught_up(PATIENCE).expect("it catches up");
        let mut counted = Counts::default();
        done.counts.values().for_each(|counts| add(&mut counted, counts));
        assert_eq!(counted, expected);
        running.stop().expect("it ends in order");
        let after_stop = start().wait_ready(PATIENCE).expect("it is ready");
        // Killed halfway, from nothing again.
        let folder = tempfile::tempdir().expect("a folder");
        let mut arguments = Arguments { state_dir: folder.path().to_owned(), ..arguments };
        arguments.more.extend(["--application-id".to_owned(), format!("killed-{run}")]);
        let start = || streams.start(&cluster.bootstrap(), PREFIX, &arguments).expect("it starts");
        let mut running = start();
        running.wait_ready(PATIENCE).expect("it is ready");
        std::thread::sleep(Duration::from_secs_f64(done.seconds / 2.0));
        running.kill();
        let after_kill = start().wait_ready(PATIENCE).expect("it is ready");
        let CaughtUp { events_per_s, seconds, counted_s, ready_s, rss_mb, rss_mb_max, cpu_s, sent, .. } =
            done;
        println!(
            "{said:40} {events_per_s:7.0}/s in {seconds:.1} s (counted {counted_s:.1}, processors {cpu_s:.1}), {rss_mb} MB, most {rss_mb_max}; sent {sent}; \
             ready {ready_s:.1}, after a stop {after_stop:.1}, after a kill halfway {after_kill:.1}"
        );
    }
}

/// The peer's arguments, and how to call the run.
fn arguments_of(state: &std::path::Path, more: Vec<String>, run: usize) -> (Arguments, String) {
    let said = more.join(" ");
    let mut arguments = Arguments { report: true, ..Arguments::new(state) };
    let mut words = more.into_iter();
    while let Some(name) = words.next() {
        let value = words.next().expect("an option has a value");
        match name.as_str() {
            "--guarantee" if value == "alo" => arguments.guarantee = Guarantee::AtLeastOnce,
            "--guarantee" => arguments.guarantee = Guarantee::ExactlyOnce,
            "--threads" => arguments.threads = value.parse().expect("a number"),
            "--heap" => arguments.heap_mib = value.parse().expect("MiB"),
            _ => arguments.more.extend([name, value]),
        }
    }
    arguments.more.extend(["--application-id".to_owned(), format!("run-{run}")]);
    (arguments, said)
}
