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

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use contract::{Code, IdHash, Kind, Millis, RecordHash, Subject};
use event_log::partition_of;
use history::{Fact, History, Resolver};
use projector::{REGISTRY, Registered};
use rustc_hash::FxHashMap;
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

/// The most turns from one cause to another that are looked at for one person: each views the whole history.
const STEPS_MAX: usize = 1_000;

/// The difference between two moments.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The projection.
    pub projection: &'static str,
    /// The version of its rules.
    pub version: u32,
    /// A row for each figure that changed: what it is, before, after, the difference, and each cause's part of it.
    pub table: Table,
    /// What the figures of the earlier moment stand on.
    pub before: Stand,
    /// What those of the later moment stand on.
    pub after: Stand,
    /// How many events arrived between the two.
    pub events: u64,
    /// What to know before using it, in sentences.
    pub notes: Vec<String>,
}

struct Changes {
    resolver: Resolver,
    before: Sums,
    /// What was known before, counted under the later bundle; none where the bundle is the same.
    recounted: Option<Sums>,
    causes: [Sums; OF_EVENTS.len()],
    events: u64,
    /// People of more than [`STEPS_MAX`] steps.
    cut_short: u64,
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
            cut_short: 0,
        };
        let partitions = self.log.partitions();
        let visit = |changes: &mut Changes, subject: Subject, history: &History, until: Option<u64>| {
            let partition = usize::from(partition_of(&subject, partitions));
            let from = before.stand.positions[partition];
            let until = until.unwrap_or(u64::MAX);
            let Steps { steps, events, cut_short } = steps(history, from..until, earlier, STEPS_MAX);
            changes.events += events;
            changes.cut_short += u64::from(cut_short);
            let mut view = changes.resolver.view(history, Some(from));
            changes.before.add(subject, &view, &before.bundle);
            if let Some(recounted) = &mut changes.recounted {
                recounted.add(subject, &view, &after.bundle);
            }
            for Step { cause, until } in steps {
                let cause = &mut changes.causes[cause as usize];
                cause.subtract(subject, &view, &after.bundle);
                view = changes.resolver.view(history, Some(until));
                cause.add(subject, &view, &after.bundle);
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
        let mut notes = plan_after.notes(&after.bundle);
        if all.cut_short > 0 {
            notes.push(format!(
                "{} people have events of so many causes in turn that all after the first {STEPS_MAX} turns are put down to one",
                all.cut_short
            ));
        }
        let Registered { name, version, .. } = REGISTRY[plan_after.projection];
        let (before, after, events) = (before.stand, after.stand, all.events);
        Ok(Difference { projection: name, version, table, before, after, events, notes })
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
        self.cut_short += other.cut_short;
    }

    fn settle(&mut self) {
        self.before.settle();
        self.recounted.iter_mut().chain(&mut self.causes).for_each(Sums::settle);
    }
}

/// What arrived for one person, in the order in which it did.
#[derive(Debug, PartialEq, Eq)]
struct Steps {
    steps: Vec<Step>,
    events: u64,
    /// There would have been more steps.
    cut_short: bool,
}

/// Events that arrived one after the other and change something for the same cause.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    cause: Cause,
    /// The last of them stands before this offset.
    until: u64,
}

/// Takes the facts at the offsets `arrived` together by their causes, in no more than `most` steps.
fn steps(history: &History, arrived: Range<u64>, earlier: Millis, most: usize) -> Steps {
    let mut found = Steps { steps: Vec::new(), events: 0, cut_short: false };
    if !history.facts().iter().any(|fact| arrived.contains(&fact.offset)) {
        return found;
    }
    let mut facts: Vec<&Fact> = history.facts().iter().filter(|fact| fact.offset < arrived.end).collect();
    facts.sort_unstable_by_key(|fact| fact.offset);
    // Of each record and kind the version that arrived first, and whether there was another.
    let mut versions: FxHashMap<(RecordHash, Code, Kind), (IdHash, bool)> = FxHashMap::default();
    for fact in facts {
        let (first, more) = *versions
            .entry((fact.record, fact.emitter, fact.kind))
            .and_modify(|(first, more)| *more |= *first != fact.id)
            .or_insert((fact.id, false));
        if fact.offset < arrived.start {
            continue;
        }
        found.events += 1;
        let cause = cause_of(fact, history, first != fact.id || more, earlier);
        let full = found.steps.len() == most;
        match found.steps.last_mut() {
            Some(last) if last.cause == cause || full => {
                found.cut_short |= last.cause != cause;
                last.until = fact.offset + 1;
            }
            _ => found.steps.push(Step { cause, until: fact.offset + 1 }),
        }
    }
    found
}

/// Why `fact`, which was not known yet, changes something. `again`: another version of its record was known.
fn cause_of(fact: &Fact, history: &History, again: bool, earlier: Millis) -> Cause {
    if matches!(fact.kind, Kind::IdentityLinked | Kind::IdentityUnlinked) || !history.path(fact).is_empty() {
        Cause::Linked
    } else if fact.withdrawn || fact.voids.is_some() {
        Cause::Withdrawn
    } else if fact.corrects.is_some() || again {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use contract::{Day, EventId, EventView, v1};

    use super::*;

    #[test]
    fn events_of_one_cause_are_one_step_and_there_are_no_more_than_so_many() {
        let mut history = History::new();
        let earlier = Day::new_year(2026);
        // Offset, record, days after the earlier moment.
        let facts =
            [(2, "A", -1), (3, "B", -2), (4, "C", 5), (5, "A", 5), (6, "A", 5), (7, "D", 9), (8, "A", 1)];
        for (offset, record, days) in facts {
            let moment = Some((earlier + days).start().to_timestamp());
            let event = v1::Event {
                event_id: EventId([offset as u8; 16]).0.to_vec(),
                subject: Subject([1; 16]).0.to_vec(),
                subject_kind: v1::SubjectKind::PersonalNumber.into(),
                emitter: "01004".to_owned(),
                record_key: record.to_owned(),
                asserted_at: moment,
                occurred_at: moment,
                recorded_at: moment,
                authority: v1::Authority::Emitter.into(),
                body: Some(v1::event::Body::CareGiven(v1::CareGiven::default())),
                ..v1::Event::default()
            };
            history.push(&EventView::parse(&contract::encode(&event)).unwrap(), offset).unwrap();
        }
        let said = |most| {
            let Steps { steps, events, cut_short } = steps(&history, 3..9, earlier.start(), most);
            let steps: Vec<(Cause, u64)> = steps.iter().map(|step| (step.cause, step.until)).collect();
            (steps, events, cut_short)
        };
        use Cause::{Corrected, Late, New};
        assert_eq!(said(9), (vec![(Late, 4), (New, 5), (Corrected, 7), (New, 8), (Corrected, 9)], 6, false));
        assert_eq!(said(2), (vec![(Late, 4), (New, 9)], 6, true));
    }
}
