//! The command from outside: what it prints, in which form, and with which exit code.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[allow(dead_code, reason = "crashes beside brokers use more of it")]
#[path = "../support/mod.rs"]
mod support;

mod bundles;
mod doors;
mod json;
mod questions;

use expect_test::expect;

use support::{Folder, claim_file};

#[test]
fn a_city_is_simulated_projected_and_asked() {
    let folder = Folder::new();
    folder.run(&["simulate", "--people", "300", "--seed", "5"]).ok();
    folder.run(&["project"]).ok();

    let said = folder.run(&["coverage", "--on", "2026-06-30", "--by", "none", "--json"]).ok();
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    let names: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    expect![[r#"["columns", "notes", "receipt", "rows", "stand"]"#]].assert_eq(&format!("{names:?}"));
    let row: Vec<&str> = answer["rows"][0].as_object().unwrap().keys().map(String::as_str).collect();
    expect![[r#"["checked_up", "checked_up_share", "insured", "insured_share", "managed", "managed_share", "people", "published_population", "record", "record_share"]"#]].assert_eq(&format!("{row:?}"));
    assert!(answer["rows"][0]["people"].as_i64().unwrap() > 250);
    let stand: Vec<&str> = answer["stand"].as_object().unwrap().keys().map(String::as_str).collect();
    expect![[r#"["behind", "bundle", "draft", "known_at", "log", "positions", "provisional", "stopped"]"#]]
        .assert_eq(&format!("{stand:?}"));

    let csv = folder.run(&["exemption", "--on", "2026-06-30", "--by", "rate", "--csv"]).ok();
    assert!(csv.starts_with("rate,insured,exempt,exempt_share,confirmed,"), "{csv}");
    folder.run(&["referrals", "--by", "from_tier,to_tier", "--on", "2026-12-31"]).ok();
    folder.run(&["claims", "--by", "month,visit_type"]).ok();
    folder.run(&["audit", "replay"]).ok();
    folder.run(&["audit", "replay", "--until", "2026-03-31"]).ok();
    folder.run(&["doctor"]).ok();
    folder.run(&["doctor", "census"]).ok();
    folder.run(&["project", "--rebuild"]).ok();
}

#[test]
fn the_same_seed_gives_the_same_city() {
    let digest = |seed: &str| {
        let said = Folder::new().run(&["simulate", "--people", "200", "--seed", seed, "--json"]).ok();
        serde_json::from_str::<serde_json::Value>(&said).unwrap()["log_digest"].clone()
    };
    assert_eq!(digest("3"), digest("3"));
    assert_ne!(digest("3"), digest("4"));
}

#[test]
fn a_data_folder_remembers_where_its_logs_stand() {
    let folder = Folder::new();
    let logs = folder.path("logs");
    let made = folder.run(&["simulate", "--people", "50", "--log", &logs]).ok();
    assert!(std::path::Path::new(&logs).join("control").is_dir(), "{made}");
    assert!(!std::path::Path::new(&folder.path("data/log")).exists());
    folder.run(&["project"]).ok();
    let weighed = folder.run(&["doctor", "--json"]).ok();
    let weighed: serde_json::Value = serde_json::from_str(&weighed).unwrap();
    assert!(weighed["weights"]["log_bytes"].as_u64().unwrap() > 10_000, "{weighed}");
    folder.run(&["doctor", "census"]).ok();
    let elsewhere = folder.run(&["doctor", "--log", "nowhere"]).fails(3);
    assert!(elsewhere.contains("there is no data"), "what is named counts more: {elsewhere}");
    let address = folder.run(&["doctor", "--log", "ftp://nowhere"]).fails(2);
    assert!(address.contains("ftp://nowhere"), "{address}");
}

#[test]
fn a_simulated_city_needs_an_empty_folder() {
    let folder = Folder::new();
    folder.run(&["simulate", "--people", "50"]).ok();
    let said = folder.run(&["simulate", "--people", "50"]).fails(3);
    assert!(said.contains("use it, or name another folder"), "{said}");
}

#[test]
fn a_receipt_gives_the_same_bytes_and_a_changed_one_does_not() {
    let folder = Folder::new();
    folder.run(&["simulate", "--people", "300"]).ok();
    folder.run(&["project"]).ok();
    let receipt = folder.path("receipt.json");
    let said = folder.run(&["coverage", "--on", "2026-06-30", "--json", "--receipt", &receipt]).ok();
    let answer = folder.write("answer.json", &said);
    folder.run(&["verify", &receipt]).ok();
    folder.run(&["verify", &answer]).ok();
    let claims = folder.run(&["claims", "--by", "month", "--json"]).ok();
    folder.run(&["verify", &folder.write("claims.json", &claims)]).ok();

    // Another figure in the answer; then another day in the receipt.
    let forged = folder.write("forged.json", &said.replacen("\"people\":", "\"people\":1", 1));
    let said = folder.run(&["verify", &forged]).fails(1);
    assert!(said.contains("Not the same"), "{said}");
    let other = std::fs::read_to_string(&receipt).unwrap().replace("2026-06-30", "2026-02-28");
    folder.run(&["verify", &folder.write("other.json", &other)]).fails(1);
    // A receipt of another log says what it needs.
    let elsewhere = Folder::new();
    elsewhere.run(&["simulate", "--people", "50"]).ok();
    elsewhere.run(&["project"]).ok();
    let said = elsewhere.run(&["verify", &receipt]).fails(4);
    assert!(said.contains("needs the log"), "{said}");
    let nonsense = folder.write("nonsense.json", "{}");
    folder.run(&["verify", &nonsense]).fails(3);
}

#[test]
fn a_file_imported_twice_changes_nothing() {
    let folder = Folder::new();
    let file = claim_file("02-dong-da-march.xml");
    let first: serde_json::Value =
        serde_json::from_str(&folder.run(&["import", &file, "--json"]).ok()).unwrap();
    let second: serde_json::Value =
        serde_json::from_str(&folder.run(&["import", &file, "--json"]).ok()).unwrap();
    let counts = |books: &serde_json::Value| {
        let file = &books["files"][0];
        ["records", "accepted", "changed", "duplicate", "refused", "events"]
            .map(|name| file[name].as_u64().unwrap())
    };
    assert_eq!(counts(&first), [3, 3, 0, 0, 0, 13]);
    assert_eq!(counts(&second), [3, 0, 0, 3, 0, 0]);

    folder.run(&["project"]).ok();
    let said = folder.run(&["claims", "--by", "facility", "--to", "2026-12-31", "--csv"]).ok();
    expect![[r#"
        facility,facility_name,live,withdrawn,visits,T_TONGCHI_BH,T_BNCCT,T_BHTT
        01004,Bệnh viện đa khoa Đống Đa,3,0,3,1500000,200000,1300000
    "#]]
    .assert_eq(&said);
    folder.run(&["import", &claim_file("08-dong-da-march-corrected.xml")]).ok();
    folder.run(&["project"]).ok();
    let said = folder.run(&["claims", "--by", "facility", "--to", "2026-12-31", "--csv"]).ok();
    expect![[r#"
        facility,facility_name,live,withdrawn,visits,T_TONGCHI_BH,T_BNCCT,T_BHTT
        01004,Bệnh viện đa khoa Đống Đa,3,0,3,1450000,215000,1235000
    "#]]
    .assert_eq(&said);
}

#[test]
fn a_faulty_file_is_refused_by_record_and_the_report_says_why() {
    let folder = Folder::new();
    let report = folder.path("report.jsonl");
    let said = folder.run(&["import", &claim_file("11-thanh-nhan-faulty.xml"), "--report", &report]).fails(3);
    assert!(said.contains("record 1 (MA_LK TN-81) XML1.NGAY_RA"), "{said}");
    let lines: Vec<serde_json::Value> = std::fs::read_to_string(&report)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let outcomes: Vec<String> = lines
        .iter()
        .filter_map(|line| line.get("record"))
        .map(|record| {
            let faults = record["faults"].as_array().unwrap().iter();
            let faults: Vec<String> = faults
                .map(|fault| {
                    let text = |name: &str| fault[name].as_str().unwrap().to_owned();
                    format!("{}.{} {}", text("table"), text("field"), text("rule"))
                })
                .collect();
            format!("{} {}: {}", record["record_key"], record["outcome"], faults.join(", "))
        })
        .collect();
    expect![[r#"
        "TN-81" "refused": XML1.NGAY_RA field_empty, XML1.T_BHTT total_not_the_sum, XML1.T_BHTT fund_not_covered_less_copay
        "TN-82" "refused": XML1.MA_CSKCB facility_not_the_emitter
        "TN-83" "refused": XML1.NGAY_VAO visit_date_impossible
        "TN-84" "accepted": 
        "" "refused": XML1.NOIDUNGFILE table_not_base64"#]].assert_eq(&outcomes.join("\n"));
    // Nothing of a dry run is stored.
    let dry = Folder::new();
    dry.run(&["import", &claim_file("02-dong-da-march.xml"), "--dry-run"]).ok();
    assert!(!std::path::Path::new(&dry.path("data")).exists());
}

#[test]
fn a_cut_file_keeps_its_whole_records() {
    let folder = Folder::new();
    let said = folder.run(&["import", &claim_file("12-thanh-nhan-cut.xml")]).fails(3);
    assert!(said.contains("(cut off)") && said.contains("its 1 whole records count"), "{said}");
}

#[test]
fn every_line_appended_is_answered() {
    let folder = Folder::new();
    let good = r#"{"event":{"emitter":"01004","recordKey":"CU-77","assertedAt":"2026-03-02T02:00:00Z","occurredAt":"2026-03-02T01:00:00Z","checkUpCompleted":{"facility":"01004","programme":"annual"}},"person":{"identifiers":[{"kind":"IDENTIFIER_KIND_PERSONAL_NUMBER","value":"001090012345"}]}}"#;
    let lines = [
        good,
        good,
        "",
        "not json",
        &good.replace("01004", "?"),
        &good.replace("CU-77\"", "CU-77\",\"emiter\":\"x\""),
    ];
    let file = folder.write("lines.jsonl", &lines.join("\n"));
    let said = folder.run(&["append", "--json", &file]).fails(3);
    let answers: Vec<String> = said
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| {
            let answer: serde_json::Value = serde_json::from_str(line).unwrap();
            let codes: Vec<&str> = answer["faults"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|fault| fault["code"].as_str())
                .collect();
            format!("{} {} {codes:?}", answer["line"], answer["outcome"])
        })
        .collect();
    expect![[r#"
        1 "accepted" []
        2 "duplicate" []
        4 "refused" ["not_a_submission"]
        5 "refused" ["not_a_code"]
        6 "refused" ["not_a_submission"]"#]]
    .assert_eq(&answers.join("\n"));
    // What is said about whom stays out of every message.
    assert!(!said.contains("001090012345"), "{said}");

    folder.run(&["project"]).ok();
    let said = folder.run(&["person", "--id", "001090012345", "--on", "2026-06-30"]).ok();
    assert!(said.contains("check_up_completed") && !said.contains("001090012345"), "{said}");
    assert_eq!(folder.run_on(&["person", "--id", "-", "--on", "2026-06-30"], "001090012345\n").ok(), said);
    assert!(folder.run_on(&["append", "-"], good).ok().contains("duplicate"));
    // Corrected, and then sent as it first was: a duplicate, and whoever sends it is told that it does not count.
    folder.run_on(&["append", "-"], &good.replace("annual", "school")).ok();
    assert!(folder.run_on(&["append", "--json", "-"], good).ok().contains(r#""superseded":true"#));
    assert!(folder.run_on(&["append", "-"], good).ok().contains("send it with a later assertedAt"));
    let said = folder.run(&["person", "--id", "001090099999"]).fails(3);
    assert!(!said.contains("001090099999"), "{said}");
    let said = folder.run(&["events", "cat"]).ok();
    assert!(said.contains("checkUpCompleted") && !said.contains("001090012345"), "{said}");
}

#[test]
fn exit_codes_say_what_to_do() {
    let folder = Folder::new();
    folder.run(&["frobnicate"]).fails(2);
    folder.run(&["coverage", "--on", "yesterday"]).fails(2);
    let said = folder.run(&["coverage"]).fails(3);
    assert!(said.contains("there is no data in"), "{said}");
    folder.run(&["simulate", "--people", "50"]).ok();
    let said = folder.run(&["coverage"]).fails(3);
    assert!(said.contains("run `vertebra project` first"), "{said}");
    folder.run(&["project"]).ok();
    let said = folder.run(&["coverage", "--by", "weather"]).fails(2);
    assert!(said.contains("commune: basis, commune, age, sex"), "{said}");
    for wrong in [
        &["rows", "nobody"][..],
        &["rows", "missing", "--only", "weather=fine"],
        &["rows", "missing", "--limit", "0"],
        &["claims", "--by", "weather"],
        &["coverage", "--cube", "commune", "--by", "weather"],
        &["coverage", "--cube", "weather"],
        &["coverage", "--sort", "weather"],
        &["coverage", "--sort", "people", "--json"],
        &["coverage", "--limit", "3", "--json"],
        &["coverage", "--against", "2026-03-31", "--receipt", "lost.receipt"],
    ] {
        folder.run(wrong).fails(2);
    }
    folder.run(&["import", "no such file"]).fails(4);
    folder.run(&["coverage", "--data", &folder.path("elsewhere")]).fails(3);
}

#[test]
fn a_damaged_log_is_told_by_its_exit_code() {
    let folder = Folder::new();
    folder.run(&["simulate", "--people", "50"]).ok();
    let log = std::path::PathBuf::from(folder.path("data")).join("log");
    let journal = std::fs::read_dir(&log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().contains('-'))
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut bytes = std::fs::read(&journal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let said = folder.run(&["events", "cat"]).fails(5);
    assert!(said.contains("damaged at byte"), "{said}");
}

#[test]
fn a_broken_bundle_is_refused_with_every_fault() {
    let folder = Folder::new();
    let policy = folder.copy_of("policy");
    folder.run(&["policy", "check", "--policy", &policy]).ok();
    std::fs::write(std::path::Path::new(&policy).join("base_salary.toml"), "[[row]]\nid = 3\n").unwrap();
    let said = folder.run(&["policy", "check", "--policy", &policy]).fails(3);
    assert!(said.contains("policy/base_salary.toml, row"), "{said}");
}

#[test]
fn questions_are_answered_while_the_log_is_followed() {
    let folder = Folder::new();
    folder.run(&["simulate", "--people", "200"]).ok();
    let following = folder.starts(&["project", "--follow"], "Following the log");
    let claims = |folder: &Folder| {
        folder.run(&["claims", "--to", "2026-12-31", "--only", "facility=01004", "--json"]).ok()
    };
    let before = claims(&folder);
    folder.run(&["import", &claim_file("02-dong-da-march.xml"), "--into-simulated"]).ok();
    support::eventually("the imported claims are in the figures", || claims(&folder) != before);
    // Another one may not project meanwhile.
    let said = folder.run(&["project"]).fails(4);
    assert!(said.contains("another process"), "{said}");
    following.ends_when_asked();
    folder.run(&["audit", "replay"]).ok();
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = Folder::new();
    folder.run(&["simulate", "--people", "2000"]).ok();
    folder.closes_its_ears(&["events", "cat"]);
}

#[test]
fn help_teaches() {
    let folder = Folder::new();
    let said = folder.run(&["--help"]).ok();
    for word in ["Begin here", "simulate", "import", "verify", "Exit codes:", "VERTEBRA_DATA"] {
        assert!(said.contains(word), "{word} is missing in {said}");
    }
    for command in [
        "simulate",
        "import",
        "append",
        "project",
        "coverage",
        "referrals",
        "exemption",
        "claims",
        "rows",
        "person",
        "verify",
    ] {
        let said = folder.run(&[command, "--help"]).ok();
        assert!(said.contains("Examples:"), "{command} gives no example");
    }
    assert!(folder.run(&["completions", "bash"]).ok().contains("_vertebra()"));
}
