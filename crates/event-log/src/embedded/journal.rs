//! A journal: the records of all partitions in the order of their arrival, and walking over one.

use std::io;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::format::{
    FRAME_HEADER_BYTES, Frame, FrameFault, GROUP_HEADER_BYTES, GROUP_MAGIC, Group, Stamp, frame,
};
use crate::files::FileHandle;

/// Records of one partition that stand beside each other in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u64,
    pub(super) count: u32,
    /// Where the first frame begins.
    pub(super) at: u32,
    pub(super) bytes: u32,
}

impl Run {
    pub(super) fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

/// What of a journal may be read.
#[derive(Debug)]
pub(super) struct Index {
    /// For each partition, in order.
    pub(super) runs: Vec<Vec<Run>>,
    /// For each partition, the offset after the last record.
    pub(super) ends: Vec<u64>,
    /// Nothing will be added.
    pub(super) closed: bool,
}

#[derive(Debug)]
pub(super) struct Journal {
    pub(super) stamp: Stamp,
    pub(super) path: PathBuf,
    pub(super) file: Box<dyn FileHandle>,
    /// For each partition, the offset of its first record here.
    pub(super) first: Vec<u64>,
    index: RwLock<Index>,
}

impl Journal {
    pub(super) fn new(stamp: Stamp, path: PathBuf, file: Box<dyn FileHandle>, first: Vec<u64>) -> Journal {
        let index = Index { runs: vec![Vec::new(); first.len()], ends: first.clone(), closed: false };
        Journal { stamp, path, file, first, index: RwLock::new(index) }
    }

    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a group's runs to what may be read.
    pub(super) fn publish(&self, runs: &[(u16, Run)]) {
        let mut index = self.index_mut();
        for (partition, run) in runs {
            let partition = usize::from(*partition);
            index.runs[partition].push(*run);
            index.ends[partition] = run.next();
        }
    }
}

/// What is wrong in a journal, and where.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    pub(super) byte: u64,
    pub(super) what: String,
}

/// What a walk met.
#[derive(Debug)]
pub(super) enum Step {
    /// A whole, sound group; its runs are in [`Walk::runs`].
    Group(Group),
    /// The journal ends here, cleanly.
    End,
    /// What follows is no sound group.
    Damaged(Damage),
}

/// Walks over a journal group by group, verifying every frame.
pub(super) struct Walk {
    stamp: Stamp,
    /// Where the next group begins.
    pub(super) at: u64,
    /// The next offset of each partition.
    pub(super) ends: Vec<u64>,
    /// Everything before this byte is known to be durable.
    pub(super) durable: u64,
    /// The runs of the last group.
    pub(super) runs: Vec<(u16, Run)>,
    window: Window,
}

impl Walk {
    pub(super) fn new(stamp: Stamp, at: u64, first: Vec<u64>, piece_bytes: usize) -> Walk {
        let window = Window { piece_bytes, start: 0, bytes: Vec::new(), len: 0 };
        Walk { stamp, at, ends: first, durable: at, runs: Vec::new(), window }
    }

    /// Steps over the next group, durable or not: for the writer when it opens the journal, nobody else writing.
    pub(super) fn step(&mut self, file: &dyn FileHandle) -> io::Result<Step> {
        let head = self.window.get(file, self.at, GROUP_HEADER_BYTES)?;
        if head.is_empty() {
            return Ok(Step::End);
        }
        let Some(group) = Group::decode(head, &self.stamp, self.at) else {
            return Ok(Step::Damaged(Damage {
                byte: self.at,
                what: "no group of records begins here".into(),
            }));
        };
        self.durable = self.durable.max(group.durable);
        if let Some(damage) = self.frames(file, &group)? {
            return Ok(Step::Damaged(damage));
        }
        self.at += (GROUP_HEADER_BYTES + group.body) as u64;
        Ok(Step::Group(group))
    }

    /// Steps over the next group if it is known to be durable; `None` if there is none yet. For readers beside a writer:
    /// what they read before may have been half written.
    pub(super) fn step_durable(&mut self, file: &dyn FileHandle) -> io::Result<Option<Step>> {
        let Some(group) =
            Group::decode(self.window.get(file, self.at, GROUP_HEADER_BYTES)?, &self.stamp, self.at)
        else {
            return Ok(None);
        };
        self.durable = self.durable.max(group.durable);
        let end = self.at + (GROUP_HEADER_BYTES + group.body) as u64;
        if group.body > 0 && end > self.durable {
            // The one after it tells: it is written when this one is durable.
            if let Some(next) =
                Group::decode(self.window.get(file, end, GROUP_HEADER_BYTES)?, &self.stamp, end)
            {
                self.durable = self.durable.max(next.durable);
            }
            if end > self.durable {
                return Ok(None);
            }
        }
        let mut damage = self.frames(file, &group)?;
        if damage.is_some() {
            // The window may be older than the proof that the group is durable.
            self.window.forget();
            damage = self.frames(file, &group)?;
        }
        if let Some(damage) = damage {
            return Ok(Some(Step::Damaged(damage)));
        }
        self.at = end;
        Ok(Some(Step::Group(group)))
    }

    /// Whatever was read may have changed since.
    pub(super) fn forget(&mut self) {
        self.window.forget();
    }

