//! All cells of one projection, by day.

use contract::{Code, Day};
use rustc_hash::FxHashMap;

use crate::{CubeSpec, Key, MEASURES_MAX, Period, Row, Sink, cell::Changes, key};

/// The sums by day of every cell of one projection's cubes.
#[derive(Debug, Clone)]
pub struct Timeline {
    cubes: Vec<Cube>,
}

#[derive(Debug, Clone)]
pub(crate) struct Cube {
    pub(crate) spec: CubeSpec,
    pub(crate) index: FxHashMap<Key, u32>,
    pub(crate) cells: Vec<Cell>,
    /// Day slots at which months begin, for the anchors.
    months: Vec<u32>,
    /// Changes on their way. Cells lie far apart in memory, so a change at a time would wait for memory each time;
    /// gathered, those of one cell are added together.
    pending: Vec<Pending>,
    placed: Placed,
}

/// Pending changes in the order of their cells: memory of [`Cube::flush`] that is kept.
#[derive(Debug, Clone, Default)]
struct Placed {
    changes: Vec<(u32, i64)>,
    ends: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    cell: u32,
    slot: u32,
    weight: i64,
}

/// 8 MB a cube.
const PENDING_MAX: usize = 1 << 19;

#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) key: Key,
    pub(crate) changes: Changes,
    /// For each month start, the sums of all days before it, a measure after the other. Empty: stale.
    anchors: Vec<i64>,
}

impl Cube {
    fn new(spec: CubeSpec) -> Cube {
        let months = (0..spec.axis.days())
            .filter(|slot| (spec.axis.first + *slot as i32).ymd().2 == 1)
            .map(|slot| slot as u32)
            .collect();
        Cube {
            spec,
            index: FxHashMap::default(),
            cells: Vec::new(),
            months,
            pending: Vec::new(),
            placed: Placed::default(),
        }
    }

    pub(crate) fn cell(&mut self, key: Key) -> u32 {
        let (spec, cells) = (&self.spec, &mut self.cells);
        *self.index.entry(key).or_insert_with(|| {
            let changes = Changes::new(spec.storage, spec.axis, spec.measures.len());
            cells.push(Cell { key, changes, anchors: Vec::new() });
            (cells.len() - 1) as u32
        })
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
            self.cells.iter().chain(&other.cells).map(|cell| (text_of(&cell.key), cell.key)).collect();
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

    #[inline]
    fn push(&mut self, cell: u32, slot: usize, weight: i64) {
        self.pending.push(Pending { cell, slot: slot as u32, weight });
        if self.pending.len() == PENDING_MAX {
            self.flush();
        }
    }

    /// Adds what is pending, cell after cell.
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let Placed { changes: placed, ends } = &mut self.placed;
        ends.clear();
        ends.resize(self.cells.len() + 1, 0);
        self.pending.iter().for_each(|change| ends[change.cell as usize + 1] += 1);
        for cell in 1..ends.len() {
            ends[cell] += ends[cell - 1];
        }
        // `ends[cell]` begins as where the cell's changes start, and is where they end once all are placed.
        placed.resize(self.pending.len(), (0, 0));
        for change in self.pending.drain(..) {
            let at = &mut ends[change.cell as usize];
            placed[*at as usize] = (change.slot, change.weight);
            *at += 1;
        }
        let mut start = 0;
        for (cell, end) in self.cells.iter_mut().zip(ends.iter()) {
            let changes = &placed[start as usize..*end as usize];
            if !changes.is_empty() {
                cell.anchors.clear();
                changes.iter().for_each(|(slot, weight)| cell.changes.add(*slot as usize, *weight));
            }
            start = *end;
        }
    }

    /// The sums of all days up to and with `slot`.
    fn prefix(&self, cell: &Cell, slot: usize, sums: &mut [i64]) {
        let measures = sums.len();
        let month = self.months.partition_point(|start| *start as usize <= slot);
        if cell.anchors.is_empty() || month == 0 {
            cell.changes.sum_days(0..slot + 1, sums);
        } else {
            sums.copy_from_slice(&cell.anchors[(month - 1) * measures..month * measures]);
            cell.changes.sum_days(self.months[month - 1] as usize..slot + 1, sums);
        }
    }

