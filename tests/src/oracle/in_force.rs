//! What counts of what was said, by the rules of the contract, worked out one question at a time.

use std::mem::discriminant;

use simulator::truth::{DayNumber, Moment, Person, Says, Told};

use super::days;

/// Something that counts for a person.
#[derive(Clone, Copy)]
pub(super) struct Fact<'a> {
    pub(super) told: &'a Told,
    /// Its place in what was told of the person.
    pub(super) event: u32,
    /// When the backbone first learned it.
    pub(super) recorded_ms: Moment,
}

impl Fact<'_> {
    pub(super) fn on(&self) -> DayNumber {
        days::day_of(self.told.occurred_ms)
    }

    /// Of what begins on the same day, the later asserted holds.
    pub(super) fn order(&self) -> (Moment, Moment) {
        (self.told.asserted_ms, self.recorded_ms)
    }

    pub(super) fn same_record(&self, other: &Fact<'_>) -> bool {
        self.told.emitter == other.told.emitter && self.told.record_key == other.told.record_key
    }
}

/// What counts for each identity of `person`, of what was recorded before `known_before`, in order. Nothing counts for one
/// that is linked away.
pub(super) fn in_force(person: &Person, known_before: Moment) -> Vec<Vec<Fact<'_>>> {
    let identities = heard(person, known_before).into_iter();
    identities.map(|heard| heard.map_or_else(Vec::new, |heard| heard.facts())).collect()
}

/// What each identity of `person` hears of what was recorded before `known_before`; none for one that is linked away.
pub(super) fn heard(person: &Person, known_before: Moment) -> Vec<Option<Heard<'_>>> {
    let known: Vec<u32> = (0..person.told.len() as u32)
        .filter(|index| person.told[*index as usize].recorded_ms < known_before)
        .collect();
    let of_links: Vec<u32> =
        known.iter().copied().filter(|index| is_about_links(&person.told[*index as usize].says)).collect();
    let all_links = Heard { person, tellings: of_links };
    let mut links: Vec<(u32, u8, u8)> = Vec::new();
    for event in all_links.events() {
        if let Says::Linked { link, from, to } = person.told[event as usize].says
            && all_links.holds(event)
        {
            links.push((link, from, to));
        }
    }
    (0..person.identities)
        .map(|identity| {
            if links.iter().any(|(_, from, _)| *from == identity) {
                return None;
            }
            let tellings =
                known.iter().copied().filter(|index| hears(&links, identity, &person.told[*index as usize]));
            Some(Heard { person, tellings: tellings.collect() })
        })
        .collect()
}

fn is_about_links(says: &Says) -> bool {
    matches!(says, Says::Linked { .. } | Says::Unlinked { .. })
}

/// Whether something told reaches an identity: it is about it, or about one that counts as it.
fn hears(links: &[(u32, u8, u8)], identity: u8, told: &Told) -> bool {
    match told.says {
        Says::Linked { link, from, to } | Says::Unlinked { link, from, to } => {
            // It stands at both ends, and what decides about a link does not travel along it.
            [from, to].into_iter().any(|end| counts_as(links, end, identity, Some(link)))
        }
        _ => counts_as(links, told.identity, identity, None),
    }
}

/// Whether `one` counts as `other` along links that hold, without the link `without`.
fn counts_as(links: &[(u32, u8, u8)], one: u8, other: u8, without: Option<u32>) -> bool {
    one == other
        || links.iter().any(|(link, from, to)| {
            *from == one && Some(*link) != without && counts_as(links, *to, other, without)
        })
}

/// What one identity hears.
pub(super) struct Heard<'a> {
    person: &'a Person,
    /// Indices of what is told.
    tellings: Vec<u32>,
}

impl<'a> Heard<'a> {
    /// The event that something told is a copy of.
    fn event(&self, telling: u32) -> u32 {
        self.person.told[telling as usize].copy_of.unwrap_or(telling)
    }

    /// Every event heard, once.
    pub(super) fn events(&self) -> Vec<u32> {
        let mut events: Vec<u32> = self.tellings.iter().map(|telling| self.event(*telling)).collect();
        events.sort_unstable();
        events.dedup();
        events
    }

    pub(super) fn told(&self, event: u32) -> &'a Told {
        &self.person.told[event as usize]
    }

    /// Copies are one event, known since the earliest.
    fn recorded_ms(&self, event: u32) -> Moment {
        let copies = self.tellings.iter().filter(|telling| self.event(**telling) == event);
        copies.map(|telling| self.told(*telling).recorded_ms).min().expect("an event is heard by a telling")
    }

    /// Whether `other` is a later version of what `event` says.
    pub(super) fn is_later(&self, other: u32, event: u32) -> bool {
        let (rival, told) = (self.told(other), self.told(event));
        let version = |event: u32| (self.told(event).asserted_ms, self.recorded_ms(event));
        // What only takes something back is a record of its own.
        !matches!(told.says, Says::Nothing)
            && rival.emitter == told.emitter
            && rival.record_key == told.record_key
            && same_kind(&rival.says, &told.says)
            && version(other) > version(event)
    }

    /// What holds and takes an event back.
    pub(super) fn takers(&self, event: u32) -> impl Iterator<Item = u32> {
        let told = self.told(event);
        self.events().into_iter().filter(move |other| {
            let taker = self.told(*other);
            let refers = match (&taker.says, &told.says) {
                (Says::Unlinked { link: one, .. }, Says::Linked { link: other, .. }) => one == other,
                _ => taker.takes_back.is_some_and(|back| self.event(back.target) == event),
            };
            refers && (taker.by_operator || taker.emitter == told.emitter) && self.holds(*other)
        })
    }

    pub(super) fn holds(&self, event: u32) -> bool {
        !self.told(event).withdraws
            && !self.events().into_iter().any(|other| self.is_later(other, event))
            && self.takers(event).next().is_none()
    }

    fn facts(&self) -> Vec<Fact<'a>> {
        let holding = self.events().into_iter().filter(|event| self.holds(*event));
        let mut facts: Vec<Fact<'a>> = holding
            .map(|event| Fact { told: self.told(event), event, recorded_ms: self.recorded_ms(event) })
            .collect();
        facts.sort_by_key(|fact| (fact.told.occurred_ms, fact.told.asserted_ms, fact.recorded_ms));
        facts
    }
}

fn same_kind(one: &Says, other: &Says) -> bool {
    match (one, other) {
        (Says::Referral(one), Says::Referral(other)) => discriminant(&one.step) == discriminant(&other.step),
        _ => discriminant(one) == discriminant(other),
    }
}
