//! The changes of one cell by day.

use crate::{Axis, Storage};

/// Days to a block of a dense cell.
pub(crate) const BLOCK_DAYS: usize = 32;

/// What changed, by day and measure.
#[derive(Debug, Clone)]
pub(crate) enum Changes {
    Dense(Blocks),
    Sparse(Runs),
}

/// One change of a cell: from a day of the axis on, of a measure, by how much; a level goes back on the day it ends.
///
/// Short, for there are hundreds of millions: measure and weight share a word.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Change {
    pub(crate) day: u16,
    /// The day on which it goes back, or [`Change::STAYS`].
    pub(crate) back: u16,
    /// The measure in the lowest bits, the weight above.
    pub(crate) measured: i64,
}

impl Change {
    /// Where a change never goes back.
    pub(crate) const STAYS: u16 = u16::MAX;
    const MEASURE_BITS: u32 = 8;
    const WEIGHT_MAX: i64 = i64::MAX >> Change::MEASURE_BITS;

    /// Gives what together changes `measure` by `weight`: a single change but for weights above 56 bits.
    #[inline]
    pub(crate) fn each(day: u16, back: u16, measure: usize, weight: i64, mut take: impl FnMut(Change)) {
        let change = |weight| Change { day, back, measured: weight << Change::MEASURE_BITS | measure as i64 };
        if (-Change::WEIGHT_MAX..=Change::WEIGHT_MAX).contains(&weight) {
            return take(change(weight));
        }
        let mut rest = weight;
        while rest != 0 {
            let part = rest.clamp(-Change::WEIGHT_MAX, Change::WEIGHT_MAX);
            take(change(part));
            rest -= part;
        }
    }

    #[inline]
    pub(crate) fn measure(self) -> usize {
        (self.measured & ((1 << Change::MEASURE_BITS) - 1)) as usize
    }

    #[inline]
    pub(crate) fn weight(self) -> i64 {
        self.measured >> Change::MEASURE_BITS
    }

    /// The opposite.
    #[inline]
    pub(crate) fn turned_round(self) -> Change {
        let measured = -self.weight() << Change::MEASURE_BITS | self.measure() as i64;
        Change { measured, ..self }
    }

    /// Whether each takes the other back.
    #[inline]
    pub(crate) fn cancels(self, other: Change) -> bool {
        let other = other.turned_round();
        (self.day, self.back, self.measured) == (other.day, other.back, other.measured)
    }
}

/// Changes of a busy cell: a block for every [`BLOCK_DAYS`] days, a slot a day and measure.
///
/// A cell lives for years, but most of what it counts happens in a few months, and most days change by less than 128: so a
/// block exists once something happens in it, and has as many bytes a slot as its largest sum needs.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    blocks: Box<[Block]>,
    measures: usize,
}

#[derive(Debug, Clone)]
enum Block {
    Empty,
    One(Box<[i8]>),
    Two(Box<[i16]>),
    Four(Box<[i32]>),
    Eight(Box<[i64]>),
}

/// Changes of a quiet cell by slot (day and measure in one number): sorted and summed up to `settled`, as they came after
/// that.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runs {
    entries: Vec<(u32, i64)>,
    settled: usize,
    measures: u32,
}

impl Block {
    /// One that holds `sums`.
    fn of(sums: &[i64]) -> Block {
        let within = |least: i64, most: i64| sums.iter().all(|sum| (least..=most).contains(sum));
        if within(i8::MIN.into(), i8::MAX.into()) {
            Block::One(sums.iter().map(|sum| *sum as i8).collect())
        } else if within(i16::MIN.into(), i16::MAX.into()) {
            Block::Two(sums.iter().map(|sum| *sum as i16).collect())
        } else if within(i32::MIN.into(), i32::MAX.into()) {
            Block::Four(sums.iter().map(|sum| *sum as i32).collect())
        } else {
            Block::Eight(sums.into())
        }
    }

    #[inline]
    fn add(&mut self, at: usize, weight: i64, slots: usize) {
        /// Whether the sum fits.
        #[inline]
        fn add<T: Copy + Into<i64> + TryFrom<i64>>(sum: &mut T, weight: i64) -> bool {
            let fits = T::try_from((*sum).into() + weight);
            fits.map(|fits| *sum = fits).is_ok()
        }
        let fits = match self {
            Block::Empty => false,
            Block::One(sums) => add(&mut sums[at], weight),
            Block::Two(sums) => add(&mut sums[at], weight),
            Block::Four(sums) => add(&mut sums[at], weight),
            Block::Eight(sums) => add(&mut sums[at], weight),
        };
        if !fits {
            self.grow(at, weight, slots);
        }
    }

    #[cold]
    fn grow(&mut self, at: usize, weight: i64, slots: usize) {
        let mut sums = vec![0; slots];
        self.for_each(|at, sum| sums[at] = sum);
        sums[at] += weight;
        *self = Block::of(&sums);
    }

