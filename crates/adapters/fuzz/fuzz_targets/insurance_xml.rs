//! `cargo +nightly fuzz run insurance_xml -- -max_len=65536 -malloc_limit_mb=64`, in `crates/adapters`: whatever the bytes,
//! translating them does not panic and takes bounded memory, and all holds that `tests/support/law.rs` lists.
//!
//! A corpus to start from is the demonstration: `cp ../../deploy/demo/claims/*.xml fuzz/corpus/insurance_xml/`.
#![no_main]

#[path = "../../tests/support/law.rs"]
mod law;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Where the file is cut and in which pieces it comes follows from it, so that a corpus is of files and nothing else.
    let chosen = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let cuts = [chosen >> 8 & 0xffff_ffff, chosen >> 40].map(|cut| cut as usize);
    law::check(bytes, usize::from(chosen as u8), &cuts);
});
