//! What one person adds.

use contract::{Code, Day, v1::Sex};
use history::{Body, Fact};
use policy::Bundle;
use projection::{Layers, Span, Spans, UNKNOWN, known_facility, known_group, within};
use smallvec::SmallVec;
use timeline::Sink;

use crate::{
    cells::{
        ACTUAL_INSURED, AGE_BANDS, BOTH_RESIDENCES, CHECK_UPS, CHECKED_UP, COMMUNE, CONTACTS, EVERY_BASIS,
        FACILITY, GROUP, INSURED, MANAGED, MEMBER_AND_MAIN, PEOPLE, RECORD, REGISTERED, WINDOW,
    },
    person::{Contact, Person, asked_for},
};

pub(crate) fn project<S: Sink>(person: &projection::Person<'_>, bundle: &Bundle, sink: &mut S) {
    care(person, bundle, sink);
    let person = Person::read(person, bundle, asked_for(sink.levels()), Day::MAX);
    if person.life.is_empty() {
        return;
    }
    communes(&person, sink);
    groups(&person, bundle, sink);
    registrations(&person, bundle, sink);
}

impl Person<'_> {
    /// Adds to `cell` what [`COMMUNE`] and [`GROUP`] both measure, on the days of `days`, but [`INSURED`].
    #[inline]
    fn add<S: Sink>(&self, sink: &mut S, cell: S::Cell, days: Span) {
        level(sink, cell, PEOPLE, days);
        for (measure, spans) in [(MANAGED, &self.managed), (CHECKED_UP, &self.checked_up)] {
            spans.within(days).for_each(|span| level(sink, cell, measure, span));
        }
    }
}

/// What holds on the last day of the axis stays open.
#[inline]
fn level<S: Sink>(sink: &mut S, cell: S::Cell, measure: usize, span: Span) {
    let until = if span.until == WINDOW.until { Day::MAX } else { span.until };
    sink.level(cell, measure, span.from, until, 1);
}

fn communes<S: Sink>(person: &Person<'_>, sink: &mut S) {
    let bands = bands(person);
    for (days, commune) in person.actual().within(person.life) {
        // The parts of these days on which the permanent residence is the same commune, and the rest.
        for (registered, permanent) in person.all.places.permanent.within(days) {
            for (window, (_, age)) in within(&bands, |(band, _)| *band, registered) {
                residents(person, window, permanent, commune, *age, sink);
            }
        }
    }
}

/// The days of `window`, on which neither residence nor age band changes.
#[inline]
fn residents<S: Sink>(
    person: &Person<'_>,
    window: Span,
    permanent: Code,
    actual: Code,
    age: Code,
    sink: &mut S,
) {
    let sex = Code::new(match person.all.sex {
        Sex::Male => "male",
        Sex::Female => "female",
        Sex::Unspecified => UNKNOWN,
    });
    let mut put = |cell: &mut Option<S::Cell>, bases: &str, commune: Code, days: Span| {
        if days.is_empty() {
            return;
        }
        let cell = *cell.get_or_insert_with(|| sink.cell(COMMUNE, &[Code::new(bases), commune, age, sex]));
        person.add(sink, cell, days);
        person.record.within(days).for_each(|span| level(sink, cell, RECORD, span));
    };
    let at_home = permanent == actual;
    let with_card = if at_home { EVERY_BASIS } else { ACTUAL_INSURED };
    let without = if at_home { BOTH_RESIDENCES } else { "actual" };
    let (mut insured, mut uninsured, mut elsewhere) = (None, None, None);
    let mut from = window.from;
    for card in person.all.insured.within(window) {
        put(&mut uninsured, without, actual, Span { from, until: card.from });
        put(&mut insured, with_card, actual, card);
        from = card.until;
    }
    put(&mut uninsured, without, actual, Span { from, until: window.until });
    if !at_home {
        put(&mut elsewhere, "perm", permanent, window);
        if let Some(cell) = elsewhere {
            person.all.insured.within(window).for_each(|span| level(sink, cell, INSURED, span));
        }
    }
}

