//! Events as bytes.

use prost::{
    Message,
    encoding::{DecodeContext, decode_key, skip_field},
};

use crate::{Kind, v1};

/// The most bytes an encoded event may have in the log.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

/// The most bytes an encoded submission may have: it leaves room for stamping, for sealing, and for being carried to
/// another subject inside another event.
pub const SUBMISSION_BYTES_MAX: usize = EVENT_BYTES_MAX - 16 * 1024;

/// Why bytes are not an event this build can read. To be set aside with their position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More than [`EVENT_BYTES_MAX`].
    #[error("an event of {0} bytes; the most is {EVENT_BYTES_MAX}")]
    TooLong(usize),
    /// An event of a kind of a newer version.
    #[error("an event of kind {0}, which a newer version knows; upgrade to read it")]
    UnknownKind(u32),
    /// Not the protobuf of an event.
    #[error("not the bytes of an event")]
    Malformed(#[source] prost::DecodeError),
}

/// The canonical bytes of an event: fields in the order of their numbers, each once, defaults left out, nothing unknown.
/// This is what the log stores, what checksums and proofs are over, and the only form [`crate::EventView`] reads.
/// Decoding and encoding again gives the same bytes.
#[must_use]
pub fn encode(event: &v1::Event) -> Vec<u8> {
    event.encode_to_vec()
}

/// Reads an event, in any order of fields. Whether it makes sense is [`crate::validate`]'s question.
///
/// Every shape an event ever had is read here and turned into the current one, so that nobody else knows old shapes.
/// There is none yet. The first field that cannot just be added gets `upcast.rs`: the old field stays in the message, and
/// one function for each such change, named after what changed, moves it over between decoding and the return below;
/// [`crate::EventView`] leaves bodies closed, so who reads the body of that kind asks for the old field number too. A
/// golden event of the old shape stays beside the new one.
pub fn decode(bytes: &[u8]) -> Result<v1::Event, DecodeError> {
    if bytes.len() > EVENT_BYTES_MAX {
        return Err(DecodeError::TooLong(bytes.len()));
    }
    let event = v1::Event::decode(bytes).map_err(DecodeError::Malformed)?;
    // prost drops a body it doesn't know, which would turn an event of a newer version into one that says nothing.
    match unknown_body(bytes).map_err(DecodeError::Malformed)? {
        Some(number) => Err(DecodeError::UnknownKind(number)),
        None => Ok(event),
    }
}

/// The number of a body this build does not know, wherever it stands.
fn unknown_body(mut bytes: &[u8]) -> Result<Option<u32>, prost::DecodeError> {
    while !bytes.is_empty() {
        let (number, wire_type) = decode_key(&mut bytes)?;
        if number >= FIRST_BODY && Kind::from_number(number).is_none() {
            return Ok(Some(number));
        }
        skip_field(wire_type, number, &mut bytes, DecodeContext::default())?;
    }
    Ok(None)
}

/// From this field number on every field of `Event` is a body: an unknown one is an event of a kind we do not know.
pub(crate) const FIRST_BODY: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_a_newer_version_is_not_one_without_a_body() {
        let mut bytes = encode(&v1::Event { emitter: "01004".into(), ..Default::default() });
        assert_eq!(decode(&bytes).map(|event| event.emitter), Ok("01004".into()));
        bytes.extend([0xfa, 0x3f, 0]);
        assert_eq!(decode(&bytes), Err(DecodeError::UnknownKind(1023)));
        // Fields may come in any order.
        bytes = [&[0x2a, 1, b'K', 0x22, 1, b'E'][..], &[0xfa, 0x3f, 0], &[0x2a, 1, b'L']].concat();
        assert_eq!(decode(&bytes), Err(DecodeError::UnknownKind(1023)));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        assert_eq!(decode(&vec![0; EVENT_BYTES_MAX + 1]), Err(DecodeError::TooLong(EVENT_BYTES_MAX + 1)));
        assert!(matches!(decode(&[0x0a, 5, 1]), Err(DecodeError::Malformed(_))));
    }
}
