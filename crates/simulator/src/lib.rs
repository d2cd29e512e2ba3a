//! A synthetic city, from a seed.
//!
//! [`City`] makes people, and for each the [`truth`]: all that hospitals, registers and the payer said about them in a year,
//! with the mistakes they make. The truth is written in plain types of its own, for oracles to read; [`simulate`] turns it
//! into the events of the contract, stamps when each was recorded, and appends them to an empty log. Nobody in it exists.
//!
//! The same seed, number of people and version give the same bytes, however many threads make them.

mod adversary;
mod billing;
mod care;
mod city;
mod dice;
mod doubt;
mod event;
mod names;
mod past;
mod person;
mod places;
mod records;
mod registers;
mod run;
mod spread;
mod teller;
mod text;
pub mod truth;
mod wire;

pub use city::{Character, City, Config};
pub use places::{Commune, Facility, Places, PlacesError, Tier};
pub use records::Names;
pub use run::{
    KeySink, PEOPLE_MAX, Progress, SimulateError, Summary, names_of, records, records_of, simulate,
};
pub use text::{Key, Short, Text};
