//! The log on Kafka under losses that brokers do not promise to prevent, and that must not pass unnoticed: each is named, with
//! partition, range, and the events that the store knows. What the store of figures loses is no loss at all.

#![allow(clippy::unwrap_used, reason = "these are tests: a panic is how they fail")]

mod deleted;
mod replaced;
mod skipped;
mod town;
mod transactions;
mod unclean;
mod wiped;

use std::sync::{Mutex, MutexGuard, PoisonError};

use kafka_harness::{Cluster, Shared, required};

/// One broker for all tests, one test after the other: what they time out on is the brokers, not each other. `None`: tests
/// with brokers are not wanted.
fn broker() -> Option<(Shared, MutexGuard<'static, ()>)> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if !required() {
        return None;
    }
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    Some((Cluster::shared().unwrap(), turn))
}
