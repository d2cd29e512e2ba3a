//! `vertebra coverage`, `referrals` and `exemption`: questions for figures.

use std::{io::Write, path::PathBuf};

use clap::Args;
use contract::{Day, Millis};
use projector::REGISTRY;
use query::{Answer, Desk, Filter, Known, Question, Receipt, Standpoint, Table};
use serde_json::{Value as Json, json};
use timeline::CubeSpec;

use crate::{
    cli::{FormArgs, Place, WhenArgs, day},
    commands::answer::{filter, filters_of, receipt_of, rows_as_json, sheet_of, write_receipt, write_stand},
    data,
    failure::{Exit, Failure},
    output::{self, Form, Sheet, thousands},
};

/// What every question for figures can say.
#[derive(Debug, Args)]
pub(crate) struct Figures {
    #[command(flatten)]
    when: WhenArgs,
    /// First day of what is counted over a period [default: the first of January of --on]
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<Day>,
    /// Last day of what is counted over a period [default: --on]
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<Day>,
    /// Tell rows apart by these, with commas between; `none` for one row
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    by: Vec<String>,
    /// Leave in only rows of this value, as commune=00004; several times for several
    #[arg(long = "only", value_name = "NAME=VALUE", value_parser = filter)]
    filters: Vec<(String, String)>,
    /// The cube to read [default: the first that has the names asked for]
    #[arg(long, value_name = "NAME")]
    cube: Option<String>,
    /// Order rows by this column, largest first; with --json the table is whole, as its receipt says
    #[arg(long, value_name = "COLUMN", conflicts_with = "json")]
    sort: Option<String>,
    /// At most so many rows; not with --json
    #[arg(long, value_name = "COUNT", conflicts_with = "json")]
    limit: Option<usize>,
    /// Write the receipt to this file; `vertebra verify` computes the same answer from it again
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Compare with what was known at this moment
    #[arg(long, value_name = "MOMENT", value_parser = crate::cli::moment, conflicts_with = "receipt")]
    against: Option<Millis>,
    /// With --against: the cause of each difference
    #[arg(long, requires = "against")]
    explain: bool,
    #[command(flatten)]
    form: FormArgs,
}

const COVERAGE_HELP: &str = "\
Examples:
  vertebra coverage                                     by commune, actual residents, today
  vertebra coverage --by district --on 2026-06-30       by old district, at mid-year
  vertebra coverage --by age,sex --basis perm           registered residents by age band and sex
  vertebra coverage --by group                          by insurance group, the main one
  vertebra coverage --by month --only commune=00004     a series
  vertebra coverage --by facility                       registered, check-ups and contacts
  vertebra coverage --known-at 2026-03-31               as it was known then
  vertebra coverage --against 2026-03-31 --explain      what has changed since, and why";

/// `vertebra coverage`.
#[derive(Debug, Args)]
#[command(after_help = COVERAGE_HELP)]
pub(crate) struct Coverage {
    /// Of whom: residents registered (perm), actual residents (actual), or insured people (insured)
    #[arg(long, value_name = "BASIS", default_value = "actual", value_parser = ["perm", "actual", "insured"])]
    basis: String,
    /// How groups count: each its members, or everybody once in the main one, or whoever is in any
    #[arg(long = "as", value_name = "HOW", default_value = "main", value_parser = ["main", "member", "any"])]
    reading: String,
    #[command(flatten)]
    figures: Figures,
}

/// `vertebra referrals`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra referrals --sort referred --limit 10         the busiest pairs of facilities, this year so far
  vertebra referrals --by from_tier,to_tier,direction   between tiers
  vertebra referrals --by month --only to=01004         what one hospital receives
  vertebra referrals --by from_tier,to_tier,days        days from issue to arrival
  vertebra referrals --by tier,came                     visits by tier and how patients came
  vertebra referrals --cube inpatients                  who is in the beds")]
pub(crate) struct Referrals {
    #[command(flatten)]
    figures: Figures,
}

/// `vertebra exemption`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra exemption                              insured people by main group and rate, and who is exempt
  vertebra exemption --by commune --sort exempt   by commune
  vertebra exemption --by facility                what each facility charged, and what policy asks for
  vertebra exemption --by tier,came               by tier and how the patient came
  vertebra rows exempt                            who, with the rule and its citation
  vertebra person --id 001090012345               one person, claim by claim")]
pub(crate) struct Exemption {
    #[command(flatten)]
    figures: Figures,
}

