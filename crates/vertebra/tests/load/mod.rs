//! Load for the command: invented submissions, processes that are killed, and the books kept from outside.
//!
//! The books know only what the command printed: which line was answered how. At the end they are held against the log and
//! against sums over the lines themselves, so nothing of the engine is asked whether the engine is right.

mod hardship;
pub(crate) mod kills;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::Folder;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many lines are about one person, one after the other.
pub(crate) const LINES_A_PERSON: usize = 5;

/// The `number`th of the lines there are without end: a residence, a card, a check-up, a bill and the bill corrected, and
/// then the next person's.
pub(crate) fn line(number: usize) -> String {
    let (person, which) = (number / LINES_A_PERSON, number % LINES_A_PERSON);
    let day = format!("2026-{:02}-{:02}", 1 + person % 6, 1 + person % 28);
    let bill = |money: i64| {
        format!(
            r#""recordKey":"B-{person}","claimSubmitted":{{"facility":"01004","visitType":"01","routeCode":"1.1","startedAt":"{day}T00:00:00Z","endedAt":"{day}T01:00:00Z","mainDiagnosis":"J00","totals":{{"totalCost":"{money}","coveredCost":"{money}","copay":"0","fund":"{money}"}}}}"#
        )
    };
    let said = match which {
        0 => format!(
            r#""recordKey":"R-{person}","residenceChanged":{{"kind":"RESIDENCE_KIND_ACTUAL","commune":"00004","province":"01","validFrom":"2020-01-01"}}"#
        ),
        1 => format!(
            r#""recordKey":"I-{person}","insuranceGranted":{{"group":"GD","rateDigit":"4","validFrom":"2026-01-01","validUntil":"2026-12-31","primaryFacility":"01004"}}"#
        ),
        2 => format!(
            r#""recordKey":"C-{person}","checkUpCompleted":{{"facility":"01004","programme":"annual"}}"#
        ),
        3 => bill(money(person) - 5_000),
        _ => bill(money(person)),
    };
    let hour = 2 + which;
    let number = 100_000 + person;
    format!(
        r#"{{"event":{{"emitter":"01004","assertedAt":"{day}T{hour:02}:00:00Z","occurredAt":"{day}T01:00:00Z",{said}}},"person":{{"identifiers":[{{"kind":"IDENTIFIER_KIND_PERSONAL_NUMBER","value":"001090{number}"}}]}}}}"#
    )
}

/// What the corrected bill of a person comes to, in hundredths of a dong.
fn money(person: usize) -> i64 {
    100_000 * (1 + person as i64 % 7)
}

/// Writes lines to a file of the folder.
pub(crate) fn lines(folder: &Folder, name: &str, numbers: std::ops::Range<usize>) -> String {
    let text: String = numbers.map(|number| line(number) + "\n").collect();
    folder.write(name, &text)
}

/// A dice that falls the same way for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    pub(crate) fn millis_below(&mut self, most: u64) -> Duration {
        Duration::from_micros(self.below(most * 1000))
    }
}

/// A run of the command beside the test. What it prints goes to files, which outlive it. Killed when it is let go.
pub(crate) struct Running {
    name: String,
    child: Child,
    out: PathBuf,
    error: PathBuf,
}

impl Running {
    pub(crate) fn start(folder: &Folder, name: &str, arguments: &[&str], input: Stdio) -> Running {
        let (out, error) =
            (PathBuf::from(folder.path(name)), PathBuf::from(folder.path(&format!("{name}.err"))));
        let mut command: Command = folder.command(arguments);
        let child = command
            .stdin(input)
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&error).unwrap())
            .spawn()
            .unwrap();
        Running { name: arguments.join(" "), child, out, error }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Gives it its whole input.
    pub(crate) fn feed(&mut self, input: &str) {
        self.child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    }

    /// What it printed so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    /// How it ended, if it does within this time.
    pub(crate) fn ends_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + time;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Asks it to end, as Ctrl-C does, and waits.
    pub(crate) fn interrupt(&mut self) -> ExitStatus {
        let asked = Command::new("kill").args(["-INT", &self.id().to_string()]).status().unwrap();
        assert!(asked.success());
        self.child.wait().unwrap()
    }

    /// SIGKILL, unless it has ended: then it ended well. Says whether it was killed.
    pub(crate) fn kill(&mut self) -> bool {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        let complaints = fs::read_to_string(&self.error).unwrap();
        assert!(!complaints.contains("panicked"), "vertebra {}: {complaints}", self.name);
        match status.code() {
            None => true,
            Some(code) => {
                assert_eq!(code, 0, "vertebra {}: {complaints}", self.name);
                false
            }
        }
    }

    /// What it complained of.
    pub(crate) fn complaints(&self) -> String {
        fs::read_to_string(&self.error).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for something.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Where a line's event is, by what was printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) event_id: String,
    pub(crate) partition: u64,
    pub(crate) offset: u64,
}

/// What was acknowledged, line by line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    pub(crate) acknowledged: BTreeMap<usize, Place>,
}

impl Books {
    /// The first line that was never answered: a sender goes on from there.
    pub(crate) fn next(&self) -> usize {
        (0..).find(|number| !self.acknowledged.contains_key(number)).unwrap_or_default()
    }

