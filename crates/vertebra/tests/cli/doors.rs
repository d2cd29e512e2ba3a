//! The ways in: what is taken, what is told, and what is never taken by halves.

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
    sync::mpsc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::support::{Folder, claim_file, eventually};

/// The `number`th submission, about a person of its own.
fn line(number: u32) -> String {
    format!(
        r#"{{"event":{{"emitter":"01004","recordKey":"CU-{number}","assertedAt":"2026-03-02T02:00:00Z","occurredAt":"2026-03-02T01:00:00Z","checkUpCompleted":{{"facility":"01004","programme":"annual"}}}},"person":{{"identifiers":[{{"kind":"IDENTIFIER_KIND_PERSONAL_NUMBER","value":"0010900{:05}"}}]}}}}"#,
        number + 12_346
    )
}

fn json(said: &str) -> Value {
    serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// How many records the log holds.
fn records(folder: &Folder) -> u64 {
    json(&folder.run(&["doctor", "--json"]).ok())["log"]["records"].as_u64().unwrap()
}

#[test]
fn lines_are_taken_in_also_when_nobody_reads_the_answers() {
    let folder = Folder::new();
    let lines: String = (0..10_000).map(|number| line(number) + "\n").collect();
    let file = folder.write("lines.jsonl", &lines);
    folder.closes_its_ears(&["append", "--json", &file]);
    assert_eq!(records(&folder), 10_000);
}

#[cfg(target_os = "linux")]
#[test]
fn answers_that_find_no_room_end_the_command_and_say_what_to_send_again() {
    let folder = Folder::new();
    let file = folder.write("lines.jsonl", &(line(0) + "\n"));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = folder.command(&["append", "--json", &file]).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains("lines up to 0 were answered") && said.contains("cannot print the answers"),
        "{said}"
    );
    let said = folder.run(&["append", "--json", &file]).ok();
    assert_eq!(json(&said)["outcome"], "duplicate", "it was stored");
}

