//! Batches on their way into the log.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::format::put_frame;
use crate::{Append, AppendError, BATCH_RECORDS_MAX, Completer, Ticket};

/// A batch on its way: its frames, put in order of their partitions by the thread that appends it.
pub(super) struct Pending {
    pub(super) frames: Vec<u8>,
    /// What lies in `frames`, in order; each partition once.
    pub(super) stretches: Vec<Stretch>,
    /// For each record as the caller has them: its partition, and how many records from it to the end of its stretch.
    pub(super) records: Vec<(u16, u32)>,
    pub(super) completer: Completer,
}

/// A batch's frames of one partition.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    pub(super) partition: u16,
    pub(super) records: u32,
    pub(super) bytes: u32,
}

/// A batch's memory, used again for another one: big allocations cost more than the copying.
#[derive(Default)]
struct Buffers {
    frames: Vec<u8>,
    stretches: Vec<Stretch>,
    records: Vec<(u16, u32)>,
}

impl Buffers {
    /// Puts a batch that was checked.
    fn fill(&mut self, batch: &[Append<'_>]) {
        debug_assert!(batch.len() <= BATCH_RECORDS_MAX && BATCH_RECORDS_MAX <= 1 << 16);
        // Partition, then place in the batch: sixteen bits each.
        let keys =
            (0..).zip(batch).map(|(index, record): (u32, _)| u32::from(record.partition) << 16 | index);
        let mut order: Vec<u32> = keys.collect();
        order.sort_unstable();
        self.records.resize(batch.len(), (0, 0));
        for own in order.chunk_by(|one, other| one >> 16 == other >> 16) {
            let partition = (own[0] >> 16) as u16;
            let start = self.frames.len();
            for (place, key) in (0..).zip(own) {
                let index = (key & 0xffff) as usize;
                put_frame(&mut self.frames, batch[index].bytes);
                self.records[index] = (partition, own.len() as u32 - place);
            }
            let bytes = (self.frames.len() - start) as u32;
            self.stretches.push(Stretch { partition, records: own.len() as u32, bytes });
        }
    }
}

/// Batches that wait for the next group: bounded, so that a log that cannot keep up slows its callers down.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Default)]
struct QueueState {
    batches: VecDeque<Pending>,
    bytes: usize,
    closed: bool,
    /// Of batches that are done.
    spare: Vec<Buffers>,
}

const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 1 << 20;

impl Queue {
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, batch: &[Append<'_>], bytes_max: usize) -> Result<Ticket, AppendError> {
        let (completer, ticket) = Ticket::pair();
        if batch.is_empty() {
            completer.complete(Ok(Vec::new()));
            return Ok(ticket);
        }
        let mut buffers = self.state().spare.pop().unwrap_or_default();
        buffers.fill(batch);
        let Buffers { frames, stretches, records } = buffers;
        let mut state = self.state();
        let pending = Pending { frames, stretches, records, completer };
        while !state.closed && !state.batches.is_empty() && state.bytes + pending.frames.len() > bytes_max {
            state = self.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(AppendError::Unavailable {
                action: "the log's writer has ended: open the log again".into(),
                source: None,
            });
        }
        state.bytes += pending.frames.len();
        state.batches.push_back(pending);
        drop(state);
        self.filled.notify_one();
        Ok(ticket)
    }

    /// No more batches; what waits is still written.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// The batches of the next group, in order; empty when `patience` ran out, `None` when the queue is closed and empty.
    pub(super) fn take(
        &self,
        target_bytes: usize,
        patience: Option<Duration>,
        group: &mut Vec<Pending>,
    ) -> Option<()> {
        let mut state = self.state();
        while state.batches.is_empty() {
            if state.closed {
                return None;
            }
            match patience {
                None => state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let (again, timeout) =
                        self.filled.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
                    state = again;
                    if timeout.timed_out() && state.batches.is_empty() {
                        return Some(());
                    }
                }
            }
        }
        let mut bytes = 0;
        while bytes < target_bytes {
            let Some(batch) = state.batches.pop_front() else { break };
            bytes += batch.frames.len();
            group.push(batch);
        }
        state.bytes -= bytes;
        drop(state);
        self.drained.notify_all();
        Some(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().batches.is_empty()
    }

    /// Takes back a batch's memory and gives its end of the ticket.
    pub(super) fn recycle(&self, batch: Pending) -> Completer {
        let Pending { mut frames, mut stretches, mut records, completer } = batch;
        frames.clear();
        stretches.clear();
        records.clear();
        if frames.capacity() <= SPARE_BYTES_MAX {
            let mut state = self.state();
            if state.spare.len() < SPARE_BUFFERS_MAX {
                state.spare.push(Buffers { frames, stretches, records });
            }
        }
        completer
    }
}

/// Closes the queue however its thread ends, so that nobody waits for one that is gone.
pub(super) struct CloseOnExit<'a>(pub(super) &'a Queue);

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        self.0.close();
        // Their completers say that nobody knows.
        self.0.state().batches.clear();
    }
}
