//! Reading: figures, lists, claims, histories, differences, and receipts that give the same bytes again.
//!
//! [`DataFolder`] knows the folder of a deployment; a [`Desk`] answers from it. Nothing here prints, and nothing here
//! writes but the control log.

mod answer;
mod bundle_files;
mod claims;
mod data;
mod desk;
mod difference;
mod dimension;
mod error;
mod figures;
mod lists;
mod person;
mod plan;
mod question;
mod receipt;
mod sums;
mod verify;

pub use answer::{Answer, Column, ColumnKind, Stand, Table, Value, show_money};
pub use bundle_files::{BUNDLE_FILE_BYTES_MAX, bundle_folder};
pub use claims::{CLAIM_DIMENSIONS, ClaimsAnswer, ClaimsAsked, ClaimsQuestion};
pub use data::{Activation, Control, DataFolder, PARTITIONS};
pub use desk::Desk;
pub use difference::{Cause, Difference};
pub use dimension::dimensions;
pub use error::QueryError;
pub use lists::{ListLine, ListPage, ListQuestion, PAGE_ROWS_MAX, lists};
pub use person::{FACTS_MAX, FactLine, PersonAnswer, PersonQuestion, subjects_of};
pub use question::{Filter, Known, Question, Standpoint, parse_known_at};
pub use receipt::{Asked, RECEIPT_BYTES_MAX, RECEIPT_VERSION, Receipt, Verified};
