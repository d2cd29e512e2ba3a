//! What an event must be to enter the log: every fault at once, by field.
//!
//! Only what makes an event unusable or dangerous is a fault. An unknown code, a death before a visit, a missing diagnosis
//! are not: those are findings, for people. Messages say what was expected and what to do, and never quote a value, for
//! it may be personal.

mod bodies;
mod checker;

use std::fmt;

use prost::Message;

use self::checker::{Checker, Need};
use crate::{
    EVENT_BYTES_MAX, EventId, Kind, SUBMISSION_BYTES_MAX, is_retraction_key,
    v1::{self, event::Body},
};

/// The most bytes of a code.
pub const CODE_BYTES_MAX: usize = 32;
/// The most bytes of a key: a record key, a form number, a phone number, an identifier.
pub const KEY_BYTES_MAX: usize = 128;
/// The most bytes of a text for people, and of the code of a claim's line (MA_THUOC lists up to 255 letters).
pub const TEXT_BYTES_MAX: usize = 1024;
/// The most elements of a list.
pub const LIST_MAX: usize = 200;
/// The most lines of a claim.
pub const LINES_MAX: usize = 2000;
/// The most links an event is carried along.
pub const PATH_MAX: usize = 64;
/// The years a day or a time may lie in, both inside.
pub const YEARS: std::ops::RangeInclusive<i32> = 1900..=2100;
/// The most money in one field, in hundredths of a dong: ten billion dong, more than any bill there was. Nine million
/// fields of it fit the 64 bits of one sum.
pub const MONEY_MAX: i64 = 1_000_000_000_000;
/// The most faults told of one event.
pub const FAULTS_MAX: usize = 1000;

/// Something wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message} [{code}]")]
pub struct Fault {
    /// Where: `body.claim_submitted.segments[1].year`. Names are those of the proto files.
    pub field: String,
    /// What, for programs.
    pub code: FaultCode,
    /// What was expected and what to do, for people. Never a value.
    pub message: String,
}

macro_rules! fault_codes {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// What is wrong with a field, by a name that stays.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FaultCode {
            $($(#[$doc])* $name,)*
        }

        impl FaultCode {
            /// The stable name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(FaultCode::$name => $text,)*
                }
            }
        }
    };
}

