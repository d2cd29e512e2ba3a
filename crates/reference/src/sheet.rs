//! A CSV file as rows of named, typed cells; what does not fit is a fault, and reading goes on.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use contract::{Code, Day};

use crate::BundleFault;

/// A reference is tens of thousands of rows at most: a larger file is a mistake, or an attack.
const BYTES_MAX: usize = 64 << 20;
const CELL_CHARS_MAX: usize = 2_000;

/// The rows of one file under the columns that it must have, in the order in which they were asked for.
pub(crate) struct Sheet {
    file: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<(usize, Vec<String>)>,
}

/// One row of a sheet.
#[derive(Clone, Copy)]
pub(crate) struct Row<'s> {
    sheet: &'s Sheet,
    cells: &'s [String],
    pub(crate) number: usize,
}

impl Sheet {
    /// Reads `content`. Missing, double and unknown columns, rows of another width and cells of absurd size are faults; a sheet with
    /// such a fault in its header has no rows.
    pub(crate) fn read(
        file: &'static str,
        content: Option<&[u8]>,
        columns: &[&'static str],
        faults: &mut Vec<BundleFault>,
    ) -> Sheet {
        let mut sheet = Sheet { file, columns: columns.to_vec(), rows: Vec::new() };
        let Some(content) = content else {
            faults.push(BundleFault::file(file, "the file is missing: put it into the folder"));
            return sheet;
        };
        if content.len() > BYTES_MAX {
            faults.push(BundleFault::file(file, format!("larger than {} MB", BYTES_MAX >> 20)));
            return sheet;
        }
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let text = match std::str::from_utf8(content) {
            Ok(text) => text,
            Err(error) => {
                let row = 1 + content[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
                faults.push(BundleFault::new(file, row, "", "not UTF-8: save the file as CSV UTF-8"));
                return sheet;
            }
        };
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let mut records = reader.records();
        let Some(Ok(header)) = records.next() else {
            faults.push(BundleFault::file(file, format!("no header row: expected {}", columns.join(","))));
            return sheet;
        };
        let Some(order) = sheet.order(&header, faults) else { return sheet };
        for record in records {
            let Ok(record) = record else {
                faults.push(BundleFault::file(file, "not readable as CSV"));
                break;
            };
            let number = record.position().map_or(0, |position| position.line() as usize);
            if record.iter().all(str::is_empty) {
                continue;
            }
            if record.len() != header.len() {
                let found = record.len();
                let reason =
                    format!("{found} cells where the header has {}: quote cells with commas", header.len());
                faults.push(BundleFault::new(file, number, "", reason));
                continue;
            }
            let cells = order.iter().map(|at| record[*at].trim().to_owned());
            sheet.rows.push((number, cells.collect()));
        }
        for row in sheet.rows() {
            for (column, cell) in sheet.columns.iter().zip(row.cells) {
                if cell.contains(['\n', '\r']) || cell.chars().count() > CELL_CHARS_MAX {
                    let reason = format!(
                        "a line break, or more than {CELL_CHARS_MAX} characters: is a quote not closed?"
                    );
                    faults.push(BundleFault::new(file, row.number, column, reason));
                }
            }
        }
        sheet
    }

    /// Where each wanted column stands in the file.
    fn order(&self, header: &csv::StringRecord, faults: &mut Vec<BundleFault>) -> Option<Vec<usize>> {
        let before = faults.len();
        let mut seen = BTreeMap::new();
        for (at, name) in header.iter().enumerate() {
            let name = name.trim();
            if !self.columns.contains(&name) {
                let reason = format!("unknown column; expected {}", self.columns.join(","));
                faults.push(BundleFault::new(self.file, 1, name, reason));
            } else if seen.insert(name, at).is_some() {
                faults.push(BundleFault::new(self.file, 1, name, "the column is there twice"));
            }
        }
        for column in &self.columns {
            if !seen.contains_key(column) {
                faults.push(BundleFault::new(self.file, 1, column, "the column is missing"));
            }
        }
        (faults.len() == before).then(|| self.columns.iter().map(|column| seen[column]).collect())
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(number, cells)| Row { sheet: self, cells, number: *number })
    }
}

impl<'s> Row<'s> {
    /// A fault in this row.
    pub(crate) fn fault(self, column: &str, reason: impl Into<String>) -> BundleFault {
        BundleFault::new(self.sheet.file, self.number, column, reason)
    }

