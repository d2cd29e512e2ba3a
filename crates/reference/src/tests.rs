use std::{collections::BTreeMap, path::Path};

use contract::{Code, Day};
use proptest::prelude::*;

use crate::{BundleFault, Calendar, CommuneKind, FormerLevel, Organisation, Reference, Tier};

fn files() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Reference::FILES
        .iter()
        .map(|path| ((*path).to_owned(), std::fs::read(folder.join(path)).unwrap()))
        .collect()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// The faults after replacing `from`, which must be there, by `to` in one file.
fn broken(file: &str, from: &str, to: &str) -> String {
    let mut files = files();
    let path = format!("reference/{file}");
    let text = String::from_utf8(files.remove(&path).unwrap()).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    files.insert(path, text.replacen(from, to, 1).into_bytes());
    faults(&files)
}

fn faults(files: &BTreeMap<String, Vec<u8>>) -> String {
    let faults = Reference::parse(files).expect_err("the file is broken");
    faults.iter().map(BundleFault::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_folder_is_hanoi() {
    let reference = Reference::parse(&files()).unwrap();
    let communes = reference.communes();
    assert_eq!(communes.len(), 126);
    assert_eq!(communes.iter().filter(|commune| commune.kind == CommuneKind::Ward).count(), 51);
    assert_eq!(communes.iter().map(|commune| u64::from(commune.population)).sum::<u64>(), 8_328_858);
    assert_eq!(communes.iter().map(|commune| u64::from(commune.area_km2_hundredths)).sum::<u64>(), 335_977);
    assert_eq!(communes.iter().filter(|commune| commune.straddles).count(), 64);
    assert_eq!(reference.districts().len(), 30);
    assert_eq!(reference.facilities().len(), 645);
    assert_eq!(reference.holidays().len(), 83);
    assert_eq!(reference.holidays_known_until(), day("2027-12-31"));
    let hanoi = reference.population("hanoi-communes-2025").unwrap();
    assert_eq!(hanoi.persons, Some(8_328_858));

    let hong_ha = reference.commune(Code::new("00097")).unwrap();
    assert_eq!((hong_ha.name.as_str(), hong_ha.population), ("Hồng Hà", 123_282));
    assert_eq!(reference.district_of(hong_ha.code), Some(Code::new("003")));
    assert_eq!(reference.commune(Code::new("99999")), None);
}

#[test]
fn every_facility_is_something_on_every_day_and_says_what_is_assumed() {
    let reference = Reference::parse(&files()).unwrap();
    for facility in reference.facilities() {
        for on in ["2016-01-01", "2024-12-31"] {
            assert_eq!(facility.on(day(on)).unwrap().tier, Tier::Unranked);
        }
        for on in ["2025-01-01", "2026-07-01", "2040-01-01"] {
            let span = facility.on(day(on)).unwrap();
            assert_ne!(span.tier, Tier::Unranked);
            assert!(span.assumed && !span.basis.is_empty());
            assert_eq!(span.station, span.organisation == Organisation::CommuneStation);
        }
    }
    let bach_mai = reference.facility(Code::new("01929")).unwrap().on(day("2026-01-01")).unwrap();
    assert_eq!((bach_mai.tier, bach_mai.former_level), (Tier::Specialised, FormerLevel::Central));
    assert!(bach_mai.score > Some(90));
    let beds: u32 = reference.facilities().iter().map(|f| f.on(day("2026-01-01")).unwrap().beds).sum();
    assert!((20_000..60_000).contains(&beds), "{beds} beds is not a city of eight million");
}

#[test]
fn excel_may_have_saved_it() {
    let mut files = files();
    for content in files.values_mut() {
        let text = String::from_utf8(content.clone()).unwrap();
        *content = [b"\xef\xbb\xbf".as_slice(), text.replace('\n', "\r\n").as_bytes()].concat();
    }
    assert_eq!(Reference::parse(&files).unwrap().communes().len(), 126);
}

#[test]
fn a_broken_file_is_refused_with_file_row_column_and_reason() {
    let story = [
        // To the day: a span ends on its last day.
        (
            "facility_spans.csv",
            ",2024-12-31,",
            ",2025-01-01,",
            "row 3, column valid_from: 01001 overlaps row 2",
        ),
        (
            "communes.csv",
            ",65023,",
            ",65 023,",
            "row 2, column population: `65 023` is not a number from 0 to 10000000",
        ),
        ("communes.csv", ",65023,", ",,", "row 2, column population: empty"),
        ("communes.csv", ",2.97,", ",\"2,97\",", "row 2, column area_km2: `2,97` is not a number"),
        ("communes.csv", "population,", "inhabitants,", "row 1, column inhabitants: unknown column"),
        ("communes.csv", "population,", "inhabitants,", "row 1, column population: the column is missing"),
        ("communes.csv", "code,name", "code,code", "row 1, column code: the column is there twice"),
        ("communes.csv", "\n00008,", "\n00004,", "row 3, column code: the code 00004 is also in row 2"),
        ("communes.csv", ",ward,", ",Ward,", "row 2, column kind: `Ward` is none of ward, commune"),
        (
            "communes.csv",
            ",001,",
            ",999,",
            "row 2, column old_district_code: the district 999 is not in districts.csv",
        ),
        (
            "communes.csv",
            ",yes,2025-07-01,",
            ",yes,2025-7-1,",
            "row 2, column valid_from: `2025-7-1` is not a day",
        ),
        (
            "communes.csv",
            ",yes,2025-07-01,,",
            ",yes,2025-07-01,2025-06-30,",
            "row 2, column valid_until: 2025-06-30 is before",
        ),
        ("communes.csv", ",H\n", ",\n", "column confidence: `` is none of H, M, L"),
        ("communes.csv", "00004,Ba Đình", "00004,extra,Ba Đình", "row 2: 15 cells where the header has 14"),
        ("facilities.csv", "01001,", "01003,", "row 3, column code: the code 01003 is also in row 2"),
        ("facilities.csv", ",00190,", ",00001,", "column commune_code: 00001 is not in communes.csv"),
        (
            "facility_spans.csv",
            ",2024-12-31,",
            ",2025-12-31,",
            "row 3, column valid_from: 01001 overlaps row 2",
        ),
        (
            "facility_spans.csv",
            "\n01001,,",
            "\n01002,,",
            "row 2, column code: 01002 is not in facilities.csv",
        ),
        (
            "facility_spans.csv",
            ",specialised,80,",
            ",specialised,180,",
            "row 3, column score: `180` is not a number from 0 to 100",
        ),
        (
            "facility_spans.csv",
            ",specialised,80,",
            ",tertiary,80,",
            "row 3, column tier: `tertiary` is none of unranked, initial",
        ),
        (
            "facility_spans.csv",
            ",800,yes,",
            ",800,maybe,",
            "row 2, column assumed: `maybe` is none of yes, no",
        ),
        ("holidays.csv", "2021-01-01", "2021-01-02", "row 2, column day: 2021-01-02 is a weekend"),
        ("holidays.csv", "2021-01-01", "2021-02-10", "row 3, column day: 2021-02-10 is there twice"),
        (
            "holidays.csv",
            "2021-01-01",
            "9021-01-01",
            "row 2, column day: 9021-01-01 is not between 1990 and 2100",
        ),
        ("populations.csv", ",8328858,", ",,", "row 2, column persons: neither persons nor a share"),
        (
            "populations.csv",
            ",95.51,",
            ",95.512,",
            "column published_share: `95.512` is not a number from 0 to 100",
        ),
    ];
    for (file, from, to, expected) in story {
        let found = broken(file, from, to);
        let there = found.lines().any(|line| {
            line.strip_prefix(&format!("reference/{file}, ")).is_some_and(|fault| fault.contains(expected))
        });
        assert!(there, "expected {expected}\nfound    {found}");
    }
}

#[test]
fn all_faults_come_at_once() {
    let mut files = files();
    files.remove("reference/districts.csv");
    files.insert("reference/holidays.csv".to_owned(), b"\xff\xfe".to_vec());
    files.insert("reference/wards.csv".to_owned(), Vec::new());
    files.insert("reference/populations.csv".to_owned(), Vec::new());
    let found = faults(&files);
    for expected in [
        "reference/districts.csv: the file is missing",
        "reference/holidays.csv, row 1: not UTF-8",
        "reference/wards.csv: not a file of the reference",
        "reference/populations.csv: no header row",
        "reference/communes.csv, row 2, column old_district_code: the district 001 is not in districts.csv",
    ] {
        assert!(found.contains(expected), "expected {expected}\nfound {}", &found[..found.len().min(2_000)]);
    }
}

#[test]
fn ten_working_days_skip_weekends_and_the_lunar_new_year() {
    let reference = Reference::parse(&files()).unwrap();
    let story = [
        // A plain fortnight.
        ("2026-03-02", 10, "2026-03-16"),
        // Issued on a Saturday.
        ("2026-03-07", 10, "2026-03-20"),
        // Five days off around the Lunar New Year.
        ("2026-02-13", 10, "2026-03-06"),
        // The day in lieu of 22 August and two days of September.
        ("2026-08-28", 1, "2026-09-03"),
        ("2026-03-16", -10, "2026-03-02"),
        ("2026-03-08", -1, "2026-03-06"),
        ("2026-03-02", 0, "2026-03-02"),
    ];
    for (from, days, expected) in story {
        assert_eq!(reference.add_working_days(day(from), days), day(expected), "{from} {days:+}");
    }
    assert!(reference.is_day_off(day("2026-11-24")));
    assert!(!reference.is_day_off(day("2026-11-25")));
}

proptest! {
    #[test]
    fn the_table_agrees_with_counting_day_by_day(
        from in -1_200i32..4_000, days in -40i32..40, off in prop::collection::vec(0i32..2_000, 0..60),
    ) {
        // 2021-01-01 is day 18,628.
        let off: Vec<Day> = off.into_iter().map(|at| Day(18_628 + at)).filter(|day| !day.is_weekend()).collect();
        let calendar = Calendar::new(&off);
        let from = Day(18_628 + from);
        let worked = |day: Day| !day.is_weekend() && !off.contains(&day);
        let mut expected = from;
        let mut left = days.abs();
        while left > 0 {
            expected = expected + days.signum();
            left -= i32::from(worked(expected));
        }
        prop_assert_eq!(calendar.add_working_days(from, days), expected);
        prop_assert_eq!(calendar.is_day_off(from), !worked(from));
    }

    #[test]
    fn the_days_within_working_days_are_those_that_counting_finds(
        day in prop_oneof![18_200i32..22_000, -25_000i32..47_000],
        n in -2i32..25,
        off in prop::collection::vec(0i32..2_000, 0..60),
    ) {
        let off: Vec<Day> = off.into_iter().map(|at| Day(18_628 + at)).filter(|day| !day.is_weekend()).collect();
        let within = Calendar::new(&off).within_working_days(Day(day), n);
        let worked = |day: i32| !Day(day).is_weekend() && !off.contains(&Day(day));
        for other in day - 120..day + 120 {
            let between = (day.min(other) + 1..=day.max(other)).filter(|day| worked(*day)).count() as i32;
            prop_assert_eq!(within.contains(&Day(other)), between <= n, "{} and {}", Day(day), Day(other));
        }
    }
}
