//! From submissions to receipts.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use contract::{
    DeploymentKey, EventId, EventView, Fault, FaultCode, IdentifierFinding, Kind, Millis, PersonKey, Subject,
    v1,
};
use event_log::{Append, AppendError, EventLog, Position, ReadError, partition_of};

use crate::{
    index::{Index, IndexError, Pending, RecordName, Version},
    keys::{self, KeyError, PersonKeys},
    receipt::{Outcome, Receipt, Totals},
};

/// The most submissions one call takes; a longer stream is sent in parts, each answered when it is durable.
pub const SUBMISSIONS_MAX: usize = 10_000;

/// The log is given at most this many bytes and records at once.
const FLUSH_BYTES: usize = 24 << 20;
const FLUSH_RECORDS: usize = 20_000;
/// What a retraction of intake's own gives as its reason.
const MOVED: &str = "the record is about another person";

/// A submission, and what its door knows about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What was said.
    pub submission: v1::Submission,
    /// The record key, of the same emitter, whose person this is about, where that record is known: a form that names the
    /// visit and not the patient. Otherwise the submission's own person counts.
    pub same_person_as: Option<String>,
    /// A withdrawal just in case: a source that sends whole records says so what a record does not hold (any more). It
    /// counts for the person of the version that is known of what it withdraws, if there is one that is not withdrawn; and
    /// only if the item before it (in this batch, and not just in case itself) was accepted, for a record that changed
    /// nothing takes nothing back.
    pub just_in_case: bool,
    /// Said by an operator of the backbone, on behalf of the emitter.
    pub by_operator: bool,
}

impl Item {
    /// What an emitter says for itself.
    #[must_use]
    pub fn new(submission: v1::Submission) -> Item {
        Item { submission, same_person_as: None, just_in_case: false, by_operator: false }
    }
}

/// Why intake cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A key file.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The log's subjects were made under another key.
    #[error("{}: the key's id is {found}, the log's subjects were made under {expected}; bring back the key of this log", path.display())]
    OtherKey {
        /// The key file.
        path: PathBuf,
        /// The id of the key in it.
        found: String,
        /// The id in the log's events.
        expected: String,
    },
}

/// Why a batch got no receipts. Parts of it may be stored: send all of it again, what is stored comes back as a duplicate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// Too many submissions at once.
    #[error("{0} submissions at once; the most is {SUBMISSIONS_MAX}, send them in parts")]
    TooMany(usize),
    /// The log did not take them, or it is not known whether it did.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The file of persons' keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// The front door of one log. One at a time: a batch sees what the batches before it left.
pub struct Intake {
    log: Arc<dyn EventLog>,
    deployment: DeploymentKey,
    keys: PersonKeys,
    index: Index,
    totals: Totals,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("totals", &self.totals).finish_non_exhaustive()
    }
}

/// What is about to be appended.
struct Prepared {
    event_id: EventId,
    subject: Subject,
    subject_kind: v1::SubjectKind,
    occurred_at: Millis,
    content_hash: [u8; 16],
    bytes: Vec<u8>,
}

/// Events on their way to the log together.
#[derive(Default)]
struct Batch {
    prepared: Vec<Prepared>,
    bytes: usize,
    by_id: HashMap<EventId, usize>,
    pending: Pending,
    keys: HashMap<Subject, PersonKey>,
    /// Receipts whose position is that of a prepared event.
    waiting: Vec<(usize, usize)>,
}

impl Batch {
    fn push(&mut self, prepared: Prepared) -> usize {
        let at = self.prepared.len();
        self.by_id.insert(prepared.event_id, at);
        self.bytes += prepared.bytes.len();
        self.prepared.push(prepared);
        at
    }
}

/// An event that is known: in the log, or in this batch before it.
enum Known {
    Waiting(usize),
    Stored(Position),
}

/// Whose a submission is.
struct Whose {
    subject: Subject,
    kind: v1::SubjectKind,
    findings: Vec<IdentifierFinding>,
}

/// Something another event refers to.
struct Target {
    event_id: EventId,
    subject: Subject,
    subject_kind: v1::SubjectKind,
    occurred_at: Millis,
}

