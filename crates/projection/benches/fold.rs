//! What folding a person costs: a simulated city through each projection, into nothing, a timeline and a point.
//!
//! `PEOPLE=100000 ROUNDS=3 cargo bench -p projection --bench fold`; with `ALONE=1` into nothing only. The sum of what came out
//! stays the same when only the speed changes.
#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::{collections::BTreeMap, hint::black_box};

use contract::{Code, Day, DeploymentKey, EventView, Subject};
use coverage::Coverage;
use fee_exemption::FeeExemption;
use history::{History, PersonView, Resolver};
use policy::Bundle;
use projection::{Projection, Standing, story};
use referral_load::ReferralLoad;
use simulator::{City, Config, Places};
use timeline::{Axis, Period, Point, Postings, Sink, Timeline};

/// Takes everything and keeps a number: what a projection costs by itself.
#[derive(Default)]
struct Nothing {
    sum: u64,
    cells: u64,
    levels: u64,
    flows: u64,
}

impl Sink for Nothing {
    type Cell = u64;

    fn levels(&self) -> Axis {
        Axis::ALL
    }

    fn flows(&self) -> Axis {
        Axis::ALL
    }

    fn cell(&mut self, cube: usize, key: &[Code]) -> u64 {
        self.cells += 1;
        key.iter().fold(cube as u64, |sum, code| sum ^ code.packed())
    }

    fn level(&mut self, cell: u64, measure: usize, from: Day, until: Day, _: i64) {
        self.levels += 1;
        self.sum = self.sum.wrapping_add(cell ^ measure as u64 ^ from.0 as u64 ^ until.0 as u64);
    }

    fn flow(&mut self, cell: u64, measure: usize, day: Day, weight: i64) {
        self.flows += 1;
        self.sum = self.sum.wrapping_add(cell ^ measure as u64 ^ day.0 as u64 ^ weight as u64);
    }
}

/// What takes a person's contributions and is told when they are all there.
trait Sums: Sink {
    fn person_is_whole(&mut self) {}
}

impl Sums for Nothing {}

impl Sums for Point {}

/// A timeline with the postings on their way to it.
struct Posting {
    timeline: Timeline,
    postings: Postings,
}

impl Sink for Posting {
    type Cell = <Postings as Sink>::Cell;

    fn levels(&self) -> Axis {
        self.postings.levels()
    }

    fn flows(&self) -> Axis {
        self.postings.flows()
    }

    fn cell(&mut self, cube: usize, key: &[Code]) -> Self::Cell {
        self.postings.cell(cube, key)
    }

    fn level(&mut self, cell: Self::Cell, measure: usize, from: Day, until: Day, weight: i64) {
        self.postings.level(cell, measure, from, until, weight);
    }

    fn flow(&mut self, cell: Self::Cell, measure: usize, day: Day, weight: i64) {
        self.postings.flow(cell, measure, day, weight);
    }

    fn flow_each(&mut self, cell: Self::Cell, day: Day, flows: &[(usize, i64)]) {
        self.postings.flow_each(cell, day, flows);
    }
}

impl Sums for Posting {
    fn person_is_whole(&mut self) {
        if self.postings.is_full() {
            self.timeline.post(&mut self.postings);
        }
    }
}

fn main() {
    let people = number("PEOPLE", 20_000);
    let bundle = story::bundle();
    let first = Day::from_ymd(2026, 1, 1).expect("a day");
    let places = Places::of(&bundle.reference, first).expect("the reference has places");
    let city = City::new(Config::new(1, people), places);
    let mut histories: BTreeMap<Subject, History> = BTreeMap::new();
    let mut events = 0u64;
    for partition in simulator::records(&city, &DeploymentKey::new(&[1; 32]), 4) {
        for (offset, record) in partition.iter().enumerate() {
            let view = EventView::parse(record).expect("the simulator writes events");
            histories.entry(view.subject).or_default().push(&view, offset as u64).expect("they give facts");
            events += 1;
        }
    }
    let mut histories: Vec<History> = histories.into_values().collect();
    histories.iter_mut().for_each(History::sort);
    println!("{people} people, {} histories, {events} events", histories.len());

    let (view, _) = fold::<Coverage, Nothing>(&histories, &bundle, None);
    println!("{:<16} {view:>6.0} ns a person", "view");
    measure::<Coverage>(&histories, &bundle);
    measure::<ReferralLoad>(&histories, &bundle);
    measure::<FeeExemption>(&histories, &bundle);
}

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn measure<P: Projection>(histories: &[History], bundle: &Bundle) {
    let mut nothing = Nothing::default();
    let (_, logic) = fold::<P, _>(histories, bundle, Some(&mut nothing));
    let each = |count: u64| count as f64 / (histories.len() as u64 * number("ROUNDS", 1)) as f64;
    let (cells, levels, flows) = (each(nothing.cells), each(nothing.levels), each(nothing.flows));
    println!(
        "{:<16} {cells:.1} cells, {levels:.1} levels, {flows:.1} flows a person; sum {:016x}",
        P::NAME,
        nothing.sum,
    );
    if number("ALONE", 0) == 1 {
        println!("{:<16} {logic:>6.0} ns a person alone", P::NAME);
        return;
    }
    let mut posting = Posting { timeline: Timeline::new(P::CUBES), postings: Postings::new(P::CUBES) };
    // Once to make the cells, once to time: a rebuild makes them once and adds millions of people.
    fold::<P, _>(histories, bundle, Some(&mut posting));
    let (_, summed) = fold::<P, _>(histories, bundle, Some(&mut posting));
    let on = Day::from_ymd(2026, 9, 30).expect("a day");
    let mut point = Point::new(P::CUBES, Period { on, from: Day::new_year(2026), to: on });
    let (_, pointed) = fold::<P, _>(histories, bundle, Some(&mut point));
    println!(
        "{:<16} {logic:>6.0} ns a person alone, {summed:>6.0} into a timeline, {pointed:>6.0} into a point; {} MB",
        P::NAME,
        posting.timeline.bytes() >> 20,
    );
}

/// Nanoseconds a person, of the view and of the projection. A few people at a time, seen once before the projection is timed: in
/// a rebuild the facts were just read and are in the processor's cache.
fn fold<P: Projection, S: Sums>(
    histories: &[History],
    bundle: &Bundle,
    mut sink: Option<&mut S>,
) -> (f64, f64) {
    let rounds = number("ROUNDS", 1);
    let mut resolvers: Vec<Resolver> = (0..PEOPLE_AT_ONCE).map(|_| Resolver::new()).collect();
    let mut standing = Standing::default();
    let (mut viewed, mut projected) = (0, 0);
    for histories in (0..rounds).flat_map(|_| histories.chunks(PEOPLE_AT_ONCE)) {
        for (history, resolver) in histories.iter().zip(&mut resolvers) {
            black_box(resolver.view(history, None));
        }
        let before = worked_ns();
        let views: Vec<PersonView<'_>> = histories
            .iter()
            .zip(&mut resolvers)
            .map(|(history, resolver)| resolver.view(history, None))
            .collect();
        let between = worked_ns();
        if let Some(sink) = sink.as_deref_mut() {
            for view in &views {
                P::project(&standing.read(*view, bundle), bundle, sink);
                sink.person_is_whole();
            }
        }
        viewed += between - before;
        projected += worked_ns() - between;
    }
    let each = |sum: i64| sum as f64 / (histories.len() as u64 * rounds) as f64;
    (each(viewed), each(projected))
}

const PEOPLE_AT_ONCE: usize = 100;

/// Nanoseconds this thread has worked: a machine with other work would make the clock say otherwise.
fn worked_ns() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
