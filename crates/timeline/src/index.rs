//! Numbers for cells, given as they come.

use std::hash::{Hash, Hasher};

use contract::Code;
use rustc_hash::FxHashMap;

use crate::{DIMENSIONS_MAX, Key, key};

/// The cells of a cube that were asked for, by key and by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct CellIndex {
    numbers: FxHashMap<Packed, u32>,
    keys: Vec<Key>,
}

impl CellIndex {
    /// The number of the cell at `codes`: that of a new one counts on.
    #[inline]
    pub(crate) fn at(&mut self, codes: &[Code]) -> u32 {
        let CellIndex { numbers, keys } = self;
        *numbers.entry(Packed::of(codes)).or_insert_with(|| {
            keys.push(key(codes));
            (keys.len() - 1) as u32
        })
    }

    /// The keys, by number.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }
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