impl Intake {
    /// Opens the front door of `log`. Its keys are in `folder`/keys (made on first use), its index in `folder`/intake.
    pub fn open(folder: &Path, log: Arc<dyn EventLog>) -> Result<Intake, OpenError> {
        let key_path = Intake::deployment_key_path(folder);
        let under = key_id_of(log.as_ref())?;
        let deployment = match (keys::read_deployment_key(&key_path)?, under) {
            (Some(key), Some(expected)) if key.id() != expected => {
                let found = key.id().to_string();
                return Err(OpenError::OtherKey { path: key_path, found, expected });
            }
            (Some(key), _) => key,
            (None, Some(expected)) => {
                return Err(OpenError::OtherKey { path: key_path, found: "missing".into(), expected });
            }
            (None, None) => keys::open_deployment_key(&key_path)?,
        };
        let mut index = Index::open(&folder.join("intake"), log.as_ref())?;
        let mut persons = HashMap::new();
        let keys =
            PersonKeys::open(&folder.join("keys").join("persons.keys"), index.slots(), |subject, slot| {
                persons.insert(subject, slot);
            })?;
        index.note_slots(persons, keys.slots())?;
        index.catch_up(log.as_ref())?;
        Ok(Intake { log, deployment, keys, index, totals: Totals::default() })
    }

    /// Where the deployment's key is.
    #[must_use]
    pub fn deployment_key_path(folder: &Path) -> PathBuf {
        folder.join("keys").join("deployment.key")
    }

    /// The books since intake was opened.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Why the index was found unusable when intake was opened, if it was: then it was built again from the log.
    #[must_use]
    pub fn rebuilt_index(&self) -> Option<&str> {
        self.index.rebuilt()
    }

    /// The deployment's key.
    #[must_use]
    pub fn deployment_key(&self) -> &DeploymentKey {
        &self.deployment
    }

    /// Takes a batch, and answers when all that it accepted is durable: one receipt for each item, in their order. `now`
    /// is the wall clock; recorded times never go back even where it does.
    pub fn submit(&mut self, items: Vec<Item>, now: Millis) -> Result<Vec<Receipt>, SubmitError> {
        if items.len() > SUBMISSIONS_MAX {
            return Err(SubmitError::TooMany(items.len()));
        }
        // After an append whose fate was unknown, or beside another door to the same log.
        if self.index.next() != self.log.ends()? {
            self.index.catch_up(self.log.as_ref())?;
        }
        let recorded_at = now.max(self.index.clock());
        let mut batch = Batch::default();
        let mut receipts = Vec::with_capacity(items.len());
        let mut changing = false;
        for item in items {
            if !item.just_in_case && (batch.bytes >= FLUSH_BYTES || batch.prepared.len() >= FLUSH_RECORDS) {
                self.flush(std::mem::take(&mut batch), recorded_at, &mut receipts)?;
            }
            let just_in_case = item.just_in_case;
            if just_in_case && !changing {
                receipts.push(Receipt { outcome: Outcome::NothingToWithdraw, findings: Vec::new() });
                continue;
            }
            let taken = self.take(&mut batch, item, recorded_at, receipts.len());
            match taken {
                Ok(receipt) => {
                    if !just_in_case {
                        changing = matches!(receipt.outcome, Outcome::Accepted { .. });
                    }
                    receipts.push(receipt);
                }
                Err(error) => {
                    self.keys.forget_unsynced();
                    return Err(error);
                }
            }
        }
        self.flush(batch, recorded_at, &mut receipts)?;
        for receipt in &receipts {
            self.totals.add(receipt);
        }
        debug_assert!(self.totals.balance());
        Ok(receipts)
    }

