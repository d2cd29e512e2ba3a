//! The figures of all projections, and the digest of what they stand on.

use std::sync::{Mutex, PoisonError};

use contract::Subject;
use history::{Fact, PersonView};
use policy::Bundle;
use projection::Standing;
use timeline::{CodecError, Negated, Period, Point, Postings, Row, SharedTimeline, Timeline};
use xxhash_rust::xxh3::xxh3_128;

use crate::registry::{PROJECTIONS, REGISTRY, project_all};

/// Every projection's timeline, and the sum of hashes of the events in force that they were folded from.
#[derive(Debug)]
pub struct Figures {
    timelines: [Timeline; PROJECTIONS],
    /// Adds up like the sums do, so that a person taken out leaves nothing.
    events: u128,
    pending: Pending,
}

/// Figures that several threads fill at once, each through a [`Part`] of its own.
#[derive(Debug)]
pub(crate) struct SharedFigures<'a> {
    timelines: [SharedTimeline<'a>; PROJECTIONS],
    events: Mutex<&'a mut u128>,
}

/// One thread's way into shared figures. What it holds is theirs once it is finished.
#[derive(Debug)]
pub(crate) struct Part<'a, 'f> {
    figures: &'a SharedFigures<'f>,
    pending: Pending,
}

/// What people can be added to and taken out of.
pub(crate) trait Fold {
    /// Adds a person.
    fn add(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle);
    /// Takes a person out.
    fn subtract(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle);
}

/// What is not yet in the timelines.
#[derive(Debug)]
struct Pending {
    postings: [Postings; PROJECTIONS],
    events: u128,
    standing: Standing,
    /// Somebody was just taken out: most of that comes back.
    comes_back: bool,
}

impl Pending {
    fn new() -> Pending {
        Pending {
            postings: REGISTRY.each_ref().map(|projection| Postings::new(projection.cubes)),
            events: 0,
            standing: Standing::default(),
            comes_back: false,
        }
    }

    fn add(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        if std::mem::take(&mut self.comes_back) {
            let mut putting_back = self.postings.each_mut().map(Postings::putting_back);
            project_all(&mut self.standing, person, bundle, &mut putting_back);
            self.postings.iter_mut().for_each(Postings::settle);
        } else {
            project_all(&mut self.standing, person, bundle, &mut self.postings);
        }
        self.events = self.events.wrapping_add(events_of(subject, person));
    }

    fn subtract(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        let mut taking_out = self.postings.each_mut().map(Postings::taking_out);
        project_all(&mut self.standing, person, bundle, &mut taking_out);
        self.comes_back = true;
        self.events = self.events.wrapping_sub(events_of(subject, person));
    }

    /// The postings it is time to post.
    fn full(&mut self) -> impl Iterator<Item = (usize, &mut Postings)> {
        self.postings.iter_mut().enumerate().filter(|(_, postings)| postings.is_full())
    }
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            timelines: REGISTRY.each_ref().map(|projection| Timeline::new(projection.cubes)),
            events: 0,
            pending: Pending::new(),
        }
    }
}

impl Figures {
    /// Adds a person.
    pub fn add(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        self.pending.add(subject, person, bundle);
        self.pending.full().for_each(|(at, postings)| self.timelines[at].post(postings));
    }

    /// Takes a person out.
    pub fn subtract(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        self.pending.subtract(subject, person, bundle);
        self.pending.full().for_each(|(at, postings)| self.timelines[at].post(postings));
    }

    /// Takes in what is pending.
    fn post(&mut self) {
        for (timeline, postings) in self.timelines.iter_mut().zip(&mut self.pending.postings) {
            timeline.post(postings);
        }
        self.events = self.events.wrapping_add(std::mem::take(&mut self.pending.events));
    }

