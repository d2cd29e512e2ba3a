//! The measurements, in the order in which each finds what it needs.

use std::{
    collections::VecDeque,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use contract::{Day, DeploymentKey};
use event_log::{EmbeddedLog, EventLog, Ticket, files::RealFiles};
use intake::{Intake, keys};
use policy::Bundle;
use projector::{Opened, Options, Points, Projector, REGISTRY, Reader};
use simulator::{City, Config, Places};
use timeline::Period;

use crate::{
    events::{Templates, appends},
    figures::Figure,
    machine, people,
    setting::{Setting, bundle},
};

/// Every stage.
pub(crate) const STAGES: [&str; 11] = [
    "simulate",
    "warm",
    "rebuild-1",
    "rebuild-2",
    "rebuild-3",
    "known-at",
    "restart",
    "restart-cold",
    "pending",
    "catch-up",
    "live",
];

const PARTITIONS: u16 = 64;
const SECRET: [u8; 32] = *b"nobody in this city exists......";

/// Makes one measurement.
pub(crate) fn run(stage: &str, setting: &Setting) -> Vec<Figure> {
    let bench = Bench { setting, bundle: bundle() };
    match stage {
        "simulate" => bench.simulate(),
        "warm" => {
            machine::warm(&bench.log_folder());
            Vec::new()
        }
        "rebuild-1" | "rebuild-2" | "rebuild-3" => bench.rebuild(stage),
        "known-at" => bench.known_at(),
        "restart" => bench.restart("restart_ready_s"),
        "restart-cold" => bench.restart("restart_cold_ready_s"),
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

impl Bench<'_> {
    fn data(&self) -> PathBuf {
        self.setting.dir.join("data")
    }

    fn log_folder(&self) -> PathBuf {
        self.data().join("log")
    }

    fn projector_folder(&self) -> PathBuf {
        self.data().join("projector")
    }

    fn reader(&self) -> EmbeddedLog {
        EmbeddedLog::open_reader(&self.log_folder()).unwrap()
    }

    fn projector<'b>(&'b self, log: &'b EmbeddedLog) -> (Projector<'b>, Opened) {
        let files = RealFiles::shared();
        Projector::open(&self.projector_folder(), files, log, &self.bundle, Options::default()).unwrap()
    }

    /// The city's log; intake's index of it, which is not measured.
    fn simulate(&self) -> Vec<Figure> {
        let key_path = Intake::deployment_key_path(&self.data());
        let key: DeploymentKey = keys::create_deployment_key(&key_path, &SECRET).unwrap();
        let config = Config::new(1, people(self.setting));
        let places = Places::of(&self.bundle.reference, Day::new_year(config.year)).unwrap();
        let city = City::new(config, places);
        let log = EmbeddedLog::create(&self.log_folder(), PARTITIONS).unwrap();
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let begun = Instant::now();
        let summary = simulator::simulate(&city, &key, &log, threads, &mut |_, _| (), &mut |_| ()).unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        let log: Arc<dyn EventLog> = Arc::new(log);
        drop(Intake::open(&self.data(), log).unwrap());
        vec![
            Figure::new("simulate_events_per_s", summary.events as f64 / seconds),
            Figure::fact("city_events", summary.events as f64, "events"),
            Figure::fact("city_event_bytes", summary.bytes as f64 / summary.events as f64, "bytes"),
        ]
    }

    /// From log bytes to synced base files, timelines and digest; the median of three is written by the last.
    fn rebuild(&self, stage: &str) -> Vec<Figure> {
        let _ = fs::remove_dir_all(self.projector_folder());
        let log = self.reader();
        let begun = Instant::now();
        let (mut projector, _) = self.projector(&log);
        let events = projector.read_to_end(&|_| ()).unwrap();
        projector.digests();
        let seconds = begun.elapsed().as_secs_f64();
        projector.write_snapshot().unwrap();
        let memory = Figure::new("rebuild_rss_gb", machine::peak_gb());
        let times = self.setting.dir.join("rebuilds");
        let mut all: Vec<f64> = fs::read_to_string(&times)
            .unwrap_or_default()
            .lines()
            .map(|line| line.parse().unwrap())
            .collect();
        all.push(seconds);
        fs::write(&times, all.iter().map(|seconds| format!("{seconds}\n")).collect::<String>()).unwrap();
        if stage != "rebuild-3" {
            return vec![memory];
        }
        all.sort_by(f64::total_cmp);
        let facts: u64 = projector.manifest().partitions.iter().map(|partition| partition.facts).sum();
        let (_, base_bytes) = projector.disk_bytes();
        vec![
            memory,
            Figure::new("rebuild_events_per_s", events as f64 / all[all.len() / 2]),
            Figure::new("fact_bytes_mean", base_bytes as f64 / facts as f64),
        ]
    }

    /// Every cube of every projection on one day, as it was known in the middle of the year.
    fn known_at(&self) -> Vec<Figure> {
        let log = self.reader();
        let on = Day::from_ymd(2026, 6, 30).unwrap();
        let period = Period { on, from: Day::new_year(2026), to: on };
        let begun = Instant::now();
        let reader = Reader::open(&self.projector_folder(), RealFiles::shared()).unwrap();
        let known = reader.known_at(&log, Reader::end_of(on), Reader::end_of(on)).unwrap();
        let folded = reader
            .fold(
                &log,
                &known.positions,
                || Points::new(period),
                |points, _, person| points.add(person, &self.bundle),
            )
            .unwrap();
        let mut all = Points::new(period);
        folded.iter().for_each(|points| all.merge(points));
        let cubes = REGISTRY.iter().enumerate();
        let rows: usize = cubes
            .flat_map(|(at, projection)| (0..projection.cubes.len()).map(move |cube| (at, cube)))
            .map(|(projection, cube)| all.rows(projection, cube).len())
            .sum();
        let seconds = begun.elapsed().as_secs_f64();
        assert!(rows > 0);
        vec![Figure::new("known_at_city_s", seconds)]
    }

    /// Until figures can be asked for and duplicates are known, with nothing in the cache; cold: without a snapshot.
    fn restart(&self, name: &str) -> Vec<Figure> {
        let cold = name == "restart_cold_ready_s";
        if cold {
            let current = fs::read_to_string(self.projector_folder().join("current")).unwrap();
            fs::remove_file(self.projector_folder().join(current.trim()).join("snapshot")).unwrap();
        }
        machine::drop_from_cache(&self.data());
        let begun = Instant::now();
        let log: Arc<EmbeddedLog> = Arc::new(EmbeddedLog::open(&self.log_folder()).unwrap());
        let door = {
            let (data, log) = (self.data(), Arc::clone(&log));
            thread::spawn(move || Intake::open(&data, log).unwrap())
        };
        let (projector, opened) = self.projector(&log);
        let period = Period {
            on: Day::from_ymd(2026, 6, 30).unwrap(),
            from: Day::new_year(2026),
            to: Day::new_year(2027),
        };
        assert!(!projector.figures().rows(0, 0, period).is_empty());
        let door = door.join().unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        assert_eq!(matches!(opened, Opened::Snapshot), !cold, "{opened:?}");
        let figures = vec![Figure::new(name, seconds), Figure::new("serve_rss_gb", machine::peak_gb())];
        drop((door, projector));
        if cold {
            // What comes after needs a snapshot again.
            self.projector(&log).0.write_snapshot().unwrap();
        }
        figures
    }

    fn append(&self, count: u64) {
        let log = EmbeddedLog::open(&self.log_folder()).unwrap();
        let mut templates = Templates::of(&log, 100_000);
        let mut in_flight: VecDeque<Ticket> = VecDeque::new();
        let mut left = count as usize;
        while left > 0 {
            if in_flight.len() == 16 {
                in_flight.pop_front().unwrap().wait().unwrap();
            }
            let ready = templates.batch(left.min(1000), PARTITIONS);
            left -= ready.len();
            in_flight.push_back(log.append_async(&appends(&ready)).unwrap());
        }
        in_flight.into_iter().for_each(|ticket| {
            ticket.wait().unwrap();
        });
    }

    /// A million events about people at random.
    fn pending(&self) -> Vec<Figure> {
        self.append(self.setting.scaled(1_000_000));
        Vec::new()
    }

    /// From an open projector that is a million events behind to all of them durable.
    fn catch_up(&self) -> Vec<Figure> {
        let log = self.reader();
        let (mut projector, _) = self.projector(&log);
        let begun = Instant::now();
        let events = projector.read_to_end(&|_| ()).unwrap();
        let rate = events as f64 / begun.elapsed().as_secs_f64();
        // On to where most partitions are about to be merged: the next stage wants a merge running.
        let pending = projector.positions().iter().sum::<u64>() * 7 / 100;
        self.append(pending);
        projector.catch_up(&|_| ()).unwrap();
        vec![Figure::new("catchup_events_per_s", rate), Figure::new("serve_rss_gb", machine::peak_gb())]
    }

    /// 20,000 events a second, each about somebody at random, while bases are merged.
    fn live(&self) -> Vec<Figure> {
        const EVERY: Duration = Duration::from_millis(5);
        const EVENTS: usize = 100;
        let lasts = Duration::from_secs(if self.setting.scale >= 0.1 { 60 } else { 3 });
        let log = EmbeddedLog::open(&self.log_folder()).unwrap();
        let mut templates = Templates::of(&log, 100_000);
        let (mut projector, _) = self.projector(&log);
        projector.catch_up(&|_| ()).unwrap();
        let before: u64 = projector.positions().iter().sum();
        let shutdown = AtomicBool::new(false);
        let mut commits: Vec<f64> = Vec::new();
        let mut tickets = VecDeque::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let begun = Instant::now();
                let mut due = begun;
                while begun.elapsed() < lasts {
                    tickets
                        .push_back(log.append_async(&appends(&templates.batch(EVENTS, PARTITIONS))).unwrap());
                    if tickets.len() > 64 {
                        let oldest: Ticket = tickets.pop_front().unwrap();
                        oldest.wait().unwrap();
                    }
                    due += EVERY;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                shutdown.store(true, Ordering::Relaxed);
            });
            projector.follow(&shutdown, &mut |commit| commits.push(commit.took.as_secs_f64() * 1e3)).unwrap();
        });
        let events = projector.positions().iter().sum::<u64>() - before;
        commits.sort_by(f64::total_cmp);
        let p99 = commits[(commits.len() * 99 / 100).min(commits.len() - 1)];
        vec![
            Figure::new("live_commit_p99_ms", p99),
            Figure::fact("live_events_per_s", events as f64 / lasts.as_secs_f64(), "events/s"),
            Figure::new("serve_rss_gb", machine::peak_gb()),
        ]
    }
}