    /// Every row says where it comes from and how sure that is.
    pub(crate) fn check_source(self, faults: &mut Vec<BundleFault>) {
        self.required("source", faults);
        self.choice("confidence", &[("H", ()), ("M", ()), ("L", ())], faults);
    }

    /// The cell under `column`, which must be one that the sheet was read with.
    pub(crate) fn text(self, column: &str) -> &'s str {
        let at = self.sheet.columns.iter().position(|name| *name == column);
        &self.cells[at.expect("only columns that the sheet was read with are asked for")]
    }

    /// A cell that must not be empty.
    pub(crate) fn required(self, column: &str, faults: &mut Vec<BundleFault>) -> String {
        let text = self.text(column);
        if text.is_empty() {
            faults.push(self.fault(column, "empty: a value is needed"));
        }
        text.to_owned()
    }

    /// A code; empty gives the empty code.
    pub(crate) fn code(self, column: &str) -> Code {
        Code::new(self.text(column))
    }

    /// A code that must not be empty.
    pub(crate) fn required_code(self, column: &str, faults: &mut Vec<BundleFault>) -> Code {
        Code::new(&self.required(column, faults))
    }

    /// A number from `least` to `most`; `None` for an empty cell.
    pub(crate) fn number<N: FromStr + PartialOrd + Display + Copy>(
        self,
        column: &str,
        (least, most): (N, N),
        faults: &mut Vec<BundleFault>,
    ) -> Option<N> {
        let text = self.text(column);
        if text.is_empty() {
            return None;
        }
        match text.parse::<N>() {
            Ok(number) if number >= least && number <= most => Some(number),
            _ => {
                let reason = format!("`{}` is not a number from {least} to {most}", shown(text));
                faults.push(self.fault(column, reason));
                None
            }
        }
    }

    /// A number with at most two decimals, in hundredths; `None` for an empty cell.
    pub(crate) fn hundredths(self, column: &str, most: u32, faults: &mut Vec<BundleFault>) -> Option<u32> {
        let text = self.text(column);
        if text.is_empty() {
            return None;
        }
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let hundredths = (digits(whole) && digits(decimals) && whole.len() <= 7 && decimals.len() <= 2)
            .then(|| format!("{whole}{decimals:0<2}").parse().ok())
            .flatten()
            .filter(|hundredths| *hundredths <= most * 100);
        if hundredths.is_none() {
            let reason = format!(
                "`{}` is not a number from 0 to {most} with at most two decimals and a point",
                shown(text)
            );
            faults.push(self.fault(column, reason));
        }
        hundredths
    }

    /// `yes` or `no`.
    pub(crate) fn yes_no(self, column: &str, faults: &mut Vec<BundleFault>) -> bool {
        self.choice(column, &[("yes", true), ("no", false)], faults).unwrap_or(false)
    }

    /// One of the named values.
    pub(crate) fn choice<T: Copy>(
        self,
        column: &str,
        choices: &[(&str, T)],
        faults: &mut Vec<BundleFault>,
    ) -> Option<T> {
        let text = self.text(column);
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let reason = format!("`{}` is none of {}", shown(text), names.join(", "));
            faults.push(self.fault(column, reason));
        }
        found
    }

    /// A day that must be there.
    pub(crate) fn day(self, column: &str, faults: &mut Vec<BundleFault>) -> Option<Day> {
        let text = self.text(column);
        let day = Day::parse(text.as_bytes());
        if day.is_none() {
            let reason = format!("`{}` is not a day written as YYYY-MM-DD", shown(text));
            faults.push(self.fault(column, reason));
        }
        day
    }

    /// `valid_from` and `valid_until`, the last day; empty cells are open ends.
    pub(crate) fn validity(self, faults: &mut Vec<BundleFault>) -> (Day, Day) {
        let mut end = |column, open| {
            if self.text(column).is_empty() { open } else { self.day(column, faults).unwrap_or(open) }
        };
        let (from, until) = (end("valid_from", Day::MIN), end("valid_until", Day::MAX));
        if from > until {
            faults.push(self.fault("valid_until", format!("{until} is before valid_from {from}")));
        }
        (from, until)
    }
}

/// The start of a cell, for a message.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    if start.len() < text.len() { format!("{start}...") } else { start }
}
