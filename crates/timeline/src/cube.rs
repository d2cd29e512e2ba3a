//! What a projection declares: cubes, their dimensions and measures, and the axis of days.

use std::cmp::Ordering;

use contract::{Code, Day};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// The most dimensions a cube may have: cubes are small on purpose, never one cross of all.
pub const DIMENSIONS_MAX: usize = 4;
/// The most measures a cube may have.
pub const MEASURES_MAX: usize = 16;

/// A cell's key: one code a dimension, the rest empty.
pub type Key = [Code; DIMENSIONS_MAX];

/// The key of up to [`DIMENSIONS_MAX`] codes.
///
/// # Panics
/// With more codes than a cube has dimensions: a projection's mistake.
#[must_use]
#[inline]
pub fn key(codes: &[Code]) -> Key {
    assert!(codes.len() <= DIMENSIONS_MAX, "a cube has at most {DIMENSIONS_MAX} dimensions");
    // One by one: what was just written code by code is slow to copy as a whole.
    std::array::from_fn(|at| codes.get(at).copied().unwrap_or(Code::EMPTY))
}

/// A cube: a short list of dimensions, and what is measured in each of its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CubeSpec {
    /// Stable name, unique in its projection.
    pub name: &'static str,
    /// Names of the dimensions, in the order of the key.
    pub dimensions: &'static [&'static str],
    /// What is summed, in the order of [`Sink::level`](crate::Sink::level)'s `measure`.
    pub measures: &'static [Measure],
    /// The days that are kept apart.
    pub axis: Axis,
    /// How the days of a cell are kept.
    pub storage: Storage,
    /// Codes that stand for several cells.
    pub stands: &'static [StandsFor],
    /// Measures that follow from others.
    pub implied: &'static [Implied],
}

/// A code that stands for several cells: who counts in each of them in just the same way is added once, and every answer
/// counts it in each. Most people count alike in many cells, so this is what makes a person cheap to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandsFor {
    /// In which dimension it is written.
    pub dimension: usize,
    /// The code.
    pub code: &'static str,
    /// The cells: of each, the dimensions that differ from the written one, and their codes there.
    pub cells: &'static [&'static [(usize, &'static str)]],
}

/// A measure that mostly follows from others of its kind: what is written is how much it differs, which is seldom
/// anything; every answer adds what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Implied {
    /// The dimension and the code of the cells in which it follows, as they are written; `None`: in all.
    pub at: Option<(usize, &'static str)>,
    /// The measure.
    pub measure: usize,
    /// The sum that it follows from: measures, none of them implied itself in such a cell, and the factor of each.
    pub sum_of: &'static [(usize, i64)],
}

impl CubeSpec {
    /// The measures implied in the cell written at `key`.
    fn implied_at(&self, key: &Key) -> impl Iterator<Item = &'static Implied> {
        let holds = |implied: &&Implied| implied.at.is_none_or(|(at, code)| key[at] == Code::new(code));
        self.implied.iter().filter(holds)
    }

    /// The measures that follow from `measure` in the cell written at `key`, and by what factor.
    pub(crate) fn following(&self, key: &Key, measure: usize) -> impl Iterator<Item = (usize, i64)> {
        self.implied_at(key).flat_map(move |implied| {
            let factors = implied.sum_of.iter().filter(move |(of, _)| *of == measure);
            factors.map(|(_, factor)| (implied.measure, *factor))
        })
    }

    /// Adds to the values of the cell written at `key` what follows from them.
    fn complete(&self, key: &Key, values: &mut [i64]) {
        for implied in self.implied_at(key) {
            let sum: i64 = implied.sum_of.iter().map(|(measure, factor)| values[*measure] * factor).sum();
            values[implied.measure] += sum;
        }
    }

    /// The cells that what is written at `key` counts in.
    pub(crate) fn cells_of(&self, key: Key) -> SmallVec<[Key; 4]> {
        let Some(stands) = self.stands.iter().find(|stands| key[stands.dimension] == Code::new(stands.code))
        else {
            return SmallVec::from_iter([key]);
        };
        let meant = |codes: &&[(usize, &str)]| {
            let mut key = key;
            codes.iter().for_each(|(dimension, code)| key[*dimension] = Code::new(code));
            key
        };
        stands.cells.iter().map(meant).collect()
    }

    /// The rows of an answer: each cell's values counted where they are meant, no zeros, in the order of the keys' text.
    pub(crate) fn rows(&self, written: impl Iterator<Item = (Key, Vec<i64>)>) -> Vec<Row> {
        let mut sums: FxHashMap<Key, Vec<i64>> = FxHashMap::default();
        for (key, mut values) in written.filter(|(_, values)| values.iter().any(|value| *value != 0)) {
            self.complete(&key, &mut values);
            for key in self.cells_of(key) {
                let sum = sums.entry(key).or_insert_with(|| vec![0; values.len()]);
                sum.iter_mut().zip(&values).for_each(|(sum, value)| *sum += value);
            }
        }
        sums.retain(|_, values| values.iter().any(|value| *value != 0));
        let mut rows: Vec<Row> = sums.into_iter().map(|(key, values)| Row { key, values }).collect();
        rows.sort_unstable_by(|one, other| cmp_text(&one.key, &other.key));
        rows
    }
}

