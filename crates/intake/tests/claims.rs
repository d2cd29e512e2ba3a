//! The demonstration's claim files through the front door.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::{fs, path::Path, sync::Arc};

use adapters::insurance_xml::translate;
use contract::{Kind, Millis};
use event_log::{EmbeddedLog, EventLog};
use expect_test::expect;
use intake::{Intake, Item, Totals};

fn items(file: &[u8]) -> Vec<Item> {
    let said = translate(file).submissions.into_iter();
    said.map(|said| Item {
        same_person_as: said.same_person_as,
        just_in_case: said.just_in_case,
        ..Item::new(said.submission)
    })
    .collect()
}

#[test]
fn resends_corrections_and_withdrawals_of_claim_files_leave_the_books_in_balance() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedLog::create(&folder.path().join("log"), 8).unwrap());
    let mut intake = Intake::open(folder.path(), log.clone()).unwrap();
    let claims = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/demo/claims");
    let mut files: Vec<_> = fs::read_dir(claims).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut told = String::new();
    // Everything twice: the second time nothing may change.
    for round in 1..=2 {
        for (at, path) in
            files.iter().filter(|path| path.extension().is_some_and(|ending| ending == "xml")).enumerate()
        {
            let before = intake.totals();
            intake
                .submit(items(&fs::read(path).unwrap()), Millis(1_798_000_000_000 + 1000 * at as i64))
                .unwrap();
            let after = intake.totals();
            let Totals { sent, accepted, changed, duplicate, refused, nothing_to_withdraw, appended, .. } =
                after;
            assert!(after.balance());
            assert_eq!(log.ends().unwrap().iter().sum::<u64>(), appended);
            told += &format!(
                "{round} {}: sent {} accepted {} changed {} duplicate {} refused {} in vain {} retractions {} appended {}\n",
                path.file_stem().unwrap().display(),
                sent - before.sent,
                accepted - before.accepted,
                changed - before.changed,
                duplicate - before.duplicate,
                refused - before.refused,
                nothing_to_withdraw - before.nothing_to_withdraw,
                after.retractions - before.retractions,
                appended - before.appended,
            );
        }
    }
    expect![[r#"
        1 01-cat-linh-station: sent 18 accepted 8 changed 0 duplicate 0 refused 0 in vain 10 retractions 0 appended 8
        1 02-dong-da-march: sent 27 accepted 13 changed 0 duplicate 0 refused 0 in vain 14 retractions 0 appended 13
        1 03-dong-da-april: sent 10 accepted 6 changed 0 duplicate 0 refused 0 in vain 4 retractions 0 appended 6
        1 04-bach-mai-april: sent 18 accepted 9 changed 0 duplicate 0 refused 0 in vain 9 retractions 0 appended 9
        1 05-bach-mai-check-ins: sent 2 accepted 2 changed 0 duplicate 0 refused 0 in vain 0 retractions 0 appended 2
        1 06-thanh-nhan-first-half: sent 27 accepted 12 changed 0 duplicate 0 refused 0 in vain 15 retractions 0 appended 12
        1 07-dong-da-march-sent-again: sent 27 accepted 0 changed 0 duplicate 13 refused 0 in vain 14 retractions 0 appended 0
        1 08-dong-da-march-corrected: sent 18 accepted 8 changed 8 duplicate 0 refused 0 in vain 10 retractions 4 appended 12
        1 09-xanh-pon-may: sent 18 accepted 8 changed 0 duplicate 0 refused 0 in vain 10 retractions 0 appended 8
        1 10-xanh-pon-may-withdrawn: sent 5 accepted 1 changed 1 duplicate 0 refused 0 in vain 4 retractions 0 appended 1
        1 11-thanh-nhan-faulty: sent 9 accepted 4 changed 0 duplicate 0 refused 0 in vain 5 retractions 0 appended 4
        1 12-thanh-nhan-cut: sent 9 accepted 4 changed 0 duplicate 0 refused 0 in vain 5 retractions 0 appended 4
        2 01-cat-linh-station: sent 18 accepted 0 changed 0 duplicate 8 refused 0 in vain 10 retractions 0 appended 0
        2 02-dong-da-march: sent 27 accepted 0 changed 0 duplicate 13 refused 0 in vain 14 retractions 0 appended 0
        2 03-dong-da-april: sent 10 accepted 0 changed 0 duplicate 6 refused 0 in vain 4 retractions 0 appended 0
        2 04-bach-mai-april: sent 18 accepted 0 changed 0 duplicate 9 refused 0 in vain 9 retractions 0 appended 0
        2 05-bach-mai-check-ins: sent 2 accepted 0 changed 0 duplicate 2 refused 0 in vain 0 retractions 0 appended 0
        2 06-thanh-nhan-first-half: sent 27 accepted 0 changed 0 duplicate 12 refused 0 in vain 15 retractions 0 appended 0
        2 07-dong-da-march-sent-again: sent 27 accepted 0 changed 0 duplicate 13 refused 0 in vain 14 retractions 0 appended 0
        2 08-dong-da-march-corrected: sent 18 accepted 0 changed 0 duplicate 8 refused 0 in vain 10 retractions 0 appended 0
        2 09-xanh-pon-may: sent 18 accepted 0 changed 0 duplicate 8 refused 0 in vain 10 retractions 0 appended 0
        2 10-xanh-pon-may-withdrawn: sent 5 accepted 0 changed 0 duplicate 1 refused 0 in vain 4 retractions 0 appended 0
        2 11-thanh-nhan-faulty: sent 9 accepted 0 changed 0 duplicate 4 refused 0 in vain 5 retractions 0 appended 0
        2 12-thanh-nhan-cut: sent 9 accepted 0 changed 0 duplicate 4 refused 0 in vain 5 retractions 0 appended 0
    "#]]
    .assert_eq(&told);

    let mut kinds = std::collections::BTreeMap::<Kind, (u32, u32)>::new();
    for partition in 0..8 {
        let mut reader = log.reader(partition, 0).unwrap();
        while let Some(batch) = reader.next_batch(1 << 20).unwrap() {
            for record in batch {
                let event = contract::decode(record.bytes).unwrap();
                let count = kinds.entry(Kind::of(event.body.as_ref().unwrap())).or_default();
                count.0 += 1;
                count.1 += u32::from(event.withdrawal.is_some());
            }
        }
    }
    expect!["{person_registered: (17, 0), residence_changed: (17, 0), insurance_granted: (18, 0), retraction: (4, 0), check_up_completed: (1, 0), referral_issued: (1, 0), referral_arrived: (1, 0), visit_opened: (2, 0), claim_submitted: (18, 1)}"].assert_eq(&format!("{kinds:?}"));
}
