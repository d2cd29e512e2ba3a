//! What all commands that answer questions share: filters, tables, what an answer stands on, receipts.

use std::{fs, io::Write, path::Path};

use anyhow::Context;
use query::{ColumnKind, Filter, Receipt, Table};
use serde_json::{Map, Value as Json, json};

use crate::{
    failure::Failure,
    output::{Sheet, Value, thousands},
};

/// Reads `NAME=VALUE`.
pub(crate) fn filter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a filter is written NAME=VALUE, as commune=00004")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Filters by name: several values of one name are alternatives.
pub(crate) fn filters_of(said: &[(String, String)]) -> Vec<Filter> {
    let mut filters: Vec<Filter> = Vec::new();
    for (name, value) in said {
        match filters.iter_mut().find(|filter| filter.name == *name) {
            Some(filter) => filter.values.push(value.clone()),
            None => filters.push(Filter { name: name.clone(), values: vec![value.clone()] }),
        }
    }
    filters
}

/// A table as it is printed.
pub(crate) fn sheet_of(table: &Table) -> Sheet {
    // A name stands in a column of its own where there is any.
    let named =
        |at: usize| table.rows.iter().any(|row| matches!(&row[at], query::Value::Code { name: Some(_), .. }));
    let named: Vec<bool> = (0..table.columns.len()).map(named).collect();
    let mut columns = Vec::new();
    for (column, named) in table.columns.iter().zip(&named) {
        columns.push(column.name.clone());
        if *named {
            columns.push(format!("{}_name", column.name));
        }
    }
    let mut sheet = Sheet::new(columns);
    for row in &table.rows {
        let mut values = Vec::new();
        for ((value, column), named) in row.iter().zip(&table.columns).zip(&named) {
            let mut name_of = Value::Missing;
            values.push(match value {
                query::Value::Number(hundredths) if column.kind == ColumnKind::Money => {
                    Value::Money(*hundredths)
                }
                query::Value::Number(number) => Value::Count(*number),
                query::Value::Share { part, whole } => Value::share(*part, *whole),
                query::Value::Code { code, name } => {
                    name_of = name.as_deref().map_or(Value::Missing, Value::text);
                    Value::text(code.as_str())
                }
                query::Value::Text(text) => Value::text(text.as_str()),
                query::Value::Nothing(()) => Value::Missing,
            });
            if *named {
                values.push(name_of);
            }
        }
        sheet.push(values);
    }
    sheet
}

/// Rows as objects by column name.
pub(crate) fn rows_as_json(table: &Table) -> Vec<Json> {
    let row = |row: &Vec<query::Value>| {
        let fields = table.columns.iter().zip(row);
        Json::Object(fields.map(|(column, value)| (column.name.clone(), json!(value))).collect::<Map<_, _>>())
    };
    table.rows.iter().map(row).collect()
}

/// What the answer stands on, for people.
pub(crate) fn write_stand(
    stand: &query::Stand,
    notes: &[String],
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let records: u64 = stand.positions.iter().sum();
    write!(out, "  Stands on {} records", thousands(records as i64))?;
    if let Some(known_at) = &stand.known_at {
        write!(out, ", known at {known_at}")?;
    }
    write!(out, ", bundle {}", stand.bundle.get(..12).unwrap_or(&stand.bundle))?;
    if stand.draft {
        write!(out, ", a draft that was never active here")?;
    }
    if stand.provisional {
        write!(out, "; provisional: more may come that belongs here")?;
    }
    if stand.behind > 0 && stand.known_at.is_none() {
        write!(out, "; {} newer records are not in it yet", thousands(stand.behind as i64))?;
    }
    writeln!(out)?;
    for (partition, why) in &stand.stopped {
        writeln!(out, "  Partition {partition} stands still: {why}")?;
    }
    for note in notes {
        writeln!(out, "  Note: {note}")?;
    }
    Ok(())
}

/// The receipt of an answer. One under a draft has none: nobody else has the draft to compute it again.
pub(crate) fn receipt_of<'a>(stand: &query::Stand, receipt: &'a Receipt) -> Option<&'a Receipt> {
    (!stand.draft).then_some(receipt)
}

/// Writes a receipt to a file, where `path` asks for one.
pub(crate) fn write_receipt(path: Option<&Path>, receipt: Option<&Receipt>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let Some(receipt) = receipt else {
        let what = "an answer under a draft has no receipt, for nobody else has the draft: `vertebra project` with the \
                    same --reference and --policy makes it the active one";
        return Err(Failure::Refused(what.to_owned()).into());
    };
    let json = serde_json::to_vec(receipt)?;
    fs::write(path, json).with_context(|| format!("cannot write the receipt to {}", path.display()))
}
