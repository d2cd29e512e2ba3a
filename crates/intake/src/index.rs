//! What intake knows of the past, on disk: derived from the log, and thrown away and built again where it does not fit.
//!
//! | tree | key | value |
//! |---|---|---|
//! | events | event id | partition, offset of the first copy |
//! | records | hash of (emitter, record key), kind | the version that counts: whose, when, which event |
//! | takings | event id, id of an event that corrects or voids it, at its emitter's word | |
//! | persons | subject | slot in the file of keys |
//! | meta | `clock`, `slots`, `next` + partition | the latest recorded_at, indexed slots, next offset |
//! | each | `log` | the log's id, and the rows' format |
//!
//! One write batch carries the rows of some log records together with the offsets after them, so that a crash leaves rows
//! and offsets that fit; what the log has beyond them is read again on open.

mod error;

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use contract::{EventId, EventView, IdHash, Kind, Millis, Subject, retraction_key, v1::SubjectKind};
use event_log::{EventLog, Position};
use fastbloom::BloomFilter;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, config::PartitioningPolicy};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

pub use error::IndexError;

/// Format of the rows. Another one is built again.
const FORMAT: u8 = 4;
/// A file of this name in the folder says that damage was met while reading: the next to open builds the index again.
const DAMAGED: &str = "damaged";
/// Log records that are indexed together while catching up: about 100 MB of rows.
const CATCH_UP_RECORDS: usize = 300_000;
const CATCH_UP_BYTES: usize = 4 << 20;
/// From so many events on rows are sorted and written as tables at once, past the store's journal and its tables in
/// memory, where half of the time would go.
const BULK_EVENTS: usize = 20_000;
const CACHE_BYTES: u64 = 32 << 20;
/// Bits for each row: one false alarm in a hundred.
const SEEN_BITS: usize = 10;
/// What the store keeps in memory before it writes a table, for each tree: small, because searching it is what an insert
/// costs.
const MEMORY_TABLE_BYTES: u64 = 16 << 20;
/// Read again on open; the least the store takes.
const JOURNAL_BYTES: u64 = 64 << 20;

/// The version of a record that counts: of one emitter, record key and kind, the greatest (asserted_at, recorded_at, id
/// hash).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) asserted_at: Millis,
    pub(crate) recorded_at: Millis,
    pub(crate) event_id: EventId,
    pub(crate) subject: Subject,
    pub(crate) subject_kind: SubjectKind,
    pub(crate) occurred_at: Millis,
    pub(crate) withdrawn: bool,
}

impl Version {
    pub(crate) fn order(&self) -> (Millis, Millis, IdHash) {
        (self.asserted_at, self.recorded_at, self.event_id.hash())
    }

    fn encode(&self) -> [u8; 58] {
        let mut row = [0; 58];
        row[..8].copy_from_slice(&self.asserted_at.0.to_le_bytes());
        row[8..16].copy_from_slice(&self.recorded_at.0.to_le_bytes());
        row[16..32].copy_from_slice(&self.event_id.0);
        row[32..48].copy_from_slice(&self.subject.0);
        row[48] = self.subject_kind as i32 as u8;
        row[49] = u8::from(self.withdrawn);
        row[50..].copy_from_slice(&self.occurred_at.0.to_le_bytes());
        row
    }

    fn decode(row: &[u8]) -> Option<Version> {
        let eight = |at: usize| row.get(at..at + 8)?.try_into().ok().map(i64::from_le_bytes).map(Millis);
        Some(Version {
            asserted_at: eight(0)?,
            recorded_at: eight(8)?,
            event_id: EventId::try_from(row.get(16..32)?).ok()?,
            subject: Subject::try_from(row.get(32..48)?).ok()?,
            subject_kind: SubjectKind::try_from(i32::from(*row.get(48)?)).ok()?,
            withdrawn: *row.get(49)? != 0,
            occurred_at: eight(50)?,
        })
    }
}

/// A record of an emitter: 128 bits, because unlike facts it is compared across all people.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RecordName([u8; 16]);

impl RecordName {
    pub(crate) fn new(emitter: &str, record_key: &str) -> RecordName {
        let mut name = Vec::with_capacity(1 + emitter.len() + record_key.len());
        // A code has at most 32 bytes, and neither holds control characters.
        name.extend_from_slice(emitter.as_bytes());
        name.push(0);
        name.extend_from_slice(record_key.as_bytes());
        RecordName(xxh3_128(&name).to_be_bytes())
    }

