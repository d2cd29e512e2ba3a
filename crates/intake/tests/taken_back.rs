//! What an emitter took back is not revived when the claim of its visit moves: stories, held against what histories make of
//! the log, and told the same by an index that saw it all and by one that is built from the log before every line.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, sync::Arc};

use contract::{EventId, EventView, Kind, Millis, Subject, v1};
use event_log::{EmbeddedLog, EventLog};
use expect_test::{Expect, expect};
use history::{History, Resolver, Standing};
use intake::{FollowUpKind, Intake, Item, Outcome, Receipt};
use v1::event::Body;

const PARTITIONS: u16 = 4;
const PEOPLE: [&str; 3] = ["An", "Binh", "Cuong"];

fn person(name: &str) -> v1::PersonDetails {
    let number = PEOPLE.iter().position(|known| *known == name).unwrap();
    let kind = v1::IdentifierKind::PersonalNumber as i32;
    let identifier = v1::Identifier { kind, value: format!("00108000000{number}"), ..Default::default() };
    v1::PersonDetails { identifiers: vec![identifier], ..Default::default() }
}

/// One line: `[name:] what record-key day-of-March [person] [corrects|voids name] [withdrawn]`.
fn item(line: &str, names: &BTreeMap<String, EventId>) -> Item {
    let mut words = line.split_whitespace();
    let (what, record_key) = (words.next().unwrap(), words.next().unwrap());
    let day: contract::Day = format!("2026-03-{}", words.next().unwrap()).parse().unwrap();
    let facility = String::from("01004");
    let body = match what {
        "form" => Body::ReferralIssued(v1::ReferralIssued {
            form_number: record_key.into(),
            from_facility: facility.clone(),
            to_facility: "01929".into(),
            form_kind: v1::ReferralFormKind::Standard as i32,
            ..Default::default()
        }),
        "check-in" => Body::VisitOpened(v1::VisitOpened {
            facility: facility.clone(),
            visit_type: "01".into(),
            ..Default::default()
        }),
        "care" => Body::CareGiven(v1::CareGiven { facility: facility.clone(), ..Default::default() }),
        "claim" => Body::ClaimSubmitted(v1::ClaimSubmitted {
            facility: facility.clone(),
            visit_type: "01".into(),
            route_code: "1.1".into(),
            started_at: Some(day.start().to_timestamp()),
            ended_at: Some(day.start().to_timestamp()),
            totals: Some(v1::ClaimTotals::default()),
            ..Default::default()
        }),
        "retraction" => Body::Retraction(v1::Retraction {}),
        other => panic!("{other}"),
    };
    let mut event = v1::Event {
        emitter: facility,
        record_key: record_key.into(),
        asserted_at: Some(day.start().to_timestamp()),
        occurred_at: Some(day.start().to_timestamp()),
        body: Some(body),
        ..Default::default()
    };
    let mut about = None;
    while let Some(word) = words.next() {
        let mut reference = || {
            let event_id = names[words.next().unwrap()].0.to_vec();
            Some(v1::EventReference { event_id, reason: String::new() })
        };
        match word {
            "corrects" => event.corrects = reference(),
            "voids" => event.voids = reference(),
            "withdrawn" => event.withdrawal = Some(v1::Withdrawal::default()),
            name => about = Some(person(name)),
        }
    }
    Item::new(v1::Submission { event: Some(event), person: about, restricted: None })
}

fn told(receipt: &Receipt, names: &BTreeMap<String, EventId>) -> String {
    let name = |id: EventId| {
        let known = names.iter().find(|(_, known)| **known == id);
        known.map_or_else(|| "what was said again".to_owned(), |(name, _)| name.clone())
    };
    match &receipt.outcome {
        Outcome::Accepted { follow_ups, stayed, .. } => {
            let mut told = String::from("accepted");
            for record in follow_ups {
                let what = match record.what {
                    FollowUpKind::Retraction => "takes back",
                    FollowUpKind::SaidAgain => "says again",
                };
                write!(told, "; {what} {}", name(record.of)).unwrap();
            }
            for form in stayed {
                write!(told, "; {} stays ({})", name(form.event_id), form.why.code()).unwrap();
            }
            told
        }
        Outcome::Duplicate { .. } => "duplicate".to_owned(),
        Outcome::Refused { faults } => format!("refused: {}", faults[0]),
        Outcome::NothingToWithdraw => "nothing to withdraw".to_owned(),
    }
}

