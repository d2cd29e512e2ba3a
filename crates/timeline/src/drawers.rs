//! Contributions put where those of the same cells are.
//!
//! A person's contributions go to a dozen of some ten thousand cells, which lie far apart in memory, as do the slots of the
//! table that would number them: one at a time, each would wait for memory. So they first go into drawers by a hash of
//! their cell, each at a drawer's end. When many have come, a drawer is emptied at once: its few hundred cells are numbered
//! by a small table, and the changes of each are added together.
//!
//! The ends of so many drawers lie far apart too, and each next one is new memory. So what is put in is first kept in a near
//! part of each drawer, all of which stay in the processor's cache, and moved to the far end some at a time.

use arrayvec::ArrayVec;

use crate::{
    Key,
    changes::Change,
    index::{CellIndex, CellKey, Indexed, Lately},
};

/// Few enough that their ends stay in the processor's cache, enough that the cells of one do.
const DRAWERS: usize = 1 << DRAWER_BITS;
const DRAWER_BITS: u32 = 5;

/// A cell that was asked for: only good until the drawers are emptied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cell {
    pub(crate) cube: u16,
    drawer: u16,
    asked: u32,
}

/// Where the changes of cells go.
pub(crate) trait Target {
    /// The place of a cell, made if there is none; asked for once a cell.
    fn place(&mut self, cube: usize, key: Key) -> u32;
    /// Adds `changes` at a place of `cube`.
    fn add(&mut self, cube: usize, place: u32, changes: &[Change]);
}

/// Changes on their way to one [`Target`].
#[derive(Debug, Clone)]
pub(crate) struct Drawers {
    drawers: Box<[Drawer]>,
    /// One a drawer.
    near: Box<[Near]>,
    /// How many changes, and cells asked for.
    gathered: usize,
    full: usize,
    sorted: Sorted,
    /// What was asked for last, by hash: most cells are asked for again soon.
    lately: Lately<Cell>,
}

/// What was put into a drawer last.
#[derive(Debug, Clone, Default)]
struct Near {
    asked: ArrayVec<CellKey, 16>,
    changes: ArrayVec<Gathered, 32>,
    /// How many cells were asked for in all, these among them.
    count: u32,
}

#[derive(Debug, Clone, Default)]
struct Drawer {
    /// Every cell that was asked for, as often as it was.
    asked: Vec<CellKey>,
    changes: Vec<Gathered>,
    /// Its cells, by number.
    cells: CellIndex<CellKey>,
    /// Where the target has them.
    places: Vec<u32>,
}

/// A change of the cell that was the `asked`th to be asked for.
#[derive(Debug, Clone, Copy)]
struct Gathered {
    day: u16,
    back: u16,
    asked: u32,
    measured: i64,
}

/// The changes of a drawer in the order of their cells: memory that is kept.
#[derive(Debug, Clone, Default)]
struct Sorted {
    changes: Vec<Change>,
    /// The number of each cell that was asked for.
    numbers: Vec<u32>,
    ends: Vec<u32>,
}

impl Drawers {
    /// Empty ones, which are full with so many changes and cells asked for, some 20 bytes each.
    pub(crate) fn new(full: usize) -> Drawers {
        Drawers {
            drawers: vec![Drawer::default(); DRAWERS].into(),
            near: vec![Near::default(); DRAWERS].into(),
            gathered: 0,
            full,
            sorted: Sorted::default(),
            lately: Lately::new(),
        }
    }

    /// Whether it is time to empty them.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.gathered >= self.full
    }

    /// Whether there is nothing in them.
    pub(crate) fn is_empty(&self) -> bool {
        self.gathered == 0
    }

    #[inline]
    pub(crate) fn cell(&mut self, key: CellKey) -> Cell {
        let hash = key.hash();
        if let Some(cell) = self.lately.get(&key, hash) {
            return cell;
        }
        let drawer = (hash >> (u64::BITS - DRAWER_BITS)) as usize;
        let near = &mut self.near[drawer];
        if near.asked.is_full() {
            near.move_asked(&mut self.drawers[drawer]);
        }
        near.asked.push(key);
        near.count += 1;
        self.gathered += 1;
        let cell = Cell { cube: key.cube() as u16, drawer: drawer as u16, asked: near.count - 1 };
        self.lately.put(key, hash, cell);
        cell
    }

    #[inline]
    pub(crate) fn push(&mut self, cell: Cell, Change { day, back, measured }: Change) {
        let drawer = usize::from(cell.drawer);
        let near = &mut self.near[drawer];
        if near.changes.is_full() {
            near.move_changes(&mut self.drawers[drawer]);
        }
        near.changes.push(Gathered { day, back, asked: cell.asked, measured });
        self.gathered += 1;
    }

    /// Pushes flows of one day: measure and weight.
    #[inline]
    pub(crate) fn push_each(&mut self, cell: Cell, day: u16, flows: &[(usize, i64)]) {
        for (measure, weight) in flows {
            Change::each(day, Change::STAYS, *measure, *weight, |change| self.push(cell, change));
        }
    }

    /// Hands over everything.
    pub(crate) fn empty(&mut self, target: &mut impl Target) {
        for (drawer, near) in self.drawers.iter_mut().zip(&mut self.near).filter(|(_, near)| near.count > 0) {
            near.move_asked(drawer);
            near.move_changes(drawer);
            near.count = 0;
            drawer.empty(&mut self.sorted, target);
        }
        self.gathered = 0;
        self.lately.clear();
    }
}

impl Near {
    #[cold]
    fn move_asked(&mut self, drawer: &mut Drawer) {
        drawer.asked.extend_from_slice(&self.asked);
        self.asked.clear();
    }

    #[cold]
    fn move_changes(&mut self, drawer: &mut Drawer) {
        drawer.changes.extend_from_slice(&self.changes);
        self.changes.clear();
    }
}

impl Drawer {
    fn empty(&mut self, Sorted { changes, numbers, ends }: &mut Sorted, target: &mut impl Target) {
        numbers.clear();
        numbers.extend(self.asked.drain(..).map(|key| self.cells.at(&key, key.hash())));
        let keys = self.cells.keys();
        let known = self.places.len();
        self.places.extend(keys[known..].iter().map(|cell| target.place(cell.cube(), cell.key)));
        ends.clear();
        ends.resize(keys.len() + 1, 0);
        self.changes.iter().for_each(|change| ends[numbers[change.asked as usize] as usize + 1] += 1);
        for cell in 1..ends.len() {
            ends[cell] += ends[cell - 1];
        }
        // `ends[cell]` begins as where the cell's changes start, and is where they end once all are placed.
        changes.resize(changes.len().max(self.changes.len()), Change::default());
        for Gathered { day, back, asked, measured } in self.changes.drain(..) {
            let at = &mut ends[numbers[asked as usize] as usize];
            changes[*at as usize] = Change { day, back, measured };
            *at += 1;
        }
        let mut start = 0;
        for ((cell, place), end) in keys.iter().zip(&self.places).zip(ends.iter()) {
            if start < *end {
                target.add(cell.cube(), *place, &changes[start as usize..*end as usize]);
                start = *end;
            }
        }
    }
}
