//! What holds of any bytes whatever: the test with changed files and the fuzz target both check it.

use std::{
    cell::Cell,
    io::{self, BufRead, Read},
};

use adapters::insurance_xml::{Outcome, Reader, Refusal, Remark, Rule, Severity, translate};

/// Bytes given out in pieces, which counts those that were taken.
struct Pieces<'a> {
    bytes: &'a [u8],
    piece: usize,
    taken: &'a Cell<usize>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let rest = &self.bytes[self.taken.get()..];
        Ok(&rest[..rest.len().min(self.piece)])
    }

    fn consume(&mut self, count: usize) {
        self.taken.set(self.taken.get() + count);
    }
}

/// Translates `bytes` and checks that
/// - what is accepted is fit for intake, and still is when it was written as JSON and read again;
/// - what is refused or remarked on names its record, table and rule, its field where the rule is about one, and is short;
/// - what comes out is bounded by what went in;
/// - it does not matter in which pieces the file comes;
/// - a file cut at any of `cuts` keeps the records that were whole, word by word.
///
/// # Panics
/// Where one of these does not hold.
pub(crate) fn check(bytes: &[u8], piece: usize, cuts: &[usize]) {
    let whole = translate(bytes);
    check_submissions(&whole, bytes.len());
    let told = whole.refusals.iter().flat_map(|refusal| &refusal.faults).chain(&whole.findings);
    told.for_each(|remark| check_remark(remark, whole.records));
    whole.refusals.iter().for_each(check_refusal);
    // At most 100 faults and 100 findings a record, and a few of the file.
    let told =
        whole.refusals.iter().map(|refusal| refusal.faults.len()).sum::<usize>() + whole.findings.len();
    assert!(told as u64 <= 200 * whole.records + 8, "{told} remarks on {} records", whole.records);

    let ends = check_pieces(bytes, piece, &whole);
    for cut in cuts.iter().map(|cut| cut % (bytes.len() + 1)) {
        check_cut(&translate(&bytes[..cut]), cut, &whole, &ends);
    }
}

fn check_submissions(whole: &Outcome, bytes: usize) {
    let mut size = 0;
    for said in &whole.submissions {
        let submission = &said.submission;
        assert_eq!(contract::validate_submission(submission), [], "{:?}", said.source);
        let json = contract::submission_to_json(submission).expect("what is valid has a JSON form");
        let again = contract::submission_from_json(json.as_bytes());
        // Compared whole, for personal messages print nothing to see a difference by.
        assert!(again.as_ref() == Ok(submission), "{:?} is another one when it is read again", said.source);
        assert!((1..=whole.records).contains(&said.source.record));
        let refused = whole.refusals.iter().any(|refusal| refusal.record == said.source.record);
        assert!(!refused, "{:?} is of a refused record", said.source);
        size += json.len();
    }
    // A field of one byte may become an event with a person, and a row a line of the claim.
    assert!(size <= 200 * bytes, "{size} bytes came out of {bytes}");
}

fn check_remark(remark: &Remark, records: u64) {
    assert!(remark.record <= records);
    assert!(!remark.table.is_empty() && !remark.rule.code().is_empty(), "{remark}");
    assert!(!remark.record_key.contains(char::is_control), "{remark}");
    // From the first rule about fields on, refusals name theirs.
    let is_about_a_field = remark.rule >= Rule::FieldEmpty && remark.rule.severity() == Severity::Refused;
    assert!(!is_about_a_field || !remark.field.is_empty(), "{remark}");
    let text = remark.to_string();
    assert!(text.len() < 2000 && !text.contains('\n'), "{} bytes", text.len());
}

fn check_refusal(refusal: &Refusal) {
    assert!(!refusal.faults.is_empty());
    for fault in &refusal.faults {
        assert_eq!(fault.rule.severity(), Severity::Refused, "{fault}");
        assert_eq!((fault.record, &fault.record_key), (refusal.record, &refusal.record_key), "{fault}");
    }
}

/// Gives back how many bytes had been taken when each record was there.
fn check_pieces(bytes: &[u8], piece: usize, whole: &Outcome) -> Vec<usize> {
    let taken = Cell::new(0);
    let mut reader = Reader::new(Pieces { bytes, piece: piece.max(1), taken: &taken });
    let (mut submissions, mut refusals, mut records) = (Vec::new(), Vec::new(), 0);
    let mut ends = Vec::new();
    while let Some(record) = reader.next_record().expect("reading from memory does not fail") {
        records += 1;
        assert_eq!(record.number, records);
        submissions.extend(record.submissions);
        refusals.extend(record.refusal);
        ends.push(taken.get());
    }
    let summary = reader.into_summary();
    refusals.extend(summary.refusal);
    assert!(submissions == whole.submissions && refusals == whole.refusals, "pieces of {piece} bytes");
    assert_eq!((summary.records, summary.truncated), (whole.records, whole.truncated));
    ends
}

fn check_cut(part: &Outcome, cut: usize, whole: &Outcome, ends: &[usize]) {
    let kept = ends.iter().filter(|end| **end <= cut).count() as u64;
    assert!((kept..=whole.records).contains(&part.records), "cut at {cut}: {} records", part.records);
    let before = whole.submissions.iter().filter(|said| said.source.record <= part.records);
    assert!(part.submissions.iter().eq(before), "cut at {cut}: other submissions");
    let own = |outcome: &Outcome| -> Vec<Refusal> {
        let of_records =
            outcome.refusals.iter().filter(|refusal| (1..=part.records).contains(&refusal.record));
        of_records.cloned().collect()
    };
    assert_eq!(own(part), own(whole), "cut at {cut}");
}