    /// Looks behind `at` for a group that was written when what begins there was durable, and learns from it how far the
    /// journal is. There is one: these bytes were whole once. There is none: they may never have been synced, and were
    /// never acknowledged.
    pub(super) fn was_durable(&mut self, file: &dyn FileHandle) -> io::Result<bool> {
        const STEP_BYTES: usize = 1 << 20;
        self.window.forget();
        let mut from = self.at + 1;
        loop {
            let bytes = self.window.get(file, from, STEP_BYTES)?;
            let len = bytes.len();
            let mut at = 0;
            while let Some(next) = bytes[at..].iter().position(|byte| *byte == GROUP_MAGIC[0]) {
                at += next;
                let position = from + at as u64;
                if let Some(group) = Group::decode(&bytes[at..], &self.stamp, position)
                    && group.durable > self.at
                {
                    self.durable = self.durable.max(group.durable);
                    return Ok(true);
                }
                at += 1;
            }
            if len < STEP_BYTES {
                return Ok(false);
            }
            from += (len - GROUP_HEADER_BYTES + 1) as u64;
        }
    }

    /// Verifies a group's frames and collects their runs; counts them only if all are sound.
    fn frames(&mut self, file: &dyn FileHandle, group: &Group) -> io::Result<Option<Damage>> {
        self.runs.clear();
        let damage = self.collect(file, group)?;
        if damage.is_some() {
            for (partition, run) in self.runs.drain(..).rev() {
                self.ends[usize::from(partition)] = run.first;
            }
        }
        Ok(damage)
    }

    fn collect(&mut self, file: &dyn FileHandle, group: &Group) -> io::Result<Option<Damage>> {
        let start = self.at + GROUP_HEADER_BYTES as u64;
        let bytes = self.window.get(file, start, group.body)?;
        let mut at = 0;
        let mut frames = 0;
        let damage = |at: usize, what: String| Ok(Some(Damage { byte: start + at as u64, what }));
        while at < group.body {
            let found = match frame(&bytes[at..]) {
                Ok(found) => found,
                Err(fault) => return damage(at, fault.describe()),
            };
            let Frame { partition, offset, .. } = found;
            let Some(end) = self.ends.get_mut(usize::from(partition)) else {
                return damage(
                    at,
                    format!("a record of partition {partition} stands here, which the log does not have"),
                );
            };
            if *end != offset {
                return damage(
                    at,
                    format!("offset {offset} of partition {partition} stands here, expected {end}"),
                );
            }
            *end += 1;
            let size = found.size() as u32;
            match self.runs.last_mut() {
                Some((last, run)) if *last == partition => {
                    run.count += 1;
                    run.bytes += size;
                }
                _ => {
                    let at = (start + at as u64) as u32;
                    self.runs.push((partition, Run { first: offset, count: 1, at, bytes: size }));
                }
            }
            at += found.size();
            frames += 1;
        }
        if frames != group.frames || at != group.body {
            return damage(at, format!("the group has {frames} records, its head says {}", group.frames));
        }
        Ok(None)
    }
}

/// A piece of a file that was read ahead.
struct Window {
    piece_bytes: usize,
    start: u64,
    bytes: Vec<u8>,
    len: usize,
}

impl Window {
    /// The bytes at `at`: `count` of them, fewer only at the end of the file.
    fn get(&mut self, file: &dyn FileHandle, at: u64, count: usize) -> io::Result<&[u8]> {
        let held = self.start..=self.start + self.len as u64;
        let inside = at >= *held.start() && at + count as u64 <= *held.end();
        if !inside {
            let wanted = count.max(self.piece_bytes);
            if self.bytes.len() < wanted {
                self.bytes.resize(wanted, 0);
            }
            self.start = at;
            self.len = 0;
            self.len = file.read_at(&mut self.bytes[..wanted], at)?;
        }
        let from = (at - self.start) as usize;
        Ok(&self.bytes[from..(from + count).min(self.len)])
    }

    fn forget(&mut self) {
        self.len = 0;
    }
}

/// Walks the frames of one partition in `bytes`, which must hold only those, beginning at offset `next`: calls `each`
/// with where a frame's record stands, and gives the bytes of the sound frames and what is wrong behind them. A frame
/// that is cut off by the end of `bytes` is left for the next time.
#[inline]
pub(super) fn frames_of(
    bytes: &[u8],
    partition: u16,
    mut next: u64,
    mut each: impl FnMut(usize, usize),
) -> (usize, Option<StretchFault>) {
    let mut at = 0;
    loop {
        let found = match frame(&bytes[at..]) {
            Ok(found) => found,
            Err(FrameFault::Short(_)) => return (at, None),
            Err(fault) => return (at, Some(StretchFault::Frame { at, next, fault })),
        };
        if found.partition != partition || found.offset != next {
            return (at, Some(StretchFault::Gap { at, next, found }));
        }
        each(at + FRAME_HEADER_BYTES, found.len);
        at += found.size();
        next += 1;
    }
}

/// Why a stretch of one partition's frames cannot be read further.
#[derive(Clone, Copy, Debug)]
pub(super) enum StretchFault {
    Frame { at: usize, next: u64, fault: FrameFault },
    Gap { at: usize, next: u64, found: Frame },
}