    fn row(self, kind: Kind) -> [u8; 18] {
        let mut row = [0; 18];
        row[..16].copy_from_slice(&self.0);
        row[16..].copy_from_slice(&(kind.number() as u16).to_be_bytes());
        row
    }
}

/// Rows that are not in the store yet.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) events: HashMap<EventId, Position>,
    records: HashMap<RecordName, Vec<(Kind, Version)>>,
    takings: HashMap<EventId, Vec<EventId>>,
    pub(crate) persons: HashMap<Subject, u64>,
    next: HashMap<u16, u64>,
    clock: Option<Millis>,
    slots: Option<u64>,
}

impl Pending {
    /// Notes a version of a record, where it is the greatest so far.
    pub(crate) fn note(&mut self, name: RecordName, kind: Kind, version: Version) {
        let versions = self.records.entry(name).or_default();
        match versions.iter_mut().find(|(of, _)| *of == kind) {
            Some((_, known)) if known.order() >= version.order() => {}
            Some((_, known)) => *known = version,
            None => versions.push((kind, version)),
        }
    }

    /// Notes that the event `by` corrects or voids `event`.
    pub(crate) fn note_taking(&mut self, event: EventId, by: EventId) {
        self.takings.entry(event).or_default().push(by);
    }

    /// Notes that all of a partition before `offset` is in the index.
    pub(crate) fn reached(&mut self, partition: u16, offset: u64) {
        let next = self.next.entry(partition).or_default();
        *next = (*next).max(offset);
    }
}

/// What was noted since the index began, give or take one in a hundred: two looks into the store for each record of the log
/// would take most of the time of building it.
struct Seen(BloomFilter);

impl Seen {
    /// For the rows of so many records.
    fn new(records: u64) -> Seen {
        let rows = usize::try_from(records).unwrap_or(usize::MAX / 32).max(1) * 2;
        Seen(BloomFilter::with_num_bits(rows * SEEN_BITS).expected_items(rows))
    }

    /// Whether a row of this key was certainly not noted before; it is now.
    fn first(&mut self, key: &[u8]) -> bool {
        !self.0.insert_hash(xxh3_64(key))
    }
}

/// The index.
pub(crate) struct Index {
    path: PathBuf,
    database: Database,
    events: Keyspace,
    records: Keyspace,
    takings: Keyspace,
    persons: Keyspace,
    meta: Keyspace,
    next: Vec<u64>,
    clock: Millis,
    slots: u64,
    rebuilt: Option<String>,
}

impl Index {
    /// Opens the index of `log`. Where there is none, where it is another log's or another version's and where it is
    /// damaged, a new one begins; where the machine refuses, it is left as it is.
    pub(crate) fn open(path: &Path, log: &dyn EventLog) -> Result<Index, IndexError> {
        let why = match Index::open_as_is(path, log) {
            Ok(Some(index)) => return Ok(index),
            Ok(None) => "it is of another log or version, ahead of its log, or lacks a part".to_owned(),
            Err(IndexError::Damaged { source, .. }) => format!("it cannot be read: {source}"),
            Err(error) => return Err(error),
        };
        tracing::warn!(path = %path.display(), why, "intake's index is thrown away and built again from the log");
        let folder = |source| IndexError::Folder { path: path.into(), source };
        fs::remove_dir_all(path).map_err(folder)?;
        let index = Index::open_as_is(path, log)?;
        let index = index.ok_or_else(|| folder(io::Error::other("a new index does not fit its log")))?;
        Ok(Index { rebuilt: Some(why), ..index })
    }

    /// Why the index was thrown away and built again when it was opened, if it was.
    pub(crate) fn rebuilt(&self) -> Option<&str> {
        self.rebuilt.as_deref()
    }

