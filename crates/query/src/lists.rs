//! Lists of people: open referrals, who will lapse, who is missing. Paged, in the order of subjects.

use std::collections::BTreeMap;

use contract::{Day, Subject};
use projection::ListRow;
use projector::{REGISTRY, Registered};
use serde::Serialize;

use crate::{
    answer::Stand,
    desk::Desk,
    error::QueryError,
    plan::check_days,
    question::{Filter, Standpoint},
};

/// The most rows of a page.
pub const PAGE_ROWS_MAX: usize = 10_000;

/// A question for one page of a list.
#[derive(Debug, Clone)]
pub struct ListQuestion {
    /// The list's name, as `missing`; `projection/name` where two projections have one of that name.
    pub list: String,
    /// The day.
    pub on: Day,
    /// Which events, under which bundle. For the pages after the first: the positions and bundle of the first page's stand.
    pub standpoint: Standpoint,
    /// Only rows whose column has one of these values.
    pub filter: Vec<Filter>,
    /// How many rows, at most [`PAGE_ROWS_MAX`].
    pub limit: usize,
    /// [`ListPage::next`] of the page before.
    pub after: Option<String>,
}

/// One page.
#[derive(Debug, Clone, Serialize)]
pub struct ListPage {
    /// The projection the list is of.
    pub projection: &'static str,
    /// The version of its rules.
    pub version: u32,
    /// The list.
    pub list: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// Names of the columns after the subject.
    pub columns: &'static [&'static str],
    /// How many rows all pages have together.
    pub total: u64,
    /// The rows.
    pub rows: Vec<ListLine>,
    /// Where the next page begins; none: this is the last.
    pub next: Option<String>,
    /// What the page stands on.
    pub stand: Stand,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListLine {
    /// Whom it is about, in hex.
    pub subject: String,
    /// One text a column.
    pub values: Vec<String>,
    /// The event it rests on, if it is one.
    pub event: Option<String>,
}

/// Every list there is: its projection, name, and what a row is.
pub fn lists() -> impl Iterator<Item = (&'static str, &'static projection::List)> {
    REGISTRY.iter().flat_map(|projection| projection.lists.iter().map(|list| (projection.name, list)))
}

/// Where a row stands: the person, and the number of the row among theirs.
type Place = (Subject, u32);

#[derive(Default)]
struct Page {
    /// The first rows after the cursor, one more than asked for.
    rows: BTreeMap<Place, ListRow>,
    total: u64,
    scratch: Vec<ListRow>,
}

impl Desk<'_> {
    /// One page of a list.
    ///
    /// # Errors
    /// When there is no such list or column, the day lies outside those that figures are kept for, the cursor is none, or the
    /// log cannot be read.
    pub fn list(&self, question: &ListQuestion) -> Result<ListPage, QueryError> {
        let (projection, number) = find(&question.list)?;
        let list = &projection.lists[number];
        for cube in projection.cubes {
            check_days(cube.axis, &[question.on])?;
        }
        let column = |filter: &Filter| {
            let at = list.columns.iter().position(|column| **column == filter.name);
            at.ok_or_else(|| {
                let known = list.columns.join(", ");
                QueryError::Question(format!(
                    "the list {} has no column {}; it has {known}",
                    list.name, filter.name
                ))
            })
        };
        let columns = question.filter.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let after = question.after.as_deref().map(parse_cursor).transpose()?;
        let limit = question.limit.clamp(1, PAGE_ROWS_MAX);
        let place = self.place(&question.standpoint)?;
        let keeps = |row: &ListRow| {
            columns.iter().zip(&question.filter).all(|(at, filter)| filter.values.contains(&row.values[*at]))
        };
        let visit = |page: &mut Page, subject: Subject, person: &history::PersonView<'_>| {
            let mut rows = std::mem::take(&mut page.scratch);
            projection.rows(person, &place.bundle, question.on, number, &mut rows);
            rows.sort_unstable();
            rows.retain(keeps);
            page.total += rows.len() as u64;
            for (row, at) in rows.drain(..).zip(0..) {
                let key = (subject, at);
                if after.is_none_or(|after| key > after) {
                    page.keep(key, row, limit + 1);
                }
            }
            page.scratch = rows;
        };
        let pages = self.reader.fold(self.log, &place.stand.positions, Page::default, visit)?;
        let mut all = Page::default();
        for page in pages {
            all.total += page.total;
            page.rows.into_iter().for_each(|(key, row)| all.keep(key, row, limit + 1));
        }
        let more = all.rows.len() > limit;
        let kept: Vec<(Place, ListRow)> = all.rows.into_iter().take(limit).collect();
        let next = kept.last().filter(|_| more).map(|((subject, at), _)| format!("{subject}.{at}"));
        let line = |((subject, _), row): (Place, ListRow)| ListLine {
            subject: subject.to_string(),
            values: row.values,
            event: row.event.map(|event| format!("{event:?}")),
        };
        Ok(ListPage {
            projection: projection.name,
            version: projection.version,
            list: list.name,
            about: list.about,
            columns: list.columns,
            total: all.total,
            rows: kept.into_iter().map(line).collect(),
            next,
            stand: place.stand,
        })
    }
}

impl Page {
    fn keep(&mut self, key: Place, row: ListRow, most: usize) {
        if self.rows.len() >= most {
            if self.rows.last_key_value().is_some_and(|(last, _)| *last < key) {
                return;
            }
            self.rows.pop_last();
        }
        self.rows.insert(key, row);
    }
}

fn find(name: &str) -> Result<(&'static Registered, usize), QueryError> {
    let (of, wanted) = match name.split_once('/') {
        Some((projection, list)) => (Some(projection), list),
        None => (None, name),
    };
    let projections = REGISTRY.iter().filter(|projection| of.is_none_or(|of| of == projection.name));
    let found: Vec<(&Registered, usize)> = projections
        .filter_map(|projection| {
            let at = projection.lists.iter().position(|list| list.name == wanted)?;
            Some((projection, at))
        })
        .collect();
    match found[..] {
        [one] => Ok(one),
        [] => {
            let known: Vec<&str> = lists().map(|(_, list)| list.name).collect();
            Err(QueryError::Question(format!("there is no list {name}; there are {}", known.join(", "))))
        }
        _ => {
            let known: Vec<String> =
                found.iter().map(|(projection, _)| format!("{}/{wanted}", projection.name)).collect();
            Err(QueryError::Question(format!("{name} names several lists: say {}", known.join(" or "))))
        }
    }
}

fn parse_cursor(text: &str) -> Result<Place, QueryError> {
    let parse = || {
        let (subject, at) = text.split_once('.')?;
        Some((Subject::from_hex(subject)?, at.parse().ok()?))
    };
    parse()
        .ok_or_else(|| QueryError::Question("not the `next` of a page: begin with the first page".to_owned()))
}
