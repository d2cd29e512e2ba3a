//! The JSON form: what goes in comes out, and what is refused says where, never what.

#[path = "support/arbitrary.rs"]
mod arbitrary;

use arbitrary::{Tape, event, message};
use contract::{
    JSON_BYTES_MAX, Kind, event_from_json, event_to_json, submission_from_json, submission_to_json, v1,
};
use expect_test::expect;
use proptest::prelude::*;

proptest! {
    #[test]
    fn events_and_submissions_come_back_from_json(
        kind in proptest::sample::select(Kind::ALL),
        tape in proptest::collection::vec(any::<u8>(), 0..1500),
    ) {
        let event = event(kind, &mut Tape(&tape));
        let json = event_to_json(&event).expect("its times can be written");
        prop_assert_eq!(event_from_json(json.as_bytes()), Ok(event.clone()));

        let descriptor = contract::descriptors().get_message_by_name("vertebra.v1.PersonDetails").expect("declared");
        let person = message(&descriptor, &mut Tape(&tape)).transcode_to().expect("one descriptor");
        let submission = v1::Submission { event: Some(event), person: Some(person), restricted: None };
        let json = submission_to_json(&submission).expect("its times can be written");
        let read = submission_from_json(json.as_bytes()).expect("reads what it wrote");
        // Compared whole, for personal messages print nothing to see a difference by.
        prop_assert!(read == submission);
    }

    #[test]
    fn no_text_makes_it_panic_or_repeat_a_value(cut in 0..400usize, with in "[\\[\\]{}\",:0-9a-z ]{0,8}") {
        let json = EXAMPLE.replace("NAME", "Nguyễn Văn Mật");
        let at = (0..=cut.min(json.len())).rev().find(|at| json.is_char_boundary(*at)).unwrap_or(0);
        let broken = format!("{}{with}{}", &json[..at], &json[at..]);
        if let Err(error) = submission_from_json(broken.as_bytes()) {
            prop_assert!(!error.to_string().contains("Mật"), "{}", error);
        }
    }
}

const EXAMPLE: &str = r#"{"event": {"emitter": "01004", "recordKey": "K1", "occurredAt": "2026-03-02T08:15:00+07:00",
  "personRegistered": {"birthDate": "1985", "sex": "SEX_FEMALE"}},
 "person": {"fullName": "NAME", "identifiers": [{"kind": 1, "value": "001085012345"}]}}"#;

