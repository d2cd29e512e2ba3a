//! A log copied into another one, record by record, each to the offset it had.

use std::collections::VecDeque;

use contract::EventView;

use crate::{Append, AppendError, BATCH_RECORDS_MAX, EventLog, Flaw, ReadError, Ticket};

/// How much of the log is read at once.
const READ_BYTES: usize = 1 << 20;
/// So many batches are under way together.
const UNDER_WAY: usize = 8;
/// After so many batches whose fate is unknown in a row nobody tries on.
const TRIES: u32 = 10;

/// What a copy came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Records that both logs hold now.
    pub records: u64,
    /// Of them those that were there before.
    pub there_before: u64,
    /// Records with a flaw: the copy has an empty record in the place of each, which is set aside as the flawed one was.
    pub flawed: u64,
    /// Records that the log lacks: the copy has an empty record in the place of each.
    pub filled: u64,
    /// BLAKE3 over the records of both, partition by partition, with empty ones in the place of those.
    pub digest: [u8; 32],
}

/// Why a log could not be copied. What was copied stays, and is gone on from the next time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The logs do not go together.
    #[error("{0}")]
    Refused(String),
    /// One of them cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The copy takes no records.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// What is given up or filled on the way.
#[derive(Clone, Copy, Debug, Default)]
pub struct CopyOptions {
    /// Put an empty record in the place of each that the log lacks, instead of stopping.
    pub fill_missing: bool,
}

