//! How fast the engine is on Apache Kafka, beside Kafka's own tools and Kafka Streams on the same broker: `make bench`.
//!
//! All of it runs on one machine, broker and clients on the same cores: ratios count, and each is of two things that were
//! measured in turn in one run. `BENCH_SCALE` 1.0 is ten million events. Each of our measurements runs in a process of its
//! own. Figures are added to `BENCH_JSONL`, as in the bench of the city.
//!
//! Kafka's own producer writes values alone, as many bytes as ours have on average; ours have keys and headers besides.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and fails by panicking")]

#[path = "../shared/events.rs"]
mod events;
#[path = "../shared/figures.rs"]
mod figures;
#[allow(dead_code, reason = "another bench needs more of it")]
#[path = "../shared/machine.rs"]
mod machine;
#[path = "../shared/setting.rs"]
mod setting;
mod stages;

use std::time::Duration;

use figures::{Figure, Figures};
use kafka_harness::{Cluster, Nodes, Options, Pace};
use kafka_log::{Plan, Roles, Settings, Topics};
use peers::{Arguments, CaughtUp, Guarantee, Streams};
use setting::{STAGE, Setting};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Where the topics are.
const ADDRESS: &str = "VERTEBRA_BENCH_KAFKA";
const PREFIX: &str = "bench";
const PARTITIONS: u16 = 64;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(3600);

fn main() {
    let setting = Setting::read("bench-kafka");
    if let Ok(stage) = std::env::var(STAGE) {
        for figure in stages::run(&stage, &setting) {
            println!("{}", figure.to_line());
        }
        return;
    }
    if !kafka_harness::required() {
        return;
    }
    let lines = Setting::lines();
    let mut figures = Figures::open(&lines, |name| name.contains("kafka"));
    let _ = std::fs::remove_dir_all(&setting.dir);
    std::fs::create_dir_all(&setting.dir).unwrap();
    let bench = Bench::begin(&setting);
    println!("{} people on a broker at {}", people(&setting), bench.address);
    bench.measure(&mut |found: Vec<Figure>| {
        found.iter().for_each(|figure| println!("  {}", figure.to_line()));
        figures.extend(found);
    });
    drop(bench);
    std::fs::remove_dir_all(&setting.dir).unwrap();
    figures.write();
    figures.print();
}

/// How many people live in the city: about seven events are about each.
fn people(setting: &Setting) -> u64 {
    setting.scaled(1_420_000)
}

struct Bench<'a> {
    setting: &'a Setting,
    cluster: Cluster,
    address: String,
}

