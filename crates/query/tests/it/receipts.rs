use contract::Millis;
use event_log::{EmbeddedLog, files::RealFiles};
use projector::{Options, Projector};
use query::{ClaimsQuestion, Desk, QueryError, Question, Receipt, Standpoint, Value, Verified};
use tempfile::TempDir;

use crate::{
    city::{PARTITIONS, city, day, end_of},
    figures::questions,
};

fn question() -> Question {
    Question::on("coverage", "commune", day("2026-06-15")).by(&["commune"]).only("basis", "actual")
}

#[test]
fn every_answer_can_be_had_again_from_its_receipt() {
    let desk = city().desk();
    for standpoint in [Standpoint::at(end_of("2026-05-31")), Standpoint::at(end_of("2026-11-30"))] {
        for question in questions() {
            let answer = desk.figures(&question, &standpoint).unwrap();
            let json = serde_json::to_vec(&answer).unwrap();
            let (receipt, table) = Receipt::parse(&json).unwrap();
            assert_eq!(receipt, answer.receipt);
            assert_eq!(table.as_ref(), Some(&answer.table), "a table is read as it was written");
            assert_eq!(desk.verify(&receipt, table.as_ref()).unwrap(), Verified::Same);
            let alone = serde_json::to_vec(&answer.receipt).unwrap();
            assert_eq!(Receipt::parse(&alone).unwrap(), (receipt, None));
        }
    }
}

#[test]
fn totals_of_claims_have_receipts_too() {
    let desk = city().desk();
    let question = ClaimsQuestion {
        from: day("2026-01-01"),
        to: day("2026-04-30"),
        by: vec!["facility".to_owned(), "month".to_owned()],
        filter: Vec::new(),
        standpoint: Standpoint::at(end_of("2026-05-31")),
    };
    let answer = desk.claims(&question).unwrap();
    let (receipt, table) = Receipt::parse(&serde_json::to_vec(&answer).unwrap()).unwrap();
    assert_eq!(desk.verify(&receipt, table.as_ref()).unwrap(), Verified::Same);
    let mut earlier = receipt.clone();
    earlier.positions.iter_mut().for_each(|position| *position /= 2);
    earlier.known_at = None;
    assert!(matches!(
        desk.verify(&earlier, table.as_ref()).unwrap(),
        Verified::Different { difference: Some(_), .. }
    ));
    let mut other = receipt;
    other.projection = "coverage".to_owned();
    assert!(matches!(desk.verify(&other, None), Err(QueryError::Refused(_))));
}

#[test]
fn what_was_changed_is_found_and_named() {
    let desk = city().desk();
    let answer = desk.figures(&question(), &Standpoint::at(end_of("2026-06-15"))).unwrap();

    let mut earlier = answer.receipt.clone();
    earlier.positions.iter_mut().for_each(|position| *position /= 2);
    earlier.known_at = None;
    let Verified::Different { digest, difference } = desk.verify(&earlier, Some(&answer.table)).unwrap()
    else {
        panic!("half of the events give another answer");
    };
    assert_ne!(digest, answer.receipt.digest);
    assert!(difference.unwrap().starts_with("row 1 is `"));

    let mut table = answer.table.clone();
    let changed = table.rows[0].iter_mut().find(|value| matches!(value, Value::Number(_))).unwrap();
    *changed = Value::Number(1_000_000);
    let Verified::Different { difference, .. } = desk.verify(&answer.receipt, Some(&table)).unwrap() else {
        panic!("the table was changed");
    };
    assert!(difference.unwrap().contains("it was changed"));

    let mut forged = answer.receipt.clone();
    forged.digest = "0".repeat(64);
    assert!(matches!(desk.verify(&forged, None).unwrap(), Verified::Different { difference: None, .. }));
}

