//! What is printed for programs is what `docs/guides/json.md` says: no field more, none less.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::{Folder, claim_file, repository};

/// A row of the guide.
struct Row {
    field: String,
    /// The section that tells of what is inside the field.
    inside: Option<String>,
    may_be_missing: bool,
}

type Section = Vec<Row>;

fn guide() -> BTreeMap<String, Section> {
    let text = std::fs::read_to_string(repository().join("docs/guides/json.md")).unwrap();
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix('#') {
            section = title.trim_start_matches('#').trim().to_owned();
        } else if let Some(row) = line.strip_prefix("| `") {
            let (field, about) = row.split_once("` | ").unwrap();
            let inside = about.split_once("](#").map(|(_, rest)| rest.split(')').next().unwrap().to_owned());
            let may_be_missing = about.contains("may be missing");
            sections.entry(section.clone()).or_default().push(Row {
                field: field.to_owned(),
                inside,
                may_be_missing,
            });
        }
    }
    sections
}

/// The fields of a section, with those of the sections it points to, and whether they may be missing.
fn fields(guide: &BTreeMap<String, Section>, section: &str) -> BTreeMap<String, bool> {
    let rows = guide.get(section).unwrap_or_else(|| panic!("the guide has no section {section}"));
    let expand = |Row { field, inside, may_be_missing }: &Row| match inside {
        None => vec![(field.clone(), *may_be_missing)],
        Some(inside) => {
            let below = fields(guide, inside).into_iter();
            below.map(|(below, may_be_missing)| (format!("{field}.{below}"), may_be_missing)).collect()
        }
    };
    rows.iter().flat_map(expand).collect()
}

/// The paths of everything that is said in `value`; of what is empty, its own.
fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let dot = if at.is_empty() { "" } else { "." };
            fields.iter().for_each(|(name, value)| paths(value, &format!("{at}{dot}{name}"), found));
        }
        Value::Array(elements) if !elements.is_empty() => {
            elements.iter().for_each(|value| paths(value, &format!("{at}[]"), found));
        }
        Value::Array(_) => drop(found.insert(format!("{at}[]"))),
        _ => drop(found.insert(at.to_owned())),
    }
}

