//! What is left to look at of a table once its first fact is known, with the answers laid out beside the conditions.

use contract::Day;

use crate::rule::Condition;

/// Rows in table order; the first that fits answers.
#[derive(Debug, Clone)]
pub(crate) struct Rows<A>(Box<[Row<A>]>);

#[derive(Debug, Clone)]
pub(crate) struct Row<A> {
    pub(crate) valid_from: Day,
    pub(crate) valid_until: Day,
    pub(crate) conditions: Box<[Condition]>,
    pub(crate) answer: A,
}

impl<A> Rows<A> {
    /// The answer of the first row that fits the facts, in the order of the schema, on `on`.
    #[inline]
    pub(crate) fn first(&self, facts: &[i64], on: Day) -> Option<&A> {
        let fits = |row: &&Row<A>| {
            row.valid_from <= on
                && on <= row.valid_until
                && row.conditions.iter().all(|condition| condition.holds(facts))
        };
        self.0.iter().find(fits).map(|row| &row.answer)
    }
}

impl<A: Copy> Rows<A> {
    /// The row that answers from a day on whatever else is asked, if there is one.
    pub(crate) fn settled(&self) -> Option<(Day, A)> {
        let open = self.0.iter().position(|row| row.valid_until == Day::MAX)?;
        let (before, row) = (&self.0[..open], &self.0[open]);
        let others_end = before.iter().map(|row| row.valid_until.next()).max();
        let since = others_end.map_or(row.valid_from, |end| end.max(row.valid_from));
        row.conditions.is_empty().then_some((since, row.answer))
    }
}

impl<A> FromIterator<Row<A>> for Rows<A> {
    fn from_iter<I: IntoIterator<Item = Row<A>>>(rows: I) -> Rows<A> {
        Rows(rows.into_iter().collect())
    }
}

/// What changes on a few days only: from each of these days on, until the next, this holds.
#[derive(Debug, Clone)]
pub(crate) struct ByDay<T>(Box<[(Day, T)]>);

impl<T: Clone + PartialEq> ByDay<T> {
    /// What `answer` says, which changes on no other day than `changes`.
    pub(crate) fn new(changes: impl IntoIterator<Item = Day>, answer: impl Fn(Day) -> T) -> ByDay<T> {
        let mut days: Vec<Day> = changes.into_iter().chain([Day::MIN]).collect();
        days.sort_unstable();
        days.dedup();
        let mut answers: Vec<(Day, T)> = days.into_iter().map(|day| (day, answer(day))).collect();
        answers.dedup_by(|later, earlier| later.1 == earlier.1);
        ByDay(answers.into())
    }

    /// What holds on a day.
    #[inline]
    pub(crate) fn on(&self, day: Day) -> &T {
        // Newest first: most questions are about now.
        let at = self.0.iter().rposition(|(from, _)| *from <= day).unwrap_or(0);
        &self.0[at].1
    }
}
