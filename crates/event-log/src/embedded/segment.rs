//! A segment: a full journal, split by partition. Written once, never changed.
//!
//! ```text
//! footer = entries | points | tail
//! entry  = first offset u64 | records u64 | start u64 | bytes u64 | crc of the stretch u32 | points u32
//! point  = records since the stretch's first u32 | bytes since its start u32     one about every 16 KiB
//! tail   = entries' start u64 | crc of entries u32 | crc of points u32 | crc of the tail u32 | magic 8
//! ```

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::format::{
    FRAME_HEADER_BYTES, FrameFault, SEGMENT_MAGIC, Stamp, decode_header, encode_header, frame_head,
    header_bytes, u32_at, u64_at,
};
use super::journal::{Damage, Journal, StretchFault, frames_of};
use crate::files::{
    Access, FileHandle, Files, SequentialWriter, folder_of, read_exact_at, remove_if_there, temporary_path,
};

const ENTRY_BYTES: usize = 40;
const POINT_BYTES: usize = 8;
const TAIL_BYTES: usize = 28;
const POINT_EVERY_BYTES: u64 = 16 << 10;
/// What was written is synced this often: one sync of a whole segment would hold up those of the journal.
const SYNC_EVERY_BYTES: u64 = 16 << 20;
const PIECE_BYTES: usize = 1 << 20;
/// A journal is split in pieces that stay in the processor's cache from reading to writing.
const SPLIT_BYTES: usize = 256 << 10;

/// A partition's stretch of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) first: u64,
    pub(super) count: u64,
    pub(super) start: u64,
    pub(super) bytes: u64,
    pub(super) crc: u32,
    points: u32,
}

impl Entry {
    pub(super) fn next(&self) -> u64 {
        self.first + self.count
    }

    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes
    }
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) stamp: Stamp,
    pub(super) path: PathBuf,
    pub(super) entries: Vec<Entry>,
    points_start: u64,
    points_crc: u32,
    /// The points, once somebody began in the middle of a stretch.
    points: OnceLock<Vec<u8>>,
}

/// Why a segment cannot be used.
#[derive(Debug)]
pub(super) enum SegmentError {
    Io(io::Error),
    Damaged(Damage),
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> SegmentError {
        SegmentError::Io(error)
    }
}

fn damaged(byte: u64, what: &str) -> SegmentError {
    SegmentError::Damaged(Damage { byte, what: what.into() })
}

impl Segment {
    /// Reads a segment's footer.
    pub(super) fn open(
        files: &dyn Files,
        path: PathBuf,
        stamp: Stamp,
        partitions: u16,
    ) -> Result<Segment, SegmentError> {
        let file = files.open(&path, Access::Read)?;
        let len = file.len()?;
        let entries_bytes = usize::from(partitions) * ENTRY_BYTES;
        let least = (header_bytes(partitions) + entries_bytes + TAIL_BYTES) as u64;
        if len < least {
            return Err(damaged(len, "the file ends before its footer does"));
        }
        let tail_at = len - TAIL_BYTES as u64;
        let mut tail = [0; TAIL_BYTES];
        read_exact_at(file.as_ref(), &mut tail, tail_at)?;
        if tail[20..] != SEGMENT_MAGIC || u32_at(&tail, 16) != stamp.crc(tail_at, &tail[..16]) {
            return Err(damaged(tail_at, "the footer's checksum is wrong, or it is another file's"));
        }
        let entries_start = u64_at(&tail, 0);
        let points_start = entries_start + entries_bytes as u64;
        if points_start > tail_at {
            return Err(damaged(tail_at, "the footer does not fit into the file"));
        }
        let mut bytes = vec![0; entries_bytes];
        read_exact_at(file.as_ref(), &mut bytes, entries_start)?;
        if u32_at(&tail, 8) != crc32c::crc32c(&bytes) {
            return Err(damaged(entries_start, "the checksum of the footer's entries is wrong"));
        }
        let entries = bytes
            .chunks_exact(ENTRY_BYTES)
            .map(|bytes| Entry {
                first: u64_at(bytes, 0),
                count: u64_at(bytes, 8),
                start: u64_at(bytes, 16),
                bytes: u64_at(bytes, 24),
                crc: u32_at(bytes, 32),
                points: u32_at(bytes, 36),
            })
            .collect();
        Ok(Segment {
            stamp,
            path,
            entries,
            points_start,
            points_crc: u32_at(&tail, 12),
            points: OnceLock::new(),
        })
    }

