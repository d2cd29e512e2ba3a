//! The straight path: a message as our encoders write it, field after field, without asking which field comes next.

use std::fmt;

use crate::{
    Code, Day, Millis,
    varint::{five_sevens, take_short},
};

/// What is left of a message that is read straight.
///
/// Each method is asked for one field, in the order of the fields' numbers, and steps over it; a field that is not there
/// has its default value, as in protobuf. `None`: something unexpected, which may be broken or only unusual: read the
/// message with [`super::Fields`], which tells. What was read counts only if the message [`ends`](Straight::ends) after it:
/// else there was a field that nobody asked for.
#[derive(Clone, Debug)]
pub struct Straight<'a>(&'a [u8]);

/// Wire types.
const VARINT: u32 = 0;
const BYTES: u32 = 2;

#[cold]
fn varint_near_the_end(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, &byte) in bytes.iter().take(9).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

// Always inlined, and what is not is given a copy: where it stands has to stay in registers.
impl<'a> Straight<'a> {
    /// The message encoded in `bytes`.
    #[must_use]
    #[inline(always)]
    pub fn new(bytes: &'a [u8]) -> Straight<'a> {
        Straight(bytes)
    }

    /// Whether everything is read.
    #[must_use]
    #[inline(always)]
    pub fn ends(&self) -> bool {
        self.0.is_empty()
    }

    /// Steps over the key of field `NUMBER`, if it is next.
    #[inline(always)]
    fn key<const NUMBER: u32>(&mut self, wire_type: u32) -> bool {
        let key = NUMBER << 3 | wire_type;
        let rest = if NUMBER < 16 {
            self.0.strip_prefix(&[key as u8])
        } else {
            self.0.strip_prefix(&[key as u8 | 0x80, (key >> 7) as u8])
        };
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A varint of at most nine bytes.
    #[inline(always)]
    fn varint(&mut self) -> Option<u64> {
        let mut rest = self.0;
        match take_short(&mut rest) {
            Some(number) => {
                self.0 = rest;
                Some(number)
            }
            None => {
                let (number, rest) = varint_near_the_end(self.0)?;
                self.0 = rest;
                Some(number)
            }
        }
    }

    #[inline(always)]
    fn length_delimited(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number or an enumeration; 0 where there is none.
    #[inline(always)]
    pub fn number<const NUMBER: u32>(&mut self) -> Option<u64> {
        if self.key::<NUMBER>(VARINT) { self.varint() } else { Some(0) }
    }

    /// Bytes, or a message's encoding; none where there are none.
    #[inline(always)]
    pub fn bytes<const NUMBER: u32>(&mut self) -> Option<&'a [u8]> {
        if self.key::<NUMBER>(BYTES) { self.length_delimited() } else { Some(&[]) }
    }

    /// Exactly 16 bytes.
    #[inline(always)]
    pub fn sixteen<const NUMBER: u32>(&mut self) -> Option<[u8; 16]> {
        let ([key, 16], rest) = self.0.split_first_chunk()? else { return None };
        let (bytes, rest) = rest.split_first_chunk()?;
        self.0 = rest;
        (u32::from(*key) == NUMBER << 3 | BYTES).then_some(*bytes)
    }

    /// The same; `[0; 16]` where there are none.
    #[inline(always)]
    pub fn sixteen_or_zeros<const NUMBER: u32>(&mut self) -> Option<[u8; 16]> {
        match self.0.first() {
            Some(key) if u32::from(*key) == NUMBER << 3 | BYTES => self.sixteen::<NUMBER>(),
            _ => Some([0; 16]),
        }
    }

    /// A text; empty where there is none.
    #[inline(always)]
    pub fn text<const NUMBER: u32>(&mut self) -> Option<Text<'a>> {
        Text::new(self.bytes::<NUMBER>()?)
    }

    /// A text as a code; the empty code where there is none.
    #[inline(always)]
    pub fn code<const NUMBER: u32>(&mut self) -> Option<Code> {
        if !self.key::<NUMBER>(BYTES) {
            return Some(Code::EMPTY);
        }
        let length = usize::try_from(self.varint()?).ok()?;
        if let Some(code) = self.0.first_chunk().and_then(|word| Code::of_first(*word, length)) {
            self.0 = &self.0[length..];
            return Some(code);
        }
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Code::from_utf8(bytes)
    }

    /// A text `YYYY-MM-DD`; no day where there is no text or an empty one.
    #[inline(always)]
    pub fn day<const NUMBER: u32>(&mut self) -> Option<Option<Day>> {
        match self.bytes::<NUMBER>()? {
            [] => Some(None),
            text => Day::parse(text).map(Some),
        }
    }

    /// A message, which `read` is to read to its end; `None` where there is none.
    #[inline(always)]
    pub fn message<const NUMBER: u32, T>(
        &mut self,
        read: impl FnOnce(&mut Straight<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        if !self.key::<NUMBER>(BYTES) {
            return Some(None);
        }
        let length = usize::try_from(self.varint()?).ok()?;
        let after = self.0.len().checked_sub(length)?;
        // Not cut to the message: numbers are read fastest where other bytes follow. Who reads past the end does not end
        // on it.
        let read = read(self)?;
        (self.0.len() == after).then_some(Some(read))
    }

    /// A `google.protobuf.Timestamp`, cut to the millisecond.
    #[inline(always)]
    pub fn millis<const NUMBER: u32>(&mut self) -> Option<Option<Millis>> {
        if let Some(millis) = self.millis_since_1970::<NUMBER>() {
            return Some(Some(millis));
        }
        let (millis, rest) = self.clone().any_millis::<NUMBER>()?;
        *self = rest;
        Some(millis)
    }

    #[inline(never)]
    fn any_millis<const NUMBER: u32>(mut self) -> Option<(Option<Millis>, Straight<'a>)> {
        let millis = self.message::<NUMBER, _>(|time| {
            let (seconds, nanos) = (time.number::<1>()? as i64, time.number::<2>()? as i32);
            Some(Millis::from_timestamp(&prost_types::Timestamp { seconds, nanos }))
        })?;
        Some((millis, self))
    }

    /// Nearly every time there is: key and length, the key of the seconds and five bytes of them (from 1978 on), and no
    /// fraction or up to five bytes of nanoseconds. `None`: another, or none; nothing was stepped over. Three for each
    /// event: calling it would take a third as long as it does.
    #[inline(always)]
    fn millis_since_1970<const NUMBER: u32>(&mut self) -> Option<Millis> {
        const SECONDS: u64 = (1 << 3 | VARINT) as u64;
        const NANOS: u64 = (2 << 3 | VARINT) as u64;
        /// Bytes of the message up to the seconds' last.
        const HEAD: usize = 6;
        let key = u64::from(NUMBER << 3 | BYTES);
        let (head, rest) = self.0.split_first_chunk()?;
        let word = u64::from_le_bytes(*head);
        // Both keys; and which of the five bytes say that another follows.
        const SHAPE: u64 = 0x8080_8080_80ff_00ff;
        if word & SHAPE != 0x0080_8080_8000_0000 | SECONDS << 16 | key {
            return None;
        }
        let (length, seconds) = ((word >> 8 & 0xff) as usize, five_sevens(word >> 24));
        let mut millis = seconds as i64 * 1000;
        let fraction = length.checked_sub(HEAD)?;
        if fraction != 0 {
            let word = u64::from_le_bytes(*rest.first_chunk()?);
            let (digits, ends) = (word >> 8, !word >> 8 & 0x80_8080_8080);
            let count = ends.trailing_zeros() as usize / 8 + 1;
            if word & 0xff != NANOS || ends == 0 || fraction != 1 + count {
                return None;
            }
            let nanos = five_sevens(digits & (u64::MAX >> (64 - 8 * count))) as i32;
            millis += i64::from(nanos / 1_000_000);
        }
        self.0 = &rest[fraction..];
        Some(Millis(millis))
    }

    /// Steps over a text, bytes or a message that nobody reads, or several under one number.
    #[inline(always)]
    pub fn skip<const NUMBER: u32>(&mut self) -> Option<()> {
        while self.key::<NUMBER>(BYTES) {
            self.length_delimited()?;
        }
        Some(())
    }

    /// The number of a field of 16 to 2047 that holds bytes, and these bytes.
    #[inline(always)]
    pub(crate) fn any_bytes(&mut self) -> Option<(u32, &'a [u8])> {
        let (&[low, high], rest) = self.0.split_first_chunk()?;
        let key = u32::from(low & 0x7f) | u32::from(high) << 7;
        // A key of two bytes, a length after it.
        if low < 0x80 || !(1..0x80).contains(&high) || key & 7 != BYTES {
            return None;
        }
        self.0 = rest;
        Some((key >> 3, self.length_delimited()?))
    }
}

/// Whether these are few bytes, and ASCII: two looks tell, which may see the same bytes.
#[inline(always)]
fn is_short_ascii(bytes: &[u8]) -> bool {
    const NOT_ASCII: u128 = 0x8080_8080_8080_8080_8080_8080_8080_8080;
    let seen = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u128::from_ne_bytes(*first) | u128::from_ne_bytes(*last)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u128::from(u64::from_ne_bytes(*first) | u64::from_ne_bytes(*last))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u128::from(u32::from_ne_bytes(*first) | u32::from_ne_bytes(*last))
    } else {
        return bytes.is_ascii();
    };
    seen & NOT_ASCII == 0 && bytes.len() <= 32
}

/// A text of an event, checked to be UTF-8 when the event was read.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// `None`: it is not UTF-8.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Text<'a>> {
        // Nearly all are short and ASCII, which is seen much faster.
        (is_short_ascii(bytes) || std::str::from_utf8(bytes).is_ok()).then_some(Text(bytes))
    }

    /// Its bytes.
    #[must_use]
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text. Looks through it again: not for every event of a log.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        std::str::from_utf8(self.0).expect("it was checked when it was read")
    }

    /// Whether it is empty, or was not sent.
    #[must_use]
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The text as a code.
    #[must_use]
    #[inline]
    pub fn code(self) -> Code {
        Code::from_utf8(self.0).expect("it was checked when it was read")
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::{v1, wire::Value};

    fn residence(bytes: &[u8]) -> Option<(u64, Code, Option<Day>, Option<Day>)> {
        let mut rest = Straight::new(bytes);
        let (kind, commune) = (rest.number::<1>()?, rest.code::<2>()?);
        rest.skip::<3>()?;
        let read = (kind, commune, rest.day::<4>()?, rest.day::<5>()?);
        rest.ends().then_some(read)
    }

    #[test]
    fn a_message_is_read_as_it_was_written_whatever_is_left_out() {
        let whole = v1::ResidenceChanged {
            kind: 1,
            commune: "00004".into(),
            province: "01".into(),
            valid_from: "2026-03-02".into(),
            valid_until: "2026-12-31".into(),
        };
        let day = |text: &str| text.parse::<Day>().ok();
        let expected = (1, Code::new("00004"), day("2026-03-02"), day("2026-12-31"));
        assert_eq!(residence(&whole.encode_to_vec()), Some(expected));
        let until_only = v1::ResidenceChanged { valid_until: "2026-12-31".into(), ..Default::default() };
        assert_eq!(residence(&until_only.encode_to_vec()), Some((0, Code::EMPTY, None, day("2026-12-31"))));
        assert_eq!(residence(&[]), Some((0, Code::EMPTY, None, None)));
    }

    #[test]
    fn what_is_unexpected_is_not_read() {
        let text =
            |number: u8, text: &str| [&[number << 3 | 2, text.len() as u8][..], text.as_bytes()].concat();
        for bytes in [
            text(6, "newer"),
            [text(2, "00004"), text(2, "00007")].concat(),
            [text(4, "2026-03-02"), text(2, "00004")].concat(),
            text(4, "2026-02-30"),
            text(4, "2026-3-2"),
            text(2, "00004")[..6].to_vec(),
            vec![0x12, 1, 0xff],
            vec![0x08],
            vec![0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            vec![0x0a, 0],
        ] {
            assert_eq!(residence(&bytes), None, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_key_of_two_bytes_is_no_other() {
        let read = |bytes: &'static [u8]| {
            let mut rest = Straight::new(bytes);
            let read = rest.bytes::<16>()?;
            rest.ends().then_some(read)
        };
        assert_eq!(read(&[0x82, 1, 1, 7]), Some(&[7][..]));
        for bytes in [&[0x02, 0, 7][..], &[0x02, 1, 1, 7], &[0x82, 0, 1, 7], &[0x82, 0x81, 0, 1, 7], &[0x82]]
        {
            assert_eq!(read(bytes), None, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_message_inside_ends_where_it_says() {
        let time = |bytes: &[u8]| {
            let mut rest = Straight::new(bytes);
            let read = rest.millis::<1>()?;
            rest.ends().then_some(read)
        };
        for millis in [-1, 0, 5, 1_704_042_000_000, 1_704_042_000_123, Millis::MAX.0].map(Millis) {
            let inner = millis.to_timestamp().encode_to_vec();
            let bytes = [&[0x0a, inner.len() as u8][..], &inner].concat();
            // Ten bytes of seconds before 1970 are for the other path.
            let expected = (millis.0 >= 0).then_some(Some(millis));
            assert_eq!(time(&bytes), expected, "{millis}");
        }
        assert_eq!(time(&[]), Some(None));
        assert_eq!(time(&[0x0a, 0, 0x08, 1]), None);
        assert_eq!(time(&[0x0a, 3, 0x08, 1]), None);
        assert_eq!(time(&[0x0a, 4, 0x08, 1, 0x08, 1]), None);
    }

    #[test]
    fn a_time_reads_as_any_message_does_whatever_comes_after_it_and_whatever_bit_is_wrong() {
        for millis in [0, 5, 86_400_000, 268_435_456_000, 1_704_042_000_000, 1_704_042_000_123, Millis::MAX.0]
        {
            let inner = Millis(millis).to_timestamp().encode_to_vec();
            let whole = [&[0x3a, inner.len() as u8][..], &inner, &[0x42, 2, 8, 1, 0x4a, 0, 0x52, 0, 0x5a, 0]]
                .concat();
            for (at, bit) in (0..whole.len()).flat_map(|at| (0..=8).map(move |bit| (at, bit))) {
                let mut bytes = whole.clone();
                bytes[at] ^= (1u16 << bit) as u8;
                let mut rest = Straight::new(&bytes);
                if let Some(Some(read)) = rest.millis::<7>() {
                    let mut length = &bytes[1..];
                    let length = take_short(&mut length).expect("it was read") as usize;
                    let inner = &bytes[bytes.len() - rest.0.len() - length..bytes.len() - rest.0.len()];
                    assert_eq!(Value::Bytes(inner).as_millis(), Ok(read), "{bytes:02x?}");
                } else {
                    assert_ne!(bytes, whole);
                }
            }
        }
    }
}
