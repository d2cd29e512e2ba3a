//! What belongs to a code.

use contract::Code;

/// Finds what belongs to a code, in tables of some hundred codes that are asked about every event. At least half of the
/// places are empty and what is found lies beside its code, so that a question mostly reads one line of memory.
#[derive(Debug, Clone)]
pub struct CodeIndex<T> {
    places: Box<[Option<(Code, T)>]>,
}

impl<T> CodeIndex<T> {
    /// The index of these codes; of a code that is there twice the first counts.
    #[must_use]
    pub fn new(entries: Vec<(Code, T)>) -> CodeIndex<T> {
        let mut places: Vec<Option<(Code, T)>> = Vec::new();
        places.resize_with((entries.len() * 2 + 1).next_power_of_two(), || None);
        for (code, value) in entries {
            let mut at = first_place(code, places.len());
            while places[at].as_ref().is_some_and(|(known, _)| *known != code) {
                at = (at + 1) & (places.len() - 1);
            }
            places[at].get_or_insert((code, value));
        }
        CodeIndex { places: places.into() }
    }

    /// What belongs to `code`; `None`: the code is not known.
    #[must_use]
    #[inline]
    pub fn get(&self, code: Code) -> Option<&T> {
        let mut at = first_place(code, self.places.len());
        loop {
            match self.places.get(at)? {
                Some((known, value)) if *known == code => return Some(value),
                Some(_) => at = (at + 1) & (self.places.len() - 1),
                None => return None,
            }
        }
    }
}

impl<T> Default for CodeIndex<T> {
    fn default() -> CodeIndex<T> {
        CodeIndex::new(Vec::new())
    }
}

/// Codes differ in a few of their bytes, anywhere: multiplied by an odd number of no pattern (2^64 over the golden ratio), both
/// halves of the product together differ everywhere.
#[inline]
fn first_place(code: Code, places: usize) -> usize {
    let product = u128::from(code.packed()) * 0x9e37_79b9_7f4a_7c15;
    ((product >> 64) as usize ^ product as usize) & (places - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_and_no_other() {
        for count in [0u32, 1, 2, 3, 126, 645] {
            let code = |number: u32| Code::new(&format!("{number:05}"));
            let index = CodeIndex::new((0..count).map(|number| (code(number), number)).collect());
            for number in 0..2_000 {
                assert_eq!(index.get(code(number)).copied(), (number < count).then_some(number));
            }
            assert_eq!(index.get(Code::EMPTY), None);
        }
        let twice = CodeIndex::new(vec![(Code::EMPTY, 1), (Code::EMPTY, 2)]);
        assert_eq!(twice.get(Code::EMPTY), Some(&1));
    }
}
