//! The event log: append, read a partition from a position, follow.
