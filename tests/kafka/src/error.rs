use std::{io, path::PathBuf};

/// Why there is no broker, or why one did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Java or Maven is not there.
    #[error(
        "{what}; install it (Debian: `apt install openjdk-17-jdk-headless maven`), or leave these tests out with KAFKA=skip"
    )]
    Missing {
        /// What was looked for, and what was found in its place.
        what: String,
    },
    /// A program of the installation failed.
    #[error("{what} failed: {said}")]
    Program {
        /// Which program, doing what.
        what: String,
        /// The end of what it said.
        said: String,
    },
    /// A file, a process or a socket.
    #[error("{what}")]
    Io {
        /// What was tried, and with which file or address.
        what: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A broker ended when it should have stayed.
    #[error("broker {id} ended while it was waited for; its log ({}) ends with:\n{said}", log.display())]
    Ended {
        /// Which broker.
        id: u32,
        /// Where its log is.
        log: PathBuf,
        /// The end of it.
        said: String,
    },
    /// Something did not come about in time.
    #[error("waited {seconds} s for {what}")]
    Late {
        /// For what.
        what: String,
        /// How long, in seconds.
        seconds: u64,
    },
    /// A broker answered with an error code of the protocol.
    #[error("{request} of {about}: error code {code} of the Kafka protocol{}", message.as_deref().map(|m| format!(" ({m})")).unwrap_or_default())]
    Refused {
        /// The request's name in the protocol.
        request: &'static str,
        /// Which topic, partition or resource.
        about: String,
        /// The code, as in Kafka's `Errors`.
        code: i16,
        /// The broker's own words.
        message: Option<String>,
    },
    /// An answer that is not what the protocol says.
    #[error("the answer to {request} cannot be read: {what}")]
    Answer {
        /// The request's name in the protocol.
        request: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A topic that is not there.
    #[error("there is no topic {topic:?}, or it has no partition {partition}")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// What failed for the first who asked, told to another.
    #[error("{0}")]
    Before(&'static Error),
    /// No broker of the cluster runs.
    #[error("no broker answers")]
    NoBroker,
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what: format!("{what}: {source}"), source }
    }
}

/// The last lines of a text: where programs say why they ended.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
