//! What is known of a visit follows its claim.
//!
//! A check-in may know only the patient's number in the house, and a transfer form may come before its claim: both
//! stand with whom they named. The claim names the person best, and a correction of it may name another; what it does
//! not send again would stay behind, and the visit would count twice.

use contract::{EventId, EventView, Kind, v1};

use super::{
    Intake, SubmitError,
    batch::{Batch, FollowUps, MOVED, Prepared, TAKEN_BACK, Target},
};
use crate::{
    index::{RecordName, Version},
    receipt::{FollowUp, FollowUpKind, StayReason, Stayed},
};

/// More forms of one visit than this stay where they are.
const FORMS_MAX: usize = 64;
/// So many events are read to learn which forms of one visit were taken back. Some thousandths of a second.
const LOOKS_MAX: usize = 1000;

impl Intake {
    /// Takes back what stands elsewhere of the visit whose claim is `claim`: the check-in, of which the claim tells
    /// too, and its forms, which are said again about the claim's person.
    pub(super) fn follow(
        &mut self,
        batch: &mut Batch,
        emitter: &str,
        record_key: &str,
        claim: &Version,
        authority: v1::Authority,
        follow_ups: &mut FollowUps,
    ) -> Result<(), SubmitError> {
        let is_elsewhere = |known: &Version| known.subject != claim.subject && !known.withdrawn;
        let name = RecordName::new(emitter, record_key);
        let visit = self.index.version(&batch.pending, name, Kind::VisitOpened)?;
        let mut looks = LOOKS_MAX;
        if let Some(visit) = visit.filter(is_elsewhere) {
            if self.is_taken_back(batch, visit.event_id, &mut looks)? {
                follow_ups.records.extend(self.retract(
                    batch,
                    &Target::of(emitter, &visit),
                    MOVED,
                    authority,
                )?);
            } else {
                follow_ups.records.extend(self.take_along(batch, name, emitter, &visit, authority)?);
            }
        }
        for number in 1..=FORMS_MAX + 1 {
            let name = RecordName::new(emitter, &contract::numbered_key(record_key, number));
            let Some(form) = self.index.version(&batch.pending, name, Kind::ReferralIssued)? else { break };
            if !is_elsewhere(&form) {
                continue;
            }
            // What its emitter took back is not revived.
            let is_taken_back = self.is_taken_back(batch, form.event_id, &mut looks)?;
            let said = if looks == 0 {
                Err(StayReason::TakenBackTooOften)
            } else if is_taken_back {
                continue;
            } else if number > FORMS_MAX {
                Err(StayReason::TooMany)
            } else {
                self.say_again(batch, name, emitter, &form, claim, authority)?
            };
            match said {
                Ok(records) => follow_ups.records.extend(records),
                Err(why) => follow_ups.stayed.push(Stayed { event_id: form.event_id, why }),
            }
        }
        Ok(())
    }

