//! Our measurements, in the order in which each finds what it needs.

use std::{
    collections::VecDeque,
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use contract::{Day, DeploymentKey, EventView};
use event_log::{Append, EmbeddedLog, EventLog, PartitionReader, Ticket, files::RealFiles, partition_of};
use kafka_log::{Address, Contents, KafkaLog, Settings};
use policy::Bundle;
use projector::{Options, Projector};
use simulator::{City, Config, Places};

use crate::{
    ADDRESS, PARTITIONS,
    events::{Templates, appends},
    figures::Figure,
    machine, people,
    setting::{Setting, bundle},
};

const SECRET: [u8; 32] = *b"nobody in this city exists......";
/// How much of each partition is appended in turn.
const PIECE_BYTES: usize = 64 << 10;
/// Batches that are under way together.
const UNDER_WAY: usize = 256;

/// Makes one measurement.
pub(crate) fn run(stage: &str, setting: &Setting) -> Vec<Figure> {
    let bench = Bench { setting, bundle: bundle() };
    match stage {
        "make" => bench.make(),
        "append" => bench.append_all(),
        "rebuild" => bench.build("rebuild_kafka_events_per_s", false),
        "from-nothing" => bench.build("from_nothing_kafka_events_per_s", true),
        "pending" => bench.pending(),
        "catch-up" => bench.catch_up(),
        "live" => bench.live(),
        other => panic!("no stage {other}"),
    }
}

struct Bench<'a> {
    setting: &'a Setting,
    bundle: Bundle,
}

fn kafka() -> KafkaLog {
    let address: Address = std::env::var(ADDRESS).unwrap().parse().unwrap();
    let opened = KafkaLog::open(&address, &Settings::default(), &address.events(), Contents::Events);
    opened.unwrap().expect("the topic was made")
}

