//! Contributions on their way to a timeline.

use contract::{Code, Day};

use crate::{
    Axis, CubeSpec, Sink,
    changes::Change,
    drawers::{Cell, Drawers, Target},
    index::CellKey,
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
    exchange: Exchange,
}

/// Takes contributions out again. When a person changes, most of what is taken out is put back right after, see
/// [`Postings::putting_back`].
pub type TakingOut<'a> = Exchanging<'a, false>;

/// Puts contributions back, changed a little: those that come back in the same order are crossed out, not added.
pub type PuttingBack<'a> = Exchanging<'a, true>;

/// One half of an exchange: what was, or what comes back.
#[derive(Debug)]
pub struct Exchanging<'a, const BACK: bool>(&'a mut Postings);

/// What was taken out, until it is known which of it comes back. Only what does not has its cell looked for.
#[derive(Debug, Clone, Default)]
struct Exchange {
    /// Every cell that was asked for, as often as it was.
    asked: Vec<CellKey>,
    taken: Vec<Taken>,
    /// How many of `taken` were put back or are gathered.
    settled: usize,
}

/// The number of a cell that was asked for of an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Asked(u32);

/// One change that was taken out, its weight turned round.
#[derive(Debug, Clone, Copy)]
struct Taken {
    cell: Asked,
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
            exchange: Exchange::default(),
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
        self.drawers.is_empty() && self.exchange.taken.is_empty()
    }

    /// For what is to be taken out. What was taken out before and did not come back is gathered now.
    #[must_use]
    pub fn taking_out(&mut self) -> TakingOut<'_> {
        self.settle();
        Exchanging(self)
    }

    /// For what is put in where something was taken out just now.
    #[must_use]
    pub fn putting_back(&mut self) -> PuttingBack<'_> {
        Exchanging(self)
    }

    /// Gathers what was taken out and did not come back. Call it after what is put back.
    pub fn settle(&mut self) {
        self.exchange.settle(self.exchange.taken.len(), &mut self.drawers);
        self.exchange.clear();
    }

    /// Hands over everything.
    pub(crate) fn empty(&mut self, target: &mut impl Target) {
        self.settle();
        self.drawers.empty(target);
    }

    #[inline]
    fn axis(&self, cube: usize) -> Axis {
        self.cubes[cube].axis
    }

    fn put_back(&mut self, cell: Asked, change: Change) {
        if !self.exchange.comes_back(cell, change, &mut self.drawers) {
            self.exchange.gather(cell, change, &mut self.drawers);
        }
    }
}

impl Exchange {
    #[inline]
    fn cell(&mut self, cube: usize, codes: &[Code]) -> Asked {
        self.asked.push(CellKey::new(cube, codes));
        Asked(self.asked.len() as u32 - 1)
    }

    #[inline]
    fn key(&self, cell: Asked) -> &CellKey {
        &self.asked[cell.0 as usize]
    }

    fn gather(&self, cell: Asked, change: Change, drawers: &mut Drawers) {
        let cell = drawers.cell(*self.key(cell));
        drawers.push(cell, change);
    }

    /// Whether this is what was taken out: then both are nothing.
    fn comes_back(&mut self, cell: Asked, change: Change, drawers: &mut Drawers) -> bool {
        let same = |taken: &Taken| taken.change.cancels(change) && self.key(taken.cell) == self.key(cell);
        let ahead = self.taken[self.settled..].iter().take(LOOK_AHEAD).position(same);
        if let Some(ahead) = ahead {
            self.settle(self.settled + ahead, drawers);
            self.settled += 1;
        }
        ahead.is_some()
    }

    /// Gathers what was taken out before number `until` and did not come back.
    fn settle(&mut self, until: usize, drawers: &mut Drawers) {
        for Taken { cell, change } in &self.taken[self.settled..until] {
            self.gather(*cell, *change, drawers);
        }
        self.settled = until;
    }

    fn clear(&mut self) {
        self.asked.clear();
        self.taken.clear();
        self.settled = 0;
    }
}

/// The changes of a level, on the axis.
#[inline]
fn each_of_level(
    axis: Axis,
    measure: usize,
    (from, until): (Day, Day),
    weight: i64,
    take: impl FnMut(Change),
) {
    if let Some((opens, closes)) = axis.clip(from, until) {
        let back = closes.map_or(Change::STAYS, |day| day as u16);
        Change::each(opens as u16, back, measure, weight, take);
    }
}

/// The changes of a flow, if it is on the axis.
#[inline]
fn each_of_flow(axis: Axis, measure: usize, day: Day, weight: i64, take: impl FnMut(Change)) {
    if let Some(slot) = axis.slot(day) {
        Change::each(slot as u16, Change::STAYS, measure, weight, take);
    }
}

impl<const BACK: bool> Exchanging<'_, BACK> {
    #[inline]
    fn take(&mut self, cell: Asked, change: Change) {
        if BACK {
            self.0.put_back(cell, change);
        } else {
            self.0.exchange.taken.push(Taken { cell, change });
        }
    }

    #[inline]
    fn axis(&self, cell: Asked) -> Axis {
        self.0.axis(self.0.exchange.key(cell).cube())
    }

    #[inline]
    fn signed(weight: i64) -> i64 {
        if BACK { weight } else { -weight }
    }
}

impl<const BACK: bool> Sink for Exchanging<'_, BACK> {
    type Cell = Asked;

    #[inline]
    fn levels(&self) -> Axis {
        self.0.days
    }

    #[inline]
    fn flows(&self) -> Axis {
        self.0.days
    }

    #[inline]
    fn cell(&mut self, cube: usize, codes: &[Code]) -> Asked {
        self.0.exchange.cell(cube, codes)
    }

    #[inline]
    fn level(&mut self, cell: Asked, measure: usize, from: Day, until: Day, weight: i64) {
        let (axis, weight) = (self.axis(cell), Self::signed(weight));
        each_of_level(axis, measure, (from, until), weight, |change| self.take(cell, change));
    }

    #[inline]
    fn flow(&mut self, cell: Asked, measure: usize, day: Day, weight: i64) {
        let (axis, weight) = (self.axis(cell), Self::signed(weight));
        each_of_flow(axis, measure, day, weight, |change| self.take(cell, change));
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
        self.drawers.cell(CellKey::new(cube, codes))
    }

    #[inline]
    fn level(&mut self, cell: Cell, measure: usize, from: Day, until: Day, weight: i64) {
        let axis = self.axis(usize::from(cell.cube));
        each_of_level(axis, measure, (from, until), weight, |change| self.drawers.push(cell, change));
    }

    #[inline]
    fn flow(&mut self, cell: Cell, measure: usize, day: Day, weight: i64) {
        let axis = self.axis(usize::from(cell.cube));
        each_of_flow(axis, measure, day, weight, |change| self.drawers.push(cell, change));
    }

    #[inline]
    fn flow_each(&mut self, cell: Cell, day: Day, flows: &[(usize, i64)]) {
        if let Some(slot) = self.axis(usize::from(cell.cube)).slot(day) {
            self.drawers.push_each(cell, slot as u16, flows);
        }
    }
}
