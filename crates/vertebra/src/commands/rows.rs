//! `vertebra rows`: lists of people.

use std::io::Write;

use clap::Args;
use query::{Known, ListPage, ListQuestion, Standpoint, lists};

use crate::{
    cli::{FormArgs, Place, WhenArgs},
    commands::answer::{filter, filters_of, write_stand},
    data,
    failure::Exit,
    output::{self, Form, Sheet, Value, thousands},
};

/// `vertebra rows`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra rows                                   which lists there are
  vertebra rows missing --on 2026-06-30           not checked up this year, or not managed
  vertebra rows open --only to=01929 --limit 50   referrals a hospital still waits for
  vertebra rows exempt --csv > exempt.csv

People are named by their subject, a pseudonym; `vertebra person --id SUBJECT` shows one.")]
pub(crate) struct Rows {
    /// The list; left out: which lists there are
    #[arg(value_name = "LIST")]
    list: Option<String>,
    #[command(flatten)]
    when: WhenArgs,
    /// Leave in only rows of this value, as to=01929; several times for several
    #[arg(long = "only", value_name = "NAME=VALUE", value_parser = filter)]
    filters: Vec<(String, String)>,
    /// At most so many rows on the page
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: usize,
    /// The page that begins here: `next` of the page before
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,
    #[command(flatten)]
    form: FormArgs,
}

impl Rows {
    pub(crate) fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let Some(list) = self.list else { return show_lists(self.form) };
        let folder = data::open(place)?;
        let log = folder.log()?;
        let desk = data::open_desk(&folder, &log)?;
        let on = self.when.on.unwrap_or_else(|| data::usual_day(&desk));
        let known = self.when.known_at.map_or(Known::Snapshot, Known::At);
        let page = desk.list(&ListQuestion {
            list,
            on,
            standpoint: Standpoint { known, bundle: data::asked_bundle(place, &desk)? },
            filter: filters_of(&self.filters),
            limit: self.limit,
            after: self.after,
        })?;
        let mut out = output::stdout();
        match self.form.form() {
            Form::Json => writeln!(out, "{}", serde_json::to_string(&page)?)?,
            Form::Csv => sheet(&page).write_csv(&mut out)?,
            Form::Table => {
                writeln!(out, "{} on {on}: {}", page.list, page.about)?;
                sheet(&page).write_table(&mut out)?;
                let shown = thousands(page.rows.len() as i64);
                writeln!(out, "  {shown} of {} rows", thousands(page.total as i64))?;
                if let Some(next) = &page.next {
                    writeln!(out, "  the next page: --after {next}")?;
                }
                write_stand(&page.stand, &[], &mut out)?;
            }
        }
        out.flush()?;
        Ok(Exit::Ok)
    }
}

fn sheet(page: &ListPage) -> Sheet {
    let columns = ["subject"].into_iter().chain(page.columns.iter().copied()).chain(["event"]);
    let mut sheet = Sheet::new(columns);
    for line in &page.rows {
        let mut row = vec![Value::text(line.subject.as_str())];
        row.extend(line.values.iter().map(|value| Value::text(value.as_str())));
        row.push(Value::text(line.event.as_deref().unwrap_or_default()));
        sheet.push(row);
    }
    sheet
}

fn show_lists(form: FormArgs) -> anyhow::Result<Exit> {
    let mut sheet = Sheet::new(["list", "projection", "about", "columns"]);
    for (projection, list) in lists() {
        sheet.push(vec![
            Value::text(list.name),
            Value::text(projection),
            Value::text(list.about),
            Value::text(list.columns.join(", ")),
        ]);
    }
    let mut out = output::stdout();
    match form.form() {
        Form::Json => writeln!(out, "{}", sheet.to_json())?,
        Form::Csv => sheet.write_csv(&mut out)?,
        Form::Table => sheet.write_table(&mut out)?,
    }
    out.flush()?;
    Ok(Exit::Ok)
}
