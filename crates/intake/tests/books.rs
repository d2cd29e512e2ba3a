//! The books balance, whatever is sent: every record that the log grows by is named by one receipt, and counted once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
};

use contract::{Day, EventId, Kind, Millis, v1};
use event_log::{EmbeddedLog, EventLog, Position};
use intake::{FollowUp, FollowUpKind, Intake, Item, Outcome, Receipt, Totals};
use proptest::prelude::*;
use v1::event::Body;

const PARTITIONS: u16 = 4;
const BODIES: u8 = 8;

/// Something that may be sent. Small numbers, so that it often meets what was sent before.
#[derive(Clone, Debug)]
struct Said {
    body: u8,
    record: u8,
    /// The day it was asserted on; 0: it does not say.
    asserted: u8,
    /// Whose; 0: nobody's.
    person: u8,
    content: u8,
    own_id: Option<u8>,
    /// Which of the known events it takes back or corrects.
    target: prop::sample::Index,
    corrects: bool,
    withdrawn: bool,
    just_in_case: bool,
    leans_on_record: bool,
    by_operator: bool,
    of_another_emitter: bool,
    is_faulty: bool,
}

fn rarely() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.08)
}

fn said() -> impl Strategy<Value = Said> {
    let what = (0..BODIES, 0..2u8, 0..4u8, 0..4u8, 0..2u8, prop::option::weighted(0.1, 0..4u8));
    let how =
        (any::<prop::sample::Index>(), rarely(), rarely(), rarely(), rarely(), rarely(), rarely(), rarely());
    (what, how).prop_map(
        |(
            (body, record, asserted, person, content, own_id),
            (
                target,
                corrects,
                withdrawn,
                just_in_case,
                leans_on_record,
                by_operator,
                of_another_emitter,
                is_faulty,
            ),
        )| Said {
            body,
            record,
            asserted,
            person,
            content,
            own_id,
            target,
            corrects,
            withdrawn,
            just_in_case,
            leans_on_record,
            by_operator,
            of_another_emitter,
            is_faulty,
        },
    )
}

fn day(number: u8) -> prost_types::Timestamp {
    Day::from_ymd(2026, 3, number.into()).unwrap().start().to_timestamp()
}

impl Said {
    /// What is sent; `known` are events that it may refer to.
    fn item(&self, known: &[EventId]) -> Item {
        let (facility, text) = (String::from("01004"), self.content.to_string());
        let record = format!("L{}", self.record);
        let (body, record_key) = match self.body {
            0..2 => (
                Body::ClaimSubmitted(v1::ClaimSubmitted {
                    facility,
                    visit_type: "01".into(),
                    route_code: "1.1".into(),
                    started_at: Some(day(1)),
                    ended_at: Some(day(1)),
                    discharge_type: text,
                    totals: Some(v1::ClaimTotals::default()),
                    ..v1::ClaimSubmitted::default()
                }),
                record.clone(),
            ),
            2 => (
                Body::VisitOpened(v1::VisitOpened {
                    facility,
                    visit_type: text,
                    ..v1::VisitOpened::default()
                }),
                record.clone(),
            ),
            3..6 => (
                Body::ReferralIssued(v1::ReferralIssued {
                    form_number: text,
                    from_facility: facility,
                    to_facility: "01929".into(),
                    form_kind: v1::ReferralFormKind::Standard as i32,
                    ..v1::ReferralIssued::default()
                }),
                contract::numbered_key(&record, usize::from(self.body) - 2).into_owned(),
            ),
            6 => (
                Body::CheckUpCompleted(v1::CheckUpCompleted {
                    facility,
                    programme: text,
                    ..v1::CheckUpCompleted::default()
                }),
                record.clone(),
            ),
            _ => (Body::Retraction(v1::Retraction {}), format!("R{}", self.content)),
        };
        let is_retraction = matches!(body, Body::Retraction(_));
        let reference = || {
            let event_id = if known.is_empty() { [9; 16] } else { self.target.get(known).0 };
            Some(v1::EventReference { event_id: event_id.to_vec(), reason: String::new() })
        };
        let event = v1::Event {
            event_id: self
                .own_id
                .map(|id| vec![id, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0])
                .unwrap_or_default(),
            emitter: if self.of_another_emitter { "01929".into() } else { "01004".into() },
            record_key: if self.is_faulty { String::new() } else { record_key },
            asserted_at: (self.asserted > 0).then(|| day(self.asserted)),
            occurred_at: Some(day(1)),
            voids: if is_retraction { reference() } else { None },
            corrects: if self.corrects && !is_retraction { reference() } else { None },
            withdrawal: (self.withdrawn && !is_retraction).then(v1::Withdrawal::default),
            body: Some(body),
            ..v1::Event::default()
        };
        let person = (self.person > 0).then(|| v1::PersonDetails {
            full_name: "Người Mẫu".into(),
            identifiers: vec![v1::Identifier {
                kind: v1::IdentifierKind::PersonalNumber as i32,
                value: format!("00108000000{}", self.person),
                ..v1::Identifier::default()
            }],
            ..v1::PersonDetails::default()
        });
        Item {
            submission: v1::Submission { event: Some(event), person, restricted: None },
            same_person_as: self.leans_on_record.then_some(record),
            just_in_case: self.just_in_case,
            by_operator: self.by_operator,
        }
    }
}

/// What happens to the door.
#[derive(Clone, Debug)]
enum Step {
    Send(Vec<Said>),
    /// One of the batches before, as it was sent.
    SendAgain(prop::sample::Index),
    Reopen,
    /// The file of persons' keys is lost, and what was sealed cannot be opened any more.
    LoseKeys,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => prop::collection::vec(said(), 0..10).prop_map(Step::Send),
        3 => any::<prop::sample::Index>().prop_map(Step::SendAgain),
        1 => Just(Step::Reopen),
        1 => Just(Step::LoseKeys),
    ]
}