    /// Takes in the answers to the lines from `first` on. The last one may be cut: whoever printed it was killed. Counts
    /// those that were duplicates.
    pub(crate) fn take(&mut self, first: usize, answers: &str) -> usize {
        let mut duplicates = 0;
        for answer in answers.split_inclusive('\n').filter(|answer| answer.ends_with('\n')) {
            let answer: Value = serde_json::from_str(answer).unwrap();
            let number = first + answer["line"].as_u64().unwrap() as usize - 1;
            let place = Place {
                event_id: answer["event_id"].as_str().unwrap().to_owned(),
                partition: answer["partition"].as_u64().unwrap(),
                offset: answer["offset"].as_u64().unwrap(),
            };
            let outcome = answer["outcome"].as_str().unwrap();
            duplicates += usize::from(outcome == "duplicate");
            if let Some(before) = self.acknowledged.get(&number) {
                assert_eq!(
                    (outcome, &place),
                    ("duplicate", before),
                    "line {number} was acknowledged before: sent again it is a duplicate, at its first place"
                );
            }
            self.acknowledged.insert(number, place);
        }
        duplicates
    }

    /// Sends the first `count` lines (again).
    pub(crate) fn send(&mut self, folder: &Folder, count: usize) -> usize {
        let file = lines(folder, "all.jsonl", 0..count);
        let answers = folder.run(&["append", "--json", &file]).ok();
        let duplicates = self.take(0, &answers);
        assert_eq!(self.next(), count, "every line is answered");
        duplicates
    }

    /// Holds the log against the books: every acknowledged event is where the receipt says, once, and nothing else is
    /// there. What is wrong, one line each. Where brokers keep the log, what was on its way to them when its sender was killed
    /// may arrive behind the same event from the next one: a copy, which does not count.
    pub(crate) fn compare(&self, folder: &Folder) -> Vec<String> {
        let mut in_log: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
        for record in folder.run(&["events", "cat"]).ok().lines() {
            let record: Value = serde_json::from_str(record).unwrap();
            let id = id_in_hex(record["event"]["eventId"].as_str().unwrap());
            let at = (record["partition"].as_u64().unwrap(), record["offset"].as_u64().unwrap());
            in_log.entry(id).or_default().push(at);
        }
        let mut wrong = Vec::new();
        for (line, Place { event_id, partition, offset }) in &self.acknowledged {
            match in_log.remove(event_id).as_deref() {
                Some([at]) if *at == (*partition, *offset) => {}
                Some(found) if folder.is_shared() && found.contains(&(*partition, *offset)) => {}
                Some(found) => wrong.push(format!(
                    "line {line} was acknowledged at {partition}:{offset}, its event stands at {found:?}"
                )),
                None => wrong.push(format!(
                    "line {line} was acknowledged at {partition}:{offset}, its event is not in the log"
                )),
            }
        }
        wrong.extend(in_log.iter().map(|(id, at)| format!("nobody sent the event {id} at {at:?}")));
        wrong
    }

    /// Everything that must be so when all is told and projected.
    #[track_caller]
    pub(crate) fn check(&self, folder: &Folder) {
        let wrong = self.compare(folder);
        assert!(wrong.is_empty(), "{} lines: {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
        let replay: Value = serde_json::from_str(&folder.run(&["audit", "replay", "--json"]).ok()).unwrap();
        assert_eq!(replay["stored"]["figures_compared"], true, "{replay}");
        let census: Value = serde_json::from_str(&folder.run(&["doctor", "census", "--json"]).ok()).unwrap();
        let sum = |name: &str| {
            census["partitions"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|books| books[name].as_u64())
                .sum::<u64>()
        };
        let all = self.acknowledged.len() as u64;
        let copies = if folder.is_shared() { sum("copies") } else { 0 };
        assert_eq!((sum("records"), sum("events"), sum("copies")), (all + copies, all, copies));
        assert_eq!(replay["records"], all + copies);
        folder.run(&["doctor"]).ok();
        self.check_counted_once(folder);
    }

    /// Figures against sums over the lines.
    #[track_caller]
    fn check_counted_once(&self, folder: &Folder) {
        let people = self.acknowledged.len() / LINES_A_PERSON;
        assert_eq!(people * LINES_A_PERSON, self.acknowledged.len(), "whole people were sent");
        let Figures { coverage, claims } = Figures::of(folder);
        let row = &coverage["rows"][0];
        for name in ["people", "insured", "checked_up"] {
            assert_eq!(row[name], people, "{name}: {row}");
        }
        let row = &claims["rows"][0];
        let money: i64 = (0..people).map(money).sum();
        assert_eq!((&row["live"], &row["visits"]), (&people.into(), &people.into()), "{row}");
        assert_eq!((&row["T_TONGCHI_BH"], &row["T_BHTT"]), (&money.into(), &money.into()), "{row}");
    }
}

/// What was answered to two questions.
#[derive(Debug, PartialEq)]
pub(crate) struct Figures {
    coverage: Value,
    claims: Value,
}

impl Figures {
    #[track_caller]
    pub(crate) fn of(folder: &Folder) -> Figures {
        let ask = |arguments: &[&str]| serde_json::from_str(&folder.run(arguments).ok()).unwrap();
        Figures {
            coverage: ask(&["coverage", "--on", "2026-06-30", "--by", "none", "--json"]),
            claims: ask(&["claims", "--to", "2026-12-31", "--json"]),
        }
    }

    /// The sums alone, without where they stand.
    pub(crate) fn rows(&self) -> [&Value; 2] {
        [&self.coverage["rows"], &self.claims["rows"]]
    }

    pub(crate) fn people(&self) -> u64 {
        self.coverage["rows"][0]["people"].as_u64().unwrap()
    }
}

/// An id as receipts write it. Events print it in base64, as protobuf's JSON form does.
fn id_in_hex(base64: &str) -> String {
    let digit = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("{base64} is not base64"),
    };
    let bits = base64.trim_end_matches('=').bytes().map(|letter| format!("{:06b}", digit(letter)));
    let bits: String = bits.collect();
    let bytes = bits.as_bytes().chunks_exact(8);
    bytes
        .map(|byte| format!("{:02x}", byte.iter().fold(0, |value, bit| value * 2 + u32::from(bit - b'0'))))
        .collect()
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}
