//! Why the index cannot be used, by what is to be done next.

use std::{
    error::Error,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use event_log::ReadError;

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Another process has it open.
    #[error("another intake works in {}: stop it first", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The store is damaged, or was written by another version.
    #[error(
        "intake's index in {} is damaged or of another version; it is derived from the log: stop, and start again, which \
         builds it anew",
        path.display()
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What the store said.
        #[source]
        source: Box<fjall::Error>,
    },
    /// The machine refused, not the index: it is left as it is.
    #[error(
        "cannot use intake's index in {}; it was left as it is: make room on the disk, or give the right to read and \
         write there, then start again",
        path.display()
    )]
    Unavailable {
        /// The folder.
        path: PathBuf,
        /// What the store said.
        #[source]
        source: Box<fjall::Error>,
    },
    /// The folder could not be made or replaced.
    #[error(
        "cannot write to {}: make room on the disk, or give the right to write there, then start again",
        path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
}

impl IndexError {
    /// What the store in `path` said.
    pub(super) fn of_store(path: &Path, error: fjall::Error) -> IndexError {
        let path = path.to_owned();
        match error {
            fjall::Error::Locked => IndexError::Locked { path },
            error if is_damage(&error) => IndexError::Damaged { path, source: Box::new(error) },
            error => IndexError::Unavailable { path, source: Box::new(error) },
        }
    }
}

/// Whether the bytes on disk are at fault: only then does it help to write them anew. A disk that is full, or that may
/// not be read or written, says nothing about them, and would not take the new ones either.
fn is_damage(error: &fjall::Error) -> bool {
    if let Some(error) = io_error(error) {
        // A file that is missing, or not missed where another one is; that ends early, or in which a length points outside.
        return matches!(
            error.kind(),
            ErrorKind::NotFound
                | ErrorKind::AlreadyExists
                | ErrorKind::UnexpectedEof
                | ErrorKind::InvalidData
                | ErrorKind::InvalidInput
                | ErrorKind::IsADirectory
                | ErrorKind::NotADirectory
        );
    }
    // Poisoned: an earlier write failed, in this process. What is new in the store's next version is taken for no damage:
    // a stop that says why is mended by hand, an index thrown away each time is noticed by nobody.
    matches!(
        error,
        fjall::Error::Storage(_)
            | fjall::Error::JournalRecovery(_)
            | fjall::Error::InvalidVersion(_)
            | fjall::Error::Decompress(_)
            | fjall::Error::InvalidTrailer
            | fjall::Error::InvalidTag(_)
            | fjall::Error::Unrecoverable
    )
}

/// What the file system said, where it is the cause.
fn io_error(error: &fjall::Error) -> Option<&io::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_damage_by(kind: ErrorKind) -> [bool; 2] {
        [fjall::Error::Io(kind.into()), fjall::Error::Storage(io::Error::from(kind).into())]
            .map(|error| matches!(IndexError::of_store(Path::new("i"), error), IndexError::Damaged { .. }))
    }

    #[test]
    fn a_machine_that_refuses_is_not_damage() {
        for kind in [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::FileTooLarge,
            ErrorKind::PermissionDenied,
            ErrorKind::ReadOnlyFilesystem,
            ErrorKind::OutOfMemory,
            ErrorKind::TimedOut,
            ErrorKind::StaleNetworkFileHandle,
            ErrorKind::Other,
        ] {
            assert_eq!(is_damage_by(kind), [false; 2], "{kind}");
        }
        // Too many open files, and a disk that cannot read: kinds that have no name.
        for code in [24, 5] {
            let error = fjall::Error::Io(io::Error::from_raw_os_error(code));
            assert!(!is_damage(&error), "{error}");
        }
        assert!(!is_damage(&fjall::Error::Poisoned));
    }

    #[test]
    fn bytes_that_make_no_sense_are_damage() {
        for kind in
            [ErrorKind::NotFound, ErrorKind::AlreadyExists, ErrorKind::UnexpectedEof, ErrorKind::InvalidData]
        {
            assert_eq!(is_damage_by(kind), [true; 2], "{kind}");
        }
        for error in [
            fjall::Error::InvalidVersion(None),
            fjall::Error::InvalidTrailer,
            fjall::Error::InvalidTag(("tag", 7)),
            fjall::Error::Unrecoverable,
            fjall::Error::JournalRecovery(fjall::JournalRecoveryError::ChecksumMismatch),
        ] {
            assert!(is_damage(&error), "{error}");
        }
    }

    #[test]
    fn messages_say_what_to_do() {
        let full = || fjall::Error::Io(ErrorKind::StorageFull.into());
        expect_test::expect!["cannot use intake's index in d/intake; it was left as it is: make room on the disk, or give the right to read and write there, then start again"]
            .assert_eq(&IndexError::of_store(Path::new("d/intake"), full()).to_string());
        expect_test::expect!["intake's index in d/intake is damaged or of another version; it is derived from the log: stop, and start again, which builds it anew"]
            .assert_eq(&IndexError::of_store(Path::new("d/intake"), fjall::Error::Unrecoverable).to_string());
        expect_test::expect!["another intake works in d/intake: stop it first"]
            .assert_eq(&IndexError::of_store(Path::new("d/intake"), fjall::Error::Locked).to_string());
    }
}
