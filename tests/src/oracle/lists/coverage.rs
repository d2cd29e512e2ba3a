//! Who will lapse, who is missing, who isn't insured.

use simulator::truth::DayNumber;

use super::{
    super::{coverage, days, held, in_force::Fact, world::World},
    Sheet, latest, written, written_or_nothing, yes_no,
};

const LAPSES_WITHIN_DAYS: i32 = 30;

pub(super) fn list(world: &World, facts: &[Fact<'_>], sheet: &mut Sheet<'_>) {
    let on = sheet.on;
    if !coverage::is_alive(facts, on) {
        return;
    }
    let (_, commune) = held::communes(world, facts, on);
    let cards = held::cards(facts);
    if cards.iter().any(|card| card.holds(on)) {
        lapsing(facts, &cards, commune.clone(), sheet);
    } else {
        uninsured(&cards, commune.clone(), sheet);
    }
    missing(facts, commune, sheet);
}

fn lapsing(facts: &[Fact<'_>], cards: &[held::Grant<'_>], commune: String, sheet: &mut Sheet<'_>) {
    let mut last = sheet.on;
    while cards.iter().any(|card| card.holds(last + 1)) {
        last += 1;
        if last > sheet.on + LAPSES_WITHIN_DAYS {
            return;
        }
    }
    let died = held::died(facts).unwrap_or(DayNumber::MAX);
    if died <= last + 1 {
        return;
    }
    let ends = cards.iter().rfind(|card| card.holds(last)).expect("the last day is one with a card");
    let card = held::card(ends);
    let columns = [
        ("commune", commune),
        ("group", card.group.to_owned()),
        ("facility", card.primary.to_owned()),
        ("last_day", written(last)),
    ];
    sheet.add("coverage/lapsing", &columns, Some(ends.fact.event));
}

fn missing(facts: &[Fact<'_>], commune: String, sheet: &mut Sheet<'_>) {
    let on = sheet.on;
    let last_check_up = latest(facts, on, coverage::is_check_up);
    let last_contact = latest(facts, on, coverage::is_contact);
    let checked_up = last_check_up.is_some_and(|day| days::year(day) == days::year(on));
    let record = coverage::has_record(facts, on);
    let managed = record && last_contact.is_some_and(|day| coverage::within_a_year(day, on));
    if checked_up && managed {
        return;
    }
    let columns = [
        ("commune", commune),
        ("checked_up", yes_no(checked_up)),
        ("managed", yes_no(managed)),
        ("record", yes_no(record)),
        ("last_check_up", written_or_nothing(last_check_up)),
        ("last_contact", written_or_nothing(last_contact)),
    ];
    sheet.add("coverage/missing", &columns, None);
}

fn uninsured(cards: &[held::Grant<'_>], commune: String, sheet: &mut Sheet<'_>) {
    let was_in_force = |card: &&held::Grant<'_>| card.from < card.without && card.without <= sheet.on;
    let last = cards.iter().filter(was_in_force).max_by_key(|card| card.without);
    let columns = [
        ("commune", commune),
        ("last_group", last.map(|last| held::card(last).group.to_owned()).unwrap_or_default()),
        ("insured_until", written_or_nothing(last.map(|last| last.without - 1))),
    ];
    sheet.add("coverage/uninsured", &columns, last.map(|last| last.fact.event));
}
