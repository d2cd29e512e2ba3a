//! Ids, subjects and the hashes that stand for them in facts.

use std::fmt;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The id of an event: 16 bytes, a UUIDv7 of the emitter's or a UUIDv8 that intake derived.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventId(pub [u8; 16]);

/// A person as the log knows one: a keyed hash of the strongest identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Subject(pub [u8; 16]);

/// XXH3-64 of an event id: how facts name events. Its order breaks the last tie between versions of a record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct IdHash(pub u64);

/// 48-bit hash of (emitter, record key): how facts name the record they are a version of. The kind of event is not part
/// of it, so that a visit and its claim, which share MA_LK, find each other. Compared within one person only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RecordHash(pub u64);

impl EventId {
    /// The id's hash.
    #[must_use]
    #[inline]
    pub fn hash(self) -> IdHash {
        IdHash(xxh3_64(&self.0))
    }

    /// Whether intake derived it from what the event says (UUID version 8), so that it stands for the content too.
    #[must_use]
    #[inline]
    pub fn is_derived(self) -> bool {
        self.0[6] >> 4 == 8
    }
}

impl RecordHash {
    const BITS: u64 = (1 << 48) - 1;

    /// The hash of the record `record_key` of `emitter`.
    #[must_use]
    #[inline]
    pub fn new(emitter: &[u8], record_key: &[u8]) -> RecordHash {
        RecordHash(xxh3_64_with_seed(record_key, xxh3_64(emitter)) & RecordHash::BITS)
    }

    /// The record of an event that names none: the event alone.
    #[must_use]
    #[inline]
    pub fn alone(id: IdHash) -> RecordHash {
        RecordHash(id.0 & RecordHash::BITS)
    }
}

/// Hash of a referral's form number, trimmed and case-folded: numbers are typed by hand at both ends.
#[must_use]
pub fn form_hash(form_number: &str) -> u64 {
    let trimmed = form_number.trim();
    if trimmed.is_empty() {
        return 0;
    }
    let folded = if trimmed.bytes().any(|byte| byte.is_ascii_lowercase() || !byte.is_ascii()) {
        xxh3_64(trimmed.to_uppercase().as_bytes())
    } else {
        xxh3_64(trimmed.as_bytes())
    };
    folded.max(1)
}

macro_rules! sixteen_bytes {
    ($name:ident) => {
        impl TryFrom<&[u8]> for $name {
            type Error = std::array::TryFromSliceError;
            fn try_from(bytes: &[u8]) -> Result<$name, Self::Error> {
                Ok($name(bytes.try_into()?))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl $name {
            /// Reads 32 hex digits, with or without hyphens.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<$name> {
                let mut bytes = [0u8; 16];
                let mut digits = text.chars().filter(|char| *char != '-').map(|char| char.to_digit(16));
                for byte in &mut bytes {
                    *byte = (digits.next()?? << 4 | digits.next()??) as u8;
                }
                digits.next().is_none().then_some($name(bytes))
            }
        }
    };
}

sixteen_bytes!(EventId);
sixteen_bytes!(Subject);

impl fmt::Debug for IdHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
