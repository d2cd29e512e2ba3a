//! What one person adds.

use contract::{Code, Day, v1::Sex};
use history::{Body, PersonView};
use policy::Bundle;
use projection::{Layers, Span, Spans, UNKNOWN, known_facility, known_group};
use smallvec::SmallVec;
use timeline::Sink;

use crate::{
    cells::{
        ACTUAL_INSURED, AGE_BANDS, BOTH_RESIDENCES, CHECK_UPS, CHECKED_UP, COMMUNE, CONTACTS, EVERY_BASIS,
        FACILITY, GROUP, INSURED, MANAGED, MEMBER_AND_MAIN, PEOPLE, RECORD, REGISTERED, WINDOW,
    },
    person::{Person, is_check_up},
};

pub(crate) fn project<S: Sink>(view: &PersonView<'_>, bundle: &Bundle, sink: &mut S) {
    care(view, bundle, sink);
    if !view.is_person() || view.facts.is_empty() {
        return;
    }
    let person = Person::read(view, bundle, Day::MAX);
    if person.life.is_empty() {
        return;
    }
    let everybody = Levels {
        people: Spans::from(person.life),
        insured: person.insured.clone(),
        managed: person.managed.clone(),
        checked_up: person.checked_up.clone(),
        record: person.record.clone(),
    };
    let insured = everybody.on(&person.insured);
    communes(&person, &everybody, &insured, sink);
    groups(&person, &everybody, &insured, bundle, sink);
    registrations(&person, bundle, sink);
}

/// The levels of one set of people: in each cell, those of its days.
struct Levels {
    people: Spans,
    insured: Spans,
    managed: Spans,
    checked_up: Spans,
    record: Spans,
}

impl Levels {
    /// On `days` only.
    fn on(&self, days: &Spans) -> Levels {
        Levels {
            people: self.people.and(days),
            insured: self.insured.and(days),
            managed: self.managed.and(days),
            checked_up: self.checked_up.and(days),
            record: self.record.and(days),
        }
    }

    /// On other days than `days`.
    fn off(&self, days: &Spans) -> Levels {
        Levels {
            people: self.people.without(days),
            insured: self.insured.without(days),
            managed: self.managed.without(days),
            checked_up: self.checked_up.without(days),
            record: self.record.without(days),
        }
    }

    /// Whether nobody is there on any day of `window`.
    #[inline]
    fn is_empty(&self, window: Span) -> bool {
        self.people.within(window).next().is_none()
    }

    /// Adds what [`COMMUNE`] and [`GROUP`] both measure.
    #[inline]
    fn add<S: Sink>(&self, sink: &mut S, cell: S::Cell, window: Span) {
        let levels = [
            (PEOPLE, &self.people),
            (INSURED, &self.insured),
            (MANAGED, &self.managed),
            (CHECKED_UP, &self.checked_up),
        ];
        for (measure, spans) in levels {
            add(sink, cell, measure, spans, window);
        }
    }
}

#[inline]
fn add<S: Sink>(sink: &mut S, cell: S::Cell, measure: usize, spans: &Spans, window: Span) {
    for span in spans.within(window) {
        sink.level(cell, measure, span.from, span.until, 1);
    }
}

fn communes<S: Sink>(person: &Person, everybody: &Levels, insured: &Levels, sink: &mut S) {
    let bands = bands(person);
    let sex = Code::new(match person.sex {
        Sex::Male => "male",
        Sex::Female => "female",
        Sex::Unspecified => UNKNOWN,
    });
    let mut put = |bases: &str, levels: &Levels, commune: Code, days: Span| {
        for (band, age) in &bands {
            let window = days.and(*band);
            if !levels.is_empty(window) {
                let cell = sink.cell(COMMUNE, &[Code::new(bases), commune, *age, sex]);
                levels.add(sink, cell, window);
                add(sink, cell, RECORD, &levels.record, window);
            }
        }
    };
    let uninsured = everybody.off(&person.insured);
    let permanent = person.places.permanent.as_slice();
    for (days, commune) in person.actual().as_slice() {
        // The parts of these days on which the permanent residence is the same commune, and the rest.
        for (registered, permanent) in permanent.iter().map(|(span, code)| (span.and(*days), *code)) {
            if registered.is_empty() {
                continue;
            }
            if permanent == *commune {
                put(EVERY_BASIS, insured, *commune, registered);
                put(BOTH_RESIDENCES, &uninsured, *commune, registered);
            } else {
                put(ACTUAL_INSURED, insured, *commune, registered);
                put("actual", &uninsured, *commune, registered);
                put("perm", everybody, permanent, registered);
            }
        }
    }
}

