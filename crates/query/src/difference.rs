//! Why a figure is not what it was: the difference between two moments of knowing, by cause.
//!
//! Between the two moments events arrived. For each person they are taken in one by one, in the order in which they arrived,
//! and what each changes is put down to its cause; under which bundle people are counted is changed first, with nothing
//! arrived yet. So the causes add up to the difference exactly.
//!
//! ```text
//!  known at A        bundle of B        1st event        2nd event    ...     known at B
//!      ├── bundle ───────┼───── late ───────┼── withdrawn ───┼── ... ────────────┤
//! ```

use std::collections::{BTreeMap, BTreeSet};

use contract::{Kind, Millis, Subject};
use event_log::partition_of;
use history::{Fact, History, Resolver};
use timeline::Unit;

use crate::{
    answer::{Column, ColumnKind, Stand, Table, Value},
    desk::Desk,
    error::QueryError,
    plan::Plan,
    question::{Question, Standpoint},
    sums::Sums,
};

/// What makes a figure change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Happened before the earlier moment, learned after it.
    Late,
    /// Happened after the earlier moment.
    New,
    /// Another version of a record that was known, or an event that corrects one.
    Corrected,
    /// A record or event was taken back, or a taking back was.
    Withdrawn,
    /// Two subjects became one person, or two again.
    Linked,
    /// Another reference or policy.
    Bundle,
}

/// Causes that come with events, in the order of the columns.
const OF_EVENTS: [(Cause, &str); 5] = [
    (Cause::Late, "late"),
    (Cause::New, "new"),
    (Cause::Corrected, "corrected"),
    (Cause::Withdrawn, "withdrawn"),
    (Cause::Linked, "linked"),
];

/// The difference between two moments.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// A row for each figure that changed: what it is, before, after, the difference, and each cause's part of it.
    pub table: Table,
    /// What the figures of the earlier moment stand on.
    pub before: Stand,
    /// What those of the later moment stand on.
    pub after: Stand,
    /// How many events arrived between the two.
    pub events: u64,
}

struct Changes {
    resolver: Resolver,
    before: Sums,
    /// What was known before, counted under the later bundle; none where the bundle is the same.
    recounted: Option<Sums>,
    causes: [Sums; OF_EVENTS.len()],
    events: u64,
}

impl Desk<'_> {
    /// Explains why the figures of a question differ between what was known before `one` moment and before `other`.
    /// Whichever is earlier is taken as before.
    ///
    /// # Errors
    /// When the question makes no sense, or the log or a bundle cannot be read.
    pub fn difference(
        &self,
        question: &Question,
        one: Millis,
        other: Millis,
    ) -> Result<Difference, QueryError> {
        let (earlier, later) = (one.min(other), one.max(other));
        let before = self.place(&Standpoint::at(earlier))?;
        let after = self.place(&Standpoint::at(later))?;
        let plan_before = Plan::new(question, &before.bundle)?;
        let plan_after = Plan::new(question, &after.bundle)?;
        // Periods may be cut elsewhere where tiers change on other days: both cuts are read, each by its own plan.
        let periods = [plan_before.periods(), plan_after.periods()];
        let same_bundle = before.stand.bundle == after.stand.bundle;
        let make = || Changes {
            resolver: Resolver::new(),
            before: Sums::new(&periods[0]),
            recounted: (!same_bundle).then(|| Sums::new(&periods[1])),
            causes: std::array::from_fn(|_| Sums::new(&periods[1])),
            events: 0,
        };
        let partitions = self.log.partitions();
        let visit = |changes: &mut Changes, subject: Subject, history: &History, until: Option<u64>| {
            let partition = usize::from(partition_of(&subject, partitions));
            let from = before.stand.positions[partition];
            let arrived = |fact: &&Fact| fact.offset >= from && until.is_none_or(|until| fact.offset < until);
            let mut new: Vec<&Fact> = history.facts().iter().filter(arrived).collect();
            new.sort_unstable_by_key(|fact| fact.offset);
            let mut at = until;
            if let Some(first) = new.first() {
                at = Some(first.offset);
            }
            let view = changes.resolver.view(history, at);
            changes.before.add(subject, &view, &before.bundle);
            if let Some(recounted) = &mut changes.recounted {
                recounted.add(subject, &view, &after.bundle);
            }
            changes.events += new.len() as u64;
            for fact in new {
                let cause = &mut changes.causes[cause_of(fact, history, earlier) as usize];
                cause.subtract(subject, &changes.resolver.view(history, at), &after.bundle);
                at = Some(fact.offset + 1);
                cause.add(subject, &changes.resolver.view(history, at), &after.bundle);
            }
        };
        let mut folded =
            self.reader.fold_histories(self.log, &after.stand.positions, make, visit)?.into_iter();
        let mut all = folded.next().unwrap_or_else(make);
        for mut more in folded {
            all.merge(&mut more);
        }
        all.settle();
        let read = |plan: &Plan<'_>, sums: &Sums, bundle| {
            plan.group(&|at| sums.rows(plan.projection, plan.cube, at), bundle)
        };
        let rows_before = read(&plan_before, &all.before, &before.bundle)?;
        let recounted = match &all.recounted {
            Some(recounted) => read(&plan_after, recounted, &after.bundle)?,
            None => rows_before.clone(),
        };
        let mut causes = Vec::new();
        for cause in &all.causes {
            causes.push(read(&plan_after, cause, &after.bundle)?);
        }
        let parts = Parts { before: rows_before, recounted, causes };
        let table = parts.table(&plan_after, &after.bundle);
        Ok(Difference { table, before: before.stand, after: after.stand, events: all.events })
    }
}

