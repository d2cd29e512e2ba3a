//! The hot path: an event read where it lies.

mod straight;

use crate::{
    EventId, Kind, Millis, Subject,
    event::FIRST_BODY,
    v1::{Authority, SubjectKind},
    wire::{Fields, Text, Value, WireError, WireFault},
};

/// Numbers of the envelope's fields; those of the bodies are [`Kind`].
mod field {
    pub(super) const EVENT_ID: u32 = 1;
    pub(super) const SUBJECT: u32 = 2;
    pub(super) const SUBJECT_KIND: u32 = 3;
    pub(super) const EMITTER: u32 = 4;
    pub(super) const RECORD_KEY: u32 = 5;
    pub(super) const ASSERTED_AT: u32 = 6;
    pub(super) const OCCURRED_AT: u32 = 7;
    pub(super) const RECORDED_AT: u32 = 8;
    pub(super) const EMITTER_SEQUENCE: u32 = 9;
    pub(super) const CORRELATION_ID: u32 = 10;
    pub(super) const CAUSATION_ID: u32 = 11;
    pub(super) const CORRECTS: u32 = 12;
    pub(super) const VOIDS: u32 = 13;
    pub(super) const KEY_ID: u32 = 14;
    pub(super) const CONTENT_HASH: u32 = 15;
    pub(super) const PERSON: u32 = 16;
    pub(super) const RESTRICTED: u32 = 17;
    pub(super) const WITHDRAWAL: u32 = 18;
    pub(super) const AUTHORITY: u32 = 19;
}

/// An encoded event, its envelope read, its body not yet.
///
/// Reads exactly what prost reads, or nothing: see [`crate::wire`]. What it leaves closed (body, sealed fields,
/// correlation and causation) may still be broken inside; that shows when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventView<'a> {
    /// The event's id.
    pub event_id: EventId,
    /// Whom it is about.
    pub subject: Subject,
    /// What the subject was made from.
    pub subject_kind: SubjectKind,
    /// Who speaks.
    pub emitter: Text<'a>,
    /// The source's own key of the record this is a version of.
    pub record_key: Text<'a>,
    /// When the emitter made this version.
    pub asserted_at: Millis,
    /// When it was true.
    pub occurred_at: Millis,
    /// When the backbone learned it.
    pub recorded_at: Millis,
    /// The emitter's gapless number; 0: it keeps none.
    pub emitter_sequence: u64,
    /// The event this one takes back and replaces.
    pub corrects: Option<EventId>,
    /// The event this one takes back.
    pub voids: Option<EventId>,
    /// Under which of the deployment's keys the subject was made.
    pub key_id: Text<'a>,
    /// Keyed hash of the content as submitted; zeros when absent.
    pub content_hash: [u8; 16],
    /// Whether this version withdraws the record.
    pub withdrawn: bool,
    /// Whether an operator speaks for the emitter.
    pub by_operator: bool,
    /// What kind of event it is.
    pub kind: Kind,
    /// The body, encoded; [`Fields`] reads it.
    pub body: &'a [u8],
}

