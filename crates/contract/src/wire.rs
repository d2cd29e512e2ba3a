//! Protobuf's wire format read in place: no allocation, no copy.
//!
//! prost makes owned messages, which costs a projector more than everything else it does with an event. This reads the
//! same bytes where they lie. It is stricter than protobuf: fields come in the order of their numbers, as every encoder
//! of ours writes them, and groups are not read. So where it reads at all it cannot read something else than prost does;
//! `tests/walk.rs` and the fuzz target hold it to that. [`Fields`] reads any message; [`Straight`] only those that look as
//! they nearly all do, and several times faster.

mod straight;

use std::fmt;

pub use straight::{Straight, Text};

use crate::{Code, Millis, varint::take_short};

/// Why bytes could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("field {field}: {fault}")]
pub struct WireError {
    /// Number of the field of the outermost message; 0: not known.
    pub field: u32,
    /// What is wrong with it.
    pub fault: WireFault,
}

/// What is wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum WireFault {
    /// The bytes end inside a field.
    Truncated,
    /// A number of more than 64 bits.
    LongNumber,
    /// A field number or wire type that does not exist, or a group.
    Key,
    /// The field comes after one of a higher number, or twice where it may come once.
    Order,
    /// The field's wire type is not that of its declared type.
    Type,
    /// A text that is not UTF-8.
    Text,
    /// Not 16 bytes.
    NotSixteen,
    /// A field that every event has is not there.
    Missing,
    /// An event of a kind this build does not know: written by a newer version. To be set aside, not dropped.
    UnknownKind,
    /// A value of an enumeration that this build does not know: written by a newer version.
    UnknownValue,
}

impl fmt::Display for WireFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WireFault::Truncated => "the bytes end inside it",
            WireFault::LongNumber => "a number of more than 64 bits",
            WireFault::Key => "no such field number or wire type",
            WireFault::Order => "out of order, or twice",
            WireFault::Type => "not of its declared type",
            WireFault::Text => "not UTF-8",
            WireFault::NotSixteen => "not 16 bytes",
            WireFault::Missing => "missing",
            WireFault::UnknownKind => "an event kind of a newer version; upgrade to read it",
            WireFault::UnknownValue => "a value of a newer version; upgrade to read it",
        })
    }
}

impl WireFault {
    pub(crate) fn at(self, field: u32) -> WireError {
        WireError { field, fault: self }
    }
}

impl From<WireFault> for WireError {
    fn from(fault: WireFault) -> WireError {
        fault.at(0)
    }
}

impl WireError {
    /// The same, as a fault of field `field` of the message around.
    #[must_use]
    #[cold]
    pub fn in_field(self, field: u32) -> WireError {
        WireError { field, ..self }
    }
}

/// The value of one field, as it lies on the wire. The `as_` methods read it as prost reads a field of that type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// Integers, enumerations and booleans.
    Varint(u64),
    /// Eight bytes, little-endian.
    Fixed64(u64),
    /// Texts, bytes and messages.
    Bytes(&'a [u8]),
    /// Four bytes, little-endian.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// A `uint64`.
    #[inline]
    pub fn as_u64(self) -> Result<u64, WireError> {
        match self {
            Value::Varint(number) => Ok(number),
            _ => Err(WireFault::Type.into()),
        }
    }

    /// An `int64`.
    #[inline]
    pub fn as_i64(self) -> Result<i64, WireError> {
        Ok(self.as_u64()? as i64)
    }

    /// A `uint32`; like prost, the low 32 bits.
    #[inline]
    pub fn as_u32(self) -> Result<u32, WireError> {
        Ok(self.as_u64()? as u32)
    }

    /// An `int32` or an enumeration; like prost, the low 32 bits.
    #[inline]
    pub fn as_i32(self) -> Result<i32, WireError> {
        Ok(self.as_u64()? as i32)
    }

    /// `bytes`, or a message's encoding.
    #[inline]
    pub fn as_bytes(self) -> Result<&'a [u8], WireError> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireFault::Type.into()),
        }
    }

    /// A `string`, checked to be UTF-8.
    #[inline]
    pub fn as_str(self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.as_bytes()?).map_err(|_| WireFault::Text.into())
    }

    /// A `string` as a code.
    #[inline]
    pub fn as_code(self) -> Result<Code, WireError> {
        Code::from_utf8(self.as_bytes()?).ok_or(WireFault::Text.into())
    }

    /// `bytes` that are 16: an id, a subject, a hash.
    #[inline]
    pub fn as_sixteen(self) -> Result<[u8; 16], WireError> {
        self.as_bytes()?.try_into().map_err(|_| WireFault::NotSixteen.into())
    }

    /// A message, field by field.
    #[inline]
    pub fn as_fields(self) -> Result<Fields<'a>, WireError> {
        Ok(Fields::new(self.as_bytes()?))
    }

    /// A `google.protobuf.Timestamp`, cut to the millisecond.
    #[inline]
    pub fn as_millis(self) -> Result<Millis, WireError> {
        let mut timestamp = prost_types::Timestamp::default();
        let mut last = 0;
        for field in self.as_fields()? {
            let (number, value) = field?;
            if number == last {
                return Err(WireFault::Order.into());
            }
            last = number;
            match number {
                1 => timestamp.seconds = value.as_i64()?,
                2 => timestamp.nanos = value.as_i32()?,
                _ => {}
            }
        }
        Ok(Millis::from_timestamp(&timestamp))
    }
}

