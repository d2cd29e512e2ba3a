//! Broken tables are refused whole: file, row, column, reason, all at once.

use policy::Bundle;
use reference::BundleFault;

use crate::{files, files_with};

fn faults(table: &str, from: &str, to: &str) -> Vec<String> {
    let faults = Bundle::parse(&files_with(table, from, to)).expect_err("the table is broken");
    faults.iter().map(BundleFault::to_string).collect()
}

#[test]
fn a_broken_table_names_file_row_column_and_reason() {
    let story = [
        (
            "route.toml",
            "\nvalid_until = 2026-06-30",
            "",
            "route-1.13 never answers: route-1.13-first-step in row",
        ),
        (
            "low_cost.toml",
            "below",
            "under",
            "row 9, column then.under: unknown outcome; expected below, raises",
        ),
        ("low_cost.toml", "below = \"15%\", ", "", "row 4, column then.below: missing"),
        ("low_cost.toml", "\"15%\"", "15", "column then.below: expected a share as \"47.5%\""),
        ("low_cost.toml", "\"15%\"", "\"115%\"", "column then.below: expected a share as \"47.5%\""),
        ("low_cost.toml", "\"15%\"", "\"-1%\"", "column then.below: expected a share"),
        (
            "low_cost.toml",
            "then = { below",
            "when = { cost = 5 }\nthen = { below",
            "column when.cost: unknown fact; expected this table asks for none",
        ),
        (
            "low_cost.toml",
            "only_if = { low-cost-off-route = \"card-rate\" }",
            "only_if = { low-cost = \"card-rate\" }",
            "row 8, column only_if.low-cost: unknown switch",
        ),
        (
            "low_cost.toml",
            "\"card-rate\" }\nthen",
            "\"both\" }\nthen",
            "column only_if.low-cost-off-route: expected one of card-rate, claim-rate",
        ),
        (
            "low_cost.toml",
            "id = \"low-cost\"",
            "id = \"low-cost-on-any-route\"",
            "column id: the id low-cost-on-any-route is also in policy/low_cost.toml, row 4",
        ),
        ("low_cost.toml", "id = \"low-cost\"\n", "", "row 4, column id: missing"),
        ("low_cost.toml", "id = \"low-cost\"", "id = 7", "row 4, column id: not a text"),
        (
            "low_cost.toml",
            "confidence = \"H\"",
            "confidence = \"high\"",
            "row 4, column confidence: `high` is none of H, M, L",
        ),
        ("low_cost.toml", "citation", "cites", "column cites: unknown key; expected id, citation"),
        (
            "low_cost.toml",
            "[[row]]",
            "[[rows]]",
            "row 3, column rows: unknown key; a file has [[row]] entries only",
        ),
        ("low_cost.toml", "[[row]]", "[[row", "row 3: not TOML:"),
        (
            "route.toml",
            "code = \"1.11\"",
            "kode = \"1.11\"",
            "column when.kode: unknown fact; expected code, kind, inpatient",
        ),
        (
            "route.toml",
            "code = \"1.11\"",
            "code = \"1.19\"",
            "column when.code: the code 1.19 is not in route_codes.toml",
        ),
        ("route.toml", "code = \"1.11\"", "code = 1.11", "column when.code: expected a code in quotes"),
        (
            "route.toml",
            "inpatient = true",
            "inpatient = \"yes\"",
            "column when.inpatient: expected true or false",
        ),
        (
            "route.toml",
            "tier = \"basic\"",
            "tier = \"base\"",
            "column when.tier: expected one of unranked, initial",
        ),
        (
            "route.toml",
            "at_least = 50",
            "from = 50",
            "column when.score: unknown bound from; expected at_least",
        ),
        ("route.toml", "at_least = 50", "at_least = 80", "column when.score: a range that nothing is in"),
        (
            "route.toml",
            "at_least = 50",
            "at_least = -50",
            "column when.score: expected a whole number from 0",
        ),
        (
            "route.toml",
            "code = \"1.11\"",
            "code = { at_least = \"1.11\" }",
            "column when.code: expected a value, a list of values",
        ),
        ("route.toml", "code = \"1.11\"", "code = []", "column when.code: an empty list fits nothing"),
        (
            "route.toml",
            "factor = \"100%\"",
            "factor = \"100%\", none = \"?\"",
            "column then: expected exactly one of factor, none",
        ),
        (
            "route.toml",
            "valid_until = 2026-06-30",
            "valid_until = 2024-06-30",
            "column valid_until: 2024-06-30 is before valid_from 2025-01-01",
        ),
        ("route.toml", "valid_until = 2026-06-30", "valid_until = 2026-06-31", "not TOML:"),
        (
            "route.toml",
            "valid_until = 2026-06-30",
            "valid_until = \"30/06/2026\"",
            "column valid_until: not a day written as YYYY-MM-DD",
        ),
        (
            "self_referral.toml",
            "then = { code = \"1.11\" }",
            "then = { code = \"9.9\" }",
            "column then.code: the code 9.9 is not in route_codes.toml",
        ),
        (
            "route_codes.toml",
            "code = \"1.2\"",
            "code = \"1.1\"",
            "column when.code: the code 1.1 is there twice",
        ),
        (
            "route_codes.toml",
            "when = { code = \"1.2\" }",
            "valid_from = 2025-01-01\nwhen = { code = \"1.2\" }",
            "column valid_from: a code is the same on every day",
        ),
        (
            "groups.toml",
            "when = { group = \"TE\" }",
            "valid_until = 2026-12-31\nwhen = { group = \"TE\" }",
            "column valid_until: a code is the same on every day",
        ),
        (
            "groups.toml",
            "when = { group = \"TE\" }",
            "only_if = { digit-1-caps = \"none\" }\nwhen = { group = \"TE\" }",
            "column only_if: a code is the same on every day and under every reading",
        ),
        (
            "groups.toml",
            "when = { group = \"BA\" }",
            "when = { group = { not = [\"BA\"] } }",
            "column when: name the code: when = { group = \"...\" }",
        ),
        (
            "card_rates.toml",
            "\"CC\", \"TE\"",
            "\"CC\", \"TX\"",
            "column when.group: the group TX is not in groups.toml",
        ),
        (
            "card_rates.toml",
            "ratio_caps = false",
            "ratio_caps = 0",
            "column then.ratio_caps: expected true or false",
        ),
        (
            "groups.toml",
            "when = { group = \"TE\" }",
            "when = { group = \"CC\" }",
            "column when.group: the group CC is there twice",
        ),
        ("base_salary.toml", "2_340_000", "2_340_000.5", "column then.amount: expected a whole number"),
        (
            "base_salary.toml",
            "amount = 2_340_000",
            "amount = 2_340_000_000",
            "a level above 1,000,000,000 dong a month",
        ),
        ("base_salary.toml", "amount = 2_340_000", "amount = 0", "a level of nothing: check the amounts"),
        (
            "parameters.toml",
            "child-under-years",
            "child-years",
            "column when.name: expected one of health-management-window-months",
        ),
        ("parameters.toml", "child-under-years", "card-grace-days", "no row in force says child-under-years"),
        (
            "switches.toml",
            "chosen = \"topmost\"",
            "chosen = \"lowest\"",
            "column chosen: `lowest` is none of topmost, law",
        ),
        (
            "switches.toml",
            "options = [\"topmost\", \"law\"]",
            "options = [\"topmost\"]",
            "column options: at least two readings",
        ),
        (
            "switches.toml",
            "id = \"low-cost-off-route\"",
            "id = \"digit-1-caps\"",
            "column id: the switch digit-1-caps is there twice",
        ),
    ];
    for (table, from, to, expected) in story {
        let found = faults(table, from, to);
        let start = format!("policy/{table}");
        assert!(
            found.iter().any(|fault| fault.starts_with(&start) && fault.contains(expected)),
            "{from} -> {to}: expected {expected}\nfound {found:#?}"
        );
    }
}

