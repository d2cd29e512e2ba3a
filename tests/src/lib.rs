//! Stories across crates, and the oracle that the engine's figures are held against.

pub mod bench;
pub mod engine;
pub mod flaws;
pub mod kafka;
pub mod oracle;
