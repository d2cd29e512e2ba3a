//! `vertebra append`: submissions as JSON lines.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;
use contract::{IdentifierFinding, JSON_BYTES_MAX, submission_from_json, validate_submission};
use intake::{Intake, Item, Outcome, Receipt, Stayed, Totals};
use serde_json::json;

use crate::{
    cli::Place,
    commands::report::{FollowUpReport, balance, fate, growth, is_superseded, stayed},
    data,
    failure::Exit,
    output::{self, Sheet, Value},
    progress::{BytesRead, Watched},
};

/// So many lines are answered together, one sync for all of them; or what is in the memory of so many bytes.
const BATCH_LINES: usize = 4_000;
const BATCH_BYTES: usize = 16 << 20;
/// About what a fault is in memory.
const FAULT_BYTES: usize = 256;
/// Faults and findings that are told on the screen.
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
   "superseded": true where a duplicate is not the version of its record that counts,
   "follow_ups": [{"what": "retraction" | "said_again", "of", "event_id", "partition", "offset"}],
   "stayed": [{"event_id", "code", "message"}],
   "faults": [{"field", "code", "message"}], "findings": [{"index", "code", "message"}]}
`follow_ups` are records that intake appended of its own, because this one is about another person than was known: with
them, every record that the log grew by is in one answer. `stayed` are forms of a visit that did not move with its claim.
`findings` are of identifiers that were passed over, by their place among the person's.

Lines are answered together, at the latest when no more of them wait: a program may write some, and read as many answers.
Whoever stops reading them stops nothing: all lines are taken in. Exit code 3 where a line was refused; all others are
stored."#)]
pub(crate) struct Append {
    /// A file of JSON lines; `-` is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// Also into the folder of a simulated city, whose key anybody can make: for invented data
    #[arg(long)]
    into_simulated: bool,
    /// Answer every line by a JSON line
    #[arg(long)]
    json: bool,
}

/// A line that is waiting for its answer.
type Line = Result<Box<Item>, Faulty>;

/// A line that intake is not shown.
enum Faulty {
    /// Not a submission; the reason names no value.
    Broken(String),
    /// A submission that intake would refuse.
    Refused(Receipt),
}

/// Lines that are answered together.
#[derive(Default)]
struct Batch {
    lines: Vec<(u64, Line)>,
    /// About how much memory they take.
    bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.lines.len() >= BATCH_LINES || self.bytes >= BATCH_BYTES
    }
}

impl Append {
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        let reading = || format!("cannot read {}", self.file.display());
        let (source, bytes_total): (Box<dyn Read>, u64) = if self.file.as_os_str() == "-" {
            (Box::new(io::stdin().lock()), 0)
        } else {
            let file = File::open(&self.file).with_context(reading)?;
            let bytes = file.metadata().with_context(reading)?.len();
            (Box::new(file), bytes)
        };
        let bytes = BytesRead::default();
        let mut lines = Lines::new(bytes.of(source));
        let mut answers = Answers {
            json: self.json,
            out: output::stdout(),
            is_read: true,
            answered: 0,
            totals: Totals::default(),
            shown: Vec::new(),
            left_out: 0,
        };
        let mut intake = data::open_intake(place, self.into_simulated)?;
        // Beside answers on the same screen a bar would only flicker.
        let watched = (!self.json || !io::stdout().is_terminal()).then(|| Watched::new("appending", "bytes"));
        let mut take_all = || {
            let mut batch = Batch::default();
            while let Some(line) = lines.next(&mut batch.bytes).with_context(reading)? {
                batch.lines.push(line);
                if batch.is_full() || lines.are_drained() {
                    answers.batch(&mut intake, std::mem::take(&mut batch))?;
                    watched.iter().for_each(|watched| watched.at(bytes.so_far(), bytes_total));
                }
            }
            answers.batch(&mut intake, batch)
        };
        // Where it cannot go on, what was stored is told all the same.
        let taken = take_all();
        drop(watched);
        let answered = answers.answered;
        let told = answers.end();
        taken.with_context(|| {
            format!("lines up to {answered} were answered; send those after it again, what is stored of them is known")
        })?;
        told
    }
}

