//! What is on its way to the log: found again before it is there, taken back where it is, appended and noted.

use std::collections::HashMap;

use contract::{EventId, EventView, Millis, PersonKey, Subject, retraction_key, v1};
use event_log::{Append, EventLog, Position, ReadError, partition_of};

use super::{Intake, SubmitError};
use crate::{
    index::{Pending, Version},
    receipt::{FollowUp, FollowUpKind, Outcome, Receipt, Stayed},
};

/// What intake gives as its reason where it takes something back of its own, or says it again.
pub(super) const MOVED: &str = "the record is about another person";
/// Its reason where an event was taken back that it had said again.
pub(super) const TAKEN_BACK: &str = "its emitter took back what it says again";

/// What is about to be appended.
pub(super) struct Prepared {
    pub(super) event_id: EventId,
    pub(super) subject: Subject,
    pub(super) content_hash: [u8; 16],
    pub(super) bytes: Vec<u8>,
}

/// Events on their way to the log together.
#[derive(Default)]
pub(super) struct Batch {
    /// What the next event is stamped with.
    pub(super) recorded_at: Millis,
    pub(super) prepared: Vec<Prepared>,
    pub(super) bytes: usize,
    pub(super) by_id: HashMap<EventId, usize>,
    pub(super) pending: Pending,
    pub(super) keys: HashMap<Subject, PersonKey>,
    /// Receipts whose position is that of a prepared event.
    pub(super) waiting: Vec<(usize, usize)>,
}

impl Batch {
    pub(super) fn new(recorded_at: Millis) -> Batch {
        Batch { recorded_at, ..Batch::default() }
    }

    /// Stamps what comes later than a version, which may be of this batch: all others are older.
    pub(super) fn be_later_than(&mut self, known: &Version) {
        self.recorded_at = self.recorded_at.max(Millis(known.recorded_at.0 + 1));
    }

    pub(super) fn push(&mut self, prepared: Prepared) -> usize {
        let at = self.prepared.len();
        self.by_id.insert(prepared.event_id, at);
        self.bytes += prepared.bytes.len();
        self.prepared.push(prepared);
        at
    }
}

/// What intake does of its own because of one submission.
#[derive(Default)]
pub(super) struct FollowUps {
    pub(super) records: Vec<FollowUp>,
    pub(super) stayed: Vec<Stayed>,
}

impl FollowUp {
    /// One whose position is not known yet.
    pub(super) fn new(what: FollowUpKind, of: EventId, event_id: EventId) -> FollowUp {
        FollowUp { what, of, event_id, position: Position::default() }
    }
}

/// An event that is known: in the log, or in this batch before it.
pub(super) enum Known {
    Waiting(usize),
    Stored(Position),
}

/// Something another event refers to.
pub(super) struct Target {
    pub(super) event_id: EventId,
    pub(super) emitter: String,
    pub(super) subject: Subject,
    pub(super) subject_kind: v1::SubjectKind,
    pub(super) asserted_at: Millis,
    pub(super) occurred_at: Millis,
}

impl Target {
    /// A version of a record of `emitter`.
    pub(super) fn of(emitter: &str, version: &Version) -> Target {
        let Version { event_id, subject, subject_kind, asserted_at, occurred_at, .. } = *version;
        Target { event_id, emitter: emitter.to_owned(), subject, subject_kind, asserted_at, occurred_at }
    }
}

impl Intake {
    /// Takes an event back where it is, for its own emitter. Named after its target, and asserted with it, so that it is
    /// said once; `None`: it was before. By this name totals of claims know that the record stands with another person.
    pub(super) fn retract(
        &self,
        batch: &mut Batch,
        target: &Target,
        reason: &'static str,
        authority: v1::Authority,
    ) -> Result<Option<FollowUp>, SubmitError> {
        if self.is_retracted(batch, target)? {
            return Ok(None);
        }
        let (mut event, content_hash, event_id) = self.retraction(target, reason);
        let version = Version {
            asserted_at: target.asserted_at,
            recorded_at: batch.recorded_at,
            event_id,
            subject: target.subject,
            subject_kind: target.subject_kind,
            occurred_at: target.occurred_at,
            withdrawn: false,
        };
        self.stamp(&mut event, &version, content_hash, authority);
        let bytes = contract::encode(&event);
        batch.push(Prepared { event_id, subject: target.subject, content_hash, bytes });
        Ok(Some(FollowUp::new(FollowUpKind::Retraction, target.event_id, event_id)))
    }

