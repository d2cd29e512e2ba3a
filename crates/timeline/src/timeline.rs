//! All cells of one projection, by day.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use contract::Day;
use rustc_hash::FxHashMap;

use crate::{
    CubeSpec, Key, MEASURES_MAX, Period, Postings, Row,
    changes::{BLOCK_DAYS, Change, Changes},
    cube::{cmp_text, text_of},
    drawers::Target,
};

/// The sums by day of every cell of one projection's cubes.
///
/// A clone shares its cells with the original until one of them changes: a copy to be written or read beside one that goes
/// on costs little.
#[derive(Debug, Clone)]
pub struct Timeline {
    cubes: Vec<Cube>,
}

/// A timeline that several threads fill at once, each from [`Postings`] of its own.
#[derive(Debug)]
pub struct SharedTimeline<'a> {
    cubes: Vec<Mutex<&'a mut Cube>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Cube {
    pub(crate) spec: CubeSpec,
    index: Arc<FxHashMap<Key, u32>>,
    cells: Vec<Arc<Cell>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) key: Key,
    pub(crate) changes: Changes,
    /// Sums before each block; empty: stale, or not worth keeping.
    anchors: Vec<i64>,
    digest: OnceLock<[u8; 32]>,
}

impl Cell {
    /// The sums of all days up to and with `day`.
    fn prefix(&self, day: usize, sums: &mut [i64]) {
        let (block, measures) = (day / BLOCK_DAYS, sums.len());
        if self.anchors.is_empty() {
            self.changes.sum_days(0..day + 1, sums);
        } else {
            sums.copy_from_slice(&self.anchors[block * measures..(block + 1) * measures]);
            self.changes.sum_days(block * BLOCK_DAYS..day + 1, sums);
        }
    }

    /// Of the changes; `None`: there are none.
    fn digest(&self) -> Option<[u8; 32]> {
        let digest = self.digest.get_or_init(|| {
            let mut bytes = Vec::new();
            self.changes.for_each(|slot, weight| {
                bytes.extend_from_slice(&(slot as u32).to_le_bytes());
                bytes.extend_from_slice(&weight.to_le_bytes());
            });
            if bytes.is_empty() { NOTHING } else { *blake3::hash(&bytes).as_bytes() }
        });
        (*digest != NOTHING).then_some(*digest)
    }
}

/// Stands for no change at all where a digest is kept.
const NOTHING: [u8; 32] = [0; 32];

impl Cube {
    fn new(spec: CubeSpec) -> Cube {
        Cube { spec, index: Arc::default(), cells: Vec::new() }
    }

    pub(crate) fn cells(&self) -> impl ExactSizeIterator<Item = &Cell> {
        self.cells.iter().map(|cell| &**cell)
    }

    /// The number of the cell at `key`.
    pub(crate) fn cell(&mut self, key: Key) -> u32 {
        if let Some(at) = self.index.get(&key) {
            return *at;
        }
        let Cube { spec, cells, .. } = self;
        let changes = Changes::new(spec.storage, spec.axis, spec.measures.len());
        cells.push(Arc::new(Cell { key, changes, anchors: Vec::new(), digest: OnceLock::new() }));
        let at = (cells.len() - 1) as u32;
        Arc::make_mut(&mut self.index).insert(key, at);
        at
    }

    pub(crate) fn add(&mut self, at: u32, changes: &[Change]) {
        let cell = Arc::make_mut(&mut self.cells[at as usize]);
        cell.anchors.clear();
        cell.digest = OnceLock::new();
        cell.changes.add_all(changes);
    }

    /// The changes of the cell at `key`; none where there is no such cell.
    fn changes(&self, key: &Key) -> Vec<(usize, i64)> {
        let mut changes = Vec::new();
        if let Some(at) = self.index.get(key) {
            self.cells[*at as usize].changes.for_each(|slot, weight| changes.push((slot, weight)));
        }
        changes
    }

    fn first_difference(&self, other: &Cube) -> Option<String> {
        let keys: std::collections::BTreeMap<_, _> =
            self.cells().chain(other.cells()).map(|cell| (text_of(&cell.key), cell.key)).collect();
        for (text, key) in keys {
            let (here, there) = (self.changes(&key), other.changes(&key));
            if here == there {
                continue;
            }
            let both = here.iter().chain(&there).map(|change| change.0);
            let value = |changes: &[(usize, i64)], slot| {
                changes.iter().find(|change| change.0 == slot).map_or(0, |change| change.1)
            };
            let slot = both.filter(|slot| value(&here, *slot) != value(&there, *slot)).min()?;
            let measures = self.spec.measures.len();
            return Some(format!(
                "{}[{}] {} changes on {} by {} here, by {} there",
                self.spec.name,
                text[..self.spec.dimensions.len()].join(" "),
                self.spec.measures[slot % measures].name(),
                self.spec.axis.first + (slot / measures) as i32,
                value(&here, slot),
                value(&there, slot)
            ));
        }
        None
    }

    fn values(&self, cell: &Cell, period: Period) -> Vec<i64> {
        let axis = self.spec.axis;
        let measures = self.spec.measures.len();
        let prefix_at = |day: Day| {
            let mut sums = vec![0; measures];
            if day >= axis.first {
                cell.prefix((day.min(axis.horizon) - axis.first) as usize, &mut sums);
            }
            sums
        };
        let on = prefix_at(period.on);
        let (until, before) = (prefix_at(period.to), prefix_at(period.from - 1));
        let value = |(at, measure): (usize, &crate::Measure)| {
            if measure.is_level() { on[at] } else { until[at] - before[at] }
        };
        self.spec.measures.iter().enumerate().map(value).collect()
    }
}

