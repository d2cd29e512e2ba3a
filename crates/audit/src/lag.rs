//! How far figures are behind their log.

use contract::EventView;
use event_log::{EventLog, ReadError};
use projector::Manifest;
use serde::Serialize;

/// How far figures are behind their log, in records and in the log's own time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Records that the figures do not stand on yet.
    pub records: u64,
    /// Milliseconds from when the last event that they stand on was recorded to when the last one of the log was, in the
    /// partition where that is longest.
    pub milliseconds: i64,
}

/// How far the figures of `manifest` are behind `log`, which ends at `ends`.
///
/// # Errors
/// When the storage does not answer, or the log is another one than was opened.
pub fn lag(log: &dyn EventLog, ends: &[u64], manifest: &Manifest) -> Result<Lag, ReadError> {
    let mut lag = Lag::default();
    for (partition, (end, state)) in (0..).zip(ends.iter().zip(&manifest.partitions)) {
        let behind = end.saturating_sub(state.next_offset);
        if behind == 0 {
            continue;
        }
        lag.records += behind;
        let known = match state.known_until_ms {
            Some(known) => Some(known),
            None => recorded_at(log, partition, state.next_offset)?,
        };
        if let (Some(known), Some(newest)) = (known, recorded_at(log, partition, end - 1)?) {
            lag.milliseconds = lag.milliseconds.max(newest - known);
        }
    }
    Ok(lag)
}

/// When a record was recorded, in milliseconds; `None`: it is no event, or is damaged or missing, which others tell.
fn recorded_at(log: &dyn EventLog, partition: u16, offset: u64) -> Result<Option<i64>, ReadError> {
    let read = || {
        let mut reader = log.reader(partition, offset)?;
        let record = reader.next_batch(1)?.and_then(|batch| batch.iter().next());
        Ok(record.and_then(|record| EventView::parse(record.bytes).ok()).map(|event| event.recorded_at.0))
    };
    match read() {
        Err(ReadError::Missing { .. } | ReadError::Corrupt { .. } | ReadError::Gap { .. }) => Ok(None),
        read => read,
    }
}