#[test]
fn another_moment_of_knowing_on_a_receipt_is_found() {
    let desk = city().desk();
    let answer = desk.figures(&question(), &Standpoint::at(end_of("2026-06-15"))).unwrap();
    let verified = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = answer.receipt.clone();
        change(&mut receipt);
        match desk.verify(&receipt, None).unwrap() {
            Verified::Same => "same".to_owned(),
            Verified::Different { difference, .. } => difference.unwrap(),
        }
    };
    assert_eq!(verified(&|_| {}), "same");
    let other = "its positions are not those of what was known at 2026-06-17T00:00:00.000+07:00";
    assert_eq!(verified(&|receipt| receipt.known_at = Some(end_of("2026-06-16").to_string())), other);
    let nowhen = verified(&|receipt| (receipt.known_at, receipt.provisional) = (None, true));
    assert!(nowhen.contains("names no moment of knowing"), "{nowhen}");
    // What was asked before its moment was over stands where the log ended then.
    let early = Desk::open(&city().folder, &*city().log, end_of("2026-01-01")).unwrap();
    let early = early.figures(&question(), &Standpoint::at(end_of("2026-06-15"))).unwrap().receipt;
    assert!(early.provisional);
    assert_eq!(desk.verify(&early, None).unwrap(), Verified::Same);
}

#[test]
fn what_is_not_here_is_needed_and_never_recomputed_in_silence() {
    let desk = city().desk();
    let receipt = desk.figures(&question(), &Standpoint::default()).unwrap().receipt;
    let needs = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = receipt.clone();
        change(&mut receipt);
        match desk.verify(&receipt, None) {
            Err(QueryError::Needs(what)) => what,
            other => panic!("{other:?}"),
        }
    };
    let version = needs(&|receipt| receipt.version += 1);
    assert!(version.contains("of the projection coverage; this build has version"), "{version}");
    assert!(needs(&|receipt| receipt.log = "0".repeat(32)).starts_with("the log 0000"));
    assert!(needs(&|receipt| receipt.bundle = "0".repeat(64)).starts_with("the bundle 0000"));
    let position = needs(&|receipt| receipt.positions[1] += 1);
    assert!(position.contains("of partition 1; this log ends at"), "{position}");
    let mut torn = receipt.clone();
    torn.positions.pop();
    assert!(matches!(desk.verify(&torn, None), Err(QueryError::Refused(_))));
    let mut newer = receipt;
    newer.receipt = 2;
    let why = Receipt::parse(&serde_json::to_vec(&newer).unwrap()).unwrap_err();
    assert_eq!(why, "a receipt of version 2; this build reads 1");
    assert!(Receipt::parse(b"[1, 2").unwrap_err().starts_with("not a receipt"));
}

#[test]
fn another_machine_with_a_copy_of_log_and_control_gives_the_same_bytes() {
    let answer = city().desk().figures(&question(), &Standpoint::at(end_of("2026-06-15"))).unwrap();
    let dir = TempDir::new().unwrap();
    for folder in ["log", "control"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
        for file in std::fs::read_dir(city().folder.root().join(folder)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), dir.path().join(folder).join(file.file_name())).unwrap();
        }
    }
    let logs = query::DataFolder::own_logs(dir.path(), &RealFiles::shared());
    let folder = query::DataFolder::open(dir.path(), RealFiles::shared(), logs).unwrap();
    let log = folder.log().unwrap();
    assert!(
        matches!(Desk::open(&folder, &*log, Millis(0)), Err(QueryError::Store(_))),
        "nothing was projected there"
    );
    let bundle = folder.active_bundle().unwrap();
    let (mut projector, _) =
        Projector::open(&folder.projector(), RealFiles::shared(), &*log, &bundle, Options::default())
            .unwrap();
    projector.catch_up(&|_| {}).unwrap();
    let desk = Desk::open(&folder, &*log, Millis(0)).unwrap();
    assert_eq!(desk.verify(&answer.receipt, Some(&answer.table)).unwrap(), Verified::Same);
}

#[test]
fn figures_of_another_log_are_not_served() {
    let dir = TempDir::new().unwrap();
    let other = EmbeddedLog::create(dir.path(), PARTITIONS).unwrap();
    let refused = Desk::open(&city().folder, &other, Millis(0)).err().map(|error| error.to_string());
    assert!(refused.unwrap().starts_with("the figures are of another log"));
}
