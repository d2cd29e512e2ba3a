//! How a partition's records spread over the year, and so how to cut it into parts of about as many bytes.

use crate::{City, truth::Moment};

/// A partition is made in passes of about so many bytes, one after the other, so that one of any size fits in memory.
const PASS_BYTES: u64 = 300 << 20;
/// Within a pass, records stand on shelves of about so many bytes: few enough shelves that their ends stay near the processor
/// while they are filled in turn, and each small enough that it does while it is read in another order.
const SHELF_BYTES: u64 = 1 << 20;
const PERSON_BYTES: u64 = 1700;

/// The passes and shelves of one partition. Most of a city's events are told while the registers are loaded, in the first
/// month.
#[derive(Debug)]
pub(crate) struct Spread {
    first: Moment,
    new_year: Moment,
    last: Moment,
    passes: i64,
    shelves: i64,
}

impl Spread {
    /// For a partition of `people`.
    pub(crate) fn new(city: &City, people: u64) -> Spread {
        let bytes = people * PERSON_BYTES;
        let passes = bytes.div_ceil(PASS_BYTES).max(1);
        Spread::in_passes(city, passes, bytes.div_ceil(SHELF_BYTES).max(1))
    }

    pub(crate) fn in_passes(city: &City, passes: u64, shelves: u64) -> Spread {
        let (first, last) = (city.load_begins(), city.load_ends());
        let new_year = first + (last - first) / 13;
        Spread { first, new_year, last, passes: passes as i64, shelves: shelves as i64 }
    }

    /// The stretches of time of the passes: without gaps, and without beginning or end.
    pub(crate) fn passes(&self) -> impl Iterator<Item = (Moment, Moment)> {
        let load = self.passes * 3 / 5;
        let cut = move |pass: i64| match pass {
            0 => Moment::MIN,
            _ if pass == self.passes => Moment::MAX,
            _ if pass <= load => self.first + (self.new_year - self.first) * pass / load.max(1),
            _ => self.new_year + (self.last - self.new_year) * (pass - load) / (self.passes - load).max(1),
        };
        (0..self.passes).map(move |pass| (cut(pass), cut(pass + 1)))
    }

    /// How many shelves there are, those of all passes together.
    pub(crate) fn shelves(&self) -> usize {
        self.shelves as usize
    }

    /// On which shelf a record is put: later ones never on one before.
    pub(crate) fn shelf(&self, recorded: Moment) -> usize {
        let load = self.shelves * 3 / 5;
        let shelf = if recorded < self.new_year {
            (recorded - self.first) * load / (self.new_year - self.first)
        } else {
            load + (recorded - self.new_year) * (self.shelves - load) / (self.last - self.new_year)
        };
        shelf.clamp(0, self.shelves - 1) as usize
    }
}
