//! What one person adds.

use contract::{Code, Day, v1::Sex};
use history::{Body, PersonView};
use policy::Bundle;
use projection::{Layers, Main, Span, Spans, UNKNOWN, known_facility, known_group};
use smallvec::SmallVec;
use timeline::Sink;

use crate::{
    cells::{
        AGE_BANDS, BASES, CHECK_UPS, CHECKED_UP, COMMUNE, CONTACTS, FACILITY, GROUP, INSURED, MANAGED,
        PEOPLE, RECORD, REGISTERED, WINDOW,
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
    let (managed, checked_up) = (person.managed.and(&person.insured), person.checked_up.and(&person.insured));
    let insured = Levels {
        people: &person.insured,
        insured: &person.insured,
        managed: &managed,
        checked_up: &checked_up,
    };
    communes(&person, &insured, sink);
    groups(&person, &insured, bundle, sink);
    registrations(&person, bundle, sink);
}

/// The levels of one set of people: in each cell, those of its days.
struct Levels<'a> {
    people: &'a Spans,
    insured: &'a Spans,
    managed: &'a Spans,
    checked_up: &'a Spans,
}

impl Levels<'_> {
    #[inline]
    fn add<S: Sink>(&self, sink: &mut S, cell: S::Cell, window: Span) {
        let levels = [
            (PEOPLE, self.people),
            (INSURED, self.insured),
            (MANAGED, self.managed),
            (CHECKED_UP, self.checked_up),
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

fn communes<S: Sink>(person: &Person, insured: &Levels<'_>, sink: &mut S) {
    let life = Spans::from(person.life);
    let everybody = Levels {
        people: &life,
        insured: &person.insured,
        managed: &person.managed,
        checked_up: &person.checked_up,
    };
    let record = person.record.and(&person.insured);
    let bands = bands(person);
    let sex = Code::new(match person.sex {
        Sex::Male => "male",
        Sex::Female => "female",
        Sex::Unspecified => UNKNOWN,
    });
    let bases = [
        (&person.places.permanent, &everybody, &person.record),
        (person.actual(), &everybody, &person.record),
        (person.actual(), insured, &record),
    ];
    for ((basis, _), (places, levels, record)) in BASES.iter().zip(bases) {
        for (place, commune) in places.as_slice() {
            for (band, name) in &bands {
                let window = place.and(*band);
                if levels.people.within(window).next().is_some() {
                    let cell = sink.cell(COMMUNE, &[Code::new(basis), *commune, *name, sex]);
                    levels.add(sink, cell, window);
                    add(sink, cell, RECORD, record, window);
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

fn groups<S: Sink>(person: &Person, insured: &Levels<'_>, bundle: &Bundle, sink: &mut S) {
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
    for (group, spans) in &groups {
        group_levels(person, insured, spans, &[("member", *group)], sink);
    }
    match groups.as_slice() {
        [] => {}
        [(group, spans)] => {
            group_levels(person, insured, spans, &[("main", *group), ("any", Code::EMPTY)], sink)
        }
        several => {
            let mut any = Spans::new();
            several.iter().flat_map(|(_, spans)| spans.as_slice()).for_each(|span| any.add(*span));
            group_levels(person, insured, &any, &[("any", Code::EMPTY)], sink);
            let mut main: SmallVec<[(Code, Spans); 3]> = SmallVec::new();
            for Main { span, group, .. } in person.holdings.main_groups(bundle) {
                let group = known_group(group, bundle);
                match main.iter_mut().find(|(known, _)| *known == group) {
                    Some((_, spans)) => spans.add(span),
                    None => main.push((group, Spans::from(span))),
                }
            }
            for (group, spans) in main {
                group_levels(person, insured, &spans, &[("main", group)], sink);
            }
        }
    }
}

fn group_levels<S: Sink>(
    person: &Person,
    insured: &Levels<'_>,
    people: &Spans,
    cells: &[(&str, Code)],
    sink: &mut S,
) {
    // Most people's only group is that of their cards.
    if people == insured.people {
        return in_group(person, insured, cells, sink);
    }
    let [insured, managed, checked_up] =
        [&person.insured, &person.managed, &person.checked_up].map(|spans| spans.and(people));
    let levels = Levels { people, insured: &insured, managed: &managed, checked_up: &checked_up };
    in_group(person, &levels, cells, sink);
}

fn in_group<S: Sink>(person: &Person, levels: &Levels<'_>, cells: &[(&str, Code)], sink: &mut S) {
    for (place, commune) in person.actual().as_slice() {
        if levels.people.within(*place).next().is_some() {
            for (kind, group) in cells {
                let cell = sink.cell(GROUP, &[*commune, Code::new(kind), *group]);
                levels.add(sink, cell, *place);
            }
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
