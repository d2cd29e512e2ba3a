//! The straight path: an envelope as intake writes it, field after field, without asking which field comes next. Whatever
//! it does not expect (an unknown field, a reference, a withdrawal, anything broken) it leaves to the general walk, which
//! also finds the words. It is three times as fast (`benches/events.rs`), and almost every event goes this way.

use super::EventView;
use crate::{
    EventId, Kind, Millis, Subject,
    v1::{Authority, SubjectKind},
};

/// Keys on the wire: field number and wire type.
mod key {
    pub(super) const EVENT_ID: u8 = 1 << 3 | 2;
    pub(super) const SUBJECT: u8 = 2 << 3 | 2;
    pub(super) const SUBJECT_KIND: u8 = 3 << 3;
    pub(super) const EMITTER: u8 = 4 << 3 | 2;
    pub(super) const RECORD_KEY: u8 = 5 << 3 | 2;
    pub(super) const ASSERTED_AT: u8 = 6 << 3 | 2;
    pub(super) const OCCURRED_AT: u8 = 7 << 3 | 2;
    pub(super) const RECORDED_AT: u8 = 8 << 3 | 2;
    pub(super) const EMITTER_SEQUENCE: u8 = 9 << 3;
    pub(super) const CORRELATION_ID: u8 = 10 << 3 | 2;
    pub(super) const CAUSATION_ID: u8 = 11 << 3 | 2;
    pub(super) const KEY_ID: u8 = 14 << 3 | 2;
    pub(super) const CONTENT_HASH: u8 = 15 << 3 | 2;
    // Two bytes from here on; the second is 1 up to field 31.
    pub(super) const PERSON: u8 = (16 << 3 | 2) & 0x7f | 0x80;
    pub(super) const RESTRICTED: u8 = (17 << 3 | 2) & 0x7f | 0x80;
    pub(super) const AUTHORITY: u8 = (19 << 3) & 0x7f | 0x80;
    // In a timestamp.
    pub(super) const SECONDS: u8 = 1 << 3;
    pub(super) const NANOS: u8 = 2 << 3;
}

#[inline]
pub(super) fn parse(bytes: &[u8]) -> Option<EventView<'_>> {
    let mut rest = Rest(bytes);
    let event_id = EventId(rest.sixteen(key::EVENT_ID)?);
    let subject = Subject(rest.sixteen(key::SUBJECT)?);
    let subject_kind = match rest.key(key::SUBJECT_KIND) {
        true => SubjectKind::try_from(rest.number()? as i32).ok()?,
        false => SubjectKind::Unspecified,
    };
    let emitter = rest.text(key::EMITTER)?;
    let record_key = rest.text(key::RECORD_KEY)?;
    let asserted_at = rest.millis(key::ASSERTED_AT)?;
    let occurred_at = rest.millis(key::OCCURRED_AT)?;
    let recorded_at = rest.millis(key::RECORDED_AT)?;
    let emitter_sequence = if rest.key(key::EMITTER_SEQUENCE) { rest.number()? } else { 0 };
    if rest.key(key::CORRELATION_ID) {
        rest.bytes()?;
    }
    if rest.key(key::CAUSATION_ID) {
        rest.bytes()?;
    }
    let key_id = rest.text(key::KEY_ID)?;
    let content_hash = if rest.is_at(key::CONTENT_HASH) { rest.sixteen(key::CONTENT_HASH)? } else { [0; 16] };
    if rest.key_of_two(key::PERSON) {
        rest.bytes()?;
    }
    if rest.key_of_two(key::RESTRICTED) {
        rest.bytes()?;
    }
    let by_operator = rest.key_of_two(key::AUTHORITY)
        && Authority::try_from(rest.number()? as i32).ok()? == Authority::Operator;
    let &[low, high, ref after @ ..] = rest.0 else { return None };
    let number = u32::from(low & 0x7f) | u32::from(high) << 7;
    // A number of two bytes, a length after it: any other first byte or wire type is no body.
    if low < 0x80 || high >= 0x80 || number & 7 != 2 {
        return None;
    }
    let kind = Kind::from_number(number >> 3)?;
    let mut rest = Rest(after);
    let body = rest.bytes()?;
    rest.0.is_empty().then_some(EventView {
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

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    #[inline]
    fn is_at(&self, key: u8) -> bool {
        self.0.first() == Some(&key)
    }

    /// Steps over a key of one byte, if it is this one.
    #[inline]
    fn key(&mut self, key: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == key => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// The same for a key of two bytes.
    #[inline]
    fn key_of_two(&mut self, key: u8) -> bool {
        match self.0 {
            [first, 1, rest @ ..] if *first == key => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// A varint of at most nine bytes.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for (index, &byte) in self.0.iter().take(9).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Some(number);
            }
        }
        None
    }

    #[inline]
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    #[inline]
    fn sixteen(&mut self, key: u8) -> Option<[u8; 16]> {
        let ([first, 16], rest) = self.0.split_first_chunk()? else { return None };
        let (bytes, rest) = rest.split_first_chunk()?;
        self.0 = rest;
        (*first == key).then_some(*bytes)
    }

    /// A text, empty where there is none.
    #[inline]
    fn text(&mut self, key: u8) -> Option<&'a str> {
        match self.key(key) {
            true => std::str::from_utf8(self.bytes()?).ok(),
            false => Some(""),
        }
    }

    #[inline]
    fn millis(&mut self, key: u8) -> Option<Millis> {
        if !self.key(key) {
            return None;
        }
        let mut time = Rest(self.bytes()?);
        let seconds = if time.key(key::SECONDS) { time.number()? as i64 } else { 0 };
        let nanos = if time.key(key::NANOS) { time.number()? as i32 } else { 0 };
        time.0.is_empty().then(|| Millis::from_timestamp(&prost_types::Timestamp { seconds, nanos }))
    }
}
