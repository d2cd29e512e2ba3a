//! Full journals on their way to being segments, in a thread of their own.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::catalog::Shared;
use super::journal::Journal;
use super::meta::segment_path;
use super::segment::{SegmentError, seal};
use crate::files::remove_if_there;

/// How long until a seal that failed is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Full journals that wait to be split.
#[derive(Debug, Default)]
pub(super) struct Seals {
    state: Mutex<SealState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SealState {
    pending: VecDeque<Arc<Journal>>,
    failed: Option<Arc<io::Error>>,
    closed: bool,
}

impl Seals {
    fn state(&self) -> MutexGuard<'_, SealState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, journal: Arc<Journal>) {
        self.state().pending.push_back(journal);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Whether all full journals are split.
    pub(super) fn is_idle(&self) -> bool {
        self.state().pending.is_empty()
    }

    /// Waits until all full journals are split, or splitting failed or has ended.
    pub(super) fn wait_idle(&self) -> Result<(), Arc<io::Error>> {
        let mut state = self.state();
        loop {
            if state.pending.is_empty() {
                return Ok(());
            }
            if let Some(error) = &state.failed {
                return Err(Arc::clone(error));
            }
            if state.closed {
                return Err(Arc::new(io::Error::other("the thread that splits full journals has ended")));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Splits what waits, oldest first; stops at the first failure.
    pub(super) fn run_once(&self, shared: &Shared) {
        loop {
            let Some(journal) = self.state().pending.front().cloned() else { return };
            let done = seal_and_remove(shared, &journal);
            let mut state = self.state();
            match done {
                Ok(()) => {
                    state.pending.pop_front();
                    state.failed = None;
                }
                Err(error) => {
                    tracing::warn!(journal = %journal.path.display(), %error, "cannot seal the journal, will try again");
                    state.failed = Some(Arc::new(error));
                }
            }
            let failed = state.failed.is_some();
            drop(state);
            self.changed.notify_all();
            if failed {
                return;
            }
        }
    }

    /// The sealing thread.
    pub(super) fn run(&self, shared: &Shared) {
        let _close = CloseOnExit(self);
        loop {
            let mut state = self.state();
            while !state.closed && state.pending.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.failed.is_some() && !state.closed {
                state = self.changed.wait_timeout(state, RETRY).unwrap_or_else(PoisonError::into_inner).0;
            }
            // What is left is done when the log is opened again.
            if state.closed {
                return;
            }
            drop(state);
            self.run_once(shared);
        }
    }
}

/// Closes however its thread ends, so that nobody waits for one that is gone.
struct CloseOnExit<'a>(&'a Seals);

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Splits a journal, shows readers the segment, and removes the journal only when the segment is safe under its name.
fn seal_and_remove(shared: &Shared, journal: &Journal) -> io::Result<()> {
    let number = journal.stamp.number;
    let sealed = shared.catalog().segments.last().is_some_and(|segment| segment.stamp.number == number);
    if !sealed {
        let segment = match seal(shared.files.as_ref(), journal, &segment_path(&shared.dir, number)) {
            Ok(segment) => segment,
            Err(SegmentError::Io(error)) => return Err(error),
            Err(SegmentError::Damaged(damage)) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is damaged at byte {}: {}", journal.path.display(), damage.byte, damage.what),
                ));
            }
        };
        shared.catalog_mut().replace_journal(segment);
    }
    remove_if_there(shared.files.as_ref(), &journal.path)?;
    shared.files.sync_dir(&shared.dir)
}
