//! Sealed fields: what identifies a person, readable only with the person's key.
//!
//! AES-256-GCM-SIV (RFC 8452). The associated data is the subject, the event id and the field number, so that a sealed
//! field opens only where it was put. The nonce is 96 bits of a keyed hash of what is sealed and where: the same
//! submission, resent, seals to the same bytes; two different ones of a person with a thousand events share a nonce with
//! a chance of about 2^-77, and a shared nonce would only show whether the two are equal. Destroying the key erases the
//! person.

use std::fmt;

use prost::Message;
use zeroize::Zeroizing;

use crate::{EventId, Subject, siv, v1};

/// The key of one person's sealed fields. Wiped when dropped.
pub struct PersonKey(pub(crate) Zeroizing<[u8; 32]>);

impl PersonKey {
    /// From 32 random bytes; the caller wipes its own copy.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> PersonKey {
        PersonKey(Zeroizing::new(*secret))
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonKey(..)")
    }
}

/// A sealed field that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The nonce has not 12 bytes.
    #[error("a sealed field's nonce has 12 bytes; this event was not sealed by this system")]
    Nonce,
    /// Another person's key, another event's field, or altered bytes.
    #[error("the sealed field does not open: another key, another event's field, or altered bytes")]
    Refused,
    /// It opens, and is not the message that belongs there.
    #[error("the sealed field opens but does not hold what belongs there")]
    Content,
}

/// Field numbers of the sealed fields in `Event`.
pub(crate) const PERSON: u8 = 16;
const RESTRICTED: u8 = 17;

/// Seals names, address, phone and identifier numbers, for `Event.person`.
#[must_use]
pub fn seal_person(
    key: &PersonKey,
    subject: Subject,
    event_id: EventId,
    details: &v1::PersonDetails,
) -> v1::Sealed {
    seal(key, &place(subject, event_id, PERSON), &details.encode_to_vec())
}

/// Opens `Event.person`.
pub fn open_person(
    key: &PersonKey,
    subject: Subject,
    event_id: EventId,
    sealed: &v1::Sealed,
) -> Result<v1::PersonDetails, OpenError> {
    open(key, &place(subject, event_id, PERSON), sealed)
}

/// Seals codes that the law hides, for `Event.restricted`.
#[must_use]
pub fn seal_restricted(
    key: &PersonKey,
    subject: Subject,
    event_id: EventId,
    details: &v1::RestrictedDetails,
) -> v1::Sealed {
    seal(key, &place(subject, event_id, RESTRICTED), &details.encode_to_vec())
}

/// Opens `Event.restricted`.
pub fn open_restricted(
    key: &PersonKey,
    subject: Subject,
    event_id: EventId,
    sealed: &v1::Sealed,
) -> Result<v1::RestrictedDetails, OpenError> {
    open(key, &place(subject, event_id, RESTRICTED), sealed)
}

/// The associated data.
pub(crate) fn place(subject: Subject, event_id: EventId, field: u8) -> [u8; 33] {
    let mut place = [field; 33];
    place[..16].copy_from_slice(&subject.0);
    place[16..32].copy_from_slice(&event_id.0);
    place
}

pub(crate) fn seal(key: &PersonKey, place: &[u8; 33], plaintext: &[u8]) -> v1::Sealed {
    let nonce = nonce(key, place, plaintext);
    let mut ciphertext = Vec::with_capacity(plaintext.len() + siv::TAG_BYTES);
    ciphertext.extend_from_slice(plaintext);
    siv::seal_in_place(&key.0, &nonce, place, &mut ciphertext, 0);
    v1::Sealed { nonce: nonce.to_vec(), ciphertext }
}

/// What makes the nonce of a sealed field: all of it, and where it is put.
pub(crate) fn nonce(key: &PersonKey, place: &[u8; 33], plaintext: &[u8]) -> [u8; 12] {
    // Piece by piece: no copy of the whole plaintext is left behind.
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(b"vertebra.v1 nonce");
    hasher.update(place);
    hasher.update(plaintext);
    *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes")
}

fn open<M: Message + Default>(
    key: &PersonKey,
    place: &[u8; 33],
    sealed: &v1::Sealed,
) -> Result<M, OpenError> {
    let nonce: [u8; 12] = sealed.nonce[..].try_into().map_err(|_| OpenError::Nonce)?;
    let plaintext = siv::open(&key.0, &nonce, place, &sealed.ciphertext).ok_or(OpenError::Refused)?;
    M::decode(&Zeroizing::new(plaintext)[..]).map_err(|_| OpenError::Content)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const SUBJECT: Subject = Subject([1; 16]);
    const EVENT: EventId = EventId([2; 16]);

    fn details() -> v1::PersonDetails {
        v1::PersonDetails {
            full_name: "Nguyễn Thị Thử".into(),
            phone: "0900000000".into(),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_sealed_opens_and_a_resend_seals_to_the_same_bytes() {
        let key = PersonKey::new(&KEY);
        let sealed = seal_person(&key, SUBJECT, EVENT, &details());
        assert_eq!(open_person(&key, SUBJECT, EVENT, &sealed), Ok(details()));
        assert_eq!(seal_person(&key, SUBJECT, EVENT, &details()), sealed);
        let other = seal_person(&key, SUBJECT, EventId([3; 16]), &details());
        assert_ne!(other.nonce, sealed.nonce);
        let restricted = v1::RestrictedDetails { diagnoses: vec!["B20".into()] };
        let sealed = seal_restricted(&key, SUBJECT, EVENT, &restricted);
        assert_eq!(open_restricted(&key, SUBJECT, EVENT, &sealed), Ok(restricted));
    }

    #[test]
    fn nothing_opens_with_another_key_elsewhere_or_altered() {
        let key = PersonKey::new(&KEY);
        let sealed = seal_person(&key, SUBJECT, EVENT, &details());
        let refused = Err(OpenError::Refused);
        assert_eq!(open_person(&PersonKey::new(&[8; 32]), SUBJECT, EVENT, &sealed), refused);
        assert_eq!(open_person(&key, Subject([9; 16]), EVENT, &sealed), refused);
        assert_eq!(open_person(&key, SUBJECT, EventId([9; 16]), &sealed), refused);
        assert_eq!(open_restricted(&key, SUBJECT, EVENT, &sealed), Err(OpenError::Refused));
        for at in 0..sealed.ciphertext.len() {
            let mut altered = sealed.clone();
            altered.ciphertext[at] ^= 1;
            assert_eq!(open_person(&key, SUBJECT, EVENT, &altered), refused);
        }
        let short = v1::Sealed { nonce: vec![0; 11], ..sealed };
        assert_eq!(open_person(&key, SUBJECT, EVENT, &short), Err(OpenError::Nonce));
    }

    #[test]
    fn the_key_does_not_print() {
        assert_eq!(format!("{:?}", PersonKey::new(&KEY)), "PersonKey(..)");
    }
}
