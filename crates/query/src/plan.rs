//! A question that was found to make sense: what is read for it, and how that becomes a table.

use std::collections::BTreeMap;

use contract::Day;
use policy::Bundle;
use projector::REGISTRY;
use timeline::{Axis, CubeSpec, Period, Row, Unit};

use crate::{
    answer::{Column, ColumnKind, Table, Value, month},
    dimension::{ALTERNATIVES, Dimension, MONTH},
    error::QueryError,
    question::Question,
};

/// The most rows of an answer: past it, more has to be added up or left out.
pub(crate) const ROWS_MAX: usize = 200_000;

/// Refuses days that no figures are kept for: what is summed would be cut off at the ends of the axis, and look whole.
pub(crate) fn check_days(axis: Axis, days: &[Day]) -> Result<(), QueryError> {
    let outside = |day: &&Day| !axis.contains(**day);
    days.iter().find(outside).map_or(Ok(()), |day| {
        let Axis { first, horizon } = axis;
        Err(QueryError::Question(format!("figures are kept for {first} to {horizon}: {day} lies outside")))
    })
}

/// A question that was found to make sense.
pub(crate) struct Plan<'q> {
    pub(crate) question: &'q Question,
    pub(crate) projection: usize,
    pub(crate) cube: usize,
    by: Vec<By>,
    filters: Vec<(Dimension, &'q [String])>,
    /// What is read, in the order of time.
    stretches: Vec<Stretch>,
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    Month,
    Dimension(Dimension),
}

/// The published population of the row with this key.
type Published<'b> = Box<dyn Fn(&[String]) -> Value + 'b>;

/// One reading of a cube. A month, or a part of one in which no facility changed its tier.
struct Stretch {
    period: Period,
    /// Levels are taken from the last stretch of a month only: they are asked for on one day.
    levels: bool,
}

impl<'q> Plan<'q> {
    pub(crate) fn new(question: &'q Question, bundle: &Bundle) -> Result<Plan<'q>, QueryError> {
        let refuse = |what: String| Err(QueryError::Question(what));
        let names = |names: &[&str]| names.join(", ");
        let Some(projection) = projector::projection(&question.projection) else {
            let known: Vec<&str> = REGISTRY.iter().map(|known| known.name).collect();
            return refuse(format!(
                "there is no projection {}; there are {}",
                question.projection,
                names(&known)
            ));
        };
        let registered = &REGISTRY[projection];
        let Some(cube) = registered.cube(&question.cube) else {
            let known: Vec<&str> = registered.cubes.iter().map(|cube| cube.name).collect();
            return refuse(format!(
                "{} has no cube {}; it has {}",
                registered.name,
                question.cube,
                names(&known)
            ));
        };
        let spec = &registered.cubes[cube];
        if question.from > question.to {
            return refuse(format!(
                "the period begins on {} and ends before that, on {}",
                question.from, question.to
            ));
        }
        check_days(spec.axis, &[question.on, question.from, question.to])?;
        let of = |name: &String| match name.as_str() {
            MONTH => Ok(By::Month),
            name => Dimension::find(spec, name).map(By::Dimension),
        };
        let by = question.by.iter().map(of).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) = (1..by.len()).find(|at| by[..*at].contains(&by[*at])) {
            return refuse(format!("{} is there twice in what rows are told apart by", question.by[twice]));
        }
        let filter =
            |filter: &'q crate::Filter| Ok((Dimension::find(spec, &filter.name)?, &filter.values[..]));
        let filters = question.filter.iter().map(filter).collect::<Result<Vec<_>, QueryError>>()?;
        let mut plan = Plan { question, projection, cube, by, filters, stretches: Vec::new() };
        plan.check_alternatives(spec)?;
        plan.stretches = plan.stretches(bundle);
        Ok(plan)
    }

