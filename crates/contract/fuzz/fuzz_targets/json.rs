//! `cargo +nightly fuzz run json`, in `crates/contract`: whatever the text, reading it does not panic, and what is read
//! is written and read again as the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    if let Ok(submission) = contract::submission_from_json(text) {
        _ = contract::validate_submission(&submission);
        if let Ok(again) = contract::submission_to_json(&submission) {
            assert!(contract::submission_from_json(again.as_bytes()) == Ok(submission));
        }
    }
});
