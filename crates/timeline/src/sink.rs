//! Where contributions go.

use contract::{Code, Day};

use crate::{Axis, CubeSpec, Key, key};

/// Takes the contributions of one projection.
///
/// A weight may be negative and a sum may pass through zero: nothing here clamps.
pub trait Sink {
    /// Names a cell for the calls that follow; only good for this sink.
    type Cell: Copy;

    /// The days on which it is asked what holds. A level may be cut to them, and one that holds on none left out: so a
    /// projection need not work out what nobody asks for.
    fn levels(&self) -> Axis;

    /// The days of which it is asked what happened. A flow on any other may be left out.
    fn flows(&self) -> Axis;

    /// The cell of cube number `cube` (in the order the projection declares) at `key`.
    fn cell(&mut self, cube: usize, key: &[Code]) -> Self::Cell;

    /// `weight` holds from `from` until before `until` ([`Day::MAX`]: open). An empty interval adds nothing.
    fn level(&mut self, cell: Self::Cell, measure: usize, from: Day, until: Day, weight: i64);

    /// `weight` happens on `day`.
    fn flow(&mut self, cell: Self::Cell, measure: usize, day: Day, weight: i64);

    /// Several flows of a cell on one day: measure and weight.
    #[inline]
    fn flow_each(&mut self, cell: Self::Cell, day: Day, flows: &[(usize, i64)]) {
        flows.iter().for_each(|(measure, weight)| self.flow(cell, *measure, day, *weight));
    }
}

/// Passes contributions on with the opposite sign: how a person is taken out.
#[derive(Debug)]
pub struct Negated<'a, S>(pub &'a mut S);

impl<S: Sink> Sink for Negated<'_, S> {
    type Cell = S::Cell;

    #[inline]
    fn levels(&self) -> Axis {
        self.0.levels()
    }

    #[inline]
    fn flows(&self) -> Axis {
        self.0.flows()
    }

    #[inline]
    fn cell(&mut self, cube: usize, key: &[Code]) -> S::Cell {
        self.0.cell(cube, key)
    }

    #[inline]
    fn level(&mut self, cell: S::Cell, measure: usize, from: Day, until: Day, weight: i64) {
        self.0.level(cell, measure, from, until, -weight);
    }

    #[inline]
    fn flow(&mut self, cell: S::Cell, measure: usize, day: Day, weight: i64) {
        self.0.flow(cell, measure, day, -weight);
    }
}

/// One contribution, as stories and explanations show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collected {
    /// Number of the cube.
    pub cube: usize,
    /// The cell.
    pub key: Key,
    /// Number of the measure.
    pub measure: usize,
    /// First day.
    pub from: Day,
    /// For a level, the first day it no longer holds; for a flow, the day itself.
    pub until: Day,
    /// What it adds.
    pub weight: i64,
}

/// Keeps contributions one by one.
#[derive(Debug, Default, Clone)]
pub struct Collector {
    contributions: Vec<Collected>,
}

impl Collector {
    /// What was collected and what follows from it, in the cells of `cubes` that it counts in: equal intervals of a cell
    /// added up, those that go on from each other joined, nothing that came to zero, in order.
    #[must_use]
    pub fn into_sorted(self, cubes: &[CubeSpec]) -> Vec<Collected> {
        let mut contributions: Vec<Collected> = Vec::new();
        for one in &self.contributions {
            let cube = &cubes[one.cube];
            let follows = cube.following(&one.key, one.measure).map(|(measure, factor)| {
                let mut follows = *one;
                (follows.measure, follows.weight) = (measure, one.weight * factor);
                follows
            });
            for what in std::iter::once(*one).chain(follows) {
                for key in cube.cells_of(one.key) {
                    contributions.push(Collected { key, ..what });
                }
            }
        }
        contributions.sort_unstable();
        let mut sums: Vec<Collected> = Vec::with_capacity(contributions.len());
        for next in contributions {
            match sums.last_mut() {
                Some(last) if (Collected { weight: next.weight, ..*last }) == next => {
                    last.weight += next.weight
                }
                _ => sums.push(next),
            }
        }
        sums.retain(|sum| sum.weight != 0);
        sums.dedup_by(|next, last| {
            let goes_on = Collected { from: last.from, until: next.until, ..*last }
                == Collected { from: last.from, ..*next };
            let joined = goes_on && last.until == next.from;
            if joined {
                last.until = next.until;
            }
            joined
        });
        sums
    }

    /// A line a contribution: `level cube[key] measure from..until: weight`.
    #[must_use]
    pub fn render(self, cubes: &[CubeSpec]) -> String {
        let mut text = String::new();
        for sum in self.into_sorted(cubes) {
            let cube = &cubes[sum.cube];
            let measure = cube.measures[sum.measure];
            let key: Vec<String> = sum.key[..cube.dimensions.len()].iter().map(Code::to_string).collect();
            let (name, measure_name, weight) = (cube.name, measure.name(), sum.weight);
            let line = if measure.is_level() {
                format!("{name}[{}] {measure_name} {}..{}: {weight}\n", key.join(" "), sum.from, sum.until)
            } else {
                format!("{name}[{}] {measure_name} on {}: {weight}\n", key.join(" "), sum.from)
            };
            text.push_str(&line);
        }
        text
    }
}

impl Sink for Collector {
    type Cell = (usize, Key);

    fn levels(&self) -> Axis {
        Axis::ALL
    }

    fn flows(&self) -> Axis {
        Axis::ALL
    }

    fn cell(&mut self, cube: usize, codes: &[Code]) -> (usize, Key) {
        (cube, key(codes))
    }

    fn level(&mut self, (cube, key): (usize, Key), measure: usize, from: Day, until: Day, weight: i64) {
        if from < until {
            self.contributions.push(Collected { cube, key, measure, from, until, weight });
        }
    }

    fn flow(&mut self, (cube, key): (usize, Key), measure: usize, day: Day, weight: i64) {
        self.contributions.push(Collected { cube, key, measure, from: day, until: day, weight });
    }
}
