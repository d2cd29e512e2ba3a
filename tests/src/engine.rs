//! The engine's figures, in the oracle's words.

use std::collections::BTreeMap;

use contract::{Day, DeploymentKey, EventView, IdHash, Millis, Subject};
use coverage::Coverage;
use fee_exemption::FeeExemption;
use history::{History, PersonView, Resolver};
use policy::Bundle;
use projection::{Projection, Standing};
use referral_load::ReferralLoad;
use simulator::{City, names_of, truth};
use timeline::{Period, Point};

use crate::oracle::{Figures, Question, Rows, name, row};

/// The records of a log, by partition, in its order.
pub type Log = Vec<Vec<Vec<u8>>>;

/// The figures of a log, from a plain fold of its events.
///
/// # Panics
/// When a record is no event: the simulator writes none such.
#[must_use]
pub fn figures(log: &Log, bundle: &Bundle, question: &Question) -> Figures {
    let period = Period { on: Day(question.on), from: Day(question.from), to: Day(question.to) };
    let mut points = Points {
        coverage: Point::new(Coverage::CUBES, period),
        referral: Point::new(ReferralLoad::CUBES, period),
        exemption: Point::new(FeeExemption::CUBES, period),
    };
    let mut resolver = Resolver::new();
    for records in log {
        let until = known(records, Millis(question.known_before));
        for history in histories(records).values() {
            points.add(&resolver.view(history, Some(until)), bundle);
        }
    }
    let mut figures = Figures::new();
    points.coverage.collect_into::<Coverage>(&mut figures);
    points.referral.collect_into::<ReferralLoad>(&mut figures);
    points.exemption.collect_into::<FeeExemption>(&mut figures);
    figures
}

/// Whom subjects are in the truth, and what its events are.
pub struct Whom {
    /// The number of the person, and of the identity.
    people: BTreeMap<Subject, (u64, usize)>,
    /// The number of what was told.
    told: BTreeMap<IdHash, u32>,
}

impl Whom {
    /// Those of `people`.
    #[must_use]
    pub fn of(city: &City, people: &[truth::Person], key: &DeploymentKey) -> Whom {
        let mut whom = Whom { people: BTreeMap::new(), told: BTreeMap::new() };
        for person in people {
            let names = names_of(city, person, key);
            let subjects = names.subjects.into_iter().enumerate();
            whom.people.extend(subjects.map(|(identity, subject)| (subject, (person.index, identity))));
            for (number, (event, told)) in (0..).zip(names.events.iter().zip(&person.told)) {
                whom.told.insert(event.hash(), told.copy_of.unwrap_or(number));
            }
        }
        whom
    }
}

/// Every list: its name, with its projection's, and its columns.
#[must_use]
pub fn lists() -> Vec<(String, &'static [&'static str])> {
    let of = |projection: &str, lists: &[projection::List]| -> Vec<(String, &'static [&'static str])> {
        lists.iter().map(|list| (format!("{projection}/{}", list.name), list.columns)).collect()
    };
    let all = [
        of(Coverage::NAME, Coverage::LISTS),
        of(ReferralLoad::NAME, ReferralLoad::LISTS),
        of(FeeExemption::NAME, FeeExemption::LISTS),
    ];
    all.concat()
}

/// The rows that a log has in all lists.
///
/// # Panics
/// When a record is no event, or one of nobody that `whom` knows.
#[must_use]
pub fn rows(log: &Log, bundle: &Bundle, question: &Question, whom: &Whom) -> Rows {
    let mut rows = Rows::new();
    let (mut resolver, mut standing) = (Resolver::new(), Standing::default());
    for records in log {
        let until = known(records, Millis(question.known_before));
        for (subject, history) in &histories(records) {
            let person = standing.read(resolver.view(history, Some(until)), bundle);
            let on = Day(question.on);
            whom.add_rows::<Coverage>(*subject, &person, bundle, on, &mut rows);
            whom.add_rows::<ReferralLoad>(*subject, &person, bundle, on, &mut rows);
            whom.add_rows::<FeeExemption>(*subject, &person, bundle, on, &mut rows);
        }
    }
    rows
}

