//! Who a person is: stories of identifiers, good and bad.

use contract::{
    DeploymentKey, EventId, Kind, Millis,
    v1::{self, Identifier, IdentifierKind, PersonDetails, Submission},
};
use expect_test::{Expect, expect};

fn key() -> DeploymentKey {
    DeploymentKey::new(&[42; 32])
}

fn identifier(text: &str) -> Identifier {
    let (kind, value) = text.split_once('=').expect("kind=value");
    let (kind, issuer) = kind.split_once('@').unwrap_or((kind, ""));
    let (facility, country) = if kind == "passport" { ("", issuer) } else { (issuer, "") };
    let kind = match kind {
        "personal" => IdentifierKind::PersonalNumber,
        "card" => IdentifierKind::Card,
        "passport" => IdentifierKind::Passport,
        "local" => IdentifierKind::Local,
        _ => IdentifierKind::Unspecified,
    };
    Identifier { kind: kind.into(), value: value.into(), facility: facility.into(), country: country.into() }
}

fn person(identifiers: &[&str]) -> PersonDetails {
    PersonDetails {
        identifiers: identifiers.iter().map(|text| identifier(text)).collect(),
        ..Default::default()
    }
}

/// Sent by facility 01004 in record R1: the kind of subject, and what was passed over.
fn check(identifiers: &[&str], expected: Expect) {
    let (_, kind, findings) = key().subject_of(&person(identifiers), "01004", "R1");
    let findings: String =
        findings.iter().map(|finding| format!("\n{}: {}", finding.index, finding.problem.code())).collect();
    expected.assert_eq(&format!("{}{findings}", kind.as_str_name()));
}

fn subject(identifiers: &[&str]) -> contract::Subject {
    key().subject_of(&person(identifiers), "01004", "R1").0
}

#[test]
fn the_strongest_identifier_counts() {
    let all = ["local=77", "passport=C1234567", "card=GD4010123456780", "personal=001085012345"];
    check(&all, expect!["SUBJECT_KIND_PERSONAL_NUMBER"]);
    check(&all[..3], expect!["SUBJECT_KIND_CARD"]);
    check(&all[..2], expect!["SUBJECT_KIND_PASSPORT"]);
    check(&all[..1], expect!["SUBJECT_KIND_LOCAL"]);
    check(&[], expect!["SUBJECT_KIND_NONE"]);
    assert_eq!(subject(&all), subject(&all[3..]));
}

#[test]
fn one_number_written_in_many_ways_is_one_person() {
    let personal = subject(&["personal=001085012345"]);
    for text in ["personal= 001085012345 ", "personal=001 085 012 345", "personal=001.085.012-345"] {
        assert_eq!(subject(&[text]), personal);
    }
    let card = subject(&["card=0123456780"]);
    for text in ["card=GD4010123456780", "card=hn 2 01 0123456780", "card=DN-4-79-01234-56780"] {
        assert_eq!(subject(&[text]), card);
    }
    assert_eq!(subject(&["passport=c1234567"]), subject(&["passport=C 1234567"]));
    assert_eq!(subject(&["card=001085012345"]), personal);
    // A kind is part of the number.
    assert_ne!(subject(&["passport=0123456780"]), card);
}

#[test]
fn a_local_number_belongs_to_its_facility() {
    assert_eq!(subject(&["local=77"]), subject(&["local@01004=77"]));
    assert_ne!(subject(&["local@01004=77"]), subject(&["local@01005=77"]));
    assert_ne!(subject(&["local@0100=477"]), subject(&["local@01004=77"]));
    // 1-23 and 12-3 are two patients.
    assert_ne!(subject(&["local=1-23"]), subject(&["local=12-3"]));
    assert!(key().subject_of_identifier(&identifier("local=77")).is_err());
}

