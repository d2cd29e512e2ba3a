//! `vertebra project`: log to figures.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use projector::{Commit, Manifest, Opened, Options, Progress, Projector};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::{
    cli::Place,
    data,
    failure::Exit,
    output::{self, Sheet, Value, thousands},
    progress::Watched,
};

/// `vertebra project`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra project                        read what is new, and stop
  vertebra project --follow               and go on until Ctrl-C; queries work meanwhile
  vertebra project --rebuild              everything anew beside the old, compared, swapped
  vertebra project --policy drafts/2027   under other rules, from now on

Everything it writes is derived: the folder `projector` can be removed at any time. Exit code 1 where a rebuild finds
figures that differ from those that were served, 5 where a partition of the log is damaged: it stands still, the others
go on. Exit code 4 where the storage of a partition did not answer: run it again; who follows asks again by itself.
A rebuild that cannot read the log as far as the figures stand changes nothing.

While it follows, questions are answered from its last snapshot: it writes one after every two seconds with something new, and
where writing takes long, after 20 times what the last one took.")]
pub(crate) struct Project {
    /// Go on until a signal: what is appended is folded within the second, and in answers within some
    #[arg(long, conflicts_with = "rebuild")]
    follow: bool,
    /// Read the whole log into new histories and figures beside those that serve, tell the differences, and swap
    #[arg(long)]
    rebuild: bool,
    /// Threads for long work [default: one a core]
    #[arg(long, value_name = "COUNT")]
    threads: Option<usize>,
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

impl Project {
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        let folder = data::open(place)?;
        let bundle = data::activate_named(place, &folder)?;
        let log = folder.log()?;
        let mut options = Options::default();
        if let Some(threads) = self.threads {
            options.workers = threads.clamp(1, 256);
        }
        let begun = Instant::now();
        let files = Arc::clone(folder.files());
        let (mut projector, opened) = Projector::open(&folder.projector(), files, &*log, &bundle, options)?;
        if let Opened::Discarded { why } = &opened {
            tracing::warn!(%why, "the derived files are thrown away and built again");
        }
        let watched = Watched::new("projecting", "records");
        let told = |progress: Progress| watched.at(progress.done, progress.total);
        // Who follows writes snapshots beside it; until the next one questions are answered from the last, if there is one.
        let answers = matches!(opened, Opened::Snapshot);
        let stands = projector.positions().iter().any(|at| *at > 0);
        let (read, differences) = if self.rebuild && stands {
            // It reads on to the end itself, after what stands was built again.
            let rebuilt = projector.rebuild(&told)?;
            (rebuilt.read, rebuilt.differences)
        } else if self.follow && answers {
            (projector.read_to_end(&told)?, Vec::new())
        } else {
            (projector.catch_up(&told)?, Vec::new())
        };
        drop(watched);
        let took = begun.elapsed();
        self.tell(&projector.manifest(), read, &differences, took)?;
        if self.follow {
            follow(&mut projector)?;
        }
        Ok(if !stopped(&projector.manifest()).is_empty() {
            if projector.waits_for_storage() { Exit::Unavailable } else { Exit::Corrupt }
        } else if differences.is_empty() {
            Exit::Ok
        } else {
            Exit::CheckFailed
        })
    }

    fn tell(
        &self,
        manifest: &Manifest,
        read: u64,
        differences: &[String],
        took: Duration,
    ) -> anyhow::Result<()> {
        let mut out = output::stdout();
        if self.json {
            let answer = json!({
                "records_read": read,
                "seconds": took.as_secs_f64(),
                "log": manifest.log,
                "bundle": manifest.bundle,
                "positions": manifest.positions(),
                "records": manifest.positions().iter().sum::<u64>(),
                "copies": manifest.partitions.iter().map(|partition| partition.copies).sum::<u64>(),
                "set_aside": set_aside(manifest),
                "stopped": stopped(manifest),
                "projections": manifest.projections,
                "events_digest": manifest.events_digest,
                "rebuilt": self.rebuild,
                "differences": differences,
            });
            writeln!(out, "{answer}")?;
        } else {
            self.print(manifest, read, differences, took, &mut out)?;
        }
        out.flush()?;
        Ok(())
    }

    fn print(
        &self,
        manifest: &Manifest,
        read: u64,
        differences: &[String],
        took: Duration,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let seconds = took.as_secs_f64();
        let records = manifest.positions().iter().sum::<u64>();
        if read == 0 && !self.rebuild {
            writeln!(out, "Nothing new: the figures stand on {} records.", thousands(records as i64))?;
        } else {
            let folded = if self.rebuild { records } else { read };
            writeln!(
                out,
                "{} records read in {seconds:.1} s ({} a second); the figures stand on {}.",
                thousands(folded as i64),
                thousands((folded as f64 / seconds.max(1e-3)) as i64),
                thousands(records as i64),
            )?;
        }
        let mut sheet = Sheet::new(["projection", "version", "digest"]);
        for projection in &manifest.projections {
            sheet.push(vec![
                Value::text(projection.name.as_str()),
                Value::Count(projection.version.into()),
                Value::text(projection.digest.as_str()),
            ]);
        }
        sheet.write_table(out)?;
        for (partition, offset, reason) in set_aside(manifest).iter().take(10) {
            writeln!(out, "  set aside: {partition}:{offset}: {reason}")?;
        }
        for (partition, why) in stopped(manifest) {
            writeln!(out, "  partition {partition} stands still: {why}")?;
        }
        if self.rebuild && differences.is_empty() {
            writeln!(out, "  Rebuilt beside the old figures: no difference.")?;
        }
        for difference in differences {
            writeln!(out, "  differs: {difference}")?;
        }
        Ok(())
    }
}

/// Partition, offset and reason of each record that gave no fact.
fn set_aside(manifest: &Manifest) -> Vec<(usize, u64, &str)> {
    let partitions = manifest.partitions.iter().enumerate();
    partitions
        .flat_map(|(number, state)| {
            state.set_aside.iter().map(move |(offset, reason)| (number, *offset, reason.as_str()))
        })
        .collect()
}

fn stopped(manifest: &Manifest) -> Vec<(usize, &str)> {
    let partitions = manifest.partitions.iter().enumerate();
    partitions.filter_map(|(number, state)| state.stopped.as_deref().map(|why| (number, why))).collect()
}

fn follow(projector: &mut Projector<'_>) -> anyhow::Result<()> {
    let shutdown = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // A second signal ends at once: whoever sends it does not want to wait.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&shutdown))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&shutdown)))
            .context("cannot listen for signals")?;
    }
    // Not among what programs read. Nor is it an error that nobody reads it.
    let _ = writeln!(std::io::stderr(), "Following the log; Ctrl-C ends it.");
    projector.follow(&shutdown, &mut |Commit { events, took }| {
        tracing::info!(events, took_ms = took.as_millis() as u64, "committed");
    })?;
    tracing::info!(signalled = shutdown.load(Ordering::Relaxed), "stopped");
    Ok(())
}
