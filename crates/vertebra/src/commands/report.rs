//! What became of what was imported: the report's lines, and the books. Names are stable.

mod books;

use std::io::{self, Read, Write};

use adapters::insurance_xml::{Record, Remark};
use contract::{Fault, IdentifierFinding, IdentifierProblem, Kind};
use intake::{FollowUp, FollowUpKind, Outcome, Receipt, Stayed};
use serde::{Serialize, Serializer};

pub(crate) use books::{Books, FileReport, balance, growth};

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
