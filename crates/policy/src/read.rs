//! TOML as rows of named values with their lines; what does not fit is a fault, and reading goes on.

use contract::{Code, Day};
use reference::BundleFault;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{money::Percent, schema::Kind};

/// A table of law is a few hundred rows: a larger file is a mistake, or an attack.
const BYTES_MAX: usize = 4 << 20;
const WHOLE_MAX: i64 = 1_000_000;
const DONG_MAX: i64 = 1_000_000_000_000;

/// A file being read.
pub(crate) struct Source<'f> {
    pub(crate) file: &'static str,
    text: &'f str,
}

/// A TOML table with the file it stands in.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'f> {
    source: &'f Source<'f>,
    table: &'f DeTable<'f>,
    pub(crate) line: usize,
}

impl<'f> Source<'f> {
    /// Takes the file's text; `None`, and a fault, where there is none.
    pub(crate) fn new(
        file: &'static str,
        content: Option<&'f Vec<u8>>,
        faults: &mut Vec<BundleFault>,
    ) -> Option<Source<'f>> {
        let Some(content) = content else {
            faults.push(BundleFault::file(file, "the file is missing: put it into the folder"));
            return None;
        };
        if content.len() > BYTES_MAX {
            faults.push(BundleFault::file(file, format!("larger than {} MB", BYTES_MAX >> 20)));
            return None;
        }
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        match std::str::from_utf8(content) {
            Ok(text) => Some(Source { file, text }),
            Err(error) => {
                let line = 1 + content[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
                faults.push(BundleFault::new(file, line, "", "not UTF-8: save the file as UTF-8"));
                None
            }
        }
    }

    /// Parses the text as TOML.
    pub(crate) fn parse(&self, faults: &mut Vec<BundleFault>) -> Option<Spanned<DeTable<'_>>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let line = error.span().map_or(0, |span| self.line(span.start));
            faults.push(BundleFault::new(self.file, line, "", format!("not TOML: {}", error.message())));
        }
        errors.is_empty().then_some(table)
    }

    fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count()
    }

    fn fault(&self, at: &Spanned<DeValue<'_>>, column: &str, reason: impl Into<String>) -> BundleFault {
        BundleFault::new(self.file, self.line(at.span().start), column, reason)
    }

    /// The tables of the array `name`, the only key of the file.
    pub(crate) fn entries(
        &'f self,
        root: &'f Spanned<DeTable<'f>>,
        name: &str,
        faults: &mut Vec<BundleFault>,
    ) -> Vec<Entry<'f>> {
        let mut entries = Vec::new();
        for (key, value) in root.get_ref() {
            if key.get_ref() != name {
                let line = self.line(key.span().start);
                let reason = format!("unknown key; a file has [[{name}]] entries only");
                faults.push(BundleFault::new(self.file, line, key.get_ref(), reason));
                continue;
            }
            let Some(array) = value.get_ref().as_array() else {
                faults.push(self.fault(value, name, format!("write it as [[{name}]]")));
                continue;
            };
            for item in array {
                match item.get_ref().as_table() {
                    Some(table) => {
                        // The header of an entry has no place of its own: its first key stands for it.
                        let first = table.keys().map(|key| key.span().start).min();
                        let line = self.line(first.unwrap_or(item.span().start));
                        entries.push(Entry { source: self, table, line });
                    }
                    None => faults.push(self.fault(item, name, "not a table of keys")),
                }
            }
        }
        if entries.is_empty() {
            faults.push(BundleFault::file(self.file, format!("no [[{name}]] in it: at least one is needed")));
        }
        entries
    }
}

impl<'f> Entry<'f> {
    /// A fault of the entry as a whole, or of a key that it lacks.
    pub(crate) fn fault(&self, column: &str, reason: impl Into<String>) -> BundleFault {
        BundleFault::new(self.source.file, self.line, column, reason)
    }

    /// A fault of the value `at` under `column`.
    pub(crate) fn fault_at(
        &self,
        at: &Spanned<DeValue<'_>>,
        column: &str,
        reason: impl Into<String>,
    ) -> BundleFault {
        self.source.fault(at, column, reason)
    }

