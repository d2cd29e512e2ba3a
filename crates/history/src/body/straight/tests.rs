//! What is read straight is read as the general readers read it, whatever the bytes.

use contract::{EventView, Millis, Subject, v1, v1::event};
use proptest::prelude::*;

use super::*;
use crate::{Dictionary, History};

fn text() -> impl Strategy<Value = String> {
    let codes = prop::sample::select(vec![
        "",
        "1",
        "TE",
        "01001",
        "kh\u{e1}m",
        "8934567890123",
        "far too long to keep",
    ]);
    codes.prop_map(str::to_owned)
}

fn day() -> impl Strategy<Value = String> {
    let days =
        vec!["", "2026-03-02", "2024-02-29", "1900-01-01", "2026-02-30", "1990", "1990-05", "20260302"];
    prop::sample::select(days).prop_map(str::to_owned)
}

fn good_day() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "2026-03-02", "2024-02-29"]).prop_map(str::to_owned)
}

fn number(least: i64) -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 0..5i64, 0..100_000_000i64, least..i64::MAX]
}

fn totals(least: i64) -> impl Strategy<Value = v1::ClaimTotals> {
    prop::array::uniform6(number(least)).prop_map(
        |[total_cost, covered_cost, self_paid, copay, fund, other_sources]| v1::ClaimTotals {
            total_cost,
            covered_cost,
            self_paid,
            copay,
            fund,
            other_sources,
        },
    )
}

fn segment(least: i64) -> impl Strategy<Value = v1::ClaimSegment> {
    (text(), text(), any::<u32>(), 0..3000u32, prop::array::uniform3(number(least))).prop_map(
        |(group, rate_digit, charged_rate, year, [covered_cost, copay, fund])| v1::ClaimSegment {
            group,
            rate_digit,
            charged_rate,
            year,
            covered_cost,
            copay,
            fund,
        },
    )
}

/// A body of each kind that is read straight, with days of `day` and numbers not below `least`: those below zero take ten
/// bytes, which are left to the general readers.
fn body(day: BoxedStrategy<String>, least: i64) -> impl Strategy<Value = event::Body> {
    let time = move || {
        prop::option::of(
            (least.max(-9_000)..2_000_000_000_000i64).prop_map(|millis| Millis(millis).to_timestamp()),
        )
    };
    let texts = || (text(), text(), text(), text());
    let claim = (
        (texts(), texts(), text(), prop::collection::vec(text(), 0..3)),
        (time(), time(), time()),
        (prop::option::of(totals(least)), prop::collection::vec(segment(least), 0..3), 0..3usize),
        (day.clone(), day.clone(), any::<u32>()),
    );
    prop_oneof![
        (day.clone(), 0..4i32, texts()).prop_map(
            |(birth_date, sex, (nationality, ethnicity, occupation, _))| {
                event::Body::PersonRegistered(v1::PersonRegistered {
                    birth_date,
                    sex,
                    nationality,
                    ethnicity,
                    occupation,
                })
            }
        ),
        Just(event::Body::HealthRecordOpened(v1::HealthRecordOpened {})),
        (0..5i32, text(), text(), day.clone(), day.clone()).prop_map(
            |(kind, commune, province, valid_from, valid_until)| {
                let body = v1::ResidenceChanged { kind, commune, province, valid_from, valid_until };
                event::Body::ResidenceChanged(body)
            }
        ),
        (texts(), day.clone(), day.clone(), day.clone()).prop_map(
            |(
                (group, rate_digit, primary_facility, area),
                valid_from,
                valid_until,
                five_years_complete_on,
            )| {
                event::Body::InsuranceGranted(v1::InsuranceGranted {
                    group,
                    rate_digit,
                    valid_from,
                    valid_until,
                    primary_facility,
                    five_years_complete_on,
                    area,
                })
            }
        ),
        (texts(), prop::collection::vec(text(), 0..3), day.clone()).prop_map(
            |((facility, programme, payer, health_class), conclusions, follow_up_on)| {
                event::Body::CheckUpCompleted(v1::CheckUpCompleted {
                    facility,
                    programme,
                    payer,
                    health_class,
                    conclusions,
                    follow_up_on,
                })
            }
        ),
        (text(), text())
            .prop_map(|(facility, care)| event::Body::CareGiven(v1::CareGiven { facility, care })),
        (texts(), time()).prop_map(|((facility, visit_type, route_code, _), admitted_at)| {
            event::Body::VisitOpened(v1::VisitOpened { facility, visit_type, route_code, admitted_at })
        }),
        claim.prop_map(
            |(
                (
                    (facility, visit_type, route_code, form_number),
                    (referred_from, referred_to, group, rate_digit),
                    main_diagnosis,
                    other_diagnoses,
                ),
                (started_at, admitted_at, ended_at),
                (totals, segments, lines),
                (exempt_from, paid_on, charged_rate),
            )| {
                event::Body::ClaimSubmitted(v1::ClaimSubmitted {
                    facility,
                    visit_type,
                    route_code,
                    referred_from,
                    referred_to,
                    form_number,
                    started_at,
                    admitted_at,
                    ended_at,
                    outcome: main_diagnosis.clone(),
                    discharge_type: main_diagnosis.clone(),
                    main_diagnosis,
                    other_diagnoses,
                    totals,
                    segments,
                    lines: vec![v1::ClaimLine { number: 7, ..Default::default() }; lines],
                    group,
                    rate_digit,
                    exempt_from,
                    paid_on,
                    charged_rate,
                })
            }
        ),
    ]
}