impl<'a> Bench<'a> {
    fn begin(setting: &'a Setting) -> Bench<'a> {
        let options =
            Options { nodes: Nodes::One, pace: Pace::Sustained, heap_mib: 1024, ..Options::default() };
        let cluster = Cluster::with(options).unwrap();
        let address = format!("kafka://{}/{PREFIX}", cluster.bootstrap());
        let topics = Topics::new(&address.parse().unwrap(), &Settings::default()).unwrap();
        topics.apply(&Plan { partitions: PARTITIONS, replicas: 1, roles: Roles::default() }).unwrap();
        Bench { setting, cluster, address }
    }

    fn measure(&self, tell: &mut dyn FnMut(Vec<Figure>)) {
        let made = self.child("make");
        let of = |name: &str| made.iter().find(|figure| figure.is(name)).unwrap().value();
        let (events, bytes) = (of("kafka_events") as u64, of("kafka_event_bytes") as u64);
        tell(made);

        let before = self.producer_perf(events.min(3_000_000), bytes, 0);
        let appended = self.child("append");
        let after = self.producer_perf(events.min(3_000_000), bytes, 1);
        tell(ratio(
            "append_kafka",
            "append_kafka_vs_perf_test",
            appended,
            "producer perf test",
            before,
            after,
        ));

        let before = self.consumer_perf(events);
        let rebuilt = self.child("rebuild");
        let after = self.consumer_perf(events);
        tell(ratio(
            "rebuild_kafka",
            "rebuild_kafka_vs_perf_test",
            rebuilt,
            "consumer perf test",
            before,
            after,
        ));

        self.beside_streams(tell);
        tell(self.child("live"));
    }

    /// From nothing to caught up, then with a million events pending over what was loaded, on both sides.
    fn beside_streams(&self, tell: &mut dyn FnMut(Vec<Figure>)) {
        let streams = Streams::build().unwrap();
        let ways = [(Guarantee::ExactlyOnce, "exactly_once_v2"), (Guarantee::AtLeastOnce, "at_least_once")];
        let folder = |guarantee: &str| self.setting.dir.join(format!("streams-{guarantee}"));
        let run = |guarantee, name: &str| -> CaughtUp {
            let application = format!("bench-{name}").replace('_', "-");
            let more = vec!["--application-id".to_owned(), application];
            let arguments = Arguments { guarantee, more, ..Arguments::new(folder(name)) };
            let mut running = streams.start(&self.cluster.bootstrap(), PREFIX, &arguments).unwrap();
            let caught_up = running.wait_caught_up(PATIENCE).unwrap();
            running.stop().unwrap();
            caught_up
        };
        let ours = self.child("from-nothing");
        let theirs: Vec<CaughtUp> = ways.iter().map(|(guarantee, name)| run(*guarantee, name)).collect();
        tell(beside("vs_kafka_streams", "from_nothing_kafka", ours, &ways, &theirs));
        tell(self.child("pending"));
        let ours = self.child("catch-up");
        let theirs: Vec<CaughtUp> = ways.iter().map(|(guarantee, name)| run(*guarantee, name)).collect();
        tell(beside("catchup_vs_kafka_streams", "catchup_kafka", ours, &ways, &theirs));
    }

    /// Records a second of Kafka's own producer.
    fn producer_perf(&self, records: u64, bytes: u64, number: u32) -> f64 {
        let topic = format!("{PREFIX}.perf-{number}");
        self.cluster.create_topic(&topic, i32::from(PARTITIONS), 1, &[]).unwrap();
        let bootstrap = format!("bootstrap.servers={}", self.cluster.bootstrap());
        let arguments = [
            "--topic",
            &topic,
            "--num-records",
            &records.to_string(),
            "--record-size",
            &bytes.to_string(),
            "--throughput",
            "-1",
            "--producer-props",
            &bootstrap,
            "acks=all",
            "batch.size=262144",
            "linger.ms=20",
            "compression.type=lz4",
        ];
        let said = self.tool("org.apache.kafka.tools.ProducerPerformance", &arguments);
        self.cluster.delete_topic(&topic).unwrap();
        let last = said.lines().rfind(|line| line.contains("records/sec")).unwrap();
        let rate = last.split("records sent, ").nth(1).unwrap().split(' ').next().unwrap();
        rate.parse().unwrap()
    }

    /// Records a second of Kafka's own consumer, without the time it takes to join its group.
    fn consumer_perf(&self, records: u64) -> f64 {
        let topic = format!("{PREFIX}.events.v1");
        let (bootstrap, records) = (self.cluster.bootstrap(), records.to_string());
        let arguments = ["--bootstrap-server", &bootstrap, "--topic", &topic, "--num-records", &records];
        let said = self.tool("org.apache.kafka.tools.ConsumerPerformance", &arguments);
        let last = said.lines().rfind(|line| line.contains(", ")).unwrap();
        last.split(", ").nth(9).unwrap().trim().parse().unwrap()
    }

    fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let output = self.cluster.tool(class, arguments).unwrap();
        assert!(output.status.success(), "{class} failed: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn child(&self, stage: &str) -> Vec<Figure> {
        self.setting.child(stage, &[(ADDRESS, &self.address)])
    }
}

/// What was measured, and how it stands to the mean of what a tool did before and after it.
fn ratio(
    measured: &str,
    name: &str,
    mut figures: Vec<Figure>,
    peer: &str,
    before: f64,
    after: f64,
) -> Vec<Figure> {
    let theirs = (before + after) / 2.0;
    let rate_name = format!("{measured}_events_per_s");
    let rate = figures.iter().find(|figure| figure.is(&rate_name)).unwrap().value();
    figures.retain(|figure| !figure.is(&rate_name));
    figures.push(Figure::beside(&rate_name, rate, "events/s", peer, theirs));
    figures.push(Figure::new(name, rate / theirs));
    figures
}

/// What was measured of us, and how it stands to the best of what a peer did.
fn beside(
    name: &str,
    measured: &str,
    mut figures: Vec<Figure>,
    ways: &[(Guarantee, &str)],
    theirs: &[CaughtUp],
) -> Vec<Figure> {
    let best = theirs.iter().map(|caught_up| caught_up.events_per_s).fold(0.0, f64::max);
    let rate_name = format!("{measured}_events_per_s");
    let rate = figures.iter().find(|figure| figure.is(&rate_name)).unwrap().value();
    for ((_, way), caught_up) in ways.iter().zip(theirs) {
        let fact =
            |what: &str, value, unit| Figure::fact(&format!("{measured}_streams_{way}_{what}"), value, unit);
        figures.push(fact("events_per_s", caught_up.events_per_s, "events/s"));
        figures.push(fact("rss_gb", caught_up.rss_mb_max as f64 * 1048576.0 / 1e9, "GB"));
        figures.push(fact("ready_s", caught_up.ready_s, "s"));
    }
    figures.push(Figure::new(name, rate / best));
    figures
}
