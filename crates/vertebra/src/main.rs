//! The command: one binary, every role.
fn main() {}
