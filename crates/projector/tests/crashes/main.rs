//! Crashes at every operation of the projector, from seeds: whatever is interrupted, the log has every acknowledged event
//! once, the figures and histories are those of a projector that nothing disturbed, what a catch-up finished need not be
//! done again, and nothing half written is left. With a step left out (a sync that is skipped) the same test must fail.
//!
//! A failing seed is run alone with `CRASH_SEED=n`; `CRASH_SEEDS` says how many there are.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod machine;
mod town;

use std::{
    io::ErrorKind,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use event_log::{AppendError, EmbeddedLog, EventLog, OpenError, Sealing, testing::FaultyFiles};
use machine::{Flaw, Machine, Outage};
use projector::{Opened, Options, Projector, Reader, StoreError};
use town::{BUNDLE, Expected, PARTITIONS, STEPS, TOWN, append, hash};

/// What a story has beside crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// Operations that fail once, a disk that is full for a while, a folder that is read-only for a while.
    Refusals,
}

/// Stories and what happened in them.
#[derive(Debug, Default)]
struct Tally {
    crashes: AtomicU64,
    refusals: AtomicU64,
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % limit
    }
}

fn options() -> Options {
    Options {
        workers: 1,
        commit_every: Duration::from_millis(1),
        commit_events: 1,
        merge_facts_min: 4,
        snapshot_every: Duration::ZERO,
        quarantine_facts: 12,
        // A few commits.
        store_file_bytes: 1_500,
        ..Options::default()
    }
}

fn log_options() -> event_log::Options {
    event_log::Options {
        journal_bytes: 20_000,
        group_bytes: 1 << 20,
        queue_bytes: 1 << 20,
        sealing: Sealing::Inline,
    }
}

/// A message and its causes.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        None => error.to_string(),
        Some(source) => format!("{error}: {}", told(source)),
    }
}

/// One story: a log and its projector through several lives on one machine.
struct Story<'a> {
    machine: Machine,
    log_disk: FaultyFiles,
    random: Random,
    trouble: Trouble,
    tally: &'a Tally,
    /// So many stretches are acknowledged.
    step: usize,
    /// The next one may be there, whole or not at all: nobody was told.
    unknown: bool,
    /// What a catch-up finished: it must not be done again.
    promised: Option<Vec<u64>>,
}