    /// Appends what is prepared, and notes it. Keys first, then the log, then the index: each is found again from the one
    /// before if the machine stops in between.
    fn flush(
        &mut self,
        batch: Batch,
        recorded_at: Millis,
        receipts: &mut [Receipt],
    ) -> Result<(), SubmitError> {
        let Batch { prepared, mut pending, waiting, .. } = batch;
        if prepared.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.keys.sync() {
            self.keys.forget_unsynced();
            return Err(error.into());
        }
        let partitions = self.log.partitions();
        let appends: Vec<Append<'_>> = prepared
            .iter()
            .map(|event| Append {
                partition: partition_of(&event.subject, partitions),
                key: &event.subject.0,
                bytes: &event.bytes,
            })
            .collect();
        let offsets = match self.log.append(&appends) {
            Ok(offsets) => offsets,
            Err(error) => {
                // The events are not known to be there; the keys are, and must not be made a second time.
                self.index.note_slots(pending.persons, self.keys.slots())?;
                return Err(error.into());
            }
        };
        let positions: Vec<Position> = appends
            .iter()
            .zip(offsets)
            .map(|(append, offset)| Position { partition: append.partition, offset })
            .collect();
        for (event, position) in prepared.iter().zip(&positions) {
            pending.events.insert(event.event_id, *position);
            pending.reached(position.partition, position.offset + 1);
        }
        pending.stamped(recorded_at, self.keys.slots());
        self.index.write(pending)?;
        for (receipt, event) in waiting {
            match &mut receipts[receipt].outcome {
                Outcome::Accepted { position, .. } | Outcome::Duplicate { first: position, .. } => {
                    *position = positions[event];
                }
                Outcome::Refused { .. } | Outcome::NothingToWithdraw => {}
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        batch: &mut Batch,
        item: Item,
        recorded_at: Millis,
        receipt: usize,
    ) -> Result<Receipt, SubmitError> {
        let Item { submission, same_person_as, just_in_case, by_operator } = item;
        let mut faults = contract::validate_submission(&submission);
        let said = submission.event.as_ref().and_then(|event| Some((event, Kind::of(event.body.as_ref()?))));
        let Some((said, kind)) = said.filter(|_| faults.is_empty()) else {
            return Ok(refused(faults, Vec::new()));
        };
        if matches!(kind, Kind::IdentityLinked | Kind::IdentityUnlinked | Kind::SubjectErased) {
            let message = "said by an operator's own command, which carries events between people; not through this door";
            faults.push(fault("event.body", FaultCode::NotAllowed, message));
            return Ok(refused(faults, Vec::new()));
        }
        let name = RecordName::new(&said.emitter, &said.record_key);
        let known = self.index.version(&batch.pending, name, kind)?;
        if just_in_case && known.is_none_or(|known| known.withdrawn) {
            return Ok(Receipt { outcome: Outcome::NothingToWithdraw, findings: Vec::new() });
        }

        let voided = match &said.voids {
            None => None,
            Some(reference) => match self.target(batch, &reference.event_id)? {
                Some(target) => Some(target),
                None => {
                    let message = "not known here; send it after the event it takes back";
                    faults.push(fault("event.voids.event_id", FaultCode::UnknownValue, message));
                    return Ok(refused(faults, Vec::new()));
                }
            },
        };
        let corrected = match &said.corrects {
            None => None,
            Some(reference) => self.target(batch, &reference.event_id)?,
        };
        let whose = if let Some(target) = &voided {
            // An event can only be taken back where it is.
            Whose { subject: target.subject, kind: target.subject_kind, findings: Vec::new() }
        } else if let (true, Some(known)) = (just_in_case, &known) {
            Whose { subject: known.subject, kind: known.subject_kind, findings: Vec::new() }
        } else {
            self.whose(batch, said, submission.person.as_ref(), same_person_as.as_deref())?
        };

        let content_hash = self.deployment.content_hash(&submission);
        let asserted = said.asserted_at.as_ref().map(Millis::from_timestamp);
        let own_id = EventId::try_from(&said.event_id[..]).ok();
        let event_id = own_id.unwrap_or_else(|| {
            self.deployment.derive_event_id(&said.emitter, &said.record_key, asserted, &content_hash)
        });
        if let Some(first) = self.known_event(batch, event_id)? {
            // A derived id says what its event says; an emitter's own id may be used twice by mistake.
            if own_id.is_some() && self.content_hash_of(batch, &first)? != content_hash {
                let message = "another event has this id: give what is new an id of its own";
                faults.push(fault("event.event_id", FaultCode::NotAllowed, message));
                return Ok(refused(faults, whose.findings));
            }
            let first = match first {
                Known::Stored(position) => position,
                Known::Waiting(at) => {
                    batch.waiting.push((receipt, at));
                    Position::default()
                }
            };
            return Ok(Receipt { outcome: Outcome::Duplicate { event_id, first }, findings: whose.findings });
        }

        let authority = if by_operator { v1::Authority::Operator } else { v1::Authority::Emitter };
        let version = Version {
            asserted_at: asserted.unwrap_or(recorded_at),
            recorded_at,
            event_id,
            subject: whose.subject,
            subject_kind: whose.kind,
            occurred_at: said.occurred_at.as_ref().map_or(recorded_at, Millis::from_timestamp),
            withdrawn: said.withdrawal.is_some(),
        };
        let (emitter, asserted_at) = (said.emitter.clone(), version.asserted_at);
        let event = match self.finished(batch, submission, &version, content_hash, authority)? {
            Ok(event) => event,
            Err(faults) => return Ok(refused(faults, whose.findings)),
        };

        // A version of this record about somebody else: whichever of the two is older is taken back where it is.
        let own = Target {
            event_id,
            subject: whose.subject,
            subject_kind: whose.kind,
            occurred_at: version.occurred_at,
        };
        let elsewhere = known.filter(|known| known.subject != whose.subject && kind != Kind::Retraction);
        let newer = elsewhere.is_none_or(|known| version.order() > known.order());
        let mut retracted = None;
        if let Some(known) = elsewhere.filter(|known| newer && !known.withdrawn) {
            retracted = Some(Target {
                event_id: known.event_id,
                subject: known.subject,
                subject_kind: known.subject_kind,
                occurred_at: known.occurred_at,
            });
        }
        let retracted = retracted.or(corrected.filter(|target| target.subject != whose.subject));
        let speaker = Speaker { emitter: &emitter, asserted_at, recorded_at, authority };
        if let Some(target) = &retracted {
            self.retract(batch, target, &speaker)?;
        }
        let bytes = contract::encode(&event);
        let at = batch.push(Prepared {
            event_id,
            subject: whose.subject,
            subject_kind: whose.kind,
            occurred_at: version.occurred_at,
            content_hash,
            bytes,
        });
        if !newer {
            self.retract(batch, &own, &speaker)?;
        }
        if kind != Kind::Retraction && known.is_none_or(|known| known.order() < version.order()) {
            batch.pending.note(name, kind, version);
        }
        batch.waiting.push((receipt, at));
        let voided = retracted.map(|target| target.event_id).or((!newer).then_some(event_id));
        let outcome =
            Outcome::Accepted { event_id, position: Position::default(), changed: known.is_some(), voided };
        Ok(Receipt { outcome, findings: whose.findings })
    }

    /// Whose a submission is: the person of the record it leans on, or of its strongest identifier, or nobody's.
    fn whose(
        &self,
        batch: &Batch,
        said: &v1::Event,
        person: Option<&v1::PersonDetails>,
        same_person_as: Option<&str>,
    ) -> Result<Whose, SubmitError> {
        if let Some(key) = same_person_as
            && let Some(known) = self.index.latest(&batch.pending, RecordName::new(&said.emitter, key))?
        {
            return Ok(Whose { subject: known.subject, kind: known.subject_kind, findings: Vec::new() });
        }
        let nobody = v1::PersonDetails::default();
        let record_key = same_person_as.unwrap_or(&said.record_key);
        let (subject, kind, findings) =
            self.deployment.subject_of(person.unwrap_or(&nobody), &said.emitter, record_key);
        Ok(Whose { subject, kind, findings })
    }

    /// The event as the log keeps it: sealed and stamped. The inner error says why the log cannot keep it.
    fn finished(
        &mut self,
        batch: &mut Batch,
        submission: v1::Submission,
        version: &Version,
        content_hash: [u8; 16],
        authority: v1::Authority,
    ) -> Result<Result<v1::Event, Vec<Fault>>, SubmitError> {
        let v1::Submission { event, person, restricted } = submission;
        let mut event = event.unwrap_or_default();
        let person = person.filter(|person| *person != v1::PersonDetails::default());
        let restricted = restricted.filter(|restricted| !restricted.diagnoses.is_empty());
        if person.is_some() || restricted.is_some() {
            let key = self.person_key(batch, version.subject)?;
            event.person =
                person.map(|details| contract::seal_person(key, version.subject, version.event_id, &details));
            event.restricted = restricted
                .map(|details| contract::seal_restricted(key, version.subject, version.event_id, &details));
        }
        event.event_id = version.event_id.0.to_vec();
        event.subject = version.subject.0.to_vec();
        event.subject_kind = version.subject_kind as i32;
        event.asserted_at = Some(version.asserted_at.to_timestamp());
        event.recorded_at = Some(version.recorded_at.to_timestamp());
        event.key_id = self.deployment.id().to_string();
        event.content_hash = content_hash.to_vec();
        event.authority = authority as i32;
        let faults = contract::validate(&event);
        Ok(if faults.is_empty() { Ok(event) } else { Err(faults) })
    }

    fn person_key<'b>(
        &mut self,
        batch: &'b mut Batch,
        subject: Subject,
    ) -> Result<&'b PersonKey, SubmitError> {
        use std::collections::hash_map::Entry;
        match batch.keys.entry(subject) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(place) => {
                let key = match self.index.slot(&batch.pending, subject)? {
                    Some(slot) => self.keys.get(slot, subject)?,
                    None => {
                        let (slot, key) = self.keys.create(subject);
                        batch.pending.persons.insert(subject, slot);
                        key
                    }
                };
                Ok(place.insert(key))
            }
        }
    }

    /// Takes an event back where it is, for its own emitter. Named after its target, so that it is said once.
    fn retract(&self, batch: &mut Batch, target: &Target, speaker: &Speaker<'_>) -> Result<(), SubmitError> {
        let record_key = format!("void-{}", target.event_id);
        let mut event = v1::Event {
            emitter: speaker.emitter.to_string(),
            record_key,
            asserted_at: Some(speaker.asserted_at.to_timestamp()),
            occurred_at: Some(target.occurred_at.to_timestamp()),
            voids: Some(v1::EventReference { event_id: target.event_id.0.to_vec(), reason: MOVED.into() }),
            body: Some(v1::event::Body::Retraction(v1::Retraction {})),
            ..v1::Event::default()
        };
        let submission = v1::Submission { event: Some(event.clone()), person: None, restricted: None };
        let content_hash = self.deployment.content_hash(&submission);
        let event_id = self.deployment.derive_event_id(
            &event.emitter,
            &event.record_key,
            Some(speaker.asserted_at),
            &content_hash,
        );
        if self.known_event(batch, event_id)?.is_some() {
            return Ok(());
        }
        event.event_id = event_id.0.to_vec();
        event.subject = target.subject.0.to_vec();
        event.subject_kind = target.subject_kind as i32;
        event.recorded_at = Some(speaker.recorded_at.to_timestamp());
        event.key_id = self.deployment.id().to_string();
        event.content_hash = content_hash.to_vec();
        event.authority = speaker.authority as i32;
        batch.push(Prepared {
            event_id,
            subject: target.subject,
            subject_kind: target.subject_kind,
            occurred_at: target.occurred_at,
            content_hash,
            bytes: contract::encode(&event),
        });
        Ok(())
    }

    fn known_event(&self, batch: &Batch, id: EventId) -> Result<Option<Known>, SubmitError> {
        if let Some(at) = batch.by_id.get(&id) {
            return Ok(Some(Known::Waiting(*at)));
        }
        Ok(self.index.event(&batch.pending, id)?.map(Known::Stored))
    }

    fn content_hash_of(&self, batch: &Batch, known: &Known) -> Result<[u8; 16], SubmitError> {
        match known {
            Known::Waiting(at) => Ok(batch.prepared[*at].content_hash),
            Known::Stored(position) => {
                Ok(read(self.log.as_ref(), *position, |view| view.content_hash)?.unwrap_or_default())
            }
        }
    }

    /// The event another one refers to, where it is known.
    fn target(&self, batch: &Batch, id: &[u8]) -> Result<Option<Target>, SubmitError> {
        let Ok(event_id) = EventId::try_from(id) else { return Ok(None) };
        Ok(match self.known_event(batch, event_id)? {
            None => None,
            Some(Known::Waiting(at)) => {
                let event = &batch.prepared[at];
                let (subject, subject_kind, occurred_at) =
                    (event.subject, event.subject_kind, event.occurred_at);
                Some(Target { event_id, subject, subject_kind, occurred_at })
            }
            Some(Known::Stored(position)) => read(self.log.as_ref(), position, |view| Target {
                event_id,
                subject: view.subject,
                subject_kind: view.subject_kind,
                occurred_at: view.occurred_at,
            })?,
        })
    }
}

