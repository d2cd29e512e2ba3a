//! What an event must be: golden events, each broken in one place, and the fault that names it.

#[path = "support/arbitrary.rs"]
mod arbitrary;

use std::{cell::Cell, fs, path::PathBuf};

use arbitrary::{Tape, change, event, message};
use contract::{
    EVENT_BYTES_MAX, FAULTS_MAX, Fault, FaultCode, Kind, LINES_MAX, LIST_MAX, descriptors, event_from_json,
    submission_from_json, v1, validate, validate_submission,
};
use expect_test::{Expect, expect};
use proptest::{prelude::*, test_runner::TestRunner};
use prost_reflect::{DynamicMessage, Kind as FieldKind, MessageDescriptor};
use serde_json::{Value, json};

fn golden(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{name}.json"));
    serde_json::from_str(&fs::read_to_string(path).expect("a golden event")).expect("JSON")
}

/// Puts a value where the JSON pointer says; `null` takes it away.
fn put(json: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').expect("a pointer");
    match json.pointer_mut(parent).expect("the parent is there") {
        Value::Object(fields) => _ = fields.insert(last.into(), value),
        Value::Array(list) => list[last.parse::<usize>().expect("an index")] = value,
        _ => panic!("{pointer}: nothing to put it in"),
    }
}

