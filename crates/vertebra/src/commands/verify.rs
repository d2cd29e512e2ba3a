//! `vertebra verify`: the same answer again, from its receipt.

use std::{
    fs::File,
    io::{Read, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;
use query::{Column, QueryError, RECEIPT_BYTES_MAX, Receipt, Table, Value, Verified};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::{
    cli::Place,
    data,
    failure::{Exit, Failure},
    output,
};

/// `vertebra verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra coverage --on 2026-06-30 --receipt june.receipt
  vertebra verify june.receipt
  vertebra coverage --json > june.json; vertebra verify june.json    names the first row that differs

Everybody is folded anew as of the receipt's positions, under the bundle it names. Exit code 0: the same bytes; 1: other
bytes; 4: it stands on a log, a bundle or a version that is not here, so nothing is said about it.")]
pub(crate) struct Verify {
    /// What `--receipt` or `--json` wrote; `-` is standard input
    #[arg(value_name = "RECEIPT")]
    receipt: PathBuf,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        let (receipt, table) = parse(&self.read()?).map_err(Failure::Refused)?;
        let folder = data::open_under_its_rules(place)?;
        let log = folder.log()?;
        let verified = data::open_desk(&folder, &*log)?.verify(&receipt, table.as_ref()).map_err(
            |error| match error {
                // Nobody asked it here: the receipt did.
                QueryError::Question(what) => {
                    Failure::Refused(format!("the receipt asks what cannot be: {what}")).into()
                }
                error => anyhow::Error::from(error),
            },
        )?;
        let mut out = output::stdout();
        let exit = match &verified {
            Verified::Same => Exit::Ok,
            Verified::Different { .. } => Exit::CheckFailed,
        };
        if self.json {
            let (same, digest, difference) = match &verified {
                Verified::Same => (true, receipt.digest.as_str(), None),
                Verified::Different { digest, difference } => (false, digest.as_str(), difference.as_deref()),
            };
            let said = json!({ "same": same, "receipt_digest": receipt.digest, "digest": digest, "difference": difference });
            writeln!(out, "{said}")?;
        } else {
            let records = output::thousands(receipt.positions.iter().sum::<u64>() as i64);
            let of =
                format!("{} on {records} records, bundle {}", receipt.projection, short(&receipt.bundle));
            match &verified {
                Verified::Same => {
                    writeln!(out, "The same bytes again: {of}, digest {}.", short(&receipt.digest))?
                }
                Verified::Different { digest, difference } => {
                    writeln!(
                        out,
                        "Not the same: {of}; the receipt says {}, this is {}.",
                        short(&receipt.digest),
                        short(digest)
                    )?;
                    match difference {
                        Some(difference) => writeln!(out, "  {difference}")?,
                        None => writeln!(
                            out,
                            "  Give the answer (--json) instead of the receipt alone to see which row."
                        )?,
                    }
                }
            }
        }
        out.flush()?;
        Ok(exit)
    }

    fn read(&self) -> anyhow::Result<Vec<u8>> {
        let reading = || format!("cannot read the receipt {}", self.receipt.display());
        let source: Box<dyn Read> = if self.receipt.as_os_str() == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(File::open(&self.receipt).with_context(reading)?)
        };
        let most = 64 * RECEIPT_BYTES_MAX as u64;
        let mut bytes = Vec::new();
        source.take(most + 1).read_to_end(&mut bytes).with_context(reading)?;
        if bytes.len() as u64 > most {
            return Err(Failure::Refused(format!("{}, which has more than {most} bytes", reading())).into());
        }
        Ok(bytes)
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// An answer as `--json` printed it.
#[derive(Deserialize)]
struct Printed {
    columns: Vec<Column>,
    rows: Vec<Map<String, Json>>,
    receipt: Receipt,
}

/// Reads a receipt, or an answer with one and its table.
fn parse(json: &[u8]) -> Result<(Receipt, Option<Table>), String> {
    let Ok(printed) = serde_json::from_slice::<Printed>(json) else { return Receipt::parse(json) };
    let mut rows = Vec::new();
    for mut printed_row in printed.rows {
        let mut row = Vec::new();
        for column in &printed.columns {
            let value = printed_row.remove(&column.name).unwrap_or_default();
            let value: Value = serde_json::from_value(value)
                .map_err(|_| format!("the answer's column {} holds what no answer holds", column.name))?;
            row.push(value);
        }
        rows.push(row);
    }
    Ok((printed.receipt, Some(Table { columns: printed.columns, rows })))
}
