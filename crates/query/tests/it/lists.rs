use query::{Filter, ListQuestion, QueryError, Standpoint, lists};

use crate::city::{city, day, end_of};

fn question(list: &str) -> ListQuestion {
    ListQuestion {
        list: list.to_owned(),
        on: day("2026-07-01"),
        standpoint: Standpoint::at(end_of("2026-07-01")),
        filter: Vec::new(),
        limit: 10_000,
        after: None,
    }
}

#[test]
fn pages_together_are_the_list() {
    let desk = city().desk();
    let mut longest = 0;
    for (projection, list) in lists() {
        let name = format!("{projection}/{}", list.name);
        let whole = desk.list(&question(&name)).unwrap();
        assert_eq!(whole.total, whole.rows.len() as u64);
        assert!(whole.rows.is_sorted_by_key(|row| &row.subject));
        longest = longest.max(whole.rows.len());
        for limit in [1, 7] {
            let (mut after, mut pages) = (None, Vec::new());
            while pages.len() < whole.rows.len().min(60) {
                let page = desk.list(&ListQuestion { limit, after, ..question(&name) }).unwrap();
                assert_eq!(page.total, whole.total);
                pages.extend(page.rows);
                after = page.next;
                if after.is_none() {
                    assert_eq!(pages.len(), whole.rows.len());
                    break;
                }
            }
            assert_eq!(pages[..], whole.rows[..pages.len()]);
        }
    }
    assert!(longest > 20, "some list has people on it");
}

#[test]
fn a_filter_leaves_in_what_it_names() {
    let desk = city().desk();
    let all = desk.list(&question("missing")).unwrap();
    let at = all.columns.iter().position(|column| *column == "managed").unwrap();
    let filter = vec![Filter { name: "managed".to_owned(), values: vec!["yes".to_owned()] }];
    let some = desk.list(&ListQuestion { filter, ..question("missing") }).unwrap();
    let expected: Vec<_> = all.rows.iter().filter(|row| row.values[at] == "yes").cloned().collect();
    assert_eq!(some.rows, expected);
    assert!(some.total > 0 && some.total < all.total);
}

#[test]
fn what_there_is_not_is_refused() {
    let desk = city().desk();
    let refused = |question: ListQuestion| match desk.list(&question) {
        Err(QueryError::Question(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(refused(question("births")).starts_with("there is no list births; there are lapsing, missing"));
    let filter = vec![Filter { name: "street".to_owned(), values: Vec::new() }];
    assert!(
        refused(ListQuestion { filter, ..question("missing") })
            .contains("has no column street; it has commune")
    );
    let on = day("2029-01-01");
    assert_eq!(
        refused(ListQuestion { on, ..question("missing") }),
        "figures are kept for 2024-01-01 to 2028-12-31: 2029-01-01 lies outside"
    );
    let after = Some("nonsense".to_owned());
    assert!(refused(ListQuestion { after, ..question("missing") }).contains("begin with the first page"));
}
