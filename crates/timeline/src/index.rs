//! Numbers for cells, given as they come.

use contract::Code;

use crate::{DIMENSIONS_MAX, Key, key};

/// Cells that were asked for, by key and by number.
///
/// Every contribution begins by looking for its cell, so this is a table of our own: half full at most, one look at a
/// slot of eight bytes and one at the key, nothing that waits for anything before it. Nothing is ever taken out.
#[derive(Debug, Clone, Default)]
pub(crate) struct CellIndex {
    /// A power of two of them; where a key's place is taken it is in the next free one.
    slots: Vec<Slot>,
    keys: Vec<CellKey>,
}

/// A cell of one of a projection's cubes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellKey {
    pub(crate) key: Key,
    cube: u64,
}

impl CellKey {
    #[inline]
    pub(crate) fn new(cube: usize, codes: &[Code]) -> CellKey {
        CellKey { key: key(codes), cube: cube as u64 }
    }

    /// The number of the cube.
    #[inline]
    pub(crate) fn cube(&self) -> usize {
        self.cube as usize
    }

    /// Both halves mixed.
    #[inline]
    pub(crate) fn hash(&self) -> u64 {
        // Odd numbers without a pattern.
        const FACTORS: [u64; DIMENSIONS_MAX] =
            [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x27d4_eb2f_1656_67c5];
        let products = self.key.iter().zip(FACTORS).map(|(code, factor)| code.packed().wrapping_mul(factor));
        let mixed = products.fold(self.cube, |sum: u64, product| sum.rotate_right(17) ^ product);
        let wide = u128::from(mixed) * u128::from(FACTORS[0]);
        wide as u64 ^ (wide >> u64::BITS) as u64
    }
}

impl PartialEq for CellKey {
    // Without a branch a code: nearly always all are the same.
    #[inline]
    fn eq(&self, other: &CellKey) -> bool {
        let codes = self.key.iter().zip(&other.key);
        let differs = self.cube ^ other.cube;
        codes.fold(differs, |differs, (one, other)| differs | (one.packed() ^ other.packed())) == 0
    }
}

impl Eq for CellKey {}

/// Part of a key's hash, and the cell's number plus one; 0: free.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u32,
    cell: u32,
}

const SLOTS_MIN: usize = 64;

impl CellIndex {
    /// The number of the cell `key`: that of a new one counts on.
    #[inline]
    pub(crate) fn at(&mut self, key: &CellKey) -> u32 {
        if let Some(last) = self.slots.len().checked_sub(1) {
            let hash = key.hash();
            let mut at = (hash >> u32::BITS) as usize & last;
            loop {
                let slot = self.slots[at];
                if slot.cell == 0 {
                    break;
                }
                if slot.hash == hash as u32 && self.keys[slot.cell as usize - 1] == *key {
                    return slot.cell - 1;
                }
                at = (at + 1) & last;
            }
        }
        self.add(*key)
    }

    #[cold]
    fn add(&mut self, key: CellKey) -> u32 {
        self.keys.push(key);
        if self.keys.len() * 2 > self.slots.len() {
            let slots = (self.keys.len() * 4).next_power_of_two().max(SLOTS_MIN);
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
        while self.slots[at].cell != 0 {
            at = (at + 1) & last;
        }
        self.slots[at] = Slot { hash: hash as u32, cell: cell as u32 + 1 };
    }

    /// The keys, by number.
    pub(crate) fn keys(&self) -> &[CellKey] {
        &self.keys
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
                prop_assert_eq!(index.at(&CellKey::new(*cube, &codes)), expected);
            }
            for ((cube, key), number) in known {
                prop_assert_eq!(index.keys()[number as usize], CellKey::new(cube, &key));
            }
        }
    }
}
