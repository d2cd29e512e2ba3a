//! Insurance claim files: `GIAMDINHHS` envelopes with the tables XML0 to XML15 of decisions 130, 4750 and 3176/QD-BYT.
//!
//! [`Reader`] gives one record (HOSO) at a time, in the memory of one record; [`translate`] does a whole file. A record is
//! translated whole or refused whole, with every fault named; what is odd but understood is translated and remarked on.
//! [`Rule`] lists what is which.
//!
//! | table | becomes |
//! |---|---|
//! | XML0 check-in | an open visit |
//! | XML1 summary, XML2 drugs, XML3 services | the person, the actual residence from NGAY_VAO, a grant of insurance per card, the claim; with MA_NOI_DI and route code 1.3 an arrival; with visit type 15 or 16 a check-up; with route code 8 a withdrawal |
//! | XML13 transfer form | a referral issued |
//! | XML4 to XML12, XML14, XML15 | nothing: counted and passed over |
//!
//! Fields are read by name, in both wordings (MA_NOI_DI and MA_CSKCB_DI, MA_NOI_DEN and MA_CSKCB_DEN), never by position.
//! The emitter is the envelope's MACSKCB, `asserted_at` is NGAYLAP. All events of a record share MA_LK as their record key;
//! the second event of one kind gets `#2` behind it, and so on. Names, addresses and numbers of the person go into the
//! submission's person; diagnoses that tell of HIV into its restricted part.

mod claim;
mod framing;
mod person;
mod referral;
mod remarks;
mod rule;
mod table;
mod values;
mod visit;

use std::{
    collections::BTreeMap,
    io::{self, BufRead},
};

use contract::{Kind, Millis, v1};
use quick_xml::events::Event;

pub use framing::{ENVELOPE_BYTES_MAX, RECORD_BYTES_MAX};
pub use rule::{Remark, Rule, Severity};

use framing::{Frame, Framing};
use remarks::{Fields, Remarks};
use table::Row;
use values::Moment;

/// The longest MA_LK the format allows, in characters.
const RECORD_KEY_CHARS_MAX: usize = 100;
/// The longest the contract takes, less room for `#` and a number.
const RECORD_KEY_BYTES_MAX: usize = contract::KEY_BYTES_MAX - 8;

/// What a table of a record says.
#[derive(Clone, Debug, PartialEq)]
pub struct Translated {
    /// For intake.
    pub submission: v1::Submission,
    /// Where it stood.
    pub source: Source,
    /// MA_LK of the record, of the same emitter, whose person this is about, where the table itself does not identify it
    /// as well: an XML13 that came without its XML1. Where that record is not known, the submission's own person counts.
    pub same_person_as: Option<String>,
    /// A withdrawal of what the record does not hold, in case an earlier version of it did: the arrival, the check-up, a
    /// further card. It follows the claim, and counts only where intake accepts the claim and knows such a version; a
    /// record's submissions are therefore handed over together and in their order.
    pub just_in_case: bool,
}

/// Where a submission stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Number of the record in its file, from 1.
    pub record: u64,
    /// MA_LK.
    pub record_key: String,
    /// `XML0`, `XML1` or `XML13`.
    pub table: &'static str,
}

/// A record that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Number of the record in its file, from 1; 0 is the file.
    pub record: u64,
    /// MA_LK, as far as it could be read.
    pub record_key: String,
    /// Every fault, at least one.
    pub faults: Vec<Remark>,
}

/// One record of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number in the file, from 1.
    pub number: u64,
    /// MA_LK, as far as it could be read.
    pub record_key: String,
    /// What it says; empty where it is refused.
    pub submissions: Vec<Translated>,
    /// Why it is refused.
    pub refusal: Option<Refusal>,
    /// What is odd about it.
    pub findings: Vec<Remark>,
}

