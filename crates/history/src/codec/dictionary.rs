//! Numbers for codes.

use contract::Code;

/// Codes by number; the first is the empty code.
pub type CodeIndex = [Code];

/// Numbers for codes, given as they come. The empty code, which few facts are without, is number 0 from the beginning.
#[derive(Debug, Clone)]
pub struct Dictionary {
    codes: Vec<Code>,
    /// A code stands at its hash or, where that is taken, at the next slot that is free or its own. A power of two long,
    /// and at most a quarter full: nearly every look is the only one. Codes are looked up several times for each fact.
    slots: Vec<Slot>,
    /// What of a hash is not its slot's number.
    shift: u32,
}

/// A code and its number; a free slot says what is true of the empty code.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    code: Code,
    number: u32,
}

impl Default for Dictionary {
    fn default() -> Dictionary {
        Dictionary::from(&[Code::EMPTY][..])
    }
}

impl Dictionary {
    /// The codes by number.
    #[must_use]
    pub fn codes(&self) -> &CodeIndex {
        &self.codes
    }

    #[inline(always)]
    pub(super) fn number(&mut self, code: Code) -> u32 {
        let first = self.slots[self.first_slot(code)];
        if first.code == code { first.number } else { self.number_elsewhere(code) }
    }

    #[inline(always)]
    fn first_slot(&self, code: Code) -> usize {
        // The highest bits of a product depend on all bits of the factor.
        (code.packed().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// The number of a code that is not where it would be first; it may be a new one.
    #[inline(never)]
    fn number_elsewhere(&mut self, code: Code) -> u32 {
        let slot = self.find(code);
        if self.slots[slot].code == code {
            return self.slots[slot].number;
        }
        let number = self.codes.len() as u32;
        self.slots[slot] = Slot { code, number };
        self.codes.push(code);
        if self.slots.len() < 4 * self.codes.len() {
            *self = Dictionary::from(&self.codes[..]);
        }
        number
    }

    /// The slot of `code`, or the free one where it belongs.
    fn find(&self, code: Code) -> usize {
        let mut slot = self.first_slot(code);
        while self.slots[slot].code != code && self.slots[slot].code != Code::EMPTY {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        slot
    }
}

impl From<&CodeIndex> for Dictionary {
    /// A dictionary that goes on from the codes of another, of which there is at least the empty one.
    fn from(codes: &CodeIndex) -> Dictionary {
        let slots = vec![Slot::default(); (8 * codes.len()).next_power_of_two()];
        let shift = u64::BITS - slots.len().trailing_zeros();
        let mut dictionary = Dictionary { codes: codes.to_vec(), slots, shift };
        for (number, &code) in codes.iter().enumerate() {
            let slot = dictionary.find(code);
            dictionary.slots[slot] = Slot { code, number: number as u32 };
        }
        dictionary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_keeps_its_number_however_many_come_and_wherever_it_goes_on() {
        let code = |number: usize| if number == 0 { Code::EMPTY } else { Code::new(&format!("{number:05}")) };
        let mut dictionary = Dictionary::default();
        for number in 0..3000 {
            assert_eq!(dictionary.number(code(number)), number as u32);
            assert_eq!(dictionary.number(code(number / 2)), number as u32 / 2);
            if number % 700 == 0 {
                dictionary = Dictionary::from(dictionary.codes());
            }
        }
        assert!((0..3000).all(|number| dictionary.codes()[number] == code(number)));
    }
}
