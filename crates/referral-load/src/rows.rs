//! Lists: open referrals, inpatients.

use contract::Day;
use policy::Bundle;
use projection::{List, ListRow};

use crate::person::Person;

/// Number of the list of open referrals.
pub const OPEN: usize = 0;
/// Number of the list of inpatients.
pub const PRESENT: usize = 1;

/// The lists.
pub const LISTS: &[List] = &[
    List {
        name: "open",
        about: "Referrals open on the day: issued, and neither arrived, declined, cancelled, returned nor expired.",
        columns: &["from", "to", "issued", "last_day", "days_open", "accepted"],
    },
    List {
        name: "present",
        about: "Inpatients of the day; stale: no claim has come for too long.",
        columns: &["facility", "admitted", "days", "state"],
    },
];

pub(crate) fn rows(
    person: &projection::Person<'_>,
    bundle: &Bundle,
    on: Day,
    list: usize,
    rows: &mut Vec<ListRow>,
) {
    let person = Person::read(person, bundle);
    if list == OPEN {
        let all = person.referrals.all.iter();
        for referral in all.filter(|referral| referral.open(person.died).0.contains(on)) {
            let accepted = referral.accepted.is_some_and(|accepted| accepted <= on);
            let values = vec![
                referral.from.to_string(),
                referral.to.to_string(),
                referral.issued.to_string(),
                referral.last_day.to_string(),
                (on - referral.issued).to_string(),
                if accepted { "yes" } else { "no" }.to_owned(),
            ];
            rows.push(ListRow { values, event: Some(referral.event) });
        }
    } else if list == PRESENT {
        for stay in person.stays(bundle) {
            let state = if stay.present.contains(on) {
                "present"
            } else if stay.stale.contains(on) {
                "stale"
            } else {
                continue;
            };
            let admitted = stay.present.from;
            let days = (on - admitted).to_string();
            let values = vec![stay.facility.to_string(), admitted.to_string(), days, state.to_owned()];
            rows.push(ListRow { values, event: Some(stay.event) });
        }
    }
}
