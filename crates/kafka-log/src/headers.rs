//! An event's attributes as headers of its record: CloudEvents 1.0, binary mode.

use std::{ffi::CStr, fmt::Write};

use contract::{EventId, EventView};

use crate::{Contents, native::Headers};

const CONTENT_TYPE: &CStr = c"content-type";
/// Without these a record is no CloudEvent.
pub(crate) const REQUIRED: [&CStr; 4] = [SPEC_VERSION, ID, SOURCE, TYPE];
const SPEC_VERSION: &CStr = c"ce_specversion";
const ID: &CStr = c"ce_id";
const SOURCE: &CStr = c"ce_source";
const TYPE: &CStr = c"ce_type";
const TIME: &CStr = c"ce_time";

/// The headers of a record; none where the bytes are no event. The subject is the record's key, and not said again.
pub(crate) fn headers(contents: Contents, bytes: &[u8]) -> Option<Headers> {
    let event = match contents {
        Contents::Bytes => None,
        Contents::Events => Some(EventView::parse(bytes).ok()?),
    };
    let mut headers = Headers::with_capacity(6);
    headers.add(CONTENT_TYPE, "application/protobuf");
    let Some(event) = event else { return Some(headers) };
    let mut text = String::with_capacity(64);
    headers.add(SPEC_VERSION, "1.0");
    put_uuid(&mut text, event.event_id);
    headers.add(ID, &text);
    text.clear();
    put_source(&mut text, event.emitter.as_str());
    headers.add(SOURCE, &text);
    text.clear();
    text.push_str("vertebra.v1.");
    text.push_str(event.kind.name());
    headers.add(TYPE, &text);
    text.clear();
    // A text takes whatever is written into it.
    let _ = write!(text, "{}", event.occurred_at);
    headers.add(TIME, &text);
    Some(headers)
}

/// As RFC 9562 writes it.
fn put_uuid(out: &mut String, id: EventId) {
    for (at, byte) in id.0.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
}

/// A reference by RFC 3986: what a path may not hold is written with `%`.
fn put_source(out: &mut String, emitter: &str) {
    out.push_str("/emitters/");
    for byte in emitter.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_sources_are_written_as_their_standards_say() {
        let mut text = String::new();
        put_uuid(&mut text, EventId(*b"\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"));
        assert_eq!(text, "01234567-89ab-cdef-0123-456789abcdef");
        text.clear();
        put_source(&mut text, "trạm y tế/01");
        assert_eq!(text, "/emitters/tr%E1%BA%A1m%20y%20t%E1%BA%BF%2F01");
    }
}
