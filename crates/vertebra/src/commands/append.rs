//! `vertebra append`: submissions as JSON lines.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;
use contract::{JSON_BYTES_MAX, submission_from_json};
use intake::{Intake, Item, Outcome, Receipt, Totals};
use serde_json::json;

use crate::{
    cli::Place,
    commands::report::fate,
    data,
    failure::Exit,
    output::{self, Sheet, Value},
};

/// So many lines are answered together: one sync for all of them.
const BATCH_LINES: usize = 4_000;
/// Refused lines that are told on the screen.
const SHOWN_MAX: usize = 20;

/// `vertebra append`.
#[derive(Debug, Args)]
#[command(after_help = r#"Examples:
  vertebra append submissions.jsonl
  cat submissions.jsonl | vertebra append --json - > receipts.jsonl

A line is one vertebra.v1.Submission in protobuf's JSON form:
  {"event": {"emitter": "01004", "recordKey": "CU-77", "assertedAt": "2026-03-02T02:00:00Z",
             "occurredAt": "2026-03-02T01:00:00Z", "checkUpCompleted": {"facility": "01004", "programme": "annual"}},
   "person": {"identifiers": [{"kind": "IDENTIFIER_KIND_PERSONAL_NUMBER", "value": "001090012345"}]}}

With --json every line is answered by one, once it is durable:
  {"line", "outcome": "accepted" | "changed" | "duplicate" | "refused", "event_id", "partition", "offset",
   "faults": [{"field", "code", "message"}]}

Exit code 3 where a line was refused; all others are stored."#)]
pub(crate) struct Append {
    /// A file of JSON lines; `-` is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// Answer every line by a JSON line
    #[arg(long)]
    json: bool,
}

/// A line that is waiting for its answer.
enum Line {
    Submission(Box<Item>),
    /// Not a submission; the reason names no value.
    Broken(String),
}

impl Append {
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        let reading = || format!("cannot read {}", self.file.display());
        let source: Box<dyn Read> = if self.file.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(&self.file).with_context(reading)?)
        };
        let mut lines =
            Lines { source: BufReader::with_capacity(1 << 20, source), buffer: Vec::new(), number: 0 };
        let mut answers = Answers {
            json: self.json,
            out: output::stdout(),
            totals: Totals::default(),
            shown: Vec::new(),
            left_out: 0,
        };
        let mut intake = data::open_intake(place)?;
        let mut batch = Vec::new();
        while let Some((number, line)) = lines.next().with_context(reading)? {
            batch.push((number, line));
            if batch.len() == BATCH_LINES {
                answers.batch(&mut intake, std::mem::take(&mut batch))?;
            }
        }
        answers.batch(&mut intake, batch)?;
        answers.end()
    }
}

struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The next line that is not blank. A line that is too long is read over, never kept.
    fn next(&mut self) -> io::Result<Option<(u64, Line)>> {
        loop {
            self.buffer.clear();
            let most = JSON_BYTES_MAX as u64 + 2;
            if self.source.by_ref().take(most).read_until(b'\n', &mut self.buffer)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            let is_cut = self.buffer.len() as u64 == most && self.buffer.last() != Some(&b'\n');
            if is_cut {
                self.skip_line()?;
                let reason = format!("the line is longer than {JSON_BYTES_MAX} bytes");
                return Ok(Some((self.number, Line::Broken(reason))));
            }
            let text = self.buffer.trim_ascii();
            if !text.is_empty() {
                let line = match submission_from_json(text) {
                    Ok(submission) => Line::Submission(Box::new(Item::new(submission))),
                    Err(error) => Line::Broken(error.to_string()),
                };
                return Ok(Some((self.number, line)));
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.source.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let (read, done) = (end.map_or(buffer.len(), |at| at + 1), end.is_some() || buffer.is_empty());
            self.source.consume(read);
            if done {
                return Ok(());
            }
        }
    }
}

struct Answers<W> {
    json: bool,
    out: W,
    totals: Totals,
    shown: Vec<String>,
    /// Faults that were not told.
    left_out: u64,
}

impl<W: Write> Answers<W> {
    fn batch(&mut self, intake: &mut Intake, lines: Vec<(u64, Line)>) -> anyhow::Result<()> {
        let mut items = Vec::new();
        let mut waiting = Vec::with_capacity(lines.len());
        for (number, line) in lines {
            match line {
                Line::Submission(item) => {
                    items.push(*item);
                    waiting.push((number, None));
                }
                Line::Broken(reason) => waiting.push((number, Some(reason))),
            }
        }
        let mut receipts = intake.submit(items, data::now())?.into_iter();
        for (number, broken) in waiting {
            match broken {
                Some(reason) => self.broken(number, &reason)?,
                None => {
                    let receipt = receipts.next().expect("intake answers every submission once");
                    self.answer(number, &receipt)?;
                }
            }
        }
        // Whoever waits at the other end of a pipe waits for these.
        self.out.flush()?;
        Ok(())
    }

    fn broken(&mut self, number: u64, reason: &str) -> io::Result<()> {
        self.totals.sent += 1;
        self.totals.refused += 1;
        self.show(number, reason);
        if self.json {
            let fault = json!({ "field": "", "code": "not_a_submission", "message": reason });
            writeln!(self.out, "{}", json!({ "line": number, "outcome": "refused", "faults": [fault] }))?;
        }
        Ok(())
    }

    fn answer(&mut self, number: u64, receipt: &Receipt) -> anyhow::Result<()> {
        self.totals.add(receipt);
        let faults: &[contract::Fault] = match &receipt.outcome {
            Outcome::Refused { faults } => faults,
            _ => &[],
        };
        for fault in faults {
            self.show(number, &format!("{}: {} [{}]", fault.field, fault.message, fault.code.name()));
        }
        if self.json {
            let Some((outcome, event_id, position)) = fate(Some(receipt)) else { return Ok(()) };
            let mut answer = json!({ "line": number, "outcome": serde_json::to_value(outcome)? });
            if let Some(event_id) = event_id {
                answer["event_id"] = event_id.to_string().into();
            }
            if let Some(position) = position {
                answer["partition"] = position.partition.into();
                answer["offset"] = position.offset.into();
            }
            if !faults.is_empty() {
                let fault = |fault: &contract::Fault| json!({ "field": fault.field, "code": fault.code.name(), "message": fault.message });
                answer["faults"] = faults.iter().map(fault).collect();
            }
            writeln!(self.out, "{answer}")?;
        }
        Ok(())
    }

    fn show(&mut self, number: u64, what: &str) {
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(output::printable(&format!("line {number}: {what}")));
        } else {
            self.left_out += 1;
        }
    }

    fn end(mut self) -> anyhow::Result<Exit> {
        if !self.json {
            let totals = self.totals;
            let mut sheet = Sheet::new(["sent", "accepted", "changed", "duplicate", "refused"]);
            let counts = [
                totals.sent,
                totals.accepted - totals.changed,
                totals.changed,
                totals.duplicate,
                totals.refused,
            ];
            sheet.push(counts.iter().map(|count| Value::Count(*count as i64)).collect());
            sheet.write_table(&mut self.out)?;
            for line in &self.shown {
                writeln!(self.out, "  {line}")?;
            }
            if self.left_out > 0 {
                writeln!(
                    self.out,
                    "  and {} more; --json answers every line",
                    output::thousands(self.left_out as i64)
                )?;
            }
        }
        self.out.flush()?;
        Ok(if self.totals.refused > 0 { Exit::Refused } else { Exit::Ok })
    }
}
