//! What is known of a visit follows its claim.
//!
//! A check-in may know only the patient's number in the house, and a transfer form may come before its claim: both stand with
//! whom they named. The claim names the person best, and a correction of it may name another; what it does not send again
//! would stay behind, and the visit would count twice.

use contract::{EventId, Kind, v1};

use super::{
    Intake, SubmitError,
    batch::{Batch, MOVED, Prepared, Target},
};
use crate::index::{RecordName, Version};

/// More forms of one visit than this stay where they are.
const FORMS_MAX: usize = 64;

impl Intake {
    /// Takes back what stands elsewhere of the visit whose claim is `claim`: the check-in, of which the claim tells too, and
    /// its forms, which are said again about the claim's person. What was taken back goes to `voided`.
    pub(super) fn follow(
        &mut self,
        batch: &mut Batch,
        emitter: &str,
        record_key: &str,
        claim: &Version,
        authority: v1::Authority,
        voided: &mut Vec<EventId>,
    ) -> Result<(), SubmitError> {
        let is_elsewhere = |known: &Version| known.subject != claim.subject && !known.withdrawn;
        let name = RecordName::new(emitter, record_key);
        let visit = self.index.version(&batch.pending, name, Kind::VisitOpened)?;
        if let Some(visit) = visit.filter(is_elsewhere)
            && self.retract(batch, &Target::of(emitter, &visit), authority)?
        {
            voided.push(visit.event_id);
        }
        for number in 1..=FORMS_MAX {
            // As whoever sends several forms of one record tells them apart.
            let key = if number == 1 { record_key.to_owned() } else { format!("{record_key}#{number}") };
            let name = RecordName::new(emitter, &key);
            let Some(form) = self.index.version(&batch.pending, name, Kind::ReferralIssued)? else { break };
            if is_elsewhere(&form) && self.say_again(batch, name, emitter, &form, claim, authority)? {
                voided.push(form.event_id);
            }
        }
        Ok(())
    }

    /// Takes a form back, and says it again of the claim's person as a correction of itself. Whether it was.
    fn say_again(
        &mut self,
        batch: &mut Batch,
        name: RecordName,
        emitter: &str,
        form: &Version,
        claim: &Version,
        authority: v1::Authority,
    ) -> Result<bool, SubmitError> {
        let event = self.bytes_of(batch, form.event_id, |bytes| contract::decode(bytes).ok())?;
        let Some(event) = event else { return Ok(false) };
        let submission = self.unsealed(batch, event, form.event_id)?;
        let content_hash = self.deployment.content_hash(&submission);
        let record_key = submission.event.as_ref().map_or("", |event| &event.record_key);
        let event_id =
            self.deployment.derive_event_id(emitter, record_key, Some(form.asserted_at), &content_hash);
        batch.be_later_than(form);
        let moved = Version {
            event_id,
            recorded_at: batch.recorded_at,
            subject: claim.subject,
            subject_kind: claim.subject_kind,
            ..*form
        };
        let event = match self.finished(batch, submission, &moved, content_hash, authority)? {
            Ok(event) => event,
            Err(_) => {
                tracing::warn!(event_id = %form.event_id, "a form does not fit where its claim is, and stays");
                return Ok(false);
            }
        };
        self.retract(batch, &Target::of(emitter, form), authority)?;
        let bytes = contract::encode(&event);
        batch.push(Prepared { event_id, subject: claim.subject, content_hash, bytes });
        batch.pending.note(name, Kind::ReferralIssued, moved);
        Ok(true)
    }

    /// An event of the log as it was submitted, as a correction of itself. What cannot be opened stays sealed where it was.
    fn unsealed(
        &mut self,
        batch: &mut Batch,
        event: v1::Event,
        id: EventId,
    ) -> Result<v1::Submission, SubmitError> {
        let v1::Event { subject, person, restricted, .. } = &event;
        let (mut details, mut hidden) = (None, None);
        if let Ok(subject) = subject[..].try_into()
            && (person.is_some() || restricted.is_some())
        {
            let key = self.person_key(batch, subject)?;
            details = person.as_ref().and_then(|sealed| contract::open_person(key, subject, id, sealed).ok());
            hidden = restricted
                .as_ref()
                .and_then(|sealed| contract::open_restricted(key, subject, id, sealed).ok());
        }
        let v1::Event {
            emitter,
            record_key,
            asserted_at,
            occurred_at,
            body,
            correlation_id,
            causation_id,
            ..
        } = event;
        let event = v1::Event {
            emitter,
            record_key,
            asserted_at,
            occurred_at,
            body,
            correlation_id,
            causation_id,
            corrects: Some(v1::EventReference { event_id: id.0.to_vec(), reason: MOVED.into() }),
            ..v1::Event::default()
        };
        Ok(v1::Submission { event: Some(event), person: details, restricted: hidden })
    }
}
