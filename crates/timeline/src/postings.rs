//! Contributions on their way to a timeline.

use contract::{Code, Day};

use crate::{CubeSpec, Key, Sink, changes::Change, index::CellIndex};

/// Contributions of one projection, cell by cell, until they are posted to one
/// [`Timeline`](crate::Timeline): the cells of a timeline lie far apart in memory, so a change at a time would wait for
/// memory each time; gathered, those of one cell are added together. Several threads that fill one timeline have one of
/// these each.
///
/// Post all of one to the same timeline: it remembers where that keeps its cells.
#[derive(Debug, Clone)]
pub struct Postings {
    cubes: Vec<CubePostings>,
    gathered: usize,
    taken: Vec<Taken>,
    /// How many of `taken` were put back or are gathered.
    settled: usize,
    sorted: Sorted,
}

/// Takes contributions out again. When a person changes, most of what is taken out is put back right after: what comes back
/// in the same order is crossed out, not added.
#[derive(Debug)]
pub struct TakingOut<'a>(&'a mut Postings);

/// One change that was taken out, its weight turned round.
#[derive(Debug, Clone, Copy)]
struct Taken {
    cube: u32,
    cell: u32,
    change: Change,
}

#[derive(Debug, Clone)]
struct CubePostings {
    spec: CubeSpec,
    cells: CellIndex,
    /// Where the timeline has the cells, for as many of them as were posted.
    places: Vec<u32>,
    pending: Vec<(u32, Change)>,
}

/// Changes in the order of their cells: memory that is kept.
#[derive(Debug, Clone, Default)]
struct Sorted {
    changes: Vec<Change>,
    ends: Vec<u32>,
}

/// How far what comes back is looked for: a person that changed has a few contributions more or less.
const LOOK_AHEAD: usize = 8;
/// 12 MB, and 8 MB more while they are posted.
const GATHERED_MAX: usize = 1 << 19;

impl Postings {
    /// None yet, for the cubes `specs`.
    #[must_use]
    pub fn new(specs: &[CubeSpec]) -> Postings {
        let cubes = specs.iter().map(|spec| CubePostings {
            spec: *spec,
            cells: CellIndex::default(),
            places: Vec::new(),
            pending: Vec::new(),
        });
        Postings {
            cubes: cubes.collect(),
            gathered: 0,
            taken: Vec::new(),
            settled: 0,
            sorted: Sorted::default(),
        }
    }

    /// Whether it is time to post them.
    #[must_use]
    #[inline]
    pub fn is_full(&self) -> bool {
        self.gathered >= GATHERED_MAX
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gathered == 0 && self.taken.is_empty()
    }

