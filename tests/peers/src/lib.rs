//! Systems that compute comparable figures over the same topic, for measuring beside ours.
//!
//! There is one: [`Streams`], a Java program on Kafka Streams (`streams/`), which counts people by commune and group on one day:
//! insured, under health management, checked up this year, as the coverage projection defines them. It does less than the engine
//! (one projection's measures, one day, no history of the figures, no receipts), and is set as fast as we could make it.

mod build;
mod running;

pub use build::Streams;
pub use running::{CaughtUp, Counts, Running};

use std::{io, path::PathBuf};

/// How it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// Transactions (`exactly_once_v2`), or `at_least_once`.
    pub guarantee: Guarantee,
    /// `num.stream.threads`.
    pub threads: u32,
    /// The largest heap of its virtual machine, in MiB. RocksDB's memory comes on top.
    pub heap_mib: u32,
    /// Where it keeps its stores; one run at a time.
    pub state_dir: PathBuf,
    /// The day that is counted, YYYY-MM-DD.
    pub on: String,
    /// Whether the counts are told when it has caught up: [`CaughtUp::counts`].
    pub report: bool,
    /// More options of the program, as `--commit-ms`, `1000`: see `streams/run.sh --help`.
    pub more: Vec<String>,
}

impl Arguments {
    /// Exactly once, two threads, a heap of 2 GiB.
    #[must_use]
    pub fn new(state_dir: impl Into<PathBuf>) -> Arguments {
        Arguments {
            guarantee: Guarantee::ExactlyOnce,
            threads: 2,
            heap_mib: 2048,
            state_dir: state_dir.into(),
            on: "2026-06-30".to_owned(),
            report: false,
            more: Vec::new(),
        }
    }
}

/// `processing.guarantee`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// `exactly_once_v2`.
    ExactlyOnce,
    /// `at_least_once`: after a crash figures may be off.
    AtLeastOnce,
}

/// Why there is no peer, or why it did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Kafka's installation, or Java.
    #[error(transparent)]
    Harness(#[from] kafka_harness::Error),
    /// It cannot be built.
    #[error("the peer on Kafka Streams cannot be built (it needs a JDK and Maven): {0}")]
    Build(String),
    /// A file or a process.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// It ended before it had said what was waited for.
    #[error("the peer ended while it was waited for; it said:\n{0}")]
    Ended(String),
    /// It took too long.
    #[error("waited {seconds} s for the peer {what}")]
    Late {
        /// To do what.
        what: &'static str,
        /// How long.
        seconds: u64,
    },
    /// What failed for the first who asked, told to another.
    #[error("{0}")]
    Before(&'static Error),
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what: format!("{what}: {source}"), source }
    }
}
