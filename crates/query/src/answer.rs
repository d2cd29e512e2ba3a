//! Answers: typed tables, and what they stand on.

use contract::{Day, Millis};
use serde::{Deserialize, Serialize};

use crate::{
    desk::parse_digest,
    question::{Known, Standpoint},
    receipt::Receipt,
};

/// A table of figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What stands in each place of a row.
    pub columns: Vec<Column>,
    /// The rows, in the order of their codes.
    pub rows: Vec<Vec<Value>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Stable name.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// A code with its name.
    Code,
    /// Persons, forms, visits.
    Count,
    /// Hundredths of a dong.
    Money,
    /// A number of days.
    Days,
    /// A part of a whole.
    Share,
    /// A day, month or any other text.
    Text,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number: see the column.
    Number(i64),
    /// A part of a whole, exact.
    Share {
        /// The part.
        part: i64,
        /// The whole.
        whole: i64,
    },
    /// A code exactly as sent, and its name where the reference knows it.
    Code {
        /// The code.
        code: String,
        /// The name.
        name: Option<String>,
    },
    /// A text.
    Text(String),
    /// Nothing to say.
    Nothing(()),
}

impl Value {
    /// For people: a share as `12.3 %`, money in dong.
    #[must_use]
    pub fn show(&self, kind: ColumnKind) -> String {
        match self {
            Value::Number(hundredths) if kind == ColumnKind::Money => show_money(*hundredths),
            Value::Number(number) => number.to_string(),
            Value::Share { whole: 0, .. } => "-".to_owned(),
            Value::Share { part, whole } => {
                let tenths =
                    (i128::from(*part) * 2000 + i128::from(*whole)).div_euclid(i128::from(*whole) * 2);
                format!("{}{}.{} %", if tenths < 0 { "-" } else { "" }, tenths.abs() / 10, tenths.abs() % 10)
            }
            Value::Code { code, name: Some(name) } => format!("{code} {name}"),
            Value::Code { code, name: None } | Value::Text(code) => code.clone(),
            Value::Nothing(()) => String::new(),
        }
    }
}

/// Hundredths of a dong as dong, with two decimals only where there are any.
#[must_use]
pub fn show_money(hundredths: i64) -> String {
    let (sign, amount) = (if hundredths < 0 { "-" } else { "" }, hundredths.unsigned_abs());
    match amount % 100 {
        0 => format!("{sign}{}", amount / 100),
        parts => format!("{sign}{}.{parts:02}", amount / 100),
    }
}

impl Table {
    /// The bytes that a receipt's digest is over: compact JSON of columns and rows.
    ///
    /// # Panics
    /// Never: a table has only texts and numbers.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a table has only texts and numbers")
    }

    /// The first place in which `other` is not the same, in words; `None`: equal.
    #[must_use]
    pub fn first_difference(&self, other: &Table) -> Option<String> {
        if self.columns != other.columns {
            let names = |table: &Table| {
                table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>().join(", ")
            };
            return Some(format!("the columns are {} here, {} there", names(self), names(other)));
        }
        let show = |row: Option<&Vec<Value>>| match row {
            Some(row) => {
                let shown: Vec<String> =
                    row.iter().zip(&self.columns).map(|(value, column)| value.show(column.kind)).collect();
                shown.join(" | ")
            }
            None => "no row".to_owned(),
        };
        let rows = self.rows.len().max(other.rows.len());
        let at = (0..rows).find(|at| self.rows.get(*at) != other.rows.get(*at))?;
        Some(format!(
            "row {} is `{}` here, `{}` there",
            at + 1,
            show(self.rows.get(at)),
            show(other.rows.get(at))
        ))
    }
}

/// What an answer stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stand {
    /// The log.
    pub log: String,
    /// The next offset of each partition.
    pub positions: Vec<u64>,
    /// The bundle's digest in hex.
    pub bundle: String,
    /// The bundle was never active here: a draft that is tried out.
    pub draft: bool,
    /// Asked for what was known before this moment.
    pub known_at: Option<String>,
    /// More may still come that belongs to the answer.
    pub provisional: bool,
    /// Records of the log that the answer does not stand on.
    pub behind: u64,
    /// Partitions that could not be read further, and why: what comes after is not in the answer.
    pub stopped: Vec<(u16, String)>,
}

impl Stand {
    /// Where the answer stands, as a standpoint: what is asked from there stands on the same.
    ///
    /// # Panics
    /// When [`Stand::bundle`] is no digest in hex.
    #[must_use]
    pub fn standpoint(&self) -> Standpoint {
        let bundle = parse_digest(&self.bundle).expect("a stand names its bundle by a digest in hex");
        Standpoint { known: Known::Positions(self.positions.clone()), bundle: Some(bundle) }
    }
}

/// Figures with their receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The figures.
    pub table: Table,
    /// What they stand on.
    pub stand: Stand,
    /// What to know before using them, in sentences.
    pub notes: Vec<String>,
    /// With it the same bytes can be had again.
    pub receipt: Receipt,
}

/// A moment for people and receipts.
pub(crate) fn moment(time: Millis) -> String {
    time.to_string()
}

/// The month of a day, as `2026-03`.
pub(crate) fn month(day: Day) -> String {
    let (year, month, _) = day.ymd();
    format!("{year:04}-{month:02}")
}
