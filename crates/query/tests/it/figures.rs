use query::{ColumnKind, Known, QueryError, Question, Standpoint, Table, Value, Verified};

use crate::city::{city, day, end_of};

/// Questions over every projection, with levels, flows, derived dimensions, filters and series.
pub(crate) fn questions() -> Vec<Question> {
    let on = day("2026-09-30");
    let commune = || Question::on("coverage", "commune", on);
    let mut year = commune().by(&["month", "basis"]);
    (year.from, year.to) = (day("2026-01-15"), day("2026-08-10"));
    let mut ranked = Question::on("fee-exemption", "facility", on).by(&["tier"]);
    ranked.from = day("2024-06-01");
    vec![
        commune().by(&["commune"]).only("basis", "actual"),
        commune().by(&["district", "sex"]).only("basis", "perm"),
        commune().by(&["basis", "age"]),
        commune().only("basis", "actual"),
        year,
        Question::on("coverage", "group", on).by(&["group"]).only("as", "member"),
        Question::on("coverage", "group", on).by(&["group", "commune"]).only("as", "main"),
        Question::on("coverage", "facility", on).by(&["tier"]),
        Question::on("referral-load", "pair", on).by(&["from", "to"]),
        Question::on("referral-load", "pair", on).by(&["from_tier", "to_tier", "month"]),
        Question::on("referral-load", "visits", on).by(&["district", "came"]),
        ranked,
        Question::on("fee-exemption", "facility", on).by(&["facility"]).only("tier", "special"),
        Question::on("fee-exemption", "commune", on).by(&["rate"]),
    ]
}

fn number(table: &Table, row: usize, column: &str) -> i64 {
    let at = table.columns.iter().position(|known| known.name == column).expect("a column of that name");
    match &table.rows[row][at] {
        Value::Number(number) => *number,
        other => panic!("{column} is {other:?}"),
    }
}

fn sum(table: &Table, column: &str) -> i64 {
    (0..table.rows.len()).map(|row| number(table, row, column)).sum()
}

#[test]
fn the_snapshot_and_a_fold_at_its_positions_answer_alike() {
    let desk = city().desk();
    for question in questions() {
        let served = desk.figures(&question, &Standpoint::default()).unwrap();
        assert!(!served.table.rows.is_empty(), "{question:?} has an answer");
        // Verifying always folds.
        assert_eq!(
            desk.verify(&served.receipt, Some(&served.table)).unwrap(),
            Verified::Same,
            "{question:?}"
        );
        let named = Standpoint { known: Known::Positions(served.stand.positions.clone()), bundle: None };
        assert_eq!(desk.figures(&question, &named).unwrap(), served);
    }
}

#[test]
fn a_fold_of_a_series_gives_what_its_months_give() {
    let desk = city().desk();
    let standpoint = Standpoint::at(end_of("2026-08-31"));
    let mut series = Question::on("fee-exemption", "facility", day("2026-06-30")).by(&["month"]);
    (series.from, series.to) = (day("2026-01-01"), day("2026-06-30"));
    let series = desk.figures(&series, &standpoint).unwrap().table;
    for (row, values) in series.rows.iter().enumerate() {
        let Value::Text(month) = &values[0] else { panic!("a month") };
        let first = day(&format!("{month}-01"));
        let mut question = Question::on("fee-exemption", "facility", day("2026-06-30"));
        (question.from, question.to) = (first, first.add_months(1) - 1);
        let one = desk.figures(&question, &standpoint).unwrap().table;
        for column in ["claims", "covered", "copay", "overcharge"] {
            assert_eq!(number(&series, row, column), number(&one, 0, column), "{column} of {month}");
        }
    }
}

#[test]
fn rows_add_up_to_the_whole() {
    let desk = city().desk();
    let on = day("2026-09-30");
    let ask = |question: &Question| desk.figures(question, &Standpoint::default()).unwrap().table;
    let whole = ask(&Question::on("coverage", "commune", on).only("basis", "actual"));
    for by in ["commune", "district", "age", "sex"] {
        let parts = ask(&Question::on("coverage", "commune", on).by(&[by]).only("basis", "actual"));
        for column in ["people", "insured", "managed", "checked_up", "record"] {
            assert_eq!(sum(&parts, column), number(&whole, 0, column), "{column} by {by}");
        }
    }
    // A period in which facilities changed their tier is read in pieces: levels must count once all the same.
    let mut registered = Question::on("coverage", "facility", on);
    registered.from = day("2024-06-01");
    let (whole, tiers) = (ask(&registered), ask(&registered.clone().by(&["tier"])));
    for column in ["registered", "check_ups", "contacts"] {
        assert_eq!(sum(&tiers, column), number(&whole, 0, column), "{column} by tier");
    }
    let visits = Question::on("referral-load", "visits", on);
    assert_eq!(sum(&ask(&visits.clone().by(&["tier"])), "visits"), number(&ask(&visits), 0, "visits"));
    // A tier is told from the facility, and by the projection itself.
    let claims = Question::on("fee-exemption", "facility", on).by(&["tier"]);
    let by_projection = Question::on("fee-exemption", "tier_group", on).by(&["tier"]);
    assert_eq!(ask(&claims), ask(&by_projection));
}