impl Coverage {
    pub(crate) fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let alternatives = [("basis", self.basis), ("as", self.reading)];
        self.figures.run(place, "coverage", &["commune"], &alternatives)
    }
}

impl Referrals {
    pub(crate) fn run(self, place: &Place) -> anyhow::Result<Exit> {
        self.figures.run(place, "referral-load", &["from", "to"], &[])
    }
}

impl Exemption {
    pub(crate) fn run(self, place: &Place) -> anyhow::Result<Exit> {
        self.figures.run(place, "fee-exemption", &["group", "rate"], &[])
    }
}

impl Figures {
    fn run(
        &self,
        place: &Place,
        projection: &str,
        usual: &[&str],
        alternatives: &[(&str, String)],
    ) -> anyhow::Result<Exit> {
        let folder = data::open(place)?;
        let log = folder.log()?;
        let mut desk = data::open_desk(&folder, &*log)?;
        let on = self.when.on.unwrap_or_else(|| data::usual_day(&desk));
        let question = self.question(projection, usual, alternatives, on)?;
        let known = self.when.known_at.map_or(Known::Snapshot, Known::At);
        if let Some(against) = self.against {
            if place.sources().are_named() {
                let what = "--against compares two moments, each under the bundle that was active then: leave out \
                            --reference and --policy";
                return Err(Failure::Usage(what.to_owned()).into());
            }
            return self.differ(&desk, &question, against);
        }
        let standpoint = Standpoint { known, bundle: data::asked_bundle(place, &mut desk)? };
        let answer = desk.figures(&question, &standpoint)?;
        let receipt = receipt_of(&answer.stand, &answer.receipt);
        write_receipt(self.receipt.as_deref(), receipt)?;
        let mut out = output::stdout();
        match self.form.form() {
            Form::Json => writeln!(out, "{}", to_json(&answer, receipt))?,
            Form::Csv => self.arranged(&answer.table)?.0.write_csv(&mut out)?,
            Form::Table => {
                let (sheet, left_out) = self.arranged(&answer.table)?;
                writeln!(out, "{}", title(&question))?;
                sheet.write_table(&mut out)?;
                if left_out > 0 {
                    writeln!(out, "  and {} more rows", thousands(left_out as i64))?;
                }
                write_stand(&answer.stand, &answer.notes, &mut out)?;
            }
        }
        out.flush()?;
        Ok(Exit::Ok)
    }

    /// What changed between two moments, and with `--explain` by which cause.
    fn differ(&self, desk: &Desk<'_>, question: &Question, against: Millis) -> anyhow::Result<Exit> {
        let difference = desk.difference(question, self.when.known_at.unwrap_or_else(data::now), against)?;
        let mut table = difference.table;
        if !self.explain {
            // The causes stand behind the difference.
            let causes = table.columns.iter().position(|column| column.name == "difference");
            let keep = causes.map_or(table.columns.len(), |at| at + 1);
            table.columns.truncate(keep);
            table.rows.iter_mut().for_each(|row| row.truncate(keep));
        }
        let mut out = output::stdout();
        match self.form.form() {
            Form::Json => {
                let answer = json!({
                    "projection": difference.projection,
                    "version": difference.version,
                    "columns": table.columns,
                    "rows": rows_as_json(&table),
                    "before": difference.before,
                    "after": difference.after,
                    "events": difference.events,
                    "notes": difference.notes,
                });
                writeln!(out, "{answer}")?;
            }
            Form::Csv => self.arranged(&table)?.0.write_csv(&mut out)?,
            Form::Table => {
                let (sheet, left_out) = self.arranged(&table)?;
                writeln!(out, "{}: what changed", title(question))?;
                sheet.write_table(&mut out)?;
                if left_out > 0 {
                    writeln!(out, "  and {} more rows", thousands(left_out as i64))?;
                }
                writeln!(out, "  {} events arrived between the two:", thousands(difference.events as i64))?;
                write_stand(&difference.before, &[], &mut out)?;
                write_stand(&difference.after, &difference.notes, &mut out)?;
            }
        }
        out.flush()?;
        Ok(Exit::Ok)
    }

