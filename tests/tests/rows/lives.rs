//! Lives in which every row of the tables has its say.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
};

use contract::Code;
use policy::Bundle;
use projection::story::Story;

/// A day under every row of every table, and one before figures begin.
const DAYS: [&str; 5] = ["2015-06-01", "2024-06-03", "2025-06-02", "2026-06-01", "2026-08-03"];

/// Low cost begins to end at 15 % of the base salary: what a visit may cost to the đồng, and a day on which it may.
const LOW_COSTS: [(&str, u64); 3] =
    [("2024-06-03", 270_000), ("2026-06-01", 351_000), ("2026-08-03", 379_500)];

#[derive(Default)]
struct Lives {
    story: String,
    people: usize,
}

impl Lives {
    /// The next person, and what happened to them: a line an event, without the name.
    fn person(&mut self, events: impl IntoIterator<Item = impl Display>) {
        self.people += 1;
        for event in events {
            writeln!(self.story, "p{} {event}", self.people).unwrap();
        }
    }
}

/// A claim of somebody whose card pays 80 % and who was charged that.
fn claim(day: &str, facility: &str, route: &str, covered: u64) -> String {
    let (copay, fund) = (covered / 5, covered - covered / 5);
    format!(
        "{day} claim-submitted facility={facility} type=01 route={route} group=GD digit=4 covered={covered} copay={copay} fund={fund}"
    )
}

fn card(group: &str, digit: &str) -> String {
    format!("2015-01-01 insurance-granted group={group} digit={digit} from=2015-01-01 until=2028-12-31")
}

/// People of the places that `bundle` knows.
pub(crate) fn lives(bundle: &Bundle) -> Story {
    let mut lives = Lives::default();
    let routes: Vec<String> = bundle.policy.route_codes().map(|(code, ..)| code.to_string()).collect();
    cards(&mut lives, bundle);
    low_costs(&mut lives);
    visits(&mut lives, bundle, &routes);
    copays(&mut lives, &routes);
    years(&mut lives);
    referrals(&mut lives);
    Story::tell(&lives.story)
}

/// A card of each group and digit.
fn cards(lives: &mut Lives, bundle: &Bundle) {
    let groups = bundle.policy.known_groups().map(|group| group.code.to_string());
    for group in groups.chain(["ZZ".to_owned()]) {
        for digit in ["1", "2", "3", "4", "5"] {
            lives.person([card(&group, digit)]);
        }
    }
}

/// A visit that costs exactly as much as no longer is low, on a route that is paid in full and one that is not; and some less.
fn low_costs(lives: &mut Lives) {
    for (day, bound) in LOW_COSTS {
        for route in ["1.1", "1.18"] {
            for covered in [bound, bound - 20_000] {
                lives.person([claim(day, "01003", route, covered)]);
            }
        }
    }
}

/// Visits by each route to one facility of each kind, and to one that nobody knows; in and out.
fn visits(lives: &mut Lives, bundle: &Bundle, routes: &[String]) {
    for facility in kinds_of_facilities(bundle) {
        for route in routes {
            let out = DAYS.map(|day| claim(day, &facility, route, 400_000));
            let inside = DAYS.map(|day| {
                let stay = claim(day, &facility, route, 600_000).replace("type=01", "type=03");
                format!("{stay} started={day} admitted={day}")
            });
            lives.person(out);
            lives.person(inside);
        }
    }
}

fn kinds_of_facilities(bundle: &Bundle) -> Vec<String> {
    let mut kinds = BTreeMap::new();
    for facility in bundle.reference.facilities() {
        let class =
            |day: &str| format!("{:?}", bundle.reference.facility_class(facility.code, day.parse().unwrap()));
        kinds.entry(DAYS.map(class)).or_insert(facility.code);
    }
    kinds.into_values().chain([Code::new("77777")]).map(|code| code.to_string()).collect()
}

/// Whether a copay counts towards the year's exemption, and whether the exemption then holds: by each route before and after.
fn copays(lives: &mut Lives, routes: &[String]) {
    for route in routes {
        for facility in ["01001", "01003"] {
            let inside = |day: &str, covered: u64| {
                let stay = claim(day, facility, route, covered).replace("type=01", "type=03");
                format!("{stay} started={day} admitted={day}")
            };
            let first = claim("2026-02-02", "01003", "1.3", 100_000_000);
            lives.person([card("GD", "4"), first, inside("2026-03-02", 1_000_000)]);
            let second = claim("2026-03-02", "01003", "1.3", 1_000_000);
            lives.person([card("GD", "4"), inside("2026-02-02", 100_000_000), second]);
        }
    }
}

/// The year's exemption: five years to the day, a gap of a little over three months, six months' base salary to the đồng.
fn years(lives: &mut Lives) {
    let insured = |from: &str, until: &str| {
        format!("{from} insurance-granted group=GD digit=4 from={from} until={until}")
    };
    let passed = claim("2026-03-02", "01003", "1.3", 100_000_000);
    lives.person([insured("2021-01-01", "2026-12-31"), passed.clone()]);
    lives.person([insured("2019-01-01", "2021-06-30"), insured("2021-10-15", "2026-12-31"), passed]);
    for covered in [70_200_000, 72_500_000] {
        lives.person([card("GD", "4"), claim("2026-03-02", "01003", "1.3", covered)]);
    }
    // Paid before the level rises, passed after it.
    let (before, after) = (claim("2026-06-30", "01003", "1.3", 65_000_000), |covered| {
        claim("2026-07-01", "01003", "1.3", covered)
    });
    lives.person([card("GD", "4"), before.clone(), after(5_622_225)]);
    lives.person([card("GD", "4"), before, after(10_000_000)]);
}

/// Forms that run out, are joined late or never, stays that nobody ends, a check-up a year ago.
fn referrals(lives: &mut Lives) {
    for kind in ["standard", "one-year", "test-only", "unspecified"] {
        for day in DAYS {
            lives.person([format!("{day} referral-issued form=77 from=01020 to=01004 form_kind={kind}")]);
        }
    }
    let issued = |more: &str| format!("2025-03-03 referral-issued form=77 from=01020 to=01004 {more}");
    for day in ["2026-03-04", "2026-03-05"] {
        lives.person([issued(""), format!("{day} referral-arrived form=77 from=01020 at=01004")]);
    }
    for day in ["2025-03-17", "2025-03-18"] {
        lives.person([issued("until=2025-12-31"), format!("{day} referral-arrived from=01020 at=01004")]);
    }
    lives.person(["2026-03-03 visit-opened facility=01004 type=03 route=1.1 admitted=2026-03-03T10:00"]);
    lives.person([
        "2026-02-01 person-registered birth=1990-03-02 sex=male",
        "2026-02-01 residence-changed kind=permanent commune=00004 from=2020-01-01",
        "2026-02-01 health-record-opened",
        "2026-02-01 check-up-completed facility=01004",
    ]);
}
