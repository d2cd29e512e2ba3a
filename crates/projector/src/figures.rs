//! The figures of all projections, and the digest of what they stand on.

use contract::Subject;
use history::PersonView;
use policy::Bundle;
use timeline::{CodecError, Negated, Period, Point, Row, Timeline};
use xxhash_rust::xxh3::xxh3_128;

use crate::registry::{PROJECTIONS, REGISTRY, project_all};

/// Every projection's timeline, and the sum of hashes of the events in force that they were folded from.
#[derive(Debug, Clone)]
pub struct Figures {
    timelines: [Timeline; PROJECTIONS],
    /// Adds up like the sums do, so that a person taken out leaves nothing.
    events: u128,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            timelines: REGISTRY.each_ref().map(|projection| Timeline::new(projection.cubes)),
            events: 0,
        }
    }
}

impl Figures {
    /// Adds a person.
    pub fn add(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        project_all(person, bundle, &mut self.timelines);
        self.events = self.events.wrapping_add(events_of(subject, person));
    }

    /// Takes a person out.
    pub fn subtract(&mut self, subject: Subject, person: &PersonView<'_>, bundle: &Bundle) {
        let mut negated = self.timelines.each_mut().map(Negated);
        project_all(person, bundle, &mut negated);
        self.events = self.events.wrapping_sub(events_of(subject, person));
    }

    /// Adds everything `other` holds.
    pub fn merge(&mut self, other: &mut Figures) {
        for (timeline, from) in self.timelines.iter_mut().zip(&mut other.timelines) {
            timeline.merge(from);
        }
        self.events = self.events.wrapping_add(other.events);
    }

    /// Makes reads cheap.
    pub fn settle(&mut self) {
        self.timelines.iter_mut().for_each(Timeline::settle);
    }

    /// Rows of a cube; see [`Timeline::rows`].
    #[must_use]
    pub fn rows(&self, projection: usize, cube: usize, period: Period) -> Vec<Row> {
        self.timelines[projection].rows(cube, period)
    }

    /// Digests of the sums, a projection each, and of the events in force.
    #[must_use]
    pub fn digests(&mut self) -> Digests {
        Digests {
            projections: self.timelines.each_mut().map(Timeline::digest),
            events: self.events.to_be_bytes(),
        }
    }

    /// The first sum of each cube that is not the same in `other`, in words.
    pub fn differences(&mut self, other: &mut Figures) -> Vec<String> {
        let mut differences = Vec::new();
        for (at, projection) in REGISTRY.iter().enumerate() {
            for difference in self.timelines[at].differences(&mut other.timelines[at]) {
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
        out.extend_from_slice(&self.events.to_le_bytes());
        self.timelines.iter_mut().for_each(|timeline| {
            let mut bytes = Vec::new();
            timeline.encode(&mut bytes);
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(&bytes);
        });
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Figures, CodecError> {
        let early = || CodecError::Damaged("they end early");
        let mut figures = Figures::default();
        let (events, rest) = bytes.split_first_chunk().ok_or_else(early)?;
        figures.events = u128::from_le_bytes(*events);
        bytes = rest;
        for (timeline, projection) in figures.timelines.iter_mut().zip(&REGISTRY) {
            let (length, rest) = bytes.split_first_chunk().ok_or_else(early)?;
            let (timeline_bytes, rest) =
                rest.split_at_checked(u64::from_le_bytes(*length) as usize).ok_or_else(early)?;
            *timeline = Timeline::decode(projection.cubes, timeline_bytes)?;
            bytes = rest;
        }
        Ok(figures)
    }
}

fn events_of(subject: Subject, person: &PersonView<'_>) -> u128 {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&subject.0);
    person.facts.iter().fold(0u128, |sum, fact| {
        bytes[16..].copy_from_slice(&fact.id.0.to_le_bytes());
        sum.wrapping_add(xxh3_128(&bytes))
    })
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
#[derive(Debug, Clone)]
pub struct Points {
    points: [Point; PROJECTIONS],
}

impl Points {
    /// Empty sums.
    #[must_use]
    pub fn new(period: Period) -> Points {
        Points { points: REGISTRY.each_ref().map(|projection| Point::new(projection.cubes, period)) }
    }

    /// Adds a person.
    pub fn add(&mut self, person: &PersonView<'_>, bundle: &Bundle) {
        project_all(person, bundle, &mut self.points);
    }

    /// Takes a person out.
    pub fn subtract(&mut self, person: &PersonView<'_>, bundle: &Bundle) {
        let mut negated = self.points.each_mut().map(Negated);
        project_all(person, bundle, &mut negated);
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
