//! The bytes on disk: what journals and segments are made of. All numbers are little-endian.
//!
//! ```text
//! journal   = header group* ; a group is what one sync made durable
//! group     = magic u32 | crc u32 | body bytes u32 | frames u32 | durable u64 | frame*
//!             no frames: a *mark*, which says only how far the journal is durable; `CLOSING`: nothing follows
//! frame     = crc u32 | length u32 | partition and offset u64 | the record's bytes
//! segment   = header | a stretch of frames for each partition | footer
//! header    = magic 8 | crc u32 | header bytes u32 | log id 16 | number u64 | partitions u64 | first offset u64 each
//! ```
//!
//! A frame moves from journal to segment as it is, so that one checksum covers a record from append to reading: the crc of
//! the record's bytes, which the appending thread computes, xor that of the head's other fields, which are known later. A
//! group's checksum also covers the log's id, the journal's number and the group's own place, so that bytes a sender chose can
//! never pass for a group.

use super::checksum;
use crate::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, LogId, RECORD_BYTES_MAX};

pub(super) const FRAME_HEADER_BYTES: usize = 16;
pub(super) const GROUP_HEADER_BYTES: usize = 24;
/// A group holds whole batches, begun while it was under its target size.
pub(super) const GROUP_TARGET_BYTES_MAX: usize = 64 << 20;
pub(super) const GROUP_BODY_BYTES_MAX: usize =
    GROUP_TARGET_BYTES_MAX + BATCH_BYTES_MAX + BATCH_RECORDS_MAX * FRAME_HEADER_BYTES;
pub(super) const GROUP_MAGIC: [u8; 4] = *b"\xf7vGr";
const CLOSING: u32 = u32::MAX;
const OFFSET_BITS: u32 = 48;

pub(super) const JOURNAL_MAGIC: [u8; 8] = *b"vtJRNL\x00\x01";
pub(super) const SEGMENT_MAGIC: [u8; 8] = *b"vtSEGM\x00\x01";
const HEADER_FIXED_BYTES: usize = 48;

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}

/// What every file of a log carries: whose it is and which one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) log: LogId,
    pub(super) number: u64,
}

impl Stamp {
    /// A checksum that only this file's parts have.
    pub(super) fn crc(&self, position: u64, bytes: &[u8]) -> u32 {
        let mut crc = crc32c::crc32c(&self.log.0);
        crc = crc32c::crc32c_append(crc, &self.number.to_le_bytes());
        crc = crc32c::crc32c_append(crc, &position.to_le_bytes());
        crc32c::crc32c_append(crc, bytes)
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) partition: u16,
    pub(super) offset: u64,
    /// The record's bytes, without the head.
    pub(super) len: usize,
}

impl Frame {
    /// The frame's bytes, with the head.
    pub(super) fn size(&self) -> usize {
        FRAME_HEADER_BYTES + self.len
    }
}

/// Why there is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameFault {
    /// The bytes end before the frame does, which has this many.
    Short(usize),
    /// A length that no record has.
    Length(usize),
    /// The checksum is not that of the bytes.
    Checksum,
}

impl FrameFault {
    pub(super) fn describe(self) -> String {
        match self {
            FrameFault::Short(size) => {
                format!("a record of {size} bytes with its head does not fit into what is left")
            }
            FrameFault::Length(len) => {
                format!("a record says it has {len} bytes, the most is {RECORD_BYTES_MAX}")
            }
            FrameFault::Checksum => "the checksum of a record is not that of its bytes".into(),
        }
    }
}

/// Puts a frame that has no place yet: what takes time is done here, in the caller's thread.
pub(super) fn put_frame(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut head = [0; FRAME_HEADER_BYTES];
    head[..4].copy_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
    head[4..8].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(bytes);
}

/// Gives the frames that fill `frames`, all without a place, theirs: one behind the other from offset `first` on.
pub(super) fn place_frames(frames: &mut [u8], partition: u16, first: u64) {
    let mut place = u64::from(partition) << OFFSET_BITS | first;
    let mut at = 0;
    while at < frames.len() {
        let frame = &mut frames[at..];
        let len = u32_at(frame, 4) as usize;
        frame[8..FRAME_HEADER_BYTES].copy_from_slice(&place.to_le_bytes());
        let crc = u32_at(frame, 0) ^ crc32c::crc32c(&frame[4..FRAME_HEADER_BYTES]);
        frame[..4].copy_from_slice(&crc.to_le_bytes());
        at += FRAME_HEADER_BYTES + len;
        place += 1;
    }
}

/// The head of the frame at the beginning of `bytes`, unverified: to step over it.
#[inline]
pub(super) fn frame_head(bytes: &[u8]) -> Result<Frame, FrameFault> {
    if bytes.len() < FRAME_HEADER_BYTES {
        return Err(FrameFault::Short(FRAME_HEADER_BYTES));
    }
    let len = u32_at(bytes, 4) as usize;
    if len > RECORD_BYTES_MAX {
        return Err(FrameFault::Length(len));
    }
    let place = u64_at(bytes, 8);
    Ok(Frame { partition: (place >> OFFSET_BITS) as u16, offset: place & ((1 << OFFSET_BITS) - 1), len })
}