impl<'a> EventView<'a> {
    /// Reads the envelope of an encoded event. An event of a kind this build does not know is
    /// [`WireFault::UnknownKind`]: the caller sets it aside. Unknown fields of the envelope are skipped.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<EventView<'a>, WireError> {
        match EventView::parse_straight(bytes) {
            Some(view) => Ok(view),
            None => EventView::parse_any(bytes),
        }
    }

    /// The same, for those who read whole logs, of an event that looks as nearly all do; `None`: it is to be read with
    /// [`EventView::parse`]. Always inlined, so that the view is made where it stays: a view is long, and moving one takes
    /// a tenth of the time of reading it.
    #[must_use]
    #[inline(always)]
    pub fn parse_straight(bytes: &'a [u8]) -> Option<EventView<'a>> {
        straight::parse(bytes)
    }

    #[cold]
    fn parse_any(bytes: &'a [u8]) -> Result<EventView<'a>, WireError> {
        let mut envelope = Envelope::default();
        let mut last = 0;
        let mut body = None;
        for item in Fields::new(bytes) {
            let (number, value) = item?;
            // Nothing in the envelope is repeated.
            if number == last {
                return Err(WireFault::Order.at(number));
            }
            last = number;
            if number < FIRST_BODY {
                if let Err(error) = envelope.read(number, value) {
                    return Err(error.in_field(number));
                }
            } else if body.is_some() {
                // prost would keep the last of two bodies.
                return Err(WireFault::Order.at(number));
            } else {
                let kind = Kind::from_number(number).ok_or(WireFault::UnknownKind.at(number))?;
                let Value::Bytes(bytes) = value else { return Err(WireFault::Type.at(number)) };
                body = Some((kind, bytes));
            }
        }
        let missing = |number: u32| WireFault::Missing.at(number);
        let (kind, body) = body.ok_or(missing(FIRST_BODY))?;
        Ok(EventView {
            event_id: EventId(envelope.event_id.ok_or(missing(field::EVENT_ID))?),
            subject: Subject(envelope.subject.ok_or(missing(field::SUBJECT))?),
            subject_kind: envelope.subject_kind,
            emitter: envelope.emitter,
            record_key: envelope.record_key,
            asserted_at: envelope.asserted_at.ok_or(missing(field::ASSERTED_AT))?,
            occurred_at: envelope.occurred_at.ok_or(missing(field::OCCURRED_AT))?,
            recorded_at: envelope.recorded_at.ok_or(missing(field::RECORDED_AT))?,
            emitter_sequence: envelope.emitter_sequence,
            corrects: envelope.corrects,
            voids: envelope.voids,
            key_id: envelope.key_id,
            content_hash: envelope.content_hash,
            withdrawn: envelope.withdrawn,
            by_operator: envelope.by_operator,
            kind,
            body,
        })
    }
}

#[derive(Default)]
struct Envelope<'a> {
    event_id: Option<[u8; 16]>,
    subject: Option<[u8; 16]>,
    subject_kind: SubjectKind,
    emitter: Text<'a>,
    record_key: Text<'a>,
    asserted_at: Option<Millis>,
    occurred_at: Option<Millis>,
    recorded_at: Option<Millis>,
    emitter_sequence: u64,
    corrects: Option<EventId>,
    voids: Option<EventId>,
    key_id: Text<'a>,
    content_hash: [u8; 16],
    withdrawn: bool,
    by_operator: bool,
}

impl<'a> Envelope<'a> {
    #[inline]
    fn read(&mut self, number: u32, value: Value<'a>) -> Result<(), WireError> {
        match number {
            field::EVENT_ID => self.event_id = Some(value.as_sixteen()?),
            field::SUBJECT => self.subject = Some(value.as_sixteen()?),
            field::SUBJECT_KIND => self.subject_kind = known(value)?,
            field::EMITTER => self.emitter = text(value)?,
            field::RECORD_KEY => self.record_key = text(value)?,
            field::ASSERTED_AT => self.asserted_at = Some(value.as_millis()?),
            field::OCCURRED_AT => self.occurred_at = Some(value.as_millis()?),
            field::RECORDED_AT => self.recorded_at = Some(value.as_millis()?),
            field::EMITTER_SEQUENCE => self.emitter_sequence = value.as_u64()?,
            field::CORRECTS => self.corrects = Some(reference(value)?),
            field::VOIDS => self.voids = Some(reference(value)?),
            field::KEY_ID => self.key_id = text(value)?,
            field::CONTENT_HASH => self.content_hash = value.as_sixteen()?,
            field::WITHDRAWAL => {
                text_at(1, value)?;
                self.withdrawn = true;
            }
            field::AUTHORITY => self.by_operator = known::<Authority>(value)? == Authority::Operator,
            field::CORRELATION_ID | field::CAUSATION_ID | field::PERSON | field::RESTRICTED => {
                value.as_bytes()?;
            }
            _ => {}
        }
        Ok(())
    }
}

#[inline]
fn known<E: TryFrom<i32>>(value: Value<'_>) -> Result<E, WireError> {
    E::try_from(value.as_i32()?).map_err(|_| WireFault::UnknownValue.into())
}

fn text(value: Value<'_>) -> Result<Text<'_>, WireError> {
    Text::new(value.as_bytes()?).ok_or(WireFault::Text.into())
}

/// The id in an `EventReference`.
fn reference(value: Value<'_>) -> Result<EventId, WireError> {
    text_at(2, value)?;
    let mut ids = value
        .as_fields()?
        .filter_map(|field| field.map(|(number, id)| (number == 1).then_some(id)).transpose());
    let id = ids.next().ok_or(WireFault::Missing)??.as_sixteen()?;
    match ids.next() {
        None => Ok(EventId(id)),
        Some(_) => Err(WireFault::Order.into()),
    }
}

/// Checks a message that holds a text for people (a reason) in field `text`, which nothing reads here.
fn text_at(text: u32, value: Value<'_>) -> Result<(), WireError> {
    for field in value.as_fields()? {
        let (number, value) = field?;
        if number == text {
            value.as_str()?;
        }
    }
    Ok(())
}
