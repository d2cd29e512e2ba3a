//! Cells, cubes, contributions and their sums by day.
//!
//! A projection says what one person adds: a *level* that holds over an interval of days, or a *flow* on a day, in a
//! *cell* of a *cube*. A [`Timeline`] keeps, for every cell and measure, the change on each day, so a level on a day is
//! a prefix sum, a flow over a period a range sum, and taking a person out is adding with the opposite sign. Addition
//! commutes: parts of a population summed apart and merged give the same bytes. A [`Point`] keeps only the sums of one
//! day and period, for questions that need no series.

mod changes;
mod codec;
mod cube;
mod drawers;
mod index;
mod point;
mod postings;
mod sink;
mod timeline;

pub use codec::CodecError;
pub use cube::{
    Axis, CubeSpec, DIMENSIONS_MAX, Implied, Key, MEASURES_MAX, Measure, Row, StandsFor, Storage, Unit, key,
};
pub use drawers::Cell;
pub use point::{Period, Point};
pub use postings::{Exchanging, Postings, PuttingBack, TakingOut};
pub use sink::{Collected, Collector, Negated, Sink};
pub use timeline::{SharedTimeline, Timeline};
