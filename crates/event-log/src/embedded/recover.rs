//! Opening: what the folder holds after any crash, and what that means.
//!
//! The writer works in this order, and a crash may come between any two steps:
//!
//! ```text
//! journal 2 closed, synced → journal 3 made, folder synced → segment 2 written as .tmp, synced → renamed, folder synced
//!                                                                                  → journal 2 removed, folder synced
//! ```
//!
//! So: a `.tmp` is a leftover; a journal beside its segment is a leftover if the segment is sound, and makes it again if
//! not; a journal that is not the last is closed and whole, or it is damaged; and the last journal is always there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog::{Catalog, Shared};
use super::commit::begin_journal;
use super::format::{JOURNAL_MAGIC, Stamp, decode_header, header_bytes};
use super::journal::{Damage, Journal, Step, Walk};
use super::meta::{Meta, Name, journal_path, parse_name, segment_path};
use super::segment::{Segment, SegmentError};
use super::{OpenReport, TornTail};
use crate::OpenError;
use crate::files::{Access, FileHandle, Files, read_exact_at};

const PIECE_BYTES: usize = 1 << 20;

/// What the writer begins with.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) shared: Shared,
    /// Where the last journal goes on.
    pub(super) position: u64,
    /// Full journals that are not split yet.
    pub(super) unsealed: Vec<Arc<Journal>>,
    pub(super) report: OpenReport,
}

/// Why a journal cannot be used.
#[derive(Debug)]
pub(super) enum JournalError {
    Io(io::Error),
    /// Its header is not whole; the file has this many bytes.
    Header(u64),
}

impl From<io::Error> for JournalError {
    fn from(error: io::Error) -> JournalError {
        JournalError::Io(error)
    }
}

pub(super) fn unavailable(path: &Path) -> impl FnOnce(io::Error) -> OpenError + '_ {
    move |source| OpenError::Unavailable { place: path.into(), source }
}

fn corrupt(path: &Path, damage: Damage) -> OpenError {
    OpenError::Corrupt { file: path.into(), byte: damage.byte, what: damage.what }
}

/// Opens a journal without reading its groups.
pub(super) fn open_journal(
    files: &dyn Files,
    path: PathBuf,
    stamp: Stamp,
    partitions: u16,
    access: Access,
) -> Result<Journal, JournalError> {
    let file = files.open(&path, access)?;
    let mut header = vec![0; header_bytes(partitions)];
    let len = file.len()?;
    if len < header.len() as u64 {
        return Err(JournalError::Header(len));
    }
    read_exact_at(file.as_ref(), &mut header, 0)?;
    let first = decode_header(&header, JOURNAL_MAGIC, &stamp, partitions).ok_or(JournalError::Header(len))?;
    Ok(Journal::new(stamp, path, file, first))
}

pub(super) fn walk(journal: &Journal, piece_bytes: usize) -> Walk {
    let start = header_bytes(journal.first.len() as u16) as u64;
    Walk::new(journal.stamp, start, journal.first.clone(), piece_bytes)
}

/// Says that a file begins where the one before it ends.
pub(super) fn check_follows(path: &Path, first: &[u64], before: &[u64]) -> Result<(), OpenError> {
    match first.iter().zip(before).position(|(first, before)| first != before) {
        None => Ok(()),
        Some(partition) => Err(corrupt(
            path,
            Damage {
                byte: 0,
                what: format!(
                    "it begins with offset {} of partition {partition}, the file before it ends before offset {}",
                    first[partition], before[partition]
                ),
            },
        )),
    }
}

/// What a folder lists: numbers of segments and journals, in order, and leftovers.
#[derive(Debug, Default)]
struct Listing {
    segments: Vec<u64>,
    journals: Vec<u64>,
    temporary: Vec<PathBuf>,
}

