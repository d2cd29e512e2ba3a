//! Which file holds which offsets, and what all handles of a log share.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::format::Stamp;
use super::journal::Journal;
use super::meta::Meta;
use super::segment::Segment;
use crate::files::Files;

/// Where an offset is.
#[derive(Debug)]
pub(super) enum Place {
    Segment(Arc<Segment>),
    Journal(Arc<Journal>),
}

/// The files of a log, oldest first: segments, then journals that are not sealed yet; the last takes appends.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) journals: Vec<Arc<Journal>>,
}

impl Catalog {
    /// The next offset of each partition.
    pub(super) fn ends(&self, partitions: u16) -> Vec<u64> {
        if let Some(journal) = self.journals.last() {
            return journal.index().ends.clone();
        }
        match self.segments.last() {
            Some(segment) => segment.entries.iter().map(super::segment::Entry::next).collect(),
            None => vec![0; usize::from(partitions)],
        }
    }

    /// The file that holds `offset`, which is before the partition's end.
    pub(super) fn place(&self, partition: usize, offset: u64) -> Option<Place> {
        if let Some(journal) = self.journals.iter().rev().find(|journal| journal.first[partition] <= offset) {
            return Some(Place::Journal(Arc::clone(journal)));
        }
        let after = self.segments.partition_point(|segment| segment.entries[partition].first <= offset);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        (offset < segment.entries[partition].next()).then(|| Place::Segment(Arc::clone(segment)))
    }

    /// A journal was sealed: its records are read from the segment from now on.
    pub(super) fn replace_journal(&mut self, segment: Segment) {
        self.journals.retain(|journal| journal.stamp.number != segment.stamp.number);
        self.segments.push(Arc::new(segment));
    }
}

/// What the writer's threads, the readers and the follower share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) files: Arc<dyn Files>,
    pub(super) dir: PathBuf,
    pub(super) meta: Meta,
    catalog: RwLock<Catalog>,
    /// The ends as they were last announced.
    announced: Mutex<Vec<u64>>,
    pub(super) changed: Condvar,
}

impl Shared {
    pub(super) fn new(files: Arc<dyn Files>, dir: PathBuf, meta: Meta, catalog: Catalog) -> Shared {
        let ends = catalog.ends(meta.partitions);
        Shared {
            files,
            dir,
            meta,
            catalog: RwLock::new(catalog),
            announced: Mutex::new(ends),
            changed: Condvar::new(),
        }
    }

    pub(super) fn stamp(&self, number: u64) -> Stamp {
        Stamp { log: self.meta.id, number }
    }

    pub(super) fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn announced(&self) -> MutexGuard<'_, Vec<u64>> {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn announce(&self, ends: &[u64]) {
        self.announced().copy_from_slice(ends);
        self.changed.notify_all();
    }
}
