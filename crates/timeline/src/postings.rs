//! Contributions on their way to a timeline.

use std::hash::{Hash, Hasher};

use contract::{Code, Day};
use rustc_hash::FxHashMap;

use crate::{CubeSpec, DIMENSIONS_MAX, Key, Sink, changes::Change, key};

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
    sorted: Sorted,
}

#[derive(Debug, Clone)]
struct CubePostings {
    spec: CubeSpec,
    index: FxHashMap<Packed, u32>,
    keys: Vec<Key>,
    /// Where the timeline has the cells, for as many of `keys` as were posted.
    places: Vec<u32>,
    pending: Vec<(u32, Change)>,
}

/// A key for the index. Every contribution begins by looking for its cell, so it is hashed and compared in a few
/// instructions that don't wait for each other.
#[derive(Debug, Clone, Copy)]
struct Packed([u64; DIMENSIONS_MAX]);

impl Packed {
    #[inline]
    fn of(codes: &[Code]) -> Packed {
        let mut packed = [0; DIMENSIONS_MAX];
        packed.iter_mut().zip(codes).for_each(|(packed, code)| *packed = code.packed());
        Packed(packed)
    }
}

impl PartialEq for Packed {
    #[inline]
    fn eq(&self, other: &Packed) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
    }
}

impl Eq for Packed {}

impl Hash for Packed {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Odd numbers without a pattern: the hasher mixes what they give once more.
        const FACTORS: [u64; DIMENSIONS_MAX] =
            [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x27d4_eb2f_1656_67c5];
        let products = self.0.iter().zip(FACTORS).map(|(code, factor)| code.wrapping_mul(factor));
        state.write_u64(products.fold(0, |sum, product| sum ^ product.rotate_right(29)));
    }
}

/// Changes in the order of their cells: memory that is kept.
#[derive(Debug, Clone, Default)]
struct Sorted {
    changes: Vec<Change>,
    ends: Vec<u32>,
}

/// 12 MB, and 8 MB more while they are posted.
const GATHERED_MAX: usize = 1 << 19;

impl Postings {
    /// None yet, for the cubes `specs`.
    #[must_use]
    pub fn new(specs: &[CubeSpec]) -> Postings {
        let cubes = specs.iter().map(|spec| CubePostings {
            spec: *spec,
            index: FxHashMap::default(),
            keys: Vec::new(),
            places: Vec::new(),
            pending: Vec::new(),
        });
        Postings { cubes: cubes.collect(), gathered: 0, sorted: Sorted::default() }
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
        self.gathered == 0
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
        let CubePostings { keys, places, pending, .. } = &mut self.cubes[cube];
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
        self.cubes[cube as usize].pending.push((cell, change));
        self.gathered += 1;
    }
}

impl Sink for Postings {
    type Cell = (u32, u32);

    #[inline]
    fn cell(&mut self, cube: usize, codes: &[Code]) -> (u32, u32) {
        let CubePostings { index, keys, .. } = &mut self.cubes[cube];
        let cell = *index.entry(Packed::of(codes)).or_insert_with(|| {
            keys.push(key(codes));
            (keys.len() - 1) as u32
        });
        (cube as u32, cell)
    }

    #[inline]
    fn level(&mut self, (cube, cell): (u32, u32), measure: usize, from: Day, until: Day, weight: i64) {
        let Some((opens, closes)) = self.cubes[cube as usize].spec.axis.clip(from, until) else { return };
        self.push(cube, cell, opens, measure, weight);
        if let Some(closes) = closes {
            self.push(cube, cell, closes, measure, -weight);
        }
    }

    #[inline]
    fn flow(&mut self, (cube, cell): (u32, u32), measure: usize, day: Day, weight: i64) {
        let Some(slot) = self.cubes[cube as usize].spec.axis.slot(day) else { return };
        self.push(cube, cell, slot, measure, weight);
    }
}
