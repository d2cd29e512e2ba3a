//! A code exactly as the source sent it, in eight bytes.

use std::{cmp::Ordering, fmt};

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
            return Code::of_short(first_seven(bytes), bytes.len());
        }
        Self::new_long(bytes)
    }

    /// Packs a text that is still to be checked to be UTF-8; `None`: it is not.
    #[must_use]
    #[inline]
    pub fn from_utf8(bytes: &[u8]) -> Option<Code> {
        if bytes.len() <= TEXT_MAX {
            let word = first_seven(bytes);
            if word & NOT_ASCII == 0 {
                return Some(Code::of_short(word, bytes.len()));
            }
        }
        std::str::from_utf8(bytes).ok().map(Code::new)
    }

    /// Packs the first `length` of these bytes: a text where others follow. `None`: it is to be packed otherwise.
    #[inline]
    pub(crate) fn of_first(bytes: [u8; 8], length: usize) -> Option<Code> {
        if length > TEXT_MAX {
            return None;
        }
        let word = u64::from_be_bytes(bytes) & !(u64::MAX >> (8 * length));
        (word & NOT_ASCII == 0).then(|| Code::of_short(word, length))
    }

    #[inline]
    fn of_short(word: u64, length: usize) -> Code {
        Code((length as u64) << TAG_SHIFT | word >> 8)
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

    /// The order of the codes' texts, as they print.
    #[must_use]
    pub fn cmp_text(self, other: Code) -> Ordering {
        // Bytes from the left, zeros after the last: no text is made for what is short, and nearly all is.
        let short = |code: Code| {
            let length = code.0 >> TAG_SHIFT;
            (length <= TEXT_MAX as u64).then_some((code.0 & PAYLOAD, length))
        };
        match (short(self), short(other)) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => self.to_string().cmp(&other.to_string()),
        }
    }

    /// The code whose packed form this is. Any number is some code; only what [`Code::packed`] gave prints as it was.
    #[must_use]
    pub fn from_packed(packed: u64) -> Code {
        Code(packed)
    }
}

const NOT_ASCII: u64 = 0x8080_8080_8080_8080;

/// Up to seven bytes from the left of a word, zeros after them. Copying so few bytes one way for every length costs more
/// than all the rest of a code.
#[inline]
fn first_seven(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // Four to seven: two halves that may share bytes.
        let (first, last) = (u32::from_be_bytes(*first), u32::from_be_bytes(*last));
        u64::from(first) << 32 | u64::from(last) << (8 * (8 - length))
    } else if let ([first, ..], [.., last]) = (bytes, bytes) {
        // One to three: the first, the middle and the last, which may be the same.
        let byte = |byte: u8, at: usize| u64::from(byte) << (8 * (7 - at));
        byte(*first, 0) | byte(bytes[length / 2], length / 2) | byte(*last, length - 1)
    } else {
        0
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
    fn codes_are_in_the_order_of_their_texts() {
        let texts = [
            "",
            "1",
            "01",
            "1.12",
            "1.1",
            "TE",
            "TE1",
            "T",
            "kh\u{e1}",
            "kha",
            "0192",
            "01929",
            "0192999",
            "01929990",
            "8934567890123",
            "a code of more than seven letters",
            "another code of more than seven letters",
        ];
        for one in texts.map(Code::new) {
            for other in texts.map(Code::new) {
                assert_eq!(one.cmp_text(other), one.to_string().cmp(&other.to_string()), "{one} {other}");
            }
        }
    }

    #[test]
    fn bytes_that_are_utf8_pack_as_their_text_does() {
        for text in [
            "",
            "1",
            "TE",
            "kh\u{e1}",
            "1.12",
            "01929",
            "I25.1a",
            "S72.001",
            "kh\u{e1}m b\u{1ec7}nh",
            "00000001",
        ] {
            assert_eq!(Code::from_utf8(text.as_bytes()), Some(Code::new(text)), "{text}");
        }
        for text in ["", "1", "TE", "kh\u{e1}m", "01929", "S72.001", "00000001", "8934567890123"] {
            for more in ["", "\u{7f}\u{7f}", "\u{e1}\u{e1}\u{e1}\u{e1}"] {
                let bytes = [text.as_bytes(), more.as_bytes(), &[7; 8]].concat();
                let packed = Code::of_first(*bytes.first_chunk().unwrap(), text.len());
                let short = text.len() <= TEXT_MAX && text.is_ascii();
                assert_eq!(packed, short.then(|| Code::new(text)), "{text}");
            }
        }
        for bytes in [&b"\xff"[..], b"TE\x80", b"01929\xc3", b"a long one\xff"] {
            assert_eq!(Code::from_utf8(bytes), None, "{bytes:?}");
        }
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
