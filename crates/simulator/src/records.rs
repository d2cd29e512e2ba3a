//! The city's records, partition by partition, in the order of the log.

use std::hint::black_box;

use contract::{DeploymentKey, EventId, Subject};
use event_log::partition_of;

use crate::{
    City,
    event::{CARRIED_EVENT, Carried, Encoder, link_id},
    spread::Spread,
    truth::{Moment, Person, Says, Told},
    wire,
};

/// Records of one partition, in the order of the log.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    /// One after the other in time.
    shelves: Vec<Shelf>,
    /// How many there are of each kind, by its number.
    pub(crate) kinds: [u64; KINDS],
}

/// Records of a short time, in one buffer that stays in the processor's cache while it is put in order: people are made one
/// after the other, so that every record of the log stands somewhere else in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelf {
    bytes: Vec<u8>,
    /// When recorded, where it starts, how long it is.
    order: Vec<(Moment, u32, u32)>,
}

/// Above the number of every kind.
pub(crate) const KINDS: usize = 128;

impl Shelf {
    fn add(&mut self, recorded_ms: Moment, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.order.push((recorded_ms, start as u32, (self.bytes.len() - start) as u32));
    }

    /// Has the shelf brought to the processor in one go: record by record, each would be waited for.
    fn fetch(&self) {
        const LINE_BYTES: usize = 64;
        black_box(self.bytes.iter().step_by(LINE_BYTES).fold(0, |all, byte| all ^ byte));
    }

    fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.order.iter().map(|(_, start, length)| &self.bytes[*start as usize..(start + length) as usize])
    }
}

impl Default for Stretch {
    fn default() -> Stretch {
        Stretch { shelves: vec![Shelf::default()], kinds: [0; KINDS] }
    }
}

impl Stretch {
    /// Takes everything out, and makes place for `shelves`.
    fn clear(&mut self, shelves: usize) {
        self.shelves.resize_with(shelves, Shelf::default);
        for shelf in &mut self.shelves {
            shelf.bytes.clear();
            shelf.order.clear();
        }
        self.kinds = [0; KINDS];
    }

    /// Adds what `write` appends behind all that is there.
    fn push(&mut self, recorded_ms: Moment, kind: u32, write: impl FnOnce(&mut Vec<u8>)) {
        self.kinds[kind as usize] += 1;
        self.shelves[0].add(recorded_ms, write);
    }

    /// How many records were pushed.
    fn pushed(&self) -> u64 {
        self.shelves[0].order.len() as u64
    }

    /// The records, in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.shelves.iter().flat_map(|shelf| {
            shelf.fetch();
            shelf.records()
        })
    }
}

/// The records of `people` that are recorded in `from..until`, into `stretch`: of people with one identity, all in one
/// partition. `met` gets each person's subject and key.
pub(crate) fn fill(
    city: &City,
    encoder: &mut Encoder<'_>,
    people: &[u32],
    (from, until): (Moment, Moment),
    spread: &Spread,
    stretch: &mut Stretch,
    mut met: impl FnMut(Subject, &[u8; 32]),
) {
    stretch.clear(spread.shelves());
    let mut person = Person::default();
    for index in people {
        let traits = city.make(u64::from(*index), &mut person);
        encoder.begin(&traits, &person);
        met(encoder.identities[0].subject, &encoder.identities[0].secret);
        let wanted = |said: &Told| (from..until).contains(&said.recorded_ms);
        encoder.name_all(&person, wanted);
        for (told, said) in person.told.iter().enumerate() {
            if wanted(said) {
                stretch.kinds[wire::kind(&said.says) as usize] += 1;
                let shelf = &mut stretch.shelves[spread.shelf(said.recorded_ms)];
                shelf.add(said.recorded_ms, |out| {
                    encoder.encode(&person, told as u32, 0, out);
                });
            }
        }
    }
    for shelf in &mut stretch.shelves {
        shelf.order.sort_unstable();
    }
}

/// Every record of the city, by partition, with links carried: all in memory, so for small cities.
///
/// `met` gets the subject and key of every identity.
pub(crate) fn whole(
    city: &City,
    people: impl Iterator<Item = Person>,
    deployment: &DeploymentKey,
    partitions: u16,
    mut met: impl FnMut(Subject, &[u8; 32]),
) -> Vec<Stretch> {
    let mut carriers = Vec::new();
    let mut moments: Vec<(Moment, u32, u32)> = Vec::new();
    for person in people {
        let mut encoder = Encoder::new(city, deployment);
        encoder.begin(&city.traits(person.index), &person);
        for identity in &encoder.identities {
            met(identity.subject, &identity.secret);
        }
        let number = carriers.len() as u32;
        let told = person.told.iter().enumerate();
        moments.extend(told.map(|(told, said)| (said.recorded_ms, number, told as u32)));
        let present = vec![Vec::new(); usize::from(person.identities)];
        carriers.push(Carrier { encoder, links: Vec::new(), present, person });
    }
    moments.sort_unstable();
    let mut stretches = vec![Stretch::default(); usize::from(partitions)];
    for (_, carrier, told) in moments {
        carriers[carrier as usize].tell(told, &mut stretches);
    }
    stretches
}