    /// Where the record at `offset` stands, which is in this partition's stretch. Steps over frames without verifying
    /// them: whoever reads on does that.
    pub(super) fn find(
        &self,
        file: &dyn FileHandle,
        partition: usize,
        offset: u64,
    ) -> Result<u64, SegmentError> {
        let entry = &self.entries[partition];
        let (mut next, mut at) = (entry.first, entry.start);
        if offset == next {
            return Ok(at);
        }
        let points = self.points(file)?;
        let before: u64 = self.entries[..partition].iter().map(|entry| u64::from(entry.points)).sum();
        let own =
            points[before as usize * POINT_BYTES..].chunks_exact(POINT_BYTES).take(entry.points as usize);
        for point in own {
            let point_offset = entry.first + u64::from(u32_at(point, 0));
            if point_offset > offset {
                break;
            }
            (next, at) = (point_offset, entry.start + u64::from(u32_at(point, 4)));
        }
        let mut piece = vec![0; POINT_EVERY_BYTES as usize + FRAME_HEADER_BYTES];
        let mut read_from = at;
        let mut len = 0;
        while next < offset {
            let within = (at - read_from) as usize;
            match frame_head(piece[..len].get(within..).unwrap_or_default()) {
                Ok(frame) if frame.offset == next => {
                    next += 1;
                    at += frame.size() as u64;
                }
                Ok(_) => return Err(damaged(at, "an offset does not follow the last")),
                Err(FrameFault::Short(_)) if at > read_from || len == 0 => {
                    read_from = at;
                    len = file.read_at(&mut piece, at)?;
                    if len == 0 {
                        return Err(damaged(at, "the file ends before the record"));
                    }
                }
                Err(fault) => return Err(SegmentError::Damaged(Damage { byte: at, what: fault.describe() })),
            }
        }
        Ok(at)
    }

    fn points(&self, file: &dyn FileHandle) -> Result<&[u8], SegmentError> {
        if let Some(points) = self.points.get() {
            return Ok(points);
        }
        let count: u64 = self.entries.iter().map(|entry| u64::from(entry.points)).sum();
        let mut bytes = vec![0; count as usize * POINT_BYTES];
        read_exact_at(file, &mut bytes, self.points_start)?;
        if crc32c::crc32c(&bytes) != self.points_crc {
            return Err(damaged(self.points_start, "the checksum of the footer's points is wrong"));
        }
        Ok(self.points.get_or_init(|| bytes))
    }

    /// Reads everything: the header, each frame, the checksum of each stretch.
    pub(super) fn verify(&self, files: &dyn Files) -> Result<(), SegmentError> {
        let file = files.open(&self.path, Access::Read)?;
        let mut header = vec![0; header_bytes(self.entries.len() as u16)];
        read_exact_at(file.as_ref(), &mut header, 0)?;
        let first = decode_header(&header, SEGMENT_MAGIC, &self.stamp, self.entries.len() as u16);
        if first
            .is_none_or(|first| first.iter().zip(&self.entries).any(|(first, entry)| *first != entry.first))
        {
            return Err(damaged(0, "the header is not this segment's"));
        }
        let mut buffer = Vec::new();
        let mut expected_start = header.len() as u64;
        for (partition, entry) in self.entries.iter().enumerate() {
            if entry.start != expected_start {
                return Err(damaged(expected_start, "the stretches do not follow each other"));
            }
            expected_start = entry.end();
            let (mut at, mut next, mut crc) = (entry.start, entry.first, 0);
            while at < entry.end() {
                let left = (entry.end() - at) as usize;
                buffer.resize(left.min(2 * PIECE_BYTES), 0);
                read_exact_at(file.as_ref(), &mut buffer, at)?;
                let (walked, fault) = frames_of(&buffer, partition as u16, next, |_, _| next += 1);
                if let Some(fault) = fault {
                    return Err(SegmentError::Damaged(stretch_damage(at, fault)));
                }
                if walked == 0 {
                    return Err(damaged(at, "a record does not fit into its stretch"));
                }
                crc = crc32c::crc32c_append(crc, &buffer[..walked]);
                at += walked as u64;
            }
            if next != entry.next() || crc != entry.crc {
                return Err(damaged(entry.start, "the stretch is not the one its entry describes"));
            }
        }
        Ok(())
    }
}

