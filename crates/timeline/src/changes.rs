//! The changes of one cell by day.

use std::ops::Range;

use smallvec::SmallVec;

use crate::{Axis, MEASURES_MAX, Storage};

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

/// Changes of a busy cell: a block for every [`BLOCK_DAYS`] days.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    blocks: Box<[Block]>,
    measures: usize,
}

/// A slot a day and measure, day after day.
///
/// A cell lives for years, but most of what it counts happens in a few months, most days change by less than 128, and money is
/// long where people are few: so a block exists once something happens in it, and a measure has as many bytes a day as its
/// largest sum there needs, none where nothing was summed.
#[derive(Debug, Clone, Default)]
struct Block {
    bytes: Box<[u8]>,
    widths: Widths,
}

/// How many bytes a slot of each measure has: 0, 1, 2, 4 or 8, in four bits, that of measure 0 in the lowest.
#[derive(Debug, Clone, Copy, Default)]
struct Widths(u64);

impl Widths {
    const BITS: usize = u64::BITS as usize / MEASURES_MAX;

    #[inline]
    fn of(self, measure: usize) -> usize {
        (self.0 >> (Widths::BITS * measure)) as usize & ((1 << Widths::BITS) - 1)
    }

    /// The same for all, but for one measure.
    fn with(self, measure: usize, width: usize) -> Widths {
        Widths(self.0 & !(0xf << (Widths::BITS * measure)) | (width as u64) << (Widths::BITS * measure))
    }

    /// For each measure the greater of both.
    fn max(self, other: Widths) -> Widths {
        (0..MEASURES_MAX).fold(self, |all, measure| all.with(measure, all.of(measure).max(other.of(measure))))
    }

    /// How many bytes a day has.
    #[inline]
    fn day(self) -> usize {
        const EVEN: u64 = 0x0f0f_0f0f_0f0f_0f0f;
        const ONES: u64 = 0x0101_0101_0101_0101;
        // The nibbles are added up in the highest byte.
        (((self.0 & EVEN) + (self.0 >> Widths::BITS & EVEN)).wrapping_mul(ONES) >> (u64::BITS - 8)) as usize
    }

    /// Where in a day's bytes a measure is.
    #[inline]
    fn place(self, measure: usize) -> usize {
        Widths(self.0 & !(u64::MAX << (Widths::BITS * measure))).day()
    }

    /// What a sum needs.
    fn for_sum(sum: i64) -> usize {
        match sum {
            0 => 0,
            sum if i8::try_from(sum).is_ok() => 1,
            sum if i16::try_from(sum).is_ok() => 2,
            sum if i32::try_from(sum).is_ok() => 4,
            _ => 8,
        }
    }
}

/// Changes of a quiet cell by slot (day and measure in one number): sorted and summed up to `settled`, as they came after
/// that.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runs {
    entries: Vec<(u32, i64)>,
    settled: usize,
    measures: u32,
}

/// The sum in the slot of `WIDTH` bytes at `at`.
#[inline]
fn get<const WIDTH: usize>(bytes: &[u8], at: usize) -> i64 {
    let mut wide = [0; 8];
    wide[8 - WIDTH..].copy_from_slice(&bytes[at..at + WIDTH]);
    // From the highest bytes down, so that the sign stays.
    i64::from_le_bytes(wide) >> (u64::BITS as usize - 8 * WIDTH)
}

/// Puts a sum into the slot of `WIDTH` bytes at `at`, if it fits.
#[inline]
fn put<const WIDTH: usize>(bytes: &mut [u8], at: usize, sum: i64) -> bool {
    let spare = u64::BITS as usize - 8 * WIDTH;
    let fits = sum << spare >> spare == sum;
    if fits {
        bytes[at..at + WIDTH].copy_from_slice(&sum.to_le_bytes()[..WIDTH]);
    }
    fits
}

#[inline]
fn add<const WIDTH: usize>(bytes: &mut [u8], at: usize, weight: i64) -> bool {
    let sum = get::<WIDTH>(bytes, at) + weight;
    put::<WIDTH>(bytes, at, sum)
}

impl Block {
    /// Empty slots of these widths.
    fn new(widths: Widths) -> Block {
        Block { bytes: vec![0; widths.day() * BLOCK_DAYS].into(), widths }
    }

    #[inline]
    fn get(&self, day: usize, measure: usize) -> i64 {
        let at = day * self.widths.day() + self.widths.place(measure);
        match self.widths.of(measure) {
            0 => 0,
            1 => get::<1>(&self.bytes, at),
            2 => get::<2>(&self.bytes, at),
            4 => get::<4>(&self.bytes, at),
            _ => get::<8>(&self.bytes, at),
        }
    }

    /// Adds `weight`, if the sum fits into its slot.
    #[inline]
    fn add(&mut self, day: usize, measure: usize, weight: i64) -> bool {
        let at = day * self.widths.day() + self.widths.place(measure);
        match self.widths.of(measure) {
            0 => weight == 0,
            1 => add::<1>(&mut self.bytes, at, weight),
            2 => add::<2>(&mut self.bytes, at, weight),
            4 => add::<4>(&mut self.bytes, at, weight),
            _ => add::<8>(&mut self.bytes, at, weight),
        }
    }

