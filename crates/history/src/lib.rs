//! One person's history: facts, what of them is in force, and the view a projection reads.
//!
//! A *fact* is the compact part of an event that projections need. A *history* is one person's facts with nothing
//! resolved away, in the order (occurred_at, asserted_at, recorded_at, id hash). What of it counts is decided anew each
//! time it is viewed, by the rules of [`in_force`], and depends on the set of events alone: never on the order in which
//! they arrived or the partition they stand in. `as_of` an offset views the history as the log stood then.

mod body;
mod codec;
mod fact;
pub mod in_force;
mod view;

pub use body::{Body, Claim, Segment, Transfer};
pub use codec::{CodeIndex, CodecError, Dictionary, append_short};
pub use fact::{Fact, FactError, History, LinkHash};
pub use in_force::{Resolver, SetAside, Standing};
pub use view::PersonView;