/// Kind and bytes of a body.
fn encoded(body: event::Body) -> (Kind, Vec<u8>) {
    let event = v1::Event {
        event_id: vec![1; 16],
        subject: vec![2; 16],
        asserted_at: Some(Millis(1).to_timestamp()),
        occurred_at: Some(Millis(1).to_timestamp()),
        recorded_at: Some(Millis(1).to_timestamp()),
        body: Some(body),
        ..Default::default()
    };
    let bytes = contract::encode(&event);
    let view = EventView::parse(&bytes).unwrap();
    (view.kind, view.body.to_vec())
}

/// Whether the bytes were read straight; if so, they were read as the general readers read them.
fn agree(kind: Kind, bytes: &[u8]) -> bool {
    let of = Envelope { emitter: b"01001", occurred: Day(20_000), subject: Subject([2; 16]) };
    let mut straight = (Body::Retraction, vec![Segment::default()]);
    if read(&mut straight.0, kind, bytes, &of, &mut straight.1).is_none() {
        assert_eq!(straight.1.len(), 1, "what was not read leaves nothing behind");
        return false;
    }
    let mut segments = vec![Segment::default()];
    let general = Body::read_any(kind, bytes, &of, &mut segments);
    assert_eq!((general, segments), (Ok(straight.0), straight.1));
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn what_intake_writes_is_read_straight(body in body(good_day().boxed(), 0)) {
        let (kind, bytes) = encoded(body);
        prop_assert!(agree(kind, &bytes));
    }

    #[test]
    fn whatever_the_bytes_both_ways_say_the_same(
        body in body(day().boxed(), i64::MIN),
        other in body(day().boxed(), i64::MIN),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 0..3),
    ) {
        let (kind, mut bytes) = encoded(body);
        for (at, change, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match change {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, byte),
                _ => bytes.extend_from_slice(&encoded(other.clone()).1),
            }
        }
        agree(kind, &bytes);
    }

    #[test]
    fn an_event_encodes_as_its_fact_does(
        body in body(day().boxed(), i64::MIN),
        [carried, corrects, withdrawn, alone, derived] in any::<[bool; 5]>(),
        offset in 0..1u64 << 48,
    ) {
        let time = |millis: i64| Some(Millis(millis).to_timestamp());
        let mut event = v1::Event {
            event_id: vec![if derived { 0x80 } else { 0x70 }; 16],
            subject: vec![2; 16],
            emitter: "01001".to_owned(),
            record_key: if alone { String::new() } else { "k1".to_owned() },
            asserted_at: time(1_704_042_060_000),
            occurred_at: time(1_704_042_000_000),
            recorded_at: time(1_704_042_060_123),
            content_hash: vec![7; 16],
            corrects: corrects.then(|| v1::EventReference { event_id: vec![3; 16], ..Default::default() }),
            withdrawal: withdrawn.then(v1::Withdrawal::default),
            authority: i32::from(corrects),
            body: Some(body),
            ..Default::default()
        };
        if carried {
            let path = vec![vec![5; 16], vec![6; 16]];
            let inside = v1::CarriedEvent { path, event: contract::encode(&event), ..Default::default() };
            event.body = Some(event::Body::CarriedEvent(inside));
        }
        let bytes = contract::encode(&event);
        let view = EventView::parse(&bytes).unwrap();
        let (mut codes, mut expected) = (Dictionary::default(), vec![1]);
        let mut history = History::new();
        let pushed = history.push(&view, offset);
        if pushed.is_ok() {
            history.encode(0, &mut codes, &mut expected);
        }
        // With what another left behind.
        let mut scratch = history.clone();
        let (mut own_codes, mut own) = (Dictionary::default(), vec![1]);
        prop_assert_eq!(scratch.encode_event(&view, offset, &mut own_codes, &mut own), pushed);
        prop_assert_eq!((own, own_codes.codes()), (expected, codes.codes()));
    }
}