fn told(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

/// The faults of a golden event, changed.
fn check(name: &str, changes: &[(&str, Value)], expected: Expect) {
    let mut json = golden(name);
    for (pointer, value) in changes {
        put(&mut json, pointer, value.clone());
    }
    let event = event_from_json(json.to_string().as_bytes()).expect("well-formed");
    expected.assert_eq(&told(&validate(&event)));
}

#[test]
fn the_envelope_must_be_whole() {
    check(
        "person_died",
        &[
            ("/eventId", Value::Null),
            ("/subject", json!("AAAA")),
            ("/subjectKind", Value::Null),
            ("/emitter", json!("a\tb")),
            ("/recordKey", Value::Null),
            ("/assertedAt", Value::Null),
            ("/occurredAt", json!("1899-12-31T16:59:59Z")),
            ("/recordedAt", json!("2026-03-02T01:15:00.000001Z")),
            ("/keyId", Value::Null),
            ("/contentHash", json!("AAAA")),
            ("/authority", json!(9)),
            ("/person", json!({"nonce": "AAAA"})),
            ("/personDied/diedOn", json!("yesterday")),
        ],
        expect![[r#"
            event_id: required; send it [required]
            subject: 3 bytes; it must have 16 [length]
            subject_kind: required; send it [required]
            asserted_at: required; send it [required]
            recorded_at: times are whole milliseconds: nanos from 0 to 999000000, in steps of 1000000 [not_a_time]
            key_id: required; send it [required]
            content_hash: 3 bytes; it must have 16 [length]
            authority: not a value of this version; use one of those in the contract, or upgrade [unknown_value]
            person.nonce: 3 bytes; it must have 12 [length]
            person.ciphertext: a sealed field has at least the 16 bytes of its tag; seal it with this system [length]
            emitter: a control character (tab, line break ...); remove it [control_character]
            emitter: not the code of a facility, payer or register: capital letters A-Z, digits, '.', '_' and '-' only [not_a_code]
            record_key: required; send it [required]
            occurred_at: not in the years 1900 to 2100; where there is no day, or no end, leave it out [out_of_range]
            body.person_died.died_on: not a day; write it YYYY-MM-DD [not_a_day]
        "#]],
    );
    check(
        "person_died",
        &[("/personDied", Value::Null)],
        expect![[r#"
        body: an event has a body; a withdrawal the (empty) body of the kind it withdraws [required]
    "#]],
    );
    check(
        "person_died",
        &[
            ("/corrects", json!({"eventId": golden("person_died")["eventId"]})),
            ("/voids", json!({"eventId": "AAAA", "reason": "x".repeat(1025)})),
        ],
        expect![[r#"
            corrects.event_id: an event cannot refer to itself [not_allowed]
            voids.event_id: 3 bytes; it must have 16 [length]
            voids.reason: 1025 bytes; the most is 1024: shorten it [too_long]
            voids: corrects already takes its event back; send one of the two [not_allowed]
        "#]],
    );
}

#[test]
fn an_emitter_is_a_code() {
    check(
        "person_died",
        &[("/emitter", json!("Bệnh viện 1"))],
        expect![[r#"
        emitter: not the code of a facility, payer or register: capital letters A-Z, digits, '.', '_' and '-' only [not_a_code]
    "#]],
    );
    check(
        "person_died",
        &[("/emitter", json!(".."))],
        expect![[r#"
        emitter: not the code of a facility, payer or register: capital letters A-Z, digits, '.', '_' and '-' only [not_a_code]
    "#]],
    );
    check(
        "person_died",
        &[("/emitter", json!("bhxh"))],
        expect![[r#"
        emitter: not the code of a facility, payer or register: capital letters A-Z, digits, '.', '_' and '-' only [not_a_code]
    "#]],
    );
    check("person_died", &[("/emitter", json!("BHXH-01.A_B"))], expect![]);
}

#[test]
fn days_and_intervals_must_be_possible() {
    check(
        "insurance_granted",
        &[
            ("/insuranceGranted/validFrom", json!("2026-02-30")),
            ("/insuranceGranted/validUntil", json!("9999-12-31")),
            ("/insuranceGranted/fiveYearsCompleteOn", json!("20280501")),
        ],
        expect![[r#"
            body.insurance_granted.valid_from: not a day; write it YYYY-MM-DD [not_a_day]
            body.insurance_granted.valid_until: not in the years 1900 to 2100; where there is no day, or no end, leave it out [out_of_range]
            body.insurance_granted.five_years_complete_on: not a day; write it YYYY-MM-DD [not_a_day]
        "#]],
    );
    check(
        "residence_changed",
        &[("/residenceChanged/validUntil", json!("2026-03-01"))],
        expect![[r#"
        body.residence_changed.valid_until: before valid_from; the last day is not before the first [reversed]
    "#]],
    );
    check(
        "person_registered",
        &[("/personRegistered/birthDate", json!("0000"))],
        expect![[r#"
        body.person_registered.birth_date: not a day; write YYYY-MM-DD, or YYYY-MM or YYYY where no more is known [not_a_day]
    "#]],
    );
    check(
        "person_registered",
        &[("/personRegistered/birthDate", json!("1899-12"))],
        expect![[r#"
        body.person_registered.birth_date: not in the years 1900 to 2100; where there is no day, or no end, leave it out [out_of_range]
    "#]],
    );
    check(
        "claim_submitted",
        &[("/claimSubmitted/endedAt", json!("2025-12-30T00:59:59Z"))],
        expect![[r#"
        body.claim_submitted.ended_at: before started_at; a visit ends after it starts [reversed]
    "#]],
    );
}

#[test]
fn a_body_must_say_what_its_kind_says() {
    check(
        "residence_changed",
        &[("/residenceChanged", json!({}))],
        expect![[r#"
        body.residence_changed.kind: required; send it [required]
        body.residence_changed.commune: required; send it [required]
        body.residence_changed.valid_from: required; send it [required]
    "#]],
    );
    check(
        "insurance_ended",
        &[("/insuranceEnded", json!({}))],
        expect![[r#"
        body.insurance_ended.ended_on: required; send it [required]
    "#]],
    );
    check(
        "entitlement_ended",
        &[("/entitlementEnded", json!({}))],
        expect![[r#"
        body.entitlement_ended.group: required; send it [required]
        body.entitlement_ended.ended_on: required; send it [required]
    "#]],
    );
    check(
        "referral_issued",
        &[("/referralIssued", json!({}))],
        expect![[r#"
        body.referral_issued.from_facility: required; send it [required]
        body.referral_issued.form_kind: required; send it [required]
    "#]],
    );
    check(
        "referral_arrived",
        &[("/referralArrived", json!({}))],
        expect![[r#"
        body.referral_arrived.at_facility: required; send it [required]
    "#]],
    );
    check(
        "claim_submitted",
        &[("/claimSubmitted", json!({"segments": [{}], "lines": [{}]}))],
        expect![[r#"
        body.claim_submitted.facility: required; send it [required]
        body.claim_submitted.visit_type: required; send it [required]
        body.claim_submitted.route_code: required; send it [required]
        body.claim_submitted.started_at: required; send it [required]
        body.claim_submitted.ended_at: required; send it [required]
        body.claim_submitted.totals: required; send it [required]
        body.claim_submitted.segments[0].year: required; send it [required]
        body.claim_submitted.lines[0].kind: required; send it [required]
    "#]],
    );
    check(
        "exemption_confirmed",
        &[("/exemptionConfirmed", json!({}))],
        expect![[r#"
        body.exemption_confirmed.year: required; send it [required]
        body.exemption_confirmed.exempt_from: required; send it [required]
    "#]],
    );
    check(
        "retraction",
        &[("/voids", Value::Null), ("/withdrawal", json!({}))],
        expect![[r#"
        voids: a retraction takes an event back; name it here [required]
        withdrawal: to restore what a retraction took back, void the retraction [not_allowed]
    "#]],
    );
    check(
        "claim_submitted",
        &[
            ("/claimSubmitted/segments/1/year", json!(99)),
            ("/claimSubmitted/lines/0/fund", json!("-1")),
            ("/claimSubmitted/totals/copay", json!("9000000000000000000")),
            ("/claimSubmitted/chargedRate", json!(80000)),
        ],
        expect![[r#"
            body.claim_submitted.totals.copay: more than 1000000000000 hundredths of a dong; is the unit right? [out_of_range]
            body.claim_submitted.segments[1].year: not in the years 1900 to 2100; where there is no day, or no end, leave it out [out_of_range]
            body.claim_submitted.lines[0].fund: less than nothing; to take a claim back, send it again or withdraw it [negative]
            body.claim_submitted.charged_rate: more than 10000, which is 100 %; is the unit right? [out_of_range]
        "#]],
    );
    check(
        "identity_linked",
        &[("/identityLinked/fromSubject", golden("identity_linked")["subject"].clone())],
        expect![[r#"
            body.identity_linked.to_subject: a subject cannot be linked to itself [not_allowed]
        "#]],
    );
}

#[test]
fn a_claim_was_true_when_its_visit_ended() {
    let occurred =
        |at: &str, expected: Expect| check("claim_submitted", &[("/occurredAt", json!(at))], expected);
    let another = || {
        expect![[r#"
        body.claim_submitted.ended_at: a claim was true when the visit ended: send ended_at and occurred_at equal [not_allowed]
    "#]]
    };
    occurred("2026-01-03T09:30:00Z", expect![]);
    occurred("2026-01-03T09:30:00.001Z", another());
    occurred("2026-03-02T00:30:00.250Z", another());
    // A day, for those who know no more; of Hanoi.
    occurred("2026-01-03T00:00:00+07:00", expect![]);
    occurred("2026-01-03T00:00:00Z", another());
    occurred("2026-01-04T00:00:00+07:00", another());
    check(
        "claim_submitted",
        &[
            ("/occurredAt", json!("2026-01-03T23:59:00+07:00")),
            ("/claimSubmitted/endedAt", json!("2026-01-03T00:00:00+07:00")),
        ],
        expect![],
    );
    // A withdrawal says nothing of the visit.
    check(
        "claim_submitted",
        &[("/occurredAt", json!("2026-03-02T00:30:00Z")), ("/withdrawal", json!({"reason": "of another"}))],
        expect![],
    );
}

#[test]
fn segments_add_up_to_the_totals() {
    let segments_say = |name: &str| {
        format!(
            "body.claim_submitted.segments: their {name} does not add up to totals.{name}; send segments for the whole bill, or none [not_the_sum]\n"
        )
    };
    for (field, name) in [("coveredCost", "covered_cost"), ("copay", "copay"), ("fund", "fund")] {
        for pointer in
            [format!("/claimSubmitted/totals/{field}"), format!("/claimSubmitted/segments/1/{field}")]
        {
            for amount in ["0", "1000000000000"] {
                let mut json = golden("claim_submitted");
                put(&mut json, &pointer, json!(amount));
                let event = event_from_json(json.to_string().as_bytes()).unwrap();
                assert_eq!(told(&validate(&event)), segments_say(name), "{pointer}: {amount}");
            }
        }
    }
    check("claim_submitted", &[("/claimSubmitted/segments", json!([]))], expect![]);
    check(
        "claim_submitted",
        &[("/claimSubmitted/segments/0/fund", json!("9223372036854775807"))],
        expect![[r#"
            body.claim_submitted.segments[0].fund: more than 1000000000000 hundredths of a dong; is the unit right? [out_of_range]
        "#]],
    );
}

#[test]
fn a_withdrawal_may_be_empty_but_not_wrong() {
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Retraction) {
        let mut json = golden(kind.name());
        put(&mut json, "/withdrawal", json!({"reason": "typed for another"}));
        let name =
            descriptors().get_message_by_name("vertebra.v1.Event").unwrap().get_field(kind.number()).unwrap();
        put(&mut json, &format!("/{}", name.json_name()), json!({}));
        let event = event_from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!(validate(&event), [], "{kind}");
    }
    check(
        "claim_submitted-withdrawn",
        &[("/claimSubmitted", json!({"paidOn": "now"}))],
        expect![[r#"
        body.claim_submitted.paid_on: not a day; write it YYYY-MM-DD [not_a_day]
    "#]],
    );
}

#[test]
fn a_carried_event_is_the_original_and_of_another_subject() {
    let carry = |inner: &v1::Event| {
        let mut carrier = event_from_json(golden("carried_event").to_string().as_bytes()).unwrap();
        let Some(v1::event::Body::CarriedEvent(carried)) = &mut carrier.body else {
            panic!("not a carried event")
        };
        carried.event = contract::encode(inner);
        told(&validate(&carrier))
    };
    let inner = |name: &str| event_from_json(golden(name).to_string().as_bytes()).unwrap();
    expect![[r#"
        body.carried_event.event: a carried event inside a carried event; carry the original with the longer path [not_allowed]
    "#]].assert_eq(&carry(&inner("carried_event")));
    expect![[r#"
        body.carried_event.event: an event of the subject it is carried to; there is nothing to carry [not_allowed]
    "#]].assert_eq(&carry(&inner("person_died")));
    let broken = v1::Event { emitter: String::new(), subject: vec![5; 16], ..inner("claim_paid") };
    expect![[r#"
        body.carried_event.event.emitter: required; send it [required]
    "#]]
    .assert_eq(&carry(&broken));
    check(
        "carried_event",
        &[("/carriedEvent/event", json!("AAAA"))],
        expect![[r#"
        body.carried_event.event: not an event's bytes; carry the original byte for byte [unreadable]
    "#]],
    );
    check(
        "carried_event",
        &[("/carriedEvent/event", json!("+j8A"))],
        expect![[r#"
        body.carried_event.event: an event of a kind of a newer version; upgrade to carry it [unknown_value]
    "#]],
    );
}

#[test]
fn lists_and_events_have_an_end() {
    let mut event = event_from_json(golden("claim_submitted").to_string().as_bytes()).unwrap();
    let Some(v1::event::Body::ClaimSubmitted(claim)) = &mut event.body else { panic!("not a claim") };
    claim.lines = vec![claim.lines[0].clone(); LINES_MAX + 1];
    claim.segments = vec![claim.segments[0].clone(); LIST_MAX + 1];
    claim.other_diagnoses = vec![String::new(); 2];
    expect![[r#"
        body.claim_submitted.other_diagnoses[0]: required; send it [required]
        body.claim_submitted.other_diagnoses[1]: required; send it [required]
        body.claim_submitted.segments: 201 elements; the most is 200 [too_many]
        body.claim_submitted.segments: their covered_cost does not add up to totals.covered_cost; send segments for the whole bill, or none [not_the_sum]
        body.claim_submitted.segments: their copay does not add up to totals.copay; send segments for the whole bill, or none [not_the_sum]
        body.claim_submitted.segments: their fund does not add up to totals.fund; send segments for the whole bill, or none [not_the_sum]
        body.claim_submitted.lines: 2001 elements; the most is 2000 [too_many]
    "#]]
    .assert_eq(&told(&validate(&event)));

    event.emitter = "x".repeat(10_000_000);
    let faults = validate(&event);
    assert!(faults.iter().any(|fault| fault.code == FaultCode::TooLarge && fault.field == "body"));
    assert!(faults.iter().any(|fault| fault.code == FaultCode::TooLong && fault.field == "emitter"));

    let Some(v1::event::Body::ClaimSubmitted(claim)) = &mut event.body else { panic!("not a claim") };
    claim.lines = vec![v1::ClaimLine { fund: -1, copay: -1, ..Default::default() }; LINES_MAX];
    let faults = validate(&event);
    assert_eq!(faults.len(), FAULTS_MAX + 1);
    assert_eq!(faults.last().map(|fault| fault.code), Some(FaultCode::More));
}

/// A golden event as its emitter would have sent it.
fn submission(name: &str) -> Value {
    let mut event = golden(name);
    let fields = event.as_object_mut().expect("an object");
    for set_by_intake in [
        "eventId",
        "subject",
        "subjectKind",
        "recordedAt",
        "keyId",
        "contentHash",
        "authority",
        "person",
        "restricted",
    ] {
        fields.remove(set_by_intake);
    }
    json!({"event": event, "person": {"fullName": "Nguyễn Thị Thử", "identifiers": [{"kind": 1, "value": "001085012345"}]}})
}

fn check_submission(json: &Value, expected: Expect) {
    let submission = submission_from_json(json.to_string().as_bytes()).expect("well-formed");
    expected.assert_eq(&told(&validate_submission(&submission)));
}

#[test]
fn a_submission_leaves_to_intake_what_is_intakes() {
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::CarriedEvent) {
        let json = submission(kind.name());
        let submission = submission_from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!(validate_submission(&submission), [], "{kind}");
    }
    check_submission(
        &json!({}),
        expect![[r#"
        event: required; send it [required]
    "#]],
    );
    check_submission(
        &json!({"event": golden("person_registered")}),
        expect![[r#"
        event.subject: set by intake: leave it out [set_by_intake]
        event.subject_kind: set by intake: leave it out [set_by_intake]
        event.recorded_at: set by intake: leave it out [set_by_intake]
        event.key_id: set by intake: leave it out [set_by_intake]
        event.content_hash: set by intake: leave it out [set_by_intake]
        event.person: set by intake: leave it out [set_by_intake]
        event.authority: set by intake: leave it out [set_by_intake]
    "#]],
    );
    check_submission(
        &submission("carried_event"),
        expect![[r#"
        event.body: events are carried by intake; send identity_linked instead [not_allowed]
    "#]],
    );
    let mut own_id = submission("person_died");
    own_id["event"]["eventId"] = golden("person_died")["eventId"].clone();
    check_submission(&own_id, expect![]);
    own_id["event"]["eventId"] = json!("AAAAAAAAgACAAAAAAAAAAA==");
    check_submission(
        &own_id,
        expect![[r#"
        event.event_id: a UUID of version 8 is derived by intake; send one of version 7, or none [not_allowed]
    "#]],
    );
    let mut own_key = submission("person_died");
    own_key["event"]["recordKey"] = json!("void-01890000-0000-7000-8000-000000000001");
    check_submission(
        &own_key,
        expect![[r#"
        event.record_key: `void-` and an event's id is how intake names what it takes back of its own; give the record another key [set_by_intake]
    "#]],
    );
    check_submission(
        &json!({"event": {}}),
        expect![[r#"
        event.emitter: required; send it [required]
        event.record_key: required; send it [required]
        event.occurred_at: required; send it [required]
        event.body: an event has a body; a withdrawal the (empty) body of the kind it withdraws [required]
    "#]],
    );
}

#[test]
fn personal_fields_have_limits_and_their_faults_no_values() {
    let mut json = submission("person_registered");
    json["person"] = json!({
        "fullName": "Mật".repeat(400), "address": "Mật".repeat(400), "phone": "Mật\n",
        "identifiers": [{"value": "Mật".repeat(100)}, {"kind": 9, "value": "Mật\u{7}", "facility": "Mật".repeat(20)}],
    });
    json["restricted"] = json!({"diagnoses": ["Mật".repeat(20), ""]});
    check_submission(
        &json,
        expect![[r#"
            person.full_name: 2000 bytes; the most is 1024: shorten it [too_long]
            person.address: 2000 bytes; the most is 1024: shorten it [too_long]
            person.phone: a control character (tab, line break ...); remove it [control_character]
            person.identifiers[0].kind: required; send it [required]
            person.identifiers[0].value: 500 bytes; the most is 128: shorten it [too_long]
            person.identifiers[1].kind: not a value of this version; use one of those in the contract, or upgrade [unknown_value]
            person.identifiers[1].value: a control character (tab, line break ...); remove it [control_character]
            person.identifiers[1].facility: 100 bytes; the most is 32: shorten it [too_long]
            restricted.diagnoses[0]: 100 bytes; the most is 32: shorten it [too_long]
            restricted.diagnoses[1]: required; send it [required]
        "#]],
    );
}

/// Each leaf of a golden event, by JSON pointer and by the path a fault would have, with values it must not have.
fn leaves(
    descriptor: &MessageDescriptor,
    json: &Value,
    pointer: &str,
    path: &str,
    out: &mut Vec<(String, String, Value)>,
) {
    for (name, value) in json.as_object().expect("a message") {
        let field = descriptor.get_field_by_json_name(name).expect("a field");
        let prefix = field.containing_oneof().map_or(String::new(), |oneof| format!("{}.", oneof.name()));
        let (pointer, path) = (format!("{pointer}/{name}"), format!("{path}{prefix}{}", field.name()));
        let elements = match value {
            Value::Array(list) => (0..list.len())
                .map(|index| (format!("{pointer}/{index}"), format!("{path}[{index}]"), &list[index]))
                .collect(),
            value => vec![(pointer, path, value)],
        };
        for (pointer, path, value) in elements {
            let bad = match field.kind() {
                FieldKind::Message(inner) if inner.full_name() != "google.protobuf.Timestamp" => {
                    leaves(&inner, value, &pointer, &format!("{path}."), out);
                    continue;
                }
                FieldKind::Message(_) => json!("9999-01-01T00:00:00Z"),
                FieldKind::String => json!("X".repeat(1025)),
                FieldKind::Enum(_) => json!(999),
                FieldKind::Int64 => json!("-1"),
                FieldKind::Bytes if field.name().ends_with("_id") && field.number() != 1 => {
                    json!("A".repeat(400))
                }
                FieldKind::Bytes => json!("AAAA"),
                // Any number is a number of a line, an offset or a sequence.
                FieldKind::Uint32 if matches!(field.name(), "year" | "charged_rate") => json!(1_000_000),
                _ => continue,
            };
            out.push((pointer, path, bad));
        }
    }
}

#[test]
fn every_field_of_every_message_is_checked_and_named() {
    let descriptor = descriptors().get_message_by_name("vertebra.v1.Event").unwrap();
    let special = ["claim_submitted-withdrawn", "insurance_granted-corrects"];
    for name in Kind::ALL.iter().map(|kind| kind.name()).chain(special) {
        let good = golden(name);
        let mut broken = Vec::new();
        leaves(&descriptor, &good, "", "", &mut broken);
        assert!(broken.len() > 10, "{name}");
        for (pointer, path, bad) in broken {
            let mut json = good.clone();
            put(&mut json, &pointer, bad);
            let event = event_from_json(json.to_string().as_bytes()).unwrap();
            let fields: Vec<_> = validate(&event).into_iter().map(|fault| fault.field).collect();
            assert_eq!(fields, [path], "{name}");
        }
    }
}

proptest! {
    #[test]
    fn nonsense_does_not_panic(
        kind in proptest::sample::select(Kind::ALL),
        tape in proptest::collection::vec(any::<u8>(), 0..1500),
    ) {
        let event = event(kind, &mut Tape(&tape));
        _ = validate(&event);
        let person = descriptors().get_message_by_name("vertebra.v1.PersonDetails").expect("declared");
        let person = message(&person, &mut Tape(&tape)).transcode_to().expect("one descriptor");
        let submission = v1::Submission { event: Some(event), person: Some(person), restricted: None };
        let faults = validate_submission(&submission);
        prop_assert!(!faults.is_empty());
    }
}

#[test]
fn what_is_valid_is_read_by_the_walk_and_by_prost() {
    // Golden events with a few fields changed: nonsense alone is never valid.
    let (valid, all) = (Cell::new(0), Cell::new(0));
    let changes = proptest::collection::vec(any::<u8>(), 0..120);
    let checked = TestRunner::default().run(
        &(proptest::sample::select(Kind::ALL), 1..4, changes),
        |(kind, count, tape)| {
            let event = event_from_json(golden(kind.name()).to_string().as_bytes()).expect("golden");
            let descriptor = descriptors().get_message_by_name("vertebra.v1.Event").expect("declared");
            let bytes = contract::encode(&event);
            let mut event = DynamicMessage::decode(descriptor, &bytes[..]).expect("one descriptor");
            let mut tape = Tape(&tape);
            (0..count).for_each(|_| change(&mut event, &mut tape));
            let event: v1::Event = event.transcode_to().expect("one descriptor");
            all.set(all.get() + 1);
            if validate(&event).is_empty() {
                valid.set(valid.get() + 1);
                let bytes = contract::encode(&event);
                prop_assert_eq!(contract::EventView::parse(&bytes).err(), None);
                prop_assert_eq!(contract::decode(&bytes), Ok(event));
            }
            Ok(())
        },
    );
    checked.unwrap_or_else(|error| panic!("{error}"));
    assert!(valid.get() * 10 > all.get(), "{} of {} were valid", valid.get(), all.get());
}

#[test]
fn what_is_valid_is_not_too_large_to_decode() {
    let mut event = event_from_json(golden("claim_submitted").to_string().as_bytes()).unwrap();
    let Some(v1::event::Body::ClaimSubmitted(claim)) = &mut event.body else { panic!("not a claim") };
    claim.lines = vec![claim.lines[0].clone(); LINES_MAX];
    assert_eq!(validate(&event), []);
    assert!(contract::encode(&event).len() < EVENT_BYTES_MAX);
}
