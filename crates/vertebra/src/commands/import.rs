//! `vertebra import`: insurance-claim files into the log.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use adapters::insurance_xml::{FileSummary, Reader, Record};
use anyhow::Context;
use clap::Args;
use contract::{Fault, validate_submission};
use intake::{Intake, Item, Outcome, Receipt};

use crate::{
    cli::Place,
    commands::report::{Books, FaultReport, FileReport, RecordReport, begins_like_a_report, stayed},
    data,
    failure::{Exit, Failure},
    output,
    progress::{BytesRead, Watched},
};

/// So many submissions are handed to intake at once: one sync for all of them.
const BATCH_SUBMISSIONS: usize = 4_000;
/// Or so many records, or what so many bytes of the file say: a record may say nothing at all, or much.
const BATCH_RECORDS: usize = 1_000;
const BATCH_BYTES: u64 = 16 << 20;
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
              \"events\": [{\"table\", \"kind\", \"outcome\", \"event_id\", \"partition\", \"offset\",
                          \"follow_ups\": [{\"what\": \"retraction\" | \"said_again\", \"of\", \"event_id\", ...}]}],
              \"faults\": [{\"table\", \"row\", \"field\", \"rule\", \"message\", \"detail\"}], \"findings\": [as faults]}}
  {\"file\": {\"file\", \"emitter\", \"records\", \"accepted\", \"changed\", \"duplicate\", \"refused\",
            \"events\", \"retractions\", \"said_again\", \"appended\", \"whole\", ...}}
The books balance: records = accepted + changed + duplicate + refused; the log grew by appended = events + retractions +
said_again, of which the last two are intake's own, for records that turned out to be about another person.
docs/guides/json.md names them all.")]
pub(crate) struct Import {
    /// Claim files (GIAMDINHHS), plain XML; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Translate and check, store nothing
    #[arg(long)]
    dry_run: bool,
    /// Write what became of every record to this file, as JSON lines; a report of that name is written over
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Also into the folder of a simulated city, whose key anybody can make: for invented data
    #[arg(long)]
    into_simulated: bool,
    /// Print the books as JSON
    #[arg(long)]
    json: bool,
}

/// A door that only looks, or the real one.
enum Door {
    Dry,
    Real(Box<Intake>),
}

impl Door {
    /// How many records the log took of this door.
    fn appended(&self) -> u64 {
        match self {
            Door::Dry => 0,
            Door::Real(intake) => intake.totals().appended,
        }
    }

    /// An answer to each item; `None`: in a dry run nothing stands against it.
    fn answers(&mut self, mut items: Vec<Item>) -> anyhow::Result<Vec<Option<Receipt>>> {
        let Door::Real(intake) = self else {
            let nothing = || Receipt { outcome: Outcome::NothingToWithdraw, findings: Vec::new() };
            return Ok(items.iter().map(|item| item.just_in_case.then(nothing)).collect());
        };
        let mut receipts = Vec::with_capacity(items.len());
        while !items.is_empty() {
            // A record has a handful; the margin is for one of many cards.
            let rest = items.split_off(items.len().min(intake::SUBMISSIONS_MAX));
            receipts.extend(intake.submit(items, data::now())?.into_iter().map(Some));
            items = rest;
        }
        Ok(receipts)
    }
}

/// What intake would refuse of a record, with the table it comes from. A withdrawal just in case may be refused alone.
fn faults_of(record: &Record) -> Vec<(&'static str, Fault)> {
    let said = record.submissions.iter().filter(|said| !said.just_in_case);
    said.flat_map(|said| {
        let faults = validate_submission(&said.submission);
        faults.into_iter().map(|fault| (said.source.table, fault))
    })
    .collect()
}

impl Import {
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        let bytes_total = self.look_at_files()?;
        self.look_at_report()?;
        let door = if self.dry_run {
            Door::Dry
        } else {
            Door::Real(Box::new(data::open_intake(place, self.into_simulated)?))
        };
        let report = self.report.as_ref().map(|path| {
            let file =
                File::create(path).with_context(|| format!("cannot write the report {}", path.display()))?;
            anyhow::Ok(BufWriter::new(file))
        });
        let mut run = Run {
            door,
            report: report.transpose()?,
            books: Books::default(),
            shown: Vec::new(),
            shown_left_out: 0,
            bytes: BytesRead::default(),
            bytes_total,
            watched: Watched::new("importing", "bytes"),
        };
        // Where one file fails, what the others gave is told all the same: it is stored.
        let taken = self.files.iter().try_for_each(|path| run.file(path));
        let Run { report, books, shown, shown_left_out, watched, .. } = run;
        drop(watched);
        let reported = report.map_or(Ok(()), |mut report| report.flush().context("cannot write the report"));
        let told = self.tell(&books, &shown, shown_left_out);
        taken.and(reported).and(told)?;
        books.check(self.dry_run)?;
        Ok(if books.all_is_well() { Exit::Ok } else { Exit::Refused })
    }

    /// How many bytes all files have together. A name that was mistyped should not leave half of the files taken in.
    fn look_at_files(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for path in self.files.iter().filter(|path| path.as_os_str() != "-") {
            let found = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
            if found.is_dir() {
                let path = path.display();
                return Err(Failure::Usage(format!(
                    "{path} is a folder: name the files in it, as {path}/*.xml"
                ))
                .into());
            }
            bytes += found.len();
        }
        Ok(bytes)
    }

    /// `--report claims/*.xml` names a claim file: only what is a report is written over.
    fn look_at_report(&self) -> anyhow::Result<()> {
        let Some(path) = &self.report else { return Ok(()) };
        // What is not there, or is no file, as a pipe, loses nothing.
        if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
            return Ok(());
        }
        let cannot = || format!("cannot read {}", path.display());
        let own = fs::canonicalize(path).with_context(cannot)?;
        let is_read = self.files.iter().any(|file| fs::canonicalize(file).is_ok_and(|file| file == own));
        if is_read || !begins_like_a_report(File::open(path)?).with_context(cannot)? {
            return Err(Failure::Usage(format!(
                "{} is there already and is no report: --report takes the name of the file to write",
                path.display()
            ))
            .into());
        }
        Ok(())
    }

    fn tell(&self, books: &Books, shown: &[String], shown_left_out: usize) -> anyhow::Result<()> {
        let mut out = output::stdout();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(books)?)?;
        } else {
            books.write_table(self.dry_run, &mut out)?;
            for line in shown {
                writeln!(out, "  {line}")?;
            }
            if shown_left_out > 0 {
                let left_out = output::thousands(shown_left_out as i64);
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
    bytes: BytesRead,
    bytes_total: u64,
    watched: Watched,
}

impl Run {
    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut books = FileReport::new(&path.display().to_string());
        let read = self.read(path, &mut books);
        if let Ok(summary) = &read {
            self.end_of_file(&mut books, summary);
        }
        let written = self.report.as_mut().map_or(Ok(()), |report| books.write(report));
        self.books.add(books);
        read?;
        written.context("cannot write the report")
    }

    /// Reads a file to its end, record by record.
    fn read(&mut self, path: &Path, books: &mut FileReport) -> anyhow::Result<FileSummary> {
        let reading = || format!("cannot read {}", path.display());
        let source: Box<dyn Read> = if path.as_os_str() == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(File::open(path).with_context(reading)?)
        };
        let mut reader = Reader::new(BufReader::with_capacity(1 << 20, self.bytes.of(source)));
        let mut waiting: Vec<Record> = Vec::new();
        let (mut submissions, mut since) = (0, self.bytes.so_far());
        while let Some(record) = reader.next_record().with_context(reading)? {
            submissions += record.submissions.len();
            waiting.push(record);
            if submissions >= BATCH_SUBMISSIONS
                || waiting.len() >= BATCH_RECORDS
                || self.bytes.so_far() - since >= BATCH_BYTES
            {
                self.records(std::mem::take(&mut waiting), books)?;
                (submissions, since) = (0, self.bytes.so_far());
                self.watched.at(since, self.bytes_total);
            }
        }
        self.records(waiting, books)?;
        Ok(reader.into_summary())
    }

    fn end_of_file(&mut self, books: &mut FileReport, summary: &FileSummary) {
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
    }

    /// Hands records to intake. A record is taken whole or refused whole: what intake would refuse of it keeps the rest out.
    fn records(&mut self, records: Vec<Record>, books: &mut FileReport) -> anyhow::Result<()> {
        let faults: Vec<Vec<(&str, Fault)>> = records.iter().map(faults_of).collect();
        let checked = || records.iter().zip(&faults);
        let whole = checked().filter(|(_, faults)| faults.is_empty());
        let items = whole.flat_map(|(record, _)| &record.submissions).map(|said| Item {
            same_person_as: said.same_person_as.clone(),
            just_in_case: said.just_in_case,
            ..Item::new(said.submission.clone())
        });
        let before = self.door.appended();
        let mut receipts = self.door.answers(items.collect())?.into_iter();
        books.add_appended(self.door.appended() - before);
        let file = books.file.clone();
        for (record, faults) in checked() {
            let report = if faults.is_empty() {
                let receipts: Vec<Option<Receipt>> =
                    receipts.by_ref().take(record.submissions.len()).collect();
                for stayed in receipts.iter().flatten().flat_map(stayed) {
                    let what = FaultReport::of_stayed(stayed).shown(record.number, &record.record_key);
                    self.show(&file, &what);
                }
                RecordReport::taken(&file, record, &receipts)
            } else {
                RecordReport::refused(&file, record, faults)
            };
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The first record of a claim file.
    fn record() -> Record {
        let file = include_str!("../../../../deploy/demo/claims/02-dong-da-march.xml");
        Reader::new(file.as_bytes()).next_record().unwrap().unwrap()
    }

    fn run_of(folder: &Path) -> Run {
        let place =
            Place { data: folder.to_owned(), log: None, kafka_config: None, reference: None, policy: None };
        Run {
            door: Door::Real(Box::new(data::open_intake(&place, false).unwrap())),
            report: None,
            books: Books::default(),
            shown: Vec::new(),
            shown_left_out: 0,
            bytes: BytesRead::default(),
            bytes_total: 0,
            watched: Watched::new("importing", "bytes"),
        }
    }

    #[test]
    fn what_intake_refuses_of_a_record_keeps_the_rest_of_it_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = run_of(folder.path());
        let mut spoilt = record();
        let last = spoilt.submissions.iter_mut().rfind(|said| !said.just_in_case).unwrap();
        last.submission.event.as_mut().unwrap().record_key.clear();
        let events = spoilt.submissions.iter().filter(|said| !said.just_in_case).count() as u64;
        let counts = |books: &FileReport| {
            let books = serde_json::to_value(books).unwrap();
            ["records", "accepted", "refused", "events"].map(|name| books[name].as_u64().unwrap())
        };

        let mut books = FileReport::new("march.xml");
        run.records(vec![spoilt], &mut books).unwrap();
        assert_eq!(counts(&books), [1, 0, 1, 0], "nothing of it is in the log");
        run.records(vec![Record { number: 2, ..record() }], &mut books).unwrap();
        assert_eq!(counts(&books), [2, 1, 1, events]);
        assert_eq!(run.shown.len(), 1, "{:?}", run.shown);
        assert!(run.shown[0].contains("record 1") && run.shown[0].contains("record_key"), "{:?}", run.shown);
    }
}