    fn values(&self, cell: &Cell, period: Period) -> Vec<i64> {
        let axis = self.spec.axis;
        let measures = self.spec.measures.len();
        let prefix_at = |day: Day| {
            let mut sums = vec![0; measures];
            if day >= axis.first {
                self.prefix(cell, (day.min(axis.horizon) - axis.first) as usize, &mut sums);
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
    /// If a spec has more measures than [`MEASURES_MAX`]: a projection's mistake.
    #[must_use]
    pub fn new(specs: &[CubeSpec]) -> Timeline {
        assert!(specs.iter().all(|spec| spec.measures.len() <= MEASURES_MAX), "a cube has too many measures");
        Timeline { cubes: specs.iter().map(|spec| Cube::new(*spec)).collect() }
    }

    pub(crate) fn cubes(&self) -> &[Cube] {
        &self.cubes
    }

    pub(crate) fn cubes_mut(&mut self) -> &mut [Cube] {
        &mut self.cubes
    }

    /// Adds everything `other` holds; both of one projection.
    pub fn merge(&mut self, other: &mut Timeline) {
        for (cube, from) in self.cubes.iter_mut().zip(&mut other.cubes) {
            from.flush();
            from.cells.iter_mut().for_each(|cell| cell.changes.settle());
            cube.flush();
            for cell in &from.cells {
                let at = cube.cell(cell.key) as usize;
                let target = &mut cube.cells[at];
                target.anchors.clear();
                cell.changes.for_each(|slot, weight| target.changes.add(slot, weight));
            }
        }
    }

    /// Sums up what is pending and computes the month anchors: reads after this need at most 31 additions a measure.
    pub fn settle(&mut self) {
        for cube in &mut self.cubes {
            cube.flush();
            let (months, measures) = (&cube.months, cube.spec.measures.len());
            for cell in cube.cells.iter_mut().filter(|cell| cell.anchors.is_empty()) {
                cell.changes.settle();
                let mut sums = vec![0; measures];
                let mut day = 0;
                cell.anchors.reserve_exact(months.len() * measures);
                for month in months {
                    cell.changes.sum_days(day..*month as usize, &mut sums);
                    cell.anchors.extend_from_slice(&sums);
                    day = *month as usize;
                }
            }
        }
    }

    /// The rows of cube number `cube`: levels on `period.on`, flows from `period.from` to `period.to`. Rows of zeros are
    /// left out; the rest come in the order of their keys' text.
    ///
    /// # Panics
    /// If something was added since [`Timeline::settle`].
    #[must_use]
    pub fn rows(&self, cube: usize, period: Period) -> Vec<Row> {
        let cube = &self.cubes[cube];
        assert!(cube.pending.is_empty(), "settle before reading");
        let rows = cube.cells.iter().map(|cell| Row { key: cell.key, values: cube.values(cell, period) });
        sorted(rows.filter(|row| row.values.iter().any(|value| *value != 0)).collect())
    }

    /// A digest of every sum by day, over the cubes' names and the keys' text: independent of the order in which
    /// contributions came, of threads, partitions and storage.
    #[must_use]
    pub fn digest(&mut self) -> [u8; 32] {
        self.settle();
        let mut hasher = blake3::Hasher::new();
        let mut buffer = Vec::new();
        for cube in &self.cubes {
            buffer.clear();
            put_text(&mut buffer, cube.spec.name);
            hasher.update(&buffer);
            let mut order: Vec<&Cell> = cube.cells.iter().collect();
            order.sort_by_cached_key(|cell| text_of(&cell.key));
            for cell in order {
                buffer.clear();
                cell.key.iter().for_each(|code| put_text(&mut buffer, &code.to_string()));
                let head = buffer.len();
                cell.changes.for_each(|slot, weight| {
                    buffer.extend_from_slice(&(slot as u32).to_le_bytes());
                    buffer.extend_from_slice(&weight.to_le_bytes());
                });
                if buffer.len() > head {
                    buffer.extend_from_slice(&u32::MAX.to_le_bytes());
                    hasher.update(&buffer);
                }
            }
        }
        *hasher.finalize().as_bytes()
    }

    /// The first change of each cube that is not the same in `other`, in words: cell, measure, day, both values.
    #[must_use]
    pub fn differences(&mut self, other: &mut Timeline) -> Vec<String> {
        self.settle();
        other.settle();
        let differs = |(cube, against): (&Cube, &Cube)| cube.first_difference(against);
        self.cubes.iter().zip(&other.cubes).filter_map(differs).collect()
    }

    /// Bytes of memory held by the sums, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let cells = self.cubes.iter().flat_map(|cube| &cube.cells);
        let pending: usize =
            self.cubes.iter().map(|cube| cube.pending.capacity() * size_of::<Pending>()).sum();
        pending + cells.map(|cell| cell.changes.bytes() + cell.anchors.capacity() * 8 + 64).sum::<usize>()
    }
}

impl Sink for Timeline {
    type Cell = (u32, u32);

    #[inline]
    fn cell(&mut self, cube: usize, codes: &[Code]) -> (u32, u32) {
        let cell = self.cubes[cube].cell(key(codes));
        (cube as u32, cell)
    }

    #[inline]
    fn level(&mut self, (cube, cell): (u32, u32), measure: usize, from: Day, until: Day, weight: i64) {
        let cube = &mut self.cubes[cube as usize];
        let Some((opens, closes)) = cube.spec.axis.clip(from, until) else { return };
        let measures = cube.spec.measures.len();
        cube.push(cell, opens * measures + measure, weight);
        if let Some(closes) = closes {
            cube.push(cell, closes * measures + measure, -weight);
        }
    }

    #[inline]
    fn flow(&mut self, (cube, cell): (u32, u32), measure: usize, day: Day, weight: i64) {
        let cube = &mut self.cubes[cube as usize];
        let Some(slot) = cube.spec.axis.slot(day) else { return };
        let measures = cube.spec.measures.len();
        cube.push(cell, slot * measures + measure, weight);
    }
}

pub(crate) fn text_of(key: &Key) -> [String; 4] {
    key.map(|code| code.to_string())
}

/// Rows in the order of their keys' text.
pub(crate) fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_cached_key(|row| text_of(&row.key));
    rows
}

fn put_text(buffer: &mut Vec<u8>, text: &str) {
    buffer.extend_from_slice(&(text.len() as u32).to_le_bytes());
    buffer.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests;
