//! Positions, and which partition a person's events go to.

use std::fmt;

use contract::Subject;

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Which partition, from 0.
    pub partition: u16,
    /// Which record of it, from 0.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

/// The partition of a person's events: the one that Kafka's Java client chooses for the key `subject` (the 16 bytes), so
/// that every client in every language agrees (`BuiltInPartitioner.partitionForKey`).
///
/// # Panics
/// If `partitions` is 0: no log has none.
#[must_use]
#[inline]
pub fn partition_of(subject: &Subject, partitions: u16) -> u16 {
    assert!(partitions > 0, "a log has at least one partition");
    let positive = murmur2(&subject.0) & 0x7fff_ffff;
    (positive % u32::from(partitions)) as u16
}

/// Murmur2, 32 bits, with Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`).
#[inline]
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ key.len() as u32;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_is_kafkas() {
        // From Kafka's own UtilsTest.testMurmur2.
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, expected, "{key}");
        }
    }

    #[test]
    fn every_partition_gets_its_share() {
        let mut counts = [0u32; 64];
        for person in 0..64_000u64 {
            let mut subject = Subject([7; 16]);
            subject.0[..8].copy_from_slice(&person.to_be_bytes());
            counts[usize::from(partition_of(&subject, 64))] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
