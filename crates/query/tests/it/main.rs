//! The reading door over a small synthetic city: every way to an answer gives the same one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod city;
mod claims;
mod data;
mod difference;
mod figures;
mod lists;
mod person;
mod receipts;