/// What counts of forms and check-ins, by the rule of histories.
fn in_force(log: &EmbeddedLog, door: &Intake) -> String {
    let mut histories = BTreeMap::<Subject, (History, Vec<(Kind, String)>)>::new();
    for partition in 0..PARTITIONS {
        let mut reader = log.reader(partition, 0).unwrap();
        while let Some(batch) = reader.next_batch(1 << 20).unwrap() {
            for record in batch {
                let view = EventView::parse(record.bytes).unwrap();
                let (history, keys) = histories.entry(view.subject).or_default();
                // Its place among the person's events stands for the offset.
                history.push(&view, keys.len() as u64).unwrap();
                keys.push((view.kind, view.record_key.to_string()));
            }
        }
    }
    let mut told = Vec::new();
    for (subject, (mut history, keys)) in histories {
        history.sort();
        let key = door.deployment_key();
        let who = PEOPLE.iter().find(|name| key.subject_of(&person(name), "", "").0 == subject).unwrap();
        for (fact, standing) in history.facts().iter().zip(Resolver::new().standings(&history, None)) {
            let (kind, record_key) = &keys[fact.offset as usize];
            if standing == Standing::InForce && matches!(kind, Kind::ReferralIssued | Kind::VisitOpened) {
                told.push(format!("{who} {} {record_key}", kind.name()));
            }
        }
    }
    told.sort();
    if told.is_empty() { "nothing counts".to_owned() } else { told.join(", ") }
}

/// What became of a story: the answers of its claims, and what counts at last; and which events the log then has.
fn run(folder: &Path, story: &str, forgets: bool) -> (String, Vec<(u16, u64, EventId)>) {
    let log = Arc::new(EmbeddedLog::create(&folder.join("log"), PARTITIONS).unwrap());
    fs::create_dir_all(folder.join("keys")).unwrap();
    intake::keys::create_deployment_key(&Intake::deployment_key_path(folder), &[7; 32]).unwrap();
    let open = || Intake::open(folder, log.clone()).unwrap();
    let mut door = Some(open());
    let (mut names, mut answers, mut sent) = (BTreeMap::new(), String::new(), Vec::new());
    for (at, line) in story.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        if forgets {
            drop(door.take());
            fs::remove_dir_all(folder.join("intake")).unwrap();
            door = Some(open());
        }
        let (name, said) = line.split_once(": ").unwrap_or(("", line));
        // A name in a record key stands for the event's id.
        let said = names.iter().fold(said.to_owned(), |said, (name, id): (&String, &EventId)| {
            said.replace(&format!("<{name}>"), &id.to_string())
        });
        let item = item(&said, &names);
        sent.push(item.clone());
        let receipts =
            door.as_mut().unwrap().submit(vec![item], Millis(1_775_000_000_000 + 1000 * at as i64)).unwrap();
        if let Outcome::Accepted { event_id, .. } = receipts[0].outcome {
            names.insert(if name.is_empty() { format!("line {at}") } else { name.to_owned() }, event_id);
        }
        let told = told(&receipts[0], &names);
        if said.starts_with("claim") || told != "accepted" {
            writeln!(answers, "{line}: {told}").unwrap();
        }
    }
    let mut door = door.unwrap();
    writeln!(answers, "{}", in_force(&log, &door)).unwrap();
    let ends = log.ends().unwrap();
    for receipt in door.submit(sent, Millis(1_775_001_000_000)).unwrap() {
        assert!(!matches!(receipt.outcome, Outcome::Accepted { .. }), "sent again: {receipt:?}");
    }
    assert_eq!(log.ends().unwrap(), ends, "what was sent again changed something");
    let mut events = Vec::new();
    for partition in 0..PARTITIONS {
        let mut reader = log.reader(partition, 0).unwrap();
        while let Some(batch) = reader.next_batch(1 << 20).unwrap() {
            for record in batch {
                let id = EventView::parse(record.bytes).unwrap().event_id;
                events.push((partition, record.offset, id));
            }
        }
    }
    (answers, events)
}

