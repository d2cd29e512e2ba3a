//! The books of the log: records = distinct events + copies + set aside, counted twice by different code.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use contract::{EventId, Subject, v1::event::Body};
use event_log::{Checkpoint, EventLog, ReadError};
use history::{Resolver, SetAside};
use projector::{
    Manifest, Options, PartitionState, Reader, Replayed, StoreError, in_parallel, replay_partition,
};
use serde::Serialize;

use crate::{
    lost::{Held, Lost},
    replay::AuditError,
};

/// How much of the log is asked for at once.
const READ_BYTES: usize = 4 << 20;

/// The books of every partition.
#[derive(Debug, Clone, Serialize)]
pub struct Census {
    /// One a partition.
    pub partitions: Vec<PartitionCensus>,
    /// What does not balance, in words.
    pub findings: Vec<String>,
}

/// The books of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PartitionCensus {
    /// Which.
    pub partition: u16,
    /// Where the log begins: past 0, records were deleted.
    pub begin: u64,
    /// Where the log ends.
    pub end: u64,
    /// Records read, each at the offset after the last one's.
    pub records: u64,
    /// Different events, each counted once for the subject it stands with.
    pub events: u64,
    /// Records that hold an event again.
    pub copies: u64,
    /// Records that hold no event this build can read: offset and reason.
    pub set_aside: Vec<(u64, String)>,
    /// Where events stand of which another content came under the same id; one of the two does not count.
    pub conflicts: Vec<u64>,
    /// Where events stand that take themselves back, directly or in a circle; none of them counts.
    pub circles: Vec<u64>,
    /// Where the figures stand; none: nothing was projected.
    pub projected: Option<u64>,
    /// Histories so long that the projector folds them late: subject and facts.
    pub quarantined: Vec<(String, u64)>,
    /// Why the partition cannot be read further.
    pub stopped: Option<String>,
    /// Events that histories hold and the log does not, looked for where something does not balance.
    pub lost: Option<Lost>,
}

