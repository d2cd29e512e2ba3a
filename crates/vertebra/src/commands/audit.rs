//! `vertebra audit`: everything computed again, and compared.

use std::io::Write;

use ::audit::{ReplayReport, replay};
use clap::{Args, Subcommand};
use contract::Millis;
use projector::hex;
use query::Desk;

use crate::{
    cli::{Place, Positions, moment, positions},
    data,
    failure::{Exit, Failure},
    output::{self, Sheet, Value, thousands},
    progress::Watched,
};

/// `vertebra audit ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Compute histories and figures again from the log alone, and compare them with what is stored
    #[command(after_help = "\
Examples:
  vertebra audit replay                        up to where the figures stand
  vertebra audit replay --until 2026-06-30     up to what was known then
  vertebra audit replay --until 120,96,...     up to these positions, an offset for each partition

Exit code 1 where something differs; the first person or cell is named. Histories are compared always, figures where
they stand at the same positions, under the same bundle and version. While somebody projects, histories can be compared
only as far as base files hold them, and this says how far that is; otherwise nobody can project until this ends.")]
    Replay(Replay),
}

/// `vertebra audit replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Up to what was known at this moment, or up to these positions
    #[arg(long, value_name = "MOMENT|POSITIONS", value_parser = until)]
    until: Option<Until>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Until {
    Moment(Millis),
    Positions(Positions),
}

fn until(text: &str) -> Result<Until, String> {
    if let Ok(positions) = positions(text) {
        return Ok(Until::Positions(positions));
    }
    moment(text)
        .map(Until::Moment)
        .map_err(|said| format!("{said}, or positions: an offset for each partition, with commas between"))
}

impl Audit {
    pub(crate) fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let Audit::Replay(command) = self;
        command.run(place)
    }
}

impl Replay {
    fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let folder = data::open_under_its_rules(place)?;
        let log = folder.log()?;
        let desk = data::open_desk(&folder, &*log)?;
        let (positions, time) = match self.until {
            None => {
                let positions = desk.reader().manifest().positions();
                if let Some(what) = lost_ends(&positions, &log.ends()?).next() {
                    return Err(Failure::CheckFailed(what).into());
                }
                (None, None)
            }
            Some(Until::Positions(Positions(positions))) => (Some(positions), None),
            Some(Until::Moment(time)) => {
                (Some(desk.reader().known_at(&*log, time, data::now())?.positions), Some(time))
            }
        };
        let digest = bundle_digest(&desk, time)?;
        let bundle = desk.bundle(&digest)?;
        let watched = Watched::new("replaying", "records");
        let report = replay(&*log, &bundle, positions.as_deref(), Some(desk.reader()), &|progress| {
            watched.at(progress.done, progress.total);
        })?;
        drop(watched);
        let mut out = output::stdout();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            let behind: u64 =
                log.ends()?.iter().zip(&report.positions).map(|(end, at)| end.saturating_sub(*at)).sum();
            print(&report, behind, &mut out)?;
        }
        out.flush()?;
        Ok(if report.is_clean() { Exit::Ok } else { Exit::CheckFailed })
    }
}

/// What to say of each partition in which the log does not go as far as the figures.
pub(crate) fn lost_ends(positions: &[u64], ends: &[u64]) -> impl Iterator<Item = String> {
    let partitions = positions.iter().zip(ends).enumerate();
    partitions.filter(|(_, (at, end))| at > end).map(|(partition, (at, end))| {
        format!(
            "the figures stand at offset {at} of partition {partition}, the log ends at {end}: the log lost its end or is an older copy; bring it back"
        )
    })
}

/// The bundle that was active at a moment, or the one that the figures stand on.
fn bundle_digest(desk: &Desk<'_>, time: Option<Millis>) -> Result<[u8; 32], Failure> {
    let control = desk.control();
    let found = match time {
        Some(time) => control.at(time),
        None => {
            let served = &desk.reader().manifest().bundle;
            control.activations.iter().find(|activation| hex(&activation.digest) == *served)
        }
    };
    let none = "the bundle of the figures was never active in this folder: run `vertebra project`";
    found.map(|activation| activation.digest).ok_or_else(|| Failure::Refused(none.to_owned()))
}

fn print(report: &ReplayReport, behind: u64, out: &mut dyn Write) -> std::io::Result<()> {
    let beyond = if behind > 0 {
        format!("; {} more are in the log", thousands(behind as i64))
    } else {
        String::new()
    };
    writeln!(
        out,
        "{} records of {} people and other subjects computed again{beyond}",
        thousands(report.records as i64),
        thousands(report.subjects as i64)
    )?;
    let mut sheet = Sheet::new(["projection", "version", "digest"]);
    for projection in &report.projections {
        sheet.push(vec![
            Value::text(projection.name.as_str()),
            Value::Count(projection.version.into()),
            Value::text(projection.digest.as_str()),
        ]);
    }
    sheet.write_table(out)?;
    for (partition, why) in &report.stopped {
        writeln!(out, "  partition {partition} could not be read on: {why}")?;
    }
    let Some(stored) = &report.stored else { return writeln!(out, "  Nothing is stored to compare with.") };
    if let Some(store) = stored.person.as_ref().filter(|person| person.subject.is_empty()) {
        writeln!(out, "  what is stored of partition {} cannot be read: {}", store.partition, store.what)?;
    } else if let Some(person) = &stored.person {
        let at = person.offset.map(|offset| format!(", offset {offset}")).unwrap_or_default();
        writeln!(
            out,
            "  {} people differ; the first: subject {}, partition {}{at}: {}",
            thousands(stored.people as i64),
            person.subject,
            person.partition,
            person.what
        )?;
    }
    for difference in &stored.figures {
        writeln!(out, "  differs: {difference}")?;
    }
    if let Some(why_not) = &stored.why_not {
        writeln!(out, "  Figures were not compared: {why_not}")?;
    }
    if let Some(why) = &stored.bases_only {
        let compared: u64 = stored.histories_until.iter().sum();
        writeln!(
            out,
            "  Histories were compared as far as base files hold them, {} of {} records: {why}",
            thousands(compared as i64),
            thousands(report.records as i64)
        )?;
    }
    if report.is_clean() {
        let what = if stored.figures_compared { "histories and figures" } else { "histories" };
        writeln!(out, "  No difference: the stored {what} are what the log says.")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_is_a_moment_or_positions() {
        assert_eq!(until("3, 5"), Ok(Until::Positions(Positions(vec![3, 5]))));
        assert_eq!(until("[3,5]"), Ok(Until::Positions(Positions(vec![3, 5]))));
        assert_eq!(until("2026-06-30"), Ok(Until::Moment(moment("2026-06-30").unwrap())));
        assert!(until("3;5").unwrap_err().contains("positions"));
    }
}
