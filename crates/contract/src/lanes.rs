//! Keyed BLAKE3 of several short inputs at once.
//!
//! A hash of a few hundred bytes is a chain of blocks, each of which waits for the one before: the processor idles. Eight chains
//! beside each other take hardly longer than one. The same hashes as the crate `blake3`, which a test holds them to, and which
//! computes them where the processor has no wide registers.

const LANES: usize = 8;
/// BLAKE3's chunk: longer inputs are trees.
const CHUNK_BYTES: usize = 1024;
const BLOCK_BYTES: usize = 64;

const IV: [u32; 4] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a];
const CHUNK_START: i32 = 1;
const CHUNK_END: i32 = 1 << 1;
const ROOT: i32 = 1 << 3;
const KEYED_HASH: i32 = 1 << 4;

/// The order in which each round takes the words of a block.
const SCHEDULE: [[usize; 16]; 7] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8],
    [3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1],
    [10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6],
    [12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4],
    [9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7],
    [11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13],
];

/// The first sixteen bytes of the keyed hash of each of `inputs`, into `hashes`.
pub(crate) fn keyed_hashes<'a>(
    key: &[u8; 32],
    inputs: impl ExactSizeIterator<Item = &'a [u8]>,
    hashes: &mut Vec<[u8; 16]>,
) {
    hashes.clear();
    let mut inputs = inputs;
    while inputs.len() > 0 {
        let mut lanes: [&[u8]; LANES] = [&[]; LANES];
        let count = inputs.len().min(LANES);
        lanes.iter_mut().zip(&mut inputs).for_each(|(lane, input)| *lane = input);
        let lanes = &lanes[..count];
        let mut hashed = [[0; 16]; LANES];
        let wide = count > 1
            && lanes.iter().all(|lane| lane.len() <= CHUNK_BYTES)
            && all_at_once(key, lanes, &mut hashed);
        if !wide {
            for (hash, lane) in hashed.iter_mut().zip(lanes) {
                hash.copy_from_slice(&blake3::keyed_hash(key, lane).as_bytes()[..16]);
            }
        }
        hashes.extend_from_slice(&hashed[..count]);
    }
}

/// Whether it was done.
#[cfg(target_arch = "x86_64")]
fn all_at_once(key: &[u8; 32], lanes: &[&[u8]], hashes: &mut [[u8; 16]; LANES]) -> bool {
    let wide = is_x86_feature_detected!("avx2");
    if wide {
        // SAFETY: the processor has the registers that the function was compiled for; nothing else about it is unsafe.
        #[allow(unsafe_code, reason = "the compiler cannot know what processor this will run on")]
        unsafe {
            avx2::hash_lanes(key, lanes, hashes);
        }
    }
    wide
}

