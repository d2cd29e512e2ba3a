//! The log read again from its first byte, and compared with what is stored.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use contract::Subject;
use event_log::{EventLog, ReadError};
use history::{Dictionary, History, Resolver};
use policy::Bundle;
use projector::{
    Digests, Figures, Kept, Manifest, Progress, ProjectionVersion, REGISTRY, Reader, Replayed, StoreError,
    hex, in_parallel, replay_partition,
};
use serde::Serialize;

/// Why a replay could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// It cannot be asked for like this.
    #[error("{0}")]
    Refused(String),
    /// The log could not be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is stored could not be read; it is derived: project again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a replay found.
#[derive(Debug, Clone, Serialize)]
pub struct ReplayReport {
    /// The log.
    pub log: String,
    /// Digest of the bundle, in hex.
    pub bundle: String,
    /// The positions up to which the log was read.
    pub positions: Vec<u64>,
    /// Names, versions and digests of the projections' sums.
    pub projections: Vec<ProjectionVersion>,
    /// Digest of the events in force, in hex.
    pub events_digest: String,
    /// Records read.
    pub records: u64,
    /// People and other subjects with events.
    pub subjects: u64,
    /// Partitions that could not be read to the position asked for, and why.
    pub stopped: Vec<(u16, String)>,
    /// What is stored, and how it compares; none: nothing is stored.
    pub stored: Option<Stored>,
}

/// How what is stored compares with the log.
#[derive(Debug, Clone, Serialize)]
pub struct Stored {
    /// Its positions are those of the replay, and so are bundle and versions: the figures were compared.
    pub figures_compared: bool,
    /// Why they were not.
    pub why_not: Option<String>,
    /// The first sum that differs in each cube: replayed here, stored there.
    pub figures: Vec<String>,
    /// The first person whose stored history is not the log's, by partition and subject.
    pub person: Option<PersonDifference>,
    /// How many people differ.
    pub people: u64,
    /// Up to which offset of each partition stored histories were compared: past it only the log knows.
    pub histories_until: Vec<u64>,
    /// Why only what base files hold was compared, and not the rows beside them; none: all was.
    pub bases_only: Option<String>,
}

/// A history that is not the log's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonDifference {
    /// Whom, in hex.
    pub subject: String,
    /// The partition.
    pub partition: u16,
    /// The first offset at which the two differ, where it is one.
    pub offset: Option<u64>,
    /// What differs, in words.
    pub what: String,
}

impl ReplayReport {
    /// Whether nothing was found: exit code 0.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let same = |stored: &Stored| stored.figures.is_empty() && stored.person.is_none();
        self.stopped.is_empty() && self.stored.as_ref().is_none_or(same)
    }
}

/// Reads the log up to `until` (an offset for each partition; none: to where what is stored stands, or else the log's end),
/// folds everybody under `bundle` from nothing, and compares with what `stored` holds: histories as of these positions
/// always, figures where the snapshot stands at the same positions, bundle and versions.
///
/// # Errors
/// When the positions are not of this log, or the log or the store cannot be read. A partition of the log that cannot be
/// read on, and a store that is damaged, are findings, not errors.
pub fn replay(
    log: &dyn EventLog,
    bundle: &Bundle,
    until: Option<&[u64]>,
    stored: Option<&Reader>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<ReplayReport, AuditError> {
    let stored = stored.map(|reader| Compared::with(reader, log)).transpose()?;
    let positions = match (until, &stored) {
        (Some(until), _) => until.to_vec(),
        (None, Some(stored)) => stored.positions(),
        (None, None) => log.ends()?,
    };
    let ends = log.ends()?;
    if positions.len() != ends.len() {
        let (given, has) = (positions.len(), ends.len());
        return Err(AuditError::Refused(format!(
            "{given} positions were given; the log has {has} partitions"
        )));
    }
    if let Some(partition) = (0..ends.len()).find(|at| positions[*at] > ends[*at]) {
        return Err(AuditError::Refused(format!(
            "partition {partition} ends at offset {}; {} was asked for",
            ends[partition], positions[partition]
        )));
    }
    let partitions: Vec<u16> = (0..log.partitions()).collect();
    let total = positions.iter().sum();
    let done = AtomicU64::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let folded = in_parallel(workers, &partitions, Folded::default, |folded, partition| {
        let until = positions[usize::from(*partition)];
        let replayed = folded.partition(log, bundle, *partition, until, stored.as_ref())?;
        let done = done.fetch_add(replayed.next_offset, Ordering::Relaxed) + replayed.next_offset;
        progress(Progress { done, total });
        folded.replayed.push(replayed);
        Ok(())
    })?;
    let mut all = Folded::default();
    folded.into_iter().for_each(|folded| all.merge(folded));
    all.report(log, bundle, positions, stored)
}

/// What the log is compared with.
struct Compared<'a> {
    reader: &'a Reader,
    /// What is served. Read before anything is folded: a projector that goes on replaces it meanwhile.
    served: Result<(Manifest, Figures), StoreError>,
    /// The store, or why it could not be opened.
    kept: Result<Kept, StoreError>,
}