/// The frame at the beginning of `bytes`, verified.
#[inline]
pub(super) fn frame(bytes: &[u8]) -> Result<Frame, FrameFault> {
    let frame = frame_head(bytes)?;
    let Some(record) = bytes.get(FRAME_HEADER_BYTES..frame.size()) else {
        return Err(FrameFault::Short(frame.size()));
    };
    let head = bytes[4..FRAME_HEADER_BYTES].try_into().expect("twelve of sixteen bytes");
    if checksum::of_frame(head, record) != u32_at(bytes, 0) {
        return Err(FrameFault::Checksum);
    }
    Ok(frame)
}

/// The head of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The bytes of its frames.
    pub(super) body: usize,
    pub(super) frames: u32,
    /// Everything in the journal before this byte was durable when the group was written.
    pub(super) durable: u64,
    pub(super) closing: bool,
}

impl Group {
    pub(super) fn mark(durable: u64) -> Group {
        Group { body: 0, frames: 0, durable, closing: false }
    }

    pub(super) fn closing(durable: u64) -> Group {
        Group { closing: true, ..Group::mark(durable) }
    }

    pub(super) fn encode(&self, stamp: &Stamp, position: u64) -> [u8; GROUP_HEADER_BYTES] {
        let mut bytes = [0; GROUP_HEADER_BYTES];
        bytes[..4].copy_from_slice(&GROUP_MAGIC);
        bytes[8..12].copy_from_slice(&(self.body as u32).to_le_bytes());
        let frames = if self.closing { CLOSING } else { self.frames };
        bytes[12..16].copy_from_slice(&frames.to_le_bytes());
        bytes[16..].copy_from_slice(&self.durable.to_le_bytes());
        let crc = stamp.crc(position, &bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The group head at the beginning of `bytes`, which stand at `position` of the journal.
    pub(super) fn decode(bytes: &[u8], stamp: &Stamp, position: u64) -> Option<Group> {
        let bytes = bytes.get(..GROUP_HEADER_BYTES)?;
        if bytes[..4] != GROUP_MAGIC || u32_at(bytes, 4) != stamp.crc(position, &bytes[8..]) {
            return None;
        }
        let body = u32_at(bytes, 8) as usize;
        let frames = u32_at(bytes, 12);
        let durable = u64_at(bytes, 16);
        let closing = frames == CLOSING;
        let plausible = body <= GROUP_BODY_BYTES_MAX && durable <= position && (!closing || body == 0);
        plausible.then_some(Group { body, frames: if closing { 0 } else { frames }, durable, closing })
    }
}

/// How many bytes the header of a journal or segment has.
pub(super) fn header_bytes(partitions: u16) -> usize {
    HEADER_FIXED_BYTES + 8 * usize::from(partitions)
}

/// The header of a journal or segment whose partitions begin at `first`.
pub(super) fn encode_header(magic: [u8; 8], stamp: &Stamp, first: &[u64]) -> Vec<u8> {
    let len = HEADER_FIXED_BYTES + 8 * first.len();
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(&magic);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(len as u32).to_le_bytes());
    bytes.extend_from_slice(&stamp.log.0);
    bytes.extend_from_slice(&stamp.number.to_le_bytes());
    bytes.extend_from_slice(&(first.len() as u64).to_le_bytes());
    for offset in first {
        bytes.extend_from_slice(&offset.to_le_bytes());
    }
    let crc = stamp.crc(0, &bytes[12..]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The first offsets in a header, if it is this file's.
pub(super) fn decode_header(
    bytes: &[u8],
    magic: [u8; 8],
    stamp: &Stamp,
    partitions: u16,
) -> Option<Vec<u64>> {
    let sound = bytes.len() == header_bytes(partitions)
        && bytes[..8] == magic
        && u32_at(bytes, 8) == stamp.crc(0, &bytes[12..])
        && u32_at(bytes, 12) as usize == bytes.len()
        && u64_at(bytes, 40) == u64::from(partitions);
    sound.then(|| bytes[HEADER_FIXED_BYTES..].chunks_exact(8).map(|bytes| u64_at(bytes, 0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { log: LogId([3; 16]), number: 7 };

    #[test]
    fn every_flipped_bit_of_a_frame_is_noticed() {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, b"a record");
        place_frames(&mut bytes, 63, 1 << 40);
        assert_eq!(frame(&bytes), Ok(Frame { partition: 63, offset: 1 << 40, len: 8 }));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(frame(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_group_is_only_itself_in_its_own_place() {
        let group = Group { body: 5, frames: 2, durable: 90, closing: false };
        let mut bytes = group.encode(&STAMP, 100);
        assert_eq!(Group::decode(&bytes, &STAMP, 100), Some(group));
        assert_eq!(Group::decode(&bytes, &STAMP, 101), None);
        assert_eq!(Group::decode(&bytes, &Stamp { number: 8, ..STAMP }, 100), None);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Group::decode(&bytes, &STAMP, 100), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let mut bytes = encode_header(JOURNAL_MAGIC, &STAMP, &[5, 6]);
        assert_eq!(decode_header(&bytes, JOURNAL_MAGIC, &STAMP, 2), Some(vec![5, 6]));
        assert_eq!(decode_header(&bytes, SEGMENT_MAGIC, &STAMP, 2), None);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_header(&bytes, JOURNAL_MAGIC, &STAMP, 2), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