/// Whether `path` is `field`, or lies in it.
fn lies_in(path: &str, field: &str) -> bool {
    path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// What a section and the lines that were printed say otherwise.
fn differences(guide: &BTreeMap<String, Section>, section: &str, printed: &str) -> Vec<String> {
    let mut said = BTreeSet::new();
    for line in printed.lines().filter(|line| line.starts_with(['{', '['])) {
        paths(&serde_json::from_str(line).unwrap(), "", &mut said);
    }
    let fields = fields(guide, section);
    // A list may be empty, an object may be null: then nothing is seen of its fields.
    let told = |path: &&String| fields.keys().any(|field| lies_in(path, field) || lies_in(field, path));
    let seen = |field: &String| said.iter().any(|path| lies_in(path, field));
    let untold = said.iter().filter(|path| !told(path)).map(|path| format!("{section}: {path} is not told"));
    let unseen = fields
        .iter()
        .filter(|(field, may_be_missing)| !**may_be_missing && !seen(field))
        .map(|(field, _)| format!("{section}: {field} was never seen"));
    untold.chain(unseen).collect()
}

#[test]
fn every_field_that_is_printed_is_told_and_the_other_way_round() {
    let guide = guide();
    let folder = Folder::new();
    let mut wrong = Vec::new();
    let mut sections: BTreeSet<String> =
        guide.keys().filter(|title| title.starts_with("vertebra ")).cloned().collect();
    let has_brokers = kafka_harness::required();
    if !has_brokers {
        sections.remove("vertebra topics apply --json");
    }
    let mut check = |section: &str, printed: &str| {
        assert!(sections.remove(section), "the guide has no section {section}, or it was checked before");
        wrong.extend(differences(&guide, section, printed));
    };

    check("vertebra simulate --json", &folder.run(&["simulate", "--people", "500", "--json"]).ok());
    let report = folder.path("report.jsonl");
    let refused = folder.write("refused.xml", "<!DOCTYPE x []><GIAMDINHHS></GIAMDINHHS>");
    let unlike = std::fs::read_to_string(claim_file("02-dong-da-march.xml"))
        .unwrap()
        .replace("<SOLUONGHOSO>3<", "<SOLUONGHOSO>4<");
    let unlike = folder.write("unlike.xml", &unlike);
    // Of the corrections one is about another person.
    let corrected = claim_file("08-dong-da-march-corrected.xml");
    let mut import =
        vec!["import", "--into-simulated", "--json", "--report", &report, &refused, &unlike, &corrected];
    let files: Vec<String> =
        ["04-bach-mai-april.xml", "06-thanh-nhan-first-half.xml", "11-thanh-nhan-faulty.xml"]
            .map(claim_file)
            .into();
    import.extend(files.iter().map(String::as_str));
    check("vertebra import --json", &folder.run(&import).fails(3));
    check("vertebra import --report FILE", &std::fs::read_to_string(&report).unwrap());

    let line = r#"{"event":{"emitter":"01004","recordKey":"CU-1","assertedAt":"2026-03-02T02:00:00Z","occurredAt":"2026-03-02T01:00:00Z","checkUpCompleted":{"facility":"01004","programme":"annual"}},"person":{"identifiers":[{"kind":"IDENTIFIER_KIND_PERSONAL_NUMBER","value":"000000000000"}]}}"#;
    let of_another = line.replace("000000000000", "001090012345").replace("02T02", "03T02");
    let file = folder.write("lines.jsonl", &format!("{line}\nno line\n{of_another}\n"));
    check("vertebra append --json", &folder.run(&["append", "--into-simulated", "--json", &file]).fails(3));
    check("vertebra project --json", &folder.run(&["project", "--json"]).ok());

    let coverage = ["coverage", "--on", "2026-06-30", "--by", "commune", "--json"];
    check("vertebra coverage --json", &folder.run(&coverage).ok());
    let against = [&coverage[..], &["--against", "2026-03-31", "--explain"]].concat();
    check("vertebra coverage --against MOMENT --json", &folder.run(&against).ok());
    let claims = folder.run(&["claims", "--by", "facility", "--json"]).ok();
    check("vertebra claims --json", &claims);
    check("vertebra rows --json", &folder.run(&["rows", "--json"]).ok());
    check("vertebra rows LIST --json", &folder.run(&["rows", "exempt", "--on", "2026-12-31", "--json"]).ok());
    let person = ["person", "--id", "001070990004", "--on", "2026-07-01", "--json"];
    check("vertebra person --json", &folder.run(&person).ok());
    let claims = folder.write("claims.json", &claims);
    check("vertebra verify --json", &folder.run(&["verify", &claims, "--json"]).ok());
    check("vertebra audit replay --json", &folder.run(&["audit", "replay", "--json"]).ok());
    check("vertebra doctor --json", &folder.run(&["doctor", "--json"]).ok());
    check("vertebra doctor census --json", &folder.run(&["doctor", "census", "--json"]).ok());
    check("vertebra policy check --json", &folder.run(&["policy", "check", "--rules", "--json"]).ok());
    let copy = folder.path("copy");
    check("vertebra log copy --json", &folder.run(&["log", "copy", "--to", &copy, "--json"]).ok());
    if has_brokers {
        let cluster = kafka_harness::Cluster::shared().unwrap();
        let log = format!("kafka://{}/json", cluster.bootstrap());
        let topics = ["topics", "apply", "--log", &log, "--replicas", "1", "--partitions", "2", "--json"];
        check("vertebra topics apply --json", &folder.run(&topics).ok());
    }
    check("vertebra events cat", &folder.run(&["events", "cat", "--limit", "1"]).ok());

    assert_eq!(wrong, Vec::<String>::new(), "docs/guides/json.md says otherwise");
    assert_eq!(sections, BTreeSet::new(), "sections that nothing was held against");
}