/// The order of digests and answers: that of the keys' texts.
pub(crate) fn cmp_text(one: &Key, other: &Key) -> Ordering {
    let mut codes = one.iter().zip(other).map(|(one, other)| one.cmp_text(*other));
    codes.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// The texts of a key.
pub(crate) fn text_of(key: &Key) -> [String; DIMENSIONS_MAX] {
    key.map(|code| code.to_string())
}

/// A measure of a cube.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Holds over intervals; asked for on a day.
    Level(&'static str, Unit),
    /// Happens on days; asked for over a period.
    Flow(&'static str, Unit),
}

impl Measure {
    /// Stable name, unique in its cube.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Measure::Level(name, _) | Measure::Flow(name, _) => name,
        }
    }

    /// Whether it holds over intervals.
    #[must_use]
    pub const fn is_level(self) -> bool {
        matches!(self, Measure::Level(..))
    }

    /// What one of it is.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Measure::Level(_, unit) | Measure::Flow(_, unit) => unit,
        }
    }
}

/// What a measure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Persons, forms, visits.
    Count,
    /// Hundredths of a dong.
    Money,
    /// Days.
    Days,
}

/// How the days of a cell are kept: an array for cubes of few, busy cells; sorted runs for many, quiet ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// One slot a day and measure.
    Dense,
    /// Only the days on which something changed.
    Sparse,
}

/// The days a cube keeps apart, both ends inside. A level that began earlier is an opening balance on `first`; one that
/// ends later stays open. A flow outside is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// The first day.
    pub first: Day,
    /// The last day.
    pub horizon: Day,
}

impl Axis {
    /// Every day there is.
    pub const ALL: Axis = Axis { first: Day::MIN, horizon: Day::MAX };

    /// The days from the first of any of `axes` to the last.
    #[must_use]
    pub(crate) fn around(axes: impl Iterator<Item = Axis>) -> Axis {
        let none = Axis { first: Day::MAX, horizon: Day::MIN };
        axes.fold(none, |all, axis| Axis {
            first: all.first.min(axis.first),
            horizon: all.horizon.max(axis.horizon),
        })
    }

    /// The whole years `from..=until`.
    #[must_use]
    pub const fn years(from: i32, until: i32) -> Axis {
        Axis { first: Day::new_year(from), horizon: Day(Day::new_year(until + 1).0 - 1) }
    }

    /// How many days.
    #[must_use]
    pub fn days(self) -> usize {
        (self.horizon - self.first + 1).max(0) as usize
    }

    /// Whether `day` is one of them.
    #[must_use]
    #[inline]
    pub fn contains(self, day: Day) -> bool {
        self.first <= day && day <= self.horizon
    }

    /// The slot of a day inside the axis.
    #[must_use]
    #[inline]
    pub fn slot(self, day: Day) -> Option<usize> {
        self.contains(day).then(|| (day - self.first) as usize)
    }

    /// Where a level that holds from `from` to before `until` opens, and where it closes if that is inside.
    #[must_use]
    #[inline]
    pub fn clip(self, from: Day, until: Day) -> Option<(usize, Option<usize>)> {
        if until <= from || until <= self.first || from > self.horizon {
            return None;
        }
        let opens = (from.max(self.first) - self.first) as usize;
        let closes = (until <= self.horizon).then(|| (until - self.first) as usize);
        Some((opens, closes))
    }
}

/// One row of an answer: a cell and the value of each measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The cell.
    pub key: Key,
    /// One value a measure, in the cube's order.
    pub values: Vec<i64>,
}
