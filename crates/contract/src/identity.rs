//! Who a person is in the log: pseudonyms, derived event ids, content hashes, all under the deployment's one key.

use std::{borrow::Cow, fmt};

use prost::Message;
use zeroize::Zeroizing;

use crate::{
    EventId, KEY_BYTES_MAX, Millis, Subject,
    v1::{self, Identifier, IdentifierKind, PersonDetails, SubjectKind},
};

/// The secret of one deployment, under which persons become subjects. Whoever holds it can look a number up; without it
/// a subject says nothing. It never changes in the life of a log: another key makes other subjects, so its id stands in
/// every envelope and a different one is refused.
pub struct DeploymentKey {
    id: String,
    subjects: Zeroizing<[u8; 32]>,
    pub(crate) events: Zeroizing<[u8; 32]>,
    pub(crate) contents: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for DeploymentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeploymentKey({})", self.id)
    }
}

impl DeploymentKey {
    /// The key of this secret; the caller wipes its own copy.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> DeploymentKey {
        // BLAKE3's key derivation: each use has a key of its own, so a value of one never equals a value of another.
        let derive = |context: &str| Zeroizing::new(blake3::derive_key(context, secret));
        let id = derive("vertebra.v1 deployment key id");
        DeploymentKey {
            id: id[..8].iter().map(|byte| format!("{byte:02x}")).collect(),
            subjects: derive("vertebra.v1 subject"),
            events: derive("vertebra.v1 event id"),
            contents: derive("vertebra.v1 content hash"),
        }
    }

    /// 16 hex digits, made from the secret, which they do not give away: a wrong key is noticed.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The subject of a person, by the strongest identifier that is one: the 12-digit personal number, the last 10 digits
    /// of the card, the passport and its country, a facility's own number; without any, the record itself.
    ///
    /// Also what was wrong with the identifiers that were passed over. Not the values: those are personal.
    #[must_use]
    pub fn subject_of(
        &self,
        person: &PersonDetails,
        emitter: &str,
        record_key: &str,
    ) -> (Subject, SubjectKind, Vec<IdentifierFinding>) {
        let mut findings = Vec::new();
        let mut usable = Vec::with_capacity(person.identifiers.len());
        for (index, identifier) in person.identifiers.iter().enumerate() {
            match Canonical::of(identifier, emitter) {
                Ok(canonical) => usable.push((index, canonical)),
                Err(problem) => findings.push(IdentifierFinding { index, problem }),
            }
        }
        // The first of the strongest kind. A card renewed in another group keeps its number; anything else that
        // differs is worth a word.
        let strongest = usable.iter().map(|(_, canonical)| canonical).min_by_key(|canonical| canonical.kind);
        for (index, canonical) in &usable {
            if strongest.is_some_and(|best| best.kind == canonical.kind && best.value != canonical.value) {
                findings.push(IdentifierFinding { index: *index, problem: IdentifierProblem::Another });
            }
        }
        match strongest {
            Some(canonical) => (self.subject(canonical), canonical.kind, findings),
            None => {
                let fields = [emitter.as_bytes(), record_key.as_bytes()];
                (
                    Subject(keyed(&self.subjects, SubjectKind::None as u8, &fields)),
                    SubjectKind::None,
                    findings,
                )
            }
        }
    }

    /// The subject this identifier alone stands for, to look a person up. A local number needs its facility.
    pub fn subject_of_identifier(
        &self,
        identifier: &Identifier,
    ) -> Result<(Subject, SubjectKind), IdentifierProblem> {
        let canonical = Canonical::of(identifier, "")?;
        Ok((self.subject(&canonical), canonical.kind))
    }

    fn subject(&self, canonical: &Canonical) -> Subject {
        let fields = [canonical.value.as_bytes(), canonical.issuer.as_bytes()];
        Subject(keyed(&self.subjects, canonical.kind as u8, &fields))
    }

    /// Hash of what an emitter says, before sealing and stamping. What intake sets and what only describes the sending
    /// (`emitter_sequence`, `correlation_id`, `causation_id`) does not count: the same thing said twice has one hash.
    #[must_use]
    pub fn content_hash(&self, submission: &v1::Submission) -> [u8; 16] {
        let v1::Submission { event, person, restricted } = submission;
        let mut content = Vec::with_capacity(512);
        if let Some(event) = event {
            // Named one by one, so that the compiler asks about a new field.
            let v1::Event {
                event_id: _,
                subject: _,
                subject_kind: _,
                emitter,
                record_key,
                asserted_at,
                occurred_at,
                recorded_at: _,
                emitter_sequence: _,
                correlation_id: _,
                causation_id: _,
                corrects,
                voids,
                key_id: _,
                content_hash: _,
                person: _,
                restricted: _,
                withdrawal,
                authority: _,
                body,
            } = event;
            push(&mut content, emitter.as_bytes());
            push(&mut content, record_key.as_bytes());
            push_message(&mut content, asserted_at.as_ref());
            push_message(&mut content, occurred_at.as_ref());
            push_message(&mut content, corrects.as_ref());
            push_message(&mut content, voids.as_ref());
            push_message(&mut content, withdrawal.as_ref());
            if let Some(body) = body {
                content.extend((body.encoded_len() as u32).to_le_bytes());
                body.encode(&mut content);
            }
        }
        push_message(&mut content, person.as_ref());
        push_message(&mut content, restricted.as_ref());
        keyed(&self.contents, 0, &[&content])
    }

    /// The id of a submission whose emitter gave none: a UUIDv8 from what it says and how it is called, so that a file
    /// sent twice changes nothing, and a good version sent again after its withdrawal, newly asserted, counts.
    #[must_use]
    pub fn derive_event_id(
        &self,
        emitter: &str,
        record_key: &str,
        asserted_at: Option<Millis>,
        content_hash: &[u8; 16],
    ) -> EventId {
        // An absent time differs from every time there is.
        let asserted_at = asserted_at.map_or(i64::MIN, |time| time.0).to_le_bytes();
        let fields = [emitter.as_bytes(), record_key.as_bytes(), &asserted_at, content_hash];
        EventId::derived(keyed(&self.events, 0, &fields))
    }
}

