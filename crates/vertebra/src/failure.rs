//! How the command fails: by what the caller does next, which is what exit codes say.

use std::{io, process::ExitCode};

use audit::AuditError;
use event_log::{AppendError, CopyError, OpenError, ReadError};
use intake::{IndexError, SubmitError, keys::KeyError};
use projector::StoreError;
use query::QueryError;
use simulator::SimulateError;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// A check failed or a difference was found: look at it.
    CheckFailed = 1,
    /// The command line is wrong: correct it.
    Usage = 2,
    /// Input was refused, or the folder has nothing to answer from: correct it and send it again.
    Refused = 3,
    /// Not now: a lock, the disk, a file that cannot be read. Try again.
    Unavailable = 4,
    /// Stored bytes are damaged: restore them.
    Corrupt = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// A failure that the command itself finds.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// See [`Exit::Usage`].
    #[error("{0}")]
    Usage(String),
    /// See [`Exit::Refused`].
    #[error("{0}")]
    Refused(String),
    /// See [`Exit::CheckFailed`].
    #[error("{0}")]
    CheckFailed(String),
}

/// The exit code of an error: the first cause that knows.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(known).unwrap_or(Exit::Unavailable)
}

fn known(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(match failure {
            Failure::Usage(_) => Exit::Usage,
            Failure::Refused(_) => Exit::Refused,
            Failure::CheckFailed(_) => Exit::CheckFailed,
        });
    }
    if let Some(error) = cause.downcast_ref::<OpenError>() {
        return Some(match error {
            OpenError::Refused { .. } => Exit::Refused,
            OpenError::Corrupt { .. } => Exit::Corrupt,
            _ => Exit::Unavailable,
        });
    }
    if let Some(error) = cause.downcast_ref::<ReadError>() {
        return Some(match error {
            ReadError::Refused(_) => Exit::Refused,
            ReadError::Corrupt { .. }
            | ReadError::Gap { .. }
            | ReadError::Missing { .. }
            | ReadError::Replaced { .. }
            | ReadError::Rewritten { .. } => Exit::Corrupt,
            _ => Exit::Unavailable,
        });
    }
    if let Some(error) = cause.downcast_ref::<AppendError>() {
        return Some(match error {
            AppendError::Refused(_) => Exit::Refused,
            _ => Exit::Unavailable,
        });
    }
    if let Some(error) = cause.downcast_ref::<CopyError>() {
        return match error {
            CopyError::Refused(_) => Some(Exit::CheckFailed),
            CopyError::Read(error) => known(error),
            CopyError::Append(error) => known(error),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<QueryError>() {
        return match error {
            QueryError::Question(_) => Some(Exit::Usage),
            QueryError::Refused(_) | QueryError::Bundle(_) => Some(Exit::Refused),
            QueryError::Needs(_) => Some(Exit::Unavailable),
            QueryError::Control { .. } => Some(Exit::Corrupt),
            QueryError::Io { .. } => Some(Exit::Unavailable),
            QueryError::Open(error) => known(error),
            QueryError::Read(error) => known(error),
            QueryError::Append(error) => known(error),
            QueryError::Store(error) => known(error),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<StoreError>() {
        return Some(match error {
            StoreError::Corrupt(_) | StoreError::Behind { .. } => Exit::Corrupt,
            StoreError::Refused(_) => Exit::Refused,
            StoreError::Log(error) => return known(error),
            _ => Exit::Unavailable,
        });
    }
    if let Some(error) = cause.downcast_ref::<intake::OpenError>() {
        return match error {
            intake::OpenError::OtherKey { .. } => Some(Exit::Refused),
            intake::OpenError::Keys(error) => known(error),
            intake::OpenError::Log(error) => known(error),
            intake::OpenError::Index(IndexError::Damaged { .. }) => Some(Exit::Corrupt),
            _ => Some(Exit::Unavailable),
        };
    }
    if let Some(error) = cause.downcast_ref::<SubmitError>() {
        return match error {
            SubmitError::Append(error) => known(error),
            SubmitError::Read(error) => known(error),
            SubmitError::Keys(error) => known(error),
            SubmitError::Index(IndexError::Damaged { .. }) => Some(Exit::Corrupt),
            SubmitError::TooMany(_) => Some(Exit::Refused),
            _ => Some(Exit::Unavailable),
        };
    }
    if let Some(error) = cause.downcast_ref::<KeyError>() {
        return Some(match error {
            KeyError::Refused { .. } => Exit::Refused,
            _ => Exit::Unavailable,
        });
    }
    if let Some(error) = cause.downcast_ref::<AuditError>() {
        return match error {
            AuditError::Read(error) => known(error),
            AuditError::Store(error) => known(error),
            _ => Some(Exit::Refused),
        };
    }
    if let Some(SimulateError::NotEmpty { .. } | SimulateError::People { .. }) = cause.downcast_ref() {
        return Some(Exit::Refused);
    }
    cause.downcast_ref::<io::Error>().map(|_| Exit::Unavailable)
}

/// Whether the reader of our output went away, as `head` does when it has enough: no failure.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(closed)
            || cause
                .downcast_ref::<csv::Error>()
                .is_some_and(|error| matches!(error.kind(), csv::ErrorKind::Io(error) if closed(error)))
            || cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind)
                == Some(io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn the_cause_decides_the_exit_code() {
        let error = anyhow::Error::from(ReadError::Refused("no".into())).context("cannot show events");
        assert_eq!(exit_of(&error), Exit::Refused);
        let missing = std::fs::read("no such file").context("cannot read the report").unwrap_err();
        assert_eq!(exit_of(&missing), Exit::Unavailable);
        assert_eq!(exit_of(&Failure::Usage("no".into()).into()), Exit::Usage);
    }

    #[test]
    fn a_closed_pipe_is_seen_through_csv_and_json() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_closed_pipe(&pipe().into()));
        assert!(is_closed_pipe(&anyhow::Error::from(csv::Error::from(pipe()))));
        assert!(is_closed_pipe(&anyhow::Error::from(serde_json::Error::io(pipe()))));
        assert!(!is_closed_pipe(&io::Error::from(io::ErrorKind::NotFound).into()));
    }
}
