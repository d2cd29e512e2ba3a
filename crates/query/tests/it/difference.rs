use std::collections::BTreeMap;

use query::{Question, Standpoint, Table, Value};

use crate::{
    city::{SECOND_BUNDLE, city, day, end_of},
    figures::questions,
};

/// Measure by measure, the values of each row, by its key.
fn values(table: &Table, keys: usize) -> BTreeMap<(String, String), i64> {
    let mut values = BTreeMap::new();
    for row in &table.rows {
        for (column, value) in table.columns.iter().zip(row).skip(keys) {
            if let Value::Number(number) = value {
                values.insert((format!("{:?}", &row[..keys]), column.name.clone()), *number);
            }
        }
    }
    values
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Number(number) => *number,
        other => panic!("{other:?} is not a number"),
    }
}

#[test]
fn causes_add_up_to_the_difference_and_both_ends_are_what_is_served_then() {
    let desk = city().desk();
    let mut by_cause: BTreeMap<String, i64> = BTreeMap::new();
    for (one, other) in
        [("2026-04-30", "2026-06-15"), ("2026-05-31", "2026-12-31"), ("2026-09-30", "2026-02-28")]
    {
        for mut question in questions() {
            question.on = day("2026-05-15");
            question.to = question.to.min(day("2026-10-10"));
            let keys = question.by.len();
            let (earlier, later) = (end_of(one).min(end_of(other)), end_of(one).max(end_of(other)));
            let before = desk.figures(&question, &Standpoint::at(earlier)).unwrap();
            let after = desk.figures(&question, &Standpoint::at(later)).unwrap();
            let difference = desk.difference(&question, end_of(one), end_of(other)).unwrap();
            assert_eq!(difference.before, before.stand);
            assert_eq!(difference.after, after.stand);
            let (mut before, mut after) = (values(&before.table, keys), values(&after.table, keys));
            let columns = &difference.table.columns;
            for row in &difference.table.rows {
                let Value::Text(measure) = &row[keys] else { panic!("a measure") };
                let measure = measure.split(' ').next().unwrap().to_owned();
                let key = (format!("{:?}", &row[..keys]), measure);
                let numbers: Vec<i64> = row[keys + 1..].iter().map(number).collect();
                assert_eq!(numbers[0], before.remove(&key).unwrap_or(0), "before: {key:?} of {question:?}");
                assert_eq!(numbers[1], after.remove(&key).unwrap_or(0), "after: {key:?} of {question:?}");
                assert_eq!(numbers[1] - numbers[0], numbers[2]);
                assert_eq!(numbers[3..].iter().sum::<i64>(), numbers[2], "causes of {key:?}");
                for (column, number) in columns[keys + 4..].iter().zip(&numbers[3..]) {
                    *by_cause.entry(column.name.clone()).or_default() += number.abs();
                }
            }
            // What is not in the difference did not change. A published population is no measure.
            let left = |values: BTreeMap<(String, String), i64>| -> BTreeMap<(String, String), i64> {
                values
                    .into_iter()
                    .filter(|((_, name), value)| *value != 0 && name != "published_population")
                    .collect()
            };
            assert_eq!(left(before), left(after), "{question:?}");
        }
    }
    for cause in ["late", "new", "corrected", "withdrawn", "linked", "bundle"] {
        assert!(by_cause.get(cause).is_some_and(|sum| *sum > 0), "{cause} shows nowhere: {by_cause:?}");
    }
}

#[test]
fn without_another_bundle_nothing_is_put_down_to_it() {
    let desk = city().desk();
    let question = Question::on("coverage", "commune", day("2026-03-15")).by(&["basis"]);
    let difference = desk.difference(&question, end_of("2026-03-31"), end_of("2026-06-01")).unwrap();
    assert_eq!((difference.projection, difference.version), ("coverage", projector::REGISTRY[0].version));
    assert!(end_of("2026-06-01") < end_of(SECOND_BUNDLE) && difference.events > 0);
    assert!(difference.table.rows.iter().all(|row| number(row.last().unwrap()) == 0));
    let same = desk.difference(&question, end_of("2026-03-31"), end_of("2026-03-31")).unwrap();
    assert_eq!((same.table.rows.len(), same.events), (0, 0));
}
