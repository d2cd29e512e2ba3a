//! The books: how much came in and what became of it, how much the log grew by and why.

use std::io::{self, Write};

use adapters::insurance_xml::FileSummary;
use intake::FollowUpKind;
use serde::Serialize;

use super::{EventReport, Fate, FaultReport, LINES, RecordReport, line};
use crate::{
    failure::Failure,
    output::{Sheet, Value, thousands},
};

/// The books of one file.
#[derive(Debug, Serialize)]
pub(crate) struct FileReport {
    pub(crate) file: String,
    emitter: String,
    /// How many were told of: `accepted + changed + duplicate + refused`.
    records: u64,
    /// How many were read, as the reader counts them; known at the file's end.
    #[serde(skip)]
    read: Option<u64>,
    accepted: u64,
    changed: u64,
    duplicate: u64,
    refused: u64,
    findings: u64,
    /// Events that are new in the log; in a dry run, those that nothing stands against.
    events: u64,
    /// Events that intake took back of its own, because their record is about another person.
    retractions: u64,
    /// Forms that intake said again of its own, about the person of their claim.
    said_again: u64,
    /// Records that the log took: `events + retractions + said_again`; none in a dry run.
    appended: u64,
    /// Tables that are known and not translated.
    tables_passed_over: u64,
    /// The file was read to its end.
    whole: bool,
    /// How its reading ended.
    ended: Ended,
    /// Why the file as a whole, or the rest of it, was refused.
    faults: Vec<FaultReport>,
    /// What is odd about the file as a whole; among the findings.
    file_findings: Vec<FaultReport>,
}

/// How the reading of a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    /// With the file.
    Whole,
    /// The file ends too early.
    CutOff,
    /// The file, or the rest of it, is refused.
    Refused,
    /// The command could not go on: the rest may be in the log, and comes back as a duplicate.
    BrokenOff,
}

impl Ended {
    /// What stands behind the file's name.
    fn shown(self) -> &'static str {
        match self {
            Ended::Whole => "",
            Ended::CutOff => " (cut off)",
            Ended::Refused => " (refused)",
            Ended::BrokenOff => " (broken off)",
        }
    }
}

impl FileReport {
    pub(crate) fn new(file: &str) -> FileReport {
        FileReport {
            file: file.to_owned(),
            emitter: String::new(),
            records: 0,
            read: None,
            accepted: 0,
            changed: 0,
            duplicate: 0,
            refused: 0,
            findings: 0,
            events: 0,
            retractions: 0,
            said_again: 0,
            appended: 0,
            tables_passed_over: 0,
            whole: false,
            ended: Ended::BrokenOff,
            faults: Vec::new(),
            file_findings: Vec::new(),
        }
    }

    /// Adds a record.
    pub(crate) fn add(&mut self, record: &RecordReport<'_>) {
        self.records += 1;
        *match record.outcome {
            Fate::Accepted => &mut self.accepted,
            Fate::Changed => &mut self.changed,
            Fate::Duplicate => &mut self.duplicate,
            Fate::Refused => &mut self.refused,
        } += 1;
        self.findings += record.findings.len() as u64;
        let is_new = |event: &&EventReport| matches!(event.outcome, Fate::Accepted | Fate::Changed);
        self.events += record.events.iter().filter(is_new).count() as u64;
        for follow_up in record.events.iter().flat_map(|event| &event.follow_ups) {
            match follow_up.what {
                FollowUpKind::Retraction => self.retractions += 1,
                FollowUpKind::SaidAgain => self.said_again += 1,
            }
        }
    }

    /// Adds what the log took, by its own count.
    pub(crate) fn add_appended(&mut self, records: u64) {
        self.appended += records;
    }

    /// Adds what is known at the file's end.
    pub(crate) fn end(&mut self, summary: &FileSummary) {
        self.emitter.clone_from(&summary.emitter);
        self.read = Some(summary.records);
        self.tables_passed_over = summary.passed_over.values().sum();
        self.ended = match (&summary.refusal, summary.truncated) {
            (Some(_), _) => Ended::Refused,
            (None, Some(_)) => Ended::CutOff,
            (None, None) => Ended::Whole,
        };
        self.whole = self.ended == Ended::Whole;
        self.findings += summary.findings.len() as u64;
        let faults = summary.refusal.iter().flat_map(|refusal| &refusal.faults);
        self.faults.extend(faults.map(FaultReport::of_remark));
        self.file_findings.extend(summary.findings.iter().map(FaultReport::of_remark));
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        line(out, LINES[1], self)
    }
}

/// The books of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Books {
    files: Vec<FileReport>,
}

impl Books {
    pub(crate) fn add(&mut self, file: FileReport) {
        self.files.push(file);
    }

