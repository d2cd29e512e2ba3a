//! Numbers for cells, given as they come.

use contract::Code;

use crate::{DIMENSIONS_MAX, Key, key};

/// A cell of one of a projection's cubes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellKey {
    pub(crate) key: Key,
    cube: u64,
}

/// A cell of a cube that is known anyway. Two of them are a line of the processor's cache, and none lies across two.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub(crate) struct PlainKey(pub(crate) Key);

impl CellKey {
    /// No cell's.
    pub(crate) const NONE: CellKey = CellKey { key: [Code::EMPTY; DIMENSIONS_MAX], cube: u64::MAX };

    #[inline]
    pub(crate) fn new(cube: usize, codes: &[Code]) -> CellKey {
        CellKey { key: key(codes), cube: cube as u64 }
    }

    /// The number of the cube.
    #[inline]
    pub(crate) fn cube(&self) -> usize {
        self.cube as usize
    }
}

impl Indexed for CellKey {
    #[inline]
    fn hash(&self) -> u64 {
        hash_of(&self.key, self.cube)
    }
}

impl PartialEq for CellKey {
    #[inline]
    fn eq(&self, other: &CellKey) -> bool {
        difference(&self.key, &other.key) | (self.cube ^ other.cube) == 0
    }
}

impl Indexed for PlainKey {
    #[inline]
    fn hash(&self) -> u64 {
        hash_of(&self.0, 0)
    }
}

impl PartialEq for PlainKey {
    #[inline]
    fn eq(&self, other: &PlainKey) -> bool {
        difference(&self.0, &other.0) == 0
    }
}

#[inline]
fn hash_of(key: &Key, seed: u64) -> u64 {
    // Odd numbers without a pattern.
    const FACTORS: [u64; DIMENSIONS_MAX] =
        [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x27d4_eb2f_1656_67c5];
    let products = key.iter().zip(FACTORS).map(|(code, factor)| code.packed().wrapping_mul(factor));
    let mixed = products.fold(seed, |sum: u64, product| sum.rotate_right(17) ^ product);
    // Both halves mixed.
    let wide = u128::from(mixed) * u128::from(FACTORS[0]);
    wide as u64 ^ (wide >> u64::BITS) as u64
}

/// Other than zero where they differ; without a branch a code, for nearly always all are the same.
#[inline]
fn difference(one: &Key, other: &Key) -> u64 {
    one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one.packed() ^ other.packed()))
}

/// Keys that were asked for, by what they are and by number.
///
/// Every contribution begins by looking for its cell, so this is a table of our own: half full at most, one look at a
/// slot of four bytes and one at the key, nothing that waits for anything before it. Nothing is ever taken out.
#[derive(Debug, Clone)]
pub(crate) struct CellIndex<K> {
    /// A power of two of them; where a key's place is taken it is in the next free one.
    slots: Vec<Slot>,
    keys: Vec<K>,
}

impl<K> Default for CellIndex<K> {
    fn default() -> CellIndex<K> {
        CellIndex { slots: Vec::new(), keys: Vec::new() }
    }
}

/// What an index can find.
pub(crate) trait Indexed: Copy + PartialEq {
    /// Every bit depends on all of the key.
    fn hash(&self) -> u64;
}

/// The number of a cell plus one, and above it a few bits of its key's hash, so that hardly another key is looked at; 0: free.
#[derive(Debug, Clone, Copy, Default)]
struct Slot(u32);

impl Slot {
    /// More cells than there is memory for.
    const NUMBER_BITS: u32 = 28;

    fn new(cell: usize, hash: u64) -> Slot {
        assert!(cell + 1 < 1 << Slot::NUMBER_BITS, "a cube has too many cells");
        Slot(Slot::tag(hash) << Slot::NUMBER_BITS | (cell as u32 + 1))
    }

    /// Bits that say nothing of where the slot is.
    #[inline]
    fn tag(hash: u64) -> u32 {
        hash as u32 >> Slot::NUMBER_BITS
    }