fn check(story: &str, expected: Expect) {
    let [live, built] = [false, true].map(|forgets| run(tempfile::tempdir().unwrap().path(), story, forgets));
    expected.assert_eq(&live.0);
    assert_eq!(live, built, "an index that is built from the log says something else");
}

#[test]
fn a_form_that_another_event_corrects_stays() {
    check(
        "F: form L1 02 Binh
         G: form K9 02 Binh corrects F
         claim L1 03 An",
        expect![[r#"
            claim L1 03 An: accepted
            Binh referral_issued K9
        "#]],
    );
    // A correction that is itself one of the visit's forms moves, and what it corrected stays out where it was and when the
    // claim moves on.
    check(
        "F: form L1 02 Binh
         G: form L1#2 02 Binh corrects F
         claim L1 03 An
         claim L1 04 Cuong
         claim L1 05 Binh
         claim L1 06 An",
        expect![[r#"
            claim L1 03 An: accepted; takes back G; takes back F; says again G
            claim L1 04 Cuong: accepted; takes back line 2; takes back what was said again; says again what was said again
            claim L1 05 Binh: accepted; takes back line 3; takes back what was said again; says again what was said again
            claim L1 06 An: accepted; takes back line 4; takes back what was said again; says again what was said again
            An referral_issued L1#2
        "#]],
    );
    // So does what a check-in corrected.
    check(
        "V: check-in K1 02 Binh
         W: check-in L1 02 Binh corrects V
         claim L1 03 An",
        expect![[r#"
            claim L1 03 An: accepted; takes back W; takes back V
            nothing counts
        "#]],
    );
}

#[test]
fn a_form_that_an_event_of_another_kind_voids_stays() {
    check(
        "F: form L1 02 Binh
         C: care K1 02 voids F
         claim L1 03 An",
        expect![[r#"
            claim L1 03 An: accepted
            nothing counts
        "#]],
    );
    check(
        "F: form L1 02 Binh
         G: form L1#2 02 voids F
         claim L1 03 An",
        expect![[r#"
            claim L1 03 An: accepted; takes back G; takes back F; says again G
            An referral_issued L1#2
        "#]],
    );
}

#[test]
fn of_two_that_take_a_form_back_one_is_enough() {
    check(
        "F: form L1 02 Binh
         R1: retraction R1 03 voids F
         R2: retraction R2 04 voids F
         R3: retraction R3 05 voids R2
         claim L1 03 An",
        expect![[r#"
            claim L1 03 An: accepted
            nothing counts
        "#]],
    );
}

#[test]
fn what_is_restored_moves() {
    // Both retractions are taken back.
    check(
        "F: form L1 02 Binh
         R1: retraction R1 03 voids F
         R2: retraction R2 04 voids F
         R3: retraction R3 05 voids R2
         R4: retraction R4 05 voids R1
         claim L1 03 An",
        expect![[r#"
            claim L1 03 An: accepted; takes back F; says again F
            An referral_issued L1
        "#]],
    );
    // The correction is withdrawn, or its newer version takes nothing back.
    check(
        "F: form L1 02 Binh
         G: form K9 02 Binh corrects F
         H: form K9 03 Binh corrects F withdrawn
         claim L1 03 An",
        expect![[r#"
            claim L1 03 An: accepted; takes back F; says again F
            An referral_issued L1
        "#]],
    );
    check(
        "F: form L1 02 Binh
         G: form K9 02 Binh corrects F
         H: form K9 03 Binh
         claim L1 03 An",
        expect![[r#"
            claim L1 03 An: accepted; takes back F; says again F
            An referral_issued L1, Binh referral_issued K9
        "#]],
    );
}

#[test]
fn a_newer_version_of_a_correction_keeps_out_what_it_names_again() {
    check(
        "F: form L1 02 Binh
         G: form K9 02 Binh corrects F
         H: form K9 03 Cuong corrects F
         claim L1 03 An",
        expect![[r#"
            H: form K9 03 Cuong corrects F: accepted; takes back G; takes back F
            claim L1 03 An: accepted
            Cuong referral_issued K9
        "#]],
    );
}

#[test]
fn what_is_taken_back_by_its_first_id_is_taken_back_where_it_is() {
    check(
        "F: form L1 02 Binh
         claim L1 03 An
         retraction R1 04 voids F",
        expect![[r#"
            claim L1 03 An: accepted; takes back F; says again F
            retraction R1 04 voids F: accepted; takes back what was said again
            nothing counts
        "#]],
    );
    // It stays out when the claim moves on, and another event may take it back.
    check(
        "F: form L1 02 Binh
         claim L1 03 An
         G: form K9 04 An corrects F
         claim L1 05 Cuong",
        expect![[r#"
            claim L1 03 An: accepted; takes back F; says again F
            G: form K9 04 An corrects F: accepted; takes back what was said again
            claim L1 05 Cuong: accepted; takes back line 1
            An referral_issued K9
        "#]],
    );
    // What restores it says it again, as often as the emitter changes its mind.
    check(
        "F: form L1 02 Binh
         claim L1 03 An
         R1: retraction R1 04 voids F
         R2: retraction R2 04 voids R1
         claim L1 05 Cuong
         R3: retraction R3 06 voids R2",
        expect![[r#"
            claim L1 03 An: accepted; takes back F; says again F
            R1: retraction R1 04 voids F: accepted; takes back what was said again
            R2: retraction R2 04 voids R1: accepted; says again what was said again
            claim L1 05 Cuong: accepted; takes back line 1; takes back what was said again; says again what was said again
            R3: retraction R3 06 voids R2: accepted; takes back what was said again
            nothing counts
        "#]],
    );
    // It was taken back and restored before its claim moved; now it is taken back again.
    check(
        "F: form L1 02 Binh
         R1: retraction R1 03 voids F
         R2: retraction R2 03 voids R1
         claim L1 03 An
         R3: retraction R3 04 voids R2",
        expect![[r#"
            claim L1 03 An: accepted; takes back F; says again F
            R3: retraction R3 04 voids R2: accepted; takes back what was said again
            nothing counts
        "#]],
    );
    // A newer version of its record is another event: the first id says nothing of it.
    check(
        "F: form L1 02 Binh
         claim L1 03 An
         G: form L1 04 An
         retraction R1 05 voids F",
        expect![[r#"
            claim L1 03 An: accepted; takes back F; says again F
            An referral_issued L1
        "#]],
    );
}

#[test]
fn the_keys_of_intakes_own_retractions_are_nobody_elses() {
    check(
        "F: form L1 02 Binh
         retraction void-<F> 02 voids F
         R: retraction withdrawal-<F> 02 voids F
         claim L1 03 An",
        expect![[r#"
            retraction void-<F> 02 voids F: refused: event.record_key: `void-` and an event's id is how intake names what it takes back of its own; give the record another key [set_by_intake]
            claim L1 03 An: accepted
            nothing counts
        "#]],
    );
}

#[test]
fn a_form_that_is_taken_back_too_often_stays_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedLog::create(&folder.path().join("log"), PARTITIONS).unwrap());
    let mut door = Intake::open(folder.path(), log).unwrap();
    let mut names = BTreeMap::new();
    let mut submit = |names: &mut BTreeMap<String, EventId>, lines: &[String]| {
        let items = lines.iter().map(|line| item(line.split_once(": ").unwrap().1, names)).collect();
        let receipts = door.submit(items, Millis(1_775_000_000_000)).unwrap();
        for (line, receipt) in lines.iter().zip(&receipts) {
            let Outcome::Accepted { event_id, .. } = receipt.outcome else { panic!("{receipt:?}") };
            names.insert(line.split_once(": ").unwrap().0.to_owned(), event_id);
        }
        told(receipts.last().unwrap(), names)
    };
    // Each retraction and what takes it back are two.
    for (key, pairs, expected) in [
        ("L1", 499, expect!["accepted; takes back F; says again F"]),
        ("L2", 500, expect!["accepted; F stays (form_taken_back_too_often)"]),
    ] {
        submit(&mut names, &[format!("F: form {key} 02 Binh")]);
        let lines = |of: &dyn Fn(u32) -> String| (0..pairs).map(of).collect::<Vec<_>>();
        submit(&mut names, &lines(&|at| format!("R{at}: retraction R{at} 03 voids F")));
        submit(&mut names, &lines(&|at| format!("S{at}: retraction S{at} 03 voids R{at}")));
        expected.assert_eq(&submit(&mut names, &[format!("claim: claim {key} 03 An")]));
    }
}
