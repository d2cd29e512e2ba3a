//! What the front door does with what is sent.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{fs, path::Path, sync::Arc};

use contract::{EventId, EventView, FaultCode, IdentifierProblem, Kind, Millis, Subject, v1};
use event_log::{EmbeddedLog, EventLog, Position};
use intake::{
    FollowUpKind, Intake, Item, OpenError, Outcome, Receipt, StayReason, Stayed, SubmitError, Totals,
};
use tempfile::TempDir;
use v1::event::Body;

const PARTITIONS: u16 = 4;

/// One log and its front door, in a folder of its own.
struct Door {
    folder: TempDir,
    log: Arc<EmbeddedLog>,
    intake: Option<Intake>,
    now: i64,
}

impl Door {
    fn new() -> Door {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(EmbeddedLog::create(&folder.path().join("log"), PARTITIONS).unwrap());
        let intake = Intake::open(folder.path(), log.clone()).unwrap();
        Door { folder, log, intake: Some(intake), now: 1_775_000_000_000 }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn close(&mut self) {
        self.intake = None;
    }

    fn reopen(&mut self) {
        self.close();
        self.intake = Some(Intake::open(self.folder.path(), self.log.clone()).unwrap());
    }

    fn submit(&mut self, items: Vec<Item>) -> Vec<Receipt> {
        self.now += 1000;
        self.intake.as_mut().unwrap().submit(items, Millis(self.now)).unwrap()
    }

    fn one(&mut self, item: Item) -> Receipt {
        self.submit(vec![item]).remove(0)
    }

    fn totals(&self) -> Totals {
        self.intake.as_ref().unwrap().totals()
    }

    /// All events of the log, by position.
    fn events(&self) -> Vec<(Position, v1::Event)> {
        let mut events = Vec::new();
        for partition in 0..PARTITIONS {
            let mut reader = self.log.reader(partition, 0).unwrap();
            while let Some(batch) = reader.next_batch(1 << 20).unwrap() {
                for record in batch {
                    EventView::parse(record.bytes).unwrap();
                    let event = contract::decode(record.bytes).unwrap();
                    assert_eq!(contract::validate(&event), []);
                    let subject = Subject::try_from(&event.subject[..]).unwrap();
                    assert_eq!(event_log::partition_of(&subject, PARTITIONS), partition);
                    events.push((Position { partition, offset: record.offset }, event));
                }
            }
        }
        events
    }

    fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<Kind> =
            self.events().iter().map(|(_, event)| Kind::of(event.body.as_ref().unwrap())).collect();
        kinds.sort();
        kinds
    }
}

fn at(text: &str) -> Option<prost_types::Timestamp> {
    Some(text.parse::<contract::Day>().unwrap().start().to_timestamp())
}

fn person(personal_number: &str) -> v1::PersonDetails {
    v1::PersonDetails {
        full_name: "Người Mẫu".into(),
        identifiers: vec![v1::Identifier {
            kind: v1::IdentifierKind::PersonalNumber as i32,
            value: personal_number.into(),
            ..v1::Identifier::default()
        }],
        ..v1::PersonDetails::default()
    }
}

const AN: &str = "001080000001";
const BINH: &str = "001080000002";

/// A claim of facility 01004: record key, the day it was asserted on, the copay in dong, whose.
fn claim(key: &str, asserted: &str, copay: i64, number: &str) -> Item {
    let totals = v1::ClaimTotals {
        total_cost: 10_000_000,
        covered_cost: 10_000_000,
        copay: copay * 100,
        ..Default::default()
    };
    let body = v1::ClaimSubmitted {
        facility: "01004".into(),
        visit_type: "01".into(),
        route_code: "1.1".into(),
        started_at: at("2026-03-01"),
        ended_at: at("2026-03-02"),
        totals: Some(totals),
        ..v1::ClaimSubmitted::default()
    };
    said(key, asserted, Body::ClaimSubmitted(body), number)
}

fn arrival(key: &str, asserted: &str, number: &str) -> Item {
    let body =
        v1::ReferralArrived { form_number: "7".into(), at_facility: "01004".into(), ..Default::default() };
    said(key, asserted, Body::ReferralArrived(body), number)
}

fn said(key: &str, asserted: &str, body: Body, number: &str) -> Item {
    Item::new(v1::Submission {
        event: Some(v1::Event {
            emitter: "01004".into(),
            record_key: key.into(),
            asserted_at: at(asserted),
            occurred_at: at("2026-03-02"),
            body: Some(body),
            ..v1::Event::default()
        }),
        person: Some(person(number)),
        restricted: None,
    })
}

fn withdrawn(mut item: Item) -> Item {
    item.submission.event.as_mut().unwrap().withdrawal = Some(v1::Withdrawal::default());
    item
}

fn with_id(mut item: Item, id: u8) -> Item {
    let mut bytes = vec![id; 16];
    bytes[6] = 0x70;
    item.submission.event.as_mut().unwrap().event_id = bytes;
    item
}

