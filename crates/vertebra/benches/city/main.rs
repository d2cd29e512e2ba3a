//! How fast the engine is on a simulated city: `make bench`.
//!
//! Each measurement runs in a process of its own, so that the most memory it took can be read at its end. `BENCH_SCALE` is
//! the part of a Hanoi-year (8.6 million people, 60 million events) that is simulated; 0.001 is a check that all of this
//! works. `BENCH_DIR` says where the city is written (by default in the cargo target directory). Figures are added to
//! `BENCH_JSONL` (by default `bench.jsonl` in the cargo target directory), after those of other benches: a line each with `name`, `value`, `unit`, `peer` and `peer_value`. Where no other system does the
//! same, the peer is the bar that this one is held to.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and fails by panicking")]

#[path = "../shared/events.rs"]
mod events;
#[path = "../shared/figures.rs"]
mod figures;
#[path = "../shared/machine.rs"]
mod machine;
mod stages;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use figures::{Figure, Figures};

/// What the bench of the event log measures.
const OF_OTHERS: [&str; 2] = ["append_events_per_s", "log_read_events_per_s"];

/// Which measurement a child process makes.
const STAGE: &str = "VERTEBRA_BENCH_STAGE";

fn main() {
    let setting = Setting::read();
    if let Ok(stage) = std::env::var(STAGE) {
        for figure in stages::run(&stage, &setting) {
            println!("{}", figure.to_line());
        }
        return;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
    let lines = std::env::var_os("BENCH_JSONL").map_or(target.join("bench.jsonl"), PathBuf::from);
    let mut figures = Figures::open(&lines, |name| !OF_OTHERS.contains(&name) && !name.contains("kafka"));
    let _ = std::fs::remove_dir_all(&setting.dir);
    std::fs::create_dir_all(&setting.dir).unwrap();
    println!("a city of {} people in {}", setting.people(), setting.dir.display());
    for stage in stages::STAGES {
        let found = child(stage, &setting);
        found.iter().for_each(|figure| println!("  {stage}: {}", figure.to_line()));
        figures.extend(found);
    }
    std::fs::remove_dir_all(&setting.dir).unwrap();
    figures.write();
    figures.print();
}

/// What is measured on.
struct Setting {
    scale: f64,
    dir: PathBuf,
}

impl Setting {
    fn read() -> Setting {
        let scale = std::env::var("BENCH_SCALE")
            .ok()
            .map_or(1.0, |scale| scale.parse().expect("BENCH_SCALE is a number"));
        let dir =
            std::env::var_os("BENCH_DIR").map_or(PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        Setting { scale, dir: dir.join("bench-city") }
    }

    fn people(&self) -> u64 {
        ((simulator::Config::HANOI_PEOPLE as f64 * self.scale) as u64).max(1000)
    }

    /// `number` at full scale, less on a smaller city.
    fn scaled(&self, number: u64) -> u64 {
        ((number as f64 * self.scale) as u64).max(1000)
    }
}

fn child(stage: &str, setting: &Setting) -> Vec<Figure> {
    let output = Command::new(std::env::current_exe().unwrap())
        .env(STAGE, stage)
        .env("BENCH_SCALE", setting.scale.to_string())
        .env("BENCH_DIR", setting.dir.parent().unwrap())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the stage {stage} failed");
    String::from_utf8(output.stdout).unwrap().lines().map(Figure::of_line).collect()
}