    /// For several threads to fill.
    pub(crate) fn share(&mut self) -> SharedFigures<'_> {
        SharedFigures {
            timelines: self.timelines.each_mut().map(Timeline::share),
            events: Mutex::new(&mut self.events),
        }
    }

    /// A copy that stays as it is while these go on. It shares what doesn't change.
    pub(crate) fn freeze(&mut self) -> Figures {
        self.post();
        Figures { timelines: self.timelines.clone(), events: self.events, pending: Pending::new() }
    }

    /// Adds everything `other` holds.
    pub fn merge(&mut self, other: &mut Figures) {
        other.post();
        for (timeline, from) in self.timelines.iter_mut().zip(&other.timelines) {
            timeline.merge(from);
        }
        self.events = self.events.wrapping_add(other.events);
    }

    /// Makes reads cheap.
    pub fn settle(&mut self) {
        self.post();
        self.timelines.iter_mut().for_each(Timeline::settle);
    }

    /// Rows of a cube; see [`Timeline::rows`].
    ///
    /// # Panics
    /// If something was added or taken out since [`Figures::settle`].
    #[must_use]
    pub fn rows(&self, projection: usize, cube: usize, period: Period) -> Vec<Row> {
        assert!(self.pending.postings[projection].is_empty(), "settle before reading");
        self.timelines[projection].rows(cube, period)
    }

    /// Digests of the sums, a projection each, and of the events in force.
    #[must_use]
    pub fn digests(&mut self) -> Digests {
        self.post();
        Digests {
            projections: side_by_side(&self.timelines, Timeline::digest),
            events: self.events.to_be_bytes(),
        }
    }

    /// The first sum of each cube that is not the same in `other`, in words.
    pub fn differences(&mut self, other: &mut Figures) -> Vec<String> {
        self.post();
        other.post();
        let mut differences = Vec::new();
        for (at, projection) in REGISTRY.iter().enumerate() {
            for difference in self.timelines[at].differences(&other.timelines[at]) {
                differences.push(format!("{} {difference}", projection.name));
            }
        }
        if differences.is_empty() && self.events != other.events {
            differences.push("the events in force differ, the sums do not".to_owned());
        }
        differences
    }

    /// Bytes of memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.timelines.iter().map(Timeline::bytes).sum()
    }

    pub(crate) fn encode(&mut self, out: &mut Vec<u8>) {
        self.post();
        out.extend_from_slice(&self.events.to_le_bytes());
        let encoded = side_by_side(&self.timelines, |timeline| {
            let mut bytes = Vec::new();
            timeline.encode(&mut bytes);
            bytes
        });
        for bytes in encoded {
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(&bytes);
        }
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Figures, CodecError> {
        let early = || CodecError::Damaged("they end early");
        let mut figures = Figures::default();
        let (events, rest) = bytes.split_first_chunk().ok_or_else(early)?;
        figures.events = u128::from_le_bytes(*events);
        bytes = rest;
        let mut encoded = [&[][..]; PROJECTIONS];
        for timeline in &mut encoded {
            let (length, rest) = bytes.split_first_chunk().ok_or_else(early)?;
            (*timeline, bytes) =
                rest.split_at_checked(u64::from_le_bytes(*length) as usize).ok_or_else(early)?;
        }
        let numbered = std::array::from_fn(|at| (at, encoded[at]));
        let decoded = side_by_side(&numbered, |(at, bytes): &(usize, &[u8])| {
            Timeline::decode(REGISTRY[*at].cubes, bytes)
        });
        for (timeline, decoded) in figures.timelines.iter_mut().zip(decoded) {
            *timeline = decoded?;
        }
        Ok(figures)
    }
}

impl Fold for Figures {
    fn add(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        Figures::add(self, subject, person, bundle);
    }

    fn subtract(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        Figures::subtract(self, subject, person, bundle);
    }
}

impl<'f> SharedFigures<'f> {
    /// A thread's part.
    pub(crate) fn part(&self) -> Part<'_, 'f> {
        Part { figures: self, pending: Pending::new() }
    }
}

