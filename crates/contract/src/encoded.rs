//! The same hashes and seals over parts that are encoded already, for those who write many events and never make messages.

use crate::{
    DeploymentKey, EventId, Millis, PersonKey, Subject,
    identity::push,
    lanes::keyed_hashes,
    seal::{PERSON, nonce, place},
    siv, varint,
};

/// What an emitter says, its messages encoded and without their keys; the body with key and length, as in `Event`.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "fields bear the names of Event and Submission")]
pub struct EventContent<'a> {
    pub emitter: &'a [u8],
    pub record_key: &'a [u8],
    pub asserted_at: Option<&'a [u8]>,
    pub occurred_at: Option<&'a [u8]>,
    pub corrects: Option<&'a [u8]>,
    pub voids: Option<&'a [u8]>,
    pub withdrawal: Option<&'a [u8]>,
    pub body: &'a [u8],
    pub person: Option<&'a [u8]>,
    pub restricted: Option<&'a [u8]>,
}

/// What an event is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventName {
    /// [`DeploymentKey::derive_event_id`] of the event.
    pub id: EventId,
    /// [`DeploymentKey::content_hash`] of its submission.
    pub content_hash: [u8; 16],
}

/// Memory for naming events, to be used again.
#[derive(Default)]
pub struct NamingScratch {
    contents: Inputs,
    ids: Inputs,
    content_hashes: Vec<[u8; 16]>,
    id_hashes: Vec<[u8; 16]>,
}

impl DeploymentKey {
    /// Names events whose emitters gave no ids: each with what it says, and when its emitter says it was made. `names` is
    /// overwritten. Events named together take about a third of the time.
    pub fn name_events<'a>(
        &self,
        events: impl Iterator<Item = (EventContent<'a>, Millis)>,
        scratch: &mut NamingScratch,
        names: &mut Vec<EventName>,
    ) {
        let NamingScratch { contents, ids, content_hashes, id_hashes } = scratch;
        contents.clear();
        ids.clear();
        for (content, asserted_at) in events {
            contents.add(|out| content.lay_out(out));
            ids.add(|out| {
                out.push(0);
                push(out, content.emitter);
                push(out, content.record_key);
                push(out, &asserted_at.0.to_le_bytes());
                // The content hash, as soon as it is known.
                push(out, &[0; 16]);
            });
        }
        keyed_hashes(&self.contents, contents.iter(), content_hashes);
        for (end, hash) in ids.ends.iter().zip(content_hashes.iter()) {
            ids.bytes[end - hash.len()..*end].copy_from_slice(hash);
        }
        keyed_hashes(&self.events, ids.iter(), id_hashes);
        names.clear();
        names.extend(
            id_hashes.iter().zip(content_hashes).map(|(id, content_hash)| EventName {
                id: EventId::derived(*id),
                content_hash: *content_hash,
            }),
        );
    }
}

impl EventContent<'_> {
    /// As `keyed` lays out one field with the tag 0.
    fn lay_out(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 5]);
        push(out, self.emitter);
        push(out, self.record_key);
        for part in [self.asserted_at, self.occurred_at, self.corrects, self.voids, self.withdrawal] {
            push_part(out, part);
        }
        push(out, self.body);
        push_part(out, self.person);
        push_part(out, self.restricted);
        let length =
            u32::try_from(out.len() - start - 5).expect("the content of an event is far below 4 GiB");
        out[start + 1..start + 5].copy_from_slice(&length.to_le_bytes());
    }
}

fn push_part(out: &mut Vec<u8>, part: Option<&[u8]>) {
    match part {
        Some(part) => push(out, part),
        None => out.extend(u32::MAX.to_le_bytes()),
    }
}

/// What is hashed, one behind the other.
#[derive(Default)]
struct Inputs {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Inputs {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.bytes[std::mem::replace(&mut start, *end)..*end])
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
    use crate::{seal_person, v1};

    #[test]
    fn encoded_parts_hash_and_seal_as_the_messages_do() {
        let deployment = DeploymentKey::new(&[7; 32]);
        let person = v1::PersonDetails { full_name: "Trần Thị Hoa".into(), ..Default::default() };
        let reference = v1::EventReference { event_id: vec![3; 16], reason: "typed twice".into() };
        let body = v1::event::Body::PersonDied(v1::PersonDied { died_on: "2026-03-02".into() });
        let asserted = Millis(1_772_000_000_123);
        let at = asserted.to_timestamp();
        let mut encoded_body = Vec::new();
        body.encode(&mut encoded_body);
        let mut expected = Vec::new();
        let (mut names, mut scratch) = (Vec::new(), NamingScratch::default());
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
                emitter: b"01001",
                record_key: b"KT-1",
                asserted_at: Some(&at.encode_to_vec()),
                occurred_at: None,
                corrects: encoded_corrects.as_deref(),
                voids: None,
                withdrawal: None,
                body: &encoded_body,
                person: Some(&person.encode_to_vec()),
                restricted: None,
            };
            let content_hash = deployment.content_hash(&submission);
            let id = deployment.derive_event_id("01001", "KT-1", Some(asserted), &content_hash);
            expected.push(EventName { id, content_hash });
            // As many as there are, and one alone.
            for count in [20, 1] {
                let events = (0..count).map(|_| (content, asserted));
                deployment.name_events(events, &mut scratch, &mut names);
                assert_eq!(names, vec![EventName { id, content_hash }; count]);
            }
        }
        assert_ne!(expected[0], expected[1]);
        let (key, subject, id) = (PersonKey::new(&[1; 32]), Subject([2; 16]), EventId([3; 16]));
        for length in [0, 1, 95, 96, 97, 111, 112, 300] {
            let person = v1::PersonDetails { address: "x".repeat(length), ..person.clone() };
            let mut sealed = vec![7];
            seal_person_encoded(&key, subject, id, &person.encode_to_vec(), &mut sealed);
            assert_eq!(&sealed[1..], seal_person(&key, subject, id, &person).encode_to_vec());
        }
    }
}
