//! `vertebra log`: the logs of a deployment as a whole.

use std::{io::Write, path::Path};

use clap::{Args, Subcommand};
use event_log::{Copied, CopyOptions, EventLog, Logs, copy};
use projector::hex;
use serde_json::json;

use crate::{
    cli::Place,
    failure::{Exit, Failure},
    output::{self, thousands},
    place::LogPlace,
    progress::Watched,
};

/// `vertebra log`.
#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Copy both logs to another place, and compare them
    Copy(Copy),
}

/// `vertebra log copy`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra log copy --to kafka://broker:9092                       the data folder's logs into topics
  vertebra log copy --log kafka://broker:9092 --to backup          and back, into the folder ./backup
  vertebra log copy --log kafka://broker:9092 --to kafka://other:9092

Every record goes to the offset it had, so both places must have as many partitions; topics are made before, with `vertebra
topics apply`. A copy that was cut short is gone on with when the same command is run again. At the end both are read to the
last copied record and compared (exit code 1 where they differ).

The copy is another log with an id of its own: figures are projected from it anew, and give the same digests; receipts made
on the first are verified against the first.")]
pub(crate) struct Copy {
    /// Where to: a folder, or kafka://HOST:PORT[,HOST:PORT...][/PREFIX]
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// Put an empty record in the place of each that the log lacks, because somebody deleted it or wrote with transactions
    #[arg(long)]
    fill_missing: bool,
    /// Print what was copied as JSON
    #[arg(long)]
    json: bool,
}

impl Log {
    pub(crate) fn run(self, place: &Place) -> anyhow::Result<Exit> {
        match self {
            Log::Copy(copy) => copy.run(place),
        }
    }
}

impl Copy {
    fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        let from = LogPlace::of(place)?;
        let to = LogPlace::parse(&self.to, Path::new(""), place.kafka_config.clone())?;
        if from == to {
            return Err(Failure::Usage("a log is not copied into itself".to_owned()).into());
        }
        let (from, to) = (from.logs()?, to.logs()?);
        let mut out = output::stdout();
        let mut told = Vec::new();
        // The control log last: with it the copy is a deployment.
        for name in ["log", "control"] {
            let source = from.open(name)?.ok_or_else(|| {
                Failure::Refused(format!(
                    "there is no log \"{name}\" to copy: name its place with --log or --data"
                ))
            })?;
            let target = open_target(to.as_ref(), name, source.as_ref())?;
            let watched = Watched::new("copying", "records");
            let options = CopyOptions { fill_missing: self.fill_missing };
            let copied =
                copy(source.as_ref(), target.as_ref(), options, &mut |done, total| watched.at(done, total))?;
            drop(watched);
            let ids = (source.id().to_string(), target.id().to_string());
            if self.json {
                told.push(as_json(name, &copied, &ids));
            } else {
                print(name, &copied, &ids, &mut out)?;
            }
        }
        if self.json {
            writeln!(out, "{}", json!({ "logs": told, "receipts_carry_over": false }))?;
        } else {
            writeln!(
                out,
                "The copy is another log: project it anew; receipts made on the first one are verified against that."
            )?;
        }
        out.flush()?;
        Ok(Exit::Ok)
    }
}

/// The log that is copied into: begun before, or made now.
fn open_target(to: &dyn Logs, name: &str, source: &dyn EventLog) -> anyhow::Result<Box<dyn EventLog>> {
    Ok(match to.open(name)? {
        Some(_) => to.open_for_writing(name)?,
        None => to.create(name, source.partitions())?,
    })
}

fn as_json(name: &str, copied: &Copied, (from, to): &(String, String)) -> serde_json::Value {
    json!({
        "log": name,
        "from": from,
        "to": to,
        "records": copied.records,
        "there_before": copied.there_before,
        "flawed": copied.flawed,
        "filled": copied.filled,
        "digest": hex(&copied.digest),
    })
}

fn print(
    name: &str,
    copied: &Copied,
    (from, to): &(String, String),
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let count = |number: u64| thousands(number as i64);
    let what = if name == "log" { "events" } else { "control records" };
    writeln!(
        out,
        "{} {what} in both, {} of them there before; BLAKE3 {}",
        count(copied.records),
        count(copied.there_before),
        hex(&copied.digest)
    )?;
    writeln!(out, "  from log {from} to log {to}")?;
    if copied.flawed > 0 {
        let flawed = count(copied.flawed);
        writeln!(
            out,
            "  {flawed} records are no events of ours (set aside): the copy has an empty one for each"
        )?;
    }
    if copied.filled > 0 {
        writeln!(out, "  {} records are missing: the copy has an empty one for each", count(copied.filled))?;
    }
    Ok(())
}