/// What is known of a file once its last record was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileSummary {
    /// MACSKCB of the envelope, as sent.
    pub emitter: String,
    /// NGAYLAP.
    pub asserted_at: Option<Millis>,
    /// Records, refused ones included; one that was cut off is not.
    pub records: u64,
    /// Tables that are known and not translated, by name.
    pub passed_over: BTreeMap<String, u64>,
    /// Why the file as a whole was refused, or the rest of it.
    pub refusal: Option<Refusal>,
    /// What is odd about the file as a whole.
    pub findings: Vec<Remark>,
    /// The file ended before its end.
    pub truncated: Option<Truncation>,
}

/// Where a file was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// Records before the cut. They count.
    pub whole_records: u64,
    /// The cut is inside the next record, which is lost and has to be sent again.
    pub in_record: bool,
    /// Bytes there were.
    pub at_byte: u64,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What the accepted records say.
    pub submissions: Vec<Translated>,
    /// The records that were refused, and the file, if it was.
    pub refusals: Vec<Refusal>,
    /// What is odd about accepted or refused records, and about the file.
    pub findings: Vec<Remark>,
    /// Records, refused ones included.
    pub records: u64,
    /// Tables that are known and not translated, by name.
    pub passed_over: BTreeMap<String, u64>,
    /// The file ended before its end.
    pub truncated: Option<Truncation>,
}

/// Translates a whole file in memory.
#[must_use]
pub fn translate(file: &[u8]) -> Outcome {
    let mut reader = Reader::new(file);
    let mut outcome = Outcome::default();
    while let Some(record) = reader.next_record().expect("reading from memory does not fail") {
        outcome.submissions.extend(record.submissions);
        outcome.refusals.extend(record.refusal);
        outcome.findings.extend(record.findings);
    }
    let summary = reader.into_summary();
    outcome.refusals.extend(summary.refusal);
    outcome.findings.extend(summary.findings);
    Outcome {
        records: summary.records,
        passed_over: summary.passed_over,
        truncated: summary.truncated,
        ..outcome
    }
}

/// What the envelope says about all its records.
#[derive(Default)]
pub(crate) struct Envelope {
    pub(crate) emitter: String,
    pub(crate) asserted_at: Option<Millis>,
    declared_records: Option<u64>,
}

/// Reads a file record by record.
///
/// ```
/// let file = b"<GIAMDINHHS><THONGTINDONVI><MACSKCB>01004</MACSKCB></THONGTINDONVI></GIAMDINHHS>";
/// let mut reader = adapters::insurance_xml::Reader::new(&file[..]);
/// assert!(reader.next_record()?.is_none());
/// assert_eq!(reader.into_summary().emitter, "01004");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Reader<R> {
    framing: Framing<R>,
    envelope: Envelope,
    summary: FileSummary,
}

impl<R: BufRead> Reader<R> {
    /// A reader of the file that `source` gives.
    pub fn new(source: R) -> Reader<R> {
        Reader {
            framing: Framing::new(source),
            envelope: Envelope::default(),
            summary: FileSummary::default(),
        }
    }