    /// Takes a form back, and says it again of the claim's person as a correction of itself.
    fn say_again(
        &mut self,
        batch: &mut Batch,
        name: RecordName,
        emitter: &str,
        form: &Version,
        claim: &Version,
        authority: v1::Authority,
    ) -> Result<Result<Vec<FollowUp>, StayReason>, SubmitError> {
        let event = self.bytes_of(batch, form.event_id, |bytes| contract::decode(bytes).ok())?;
        let Some(event) = event else { return Ok(Err(StayReason::CannotBeSaid)) };
        let Some(submission) = self.unsealed(batch, event, form)? else {
            return Ok(Err(StayReason::CannotBeOpened));
        };
        let (content_hash, event_id) = self.derived(&submission, form.asserted_at);
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
            Err(_) => return Ok(Err(StayReason::CannotBeSaid)),
        };
        let mut records = self.take_along(batch, name, emitter, form, authority)?;
        let bytes = contract::encode(&event);
        batch.push(Prepared { event_id, subject: claim.subject, content_hash, bytes });
        batch.pending.note(name, Kind::ReferralIssued, moved);
        batch.pending.note_taking(form.event_id, event_id);
        records.push(FollowUp::new(FollowUpKind::SaidAgain, form.event_id, event_id));
        Ok(Ok(records))
    }

    /// Takes a version of the record `name` back where it is, and with it what it takes back itself, which would count
    /// again there.
    fn take_along(
        &self,
        batch: &mut Batch,
        name: RecordName,
        emitter: &str,
        version: &Version,
        authority: v1::Authority,
    ) -> Result<Vec<FollowUp>, SubmitError> {
        let mut records = Vec::with_capacity(2);
        records.extend(self.retract(batch, &Target::of(emitter, version), MOVED, authority)?);
        let taken = |bytes: &[u8]| {
            let view = EventView::parse(bytes).ok()?;
            Some((view.kind, view.voids.or(view.corrects)?))
        };
        let Some((kind, taken)) = self.bytes_of(batch, version.event_id, taken)? else { return Ok(records) };
        // An older version of the same record does not count in any case.
        let is_older = |bytes: &[u8]| Some(record_of(bytes)? == (kind, name));
        if self.bytes_of(batch, taken, is_older)? == Some(false)
            && let Some(target) = self.target(batch, &taken.0)?
        {
            records.extend(self.retract(batch, &target, MOVED, authority)?);
        }
        Ok(records)
    }

    /// An emitter corrected or voided `taken`. It, or what it takes back itself and so restores, may have been said again
    /// where its claim is, which the emitter does not know: that is taken back, or said once more, too.
    pub(super) fn follow_taking(
        &mut self,
        batch: &mut Batch,
        taken: EventId,
        authority: v1::Authority,
        follow_ups: &mut FollowUps,
    ) -> Result<(), SubmitError> {
        let mut looks = LOOKS_MAX;
        let mut next = Some(taken);
        while let Some(event) = next.filter(|_| looks > 0) {
            if let Some(now) = self.said_now(batch, event, &mut looks)?.filter(|now| *now != event) {
                self.settle_again(batch, now, authority, &mut looks, follow_ups)?;
            }
            let taken =
                |bytes: &[u8]| EventView::parse(bytes).ok().and_then(|view| view.voids.or(view.corrects));
            next = match self.moved_from(batch, event)? {
                Some(_) => None,
                None => self.bytes_of(batch, event, taken)?,
            };
        }
        Ok(())
    }

    /// Takes what was said again back, or says it once more, as its emitter has it.
    fn settle_again(
        &mut self,
        batch: &mut Batch,
        now: EventId,
        authority: v1::Authority,
        looks: &mut usize,
        follow_ups: &mut FollowUps,
    ) -> Result<(), SubmitError> {
        let of_record =
            |bytes: &[u8]| Some((record_of(bytes)?, EventView::parse(bytes).ok()?.emitter.to_string()));
        let Some(((kind, name), emitter)) = self.bytes_of(batch, now, of_record)? else { return Ok(()) };
        let Some(form) = self.index.version(&batch.pending, name, kind)? else { return Ok(()) };
        let target = Target::of(&emitter, &form);
        let is_taken_back = self.is_taken_back(batch, now, looks)?;
        if *looks == 0 {
            follow_ups.stayed.push(Stayed { event_id: now, why: StayReason::TakenBackTooOften });
        } else if is_taken_back {
            follow_ups.records.extend(self.retract(batch, &target, TAKEN_BACK, authority)?);
        } else if self.is_retracted(batch, &target)? {
            match self.say_again(batch, name, &emitter, &form, &form, authority)? {
                Ok(records) => follow_ups.records.extend(records),
                Err(why) => follow_ups.stayed.push(Stayed { event_id: now, why }),
            }
        }
        Ok(())
    }

    /// Whether an emitter took an event back: by one of whatever kind that corrects or voids it, or what it says again, is
    /// the version of its record that counts, and is not taken back itself. As of histories, of which intake has none.
    /// `looks`: how many events may still be read; with none left the answer says nothing.
    fn is_taken_back(&self, batch: &Batch, event: EventId, looks: &mut usize) -> Result<bool, SubmitError> {
        let (mut at, mut said_again) = (event, None);
        loop {
            for by in self.index.takings(&batch.pending, at, *looks)? {
                if Some(by) != said_again
                    && let Some(by) = self.said_now(batch, by, looks)?
                    && !self.is_taken_back(batch, by, looks)?
                {
                    return Ok(true);
                }
            }
            let Some(before) = self.moved_from(batch, at)?.filter(|_| *looks > 0) else { return Ok(false) };
            *looks -= 1;
            said_again = Some(std::mem::replace(&mut at, before));
        }
    }

    /// The event that `event` says again, if it does: what its claim moved, or its emitter restored after that.
    fn moved_from(&self, batch: &Batch, event: EventId) -> Result<Option<EventId>, SubmitError> {
        self.bytes_of(batch, event, |bytes| {
            let before = contract::decode(bytes).ok()?.corrects.filter(|before| before.reason == MOVED)?;
            EventId::try_from(&before.event_id[..]).ok()
        })
    }

    /// The event that says now what `event` says: itself, or what said it again where its claim is. `None`: another version
    /// of its record counts, or the record is withdrawn.
    fn said_now(
        &self,
        batch: &Batch,
        event: EventId,
        looks: &mut usize,
    ) -> Result<Option<EventId>, SubmitError> {
        *looks = looks.saturating_sub(1);
        let Some((kind, name)) = self.bytes_of(batch, event, record_of)? else { return Ok(None) };
        if kind == Kind::Retraction {
            return Ok(Some(event));
        }
        let counts = self.index.version(&batch.pending, name, kind)?.filter(|counts| !counts.withdrawn);
        let mut said = counts.map(|counts| counts.event_id);
        while let Some(id) = said.filter(|id| *id != event) {
            if *looks == 0 {
                return Ok(None);
            }
            *looks -= 1;
            said = self.moved_from(batch, id)?;
        }
        Ok(said.and(counts).map(|counts| counts.event_id))
    }

    /// The event of a form as it was submitted, as a correction of itself; `None` where what is sealed in it cannot be
    /// opened.
    fn unsealed(
        &mut self,
        batch: &mut Batch,
        event: v1::Event,
        form: &Version,
    ) -> Result<Option<v1::Submission>, SubmitError> {
        let (mut person, mut restricted) = (None, None);
        if event.person.is_some() || event.restricted.is_some() {
            let Version { subject, event_id, .. } = *form;
            let Some(key) = self.known_key(batch, subject)? else { return Ok(None) };
            let details =
                event.person.map(|sealed| contract::open_person(key, subject, event_id, &sealed)).transpose();
            let hidden = event
                .restricted
                .map(|sealed| contract::open_restricted(key, subject, event_id, &sealed))
                .transpose();
            let (Ok(details), Ok(hidden)) = (details, hidden) else { return Ok(None) };
            (person, restricted) = (details, hidden);
        }
        let event = v1::Event {
            emitter: event.emitter,
            record_key: event.record_key,
            asserted_at: event.asserted_at,
            occurred_at: event.occurred_at,
            body: event.body,
            correlation_id: event.correlation_id,
            causation_id: event.causation_id,
            corrects: Some(v1::EventReference { event_id: form.event_id.0.to_vec(), reason: MOVED.into() }),
            ..v1::Event::default()
        };
        Ok(Some(v1::Submission { event: Some(event), person, restricted }))
    }
}

/// Of which record and kind an event is.
fn record_of(bytes: &[u8]) -> Option<(Kind, RecordName)> {
    let view = EventView::parse(bytes).ok()?;
    Some((view.kind, RecordName::new(view.emitter.as_str(), view.record_key.as_str())))
}