/// Copies what `from` holds now and `to` does not, then compares all of both. `progress` is told how many records of how many
/// are there.
///
/// # Errors
/// When they have not as many partitions, or `to` holds something else than `from`; when one of them fails.
pub fn copy(
    from: &dyn EventLog,
    to: &dyn EventLog,
    options: CopyOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Copied, CopyError> {
    let (has, other) = (from.partitions(), to.partitions());
    if has != other {
        return Err(CopyError::Refused(format!(
            "the log has {has} partitions and the copy {other}: records keep their places, so both must have as many"
        )));
    }
    let ends = from.ends()?;
    let total = ends.iter().sum();
    let begun = to.ends()?;
    if let Some((partition, (end, copied))) =
        ends.iter().zip(&begun).enumerate().find(|(_, (end, copied))| copied > end)
    {
        return Err(CopyError::Refused(format!(
            "the copy holds {copied} records of partition {partition}, the log {end}: it is the copy of another log, or somebody \
             wrote to it"
        )));
    }
    let mut copied = Copied { there_before: begun.iter().sum(), ..Copied::default() };
    let mut done = copied.there_before;
    for (partition, end) in (0..).zip(&ends) {
        let mut tries = 0;
        loop {
            match append(from, to, partition, *end, options, &mut |records| progress(done + records, total)) {
                // What of it is there says the copy itself.
                Err(CopyError::Append(AppendError::Unknown { .. })) if tries < TRIES => tries += 1,
                appended => {
                    done += appended?;
                    break;
                }
            }
        }
    }
    let mut hash = (blake3::Hasher::new(), blake3::Hasher::new());
    for (partition, end) in (0..).zip(&ends) {
        let (flawed, filled) = digest(from, partition, *end, options, &mut hash.0)?;
        copied.flawed += flawed;
        copied.filled += filled;
        digest(to, partition, *end, CopyOptions::default(), &mut hash.1)?;
        let (one, other) = (hash.0.finalize(), hash.1.finalize());
        if one != other {
            return Err(CopyError::Refused(format!(
                "partition {partition} of the copy does not hold what the log holds (BLAKE3 {} and {}): it was the copy of \
                 another log, or somebody wrote to it; copy into an empty place",
                one.to_hex(),
                other.to_hex()
            )));
        }
        copied.digest = *one.as_bytes();
    }
    copied.records = total;
    Ok(copied)
}

/// What stands at the next offsets of a log that may lack some.
enum Piece<'a> {
    Records(crate::RecordBatch<'a>),
    Missing(u64),
}

/// Visits a partition from an offset to before `end`.
fn visit(
    log: &dyn EventLog,
    partition: u16,
    from: u64,
    end: u64,
    options: CopyOptions,
    take: &mut dyn FnMut(Piece<'_>) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let mut next = from;
    while next < end {
        let mut reader = log.reader(partition, next)?;
        loop {
            match reader.next_batch(READ_BYTES) {
                Ok(Some(batch)) => {
                    next = batch.next_offset();
                    take(Piece::Records(batch))?;
                }
                Ok(None) => return Ok(()),
                Err(ReadError::Missing { until, .. }) if options.fill_missing && until > next => {
                    // However many are missing, no more of them are filled at once than a batch may have.
                    let until = until.min(end).min(next + BATCH_RECORDS_MAX as u64);
                    take(Piece::Missing(until - next))?;
                    next = until;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            if next >= end {
                break;
            }
        }
    }
    Ok(())
}

/// Appends what the copy lacks of a partition; says how many records that were.
fn append(
    from: &dyn EventLog,
    to: &dyn EventLog,
    partition: u16,
    end: u64,
    options: CopyOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, CopyError> {
    let begun = to.ends()?[usize::from(partition)];
    let mut under_way: VecDeque<(u64, Ticket)> = VecDeque::new();
    let (mut next, mut done) = (begun, 0);
    let mut land = |(first, ticket): (u64, Ticket)| -> Result<(), CopyError> {
        let offsets = ticket.wait()?;
        if !offsets.iter().zip(first..).all(|(offset, expected)| *offset == expected) {
            return Err(CopyError::Refused(format!(
                "somebody else writes to partition {partition} of the copy: stop it, and copy into an empty place"
            )));
        }
        done += offsets.len() as u64;
        progress(done);
        Ok(())
    };
    let mut send = |keyed: &[(Vec<u8>, Vec<u8>)]| -> Result<(), CopyError> {
        let batch: Vec<Append<'_>> =
            keyed.iter().map(|(key, bytes)| Append { partition, key, bytes }).collect();
        if under_way.len() >= UNDER_WAY
            && let Some(oldest) = under_way.pop_front()
        {
            land(oldest)?;
        }
        under_way.push_back((next, to.append_async(&batch)?));
        next += batch.len() as u64;
        Ok(())
    };
    visit(from, partition, begun, end, options, &mut |piece| {
        let keyed: Vec<(Vec<u8>, Vec<u8>)> = match piece {
            Piece::Records(batch) => batch
                .iter()
                .take_while(|record| record.offset < end)
                .map(|record| match record.flaw {
                    Some(_) => Default::default(),
                    None => (key_of(record.bytes), record.bytes.to_vec()),
                })
                .collect(),
            Piece::Missing(count) => vec![Default::default(); usize::try_from(count).unwrap_or(usize::MAX)],
        };
        keyed.chunks(BATCH_RECORDS_MAX / 16).try_for_each(&mut send)
    })?;
    under_way.into_iter().try_for_each(&mut land)?;
    Ok(done)
}

/// The key a record has where records have keys: whom the event is about.
fn key_of(bytes: &[u8]) -> Vec<u8> {
    EventView::parse(bytes).map(|event| event.subject.0.to_vec()).unwrap_or_default()
}

/// Adds the records of a partition to a digest; says how many have a flaw and how many are missing.
fn digest(
    log: &dyn EventLog,
    partition: u16,
    end: u64,
    options: CopyOptions,
    hash: &mut blake3::Hasher,
) -> Result<(u64, u64), CopyError> {
    let (mut flawed, mut missing) = (0, 0);
    let mut add = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    visit(log, partition, 0, end, options, &mut |piece| {
        match piece {
            Piece::Records(batch) => {
                for record in batch.iter().take_while(|record| record.offset < end) {
                    // An empty record is one that stands for another; of one that is too large the bytes are not given.
                    let stands_for_another =
                        !matches!(record.flaw, None | Some(Flaw::TooLarge)) && record.bytes.is_empty();
                    flawed += u64::from(record.flaw.is_some() && !stands_for_another);
                    add(if record.flaw.is_some() { &[] } else { record.bytes });
                }
            }
            Piece::Missing(count) => {
                missing += count;
                (0..count).for_each(|_| add(&[]));
            }
        }
        Ok(())
    })?;
    hash.update(&end.to_le_bytes());
    Ok((flawed, missing))
}