    /// Nothing was refused and nothing cut off.
    pub(crate) fn all_is_well(&self) -> bool {
        self.files.iter().all(|file| file.refused == 0 && file.whole)
    }

    /// Holds what was read and what the log took, each by a count of its own, against what is told of it.
    pub(crate) fn check(&self, dry_run: bool) -> Result<(), Failure> {
        for file in &self.files {
            let told = file.accepted + file.changed + file.duplicate + file.refused;
            let new = if dry_run { 0 } else { file.events + file.retractions + file.said_again };
            let read = file.read.unwrap_or(told);
            balance(&file.file, "were read", read, told)?;
            balance(&file.file, "are new in the log", file.appended, new)?;
        }
        Ok(())
    }

    /// By how much the log grew, and why, in a sentence.
    fn growth(&self) -> String {
        let sum = |of: fn(&FileReport) -> u64| self.files.iter().map(of).sum();
        growth(
            sum(|file| file.appended),
            sum(|file| file.events),
            sum(|file| file.retractions),
            sum(|file| file.said_again),
        )
    }

    pub(crate) fn write_table(&self, dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
        let columns = [
            "file",
            "emitter",
            "records",
            "accepted",
            "changed",
            "duplicate",
            "refused",
            "findings",
            "new_events",
        ];
        let mut sheet = Sheet::new(columns);
        let count = |number: u64| Value::Count(number as i64);
        for file in &self.files {
            sheet.push(vec![
                Value::text(format!("{}{}", file.file, file.ended.shown())),
                Value::text(file.emitter.as_str()),
                count(file.records),
                count(file.accepted),
                count(file.changed),
                count(file.duplicate),
                count(file.refused),
                count(file.findings),
                count(file.events),
            ]);
        }
        if dry_run {
            writeln!(
                out,
                "A dry run: nothing was stored, so nothing is told apart as changed or duplicate."
            )?;
        }
        sheet.write_table(out)?;
        if dry_run { Ok(()) } else { writeln!(out, "{}", self.growth()) }
    }
}

/// Refuses books where what was counted is not what is told.
pub(crate) fn balance(of: &str, what: &str, counted: u64, told: u64) -> Result<(), Failure> {
    if counted == told {
        return Ok(());
    }
    Err(Failure::CheckFailed(format!(
        "the books of {of} do not balance: {counted} records {what}, {told} are accounted for; keep what was printed, and \
         look at `vertebra doctor census`"
    )))
}

/// By how much the log grew, and why, in a sentence.
pub(crate) fn growth(appended: u64, events: u64, retractions: u64, said_again: u64) -> String {
    let records = |number: u64, what: &str| {
        let plural = if number == 1 { "" } else { "s" };
        format!("{} {what}{plural}", thousands(number as i64))
    };
    let grown = format!("The log grew by {}", records(appended, "record"));
    if retractions + said_again == 0 {
        return format!("{grown}.");
    }
    format!(
        "{grown}: {}, and for records that turned out to be about another person {} and {} said again.",
        records(events, "new event"),
        records(retractions, "retraction"),
        records(said_again, "form"),
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    /// What is said of the books of a file, after a change of one count.
    fn check(change: impl FnOnce(&mut FileReport)) -> String {
        let mut file = FileReport {
            read: Some(3),
            accepted: 2,
            duplicate: 1,
            events: 13,
            retractions: 2,
            said_again: 1,
            appended: 16,
            ..FileReport::new("march.xml")
        };
        change(&mut file);
        Books { files: vec![file] }.check(false).err().map_or(String::new(), |error| error.to_string())
    }

    #[test]
    fn books_that_do_not_balance_are_told() {
        assert_eq!(check(|_| {}), "");
        let changes: [fn(&mut FileReport); 5] = [
            |file| file.read = Some(4),
            |file| file.refused += 1,
            |file| file.appended += 1,
            |file| file.retractions -= 1,
            |file| file.said_again -= 1,
        ];
        let said = changes.map(|change| check(change).split(';').next().unwrap().to_owned() + "\n");
        expect![[r#"
            the books of march.xml do not balance: 4 records were read, 3 are accounted for
            the books of march.xml do not balance: 3 records were read, 4 are accounted for
            the books of march.xml do not balance: 17 records are new in the log, 16 are accounted for
            the books of march.xml do not balance: 16 records are new in the log, 15 are accounted for
            the books of march.xml do not balance: 16 records are new in the log, 15 are accounted for
        "#]]
        .assert_eq(&said.concat());
    }

    #[test]
    fn the_logs_growth_is_told_in_a_sentence() {
        expect!["The log grew by 1 record."].assert_eq(&growth(1, 1, 0, 0));
        expect!["The log grew by 1,003 records: 1,000 new events, and for records that turned out to be about another person 2 retractions and 1 form said again."]
            .assert_eq(&growth(1_003, 1_000, 2, 1));
    }
}
