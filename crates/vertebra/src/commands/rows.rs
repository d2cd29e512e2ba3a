//! `vertebra rows`: lists of people.

use std::io::Write;

use clap::Args;
use query::{Desk, Known, ListPage, ListQuestion, PAGE_ROWS_MAX, Standpoint, lists};

use crate::{
    cli::{FormArgs, Place, Positions, WhenArgs, count, positions},
    commands::answer::{filter, filters_of, write_stand},
    data,
    failure::Exit,
    output::{self, Form, Sheet, Value, thousands},
};

/// So many rows are on a page unless somebody says otherwise.
const PAGE_ROWS_USUAL: usize = 20;

/// `vertebra rows`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra rows                                   which lists there are
  vertebra rows missing --on 2026-06-30           not checked up this year, or not managed
  vertebra rows open --only to=01929 --limit 50   referrals a hospital still waits for
  vertebra rows exempt --csv > exempt.csv         all of them

People are named by their subject, a pseudonym; `vertebra person --id SUBJECT` shows one.

Pages that are asked for one by one each stand on what serves then: give those after the first the `positions` of the
first page's stand (--json says them), and they fit together. CSV is whole and of one stand, unless --limit cuts it.")]
pub(crate) struct Rows {
    /// The list; left out: which lists there are
    #[arg(value_name = "LIST")]
    list: Option<String>,
    #[command(flatten)]
    when: WhenArgs,
    /// Leave in only rows of this value, as to=01929; several times for several
    #[arg(long = "only", value_name = "NAME=VALUE", value_parser = filter)]
    filters: Vec<(String, String)>,
    /// At most so many rows on the page [default: 20, in CSV all]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    limit: Option<usize>,
    /// The page that begins here: `next` of the page before
    #[arg(long, value_name = "NEXT")]
    after: Option<String>,
    /// The page as of these positions, an offset for each partition: those of the first page's stand
    #[arg(long, value_name = "POSITIONS", value_parser = positions, conflicts_with = "known_at")]
    positions: Option<Positions>,
    #[command(flatten)]
    form: FormArgs,
}

impl Rows {
    pub(crate) fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let Some(list) = self.list else { return show_lists(self.form) };
        let folder = data::open(place)?;
        let log = folder.log()?;
        let mut desk = data::open_desk(&folder, &*log)?;
        let on = self.when.on.unwrap_or_else(|| data::usual_day(&desk));
        let known = match (self.when.known_at, self.positions) {
            (Some(time), _) => Known::At(time),
            (None, Some(Positions(positions))) => Known::Positions(positions),
            (None, None) => Known::Snapshot,
        };
        let question = ListQuestion {
            list,
            on,
            standpoint: Standpoint { known, bundle: data::asked_bundle(place, &mut desk)? },
            filter: filters_of(&self.filters),
            limit: self.limit.unwrap_or(PAGE_ROWS_USUAL),
            after: self.after,
        };
        let mut out = output::stdout();
        match self.form.form() {
            Form::Json => writeln!(out, "{}", serde_json::to_string(&desk.list(&question)?)?)?,
            Form::Csv => write_csv(&desk, question, self.limit.unwrap_or(usize::MAX), &mut out)?,
            Form::Table => {
                let page = desk.list(&question)?;
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

/// At most `left` rows, page by page; all pages stand on what the first one stands on.
fn write_csv(
    desk: &Desk<'_>,
    mut question: ListQuestion,
    mut left: usize,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut is_first = true;
    loop {
        question.limit = left.min(PAGE_ROWS_MAX);
        let page = desk.list(&question)?;
        if std::mem::take(&mut is_first) {
            sheet(&page).write_csv(out)?;
            question.standpoint = page.stand.standpoint();
        } else {
            sheet(&page).write_csv_rows(out)?;
        }
        left -= page.rows.len();
        match page.next {
            Some(next) if left > 0 => question.after = Some(next),
            _ => return Ok(()),
        }
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
