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
#[path = "../shared/setting.rs"]
mod setting;
mod stages;

use figures::Figures;
use setting::{STAGE, Setting};

/// What the bench of the event log measures.
const OF_OTHERS: [&str; 2] = ["append_events_per_s", "log_read_events_per_s"];

fn main() {
    let setting = Setting::read("bench-city");
    if let Ok(stage) = std::env::var(STAGE) {
        for figure in stages::run(&stage, &setting) {
            println!("{}", figure.to_line());
        }
        return;
    }
    let lines = Setting::lines();
    let mut figures = Figures::open(&lines, |name| !OF_OTHERS.contains(&name) && !name.contains("kafka"));
    let _ = std::fs::remove_dir_all(&setting.dir);
    std::fs::create_dir_all(&setting.dir).unwrap();
    println!("a city of {} people in {}", people(&setting), setting.dir.display());
    for stage in stages::STAGES {
        let found = setting.child(stage, &[]);
        found.iter().for_each(|figure| println!("  {stage}: {}", figure.to_line()));
        figures.extend(found);
    }
    std::fs::remove_dir_all(&setting.dir).unwrap();
    figures.write();
    figures.print();
}

/// How many people live in the city.
fn people(setting: &Setting) -> u64 {
    ((simulator::Config::HANOI_PEOPLE as f64 * setting.scale) as u64).max(1000)
}