fault_codes! {
    /// The field must be there.
    Required "required",
    /// Too many bytes in a text.
    TooLong "too_long",
    /// Too many elements in a list.
    TooMany "too_many",
    /// The event as a whole is too large.
    TooLarge "too_large",
    /// Not the number of bytes that it always has.
    Length "length",
    /// A control character in a code or key.
    ControlCharacter "control_character",
    /// Not the code of a facility, payer or register.
    NotACode "not_a_code",
    /// Not a day written YYYY-MM-DD.
    NotADay "not_a_day",
    /// Not a time that can be, or finer than a millisecond.
    NotATime "not_a_time",
    /// A year, rate or amount outside of what can be.
    OutOfRange "out_of_range",
    /// Less than nothing.
    Negative "negative",
    /// Ends before it begins.
    Reversed "reversed",
    /// A value of an enumeration that this version does not know.
    UnknownValue "unknown_value",
    /// Parts that do not add up to the whole.
    NotTheSum "not_the_sum",
    /// Two fields that exclude each other, or one that has no place here.
    NotAllowed "not_allowed",
    /// Set by intake, not by emitters.
    SetByIntake "set_by_intake",
    /// A carried event that does not decode.
    Unreadable "unreadable",
    /// More faults than are told.
    More "more",
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The faults of an event as it stands in the log: stamped and sealed. None: it may be appended.
#[must_use]
pub fn validate(event: &v1::Event) -> Vec<Fault> {
    let mut checker = Checker::new();
    event_in_log(&mut checker, event);
    checker.into_faults()
}

/// The faults of what an emitter sends. None: intake can make an event of it.
#[must_use]
pub fn validate_submission(submission: &v1::Submission) -> Vec<Fault> {
    let mut checker = Checker::new();
    if submission.encoded_len() > SUBMISSION_BYTES_MAX {
        checker.fault("event", FaultCode::TooLarge, || too_large(SUBMISSION_BYTES_MAX));
    }
    let v1::Submission { event, person, restricted } = submission;
    match event {
        None => checker.required("event"),
        Some(event) => checker.inside("event", |checker| submitted(checker, event)),
    }
    if let Some(person) = person {
        checker.inside("person", |checker| person_details(checker, person));
    }
    if let Some(v1::RestrictedDetails { diagnoses }) = restricted {
        checker.inside("restricted", |checker| checker.codes("diagnoses", diagnoses));
    }
    checker.into_faults()
}

fn too_large(most: usize) -> String {
    format!("the most is {most} bytes; leave out what the contract does not ask for, or split the record")
}

fn event_in_log(checker: &mut Checker, event: &v1::Event) {
    if event.encoded_len() > EVENT_BYTES_MAX {
        checker.fault("body", FaultCode::TooLarge, || too_large(EVENT_BYTES_MAX));
    }
    // Named one by one, so that the compiler asks about a new field.
    let v1::Event {
        event_id,
        subject,
        subject_kind,
        emitter: _,
        record_key: _,
        asserted_at,
        occurred_at: _,
        recorded_at,
        emitter_sequence: _,
        correlation_id: _,
        causation_id: _,
        corrects: _,
        voids: _,
        key_id,
        content_hash,
        person,
        restricted,
        withdrawal: _,
        authority,
        body: _,
    } = event;
    checker.sixteen("event_id", event_id, Need::Required);
    checker.sixteen("subject", subject, Need::Required);
    checker.enumeration::<v1::SubjectKind>("subject_kind", *subject_kind, Need::Required);
    checker.time("asserted_at", asserted_at.as_ref(), Need::Required);
    checker.time("recorded_at", recorded_at.as_ref(), Need::Required);
    checker.code("key_id", key_id, Need::Required);
    checker.sixteen("content_hash", content_hash, Need::Optional);
    checker.enumeration::<v1::Authority>("authority", *authority, Need::Required);
    for (name, sealed) in [("person", person), ("restricted", restricted)] {
        if let Some(v1::Sealed { nonce, ciphertext }) = sealed {
            checker.inside(name, |checker| {
                checker.length("nonce", nonce, 12, Need::Required);
                // The tag alone has 16 bytes.
                if ciphertext.len() < 16 {
                    checker.fault("ciphertext", FaultCode::Length, || {
                        "a sealed field has at least the 16 bytes of its tag; seal it with this system".into()
                    });
                }
            });
        }
    }
    as_said(checker, event);
}

fn submitted(checker: &mut Checker, event: &v1::Event) {
    checker.sixteen("event_id", &event.event_id, Need::Optional);
    if EventId::try_from(&event.event_id[..]).is_ok_and(EventId::is_derived) {
        checker.fault("event_id", FaultCode::NotAllowed, || {
            "a UUID of version 8 is derived by intake; send one of version 7, or none".into()
        });
    }
    checker.time("asserted_at", event.asserted_at.as_ref(), Need::Optional);
    for (name, set) in [
        ("subject", !event.subject.is_empty()),
        ("subject_kind", event.subject_kind != 0),
        ("recorded_at", event.recorded_at.is_some()),
        ("key_id", !event.key_id.is_empty()),
        ("content_hash", !event.content_hash.is_empty()),
        ("person", event.person.is_some()),
        ("restricted", event.restricted.is_some()),
        ("authority", event.authority != 0),
    ] {
        if set {
            checker.fault(name, FaultCode::SetByIntake, || "set by intake: leave it out".into());
        }
    }
    if is_retraction_key(&event.record_key) {
        checker.fault("record_key", FaultCode::SetByIntake, || {
            "`void-` and an event's id is how intake names what it takes back of its own; give the record another key"
                .into()
        });
    }
    if let Some(Body::CarriedEvent(_)) = &event.body {
        checker.fault("body", FaultCode::NotAllowed, || {
            "events are carried by intake; send identity_linked instead".into()
        });
    }
    as_said(checker, event);
}

/// What the emitter says, in the log as in a submission.
fn as_said(checker: &mut Checker, event: &v1::Event) {
    checker.emitter("emitter", &event.emitter);
    checker.key("record_key", &event.record_key, Need::Required);
    let occurred = checker.time("occurred_at", event.occurred_at.as_ref(), Need::Required);
    for (name, id) in [("correlation_id", &event.correlation_id), ("causation_id", &event.causation_id)] {
        checker.at_most(name, id.len(), KEY_BYTES_MAX);
    }
    for (name, reference) in [("corrects", &event.corrects), ("voids", &event.voids)] {
        let Some(v1::EventReference { event_id, reason }) = reference else { continue };
        checker.inside(name, |checker| {
            checker.sixteen("event_id", event_id, Need::Required);
            checker.text("reason", reason, Need::Optional);
            if !event_id.is_empty() && *event_id == event.event_id {
                checker.fault("event_id", FaultCode::NotAllowed, || "an event cannot refer to itself".into());
            }
        });
    }
    if event.corrects.is_some() && event.voids.is_some() {
        checker.fault("voids", FaultCode::NotAllowed, || {
            "corrects already takes its event back; send one of the two".into()
        });
    }
    if let Some(v1::Withdrawal { reason }) = &event.withdrawal {
        checker.inside("withdrawal", |checker| checker.text("reason", reason, Need::Optional));
    }
    if matches!(event.body, Some(Body::Retraction(_))) {
        if event.voids.is_none() {
            checker.fault("voids", FaultCode::Required, || {
                "a retraction takes an event back; name it here".into()
            });
        }
        if event.withdrawal.is_some() {
            checker.fault("withdrawal", FaultCode::NotAllowed, || {
                "to restore what a retraction took back, void the retraction".into()
            });
        }
    }
    match &event.body {
        None => checker.fault("body", FaultCode::Required, || {
            "an event has a body; a withdrawal the (empty) body of the kind it withdraws".into()
        }),
        Some(body) => {
            checker.inside("body", |checker| {
                checker.inside(Kind::of(body).name(), |checker| bodies::body(checker, event, occurred, body));
            });
        }
    }
}

fn person_details(checker: &mut Checker, person: &v1::PersonDetails) {
    let v1::PersonDetails { full_name, address, phone, identifiers } = person;
    checker.text("full_name", full_name, Need::Optional);
    checker.text("address", address, Need::Optional);
    checker.key("phone", phone, Need::Optional);
    checker.each("identifiers", identifiers, LIST_MAX, |checker, identifier| {
        let v1::Identifier { kind, value, facility, country } = identifier;
        checker.enumeration::<v1::IdentifierKind>("kind", *kind, Need::Required);
        // An empty or odd number is a finding: see `DeploymentKey::subject_of`.
        checker.key("value", value, Need::Optional);
        checker.code("facility", facility, Need::Optional);
        checker.code("country", country, Need::Optional);
    });
}