pub(super) fn stretch_damage(at: u64, fault: StretchFault) -> Damage {
    match fault {
        StretchFault::Frame { at: within, fault, .. } => {
            Damage { byte: at + within as u64, what: fault.describe() }
        }
        StretchFault::Gap { at: within, next, found } => Damage {
            byte: at + within as u64,
            what: format!(
                "offset {} of partition {} stands here, expected {next}",
                found.offset, found.partition
            ),
        },
    }
}

/// Splits a closed journal by partition into the segment `path`; afterwards the segment is safe under its name, and the
/// journal may go. Every frame is verified on the way: what is damaged must not get a second life.
pub(super) fn seal(files: &dyn Files, journal: &Journal, path: &Path) -> Result<Segment, SegmentError> {
    let stamp = journal.stamp;
    let partitions = journal.first.len();
    let temporary = temporary_path(path);
    remove_if_there(files, &temporary)?;
    let mut out = SequentialWriter::new(files.create(&temporary)?);
    out.write_all(&encode_header(SEGMENT_MAGIC, &stamp, &journal.first))?;

    let mut entries = Vec::with_capacity(partitions);
    let mut points = Vec::new();
    let mut synced = 0;
    let mut buffer = vec![0; SPLIT_BYTES];
    for partition in 0..partitions {
        let runs = journal.index().runs[partition].clone();
        let first = journal.first[partition];
        let mut entry = Entry { first, count: 0, start: out.position(), bytes: 0, crc: 0, points: 0 };
        let mut last_point = 0;
        for run in &runs {
            if run.first != entry.next() {
                return Err(damaged(u64::from(run.at), "the records here are not those that were written"));
            }
            let mut at = u64::from(run.at);
            let end = at + u64::from(run.bytes);
            while at < end {
                let left = (end - at) as usize;
                let wanted = left.min(buffer.len());
                let piece = &mut buffer[..wanted];
                read_exact_at(journal.file.as_ref(), piece, at)?;
                let before = entry.bytes;
                let mut count = 0;
                let (walked, fault) = frames_of(piece, partition as u16, entry.next(), |start, _| {
                    let begins = before + (start - FRAME_HEADER_BYTES) as u64;
                    if begins - last_point >= POINT_EVERY_BYTES {
                        last_point = begins;
                        points.extend_from_slice(&((entry.count + count) as u32).to_le_bytes());
                        points.extend_from_slice(&(begins as u32).to_le_bytes());
                        entry.points += 1;
                    }
                    count += 1;
                });
                if let Some(fault) = fault {
                    return Err(SegmentError::Damaged(stretch_damage(at, fault)));
                }
                // What is cut off by the end of a piece begins the next one, which must hold it.
                if walked == 0 && wanted == left {
                    return Err(damaged(at, "the records here are not those that were written"));
                }
                if walked == 0 {
                    let longer = 2 * buffer.len();
                    buffer.resize(longer, 0);
                    continue;
                }
                out.write_all(&piece[..walked])?;
                entry.crc = crc32c::crc32c_append(entry.crc, &piece[..walked]);
                entry.count += count;
                entry.bytes += walked as u64;
                at += walked as u64;
            }
            if entry.next() != run.next() {
                return Err(damaged(u64::from(run.at), "the records here are not those that were written"));
            }
        }
        entries.push(entry);
        if out.position() - synced >= SYNC_EVERY_BYTES {
            synced = out.position();
            out.sync()?;
        }
    }

    let entries_start = out.position();
    let mut bytes = Vec::with_capacity(partitions * ENTRY_BYTES);
    for entry in &entries {
        for number in [entry.first, entry.count, entry.start, entry.bytes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&entry.crc.to_le_bytes());
        bytes.extend_from_slice(&entry.points.to_le_bytes());
    }
    let points_crc = crc32c::crc32c(&points);
    out.write_all(&bytes)?;
    out.write_all(&points)?;
    let mut tail = Vec::with_capacity(TAIL_BYTES);
    tail.extend_from_slice(&entries_start.to_le_bytes());
    tail.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    tail.extend_from_slice(&points_crc.to_le_bytes());
    tail.extend_from_slice(&stamp.crc(out.position(), &tail).to_le_bytes());
    tail.extend_from_slice(&SEGMENT_MAGIC);
    out.write_all(&tail)?;
    out.finish()?;
    files.rename(&temporary, path)?;
    files.sync_dir(folder_of(path))?;
    let points_start = entries_start + bytes.len() as u64;
    Ok(Segment { stamp, path: path.into(), entries, points_start, points_crc, points: OnceLock::new() })
}