    fn question(
        &self,
        projection: &str,
        usual: &[&str],
        alternatives: &[(&str, String)],
        on: Day,
    ) -> Result<Question, Failure> {
        let by: Vec<String> = match self.by.as_slice() {
            [] if self.cube.is_none() => usual.iter().map(|name| (*name).to_owned()).collect(),
            [none] if none == "none" => Vec::new(),
            by => by.to_vec(),
        };
        let cubes = projector::projection(projection).map_or(&[][..], |number| REGISTRY[number].cubes);
        let cube = self.find_cube(projection, cubes, &by)?;
        // Asked for a cube and nothing else: everything it has, less what is an alternative reading.
        let by = match self.by.as_slice() {
            [] if self.cube.is_some() => {
                let fixed = |name: &&&str| alternatives.iter().all(|(alternative, _)| *alternative != **name);
                cube.dimensions.iter().filter(fixed).map(|name| (*name).to_owned()).collect()
            }
            _ => by,
        };
        let mut filters = filters_of(&self.filters);
        for (name, value) in alternatives {
            let said = by.iter().any(|by| by == name) || filters.iter().any(|filter| filter.name == *name);
            if cube.dimensions.contains(name) && !said {
                filters.push(Filter { name: (*name).to_owned(), values: vec![value.clone()] });
            }
        }
        Ok(Question {
            projection: projection.to_owned(),
            cube: cube.name.to_owned(),
            on,
            from: self.from.unwrap_or_else(|| Day::new_year(self.to.unwrap_or(on).year())),
            to: self.to.unwrap_or(on),
            by,
            filter: filters,
        })
    }

    /// The cube asked for, or the first one that has every name asked for.
    fn find_cube(
        &self,
        projection: &str,
        cubes: &'static [CubeSpec],
        by: &[String],
    ) -> Result<&'static CubeSpec, Failure> {
        if let Some(name) = &self.cube {
            return cubes.iter().find(|cube| cube.name == name).ok_or_else(|| {
                let known: Vec<&str> = cubes.iter().map(|cube| cube.name).collect();
                Failure::Usage(format!("{projection} has no cube {name}; it has {}", known.join(", ")))
            });
        }
        let asked: Vec<&str> =
            by.iter().map(String::as_str).chain(self.filters.iter().map(|(name, _)| name.as_str())).collect();
        let has = |cube: &&CubeSpec| asked.iter().all(|name| query::dimensions(cube).contains(name));
        cubes.iter().find(has).ok_or_else(|| {
            let known: Vec<String> = cubes
                .iter()
                .map(|cube| format!("\n  {}: {}", cube.name, query::dimensions(cube).join(", ")))
                .collect();
            Failure::Usage(format!(
                "no cube of {projection} has all of {}; its cubes have{}",
                asked.join(", "),
                known.concat()
            ))
        })
    }

    /// The rows as asked for, and how many are left out.
    fn arranged(&self, table: &Table) -> Result<(Sheet, usize), Failure> {
        let mut table = table.clone();
        if let Some(name) = &self.sort {
            let at = table.columns.iter().position(|column| column.name == *name).ok_or_else(|| {
                let known: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
                Failure::Usage(format!(
                    "there is no column {name} to order by; there are {}",
                    known.join(", ")
                ))
            })?;
            let number = |value: &query::Value| match value {
                query::Value::Number(number) => *number as f64,
                query::Value::Share { part, whole } if *whole != 0 => *part as f64 / *whole as f64,
                _ => f64::NEG_INFINITY,
            };
            table.rows.sort_by(|a, b| number(&b[at]).total_cmp(&number(&a[at])));
        }
        let left_out = self.limit.map_or(0, |limit| table.rows.len().saturating_sub(limit));
        table.rows.truncate(self.limit.unwrap_or(usize::MAX));
        Ok((sheet_of(&table), left_out))
    }
}

/// What is shown, in a line.
fn title(question: &Question) -> String {
    let by = if question.by.is_empty() { String::new() } else { format!(" by {}", question.by.join(", ")) };
    let only: Vec<String> = question
        .filter
        .iter()
        .map(|filter| format!("{} {}", filter.name, filter.values.join(" or ")))
        .collect();
    let only = if only.is_empty() { String::new() } else { format!(" ({})", only.join(", ")) };
    format!(
        "{}{by}{only}, on {}; counted from {} to {}",
        question.projection, question.on, question.from, question.to
    )
}

/// An answer as JSON: rows are objects by column name.
fn to_json(answer: &Answer, receipt: Option<&Receipt>) -> Json {
    json!({
        "columns": answer.table.columns,
        "rows": rows_as_json(&answer.table),
        "stand": answer.stand,
        "notes": answer.notes,
        "receipt": receipt,
    })
}
