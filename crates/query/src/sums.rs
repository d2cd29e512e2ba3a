//! Sums of one period or of a series of them.

use contract::Subject;
use history::PersonView;
use policy::Bundle;
use projector::{Figures, Points};
use timeline::{Period, Row};

/// Everybody folded for some periods: one period takes counters, a series takes timelines. Both give the same rows.
#[derive(Debug)]
pub(crate) enum Sums {
    Point(Box<Points>),
    Series(Box<Figures>, Vec<Period>),
}

impl Sums {
    pub(crate) fn new(periods: &[Period]) -> Sums {
        match periods {
            [period] => Sums::Point(Box::new(Points::new(*period))),
            periods => Sums::Series(Box::default(), periods.to_vec()),
        }
    }

    pub(crate) fn add(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        match self {
            Sums::Point(points) => points.add(person, bundle),
            Sums::Series(figures, _) => figures.add(subject, person, bundle),
        }
    }

    pub(crate) fn subtract(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        match self {
            Sums::Point(points) => points.subtract(person, bundle),
            Sums::Series(figures, _) => figures.subtract(subject, person, bundle),
        }
    }

    /// Adds everything `other` holds; both of the same periods.
    pub(crate) fn merge(&mut self, other: &mut Sums) {
        match (self, other) {
            (Sums::Point(points), Sums::Point(other)) => points.merge(other),
            (Sums::Series(figures, _), Sums::Series(other, _)) => figures.merge(other),
            _ => unreachable!("sums that are merged are of the same periods"),
        }
    }

    /// Makes them ready to be read. Before [`Sums::rows`].
    pub(crate) fn settle(&mut self) {
        match self {
            Sums::Point(_) => {}
            Sums::Series(figures, _) => figures.settle(),
        }
    }

    /// The rows of a cube in period number `period`.
    pub(crate) fn rows(&self, projection: usize, cube: usize, period: usize) -> Vec<Row> {
        match self {
            Sums::Point(points) => points.rows(projection, cube),
            Sums::Series(figures, periods) => figures.rows(projection, cube, periods[period]),
        }
    }
}
