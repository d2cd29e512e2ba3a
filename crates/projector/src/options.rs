//! How the projector runs.

use std::time::Duration;

/// How the projector runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads for catching up and building.
    pub workers: usize,
    /// Live: the store commits at least this often ...
    pub commit_every: Duration,
    /// ... or after so many events.
    pub commit_events: u64,
    /// Fewer pending facts than this are not merged into a base.
    pub merge_facts_min: u64,
    /// Live: a snapshot is written at most this often, and never takes more than a twentieth of the time.
    pub snapshot_every: Duration,
    /// A history of more facts than this is not folded whenever something comes to it, but once before a snapshot.
    pub quarantine_facts: usize,
    /// A partition whose storage did not answer is read again after so long, and a merge that failed is tried again.
    pub ask_again_after: Duration,
    /// A file of the store's rows that is as long as this is followed by the next one.
    pub store_file_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            commit_every: Duration::from_millis(200),
            commit_events: 10_000,
            merge_facts_min: 1_000,
            snapshot_every: Duration::from_secs(2),
            quarantine_facts: 10_000,
            ask_again_after: Duration::from_secs(10),
            store_file_bytes: 64 << 20,
        }
    }
}