impl Census {
    /// Whether everything balances.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Counts the records of the log, by the bytes alone and as histories have them, and compares both with each other and with
/// what the last snapshot says, and where they differ with the histories it stands on (`stored`).
///
/// # Errors
/// When the log cannot be read at all, or a stored history.
pub fn census(log: &dyn EventLog, stored: Option<&Reader>) -> Result<Census, AuditError> {
    let manifest = stored.map(Reader::manifest);
    let (begins, ends) = (log.begins()?, log.ends()?);
    let numbers: Vec<u16> = (0..log.partitions()).collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let counted = in_parallel(workers, &numbers, Vec::new, |counted, partition| {
        let at = usize::from(*partition);
        counted.push(count(log, *partition, begins[at]..ends[at], manifest)?);
        Ok(())
    })?;
    let mut counted: Vec<(PartitionCensus, Vec<String>)> = counted.into_iter().flatten().collect();
    counted.sort_by_key(|(partition, _)| partition.partition);
    let mut census = Census { partitions: Vec::new(), findings: Vec::new() };
    if let Some(manifest) = manifest {
        if manifest.log != log.id().to_string() {
            census.findings.push(format!(
                "the figures are of the log {}, this is {}",
                manifest.log,
                log.id()
            ));
        }
        if manifest.partitions.len() != numbers.len() {
            let (figures, has) = (manifest.partitions.len(), numbers.len());
            census.findings.push(format!("the figures are of {figures} partitions, the log has {has}"));
        }
    }
    let is_of_another = !census.findings.is_empty();
    let unstable = log.unstable()?;
    census
        .findings
        .extend(unstable.into_iter().map(|(partition, at, end)| open_transaction(partition, at, end)));
    let mut held = None;
    for (mut partition, mut findings) in counted {
        let number = partition.partition;
        if let Some(stored) = stored.filter(|_| is_of_another || !findings.is_empty()) {
            let held = held.get_or_insert_with(|| Held::by(stored));
            partition.lost = held.lost(log, number, partition.begin, partition.end)?;
            findings.extend(partition.lost.as_ref().map(lost_in_words));
        }
        census.findings.extend(findings.into_iter().map(|finding| format!("partition {number}: {finding}")));
        census.partitions.push(partition);
    }
    Ok(census)
}

/// A transaction that was not ended holds up a partition `at` an offset, before its `end`, in words.
#[must_use]
pub fn open_transaction(partition: u16, at: u64, end: u64) -> String {
    format!(
        "partition {partition} cannot be read past offset {at}: a transaction that was not ended holds up what stands there to {}; \
         only producers without transactions may write to the log, see `vertebra topics check`",
        end - 1
    )
}

fn count(
    log: &dyn EventLog,
    partition: u16,
    Range { start: begin, end }: Range<u64>,
    manifest: Option<&Manifest>,
) -> Result<(PartitionCensus, Vec<String>), StoreError> {
    let state = manifest.and_then(|manifest| manifest.partitions.get(usize::from(partition)));
    let long = Options::default().quarantine_facts;
    let (mut conflicts, mut circles, mut quarantined) = (Vec::new(), Vec::new(), Vec::new());
    let mut resolver = Resolver::new();
    let engine = replay_partition(log, partition, begin..end, |subject, history| {
        let facts = history.facts().len();
        if facts > long {
            quarantined.push((subject.to_string(), facts as u64));
        }
        resolver.view(history, None);
        for aside in resolver.set_aside() {
            let (id, offsets) = match aside {
                SetAside::Conflict(id) => (id, &mut conflicts),
                SetAside::Circle(id) => (id, &mut circles),
            };
            let first = history.facts().iter().filter(|fact| fact.id == *id).map(|fact| fact.offset).min();
            offsets.extend(first);
        }
        Ok(())
    })?;
    conflicts.sort_unstable();
    circles.sort_unstable();
    let mut books = PartitionCensus {
        partition,
        begin,
        end,
        projected: state.map(|state| state.next_offset),
        set_aside: engine.set_aside.clone(),
        conflicts,
        circles,
        quarantined,
        ..PartitionCensus::default()
    };
    let mut findings = Vec::new();
    if begin > 0 {
        findings
            .push(format!("the log begins at offset {begin}: what stood at 0 to {} was deleted", begin - 1));
    }
    let last = state.and_then(|state| Some((state.next_offset.checked_sub(1)?, state.last_hash.as_deref()?)));
    if let Err(error) = count_bytes(log, &mut books, last, &mut findings) {
        findings.push(error.to_string());
        books.stopped = Some(error.to_string());
    } else if begin + books.records != end {
        findings.push(format!("the log says it ends at {end}, {} records could be read", books.records));
    }
    check_engine(&books, &engine, &mut findings);
    if let Some(state) = state {
        check_state(&books, &engine, state, &mut findings);
    }
    Ok((books, findings))
}

/// What became of the records as the engine reads them, against what the bytes say.
fn check_engine(books: &PartitionCensus, engine: &Replayed, findings: &mut Vec<String>) {
    let aside = engine.set_aside.len() as u64;
    let read = engine.next_offset - books.begin;
    if engine.facts + aside != read || read != books.records {
        findings.push(format!(
            "of {} records {read} were read, {} became facts and {aside} were set aside",
            books.records, engine.facts
        ));
    }
    if engine.copies != books.copies {
        findings.push(format!("histories hold {} copies, the log {}", engine.copies, books.copies));
    }
}

/// What the last snapshot says of the partition, against the log.
fn check_state(
    books: &PartitionCensus,
    engine: &Replayed,
    state: &PartitionState,
    findings: &mut Vec<String>,
) {
    let at = state.next_offset;
    if at > books.end {
        findings.push(format!(
            "the figures stand at offset {at}, the log ends at {end}: it lost its end, what stood at {end} to {}",
            at - 1,
            end = books.end,
        ));
    }
    let aside = state.set_aside.len() as u64;
    if state.facts + aside != at {
        let facts = state.facts;
        findings.push(format!(
            "the figures stand at offset {at}, but hold {facts} facts and {aside} records set aside"
        ));
    }
    let before: Vec<&(u64, String)> = engine.set_aside.iter().filter(|(offset, _)| *offset < at).collect();
    let still_there = state.set_aside.iter().filter(|(offset, _)| *offset >= books.begin);
    if !before.iter().map(|(offset, _)| offset).eq(still_there.map(|(offset, _)| offset)) {
        findings.push(format!(
            "the figures set {aside} records aside, the log gives {} before offset {at}",
            before.len()
        ));
    }
    if books.begin == 0 && at == books.records && state.copies != books.copies {
        findings.push(format!("the figures hold {} copies, the log {}", state.copies, books.copies));
    }
    if let Some(why) = &state.stopped {
        findings.push(format!("the projector stopped at offset {at}: {why}"));
    }
}

fn lost_in_words(lost: &Lost) -> String {
    const SHOWN_MAX: usize = 20;
    let Lost { from, until, events, ids, bases_only } = lost;
    let shown = ids.len().min(SHOWN_MAX);
    let more = match events - shown as u64 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let only =
        bases_only.as_ref().map(|why| format!("; only base files were looked at: {why}")).unwrap_or_default();
    format!(
        "histories hold {events} events of offsets {from} to {} that the log does not give; the hashes of their ids: {}{more}{only}",
        until - 1,
        ids[..shown].join(", ")
    )
}

/// Reads the partition record by record, counts what is not set aside, and looks at what is. `last`: where the figures'
/// last record stands, and its hash.
fn count_bytes(
    log: &dyn EventLog,
    books: &mut PartitionCensus,
    last: Option<(u64, &str)>,
    findings: &mut Vec<String>,
) -> Result<(), ReadError> {
    let mut seen: HashSet<(Subject, EventId)> = HashSet::new();
    let aside: HashMap<u64, &str> =
        books.set_aside.iter().map(|(offset, reason)| (*offset, reason.as_str())).collect();
    let mut reader = log.reader(books.partition, books.begin)?;
    while books.begin + books.records < books.end {
        let Some(batch) = reader.next_batch(READ_BYTES)? else { break };
        for record in batch.iter().take_while(|record| record.offset < books.end) {
            let expected = books.begin + books.records;
            if record.offset != expected {
                findings.push(format!("offset {} stands where {expected} should", record.offset));
            }
            books.records += 1;
            let hash =
                |record| Checkpoint::after(record, None).last.map(|last| format!("{:016x}", last.hash));
            if let Some((offset, known)) = last
                && offset == record.offset
                && hash(&record).as_deref() != Some(known)
            {
                findings.push(format!(
                    "the record at offset {offset} is another than the figures stand on: the log was rewritten or replaced"
                ));
            }
            if let Some(reason) = aside.get(&record.offset) {
                if record.flaw.is_none() && is_sound(record.bytes) {
                    let offset = record.offset;
                    findings.push(format!("offset {offset} is a sound event, but was set aside: {reason}"));
                }
                continue;
            }
            match event_of(record.bytes).filter(|_| record.flaw.is_none()) {
                Some(event) if seen.insert(event) => books.events += 1,
                Some(_) => books.copies += 1,
                None => findings.push(format!(
                    "the record at offset {} is no event, but was not set aside",
                    record.offset
                )),
            }
        }
    }
    Ok(())
}

/// Whether intake would have let these bytes into the log.
fn is_sound(bytes: &[u8]) -> bool {
    let sound =
        |bytes: &[u8]| contract::decode(bytes).ok().filter(|event| contract::validate(event).is_empty());
    match sound(bytes).map(|event| event.body) {
        Some(Some(Body::CarriedEvent(carried))) => sound(&carried.event).is_some(),
        event => event.is_some(),
    }
}

/// Whom a record is about, and which event it holds; of a carried one the event inside.
fn event_of(bytes: &[u8]) -> Option<(Subject, EventId)> {
    let event = contract::decode(bytes).ok()?;
    let subject = Subject::try_from(&event.subject[..]).ok()?;
    let id = match event.body? {
        Body::CarriedEvent(carried) => contract::decode(&carried.event).ok()?.event_id,
        _ => event.event_id,
    };
    Some((subject, EventId::try_from(&id[..]).ok()?))
}

#[cfg(test)]
mod tests {
    use contract::{
        Day, EventId, Subject,
        v1::{self, SubjectKind, event::Body},
    };
    use event_log::{Append, EmbeddedLog};