#[test]
fn names_of_both_kinds_and_numbers_as_texts_are_read() {
    let event = event_from_json(
        br#"{"record_key": "K1", "emitterSequence": "7", "occurredAt": "2026-03-02T01:15:00Z", "correlationId": "_-8",
            "recordedAt": null, "claimSubmitted": {"totals": {"fund": 5, "copay": "-6"}, "lines": [{"kind": 2}]}}"#,
    )
    .unwrap();
    expect![[r#"{"recordKey":"K1","occurredAt":"2026-03-02T01:15:00Z","emitterSequence":"7","correlationId":"/+8=","claimSubmitted":{"totals":{"copay":"-6","fund":"5"},"lines":[{"kind":"CLAIM_LINE_KIND_SERVICE"}]}}"#]]
        .assert_eq(&event_to_json(&event).unwrap());
    assert_eq!(
        submission_from_json(EXAMPLE.as_bytes()).unwrap().event.unwrap().occurred_at,
        event.occurred_at
    );
}

#[test]
fn what_is_refused_says_where_and_what_was_expected() {
    let cases = [
        "",
        "{",
        "null",
        "[]",
        "{} {}",
        "{\n \"event\": {\"emiter\": \"01004\"}}",
        r#"{"Nguyễn Văn A": 1}"#,
        r#"{"event": 7}"#,
        r#"{"event": {"emitter": 1004}}"#,
        r#"{"event": {"emitter": "a", "emitter": "b"}}"#,
        r#"{"event": {"recordKey": "a", "record_key": "a"}}"#,
        r#"{"event": {"careGiven": {}, "personDied": {}}}"#,
        r#"{"event": {"eventId": "not base64!"}}"#,
        r#"{"event": {"occurredAt": "yesterday"}}"#,
        r#"{"event": {"occurredAt": "2026-03-02"}}"#,
        r#"{"event": {"occurredAt": "2026-03-02T20:00:00"}}"#,
        r#"{"event": {"occurredAt": "2026-03-02 20:00:00.000"}}"#,
        r#"{"event": {"occurredAt": {"seconds": 1}}}"#,
        r#"{"event": {"personRegistered": {"sex": "FEMALE"}}}"#,
        r#"{"event": {"copayBalanceReported": {"year": -1}}}"#,
        r#"{"event": {"copayBalanceReported": {"copay": 1.5}}}"#,
        r#"{"event": {"claimSubmitted": {"segments": [{}, {"year": "MMXXVI"}]}}}"#,
        r#"{"event": {"claimSubmitted": {"otherDiagnoses": "I10"}}}"#,
        r#"{"event": {"claimSubmitted": {"otherDiagnoses": ["I10", null]}}}"#,
    ];
    let report: Vec<String> = cases
        .iter()
        .map(|json| format!("{json}\n  {}\n", submission_from_json(json.as_bytes()).expect_err("refused")))
        .collect();
    expect![[r#"

          line 1 column 0: not well-formed JSON in UTF-8
        {
          line 1 column 1: not well-formed JSON in UTF-8
        null
          line 1 column 4: expected an object in braces
        []
          line 1 column 2: expected an object in braces
        {} {}
          line 1 column 4: not well-formed JSON in UTF-8
        {
         "event": {"emiter": "01004"}}
          line 2 column 19, event: Event has no field 'emiter'; correct or remove it
        {"Nguyễn Văn A": 1}
          line 1 column 18: Submission has no such field; correct or remove it
        {"event": 7}
          line 1 column 11, event: expected an object in braces
        {"event": {"emitter": 1004}}
          line 1 column 26, event.emitter: expected a text in quotes
        {"event": {"emitter": "a", "emitter": "b"}}
          line 1 column 36, event.emitter: comes twice; send it once
        {"event": {"recordKey": "a", "record_key": "a"}}
          line 1 column 41, event.record_key: comes twice; send it once
        {"event": {"careGiven": {}, "personDied": {}}}
          line 1 column 40, event.body.person_died: comes beside another body; send one event for each
        {"event": {"eventId": "not base64!"}}
          line 1 column 35, event.event_id: expected bytes in base64
        {"event": {"occurredAt": "yesterday"}}
          line 1 column 36, event.occurred_at: expected a time as 2026-03-02T08:15:00.000+07:00
        {"event": {"occurredAt": "2026-03-02"}}
          line 1 column 37, event.occurred_at: expected a time as 2026-03-02T08:15:00.000+07:00
        {"event": {"occurredAt": "2026-03-02T20:00:00"}}
          line 1 column 46, event.occurred_at: expected a time as 2026-03-02T08:15:00.000+07:00
        {"event": {"occurredAt": "2026-03-02 20:00:00.000"}}
          line 1 column 50, event.occurred_at: expected a time as 2026-03-02T08:15:00.000+07:00
        {"event": {"occurredAt": {"seconds": 1}}}
          line 1 column 26, event.occurred_at: expected a time as 2026-03-02T08:15:00.000+07:00
        {"event": {"personRegistered": {"sex": "FEMALE"}}}
          line 1 column 47, event.body.person_registered.sex: expected one of SEX_UNSPECIFIED, SEX_MALE, SEX_FEMALE
        {"event": {"copayBalanceReported": {"year": -1}}}
          line 1 column 46, event.body.copay_balance_reported.year: expected a whole number, not negative, that fits
        {"event": {"copayBalanceReported": {"copay": 1.5}}}
          line 1 column 48, event.body.copay_balance_reported.copay: expected a whole number that fits
        {"event": {"claimSubmitted": {"segments": [{}, {"year": "MMXXVI"}]}}}
          line 1 column 64, event.body.claim_submitted.segments[1].year: expected a whole number, not negative, that fits
        {"event": {"claimSubmitted": {"otherDiagnoses": "I10"}}}
          line 1 column 53, event.body.claim_submitted.other_diagnoses: expected a list; of each: a text in quotes
        {"event": {"claimSubmitted": {"otherDiagnoses": ["I10", null]}}}
          line 1 column 61, event.body.claim_submitted.other_diagnoses[1]: expected a text in quotes
    "#]].assert_eq(&report.concat());
}

#[test]
fn too_much_is_refused_before_it_is_read() {
    let error = event_from_json(&vec![b' '; JSON_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(error.message, "1048577 bytes; the most is 1048576");
}

#[test]
fn a_time_beyond_words_is_an_error() {
    let seconds = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
    assert!(event_to_json(&v1::Event { occurred_at: Some(seconds), ..Default::default() }).is_err());
}