fn accepted(receipt: &Receipt) -> (Position, bool, bool) {
    match &receipt.outcome {
        Outcome::Accepted { position, changed, .. } => (*position, *changed, !taken_back(receipt).is_empty()),
        other => panic!("not accepted: {other:?}"),
    }
}

/// What intake took back because of what it accepted.
fn taken_back(receipt: &Receipt) -> Vec<EventId> {
    match &receipt.outcome {
        Outcome::Accepted { follow_ups, .. } => {
            let retractions = follow_ups.iter().filter(|record| record.what == FollowUpKind::Retraction);
            retractions.map(|record| record.of).collect()
        }
        other => panic!("not accepted: {other:?}"),
    }
}

fn first_of(receipt: &Receipt) -> Position {
    match &receipt.outcome {
        Outcome::Duplicate { first, .. } => *first,
        other => panic!("not a duplicate: {other:?}"),
    }
}

fn faults(receipt: &Receipt) -> Vec<(String, FaultCode)> {
    match &receipt.outcome {
        Outcome::Refused { faults } => faults.iter().map(|fault| (fault.field.clone(), fault.code)).collect(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_is_sent_again_is_a_duplicate_with_its_first_position() {
    let mut door = Door::new();
    let (position, changed, voided) = accepted(&door.one(claim("L1", "2026-03-03", 20, AN)));
    assert_eq!((changed, voided), (false, false));
    for _ in 0..2 {
        assert_eq!(first_of(&door.one(claim("L1", "2026-03-03", 20, AN))), position);
        door.reopen();
    }
    // Newly asserted, it is a version of its own: it would count again after a withdrawal.
    let again = door.one(claim("L1", "2026-03-04", 20, AN));
    assert_eq!(accepted(&again), (Position { offset: 1, ..position }, true, false));
    assert_eq!(door.totals(), Totals { sent: 1, accepted: 1, changed: 1, appended: 1, ..Totals::default() });
}

#[test]
fn the_same_twice_in_one_batch_is_a_duplicate_and_a_fault_stops_nobody_else() {
    let mut door = Door::new();
    let mut faulty = claim("", "2026-03-03", -1, AN);
    faulty.submission.event.as_mut().unwrap().subject = vec![1; 16];
    let receipts = door.submit(vec![
        claim("L1", "2026-03-03", 20, AN),
        faulty,
        claim("L1", "2026-03-03", 20, AN),
        claim("L2", "2026-03-03", 20, BINH),
        Item::new(v1::Submission::default()),
    ]);
    let (position, ..) = accepted(&receipts[0]);
    assert_eq!(first_of(&receipts[2]), position);
    accepted(&receipts[3]);
    assert_eq!(
        faults(&receipts[1]),
        [
            ("event.subject".into(), FaultCode::SetByIntake),
            ("event.record_key".into(), FaultCode::Required),
            ("event.body.claim_submitted.totals.copay".into(), FaultCode::Negative),
        ]
    );
    assert_eq!(faults(&receipts[4]), [("event".into(), FaultCode::Required)]);
    assert_eq!(
        door.totals(),
        Totals { sent: 5, accepted: 2, duplicate: 1, refused: 2, appended: 2, ..Totals::default() }
    );
    assert!(door.totals().balance());
    assert_eq!(door.events().len(), 2);
}

#[test]
fn names_and_numbers_are_sealed_and_the_same_key_opens_them_after_a_restart() {
    let mut door = Door::new();
    let mut item = claim("L1", "2026-03-03", 20, AN);
    item.submission.restricted = Some(v1::RestrictedDetails { diagnoses: vec!["B20".into()] });
    door.one(item);
    door.reopen();
    door.one(claim("L2", "2026-03-03", 20, AN));
    let events = door.events();
    assert_eq!(events[0].1.subject, events[1].1.subject);
    for (_, event) in &events {
        assert!(event.person.is_some());
        assert_eq!(event.key_id, door.intake.as_ref().unwrap().deployment_key().id());
        assert_eq!(event.authority, v1::Authority::Emitter as i32);
    }
    assert!(events.iter().any(|(_, event)| event.restricted.is_some()));
    door.close();
    // In no file but those of the keys can the number be found, and not even there in clear.
    let mut found = 0;
    for entry in walk(door.path()) {
        let bytes = fs::read(&entry).unwrap();
        found += usize::from(bytes.windows(AN.len()).any(|window| window == AN.as_bytes()));
    }
    assert_eq!(found, 0);
    assert_eq!(fs::metadata(door.path().join("keys/persons.keys")).unwrap().len(), 16 + 52);
    for file in ["keys/persons.keys", "keys/deployment.key"] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(door.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn a_correction_that_changes_the_person_takes_the_old_version_back_first() {
    let mut door = Door::new();
    let Outcome::Accepted { event_id: old, .. } = door.one(claim("L1", "2026-03-03", 20, AN)).outcome else {
        panic!()
    };
    let receipt = door.one(claim("L1", "2026-03-04", 20, BINH));
    assert!(accepted(&receipt).1);
    assert_eq!(taken_back(&receipt), [old]);
    assert_eq!(door.kinds(), [Kind::Retraction, Kind::ClaimSubmitted, Kind::ClaimSubmitted]);
    let events = door.events();
    let retraction = events.iter().find(|(_, event)| event.voids.is_some()).unwrap();
    let first = events.iter().find(|(_, event)| event.event_id == old.0).unwrap();
    assert_eq!(retraction.1.subject, first.1.subject);
    assert_eq!(retraction.1.voids.as_ref().unwrap().event_id, old.0);
    assert!(retraction.0.offset > first.0.offset);

    // Sent again, nothing more is said; and back again, the second is taken back.
    door.reopen();
    first_of(&door.one(claim("L1", "2026-03-04", 20, BINH)));
    let (_, changed, voided) = accepted(&door.one(claim("L1", "2026-03-05", 20, AN)));
    assert!(changed && voided);
    assert_eq!(door.events().len(), 5);
}

#[test]
fn an_older_version_about_another_person_is_taken_back_when_it_comes_late() {
    let mut door = Door::new();
    door.one(claim("L1", "2026-03-04", 20, BINH));
    let late = door.one(claim("L1", "2026-03-03", 20, AN));
    assert_eq!(taken_back(&late), [id_of(&late)]);
    // A still later correction is about the person of the version that counts.
    let (_, changed, voided) = accepted(&door.one(claim("L1", "2026-03-05", 30, BINH)));
    assert_eq!((changed, voided), (true, false));
}

#[test]
fn a_withdrawal_is_a_version_and_a_withdrawal_just_in_case_needs_something_to_withdraw() {
    let mut door = Door::new();
    let mut in_case = withdrawn(arrival("L1", "2026-03-04", AN));
    in_case.submission.person = None;
    in_case.just_in_case = true;
    assert_eq!(door.one(in_case.clone()).outcome, Outcome::NothingToWithdraw);
    let receipts = door.submit(vec![arrival("L1", "2026-03-03", AN), claim("L1", "2026-03-03", 20, AN)]);
    let (position, ..) = accepted(&receipts[0]);
    let receipts =
        door.submit(vec![withdrawn(claim("L1", "2026-03-04", 20, AN)), in_case.clone(), in_case.clone()]);
    assert!(accepted(&receipts[0]).1);
    assert_eq!(accepted(&receipts[1]).0.partition, position.partition);
    assert_eq!(receipts[2].outcome, Outcome::NothingToWithdraw);
    // The record as it first was, sent again: it changes nothing, so what it does not hold is not taken back.
    let mut check_up = in_case.clone();
    check_up.submission.event.as_mut().unwrap().body = Some(Body::CheckUpCompleted(Default::default()));
    let mut other = said(
        "L1",
        "2026-03-03",
        Body::CheckUpCompleted(v1::CheckUpCompleted { facility: "01004".into(), ..Default::default() }),
        AN,
    );
    other.submission.person = Some(person(AN));
    accepted(&door.one(other));
    let receipts = door.submit(vec![claim("L1", "2026-03-03", 20, AN), check_up]);
    assert!(matches!(receipts[0].outcome, Outcome::Duplicate { .. }));
    assert_eq!(receipts[1].outcome, Outcome::NothingToWithdraw);
    assert_eq!(
        door.totals(),
        Totals {
            sent: 9,
            accepted: 5,
            changed: 2,
            duplicate: 1,
            nothing_to_withdraw: 3,
            appended: 5,
            ..Totals::default()
        }
    );
}

#[test]
fn a_form_is_about_the_person_of_its_visit() {
    let mut door = Door::new();
    let form = |key: &str| {
        let body = v1::ReferralIssued {
            from_facility: "01004".into(),
            to_facility: "01929".into(),
            form_kind: v1::ReferralFormKind::Standard as i32,
            ..Default::default()
        };
        let mut item = said(key, "2026-03-03", Body::ReferralIssued(body), AN);
        item.submission.person = None;
        item.same_person_as = Some(key.into());
        item
    };
    door.submit(vec![claim("L1", "2026-03-03", 20, AN), form("L1"), form("L9")]);
    door.reopen();
    let mut later = form("L1");
    later.submission.event.as_mut().unwrap().asserted_at = at("2026-03-05");
    door.one(later);
    let events = door.events();
    let subject_of = |wanted: Kind, key: &str| -> Vec<_> {
        let of = events
            .iter()
            .filter(|(_, event)| Kind::of(event.body.as_ref().unwrap()) == wanted && event.record_key == key);
        of.map(|(_, event)| (event.subject.clone(), event.subject_kind())).collect()
    };
    let claims = subject_of(Kind::ClaimSubmitted, "L1");
    assert_eq!(subject_of(Kind::ReferralIssued, "L1"), [claims[0].clone(), claims[0].clone()]);
    assert_eq!(subject_of(Kind::ReferralIssued, "L9")[0].1, v1::SubjectKind::None);
}

#[test]
fn a_placeholder_identifies_nobody_and_is_named() {
    let mut door = Door::new();
    let receipts =
        door.submit(vec![claim("L1", "2026-03-03", 20, "000000000000"), claim("L2", "2026-03-03", 20, "12")]);
    for (receipt, problem) in receipts.iter().zip([IdentifierProblem::AllEqual, IdentifierProblem::Form]) {
        accepted(receipt);
        assert_eq!(receipt.findings[0].problem, problem);
    }
    for (_, event) in door.events() {
        assert_eq!(event.subject_kind(), v1::SubjectKind::None);
    }
}

#[test]
fn an_id_of_the_emitters_own_stands_for_one_content() {
    let mut door = Door::new();
    let (position, ..) = accepted(&door.one(with_id(claim("L1", "2026-03-03", 20, AN), 7)));
    assert_eq!(first_of(&door.one(with_id(claim("L1", "2026-03-03", 20, AN), 7))), position);
    let other = door.one(with_id(claim("L1", "2026-03-03", 30, AN), 7));
    assert_eq!(faults(&other), [("event.event_id".into(), FaultCode::NotAllowed)]);
    let receipts = door.submit(vec![
        with_id(claim("L2", "2026-03-03", 20, AN), 8),
        with_id(claim("L2", "2026-03-03", 30, AN), 8),
    ]);
    accepted(&receipts[0]);
    assert_eq!(faults(&receipts[1]), [("event.event_id".into(), FaultCode::NotAllowed)]);
}

#[test]
fn an_event_is_taken_back_where_it_is() {
    let mut door = Door::new();
    let void = |target: &[u8]| {
        let mut item = said("R1", "2026-03-04", Body::Retraction(v1::Retraction {}), AN);
        item.submission.person = None;
        item.submission.event.as_mut().unwrap().voids =
            Some(v1::EventReference { event_id: target.to_vec(), reason: "typed twice".into() });
        item
    };
    assert_eq!(faults(&door.one(void(&[9; 16]))), [("event.voids.event_id".into(), FaultCode::UnknownValue)]);
    let Outcome::Accepted { event_id, position, .. } = door.one(claim("L1", "2026-03-03", 20, AN)).outcome
    else {
        panic!()
    };
    assert_eq!(accepted(&door.one(void(&event_id.0))).0, Position { offset: 1, ..position });

    // A correction by reference that names another person: the old one is taken back in its own partition.
    let mut correction = claim("L1-b", "2026-03-05", 20, BINH);
    correction.submission.event.as_mut().unwrap().corrects =
        Some(v1::EventReference { event_id: event_id.0.to_vec(), reason: String::new() });
    assert_eq!(taken_back(&door.one(correction)), [event_id]);
}

fn correcting(mut item: Item, target: &[u8]) -> Item {
    item.submission.event.as_mut().unwrap().corrects =
        Some(v1::EventReference { event_id: target.to_vec(), reason: String::new() });
    item
}

fn id_of(receipt: &Receipt) -> EventId {
    match &receipt.outcome {
        Outcome::Accepted { event_id, .. } => *event_id,
        other => panic!("not accepted: {other:?}"),
    }
}

#[test]
fn what_is_corrected_has_to_be_known_and_the_emitters_own() {
    let mut door = Door::new();
    let unknown = door.one(correcting(claim("L2", "2026-03-03", 20, BINH), &[9; 16]));
    assert_eq!(faults(&unknown), [("event.corrects.event_id".into(), FaultCode::UnknownValue)]);
    let of_another = |mut item: Item| {
        item.submission.event.as_mut().unwrap().emitter = "01929".into();
        item
    };
    let first = id_of(&door.one(claim("L1", "2026-03-03", 20, AN)));
    let mut void = said("R1", "2026-03-04", Body::Retraction(v1::Retraction {}), AN);
    void.submission.person = None;
    void.submission.event.as_mut().unwrap().voids =
        Some(v1::EventReference { event_id: first.0.to_vec(), reason: String::new() });
    for (item, field) in [
        (correcting(claim("L3", "2026-03-04", 20, BINH), &first.0), "event.corrects.event_id"),
        (void, "event.voids.event_id"),
    ] {
        let mut item = of_another(item);
        assert_eq!(faults(&door.one(item.clone())), [(field.into(), FaultCode::NotAllowed)]);
        item.by_operator = true;
        accepted(&door.one(item));
    }
}

#[test]
fn a_correction_takes_back_what_it_names_and_the_version_before_it() {
    let mut door = Door::new();
    let first = id_of(&door.one(claim("L1", "2026-03-03", 20, AN)));
    let other = id_of(&door.one(claim("L2", "2026-03-03", 20, AN)));
    let receipt = door.one(correcting(claim("L2", "2026-03-04", 30, BINH), &first.0));
    assert_eq!(taken_back(&receipt), [other, first]);
    let voids = door.events().into_iter().filter_map(|(_, event)| event.voids);
    let mut taken: Vec<_> = voids.map(|reference| reference.event_id).collect();
    taken.sort();
    let mut expected = [other, first].map(|id| id.0.to_vec());
    expected.sort();
    assert_eq!(taken, expected);
    assert_eq!(door.totals().retractions, 2);
}

fn check_in(key: &str, asserted: &str, number: &str) -> Item {
    let body = v1::VisitOpened { facility: "01004".into(), visit_type: "01".into(), ..Default::default() };
    said(key, asserted, Body::VisitOpened(body), number)
}

fn form(key: &str, asserted: &str, number: &str) -> Item {
    let body = v1::ReferralIssued {
        form_number: "77".into(),
        from_facility: "01004".into(),
        to_facility: "01929".into(),
        form_kind: v1::ReferralFormKind::Standard as i32,
        ..Default::default()
    };
    let mut item = said(key, asserted, Body::ReferralIssued(body), number);
    item.submission.restricted = Some(v1::RestrictedDetails { diagnoses: vec!["B20".into()] });
    item
}

impl Door {
    fn subject(&self, number: &str) -> Subject {
        self.intake.as_ref().unwrap().deployment_key().subject_of(&person(number), "", "").0
    }

    /// Whom the events of a kind are about that nothing takes back.
    fn standing(&self, kind: Kind) -> Vec<Subject> {
        let events = self.events();
        let voided = |event: &v1::Event| {
            events.iter().any(|(_, other)| {
                let is_it = |reference: &v1::EventReference| reference.event_id == event.event_id;
                other.subject == event.subject && other.voids.as_ref().is_some_and(is_it)
            })
        };
        let of_kind = events.iter().map(|(_, event)| event).filter(|event| {
            Kind::of(event.body.as_ref().unwrap()) == kind && event.withdrawal.is_none() && !voided(event)
        });
        of_kind.map(|event| Subject::try_from(&event.subject[..]).unwrap()).collect()
    }
}

#[test]
fn a_check_in_and_the_forms_of_a_visit_follow_its_claim() {
    let mut door = Door::new();
    let second = "L1#2";
    door.submit(vec![
        check_in("L1", "2026-03-02", BINH),
        form("L1", "2026-03-02", BINH),
        form(second, "2026-03-02", BINH),
        check_in("L2", "2026-03-02", BINH),
    ]);
    let (an, binh) = (door.subject(AN), door.subject(BINH));
    let receipt = door.one(claim("L1", "2026-03-03", 20, AN));
    let Outcome::Accepted { follow_ups, .. } = &receipt.outcome else { panic!() };
    let names: Vec<&str> = follow_ups.iter().map(|record| record.what.name()).collect();
    assert_eq!(names, ["retraction", "retraction", "said_again", "retraction", "said_again"]);
    let Totals { retractions, said_again, appended, .. } = door.totals();
    assert_eq!((retractions, said_again, appended), (3, 2, 4 + 1 + 5));
    assert_eq!(door.standing(Kind::VisitOpened), [binh], "that of the other visit");
    assert_eq!(door.standing(Kind::ReferralIssued), [an, an]);

    // The form is sealed for whom it is about now, and says whence it came.
    let moved =
        door.events().into_iter().map(|(_, event)| event).find(|event| event.corrects.is_some()).unwrap();
    assert_eq!(moved.asserted_at, at("2026-03-02"));
    assert!(moved.person.is_some() && moved.restricted.is_some());

    // Resends change nothing, later versions of the claim take back nothing more, and a check-in is about the claim's person.
    door.reopen();
    let before = door.events().len();
    for item in [
        form("L1", "2026-03-02", BINH),
        check_in("L1", "2026-03-02", BINH),
        claim("L1", "2026-03-03", 20, AN),
    ] {
        let receipt = door.one(item);
        assert!(matches!(receipt.outcome, Outcome::Duplicate { superseded: false, .. }), "{receipt:?}");
    }
    assert_eq!(door.events().len(), before);
    door.one(claim("L1", "2026-03-04", 30, AN));
    assert_eq!(door.events().len(), before + 1);
    door.one(check_in("L1", "2026-03-05", BINH));
    assert_eq!(door.standing(Kind::VisitOpened).len(), 2);
    assert!(door.standing(Kind::VisitOpened).contains(&an));

    // The claim is corrected to the other person and nothing else is sent again; and back.
    for (asserted, number, subject) in [("2026-03-06", BINH, binh), ("2026-03-07", AN, an)] {
        door.one(claim("L1", asserted, 30, number));
        assert_eq!(door.standing(Kind::ReferralIssued), [subject, subject]);
        assert_eq!(door.standing(Kind::VisitOpened), [binh]);
    }
    // What is withdrawn leaves the rest where it is.
    door.one(withdrawn(claim("L1", "2026-03-08", 30, BINH)));
    assert_eq!(door.standing(Kind::ReferralIssued), [an, an]);
}

#[test]
fn a_form_that_came_in_the_same_batch_follows_too() {
    let mut door = Door::new();
    door.submit(vec![form("L1", "2026-03-03", BINH), claim("L1", "2026-03-03", 20, AN)]);
    assert_eq!(door.standing(Kind::ReferralIssued), [door.subject(AN)]);
    door.one(claim("L1", "2026-03-03", 30, AN));
    assert_eq!(door.events().len(), 5);
}

#[test]
fn a_form_whose_sealed_fields_cannot_be_opened_stays_and_is_told_until_it_is_sent_again() {
    let mut door = Door::new();
    let sent = door.one(form("L1", "2026-03-02", BINH));
    door.close();
    // The keys of persons are lost, and no copy is left: intake is built without them.
    fs::remove_file(door.path().join("keys/persons.keys")).unwrap();
    fs::remove_dir_all(door.path().join("intake")).unwrap();
    door.reopen();
    let (an, binh) = (door.subject(AN), door.subject(BINH));
    let stays = |receipt: &Receipt| match &receipt.outcome {
        Outcome::Accepted { follow_ups, stayed, .. } => {
            assert_eq!(follow_ups, &[]);
            stayed.clone()
        }
        other => panic!("not accepted: {other:?}"),
    };
    let form_stays = Stayed { event_id: id_of(&sent), why: StayReason::CannotBeOpened };
    for asserted in ["2026-03-03", "2026-03-04"] {
        assert_eq!(stays(&door.one(claim("L1", asserted, 20, AN))), [form_stays]);
        assert_eq!(door.standing(Kind::ReferralIssued), [binh]);
    }
    assert_eq!(
        door.totals(),
        Totals { sent: 2, accepted: 2, changed: 1, appended: 2, stayed: 2, ..Totals::default() }
    );
    let again = door.one(form("L1", "2026-03-05", AN));
    assert_eq!(taken_back(&again), [id_of(&sent)]);
    assert_eq!(door.standing(Kind::ReferralIssued), [an]);
    assert_eq!(stays(&door.one(claim("L1", "2026-03-05", 20, AN))), []);
}

fn retraction(key: &str, target: EventId) -> Item {
    let mut item = said(key, "2026-03-04", Body::Retraction(v1::Retraction {}), AN);
    item.submission.person = None;
    item.submission.event.as_mut().unwrap().voids =
        Some(v1::EventReference { event_id: target.0.to_vec(), reason: String::new() });
    item
}

#[test]
fn a_form_that_its_emitter_took_back_is_not_revived_by_its_claim() {
    let mut door = Door::new();
    let forms = door.submit(vec![form("L1", "2026-03-02", BINH), form("L1#2", "2026-03-02", BINH)]);
    // The second is restored, by taking the taking back back.
    let voids =
        door.submit(forms.iter().zip(["R1", "R2"]).map(|(form, key)| retraction(key, id_of(form))).collect());
    door.one(retraction("R3", id_of(&voids[1])));
    // Whether intake learnt of it as it came, or from the log.
    door.close();
    fs::remove_dir_all(door.path().join("intake")).unwrap();
    door.reopen();
    assert_eq!(taken_back(&door.one(claim("L1", "2026-03-03", 20, AN))), [id_of(&forms[1])]);
    let moved = door.events().into_iter().find(|(_, event)| event.corrects.is_some()).unwrap().1;
    door.one(retraction("R4", EventId::try_from(&moved.event_id[..]).unwrap()));
    // What was taken back where it is now stays so when the claim moves on; and in one batch, too.
    assert_eq!(taken_back(&door.one(claim("L1", "2026-03-05", 20, BINH))).len(), 1, "the claim");
    assert_eq!(door.standing(Kind::ReferralIssued), []);
    let form = door.one(form("L2", "2026-03-02", BINH));
    let receipts = door.submit(vec![retraction("R5", id_of(&form)), claim("L2", "2026-03-03", 20, AN)]);
    assert_eq!(taken_back(&receipts[1]), []);
    assert_eq!(door.standing(Kind::ReferralIssued), []);
}

#[test]
fn of_very_many_forms_of_one_visit_the_first_that_stays_is_told() {
    let mut door = Door::new();
    let forms = (1..=66).map(|number| form(&contract::numbered_key("L1", number), "2026-03-02", BINH));
    let receipts = door.submit(forms.collect());
    let claim = door.one(claim("L1", "2026-03-03", 20, AN));
    let Outcome::Accepted { follow_ups, stayed, .. } = claim.outcome else { panic!("{claim:?}") };
    let first = Stayed { event_id: id_of(&receipts[64]), why: StayReason::TooMany };
    assert_eq!((follow_ups.len(), stayed), (2 * 64, vec![first]));
    assert_eq!(door.totals().appended, door.events().len() as u64);
}

#[test]
fn what_is_asserted_ahead_of_the_clock_is_refused() {
    let mut door = Door::new();
    let day = 24 * 60 * 60 * 1000;
    door.now = at("2026-03-03").map(|at| Millis::from_timestamp(&at).0).unwrap() - day;
    accepted(&door.one(claim("L1", "2026-03-03", 20, AN)));
    let ahead = door.one(claim("L1", "2026-03-04", 20, AN));
    assert_eq!(faults(&ahead), [("event.asserted_at".into(), FaultCode::OutOfRange)]);
    // The log may be ahead of the wall clock.
    door.now += 2 * day;
    accepted(&door.one(claim("L1", "2026-03-04", 20, AN)));
    door.now -= 2 * day;
    accepted(&door.one(claim("L1", "2026-03-05", 20, AN)));
}

#[test]
fn links_are_not_made_here() {
    let mut door = Door::new();
    let link = v1::IdentityLinked {
        link_id: vec![1; 16],
        from_subject: vec![2; 16],
        to_subject: vec![3; 16],
        evidence: String::new(),
    };
    let receipt = door.one(said("K1", "2026-03-03", Body::IdentityLinked(link), AN));
    assert_eq!(faults(&receipt), [("event.body".into(), FaultCode::NotAllowed)]);
}

#[test]
fn a_crash_between_log_and_index_forgets_nothing() {
    let mut door = Door::new();
    door.one(claim("L1", "2026-03-03", 20, AN));
    door.close();
    let (index, saved) = (door.path().join("intake"), door.path().join("saved"));
    copy(&index, &saved);
    door.reopen();
    let receipts = door.submit(vec![claim("L1", "2026-03-04", 20, BINH), claim("L2", "2026-03-04", 20, AN)]);
    door.close();
    // The log and the keys have them, the index does not.
    fs::remove_dir_all(&index).unwrap();
    copy(&saved, &index);
    door.reopen();
    for (item, receipt) in
        [claim("L1", "2026-03-04", 20, BINH), claim("L2", "2026-03-04", 20, AN)].into_iter().zip(&receipts)
    {
        assert_eq!(first_of(&door.one(item)), accepted(receipt).0);
    }
    let (_, changed, voided) = accepted(&door.one(claim("L1", "2026-03-05", 20, AN)));
    assert!(changed && voided);
    assert_eq!(fs::metadata(door.path().join("keys/persons.keys")).unwrap().len(), 16 + 2 * 52);

    // Without any index, and with one that is broken, it is built again.
    for damage in [true, false] {
        door.close();
        if damage {
            for file in walk(&index).iter().filter(|file| file.metadata().unwrap().len() > 0) {
                fs::write(file, b"?").unwrap();
            }
        } else {
            fs::remove_dir_all(&index).unwrap();
        }
        door.reopen();
        first_of(&door.one(claim("L1", "2026-03-05", 20, AN)));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn recorded_times_never_go_back() {
    let mut door = Door::new();
    door.one(claim("L1", "2026-03-03", 20, AN));
    door.now -= 5_000_000;
    door.reopen();
    door.one(claim("L2", "2026-03-03", 20, AN));
    // Nor do they stand still for versions of one record: the last that was received counts.
    door.submit(vec![
        claim("L2", "2026-03-03", 30, AN),
        claim("L2", "2026-03-03", 40, AN),
        claim("L3", "2026-03-03", 0, AN),
    ]);
    let recorded: Vec<_> = door
        .events()
        .iter()
        .map(|(_, event)| Millis::from_timestamp(event.recorded_at.as_ref().unwrap()).0)
        .collect();
    let (first, steps) = (recorded[0], recorded.windows(2).map(|pair| pair[1] - pair[0]));
    assert!(first > door.now);
    assert_eq!(steps.collect::<Vec<_>>(), [1, 1, 1, 0]);
}

#[test]
fn asserted_at_no_time_what_is_said_last_holds_and_on_one_day_the_sender_is_told() {
    let undated = |copay: i64| {
        let mut item = claim("L1", "2026-03-03", copay, AN);
        item.submission.event.as_mut().unwrap().asserted_at = None;
        item
    };
    let mut door = Door::new();
    let mut events = Vec::new();
    for (copay, is_new) in
        [(20, true), (20, false), (30, true), (20, true), (20, false), (30, true), (20, true)]
    {
        let receipt = door.one(undated(copay));
        match receipt.outcome {
            Outcome::Accepted { event_id, .. } if is_new => events.push(event_id),
            Outcome::Duplicate { event_id, superseded: false, .. } if !is_new => {
                assert_eq!(Some(&event_id), events.last());
            }
            other => panic!("{copay}: {other:?}"),
        }
    }
    assert_eq!(door.events().len(), 5);

    let superseded = |receipt: Receipt| match receipt.outcome {
        Outcome::Duplicate { superseded, .. } => superseded,
        other => panic!("{other:?}"),
    };
    door.one(claim("L2", "2026-03-03", 20, AN));
    door.one(claim("L2", "2026-03-03", 30, AN));
    assert!(!superseded(door.one(claim("L2", "2026-03-03", 30, AN))));
    assert!(superseded(door.one(claim("L2", "2026-03-03", 20, AN))));
    door.one(withdrawn(claim("L2", "2026-03-03", 30, AN)));
    assert!(superseded(door.one(claim("L2", "2026-03-03", 30, AN))));
}

#[test]
fn what_was_asserted_at_no_time_is_asserted_when_it_is_recorded_and_still_known_again() {
    let mut door = Door::new();
    let mut item = claim("L1", "2026-03-03", 20, AN);
    item.submission.event.as_mut().unwrap().asserted_at = None;
    let (position, ..) = accepted(&door.one(item.clone()));
    assert_eq!(first_of(&door.one(item)), position);
    let (_, event) = &door.events()[0];
    assert_eq!(event.asserted_at, event.recorded_at);
}

#[test]
fn another_key_and_a_missing_key_are_refused() {
    let mut door = Door::new();
    door.one(claim("L1", "2026-03-03", 20, AN));
    door.close();
    let key = Intake::deployment_key_path(door.path());
    let saved = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let error = Intake::open(door.path(), door.log.clone()).unwrap_err();
    assert!(matches!(error, OpenError::OtherKey { .. }), "{error}");
    assert!(!key.exists());
    intake::keys::create_deployment_key(&key, &[7; 32]).unwrap();
    let error = Intake::open(door.path(), door.log.clone()).unwrap_err();
    assert!(matches!(error, OpenError::OtherKey { .. }), "{error}");
    assert!(intake::keys::create_deployment_key(&key, &[8; 32]).is_err());
    let mut altered = saved.clone();
    let last = altered.len() - 2;
    altered[last] = if altered[last] == b'0' { b'1' } else { b'0' };
    for bytes in [&altered[..], &saved[..60], b"", b"something else"] {
        fs::write(&key, bytes).unwrap();
        assert!(matches!(Intake::open(door.path(), door.log.clone()).unwrap_err(), OpenError::Keys(_)));
    }
    fs::write(&key, saved).unwrap();
    door.reopen();
    first_of(&door.one(claim("L1", "2026-03-03", 20, AN)));
}

#[test]
fn half_a_key_is_cut_off_and_a_damaged_one_is_told() {
    let mut door = Door::new();
    door.submit(vec![claim("L1", "2026-03-03", 20, AN), claim("L2", "2026-03-03", 20, BINH)]);
    door.close();
    let path = door.path().join("keys/persons.keys");
    let whole = fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn.extend_from_slice(&[1; 30]);
    fs::write(&path, &torn).unwrap();
    door.reopen();
    assert_eq!(fs::read(&path).unwrap(), whole);
    door.one(claim("L3", "2026-03-03", 20, AN));
    door.close();
    let mut damaged = whole;
    damaged[16 + 20] ^= 1;
    fs::write(&path, damaged).unwrap();
    door.reopen();
    let now = Millis(door.now);
    let intake = door.intake.as_mut().unwrap();
    let both = [AN, BINH].map(|number| intake.submit(vec![claim("L4", "2026-03-03", 20, number)], now));
    assert_eq!(both.iter().filter(|result| matches!(result, Err(SubmitError::Keys(_)))).count(), 1);
}

#[test]
fn one_intake_at_a_time_and_not_too_much_at_once() {
    let mut door = Door::new();
    let error = Intake::open(door.path(), door.log.clone()).unwrap_err();
    assert!(error.to_string().contains("another intake"), "{error}");
    let items = vec![Item::new(v1::Submission::default()); intake::SUBMISSIONS_MAX + 1];
    let error = door.intake.as_mut().unwrap().submit(items, Millis(0)).unwrap_err();
    assert!(matches!(error, SubmitError::TooMany(_)));
}

#[test]
fn a_long_batch_goes_to_the_log_in_parts_and_keeps_its_order() {
    let mut door = Door::new();
    let items: Vec<Item> = (0..9_000).map(|at| claim(&format!("L{at}"), "2026-03-03", at, AN)).collect();
    let receipts = door.submit(items);
    let offsets: Vec<u64> = receipts.iter().map(|receipt| accepted(receipt).0.offset).collect();
    assert!(offsets.is_sorted());
    assert_eq!(offsets.len() as u64, offsets.last().unwrap() + 1);
}

#[test]
fn an_index_built_from_a_long_log_is_the_one_that_grew_with_it() {
    let mut door = Door::new();
    let version = |at: i64| {
        // Every third record comes back in a later version, every seventh of these about another person.
        let (key, asserted) = if at % 3 == 0 { (at / 2, "2026-03-04") } else { (at, "2026-03-03") };
        claim(&format!("L{key}"), asserted, at % 100, if at % 7 == 0 { BINH } else { AN })
    };
    for part in 0..3 {
        door.submit((part * 9_000..(part + 1) * 9_000).map(version).collect());
    }
    door.close();
    fs::remove_dir_all(door.path().join("intake")).unwrap();
    door.reopen();
    let again = door.submit((0..9_000).map(version).collect());
    assert!(again.iter().all(|receipt| matches!(receipt.outcome, Outcome::Duplicate { .. })));
    let first = door.events().iter().filter(|(_, event)| event.record_key == "L1").map(|(at, _)| *at).min();
    assert_eq!(first.unwrap(), first_of(&again[1]));
}
