//! What base files and delta rows have in common: how facts lie in them, and what gave none.

use contract::varint::{put, take, take_array, take_bytes};
use event_log::{Checkpoint, LastRecord};
use history::{CodeIndex, History};

/// Changes with what a fact says, and with the shape of one, of a block or of the meta: histories of another version are built
/// anew.
pub(crate) const VERSION: u32 = 5;

/// A record of the log that gave no fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetAsideRecord {
    /// Where it stands in the partition.
    pub offset: u64,
    /// Why; says nothing of its content.
    pub reason: String,
}

/// Adds `count` facts, encoded with `codes`, to `history`, perhaps not those that came at the offset `until` or later; `None`:
/// they are damaged.
pub(crate) fn decode_facts(
    count: usize,
    mut facts: &[u8],
    codes: &CodeIndex,
    until: u64,
    history: &mut History,
) -> Option<()> {
    for _ in 0..count {
        history.decode_before(until, &mut facts, codes).ok()?;
    }
    facts.is_empty().then_some(())
}

/// A checkpoint: next offset n | 0: the last record is not known, 1: its hash 8, 2: hash 8 and epoch n.
pub(crate) fn put_checkpoint(out: &mut Vec<u8>, checkpoint: Checkpoint) {
    put(out, checkpoint.next);
    match checkpoint.last {
        None => out.push(0),
        Some(LastRecord { hash, epoch }) => {
            out.push(1 + u8::from(epoch.is_some()));
            out.extend_from_slice(&hash.to_le_bytes());
            epoch.inspect(|epoch| put(out, u64::from(*epoch)));
        }
    }
}

pub(crate) fn take_checkpoint(bytes: &mut &[u8]) -> Option<Checkpoint> {
    let next = take(bytes)?;
    let [known] = take_array(bytes)?;
    let last = match known {
        0 => None,
        1 | 2 => {
            let hash = u64::from_le_bytes(take_array(bytes)?);
            let epoch = if known == 2 { Some(u32::try_from(take(bytes)?).ok()?) } else { None };
            Some(LastRecord { hash, epoch })
        }
        _ => return None,
    };
    Some(Checkpoint { next, last })
}

pub(crate) fn put_set_aside(out: &mut Vec<u8>, set_aside: &[SetAsideRecord]) {
    put(out, set_aside.len() as u64);
    for record in set_aside {
        put(out, record.offset);
        put(out, record.reason.len() as u64);
        out.extend_from_slice(record.reason.as_bytes());
    }
}

pub(crate) fn take_set_aside(bytes: &mut &[u8]) -> Option<Vec<SetAsideRecord>> {
    let mut records = Vec::new();
    for _ in 0..take(bytes)? {
        let offset = take(bytes)?;
        let length = take(bytes)? as usize;
        let reason = String::from_utf8(take_bytes(bytes, length)?.to_vec()).ok()?;
        records.push(SetAsideRecord { offset, reason });
    }
    Some(records)
}