impl EventId {
    /// A UUIDv8 made of a hash.
    pub(crate) fn derived(mut bytes: [u8; 16]) -> EventId {
        // RFC 9562: version 8, variant 10.
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        EventId(bytes)
    }
}

/// BLAKE3 of `tag` and the fields, each with its length before it, cut to 16 bytes.
pub(crate) fn keyed(key: &[u8; 32], tag: u8, fields: &[&[u8]]) -> [u8; 16] {
    let mut input = Vec::with_capacity(1 + fields.iter().map(|field| 4 + field.len()).sum::<usize>());
    input.push(tag);
    for field in fields {
        push(&mut input, field);
    }
    let hash = blake3::keyed_hash(key, &input);
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

pub(crate) fn push(out: &mut Vec<u8>, field: &[u8]) {
    let length = u32::try_from(field.len()).expect("a field of an event is far below 4 GiB");
    out.extend(length.to_le_bytes());
    out.extend(field);
}

/// A message with its length before it; an absent one differs from an empty one.
fn push_message<M: Message>(out: &mut Vec<u8>, message: Option<&M>) {
    let length = message.map_or(u32::MAX, |message| message.encoded_len() as u32);
    out.extend(length.to_le_bytes());
    if let Some(message) = message {
        message.encode_raw(out);
    }
}

/// An identifier that was not used, by its place in `PersonDetails.identifiers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentifierFinding {
    /// Its place, from 0.
    pub index: usize,
    /// Why it was not used.
    pub problem: IdentifierProblem,
}

/// Why a number does not identify a person. Says nothing of the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierProblem {
    /// Nothing there.
    #[error("an empty identifier: leave it out")]
    Empty,
    /// One character all through.
    #[error("one character all through: not an identifier, leave it out")]
    AllEqual,
    /// A number or word that people type where there is none.
    #[error("a placeholder, not an identifier: leave it out")]
    Placeholder,
    /// Not of the form its kind has.
    #[error(
        "not of the form of its kind: a personal number has 12 digits, a card 15 characters, its last 10 digits or the \
         personal number, a \
         passport 5 to 20 letters and digits, a local number at most 128 bytes and a facility"
    )]
    Form,
    /// Its kind is not known.
    #[error("no kind: say personal number, card, passport or local")]
    Kind,
    /// A second number of a kind; the first one was used.
    #[error("a second, different number of this kind: the first is used; send the one that is valid")]
    Another,
}

impl IdentifierProblem {
    /// A stable name for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            IdentifierProblem::Empty => "identifier_empty",
            IdentifierProblem::AllEqual => "identifier_all_equal",
            IdentifierProblem::Placeholder => "identifier_placeholder",
            IdentifierProblem::Form => "identifier_form",
            IdentifierProblem::Kind => "identifier_kind",
            IdentifierProblem::Another => "identifier_another",
        }
    }
}

/// What is typed where a form asks for a number and there is none, in capitals and without spaces. Numbers that count up
/// or down are typed most.
#[rustfmt::skip]
const PLACEHOLDERS: &[&str] = &[
    "123456", "1234567", "12345678", "123456789", "0123456789", "1234567890", "9876543210",
    "012345678901", "123456789012", "123456789123", "0123456789012",
    "KHONG", "KHÔNG", "KHONGCO", "KHÔNGCÓ", "KHONGRO", "KHÔNGRÕ", "CHUACO", "CHƯACÓ", "CHUARO", "CHƯARÕ",
    "NULL", "NONE", "NA", "N/A", "UNKNOWN", "TEST", "PASSPORT", "HOCHIEU", "HỘCHIẾU", "CCCD", "CMND", "BHYT",
];