#[test]
fn a_level_that_changes_too_often_in_a_year_is_refused() {
    let change = |month: u32, until: &str| {
        format!(
            "[[row]]\nid = \"level-{month}\"\ncitation = \"x\"\nconfidence = \"L\"\nvalid_from = 2027-{month:02}-01\n\
             {until}when = {{ measure = \"reference-level\" }}\nthen = {{ amount = 2_{month}00_000 }}\n\n"
        )
    };
    let until = |day: &str| format!("valid_until = {day}\n");
    let two = change(3, &until("2027-04-30")) + &change(5, "");
    let with = |rows: &str| {
        files_with(
            "base_salary.toml",
            "[[row]]\nid = \"reference-level\"",
            &format!("{rows}[[row]]\nid = \"reference-level\""),
        )
    };
    Bundle::parse(&with(&two)).unwrap();
    let three = change(3, &until("2027-04-30")) + &change(5, &until("2027-06-30")) + &change(7, "");
    let found = Bundle::parse(&with(&three)).unwrap_err();
    assert!(found[0].to_string().contains("changes 3 times within 2027; the most is 2"), "{found:?}");
}

#[test]
fn all_faults_of_all_files_come_at_once() {
    let mut files = files();
    files.remove("policy/route.toml");
    files.insert("policy/low_cost.toml".to_owned(), b"[[row]]\n\xff".to_vec());
    files.insert("policy/groups.toml".to_owned(), Vec::new());
    files.insert("policy/copay.toml".to_owned(), Vec::new());
    files.insert("reference/holidays.csv".to_owned(), Vec::new());
    let found = Bundle::parse(&files).expect_err("broken");
    let found: Vec<String> = found.iter().map(BundleFault::to_string).collect();
    for expected in [
        "policy/route.toml: the file is missing",
        "policy/low_cost.toml, row 2: not UTF-8",
        "policy/groups.toml: no [[row]] in it",
        "policy/copay.toml: not a table of the policy",
        "reference/holidays.csv: no header row",
    ] {
        assert!(found.iter().any(|fault| fault.starts_with(expected)), "{expected}\n{found:#?}");
    }
}

#[test]
fn words_beside_the_tables_are_no_part_of_the_bundle() {
    let mut files = files();
    let digest = Bundle::parse(&files).unwrap().digest();
    files.insert("policy/README.md".to_owned(), b"words".to_vec());
    assert_eq!(Bundle::parse(&files).unwrap().digest(), digest);
    assert_eq!(Bundle::parse(&files).unwrap().files().len(), 18);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_read() {
    let mut files = files();
    for content in files.values_mut() {
        let text = String::from_utf8(content.clone()).unwrap();
        *content = [b"\xef\xbb\xbf".as_slice(), text.replace('\n', "\r\n").as_bytes()].concat();
    }
    assert_eq!(Bundle::parse(&files).unwrap().policy.route_codes().count(), 27);
}
