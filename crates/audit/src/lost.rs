//! Events that histories hold and the log does not: what is left to be told of what the log lost.

use std::collections::HashSet;

use contract::{IdHash, Subject};
use event_log::EventLog;
use projector::{Kept, Reader, StoreError, replay_partition};
use serde::Serialize;

/// So many ids of a partition are told.
const IDS_MAX: usize = 100;

/// What a partition of the log lacks of what histories hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The first offset at which histories say one of these events stood.
    pub from: u64,
    /// The offset after the last.
    pub until: u64,
    /// How many they are, each counted once.
    pub events: u64,
    /// Their ids as histories keep them, in the order of offsets: XXH3-64 of an event's id, in hex. No more than 100.
    pub ids: Vec<String>,
    /// Why only what base files hold was looked at, and not what came since; none: all was.
    pub bases_only: Option<String>,
}

/// What histories hold, and how much of it can be looked at.
pub(crate) struct Held<'a> {
    reader: &'a Reader,
    kept: Result<Kept, StoreError>,
}

impl<'a> Held<'a> {
    /// Opens what `reader` stands on, whatever log is there now. Nobody can project meanwhile.
    pub(crate) fn by(reader: &'a Reader) -> Held<'a> {
        Held { reader, kept: reader.stored() }
    }

    /// What the partition of the log, which begins at `begin`, lacks of this.
    pub(crate) fn lost(
        &self,
        log: &dyn EventLog,
        partition: u16,
        begin: u64,
        end: u64,
    ) -> Result<Option<Lost>, StoreError> {
        let mut there: HashSet<(Subject, IdHash)> = HashSet::new();
        if partition < log.partitions() {
            replay_partition(log, partition, begin..end, |subject, history| {
                there.extend(history.facts().iter().map(|fact| (subject, fact.id)));
                Ok(())
            })?;
        }
        let mut gone: Vec<(u64, Subject, IdHash)> = Vec::new();
        let visit = |subject: Subject, history: &history::History| {
            let is_gone = |fact: &&history::Fact| !there.contains(&(subject, fact.id));
            gone.extend(history.facts().iter().filter(is_gone).map(|fact| (fact.offset, subject, fact.id)));
            Ok(())
        };
        let bases_only = match &self.kept {
            Ok(kept) => {
                kept.visit_stored(partition, visit)?;
                None
            }
            Err(error) => {
                self.reader.visit_base(partition, visit)?;
                Some(error.to_string())
            }
        };
        gone.sort_unstable();
        let Some((until, from)) = gone.last().map(|last| (last.0 + 1, gone[0].0)) else { return Ok(None) };
        let mut seen = HashSet::new();
        gone.retain(|(_, subject, id)| seen.insert((*subject, *id)));
        let ids = gone.iter().take(IDS_MAX).map(|(.., id)| format!("{:016x}", id.0)).collect();
        Ok(Some(Lost { from, until, events: gone.len() as u64, ids, bases_only }))
    }
}