/// All events of the log.
fn read(log: &EmbeddedLog) -> BTreeMap<Position, v1::Event> {
    let mut events = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let mut reader = log.reader(partition, 0).unwrap();
        while let Some(batch) = reader.next_batch(1 << 20).unwrap() {
            for record in batch {
                let event = contract::decode(record.bytes).unwrap();
                assert_eq!(contract::validate(&event), []);
                events.insert(Position { partition, offset: record.offset }, event);
            }
        }
    }
    events
}

/// Holds what the receipts of one batch tell against what the log grew by, and counts them.
fn check(receipts: &[Receipt], log: &BTreeMap<Position, v1::Event>, new: &BTreeSet<Position>) -> Totals {
    let event_at = |position: &Position, id: EventId| {
        let event = &log[position];
        assert_eq!(event.event_id, id.0, "another event stands there");
        event
    };
    let mut named = BTreeSet::new();
    let mut counted = Totals { sent: receipts.len() as u64, appended: new.len() as u64, ..Totals::default() };
    for receipt in receipts {
        match &receipt.outcome {
            Outcome::Accepted { event_id, position, changed, follow_ups, stayed } => {
                event_at(position, *event_id);
                assert!(named.insert(*position), "one record is named twice");
                counted.accepted += 1;
                counted.changed += u64::from(*changed);
                for FollowUp { what, of, event_id, position } in follow_ups {
                    let event = event_at(position, *event_id);
                    assert!(named.insert(*position), "one record is named twice");
                    let kind = Kind::of(event.body.as_ref().unwrap());
                    let (kind_of, reference, count) = match what {
                        FollowUpKind::Retraction => {
                            (Kind::Retraction, &event.voids, &mut counted.retractions)
                        }
                        FollowUpKind::SaidAgain => {
                            (Kind::ReferralIssued, &event.corrects, &mut counted.said_again)
                        }
                    };
                    assert_eq!((kind, &reference.as_ref().unwrap().event_id[..]), (kind_of, &of.0[..]));
                    *count += 1;
                }
                counted.stayed += stayed.len() as u64;
                assert!(stayed.iter().all(|form| follow_ups.iter().all(|record| record.of != form.event_id)));
            }
            Outcome::Duplicate { event_id, first, .. } => {
                event_at(first, *event_id);
                counted.duplicate += 1;
            }
            Outcome::Refused { faults } => {
                assert!(!faults.is_empty());
                counted.refused += 1;
            }
            Outcome::NothingToWithdraw => counted.nothing_to_withdraw += 1,
        }
    }
    assert_eq!(&named, new, "what the receipts name is not what the log grew by");
    counted
}

/// What the steps came to; every batch is held against the log.
fn run(steps: &[Step]) -> Totals {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedLog::create(&folder.path().join("log"), PARTITIONS).unwrap());
    let open = || Intake::open(folder.path(), log.clone()).unwrap();
    let mut door = Some(open());
    let (mut known, mut before) = (Vec::new(), BTreeSet::new());
    let (mut sum, mut since_open) = (Totals::default(), Totals::default());
    let mut sent: Vec<Vec<Item>> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let items = match step {
            Step::Send(said) => said.iter().map(|said| said.item(&known)).collect::<Vec<_>>(),
            Step::SendAgain(_) if sent.is_empty() => continue,
            Step::SendAgain(which) => which.get(&sent).clone(),
            Step::Reopen | Step::LoseKeys => {
                drop(door.take());
                if matches!(step, Step::LoseKeys) {
                    fs::remove_file(folder.path().join("keys/persons.keys")).unwrap();
                    fs::remove_dir_all(folder.path().join("intake")).unwrap();
                }
                door = Some(open());
                since_open = Totals::default();
                continue;
            }
        };
        sent.push(items.clone());
        let count = items.len();
        let door = door.as_mut().unwrap();
        let receipts = door.submit(items, Millis(1_775_000_000_000 + 1000 * at as i64)).unwrap();
        assert_eq!(receipts.len(), count);
        let events = read(&log);
        let positions: BTreeSet<Position> = events.keys().copied().collect();
        let new: BTreeSet<Position> = positions.difference(&before).copied().collect();
        let counted = check(&receipts, &events, &new);
        assert!(counted.balance(), "{counted:?}");
        since_open.add_all(&counted);
        sum.add_all(&counted);
        assert_eq!(door.totals(), since_open);
        known.extend(new.iter().map(|position| EventId::try_from(&events[position].event_id[..]).unwrap()));
        before = positions;
    }
    assert_eq!(sum.appended, log.ends().unwrap().iter().sum::<u64>());
    assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), known.len(), "nothing is in the log twice");
    sum
}

#[test]
fn every_record_of_the_log_is_in_one_receipt_and_in_the_totals() {
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 40, ..ProptestConfig::default() });
    let sum = std::cell::Cell::new(Totals::default());
    let steps = prop::collection::vec(step(), 1..40);
    let ran = runner.run(&steps, |steps| {
        let mut all = sum.get();
        all.add_all(&run(&steps));
        sum.set(all);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    // Of everything that there is to count something was met.
    let Totals { changed, duplicate, refused, nothing_to_withdraw, retractions, said_again, stayed, .. } =
        sum.get();
    let met = [changed, duplicate, refused, nothing_to_withdraw, retractions, said_again, stayed];
    assert!(met.iter().all(|count| *count >= 3), "{:?}", sum.get());
}