#[cfg(not(target_arch = "x86_64"))]
fn all_at_once(_: &[u8; 32], _: &[&[u8]], _: &mut [[u8; 16]; LANES]) -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_extract_epi32, _mm256_or_si256, _mm256_set_epi64x,
        _mm256_set1_epi32, _mm256_setr_epi32, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi32,
        _mm256_srli_epi32, _mm256_xor_si256,
    };

    use super::{BLOCK_BYTES, CHUNK_END, CHUNK_START, IV, KEYED_HASH, LANES, ROOT, SCHEDULE};

    /// One word of each lane.
    type Word = __m256i;

    #[target_feature(enable = "avx2")]
    pub(super) fn hash_lanes(key: &[u8; 32], lanes: &[&[u8]], hashes: &mut [[u8; 16]; LANES]) {
        let mut chain = [_mm256_setzero_si256(); 8];
        for (word, bytes) in chain.iter_mut().zip(key.as_chunks::<4>().0) {
            *word = _mm256_set1_epi32(i32::from_le_bytes(*bytes));
        }
        // An empty input has one block, too.
        let mut blocks = [0; LANES];
        for (blocks, lane) in blocks.iter_mut().zip(lanes) {
            *blocks = lane.len().div_ceil(BLOCK_BYTES).max(1);
        }
        let most = blocks.iter().copied().max().unwrap_or(0);
        for number in 0..most {
            let mut padded = [[0; BLOCK_BYTES]; LANES];
            let mut block = [&[0; BLOCK_BYTES]; LANES];
            let mut lengths = [0; LANES];
            let mut flags = [KEYED_HASH | if number == 0 { CHUNK_START } else { 0 }; LANES];
            for ((at, lane), padded) in lanes.iter().enumerate().zip(&mut padded) {
                let rest = lane.get(number * BLOCK_BYTES..).unwrap_or_default();
                block[at] = match rest.first_chunk() {
                    Some(block) => block,
                    None => {
                        padded[..rest.len()].copy_from_slice(rest);
                        padded
                    }
                };
                lengths[at] = rest.len().min(BLOCK_BYTES) as i32;
                if number + 1 == blocks[at] {
                    flags[at] |= CHUNK_END | ROOT;
                }
            }
            let mut words = [_mm256_setzero_si256(); 16];
            for (at, word) in words.iter_mut().enumerate() {
                let of = |lane: usize| {
                    let bytes = block[lane].as_chunks::<4>().0;
                    i32::from_le_bytes(bytes[at])
                };
                *word = _mm256_setr_epi32(of(0), of(1), of(2), of(3), of(4), of(5), of(6), of(7));
            }
            chain = compress(&chain, &words, spread(&lengths), spread(&flags));
            if blocks.contains(&(number + 1)) {
                let halves = [lanes_of(chain[0]), lanes_of(chain[1]), lanes_of(chain[2]), lanes_of(chain[3])];
                for (at, hash) in hashes.iter_mut().enumerate().filter(|(at, _)| blocks[*at] == number + 1) {
                    for (bytes, words) in hash.as_chunks_mut::<4>().0.iter_mut().zip(&halves) {
                        *bytes = words[at].to_le_bytes();
                    }
                }
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn spread(numbers: &[i32; LANES]) -> Word {
        let [a, b, c, d, e, f, g, h] = *numbers;
        _mm256_setr_epi32(a, b, c, d, e, f, g, h)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn compress(chain: &[Word; 8], words: &[Word; 16], lengths: Word, flags: Word) -> [Word; 8] {
        let [h0, h1, h2, h3, h4, h5, h6, h7] = *chain;
        let [i0, i1, i2, i3] = [set(IV[0]), set(IV[1]), set(IV[2]), set(IV[3])];
        let zero = _mm256_setzero_si256();
        let mut v = [h0, h1, h2, h3, h4, h5, h6, h7, i0, i1, i2, i3, zero, zero, lengths, flags];
        for order in &SCHEDULE {
            mix(&mut v, [0, 4, 8, 12], words[order[0]], words[order[1]]);
            mix(&mut v, [1, 5, 9, 13], words[order[2]], words[order[3]]);
            mix(&mut v, [2, 6, 10, 14], words[order[4]], words[order[5]]);
            mix(&mut v, [3, 7, 11, 15], words[order[6]], words[order[7]]);
            mix(&mut v, [0, 5, 10, 15], words[order[8]], words[order[9]]);
            mix(&mut v, [1, 6, 11, 12], words[order[10]], words[order[11]]);
            mix(&mut v, [2, 7, 8, 13], words[order[12]], words[order[13]]);
            mix(&mut v, [3, 4, 9, 14], words[order[14]], words[order[15]]);
        }
        let [v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15] = v;
        [
            _mm256_xor_si256(v0, v8),
            _mm256_xor_si256(v1, v9),
            _mm256_xor_si256(v2, v10),
            _mm256_xor_si256(v3, v11),
            _mm256_xor_si256(v4, v12),
            _mm256_xor_si256(v5, v13),
            _mm256_xor_si256(v6, v14),
            _mm256_xor_si256(v7, v15),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn set(word: u32) -> Word {
        _mm256_set1_epi32(word.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn mix(v: &mut [Word; 16], [a, b, c, d]: [usize; 4], x: Word, y: Word) {
        // Which byte of a word comes from where when it is turned by two bytes, and by one.
        const TWO: [i64; 2] = [0x0504_0706_0100_0302, 0x0d0c_0f0e_0908_0b0a];
        const ONE: [i64; 2] = [0x0407_0605_0003_0201, 0x0c0f_0e0d_080b_0a09];
        let two = _mm256_set_epi64x(TWO[1], TWO[0], TWO[1], TWO[0]);
        let one = _mm256_set_epi64x(ONE[1], ONE[0], ONE[1], ONE[0]);
        v[a] = _mm256_add_epi32(_mm256_add_epi32(v[a], v[b]), x);
        v[d] = _mm256_shuffle_epi8(_mm256_xor_si256(v[d], v[a]), two);
        v[c] = _mm256_add_epi32(v[c], v[d]);
        let turned = _mm256_xor_si256(v[b], v[c]);
        v[b] = _mm256_or_si256(_mm256_srli_epi32::<12>(turned), _mm256_slli_epi32::<20>(turned));
        v[a] = _mm256_add_epi32(_mm256_add_epi32(v[a], v[b]), y);
        v[d] = _mm256_shuffle_epi8(_mm256_xor_si256(v[d], v[a]), one);
        v[c] = _mm256_add_epi32(v[c], v[d]);
        let turned = _mm256_xor_si256(v[b], v[c]);
        v[b] = _mm256_or_si256(_mm256_srli_epi32::<7>(turned), _mm256_slli_epi32::<25>(turned));
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn lanes_of(word: Word) -> [i32; LANES] {
        [
            _mm256_extract_epi32::<0>(word),
            _mm256_extract_epi32::<1>(word),
            _mm256_extract_epi32::<2>(word),
            _mm256_extract_epi32::<3>(word),
            _mm256_extract_epi32::<4>(word),
            _mm256_extract_epi32::<5>(word),
            _mm256_extract_epi32::<6>(word),
            _mm256_extract_epi32::<7>(word),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_lane_has_the_hash_of_the_crate(
            key: [u8; 32],
            inputs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1100), 0..20),
            short in 0..1100usize,
        ) {
            for longest in [1100, short, 64] {
                let inputs: Vec<&[u8]> = inputs.iter().map(|input| &input[..input.len().min(longest)]).collect();
                let mut hashes = Vec::new();
                keyed_hashes(&key, inputs.iter().copied(), &mut hashes);
                prop_assert_eq!(hashes.len(), inputs.len());
                for (hash, input) in hashes.iter().zip(inputs) {
                    let expected = blake3::keyed_hash(&key, input);
                    prop_assert_eq!(&hash[..], &expected.as_bytes()[..16]);
                }
            }
        }
    }

    #[test]
    fn lanes_end_at_every_length() {
        let bytes: Vec<u8> = (0..=CHUNK_BYTES).map(|at| (at * 7 + at / 251) as u8).collect();
        for length in 0..=CHUNK_BYTES {
            let inputs = [&bytes[..length], &bytes[..CHUNK_BYTES - length], &bytes[length..length], b"x"];
            let mut hashes = Vec::new();
            keyed_hashes(&[9; 32], inputs.into_iter(), &mut hashes);
            for (hash, input) in hashes.iter().zip(inputs) {
                assert_eq!(hash[..], blake3::keyed_hash(&[9; 32], input).as_bytes()[..16], "{length}");
            }
        }
    }
}
