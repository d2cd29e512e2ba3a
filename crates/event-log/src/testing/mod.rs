//! For tests, of this crate and of those that stand on it: the disk that forgets, and what every log must pass.

mod conformance;
mod faulty;

pub use conformance::conformance;
pub use faulty::{Bugs, FaultyFiles};