impl Bench<'_> {
    fn source(&self) -> PathBuf {
        self.setting.dir.join("source")
    }

    fn projector<'b>(&'b self, log: &'b dyn EventLog, options: Options) -> Projector<'b> {
        let root = self.setting.dir.join("projector");
        Projector::open(&root, RealFiles::shared(), log, &self.bundle, options).unwrap().0
    }

    /// The city, in a log on this machine.
    fn make(&self) -> Vec<Figure> {
        let key = DeploymentKey::new(&SECRET);
        let config = Config::new(1, people(self.setting));
        let places = Places::of(&self.bundle.reference, Day::new_year(config.year)).unwrap();
        let log = EmbeddedLog::create(&self.source(), PARTITIONS).unwrap();
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let city = City::new(config, places);
        let summary = simulator::simulate(&city, &key, &log, threads, &mut |_, _| (), &mut |_| ()).unwrap();
        vec![
            Figure::fact("kafka_events", summary.events as f64, "events"),
            Figure::fact("kafka_event_bytes", summary.bytes as f64 / summary.events as f64, "bytes"),
        ]
    }

    /// All of the city, a piece of each partition in turn.
    fn append_all(&self) -> Vec<Figure> {
        let source = EmbeddedLog::open_reader(&self.source()).unwrap();
        let log = kafka();
        let mut readers: Vec<Box<dyn PartitionReader + '_>> =
            (0..PARTITIONS).map(|partition| source.reader(partition, 0).unwrap()).collect();
        let mut under_way: VecDeque<Ticket> = VecDeque::new();
        let (begun, mut events) = (Instant::now(), 0);
        loop {
            let before = events;
            for (partition, reader) in (0..).zip(&mut readers) {
                let Some(batch) = reader.next_batch(PIECE_BYTES).unwrap() else { continue };
                let keys: Vec<_> =
                    batch.iter().map(|record| EventView::parse(record.bytes).unwrap().subject).collect();
                let appends: Vec<Append<'_>> = batch
                    .iter()
                    .zip(&keys)
                    .map(|(record, key)| Append { partition, key: &key.0, bytes: record.bytes })
                    .collect();
                debug_assert_eq!(partition_of(&keys[0], PARTITIONS), partition);
                events += appends.len();
                under_way.push_back(log.append_async(&appends).unwrap());
                while under_way.len() > UNDER_WAY {
                    under_way.pop_front().unwrap().wait().unwrap();
                }
            }
            if events == before {
                break;
            }
        }
        under_way.into_iter().for_each(|ticket| assert!(!ticket.wait().unwrap().is_empty()));
        let rate = events as f64 / begun.elapsed().as_secs_f64();
        vec![Figure::fact("append_kafka_events_per_s", rate, "events/s")]
    }

    /// From nothing: base files, timelines and digests, all durable; `serving`: with a snapshot that others answer from.
    fn build(&self, name: &str, serving: bool) -> Vec<Figure> {
        let _ = fs::remove_dir_all(self.setting.dir.join("projector"));
        let log = kafka();
        let begun = Instant::now();
        let mut projector = self.projector(&log, Options::default());
        let events =
            if serving { projector.catch_up(&|_| ()) } else { projector.read_to_end(&|_| ()) }.unwrap();
        projector.digests();
        let rate = events as f64 / begun.elapsed().as_secs_f64();
        vec![
            Figure::fact(name, rate, "events/s"),
            Figure::fact(&name.replace("events_per_s", "rss_gb"), machine::peak_gb(), "GB"),
        ]
    }

    /// A million events about people at random.
    fn pending(&self) -> Vec<Figure> {
        let source = EmbeddedLog::open_reader(&self.source()).unwrap();
        let mut templates = Templates::of(&source, 100_000);
        let log = kafka();
        let mut under_way: VecDeque<Ticket> = VecDeque::new();
        let mut left = self.setting.scaled(1_000_000) as usize;
        while left > 0 {
            let ready = templates.batch(left.min(1000), PARTITIONS);
            left -= ready.len();
            under_way.push_back(log.append_async(&appends(&ready)).unwrap());
            while under_way.len() > 16 {
                under_way.pop_front().unwrap().wait().unwrap();
            }
        }
        under_way.into_iter().for_each(|ticket| assert!(!ticket.wait().unwrap().is_empty()));
        Vec::new()
    }

    /// From the start of a projector that is a million events behind until it serves all of them, durable.
    fn catch_up(&self) -> Vec<Figure> {
        let log = kafka();
        let begun = Instant::now();
        let mut projector = self.projector(&log, Options::default());
        let ready = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        let events = projector.read_to_end(&|_| ()).unwrap();
        let rate = events as f64 / begun.elapsed().as_secs_f64();
        // The next stage goes on from a snapshot.
        projector.catch_up(&|_| ()).unwrap();
        projector.write_snapshot().unwrap();
        vec![
            Figure::fact("catchup_kafka_events_per_s", rate, "events/s"),
            Figure::fact("restart_kafka_ready_s", ready, "s"),
            Figure::fact("catchup_kafka_rss_gb", machine::peak_gb(), "GB"),
        ]
    }

    /// A thousand events a second, one at a time: from the call that appends one until its figures are durable.
    fn live(&self) -> Vec<Figure> {
        const EVERY: Duration = Duration::from_millis(1);
        let lasts = Duration::from_secs(if self.setting.scale >= 0.1 { 30 } else { 3 });
        let log = kafka();
        let source = EmbeddedLog::open_reader(&self.source()).unwrap();
        let mut templates = Templates::of(&source, 100_000);
        let options = Options { commit_every: Duration::from_millis(20), ..Options::default() };
        let mut projector = self.projector(&log, options);
        projector.catch_up(&|_| ()).unwrap();
        let shutdown = AtomicBool::new(false);
        let appended: Mutex<VecDeque<Instant>> = Mutex::default();
        let mut waited: Vec<f64> = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                // The follower is there before the first event.
                thread::sleep(Duration::from_millis(500));
                let begun = Instant::now();
                let mut due = begun;
                let mut under_way: VecDeque<Ticket> = VecDeque::new();
                while begun.elapsed() < lasts {
                    let ready = templates.batch(1, PARTITIONS);
                    appended.lock().unwrap().push_back(Instant::now());
                    under_way.push_back(log.append_async(&appends(&ready)).unwrap());
                    if under_way.len() > 1000 {
                        under_way.pop_front().unwrap().wait().unwrap();
                    }
                    due += EVERY;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                under_way.into_iter().for_each(|ticket| assert!(!ticket.wait().unwrap().is_empty()));
                thread::sleep(Duration::from_millis(500));
                shutdown.store(true, Ordering::Relaxed);
            });
            // Partitions overtake each other by little: the oldest that waits is taken for the one that came.
            let mut observe = |commit: projector::Commit| {
                let mut appended = appended.lock().unwrap();
                let count = appended.len().min(commit.events as usize);
                waited.extend(appended.drain(..count).map(|at| at.elapsed().as_secs_f64() * 1e3));
            };
            projector.follow(&shutdown, &mut observe).unwrap();
        });
        assert!(appended.lock().unwrap().is_empty(), "events were appended that no commit had");
        waited.sort_by(f64::total_cmp);
        let at = |share: usize| waited[(waited.len() * share / 100).min(waited.len() - 1)];
        vec![
            Figure::new("event_to_figure_kafka_p99_ms", at(99)),
            Figure::fact("event_to_figure_kafka_p50_ms", at(50), "ms"),
            Figure::fact("live_kafka_events_per_s", waited.len() as f64 / lasts.as_secs_f64(), "events/s"),
        ]
    }
}
