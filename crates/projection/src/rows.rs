//! Rows of lists.

use contract::IdHash;

/// A list a projection gives: open referrals, who will lapse, who is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List {
    /// Stable name, unique in its projection.
    pub name: &'static str,
    /// What a row is, in one sentence.
    pub about: &'static str,
    /// Names of the columns after the subject.
    pub columns: &'static [&'static str],
}

/// One row: a value a column, and the event it rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListRow {
    /// One text a column, in the list's order. Codes and days; no names.
    pub values: Vec<String>,
    /// The event that put the person on the list, if it is one event.
    pub event: Option<IdHash>,
}