impl Story<'_> {
    fn run(&mut self) -> Result<(), String> {
        let mut made = false;
        for _life in 0..5 {
            if !made {
                EmbeddedLog::create_with(self.log_disk.shared(), Path::new("log"), PARTITIONS, log_options())
                    .map_err(|error| told(&error))?;
                made = true;
                self.log_disk.kill();
            }
            let horizon = if self.step == 0 { 60 } else { 150 };
            let crash = self.random.below(horizon);
            self.machine.disk.crash_after(crash);
            if self.random.below(12) == 0 {
                self.log_disk.crash_after(self.random.below(12));
            }
            let lived = self.live();
            self.end();
            lived?;
        }
        self.epilogue()
    }

    fn has_crashed(&self) -> bool {
        self.machine.disk.has_crashed() || self.log_disk.has_crashed()
    }

    /// The machine goes, with all in it, or the process alone.
    fn end(&mut self) {
        let crashed = self.has_crashed();
        self.tally.crashes.fetch_add(u64::from(crashed), Ordering::Relaxed);
        self.machine.disk.set_space_bytes(None);
        self.machine.disk.set_read_only(false);
        let outage = if self.random.below(3) == 0 { Outage::Killed } else { Outage::PowerLost };
        if outage == Outage::Killed {
            self.log_disk.kill()
        } else {
            self.log_disk.crash()
        }
        self.machine.restart(outage);
    }

    fn expected(&self) -> &'static Expected {
        &TOWN.expected[self.step]
    }

    /// Passes over what the end of the machine made fail.
    fn unless_crashed<T>(&self, result: Result<T, String>) -> Result<Option<T>, String> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(_) if self.has_crashed() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open_log(&mut self) -> Result<Option<EmbeddedLog>, String> {
        let log = match EmbeddedLog::open_with(self.log_disk.shared(), Path::new("log"), log_options()) {
            Ok(log) => log,
            Err(OpenError::Unavailable { .. }) if self.has_crashed() => return Ok(None),
            Err(error) => return Err(told(&error)),
        };
        let ends = log.ends().map_err(|error| told(&error))?;
        if self.unknown && ends == TOWN.expected[self.step + 1].ends {
            self.step += 1;
        }
        self.unknown = false;
        if ends != self.expected().ends {
            return Err(format!("the log ends at {ends:?}, acknowledged was {:?}", self.expected().ends));
        }
        Ok(Some(log))
    }

    fn live(&mut self) -> Result<(), String> {
        let Some(log) = self.open_log()? else { return Ok(()) };
        let root = Machine::root();
        let opened = Projector::open(&root, self.machine.files(), &log, &BUNDLE, options());
        let opened = opened.map_err(|error| format!("cannot open: {}", told(&error)));
        let Some((mut projector, opened)) = self.unless_crashed(opened)? else { return Ok(()) };
        let kept = self.keeps_its_promise(&opened, &projector.positions());
        self.unless_crashed(kept)?;
        for _ in 0..=self.random.below(4) {
            if self.trouble == Trouble::Refusals {
                self.begin_refusal();
            }
            if self.step < STEPS && self.random.below(4) > 0 {
                match append(&log, &TOWN.stretches[self.step]) {
                    Ok(()) => self.step += 1,
                    Err(AppendError::Unavailable { .. }) if !self.has_crashed() => {}
                    Err(_) => {
                        self.unknown = true;
                        return Ok(());
                    }
                }
            }
            let done = self.act(&mut projector, &log);
            match done {
                Ok(()) => {}
                Err(_) if self.has_crashed() => return Ok(()),
                Err(error) if self.is_refusal(&error) => {
                    self.tally.refusals.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err(error) => return Err(told(&error)),
            }
            let figures = self.figures_are_right(&mut projector);
            if self.unless_crashed(figures)?.is_none() {
                return Ok(());
            }
            self.promised = Some(projector.positions());
        }
        Ok(())
    }

    /// Catches up, in one of the ways there are.
    fn act(&mut self, projector: &mut Projector<'_>, log: &EmbeddedLog) -> Result<(), StoreError> {
        let behind: u64 = log.ends()?.iter().zip(projector.positions()).map(|(end, at)| end - at).sum();
        let way = self.random.below(8);
        match way {
            0 => projector.rebuild(&|_| {}).map(drop),
            1..4 if behind > 0 && self.promised.is_some() => {
                let (shutdown, mut left) = (AtomicBool::new(false), behind);
                std::thread::scope(|scope| {
                    // A log that is gone stops its partitions, and following goes on waiting for it.
                    scope.spawn(|| {
                        while !shutdown.load(Ordering::Relaxed) {
                            std::thread::sleep(Duration::from_millis(1));
                            shutdown.fetch_or(self.has_crashed(), Ordering::Relaxed);
                        }
                    });
                    let followed = projector.follow(&shutdown, &mut |commit| {
                        left -= commit.events;
                        shutdown.fetch_or(left == 0, Ordering::Relaxed);
                    });
                    shutdown.store(true, Ordering::Relaxed);
                    followed
                })
            }
            _ => projector.catch_up(&|_| {}).map(drop),
        }
    }

    fn keeps_its_promise(&mut self, opened: &Opened, positions: &[u64]) -> Result<(), String> {
        if let Opened::Discarded { why } = opened {
            return Err(format!("a crash cost the whole store: {why}"));
        }
        let Some(promised) = &self.promised else { return Ok(()) };
        if *opened != Opened::Snapshot {
            return Err(format!("a finished snapshot is gone: {opened:?}"));
        }
        if positions.iter().zip(promised).any(|(at, promised)| at < promised) {
            return Err(format!("{promised:?} was finished, it begins again at {positions:?}"));
        }
        Ok(())
    }

    fn figures_are_right(&self, projector: &mut Projector<'_>) -> Result<(), String> {
        let (positions, expected) = (projector.positions(), self.expected());
        if positions != expected.ends {
            return Err(format!("it stands at {positions:?}, the log ends at {:?}", expected.ends));
        }
        if projector.digests() != expected.digests {
            return Err(format!("other figures than undisturbed, at {positions:?}"));
        }
        Ok(())
    }

    fn begin_refusal(&mut self) {
        let disk = &self.machine.disk;
        match self.random.below(4) {
            0 => disk.fail_after(self.random.below(30)),
            1 => disk.set_space_bytes(Some(disk.used_bytes() + self.random.below(200_000))),
            2 => disk.set_read_only_after(self.random.below(30)),
            _ => {}
        }
    }

    /// An error that says which file could not be used, and why.
    fn is_refusal(&self, error: &StoreError) -> bool {
        let root = Machine::root().display().to_string();
        let StoreError::Io { source, .. } = error else { return false };
        let kind = matches!(
            source.kind(),
            ErrorKind::StorageFull | ErrorKind::ReadOnlyFilesystem | ErrorKind::Other
        );
        self.trouble == Trouble::Refusals
            && kind
            && error.to_string().starts_with(&format!("cannot use {root}"))
    }

    /// Undisturbed to the end: everything is as it would have been, and nothing is left over.
    fn epilogue(&mut self) -> Result<(), String> {
        let log = self.open_log()?.ok_or("the log does not open")?;
        let root = Machine::root();
        let (mut projector, opened) = Projector::open(&root, self.machine.files(), &log, &BUNDLE, options())
            .map_err(|error| format!("cannot open: {}", told(&error)))?;
        self.keeps_its_promise(&opened, &projector.positions())?;
        if self.step < STEPS {
            append(&log, &TOWN.stretches[self.step]).map_err(|error| told(&error))?;
            self.step += 1;
        }
        projector.catch_up(&|_| {}).map_err(|error| told(&error))?;
        self.figures_are_right(&mut projector)?;
        self.histories_are_right(&log)?;
        self.nothing_is_left_over()
    }

    fn histories_are_right(&self, log: &EmbeddedLog) -> Result<(), String> {
        let expected = self.expected();
        let reader = Reader::open(&Machine::root(), self.machine.files()).map_err(|error| told(&error))?;
        let add = |sum: &mut u128, subject, history: &_, _| *sum = sum.wrapping_add(hash(subject, history));
        let parts = reader.fold_histories(log, &expected.ends, || 0, add).map_err(|error| told(&error))?;
        if parts.into_iter().fold(0, u128::wrapping_add) != expected.histories {
            return Err("other histories than undisturbed".into());
        }
        let states = &reader.manifest().partitions;
        let facts: u64 = states.iter().map(|state| state.facts).sum();
        let copies: u64 = states.iter().map(|state| state.copies).sum();
        if (facts, copies) != (expected.facts, expected.copies) {
            return Err(format!(
                "{facts} facts, {copies} copies; {} and {}",
                expected.facts, expected.copies
            ));
        }
        Ok(())
    }

    fn nothing_is_left_over(&self) -> Result<(), String> {
        let reader = Reader::open(&Machine::root(), self.machine.files()).map_err(|error| told(&error))?;
        let named = |(state, number): (&projector::PartitionState, u16)| {
            state.base.as_ref().map(|base| format!("p{number:04}-{:08}.base", base.number))
        };
        let bases: Vec<String> = reader.manifest().partitions.iter().zip(0..).filter_map(named).collect();
        let mut generations = std::collections::BTreeSet::new();
        for path in self.machine.disk.paths() {
            let path = path.strip_prefix(Machine::root()).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name == "current" {
                continue;
            }
            generations.insert(path.components().next().unwrap().as_os_str().to_owned());
            let is_known = name == "snapshot" || name.starts_with("rows-");
            if !is_known && !bases.iter().any(|base| base == name) {
                return Err(format!("{} is left over beside {bases:?}", path.display()));
            }
        }
        if generations.len() > 1 {
            return Err(format!("{generations:?}: more than one generation"));
        }
        Ok(())
    }
}

