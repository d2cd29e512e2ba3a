//! The two ends of an append that is under way.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::AppendError;

type Outcome = Result<Vec<u64>, AppendError>;

#[derive(Debug, Default)]
struct Cell {
    outcome: Mutex<Option<Outcome>>,
    done: Condvar,
}

/// What [`append_async`](crate::EventLog::append_async) gives back: the batch's offsets, once it is durable. Dropping it
/// takes nothing back.
#[derive(Debug)]
#[must_use = "the batch is not acknowledged until the ticket says so"]
pub struct Ticket(Arc<Cell>);

/// The log's end of a [`Ticket`].
#[derive(Debug)]
pub struct Completer(Option<Arc<Cell>>);

impl Ticket {
    /// A ticket and its completer: for implementations of the log.
    pub fn pair() -> (Completer, Ticket) {
        let cell = Arc::new(Cell::default());
        (Completer(Some(Arc::clone(&cell))), Ticket(cell))
    }

    /// Blocks until the batch is durable, and gives its offsets in the batch's order.
    pub fn wait(self) -> Outcome {
        let mut outcome = self.0.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match outcome.take() {
                Some(outcome) => return outcome,
                None => outcome = self.0.done.wait(outcome).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Blocks for at most `timeout`; gives the ticket back if the batch is still under way.
    pub fn wait_timeout(self, timeout: Duration) -> Result<Outcome, Ticket> {
        let deadline = Instant::now() + timeout;
        let mut outcome = self.0.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(outcome) = outcome.take() {
                return Ok(outcome);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(outcome);
                return Err(self);
            }
            outcome = self.0.done.wait_timeout(outcome, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether [`Ticket::wait`] would return at once.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Completer {
    /// Tells the ticket's holder.
    pub fn complete(mut self, outcome: Outcome) {
        self.set(outcome);
    }

    fn set(&mut self, outcome: Outcome) {
        if let Some(cell) = self.0.take() {
            *cell.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            cell.done.notify_all();
        }
    }
}

impl Drop for Completer {
    // A log whose thread died must not leave its callers waiting for ever.
    fn drop(&mut self) {
        self.set(Err(AppendError::Unknown {
            action: "the log stopped before it could tell; open it again and look for the batch by event id"
                .into(),
            source: None,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_completer_says_unknown() {
        let (completer, ticket) = Ticket::pair();
        let ticket = ticket.wait_timeout(Duration::from_millis(1)).expect_err("still under way");
        assert!(!ticket.is_done());
        drop(completer);
        assert!(matches!(ticket.wait(), Err(AppendError::Unknown { .. })));
    }
}
