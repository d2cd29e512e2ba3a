//! What the command prints: tables for people, JSON and CSV for programs.

use std::io::{self, BufWriter, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value as Json};

/// In which form to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Table,
    /// For programs: one JSON document.
    Json,
    /// For spreadsheets.
    Csv,
}

/// Standard output. Buffered: flush at the end, so that a full pipe is noticed.
pub(crate) fn stdout() -> BufWriter<io::StdoutLock<'static>> {
    BufWriter::with_capacity(64 << 10, io::stdout().lock())
}

/// A value in a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing is known.
    Missing,
    /// A word or name.
    Text(String),
    /// A number of things.
    Count(i64),
    /// Hundredths of a dong, shown in dong.
    Money(i64),
    /// A share of one, shown in per cent.
    Share(f64),
}

impl Value {
    /// A text; an empty one is missing.
    pub(crate) fn text(text: impl Into<String>) -> Value {
        let text = text.into();
        if text.is_empty() { Value::Missing } else { Value::Text(text) }
    }

    /// A part of a whole; of nothing there are no parts.
    pub(crate) fn share(part: i64, whole: i64) -> Value {
        if whole == 0 { Value::Missing } else { Value::Share(part as f64 / whole as f64) }
    }

    fn shown(&self) -> String {
        match self {
            Value::Missing => "–".to_owned(),
            Value::Text(text) => printable(text),
            Value::Count(count) => thousands(*count),
            Value::Money(hundredths) => money(*hundredths),
            Value::Share(share) => format!("{:.1} %", share * 100.0),
        }
    }

    fn plain(&self) -> String {
        match self {
            Value::Missing => String::new(),
            Value::Text(text) => text.clone(),
            Value::Count(count) => count.to_string(),
            Value::Money(hundredths) => plain_money(*hundredths),
            Value::Share(share) => format!("{share:.6}"),
        }
    }

    fn json(&self) -> Json {
        match self {
            Value::Missing => Json::Null,
            Value::Text(text) => Json::from(text.as_str()),
            Value::Count(count) => Json::from(*count),
            // A text: a sum of hundredths may be more than a double holds.
            Value::Money(hundredths) => Json::from(plain_money(*hundredths)),
            Value::Share(share) => Json::from((share * 1e6).round() / 1e6),
        }
    }

    fn is_number(&self) -> bool {
        !matches!(self, Value::Missing | Value::Text(_))
    }
}

/// Rows under named columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sheet {
    /// Stable names, for programs; people see them with spaces.
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Sheet {
    /// A sheet with these columns.
    pub(crate) fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Sheet {
        Sheet { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row, one value for each column.
    pub(crate) fn push(&mut self, row: Vec<Value>) {
        debug_assert_eq!(row.len(), self.columns.len(), "one value for each column");
        self.rows.push(row);
    }

    /// Prints for people, indented by two spaces.
    pub(crate) fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        let is_number = |at: usize| self.rows.iter().any(|row| row[at].is_number());
        let alignment = |at: usize| if is_number(at) { CellAlignment::Right } else { CellAlignment::Left };
        let title = |(at, name): (usize, &String)| Cell::new(shown_title(name)).set_alignment(alignment(at));
        table.set_header(self.columns.iter().enumerate().map(title).collect::<Vec<Cell>>());
        for row in &self.rows {
            let cell = |(at, value): (usize, &Value)| {
                let shown = value.shown();
                let is_name = self.columns[at].ends_with("_name");
                Cell::new(if is_name { cut(shown) } else { shown }).set_alignment(alignment(at))
            };
            table.add_row(row.iter().enumerate().map(cell).collect::<Vec<Cell>>());
        }
        for (number, line) in table.trim_fmt().lines().enumerate() {
            let line = line.trim_end();
            writeln!(out, " {line}")?;
            if number == 0 {
                writeln!(out, "  {}", "─".repeat(line.chars().count().saturating_sub(1)))?;
            }
        }
        Ok(())
    }

    /// Prints as CSV with a header.
    pub(crate) fn write_csv(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        csv::Writer::from_writer(&mut *out).write_record(&self.columns)?;
        self.write_csv_rows(out)
    }

    /// Prints the rows alone: those of a page after the first.
    pub(crate) fn write_csv_rows(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        for row in &self.rows {
            csv.write_record(row.iter().map(Value::plain))?;
        }
        csv.flush()?;
        Ok(())
    }

    /// The rows as objects.
    pub(crate) fn to_json(&self) -> Json {
        let object = |row: &Vec<Value>| -> Json {
            let fields = self.columns.iter().zip(row).map(|(name, value)| (name.clone(), value.json()));
            Json::Object(fields.collect::<Map<_, _>>())
        };
        Json::Array(self.rows.iter().map(object).collect())
    }
}

/// A column's name as people see it. Names and shares stand right of what they belong to.
fn shown_title(name: &str) -> String {
    if name.ends_with("_name") {
        "name".to_owned()
    } else if name.ends_with("_share") {
        "share".to_owned()
    } else if name.chars().any(char::is_uppercase) {
        // A field of the claim format.
        name.to_owned()
    } else {
        name.replace('_', " ")
    }
}

/// A name as a table has room for it: in JSON and CSV it is whole.
fn cut(name: String) -> String {
    const CHARS_MAX: usize = 40;
    if name.chars().count() <= CHARS_MAX {
        return name;
    }
    name.chars().take(CHARS_MAX - 1).chain(['…']).collect()
}

/// A time that is not negative, in the unit that says it best.
pub(crate) fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", thousands(seconds / 86_400)),
    }
}

