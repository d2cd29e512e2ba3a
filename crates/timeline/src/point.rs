//! The sums of one day and one period: everybody folded into one set of counters.

use contract::{Code, Day};

use rustc_hash::FxHashMap;

use crate::{
    Axis, CubeSpec, Key, Row, Sink,
    changes::Change,
    drawers::{Cell, Drawers, Target},
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
    drawers: Drawers,
    cubes: Vec<Counters>,
}

#[derive(Debug, Clone)]
struct Counters {
    spec: CubeSpec,
    cells: FxHashMap<Key, u32>,
    /// A value a measure, cell after cell.
    values: Vec<i64>,
}

/// Some 2 MB: the counters are few, so what is on its way should not leave the processor's cache either.
const GATHERED_MAX: usize = 1 << 17;

impl Point {
    /// Empty sums for `specs`.
    #[must_use]
    pub fn new(specs: &[CubeSpec], period: Period) -> Point {
        let counters =
            |spec: &CubeSpec| Counters { spec: *spec, cells: FxHashMap::default(), values: Vec::new() };
        // Behind a cube's axis what holds on its last day goes on.
        let on = |spec: &CubeSpec| period.on.min(spec.axis.horizon);
        let levels = Axis::around(specs.iter().map(|spec| Axis { first: on(spec), horizon: on(spec) }));
        Point {
            period,
            levels,
            drawers: Drawers::new(GATHERED_MAX),
            cubes: specs.iter().map(counters).collect(),
        }
    }

    /// Adds everything `other` holds; both of one projection and period.
    pub fn merge(&mut self, other: &mut Point) {
        other.settle();
        for (cube, from) in self.cubes.iter_mut().zip(&other.cubes) {
            for (key, values) in from.cells() {
                let at = cube.place(*key);
                cube.values[at..at + values.len()]
                    .iter_mut()
                    .zip(values)
                    .for_each(|(sum, value)| *sum += value);
            }
        }
    }

    /// Whether it is time to settle.
    #[must_use]
    #[inline]
    pub fn is_full(&self) -> bool {
        self.drawers.is_full()
    }

    /// Takes in what is on its way: between two people when it is full, and before [`Point::rows`].
    pub fn settle(&mut self) {
        self.drawers.empty(&mut self.cubes);
    }

    /// The rows of cube number `cube`, as [`Timeline::rows`](crate::Timeline::rows) gives them.
    ///
    /// # Panics
    /// If something was added since [`Point::settle`].
    #[must_use]
    pub fn rows(&self, cube: usize) -> Vec<Row> {
        assert!(self.drawers.is_empty(), "settle before reading");
        let cube = &self.cubes[cube];
        cube.spec.rows(cube.cells().map(|(key, values)| (*key, values.to_vec())))
    }

    #[inline]
    fn push(&mut self, cell: Cell, measure: usize, weight: i64) {
        let Point { drawers, .. } = self;
        Change::each(0, Change::STAYS, measure, weight, |change| drawers.push(cell, change));
    }
}

impl Counters {
    /// Every cell with its values.
    fn cells(&self) -> impl Iterator<Item = (&Key, &[i64])> {
        let measures = self.spec.measures.len();
        self.cells.iter().map(move |(key, at)| (key, &self.values[*at as usize..*at as usize + measures]))
    }

    /// Where the values of the cell at `key` begin.
    fn place(&mut self, key: Key) -> usize {
        *self.cells.entry(key).or_insert_with(|| {
            let at = self.values.len();
            self.values.resize(at + self.spec.measures.len(), 0);
            at as u32
        }) as usize
    }
}

impl Target for Vec<Counters> {
    fn place(&mut self, cube: usize, key: Key) -> u32 {
        self[cube].place(key) as u32
    }

    fn add(&mut self, cube: usize, place: u32, changes: &[Change]) {
        let values = &mut self[cube].values[place as usize..];
        changes.iter().for_each(|change| values[change.measure()] += change.weight());
    }
}

impl Sink for Point {
    type Cell = Cell;

    #[inline]
    fn levels(&self) -> Axis {
        self.levels
    }

    #[inline]
    fn flows(&self) -> Axis {
        Axis { first: self.period.from, horizon: self.period.to }
    }

    #[inline]
    fn cell(&mut self, cube: usize, codes: &[Code]) -> Cell {
        self.drawers.cell(cube, codes)
    }

    #[inline]
    fn level(&mut self, cell: Cell, measure: usize, from: Day, until: Day, weight: i64) {
        // The axis clips here as it does in a timeline, so that both give the same answer for any day.
        let axis = self.cubes[usize::from(cell.cube)].spec.axis;
        let on = self.period.on.min(axis.horizon);
        if from <= on && on < until && on >= axis.first {
            self.push(cell, measure, weight);
        }
    }

    #[inline]
    fn flow(&mut self, cell: Cell, measure: usize, day: Day, weight: i64) {
        let axis = self.cubes[usize::from(cell.cube)].spec.axis;
        if self.flows().contains(day) && axis.slot(day).is_some() {
            self.push(cell, measure, weight);
        }
    }

    #[inline]
    fn flow_each(&mut self, cell: Cell, day: Day, flows: &[(usize, i64)]) {
        let axis = self.cubes[usize::from(cell.cube)].spec.axis;
        if self.flows().contains(day) && axis.slot(day).is_some() {
            self.drawers.push_each(cell, 0, flows);
        }
    }
}
