#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use event_log::testing::FaultyFiles;

use super::*;

const PEOPLE: u16 = 2000;

/// Every third number is somebody's.
fn subject(number: u16) -> Subject {
    let mut subject = Subject::default();
    subject.0[..2].copy_from_slice(&number.to_be_bytes());
    subject
}

fn kind(number: u16) -> SubjectKind {
    SubjectKind::try_from(i32::from(number / 3 % 2)).unwrap()
}

fn base() -> Base {
    let files: Arc<dyn Files> = FaultyFiles::new(1).shared();
    let path = Path::new("base");
    let mut writer = BaseWriter::create(&files, path, 0).unwrap();
    for number in (0..PEOPLE).filter(|number| number % 3 == 0) {
        writer.push(subject(number), kind(number), 0, &[]).unwrap();
    }
    writer.finish(Checkpoint::at(1), 0, &KnownTimes::default(), &[]).unwrap();
    Base::open(files.as_ref(), path).unwrap()
}

#[test]
fn whoever_is_asked_for_is_found_in_any_order() {
    let base = base();
    assert!(base.index.len() > 1, "people of several blocks");
    let numbers = || 0..PEOPLE;
    // 7 shares no factor with the number of people: everybody once, forwards and backwards in steps.
    let in_steps = numbers().map(|number| (u32::from(number) * 7 % u32::from(PEOPLE)) as u16);
    let again = numbers().flat_map(|number| [number, number]);
    let orders: [Vec<u16>; 4] =
        [numbers().collect(), numbers().rev().collect(), in_steps.collect(), again.collect()];
    for order in orders {
        let mut last = LastBlock::default();
        for number in order {
            let mut history = History::new();
            let found = base.get(subject(number), &mut history, &mut last).unwrap();
            assert_eq!(found, number % 3 == 0, "{number}");
            if found {
                assert_eq!(history.kind(), kind(number), "{number}");
            }
        }
    }
}
