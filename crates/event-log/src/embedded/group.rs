//! A group: what one sync makes durable. Its frames are put in order of their partitions, so that a reader of one finds
//! long runs; within a partition they keep the order of their arrival.

use std::io;

use super::format::{GROUP_HEADER_BYTES, Group, Stamp, place_frames};
use super::journal::Run;
use super::queue::Pending;
use crate::files::FileHandle;

/// A group is written in pieces that stay in the processor's cache from copying to writing.
const PIECE_BYTES: usize = 256 << 10;

/// The order of a group's records, and where they will stand. Its memory is used again for the next group.
#[derive(Default)]
pub(super) struct Arrangement {
    /// The partitions' runs; `at` counts from the group's beginning.
    pub(super) runs: Vec<(u16, Run)>,
    /// The group's bytes, its head included.
    pub(super) bytes: usize,
    frames: u32,
    /// The stretches of all batches, those of a partition beside each other, in the batches' order.
    order: Vec<Ordered>,
    /// For each partition, what it has in this group.
    shares: Vec<Share>,
    piece: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
struct Share {
    stretches: u32,
    records: u32,
    bytes: u32,
    /// Where the partition's next stretch goes in `order`.
    slot: u32,
    /// The partition's next offset.
    next: u64,
}

/// A stretch of frames of one partition in a batch.
#[derive(Clone, Copy, Default)]
struct Ordered {
    batch: u32,
    at: u32,
    bytes: u32,
    first: u64,
}

impl Arrangement {
    /// Arranges the records of `batches`, whose partitions go on at `ends`. Gives each batch's offsets.
    pub(super) fn arrange(&mut self, batches: &[Pending], ends: &[u64]) -> Vec<Vec<u64>> {
        self.shares.clear();
        self.shares.extend(ends.iter().map(|next| Share { next: *next, ..Share::default() }));
        for stretch in batches.iter().flat_map(|batch| &batch.stretches) {
            let share = &mut self.shares[usize::from(stretch.partition)];
            share.stretches += 1;
            share.records += stretch.records;
            share.bytes += stretch.bytes;
        }
        self.runs.clear();
        self.bytes = GROUP_HEADER_BYTES;
        self.frames = 0;
        let mut slot = 0;
        for (partition, share) in (0..).zip(&mut self.shares) {
            if share.records > 0 {
                let (at, bytes) = (self.bytes as u32, share.bytes);
                self.runs.push((partition, Run { first: share.next, count: share.records, at, bytes }));
                self.bytes += bytes as usize;
                self.frames += share.records;
            }
            share.slot = slot;
            slot += share.stretches;
        }
        self.order.resize(slot as usize, Ordered::default());
        let mut offsets = Vec::with_capacity(batches.len());
        for (batch, pending) in (0..).zip(batches) {
            let mut at = 0;
            for stretch in &pending.stretches {
                let share = &mut self.shares[usize::from(stretch.partition)];
                self.order[share.slot as usize] =
                    Ordered { batch, at, bytes: stretch.bytes, first: share.next };
                share.slot += 1;
                share.next += u64::from(stretch.records);
                at += stretch.bytes;
            }
            // A record's rank counts from the end of its batch's stretch.
            let offset =
                |(partition, rank): &(u16, u32)| self.shares[usize::from(*partition)].next - u64::from(*rank);
            offsets.push(pending.records.iter().map(offset).collect());
        }
        offsets
    }

    /// Writes the group at `position` of a journal that is durable up to `durable`. Not synced.
    pub(super) fn write(
        &mut self,
        batches: &[Pending],
        file: &dyn FileHandle,
        stamp: &Stamp,
        position: u64,
        durable: u64,
    ) -> io::Result<()> {
        let body = self.bytes - GROUP_HEADER_BYTES;
        let head = Group { body, frames: self.frames, durable, closing: false };
        let mut at = position;
        self.piece.clear();
        self.piece.extend_from_slice(&head.encode(stamp, position));
        let mut order = self.order.iter();
        for (partition, _) in &self.runs {
            let stretches = self.shares[usize::from(*partition)].stretches as usize;
            for stretch in order.by_ref().take(stretches) {
                let start = self.piece.len();
                let from = stretch.at as usize;
                let frames = &batches[stretch.batch as usize].frames[from..from + stretch.bytes as usize];
                self.piece.extend_from_slice(frames);
                place_frames(&mut self.piece[start..], *partition, stretch.first);
                if self.piece.len() >= PIECE_BYTES {
                    file.write_at(&self.piece, at)?;
                    at += self.piece.len() as u64;
                    self.piece.clear();
                }
            }
        }
        file.write_at(&self.piece, at)
    }
}
