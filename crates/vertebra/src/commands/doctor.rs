//! `vertebra doctor`: what there is, how large, how far behind, and whether the books balance.

use std::{io::Write, path::Path, sync::Arc};

use ::audit::{Census, Lag, Weights, census, lag, weigh};
use anyhow::Context;
use clap::{Args, Subcommand};
use intake::{Intake, keys};
use projector::{Manifest, Reader, StoreError, hex};
use query::DataFolder;
use serde_json::{Value as Json, json};

use crate::{
    cli::Place,
    commands::audit::lost_ends,
    data,
    failure::Exit,
    output::{self, Sheet, Value, thousands},
    place::LogPlace,
};

/// `vertebra doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra doctor            sizes, positions, and what somebody should look at
  vertebra doctor census     every record of the log counted: events, copies, set aside; and where events contradict
                             themselves (two contents under one id, events that take each other back in a circle)

Exit code 1 where something serious was found.")]
pub(crate) struct Doctor {
    #[command(subcommand)]
    which: Option<Which>,
    /// Print what was found as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Which {
    /// Count every record of the log, and see that the books balance: records = events + copies + set aside
    Census,
}

/// Something that somebody should look at.
struct Complaint {
    /// It makes the exit code 1.
    serious: bool,
    what: String,
}

impl Doctor {
    pub(crate) fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let folder = data::open_under_its_rules(place)?;
        let mut complaints = Vec::new();
        let reader = reader(&folder, &mut complaints)?;
        match self.which {
            None => {
                let logs = LogPlace::of(place)?;
                self.report(&folder, logs.folder(), reader.as_ref().map(Reader::manifest), complaints)
            }
            Some(Which::Census) => self.census(&folder, reader.as_ref()),
        }
    }

    fn report(
        &self,
        folder: &DataFolder,
        logs: Option<&Path>,
        manifest: Option<&Manifest>,
        mut complaints: Vec<Complaint>,
    ) -> anyhow::Result<Exit> {
        let log = folder.log()?;
        let ends = log.ends()?;
        let records: u64 = ends.iter().sum();
        let weights =
            weigh(folder.root(), logs, records, manifest).context("cannot look into the data folder")?;
        let key = key(folder, &mut complaints)?;
        let bundle = bundle(folder, &mut complaints)?;
        let mut behind = None;
        if let Some(manifest) = manifest {
            let lag = lag(&*log, &ends, manifest)?;
            look_at(manifest, &ends, lag, &mut complaints);
            behind = Some(lag);
        }
        complaints.extend(deleted_heads(&log.begins()?));
        complaints.extend(open_transactions(&log.unstable()?));
        let mut out = output::stdout();
        if self.json {
            let said =
                |complaint: &Complaint| json!({ "serious": complaint.serious, "what": complaint.what });
            let report = json!({
                "data": folder.root().display().to_string(),
                "log": { "id": log.id().to_string(), "partitions": log.partitions(), "records": records },
                "key": key,
                "bundle": bundle,
                "lag": behind,
                "weights": weights,
                "projections": manifest.map(|manifest| &manifest.projections),
                "complaints": complaints.iter().map(said).collect::<Vec<_>>(),
            });
            writeln!(out, "{report}")?;
        } else {
            let (data, partitions) = (folder.root().display(), log.partitions());
            writeln!(out, "{data}: {} records in {partitions} partitions", thousands(records as i64))?;
            print(&weights, &complaints, &mut out)?;
        }
        out.flush()?;
        let serious = complaints.iter().any(|complaint| complaint.serious);
        Ok(if serious { Exit::CheckFailed } else { Exit::Ok })
    }

    fn census(&self, folder: &DataFolder, stored: Option<&Reader>) -> anyhow::Result<Exit> {
        let counted = census(&*folder.log()?, stored)?;
        let mut out = output::stdout();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&counted)?)?;
        } else {
            print_census(&counted, &mut out)?;
        }
        out.flush()?;
        Ok(if counted.is_clean() { Exit::Ok } else { Exit::CheckFailed })
    }
}