fn story(seed: u64, flaw: Flaw, trouble: Trouble, tally: &Tally) -> Result<(), String> {
    Story {
        machine: Machine::new(seed, flaw),
        log_disk: FaultyFiles::new(seed ^ 0xfeed),
        random: Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)),
        trouble,
        tally,
        step: 0,
        unknown: false,
        promised: None,
    }
    .run()
}

fn seeds() -> u64 {
    std::env::var("CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(250)
}

/// Runs many stories; the first seed that goes wrong, and how.
fn first_failure(flaw: Flaw, trouble: Trouble, seeds: u64, tally: &Tally) -> Option<(u64, String)> {
    if let Some(seed) = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok())
        && flaw == Flaw::None
    {
        return story(seed, flaw, trouble, tally).err().map(|error| (seed, error));
    }
    (0..seeds).find_map(|seed| story(seed, flaw, trouble, tally).err().map(|error| (seed, error)))
}

/// Runs stories without a flaw; by default each trouble has hundreds of crashes, all of them together a thousand and more.
fn check(trouble: Trouble, seeds: u64) -> Tally {
    let tally = Tally::default();
    if let Some((seed, error)) = first_failure(Flaw::None, trouble, seeds, &tally) {
        panic!("{trouble:?}, CRASH_SEED={seed}: {error}");
    }
    tally
}

/// How often something happened, where no seed was asked for alone.
fn often(count: &AtomicU64, at_least: u64) -> bool {
    std::env::var_os("CRASH_SEED").is_some() || count.load(Ordering::Relaxed) >= at_least
}

#[test]
fn crashes_change_no_figure_and_cost_no_finished_work() {
    let tally = check(Trouble::None, seeds());
    assert!(often(&tally.crashes, seeds() * 2), "{tally:?}");
}

#[test]
fn neither_does_a_disk_that_refuses() {
    let tally = check(Trouble::Refusals, seeds() / 2);
    assert!(often(&tally.crashes, seeds() / 4) && often(&tally.refusals, seeds() / 2), "{tally:?}");
}

/// A step left out must be noticed by the stories that are told without one.
fn is_caught(flaw: Flaw) {
    let caught = first_failure(flaw, Trouble::None, seeds(), &Tally::default());
    assert!(caught.is_some(), "{flaw:?} was not caught");
}

#[test]
fn a_base_that_is_not_synced_is_caught() {
    is_caught(Flaw::BaseBytes);
}

#[test]
fn a_folder_that_is_not_synced_before_a_manifest_names_its_base_is_caught() {
    is_caught(Flaw::BaseNames);
}

#[test]
fn a_snapshot_that_is_not_synced_is_caught() {
    is_caught(Flaw::SnapshotBytes);
}

#[test]
fn a_swap_that_is_not_synced_is_caught() {
    is_caught(Flaw::CurrentName);
}

#[test]
fn a_commit_that_is_not_synced_is_caught() {
    is_caught(Flaw::StoreBytes);
}

#[test]
fn a_new_file_of_the_store_whose_name_is_not_synced_is_caught() {
    is_caught(Flaw::StoreNames);
}
