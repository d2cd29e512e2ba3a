//! What insurance claim files say, told as stories in both wordings and every way of wrapping a table.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod support;

use adapters::insurance_xml::{Outcome, Rule, Translated, translate};
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
    for said in outcome.submissions.iter().filter(|said| !said.just_in_case) {
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

fn body(said: &Translated) -> &Body {
    said.submission.event.as_ref().and_then(|event| event.body.as_ref()).unwrap()
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

#[test]
fn a_stay_with_two_cards_over_new_year_is_billed_by_card_rate_and_year() {
    check(
        "record
         XML1 MA_LOAI_KCB=03 NGAY_VAO=202512300800 NGAY_VAO_NOI_TRU=202512300900 MA_THE_BHYT=DN4010000000001;HN2010000000001
         XML1 MA_DKBD=01004;01929 GT_THE_TU=20250101;20260101 GT_THE_DEN=20251231;20261231 MA_KHUVUC=K1 NGAY_MIEN_CCT=202603010000
         XML1 T_TONGCHI_BV=900000 T_TONGCHI_BH=900000 T_BNCCT=140000.25 T_BHTT=759999.75 NGAY_TTOAN=202603021100
         XML2 NGAY_YL=202512310800 T_BNCCT=40000.25 T_BHTT=159999.75
         XML3 NGAY_YL=202601050800 MUC_HUONG=95 T_BNCCT=20000 T_BHTT=380000
         XML3+ STT=2 MA_DICH_VU=~ MA_VAT_TU=N01 NGAY_YL=202601060800 MUC_HUONG=47.5 SO_LUONG=0.75 THANH_TIEN_BV=300000 THANH_TIEN_BH=300000 T_BNCCT=80000 T_BHTT=220000",
        expect![[r#"
            XML1 person_registered L1 of 01004 at 2025-12-30T08:00 [named 1:001080000001 2:DN4010000000001 2:HN2010000000001 4:BN1] born=1980-03-21 sex=1 ethnicity=01
            XML1 residence_changed L1 of 01004 at 2025-12-30T08:00 [1:001080000001 2:DN4010000000001 2:HN2010000000001 4:BN1] commune=00070 from=2025-12-30
            XML1 insurance_granted L1 of 01004 at 2025-01-01T00:00 [1:001080000001 2:DN4010000000001 2:HN2010000000001 4:BN1] group=DN rate=4 2025-01-01..2025-12-31 at=01004 five-years=2022-01-01 area=K1
            XML1 insurance_granted L1#2 of 01004 at 2026-01-01T00:00 [1:001080000001 2:DN4010000000001 2:HN2010000000001 4:BN1] group=HN rate=2 2026-01-01..2026-12-31 at=01929 five-years=2022-01-01 area=K1
            XML1 claim_submitted L1 of 01004 at 2026-03-02T10:30 [named 1:001080000001 2:DN4010000000001 2:HN2010000000001 4:BN1] type=03 route=1.1 icd=I10; card=DN4 rate=0 total=90000000 covered=90000000 self=0 copay=14000025 fund=75999975 other=0 lines=3 (DN4 8000 2025: 20000000 4000025 15999975) (HN2 4750 2026: 30000000 8000000 22000000) (HN2 9500 2026: 40000000 2000000 38000000) exempt=2026-03-01 paid=2026-03-02
        "#]],
    );
}

#[test]
fn parts_of_a_bill_add_up_to_it_though_lines_are_finer_than_a_hundredth() {
    let outcome = translate(
        file(
            "record
             XML1 T_TONGCHI_BV=600000.01 T_TONGCHI_BH=600000.01 T_BNCCT=120000.01
             XML2 THANH_TIEN_BV=200000.005 THANH_TIEN_BH=200000.005 T_BNCCT=40000.005 MUC_HUONG=80
             XML3 THANH_TIEN_BV=400000.005 THANH_TIEN_BH=400000.005 T_BNCCT=80000.005 MUC_HUONG=95",
        )
        .as_bytes(),
    );
    assert!(outcome.refusals.is_empty(), "{}", told(&outcome));
    let claim = outcome.submissions.iter().find(|said| matches!(body(said), Body::ClaimSubmitted(_)));
    let claim = claim.expect("the claim is accepted");
    assert_eq!(contract::validate_submission(&claim.submission), []);
    let text = event(claim);
    expect!["(GD4 8000 2026: 20000001 4000001 16000000) (GD4 9500 2026: 40000000 8000000 32000000)"]
        .assert_eq(&text[text.find('(').unwrap_or(0)..]);
}

#[test]
fn a_transfer_is_told_by_both_ends() {
    check(
        "record XML1 XML13
         XML1 MA_NOI_DEN=01929 MA_LOAI_RV=2 T_TONGCHI_BV=0 T_TONGCHI_BH=0 T_BNCCT=0 T_BHTT=0 T_THUOC=0
         XML13 MA_NOI_DI=01098 MA_NOI_DEN=01929 MA_THE_BHYT=~ NGAY_VAO=~ NGAY_RA=~ MA_CSKCB=~",
        expect![[r#"
            XML1 person_registered L1 of 01004 at 2026-03-02T08:15 [named 1:001080000001 2:GD4010000000001 4:BN1] born=1980-03-21 sex=1 ethnicity=01
            XML1 residence_changed L1 of 01004 at 2026-03-02T08:15 [1:001080000001 2:GD4010000000001 4:BN1] commune=00070 from=2026-03-02
            XML1 insurance_granted L1 of 01004 at 2026-01-01T00:00 [1:001080000001 2:GD4010000000001 4:BN1] group=GD rate=4 2026-01-01..2026-12-31 at=01004 five-years=2022-01-01 area=
            XML1 claim_submitted L1 of 01004 at 2026-03-02T10:30 [named 1:001080000001 2:GD4010000000001 4:BN1] type=01 route=1.1 icd=I10; card=GD4 rate=0 total=0 covered=0 self=0 copay=0 fund=0 other=0 lines=0 to=01929
            XML13 referral_issued L1 of 01004 at 2026-03-02T10:30 [1:001080000001 2:GD4010000000001 4:BN1] form=77 from=01004 to=01929 reason=1 diagnosis=I25.1
        "#]],
    );
    check(
        "file MACSKCB=01929 wording=3176
         record
         XML1 MA_LK=B7 MA_CSKCB=01929 MA_DOITUONG_KCB=1.3 MA_NOI_DI=01004 GIAY_CHUYEN_TUYEN=77",
        expect![[r#"
            XML1 person_registered B7 of 01929 at 2026-03-02T08:15 [named 1:001080000001 2:GD4010000000001 4:BN1] born=1980-03-21 sex=1 ethnicity=01
            XML1 residence_changed B7 of 01929 at 2026-03-02T08:15 [1:001080000001 2:GD4010000000001 4:BN1] commune=00070 from=2026-03-02
            XML1 insurance_granted B7 of 01929 at 2026-01-01T00:00 [1:001080000001 2:GD4010000000001 4:BN1] group=GD rate=4 2026-01-01..2026-12-31 at=01004 five-years=2022-01-01 area=
            XML1 referral_arrived B7 of 01929 at 2026-03-02T08:15 [1:001080000001 2:GD4010000000001 4:BN1] form=77 from=01004 at=01929
            XML1 claim_submitted B7 of 01929 at 2026-03-02T10:30 [named 1:001080000001 2:GD4010000000001 4:BN1] type=01 route=1.3 icd=I10; card=GD4 rate=8000 total=60000000 covered=60000000 self=0 copay=12000000 fund=48000000 other=0 lines=2 from=01004 form=77
            finding: record 1 (MA_LK B7) XML2[1].MA_LK: the row's MA_LK is not that of XML1; it was counted to XML1 [line_of_another_record]
            finding: record 1 (MA_LK B7) XML3[1].MA_LK: the row's MA_LK is not that of XML1; it was counted to XML1 [line_of_another_record]
        "#]],
    );
    // A re-examination names the facility of the slip, and is no arrival.
    check(
        "record\nXML1 MA_DOITUONG_KCB=1.5 MA_NOI_DI=01929 GIAY_CHUYEN_TUYEN=5",
        expect![[r#"
        XML1 person_registered L1 of 01004 at 2026-03-02T08:15 [named 1:001080000001 2:GD4010000000001 4:BN1] born=1980-03-21 sex=1 ethnicity=01
        XML1 residence_changed L1 of 01004 at 2026-03-02T08:15 [1:001080000001 2:GD4010000000001 4:BN1] commune=00070 from=2026-03-02
        XML1 insurance_granted L1 of 01004 at 2026-01-01T00:00 [1:001080000001 2:GD4010000000001 4:BN1] group=GD rate=4 2026-01-01..2026-12-31 at=01004 five-years=2022-01-01 area=
        XML1 claim_submitted L1 of 01004 at 2026-03-02T10:30 [named 1:001080000001 2:GD4010000000001 4:BN1] type=01 route=1.5 icd=I10; card=GD4 rate=8000 total=60000000 covered=60000000 self=0 copay=12000000 fund=48000000 other=0 lines=2 from=01929 form=5
    "#]],
    );
}

#[test]
fn a_form_without_its_summary_is_about_the_person_of_that_record() {
    check(
        "file wording=3176\nrecord XML13\nXML13 MA_THE_BHYT=~",
        expect![[r#"
        XML13 referral_issued L1 of 01004 at 2026-03-02T10:30 person-of=L1 [named ] form=77 from=01004 to=01929 reason=1 diagnosis=I25.1
    "#]],
    );
}

#[test]
fn check_ins_of_one_visit_are_one_visit() {
    check(
        "record XML0
         XML0+ STT=2 NGAY_VAO_NOI_TRU=202603020900 MA_LOAI_KCB=03
         XML0+ MA_LK=L2 MA_DOITUONG_KCB=2",
        expect![[r#"
            XML0 visit_opened L1 of 01004 at 2026-03-02T08:15 [named 1:001080000001 2:GD4010000000001 4:BN1] type=03 route=1.1 admitted=2026-03-02T09:00
            XML0 visit_opened L2 of 01004 at 2026-03-02T08:15 [named 1:001080000001 2:GD4010000000001 4:BN1] type=01 route=2 admitted=-
        "#]],
    );
}

#[test]
fn a_check_up_is_a_claim_too() {
    check(
        "record\nXML1 MA_LOAI_KCB=15 MA_BENH_KT=E11.9;I25 NGAY_TAI_KHAM=20260902;20260909",
        expect![[r#"
        XML1 person_registered L1 of 01004 at 2026-03-02T08:15 [named 1:001080000001 2:GD4010000000001 4:BN1] born=1980-03-21 sex=1 ethnicity=01
        XML1 residence_changed L1 of 01004 at 2026-03-02T08:15 [1:001080000001 2:GD4010000000001 4:BN1] commune=00070 from=2026-03-02
        XML1 insurance_granted L1 of 01004 at 2026-01-01T00:00 [1:001080000001 2:GD4010000000001 4:BN1] group=GD rate=4 2026-01-01..2026-12-31 at=01004 five-years=2022-01-01 area=
        XML1 check_up_completed L1 of 01004 at 2026-03-02T10:30 [1:001080000001 2:GD4010000000001 4:BN1] conclusions=I10;E11.9;I25 follow-up=2026-09-02
        XML1 claim_submitted L1 of 01004 at 2026-03-02T10:30 [named 1:001080000001 2:GD4010000000001 4:BN1] type=15 route=1.1 icd=I10;E11.9;I25 card=GD4 rate=8000 total=60000000 covered=60000000 self=0 copay=12000000 fund=48000000 other=0 lines=2
    "#]],
    );
}

#[test]
fn a_withdrawal_takes_back_what_the_bill_told_of() {
    check(
        "record XML1 XML2 XML3 XML13
         XML1 MA_DOITUONG_KCB=8 MA_NOI_DI=01929 MA_LOAI_KCB=16",
        expect![[r#"
            XML1 referral_arrived L1 of 01004 at 2026-03-02T08:15 WITHDRAWN [1:001080000001 2:GD4010000000001 4:BN1] form= from=01929 at=01004
            XML1 check_up_completed L1 of 01004 at 2026-03-02T10:30 WITHDRAWN [1:001080000001 2:GD4010000000001 4:BN1] conclusions=I10 follow-up=
            XML1 claim_submitted L1 of 01004 at 2026-03-02T10:30 WITHDRAWN [named 1:001080000001 2:GD4010000000001 4:BN1] type=16 route=8 icd=I10; card=GD4 rate=8000 total=60000000 covered=60000000 self=0 copay=12000000 fund=48000000 other=0 lines=2 from=01929
            XML13 referral_issued L1 of 01004 at 2026-03-02T10:30 WITHDRAWN [1:001080000001 2:GD4010000000001 4:BN1] form=77 from=01004 to=01929 reason=1 diagnosis=I25.1
        "#]],
    );
}

#[test]
fn a_withdrawal_takes_back_the_check_in_too() {
    let in_case = |story: &str| -> Vec<Kind> {
        let outcome = translate(file(story).as_bytes());
        let in_case = outcome.submissions.iter().filter(|said| said.just_in_case);
        in_case.map(|said| Kind::of(said.submission.event.as_ref().unwrap().body.as_ref().unwrap())).collect()
    };
    for story in ["record\nXML1 MA_DOITUONG_KCB=8", "record XML0 XML1 XML2 XML3\nXML1 MA_DOITUONG_KCB=8"] {
        assert!(in_case(story).contains(&Kind::VisitOpened));
    }
    assert!(!in_case("record").contains(&Kind::VisitOpened));
}

#[test]
fn what_tells_of_hiv_leaves_the_open_fields() {
    check(
        "record XML1 XML2 XML3 XML13\nXML1 MA_BENH_CHINH=B20.0 MA_BENH_KT=I10;z21;K29\nXML13 MA_BENH_CHINH=B24",
        expect![[r#"
            XML1 person_registered L1 of 01004 at 2026-03-02T08:15 [named 1:001080000001 2:GD4010000000001 4:BN1] born=1980-03-21 sex=1 ethnicity=01
            XML1 residence_changed L1 of 01004 at 2026-03-02T08:15 [1:001080000001 2:GD4010000000001 4:BN1] commune=00070 from=2026-03-02
            XML1 insurance_granted L1 of 01004 at 2026-01-01T00:00 [1:001080000001 2:GD4010000000001 4:BN1] group=GD rate=4 2026-01-01..2026-12-31 at=01004 five-years=2022-01-01 area=
            XML1 claim_submitted L1 of 01004 at 2026-03-02T10:30 [named 1:001080000001 2:GD4010000000001 4:BN1] type=01 route=1.1 icd=;I10;K29 card=GD4 rate=8000 total=60000000 covered=60000000 self=0 copay=12000000 fund=48000000 other=0 lines=2 restricted=B20.0;z21
            XML13 referral_issued L1 of 01004 at 2026-03-02T10:30 [1:001080000001 2:GD4010000000001 4:BN1] form=77 from=01004 to=01929 reason=1 diagnosis= restricted=B24
        "#]],
    );
}

#[test]
fn what_tells_of_hiv_is_found_however_codes_are_set_apart() {
    let told = |words: &str| {
        let outcome = translate(file(&format!("record XML1 XML2 XML3 XML13\n{words}")).as_bytes());
        let said = outcome.submissions.iter().map(|said| &said.submission);
        let restricted: Vec<String> = said
            .clone()
            .filter_map(|said| said.restricted.as_ref())
            .flat_map(|restricted| restricted.diagnoses.clone())
            .collect();
        let open = said.map(|said| format!("{:?}", said.event)).collect::<String>();
        (restricted.join("|"), open)
    };
    for (words, sealed) in [
        ("XML1 MA_BENH_KT=I10,B20", "I10,B20"),
        ("XML1 MA_BENH_KT=I10_B_20.1;K29", "I10 B 20.1"),
        ("XML1 MA_BENH_KT=K29;I10/b24", "I10/b24"),
        ("XML1 MA_BENH_CHINH=I10;B20", "I10;B20"),
        ("XML1 MA_BENH_CHINH=I10\u{7}B20", "I10B20"),
        ("XML13 MA_BENH_CHINH=I10;Z21", "I10;Z21"),
        ("XML13 MA_BENH_CHINH=Z20.6", "Z20.6"),
        ("XML1 MA_BENH_KT=Z11.4;Z717", "Z11.4|Z717"),
    ] {
        let (restricted, open) = told(&format!("XML1 MA_LOAI_KCB=15\n{words}"));
        assert_eq!(restricted, sealed, "{words}");
        assert!(sealed.split('|').all(|sealed| !open.contains(sealed)), "{words}: {open}");
    }
    for words in ["XML1 MA_BENH_KT=B19;B25;Z20.5;Z20;Z11;Z71;Z22;O98", "XML1 MA_BENH_CHINH=F02"] {
        assert_eq!(told(words).0, "", "{words}");
    }
}

#[test]
fn a_line_is_charged_to_the_card_that_began_last_by_its_day_in_whatever_order_they_stand() {
    let segments = |cards: &str| {
        let story = format!(
            "record\nXML1 NGAY_VAO=202608010815 NGAY_RA=202608021030 MA_DKBD=01004;01004 GT_THE_DEN=20261231;20261231 {cards}
             XML2 NGAY_YL=202608010900\nXML3 NGAY_YL=202608010900"
        );
        let outcome = translate(file(&story).as_bytes());
        let claim = outcome.submissions.iter().find_map(|said| match &said.submission.event.as_ref()?.body {
            Some(Body::ClaimSubmitted(claim)) => Some(claim.clone()),
            _ => None,
        });
        let claim = claim.unwrap();
        let of = claim.segments.iter().map(|segment| segment.group.clone()).collect::<Vec<_>>().join(" ");
        format!("{} {of}", claim.group)
    };
    assert_eq!(segments("MA_THE_BHYT=HN2010000000001;DN4010000000001 GT_THE_TU=20260701;20260101"), "HN ");
    assert_eq!(segments("MA_THE_BHYT=DN4010000000001;HN2010000000001 GT_THE_TU=20260101;20260701"), "DN HN");
}

#[test]
fn of_a_list_of_senders_the_last_that_is_there_counts_and_is_looked_at() {
    for (list, sender, odd) in [
        ("01004;", "01004", false),
        ("01098;01004;_;", "01004", false),
        ("01004;1929", "1929", true),
        (";", "", false),
    ] {
        let story = format!(
            "file MACSKCB=01929 wording=3176
             record
             XML1 MA_CSKCB=01929 MA_DOITUONG_KCB=1.3 MA_NOI_DI={list} GIAY_CHUYEN_TUYEN=77"
        );
        let outcome = translate(file(&story).as_bytes());
        let arrivals =
            outcome.submissions.iter().filter_map(|said| match said.submission.event.as_ref()?.body {
                Some(Body::ReferralArrived(ref body)) if !said.just_in_case => {
                    Some(body.from_facility.clone())
                }
                _ => None,
            });
        assert_eq!(arrivals.collect::<Vec<_>>().concat(), sender, "{list}");
        let told = outcome.findings.iter().any(|finding| finding.rule == Rule::CodeOdd);
        assert_eq!(told, odd, "{list}");
    }
}

#[test]
fn lines_that_are_too_large_for_an_event_are_added_up_and_nothing_is_lost() {
    for (count, code, kept) in [(1_000, "", 1_002), (1_000, "M", 3), (1_000, "M_of_its_own", 2)] {
        let lines: String = (1..=count)
            .map(|at| {
                let code = match code {
                    "" => format!("M{at}"),
                    "M" => "x250*M".to_string(),
                    _ => format!("{at:0250}"),
                };
                format!("XML2+ STT={at} MA_THUOC={code}\n")
            })
            .collect();
        let (total, fund, copay) =
            (600_000 + 200_000 * count, 480_000 + 160_000 * count, 120_000 + 40_000 * count);
        let story = format!(
            "file as=inline\nrecord\nXML1 T_THUOC={} T_TONGCHI_BV={total} T_TONGCHI_BH={total} T_BNCCT={copay} T_BHTT={fund}\n{lines}",
            total - 400_000
        );
        let outcome = translate(file(&story).as_bytes());
        assert_eq!(outcome.refusals, []);
        assert_eq!(outcome.findings.len(), usize::from(kept < 1_000));
        for said in &outcome.submissions {
            assert_eq!(contract::validate_submission(&said.submission), []);
            if let Some(Body::ClaimSubmitted(claim)) = &said.submission.event.as_ref().unwrap().body {
                assert_eq!(claim.lines.len(), kept);
                assert_eq!(claim.lines.iter().map(|line| line.fund).sum::<i64>(), 100 * fund);
            }
        }
    }
}

#[test]
fn who_has_no_number_is_found_by_the_next() {
    for (words, expected) in [
        (
            "SO_CCCD=~",
            expect![[r#"
            [(Card), (Local)]
        "#]],
        ),
        (
            "SO_CCCD=C1234567 MA_THE_BHYT=0100000001",
            expect![[r#"
            [(Passport), (Card), (Local)]
        "#]],
        ),
        (
            "SO_CCCD=123456789 MA_QUOCTICH=USA MA_THE_BHYT=~ MA_DKBD=~ GT_THE_TU=~ GT_THE_DEN=~",
            expect![[r#"
            [(Passport), (Local)]
        "#]],
        ),
        (
            "SO_CCCD=~ MA_THE_BHYT=001080000001",
            expect![[r#"
            [(Card), (Local)]
        "#]],
        ),
    ] {
        let outcome = translate(file(&format!("record\nXML1 {words}")).as_bytes());
        expected.assert_eq(
            &format!("{:?}\n", outcome.submissions[0].submission.person.as_ref().unwrap().identifiers)
                .replace("Identifier", ""),
        );
    }
}

#[test]
fn numbers_of_lines_need_not_be_whole() {
    check("record\nXML2 SO_LUONG=4.000 DON_GIA=589.999 THANH_TIEN_BV=2360 THANH_TIEN_BH=2360 T_BNCCT=472 T_BHTT=1888 MUC_HUONG=80.0
         XML1 T_THUOC=2360.00 T_TONGCHI_BV=402360 T_TONGCHI_BH=402360.0 T_BNCCT=80472 T_BHTT=321888", expect![[r#"
             XML1 person_registered L1 of 01004 at 2026-03-02T08:15 [named 1:001080000001 2:GD4010000000001 4:BN1] born=1980-03-21 sex=1 ethnicity=01
             XML1 residence_changed L1 of 01004 at 2026-03-02T08:15 [1:001080000001 2:GD4010000000001 4:BN1] commune=00070 from=2026-03-02
             XML1 insurance_granted L1 of 01004 at 2026-01-01T00:00 [1:001080000001 2:GD4010000000001 4:BN1] group=GD rate=4 2026-01-01..2026-12-31 at=01004 five-years=2022-01-01 area=
             XML1 claim_submitted L1 of 01004 at 2026-03-02T10:30 [named 1:001080000001 2:GD4010000000001 4:BN1] type=01 route=1.1 icd=I10; card=GD4 rate=8000 total=40236000 covered=40236000 self=0 copay=8047200 fund=32188800 other=0 lines=2
         "#]]);
}

#[test]
fn what_a_record_does_not_hold_is_withdrawn_just_in_case() {
    let in_case = |story: &str| -> String {
        let outcome = translate(file(story).as_bytes());
        let last = outcome.submissions.iter().rposition(|said| !said.just_in_case).unwrap();
        let claim = outcome.submissions.iter().position(|said| said.just_in_case).unwrap() - 1;
        assert!(claim == last || outcome.submissions[last].source.table == "XML13");
        let said = outcome.submissions.iter().filter(|said| said.just_in_case);
        said.map(|said| {
            let event = said.submission.event.as_ref().unwrap();
            assert!(event.withdrawal.is_some() && said.submission.person.is_none());
            assert_eq!(contract::validate_submission(&said.submission), []);
            format!("{} {}\n", Kind::of(event.body.as_ref().unwrap()), event.record_key)
        })
        .collect()
    };
    expect![[r#"
        referral_arrived L1
        check_up_completed L1
        insurance_granted L1#2
        insurance_granted L1#3
        insurance_granted L1#4
    "#]]
    .assert_eq(&in_case("record"));
    expect![[r#"
        insurance_granted L1#3
        insurance_granted L1#4
        residence_changed L1
    "#]].assert_eq(&in_case("record\nXML1 MA_DOITUONG_KCB=1.3 MA_NOI_DI=01929 MA_LOAI_KCB=15 MA_THE_BHYT=DN4010000000001;HN2010000000001 MAXA_CU_TRU=~"));
    expect![[r#"
        referral_arrived L1
        check_up_completed L1
        referral_issued L1
        visit_opened L1
    "#]]
    .assert_eq(&in_case("record\nXML1 MA_DOITUONG_KCB=8"));
    expect![[r#"
        check_up_completed L1
        visit_opened L1
    "#]]
    .assert_eq(&in_case("record XML1 XML2 XML3 XML13\nXML1 MA_DOITUONG_KCB=8 MA_NOI_DI=01929"));
}
