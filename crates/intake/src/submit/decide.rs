//! Decides on one submission: refused, a duplicate, or an event, whose, and what it takes back elsewhere.

use contract::{EventId, Fault, FaultCode, IdentifierFinding, Kind, Millis, PersonKey, Subject, v1};
use event_log::Position;

use super::{
    Intake, Item, SubmitError,
    batch::{Batch, Known, Prepared, Speaker, Target},
};
use crate::{
    index::{RecordName, Version},
    receipt::{Outcome, Receipt},
};

/// Whose a submission is.
struct Whose {
    subject: Subject,
    kind: v1::SubjectKind,
    findings: Vec<IdentifierFinding>,
}

impl Intake {
    /// Decides on one submission, and puts what comes of it into the batch. The receipt of what waits there gets its position
    /// when it has one; `receipt` is its number.
    pub(super) fn take(
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
}

fn fault(field: &str, code: FaultCode, message: &str) -> Fault {
    Fault { field: field.into(), code, message: message.into() }
}

fn refused(faults: Vec<Fault>, findings: Vec<IdentifierFinding>) -> Receipt {
    debug_assert!(!faults.is_empty());
    Receipt { outcome: Outcome::Refused { faults }, findings }
}
