//! `vertebra claims`: totals of claims.

use std::{io::Write, path::PathBuf};

use clap::Args;
use contract::{Day, Millis};
use query::{ClaimsQuestion, Known, Standpoint};
use serde_json::json;

use crate::{
    cli::{FormArgs, Place, day, moment},
    commands::answer::{filter, filters_of, receipt_of, rows_as_json, sheet_of, write_receipt, write_stand},
    data,
    failure::Exit,
    output::{self, Form},
};

/// `vertebra claims`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra claims                                       this year so far
  vertebra claims --by facility --from 2026-03-01 --to 2026-03-31
  vertebra claims --by month,visit_type --only facility=01004
  vertebra claims --by facility --known-at 2026-04-05   as it was known then

A claim is live when its newest version is in force, withdrawn when that version withdraws it (route code 8) or an event in
force takes it back. A visit is a record that was opened or billed and is in force. Money is that of live claims, in dong
(in JSON in hundredths). Claims count by the last day of the visit.")]
pub(crate) struct Claims {
    /// First of the last days of visits [default: the first of January of --to]
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Day>,
    /// Last of them [default: today, or the last day recorded where that is earlier]
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<Day>,
    /// Tell rows apart by facility, tier, district, month, group, route, visit_type; commas between
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    by: Vec<String>,
    /// Leave in only rows of this value, as facility=01004; several times for several
    #[arg(long = "only", value_name = "NAME=VALUE", value_parser = filter)]
    filters: Vec<(String, String)>,
    /// As it was known at this moment: a day (to its end in Hanoi) or a time
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    known_at: Option<Millis>,
    /// Write the receipt to this file; `vertebra verify` computes the same answer from it again
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
}

impl Claims {
    pub(crate) fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let folder = data::open(place)?;
        let log = folder.log()?;
        let mut desk = data::open_desk(&folder, &*log)?;
        let to = self.to.unwrap_or_else(|| data::usual_day(&desk));
        let from = self.from.unwrap_or_else(|| Day::new_year(to.year()));
        let known = self.known_at.map_or(Known::Snapshot, Known::At);
        let question = ClaimsQuestion {
            from,
            to,
            by: self.by,
            filter: filters_of(&self.filters),
            standpoint: Standpoint { known, bundle: data::asked_bundle(place, &mut desk)? },
        };
        let answer = desk.claims(&question)?;
        let receipt = receipt_of(&answer.stand, &answer.receipt);
        write_receipt(self.receipt.as_deref(), receipt)?;
        let mut out = output::stdout();
        match self.form.form() {
            Form::Json => {
                let answer = json!({
                    "columns": answer.table.columns,
                    "rows": rows_as_json(&answer.table),
                    "stand": answer.stand,
                    "receipt": receipt,
                });
                writeln!(out, "{answer}")?;
            }
            Form::Csv => sheet_of(&answer.table).write_csv(&mut out)?,
            Form::Table => {
                writeln!(out, "claims of visits that ended from {from} to {to}")?;
                sheet_of(&answer.table).write_table(&mut out)?;
                write_stand(&answer.stand, &[], &mut out)?;
            }
        }
        out.flush()?;
        Ok(Exit::Ok)
    }
}