fn list(files: &dyn Files, dir: &Path) -> Result<Listing, OpenError> {
    let mut listing = Listing::default();
    for name in files.list(dir).map_err(unavailable(dir))? {
        match parse_name(&name) {
            Name::Segment(number) => listing.segments.push(number),
            Name::Journal(number) => listing.journals.push(number),
            Name::Temporary => listing.temporary.push(dir.join(name)),
            Name::Other => {}
        }
    }
    Ok(listing)
}

/// Makes an empty log. The `meta` file comes last: with it there is a log, without it there is none.
pub(super) fn create(files: &dyn Files, dir: &Path, meta: Meta, shared: &Shared) -> Result<(), OpenError> {
    let listing = list(files, dir)?;
    let path = journal_path(dir, 1);
    let leftover = || -> io::Result<bool> {
        Ok(files.open(&path, Access::Read)?.len()? <= header_bytes(meta.partitions) as u64)
    };
    let empty = listing.segments.is_empty()
        && (listing.journals.is_empty()
            || listing.journals == [1] && leftover().map_err(unavailable(&path))?);
    if !empty {
        return Err(OpenError::Refused {
            place: dir.into(),
            what: "there are files of an event log here, but no `meta`: restore that file from a copy, or name an empty folder".into(),
        });
    }
    begin_journal(shared, 1, &vec![0; usize::from(meta.partitions)]).map_err(unavailable(&path))?;
    meta.write(files, dir).map_err(unavailable(dir))
}

/// Reads the folder for writing, and mends what a crash leaves behind.
pub(super) fn recover(files: Arc<dyn Files>, dir: &Path, meta: Meta) -> Result<Recovered, OpenError> {
    let mut report = OpenReport::default();
    let listing = list(files.as_ref(), dir)?;
    let shared = Shared::new(Arc::clone(&files), dir.into(), meta, Catalog::default());
    for path in listing.temporary {
        files.remove(&path).map_err(unavailable(&path))?;
        report.removed.push(path);
    }

    let mut catalog = Catalog::default();
    let mut ends = vec![0; usize::from(meta.partitions)];
    for (number, expected) in listing.segments.iter().copied().zip(1..) {
        let path = segment_path(dir, number);
        if number != expected {
            return Err(missing(dir, expected));
        }
        let has_journal = listing.journals.contains(&number);
        let opened = Segment::open(files.as_ref(), path.clone(), shared.stamp(number), meta.partitions)
            .and_then(|segment| {
                if has_journal { segment.verify(files.as_ref()).map(|()| segment) } else { Ok(segment) }
            });
        let segment = match opened {
            Ok(segment) => segment,
            Err(SegmentError::Io(source)) => {
                return Err(OpenError::Unavailable { place: path.into(), source });
            }
            // The journal it was made from is still there: it is made again.
            Err(SegmentError::Damaged(_)) if has_journal => break,
            Err(SegmentError::Damaged(damage)) => return Err(corrupt(&path, damage)),
        };
        let first: Vec<u64> = segment.entries.iter().map(|entry| entry.first).collect();
        check_follows(&path, &first, &ends)?;
        ends = segment.entries.iter().map(super::segment::Entry::next).collect();
        if has_journal {
            // The segment's name may not be safe yet.
            files.sync_dir(dir).map_err(unavailable(dir))?;
            let journal = journal_path(dir, number);
            files.remove(&journal).map_err(unavailable(&journal))?;
            report.removed.push(journal);
        }
        catalog.segments.push(Arc::new(segment));
    }

    let sealed = catalog.segments.len() as u64;
    let journals: Vec<u64> = listing.journals.into_iter().filter(|number| *number > sealed).collect();
    let mut position = 0;
    let mut unsealed = Vec::new();
    for (index, (number, expected)) in journals.iter().copied().zip(sealed + 1..).enumerate() {
        if number != expected {
            return Err(missing(dir, expected));
        }
        let last = index + 1 == journals.len();
        let path = journal_path(dir, number);
        let journal = match open_journal(
            files.as_ref(),
            path.clone(),
            shared.stamp(number),
            meta.partitions,
            Access::Write,
        ) {
            Ok(journal) => journal,
            Err(JournalError::Io(source)) => {
                return Err(OpenError::Unavailable { place: path.into(), source });
            }
            // A journal is used only when its header is safe: this one never was.
            Err(JournalError::Header(len))
                if last && number > 1 && len <= header_bytes(meta.partitions) as u64 =>
            {
                begin_journal(&shared, number, &ends).map_err(unavailable(&path))?
            }
            Err(JournalError::Header(_)) => {
                return Err(corrupt(
                    &path,
                    Damage { byte: 0, what: "the header is not this journal's".into() },
                ));
            }
        };
        check_follows(&path, &journal.first, &ends)?;
        position = read_journal(&journal, last, &mut report)?;
        ends.clone_from(&journal.index().ends);
        let journal = Arc::new(journal);
        catalog.journals.push(Arc::clone(&journal));
        if !last {
            unsealed.push(journal);
        }
    }
    if catalog.journals.is_empty() {
        return Err(missing(dir, sealed + 1));
    }
    files.sync_dir(dir).map_err(unavailable(dir))?;
    report.unsealed = unsealed.len();
    *shared.announced() = catalog.ends(meta.partitions);
    *shared.catalog_mut() = catalog;
    Ok(Recovered { shared, position, unsealed, report })
}