/// The age bands of the days of the axis.
fn bands(person: &Person) -> SmallVec<[(Span, Code); 3]> {
    let Some(birth) = person.birth else {
        return SmallVec::from_iter([(person.life, Code::new(UNKNOWN))]);
    };
    let year = birth.year();
    let (first, last) = (WINDOW.from.year(), WINDOW.until.year());
    let mut bands = SmallVec::new();
    for (at, (age, name)) in AGE_BANDS.iter().enumerate() {
        // Only birthdays near the axis are worth a calendar.
        let begins = |age: i32| match year + age {
            before if before < first - 1 => Day::MIN,
            after if after > last => Day::MAX,
            _ => birth.anniversary(age),
        };
        let until = AGE_BANDS.get(at + 1).map_or(Day::MAX, |(next, _)| begins(*next));
        let band = Span { from: begins(*age), until }.and(person.life);
        if !band.is_empty() {
            bands.push((band, Code::new(name)));
        }
    }
    bands
}

fn groups<S: Sink>(person: &Person, everybody: &Levels, insured: &Levels, bundle: &Bundle, sink: &mut S) {
    let mut groups: SmallVec<[(Code, Spans); 3]> = SmallVec::new();
    let cards = person.holdings.cards.iter().map(|card| (card.group, card.span));
    let statuses = person.holdings.entitlements.iter().map(|held| (held.group, held.span));
    for (group, span) in cards.chain(statuses) {
        let group = known_group(group, bundle);
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, spans)) => spans.add(span),
            None => groups.push((group, Spans::from(span))),
        }
    }
    match groups.as_slice() {
        // Most people's only group is that of their cards.
        [(group, days)] if *days == person.insured => {
            in_group(person, insured, MEMBER_AND_MAIN, *group, sink)
        }
        [(group, days)] => in_group(person, &everybody.on(days), MEMBER_AND_MAIN, *group, sink),
        several => {
            let mains = person.holdings.main_groups(bundle);
            for (group, days) in several {
                let mut main = Spans::new();
                mains
                    .iter()
                    .filter(|main| known_group(main.group, bundle) == *group)
                    .for_each(|held| main.add(held.span));
                in_group(person, &everybody.on(&main), MEMBER_AND_MAIN, *group, sink);
                in_group(person, &everybody.on(&days.without(&main)), "member", *group, sink);
            }
        }
    }
}

fn in_group<S: Sink>(person: &Person, levels: &Levels, kind: &str, group: Code, sink: &mut S) {
    for (place, commune) in person.actual().as_slice() {
        if !levels.is_empty(*place) {
            let cell = sink.cell(GROUP, &[*commune, Code::new(kind), group]);
            levels.add(sink, cell, *place);
        }
    }
}

/// Where insured people are registered: of several cards the latest begun says it.
fn registrations<S: Sink>(person: &Person, bundle: &Bundle, sink: &mut S) {
    if let [card] = person.holdings.cards.as_slice() {
        let cell = sink.cell(FACILITY, &[known_facility(card.primary, bundle)]);
        sink.level(cell, REGISTERED, card.span.from, card.span.until, 1);
        return;
    }
    let mut registered = Layers::over(person.life, None);
    for card in &person.holdings.cards {
        registered.paint(card.span, Some(known_facility(card.primary, bundle)));
    }
    for (span, facility) in registered.as_slice() {
        if let Some(facility) = facility {
            let cell = sink.cell(FACILITY, &[*facility]);
            sink.level(cell, REGISTERED, span.from, span.until, 1);
        }
    }
}

/// What facilities did, whoever it was for.
fn care<S: Sink>(view: &PersonView<'_>, bundle: &Bundle, sink: &mut S) {
    for fact in view.facts {
        let (measure, place) = match fact.body {
            Body::CheckUpCompleted { facility, .. } => (CHECK_UPS, facility),
            Body::CareGiven { facility, .. } => (CONTACTS, facility),
            Body::ClaimSubmitted(claim) if is_check_up(claim.visit_type) => {
                // A check-up told by its claim and by itself, under one key, is one.
                let told = view.facts.iter().any(|other| {
                    other.record == fact.record && matches!(other.body, Body::CheckUpCompleted { .. })
                });
                if told {
                    continue;
                }
                (CHECK_UPS, claim.facility)
            }
            Body::ClaimSubmitted(claim) => (CONTACTS, claim.facility),
            _ => continue,
        };
        let cell = sink.cell(FACILITY, &[known_facility(place, bundle)]);
        sink.flow(cell, measure, fact.occurred.day(), 1);
    }
}
