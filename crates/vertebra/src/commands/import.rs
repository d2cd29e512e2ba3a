//! `vertebra import`: insurance-claim files into the log.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::PathBuf,
};

use adapters::insurance_xml::{FileSummary, Reader, Record};
use anyhow::Context;
use clap::Args;
use contract::validate_submission;
use intake::{Intake, Item, Outcome, Receipt};

use crate::{
    cli::Place,
    commands::report::{Books, FileReport, RecordReport},
    data,
    failure::{Exit, Failure},
    output,
    progress::Watched,
};

/// So many submissions are handed to intake at once: one sync for all of them.
const BATCH_SUBMISSIONS: usize = 4_000;
/// Refused records that are told on the screen; the report has all.
const SHOWN_MAX: usize = 20;

/// `vertebra import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra import claims/2026-03.xml                    one file
  vertebra import claims/*.xml --report import.jsonl    and what became of every record
  vertebra import claims/*.xml --dry-run                check only; nothing is stored

A record is taken whole or refused whole, with every fault by table, field and rule. The same file sent again changes
nothing. Exit code 3 where a record was refused or a file was cut off; everything else in it is stored.

The report has one JSON line for each record and one for each file:
  {\"record\": {\"file\", \"number\", \"record_key\", \"outcome\": \"accepted\" | \"changed\" | \"duplicate\" | \"refused\",
              \"events\": [{\"table\", \"kind\", \"outcome\", \"event_id\", \"partition\", \"offset\"}],
              \"faults\": [{\"table\", \"row\", \"field\", \"rule\", \"message\", \"detail\"}], \"findings\": [as faults]}}
  {\"file\": {\"file\", \"emitter\", \"records\", \"accepted\", \"changed\", \"duplicate\", \"refused\", \"whole\", ...}}")]
pub(crate) struct Import {
    /// Claim files (GIAMDINHHS), plain XML; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Translate and check, store nothing
    #[arg(long)]
    dry_run: bool,
    /// Write what became of every record to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the books as JSON
    #[arg(long)]
    json: bool,
}

/// A door that only looks, or the real one.
enum Door {
    Dry,
    Real(Box<Intake>),
}

impl Import {
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        // A name that was mistyped should not leave half of the files taken in.
        for path in self.files.iter().filter(|path| path.as_os_str() != "-") {
            let kind = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
            if kind.is_dir() {
                let path = path.display();
                return Err(Failure::Usage(format!(
                    "{path} is a folder: name the files in it, as {path}/*.xml"
                ))
                .into());
            }
        }
        let report = self.report.as_ref().map(|path| {
            let file =
                File::create(path).with_context(|| format!("cannot write the report {}", path.display()))?;
            anyhow::Ok(BufWriter::new(file))
        });
        let mut run = Run {
            door: if self.dry_run { Door::Dry } else { Door::Real(Box::new(data::open_intake(place)?)) },
            report: report.transpose()?,
            books: Books::default(),
            shown: Vec::new(),
            shown_left_out: 0,
        };
        let watched = Watched::new("importing", "files");
        for (number, path) in self.files.iter().enumerate() {
            watched.at(number as u64, self.files.len() as u64);
            run.file(path)?;
        }
        drop(watched);
        if let Some(mut report) = run.report.take() {
            report.flush().context("cannot write the report")?;
        }
        self.tell(&run)?;
        Ok(if run.books.all_is_well() { Exit::Ok } else { Exit::Refused })
    }

    fn tell(&self, run: &Run) -> anyhow::Result<()> {
        let mut out = output::stdout();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&run.books)?)?;
        } else {
            run.books.write_table(self.dry_run, &mut out)?;
            for line in &run.shown {
                writeln!(out, "  {line}")?;
            }
            if run.shown_left_out > 0 {
                let left_out = output::thousands(run.shown_left_out as i64);
                writeln!(out, "  and {left_out} more; --report FILE has them all")?;
            }
        }
        out.flush()?;
        Ok(())
    }
}

/// One run of the command.
struct Run {
    door: Door,
    report: Option<BufWriter<File>>,
    books: Books,
    shown: Vec<String>,
    shown_left_out: usize,
}

impl Run {
    fn file(&mut self, path: &PathBuf) -> anyhow::Result<()> {
        let name = path.display().to_string();
        let reading = || format!("cannot read {name}");
        let mut books = FileReport::new(&name);
        let mut waiting: Vec<Record> = Vec::new();
        let mut submissions = 0;
        let source: Box<dyn std::io::Read> = if name == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(File::open(path).with_context(reading)?)
        };
        let mut reader = Reader::new(BufReader::with_capacity(1 << 20, source));
        while let Some(record) = reader.next_record().with_context(reading)? {
            submissions += record.submissions.len();
            waiting.push(record);
            if submissions >= BATCH_SUBMISSIONS {
                self.records(std::mem::take(&mut waiting), &mut books)?;
                submissions = 0;
            }
        }
        self.records(waiting, &mut books)?;
        let summary = reader.into_summary();
        self.end_of_file(books, &summary)
    }

    fn end_of_file(&mut self, mut books: FileReport, summary: &FileSummary) -> anyhow::Result<()> {
        books.end(summary);
        for fault in summary.refusal.iter().flat_map(|refusal| &refusal.faults) {
            self.show(&books.file, &fault.to_string());
        }
        if let Some(cut) = summary.truncated {
            let (byte, whole) =
                (output::thousands(cut.at_byte as i64), output::thousands(cut.whole_records as i64));
            let rest = if cut.in_record { "; the record that was cut has to be sent again" } else { "" };
            self.show(
                &books.file,
                &format!("the file ends early, at byte {byte}: its {whole} whole records count{rest}"),
            );
        }
        if let Some(report) = &mut self.report {
            books.write(report).context("cannot write the report")?;
        }
        self.books.add(books);
        Ok(())
    }

    fn records(&mut self, records: Vec<Record>, books: &mut FileReport) -> anyhow::Result<()> {
        let items = records.iter().flat_map(|record| &record.submissions).map(|said| Item {
            same_person_as: said.same_person_as.clone(),
            just_in_case: said.just_in_case,
            ..Item::new(said.submission.clone())
        });
        let receipts = match &mut self.door {
            Door::Real(intake) => {
                let mut receipts = Vec::new();
                let items: Vec<Item> = items.collect();
                // A record has a handful; the margin is for one of many cards.
                for part in items.chunks(intake::SUBMISSIONS_MAX) {
                    receipts.extend(intake.submit(part.to_vec(), data::now())?);
                }
                receipts.into_iter().map(Some).collect()
            }
            Door::Dry => items.map(|item| checked(&item)).collect::<Vec<_>>(),
        };
        let mut receipts = receipts.into_iter();
        for record in &records {
            let receipts: Vec<Option<Receipt>> = receipts.by_ref().take(record.submissions.len()).collect();
            let file = books.file.clone();
            let report = RecordReport::new(&file, record, &receipts);
            for fault in &report.faults {
                self.show(&file, &fault.shown(record.number, &record.record_key));
            }
            books.add(&report);
            if let Some(out) = &mut self.report {
                report.write(out).context("cannot write the report")?;
            }
        }
        Ok(())
    }

    fn show(&mut self, file: &str, what: &str) {
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(output::printable(&format!("{file}: {what}")));
        } else {
            self.shown_left_out += 1;
        }
    }
}

/// What intake would say to `item` without knowing the past; `None`: nothing against it.
fn checked(item: &Item) -> Option<Receipt> {
    let faults = validate_submission(&item.submission);
    let outcome = match (faults.is_empty(), item.just_in_case) {
        (false, _) => Outcome::Refused { faults },
        (true, true) => Outcome::NothingToWithdraw,
        (true, false) => return None,
    };
    Some(Receipt { outcome, findings: Vec::new() })
}
