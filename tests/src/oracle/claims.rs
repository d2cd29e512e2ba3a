//! Totals of claims.

use simulator::truth::{Moment, Person, Says};

use super::{
    in_force::{Heard, heard},
    world::came,
};

/// Records of bills and visits, whenever they were, as known before a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claims {
    /// Bills that count.
    pub live: i64,
    /// Bills that were taken back with nothing in their place.
    pub withdrawn: i64,
    /// Records that were opened or billed, and count.
    pub visits: i64,
}

/// The totals of all of `people`.
#[must_use]
pub fn claims(people: &[Person], known_before: Moment) -> Claims {
    let mut totals = Claims::default();
    for heard in people.iter().flat_map(|person| heard(person, known_before)).flatten() {
        let mut records: Vec<(&str, &str)> = Vec::new();
        for event in heard.events() {
            let told = heard.told(event);
            if matches!(told.says, Says::Claimed(_) | Says::VisitOpened { .. }) {
                records.push((told.emitter.as_str(), told.record_key.as_str()));
            }
        }
        records.sort_unstable();
        records.dedup();
        for record in records {
            count(&heard, record, &mut totals);
        }
    }
    totals
}

fn count(heard: &Heard<'_>, record: (&str, &str), totals: &mut Claims) {
    let of_record = |event: &u32| {
        let told = heard.told(*event);
        (told.emitter.as_str(), told.record_key.as_str()) == record
    };
    let events: Vec<u32> = heard.events().into_iter().filter(of_record).collect();
    let opened = events
        .iter()
        .any(|event| matches!(heard.told(*event).says, Says::VisitOpened { .. }) && heard.holds(*event));
    let bills = || events.iter().copied().filter(|event| matches!(heard.told(*event).says, Says::Claimed(_)));
    let mut live = false;
    let mut withdrawn = false;
    for bill in bills().filter(|bill| !bills().any(|other| heard.is_later(other, *bill))) {
        let told = heard.told(bill);
        let Says::Claimed(claim) = &told.says else { continue };
        let takers: Vec<u32> = heard.takers(bill).collect();
        if told.withdraws {
            withdrawn = true;
        } else if !takers.is_empty() {
            // What was replaced by another bill is that bill.
            let replaces = |taker: &u32| {
                let taker = heard.told(*taker);
                matches!(taker.says, Says::Claimed(_)) && !taker.withdraws
            };
            withdrawn |= !takers.iter().any(replaces);
        } else if came(claim.route.as_str()).is_none() {
            withdrawn = true;
        } else {
            live = true;
        }
    }
    totals.live += i64::from(live);
    totals.withdrawn += i64::from(withdrawn && !live);
    totals.visits += i64::from(live || opened);
}