/// What a person is called in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The subject of each identity.
    pub subjects: Vec<Subject>,
    /// The event of each thing told, in the order of [`Person::told`]; a copy has that of what it copies.
    pub events: Vec<EventId>,
}

/// The names of `person` in the log that `deployment` keys.
pub(crate) fn names(city: &City, person: &Person, deployment: &DeploymentKey) -> Names {
    let mut encoder = Encoder::new(city, deployment);
    encoder.begin(&city.traits(person.index), person);
    let subjects = encoder.identities.iter().map(|identity| identity.subject).collect();
    let events = (0..person.told.len() as u32).map(|told| encoder.name(person, told).id).collect();
    Names { subjects, events }
}

/// Does for one person what intake does when it carries.
struct Carrier<'a> {
    encoder: Encoder<'a>,
    person: Person,
    /// Links told so far: number, from, to.
    links: Vec<(u32, u8, u8)>,
    /// What stands in each identity's history.
    present: Vec<Vec<Present>>,
}

/// An event in an identity's history.
#[derive(Clone)]
struct Present {
    told: u32,
    path: Vec<u32>,
    origin_partition: u16,
    origin_offset: u64,
    event: Vec<u8>,
}

impl Carrier<'_> {
    fn tell(&mut self, told: u32, stretches: &mut [Stretch]) {
        let said = &self.person.told[told as usize];
        let now = said.recorded_ms;
        match said.says {
            Says::Linked { link, from, to } => {
                self.original(told, from, now, stretches);
                self.original(told, to, now, stretches);
                if !self.links.iter().any(|(known, ..)| *known == link) {
                    self.links.push((link, from, to));
                    for present in self.present[usize::from(from)].clone() {
                        self.carry_along(&present, (link, to), now, stretches);
                    }
                }
            }
            Says::Unlinked { from, to, .. } => {
                self.original(told, from, now, stretches);
                self.original(told, to, now, stretches);
            }
            _ => {
                let identity = said.identity;
                self.original(told, identity, now, stretches);
            }
        }
    }

    /// Appends the event itself to an identity's partition.
    fn original(&mut self, told: u32, identity: u8, now: Moment, stretches: &mut [Stretch]) {
        let mut event = Vec::new();
        self.encoder.encode(&self.person, told, identity, &mut event);
        let kind = wire::kind(&self.person.told[told as usize].says);
        let (partition, stretch) = self.stretch(identity, stretches);
        let offset = stretch.pushed();
        stretch.push(now, kind, |out| out.extend_from_slice(&event));
        let present =
            Present { told, path: Vec::new(), origin_partition: partition, origin_offset: offset, event };
        self.settle(identity, present, now, stretches);
    }

    /// What now stands in an identity's history is carried on along the links that lead away from it.
    fn settle(&mut self, identity: u8, present: Present, now: Moment, stretches: &mut [Stretch]) {
        self.present[usize::from(identity)].push(present.clone());
        for (link, from, to) in self.links.clone() {
            if from == identity {
                self.carry_along(&present, (link, to), now, stretches);
            }
        }
    }

    fn carry_along(
        &mut self,
        present: &Present,
        (link, to): (u32, u8),
        now: Moment,
        stretches: &mut [Stretch],
    ) {
        // What decides about a link never travels along it: it stands at both ends already.
        if let Says::Linked { link: about, .. } | Says::Unlinked { link: about, .. } =
            self.person.told[present.told as usize].says
            && (about == link || present.path.contains(&about))
        {
            return;
        }
        let mut path = present.path.clone();
        path.push(link);
        let ids: Vec<[u8; 16]> = path.iter().map(|link| link_id(self.person.index, *link)).collect();
        let carried = Carried {
            path: &ids,
            origin_partition: present.origin_partition,
            origin_offset: present.origin_offset,
            event: &present.event,
            recorded_ms: now,
        };
        let mut bytes = Vec::new();
        self.encoder.carry(&self.person, present.told, to, &carried, &mut bytes);
        let (_, stretch) = self.stretch(to, stretches);
        stretch.push(now, CARRIED_EVENT, |out| out.extend_from_slice(&bytes));
        self.settle(to, Present { path, ..present.clone() }, now, stretches);
    }

    fn stretch<'s>(&self, identity: u8, stretches: &'s mut [Stretch]) -> (u16, &'s mut Stretch) {
        let subject = self.encoder.identities[usize::from(identity)].subject;
        let partition = partition_of(&subject, stretches.len() as u16);
        (partition, &mut stretches[usize::from(partition)])
    }
}