impl Changes {
    fn merge(&mut self, other: &mut Changes) {
        self.before.merge(&mut other.before);
        if let (Some(recounted), Some(other)) = (&mut self.recounted, &mut other.recounted) {
            recounted.merge(other);
        }
        self.causes.iter_mut().zip(&mut other.causes).for_each(|(cause, other)| cause.merge(other));
        self.events += other.events;
    }

    fn settle(&mut self) {
        self.before.settle();
        self.recounted.iter_mut().chain(&mut self.causes).for_each(Sums::settle);
    }
}

/// Why `fact`, which was not known yet, changes something.
fn cause_of(fact: &Fact, history: &History, earlier: Millis) -> Cause {
    let known_before = |other: &Fact| {
        other.offset < fact.offset
            && other.same_record(fact)
            && other.kind == fact.kind
            && other.id != fact.id
    };
    if matches!(fact.kind, Kind::IdentityLinked | Kind::IdentityUnlinked) || !history.path(fact).is_empty() {
        Cause::Linked
    } else if fact.withdrawn || fact.voids.is_some() {
        Cause::Withdrawn
    } else if fact.corrects.is_some() || history.facts().iter().any(known_before) {
        Cause::Corrected
    } else if fact.occurred < earlier {
        Cause::Late
    } else {
        Cause::New
    }
}

type Grouped = BTreeMap<Vec<String>, Vec<i64>>;

struct Parts {
    before: Grouped,
    recounted: Grouped,
    causes: Vec<Grouped>,
}

impl Parts {
    fn table(&self, plan: &Plan<'_>, bundle: &policy::Bundle) -> Table {
        let spec = plan.spec();
        let mut columns = plan.key_columns();
        columns.push(Column { name: "measure".to_owned(), kind: ColumnKind::Text });
        // Counts and money stand below each other: the column says neither, the measure does.
        let numbers = ["before", "after", "difference"]
            .into_iter()
            .chain(OF_EVENTS.map(|(_, name)| name))
            .chain(["bundle"]);
        columns.extend(numbers.map(|name| Column { name: name.to_owned(), kind: ColumnKind::Count }));
        let keys: BTreeSet<&Vec<String>> = self
            .before
            .keys()
            .chain(self.recounted.keys())
            .chain(self.causes.iter().flat_map(Grouped::keys))
            .collect();
        let mut rows = Vec::new();
        for key in keys {
            for (at, measure) in spec.measures.iter().enumerate() {
                let value = |of: &Grouped| of.get(key).map_or(0, |values| values[at]);
                let causes: Vec<i64> = self.causes.iter().map(value).collect();
                let by_bundle = value(&self.recounted) - value(&self.before);
                if by_bundle == 0 && causes.iter().all(|cause| *cause == 0) {
                    continue;
                }
                let before = value(&self.before);
                let difference = by_bundle + causes.iter().sum::<i64>();
                let mut row = plan.key_values(key, bundle);
                let unit = if measure.unit() == Unit::Money { " (hundredths of a dong)" } else { "" };
                row.push(Value::Text(format!("{}{unit}", measure.name())));
                let numbers =
                    [before, before + difference, difference].into_iter().chain(causes).chain([by_bundle]);
                row.extend(numbers.map(Value::Number));
                rows.push(row);
            }
        }
        Table { columns, rows }
    }
}