struct Lines<R> {
    source: BufReader<R>,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: Read> Lines<R> {
    fn new(source: R) -> Lines<R> {
        Lines { source: BufReader::with_capacity(1 << 20, source), buffer: Vec::new(), number: 0 }
    }

    /// Whether all that was sent so far is read: to wait for more would be to leave the sender waiting.
    fn are_drained(&self) -> bool {
        self.source.buffer().is_empty()
    }

    /// The next line that is not blank, and adds to `bytes` what it weighs. A line that is too long is read over, and of one
    /// that intake would refuse only the faults are kept.
    fn next(&mut self, bytes: &mut usize) -> io::Result<Option<(u64, Line)>> {
        loop {
            self.buffer.clear();
            let most = JSON_BYTES_MAX as u64 + 2;
            if self.source.by_ref().take(most).read_until(b'\n', &mut self.buffer)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            let is_cut = self.buffer.len() as u64 == most && self.buffer.last() != Some(&b'\n');
            if is_cut {
                self.source.skip_until(b'\n')?;
                let reason = format!("the line is longer than {JSON_BYTES_MAX} bytes");
                return Ok(Some((self.number, Err(Faulty::Broken(reason)))));
            }
            let text = self.buffer.trim_ascii();
            if !text.is_empty() {
                let line = parse(text);
                *bytes += match &line {
                    Ok(_) => text.len(),
                    Err(Faulty::Broken(reason)) => reason.len(),
                    Err(Faulty::Refused(receipt)) => FAULT_BYTES * faults_of(receipt).len(),
                };
                return Ok(Some((self.number, line)));
            }
        }
    }
}

fn parse(text: &[u8]) -> Line {
    let submission = submission_from_json(text).map_err(|error| Faulty::Broken(error.to_string()))?;
    let faults = validate_submission(&submission);
    if faults.is_empty() {
        return Ok(Box::new(Item::new(submission)));
    }
    Err(Faulty::Refused(Receipt { outcome: Outcome::Refused { faults }, findings: Vec::new() }))
}

fn faults_of(receipt: &Receipt) -> &[contract::Fault] {
    match &receipt.outcome {
        Outcome::Refused { faults } => faults,
        _ => &[],
    }
}

struct Answers<W> {
    json: bool,
    out: W,
    /// Somebody still reads what is printed.
    is_read: bool,
    /// Every line up to this one has its answer.
    answered: u64,
    totals: Totals,
    shown: Vec<String>,
    /// Faults and findings that were not told.
    left_out: u64,
}

impl<W: Write> Answers<W> {
    fn batch(&mut self, intake: &mut Intake, batch: Batch) -> anyhow::Result<()> {
        let last = batch.lines.last().map_or(self.answered, |(number, _)| *number);
        let mut items = Vec::new();
        let mut waiting = Vec::with_capacity(batch.lines.len());
        for (number, line) in batch.lines {
            waiting.push((number, line.map(|item| items.push(*item))));
        }
        let mut receipts = intake.submit(items, data::now())?.into_iter();
        self.totals.sent += waiting.len() as u64;
        self.totals.appended = intake.totals().appended;
        for (number, line) in waiting {
            match line {
                Err(Faulty::Broken(reason)) => self.broken(number, &reason)?,
                Err(Faulty::Refused(receipt)) => self.answer(number, &receipt)?,
                Ok(()) => {
                    let receipt = receipts.next().expect("intake answers every submission once");
                    self.answer(number, &receipt)?;
                }
            }
        }
        // Whoever waits at the other end of a pipe waits for these.
        self.print(|out| out.flush())?;
        self.answered = last;
        Ok(())
    }

    /// Prints as long as somebody reads. That nobody does is no reason to drop lines that are still to come.
    fn print(&mut self, what: impl FnOnce(&mut W) -> io::Result<()>) -> anyhow::Result<()> {
        if !self.is_read {
            return Ok(());
        }
        match what(&mut self.out) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.is_read = false,
            printed => printed.context("cannot print the answers")?,
        }
        Ok(())
    }

    fn broken(&mut self, number: u64, reason: &str) -> anyhow::Result<()> {
        self.totals.refused += 1;
        self.show(number, reason);
        if self.json {
            let fault = json!({ "field": "", "code": "not_a_submission", "message": reason });
            let answer = json!({ "line": number, "outcome": "refused", "faults": [fault] });
            self.print(|out| writeln!(out, "{answer}"))?;
        }
        Ok(())
    }

    fn answer(&mut self, number: u64, receipt: &Receipt) -> anyhow::Result<()> {
        self.totals.add(receipt);
        let faults = faults_of(receipt);
        for fault in faults {
            self.show(number, &format!("{}: {} [{}]", fault.field, fault.message, fault.code.name()));
        }
        for IdentifierFinding { index, problem } in &receipt.findings {
            self.show(number, &format!("person.identifiers[{index}]: {problem} [{}]", problem.code()));
        }
        for stayed in stayed(receipt) {
            self.show(number, &format!("{} [{}]: {}", stayed.why, stayed.why.code(), stayed.event_id));
        }
        if is_superseded(receipt) {
            self.show(number, "sent before, and another version of the record counts since; where this one is the right one, send it with a later assertedAt");
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
            let follow_ups = FollowUpReport::of_receipt(receipt);
            if !follow_ups.is_empty() {
                answer["follow_ups"] = serde_json::to_value(follow_ups)?;
            }
            if !stayed(receipt).is_empty() {
                let form = |stayed: &Stayed| json!({ "event_id": stayed.event_id.to_string(), "code": stayed.why.code(), "message": stayed.why.to_string() });
                answer["stayed"] = stayed(receipt).iter().map(form).collect();
            }
            if is_superseded(receipt) {
                answer["superseded"] = true.into();
            }
            if !faults.is_empty() {
                let fault = |fault: &contract::Fault| json!({ "field": fault.field, "code": fault.code.name(), "message": fault.message });
                answer["faults"] = faults.iter().map(fault).collect();
            }
            if !receipt.findings.is_empty() {
                let finding = |found: &IdentifierFinding| json!({ "index": found.index, "code": found.problem.code(), "message": found.problem.to_string() });
                answer["findings"] = receipt.findings.iter().map(finding).collect();
            }
            self.print(|out| writeln!(out, "{answer}"))?;
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
            self.print(|out| sheet.write_table(out))?;
            let Totals { appended, accepted, retractions, said_again, .. } = totals;
            self.print(|out| writeln!(out, "{}", growth(appended, accepted, retractions, said_again)))?;
            for line in std::mem::take(&mut self.shown) {
                self.print(|out| writeln!(out, "  {line}"))?;
            }
            if self.left_out > 0 {
                let more = output::thousands(self.left_out as i64);
                self.print(|out| writeln!(out, "  and {more} more; --json answers every line"))?;
            }
        }
        self.print(|out| out.flush())?;
        let Totals { sent, accepted, duplicate, refused, appended, retractions, said_again, .. } =
            self.totals;
        balance("these lines", "were sent", sent, accepted + duplicate + refused)?;
        balance("these lines", "are new in the log", appended, accepted + retractions + said_again)?;
        Ok(if self.totals.refused > 0 { Exit::Refused } else { Exit::Ok })
    }
}
