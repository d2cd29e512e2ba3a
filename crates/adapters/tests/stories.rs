//! What insurance claim files say, told as stories in both wordings and every way of wrapping a table.

mod support;

use adapters::insurance_xml::{Outcome, Translated, translate};
use contract::{Kind, Millis, v1};
use expect_test::{Expect, expect};
use v1::event::Body;

use support::{EVERY_AS, file};

/// Translates the story's file and compares what it says.
fn check(story: &str, expected: Expect) {
    expected.assert_eq(&told(&translate(file(story).as_bytes())));
}

fn told(outcome: &Outcome) -> String {
    let mut text = String::new();
    for said in &outcome.submissions {
        text += &event(said);
        text.push('\n');
    }
    for refusal in &outcome.refusals {
        for fault in &refusal.faults {
            text += &format!("refused: {fault}\n");
        }
    }
    for finding in &outcome.findings {
        text += &format!("finding: {finding}\n");
    }
    if let Some(truncated) = outcome.truncated {
        text += &format!("{truncated:?}\n");
    }
    text
}

fn event(said: &Translated) -> String {
    let event = said.submission.event.as_ref().unwrap();
    let body = event.body.as_ref().unwrap();
    let at = |at: &Option<prost_types::Timestamp>| {
        at.as_ref().map_or("-".to_string(), |at| Millis::from_timestamp(at).to_string()[..16].to_string())
    };
    let mut text = format!(
        "{} {} {} of {} at {}",
        said.source.table,
        Kind::of(body),
        event.record_key,
        event.emitter,
        at(&event.occurred_at)
    );
    if event.withdrawal.is_some() {
        text += " WITHDRAWN";
    }
    if let Some(key) = &said.same_person_as {
        text += &format!(" person-of={key}");
    }
    let person = said.submission.person.as_ref().unwrap();
    let identifiers: Vec<String> = person
        .identifiers
        .iter()
        .map(|identifier| format!("{}:{}", identifier.kind, identifier.value))
        .collect();
    text +=
        &format!(" [{}{}]", if person.full_name.is_empty() { "" } else { "named " }, identifiers.join(" "));
    text += &match body {
        Body::PersonRegistered(body) => {
            format!(" born={} sex={} ethnicity={}", body.birth_date, body.sex, body.ethnicity)
        }
        Body::ResidenceChanged(body) => format!(" commune={} from={}", body.commune, body.valid_from),
        Body::InsuranceGranted(body) => format!(
            " group={} rate={} {}..{} at={} five-years={} area={}",
            body.group,
            body.rate_digit,
            body.valid_from,
            body.valid_until,
            body.primary_facility,
            body.five_years_complete_on,
            body.area
        ),
        Body::VisitOpened(body) => {
            format!(" type={} route={} admitted={}", body.visit_type, body.route_code, at(&body.admitted_at))
        }
        Body::ReferralArrived(body) => {
            format!(" form={} from={} at={}", body.form_number, body.from_facility, body.at_facility)
        }
        Body::ReferralIssued(body) => format!(
            " form={} from={} to={} reason={} diagnosis={}",
            body.form_number, body.from_facility, body.to_facility, body.reason, body.diagnosis
        ),
        Body::CheckUpCompleted(body) => {
            format!(" conclusions={} follow-up={}", body.conclusions.join(";"), body.follow_up_on)
        }
        Body::ClaimSubmitted(body) => claim(body),
        other => format!(" {other:?}"),
    };
    if let Some(restricted) = &said.submission.restricted {
        text += &format!(" restricted={}", restricted.diagnoses.join(";"));
    }
    text
}

fn claim(body: &v1::ClaimSubmitted) -> String {
    let totals = body.totals.as_ref().unwrap();
    let mut text = format!(
        " type={} route={} icd={};{} card={}{} rate={} total={} covered={} self={} copay={} fund={} other={} lines={}",
        body.visit_type,
        body.route_code,
        body.main_diagnosis,
        body.other_diagnoses.join(";"),
        body.group,
        body.rate_digit,
        body.charged_rate,
        totals.total_cost,
        totals.covered_cost,
        totals.self_paid,
        totals.copay,
        totals.fund,
        totals.other_sources,
        body.lines.len(),
    );
    for segment in &body.segments {
        text += &format!(
            " ({}{} {} {}: {} {} {})",
            segment.group,
            segment.rate_digit,
            segment.charged_rate,
            segment.year,
            segment.covered_cost,
            segment.copay,
            segment.fund
        );
    }
    for (name, value) in [
        ("from", &body.referred_from),
        ("to", &body.referred_to),
        ("form", &body.form_number),
        ("exempt", &body.exempt_from),
        ("paid", &body.paid_on),
    ] {
        if !value.is_empty() {
            text += &format!(" {name}={value}");
        }
    }
    text
}

#[test]
fn an_ordinary_visit_tells_of_the_person_the_card_and_the_bill() {
    check(
        "record",
        expect![[r#"
        XML1 person_registered L1 of 01004 at 2026-03-02T08:15 [named 1:001080000001 2:GD4010000000001 4:BN1] born=1980-03-21 sex=1 ethnicity=01
        XML1 residence_changed L1 of 01004 at 2026-03-02T08:15 [1:001080000001 2:GD4010000000001 4:BN1] commune=00070 from=2026-03-02
        XML1 insurance_granted L1 of 01004 at 2026-01-01T00:00 [1:001080000001 2:GD4010000000001 4:BN1] group=GD rate=4 2026-01-01..2026-12-31 at=01004 five-years=2022-01-01 area=
        XML1 claim_submitted L1 of 01004 at 2026-03-02T10:30 [named 1:001080000001 2:GD4010000000001 4:BN1] type=01 route=1.1 icd=I10; card=GD4 rate=8000 total=60000000 covered=60000000 self=0 copay=12000000 fund=48000000 other=0 lines=2
    "#]],
    );
}

#[test]
fn every_wrapping_and_wording_says_the_same() {
    let of = |wording: &str, wrap: &str| {
        told(&translate(
            file(&format!(
                "file wording={wording} as={wrap}\nrecord XML0 XML1 XML2 XML3 XML13\nXML1 MA_LOAI_RV=2"
            ))
            .as_bytes(),
        ))
    };
    let first = of("4750", "base64");
    assert_eq!(first.lines().count(), 6, "{first}");
    for wording in ["4750", "3176"] {
        for wrap in EVERY_AS {
            assert_eq!(of(wording, &format!("{wrap:?}")), first, "{wording} {wrap:?}");
        }
    }
}
