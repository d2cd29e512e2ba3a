use query::{ClaimsQuestion, Filter, QueryError, Question, Standpoint, Table, Value};

use crate::city::{city, day, end_of};

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