/// In whose name intake says something of its own.
struct Speaker<'a> {
    emitter: &'a str,
    asserted_at: Millis,
    recorded_at: Millis,
    authority: v1::Authority,
}

/// Reads one record of the log; `None` where it is no event this build can read.
fn read<T>(
    log: &dyn EventLog,
    position: Position,
    of: impl FnOnce(&EventView<'_>) -> T,
) -> Result<Option<T>, ReadError> {
    let mut reader = log.reader(position.partition, position.offset)?;
    let batch = reader.next_batch(1)?;
    let record = batch.and_then(|batch| batch.into_iter().next());
    Ok(record.and_then(|record| EventView::parse(record.bytes).ok()).map(|view| of(&view)))
}

/// The id of the key under which the log's subjects were made; `None`: the log has no events yet.
fn key_id_of(log: &dyn EventLog) -> Result<Option<String>, ReadError> {
    for (partition, end) in log.ends()?.into_iter().enumerate().filter(|(_, end)| *end > 0) {
        debug_assert!(end > 0);
        let position = Position { partition: partition as u16, offset: 0 };
        if let Some(id) = read(log, position, |view| view.key_id.to_string())? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn fault(field: &str, code: FaultCode, message: &str) -> Fault {
    Fault { field: field.into(), code, message: message.into() }
}

fn refused(faults: Vec<Fault>, findings: Vec<IdentifierFinding>) -> Receipt {
    debug_assert!(!faults.is_empty());
    Receipt { outcome: Outcome::Refused { faults }, findings }
}
