//! A city into a log.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use contract::{DeploymentKey, Kind, Subject};
use event_log::{Append, AppendError, EventLog, ReadError, Ticket, partition_of};
use xxhash_rust::xxh3::Xxh3;

use crate::{
    Character, City,
    event::{Encoder, identifier},
    records::{KINDS, Names, Stretch, fill, names, whole},
    spread::Spread,
    truth::Person,
};

/// How far a simulation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// People whose events are all in the log.
    pub people: u64,
    /// Of so many.
    pub people_total: u64,
    /// Events in the log.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a simulation wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// People.
    pub people: u64,
    /// Events appended, copies and carried events too.
    pub events: u64,
    /// Bytes of all events.
    pub bytes: u64,
    /// Events by kind.
    pub by_kind: BTreeMap<&'static str, u64>,
    /// Over every record of every partition, in the order of the log: the same for the same city, key, number of partitions
    /// and version, however it was made.
    pub digest: u64,
}

impl Summary {
    /// Mean size of an event in bytes; 0 without events.
    #[must_use]
    pub fn mean_event_bytes(&self) -> u64 {
        self.bytes.checked_div(self.events).unwrap_or(0)
    }
}

/// Why a city was not written.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The simulator stamps `recorded_at` itself, so nothing may be in the log before.
    #[error(
        "the log already holds {events} events: a simulated city needs an empty log, so name a new folder"
    )]
    NotEmpty {
        /// How many.
        events: u64,
    },
    /// No such number of people.
    #[error("{people} people: a city has 1 to {most}")]
    People {
        /// As asked for.
        people: u64,
        /// The most there can be.
        most: u64,
    },
    /// The log did not take them.
    #[error("the log did not take the city's events; what it holds is incomplete, remove the folder")]
    Append(#[from] AppendError),
    /// The log could not be read.
    #[error("the log does not say what it holds")]
    Read(#[from] ReadError),
}

/// The most people of a city: beyond it personal numbers would repeat.
pub const PEOPLE_MAX: u64 = 12_000_000;

/// Few enough that a batch's records are still in the processor's cache when they are copied.
const BATCH_RECORDS: usize = 1000;
const BATCH_BYTES: usize = 4 << 20;
/// Batches on their way, a thread: enough to keep the log busy.
const IN_FLIGHT: usize = 32;

/// Who wants to know the key of each subject's sealed fields.
pub type KeySink<'a> = &'a mut (dyn FnMut(Subject, &[u8; 32]) + Send);

/// Writes `city` to the empty `log`, with `threads` threads. `keys` is called once for each identity of each person.
///
/// # Errors
/// When the log is not empty, or does not take the events; what it then holds is incomplete.
pub fn simulate(
    city: &City,
    deployment: &DeploymentKey,
    log: &dyn EventLog,
    threads: usize,
    keys: KeySink<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Summary, SimulateError> {
    let people = city.config().people;
    if people == 0 || people > PEOPLE_MAX {
        return Err(SimulateError::People { people, most: PEOPLE_MAX });
    }
    let events = log.ends()?.iter().sum();
    if events > 0 {
        return Err(SimulateError::NotEmpty { events });
    }
    let keys = Mutex::new(keys);
    let written = match city.config().character {
        Character::Plausible => write_partitions(city, deployment, log, threads.max(1), &keys, progress)?,
        Character::Adversarial => write_whole(city, deployment, log, &keys)?,
    };
    let mut summary = Summary { people, ..Summary::default() };
    let mut digest = Xxh3::new();
    for part in &written {
        summary.events += part.events;
        summary.bytes += part.bytes;
        for (number, count) in part.kinds.iter().enumerate().filter(|(_, count)| **count > 0) {
            let kind = Kind::from_number(number as u32).expect("the simulator writes kinds of the contract");
            *summary.by_kind.entry(kind.name()).or_default() += count;
        }
        digest.update(&part.digest.to_le_bytes());
    }
    summary.digest = digest.digest();
    progress(Progress { people, people_total: people, events: summary.events, bytes: summary.bytes });
    Ok(summary)
}

/// The records of a small city, by partition, in the order of the log: what [`simulate`] would write.
#[must_use]
pub fn records(city: &City, deployment: &DeploymentKey, partitions: u16) -> Vec<Vec<Vec<u8>>> {
    let people: Vec<Person> = (0..city.config().people).map(|index| city.person(index)).collect();
    records_of(city, &people, deployment, partitions)
}

/// The same, of people whose truth was told by the caller: some of the city's, changed. No two things about one person may be
/// recorded in the same millisecond.
#[must_use]
pub fn records_of(
    city: &City,
    people: &[Person],
    deployment: &DeploymentKey,
    partitions: u16,
) -> Vec<Vec<Vec<u8>>> {
    let stretches = whole(city, people.iter().cloned(), deployment, partitions, |_, _| ());
    stretches.iter().map(|stretch| stretch.records().map(<[u8]>::to_vec).collect()).collect()
}

/// What `person` is called in the log that [`records_of`] writes.
#[must_use]
pub fn names_of(city: &City, person: &Person, deployment: &DeploymentKey) -> Names {
    names(city, person, deployment)
}

/// What went into one partition.
#[derive(Debug, Clone)]
struct Written {
    events: u64,
    bytes: u64,
    kinds: [u64; KINDS],
    digest: u64,
}

impl Default for Written {
    fn default() -> Written {
        Written { events: 0, bytes: 0, kinds: [0; KINDS], digest: 0 }
    }
}

fn write_whole(
    city: &City,
    deployment: &DeploymentKey,
    log: &dyn EventLog,
    keys: &Mutex<KeySink<'_>>,
) -> Result<Vec<Written>, SimulateError> {
    let people = (0..city.config().people).map(|index| city.person(index));
    let stretches = whole(city, people, deployment, log.partitions(), |subject, key| {
        keys.lock().expect("no holder of the lock panics")(subject, key);
    });
    let mut written = vec![Written::default(); stretches.len()];
    for (partition, stretch) in stretches.iter().enumerate() {
        let mut sender = Sender::new(log, partition as u16);
        sender.send(stretch, &mut written[partition])?;
        sender.finish(&mut written[partition])?;
    }
    Ok(written)
}

/// What a worker tells about a partition.
struct Done {
    partition: usize,
    people: u64,
    written: Result<Written, SimulateError>,
}

fn write_partitions(
    city: &City,
    deployment: &DeploymentKey,
    log: &dyn EventLog,
    threads: usize,
    keys: &Mutex<KeySink<'_>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Written>, SimulateError> {
    let members = members(city, deployment, log.partitions(), threads);
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let mut written = vec![Written::default(); members.len()];
    let mut outcome = Ok(());
    thread::scope(|scope| {
        let (done, finished) = mpsc::channel();
        for _ in 0..threads.min(members.len()) {
            let done = done.clone();
            let (members, next, failed) = (&members, &next, &failed);
            scope.spawn(move || {
                let mut encoder = Encoder::new(city, deployment);
                let mut stretch = Stretch::default();
                loop {
                    let partition = next.fetch_add(1, Ordering::Relaxed);
                    if partition >= members.len() || failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let people = &members[partition];
                    let written = write_partition(
                        city,
                        &mut encoder,
                        &mut stretch,
                        log,
                        partition as u16,
                        people,
                        keys,
                    );
                    if written.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    // Nobody listens any more only if this thread's scope is gone.
                    let _ = done.send(Done { partition, people: people.len() as u64, written });
                }
            });
        }
        drop(done);
        let mut so_far = Progress { people_total: city.config().people, ..Progress::default() };
        for done in finished {
            match done.written {
                Ok(part) => {
                    so_far.people += done.people;
                    so_far.events += part.events;
                    so_far.bytes += part.bytes;
                    written[done.partition] = part;
                    progress(so_far);
                }
                Err(error) => outcome = Err(error),
            }
        }
    });
    outcome.map(|()| written)
}

/// The people of each partition, by their numbers.
fn members(city: &City, deployment: &DeploymentKey, partitions: u16, threads: usize) -> Vec<Vec<u32>> {
    let people = city.config().people;
    let share = people.div_ceil(threads as u64).max(1);
    let parts: Vec<Vec<u16>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..people.div_ceil(share))
            .map(|part| {
                scope.spawn(move || {
                    (part * share..((part + 1) * share).min(people))
                        .map(|index| {
                            let traits = city.traits(index);
                            let (subject, _) = deployment
                                .subject_of_identifier(&identifier(&traits, 0))
                                .expect("the simulator makes identifiers of their kind's form");
                            partition_of(&subject, partitions)
                        })
                        .collect()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("the worker does not panic")).collect()
    });
    let mut members =
        vec![Vec::with_capacity((people / u64::from(partitions)) as usize + 64); usize::from(partitions)];
    for (index, partition) in parts.iter().flatten().enumerate() {
        members[usize::from(*partition)].push(index as u32);
    }
    members
}

fn write_partition(
    city: &City,
    encoder: &mut Encoder<'_>,
    stretch: &mut Stretch,
    log: &dyn EventLog,
    partition: u16,
    people: &[u32],
    keys: &Mutex<KeySink<'_>>,
) -> Result<Written, SimulateError> {
    let mut written = Written::default();
    let mut sender = Sender::new(log, partition);
    let mut met: Vec<(Subject, [u8; 32])> = Vec::with_capacity(people.len());
    let spread = Spread::new(city, people.len() as u64);
    for (pass, range) in spread.passes().enumerate() {
        fill(city, encoder, people, range, &spread, stretch, |subject, key| {
            if pass == 0 {
                met.push((subject, *key));
            }
        });
        sender.send(stretch, &mut written)?;
    }
    sender.finish(&mut written)?;
    let mut keys = keys.lock().expect("no holder of the lock panics");
    for (subject, key) in &met {
        keys(*subject, key);
    }
    Ok(written)
}

/// Appends one partition's records, some batches ahead of the log.
struct Sender<'a> {
    log: &'a dyn EventLog,
    partition: u16,
    tickets: VecDeque<Ticket>,
    /// Of all records so far, each with its length before it.
    digest: Xxh3,
}

impl<'a> Sender<'a> {
    fn new(log: &'a dyn EventLog, partition: u16) -> Sender<'a> {
        Sender { log, partition, tickets: VecDeque::with_capacity(IN_FLIGHT), digest: Xxh3::new() }
    }

    fn send(&mut self, stretch: &Stretch, written: &mut Written) -> Result<(), SimulateError> {
        for (sum, count) in written.kinds.iter_mut().zip(stretch.kinds) {
            *sum += count;
        }
        let mut batch: Vec<Append<'_>> = Vec::with_capacity(BATCH_RECORDS);
        let mut bytes = 0;
        for record in stretch.records() {
            written.events += 1;
            written.bytes += record.len() as u64;
            self.digest.update(&(record.len() as u32).to_le_bytes());
            self.digest.update(record);
            bytes += record.len();
            // Every event begins with its id and its subject, 16 bytes each behind two of key and length.
            batch.push(Append { partition: self.partition, key: &record[20..36], bytes: record });
            if batch.len() == BATCH_RECORDS || bytes >= BATCH_BYTES {
                self.append(&batch)?;
                batch.clear();
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.append(&batch)?;
        }
        Ok(())
    }

    fn append(&mut self, batch: &[Append<'_>]) -> Result<(), SimulateError> {
        if self.tickets.len() == IN_FLIGHT
            && let Some(oldest) = self.tickets.pop_front()
        {
            oldest.wait()?;
        }
        self.tickets.push_back(self.log.append_async(batch)?);
        Ok(())
    }

    fn finish(self, written: &mut Written) -> Result<(), SimulateError> {
        for ticket in self.tickets {
            ticket.wait()?;
        }
        written.digest = self.digest.digest();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Commune, Config, Facility, Places, Tier};

    #[test]
    fn a_partition_made_in_passes_is_the_one_made_at_once() {
        let facility = |code: &str, tier| Facility {
            code: code.into(),
            district: String::new(),
            tier,
            has_beds: true,
            is_station: false,
        };
        let commune = Commune { code: "00004".into(), district: String::new(), population: 1 };
        let tiers = [Tier::Initial, Tier::Basic, Tier::Specialised];
        let facilities =
            tiers.iter().zip(["01001", "01002", "01003"]).map(|(tier, code)| facility(code, *tier));
        let places = Places::new(vec![commune], facilities.collect()).unwrap();
        let city = City::new(Config::new(2, 300), places);
        let deployment = DeploymentKey::new(&[1; 32]);
        let people: Vec<u32> = (0..300).collect();
        let made = |spread: &Spread| {
            let (mut encoder, mut stretch) = (Encoder::new(&city, &deployment), Stretch::default());
            let mut records: Vec<Vec<u8>> = Vec::new();
            for range in spread.passes() {
                fill(&city, &mut encoder, &people, range, spread, &mut stretch, |_, _| ());
                assert!(stretch.records().count() > 0, "a pass of nothing");
                records.extend(stretch.records().map(<[u8]>::to_vec));
            }
            records
        };
        let many = Spread::in_passes(&city, 9, 5);
        assert_eq!(many.passes().count(), 9);
        assert_eq!(made(&many), made(&Spread::in_passes(&city, 1, 1)));
    }
}
