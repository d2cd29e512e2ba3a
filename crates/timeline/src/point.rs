//! The sums of one day and one period: everybody folded into one set of counters.

use contract::{Code, Day};

use crate::{CubeSpec, Row, Sink, index::CellIndex};

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
    cubes: Vec<Counters>,
}

#[derive(Debug, Clone)]
struct Counters {
    spec: CubeSpec,
    cells: CellIndex,
    /// A value a measure, cell after cell.
    values: Vec<i64>,
}

impl Point {
    /// Empty sums for `specs`.
    #[must_use]
    pub fn new(specs: &[CubeSpec], period: Period) -> Point {
        let counters =
            |spec: &CubeSpec| Counters { spec: *spec, cells: CellIndex::default(), values: Vec::new() };
        Point { period, cubes: specs.iter().map(counters).collect() }
    }

    /// Adds everything `other` holds; both of one projection and period.
    pub fn merge(&mut self, other: &Point) {
        for (cube, from) in self.cubes.iter_mut().zip(&other.cubes) {
            let measures = cube.spec.measures.len();
            for (key, values) in from.cells.keys().iter().zip(from.values.chunks_exact(measures)) {
                let at = cube.cell(key) as usize * measures;
                cube.values[at..at + measures].iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
    }

    /// The rows of cube number `cube`, as [`Timeline::rows`](crate::Timeline::rows) gives them.
    #[must_use]
    pub fn rows(&self, cube: usize) -> Vec<Row> {
        let cube = &self.cubes[cube];
        let values = cube.values.chunks_exact(cube.spec.measures.len());
        cube.spec.rows(cube.cells.keys().iter().zip(values).map(|(key, values)| (*key, values.to_vec())))
    }
}

impl Counters {
    #[inline]
    fn cell(&mut self, codes: &[Code]) -> u32 {
        let cell = self.cells.at(codes);
        self.values.resize(self.cells.keys().len() * self.spec.measures.len(), 0);
        cell
    }
}

impl Sink for Point {
    type Cell = (u32, u32);

    #[inline]
    fn cell(&mut self, cube: usize, codes: &[Code]) -> (u32, u32) {
        let cell = self.cubes[cube].cell(codes);
        (cube as u32, cell)
    }

    #[inline]
    fn level(&mut self, (cube, cell): (u32, u32), measure: usize, from: Day, until: Day, weight: i64) {
        let cube = &mut self.cubes[cube as usize];
        // The axis clips here as it does in a timeline, so that both give the same answer for any day.
        let on = self.period.on.min(cube.spec.axis.horizon);
        if from <= on && on < until && on >= cube.spec.axis.first {
            cube.values[cell as usize * cube.spec.measures.len() + measure] += weight;
        }
    }

    #[inline]
    fn flow(&mut self, (cube, cell): (u32, u32), measure: usize, day: Day, weight: i64) {
        let cube = &mut self.cubes[cube as usize];
        if day >= self.period.from && day <= self.period.to && cube.spec.axis.slot(day).is_some() {
            cube.values[cell as usize * cube.spec.measures.len() + measure] += weight;
        }
    }
}
