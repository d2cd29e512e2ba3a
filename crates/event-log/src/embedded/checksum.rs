//! The checksum of a frame.

/// The CRC-32C of a record xor that of its frame's head. Every record that is read passes through here, and most have a few
/// hundred bytes: too few for what makes [`crc32c::crc32c`] fast, and its steps over single bytes take as long as the rest.
#[inline]
pub(super) fn of_frame(head: &[u8; 12], record: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("sse4.2") && (8..LONG_BYTES).contains(&record.len()) {
        #[allow(unsafe_code, reason = "a function for processors that have an instruction asks for it")]
        // SAFETY: this processor has it.
        return unsafe { words(head) ^ words(record) };
    }
    crc32c::crc32c(head) ^ crc32c::crc32c(record)
}

/// From here on three stretches are summed up at once.
#[cfg(target_arch = "x86_64")]
const LONG_BYTES: usize = 768;

/// The CRC-32C of at least eight bytes, word by word.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
#[inline]
fn words(bytes: &[u8]) -> u32 {
    use std::arch::x86_64::_mm_crc32_u64;
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let (front, words) = bytes.as_rchunks::<8>();
    // What is over comes first, behind zeros: a sum of 0 stays 0 over them. Sums begin as if the first four bytes were
    // inverted; those that are not in front are in the first whole word.
    const INVERTED: u64 = 0xffff_ffff;
    let over = 8 * front.len();
    let first = bytes.first_chunk().map_or(0, word);
    let mut sum = _mm_crc32_u64(0, (first ^ INVERTED) << (56 - over) << 8);
    let mut inverted = INVERTED >> over;
    for next in words {
        sum = _mm_crc32_u64(sum, word(next) ^ inverted);
        inverted = 0;
    }
    !(sum as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_of_both_whatever_their_lengths() {
        let bytes: Vec<u8> = (0..1000u32).map(|at| ((at * 7919) >> 3) as u8).collect();
        for length in 0..900 {
            for start in 0..9 {
                let head: &[u8; 12] = bytes[start..].first_chunk().expect("twelve bytes");
                let record = &bytes[start..start + length];
                let expected = crc32c::crc32c(head) ^ crc32c::crc32c(record);
                assert_eq!(of_frame(head, record), expected, "{length} bytes from {start}");
            }
        }
    }
}