    use super::*;

    #[test]
    fn a_sound_event_that_was_set_aside_is_found() {
        let moment = Day::new_year(2026).start().to_timestamp();
        let event = v1::Event {
            event_id: EventId([7; 16]).0.to_vec(),
            subject: Subject([1; 16]).0.to_vec(),
            subject_kind: SubjectKind::PersonalNumber.into(),
            emitter: "01004".to_owned(),
            record_key: "D-1".to_owned(),
            asserted_at: Some(moment),
            occurred_at: Some(moment),
            recorded_at: Some(moment),
            key_id: "0011223344556677".to_owned(),
            content_hash: vec![3; 16],
            authority: v1::Authority::Emitter.into(),
            body: Some(Body::PersonDied(v1::PersonDied { died_on: "2026-01-01".to_owned() })),
            ..v1::Event::default()
        };
        assert_eq!(contract::validate(&event), Vec::new());
        let unsound = v1::Event { emitter: String::new(), ..event.clone() };
        let records = [contract::encode(&event), contract::encode(&unsound), b"no event".to_vec()];
        let folder = tempfile::TempDir::new().expect("a folder");
        let log = EmbeddedLog::create(folder.path(), 1).expect("a log");
        let batch = records.each_ref().map(|bytes| Append { partition: 0, key: &[], bytes });
        log.append(&batch).expect("a disk");
        let set_aside = (0..3).map(|offset| (offset, "planted".to_owned())).collect();
        let mut books = PartitionCensus { end: 3, set_aside, ..PartitionCensus::default() };
        let mut findings = Vec::new();
        count_bytes(&log, &mut books, None, &mut findings).expect("a log that can be read");
        assert_eq!(findings, ["offset 0 is a sound event, but was set aside: planted"]);
    }
}
