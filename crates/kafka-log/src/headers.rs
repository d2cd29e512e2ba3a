//! An event's attributes as headers of its record: CloudEvents 1.0, binary mode.

use std::fmt::Write;

use contract::{EventId, EventView};
use rdkafka::message::{Header, OwnedHeaders};

use crate::Contents;

/// The headers of a record; none where the bytes are no event.
pub(crate) fn headers(contents: Contents, bytes: &[u8]) -> Option<OwnedHeaders> {
    match contents {
        Contents::Bytes => Some(header(OwnedHeaders::new_with_capacity(1), "content-type", CONTENT_TYPE)),
        Contents::Events => EventView::parse(bytes).ok().map(|view| of_event(&view)),
    }
}

const CONTENT_TYPE: &str = "application/protobuf";

fn of_event(event: &EventView<'_>) -> OwnedHeaders {
    let mut text = String::with_capacity(64);
    let mut headers = OwnedHeaders::new_with_capacity(7);
    headers = header(headers, "content-type", CONTENT_TYPE);
    headers = header(headers, "ce_specversion", "1.0");
    put_uuid(&mut text, event.event_id);
    headers = header(headers, "ce_id", &text);
    text.clear();
    put_source(&mut text, event.emitter.as_str());
    headers = header(headers, "ce_source", &text);
    text.clear();
    text.push_str("vertebra.v1.");
    text.push_str(event.kind.name());
    headers = header(headers, "ce_type", &text);
    text.clear();
    // A text takes whatever is written into it.
    let _ = write!(text, "{}", event.occurred_at);
    headers = header(headers, "ce_time", &text);
    text.clear();
    let _ = write!(text, "{}", event.subject);
    header(headers, "ce_subject", &text)
}

fn header(headers: OwnedHeaders, key: &str, value: &str) -> OwnedHeaders {
    headers.insert(Header { key, value: Some(value) })
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