#[test]
fn shares_are_exact_and_over_the_named_denominator() {
    let question = Question::on("coverage", "commune", day("2026-09-30")).by(&["basis"]);
    let table = city().desk().figures(&question, &Standpoint::default()).unwrap().table;
    let at = table.columns.iter().position(|column| column.name == "managed_share").unwrap();
    assert_eq!(table.columns[at].kind, ColumnKind::Share);
    for row in 0..table.rows.len() {
        let (part, whole) = (number(&table, row, "managed"), number(&table, row, "people"));
        assert_eq!(table.rows[row][at], Value::Share { part, whole });
    }
    assert_eq!(Value::Share { part: 1, whole: 3 }.show(ColumnKind::Share), "33.3 %");
    assert_eq!(Value::Share { part: 2, whole: 3 }.show(ColumnKind::Share), "66.7 %");
    assert_eq!(Value::Share { part: 0, whole: 0 }.show(ColumnKind::Share), "-");
    assert_eq!(Value::Number(4_800_050).show(ColumnKind::Money), "48000.50");
    assert_eq!(Value::Number(-100).show(ColumnKind::Money), "-1");
}

#[test]
fn the_published_population_stands_beside_and_only_where_it_fits() {
    let desk = city().desk();
    let on = day("2026-09-30");
    let has = |question: Question| {
        let table = desk.figures(&question, &Standpoint::default()).unwrap().table;
        table.columns.iter().any(|column| column.name == "published_population")
    };
    let commune = || Question::on("coverage", "commune", on);
    assert!(has(commune().by(&["commune"]).only("basis", "perm")));
    assert!(has(commune().only("basis", "actual")));
    assert!(
        !has(commune().by(&["commune"]).only("basis", "insured")),
        "insured people are another population"
    );
    assert!(!has(commune().by(&["commune", "age"]).only("basis", "perm")), "it is not published by age");
    assert!(!has(commune().by(&["commune"]).only("basis", "perm").only("sex", "f")), "nor by sex");
    let note =
        desk.figures(&commune().by(&["district"]).only("basis", "perm"), &Standpoint::default()).unwrap();
    assert!(note.notes[0].starts_with("approximate: 64 of 126 communes"), "{:?}", note.notes);
}

#[test]
fn what_makes_no_sense_is_refused_and_says_what_would() {
    let desk = city().desk();
    let on = day("2026-09-30");
    let refused = |question: Question| match desk.figures(&question, &Standpoint::default()) {
        Err(QueryError::Question(why)) => why,
        other => panic!("{question:?} gave {other:?}"),
    };
    assert_eq!(
        refused(Question::on("births", "commune", on)),
        "there is no projection births; there are coverage, referral-load, fee-exemption"
    );
    assert_eq!(
        refused(Question::on("coverage", "street", on)),
        "coverage has no cube street; it has commune, group, facility"
    );
    assert!(
        refused(Question::on("coverage", "commune", on).by(&["bed"])).contains("it can by basis, commune")
    );
    assert!(refused(Question::on("coverage", "commune", on)).contains("once for each `basis`"));
    assert!(refused(Question::on("coverage", "group", on).only("as", "member")).contains("groups overlap"));
    assert!(refused(Question::on("coverage", "commune", on).by(&["basis", "basis"])).contains("twice"));
    let mut backwards = Question::on("coverage", "facility", on);
    backwards.from = on + 1;
    assert!(refused(backwards).contains("ends before"));
    // Of two facilities, which?
    for name in ["tier", "district"] {
        let why = refused(Question::on("referral-load", "pair", on).by(&[name]));
        assert!(why.contains("it can by from, to, from_tier, to_tier, from_district"), "{why}");
    }
    let why = refused(Question::on("coverage", "facility", on).only("month", "2026-03"));
    assert!(why.contains("the first and last day of the period"), "{why}");
    // Days that no figures are kept for.
    let facility = |on: &str, from: &str| {
        let mut question = Question::on("coverage", "facility", day(on)).by(&["month"]);
        question.from = day(from);
        refused(question)
    };
    let kept = "figures are kept for 2024-01-01 to 2028-12-31";
    assert_eq!(facility("2029-01-01", "2028-12-01"), format!("{kept}: 2029-01-01 lies outside"));
    assert_eq!(facility("2024-02-01", "2023-12-31"), format!("{kept}: 2023-12-31 lies outside"));
    let mut open = Question::on("coverage", "facility", on);
    open.to = day("2029-06-30");
    assert_eq!(refused(open), format!("{kept}: 2029-06-30 lies outside"));
    let edges = Question::on("coverage", "facility", day("2028-12-31")).by(&["month"]);
    assert!(desk.figures(&edges, &Standpoint::default()).is_ok());
}

#[test]
fn known_at_takes_the_bundle_of_then_unless_another_is_named() {
    let desk = city().desk();
    let question = Question::on("coverage", "commune", day("2026-06-15")).only("basis", "actual");
    let then = desk.figures(&question, &Standpoint::at(end_of("2026-06-15"))).unwrap();
    let [first, second] = &desk.control().activations[..] else { panic!("two activations") };
    assert_eq!(then.stand.bundle, projector::hex(&first.digest));
    let mut standpoint = Standpoint::at(end_of("2026-06-15"));
    standpoint.bundle = Some(second.digest);
    let draft = desk.figures(&question, &standpoint).unwrap();
    assert_eq!(draft.stand.positions, then.stand.positions);
    assert!(
        number(&draft.table, 0, "managed") < number(&then.table, 0, "managed"),
        "three months instead of twelve"
    );
    let later = desk.figures(&question, &Standpoint::at(end_of("2026-12-31"))).unwrap();
    assert_eq!(later.stand.bundle, projector::hex(&second.digest));
    assert!(later.stand.positions.iter().sum::<u64>() > then.stand.positions.iter().sum::<u64>());
    assert!(!then.stand.provisional);
    let future = desk.figures(&question, &Standpoint::at(end_of("2028-01-01"))).unwrap();
    assert!(future.stand.provisional, "more may still come before a moment that is not over");
    let nothing = question.only("commune", "no such commune");
    assert_eq!(desk.figures(&nothing, &Standpoint::default()).unwrap().table.rows, Vec::<Vec<Value>>::new());
}