/// Longest local number, in bytes: all that a submission may have (hospitals' own numbers, MA_BN, have up to 100 letters).
const LOCAL_MAX: usize = KEY_BYTES_MAX;

/// What keeps a number from identifying a person, if anything does; needs no key. `facility` speaks where a local number
/// names none.
#[must_use]
pub fn identifier_problem(identifier: &Identifier, facility: &str) -> Option<IdentifierProblem> {
    Canonical::of(identifier, facility).err()
}

/// An identifier in the one form in which it is hashed.
struct Canonical {
    kind: SubjectKind,
    value: String,
    /// Who gave it out: the facility of a local number, the country of a passport. Empty: there is only one, or it is not
    /// said.
    issuer: String,
}

impl Canonical {
    /// `facility` speaks where a local number names none.
    fn of(identifier: &Identifier, facility: &str) -> Result<Canonical, IdentifierProblem> {
        let Identifier { kind: _, value, facility: own, country } = identifier;
        let kind = identifier.kind();
        let value: String = match kind {
            IdentifierKind::Unspecified if value.trim().is_empty() => String::new(),
            IdentifierKind::Unspecified => return Err(IdentifierProblem::Kind),
            // A hyphen or a dot may tell two patients of a hospital apart.
            IdentifierKind::Local => value.trim().to_uppercase(),
            _ => {
                let mut canonical = String::with_capacity(value.len());
                let written = |char: &char| {
                    !char.is_whitespace() && !matches!(char, '.' | '-' | '\u{2010}'..='\u{2015}')
                };
                canonical.extend(value.chars().filter(written).map(|char| char.to_ascii_uppercase()));
                canonical
            }
        };
        if value.is_empty() {
            return Err(IdentifierProblem::Empty);
        }
        let canonical = |kind, value| Canonical { kind, value, issuer: String::new() };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let found = match (kind, value.len()) {
            (IdentifierKind::PersonalNumber, 12) if digits(&value) => {
                canonical(SubjectKind::PersonalNumber, value)
            }
            // The personal number is the insurance number from 2025-07-01 (Decree 102/2025, art. 6), and so stands in the
            // field for the card.
            (IdentifierKind::Card, 12) if digits(&value) => canonical(SubjectKind::PersonalNumber, value),
            (IdentifierKind::Card, 10) if digits(&value) => canonical(SubjectKind::Card, value),
            // Two letters of the group, a digit of the rate, two of the province, ten of the person (Decision
            // 1351/QD-BHXH of 2015). A card renewed in another group keeps the ten.
            (IdentifierKind::Card, 15)
                if value.is_ascii()
                    && digits(&value[2..])
                    && value.bytes().take(2).all(|byte| byte.is_ascii_uppercase()) =>
            {
                canonical(SubjectKind::Card, value[5..].to_owned())
            }
            (IdentifierKind::Passport, 5..=20) if value.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                // Countries number their passports by themselves.
                Canonical { kind: SubjectKind::Passport, value, issuer: country.trim().to_ascii_uppercase() }
            }
            (IdentifierKind::Local, 1..=LOCAL_MAX) => {
                let own = own.trim();
                let facility = if own.is_empty() { facility.trim() } else { own };
                if facility.is_empty() {
                    return Err(IdentifierProblem::Form);
                }
                Canonical { kind: SubjectKind::Local, value, issuer: facility.to_owned() }
            }
            _ => return Err(not_an_identifier(&value).unwrap_or(IdentifierProblem::Form)),
        };
        match not_an_identifier(&found.value) {
            // A hospital's eleventh patient, or its seventh.
            Some(IdentifierProblem::AllEqual)
                if found.kind == SubjectKind::Local
                    && found.value.len() < 4
                    && found.value.starts_with(|char| matches!(char, '1'..='9')) =>
            {
                Ok(found)
            }
            Some(problem) => Err(problem),
            None => Ok(found),
        }
    }
}

fn not_an_identifier(value: &str) -> Option<IdentifierProblem> {
    let mut chars = value.chars();
    let first = chars.next()?;
    if chars.all(|char| char == first) {
        return Some(IdentifierProblem::AllEqual);
    }
    // Only a local number still has spaces in it.
    let squeezed: Cow<'_, str> = match value.contains(char::is_whitespace) {
        true => value.split_whitespace().collect(),
        false => value.into(),
    };
    PLACEHOLDERS.contains(&&*squeezed).then_some(IdentifierProblem::Placeholder)
}
