//! The straight path through an envelope as intake writes it. Whatever it does not expect (an unknown field, a reference,
//! a withdrawal, anything broken) it leaves to the general walk, which also finds the words. It is several times as fast
//! (`benches/events.rs`), and almost every event goes this way.

use super::{EventView, field};
use crate::{
    EventId, Kind, Subject,
    v1::{Authority, SubjectKind},
    wire::Straight,
};

#[inline(always)]
pub(super) fn parse(bytes: &[u8]) -> Option<EventView<'_>> {
    let mut rest = Straight::new(bytes);
    let event_id = EventId(rest.sixteen::<{ field::EVENT_ID }>()?);
    let subject = Subject(rest.sixteen::<{ field::SUBJECT }>()?);
    let subject_kind = SubjectKind::try_from(rest.number::<{ field::SUBJECT_KIND }>()? as i32).ok()?;
    let emitter = rest.text::<{ field::EMITTER }>()?;
    let record_key = rest.text::<{ field::RECORD_KEY }>()?;
    let asserted_at = rest.millis::<{ field::ASSERTED_AT }>()??;
    let occurred_at = rest.millis::<{ field::OCCURRED_AT }>()??;
    let recorded_at = rest.millis::<{ field::RECORDED_AT }>()??;
    let emitter_sequence = rest.number::<{ field::EMITTER_SEQUENCE }>()?;
    rest.bytes::<{ field::CORRELATION_ID }>()?;
    rest.bytes::<{ field::CAUSATION_ID }>()?;
    let key_id = rest.text::<{ field::KEY_ID }>()?;
    let content_hash = rest.sixteen_or_zeros::<{ field::CONTENT_HASH }>()?;
    rest.bytes::<{ field::PERSON }>()?;
    rest.bytes::<{ field::RESTRICTED }>()?;
    let by_operator =
        Authority::try_from(rest.number::<{ field::AUTHORITY }>()? as i32).ok()? == Authority::Operator;
    let (number, body) = rest.any_bytes()?;
    let kind = Kind::from_number(number)?;
    rest.ends().then_some(EventView {
        event_id,
        subject,
        subject_kind,
        emitter,
        record_key,
        asserted_at,
        occurred_at,
        recorded_at,
        emitter_sequence,
        corrects: None,
        voids: None,
        key_id,
        content_hash,
        withdrawn: false,
        by_operator,
        kind,
        body,
    })
}
