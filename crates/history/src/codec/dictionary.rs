//! Numbers for codes.

use contract::Code;

/// Codes by number.
pub type CodeIndex = [Code];

/// Numbers for codes, given as they come.
#[derive(Debug, Clone)]
pub struct Dictionary {
    codes: Vec<Code>,
    /// Where a code's number stands, plus one: at its hash or, where that is taken, at the next free slot; 0 is free. A
    /// power of two long, and at most a quarter full: nearly every look is the only one. Codes are looked up several
    /// times for each fact, so this is small enough to stay beside the processor.
    slots: Vec<u32>,
    /// What of a hash is not its slot's number.
    shift: u32,
}

impl Default for Dictionary {
    fn default() -> Dictionary {
        Dictionary::from(&[][..])
    }
}

impl Dictionary {
    /// The codes by number.
    #[must_use]
    pub fn codes(&self) -> &CodeIndex {
        &self.codes
    }

    #[inline]
    pub(super) fn number(&mut self, code: Code) -> u32 {
        self.find(code).unwrap_or_else(|free| self.add(code, free))
    }

    #[cold]
    fn add(&mut self, code: Code, free: usize) -> u32 {
        self.codes.push(code);
        self.slots[free] = self.codes.len() as u32;
        if self.slots.len() < 4 * (self.codes.len() + 1) {
            *self = Dictionary::from(&self.codes[..]);
        }
        self.codes.len() as u32 - 1
    }

    /// The number of `code`, or else the slot where it belongs.
    #[inline]
    fn find(&self, code: Code) -> Result<u32, usize> {
        let hash = code.packed().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The highest bits of a product depend on all bits of the factor.
        let mut slot = (hash >> self.shift) as usize;
        loop {
            match self.slots[slot] {
                0 => return Err(slot),
                number if self.codes[number as usize - 1] == code => return Ok(number - 1),
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        }
    }
}

impl From<&CodeIndex> for Dictionary {
    /// A dictionary that goes on from the codes of another.
    fn from(codes: &CodeIndex) -> Dictionary {
        let slots = vec![0; (8 * (codes.len() + 1)).next_power_of_two()];
        let shift = u64::BITS - slots.len().trailing_zeros();
        let mut dictionary = Dictionary { codes: codes.to_vec(), slots, shift };
        for (number, code) in codes.iter().enumerate() {
            if let Err(free) = dictionary.find(*code) {
                dictionary.slots[free] = number as u32 + 1;
            }
        }
        dictionary
    }
}
