//! Collects what is wrong with one record.

use super::{
    rule::{Remark, Rule, Severity},
    table::Row,
    values::{self, Decimal, Moment, NotDecimal},
};
use contract::{CODE_BYTES_MAX, Day, KEY_BYTES_MAX, Millis, TEXT_BYTES_MAX};

/// More findings than this on one record are only counted.
const REMARKS_MAX: usize = 100;

/// The beginning of `text`, at most `bytes_max` bytes, whole characters.
pub(crate) fn beginning(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// The beginning of a code.
pub(crate) fn code(text: &str) -> String {
    beginning(text.trim(), CODE_BYTES_MAX).chars().filter(|char| !char.is_control()).collect()
}

/// The faults and findings of one record.
pub(crate) struct Remarks {
    record: u64,
    pub(crate) record_key: String,
    pub(crate) faults: Vec<Remark>,
    pub(crate) findings: Vec<Remark>,
    omitted: usize,
}

impl Remarks {
    pub(crate) fn new(record: u64) -> Remarks {
        Remarks { record, record_key: String::new(), faults: Vec::new(), findings: Vec::new(), omitted: 0 }
    }

    /// Adds a remark, to the faults or the findings as its rule says.
    pub(crate) fn add(&mut self, rule: Rule, table: &str, row: u32, field: &'static str, detail: String) {
        let remarks = match rule.severity() {
            Severity::Refused => &mut self.faults,
            Severity::Finding => &mut self.findings,
        };
        if remarks.len() == REMARKS_MAX {
            self.omitted += 1;
            return;
        }
        remarks.push(Remark {
            record: self.record,
            record_key: self.record_key.clone(),
            table: table.to_string(),
            row,
            field,
            rule,
            detail,
        });
    }

    /// Faults and findings, complete with the count of those left out.
    pub(crate) fn close(mut self) -> (Vec<Remark>, Vec<Remark>) {
        let omitted = std::mem::take(&mut self.omitted);
        if omitted > 0 {
            self.findings.truncate(REMARKS_MAX - 1);
            self.add(Rule::FindingsOmitted, "HOSO", 0, "", format!("at least {omitted}"));
        }
        for remark in self.faults.iter_mut().chain(&mut self.findings) {
            remark.record_key.clone_from(&self.record_key);
        }
        (self.faults, self.findings)
    }
}

/// One row of one table, with a place to complain.
pub(crate) struct Fields<'a> {
    pub(crate) table: &'static str,
    /// From 1; 0 where the table has one row.
    pub(crate) number: u32,
    pub(crate) row: &'a Row,
    pub(crate) remarks: &'a mut Remarks,
}

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, field: &str) -> &'a str {
        self.row.get(field)
    }

    pub(crate) fn remark(&mut self, rule: Rule, field: &'static str, detail: impl Into<String>) {
        self.remarks.add(rule, self.table, self.number, field, detail.into());
    }

    /// The field's text; empty is a fault.
    pub(crate) fn needed(&mut self, field: &'static str) -> &'a str {
        let text = self.get(field);
        if text.is_empty() {
            self.remark(Rule::FieldEmpty, field, "");
        }
        text
    }

    /// Remarks on a field that is empty though the format asks for it.
    pub(crate) fn wish(&mut self, field: &'static str) {
        if self.get(field).is_empty() {
            self.remark(Rule::FieldWished, field, "");
        }
    }

    /// A code exactly as sent; `max` characters by the format.
    pub(crate) fn code(&mut self, field: &'static str, max: usize) -> String {
        self.one_line(field, max, CODE_BYTES_MAX)
    }

    /// A number of a form, a person or a phone.
    pub(crate) fn key(&mut self, field: &'static str, max: usize) -> String {
        self.one_line(field, max, KEY_BYTES_MAX)
    }

    /// A code of a line, which may list many.
    pub(crate) fn long_code(&mut self, field: &'static str, max: usize) -> String {
        self.one_line(field, max, TEXT_BYTES_MAX)
    }

    fn one_line(&mut self, field: &'static str, max: usize, bytes_max: usize) -> String {
        let mut text = self.kept(field, max, bytes_max);
        if text.contains(char::is_control) {
            self.remark(Rule::ControlCharacter, field, "");
            text.retain(|char| !char.is_control());
        }
        text
    }

    /// A sentence, name or address.
    pub(crate) fn text(&mut self, field: &'static str, max: usize) -> String {
        self.kept(field, max, TEXT_BYTES_MAX)
    }

    fn kept(&mut self, field: &'static str, max: usize, bytes_max: usize) -> String {
        let text = self.get(field);
        // Bytes are at least as many as characters: the common case needs no count.
        if text.len() <= max {
            return text.to_string();
        }
        if text.len() > bytes_max {
            let kept = beginning(text, bytes_max);
            self.remark(Rule::FieldCut, field, format!("{} bytes; {} were kept", text.len(), kept.len()));
            return kept.to_string();
        }
        let count = text.chars().count();
        if count > max {
            self.remark(Rule::FieldTooLong, field, format!("{count} characters; the format has {max}"));
        }
        text.to_string()
    }

    /// A code of a list; what is not in it is kept and remarked on. An empty one is the caller's business.
    pub(crate) fn listed(&mut self, field: &'static str, list: &[&str], max: usize) -> String {
        let code = self.code(field, max);
        if !code.is_empty() && !list.contains(&code.as_str()) {
            self.remark(Rule::CodeUnknown, field, "");
        }
        code
    }

    /// A facility's code, as sent.
    pub(crate) fn facility(&mut self, field: &'static str) -> String {
        let code = self.code(field, 5);
        self.check_facility(field, &code);
        code
    }

    /// The last facility of a `;` list, as sent.
    pub(crate) fn last_facility(&mut self, field: &'static str) -> String {
        let text = self.get(field);
        if !text.contains(';') {
            return self.facility(field);
        }
        let last = code(values::list(text).filter(|item| !item.is_empty()).last().unwrap_or_default());
        self.check_facility(field, &last);
        last
    }

    fn check_facility(&mut self, field: &'static str, code: &str) {
        if !code.is_empty() && !values::is_facility_code(code) {
            self.remark(
                Rule::CodeOdd,
                field,
                "a facility code has two digits of the province, then three digits or capitals",
            );
        }
    }

    /// A moment the record cannot do without.
    pub(crate) fn visit_moment(&mut self, field: &'static str) -> Option<Millis> {
        match values::visit_moment(self.get(field)) {
            Moment::At(at) => return Some(at),
            Moment::Empty => self.remark(Rule::FieldEmpty, field, ""),
            Moment::Impossible => self.remark(Rule::VisitDateImpossible, field, ""),
        }
        None
    }

    /// A moment that may be missing.
    pub(crate) fn other_moment(&mut self, field: &'static str) -> Option<Millis> {
        match values::visit_moment(self.get(field)) {
            Moment::At(at) => Some(at),
            Moment::Empty => None,
            Moment::Impossible => {
                self.remark(Rule::DateImpossible, field, "");
                None
            }
        }
    }

    /// A day that may be missing.
    pub(crate) fn day(&mut self, field: &'static str, text: &str) -> Option<Day> {
        let day = values::day(text);
        if day.is_none() && !text.is_empty() {
            self.remark(Rule::DateImpossible, field, "");
        }
        day
    }

    /// An amount; `needed` says whether an empty one is a fault, or nothing.
    pub(crate) fn amount(&mut self, field: &'static str, needed: bool) -> Option<Decimal> {
        let text = self.get(field);
        if text.is_empty() {
            if needed {
                self.remark(Rule::FieldEmpty, field, "");
                return None;
            }
            return Some(Decimal::default());
        }
        match Decimal::parse(text) {
            Ok(amount) if amount < Decimal::default() => self.remark(Rule::AmountNegative, field, ""),
            Ok(amount) => {
                if !amount.hundredths().1 {
                    self.remark(Rule::AmountRounded, field, "");
                }
                return Some(amount);
            }
            Err(NotDecimal::Syntax) => self.remark(Rule::AmountNotANumber, field, ""),
            Err(NotDecimal::TooLarge) => self.remark(Rule::AmountTooLarge, field, ""),
        }
        None
    }
}