#[test]
fn a_local_number_may_be_as_long_as_hospitals_make_them() {
    check(&[&format!("local={}", "Đ1".repeat(42))], expect!["SUBJECT_KIND_LOCAL"]);
    check(
        &[&format!("local={}", "Đ1".repeat(43))],
        expect![[r#"
        SUBJECT_KIND_NONE
        0: identifier_form"#]],
    );
}

#[test]
fn a_passport_belongs_to_its_country() {
    let passports =
        ["passport=C1234567", "passport@USA=C1234567", "passport@GBR=C1234567"].map(|text| subject(&[text]));
    for (at, one) in passports.iter().enumerate() {
        assert_eq!(passports.iter().position(|other| other == one), Some(at));
    }
    assert_eq!(subject(&["passport@ usa =c1234567"]), passports[1]);
    let found = key().subject_of_identifier(&identifier("passport@USA=C1234567")).unwrap();
    assert_eq!(found, (passports[1], v1::SubjectKind::Passport));
}

#[test]
fn what_is_no_identifier_is_named_and_passed_over() {
    check(
        &["personal=", "local=77"],
        expect![[r#"
        SUBJECT_KIND_LOCAL
        0: identifier_empty"#]],
    );
    check(
        &["personal=000000000000", "card=GD4010000000000", "passport=XXXXXXX"],
        expect![[r#"
        SUBJECT_KIND_NONE
        0: identifier_all_equal
        1: identifier_all_equal
        2: identifier_all_equal"#]],
    );
    check(
        &["personal=123456789012", "card=0123456789", "card=GD4010123456789", "local= không  có"],
        expect![[r#"
            SUBJECT_KIND_NONE
            0: identifier_placeholder
            1: identifier_placeholder
            2: identifier_placeholder
            3: identifier_placeholder"#]],
    );
    check(
        &["personal=012345678", "card=TE101KT00000001", "passport=1", "=9", "local=khong"],
        expect![[r#"
        SUBJECT_KIND_NONE
        0: identifier_form
        1: identifier_form
        2: identifier_all_equal
        3: identifier_kind
        4: identifier_placeholder"#]],
    );
    check(
        &["local=11", "local=12"],
        expect![[r#"
        SUBJECT_KIND_LOCAL
        1: identifier_another"#]],
    );
    check(
        &["local=0"],
        expect![[r#"
        SUBJECT_KIND_NONE
        0: identifier_all_equal"#]],
    );
}

#[test]
fn without_an_identifier_each_record_stands_for_itself() {
    let key = key();
    let of = |emitter, record| key.subject_of(&person(&["card=0000000000"]), emitter, record).0;
    assert_eq!(of("01004", "R1"), of("01004", "R1"));
    assert_ne!(of("01004", "R1"), of("01004", "R2"));
    assert_ne!(of("01004", "R1"), of("0100", "4R1"));
}

#[test]
fn a_look_up_finds_the_subject() {
    let found = key().subject_of_identifier(&identifier("card=DN4790123456780")).unwrap();
    assert_eq!(found, (subject(&["card=0123456780"]), v1::SubjectKind::Card));
}

#[test]
fn subjects_never_change() {
    // A log outlives every build: were these to change, a person's old and new events would part.
    let key = key();
    let (local, ..) = key.subject_of(&person(&["local=77"]), "01004", "R1");
    let (none, ..) = key.subject_of(&person(&[]), "01004", "R1");
    let content = key.content_hash(&whole_submission());
    let id = key.derive_event_id("01004", "R1", Some(Millis(0)), &content);
    let content = contract::EventId(content);
    expect![[r#"
        key 0f6e76429879c40f
        personal 21e156333d17b3dcd64abf04afa0055c
        card 2434903cc5871d1fc0311cf2be8492c5
        passport 85b9e69515a24aa9ce964ee364d9e79a
        passport of a country 5a5ae2bb285b01e981afadb02448d0ec
        local b45e89dfeb362e4ea0b32b025fa8d25a
        none 7eacd649e6822abadab579bc8b418f7f
        content 764d380eab432fc9e35874972aee336c
        event 417cf6d0f4218d25a75b41d06df909c8"#]]
    .assert_eq(&format!(
        "key {}\npersonal {}\ncard {}\npassport {}\npassport of a country {}\nlocal {local}\nnone {none}\n\
         content {content}\nevent {id}",
        key.id(),
        subject(&["personal=001085012345"]),
        subject(&["card=0123456780"]),
        subject(&["passport=C1234567"]),
        subject(&["passport@USA=C1234567"]),
    ));
    assert_ne!(DeploymentKey::new(&[43; 32]).id(), key.id());
    assert_eq!(format!("{key:?}"), format!("DeploymentKey({})", key.id()));
}

fn submission() -> Submission {
    let body = v1::event::Body::PersonDied(v1::PersonDied { died_on: "2026-03-02".into() });
    Submission {
        event: Some(v1::Event {
            emitter: "01004".into(),
            record_key: "R1".into(),
            occurred_at: Some(Millis(0).to_timestamp()),
            body: Some(body),
            ..Default::default()
        }),
        person: Some(person(&["local=77"])),
        restricted: None,
    }
}

/// With every field that is part of the content.
fn whole_submission() -> Submission {
    let reference = |byte| v1::EventReference { event_id: vec![byte; 16], reason: "typed twice".into() };
    let mut submission = submission();
    let event = submission.event.as_mut().expect("there is one");
    event.asserted_at = Some(Millis(1_772_413_200_250).to_timestamp());
    event.occurred_at = Some(Millis(1_772_409_600_000).to_timestamp());
    event.corrects = Some(reference(5));
    event.voids = Some(reference(6));
    event.withdrawal = Some(v1::Withdrawal { reason: "not ours".into() });
    submission.person = Some(PersonDetails {
        full_name: "Nguyễn Thị Thử".into(),
        address: "số 1".into(),
        phone: "0900000000".into(),
        ..person(&["passport@USA=C1234567", "local@01004=77"])
    });
    submission.restricted = Some(v1::RestrictedDetails { diagnoses: vec!["B20".into()] });
    submission
}

#[test]
fn what_intake_sets_is_no_part_of_the_content() {
    let key = key();
    let hash = key.content_hash(&submission());
    let mut stamped = submission();
    let event = stamped.event.as_mut().unwrap();
    event.event_id = vec![1; 16];
    event.subject = vec![1; 16];
    event.recorded_at = Some(Millis(5).to_timestamp());
    event.key_id = key.id().into();
    event.emitter_sequence = 9;
    event.correlation_id = vec![2; 16];
    event.person = Some(v1::Sealed::default());
    assert_eq!(key.content_hash(&stamped), hash);

    let changes: [fn(&mut Submission); 8] = [
        |submission| submission.event.as_mut().unwrap().emitter = "01005".into(),
        |submission| submission.event.as_mut().unwrap().asserted_at = Some(Millis(0).to_timestamp()),
        |submission| submission.event.as_mut().unwrap().withdrawal = Some(v1::Withdrawal::default()),
        |submission| submission.event.as_mut().unwrap().voids = Some(v1::EventReference::default()),
        |submission| submission.event.as_mut().unwrap().corrects = Some(v1::EventReference::default()),
        |submission| submission.event.as_mut().unwrap().body = None,
        |submission| submission.person.as_mut().unwrap().phone = "0900".into(),
        |submission| submission.restricted = Some(v1::RestrictedDetails::default()),
    ];
    let mut seen = vec![hash];
    for change in changes {
        let mut changed = submission();
        change(&mut changed);
        let hash = key.content_hash(&changed);
        assert!(!seen.contains(&hash));
        seen.push(hash);
    }
}

#[test]
fn a_derived_id_is_a_uuid_and_depends_on_all_it_is_made_from() {
    let key = key();
    let ids = [
        key.derive_event_id("01004", "R1", None, &[0; 16]),
        key.derive_event_id("01004", "R1", Some(Millis(0)), &[0; 16]),
        key.derive_event_id("01004", "R1", Some(Millis(1)), &[0; 16]),
        key.derive_event_id("01004", "R2", None, &[0; 16]),
        key.derive_event_id("01005", "R1", None, &[0; 16]),
        key.derive_event_id("01004", "R1", None, &[1; 16]),
    ];
    for (at, EventId(id)) in ids.iter().enumerate() {
        assert_eq!((id[6] >> 4, id[8] >> 6), (8, 2));
        assert_eq!(ids.iter().position(|other| other.0 == *id), Some(at));
    }
}

#[test]
fn nothing_personal_prints() {
    let mut submission = submission();
    submission.person.as_mut().unwrap().full_name = "Nguyễn Thị Thử".into();
    submission.restricted = Some(v1::RestrictedDetails { diagnoses: vec!["B20".into()] });
    let printed = format!("{submission:?} {:?}", submission.person.as_ref().unwrap().identifiers[0]);
    for secret in ["Nguyễn", "77", "B20"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.contains("PersonDied"));
    assert_eq!(Kind::of(submission.event.unwrap().body.as_ref().unwrap()), Kind::PersonDied);
}
