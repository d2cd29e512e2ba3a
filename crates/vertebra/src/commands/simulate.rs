//! `vertebra simulate`: a synthetic city.

use std::{io::Write, time::Instant};

use clap::Args;
use contract::Day;
use intake::keys::{self, PersonKeysWriter};
use serde_json::json;
use simulator::{City, Config, PEOPLE_MAX, Places};

use crate::{
    cli::Place,
    data,
    failure::{Exit, Failure},
    output::{self, Sheet, Value, thousands},
    progress::Watched,
};

/// `vertebra simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra simulate --people 20000 --data town       a town, in a second
  vertebra simulate --scale 0.1 --seed 7 --data tenth  a tenth of Hanoi, another one
  vertebra simulate --scale 1 --data hanoi           8.6 million people, about 60 million events

The same seed, number of people, year and version give the same log, byte for byte. Nobody in it exists, and its key is
public: real people's data does not belong into the same folder.")]
pub(crate) struct Simulate {
    /// How many people live in the city [default: 20000]
    #[arg(long, value_name = "COUNT", conflicts_with = "scale")]
    people: Option<u64>,
    /// How many, as a part of Hanoi's 8.6 million
    #[arg(long, value_name = "PART")]
    scale: Option<f64>,
    /// Another seed, another city
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// The year that is lived, 2026 or 2027: prices and days off of others are not known. The registers are loaded in the
    /// December before
    #[arg(long, value_name = "YEAR", default_value_t = 2026, value_parser = clap::value_parser!(i32).range(Config::YEARS))]
    year: i32,
    /// Into how many partitions the log is cut, for ever [default: 64, or what an empty log that stands there has]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=4096))]
    partitions: Option<u16>,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

impl Simulate {
    fn people(&self) -> Result<u64, Failure> {
        match (self.people, self.scale) {
            (Some(people), _) => Ok(people),
            (None, None) => Ok(20_000),
            (None, Some(scale)) if scale > 0.0 && scale.is_finite() => {
                Ok(((Config::HANOI_PEOPLE as f64 * scale).round() as u64).max(1))
            }
            (None, Some(_)) => {
                Err(Failure::Usage("--scale is a part of Hanoi: 1 is the whole, 0.01 a hundredth".into()))
            }
        }
    }

    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        let people = self.people()?;
        if people == 0 || people > PEOPLE_MAX {
            let most = thousands(PEOPLE_MAX as i64);
            return Err(Failure::Usage(format!("a city has 1 to {most} people")).into());
        }
        let bundle = place.sources().find(None)?.parse()?;
        let places = Places::of(&bundle.reference, Day::new_year(self.year))
            .map_err(|error| Failure::Refused(error.to_string()))?;
        let city = City::new(Config { year: self.year, ..Config::new(self.seed, people) }, places);
        let unfinished = data::Unfinished::begin(place)?;
        let (folder, key) = data::create(place, self.partitions, Some(&keys::simulated_secret(self.seed)))?;
        let log = folder.log_for_writing()?;
        let mut keys = PersonKeysWriter::create(folder.root())?;
        let begun = Instant::now();
        let watched = Watched::new("simulating", "people");
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let summary = simulator::simulate(
            &city,
            &key,
            &*log,
            threads,
            &mut |subject, key| keys.push(subject, key),
            &mut |progress| {
                watched.at(progress.people, progress.people_total);
            },
        )?;
        drop(log);
        keys.finish()?;
        unfinished.end()?;
        drop(watched);
        let seconds = begun.elapsed().as_secs_f64();
        let mut out = output::stdout();
        if self.json {
            let answer = json!({
                "people": summary.people,
                "events": summary.events,
                "bytes": summary.bytes,
                "mean_event_bytes": summary.mean_event_bytes(),
                "by_kind": summary.by_kind,
                "log_digest": format!("{:016x}", summary.digest),
                "seconds": seconds,
            });
            writeln!(out, "{answer}")?;
        } else {
            writeln!(
                out,
                "{} people, {} events of {} bytes on average, in {seconds:.1} s ({} events a second)",
                thousands(summary.people as i64),
                thousands(summary.events as i64),
                summary.mean_event_bytes(),
                thousands((summary.events as f64 / seconds) as i64),
            )?;
            let mut sheet = Sheet::new(["event", "count", "share"]);
            let mut kinds: Vec<_> = summary.by_kind.iter().collect();
            kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (kind, count) in kinds {
                let (count, all) = (*count as i64, summary.events as i64);
                sheet.push(vec![Value::text(*kind), Value::Count(count), Value::share(count, all)]);
            }
            sheet.write_table(&mut out)?;
        }
        out.flush()?;
        Ok(Exit::Ok)
    }
}