    /// Whether intake took an event back of its own.
    pub(super) fn is_retracted(&self, batch: &Batch, target: &Target) -> Result<bool, SubmitError> {
        for reason in [MOVED, TAKEN_BACK] {
            let (.., event_id) = self.retraction(target, reason);
            if self.known_event(batch, event_id)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What takes an event back, its content hash and id.
    fn retraction(&self, target: &Target, reason: &str) -> (v1::Event, [u8; 16], EventId) {
        let event = v1::Event {
            emitter: target.emitter.clone(),
            record_key: retraction_key(target.event_id),
            asserted_at: Some(target.asserted_at.to_timestamp()),
            occurred_at: Some(target.occurred_at.to_timestamp()),
            voids: Some(v1::EventReference { event_id: target.event_id.0.to_vec(), reason: reason.into() }),
            body: Some(v1::event::Body::Retraction(v1::Retraction {})),
            ..v1::Event::default()
        };
        let submission = v1::Submission { event: Some(event), person: None, restricted: None };
        let (content_hash, event_id) = self.derived(&submission, target.asserted_at);
        (submission.event.unwrap_or_default(), content_hash, event_id)
    }

    /// The content hash of what intake says of its own, and the id that follows from it.
    pub(super) fn derived(&self, submission: &v1::Submission, asserted_at: Millis) -> ([u8; 16], EventId) {
        let content_hash = self.deployment.content_hash(submission);
        let (emitter, record_key) =
            submission.event.as_ref().map_or(("", ""), |event| (&event.emitter, &event.record_key));
        let id = self.deployment.derive_event_id(emitter, record_key, Some(asserted_at), &content_hash);
        (content_hash, id)
    }

    pub(super) fn known_event(&self, batch: &Batch, id: EventId) -> Result<Option<Known>, SubmitError> {
        if let Some(at) = batch.by_id.get(&id) {
            return Ok(Some(Known::Waiting(*at)));
        }
        Ok(self.index.event(&batch.pending, id)?.map(Known::Stored))
    }

    pub(super) fn content_hash_of(&self, batch: &Batch, known: &Known) -> Result<[u8; 16], SubmitError> {
        match known {
            Known::Waiting(at) => Ok(batch.prepared[*at].content_hash),
            Known::Stored(position) => {
                let hash = |bytes: &[u8]| EventView::parse(bytes).ok().map(|view| view.content_hash);
                Ok(read(self.log.as_ref(), *position, hash)?.unwrap_or_default())
            }
        }
    }

    /// The event another one refers to, where it is known.
    pub(super) fn target(&self, batch: &Batch, id: &[u8]) -> Result<Option<Target>, SubmitError> {
        let Ok(event_id) = EventId::try_from(id) else { return Ok(None) };
        let target = |bytes: &[u8]| {
            let view = EventView::parse(bytes).ok()?;
            Some(Target {
                event_id,
                emitter: view.emitter.to_string(),
                subject: view.subject,
                subject_kind: view.subject_kind,
                asserted_at: view.asserted_at,
                occurred_at: view.occurred_at,
            })
        };
        self.bytes_of(batch, event_id, target)
    }

    /// What `of` makes of the bytes of an event, where it is known.
    pub(super) fn bytes_of<T>(
        &self,
        batch: &Batch,
        id: EventId,
        of: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, SubmitError> {
        Ok(match self.known_event(batch, id)? {
            None => None,
            Some(Known::Waiting(at)) => of(&batch.prepared[at].bytes),
            Some(Known::Stored(position)) => read(self.log.as_ref(), position, of)?,
        })
    }

    /// Appends what is prepared, and notes it. Keys first, then the log, then the index: each is found again from the one
    /// before if the machine stops in between. How many records the log took.
    pub(super) fn flush(&mut self, batch: Batch, receipts: &mut [Receipt]) -> Result<u64, SubmitError> {
        let Batch { recorded_at, prepared, by_id, mut pending, waiting, .. } = batch;
        if prepared.is_empty() {
            // A key may have been made for what was refused after all.
            self.keys.forget_unsynced();
            return Ok(0);
        }
        self.keys.sync()?;
        self.unnoted.extend(&pending.persons);
        let partitions = self.log.partitions();
        let appends: Vec<Append<'_>> = prepared
            .iter()
            .map(|event| Append {
                partition: partition_of(&event.subject, partitions),
                key: &event.subject.0,
                bytes: &event.bytes,
            })
            .collect();
        let offsets = self.log.append(&appends)?;
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
        self.unnoted.clear();
        for (receipt, event) in waiting {
            match &mut receipts[receipt].outcome {
                Outcome::Accepted { position, follow_ups, .. } => {
                    *position = positions[event];
                    for follow_up in follow_ups {
                        follow_up.position = positions[by_id[&follow_up.event_id]];
                    }
                }
                Outcome::Duplicate { first, .. } => *first = positions[event],
                Outcome::Refused { .. } | Outcome::NothingToWithdraw => {}
            }
        }
        Ok(positions.len() as u64)
    }
}

/// What `of` makes of one record of the log.
pub(super) fn read<T>(
    log: &dyn EventLog,
    position: Position,
    of: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, ReadError> {
    let mut reader = log.reader(position.partition, position.offset)?;
    let batch = reader.next_batch(1)?;
    let record = batch.and_then(|batch| batch.into_iter().next());
    Ok(record.filter(|record| record.flaw.is_none()).and_then(|record| of(record.bytes)))
}