    fn open_as_is(path: &Path, log: &dyn EventLog) -> Result<Option<Index>, IndexError> {
        fs::create_dir_all(path).map_err(|source| IndexError::Folder { path: path.into(), source })?;
        let noted = path.join(DAMAGED).try_exists();
        if noted.map_err(|source| IndexError::Folder { path: path.into(), source })? {
            let source = Box::new(fjall::Error::Unrecoverable);
            return Err(IndexError::Damaged { path: path.into(), source });
        }
        let failed = |error| IndexError::of_store(path, error);
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()
            .map_err(failed)?;
        // Filters and indexes of large tables in pieces: a whole filter is a megabyte, a lookup needs four kilobytes of it.
        let in_pieces = || PartitioningPolicy::new([false, true]);
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMORY_TABLE_BYTES)
                .filter_block_partitioning_policy(in_pieces())
                .index_block_partitioning_policy(in_pieces())
        };
        let keyspace = |name: &str| database.keyspace(name, options).map_err(failed);
        let (events, records, takings) = (keyspace("events")?, keyspace("records")?, keyspace("takings")?);
        let (persons, meta) = (keyspace("persons")?, keyspace("meta")?);
        let mut identity = log.id().0.to_vec();
        identity.push(FORMAT);
        let trees = [&events, &records, &takings, &persons, &meta];
        if meta.get("log").map_err(failed)?.is_none() {
            let mut batch = database.batch();
            trees.iter().for_each(|tree| batch.insert(tree, "log", identity.as_slice()));
            batch.commit().map_err(failed)?;
        }
        // The store takes a tree whose files are gone for a new one: each says whose it is.
        for tree in trees {
            if tree.get("log").map_err(failed)?.is_none_or(|found| *found != *identity) {
                return Ok(None);
            }
        }
        let number = |key: &[u8]| -> Result<u64, IndexError> {
            let row = meta.get(key).map_err(failed)?;
            Ok(row.and_then(|row| row[..].try_into().ok()).map_or(0, u64::from_le_bytes))
        };
        let next = (0..log.partitions()).map(|at| number(&next_row(at))).collect::<Result<Vec<_>, _>>()?;
        let clock = Millis(number(b"clock")? as i64);
        let slots = number(b"slots")?;
        // An index that is ahead of its log has seen records that the log has lost: it cannot be trusted.
        if next.iter().zip(log.ends()?).any(|(next, end)| *next > end) {
            return Ok(None);
        }
        Ok(Some(Index {
            path: path.into(),
            database,
            events,
            records,
            takings,
            persons,
            meta,
            next,
            clock,
            slots,
            rebuilt: None,
        }))
    }

    fn failed(&self) -> impl Fn(fjall::Error) -> IndexError + '_ {
        |error| {
            let error = IndexError::of_store(&self.path, error);
            if matches!(error, IndexError::Damaged { .. })
                && let Err(error) = fs::write(self.path.join(DAMAGED), [])
            {
                tracing::warn!(path = %self.path.display(), %error, "cannot note that intake's index is damaged");
            }
            error
        }
    }

    /// Reads what the log has beyond the index. Says how many records that were.
    pub(crate) fn catch_up(&mut self, log: &dyn EventLog) -> Result<u64, IndexError> {
        let ends = log.ends()?;
        let is_new = self.next.iter().all(|next| *next == 0);
        let mut seen = is_new.then(|| Seen::new(ends.iter().sum()));
        let (mut count, mut records) = (0, 0);
        let mut pending = Pending::default();
        for partition in 0..log.partitions() {
            let (from, end) = (self.next[usize::from(partition)], ends[usize::from(partition)]);
            if from == end {
                continue;
            }
            let mut reader = log.reader(partition, from)?;
            while let Some(batch) = reader.next_batch(CATCH_UP_BYTES)? {
                // What somebody else wrote is no event that was taken in here.
                for record in batch.iter().filter(|record| record.flaw.is_none()) {
                    let position = Position { partition, offset: record.offset };
                    self.learn(&mut pending, seen.as_mut(), position, record.bytes)?;
                }
                pending.reached(partition, batch.next_offset());
                records += batch.len();
                count += batch.len() as u64;
                if records >= CATCH_UP_RECORDS {
                    self.write(std::mem::take(&mut pending))?;
                    records = 0;
                }
            }
        }
        self.write(pending)?;
        Ok(count)
    }

    /// Whose sealed fields stand in what the log has beyond the index.
    pub(crate) fn sealed_beyond(&self, log: &dyn EventLog) -> Result<HashSet<Subject>, IndexError> {
        let mut subjects = HashSet::new();
        for (partition, (from, end)) in (0..).zip(self.next.iter().copied().zip(log.ends()?)) {
            if from == end {
                continue;
            }
            let mut reader = log.reader(partition, from)?;
            while let Some(batch) = reader.next_batch(CATCH_UP_BYTES)? {
                for record in batch.iter().filter(|record| record.flaw.is_none()) {
                    // What cannot be read cannot be opened with any key; what was carried is sealed where it came from.
                    let Ok(event) = contract::decode(record.bytes) else { continue };
                    if (event.person.is_some() || event.restricted.is_some())
                        && let Ok(subject) = Subject::try_from(&event.subject[..])
                    {
                        subjects.insert(subject);
                    }
                }
            }
        }
        Ok(subjects)
    }

    /// Notes what one record of the log says. `seen`: all that the index may hold.
    fn learn(
        &self,
        pending: &mut Pending,
        seen: Option<&mut Seen>,
        position: Position,
        bytes: &[u8],
    ) -> Result<(), IndexError> {
        let view = match EventView::parse(bytes) {
            Ok(view) => view,
            Err(error) => {
                // Projectors set it aside and count it; it can be no duplicate of anything.
                tracing::warn!(%position, %error, "a record that cannot be read was left out of intake's index");
                return Ok(());
            }
        };
        pending.clock = pending.clock.max(Some(view.recorded_at));
        if view.kind == Kind::CarriedEvent {
            return Ok(());
        }
        // A retraction is no version of a record.
        let name = (view.kind != Kind::Retraction)
            .then(|| RecordName::new(view.emitter.as_str(), view.record_key.as_str()));
        let (event_is_new, record_is_new) = match seen {
            Some(seen) => {
                (seen.first(&view.event_id.0), name.is_some_and(|name| seen.first(&name.row(view.kind))))
            }
            None => (false, false),
        };
        if event_is_new || self.event(pending, view.event_id)?.is_none() {
            pending.events.insert(view.event_id, position);
        }
        // What intake takes back of its own stands elsewhere, or is to.
        let is_own = |target| name.is_none() && view.record_key.as_str() == retraction_key(target);
        if let Some(target) = view.voids.or(view.corrects).filter(|target| !is_own(*target)) {
            pending.note_taking(target, view.event_id);
        }
        let Some(name) = name else { return Ok(()) };
        let version = Version {
            asserted_at: view.asserted_at,
            recorded_at: view.recorded_at,
            event_id: view.event_id,
            subject: view.subject,
            subject_kind: view.subject_kind,
            occurred_at: view.occurred_at,
            withdrawn: view.withdrawn,
        };
        if record_is_new
            || self.version(pending, name, view.kind)?.is_none_or(|known| known.order() < version.order())
        {
            pending.note(name, view.kind, version);
        }
        Ok(())
    }

    /// Where the first copy of an event is.
    pub(crate) fn event(&self, pending: &Pending, id: EventId) -> Result<Option<Position>, IndexError> {
        if let Some(position) = pending.events.get(&id) {
            return Ok(Some(*position));
        }
        let row = self.events.get(id.0).map_err(self.failed())?;
        Ok(row.and_then(|row| row[..].try_into().ok()).map(|row: [u8; 8]| {
            let packed = u64::from_be_bytes(row);
            Position { partition: (packed >> 48) as u16, offset: packed & ((1 << 48) - 1) }
        }))
    }

    /// The version that counts of a record and kind.
    pub(crate) fn version(
        &self,
        pending: &Pending,
        name: RecordName,
        kind: Kind,
    ) -> Result<Option<Version>, IndexError> {
        let waiting =
            pending.records.get(&name).and_then(|versions| versions.iter().find(|(of, _)| *of == kind));
        if let Some((_, version)) = waiting {
            return Ok(Some(*version));
        }
        let row = self.records.get(name.row(kind)).map_err(self.failed())?;
        Ok(row.and_then(|row| Version::decode(&row)))
    }

    /// The events that correct or void an event at its emitter's word, themselves in force or not: at most `most` of them.
    pub(crate) fn takings(
        &self,
        pending: &Pending,
        event: EventId,
        most: usize,
    ) -> Result<Vec<EventId>, IndexError> {
        let mut by: Vec<EventId> =
            pending.takings.get(&event).into_iter().flatten().copied().take(most).collect();
        for row in self.takings.prefix(event.0).take(most - by.len()) {
            let row = row.key().map_err(self.failed())?;
            by.extend(row.get(16..).and_then(|id| EventId::try_from(id).ok()));
        }
        Ok(by)
    }

    /// The latest version of a record, of whatever kind: whose it is.
    pub(crate) fn latest(&self, pending: &Pending, name: RecordName) -> Result<Option<Version>, IndexError> {
        let waiting = pending.records.get(&name).into_iter().flatten().map(|(_, version)| *version);
        let mut latest = waiting.max_by_key(Version::order);
        for row in self.records.prefix(name.0) {
            let (_, row) = row.into_inner().map_err(self.failed())?;
            latest = latest.into_iter().chain(Version::decode(&row)).max_by_key(Version::order);
        }
        Ok(latest)
    }

    /// The slot of a person's key.
    pub(crate) fn slot(&self, pending: &Pending, subject: Subject) -> Result<Option<u64>, IndexError> {
        if let Some(slot) = pending.persons.get(&subject) {
            return Ok(Some(*slot));
        }
        let row = self.persons.get(subject.0).map_err(self.failed())?;
        Ok(row.and_then(|row| row[..].try_into().ok()).map(u64::from_le_bytes))
    }

    /// Slots of the file of keys that are in the index.
    pub(crate) fn slots(&self) -> u64 {
        self.slots
    }

    /// Notes slots of the file of keys, all before `slots` included.
    pub(crate) fn note_slots(
        &mut self,
        persons: HashMap<Subject, u64>,
        slots: u64,
    ) -> Result<(), IndexError> {
        self.write(Pending { persons, slots: Some(slots), ..Pending::default() })
    }

    /// The latest `recorded_at` in the log.
    pub(crate) fn clock(&self) -> Millis {
        self.clock
    }

    /// Whether the log has no records beyond the index, by its ends.
    pub(crate) fn next(&self) -> &[u64] {
        &self.next
    }

    /// Writes rows of events and records that are many, sorted. A crash in between leaves rows without the offsets that
    /// say they are there: they are written again.
    fn write_bulk(&self, pending: &mut Pending) -> Result<(), IndexError> {
        let mut events: Vec<([u8; 16], [u8; 8])> =
            pending.events.drain().map(|(id, position)| (id.0, packed(position))).collect();
        events.sort_unstable();
        let mut rows = self.events.start_ingestion().map_err(self.failed())?;
        for (id, position) in events {
            rows.write(id, position).map_err(self.failed())?;
        }
        rows.finish().map_err(self.failed())?;

        let records = pending.records.drain().flat_map(|(name, versions)| {
            versions.into_iter().map(move |(kind, version)| (name.row(kind), version.encode()))
        });
        let mut records: Vec<([u8; 18], [u8; 58])> = records.collect();
        records.sort_unstable();
        let mut rows = self.records.start_ingestion().map_err(self.failed())?;
        for (name, version) in records {
            rows.write(name, version).map_err(self.failed())?;
        }
        rows.finish().map_err(self.failed())
    }

    /// Writes the rows, and with them what they reach to.
    pub(crate) fn write(&mut self, mut pending: Pending) -> Result<(), IndexError> {
        if pending.events.len() >= BULK_EVENTS {
            self.write_bulk(&mut pending)?;
        }
        let Pending { events, records, takings, persons, next, clock, slots } = pending;
        let mut batch: OwnedWriteBatch = self.database.batch();
        for (id, position) in events {
            batch.insert(&self.events, id.0, packed(position));
        }
        for (name, versions) in records {
            for (kind, version) in versions {
                batch.insert(&self.records, name.row(kind), version.encode());
            }
        }
        for (event, by) in
            takings.into_iter().flat_map(|(event, by)| by.into_iter().map(move |by| (event, by)))
        {
            batch.insert(&self.takings, [event.0, by.0].concat(), "");
        }
        for (subject, slot) in persons {
            batch.insert(&self.persons, subject.0, slot.to_le_bytes());
        }
        for (partition, offset) in &next {
            batch.insert(&self.meta, next_row(*partition), offset.to_le_bytes());
        }
        let clock = clock.map_or(self.clock, |clock| clock.max(self.clock));
        batch.insert(&self.meta, "clock", (clock.0 as u64).to_le_bytes());
        let slots = slots.unwrap_or(self.slots);
        batch.insert(&self.meta, "slots", slots.to_le_bytes());
        batch.commit().map_err(self.failed())?;
        for (partition, offset) in next {
            self.next[usize::from(partition)] = offset;
        }
        (self.clock, self.slots) = (clock, slots);
        Ok(())
    }
}

impl Pending {
    /// Notes when the batch was recorded, and how many slots the file of keys has then.
    pub(crate) fn stamped(&mut self, clock: Millis, slots: u64) {
        (self.clock, self.slots) = (Some(clock), Some(slots));
    }
}

/// A position in eight bytes: 16 bits of partition, 48 of offset.
fn packed(position: Position) -> [u8; 8] {
    (u64::from(position.partition) << 48 | position.offset).to_be_bytes()
}

fn next_row(partition: u16) -> [u8; 6] {
    let [high, low] = partition.to_be_bytes();
    [b'n', b'e', b'x', b't', high, low]
}
