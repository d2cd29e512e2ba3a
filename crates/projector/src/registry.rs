//! Which projections there are: one line each.

use contract::Day;
use history::PersonView;
use policy::Bundle;
use projection::{List, ListRow, Person, Projection, Standing};
use timeline::{CubeSpec, Sink};

/// A projection as the engine and the reader know it.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    /// Stable name.
    pub name: &'static str,
    /// Version of its rules.
    pub version: u32,
    /// What it sums.
    pub cubes: &'static [CubeSpec],
    /// Its lists.
    pub lists: &'static [List],
    rows: fn(&Person<'_>, &Bundle, Day, usize, &mut Vec<ListRow>),
}

impl Registered {
    /// The rows `person` adds to list number `list` on day `on`.
    pub fn rows(
        &self,
        person: &PersonView<'_>,
        bundle: &Bundle,
        on: Day,
        list: usize,
        rows: &mut Vec<ListRow>,
    ) {
        (self.rows)(&Standing::default().read(*person, bundle), bundle, on, list, rows);
    }

    /// The number of the cube of this name.
    #[must_use]
    pub fn cube(&self, name: &str) -> Option<usize> {
        self.cubes.iter().position(|cube| cube.name == name)
    }
}

macro_rules! projections {
    ($($projection:ty,)*) => {
        /// How many projections there are.
        pub const PROJECTIONS: usize = [$(<$projection as Projection>::NAME),*].len();

        /// Every projection, in the order of sinks.
        pub static REGISTRY: [Registered; PROJECTIONS] = [$(Registered {
            name: <$projection as Projection>::NAME,
            version: <$projection as Projection>::VERSION,
            cubes: <$projection as Projection>::CUBES,
            lists: <$projection as Projection>::LISTS,
            rows: <$projection as Projection>::rows,
        }),*];

        /// What `person` adds to every projection, each to its sink; `standing` is memory for reading them.
        #[inline]
        pub fn project_all<S: Sink>(
            standing: &mut Standing,
            person: &PersonView<'_>,
            bundle: &Bundle,
            sinks: &mut [S; PROJECTIONS],
        ) {
            let person = standing.read(*person, bundle);
            let mut sinks = sinks.iter_mut();
            $(<$projection as Projection>::project(&person, bundle, sinks.next().expect("one sink a projection"));)*
        }
    };
}

projections! {
    coverage::Coverage,
    referral_load::ReferralLoad,
    fee_exemption::FeeExemption,
}

/// The number of the projection of this name.
#[must_use]
pub fn projection(name: &str) -> Option<usize> {
    REGISTRY.iter().position(|projection| projection.name == name)
}