#[test]
fn a_program_that_waits_for_an_answer_gets_it() {
    let folder = Folder::new();
    let mut command = folder.command(&["append", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (send, answers) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || out.lines().try_for_each(|line| send.send(line.unwrap())));
    let mut input = child.stdin.take().unwrap();
    for number in 0..3 {
        writeln!(input, "{}", line(number)).unwrap();
        let answer =
            answers.recv_timeout(Duration::from_secs(60)).expect("an answer while it waits for more");
        assert_eq!(json(&answer)["line"], number + 1);
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn identifiers_that_were_passed_over_are_told() {
    let folder = Folder::new();
    let other = |number: &str| line(1).replace("001090012347", number);
    let file =
        folder.write("lines.jsonl", &format!("{}\n{}\n", other("000000000000"), other("123456789012")));
    let said = folder.run(&["append", "--json", &file]).ok();
    let codes: Vec<Value> = said.lines().map(|line| json(line)["findings"][0]["code"].clone()).collect();
    assert_eq!(codes, ["identifier_all_equal", "identifier_placeholder"]);
    assert!(!said.contains("123456789012"), "{said}");
    let said = folder.run(&["append", &file]).ok();
    assert!(said.contains("line 2: person.identifiers[0]: a placeholder"), "{said}");
}

#[test]
fn a_line_that_is_too_large_is_refused_and_the_others_are_not() {
    let folder = Folder::new();
    let long = line(1).replace("annual", &"a".repeat(2 << 20));
    let many =
        line(2).replace("\"annual\"", &format!("\"annual\",\"conclusions\":[{}\"\"]", "\"\",".repeat(9_000)));
    let file = folder.write("lines.jsonl", &[line(0), long, many, line(3)].join("\n"));
    let said = folder.run(&["append", "--json", &file]).fails(3);
    let outcomes: Vec<String> = said.lines().map(|line| json(line)["outcome"].to_string()).collect();
    assert_eq!(outcomes, ["\"accepted\"", "\"refused\"", "\"refused\"", "\"accepted\""]);
}

/// The April file of Đống Đa, a claim with a transfer form; and a correction of it that names another person, without the
/// form.
fn a_claim_and_its_correction() -> (String, String) {
    let april = claim_file("03-dong-da-april.xml");
    let text = std::fs::read_to_string(&april).unwrap();
    let files: Vec<&str> = text.split("<FILEHOSO>").collect();
    let [envelope, claim, rest @ ..] = &files[..] else { panic!("{text}") };
    let (before, table) = claim.split_once("<NOIDUNGFILE>").unwrap();
    let (table, after) = table.split_once("</NOIDUNGFILE>").unwrap();
    let table = String::from_utf8(STANDARD.decode(table.trim()).unwrap()).unwrap();
    let table = table.replace("001085990001", "001085990002");
    let lines = rest.iter().filter(|file| !file.contains("XML13"));
    let end = rest.last().unwrap().split_once("</FILEHOSO>").unwrap().1;
    let corrected = [
        envelope.replace("<NGAYLAP>202604301700", "<NGAYLAP>202604302300"),
        format!("{before}<NOIDUNGFILE>{}</NOIDUNGFILE>{after}", STANDARD.encode(table)),
    ];
    let lines = lines.map(|file| file.split_inclusive("</FILEHOSO>").next().unwrap().to_owned());
    let corrected: Vec<String> = corrected.into_iter().chain(lines).collect();
    (april, corrected.join("<FILEHOSO>") + end)
}

/// Where records are that are told of, and their ids.
fn named(told: &Value) -> (String, (u64, u64)) {
    let number = |field: &str| told[field].as_u64().unwrap();
    (told["event_id"].as_str().unwrap().to_owned(), (number("partition"), number("offset")))
}

#[test]
fn every_record_that_a_moved_visit_costs_is_in_the_report_and_the_books() {
    let folder = Folder::new();
    let (april, corrected) = a_claim_and_its_correction();
    let corrected = folder.write("corrected.xml", &corrected);
    let report = folder.path("report.jsonl");
    let mut stored = 0;
    let mut import = |file: &str| {
        let books = json(&folder.run(&["import", file, "--json", "--report", &report]).ok());
        let counts = ["events", "retractions", "said_again", "appended"]
            .map(|name| books["files"][0][name].as_u64().unwrap());
        let lines = std::fs::read_to_string(&report).unwrap();
        let mut told: Vec<(String, (u64, u64))> = Vec::new();
        for event in
            lines.lines().flat_map(|line| json(line)["record"]["events"].as_array().cloned()).flatten()
        {
            if event["outcome"] != "duplicate" {
                told.push(named(&event));
            }
            told.extend(event["follow_ups"].as_array().into_iter().flatten().map(named));
        }
        told.sort();
        stored += counts[3];
        assert_eq!((records(&folder), told.len() as u64), (stored, counts[3]));
        (counts, told)
    };
    let all = || {
        let said = folder.run(&["events", "cat"]).ok();
        let mut events: Vec<_> = said.lines().map(|line| named(&json(line))).collect();
        events.sort();
        events
    };

    let (counts, mut told) = import(&april);
    assert_eq!(counts, [6, 0, 0, 6]);
    // The person, where the person lives, two cards and the claim are said of another; the form follows.
    let (counts, new) = import(&corrected);
    assert_eq!(counts, [5, 6, 1, 12]);
    told.extend(new);
    told.sort();
    assert_eq!(told, all());
    assert_eq!(import(&corrected), ([0; 4], Vec::new()));
    assert_eq!(import(&april), ([0; 4], Vec::new()));

    let other = Folder::new();
    assert!(other.run(&["import", &april]).ok().contains("The log grew by 6 records.\n"));
    let said = other.run(&["import", &corrected]).ok();
    assert!(
        said.contains("The log grew by 12 records: 5 new events, ")
            && said.contains(" 6 retractions and 1 form said again."),
        "{said}"
    );
    assert!(!other.run(&["import", &corrected, "--dry-run"]).ok().contains("The log grew"));
}

#[test]
fn a_form_that_cannot_move_with_its_claim_is_told() {
    let folder = Folder::new();
    let (april, corrected) = a_claim_and_its_correction();
    folder.run(&["import", &april]).ok();
    // The keys of persons are lost, and there is no copy.
    std::fs::remove_file(folder.path("data/keys/persons.keys")).unwrap();
    std::fs::remove_dir_all(folder.path("data/intake")).unwrap();
    let report = folder.path("report.jsonl");
    let corrected = folder.write("corrected.xml", &corrected);
    let said = folder.run(&["import", &corrected, "--report", &report]).ok();
    assert!(said.contains("record 1 (MA_LK DD-26-0401) XML13: a form of the visit stays"), "{said}");
    assert!(said.contains(" 5 retractions and 0 forms said again."), "{said}");
    let lines = std::fs::read_to_string(&report).unwrap();
    let findings = json(lines.lines().next().unwrap())["record"]["findings"].clone();
    let rules: Vec<&Value> = findings.as_array().unwrap().iter().map(|finding| &finding["rule"]).collect();
    assert!(rules.contains(&&"form_cannot_be_opened".into()), "{findings}");
}

#[test]
fn the_answers_of_lines_name_every_record_that_the_log_grows_by() {
    let folder = Folder::new();
    let of_another = line(1).replace("001090012347", "001090012348").replace("02T02", "03T02");
    let file = folder.write("lines.jsonl", &[line(1), of_another, line(1), "no line".into()].join("\n"));
    let said = folder.run(&["append", "--json", &file]).fails(3);
    let answers: Vec<Value> = said.lines().filter(|line| line.starts_with('{')).map(json).collect();
    let outcomes: Vec<&str> = answers.iter().map(|answer| answer["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["accepted", "changed", "duplicate", "refused"]);
    assert_eq!(answers[1]["follow_ups"][0]["what"], "retraction");
    assert_eq!(answers[1]["follow_ups"][0]["of"], answers[0]["event_id"]);
    let told = answers[..2].iter().chain(answers[1]["follow_ups"].as_array().unwrap());
    let told: std::collections::BTreeSet<_> = told.map(named).collect();
    let said = folder.run(&["events", "cat"]).ok();
    assert_eq!(told, said.lines().map(|line| named(&json(line))).collect());
    let file = folder.write("back.jsonl", &line(1).replace("02T02", "04T02"));
    let said = folder.run(&["append", &file]).ok();
    assert!(said.contains("The log grew by 2 records: 1 new event, "), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_books_of_the_first_file_are_told_when_the_second_cannot_be_read() {
    let folder = Folder::new();
    let march = claim_file("02-dong-da-march.xml");
    // A file that can be opened, and not read from its beginning.
    let said = folder.run(&["import", &march, "/proc/self/mem", "--json"]).fails(4);
    let books = json(said.lines().next().unwrap());
    assert_eq!((&books["files"][0]["accepted"], &books["files"][0]["ended"]), (&3.into(), &"whole".into()));
    assert_eq!(
        (&books["files"][1]["records"], &books["files"][1]["ended"]),
        (&0.into(), &"broken_off".into())
    );
    assert!(said.contains("cannot read /proc/self/mem"), "{said}");
    assert_eq!(records(&folder), 13);
}

#[test]
fn only_a_report_is_written_over() {
    let folder = Folder::new();
    let march = std::fs::read_to_string(claim_file("02-dong-da-march.xml")).unwrap();
    let (first, second) = (folder.write("a.xml", &march), folder.write("b.xml", &march));
    let said = folder.run(&["import", "--report", &first, &second]).fails(2);
    assert!(said.contains("is no report"), "{said}");
    assert_eq!(std::fs::read_to_string(&first).unwrap(), march);
    assert!(!std::path::Path::new(&folder.path("data")).exists(), "nothing was begun");

    let report = folder.path("report.jsonl");
    folder.run(&["import", "--report", &report, &first]).ok();
    folder.run(&["import", "--report", &report, &first]).ok();
    assert!(std::fs::read_to_string(&report).unwrap().contains("duplicate"));
    folder.run(&["import", "--report", &report, &report]).fails(2);
}

#[test]
fn a_file_is_told_by_how_it_ended() {
    let folder = Folder::new();
    let refused = folder.write("refused.xml", "<!DOCTYPE x []><GIAMDINHHS></GIAMDINHHS>");
    let said = folder.run(&["import", &refused]).fails(3);
    assert!(said.contains("refused.xml (refused)"), "{said}");
    // Records that say nothing, in a file that promises one.
    let empty = format!(
        "<GIAMDINHHS><THONGTINDONVI><MACSKCB>01004</MACSKCB></THONGTINDONVI><THONGTINHOSO><NGAYLAP>20260401</NGAYLAP><SOLUONGHOSO>1</SOLUONGHOSO><DANHSACHHOSO>{}</DANHSACHHOSO></THONGTINHOSO></GIAMDINHHS>",
        "<HOSO></HOSO>".repeat(2_500)
    );
    let said = folder.run(&["import", &folder.write("empty.xml", &empty), "--json"]).ok();
    let file = &json(&said)["files"][0];
    assert_eq!((&file["records"], &file["faults"]), (&2500.into(), &Value::Array(vec![])));
    assert_eq!(file["file_findings"][0]["rule"], "record_count_differs");
}

#[test]
fn real_data_does_not_get_into_a_simulated_city_by_mistake() {
    let folder = Folder::new();
    folder.run(&["simulate", "--people", "50"]).ok();
    let march = claim_file("02-dong-da-march.xml");
    for arguments in [&["import", &march][..], &["append"]] {
        let said = folder.run(arguments).fails(2);
        assert!(said.contains("--into-simulated"), "{said}");
    }
    folder.run(&["import", &march, "--into-simulated"]).ok();
    assert!(folder.run_on(&["append", "--into-simulated"], &line(0)).ok().contains("accepted"));
    let said = folder.run(&["doctor"]).ok();
    assert!(said.contains("the key of a simulated city"), "{said}");
    let real = Folder::new();
    real.run(&["import", &march]).ok();
    assert!(!real.run(&["doctor"]).ok().contains("simulated"));
}

#[test]
fn half_a_city_is_not_taken_for_a_whole_one() {
    let folder = Folder::new();
    let mut child = folder.command(&["simulate", "--people", "2000000"]).spawn().unwrap();
    eventually("something is made", || std::path::Path::new(&folder.path("data/log/meta")).exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let march = claim_file("02-dong-da-march.xml");
    for arguments in [
        &["simulate", "--people", "50"][..],
        &["project"],
        &["doctor"],
        &["import", &march, "--into-simulated"],
    ] {
        let said = folder.run(arguments).fails(3);
        assert!(said.contains("holds a part of a simulated city"), "{said}");
    }
    std::fs::remove_dir_all(folder.path("data")).unwrap();
    folder.run(&["simulate", "--people", "50"]).ok();
    folder.run(&["project"]).ok();
}
