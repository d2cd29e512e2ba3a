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
    communes(&person, sink);
    groups(&person, bundle, sink);
    registrations(&person, bundle, sink);
}

impl Person {
    /// Adds to `cell` what [`COMMUNE`] and [`GROUP`] both measure, on the days of `days`.
    #[inline]
    fn add<S: Sink>(&self, sink: &mut S, cell: S::Cell, days: Span) {
        level(sink, cell, PEOPLE, days);
        for (measure, spans) in
            [(INSURED, &self.insured), (MANAGED, &self.managed), (CHECKED_UP, &self.checked_up)]
        {
            spans.within(days).for_each(|span| level(sink, cell, measure, span));
        }
    }

    /// The days of `window` without a card.
    fn uninsured(&self, window: Span) -> SmallVec<[Span; 4]> {
        let mut days: SmallVec<[Span; 4]> = SmallVec::new();
        let mut from = window.from;
        for insured in self.insured.within(window) {
            days.push(Span { from, until: insured.from });
            from = insured.until;
        }
        days.push(Span { from, until: window.until });
        days.retain(|span| !span.is_empty());
        days
    }
}

#[inline]
fn level<S: Sink>(sink: &mut S, cell: S::Cell, measure: usize, span: Span) {
    sink.level(cell, measure, span.from, span.until, 1);
}

fn communes<S: Sink>(person: &Person, sink: &mut S) {
    let bands = bands(person);
    let sex = Code::new(match person.sex {
        Sex::Male => "male",
        Sex::Female => "female",
        Sex::Unspecified => UNKNOWN,
    });
    let permanent = person.places.permanent.as_slice();
    for (days, commune) in person.actual().as_slice() {
        // The parts of these days on which the permanent residence is the same commune, and the rest.
        for (registered, permanent) in permanent.iter().map(|(span, code)| (span.and(*days), *code)) {
            for (band, age) in &bands {
                let window = registered.and(*band);
                if window.is_empty() {
                    continue;
                }
                let mut put = |bases: &str, commune: Code, days: &[Span]| {
                    if days.is_empty() {
                        return;
                    }
                    let cell = sink.cell(COMMUNE, &[Code::new(bases), commune, *age, sex]);
                    for days in days {
                        person.add(sink, cell, *days);
                        person.record.within(*days).for_each(|span| level(sink, cell, RECORD, span));
                    }
                };
                let insured: SmallVec<[Span; 4]> = person.insured.within(window).collect();
                let uninsured = person.uninsured(window);
                if permanent == *commune {
                    put(EVERY_BASIS, *commune, &insured);
                    put(BOTH_RESIDENCES, *commune, &uninsured);
                } else {
                    put(ACTUAL_INSURED, *commune, &insured);
                    put("actual", *commune, &uninsured);
                    put("perm", permanent, &[window]);
                }
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

fn groups<S: Sink>(person: &Person, bundle: &Bundle, sink: &mut S) {
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
    if let [(group, days)] = groups.as_slice() {
        in_group(person, days, MEMBER_AND_MAIN, *group, sink);
        return;
    }
    let mains = person.holdings.main_groups(bundle);
    for (group, days) in &groups {
        let mut main = Spans::new();
        mains
            .iter()
            .filter(|main| known_group(main.group, bundle) == *group)
            .for_each(|held| main.add(held.span));
        in_group(person, &main, MEMBER_AND_MAIN, *group, sink);
        in_group(person, &days.without(&main), "member", *group, sink);
    }
}

fn in_group<S: Sink>(person: &Person, days: &Spans, kind: &str, group: Code, sink: &mut S) {
    for (place, commune) in person.actual().as_slice() {
        let mut days = days.within(*place).peekable();
        if days.peek().is_some() {
            let cell = sink.cell(GROUP, &[*commune, Code::new(kind), group]);
            days.for_each(|days| person.add(sink, cell, days));
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
