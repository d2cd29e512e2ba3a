//! The reading door over a small synthetic city: every way to an answer gives the same one.

mod city;
mod claims;
mod data;
mod difference;
mod figures;
mod lists;
mod person;
mod receipts;