impl Compared<'_> {
    fn with<'a>(reader: &'a Reader, log: &dyn EventLog) -> Result<Compared<'a>, AuditError> {
        let served = match reader.figures() {
            Err(error) if !is_damage(&error) => return Err(error.into()),
            served => served,
        };
        Ok(Compared { reader, served, kept: reader.kept(log) })
    }

    fn positions(&self) -> Vec<u64> {
        self.served.as_ref().map_or(self.reader.manifest(), |(manifest, _)| manifest).positions()
    }

    /// Visits everybody's stored history in one partition; see [`Kept::visit_partition`].
    fn visit(
        &self,
        log: &dyn EventLog,
        partition: u16,
        until: u64,
        visit: impl FnMut(Subject, &History, Option<u64>) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        match &self.kept {
            Ok(kept) => kept.visit_partition(log, partition, until, visit),
            Err(_) => self.reader.visit_partition(log, partition, until, visit),
        }
    }
}

/// Stored bytes are not what they were: a finding.
fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt(_) | StoreError::OtherVersion { .. })
}

/// What one thread folded.
#[derive(Default)]
struct Folded {
    figures: Figures,
    resolver: Resolver,
    replayed: Vec<Replayed>,
    subjects: u64,
    differing: u64,
    first: Option<PersonDifference>,
    /// Partition, and up to which offset its stored histories were compared.
    compared: Vec<(u16, u64)>,
    people: HashMap<Subject, Print>,
}

/// A history, small.
struct Print {
    /// Hash of every fact, in the order of offsets.
    whole: blake3::Hash,
}

impl Folded {
    fn partition(
        &mut self,
        log: &dyn EventLog,
        bundle: &Bundle,
        partition: u16,
        until: u64,
        stored: Option<&Compared<'_>>,
    ) -> Result<Replayed, StoreError> {
        self.people.clear();
        let (figures, resolver, people) = (&mut self.figures, &mut self.resolver, &mut self.people);
        let mut subjects = 0;
        let replayed = replay_partition(log, partition, 0..until, |subject, history| {
            subjects += 1;
            figures.add(subject, &resolver.view(history, None), bundle);
            if stored.is_some() {
                people.insert(subject, Print { whole: print(history, None) });
            }
            Ok(())
        })?;
        self.subjects += subjects;
        if let Some(stored) = stored {
            self.compare(log, stored, partition, replayed.next_offset)?;
        }
        Ok(replayed)
    }

