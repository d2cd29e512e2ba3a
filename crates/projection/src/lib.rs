//! What a projection is.
//!
//! A projection is a pure function of one person's history, the reference data and the policy. It never sees a stream,
//! an order of arrival, a clock, a database or another person; the engine makes it incremental by taking a person's old
//! contributions out and adding the new ones. So duplicates, late events, corrections, withdrawals and links are not its
//! business.

mod dimensions;
mod person;
mod rows;
mod spans;
mod standing;
#[cfg(feature = "testing")]
pub mod story;

use policy::Bundle;
use timeline::{CubeSpec, Sink};

pub use dimensions::{
    CAME, NONE, TIERS, UNKNOWN, came, facility_on, known_commune, known_facility, known_group,
    named_facility, tier, tier_code,
};
pub use person::{Person, Standing};
pub use rows::{List, ListRow};
pub use spans::{Layers, Span, Spans, within};
pub use standing::{Card, Entitlement, Holdings, Main, Places};

use contract::Day;

/// A read model: what one person adds to its figures, and which rows to its lists.
pub trait Projection {
    /// Stable name, as it stands in receipts.
    const NAME: &'static str;
    /// Changes whenever the same history gives other contributions or rows. Part of every receipt.
    const VERSION: u32;
    /// What is summed. The number of a cube is its place here.
    const CUBES: &'static [CubeSpec];
    /// Which lists there are. The number of a list is its place here.
    const LISTS: &'static [List];

    /// What `person` adds.
    fn project<S: Sink>(person: &Person<'_>, bundle: &Bundle, sink: &mut S);

    /// The rows `person` adds to list number `list` on day `on`.
    fn rows(person: &Person<'_>, bundle: &Bundle, on: Day, list: usize, rows: &mut Vec<ListRow>);
}