    /// The next record, in the order of the file; `None` after the last.
    ///
    /// # Errors
    /// What `source` fails with. The reader can be asked again where that makes sense for the source.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        while let Some(frame) = self.framing.next_frame()? {
            match frame {
                Frame::Envelope(bytes) => self.read_envelope(&bytes),
                Frame::Record(bytes) => return Ok(Some(self.record(&bytes, None))),
                Frame::RecordTooLarge(bytes) => {
                    return Ok(Some(self.record(&bytes, Some(Rule::RecordTooLarge))));
                }
                Frame::RecordNotClosed(bytes) => {
                    return Ok(Some(self.record(&bytes, Some(Rule::RecordNotClosed))));
                }
                Frame::NotAnEnvelope => self.refuse_file(Rule::EnvelopeMissing),
                Frame::EnvelopeTooLarge => self.refuse_file(Rule::EnvelopeTooLarge),
                Frame::Doctype => self.refuse_file(Rule::DoctypeNotAllowed),
                Frame::End { content_after } => {
                    if content_after {
                        self.find(Rule::ContentAfterEnd, "", String::new());
                    }
                    if let Some(declared) = self.envelope.declared_records
                        && declared != self.summary.records
                    {
                        let detail = format!("{declared} declared, {} found", self.summary.records);
                        self.find(Rule::RecordCountDiffers, "SOLUONGHOSO", detail);
                    }
                }
                Frame::Cut { in_record, at_byte } => {
                    self.summary.truncated =
                        Some(Truncation { whole_records: self.summary.records, in_record, at_byte });
                }
            }
        }
        Ok(None)
    }

    /// What is known of the file: complete once [`Reader::next_record`] gave `None`.
    #[must_use]
    pub fn into_summary(self) -> FileSummary {
        self.summary
    }

    fn find(&mut self, rule: Rule, field: &'static str, detail: String) {
        let mut remarks = Remarks::new(0);
        remarks.add(rule, "GIAMDINHHS", 0, field, detail);
        self.summary.findings.append(&mut remarks.findings);
    }

    fn refuse_file(&mut self, rule: Rule) {
        let mut remarks = Remarks::new(0);
        remarks.add(rule, "GIAMDINHHS", 0, "", String::new());
        self.summary.refusal = Some(Refusal { record: 0, record_key: String::new(), faults: remarks.faults });
    }

    fn read_envelope(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let fields = envelope_fields(&text);
        self.envelope.emitter = remarks::code(fields.get("MACSKCB"));
        self.envelope.declared_records = fields.get("SOLUONGHOSO").parse().ok();
        match values::visit_moment(fields.get("NGAYLAP")) {
            Moment::At(at) => self.envelope.asserted_at = Some(at),
            Moment::Empty => self.find(Rule::AssertedAtMissing, "NGAYLAP", String::new()),
            Moment::Impossible => self.find(Rule::AssertedAtImpossible, "NGAYLAP", String::new()),
        }
        self.summary.emitter.clone_from(&self.envelope.emitter);
        self.summary.asserted_at = self.envelope.asserted_at;
    }

    fn record(&mut self, bytes: &[u8], fault: Option<Rule>) -> Record {
        self.summary.records += 1;
        let number = self.summary.records;
        let mut remarks = Remarks::new(number);
        let mut submissions = Vec::new();
        if !values::is_facility_code(&self.envelope.emitter) {
            remarks.add(Rule::EmitterNotACode, "GIAMDINHHS", 0, "MACSKCB", String::new());
        }
        match (fault, std::str::from_utf8(bytes)) {
            (Some(fault), _) => remarks.add(fault, "HOSO", 0, "", String::new()),
            (None, Err(_)) => remarks.add(Rule::RecordNotUtf8, "HOSO", 0, "", String::new()),
            (None, Ok(text)) => {
                submissions =
                    translate_record(text, &self.envelope, &mut remarks, &mut self.summary.passed_over);
            }
        }
        if remarks.record_key.is_empty() {
            remarks.record_key = peek_record_key(bytes);
        }
        let record_key = remarks.record_key.clone();
        let (faults, findings) = remarks.close();
        let refusal =
            (!faults.is_empty()).then(|| Refusal { record: number, record_key: record_key.clone(), faults });
        if refusal.is_some() {
            submissions.clear();
        }
        for said in &mut submissions {
            said.source.record = number;
        }
        Record { number, record_key, submissions, refusal, findings }
    }
}

/// The fields of the envelope, wherever in it they stand.
fn envelope_fields(text: &str) -> Row {
    let mut row = Row::default();
    let mut reader = quick_xml::Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut name = String::new();
    // The text ends where the records begin, with elements open; what cannot be read leaves its field empty.
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(start) => name = start.local_name().as_ref().to_ascii_uppercase(),
            Event::End(_) => name.clear(),
            Event::Text(text) if !name.is_empty() => row.put(name.clone(), &text.into_inner()),
            Event::CData(text) if !name.is_empty() => row.put(name.clone(), &text.into_inner()),
            Event::Eof => break,
            _ => {}
        }
    }
    row
}