impl Whom {
    fn add_rows<P: Projection>(
        &self,
        subject: Subject,
        person: &projection::Person<'_>,
        bundle: &Bundle,
        on: Day,
        rows: &mut Rows,
    ) {
        let mut found = Vec::new();
        for (number, list) in P::LISTS.iter().enumerate() {
            found.clear();
            P::rows(person, bundle, on, number, &mut found);
            for one in &found {
                assert_eq!(one.values.len(), list.columns.len(), "a value a column");
                let columns: Vec<(&str, String)> =
                    list.columns.iter().copied().zip(one.values.iter().cloned()).collect();
                let event = one.event.map(|event| self.told[&event]);
                let name = format!("{}/{}", P::NAME, list.name);
                *rows.entry(row(&name, self.people[&subject], &columns, event)).or_default() += 1;
            }
        }
    }
}

/// The people of a partition.
pub fn histories(records: &[Vec<u8>]) -> BTreeMap<Subject, History> {
    let mut people: BTreeMap<Subject, History> = BTreeMap::new();
    for (offset, record) in records.iter().enumerate() {
        let event = EventView::parse(record).expect("the simulator writes events");
        people.entry(event.subject).or_default().push(&event, offset as u64).expect("and they give facts");
    }
    people.values_mut().for_each(History::sort);
    people
}

/// The offset before which everything was recorded before `time`. The known time of a record is the latest of all up to it.
fn known(records: &[Vec<u8>], time: Millis) -> u64 {
    let recorded =
        |record: &Vec<u8>| EventView::parse(record).expect("the simulator writes events").recorded_at;
    records.iter().position(|record| recorded(record) >= time).unwrap_or(records.len()) as u64
}

struct Points {
    coverage: Point,
    referral: Point,
    exemption: Point,
}

impl Points {
    fn add(&mut self, person: &PersonView<'_>, bundle: &Bundle) {
        let mut standing = Standing::default();
        let person = &standing.read(*person, bundle);
        Coverage::project(person, bundle, &mut self.coverage);
        ReferralLoad::project(person, bundle, &mut self.referral);
        FeeExemption::project(person, bundle, &mut self.exemption);
    }
}

trait Collect {
    fn collect_into<P: Projection>(&self, figures: &mut Figures);
}

impl Collect for Point {
    fn collect_into<P: Projection>(&self, figures: &mut Figures) {
        for (number, cube) in P::CUBES.iter().enumerate() {
            for row in self.rows(number) {
                let codes: Vec<String> =
                    row.key[..cube.dimensions.len()].iter().map(ToString::to_string).collect();
                let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
                for (measure, value) in cube.measures.iter().zip(row.values).filter(|(_, value)| *value != 0)
                {
                    figures
                        .insert(name(&format!("{}/{}", P::NAME, cube.name), &codes, measure.name()), value);
                }
            }
        }
    }
}

/// The sums of a log by day, from a plain fold of its events.
#[must_use]
pub fn fold(log: &Log, bundle: &Bundle) -> projector::Figures {
    let mut figures = projector::Figures::default();
    let mut resolver = Resolver::new();
    for records in log {
        for (subject, history) in &histories(records) {
            figures.add(*subject, &resolver.view(history, None), bundle);
        }
    }
    figures
}

/// The same, event by event: whom an event touches is taken out as it was and put in as it is.
#[must_use]
pub fn fold_live(log: &Log, bundle: &Bundle) -> projector::Figures {
    let mut figures = projector::Figures::default();
    let mut resolver = Resolver::new();
    for records in log {
        let mut people: BTreeMap<Subject, History> = BTreeMap::new();
        for (offset, record) in records.iter().enumerate() {
            let event = EventView::parse(record).expect("the simulator writes events");
            let history = people.entry(event.subject).or_default();
            figures.subtract(event.subject, &resolver.view(history, None), bundle);
            history.push(&event, offset as u64).expect("and they give facts");
            history.sort();
            figures.add(event.subject, &resolver.view(history, None), bundle);
        }
    }
    figures
}

/// A planted bug: as [`fold_live`], but weights are clamped at nothing, so that nobody is ever taken out.
#[must_use]
pub fn fold_clamped(log: &Log, bundle: &Bundle) -> projector::Figures {
    let mut figures = projector::Figures::default();
    let mut resolver = Resolver::new();
    for records in log {
        let mut people: BTreeMap<Subject, History> = BTreeMap::new();
        for (offset, record) in records.iter().enumerate() {
            let event = EventView::parse(record).expect("the simulator writes events");
            let history = people.entry(event.subject).or_default();
            history.push(&event, offset as u64).expect("and they give facts");
            history.sort();
            figures.add(event.subject, &resolver.view(history, None), bundle);
        }
    }
    figures
}
