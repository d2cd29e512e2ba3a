//! The bytes of a file of rows. Numbers are little-endian; `n` is a number of few bytes.
//!
//! ```text
//! file   = header group* ; a group is what one sync made durable, the first one says which bases are in force
//! header = magic and version 8 | crc u32 | partitions u32 | log id 16 | number of the file u64
//! group  = magic u32 | crc of the head u32 | crc of the body u32 | body bytes u64 | record*
//! record = 1 | partition n | first offset n | bytes n | a delta row
//!        | 2 | partition n | number of the base n | next offset n | digest 32
//! ```
//!
//! A group is written when the one before it is durable: only the last one can be torn, and whatever stands before a sound
//! head was whole once. The checksum of a head covers the log's id, the file's number and the group's place, so that bytes
//! of a row don't pass for one.

use std::io;

use contract::varint::{put, take, take_array, take_bytes};
use event_log::{
    LogId,
    files::{FileHandle, read_exact_at},
};

use super::Manifest;

const MAGIC: &[u8; 6] = b"vtrows";
/// Version 1 was kept in sled.
pub(super) const VERSION: u32 = 2;
pub(super) const HEADER_BYTES: usize = 8 + 4 + 4 + 16 + 8;
const GROUP_MAGIC: [u8; 4] = *b"\xf6vRw";
pub(super) const GROUP_HEAD_BYTES: usize = 4 + 4 + 4 + 8;
const ROW: u8 = 1;
const BASE: u8 = 2;

/// Whose file it is and which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) log: LogId,
    pub(super) partitions: u16,
    pub(super) number: u64,
}

/// What a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    Sound,
    /// Of another log, or of one with other partitions.
    AnotherLog,
    OtherVersion(u32),
    Damaged,
}

impl Stamp {
    fn crc(&self, position: u64, head: &[u8]) -> u32 {
        let mut crc = crc32c::crc32c(&self.log.0);
        crc = crc32c::crc32c_append(crc, &self.number.to_le_bytes());
        crc = crc32c::crc32c_append(crc, &position.to_le_bytes());
        crc32c::crc32c_append(crc, head)
    }

    /// The header of the file.
    pub(super) fn header(&self) -> Vec<u8> {
        let mut rest = u32::from(self.partitions).to_le_bytes().to_vec();
        rest.extend_from_slice(&self.log.0);
        rest.extend_from_slice(&self.number.to_le_bytes());
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(format!("{VERSION:02}").as_bytes());
        header.extend_from_slice(&crc32c::crc32c(&rest).to_le_bytes());
        header.extend_from_slice(&rest);
        header
    }

    fn check_header(&self, header: &[u8]) -> Header {
        let version = |digits| std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let found = header.strip_prefix(MAGIC).and_then(|rest| version(rest.get(..2)?));
        match found {
            Some(VERSION) if header == self.header() => Header::Sound,
            Some(VERSION) => {
                let (crc, rest) = (&header[8..12], &header[12..]);
                let is_whole = crc == crc32c::crc32c(rest).to_le_bytes();
                if is_whole && header.ends_with(&self.number.to_le_bytes()) {
                    Header::AnotherLog
                } else {
                    Header::Damaged
                }
            }
            Some(other) => Header::OtherVersion(other),
            None => Header::Damaged,
        }
    }