/// Where a record cannot be read: what stands between the first `<MA_LK>` and the next tag, for the report.
fn peek_record_key(bytes: &[u8]) -> String {
    const TAG: &[u8] = b"<MA_LK>";
    let Some(at) = bytes.windows(TAG.len()).position(|window| window == TAG) else { return String::new() };
    let rest = &bytes[at + TAG.len()..];
    let text = rest.split(|byte| *byte == b'<').next().unwrap_or_default();
    shown_record_key(&String::from_utf8_lossy(&text[..text.len().min(4 * RECORD_KEY_CHARS_MAX)]))
}

/// An MA_LK as reports show it: one line, of bounded length.
fn shown_record_key(text: &str) -> String {
    text.trim()
        .chars()
        .take(RECORD_KEY_CHARS_MAX)
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}

/// Reads MA_LK, which no table can do without.
pub(crate) fn record_key(fields: &mut Fields<'_>) -> String {
    let key = fields.needed("MA_LK");
    if key.chars().count() > RECORD_KEY_CHARS_MAX
        || key.len() > RECORD_KEY_BYTES_MAX
        || key.contains(char::is_control)
    {
        fields.remark(Rule::RecordKeyOdd, "MA_LK", "");
    }
    remarks::beginning(key, RECORD_KEY_BYTES_MAX).to_string()
}

const KNOWN_TABLES: [&str; 16] = [
    "XML0", "XML1", "XML2", "XML3", "XML4", "XML5", "XML6", "XML7", "XML8", "XML9", "XML10", "XML11",
    "XML12", "XML13", "XML14", "XML15",
];

/// The translated tables and the name of their rows.
const TRANSLATED: [(&str, &str); 5] = [
    ("XML0", "TRANG_THAI_KCB"),
    ("XML1", "TONG_HOP"),
    ("XML2", "CHI_TIET_THUOC"),
    ("XML3", "CHI_TIET_DVKT"),
    ("XML13", "CHI_TIEU_GIAYCHUYENTUYEN"),
];
const SUMMARY: usize = 1;
const DRUGS: usize = 2;
const SERVICES: usize = 3;
/// The most rows of the translated tables of one record: their amounts add up within 63 bits.
const ROWS_MAX: usize = 50_000;

