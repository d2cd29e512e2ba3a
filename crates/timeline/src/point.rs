//! The sums of one day and one period: everybody folded into one set of counters.

use contract::{Code, Day};

use crate::{
    Axis, CubeSpec, Row, Sink,
    index::{CellIndex, CellKey, Indexed, Lately, PlainKey},
};

/// What a figure is asked for: levels on a day, flows over a period with both ends inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The day of levels.
    pub on: Day,
    /// First day of flows.
    pub from: Day,
    /// Last day of flows.
    pub to: Day,
}

/// The sums of one day and period, for one projection. Takes the same contributions as a
/// [`Timeline`](crate::Timeline) and answers one question with them.
#[derive(Debug, Clone)]
pub struct Point {
    period: Period,
    levels: Axis,
    cubes: Vec<Counters>,
    lately: Lately<PointCell>,
}

#[derive(Debug, Clone)]
struct Counters {
    spec: CubeSpec,
    index: CellIndex<PlainKey>,
    /// A value a measure, cell after cell.
    values: Vec<i64>,
}

/// A cell that was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct PointCell {
    cube: u32,
    place: u32,
}

impl Point {
    /// Empty sums for `specs`.
    #[must_use]
    pub fn new(specs: &[CubeSpec], period: Period) -> Point {
        // Behind a cube's axis what holds on its last day goes on.
        let on = |spec: &CubeSpec| period.on.min(spec.axis.horizon);
        let counters =
            |spec: &CubeSpec| Counters { spec: *spec, index: CellIndex::default(), values: Vec::new() };
        Point {
            period,
            levels: Axis::around(specs.iter().map(|spec| Axis { first: on(spec), horizon: on(spec) })),
            cubes: specs.iter().map(counters).collect(),
            lately: Lately::new(),
        }
    }

    /// Adds everything `other` holds; both of one projection and period.
    pub fn merge(&mut self, other: &Point) {
        for (cube, from) in self.cubes.iter_mut().zip(&other.cubes) {
            for (key, values) in from.cells() {
                let place = cube.place(key, key.hash());
                cube.values[place..].iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
    }

    /// The rows of cube number `cube`, as [`Timeline::rows`](crate::Timeline::rows) gives them.
    #[must_use]
    pub fn rows(&self, cube: usize) -> Vec<Row> {
        let cube = &self.cubes[cube];
        cube.spec.rows(cube.cells().map(|(key, values)| (key.0, values.to_vec())))
    }
}

impl Counters {
    /// Every cell with its values.
    fn cells(&self) -> impl Iterator<Item = (&PlainKey, &[i64])> {
        self.index.keys().iter().zip(self.values.chunks_exact(self.spec.measures.len()))
    }

    /// Where the values of a cell begin.
    #[inline]
    fn place(&mut self, key: &PlainKey, hash: u64) -> usize {
        let measures = self.spec.measures.len();
        let place = self.index.at(key, hash) as usize * measures;
        if place == self.values.len() {
            self.values.resize(place + measures, 0);
        }
        place
    }
}

impl Sink for Point {
    type Cell = PointCell;

    #[inline]
    fn levels(&self) -> Axis {
        self.levels
    }

    #[inline]
    fn flows(&self) -> Axis {
        Axis { first: self.period.from, horizon: self.period.to }
    }

    #[inline]
    fn cell(&mut self, cube: usize, codes: &[Code]) -> PointCell {
        let key = CellKey::new(cube, codes);
        let plain = PlainKey(key.key);
        let hash = plain.hash();
        if let Some(cell) = self.lately.get(&key, hash) {
            return cell;
        }
        let cell = PointCell { cube: cube as u32, place: self.cubes[cube].place(&plain, hash) as u32 };
        self.lately.put(key, hash, cell);
        cell
    }

    #[inline]
    fn level(&mut self, cell: PointCell, measure: usize, from: Day, until: Day, weight: i64) {
        // The axis clips here as it does in a timeline, so that both give the same answer for any day.
        let cube = &mut self.cubes[cell.cube as usize];
        let axis = cube.spec.axis;
        let on = self.period.on.min(axis.horizon);
        if from <= on && on < until && on >= axis.first {
            cube.values[cell.place as usize + measure] += weight;
        }
    }

    #[inline]
    fn flow(&mut self, cell: PointCell, measure: usize, day: Day, weight: i64) {
        self.flow_each(cell, day, &[(measure, weight)]);
    }

    #[inline]
    fn flow_each(&mut self, cell: PointCell, day: Day, flows: &[(usize, i64)]) {
        let asked_for = self.flows().contains(day);
        let cube = &mut self.cubes[cell.cube as usize];
        if asked_for && cube.spec.axis.contains(day) {
            let values = &mut cube.values[cell.place as usize..];
            flows.iter().for_each(|(measure, weight)| values[*measure] += weight);
        }
    }
}
