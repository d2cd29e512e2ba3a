//! When a partition's records were known.
//!
//! The known time of a record is the running maximum of recorded_at in its partition, so it never goes back and "all
//! that was recorded before t" is a prefix of the partition.

use contract::{
    Millis,
    varint::{put, take, unzigzag, zigzag},
};

/// A sample of the running maximum every so many records: enough to find the prefix with a short read of the log.
const EVERY: u64 = 1024;

/// Samples of a partition's known times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownTimes {
    /// The running maximum before record `(n + 1) * EVERY`.
    samples: Vec<i64>,
    latest: i64,
}

impl Default for KnownTimes {
    fn default() -> KnownTimes {
        KnownTimes { samples: Vec::new(), latest: i64::MIN }
    }
}

impl KnownTimes {
    /// Record `offset` was recorded at `recorded`; `None`: it cannot be read, and counts as known with the one before.
    #[inline]
    pub(crate) fn push(&mut self, offset: u64, recorded: Option<Millis>) {
        if offset > 0 && offset.is_multiple_of(EVERY) {
            self.samples.push(self.latest);
        }
        if let Some(recorded) = recorded {
            self.latest = self.latest.max(recorded.0);
        }
    }

    /// The running maximum at the end.
    pub(crate) fn latest(&self) -> Option<Millis> {
        (self.latest != i64::MIN).then_some(Millis(self.latest))
    }

    /// Where to begin reading the log to find the first record not known before `time`: every record before the offset
    /// was known before; the running maximum there.
    pub(crate) fn start_of(&self, time: Millis) -> (u64, i64) {
        let known = self.samples.partition_point(|latest| *latest < time.0);
        match known.checked_sub(1) {
            Some(last) => ((last as u64 + 1) * EVERY, self.samples[last]),
            None => (0, i64::MIN),
        }
    }

    /// How many samples there are.
    pub(crate) fn samples(&self) -> usize {
        self.samples.len()
    }

    /// Appends the samples from number `first` on, and the latest.
    pub(crate) fn encode_from(&self, first: usize, out: &mut Vec<u8>) {
        put(out, (self.samples.len() - first) as u64);
        let mut last = 0;
        for sample in self.samples[first..].iter().chain([&self.latest]) {
            put(out, zigzag(sample.wrapping_sub(last)));
            last = *sample;
        }
    }

    /// Adds what [`KnownTimes::encode_from`] wrote; `None`: it is damaged.
    pub(crate) fn decode_more(&mut self, bytes: &mut &[u8]) -> Option<()> {
        let count = take(bytes)?;
        let mut last = 0i64;
        for _ in 0..count {
            last = last.wrapping_add(unzigzag(take(bytes)?));
            self.samples.push(last);
        }
        self.latest = last.wrapping_add(unzigzag(take(bytes)?));
        Some(())
    }
}
