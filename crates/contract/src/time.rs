//! Instants, to the millisecond.

use std::fmt;

use crate::Day;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub i64);

/// Hanoi is seven hours ahead of UTC, all year, and has been since 1975; civil days use that offset throughout.
pub(crate) const HANOI_OFFSET_MS: i64 = 7 * 3_600_000;
pub(crate) const DAY_MS: i64 = 86_400_000;

impl Millis {
    /// 0001-01-01T00:00:00Z, the earliest instant protobuf's Timestamp can say.
    pub const MIN: Millis = Millis(-62_135_596_800_000);
    /// The last millisecond of 9999.
    pub const MAX: Millis = Millis(253_402_300_799_999);

    /// The civil day in Hanoi.
    #[must_use]
    #[inline]
    pub fn day(self) -> Day {
        Day((self.0 + HANOI_OFFSET_MS).div_euclid(DAY_MS) as i32)
    }

    /// As protobuf says it.
    #[must_use]
    pub fn to_timestamp(self) -> prost_types::Timestamp {
        prost_types::Timestamp {
            seconds: self.0.div_euclid(1000),
            nanos: (self.0.rem_euclid(1000) * 1_000_000) as i32,
        }
    }

    /// From protobuf, cut to the millisecond.
    #[must_use]
    #[inline]
    pub fn from_timestamp(timestamp: &prost_types::Timestamp) -> Millis {
        Millis(timestamp.seconds.saturating_mul(1000).saturating_add(i64::from(timestamp.nanos / 1_000_000)))
    }
}

impl fmt::Display for Millis {
    /// RFC 3339 in Hanoi's offset: `2026-03-02T08:15:00.000+07:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_day = (self.0 + HANOI_OFFSET_MS).rem_euclid(DAY_MS);
        let (hours, minutes) = (in_day / 3_600_000, in_day / 60_000 % 60);
        let (seconds, millis) = (in_day / 1000 % 60, in_day % 1000);
        write!(f, "{}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}+07:00", self.day())
    }
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
