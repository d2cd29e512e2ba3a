//! Open referrals, inpatients.

use super::{
    super::{held, in_force::Fact, referral, world::World},
    Sheet, written, written_or_open, yes_no,
};

pub(super) fn list(world: &World, facts: &[Fact<'_>], sheet: &mut Sheet<'_>) {
    let (on, died) = (sheet.on, held::died(facts));
    for sent in referral::referrals(world, facts).iter().filter(|sent| sent.is_open(died, on)) {
        let columns = [
            ("from", sent.from.clone()),
            ("to", sent.to.clone()),
            ("issued", written(sent.issued)),
            ("last_day", written_or_open(sent.last_day)),
            ("days_open", (on - sent.issued).to_string()),
            ("accepted", yes_no(sent.accepted.is_some_and(|accepted| accepted <= on))),
        ];
        sheet.add("referral-load/open", &columns, Some(sent.event));
    }
    for visit in referral::visits(facts) {
        let Some(stay) = &visit.stay else { continue };
        let state = match (stay.is_present(on), stay.is_stale(on)) {
            (true, _) => "present",
            (_, true) => "stale",
            _ => continue,
        };
        let columns = [
            ("facility", visit.facility.to_owned()),
            ("admitted", written(stay.admitted)),
            ("days", (on - stay.admitted).to_string()),
            ("state", state.to_owned()),
        ];
        sheet.add("referral-load/present", &columns, Some(visit.fact.event));
    }
}
