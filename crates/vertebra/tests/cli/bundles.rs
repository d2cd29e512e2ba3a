//! Reference and policy: which are used, which are tried out, and which were.

use std::path::Path;

use serde_json::Value;

use crate::support::Folder;

/// A town with figures.
fn town() -> Folder {
    let folder = Folder::new();
    folder.run(&["simulate", "--people", "200"]).ok();
    folder.run(&["project"]).ok();
    folder
}

/// A copy of one of the repository's folders in which `from` became `to` in a file.
fn changed(folder: &Folder, name: &str, file: &str, from: &str, to: &str) -> String {
    let copy = folder.copy_of(name);
    let path = Path::new(&copy).join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    // Not under the name that is looked for beside the current folder.
    let draft = format!("{copy}-changed");
    std::fs::rename(copy, &draft).unwrap();
    draft
}

fn json(said: &str) -> Value {
    serde_json::from_str(said).unwrap()
}

/// How many tiers of facilities nobody confirmed, by the tables that would be used.
fn assumed(folder: &Folder, arguments: &[&str]) -> (i64, String) {
    let said = json(&folder.run(&[&["policy", "check", "--json"], arguments].concat()).ok());
    (said["facility_spans_assumed"].as_i64().unwrap(), said["digest"].as_str().unwrap().to_owned())
}

#[test]
fn naming_one_half_keeps_the_other_half_that_is_active() {
    let folder = town();
    let (built_in, _) = assumed(&folder, &[]);
    let reference = changed(&folder, "reference", "facility_spans.csv", "800,yes,", "800,no,");
    folder.run(&["project", "--reference", &reference]).ok();
    let (left, _) = assumed(&folder, &[]);
    assert!(left < built_in, "{left} of {built_in}");
    let policy = changed(&folder, "policy", "card_rates.toml", "80", "81");

    // Asked under the draft, then decided: the facilities stay decided.
    let arguments = ["referrals", "--by", "from_tier", "--json", "--on", "2026-06-30", "--policy", &policy];
    let drafted = json(&folder.run(&arguments).ok());
    let (still, digest) = assumed(&folder, &["--policy", &policy]);
    assert_eq!((still, &drafted["stand"]["bundle"]), (left, &Value::from(digest.as_str())));
    folder.run(&["project", "--policy", &policy]).ok();
    assert_eq!(assumed(&folder, &[]), (left, digest));
}

#[test]
fn a_draft_is_tried_out_and_leaves_nothing_behind() {
    let folder = town();
    let question = ["exemption", "--on", "2026-06-30", "--by", "rate"];
    let asked = |more: &[&str]| folder.run(&[&question, more].concat());
    let first = json(&asked(&["--json"]).ok());
    assert_eq!(first["stand"]["draft"], false);
    let policy = changed(&folder, "policy", "card_rates.toml", "80", "81");
    let drafted = json(&asked(&["--json", "--policy", &policy]).ok());
    assert_ne!(drafted["rows"], first["rows"]);
    assert_eq!((&drafted["stand"]["draft"], &drafted["receipt"]), (&Value::from(true), &Value::Null));
    assert!(asked(&["--policy", &policy]).ok().contains("a draft that was never active here"));
    let said = asked(&["--policy", &policy, "--receipt", "draft.receipt"]).fails(3);
    assert!(said.contains("has no receipt"), "{said}");
    assert_eq!(json(&asked(&["--json"]).ok()), first, "nothing changed");

    // Once it is active it has a receipt, and the one before it keeps its own.
    folder.run(&["project", "--policy", &policy]).ok();
    let active = json(&asked(&["--json"]).ok());
    assert_eq!((&active["rows"], &active["stand"]["draft"]), (&drafted["rows"], &Value::from(false)));
    folder.run(&["verify", &folder.write("first.json", &first.to_string())]).ok();
}

#[test]
fn taking_in_changes_no_rules() {
    let folder = Folder::new();
    let policy = changed(&folder, "policy", "card_rates.toml", "80", "81");
    // The first bundle of a new deployment may be named.
    folder.run_on(&["append", "--policy", &policy], "").ok();
    let (_, digest) = assumed(&folder, &[]);
    assert_eq!(assumed(&folder, &["--policy", &policy]).1, digest);
    for command in [&["append"][..], &["import", "-"]] {
        let said = folder.run(&[command, &["--policy", &policy]].concat()).fails(2);
        assert!(said.contains("changes no rules"), "{said}");
    }
    for command in [&["doctor"][..], &["audit", "replay"], &["events", "cat"]] {
        let said = folder.run(&[command, &["--policy", &policy]].concat()).fails(2);
        assert!(said.contains("takes its rules from the data folder"), "{said}");
    }
}

#[test]
fn the_tables_of_a_receipt_can_be_had_again() {
    let folder = town();
    let old = assumed(&folder, &[]).1;
    let policy = changed(&folder, "policy", "card_rates.toml", "80", "81");
    folder.run(&["project", "--policy", &policy]).ok();
    let new = assumed(&folder, &[]).1;
    assert_ne!(new, old);
    assert_eq!(assumed(&folder, &["--bundle", &old[..12]]).1, old);

    let seen = folder.path("seen");
    folder.run(&["policy", "check", "--bundle", &old, "--export", &seen]).ok();
    let rates = |root: &Path| std::fs::read(root.join("policy/card_rates.toml")).unwrap();
    assert_eq!(rates(Path::new(&seen)), rates(&crate::support::repository()));
    let (reference, policy) = (format!("{seen}/reference"), format!("{seen}/policy"));
    let again = ["--data", "nowhere", "--reference", &reference, "--policy", &policy];
    assert_eq!(assumed(&folder, &again).1, old, "the same digest from the files alone");
    let said = folder.run(&["policy", "check", "--export", &seen]).fails(2);
    assert!(said.contains("is not empty"), "{said}");
    let said = folder.run(&["policy", "check", "--bundle", "00"]).fails(2);
    assert!(said.contains(&old) && said.contains(&new), "{said}");
}

#[test]
fn every_rule_is_listed_with_its_citation() {
    let said = Folder::new().run(&["policy", "check", "--rules", "--json"]).ok();
    let said = json(&said);
    let rules = said["rules"].as_array().unwrap();
    assert_eq!(rules.len() as u64, said["rules_count"].as_u64().unwrap());
    let annual = rules.iter().find(|rule| rule["rule"] == "annual-exemption").unwrap();
    assert_eq!(annual["citation"], "Law on Health Insurance, art. 22(1)(d); Decree 188/2025, art. 18(2)");
}
