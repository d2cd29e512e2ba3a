//! Figures, with what each is held to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// One figure.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: String,
    peer: String,
    peer_value: Option<f64>,
}

/// Name, unit, bar, and whether more is better.
const BARS: [(&str, &str, f64, bool); 16] = [
    ("simulate_events_per_s", "events/s", 1e6, true),
    ("append_events_per_s", "events/s", 1.5e6, true),
    ("rebuild_events_per_s", "events/s", 5e6, true),
    ("rebuild_rss_gb", "GB", 3.0, false),
    ("fact_bytes_mean", "bytes", 48.0, false),
    ("known_at_city_s", "s", 5.0, false),
    ("restart_ready_s", "s", 2.0, false),
    ("restart_cold_ready_s", "s", 10.0, false),
    ("catchup_events_per_s", "events/s", 3e5, true),
    ("live_commit_p99_ms", "ms", 20.0, false),
    ("serve_rss_gb", "GB", 3.0, false),
    ("append_kafka_vs_perf_test", "times", 0.9, true),
    ("rebuild_kafka_vs_perf_test", "times", 0.5, true),
    ("event_to_figure_kafka_p99_ms", "ms", 100.0, false),
    ("vs_kafka_streams", "times", 10.0, true),
    ("catchup_vs_kafka_streams", "times", 4.0, true),
];

impl Figure {
    /// A figure that is held to its bar.
    pub(crate) fn new(name: &str, value: f64) -> Figure {
        let bar = BARS.iter().find(|bar| bar.0 == name);
        let (_, unit, bar, _) = bar.unwrap_or_else(|| panic!("{name} has no bar"));
        Figure {
            name: name.to_owned(),
            value,
            unit: (*unit).to_owned(),
            peer: "bar".to_owned(),
            peer_value: Some(*bar),
        }
    }

    /// A figure that says how large something was.
    pub(crate) fn fact(name: &str, value: f64, unit: &str) -> Figure {
        Figure { name: name.to_owned(), value, unit: unit.to_owned(), peer: String::new(), peer_value: None }
    }

    /// A figure beside what somebody else did.
    #[allow(dead_code, reason = "not every bench has a peer")]
    pub(crate) fn beside(name: &str, value: f64, unit: &str, peer: &str, peer_value: f64) -> Figure {
        let (peer, peer_value) = (peer.to_owned(), Some(peer_value));
        Figure { name: name.to_owned(), value, unit: unit.to_owned(), peer, peer_value }
    }

    #[allow(dead_code, reason = "see above")]
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    #[allow(dead_code, reason = "see above")]
    pub(crate) fn value(&self) -> f64 {
        self.value
    }

    pub(crate) fn to_line(&self) -> String {
        let Figure { name, value, unit, peer, peer_value } = self;
        json!({ "name": name, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value })
            .to_string()
    }

    pub(crate) fn of_line(line: &str) -> Figure {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not a figure: {line}"));
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        Figure {
            name: text("name"),
            value: line["value"].as_f64().unwrap(),
            unit: text("unit"),
            peer: text("peer"),
            peer_value: line["peer_value"].as_f64(),
        }
    }

    /// Whether it is as good as its bar; `None`: it has none.
    fn is_met(&self) -> Option<bool> {
        let (_, _, bar, more) = BARS.iter().find(|bar| bar.0 == self.name)?;
        Some(if *more { self.value >= *bar } else { self.value <= *bar })
    }
}

/// All figures of a run, and the file they are kept in.
pub(crate) struct Figures {
    path: PathBuf,
    figures: Vec<Figure>,
}

impl Figures {
    /// Goes on from what other benches have written there; what this one wrote before (`is_own`) is measured anew.
    pub(crate) fn open(path: &Path, is_own: impl Fn(&str) -> bool) -> Figures {
        let before = fs::read_to_string(path).unwrap_or_default();
        let mut figures: Vec<Figure> = before.lines().map(Figure::of_line).collect();
        figures.retain(|figure| !is_own(&figure.name));
        Figures { path: path.to_owned(), figures }
    }

    /// Adds figures; of one that comes twice, as the memory of two processes, the larger counts.
    pub(crate) fn extend(&mut self, found: Vec<Figure>) {
        for figure in found {
            match self.figures.iter_mut().find(|known| known.name == figure.name) {
                Some(known) if known.value < figure.value => *known = figure,
                Some(_) => {}
                None => self.figures.push(figure),
            }
        }
    }

    pub(crate) fn write(&self) {
        let lines: Vec<String> = self.figures.iter().map(|figure| figure.to_line() + "\n").collect();
        fs::write(&self.path, lines.concat()).unwrap();
    }

    pub(crate) fn print(&self) {
        println!("\n{:<30} {:>14}  {:<9} {:>14}  {:<14} met", "name", "value", "unit", "peer value", "peer");
        for figure in &self.figures {
            let peer_value = figure.peer_value.map_or(String::new(), shown);
            let met = figure.is_met().map_or("", |met| if met { "yes" } else { "no" });
            let Figure { name, value, unit, peer, .. } = figure;
            println!("{name:<30} {:>14}  {unit:<9} {peer_value:>14}  {peer:<14} {met}", shown(*value));
        }
        println!("\nwritten to {}", self.path.display());
    }
}

fn shown(value: f64) -> String {
    if value.abs() < 1000.0 {
        return format!("{value:.3}");
    }
    let digits = format!("{value:.0}");
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}
