//! What became of what was imported: the books, and the report's lines. Names are stable.

use std::io::{self, Read, Write};

use adapters::insurance_xml::{FileSummary, Record, Remark};
use contract::{Fault, IdentifierFinding, IdentifierProblem, Kind};
use intake::{FollowUp, FollowUpKind, Outcome, Receipt, Stayed};
use serde::{Serialize, Serializer};

use crate::{
    failure::Failure,
    output::{Sheet, Value, thousands},
};

/// What became of a record or an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// It was known; nothing changed.
    Duplicate,
    /// New, or nothing stands against it in a dry run.
    Accepted,
    /// A new version of what was known.
    Changed,
    /// Not in the log, or not all of it.
    Refused,
}

/// The line of a record.
#[derive(Debug, Serialize)]
pub(crate) struct RecordReport<'a> {
    file: &'a str,
    number: u64,
    record_key: &'a str,
    pub(crate) outcome: Fate,
    events: Vec<EventReport>,
    pub(crate) faults: Vec<FaultReport>,
    findings: Vec<FaultReport>,
}

#[derive(Debug, Serialize)]
struct EventReport {
    table: &'static str,
    kind: &'static str,
    outcome: Fate,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    follow_ups: Vec<FollowUpReport>,
}

/// A record that intake appended of its own.
#[derive(Debug, Serialize)]
pub(crate) struct FollowUpReport {
    #[serde(serialize_with = "name_of")]
    what: FollowUpKind,
    of: String,
    event_id: String,
    partition: u16,
    offset: u64,
}

impl FollowUpReport {
    /// What intake appended of its own because of a submission.
    pub(crate) fn of_receipt(receipt: &Receipt) -> Vec<FollowUpReport> {
        let report = |FollowUp { what, of, event_id, position }: &FollowUp| FollowUpReport {
            what: *what,
            of: of.to_string(),
            event_id: event_id.to_string(),
            partition: position.partition,
            offset: position.offset,
        };
        match &receipt.outcome {
            Outcome::Accepted { follow_ups, .. } => follow_ups.iter().map(report).collect(),
            _ => Vec::new(),
        }
    }
}

fn name_of<S: Serializer>(what: &FollowUpKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(what.name())
}

/// The forms of a claim's visit that should have moved with it, and stayed.
pub(crate) fn stayed(receipt: &Receipt) -> &[Stayed] {
    match &receipt.outcome {
        Outcome::Accepted { stayed, .. } => stayed,
        _ => &[],
    }
}

/// One fault or finding: where, and which rule.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct FaultReport {
    table: String,
    row: u32,
    field: String,
    rule: String,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

impl FaultReport {
    fn of_remark(remark: &Remark) -> FaultReport {
        FaultReport {
            table: remark.table.clone(),
            row: remark.row,
            field: remark.field.to_owned(),
            rule: remark.rule.code().to_owned(),
            message: remark.rule.message().to_owned(),
            detail: remark.detail.clone(),
        }
    }

    /// A fault that intake found in what the table was translated to.
    fn of_fault(table: &str, fault: &Fault) -> FaultReport {
        FaultReport {
            table: table.to_owned(),
            row: 0,
            field: fault.field.clone(),
            rule: fault.code.name().to_owned(),
            message: fault.message.clone(),
            detail: String::new(),
        }
    }

    /// An identifier that intake passed over.
    fn of_finding(table: &str, finding: &IdentifierFinding) -> FaultReport {
        FaultReport {
            table: table.to_owned(),
            row: 0,
            field: format!("person.identifiers[{}]", finding.index),
            rule: finding.problem.code().to_owned(),
            message: finding.problem.to_string(),
            detail: String::new(),
        }
    }

    /// A form of the record that stays with another person than its claim.
    pub(crate) fn of_stayed(stayed: &Stayed) -> FaultReport {
        FaultReport {
            table: "XML13".into(),
            row: 0,
            field: String::new(),
            rule: stayed.why.code().into(),
            message: stayed.why.to_string(),
            detail: stayed.event_id.to_string(),
        }
    }

    /// The record was sent before, and another version of it counts.
    fn of_superseded() -> FaultReport {
        FaultReport {
            table: "GIAMDINHHS".into(),
            row: 0,
            field: "NGAYLAP".into(),
            rule: "version_superseded".into(),
            message: "sent before, and another version of the record counts since; where this one is the right one, \
                      send it with a later NGAYLAP"
                .into(),
            detail: String::new(),
        }
    }

    /// For people, on one line.
    pub(crate) fn shown(&self, record: u64, record_key: &str) -> String {
        let key = if record_key.is_empty() { String::new() } else { format!(" (MA_LK {record_key})") };
        let row = if self.row > 0 { format!("[{}]", self.row) } else { String::new() };
        let field = if self.field.is_empty() { String::new() } else { format!(".{}", self.field) };
        let detail = if self.detail.is_empty() { String::new() } else { format!(" ({})", self.detail) };
        format!("record {record}{key} {}{row}{field}: {}{detail} [{}]", self.table, self.message, self.rule)
    }
}

