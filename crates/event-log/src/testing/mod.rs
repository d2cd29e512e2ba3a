//! For tests, of this crate and of those that stand on it: the disk that forgets, and what every log must pass.

mod conformance;
mod disk;
mod faulty;

pub use conformance::conformance;
pub use disk::Bugs;
pub use faulty::FaultyFiles;