/// With a comma between thousands.
pub(crate) fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        shown.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Dong with a comma between thousands, and the hundredths where there are any.
pub(crate) fn money(hundredths: i64) -> String {
    let (dong, rest) = (hundredths / 100, hundredths.unsigned_abs() % 100);
    let sign = if hundredths < 0 && dong == 0 { "-" } else { "" };
    if rest == 0 { thousands(dong) } else { format!("{sign}{}.{rest:02}", thousands(dong)) }
}

fn plain_money(hundredths: i64) -> String {
    money(hundredths).replace(',', "")
}

/// A text from outside as a terminal may show it.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn sheet() -> Sheet {
        let mut sheet = Sheet::new(["commune", "residents", "share", "copay"]);
        sheet.push(vec![Value::text("00004"), Value::Count(1234567), Value::share(1, 3), Value::Money(150)]);
        sheet.push(vec![Value::text("unknown"), Value::Count(-12), Value::share(0, 0), Value::Money(-100)]);
        sheet
    }

    #[test]
    fn a_time_is_said_in_the_unit_that_fits() {
        let shown = [0, 119_999, 120_000, 7_199_999, 7_200_000, 172_800_000, -5].map(duration);
        assert_eq!(shown, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days", "0 s"]);
    }

    #[test]
    fn a_table_has_its_numbers_to_the_right() {
        let mut out = b"table\n".to_vec();
        sheet().write_table(&mut out).unwrap();
        expect![[r#"
            table
              commune  residents   share  copay
              ─────────────────────────────────
              00004    1,234,567  33.3 %   1.50
              unknown        -12       –     -1
        "#]]
        .assert_eq(std::str::from_utf8(&out).unwrap());
    }

    #[test]
    fn programs_get_plain_numbers() {
        let mut out = Vec::new();
        sheet().write_csv(&mut out).unwrap();
        expect![[r#"
            commune,residents,share,copay
            00004,1234567,0.333333,1.50
            unknown,-12,,-1
        "#]]
        .assert_eq(std::str::from_utf8(&out).unwrap());
        expect![[r#"[{"commune":"00004","copay":"1.50","residents":1234567,"share":0.333333},{"commune":"unknown","copay":"-1","residents":-12,"share":null}]"#]].assert_eq(&sheet().to_json().to_string());
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
    }

    #[test]
    fn thousands_are_told_apart() {
        for (number, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")] {
            assert_eq!(thousands(number), shown);
        }
        assert_eq!(money(i64::MIN), "-92,233,720,368,547,758.08");
        assert_eq!(money(-5), "-0.05");
    }
}
