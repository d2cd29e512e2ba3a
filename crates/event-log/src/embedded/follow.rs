//! Following a log that another process writes: what it has synced, through its journals and seals, without its help.
//!
//! A group is shown when the journal itself proves that it is durable: the writer puts a mark (or the next group) behind
//! it after the sync. Everything is read from the page cache, one small read when nothing is new.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::catalog::{Catalog, Shared};
use super::journal::{Damage, Journal, Step, Walk};
use super::meta::{Meta, Name, journal_path, parse_name, segment_path};
use super::recover::{JournalError, check_follows, open_journal, walk};
use super::segment::{Segment, SegmentError};
use crate::files::{Access, Files};
use crate::{OpenError, ReadError};

const PIECE_BYTES: usize = 64 << 10;
/// Bytes that stand behind the last group for so long are not being written: they are looked at.
const STALL: Duration = Duration::from_secs(1);

/// The end of the log as this handle has read it.
pub(super) struct Follower {
    journal: Arc<Journal>,
    walk: Walk,
    /// Where the walk stands, how long the file is, since when.
    stalled: Option<(u64, u64, Instant)>,
    /// Nothing behind this can be read.
    damage: Option<Damage>,
}

/// What was found in the place of file number n.
enum Next {
    Segment(Segment),
    Journal(Journal),
    Nothing,
}