fn translate_record(
    text: &str,
    envelope: &Envelope,
    remarks: &mut Remarks,
    passed_over: &mut BTreeMap<String, u64>,
) -> Vec<Translated> {
    let mut out = Vec::new();
    let tables = match table::tables(text) {
        Ok(tables) => tables,
        Err(rule) => {
            remarks.add(rule, "HOSO", 0, "", String::new());
            return out;
        }
    };
    // Rows by translated table; `None` where the record has no such table.
    let mut found: [Option<Vec<Row>>; 5] = Default::default();
    let mut unreadable_lines = false;
    let mut rows_left = ROWS_MAX;
    for table in &tables {
        let Some(at) = TRANSLATED.iter().position(|(name, _)| *name == table.name) else {
            if KNOWN_TABLES.contains(&table.name.as_str()) {
                *passed_over.entry(table.name.clone()).or_default() += 1;
            } else {
                remarks.add(Rule::TableUnknown, "HOSO", 0, "LOAIHOSO", String::new());
            }
            continue;
        };
        let name = TRANSLATED[at].0;
        let rows = table.xml().and_then(|xml| table::rows(&xml, TRANSLATED[at].1, rows_left));
        let rows = match rows {
            Ok(rows) => rows,
            Err(rule) => {
                remarks.add(rule, name, 0, "NOIDUNGFILE", String::new());
                unreadable_lines |= at == DRUGS || at == SERVICES;
                continue;
            }
        };
        rows_left -= rows.rows.len();
        if rows.other_encoding {
            remarks.add(Rule::EncodingDeclared, name, 0, "NOIDUNGFILE", String::new());
        }
        if let Some(at) = rows.rows.iter().position(|row| row.repeated) {
            remarks.add(Rule::FieldRepeated, name, at as u32 + 1, "", String::new());
        }
        if rows.rows.is_empty() && !matches!(at, DRUGS | SERVICES) {
            remarks.add(Rule::RowMissing, name, 0, "", String::new());
        }
        match &mut found[at] {
            Some(_) if at == SUMMARY => remarks.add(Rule::SummaryRepeated, name, 0, "", String::new()),
            Some(earlier) => {
                remarks.add(Rule::TableRepeated, name, 0, "", String::new());
                earlier.extend(rows.rows);
            }
            none => *none = Some(rows.rows),
        }
    }
    let [visits, summary, drugs, services, referrals] = &found;
    if [visits, summary, referrals].iter().all(|rows| rows.is_none()) {
        let rule = if drugs.is_some() || services.is_some() {
            Rule::SummaryMissing
        } else {
            Rule::NothingToTranslate
        };
        if remarks.faults.is_empty() {
            remarks.add(rule, "HOSO", 0, "", String::new());
        }
        return out;
    }
    let first =
        [summary, visits, referrals].into_iter().flatten().flatten().find(|row| !row.get("MA_LK").is_empty());
    remarks.record_key = shown_record_key(first.map_or("", |row| row.get("MA_LK")));

    visit::translate(visits.as_deref().unwrap_or_default(), envelope, remarks, &mut out);
    let summary = summary.as_deref().and_then(|rows| {
        if rows.len() > 1 {
            remarks.add(Rule::SummaryRepeated, "XML1", 0, "", String::new());
        }
        let tables = claim::Tables {
            summary: rows.first()?,
            drugs: drugs.as_deref().unwrap_or_default(),
            services: services.as_deref().unwrap_or_default(),
            has_form: referrals.is_some(),
            has_lines: (drugs.is_some() || services.is_some()) && !unreadable_lines,
        };
        Some(claim::translate(&tables, envelope, remarks, &mut out))
    });
    let referrals = referrals.as_deref().unwrap_or_default();
    referral::translate(referrals, summary.as_ref(), envelope, remarks, &mut out);
    out
}

impl Translated {
    fn new(
        envelope: &Envelope,
        table: &'static str,
        record_key: &str,
        event_key: String,
        occurred_at: Millis,
        person: v1::PersonDetails,
        body: v1::event::Body,
    ) -> Translated {
        let event = v1::Event {
            emitter: envelope.emitter.clone(),
            record_key: event_key,
            asserted_at: envelope.asserted_at.map(Millis::to_timestamp),
            occurred_at: Some(occurred_at.to_timestamp()),
            body: Some(body),
            ..v1::Event::default()
        };
        Translated {
            submission: v1::Submission { event: Some(event), person: Some(person), restricted: None },
            source: Source { record: 0, record_key: record_key.to_string(), table },
            same_person_as: None,
            just_in_case: false,
        }
    }

    /// What it says something about: a kind, and which of that kind in the record.
    fn names(&self) -> Option<(Kind, usize)> {
        let event = self.submission.event.as_ref()?;
        let number = event.record_key.strip_prefix(&self.source.record_key)?.strip_prefix('#');
        Some((Kind::of(event.body.as_ref()?), number.map_or(Some(1), |number| number.parse().ok())?))
    }

    fn withdraw(&mut self, reason: &str) {
        if let Some(event) = &mut self.submission.event {
            event.withdrawal = Some(v1::Withdrawal { reason: reason.to_string() });
        }
    }
}
