//! Numbers of few bytes: base 128, low groups first, as protobuf writes them.

/// Appends `value`.
#[inline]
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number from the front; `None`: the bytes end early, or it is longer than 64 bits.
#[inline]
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    take_short(bytes).or_else(|| take_long(bytes))
}

/// The same for numbers of up to eight bytes, without looking at one byte after the other. `None`: the number is longer,
/// or too near the end of the bytes for this; then it may still be read otherwise.
#[inline(always)]
pub(crate) fn take_short(bytes: &mut &[u8]) -> Option<u64> {
    if let [first @ ..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        return Some(u64::from(*first));
    }
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    // Only the last byte of a number has no high bit.
    let ends = !word & 0x8080_8080_8080_8080;
    if ends == 0 {
        return None;
    }
    let last = ends.trailing_zeros() / 8;
    *bytes = &bytes[last as usize + 1..];
    Some(sevens(word & (u64::MAX >> (56 - 8 * last))))
}

/// The low seven bits of each byte together: groups of seven bits become groups of fourteen, of twenty-eight, of fifty-six.
#[inline]
pub(crate) fn sevens(bytes: u64) -> u64 {
    let narrow = bytes & 0x7f7f_7f7f_7f7f_7f7f;
    let wide = (narrow & 0x007f_007f_007f_007f) | (narrow & 0x7f00_7f00_7f00_7f00) >> 1;
    let wider = (wide & 0x0000_3fff_0000_3fff) | (wide & 0x3fff_0000_3fff_0000) >> 2;
    (wider & 0x0fff_ffff) | (wider & 0x0fff_ffff_0000_0000) >> 4
}

/// The same for the low five bytes; what the others hold does not count.
#[inline]
pub(crate) fn five_sevens(bytes: u64) -> u64 {
    let narrow = bytes & 0x7f_7f7f_7f7f;
    // What is 8 bits further up comes 7 further up.
    let wide = narrow - (narrow >> 1 & 0x3f80_3f80);
    wide & 0x3fff | wide >> 16 << 14 & 0xfff_c000 | wide >> 32 << 28
}

#[cold]
fn take_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Takes `length` bytes from the front; `None`: there are fewer.
#[inline]
pub fn take_bytes<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

/// Takes `N` bytes from the front; `None`: there are fewer.
#[inline]
pub fn take_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

/// Small numbers of either sign as small numbers.
#[must_use]
#[inline]
pub fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// The inverse of [`zigzag`].
#[must_use]
#[inline]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_read_back_wherever_they_end() {
        for bits in 0..64 {
            for value in [1u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let mut bytes = Vec::new();
                put(&mut bytes, value);
                let length = bytes.len();
                for more in [0, 1, 9] {
                    bytes.resize(length + more, 0xff);
                    let mut rest = &bytes[..];
                    assert_eq!(take(&mut rest), Some(value));
                    if let (1..=5, Some(word)) = (length, bytes.first_chunk()) {
                        let ours = u64::from_le_bytes(*word) & (u64::MAX >> (64 - 8 * length));
                        assert_eq!(five_sevens(ours), value);
                        assert_eq!(five_sevens(ours | 0xff << 40), value);
                    }
                    assert_eq!(rest.len(), more);
                }
                assert_eq!(take(&mut &bytes[..length - 1]), None);
            }
        }
    }
}
