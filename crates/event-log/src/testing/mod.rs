//! For tests: of this crate, and of the crates that stand on it.