    /// Refuses keys other than `known`.
    pub(crate) fn only(&self, known: &[&str], faults: &mut Vec<BundleFault>) {
        for (key, value) in self.table {
            if !known.contains(&key.get_ref().as_ref()) {
                let reason = format!("unknown key; expected {}", known.join(", "));
                faults.push(self.source.fault(value, key.get_ref(), reason));
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'f Spanned<DeValue<'f>>> {
        self.table.get(key)
    }

    /// A text; empty where there is none.
    pub(crate) fn text(&self, key: &str, faults: &mut Vec<BundleFault>) -> String {
        match self.get(key) {
            None => String::new(),
            Some(value) => match value.get_ref().as_str() {
                Some(text) if !text.trim().is_empty() => text.to_owned(),
                _ => {
                    faults.push(self.source.fault(value, key, "not a text, or an empty one"));
                    String::new()
                }
            },
        }
    }

    /// A text that must be there.
    pub(crate) fn required(&self, key: &str, faults: &mut Vec<BundleFault>) -> String {
        if self.get(key).is_none() {
            faults.push(self.fault(key, "missing: every row needs it"));
        }
        self.text(key, faults)
    }

    /// `true` or `false`; false where there is none.
    pub(crate) fn yes(&self, key: &str, faults: &mut Vec<BundleFault>) -> bool {
        let Some(value) = self.get(key) else { return false };
        Kind::YesNo.number(value.get_ref()).map_or_else(
            |reason| {
                faults.push(self.source.fault(value, key, reason));
                false
            },
            |yes| yes == 1,
        )
    }

    /// A day, as `2026-01-01` with or without quotes.
    pub(crate) fn day(&self, key: &str, faults: &mut Vec<BundleFault>) -> Option<Day> {
        let value = self.get(key)?;
        let text = match value.get_ref() {
            DeValue::Datetime(day) => day.to_string(),
            DeValue::String(text) => text.to_string(),
            _ => String::new(),
        };
        let day = Day::parse(text.as_bytes());
        if day.is_none() {
            faults.push(self.source.fault(value, key, "not a day written as YYYY-MM-DD"));
        }
        day
    }

    /// The key's own table, as `when`: its keys with their values; none where the key is missing.
    pub(crate) fn pairs(
        &self,
        key: &str,
        faults: &mut Vec<BundleFault>,
    ) -> Vec<(&'f str, &'f Spanned<DeValue<'f>>)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        match value.get_ref().as_table() {
            Some(table) => table.iter().map(|(key, value)| (key.get_ref().as_ref(), value)).collect(),
            None => {
                faults.push(self.source.fault(value, key, format!("write it as {key} = {{ name = value }}")));
                Vec::new()
            }
        }
    }
}

impl Kind {
    /// The number that holds `value`; an `Err` says what was expected.
    pub(crate) fn number(self, value: &DeValue<'_>) -> Result<i64, String> {
        let whole = |most: i64| {
            let number = value
                .as_integer()
                .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok())
                .filter(|number| (0..=most).contains(number));
            number.ok_or_else(|| format!("expected a whole number from 0 to {most}"))
        };
        match self {
            Kind::Code => match value.as_str() {
                Some(text) if !text.is_empty() => Ok(code_number(Code::new(text))),
                _ => Err("expected a code in quotes".to_owned()),
            },
            Kind::Choice(names) => {
                let at = value.as_str().and_then(|text| names.iter().position(|name| *name == text));
                at.map(|at| at as i64).ok_or_else(|| format!("expected one of {}", names.join(", ")))
            }
            Kind::Whole => whole(WHOLE_MAX),
            Kind::Dong => whole(DONG_MAX).map(|dong| dong * 100),
            Kind::Share => {
                let share = value.as_str().and_then(Percent::parse);
                share.map(i64::from).ok_or_else(|| "expected a share as \"47.5%\", at most 100%".to_owned())
            }
            Kind::YesNo => value
                .as_bool()
                .map(i64::from)
                .ok_or_else(|| "expected true or false, without quotes".to_owned()),
            Kind::Text => Err("a text cannot be compared".to_owned()),
        }
    }
}

/// How a code is held among facts.
pub(crate) fn code_number(code: Code) -> i64 {
    code.packed() as i64
}