/// The age bands of the life.
fn bands(person: &Person<'_>) -> SmallVec<[(Span, Code); 3]> {
    let Some(birth) = person.all.birth else {
        return SmallVec::from_iter([(person.life, Code::new(UNKNOWN))]);
    };
    let year = birth.year();
    let (first, last) = (person.life.from.year(), person.life.until.year());
    let mut bands = SmallVec::new();
    for (at, (age, name)) in AGE_BANDS.iter().enumerate() {
        // Only birthdays in the life, or near it, are worth a calendar.
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

fn groups<S: Sink>(person: &Person<'_>, bundle: &Bundle, sink: &mut S) {
    let mut groups: SmallVec<[(Code, Spans); 3]> = SmallVec::new();
    let cards = person.all.holdings.cards.iter().map(|card| (card.group, card.span));
    let statuses = person.all.holdings.entitlements.iter().map(|held| (held.group, held.span));
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
    for (group, days) in &groups {
        let mut main = Spans::new();
        let mains = person.all.mains.iter();
        mains.filter(|main| known_group(main.group, bundle) == *group).for_each(|held| main.add(held.span));
        in_group(person, &main, MEMBER_AND_MAIN, *group, sink);
        in_group(person, &days.without(&main), "member", *group, sink);
    }
}

fn in_group<S: Sink>(person: &Person<'_>, days: &Spans, kind: &str, group: Code, sink: &mut S) {
    // Whoever is in a group by a card is insured.
    let by_card = person.all.holdings.entitlements.is_empty();
    for (place, commune) in person.actual().within(person.life) {
        let mut days = days.within(place).peekable();
        if days.peek().is_none() {
            continue;
        }
        let cell = sink.cell(GROUP, &[commune, Code::new(kind), group]);
        for days in days {
            person.add(sink, cell, days);
            if !by_card {
                for Span { from, until } in Spans::from(days).without(&person.all.insured).as_slice() {
                    sink.level(cell, INSURED, *from, *until, -1);
                }
            }
        }
    }
}

/// Where insured people are registered: of several cards the latest begun says it.
fn registrations<S: Sink>(person: &Person<'_>, bundle: &Bundle, sink: &mut S) {
    if let [card] = person.all.holdings.cards.as_slice() {
        let span = card.span.and(person.life);
        if !span.is_empty() {
            let cell = sink.cell(FACILITY, &[known_facility(card.primary, bundle)]);
            level(sink, cell, REGISTERED, span);
        }
        return;
    }
    let mut registered = Layers::over(person.life, None);
    for card in &person.all.holdings.cards {
        registered.paint(card.span, Some(known_facility(card.primary, bundle)));
    }
    for (span, facility) in registered.as_slice() {
        if let Some(facility) = facility {
            let cell = sink.cell(FACILITY, &[*facility]);
            level(sink, cell, REGISTERED, *span);
        }
    }
}

/// What facilities did, whoever it was for.
fn care<S: Sink>(person: &projection::Person<'_>, bundle: &Bundle, sink: &mut S) {
    let days = asked_for(sink.flows());
    for fact in person.care() {
        let Some(Contact { on, facility, is_check_up }) = Contact::told_by(fact, bundle) else { continue };
        if !days.contains(on) {
            continue;
        }
        // A check-up told by its claim and by itself, under one key, is one.
        let is_itself = |other: &Fact| matches!(other.body, Body::CheckUpCompleted { .. });
        if is_check_up
            && !is_itself(fact)
            && person.care().any(|other| other.same_record(fact) && is_itself(other))
        {
            continue;
        }
        let cell = sink.cell(FACILITY, &[known_facility(facility, bundle)]);
        sink.flow(cell, if is_check_up { CHECK_UPS } else { CONTACTS }, on, 1);
    }
}
