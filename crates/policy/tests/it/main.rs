//! The tables of `policy/` as they stand, and what happens to broken ones.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its own tables may stop")]

mod broken;
mod edits;
mod laws;
mod stories;

use std::collections::BTreeMap;

use contract::{Code, Day};
use policy::Bundle;
pub(crate) use policy::testing::{bundle, files};

pub(crate) fn day(text: &str) -> Day {
    text.parse().unwrap()
}

pub(crate) fn code(text: &str) -> Code {
    Code::new(text)
}

/// The bundle with `from`, which must be there once or more, replaced by `to` in one table.
pub(crate) fn with(table: &str, from: &str, to: &str) -> Bundle {
    Bundle::parse(&files_with(table, from, to)).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

pub(crate) fn files_with(table: &str, from: &str, to: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = files();
    let path = format!("policy/{table}");
    let text = String::from_utf8(files.remove(&path).unwrap()).unwrap();
    assert!(text.contains(from), "{table} has no {from}");
    files.insert(path, text.replacen(from, to, 1).into_bytes());
    files
}

/// The bundle under another reading of a switch.
pub(crate) fn under(switch: &str, reading: &str) -> Bundle {
    Bundle::parse(&policy::testing::under(&files(), switch, reading))
        .unwrap_or_else(|faults| panic!("{faults:#?}"))
}
