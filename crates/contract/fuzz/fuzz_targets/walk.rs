//! `cargo +nightly fuzz run walk`, in `crates/contract`: whatever the bytes, the borrowed walk reads what prost reads or
//! refuses them, and nothing panics: neither the walk, nor decoding, nor validation.
//!
//! A corpus to start from: `for f in golden/*.hex; do xxd -r -p $f > fuzz/corpus/walk/$(basename $f .hex); done`.
#![no_main]

#[path = "../../tests/support/agree.rs"]
mod agree;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    agree::check(bytes);
    if let Ok(event) = contract::decode(bytes) {
        if contract::validate(&event).is_empty() {
            let canonical = contract::encode(&event);
            assert!(contract::EventView::parse(&canonical).is_ok(), "what is valid is read");
            assert_eq!(contract::decode(&canonical).as_ref(), Ok(&event));
        }
    }
});
