//! Decides on one submission: refused, a duplicate, or an event, whose, and what it takes back elsewhere.

use std::collections::hash_map::Entry;

use contract::{
    EventId, EventView, Fault, FaultCode, IdentifierFinding, Kind, Millis, PersonKey, Subject, v1,
};
use event_log::Position;

use super::{
    Intake, Item, SubmitError,
    batch::{Batch, FollowUps, Known, MOVED, Prepared, Target},
};
use crate::{
    index::{RecordName, Version},
    receipt::{Outcome, Receipt},
};

/// An event may be asserted so long after it is received: clocks differ, and a day without a time of day begins early.
const AHEAD_MAX_MS: i64 = 24 * 60 * 60 * 1000;

/// Whose a submission is.
struct Whose {
    subject: Subject,
    kind: v1::SubjectKind,
    findings: Vec<IdentifierFinding>,
}

impl Intake {
    /// Decides on one submission, and puts what comes of it into the batch. The receipt of what waits there gets its
    /// position when it has one; `receipt` is its number.
    pub(super) fn take(
        &mut self,
        batch: &mut Batch,
        item: Item,
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
        let asserted = said.asserted_at.as_ref().map(Millis::from_timestamp);
        if asserted.is_some_and(|asserted| asserted.0 > batch.recorded_at.0 + AHEAD_MAX_MS) {
            let message = "more than a day ahead of the clock: no true version of the record could count after it; correct \
                           the time (of a claim file: NGAYLAP), and send it again";
            faults.push(fault("event.asserted_at", FaultCode::OutOfRange, message));
            return Ok(refused(faults, Vec::new()));
        }
        let name = RecordName::new(&said.emitter, &said.record_key);
        let known = self.index.version(&batch.pending, name, kind)?;
        if just_in_case && known.is_none_or(|known| known.withdrawn) {
            return Ok(Receipt { outcome: Outcome::NothingToWithdraw, findings: Vec::new() });
        }

        let mut target = |reference: &Option<v1::EventReference>, field: &str| {
            let Some(reference) = reference else { return Ok(None) };
            let target = self.target(batch, &reference.event_id)?;
            let (code, message) = match &target {
                None => (FaultCode::UnknownValue, "not known here; send it after the event it takes back"),
                Some(target) if target.emitter != said.emitter && !by_operator => (
                    FaultCode::NotAllowed,
                    "another emitter's event; only who said it, or an operator, takes it back",
                ),
                Some(_) => return Ok(target),
            };
            faults.push(fault(field, code, message));
            Ok::<_, SubmitError>(None)
        };
        let voided = target(&said.voids, "event.voids.event_id")?;
        let corrected = target(&said.corrects, "event.corrects.event_id")?;
        if !faults.is_empty() {
            return Ok(refused(faults, Vec::new()));
        }
        let takes = voided.as_ref().or(corrected.as_ref()).map(|target| target.event_id);
        let whose = if let Some(target) = &voided {
            // An event can only be taken back where it is.
            Whose { subject: target.subject, kind: target.subject_kind, findings: Vec::new() }
        } else if let (true, Some(known)) = (just_in_case, &known) {
            Whose { subject: known.subject, kind: known.subject_kind, findings: Vec::new() }
        } else {
            self.whose(batch, said, kind, submission.person.as_ref(), same_person_as.as_deref())?
        };

        let content_hash = self.deployment.content_hash(&submission);
        let own_id = EventId::try_from(&said.event_id[..]).ok();
        let id_asserted = |asserted: Option<Millis>| {
            self.deployment.derive_event_id(&said.emitter, &said.record_key, asserted, &content_hash)
        };
        let mut event_id = own_id.unwrap_or_else(|| id_asserted(asserted));
        let mut first = self.known_event(batch, event_id)?;
        // Asserted at no time, it says what holds now: said before, and something else since, it is a new version.
        if let (Some(_), None, None, Some(known)) = (&first, own_id, asserted, &known)
            && known.event_id != event_id
        {
            let now = self.known_event(batch, known.event_id)?;
            let is_said = now.as_ref().map(|now| self.content_hash_of(batch, now)).transpose()?;
            if is_said == Some(content_hash) {
                (event_id, first) = (known.event_id, now);
            } else {
                batch.be_later_than(known);
                (event_id, first) = (id_asserted(Some(batch.recorded_at)), None);
            }
        }
        if let Some(first) = first {
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
            let superseded = match known.filter(|known| known.event_id != event_id) {
                None => false,
                // Unless it is this one, said again where its claim is.
                Some(known) => {
                    let corrects = |bytes: &[u8]| EventView::parse(bytes).ok()?.corrects;
                    self.bytes_of(batch, known.event_id, corrects)? != Some(event_id)
                }
            };
            let outcome = Outcome::Duplicate { event_id, first, superseded };
            return Ok(Receipt { outcome, findings: whose.findings });
        }
        if let Some(known) = &known {
            batch.be_later_than(known);
        }
        let recorded_at = batch.recorded_at;

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
        let (emitter, record_key) = (said.emitter.clone(), said.record_key.clone());
        let event = match self.finished(batch, submission, &version, content_hash, authority)? {
            Ok(event) => event,
            Err(faults) => return Ok(refused(faults, whose.findings)),
        };

        // A version of this record about somebody else: whichever of the two is older is taken back where it is.
        let elsewhere = known.filter(|known| known.subject != whose.subject && kind != Kind::Retraction);
        let newer = elsewhere.is_none_or(|known| version.order() > known.order());
        let before = elsewhere.filter(|known| newer && !known.withdrawn);
        let before = before.map(|known| Target::of(&emitter, &known));
        let corrected = corrected.filter(|target| {
            target.subject != whose.subject
                && before.as_ref().is_none_or(|before| before.event_id != target.event_id)
        });
        let mut follow_ups = FollowUps::default();
        for target in before.into_iter().chain(corrected) {
            follow_ups.records.extend(self.retract(batch, &target, MOVED, authority)?);
        }
        let bytes = contract::encode(&event);
        let at = batch.push(Prepared { event_id, subject: whose.subject, content_hash, bytes });
        if !newer {
            follow_ups.records.extend(self.retract(
                batch,
                &Target::of(&emitter, &version),
                MOVED,
                authority,
            )?);
        }
        if let Some(target) = takes {
            batch.pending.note_taking(target, event_id);
        }
        // A retraction is no version of a record.
        if kind != Kind::Retraction && known.is_none_or(|known| known.order() < version.order()) {
            batch.pending.note(name, kind, version);
            if kind == Kind::ClaimSubmitted && !version.withdrawn {
                self.follow(batch, &emitter, &record_key, &version, authority, &mut follow_ups)?;
            }
        }
        if let Some(target) = takes {
            self.follow_taking(batch, target, authority, &mut follow_ups)?;
        }
        batch.waiting.push((receipt, at));
        let FollowUps { records: follow_ups, stayed } = follow_ups;
        let (position, changed) = (Position::default(), known.is_some());
        let outcome = Outcome::Accepted { event_id, position, changed, follow_ups, stayed };
        Ok(Receipt { outcome, findings: whose.findings })
    }

