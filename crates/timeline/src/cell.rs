//! The changes of one cell by day.

use crate::{Axis, Storage};

/// Changes by (day slot, measure). A new cell of a dense cube has four bytes a slot and widens when a sum needs more.
#[derive(Debug, Clone)]
pub(crate) enum Changes {
    Narrow(Box<[i32]>),
    Wide(Box<[i64]>),
    Runs(Runs),
}

/// Changes of a quiet cell: sorted and summed up to `settled`, as they came after that.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runs {
    entries: Vec<(u32, i64)>,
    settled: usize,
}

impl Runs {
    fn add(&mut self, slot: u32, weight: i64) {
        self.entries.push((slot, weight));
        // Amortised: a run is summed up again only after it doubled.
        if self.entries.len() >= 16 && self.entries.len() >= self.settled * 2 {
            self.settle();
        }
    }

    fn settle(&mut self) {
        if self.settled == self.entries.len() {
            return;
        }
        self.entries.sort_unstable_by_key(|entry| entry.0);
        self.entries.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        self.entries.retain(|entry| entry.1 != 0);
        self.settled = self.entries.len();
    }
}

impl Changes {
    pub(crate) fn new(storage: Storage, axis: Axis, measures: usize) -> Changes {
        match storage {
            Storage::Dense => Changes::Narrow(vec![0; axis.days() * measures].into_boxed_slice()),
            Storage::Sparse => Changes::Runs(Runs::default()),
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, slot: usize, weight: i64) {
        match self {
            Changes::Narrow(slots) => match i32::try_from(i64::from(slots[slot]) + weight) {
                Ok(sum) => slots[slot] = sum,
                Err(_) => self.widen(slot, weight),
            },
            Changes::Wide(slots) => slots[slot] += weight,
            Changes::Runs(runs) => runs.add(slot as u32, weight),
        }
    }

    #[cold]
    fn widen(&mut self, slot: usize, weight: i64) {
        if let Changes::Narrow(slots) = self {
            let mut wide: Box<[i64]> = slots.iter().map(|sum| i64::from(*sum)).collect();
            wide[slot] += weight;
            *self = Changes::Wide(wide);
        }
    }

    /// Sums up what came since the last time; makes equal content equal.
    pub(crate) fn settle(&mut self) {
        if let Changes::Runs(runs) = self {
            runs.settle();
        }
    }

    /// What changed, in the order of slots; zeros left out. Settle first.
    pub(crate) fn for_each(&self, mut take: impl FnMut(usize, i64)) {
        match self {
            Changes::Narrow(slots) => {
                // Most pages of a quiet cell were never touched: sixteen slots at a glance.
                for (chunk_at, chunk) in slots.chunks(16).enumerate() {
                    if chunk.iter().any(|sum| *sum != 0) {
                        for (at, sum) in chunk.iter().enumerate().filter(|(_, sum)| **sum != 0) {
                            take(chunk_at * 16 + at, i64::from(*sum));
                        }
                    }
                }
            }
            Changes::Wide(slots) => {
                for (slot, sum) in slots.iter().enumerate().filter(|(_, sum)| **sum != 0) {
                    take(slot, *sum);
                }
            }
            Changes::Runs(runs) => {
                debug_assert_eq!(runs.settled, runs.entries.len(), "settle before reading");
                for (slot, sum) in &runs.entries {
                    take(*slot as usize, *sum);
                }
            }
        }
    }

    /// Adds to `sums` (one a measure) the changes of the day slots `days`.
    pub(crate) fn sum_days(&self, days: std::ops::Range<usize>, sums: &mut [i64]) {
        let measures = sums.len();
        match self {
            Changes::Narrow(slots) => {
                for day in slots[days.start * measures..days.end * measures].chunks_exact(measures) {
                    day.iter().zip(sums.iter_mut()).for_each(|(change, sum)| *sum += i64::from(*change));
                }
            }
            Changes::Wide(slots) => {
                for day in slots[days.start * measures..days.end * measures].chunks_exact(measures) {
                    day.iter().zip(sums.iter_mut()).for_each(|(change, sum)| *sum += change);
                }
            }
            Changes::Runs(runs) => {
                let (start, end) = ((days.start * measures) as u32, (days.end * measures) as u32);
                let sorted = &runs.entries[..runs.settled];
                let first = sorted.partition_point(|entry| entry.0 < start);
                let inside = sorted[first..].iter().take_while(|entry| entry.0 < end);
                let late =
                    runs.entries[runs.settled..].iter().filter(|entry| (start..end).contains(&entry.0));
                for (slot, change) in inside.chain(late) {
                    sums[*slot as usize % measures] += change;
                }
            }
        }
    }

    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Changes::Narrow(slots) => slots.len() * 4,
            Changes::Wide(slots) => slots.len() * 8,
            Changes::Runs(runs) => runs.entries.capacity() * 16,
        }
    }
}