/// The fields of one encoded message, in the order of their numbers. Ends after the first error.
///
/// A repeated field comes once for each element. A field that is declared single but comes twice is not noticed here:
/// prost takes the last number or text, but *merges* messages, so who reads a single message must refuse a second
/// ([`WireFault::Order`]).
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
    last: u32,
}

impl<'a> Fields<'a> {
    /// The fields encoded in `bytes`.
    #[must_use]
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes, last: 0 }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireFault> {
        match take_short(&mut self.rest) {
            Some(number) => Ok(number),
            None => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireFault> {
        let mut number = 0;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                // The tenth byte has room for one bit.
                if index == 9 && byte > 1 {
                    return Err(WireFault::LongNumber);
                }
                self.rest = &self.rest[index + 1..];
                return Ok(number);
            }
        }
        Err(if self.rest.len() < 10 { WireFault::Truncated } else { WireFault::LongNumber })
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Result<[u8; N], WireFault> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(WireFault::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    fn read(&mut self) -> Result<(u32, Value<'a>), WireError> {
        let key = u32::try_from(self.varint()?).map_err(|_| WireFault::Key)?;
        let number = key >> 3;
        if number < self.last {
            return Err(WireFault::Order.at(number));
        }
        if number == 0 {
            return Err(WireFault::Key.into());
        }
        self.last = number;
        let value = match key & 7 {
            0 => self.varint().map(Value::Varint),
            1 => self.take().map(|bytes| Value::Fixed64(u64::from_le_bytes(bytes))),
            2 => self.varint().and_then(|length| {
                let length = usize::try_from(length).map_err(|_| WireFault::Truncated)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(WireFault::Truncated)?;
                self.rest = rest;
                Ok(Value::Bytes(bytes))
            }),
            5 => self.take().map(|bytes| Value::Fixed32(u32::from_le_bytes(bytes))),
            _ => Err(WireFault::Key),
        };
        value.map(|value| (number, value)).map_err(|fault| fault.at(number))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, WireError> {
        Fields::new(bytes).collect()
    }

    #[test]
    fn every_wire_type_is_read() {
        let bytes = [0x08, 0xac, 0x02, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 0x1a, 2, b'h', b'i', 0x25, 7, 0, 0, 0];
        assert_eq!(
            read(&bytes),
            Ok(vec![
                (1, Value::Varint(300)),
                (2, Value::Fixed64(1)),
                (3, Value::Bytes(b"hi")),
                (4, Value::Fixed32(7))
            ])
        );
    }

    #[test]
    fn what_is_broken_is_named() {
        for (bytes, expected) in [
            (&[0x08][..], WireFault::Truncated.at(1)),
            (&[0x08, 0x80], WireFault::Truncated.at(1)),
            (&[0x12, 2, 0], WireFault::Truncated.at(2)),
            (&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], WireFault::Truncated.at(2)),
            (&[0x11, 0], WireFault::Truncated.at(2)),
            (&[0x15, 0], WireFault::Truncated.at(2)),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], WireFault::LongNumber.at(1)),
            (
                &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
                WireFault::LongNumber.at(1),
            ),
            (&[0x00, 0], WireFault::Key.at(0)),
            (&[0x0b], WireFault::Key.at(1)),
            (&[0x0e], WireFault::Key.at(1)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 1], WireFault::Key.at(0)),
            (&[0x10, 1, 0x08, 1], WireFault::Order.at(1)),
        ] {
            assert_eq!(read(bytes), Err(expected), "{bytes:02x?}");
        }
        assert_eq!(Value::Varint(1).as_str(), Err(WireFault::Type.into()));
        assert_eq!(Value::Bytes(b"\xff").as_str(), Err(WireFault::Text.into()));
        assert_eq!(Value::Bytes(b"12").as_sixteen(), Err(WireFault::NotSixteen.into()));
        assert_eq!(Value::Fixed32(1).as_u64(), Err(WireFault::Type.into()));
        assert_eq!(Value::Bytes(&[0x08, 1, 0x08, 1]).as_millis(), Err(WireFault::Order.into()));
    }

    #[test]
    fn numbers_of_any_length_agree_with_prost() {
        for bits in 0..64 {
            for number in [1u64 << bits, u64::MAX >> bits] {
                let mut bytes = vec![0x08];
                prost::encoding::encode_varint(number, &mut bytes);
                assert_eq!(read(&bytes), Ok(vec![(1, Value::Varint(number))]));
            }
        }
        let before = Millis(-1);
        assert_eq!(Value::Bytes(&before.to_timestamp().encode_to_vec()).as_millis(), Ok(before));
    }
}