impl Timeline {
    /// Empty sums for `specs`.
    ///
    /// # Panics
    /// If a spec has more measures than [`MEASURES_MAX`], or more days than sixteen bits count: a projection's mistake.
    #[must_use]
    pub fn new(specs: &[CubeSpec]) -> Timeline {
        assert!(specs.iter().all(|spec| spec.measures.len() <= MEASURES_MAX), "a cube has too many measures");
        assert!(specs.iter().all(|spec| spec.axis.days() < 1 << 16), "a cube has too many days");
        Timeline { cubes: specs.iter().map(|spec| Cube::new(*spec)).collect() }
    }

    pub(crate) fn cubes(&self) -> &[Cube] {
        &self.cubes
    }

    pub(crate) fn cubes_mut(&mut self) -> &mut [Cube] {
        &mut self.cubes
    }

    /// Adds what `postings` holds.
    pub fn post(&mut self, postings: &mut Postings) {
        postings.empty(&mut self.cubes);
    }

    /// For several threads to fill.
    pub fn share(&mut self) -> SharedTimeline<'_> {
        SharedTimeline { cubes: self.cubes.iter_mut().map(Mutex::new).collect() }
    }

    /// Adds everything `other` holds; both of one projection.
    pub fn merge(&mut self, other: &Timeline) {
        let mut changes = Vec::new();
        for (cube, from) in self.cubes.iter_mut().zip(&other.cubes) {
            let measures = cube.spec.measures.len();
            for cell in from.cells() {
                changes.clear();
                cell.changes.for_each(|slot, weight| {
                    let day = (slot / measures) as u16;
                    Change::each(day, Change::STAYS, slot % measures, weight, |change| changes.push(change));
                });
                let at = cube.cell(cell.key);
                cube.add(at, &changes);
            }
        }
    }

    /// Computes what makes reads cheap: a read after this needs at most 32 additions a measure of a busy cell.
    pub fn settle(&mut self) {
        for cell in self.cubes.iter_mut().flat_map(|cube| &mut cube.cells) {
            if cell.anchors.is_empty() {
                let anchors = cell.changes.anchors();
                if !anchors.is_empty() {
                    Arc::make_mut(cell).anchors = anchors;
                }
            }
        }
    }

    /// The rows of cube number `cube`: levels on `period.on`, flows from `period.from` to `period.to`. Rows of zeros are
    /// left out; the rest come in the order of their keys' text.
    #[must_use]
    pub fn rows(&self, cube: usize, period: Period) -> Vec<Row> {
        let cube = &self.cubes[cube];
        cube.spec.rows(cube.cells().map(|cell| (cell.key, cube.values(cell, period))))
    }

    /// A digest of every sum by day, over the cubes' names and the keys' text: independent of the order in which
    /// contributions came, of threads, partitions and storage. That of a cell is kept until the cell changes.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = Vec::new();
        for cube in &self.cubes {
            buffer.clear();
            put_text(&mut buffer, cube.spec.name);
            let mut order: Vec<&Cell> = cube.cells().collect();
            order.sort_unstable_by(|one, other| cmp_text(&one.key, &other.key));
            for cell in order {
                if let Some(digest) = cell.digest() {
                    cell.key.iter().for_each(|code| put_text(&mut buffer, &code.to_string()));
                    buffer.extend_from_slice(&digest);
                }
            }
            hasher.update(&(buffer.len() as u64).to_le_bytes());
            hasher.update(&buffer);
        }
        *hasher.finalize().as_bytes()
    }

    /// The first change of each cube that is not the same in `other`, in words: cell, measure, day, both values.
    #[must_use]
    pub fn differences(&self, other: &Timeline) -> Vec<String> {
        let differs = |(cube, against): (&Cube, &Cube)| cube.first_difference(against);
        self.cubes.iter().zip(&other.cubes).filter_map(differs).collect()
    }

    /// Bytes of memory held by the sums, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let cells = self.cubes.iter().flat_map(Cube::cells);
        cells.map(|cell| cell.changes.bytes() + cell.anchors.capacity() * 8 + size_of::<Cell>()).sum()
    }
}

impl<'t> SharedTimeline<'t> {
    /// Adds what `postings` holds.
    pub fn post(&self, postings: &mut Postings) {
        postings.empty(&mut &*self);
    }

    fn cube(&self, number: usize) -> MutexGuard<'_, &'t mut Cube> {
        // A thread that panicked ends the whole work: nobody reads what it left.
        self.cubes[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target for Vec<Cube> {
    fn place(&mut self, cube: usize, key: Key) -> u32 {
        self[cube].cell(key)
    }

    fn add(&mut self, cube: usize, place: u32, changes: &[Change]) {
        self[cube].add(place, changes);
    }
}

impl Target for &SharedTimeline<'_> {
    fn place(&mut self, cube: usize, key: Key) -> u32 {
        self.cube(cube).cell(key)
    }

    fn add(&mut self, cube: usize, place: u32, changes: &[Change]) {
        self.cube(cube).add(place, changes);
    }
}

fn put_text(buffer: &mut Vec<u8>, text: &str) {
    buffer.extend_from_slice(&(text.len() as u32).to_le_bytes());
    buffer.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests;