    /// For what is to be taken out. What was taken out before and did not come back is gathered now.
    #[must_use]
    pub fn taking_out(&mut self) -> TakingOut<'_> {
        self.settle();
        TakingOut(self)
    }

    /// Gathers what was taken out and did not come back. Call it after what is put in.
    pub fn settle(&mut self) {
        for at in self.settled..self.taken.len() {
            let Taken { cube, cell, change } = self.taken[at];
            self.gather(cube, cell, change);
        }
        self.taken.clear();
        self.settled = 0;
    }

    /// Hands over what is pending for cube number `cube`: `place` says where the timeline has a cell, `add` takes the
    /// changes of a place. What was handed over is forgotten.
    pub(crate) fn drain<T>(
        &mut self,
        cube: usize,
        target: &mut T,
        place: impl Fn(&mut T, Key) -> u32,
        mut add: impl FnMut(&mut T, u32, &[Change]),
    ) {
        let CubePostings { cells, places, pending, .. } = &mut self.cubes[cube];
        let keys = cells.keys();
        if pending.is_empty() {
            return;
        }
        self.gathered -= pending.len();
        let known = places.len();
        places.extend(keys[known..].iter().map(|key| place(target, *key)));
        let Sorted { changes, ends } = &mut self.sorted;
        ends.clear();
        ends.resize(keys.len() + 1, 0);
        pending.iter().for_each(|(cell, _)| ends[*cell as usize + 1] += 1);
        for cell in 1..ends.len() {
            ends[cell] += ends[cell - 1];
        }
        // `ends[cell]` begins as where the cell's changes start, and is where they end once all are placed.
        changes.resize(pending.len(), Change::default());
        for (cell, change) in pending.drain(..) {
            let at = &mut ends[cell as usize];
            changes[*at as usize] = change;
            *at += 1;
        }
        let mut start = 0;
        for (place, end) in places.iter().zip(ends.iter()) {
            if start < *end {
                add(target, *place, &changes[start as usize..*end as usize]);
                start = *end;
            }
        }
    }

    #[inline]
    fn push(&mut self, cube: u32, cell: u32, slot: usize, measure: usize, weight: i64) {
        let change = Change { day: slot as u16, measure: measure as u16, weight };
        if self.settled == self.taken.len() || !self.comes_back(cube, cell, change) {
            self.gather(cube, cell, change);
        }
    }

    #[inline]
    fn gather(&mut self, cube: u32, cell: u32, change: Change) {
        self.cubes[cube as usize].pending.push((cell, change));
        self.gathered += 1;
    }

    /// Whether this is what was taken out: then both are nothing.
    fn comes_back(&mut self, cube: u32, cell: u32, change: Change) -> bool {
        let Change { day, measure, weight } = change;
        let same = |taken: &Taken| {
            (taken.cube, taken.cell) == (cube, cell)
                && (taken.change.day, taken.change.measure, taken.change.weight) == (day, measure, -weight)
        };
        let Some(ahead) = self.taken[self.settled..].iter().take(LOOK_AHEAD).position(same) else {
            return false;
        };
        for at in self.settled..self.settled + ahead {
            let Taken { cube, cell, change } = self.taken[at];
            self.gather(cube, cell, change);
        }
        self.settled += ahead + 1;
        true
    }

    #[inline]
    fn slots(&self, cube: u32, from: Day, until: Day) -> Option<(usize, Option<usize>)> {
        self.cubes[cube as usize].spec.axis.clip(from, until)
    }

    #[inline]
    fn slot(&self, cube: u32, day: Day) -> Option<usize> {
        self.cubes[cube as usize].spec.axis.slot(day)
    }
}

impl TakingOut<'_> {
    #[inline]
    fn push(&mut self, cube: u32, cell: u32, slot: usize, measure: usize, weight: i64) {
        let change = Change { day: slot as u16, measure: measure as u16, weight: -weight };
        self.0.taken.push(Taken { cube, cell, change });
    }
}

impl Sink for TakingOut<'_> {
    type Cell = (u32, u32);

    #[inline]
    fn cell(&mut self, cube: usize, codes: &[Code]) -> (u32, u32) {
        self.0.cell(cube, codes)
    }

    #[inline]
    fn level(&mut self, (cube, cell): (u32, u32), measure: usize, from: Day, until: Day, weight: i64) {
        let Some((opens, closes)) = self.0.slots(cube, from, until) else { return };
        self.push(cube, cell, opens, measure, weight);
        if let Some(closes) = closes {
            self.push(cube, cell, closes, measure, -weight);
        }
    }

    #[inline]
    fn flow(&mut self, (cube, cell): (u32, u32), measure: usize, day: Day, weight: i64) {
        let Some(slot) = self.0.slot(cube, day) else { return };
        self.push(cube, cell, slot, measure, weight);
    }
}

impl Sink for Postings {
    type Cell = (u32, u32);

    #[inline]
    fn cell(&mut self, cube: usize, codes: &[Code]) -> (u32, u32) {
        (cube as u32, self.cubes[cube].cells.at(codes))
    }

    #[inline]
    fn level(&mut self, (cube, cell): (u32, u32), measure: usize, from: Day, until: Day, weight: i64) {
        let Some((opens, closes)) = self.slots(cube, from, until) else { return };
        self.push(cube, cell, opens, measure, weight);
        if let Some(closes) = closes {
            self.push(cube, cell, closes, measure, -weight);
        }
    }

    #[inline]
    fn flow(&mut self, (cube, cell): (u32, u32), measure: usize, day: Day, weight: i64) {
        let Some(slot) = self.slot(cube, day) else { return };
        self.push(cube, cell, slot, measure, weight);
    }
}