    /// Whose a submission is: the person of the record it leans on, or of its strongest identifier, or nobody's.
    fn whose(
        &self,
        batch: &Batch,
        said: &v1::Event,
        kind: Kind,
        person: Option<&v1::PersonDetails>,
        same_person_as: Option<&str>,
    ) -> Result<Whose, SubmitError> {
        // A check-in knows less than the claim, and may be sent again after it.
        if kind == Kind::VisitOpened
            && let name = RecordName::new(&said.emitter, &said.record_key)
            && let Some(claim) = self.index.version(&batch.pending, name, Kind::ClaimSubmitted)?
            && !claim.withdrawn
        {
            return Ok(Whose { subject: claim.subject, kind: claim.subject_kind, findings: Vec::new() });
        }
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
    pub(super) fn finished(
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
        self.stamp(&mut event, version, content_hash, authority);
        let faults = contract::validate(&event);
        Ok(if faults.is_empty() { Ok(event) } else { Err(faults) })
    }

    /// What intake alone says of an event.
    pub(super) fn stamp(
        &self,
        event: &mut v1::Event,
        version: &Version,
        content_hash: [u8; 16],
        authority: v1::Authority,
    ) {
        event.event_id = version.event_id.0.to_vec();
        event.subject = version.subject.0.to_vec();
        event.subject_kind = version.subject_kind as i32;
        event.asserted_at = Some(version.asserted_at.to_timestamp());
        event.recorded_at = Some(version.recorded_at.to_timestamp());
        event.key_id = self.deployment.id().to_string();
        event.content_hash = content_hash.to_vec();
        event.authority = authority as i32;
    }

    /// The key of a person who has one.
    pub(super) fn known_key<'b>(
        &self,
        batch: &'b mut Batch,
        subject: Subject,
    ) -> Result<Option<&'b PersonKey>, SubmitError> {
        Ok(match batch.keys.entry(subject) {
            Entry::Occupied(found) => Some(found.into_mut()),
            Entry::Vacant(place) => match self.index.slot(&batch.pending, subject)? {
                Some(slot) => Some(place.insert(self.keys.get(slot, subject)?)),
                None => None,
            },
        })
    }

    /// The key of a person, made where there is none.
    fn person_key<'b>(
        &mut self,
        batch: &'b mut Batch,
        subject: Subject,
    ) -> Result<&'b PersonKey, SubmitError> {
        if self.known_key(batch, subject)?.is_none() {
            let (slot, key) = self.keys.create(subject);
            batch.pending.persons.insert(subject, slot);
            batch.keys.insert(subject, key);
        }
        Ok(&batch.keys[&subject])
    }
}

fn fault(field: &str, code: FaultCode, message: &str) -> Fault {
    Fault { field: field.into(), code, message: message.into() }
}

fn refused(faults: Vec<Fault>, findings: Vec<IdentifierFinding>) -> Receipt {
    debug_assert!(!faults.is_empty());
    Receipt { outcome: Outcome::Refused { faults }, findings }
}
