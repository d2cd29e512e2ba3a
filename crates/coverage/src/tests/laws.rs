//! Laws that hold for every history.

use contract::{Code, Day};
use projection::{Standing, story::Story};
use proptest::prelude::*;
use timeline::{Collected, Collector};

use super::*;

/// A line of a story about one person: any event that this projection reads, in any order.
fn line() -> impl Strategy<Value = String> {
    let day = (0i32..1500).prop_map(|days| Day::new_year(2023) + days);
    let end = prop_oneof![Just(None), (1i32..900).prop_map(Some)];
    let commune = prop_oneof![Just("00004"), Just("00008"), Just("79001"), Just("")];
    let group = prop_oneof![Just("DN"), Just("CN"), Just("HN"), Just("ZZ"), Just("")];
    (day, end, commune, group, 0..14u8).prop_map(|(day, end, commune, group, what)| {
        let until = end.map_or_else(String::new, |days| format!("until={}", day + days));
        let from = format!("from={day} {until}");
        match what {
            0 => format!("{day} person-registered birth={} sex=female", day - 2190),
            1 => format!("{day} person-registered birth={} sex=male", day),
            2 => format!("{day} residence-changed kind=permanent commune={commune} {from}"),
            3 => format!("{day} residence-changed kind=temporary commune={commune} {from}"),
            4 => format!("{day} residence-changed kind=actual commune={commune} {from}"),
            5 | 6 => format!("{day} insurance-granted group={group} primary=01004 {from}"),
            7 => format!("{day} insurance-ended on={day}"),
            8 => format!("{day} entitlement-granted group={group} {from}"),
            9 => format!("{day} entitlement-ended group={group} on={day}"),
            10 => format!("{day} health-record-opened"),
            11 => format!("{day} health-record-closed"),
            12 => format!("{day} check-up-completed facility=01004"),
            _ => format!("{day} claim-submitted facility=01004 type=01 route=1.1"),
        }
    })
}

fn contributions(story: &str) -> Vec<Collected> {
    let mut collector = Collector::default();
    Story::tell(story).each(|_, person| {
        Coverage::project(&Standing::default().read(*person, &BUNDLE), &BUNDLE, &mut collector)
    });
    collector.into_sorted(CUBES)
}

/// The sum of what holds on a day in the cells that `wanted` picks by cube, key and measure.
fn sum(contributions: &[Collected], on: Day, wanted: impl Fn(&Collected) -> bool) -> i64 {
    let holds = |one: &&Collected| one.from <= on && on < one.until && wanted(one);
    contributions.iter().filter(holds).map(|one| one.weight).sum()
}

proptest! {
    #[test]
    fn facets_agree_on_every_day(lines in prop::collection::vec(line(), 1..14)) {
        let story: String = lines.iter().map(|line| format!("p {line}\n")).collect();
        let all = contributions(&story);
        for on in (0..1826).step_by(13).map(|days| Day::new_year(2024) + days) {
            let commune = |basis: &str, measure: usize| {
                sum(&all, on, |one| one.cube == COMMUNE && one.key[0] == Code::new(basis) && one.measure == measure)
            };
            let group = |kind: &str, measure: usize| {
                sum(&all, on, |one| one.cube == GROUP && one.key[1] == Code::new(kind) && one.measure == measure)
            };
            // One person is in one cell of a basis, or in none.
            for basis in ["perm", "actual", "insured"] {
                let people = commune(basis, PEOPLE);
                prop_assert!((0..=1).contains(&people), "{people} on {on}");
                for measure in [INSURED, MANAGED, CHECKED_UP, RECORD] {
                    prop_assert!((0..=people).contains(&commune(basis, measure)), "measure {measure} on {on}");
                }
                prop_assert!(commune(basis, MANAGED) <= commune(basis, RECORD));
            }
            // The bases count the same people.
            for measure in [PEOPLE, INSURED, MANAGED, CHECKED_UP, RECORD] {
                prop_assert_eq!(commune("perm", measure), commune("actual", measure));
            }
            prop_assert_eq!(commune("insured", PEOPLE), commune("actual", INSURED));
            prop_assert_eq!(commune("insured", INSURED), commune("actual", INSURED));
            // Main groups sum to any; of a member group everybody is in any.
            for measure in [PEOPLE, INSURED, MANAGED, CHECKED_UP] {
                prop_assert_eq!(group("main", measure), group("any", measure));
                prop_assert!(group("member", measure) >= group("any", measure));
            }
            prop_assert_eq!(group("any", INSURED), commune("actual", INSURED));
            let registered = sum(&all, on, |one| one.cube == FACILITY && one.measure == REGISTERED);
            prop_assert_eq!(registered, commune("actual", INSURED));
        }
        // Who is in a group without a card is taken off those who follow from it as insured.
        let taken_off = |one: &Collected| one.cube == GROUP && one.measure == INSURED;
        prop_assert!(all.iter().all(|one| one.weight > 0 || taken_off(one)), "a person only adds");
    }
}
