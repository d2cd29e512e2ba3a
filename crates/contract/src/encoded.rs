//! The same hashes and seals over parts that are encoded already, for those who write many events and never make messages.

use crate::{
    DeploymentKey, EventId, PersonKey, Subject,
    identity::push,
    seal::{PERSON, nonce, place},
    siv, varint,
};

/// What an emitter says, its messages encoded and without their keys; the body with key and length, as in `Event`.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "fields bear the names of Event and Submission")]
pub struct EventContent<'a> {
    pub emitter: &'a str,
    pub record_key: &'a str,
    pub asserted_at: Option<&'a [u8]>,
    pub occurred_at: Option<&'a [u8]>,
    pub corrects: Option<&'a [u8]>,
    pub voids: Option<&'a [u8]>,
    pub withdrawal: Option<&'a [u8]>,
    pub body: &'a [u8],
    pub person: Option<&'a [u8]>,
    pub restricted: Option<&'a [u8]>,
}

impl DeploymentKey {
    /// [`DeploymentKey::content_hash`] of the submission whose parts these are. `scratch` is overwritten.
    #[must_use]
    pub fn content_hash_of(&self, content: &EventContent<'_>, scratch: &mut Vec<u8>) -> [u8; 16] {
        // One tagged field, as `keyed` lays it out, without copying it there.
        scratch.clear();
        scratch.extend_from_slice(&[0; 5]);
        push(scratch, content.emitter.as_bytes());
        push(scratch, content.record_key.as_bytes());
        let EventContent { asserted_at, occurred_at, corrects, voids, withdrawal, .. } = *content;
        for part in [asserted_at, occurred_at, corrects, voids, withdrawal] {
            push_part(scratch, part);
        }
        push(scratch, content.body);
        push_part(scratch, content.person);
        push_part(scratch, content.restricted);
        let length = u32::try_from(scratch.len() - 5).expect("the content of an event is far below 4 GiB");
        scratch[1..5].copy_from_slice(&length.to_le_bytes());
        let hash = blake3::keyed_hash(&self.contents, scratch);
        *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
    }
}

fn push_part(out: &mut Vec<u8>, part: Option<&[u8]>) {
    match part {
        Some(part) => push(out, part),
        None => out.extend(u32::MAX.to_le_bytes()),
    }
}

/// [`crate::seal_person`] of details that are encoded already: appends the encoded message to `out`, without its key.
pub fn seal_person_encoded(
    key: &PersonKey,
    subject: Subject,
    event_id: EventId,
    details: &[u8],
    out: &mut Vec<u8>,
) {
    const NONCE: u8 = 1 << 3 | 2;
    const CIPHERTEXT: u8 = 2 << 3 | 2;
    let place = place(subject, event_id, PERSON);
    let nonce = nonce(key, &place, details);
    out.extend_from_slice(&[NONCE, nonce.len() as u8]);
    out.extend_from_slice(&nonce);
    out.push(CIPHERTEXT);
    varint::put(out, (details.len() + siv::TAG_BYTES) as u64);
    let from = out.len();
    out.extend_from_slice(details);
    siv::seal_in_place(&key.0, &nonce, &place, out, from);
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::{Millis, seal_person, v1};

    #[test]
    fn encoded_parts_hash_and_seal_as_the_messages_do() {
        let deployment = DeploymentKey::new(&[7; 32]);
        let person = v1::PersonDetails { full_name: "Trần Thị Hoa".into(), ..Default::default() };
        let reference = v1::EventReference { event_id: vec![3; 16], reason: "typed twice".into() };
        let body = v1::event::Body::PersonDied(v1::PersonDied { died_on: "2026-03-02".into() });
        let at = Millis(1_772_000_000_123).to_timestamp();
        let mut encoded_body = Vec::new();
        body.encode(&mut encoded_body);
        for corrects in [None, Some(reference)] {
            let submission = v1::Submission {
                event: Some(v1::Event {
                    emitter: "01001".into(),
                    record_key: "KT-1".into(),
                    asserted_at: Some(at),
                    corrects: corrects.clone(),
                    body: Some(body.clone()),
                    ..Default::default()
                }),
                person: Some(person.clone()),
                restricted: None,
            };
            let encoded_corrects = corrects.map(|reference| reference.encode_to_vec());
            let content = EventContent {
                emitter: "01001",
                record_key: "KT-1",
                asserted_at: Some(&at.encode_to_vec()),
                occurred_at: None,
                corrects: encoded_corrects.as_deref(),
                voids: None,
                withdrawal: None,
                body: &encoded_body,
                person: Some(&person.encode_to_vec()),
                restricted: None,
            };
            assert_eq!(
                deployment.content_hash_of(&content, &mut vec![1]),
                deployment.content_hash(&submission)
            );
        }
        let (key, subject, id) = (PersonKey::new(&[1; 32]), Subject([2; 16]), EventId([3; 16]));
        for length in [0, 1, 95, 96, 97, 111, 112, 300] {
            let person = v1::PersonDetails { address: "x".repeat(length), ..person.clone() };
            let mut sealed = vec![7];
            seal_person_encoded(&key, subject, id, &person.encode_to_vec(), &mut sealed);
            assert_eq!(&sealed[1..], seal_person(&key, subject, id, &person).encode_to_vec());
        }
    }
}