    /// Sums other than zero, in order.
    #[inline]
    fn for_each(&self, mut take: impl FnMut(usize, i64)) {
        fn each<T: Copy + Into<i64>>(sums: &[T], take: &mut impl FnMut(usize, i64)) {
            for (at, sum) in sums.iter().enumerate() {
                let sum: i64 = (*sum).into();
                if sum != 0 {
                    take(at, sum);
                }
            }
        }
        match self {
            Block::Empty => {}
            Block::One(sums) => each(sums, &mut take),
            Block::Two(sums) => each(sums, &mut take),
            Block::Four(sums) => each(sums, &mut take),
            Block::Eight(sums) => each(sums, &mut take),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Block::Empty => 0,
            Block::One(sums) => sums.len(),
            Block::Two(sums) => sums.len() * 2,
            Block::Four(sums) => sums.len() * 4,
            Block::Eight(sums) => sums.len() * 8,
        }
    }
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
            Storage::Dense => {
                let blocks = (0..axis.days().div_ceil(BLOCK_DAYS)).map(|_| Block::Empty).collect();
                Changes::Dense(Blocks { blocks, measures })
            }
            Storage::Sparse => Changes::Sparse(Runs { measures: measures as u32, ..Runs::default() }),
        }
    }

    /// Adds all of `changes`.
    pub(crate) fn add_all(&mut self, changes: &[Change]) {
        match self {
            Changes::Dense(Blocks { blocks, measures }) => {
                let measures = *measures;
                let mut add = |day: u16, measure: usize, weight: i64| {
                    let day = usize::from(day);
                    let at = day % BLOCK_DAYS * measures + measure;
                    blocks[day / BLOCK_DAYS].add(at, weight, BLOCK_DAYS * measures);
                };
                for change in changes {
                    let (measure, weight) = (change.measure(), change.weight());
                    add(change.day, measure, weight);
                    if change.back != Change::STAYS {
                        add(change.back, measure, -weight);
                    }
                }
            }
            Changes::Sparse(runs) => {
                let measures = runs.measures;
                let slot = |day: u16, measure: usize| u32::from(day) * measures + measure as u32;
                for change in changes {
                    let (measure, weight) = (change.measure(), change.weight());
                    runs.add(slot(change.day, measure), weight);
                    if change.back != Change::STAYS {
                        runs.add(slot(change.back, measure), -weight);
                    }
                }
            }
        }
    }

    /// What changed, by slot (day times measures plus measure), in the order of slots; zeros left out.
    pub(crate) fn for_each(&self, mut take: impl FnMut(usize, i64)) {
        match self {
            Changes::Dense(Blocks { blocks, measures }) => {
                for (number, block) in blocks.iter().enumerate() {
                    let first = number * BLOCK_DAYS * measures;
                    block.for_each(|at, sum| take(first + at, sum));
                }
            }
            Changes::Sparse(runs) if runs.settled == runs.entries.len() => {
                runs.entries.iter().for_each(|(slot, sum)| take(*slot as usize, *sum));
            }
            Changes::Sparse(runs) => {
                let mut runs = runs.clone();
                runs.settle();
                runs.entries.iter().for_each(|(slot, sum)| take(*slot as usize, *sum));
            }
        }
    }

    /// Adds to `sums` (one a measure) the changes of the days `days`.
    pub(crate) fn sum_days(&self, days: std::ops::Range<usize>, sums: &mut [i64]) {
        match self {
            Changes::Dense(Blocks { blocks, measures }) => {
                let mut day = days.start;
                while day < days.end {
                    let (number, first) = (day / BLOCK_DAYS, day % BLOCK_DAYS);
                    let last = (first + days.end - day).min(BLOCK_DAYS);
                    let slots = first * measures..last * measures;
                    match &blocks[number] {
                        Block::Empty => {}
                        Block::One(block) => sum_slots(&block[slots], sums),
                        Block::Two(block) => sum_slots(&block[slots], sums),
                        Block::Four(block) => sum_slots(&block[slots], sums),
                        Block::Eight(block) => sum_slots(&block[slots], sums),
                    }
                    day += last - first;
                }
            }
            Changes::Sparse(runs) => {
                let measures = runs.measures;
                let (start, end) = (days.start as u32 * measures, days.end as u32 * measures);
                let sorted = &runs.entries[..runs.settled];
                let first = sorted.partition_point(|entry| entry.0 < start);
                let inside = sorted[first..].iter().take_while(|entry| entry.0 < end);
                let late =
                    runs.entries[runs.settled..].iter().filter(|entry| (start..end).contains(&entry.0));
                for (slot, change) in inside.chain(late) {
                    sums[(*slot % measures) as usize] += change;
                }
            }
        }
    }

    /// For the first day of every block, the sums of all days before it, a measure after the other; nothing for a quiet
    /// cell, which has few changes to add up.
    pub(crate) fn anchors(&self) -> Vec<i64> {
        let Changes::Dense(Blocks { blocks, measures }) = self else { return Vec::new() };
        let mut anchors = Vec::with_capacity(blocks.len() * measures);
        let mut sums = vec![0; *measures];
        for number in 0..blocks.len() {
            anchors.extend_from_slice(&sums);
            self.sum_days(number * BLOCK_DAYS..(number + 1) * BLOCK_DAYS, &mut sums);
        }
        anchors
    }

    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Changes::Dense(Blocks { blocks, .. }) => {
                blocks.len() * size_of::<Block>() + blocks.iter().map(Block::bytes).sum::<usize>()
            }
            Changes::Sparse(runs) => runs.entries.capacity() * size_of::<(u32, i64)>(),
        }
    }
}

fn sum_slots<T: Copy + Into<i64>>(slots: &[T], sums: &mut [i64]) {
    for day in slots.chunks_exact(sums.len()) {
        day.iter().zip(sums.iter_mut()).for_each(|(change, sum)| *sum += (*change).into());
    }
}
