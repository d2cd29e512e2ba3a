//! Reading histories and figures that another process projects.
//!
//! A reader stands on the last snapshot: its figures, and the base files it names. What came since is read from the log,
//! so a history can be viewed at any position the log has.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use contract::{Day, Millis, Subject};
use event_log::{EventLog, LogId, files::Files, partition_of};
use history::{History, PersonView, Resolver};

use crate::{
    base::{Base, LastBlock},
    build::in_parallel,
    error::{Corrupt, StoreError},
    figures::Figures,
    generation::Generation,
    histories::Histories,
    kept::Kept,
    snapshot::{self, Manifest, hex},
};

/// The last snapshot of a projector.
pub struct Reader {
    root: PathBuf,
    files: Arc<dyn Files>,
    generation: Generation,
    manifest: Manifest,
    workers: usize,
}

/// What was known at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAt {
    /// The first offset of each partition that was not known yet.
    pub positions: Vec<u64>,
    /// More may still come that was recorded before the moment: figures are provisional.
    pub provisional: bool,
}

impl Reader {
    /// Opens the last snapshot of the projector whose files stand in `root`.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when there is none yet.
    pub fn open(root: &Path, files: Arc<dyn Files>) -> Result<Reader, StoreError> {
        let none = || {
            StoreError::Refused(format!(
                "nothing was projected into {} yet: run `vertebra project` first",
                root.display()
            ))
        };
        let generation = Generation::current(files.as_ref(), root)?.ok_or_else(none)?;
        let manifest = snapshot::read_manifest(files.as_ref(), &generation.snapshot())?.ok_or_else(none)?;
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Reader { root: root.to_owned(), files, generation, manifest, workers })
    }

    /// What the snapshot says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The snapshot's figures and what they stand on. The manifest given back belongs to these figures: a projector may
    /// have replaced the snapshot since the reader was opened.
    ///
    /// # Errors
    /// When the snapshot is damaged.
    pub fn figures(&self) -> Result<(Manifest, Figures), StoreError> {
        snapshot::read(self.files.as_ref(), &self.generation.snapshot())?
            .ok_or_else(|| StoreError::Refused("the snapshot was removed: project again".to_owned()))
    }

    /// The file of the snapshot's base, for a partition, and its digest in hex.
    fn named_base(&self, partition: u16) -> Option<(PathBuf, String)> {
        let base = self.manifest.partitions.get(usize::from(partition))?.base.as_ref()?;
        Some((self.generation.base_path(partition, base.number), base.digest.clone()))
    }

    /// The base of a partition, if it has any. A projector may have merged it away, or built all anew, since the snapshot
    /// was read: then the snapshot that serves now names the one in its place, which holds no less. One that is missing
    /// although a snapshot names it is damage, and told: the log could replace it, but only all of it, read by each query
    /// into memory, and nobody would know.
    fn base(&self, partition: u16) -> Result<Option<Base>, StoreError> {
        let mut next = self.named_base(partition);
        loop {
            let Some(named) = next else { return Ok(None) };
            let (path, digest) = &named;
            let missing = match Base::open(self.files.as_ref(), path) {
                Err(StoreError::Corrupt(corrupt)) if corrupt.is_missing() => StoreError::Corrupt(corrupt),
                opened => {
                    let base = opened?;
                    if base.summary.partition != partition || hex(&base.summary.digest) != *digest {
                        let what = "it is another file than the snapshot names";
                        return Err(StoreError::Corrupt(Corrupt::new(path, 0, what)));
                    }
                    return Ok(Some(base));
                }
            };
            next = Reader::open(&self.root, Arc::clone(&self.files))?.named_base(partition);
            if next.as_ref() == Some(&named) {
                return Err(missing);
            }
        }
    }

    /// The histories of one partition, as its base has them.
    fn histories(&self, partition: u16) -> Result<Histories, StoreError> {
        Ok(self.base(partition)?.map_or_else(Histories::default, Histories::of))
    }

    /// The sorted history of one person with everything before `positions`.
    ///
    /// # Errors
    /// When a base or the log cannot be read.
    pub fn person(
        &self,
        log: &dyn EventLog,
        subject: Subject,
        positions: &[u64],
    ) -> Result<History, StoreError> {
        let partition = partition_of(&subject, log.partitions());
        let mut histories = self.histories(partition)?;
        histories.read_on(log, partition, positions[usize::from(partition)])?;
        let mut history = History::new();
        histories.get(subject, &mut history, &mut LastBlock::default())?;
        Ok(history)
    }

    /// Views everybody as they stood at `positions`, on several threads; each keeps an accumulator.
    ///
    /// # Errors
    /// When a base or the log cannot be read.
    pub fn fold<A: Send>(
        &self,
        log: &dyn EventLog,
        positions: &[u64],
        make: impl Fn() -> A + Sync,
        visit: impl Fn(&mut A, Subject, &PersonView<'_>) + Sync,
    ) -> Result<Vec<A>, StoreError> {
        let make = || (make(), Resolver::new());
        let folded =
            self.fold_histories(log, positions, make, |(accumulator, resolver), subject, history, as_of| {
                let view = resolver.view(history, as_of);
                if !view.facts.is_empty() {
                    visit(accumulator, subject, &view);
                }
            })?;
        Ok(folded.into_iter().map(|(accumulator, _)| accumulator).collect())
    }

    /// Visits everybody's sorted history, on several threads. Given too: the offset before which facts count, where the
    /// history holds later ones.
    ///
    /// # Errors
    /// When a base or the log cannot be read.
    pub fn fold_histories<A: Send>(
        &self,
        log: &dyn EventLog,
        positions: &[u64],
        make: impl Fn() -> A + Sync,
        visit: impl Fn(&mut A, Subject, &History, Option<u64>) + Sync,
    ) -> Result<Vec<A>, StoreError> {
        let partitions: Vec<u16> = (0..log.partitions()).collect();
        in_parallel(self.workers, &partitions, make, |accumulator, partition| {
            self.visit_partition(
                log,
                *partition,
                positions[usize::from(*partition)],
                |subject, history, as_of| {
                    visit(accumulator, subject, history, as_of);
                    Ok(())
                },
            )
            .map(drop)
        })
    }

    /// Visits everybody's sorted history in one partition, in no order; of facts at `until` and later it may hold some, so the
    /// last argument says what to look back to, if anything is later. Gives back the offset before which the facts are those
    /// of the base; past it the log is read.
    ///
    /// # Errors
    /// When the base or the log cannot be read, and those of `visit`.
    pub fn visit_partition(
        &self,
        log: &dyn EventLog,
        partition: u16,
        until: u64,
        visit: impl FnMut(Subject, &History, Option<u64>) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        self.histories(partition)?.visit_until(log, partition, until, visit)
    }

    /// What the projector's store holds, more than the bases: see [`Kept`].
    ///
    /// # Errors
    /// [`StoreError::Locked`] when somebody projects, [`StoreError::Io`] where the folder cannot be written; and when the
    /// store cannot be read.
    pub fn kept(&self, log: &dyn EventLog) -> Result<Kept, StoreError> {
        Kept::open(&self.root, Arc::clone(&self.files), log.id(), log.partitions())
    }

    /// The same of the log that the snapshot was computed from, though another one may stand in its place now.
    ///
    /// # Errors
    /// As [`Reader::kept`].
    pub fn stored(&self) -> Result<Kept, StoreError> {
        let unknown = || StoreError::Refused("the snapshot names no log".to_owned());
        let log = LogId::from_hex(&self.manifest.log).ok_or_else(unknown)?;
        let partitions = u16::try_from(self.manifest.partitions.len()).map_err(|_| unknown())?;
        Kept::open(&self.root, Arc::clone(&self.files), log, partitions)
    }

    /// Visits everybody's sorted history in one partition as the snapshot's base has it; the log is not read.
    ///
    /// # Errors
    /// When the base cannot be read, and those of `visit`.
    pub fn visit_base(
        &self,
        partition: u16,
        mut visit: impl FnMut(Subject, &History) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.histories(partition)?.for_each(None, |subject, history| visit(subject, history))
    }

    /// The positions of all that was recorded before `time`. A partition in which nothing later was seen is safe only
    /// up to this reading of it: `now` earlier than `time` makes the answer provisional.
    ///
    /// # Errors
    /// When a base or the log cannot be read.
    pub fn known_at(&self, log: &dyn EventLog, time: Millis, now: Millis) -> Result<KnownAt, StoreError> {
        let partitions: Vec<u16> = (0..log.partitions()).collect();
        let known = in_parallel(self.workers, &partitions, Vec::new, |known, partition| {
            let (offset, _) = self.histories(*partition)?.known_before(log, *partition, time)?;
            known.push((usize::from(*partition), offset));
            Ok(())
        })?;
        let mut positions = vec![0; partitions.len()];
        known.into_iter().flatten().for_each(|(partition, offset)| positions[partition] = offset);
        Ok(KnownAt { positions, provisional: now < time })
    }

    /// The moment a bare date means: its end in Hanoi.
    #[must_use]
    pub fn end_of(day: Day) -> Millis {
        day.next().start()
    }
}
