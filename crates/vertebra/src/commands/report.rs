//! What became of what was imported: the books, and the report's lines. Names are stable.

use std::io::{self, Read, Write};

use adapters::insurance_xml::{FileSummary, Record, Remark};
use contract::{Fault, IdentifierFinding, IdentifierProblem, Kind};
use intake::{Outcome, Receipt};
use serde::Serialize;

use crate::output::{Sheet, Value};

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
            report.outcome = report.outcome.max(outcome);
            report.events.push(EventReport {
                table: said.source.table,
                kind: body.map_or("", |body| Kind::of(body).name()),
                outcome,
                event_id: event_id.map(|id| id.to_string()),
                partition: position.map(|position| position.partition),
                offset: position.map(|position| position.offset),
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
    records: u64,
    accepted: u64,
    changed: u64,
    duplicate: u64,
    refused: u64,
    findings: u64,
    /// Events that are new in the log.
    events: u64,
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
            accepted: 0,
            changed: 0,
            duplicate: 0,
            refused: 0,
            findings: 0,
            events: 0,
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
    }

    /// Adds what is known at the file's end.
    pub(crate) fn end(&mut self, summary: &FileSummary) {
        self.emitter.clone_from(&summary.emitter);
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
        sheet.write_table(out)
    }
}
