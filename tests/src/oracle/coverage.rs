//! Coverage, on one day.

use simulator::truth::{DayNumber, Says};

use super::{
    Sums, days, held,
    in_force::Fact,
    world::{World, came, main_group},
};

pub(super) fn count_person(world: &World, facts: &[Fact<'_>], sums: &mut Sums) {
    let on = sums.on();
    if !is_alive(facts, on) {
        return;
    }
    let cards: Vec<held::Grant<'_>> =
        held::cards(facts).into_iter().filter(|grant| grant.holds(on)).collect();
    let insured = !cards.is_empty();
    let record = has_record(facts, on);
    let managed = record && facts.iter().any(|fact| is_contact(fact) && within_a_year(counts_on(fact), on));
    let checked_up = facts.iter().any(|fact| {
        let day = counts_on(fact);
        is_check_up(fact) && day <= on && days::year(day) == days::year(on)
    });
    let (permanent, actual) = held::communes(world, facts, on);

    let (band, sex) = (band(facts, on), sex(facts));
    for (basis, commune, counts) in
        [("perm", &permanent, true), ("actual", &actual, true), ("insured", &actual, insured)]
    {
        let codes = [basis, commune, band, sex];
        for (measure, holds) in [
            ("people", true),
            ("insured", insured),
            ("managed", managed),
            ("checked_up", checked_up),
            ("record", record),
        ] {
            sums.level("coverage/commune", &codes, measure, counts && holds);
        }
    }

    let mut groups: Vec<(String, String)> = cards
        .iter()
        .map(|grant| (held::card(grant).group.to_owned(), held::card(grant).digit.to_owned()))
        .collect();
    groups.extend(held::statuses(facts, on).into_iter().map(|group| (group.to_owned(), String::new())));
    let mut cells: Vec<(&str, String)> = Vec::new();
    if let Some((main, _)) = main_group(&groups, on) {
        cells.push(("main", World::group(&main)));
        cells.push(("any", String::new()));
    }
    let mut members: Vec<String> = groups.iter().map(|(group, _)| World::group(group)).collect();
    members.sort();
    members.dedup();
    cells.extend(members.into_iter().map(|group| ("member", group)));
    for (kind, group) in &cells {
        let codes: &[&str] = &[&actual, kind, group];
        for (measure, holds) in
            [("people", true), ("insured", insured), ("managed", managed), ("checked_up", checked_up)]
        {
            sums.level("coverage/group", codes, measure, holds);
        }
    }

    if let Some(latest) = cards.last() {
        sums.level("coverage/facility", &[&world.facility(held::card(latest).primary)], "registered", true);
    }
}

/// What facilities did, whoever it was for.
pub(super) fn count_care(world: &World, facts: &[Fact<'_>], sums: &mut Sums) {
    for fact in facts {
        let (facility, measure) = match &fact.told.says {
            Says::CheckUp { facility, .. } => (facility, "check_ups"),
            Says::Care { facility, .. } => (facility, "contacts"),
            Says::Claimed(claim) if is_check_up(fact) => {
                let told = |other: &Fact<'_>| {
                    matches!(other.told.says, Says::CheckUp { .. }) && other.same_record(fact)
                };
                if facts.iter().any(told) {
                    continue;
                }
                (&claim.facility, "check_ups")
            }
            Says::Claimed(claim) if is_contact(fact) => (&claim.facility, "contacts"),
            _ => continue,
        };
        let place = world.facility(facility.as_str());
        sums.flow("coverage/facility", &[&place], measure, counts_on(fact), 1);
    }
}

fn born(facts: &[Fact<'_>]) -> Option<DayNumber> {
    facts.iter().rev().find_map(|fact| match fact.told.says {
        Says::Registered { born, .. } => Some(born),
        _ => None,
    })
}

fn sex(facts: &[Fact<'_>]) -> &'static str {
    let said = facts.iter().rev().find_map(|fact| match fact.told.says {
        Says::Registered { male, .. } => male,
        _ => None,
    });
    match said {
        Some(true) => "male",
        Some(false) => "female",
        None => "unknown",
    }
}

fn band(facts: &[Fact<'_>], on: DayNumber) -> &'static str {
    match born(facts).map(|born| days::age(born, on)) {
        None => "unknown",
        Some(..=5) => "0-5",
        Some(6..=17) => "6-17",
        Some(18..=39) => "18-39",
        Some(40..=59) => "40-59",
        Some(60..=74) => "60-74",
        Some(_) => "75+",
    }
}

/// From birth, or the first day anything is known of, until the day of death.
pub(super) fn is_alive(facts: &[Fact<'_>], on: DayNumber) -> bool {
    let first_known = facts.iter().map(|fact| match fact.told.says {
        Says::Insured(card) => card.from.min(fact.on()),
        Says::Lives { from, .. } => from.min(fact.on()),
        _ => fact.on(),
    });
    let begins = born(facts).or(first_known.min());
    begins.is_some_and(|begins| begins <= on) && held::died(facts).is_none_or(|died| on < died)
}

pub(super) fn has_record(facts: &[Fact<'_>], on: DayNumber) -> bool {
    let last = facts
        .iter()
        .rev()
        .find(|fact| matches!(fact.told.says, Says::RecordOpened | Says::RecordClosed) && fact.on() <= on);
    last.is_some_and(|fact| matches!(fact.told.says, Says::RecordOpened))
}

pub(super) fn is_check_up(fact: &Fact<'_>) -> bool {
    match &fact.told.says {
        Says::CheckUp { .. } => true,
        Says::Claimed(claim) => is_contact(fact) && matches!(claim.visit_type.as_str(), "15" | "16"),
        _ => false,
    }
}

pub(super) fn is_contact(fact: &Fact<'_>) -> bool {
    match &fact.told.says {
        Says::CheckUp { .. } | Says::Care { .. } => true,
        // A withdrawn payment request is no visit.
        Says::Claimed(claim) => came(claim.route.as_str()).is_some(),
        _ => false,
    }
}

/// The day on which care counts: of a claim its last.
pub(super) fn counts_on(fact: &Fact<'_>) -> DayNumber {
    match &fact.told.says {
        Says::Claimed(claim) => days::day_of(claim.ended_ms),
        _ => fact.on(),
    }
}

pub(super) fn within_a_year(contact: DayNumber, on: DayNumber) -> bool {
    contact <= on && on < days::years_later(contact, 1)
}