    #[inline]
    fn cell(self) -> Option<usize> {
        (self.0 & ((1 << Slot::NUMBER_BITS) - 1)).checked_sub(1).map(|cell| cell as usize)
    }

    /// Whether its key may be one of this hash.
    #[inline]
    fn may_be(self, hash: u64) -> bool {
        self.0 >> Slot::NUMBER_BITS == Slot::tag(hash)
    }
}

const SLOTS_MIN: usize = 64;

impl<K: Indexed> CellIndex<K> {
    /// The number of `key`, which has this hash: that of a new one counts on.
    #[inline]
    pub(crate) fn at(&mut self, key: &K, hash: u64) -> u32 {
        if let Some(last) = self.slots.len().checked_sub(1) {
            let mut at = (hash >> u32::BITS) as usize & last;
            while let Some(cell) = self.slots[at].cell() {
                if self.slots[at].may_be(hash) && self.keys[cell] == *key {
                    return cell as u32;
                }
                at = (at + 1) & last;
            }
        }
        self.add(*key)
    }

    #[cold]
    fn add(&mut self, key: K) -> u32 {
        self.keys.push(key);
        if self.keys.len() * 2 > self.slots.len() {
            let slots = (self.keys.len() * 2).next_power_of_two().max(SLOTS_MIN);
            self.slots = vec![Slot::default(); slots];
            (0..self.keys.len()).for_each(|cell| self.place(cell));
        } else {
            self.place(self.keys.len() - 1);
        }
        (self.keys.len() - 1) as u32
    }

    fn place(&mut self, cell: usize) {
        let (hash, last) = (self.keys[cell].hash(), self.slots.len() - 1);
        let mut at = (hash >> u32::BITS) as usize & last;
        while self.slots[at].cell().is_some() {
            at = (at + 1) & last;
        }
        self.slots[at] = Slot::new(cell, hash);
    }

    /// The keys, by number.
    pub(crate) fn keys(&self) -> &[K] {
        &self.keys
    }
}

/// What was found for the cells that were asked for last: most are asked for again soon, by one person or the next.
#[derive(Debug, Clone)]
pub(crate) struct Lately<T>(Box<[(CellKey, T)]>);

/// Few enough for the processor's nearest cache.
const LATELY: usize = 256;

impl<T: Copy + Default> Lately<T> {
    /// Nothing was asked for.
    pub(crate) fn new() -> Lately<T> {
        Lately(vec![(CellKey::NONE, T::default()); LATELY].into())
    }

    /// What was found for `key`, which has this hash.
    #[inline]
    pub(crate) fn get(&self, key: &CellKey, hash: u64) -> Option<T> {
        let (known, found) = &self.0[hash as usize % LATELY];
        (known == key).then_some(*found)
    }

    /// Keeps what was found, in place of another.
    #[inline]
    pub(crate) fn put(&mut self, key: CellKey, hash: u64, found: T) {
        self.0[hash as usize % LATELY] = (key, found);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.0.fill((CellKey::NONE, T::default()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_keeps_its_number(codes in prop::collection::vec((0..2usize, prop::collection::vec("[a-c]{0,2}", 0..5)), 0..300)) {
            let mut index = CellIndex::default();
            let mut known: std::collections::HashMap<(usize, Key), u32> = std::collections::HashMap::new();
            for (cube, codes) in &codes {
                let codes: Vec<Code> = codes.iter().map(|code| Code::new(code)).collect();
                let next = known.len() as u32;
                let expected = *known.entry((*cube, key(&codes))).or_insert(next);
                let key = CellKey::new(*cube, &codes);
                prop_assert_eq!(index.at(&key, key.hash()), expected);
            }
            for ((cube, key), number) in known {
                prop_assert_eq!(index.keys()[number as usize], CellKey::new(cube, &key));
            }
        }
    }
}
