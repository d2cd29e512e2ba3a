//! What the contract's property tests share.

pub(crate) mod agree;
pub(crate) mod arbitrary;