impl<'a> RecordReport<'a> {
    /// A record before anything is known of its submissions: refused, where its adapter says so.
    fn new(file: &'a str, record: &'a Record) -> RecordReport<'a> {
        let refusal = record.refusal.iter().flat_map(|refusal| &refusal.faults);
        RecordReport {
            file,
            number: record.number,
            record_key: &record.record_key,
            outcome: if record.refusal.is_some() { Fate::Refused } else { Fate::Duplicate },
            events: Vec::new(),
            faults: refusal.map(FaultReport::of_remark).collect(),
            findings: record.findings.iter().map(FaultReport::of_remark).collect(),
        }
    }

    /// A record that intake was not given, for these faults of what the tables were translated to.
    pub(crate) fn refused(file: &'a str, record: &'a Record, faults: &[(&str, Fault)]) -> RecordReport<'a> {
        let mut report = RecordReport::new(file, record);
        report.outcome = Fate::Refused;
        report.faults.extend(faults.iter().map(|(table, fault)| FaultReport::of_fault(table, fault)));
        report
    }

    /// What became of `record`; a receipt for each of its submissions, none in a dry run that found no fault.
    pub(crate) fn taken(file: &'a str, record: &'a Record, receipts: &[Option<Receipt>]) -> RecordReport<'a> {
        let mut report = RecordReport::new(file, record);
        for (said, receipt) in record.submissions.iter().zip(receipts) {
            let body = said.submission.event.as_ref().and_then(|event| event.body.as_ref());
            let Some((outcome, event_id, position)) = fate(receipt.as_ref()) else { continue };
            if let Some(Receipt { outcome: Outcome::Refused { faults }, .. }) = receipt {
                let table = said.source.table;
                report.faults.extend(faults.iter().map(|fault| FaultReport::of_fault(table, fault)));
            }
            for finding in receipt.iter().flat_map(|receipt| &receipt.findings) {
                let finding = FaultReport::of_finding(said.source.table, finding);
                // What a number alone says the adapter told by its field; and every event of a record names the same person.
                if finding.rule == IdentifierProblem::Another.code() && !report.findings.contains(&finding) {
                    report.findings.push(finding);
                }
            }
            report.findings.extend(receipt.iter().flat_map(stayed).map(FaultReport::of_stayed));
            report.outcome = report.outcome.max(outcome);
            report.events.push(EventReport {
                table: said.source.table,
                kind: body.map_or("", |body| Kind::of(body).name()),
                outcome,
                event_id: event_id.map(|id| id.to_string()),
                partition: position.map(|position| position.partition),
                offset: position.map(|position| position.offset),
                follow_ups: receipt.as_ref().map(FollowUpReport::of_receipt).unwrap_or_default(),
            });
        }
        if receipts.iter().flatten().any(is_superseded) {
            report.findings.push(FaultReport::of_superseded());
        }
        if record.refusal.is_none() && report.events.is_empty() {
            // Nothing in it that is translated: understood, and nothing to store.
            report.outcome = Fate::Accepted;
        }
        report
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        line(out, LINES[0], self)
    }
}

/// Whether it was known, and another version of its record counts.
pub(crate) fn is_superseded(receipt: &Receipt) -> bool {
    matches!(receipt.outcome, Outcome::Duplicate { superseded: true, .. })
}

/// What became of one submission; `None`: a withdrawal just in case that met nothing.
pub(crate) fn fate(
    receipt: Option<&Receipt>,
) -> Option<(Fate, Option<contract::EventId>, Option<event_log::Position>)> {
    Some(match receipt.map(|receipt| &receipt.outcome) {
        None => (Fate::Accepted, None, None),
        Some(Outcome::Accepted { event_id, position, changed, .. }) => {
            (if *changed { Fate::Changed } else { Fate::Accepted }, Some(*event_id), Some(*position))
        }
        Some(Outcome::Duplicate { event_id, first, .. }) => (Fate::Duplicate, Some(*event_id), Some(*first)),
        Some(Outcome::Refused { .. }) => (Fate::Refused, None, None),
        Some(Outcome::NothingToWithdraw) => return None,
    })
}

/// The names of the report's lines.
const LINES: [&str; 2] = ["record", "file"];

/// Whether a file begins as a report does; an empty one may have been to become one.
pub(crate) fn begins_like_a_report(file: impl Read) -> io::Result<bool> {
    let mut begin = String::new();
    match file.take(10).read_to_string(&mut begin) {
        Ok(0) => Ok(true),
        Ok(_) => Ok(LINES.iter().any(|name| begin.starts_with(&format!("{{\"{name}\":")))),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(false),
        Err(error) => Err(error),
    }
}

fn line(out: &mut dyn Write, name: &str, what: &impl Serialize) -> io::Result<()> {
    write!(out, "{{\"{name}\":")?;
    serde_json::to_writer(&mut *out, what)?;
    writeln!(out, "}}")
}

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