    /// Fills in the head of a group that will stand at `position`.
    pub(super) fn seal(&self, group: &mut [u8], position: u64) {
        let (head, body) = group.split_at_mut(GROUP_HEAD_BYTES);
        head[..4].copy_from_slice(&GROUP_MAGIC);
        head[8..12].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
        head[12..].copy_from_slice(&(body.len() as u64).to_le_bytes());
        let crc = self.crc(position, &head[8..]);
        head[4..8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Checksum and length of the body of the group whose head stands at `position`, if one does.
    fn read_head(&self, head: &[u8], position: u64) -> Option<(u32, u64)> {
        let mut rest = head.get(..GROUP_HEAD_BYTES)?.strip_prefix(&GROUP_MAGIC)?;
        let crc = u32::from_le_bytes(take_array(&mut rest)?);
        let is_sound = crc == self.crc(position, rest);
        let body_crc = u32::from_le_bytes(take_array(&mut rest)?);
        let length = u64::from_le_bytes(take_array(&mut rest)?);
        is_sound.then_some((body_crc, length))
    }
}

/// What a group holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A delta row of `partition` that begins at the offset `from`.
    Row { partition: u16, from: u64, bytes: &'a [u8] },
    /// From here on, what `partition` begins with.
    Base { partition: u16, manifest: Manifest },
}

impl<'a> Record<'a> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            Record::Row { partition, from, bytes } => {
                out.push(ROW);
                put(out, u64::from(*partition));
                put(out, *from);
                put(out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Record::Base { partition, manifest: Manifest { number, digest, next_offset } } => {
                out.push(BASE);
                put(out, u64::from(*partition));
                put(out, *number);
                put(out, *next_offset);
                out.extend_from_slice(digest);
            }
        }
    }

    /// Takes a record from the front; `None`: none of this shape stands there.
    pub(super) fn take(bytes: &mut &'a [u8]) -> Option<Record<'a>> {
        let [kind] = take_array(bytes)?;
        let partition = u16::try_from(take(bytes)?).ok()?;
        match kind {
            ROW => {
                let from = take(bytes)?;
                let length = usize::try_from(take(bytes)?).ok()?;
                Some(Record::Row { partition, from, bytes: take_bytes(bytes, length)? })
            }
            BASE => {
                let (number, next_offset) = (take(bytes)?, take(bytes)?);
                let manifest = Manifest { number, digest: take_array(bytes)?, next_offset };
                Some(Record::Base { partition, manifest })
            }
            _ => None,
        }
    }
}

/// Goes through the groups of a file.
pub(super) struct Groups<'a> {
    file: &'a dyn FileHandle,
    stamp: Stamp,
    /// The file's length.
    pub(super) length: u64,
    /// Where that begins which was made durable with the group read last: the group, or the header with the first one.
    pub(super) begin: u64,
    /// Where the next one begins.
    pub(super) at: u64,
    body: Vec<u8>,
}

impl<'a> Groups<'a> {
    /// Begins with the header.
    pub(super) fn open(file: &'a dyn FileHandle, stamp: Stamp) -> io::Result<(Groups<'a>, Header)> {
        let mut header = [0; HEADER_BYTES];
        let found = file.read_at(&mut header, 0)?;
        let length = file.len()?;
        let groups = Groups { file, stamp, length, begin: 0, at: HEADER_BYTES as u64, body: Vec::new() };
        Ok((groups, if found == HEADER_BYTES { stamp.check_header(&header) } else { Header::Damaged }))
    }

    /// Whether no group was read yet.
    pub(super) fn is_empty(&self) -> bool {
        self.at == HEADER_BYTES as u64
    }

    /// Reads the next group; `None`: the file ends, or what follows is no sound group.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let mut head = [0; GROUP_HEAD_BYTES];
        let found = self.file.read_at(&mut head, self.at)?;
        let body_at = self.at + GROUP_HEAD_BYTES as u64;
        // A length is believed as far as the file goes.
        let head = self.stamp.read_head(&head[..found], self.at);
        let Some((crc, length)) = head.filter(|(_, length)| *length <= self.length.saturating_sub(body_at))
        else {
            return Ok(None);
        };
        self.body.resize(usize::try_from(length).map_err(io::Error::other)?, 0);
        read_exact_at(self.file, &mut self.body, body_at)?;
        if crc32c::crc32c(&self.body) != crc {
            return Ok(None);
        }
        self.begin = if self.is_empty() { 0 } else { self.at };
        self.at = body_at + length;
        Ok(Some(&self.body))
    }

    /// Whether the head of a group stands behind where the next one should: then that one was whole, and its damage is no
    /// crash's.
    pub(super) fn is_followed(&self) -> io::Result<bool> {
        const PIECE_BYTES: usize = 1 << 20;
        let mut bytes = vec![0; PIECE_BYTES];
        let mut from = self.at + 1;
        loop {
            let found = self.file.read_at(&mut bytes, from)?;
            let is_head = |at: usize| {
                let bytes = &bytes[at..found];
                bytes[0] == GROUP_MAGIC[0] && self.stamp.read_head(bytes, from + at as u64).is_some()
            };
            if (0..found).any(is_head) {
                return Ok(true);
            }
            if found < PIECE_BYTES {
                return Ok(false);
            }
            // A head may stand across two pieces.
            from += (PIECE_BYTES - GROUP_HEAD_BYTES) as u64;
        }
    }

    /// Makes what was read of the last file safe, and cuts off the rest. Of a write whose sync failed nobody knows whether the
    /// disk has it, also if it can be read, and syncing again proves nothing; so the last group, the only one this can have
    /// happened to, is written once more.
    pub(super) fn make_safe(&self) -> io::Result<()> {
        let mut last = vec![0; usize::try_from(self.at - self.begin).map_err(io::Error::other)?];
        read_exact_at(self.file, &mut last, self.begin)?;
        if self.length > self.at {
            self.file.truncate(self.at)?;
        }
        self.file.write_at(&last, self.begin)?;
        self.file.sync_data()
    }
}
