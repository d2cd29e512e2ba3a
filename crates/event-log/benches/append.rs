//! Appends and reads as fast as the log can, and prints both.
fn main() {}