fn missing(dir: &Path, number: u64) -> OpenError {
    corrupt(
        &journal_path(dir, number),
        Damage { byte: 0, what: "the file is missing, and so is the segment of the same number".into() },
    )
}

/// Reads all groups of a journal into its index and gives the place where it goes on. Cuts off the tail of the last one
/// if that was never durable.
fn read_journal(journal: &Journal, last: bool, report: &mut OpenReport) -> Result<u64, OpenError> {
    let file = journal.file.as_ref();
    let io = |source| OpenError::Unavailable { place: (&journal.path).into(), source };
    let mut walk = walk(journal, PIECE_BYTES);
    // Where what nothing proves to be durable begins: a group proves what stands before it, the header too.
    let mut unproven = 0;
    let mut closed = false;
    loop {
        let start = walk.at;
        match walk.step(file).map_err(io)? {
            Step::Group(group) => {
                if walk.durable >= start {
                    unproven = start;
                }
                journal.publish(&walk.runs);
                if closed || group.closing && file.len().map_err(io)? > walk.at {
                    let what = "the journal was closed, but something follows".into();
                    return Err(corrupt(&journal.path, Damage { byte: start, what }));
                }
                closed = group.closing;
            }
            Step::End => break,
            Step::Damaged(damage) => {
                if !last || closed || walk.was_durable(file).map_err(io)? {
                    return Err(corrupt(&journal.path, damage));
                }
                let len = file.len().map_err(io)?;
                file.truncate(start).map_err(io)?;
                let torn = TornTail { file: journal.path.clone(), byte: start, dropped_bytes: len - start };
                tracing::warn!(
                    file = %torn.file.display(), byte = torn.byte, dropped_bytes = torn.dropped_bytes,
                    "cut off a torn tail: records that were being written at the crash and were never acknowledged"
                );
                report.torn_tail = Some(torn);
                break;
            }
        }
    }
    if !last && !closed {
        let what = "the journal ends without its closing mark, but another follows".into();
        return Err(corrupt(&journal.path, Damage { byte: walk.at, what }));
    }
    if last {
        make_durable(file, unproven, walk.at).map_err(io)?;
    }
    journal.index_mut().closed = closed;
    Ok(walk.at)
}

/// Writes `from..to` again as it is, and syncs. What stands there came through a crash and may be only in memory: after
/// a sync that failed, a second one without a second write would prove nothing.
fn make_durable(file: &dyn FileHandle, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let mut bytes = vec![0; ((to - at) as usize).min(PIECE_BYTES)];
        read_exact_at(file, &mut bytes, at)?;
        file.write_at(&bytes, at)?;
        at += bytes.len() as u64;
    }
    file.sync_data()
}
