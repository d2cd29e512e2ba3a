//! A code exactly as the source sent it, in eight bytes.

use std::fmt;

/// A code of a list (facility, commune, group, route, ICD-10 ...), exactly as sent, packed into eight bytes so that facts
/// carry it without allocation and compare it in one instruction.
///
/// Up to 7 bytes are kept as they are, and 8 to 16 digits (personal and location numbers) as a number. What is longer than either
/// keeps only a 56-bit hash: it still equals itself and matches reference data, and is shown as `#` and 14 hex digits;
/// the log has its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Code(u64);

const TEXT_MAX: usize = 7;
const DIGITS_MIN: usize = 8;
const DIGITS_MAX: usize = 16;
const TAG_SHIFT: u32 = 56;
const TAG_HASH: u64 = 0xff;
const PAYLOAD: u64 = (1 << TAG_SHIFT) - 1;

impl Code {
    /// The empty code: nothing was sent.
    pub const EMPTY: Code = Code(0);

    /// Packs `text`.
    #[must_use]
    #[inline]
    pub fn new(text: &str) -> Code {
        let bytes = text.as_bytes();
        if bytes.len() <= TEXT_MAX {
            let mut packed = [0u8; 8];
            packed[1..=bytes.len()].copy_from_slice(bytes);
            packed[0] = bytes.len() as u8;
            return Code(u64::from_be_bytes(packed));
        }
        Self::new_long(bytes)
    }

    #[cold]
    fn new_long(bytes: &[u8]) -> Code {
        if (DIGITS_MIN..=DIGITS_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_digit) {
            let number = bytes.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
            return Code((bytes.len() as u64) << TAG_SHIFT | number);
        }
        Code(TAG_HASH << TAG_SHIFT | (xxhash_rust::xxh3::xxh3_64(bytes) & PAYLOAD))
    }

    /// Whether nothing was sent.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Code::EMPTY
    }

    /// The packed form, for storage; [`Code::from_packed`] reads it back.
    #[must_use]
    pub fn packed(self) -> u64 {
        self.0
    }

    /// The code whose packed form this is. Any number is some code; only what [`Code::packed`] gave prints as it was.
    #[must_use]
    pub fn from_packed(packed: u64) -> Code {
        Code(packed)
    }
}

impl From<&str> for Code {
    fn from(text: &str) -> Code {
        Code::new(text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = self.0 >> TAG_SHIFT;
        let payload = self.0 & PAYLOAD;
        match tag as usize {
            0..=TEXT_MAX => {
                let bytes = self.0.to_be_bytes();
                f.pad(&String::from_utf8_lossy(&bytes[1..=tag as usize]))
            }
            width @ DIGITS_MIN..=DIGITS_MAX => f.pad(&format!("{payload:0width$}")),
            _ => f.pad(&format!("#{payload:014x}")),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_codes_and_long_numbers_print_as_they_were_sent() {
        for text in [
            "",
            "1",
            "1.12",
            "01929",
            "TE",
            "I25.1",
            "S72.001",
            "00000001",
            "8934567890123",
            "0000000000000001",
            "kh\u{e1}m",
        ] {
            assert_eq!(Code::new(text).to_string(), text);
        }
        assert_ne!(Code::new("1"), Code::new("01"));
        assert_ne!(Code::new("00000001"), Code::new("000000001"));
    }

    #[test]
    fn a_code_too_long_to_keep_equals_itself_and_is_marked() {
        let long = Code::new("a code of more than seven letters");
        assert_eq!(long, Code::new("a code of more than seven letters"));
        assert_ne!(long, Code::new("a code of more than eight letters"));
        assert!(long.to_string().starts_with('#'));
        assert_eq!(Code::from_packed(long.packed()), long);
    }
}
