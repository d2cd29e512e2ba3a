//! AES-256-GCM-SIV (RFC 8452), laid out for fields of a hundred bytes.
//!
//! The same bytes as the crate `aes-gcm-siv`, which a test holds it to, put together from the same AES and POLYVAL. Why not
//! that crate: it enciphers block by block, and on processors with wide AES instructions `aes` spreads the whole key schedule
//! anew for each call. Here a field takes three calls, and half the time. Nothing in it branches on what is secret.

use aes::{
    Aes256Enc, Block,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use polyval::{Polyval, universal_hash::UniversalHash};
use zeroize::Zeroize;

const BLOCK_BYTES: usize = 16;
/// Bytes that sealing adds.
pub(crate) const TAG_BYTES: usize = 16;
/// Blocks of key stream made at a time.
const STREAM_BLOCKS: usize = 8;

/// Enciphers `buffer[from..]` in place and appends the tag. `associated` is not in the buffer, but is vouched for.
pub(crate) fn seal_in_place(
    key: &[u8; 32],
    nonce: &[u8; 12],
    associated: &[u8],
    buffer: &mut Vec<u8>,
    from: usize,
) {
    let keys = MessageKeys::derive(key, nonce);
    let text = &mut buffer[from..];
    let tag = keys.tag(nonce, associated, text);
    keys.apply_stream(&tag, text);
    buffer.extend_from_slice(&tag);
}

/// Deciphers `sealed`, which ends with its tag; `None`: another key or nonce, or altered bytes.
pub(crate) fn open(key: &[u8; 32], nonce: &[u8; 12], associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (text, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
    let keys = MessageKeys::derive(key, nonce);
    let mut text = text.to_vec();
    keys.apply_stream(tag, &mut text);
    let expected = keys.tag(nonce, associated, &text);
    // All bytes are compared whatever the first ones are.
    let differs = expected.iter().zip(tag).fold(0, |differs, (one, other)| differs | (one ^ other));
    if std::hint::black_box(differs) != 0 {
        text.zeroize();
        return None;
    }
    Some(text)
}

/// The keys of one nonce.
struct MessageKeys {
    cipher: Aes256Enc,
    hash: Polyval,
}

impl MessageKeys {
    /// RFC 8452, section 4: the first halves of six enciphered counters.
    fn derive(key: &[u8; 32], nonce: &[u8; 12]) -> MessageKeys {
        let mut blocks = [Block::default(); 6];
        for (counter, block) in (0u32..).zip(&mut blocks) {
            block[..4].copy_from_slice(&counter.to_le_bytes());
            block[4..].copy_from_slice(nonce);
        }
        Aes256Enc::new(key.into()).encrypt_blocks(&mut blocks);
        let mut hash_key = [0; 16];
        let mut cipher_key = [0; 32];
        let halves = hash_key.chunks_exact_mut(8).chain(cipher_key.chunks_exact_mut(8));
        for (half, block) in halves.zip(&blocks) {
            half.copy_from_slice(&block[..8]);
        }
        MessageKeys { cipher: Aes256Enc::new((&cipher_key).into()), hash: Polyval::new((&hash_key).into()) }
    }

    fn tag(&self, nonce: &[u8; 12], associated: &[u8], text: &[u8]) -> [u8; TAG_BYTES] {
        let mut hash = self.hash.clone();
        hash.update_padded(associated);
        hash.update_padded(text);
        let mut lengths = Block::default();
        lengths[..8].copy_from_slice(&(associated.len() as u64 * 8).to_le_bytes());
        lengths[8..].copy_from_slice(&(text.len() as u64 * 8).to_le_bytes());
        hash.update(&[lengths]);
        let mut tag: Block = hash.finalize();
        for (byte, nonce) in tag.iter_mut().zip(nonce) {
            *byte ^= nonce;
        }
        tag[15] &= 0x7f;
        self.cipher.encrypt_block(&mut tag);
        tag.into()
    }

    /// Adds the key stream that begins at `tag`: both ways the same.
    fn apply_stream(&self, tag: &[u8; TAG_BYTES], text: &mut [u8]) {
        let mut start = *tag;
        start[15] |= 0x80;
        let [a, b, c, d, rest @ ..] = start;
        let mut counter = u32::from_le_bytes([a, b, c, d]);
        for piece in text.chunks_mut(STREAM_BLOCKS * BLOCK_BYTES) {
            let mut stream = [Block::default(); STREAM_BLOCKS];
            let stream = &mut stream[..piece.len().div_ceil(BLOCK_BYTES)];
            for block in stream.iter_mut() {
                block[..4].copy_from_slice(&counter.to_le_bytes());
                block[4..].copy_from_slice(&rest);
                counter = counter.wrapping_add(1);
            }
            self.cipher.encrypt_blocks(stream);
            for (text, stream) in piece.chunks_mut(BLOCK_BYTES).zip(stream) {
                text.iter_mut().zip(stream.iter()).for_each(|(byte, stream)| *byte ^= stream);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aes_gcm_siv::{
        Aes256GcmSiv,
        aead::{Aead, Payload},
    };
    use proptest::prelude::*;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn sealed(key: &[u8; 32], nonce: &[u8; 12], associated: &[u8], text: &[u8]) -> Vec<u8> {
        let mut buffer = b"before".to_vec();
        buffer.extend_from_slice(text);
        seal_in_place(key, nonce, associated, &mut buffer, 6);
        assert_eq!(&buffer[..6], b"before");
        buffer.split_off(6)
    }

    /// RFC 8452, appendix C.2 and the two of C.3 whose counter wraps.
    #[test]
    fn the_vectors_of_the_standard() {
        let key = *b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let nonce = *b"\x03\0\0\0\0\0\0\0\0\0\0\0";
        for (associated, text, expected) in [
            ("", "", "07f5f4169bbf55a8400cd47ea6fd400f"),
            ("", "0100000000000000", "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28"),
            ("01", "0200000000000000", "1de22967237a813291213f267e3b452f02d01ae33e4ec854"),
        ] {
            let (associated, text, expected) = (bytes(associated), bytes(text), bytes(expected));
            assert_eq!(sealed(&key, &nonce, &associated, &text), expected);
            assert_eq!(open(&key, &nonce, &associated, &expected), Some(text));
        }
        let wraps = [
            (
                "000000000000000000000000000000004db923dc793ee6497c76dcc03a98e108",
                "f3f80f2cf0cb2dd9c5984fcda908456cc537703b5ba70324a6793a7bf218d3eaffffffff000000000000000000000000",
            ),
            (
                "eb3640277c7ffd1303c7a542d02d3e4c0000000000000000",
                "18ce4f0b8cb4d0cac65fea8f79257b20888e53e72299e56dffffffff000000000000000000000000",
            ),
        ];
        for (text, expected) in wraps {
            let (text, expected) = (bytes(text), bytes(expected));
            assert_eq!(sealed(&[0; 32], &[0; 12], &[], &text), expected);
        }
    }

    proptest! {
        #[test]
        fn it_is_the_cipher_of_the_crate(
            key: [u8; 32],
            nonce: [u8; 12],
            associated in prop::collection::vec(any::<u8>(), 0..70),
            text in prop::collection::vec(any::<u8>(), 0..400),
            flipped: prop::sample::Index,
        ) {
            let theirs = <Aes256GcmSiv as aes_gcm_siv::KeyInit>::new((&key).into())
                .encrypt((&nonce).into(), Payload { msg: &text, aad: &associated })
                .unwrap();
            let mut ours = sealed(&key, &nonce, &associated, &text);
            prop_assert_eq!(&ours, &theirs);
            prop_assert_eq!(open(&key, &nonce, &associated, &ours), Some(text));
            let bit = flipped.index(ours.len() * 8);
            ours[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(open(&key, &nonce, &associated, &ours), None);
        }
    }
}