    pub(crate) fn spec(&self) -> &'static CubeSpec {
        &REGISTRY[self.projection].cubes[self.cube]
    }

    fn check_alternatives(&self, spec: &CubeSpec) -> Result<(), QueryError> {
        for (at, dimension) in spec.dimensions.iter().enumerate() {
            let own = Dimension::Own(at);
            let one = self.filters.iter().any(|(filtered, values)| *filtered == own && values.len() == 1);
            if ALTERNATIVES.contains(dimension) && !one && !self.by.contains(&By::Dimension(own)) {
                return Err(QueryError::Question(format!(
                    "{} counts the same people once for each `{dimension}`: name one, or tell rows apart by it",
                    spec.name
                )));
            }
        }
        // Groups overlap: as members, people of two groups would count twice.
        let place =
            |name: &str| spec.dimensions.iter().position(|dimension| *dimension == name).map(Dimension::Own);
        if let (Some(reading), Some(group)) = (place("as"), place("group")) {
            let fixed = |dimension: Dimension| {
                self.by.contains(&By::Dimension(dimension))
                    || self
                        .filters
                        .iter()
                        .any(|(filtered, values)| *filtered == dimension && values.len() == 1)
            };
            let summable = self.filters.iter().any(|(filtered, values)| {
                *filtered == reading && values.len() == 1 && ["main", "any"].contains(&values[0].as_str())
            });
            if !summable && !fixed(group) {
                let what = "groups overlap, so their members cannot be added up: ask for `as` main or any, or by group";
                return Err(QueryError::Question(what.to_owned()));
            }
        }
        Ok(())
    }

    fn stretches(&self, bundle: &Bundle) -> Vec<Stretch> {
        let Question { on, from, to, .. } = *self.question;
        let mut months = Vec::new();
        if self.by.contains(&By::Month) {
            let mut first = from;
            while first <= to {
                let last = (first.month_start().add_months(1) - 1).min(to);
                months.push(Period { on: last, from: first, to: last });
                first = last + 1;
            }
        } else {
            months.push(Period { on, from, to });
        }
        let by_day = self.by.iter().any(|by| matches!(by, By::Dimension(dimension) if dimension.by_day()))
            || self.filters.iter().any(|(dimension, _)| dimension.by_day());
        let mut changes: Vec<Day> = Vec::new();
        if by_day {
            let spans = bundle.reference.facilities().iter().flat_map(|facility| facility.spans());
            changes = spans.flat_map(|span| [span.valid_from, span.valid_until + 1]).collect();
            changes.sort_unstable();
            changes.dedup();
        }
        let mut stretches = Vec::new();
        for period in months {
            let mut first = period.from;
            for change in changes.iter().filter(|change| **change > period.from && **change <= period.to) {
                stretches.push(Stretch {
                    period: Period { on: period.on, from: first, to: *change - 1 },
                    levels: false,
                });
                first = *change;
            }
            stretches.push(Stretch { period: Period { from: first, ..period }, levels: true });
        }
        stretches
    }

    pub(crate) fn periods(&self) -> Vec<Period> {
        self.stretches.iter().map(|stretch| stretch.period).collect()
    }

    /// Adds the rows of every stretch up by what they are told apart by.
    pub(crate) fn group(
        &self,
        read: &dyn Fn(usize) -> Vec<Row>,
        bundle: &Bundle,
    ) -> Result<BTreeMap<Vec<String>, Vec<i64>>, QueryError> {
        let spec = self.spec();
        type Sums = BTreeMap<Vec<String>, Vec<i64>>;
        let mut sums = Sums::new();
        let add = |sums: &mut Sums, row: &Row, stretch: &Stretch, day: Day, levels: bool| {
            if !self
                .filters
                .iter()
                .all(|(dimension, values)| values.contains(&dimension.value(&row.key, bundle, day)))
            {
                return;
            }
            let by = self.by.iter().map(|by| match by {
                By::Month => month(stretch.period.from),
                By::Dimension(dimension) => dimension.value(&row.key, bundle, day),
            });
            let sum = sums.entry(by.collect()).or_insert_with(|| vec![0; spec.measures.len()]);
            for ((sum, value), measure) in sum.iter_mut().zip(&row.values).zip(spec.measures) {
                if measure.is_level() == levels {
                    *sum += value;
                }
            }
        };
        for (at, stretch) in self.stretches.iter().enumerate() {
            for row in read(at) {
                // A level is told apart by what held on its day, a flow by what held on its own.
                if stretch.levels {
                    add(&mut sums, &row, stretch, stretch.period.on, true);
                }
                add(&mut sums, &row, stretch, stretch.period.from, false);
            }
            if sums.len() > ROWS_MAX {
                let what = format!("more than {ROWS_MAX} rows: tell fewer apart, or leave some out");
                return Err(QueryError::Question(what));
            }
        }
        sums.retain(|_, values| values.iter().any(|value| *value != 0));
        Ok(sums)
    }

    /// The columns that tell rows apart.
    pub(crate) fn key_columns(&self) -> Vec<Column> {
        let kind = |by: &By| if *by == By::Month { ColumnKind::Text } else { ColumnKind::Code };
        let column = |(by, name): (&By, &String)| Column { name: name.clone(), kind: kind(by) };
        self.by.iter().zip(&self.question.by).map(column).collect()
    }

    /// What stands in them.
    pub(crate) fn key_values(&self, key: &[String], bundle: &Bundle) -> Vec<Value> {
        let value = |(by, value): (&By, &String)| match by {
            By::Month => Value::Text(value.clone()),
            By::Dimension(dimension) => dimension.shown(self.spec(), value, bundle),
        };
        self.by.iter().zip(key).map(value).collect()
    }

    /// The table of what was read.
    pub(crate) fn table(
        &self,
        read: &dyn Fn(usize) -> Vec<Row>,
        bundle: &Bundle,
    ) -> Result<Table, QueryError> {
        let spec = self.spec();
        let mut columns = self.key_columns();
        let whole = spec
            .measures
            .iter()
            .position(|measure| measure.is_level() && ["people", "insured"].contains(&measure.name()));
        let is_part = |at: usize| {
            let measure = spec.measures[at];
            whole.is_some_and(|whole| whole != at) && measure.is_level() && measure.unit() == Unit::Count
        };
        for (at, measure) in spec.measures.iter().enumerate() {
            let kind = match measure.unit() {
                Unit::Count => ColumnKind::Count,
                Unit::Money => ColumnKind::Money,
                Unit::Days => ColumnKind::Days,
            };
            columns.push(Column { name: measure.name().to_owned(), kind });
            if is_part(at) {
                columns.push(Column { name: format!("{}_share", measure.name()), kind: ColumnKind::Share });
            }
        }
        let published = self.published(bundle);
        if published.is_some() {
            columns.push(Column { name: "published_population".to_owned(), kind: ColumnKind::Count });
        }
        let mut rows = Vec::new();
        for (key, values) in self.group(read, bundle)? {
            let mut row = self.key_values(&key, bundle);
            for (at, value) in values.iter().enumerate() {
                row.push(Value::Number(*value));
                if let Some(whole) = whole.filter(|_| is_part(at)) {
                    row.push(Value::Share { part: *value, whole: values[whole] });
                }
            }
            if let Some(published) = &published {
                row.push(published(&key));
            }
            rows.push(row);
        }
        Ok(Table { columns, rows })
    }

    /// The published population of a row: the fourth denominator, only where rows are whole communes, districts or the city.
    fn published<'b>(&self, bundle: &'b Bundle) -> Option<Published<'b>> {
        let spec = self.spec();
        let commune = spec.dimensions.iter().position(|dimension| *dimension == "commune")?;
        let people = spec.measures.iter().any(|measure| measure.name() == "people");
        let basis = spec.dimensions.iter().position(|dimension| *dimension == "basis").map(Dimension::Own)?;
        let residents = |(dimension, values): &(Dimension, &[String])| {
            *dimension == basis && values.iter().all(|value| value != "insured")
        };
        if !people || !self.filters.iter().all(residents) || self.filters.is_empty() {
            return None;
        }
        let reference = &bundle.reference;
        let sum = move |wanted: Option<contract::Code>| {
            let communes = reference.communes().iter();
            let of =
                communes.filter(|commune| wanted.is_none_or(|district| commune.old_district == district));
            of.map(|commune| i64::from(commune.population)).sum::<i64>()
        };
        match self.by[..] {
            [] => Some(Box::new(move |_| Value::Number(sum(None)))),
            [By::Dimension(Dimension::Own(at))] if at == commune => Some(Box::new(move |key| {
                let known = reference.commune(contract::Code::new(&key[0]));
                known.map_or(Value::Nothing(()), |commune| Value::Number(i64::from(commune.population)))
            })),
            [By::Dimension(Dimension::District(_))] => {
                Some(Box::new(move |key| match sum(Some(contract::Code::new(&key[0]))) {
                    0 => Value::Nothing(()),
                    population => Value::Number(population),
                }))
            }
            _ => None,
        }
    }

    pub(crate) fn notes(&self, bundle: &Bundle) -> Vec<String> {
        let mut notes = Vec::new();
        let uses = |test: fn(Dimension) -> bool| {
            self.by.iter().any(|by| matches!(by, By::Dimension(dimension) if test(*dimension)))
                || self.filters.iter().any(|(dimension, _)| test(*dimension))
        };
        if uses(Dimension::approximate) {
            let communes = bundle.reference.communes();
            let straddle = communes.iter().filter(|commune| commune.straddles).count();
            notes.push(format!(
                "approximate: {straddle} of {} communes lie in more than one old district and count for the one that holds most of them",
                communes.len()
            ));
        }
        if self.published(bundle).is_some() {
            notes.push("published_population is the published figure of the reference, with its own date; shares are never over it".to_owned());
        }
        let members = self.filters.iter().any(|(_, values)| values.len() == 1 && values[0] == "member");
        if members {
            notes.push(
                "groups overlap: each counts its members, so their rows do not add up; `as` main does"
                    .to_owned(),
            );
        }
        notes
    }
}