    /// Compares the stored histories of a partition with the prints of the log's.
    fn compare(
        &mut self,
        log: &dyn EventLog,
        stored: &Compared<'_>,
        partition: u16,
        until: u64,
    ) -> Result<(), StoreError> {
        let mut differing: Vec<Subject> = Vec::new();
        let people = &mut self.people;
        let visited = stored.visit(log, partition, until, |subject, history, as_of| {
            let is_empty = history.facts().iter().all(|fact| as_of.is_some_and(|until| fact.offset >= until));
            match people.remove(&subject) {
                Some(print_of_log) if print_of_log.whole == print(history, as_of) => {}
                None if is_empty => {}
                _ => differing.push(subject),
            }
            Ok(())
        });
        match visited {
            Ok(compared) => self.compared.push((partition, compared)),
            Err(error) if is_damage(&error) => {
                self.found(PersonDifference {
                    subject: String::new(),
                    partition,
                    offset: None,
                    what: error.to_string(),
                });
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        differing.extend(people.drain().map(|(subject, _)| subject));
        differing.sort_unstable();
        self.differing += differing.len() as u64;
        let Some(first) = differing.first() else { return Ok(()) };
        let found = name_difference(log, stored, partition, until, *first)?;
        self.found(found);
        Ok(())
    }

    fn found(&mut self, found: PersonDifference) {
        let before = |one: &PersonDifference, other: &PersonDifference| {
            (one.partition, &one.subject) < (other.partition, &other.subject)
        };
        if self.first.as_ref().is_none_or(|first| before(&found, first)) {
            self.first = Some(found);
        }
    }

    fn merge(&mut self, mut other: Folded) {
        self.figures.merge(&mut other.figures);
        self.replayed.append(&mut other.replayed);
        self.compared.append(&mut other.compared);
        self.subjects += other.subjects;
        self.differing += other.differing;
        if let Some(found) = other.first {
            self.found(found);
        }
    }

    fn report(
        mut self,
        log: &dyn EventLog,
        bundle: &Bundle,
        positions: Vec<u64>,
        stored: Option<Compared<'_>>,
    ) -> Result<ReplayReport, AuditError> {
        self.replayed.sort_by_key(|replayed| replayed.partition);
        let digests = self.figures.digests();
        let stored = stored.map(|stored| {
            if let Some(error) = stored.kept.as_ref().err().filter(|error| is_damage(error)) {
                let what = error.to_string();
                self.found(PersonDifference { subject: String::new(), partition: 0, offset: None, what });
            }
            let compared = compare_figures(stored.served, bundle, &positions, &mut self.figures, &digests);
            let (figures, why_not) = match compared {
                Ok(figures) => (figures, None),
                Err(why) => (Vec::new(), Some(why)),
            };
            let mut histories_until = vec![0; positions.len()];
            for (partition, until) in &self.compared {
                histories_until[usize::from(*partition)] = *until;
            }
            Stored {
                figures_compared: why_not.is_none(),
                why_not,
                figures,
                person: self.first.take(),
                people: self.differing,
                histories_until,
                bases_only: stored.kept.err().map(|error| error.to_string()),
            }
        });
        let stopped = self.replayed.iter();
        let stopped =
            stopped.filter_map(|replayed| Some((replayed.partition, replayed.stopped.clone()?))).collect();
        Ok(ReplayReport {
            log: log.id().to_string(),
            bundle: hex(&bundle.digest()),
            positions,
            projections: versions(&digests),
            events_digest: hex(&digests.events),
            records: self.replayed.iter().map(|replayed| replayed.next_offset).sum(),
            subjects: self.subjects,
            stopped,
            stored,
        })
    }
}

/// The differences between what is stored and what was folded, or why they cannot be compared.
fn compare_figures(
    served: Result<(Manifest, Figures), StoreError>,
    bundle: &Bundle,
    positions: &[u64],
    replayed: &mut Figures,
    digests: &Digests,
) -> Result<Vec<String>, String> {
    let (manifest, mut stored) = match served {
        Ok(read) => read,
        Err(damage) => return Ok(vec![damage.to_string()]),
    };
    if manifest.positions() != positions {
        return Err("the snapshot stands at other positions".to_owned());
    }
    if manifest.bundle != hex(&bundle.digest()) {
        return Err(format!("the snapshot stands on the bundle {}", manifest.bundle));
    }
    let ours = versions(digests);
    let same = |(ours, theirs): (&ProjectionVersion, &ProjectionVersion)| {
        ours.name == theirs.name && ours.version == theirs.version
    };
    if ours.len() != manifest.projections.len() || !ours.iter().zip(&manifest.projections).all(same) {
        return Err("the snapshot is of other versions of the projections".to_owned());
    }
    let mut differences = replayed.differences(&mut stored);
    // What the snapshot says of itself is served in receipts: it has to be true too.
    for (ours, theirs) in ours.iter().zip(&manifest.projections) {
        if differences.is_empty() && ours.digest != theirs.digest {
            differences
                .push(format!("{}: the snapshot names another digest than its sums have", theirs.name));
        }
    }
    if differences.is_empty() && hex(&digests.events) != manifest.events_digest {
        differences.push("the snapshot names another digest of the events in force".to_owned());
    }
    Ok(differences)
}

fn versions(digests: &Digests) -> Vec<ProjectionVersion> {
    let version = |(projection, digest): (&projector::Registered, &[u8; 32])| ProjectionVersion {
        name: projection.name.to_owned(),
        version: projection.version,
        digest: hex(digest),
    };
    REGISTRY.iter().zip(&digests.projections).map(version).collect()
}

/// The facts of a history before an offset, each in bytes that depend on nothing else.
fn facts_of(history: &History, until: Option<u64>) -> Vec<(u64, Vec<u8>)> {
    let mut facts = Vec::with_capacity(history.facts().len());
    for (at, fact) in history.facts().iter().enumerate() {
        if until.is_none_or(|until| fact.offset < until) {
            let (mut dictionary, mut bytes) = (Dictionary::default(), Vec::new());
            history.encode(at, &mut dictionary, &mut bytes);
            for code in dictionary.codes().iter() {
                bytes.extend_from_slice(&code.packed().to_le_bytes());
            }
            facts.push((fact.offset, bytes));
        }
    }
    facts.sort_unstable();
    facts
}

fn print(history: &History, until: Option<u64>) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[history.kind() as i32 as u8]);
    for (offset, bytes) in facts_of(history, until) {
        hasher.update(&offset.to_le_bytes());
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    hasher.finalize()
}

/// Says what differs between a stored history and the log's.
fn name_difference(
    log: &dyn EventLog,
    stored: &Compared<'_>,
    partition: u16,
    until: u64,
    subject: Subject,
) -> Result<PersonDifference, StoreError> {
    let mut of_log = Vec::new();
    let mut kind = None;
    replay_partition(log, partition, 0..until, |other, history| {
        if other == subject {
            of_log = facts_of(history, None);
            kind = Some(history.kind());
        }
        Ok(())
    })?;
    let mut of_store = Vec::new();
    let mut stored_kind = None;
    stored.visit(log, partition, until, |other, history, as_of| {
        if other == subject {
            of_store = facts_of(history, as_of);
            stored_kind = Some(history.kind());
        }
        Ok(())
    })?;
    let by_offset =
        |facts: Vec<(u64, Vec<u8>)>| facts.into_iter().collect::<std::collections::BTreeMap<_, _>>();
    let count = (of_log.len(), of_store.len());
    let (of_log, of_store) = (by_offset(of_log), by_offset(of_store));
    let offsets: std::collections::BTreeSet<u64> = of_log.keys().chain(of_store.keys()).copied().collect();
    let offset = offsets.into_iter().find(|offset| of_log.get(offset) != of_store.get(offset));
    let what = match offset.map(|offset| (of_log.contains_key(&offset), of_store.contains_key(&offset))) {
        Some((true, false)) => "the log has an event here that the stored history lacks".to_owned(),
        Some((false, _)) => {
            "the stored history has an event here that the log does not have for this person".to_owned()
        }
        Some((true, true)) => "the stored fact is not what the event says".to_owned(),
        None if count.0 != count.1 => {
            format!("the log has {} events, the stored history {}, some of them twice", count.0, count.1)
        }
        None if kind != stored_kind => "the kind of identifier differs".to_owned(),
        None => "the two could not be told apart a second time: something changed while they were compared"
            .to_owned(),
    };
    Ok(PersonDifference { subject: subject.to_string(), partition, offset, what })
}