fn find(files: &dyn Files, dir: &Path, meta: Meta, number: u64) -> Result<Next, OpenError> {
    let stamp = super::format::Stamp { log: meta.id, number };
    // A journal is removed after its segment is there: who finds neither, looks for the segment again.
    for look_for_journal in [true, false] {
        let path = segment_path(dir, number);
        match Segment::open(files, path.clone(), stamp, meta.partitions) {
            Ok(segment) => return Ok(Next::Segment(segment)),
            Err(SegmentError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(SegmentError::Io(source)) => {
                return Err(OpenError::Unavailable { place: path.into(), source });
            }
            Err(SegmentError::Damaged(damage)) => {
                return Err(OpenError::Corrupt { file: path, byte: damage.byte, what: damage.what });
            }
        }
        if !look_for_journal {
            break;
        }
        let path = journal_path(dir, number);
        match open_journal(files, path.clone(), stamp, meta.partitions, Access::Read) {
            Ok(journal) => return Ok(Next::Journal(journal)),
            // Its header is being written.
            Err(JournalError::Header(_)) => return Ok(Next::Nothing),
            Err(JournalError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(JournalError::Io(source)) => {
                return Err(OpenError::Unavailable { place: path.into(), source });
            }
        }
    }
    Ok(Next::Nothing)
}

/// Reads the folder for reading only: changes nothing, takes no lock.
pub(super) fn open(files: Arc<dyn Files>, dir: &Path, meta: Meta) -> Result<(Shared, Follower), OpenError> {
    let mut catalog = Catalog::default();
    let mut ends = vec![0; usize::from(meta.partitions)];
    let mut number = 1;
    let journal = loop {
        match find(files.as_ref(), dir, meta, number)? {
            Next::Segment(segment) => {
                let first: Vec<u64> = segment.entries.iter().map(|entry| entry.first).collect();
                check_follows(&segment.path, &first, &ends)?;
                ends = segment.entries.iter().map(super::segment::Entry::next).collect();
                catalog.segments.push(Arc::new(segment));
                number += 1;
            }
            Next::Journal(journal) => {
                check_follows(&journal.path, &journal.first, &ends)?;
                break journal;
            }
            Next::Nothing => {
                return Err(OpenError::Corrupt {
                    file: journal_path(dir, number),
                    byte: 0,
                    what: "the file is missing or has no whole header, and there is no segment of the same number".into(),
                });
            }
        }
    };
    let journal = Arc::new(journal);
    catalog.journals.push(Arc::clone(&journal));
    let walk = walk(&journal, PIECE_BYTES);
    let shared = Shared::new(files, dir.into(), meta, catalog);
    let mut follower = Follower { journal, walk, stalled: None, damage: None };
    let as_open_error = |error: ReadError| match error {
        ReadError::Unavailable { place, source } => OpenError::Unavailable { place, source },
        other => OpenError::Unavailable { place: dir.into(), source: io::Error::other(other) },
    };
    follower.refresh(&shared).map_err(as_open_error)?;
    follower.examine(&shared).map_err(as_open_error)?;
    Ok((shared, follower))
}

impl Follower {
    /// What makes the log end here for every partition, if it is damaged.
    pub(super) fn damage(&self) -> Option<(PathBuf, Damage)> {
        self.damage.clone().map(|damage| (self.journal.path.clone(), damage))
    }

    /// Reads what has become durable since the last time.
    pub(super) fn refresh(&mut self, shared: &Shared) -> Result<(), ReadError> {
        while self.damage.is_none() {
            self.walk.forget();
            self.read()?;
            if !self.journal.index().closed || !self.go_on(shared)? {
                break;
            }
        }
        if self.walk.ends != *shared.announced() {
            shared.announce(&self.walk.ends);
            self.stalled = None;
        } else if self.damage.is_none() {
            self.examine_if_stalled(shared)?;
        }
        Ok(())
    }

    fn io(&self) -> impl FnOnce(io::Error) -> ReadError + use<> {
        let path = self.journal.path.clone();
        move |source| ReadError::Unavailable { place: path.into(), source }
    }

    /// Reads the groups of the journal that are durable.
    fn read(&mut self) -> Result<(), ReadError> {
        while !self.journal.index().closed {
            match self.walk.step_durable(self.journal.file.as_ref()).map_err(self.io())? {
                None | Some(Step::End) => break,
                Some(Step::Group(group)) => {
                    self.journal.publish(&self.walk.runs);
                    self.journal.index_mut().closed = group.closing;
                }
                Some(Step::Damaged(damage)) => {
                    self.damage = Some(damage);
                    break;
                }
            }
        }
        Ok(())
    }

    /// From a closed journal to what follows it; false if that is not there yet.
    fn go_on(&mut self, shared: &Shared) -> Result<bool, ReadError> {
        // After a failure in between, segments behind the journal may be known already.
        let sealed = shared.catalog().segments.last().map_or(0, |segment| segment.stamp.number);
        let mut number = self.journal.stamp.number.max(sealed) + 1;
        loop {
            let next =
                find(shared.files.as_ref(), &shared.dir, shared.meta, number).map_err(as_read_error)?;
            let mut catalog = shared.catalog_mut();
            // The journals before it have become segments, or will: open handles go on reading until then.
            while catalog.journals.len() > usize::from(!matches!(next, Next::Segment(_))) {
                let sealed = catalog.journals[0].stamp;
                let path = segment_path(&shared.dir, sealed.number);
                match Segment::open(shared.files.as_ref(), path.clone(), sealed, shared.meta.partitions) {
                    Ok(segment) => catalog.replace_journal(segment),
                    Err(SegmentError::Io(error)) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(SegmentError::Io(source)) => {
                        return Err(ReadError::Unavailable { place: path.into(), source });
                    }
                    Err(SegmentError::Damaged(damage)) => {
                        self.damage = Some(damage);
                        return Ok(false);
                    }
                }
            }
            match next {
                Next::Nothing => return Ok(false),
                Next::Segment(segment) => {
                    let first: Vec<u64> = segment.entries.iter().map(|entry| entry.first).collect();
                    check_follows(&segment.path, &first, &self.walk.ends).map_err(as_read_error)?;
                    self.walk.ends = segment.entries.iter().map(super::segment::Entry::next).collect();
                    catalog.segments.push(Arc::new(segment));
                    number += 1;
                }
                Next::Journal(journal) => {
                    check_follows(&journal.path, &journal.first, &self.walk.ends).map_err(as_read_error)?;
                    let journal = Arc::new(journal);
                    self.walk = walk(&journal, PIECE_BYTES);
                    self.journal = Arc::clone(&journal);
                    catalog.journals.push(journal);
                    return Ok(true);
                }
            }
        }
    }

    fn examine_if_stalled(&mut self, shared: &Shared) -> Result<(), ReadError> {
        let len = self.journal.file.len().map_err(self.io())?;
        match self.stalled {
            Some((at, stalled_len, since)) if (at, stalled_len) == (self.walk.at, len) => {
                if len > self.walk.at && since.elapsed() >= STALL {
                    self.examine(shared)?;
                    // Once is enough until something changes.
                    self.stalled = Some((at, len, Instant::now() + Duration::from_secs(3600)));
                }
            }
            _ => self.stalled = Some((self.walk.at, len, Instant::now())),
        }
        Ok(())
    }

    /// Tells damage from a group that is being written: behind damage something proves that it was durable.
    fn examine(&mut self, shared: &Shared) -> Result<(), ReadError> {
        let number = self.journal.stamp.number;
        let len = self.journal.file.len().map_err(self.io())?;
        while self.damage.is_none() && !self.journal.index().closed && self.walk.at < len {
            let names = shared
                .files
                .list(&shared.dir)
                .map_err(|source| ReadError::Unavailable { place: (&shared.dir).into(), source })?;
            let later = |name: &String| matches!(parse_name(name), Name::Journal(other) if other > number);
            if !names.iter().any(later)
                && !self.walk.was_durable(self.journal.file.as_ref()).map_err(self.io())?
            {
                break;
            }
            let at = self.walk.at;
            self.walk.forget();
            self.read()?;
            if self.walk.at == at && self.damage.is_none() {
                let what = "no group of records begins here, but later ones do".into();
                self.damage = Some(Damage { byte: at, what });
            }
        }
        shared.announce(&self.walk.ends);
        Ok(())
    }
}

fn as_read_error(error: OpenError) -> ReadError {
    match error {
        OpenError::Unavailable { place, source } => ReadError::Unavailable { place, source },
        OpenError::Corrupt { file, byte, what } => ReadError::Corrupt { position: None, file, byte, what },
        other => ReadError::Refused(other.to_string()),
    }
}
