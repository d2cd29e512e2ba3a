//! Lists: who will lapse, who is missing, who is not insured.

use contract::{Code, Day};
use policy::Bundle;
use projection::{List, ListRow};

use crate::{cells::WINDOW, person::Person};

/// Number of the list of people whose insurance ends soon.
pub const LAPSING: usize = 0;
/// Number of the list of residents who are missing.
pub const MISSING: usize = 1;
/// Number of the list of residents without insurance.
pub const UNINSURED: usize = 2;

/// Days ahead that the list of lapsing cards looks.
pub(crate) const LAPSING_DAYS: i32 = 30;

/// The lists.
pub const LISTS: &[List] = &[
    List {
        name: "lapsing",
        about: "Insured on the day, whose last card in a row ends within 30 days and has no successor yet.",
        columns: &["commune", "group", "facility", "last_day"],
    },
    List {
        name: "missing",
        about: "Alive on the day, without a check-up this year or not under health management.",
        columns: &["commune", "checked_up", "managed", "record", "last_check_up", "last_contact"],
    },
    List {
        name: "uninsured",
        about: "Alive on the day, without a card in force.",
        columns: &["commune", "last_group", "insured_until"],
    },
];

pub(crate) fn rows(
    person: &projection::Person<'_>,
    bundle: &Bundle,
    on: Day,
    list: usize,
    rows: &mut Vec<ListRow>,
) {
    let person = Person::read(person, bundle, WINDOW, on);
    if !person.life.contains(on) {
        return;
    }
    let Some(commune) = person.actual().on(on) else { return };
    match list {
        LAPSING => rows.extend(lapsing(&person, commune, on)),
        MISSING => rows.extend(missing(&person, commune, on)),
        UNINSURED => rows.extend(uninsured(&person, commune, on)),
        _ => {}
    }
}

fn lapsing(person: &Person<'_>, commune: Code, on: Day) -> Option<ListRow> {
    let ends = person.all.insured.at(on)?.until;
    if ends > on + LAPSING_DAYS + 1 || ends == person.all.died {
        return None;
    }
    let card = person.all.holdings.cards.iter().rfind(|card| card.span.until == ends)?;
    let values =
        vec![commune.to_string(), card.group.to_string(), card.primary.to_string(), (ends - 1).to_string()];
    Some(ListRow { values, event: Some(card.event) })
}

fn missing(person: &Person<'_>, commune: Code, on: Day) -> Option<ListRow> {
    let [checked_up, managed, record] =
        [&person.checked_up, &person.managed, &person.record].map(|spans| spans.at(on).is_some());
    if checked_up && managed {
        return None;
    }
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let day = |day: Option<Day>| day.map_or_else(String::new, |day| day.to_string());
    let values = vec![
        commune.to_string(),
        yes_no(checked_up),
        yes_no(managed),
        yes_no(record),
        day(person.last_check_up),
        day(person.last_contact),
    ];
    Some(ListRow { values, event: None })
}

fn uninsured(person: &Person<'_>, commune: Code, on: Day) -> Option<ListRow> {
    if person.all.insured.at(on).is_some() {
        return None;
    }
    let last = person
        .all
        .holdings
        .cards
        .iter()
        .filter(|card| card.span.until <= on)
        .max_by_key(|card| card.span.until);
    let group = last.map_or_else(String::new, |card| card.group.to_string());
    let until = last.map_or_else(String::new, |card| (card.span.until - 1).to_string());
    Some(ListRow { values: vec![commune.to_string(), group, until], event: last.map(|card| card.event) })
}
