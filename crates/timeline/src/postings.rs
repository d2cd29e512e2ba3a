//! Contributions on their way to a timeline.

use contract::{Code, Day};

use crate::{
    Axis, CubeSpec, Sink,
    changes::Change,
    drawers::{Cell, Drawers, Target},
};

/// Contributions of one projection, until they are posted to one [`Timeline`](crate::Timeline). Several threads that fill
/// one timeline have one of these each.
///
/// Post all of one to the same timeline: it remembers where that keeps its cells.
#[derive(Debug, Clone)]
pub struct Postings {
    cubes: Vec<CubeSpec>,
    /// The days of all cubes.
    days: Axis,
    drawers: Drawers,
    taken: Vec<Taken>,
    /// How many of `taken` were put back or are gathered.
    settled: usize,
}

/// Takes contributions out again. When a person changes, most of what is taken out is put back right after: what comes back
/// in the same order is crossed out, not added.
#[derive(Debug)]
pub struct TakingOut<'a>(&'a mut Postings);

/// One change that was taken out, its weight turned round.
#[derive(Debug, Clone, Copy)]
struct Taken {
    cell: Cell,
    change: Change,
}

/// How far what comes back is looked for: a person that changed has a few contributions more or less.
const LOOK_AHEAD: usize = 8;
/// 80 MB, about.
const GATHERED_MAX: usize = 1 << 22;

impl Postings {
    /// None yet, for the cubes `specs`.
    #[must_use]
    pub fn new(specs: &[CubeSpec]) -> Postings {
        Postings {
            cubes: specs.to_vec(),
            days: Axis::around(specs.iter().map(|spec| spec.axis)),
            drawers: Drawers::new(GATHERED_MAX),
            taken: Vec::new(),
            settled: 0,
        }
    }

    /// Whether it is time to post them.
    #[must_use]
    #[inline]
    pub fn is_full(&self) -> bool {
        self.drawers.is_full()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drawers.is_empty() && self.taken.is_empty()
    }

    /// For what is to be taken out. What was taken out before and did not come back is gathered now.
    #[must_use]
    pub fn taking_out(&mut self) -> TakingOut<'_> {
        self.settle();
        TakingOut(self)
    }

    /// Gathers what was taken out and did not come back. Call it after what is put in.
    pub fn settle(&mut self) {
        for Taken { cell, change } in &self.taken[self.settled..] {
            self.drawers.push(*cell, *change);
        }
        self.taken.clear();
        self.settled = 0;
    }

    /// Hands over everything.
    pub(crate) fn empty(&mut self, target: &mut impl Target) {
        self.settle();
        self.drawers.empty(target);
    }

    #[inline]
    fn push(&mut self, cell: Cell, change: Change) {
        if self.settled == self.taken.len() || !self.comes_back(cell, change) {
            self.drawers.push(cell, change);
        }
    }

    /// Whether this is what was taken out: then both are nothing.
    fn comes_back(&mut self, cell: Cell, change: Change) -> bool {
        let same = |taken: &Taken| taken.change.cancels(change) && self.drawers.same(taken.cell, cell);
        let Some(ahead) = self.taken[self.settled..].iter().take(LOOK_AHEAD).position(same) else {
            return false;
        };
        for Taken { cell, change } in &self.taken[self.settled..self.settled + ahead] {
            self.drawers.push(*cell, *change);
        }
        self.settled += ahead + 1;
        true
    }

    /// The changes of a level, on the axis.
    #[inline]
    fn put_level(
        &mut self,
        cell: Cell,
        measure: usize,
        (from, until): (Day, Day),
        weight: i64,
        push: impl Fn(&mut Postings, Change),
    ) {
        let axis = self.cubes[usize::from(cell.cube)].axis;
        if let Some((opens, closes)) = axis.clip(from, until) {
            let back = closes.map_or(Change::STAYS, |day| day as u16);
            Change::each(opens as u16, back, measure, weight, |change| push(self, change));
        }
    }

    /// The changes of a flow, if it is on the axis.
    #[inline]
    fn put_flow(
        &mut self,
        cell: Cell,
        measure: usize,
        day: Day,
        weight: i64,
        push: impl Fn(&mut Postings, Change),
    ) {
        if let Some(slot) = self.cubes[usize::from(cell.cube)].axis.slot(day) {
            Change::each(slot as u16, Change::STAYS, measure, weight, |change| push(self, change));
        }
    }
}

impl Sink for TakingOut<'_> {
    type Cell = Cell;

    #[inline]
    fn levels(&self) -> Axis {
        self.0.days
    }

    #[inline]
    fn flows(&self) -> Axis {
        self.0.days
    }

    #[inline]
    fn cell(&mut self, cube: usize, codes: &[Code]) -> Cell {
        self.0.drawers.cell(cube, codes)
    }

    #[inline]
    fn level(&mut self, cell: Cell, measure: usize, from: Day, until: Day, weight: i64) {
        self.0.put_level(cell, measure, (from, until), -weight, |postings, change| {
            postings.taken.push(Taken { cell, change });
        });
    }

    #[inline]
    fn flow(&mut self, cell: Cell, measure: usize, day: Day, weight: i64) {
        self.0.put_flow(cell, measure, day, -weight, |postings, change| {
            postings.taken.push(Taken { cell, change });
        });
    }
}

impl Sink for Postings {
    type Cell = Cell;

    #[inline]
    fn levels(&self) -> Axis {
        self.days
    }

    #[inline]
    fn flows(&self) -> Axis {
        self.days
    }

    #[inline]
    fn cell(&mut self, cube: usize, codes: &[Code]) -> Cell {
        self.drawers.cell(cube, codes)
    }

    #[inline]
    fn level(&mut self, cell: Cell, measure: usize, from: Day, until: Day, weight: i64) {
        self.put_level(cell, measure, (from, until), weight, |postings, change| postings.push(cell, change));
    }

    #[inline]
    fn flow(&mut self, cell: Cell, measure: usize, day: Day, weight: i64) {
        self.put_flow(cell, measure, day, weight, |postings, change| postings.push(cell, change));
    }

    #[inline]
    fn flow_each(&mut self, cell: Cell, day: Day, flows: &[(usize, i64)]) {
        if self.settled != self.taken.len() {
            flows.iter().for_each(|(measure, weight)| self.flow(cell, *measure, day, *weight));
        } else if let Some(slot) = self.cubes[usize::from(cell.cube)].axis.slot(day) {
            self.drawers.push_each(cell, slot as u16, flows);
        }
    }
}
