use contract::{EventId, Millis, Subject, v1};
use event_log::{Append, files::RealFiles, partition_of};
use projector::{Options, Projector};
use query::{ClaimsQuestion, DataFolder, Desk, Filter, QueryError, Question, Standpoint, Table, Value};
use tempfile::TempDir;

use crate::city::{bundle_files, city, day, end_of};

fn question(by: &[&str]) -> ClaimsQuestion {
    ClaimsQuestion {
        from: day("2026-01-01"),
        to: day("2026-08-31"),
        by: by.iter().map(|name| (*name).to_owned()).collect(),
        filter: Vec::new(),
        standpoint: Standpoint::at(end_of("2026-10-31")),
    }
}

fn sum(table: &Table, column: &str) -> i64 {
    let at = table.columns.iter().position(|known| known.name == column).expect("a column of that name");
    let number = |row: &Vec<Value>| match &row[at] {
        Value::Number(number) => *number,
        other => panic!("{other:?}"),
    };
    table.rows.iter().map(number).sum()
}

#[test]
fn live_claims_and_their_money_are_those_that_the_projection_counts() {
    let desk = city().desk();
    let claims = desk.claims(&question(&[])).unwrap().table;
    let mut figures = Question::on("fee-exemption", "facility", day("2026-08-31"));
    figures.from = day("2026-01-01");
    let figures = desk.figures(&figures, &Standpoint::at(end_of("2026-10-31"))).unwrap().table;
    for (ours, theirs) in [("T_TONGCHI_BH", "covered"), ("T_BNCCT", "copay"), ("T_BHTT", "fund")] {
        assert_eq!(sum(&claims, ours), sum(&figures, theirs), "{ours}");
    }
    assert_eq!(sum(&claims, "live"), sum(&figures, "claims"));
    assert!(sum(&claims, "live") > 100);
    assert!(sum(&claims, "withdrawn") > 0, "an adversarial city withdraws claims");
    assert!(sum(&claims, "visits") > sum(&claims, "live"), "some visits have no bill yet");
}

#[test]
fn whatever_they_are_told_apart_by_they_add_up() {
    let desk = city().desk();
    let whole = desk.claims(&question(&[])).unwrap().table;
    for by in query::CLAIM_DIMENSIONS {
        let parts = desk.claims(&question(&[by])).unwrap().table;
        assert!(parts.rows.len() > 1, "{by}");
        for column in ["live", "withdrawn", "visits", "T_TONGCHI_BH", "T_BNCCT", "T_BHTT"] {
            assert_eq!(sum(&parts, column), sum(&whole, column), "{column} by {by}");
        }
    }
    let filter = vec![Filter { name: "month".to_owned(), values: vec!["2026-03".to_owned()] }];
    let march = desk.claims(&ClaimsQuestion { filter, ..question(&[]) }).unwrap().table;
    let (from, to) = (day("2026-03-01"), day("2026-03-31"));
    assert_eq!(march, desk.claims(&ClaimsQuestion { from, to, ..question(&[]) }).unwrap().table);
}

#[test]
fn what_claims_have_not_is_refused() {
    let refused = city().desk().claims(&question(&["commune"]));
    assert!(matches!(refused, Err(QueryError::Question(why)) if why.contains("they can by facility, tier")));
}

/// An event of one clinic on a day of March.
fn told(id: u8, about: u8, record_key: &str, body: v1::event::Body) -> v1::Event {
    let moment = Some(day("2026-03-05").start().to_timestamp());
    v1::Event {
        event_id: vec![id; 16],
        subject: vec![about; 16],
        subject_kind: v1::SubjectKind::PersonalNumber.into(),
        emitter: "01004".to_owned(),
        record_key: record_key.to_owned(),
        asserted_at: moment,
        occurred_at: moment,
        recorded_at: moment,
        authority: v1::Authority::Emitter.into(),
        body: Some(body),
        ..v1::Event::default()
    }
}

fn claim(id: u8, about: u8, record_key: &str) -> v1::Event {
    let moment = Some(day("2026-03-05").start().to_timestamp());
    let claim = v1::ClaimSubmitted {
        facility: "01004".to_owned(),
        visit_type: "01".to_owned(),
        route_code: "1.1".to_owned(),
        started_at: moment,
        ended_at: moment,
        ..v1::ClaimSubmitted::default()
    };
    told(id, about, record_key, v1::event::Body::ClaimSubmitted(claim))
}

fn taken_back(id: u8, target: &v1::Event, record_key: &str) -> v1::Event {
    let voids = Some(v1::EventReference { event_id: target.event_id.clone(), reason: String::new() });
    let retraction = v1::event::Body::Retraction(v1::Retraction {});
    v1::Event { voids, ..told(id, target.subject[0], record_key, retraction) }
}

#[test]
fn a_claim_whose_person_was_corrected_is_not_withdrawn() {
    let dir = TempDir::new().unwrap();
    let logs = DataFolder::own_logs(dir.path(), &RealFiles::shared());
    let folder =
        DataFolder::create(dir.path(), RealFiles::shared(), logs, Some(2), "key", Millis(0)).unwrap();
    let (bundle, _) = folder.activate_bundle(&bundle_files(), Millis(0)).unwrap();
    let (moved, withdrawn) = (claim(1, 1, "A"), claim(2, 1, "B"));
    // As intake says it, and as an emitter does.
    let of_intake = format!("void-{}", EventId([1; 16]));
    let events = [
        taken_back(3, &moved, &of_intake),
        taken_back(4, &withdrawn, "B-void"),
        claim(5, 2, "A"),
        moved,
        withdrawn,
    ];
    let log = folder.log_for_writing().unwrap();
    for event in &events {
        let subject = Subject::try_from(&event.subject[..]).unwrap();
        let bytes = contract::encode(event);
        log.append(&[Append { partition: partition_of(&subject, 2), key: &subject.0, bytes: &bytes }])
            .unwrap();
    }
    drop(log);
    let log = folder.log().unwrap();
    let options = Options { workers: 1, ..Options::default() };
    let (mut projector, _) =
        Projector::open(&folder.projector(), RealFiles::shared(), &*log, &bundle, options).unwrap();
    projector.catch_up(&|_| {}).unwrap();
    drop(projector);
    let desk = Desk::open(&folder, &*log, end_of("2026-12-31")).unwrap();
    let table = desk.claims(&question(&[])).unwrap().table;
    assert_eq!((sum(&table, "live"), sum(&table, "withdrawn"), sum(&table, "visits")), (1, 1, 1));
}