impl Part<'_, '_> {
    /// Hands over what is pending in all of them, side by side.
    pub(crate) fn finish_all(parts: impl IntoIterator<Item = Self>) {
        std::thread::scope(|scope| {
            for part in parts {
                scope.spawn(|| part.finish());
            }
        });
    }

    /// Hands over what is pending.
    pub(crate) fn finish(mut self) {
        for (timeline, postings) in self.figures.timelines.iter().zip(&mut self.pending.postings) {
            timeline.post(postings);
        }
        let mut events = self.figures.events.lock().unwrap_or_else(PoisonError::into_inner);
        **events = events.wrapping_add(self.pending.events);
    }
}

impl Fold for Part<'_, '_> {
    fn add(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        self.pending.add(subject, person, bundle);
        self.pending.full().for_each(|(at, postings)| self.figures.timelines[at].post(postings));
    }

    fn subtract(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        self.pending.subtract(subject, person, bundle);
        self.pending.full().for_each(|(at, postings)| self.figures.timelines[at].post(postings));
    }
}

/// Does `work` for every projection, each on a thread of its own.
fn side_by_side<T: Sync, R: Send>(all: &[T; PROJECTIONS], work: impl Fn(&T) -> R + Sync) -> [R; PROJECTIONS] {
    std::thread::scope(|scope| {
        let threads = all.each_ref().map(|one| scope.spawn(|| work(one)));
        threads.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// A hash of who it is and of the events in force, in the order of the history.
fn events_of(subject: Subject, person: &PersonView<'_>) -> u128 {
    if person.facts.is_empty() {
        return 0;
    }
    const FACTS: usize = 30;
    let ids = |facts: &[Fact], bytes: &mut [u8]| {
        let (subject_bytes, ids) = bytes.split_at_mut(subject.0.len());
        subject_bytes.copy_from_slice(&subject.0);
        for (id, fact) in ids.chunks_exact_mut(8).zip(facts) {
            id.copy_from_slice(&fact.id.0.to_le_bytes());
        }
        xxh3_128(bytes)
    };
    let length = subject.0.len() + 8 * person.facts.len();
    if person.facts.len() <= FACTS {
        ids(person.facts, &mut [0; size_of::<Subject>() + 8 * FACTS][..length])
    } else {
        ids(person.facts, &mut vec![0; length])
    }
}

/// What names the figures: equal digests are equal figures, over texts, whatever the order, threads and partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// One a projection, in the order of the registry.
    pub projections: [[u8; 32]; PROJECTIONS],
    /// Of the events in force and whom they are about.
    pub events: [u8; 16],
}

/// The sums of one day and period, of all projections.
#[derive(Debug)]
pub struct Points {
    points: [Point; PROJECTIONS],
    standing: Standing,
}

impl Points {
    /// Empty sums.
    #[must_use]
    pub fn new(period: Period) -> Points {
        let points = REGISTRY.each_ref().map(|projection| Point::new(projection.cubes, period));
        Points { points, standing: Standing::default() }
    }

    /// Adds a person.
    pub fn add(&mut self, person: &PersonView<'_>, bundle: &Bundle) {
        project_all(&mut self.standing, person, bundle, &mut self.points);
    }

    /// Takes a person out.
    pub fn subtract(&mut self, person: &PersonView<'_>, bundle: &Bundle) {
        let mut negated = self.points.each_mut().map(Negated);
        project_all(&mut self.standing, person, bundle, &mut negated);
    }

    /// Adds everything `other` holds.
    pub fn merge(&mut self, other: &Points) {
        self.points.iter_mut().zip(&other.points).for_each(|(point, from)| point.merge(from));
    }

    /// Rows of a cube; see [`Point::rows`].
    #[must_use]
    pub fn rows(&self, projection: usize, cube: usize) -> Vec<Row> {
        self.points[projection].rows(cube)
    }
}