    /// The same sums in slots of `widths`, none of them less than now.
    fn widened(&self, widths: Widths) -> Block {
        let mut wide = Block::new(widths);
        for measure in self.measures() {
            self.each_day(measure, 0..BLOCK_DAYS, |day, sum| {
                wide.add(day, measure, sum);
            });
        }
        wide
    }

    /// The measures that have slots.
    fn measures(&self) -> impl Iterator<Item = usize> + Clone {
        let widths = self.widths;
        (0..MEASURES_MAX).filter(move |measure| widths.of(*measure) > 0)
    }

    /// Gives the sum of `measure` on each of `days`.
    #[inline]
    fn each_day(&self, measure: usize, days: Range<usize>, mut take: impl FnMut(usize, i64)) {
        let (length, place, bytes) = (self.widths.day(), self.widths.place(measure), &self.bytes);
        let places = days.map(|day| (day, day * length + place));
        match self.widths.of(measure) {
            0 => {}
            1 => places.for_each(|(day, at)| take(day, get::<1>(bytes, at))),
            2 => places.for_each(|(day, at)| take(day, get::<2>(bytes, at))),
            4 => places.for_each(|(day, at)| take(day, get::<4>(bytes, at))),
            _ => places.for_each(|(day, at)| take(day, get::<8>(bytes, at))),
        }
    }

    /// Sums other than zero, in the order of days and measures.
    fn for_each(&self, mut take: impl FnMut(usize, usize, i64)) {
        let measures: SmallVec<[usize; MEASURES_MAX]> = self.measures().collect();
        let mut sums = [[0; BLOCK_DAYS]; MEASURES_MAX];
        for (measure, sums) in measures.iter().zip(&mut sums) {
            self.each_day(*measure, 0..BLOCK_DAYS, |day, sum| sums[day] = sum);
        }
        for day in 0..BLOCK_DAYS {
            for (measure, sums) in measures.iter().zip(&sums) {
                if sums[day] != 0 {
                    take(day, *measure, sums[day]);
                }
            }
        }
    }

    /// Adds the sums of `days` to `sums`, one a measure.
    fn sum_days(&self, days: Range<usize>, sums: &mut [i64]) {
        for measure in self.measures() {
            self.each_day(measure, days.clone(), |_, sum| sums[measure] += sum);
        }
    }
}

impl Blocks {
    #[inline]
    fn add(&mut self, day: u16, measure: usize, weight: i64) {
        let (number, day) = (usize::from(day) / BLOCK_DAYS, usize::from(day) % BLOCK_DAYS);
        if !self.blocks[number].add(day, measure, weight) {
            self.add_wider(number, day, measure, weight);
        }
    }

    #[cold]
    fn add_wider(&mut self, number: usize, day: usize, measure: usize, weight: i64) {
        let block = &self.blocks[number];
        let width = Widths::for_sum(block.get(day, measure) + weight);
        let mut widths = block.widths.with(measure, width.max(block.widths.of(measure)));
        if block.bytes.is_empty() {
            // One month is much like the last.
            let before = self.blocks[..number].iter().rfind(|block| !block.bytes.is_empty());
            widths = widths.max(before.map_or_else(Widths::default, |block| block.widths));
        }
        self.blocks[number] = block.widened(widths);
        self.blocks[number].add(day, measure, weight);
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
                let blocks = vec![Block::default(); axis.days().div_ceil(BLOCK_DAYS)].into();
                Changes::Dense(Blocks { blocks, measures })
            }
            Storage::Sparse => Changes::Sparse(Runs { measures: measures as u32, ..Runs::default() }),
        }
    }

    /// Adds all of `changes`.
    pub(crate) fn add_all(&mut self, changes: &[Change]) {
        match self {
            Changes::Dense(blocks) => {
                for change in changes {
                    let (measure, weight) = (change.measure(), change.weight());
                    blocks.add(change.day, measure, weight);
                    if change.back != Change::STAYS {
                        blocks.add(change.back, measure, -weight);
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
                for (number, block) in blocks.iter().enumerate().filter(|(_, block)| !block.bytes.is_empty())
                {
                    let first = number * BLOCK_DAYS;
                    block.for_each(|day, measure, sum| take((first + day) * measures + measure, sum));
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
    pub(crate) fn sum_days(&self, days: Range<usize>, sums: &mut [i64]) {
        match self {
            Changes::Dense(Blocks { blocks, .. }) => {
                let mut day = days.start;
                while day < days.end {
                    let (number, first) = (day / BLOCK_DAYS, day % BLOCK_DAYS);
                    let last = (first + days.end - day).min(BLOCK_DAYS);
                    blocks[number].sum_days(first..last, sums);
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
                blocks.len() * size_of::<Block>()
                    + blocks.iter().map(|block| block.bytes.len()).sum::<usize>()
            }
            Changes::Sparse(runs) => runs.entries.capacity() * size_of::<(u32, i64)>(),
        }
    }
}