/// The last snapshot, if there is one.
fn reader(folder: &DataFolder, complaints: &mut Vec<Complaint>) -> anyhow::Result<Option<Reader>> {
    match Reader::open(&folder.projector(), Arc::clone(folder.files())) {
        Ok(reader) => Ok(Some(reader)),
        Err(StoreError::Refused(what)) => {
            complaints.push(Complaint { serious: false, what });
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn key(folder: &DataFolder, complaints: &mut Vec<Complaint>) -> anyhow::Result<Json> {
    let path = Intake::deployment_key_path(folder.root());
    let expected = folder.control()?.key_id;
    let found = keys::read_deployment_key(&path)?;
    let id = found.as_ref().map(|key| key.id().to_owned());
    match &id {
        None => complaints.push(Complaint {
            serious: false,
            what: format!("{} is missing: figures can be asked for, nothing can be taken in", path.display()),
        }),
        Some(id) if *id != expected => complaints.push(Complaint {
            serious: true,
            what: format!(
                "{} is the key {id}, the log's subjects were made under {expected}",
                path.display()
            ),
        }),
        Some(_) => {}
    }
    let simulated = keys::is_simulated(&path)?;
    if simulated {
        let what = "the key of a simulated city, which anybody can make: it hides no real number";
        complaints.push(Complaint { serious: false, what: format!("{} is {what}", path.display()) });
    }
    Ok(json!({ "id": id, "expected": expected, "simulated": simulated }))
}

fn bundle(folder: &DataFolder, complaints: &mut Vec<Complaint>) -> anyhow::Result<Json> {
    let control = folder.control()?;
    let Some(active) = control.active() else {
        complaints.push(Complaint {
            serious: true,
            what: "no bundle is active: run `vertebra project`".to_owned(),
        });
        return Ok(Json::Null);
    };
    Ok(
        json!({ "digest": hex(&active.digest), "active_since": active.known.to_string(), "activations": control.activations.len() }),
    )
}

fn look_at(manifest: &Manifest, ends: &[u64], lag: Lag, complaints: &mut Vec<Complaint>) {
    let positions = manifest.positions();
    complaints.extend(lost_ends(&positions, ends).map(|what| Complaint { serious: true, what }));
    if lag.records > 0 {
        let what = format!(
            "the figures are {} records behind, {} of recorded time: run `vertebra project`",
            thousands(lag.records as i64),
            output::duration(lag.milliseconds)
        );
        complaints.push(Complaint { serious: false, what });
    }
    let set_aside: usize = manifest.partitions.iter().map(|partition| partition.set_aside.len()).sum();
    if set_aside > 0 {
        let what = format!(
            "{} records could not be read and are set aside: `vertebra project --json` lists them",
            thousands(set_aside as i64)
        );
        complaints.push(Complaint { serious: false, what });
    }
    for (number, partition) in manifest.partitions.iter().enumerate() {
        if let Some(why) = &partition.stopped {
            complaints
                .push(Complaint { serious: true, what: format!("partition {number} stands still: {why}") });
        }
    }
}

/// Somebody deleted from the log what it holds for ever: figures that stand past it are whole, nothing else is.
fn deleted_heads(begins: &[u64]) -> impl Iterator<Item = Complaint> {
    let deleted = begins.iter().enumerate().filter(|(_, begin)| **begin > 0);
    deleted.map(|(partition, begin)| {
        let last = begin - 1;
        let what = format!(
            "partition {partition} of the log begins at offset {begin}: what stood at 0 to {last} was deleted and can not be \
             read again; `vertebra doctor census` names what histories still hold of it; don't remove them, bring the log back"
        );
        Complaint { serious: true, what }
    })
}

/// Somebody writes to the log with transactions: nobody can read past one that is not ended.
fn open_transactions(unstable: &[(u16, u64, u64)]) -> impl Iterator<Item = Complaint> {
    unstable.iter().map(|(partition, at, end)| Complaint {
        serious: true,
        what: ::audit::open_transaction(*partition, *at, *end),
    })
}

fn print(weights: &Weights, complaints: &[Complaint], out: &mut dyn Write) -> anyhow::Result<()> {
    let mut sheet = Sheet::new(["folder", "bytes", "what_it_is"]);
    let mean = |hundredths: Option<u64>, of: &str| {
        hundredths.map(|mean| format!(", {}.{:02} bytes a {of}", mean / 100, mean % 100)).unwrap_or_default()
    };
    let log = format!("events: ground state{}", mean(weights.log_bytes_per_record_hundredths, "record"));
    let projector = format!(
        "histories and figures: derived{}",
        mean(weights.projector_bytes_per_fact_hundredths, "fact")
    );
    for (name, bytes, about) in [
        ("log", weights.log_bytes, log),
        ("control", weights.control_bytes, "bundles and their activations: ground state".to_owned()),
        ("keys", weights.keys_bytes, "of the deployment and of every person: secret".to_owned()),
        ("intake", weights.intake_bytes, "index of records and ids: derived".to_owned()),
        ("projector", weights.projector_bytes, projector),
    ] {
        sheet.push(vec![Value::text(name), Value::Count(bytes as i64), Value::text(about)]);
    }
    sheet.write_table(out)?;
    if weights.records > 0 {
        writeln!(
            out,
            "  figures on {} records: {} facts, {} copies, {} set aside; {} to {} records a partition",
            thousands(weights.records as i64),
            thousands(weights.facts as i64),
            thousands(weights.copies as i64),
            thousands(weights.set_aside as i64),
            thousands(weights.partition_records_min as i64),
            thousands(weights.partition_records_max as i64),
        )?;
    }
    if complaints.is_empty() {
        writeln!(out, "  Nothing to complain about.")?;
    }
    for complaint in complaints {
        writeln!(out, "  {} {}", if complaint.serious { "!" } else { "-" }, complaint.what)?;
    }
    Ok(())
}

fn print_census(counted: &Census, out: &mut dyn Write) -> anyhow::Result<()> {
    let sum = |of: fn(&::audit::PartitionCensus) -> u64| {
        Value::Count(counted.partitions.iter().map(of).sum::<u64>() as i64)
    };
    let mut sheet =
        Sheet::new(["partitions", "records", "events", "copies", "set_aside", "conflicts", "circles"]);
    sheet.push(vec![
        Value::Count(counted.partitions.len() as i64),
        sum(|partition| partition.records),
        sum(|partition| partition.events),
        sum(|partition| partition.copies),
        sum(|partition| partition.set_aside.len() as u64),
        sum(|partition| partition.conflicts.len() as u64),
        sum(|partition| partition.circles.len() as u64),
    ]);
    sheet.write_table(out)?;
    for partition in &counted.partitions {
        for (what, offsets) in [
            ("another content came under the id of the event", &partition.conflicts),
            ("nothing counts, for it takes itself back in a circle,", &partition.circles),
        ] {
            const SHOWN_MAX: usize = 20;
            if offsets.is_empty() {
                continue;
            }
            let shown: Vec<String> = offsets.iter().take(SHOWN_MAX).map(u64::to_string).collect();
            let more = offsets.len() - shown.len();
            let more =
                if more == 0 { String::new() } else { format!(" and {more} more (`--json` lists all)") };
            let (number, shown) = (partition.partition, shown.join(", "));
            writeln!(out, "  - partition {number}: {what} at offset {shown}{more}")?;
        }
        for (subject, facts) in &partition.quarantined {
            let (number, facts) = (partition.partition, thousands(*facts as i64));
            writeln!(out, "  - partition {number}: subject {subject} has {facts} facts and is folded late")?;
        }
    }
    for finding in &counted.findings {
        writeln!(out, "  ! {finding}")?;
    }
    if counted.is_clean() {
        writeln!(out, "  The books balance: records = events + copies + set aside, in every partition.")?;
    }
    Ok(())
}
