//! Questions on both clocks, differences by cause, and lists that are whole.

use serde_json::Value;

use crate::support::{Folder, claim_file};

fn json(said: &str) -> Value {
    serde_json::from_str(said).unwrap()
}

#[test]
fn a_figure_is_what_was_known_then_and_its_difference_has_causes() {
    let folder = Folder::new();
    folder.run(&["simulate", "--people", "500"]).ok();
    folder.run(&["project"]).ok();
    let question = ["coverage", "--on", "2026-06-30", "--by", "none"];
    let asked = |more: &[&str]| json(&folder.run(&[&question[..], more, &["--json"]].concat()).ok());
    let number = |answer: &Value, name: &str| answer["rows"][0][name].as_i64().unwrap();

    let (then, now) = (asked(&["--known-at", "2026-03-31"]), asked(&["--known-at", "2027-01-31"]));
    assert!(
        then["stand"]["known_at"].as_str().unwrap().starts_with("2026-04-01T00:00"),
        "a bare day means its end"
    );
    let records = |answer: &Value| -> u64 {
        answer["stand"]["positions"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap()).sum()
    };
    assert!(records(&then) < records(&now));
    assert!(number(&then, "checked_up") < number(&now, "checked_up"));

    let difference = asked(&["--known-at", "2027-01-31", "--against", "2026-03-31", "--explain"]);
    let rows = difference["rows"].as_array().unwrap();
    for row in rows {
        let cell = |name: &str| row[name].as_i64().unwrap();
        assert_eq!(cell("after") - cell("before"), cell("difference"));
        let causes = ["late", "new", "corrected", "withdrawn", "linked", "bundle"].map(cell);
        assert_eq!(causes.iter().sum::<i64>(), cell("difference"), "{row}");
    }
    let row = rows.iter().find(|row| row["measure"] == "checked_up").unwrap();
    assert_eq!(
        (&row["before"], &row["after"]),
        (&then["rows"][0]["checked_up"], &now["rows"][0]["checked_up"])
    );
    // Without --explain the causes are left out.
    let difference = asked(&["--known-at", "2027-01-31", "--against", "2026-03-31"]);
    assert!(difference["rows"][0].get("late").is_none() && difference["rows"][0].get("difference").is_some());
    let said = folder.run(&[&question[..], &["--against", "2026-03-31"]].concat()).ok();
    assert!(said.contains("what changed") && said.contains("events arrived between the two"), "{said}");
}

#[test]
fn a_list_in_csv_is_whole_and_its_pages_fit_together() {
    let folder = Folder::new();
    folder.run(&["simulate", "--people", "14000"]).ok();
    folder.run(&["project"]).ok();
    let list = ["rows", "missing", "--on", "2026-06-30"];
    let asked = |more: &[&str]| folder.run(&[&list[..], more].concat()).ok();
    let first = json(&asked(&["--json"]));
    let total = first["total"].as_u64().unwrap();
    assert!(total > 10_000, "{total}: one page could hold them");
    let whole = asked(&["--csv"]);
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!(lines.len() as u64, total + 1);
    assert_eq!(lines.iter().filter(|line| line.starts_with("subject,")).count(), 1, "one header");
    let mut subjects: Vec<&str> = lines[1..].iter().map(|line| line.split(',').next().unwrap()).collect();
    subjects.dedup();
    assert!(subjects.is_sorted() && subjects.len() as u64 == total, "each once, in their order");
    assert_eq!(asked(&["--csv", "--limit", "3"]).lines().collect::<Vec<_>>(), lines[..4]);

    // The second page, of the first one's stand: also after the log and the figures went on.
    let next = first["next"].as_str().unwrap();
    let positions = first["stand"]["positions"].to_string();
    let second = ["--json", "--after", next, "--positions", &positions];
    let before = json(&asked(&second));
    assert_eq!(before["rows"][0]["subject"], subjects[20]);
    folder.run(&["import", &claim_file("02-dong-da-march.xml"), "--into-simulated"]).ok();
    folder.run(&["project"]).ok();
    let after = json(&asked(&second));
    assert_eq!((&after["rows"], &after["total"]), (&before["rows"], &before["total"]));
    assert_ne!(json(&asked(&["--json"]))["stand"]["positions"], first["stand"]["positions"]);
    folder.run(&[&list[..], &["--positions", "1,2"]].concat()).fails(3);
}

#[test]
fn a_history_in_csv_is_whole() {
    let folder = Folder::new();
    // More than one answer holds, about one person.
    let lines: String = (0..2_100)
        .map(|number| {
            format!(
                r#"{{"event":{{"emitter":"01004","recordKey":"CU-{number}","assertedAt":"2026-03-02T02:00:00Z","occurredAt":"2026-03-02T01:00:00Z","checkUpCompleted":{{"facility":"01004","programme":"annual"}}}},"person":{{"identifiers":[{{"kind":"IDENTIFIER_KIND_PERSONAL_NUMBER","value":"001090012345"}}]}}}}"#
            ) + "\n"
        })
        .collect();
    folder.run(&["append", &folder.write("lines.jsonl", &lines)]).ok();
    folder.run(&["project"]).ok();
    let asked = |more: &[&str]| {
        folder.run(&[&["person", "--id", "001090012345", "--on", "2026-06-30"], more].concat()).ok()
    };
    assert_eq!(asked(&["--csv"]).lines().count(), 2_101);
    assert_eq!(asked(&["--csv", "--skip", "50"]).lines().count(), 2_051);
    assert_eq!(asked(&["--csv", "--limit", "10"]).lines().count(), 11);
    assert_eq!(json(&asked(&["--json"]))["facts"].as_array().unwrap().len(), 200);
    assert_eq!(json(&asked(&["--json", "--limit", "2050"]))["facts"].as_array().unwrap().len(), 2_050);
    assert!(asked(&[]).contains("and 1,900 more: --skip 200"));
}
