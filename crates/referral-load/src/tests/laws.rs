//! Laws that hold for every history.

use contract::{Code, Day};
use projection::{Standing, story::Story};
use proptest::prelude::*;
use timeline::{Collected, Collector};

use super::*;
use crate::cells::{inpatients, referral, visits, waiting};

/// A line of a story about one person: any event that this projection reads, in any order.
fn line() -> impl Strategy<Value = String> {
    let day = (0i32..500).prop_map(|days| Day::new_year(2025) + days);
    let place = || prop_oneof![Just("01001"), Just("01004"), Just("01020"), Just("79001")];
    let form = prop_oneof![Just(""), Just("form=7"), Just("form=8")];
    let key = prop_oneof![Just(""), Just("key=a"), Just("key=b")];
    (day, place(), place(), form, key, 0..12u8).prop_map(|(day, from, to, form, key, what)| {
        let ends = format!("{form} from={from} to={to} emitter={from}");
        match what {
            0..=2 => format!("{day} referral-issued {ends}"),
            3 => format!("{day} referral-issued {ends} form_kind=one-year"),
            4 | 5 => format!("{day} referral-arrived {form} from={from} at={to} emitter={to}"),
            6 => format!("{day} referral-declined {ends}"),
            7 => format!("{day} referral-returned {form} from={to} to={from} emitter={from}"),
            8 => format!("{day} referral-cancelled {ends}"),
            9 => format!("{day} visit-opened facility={from} route=1.1 admitted={day} emitter={from} {key}"),
            10 => format!("{day} claim-submitted facility={from} route=1.12 emitter={from} {key}"),
            _ => format!("{day} person-died on={day}"),
        }
    })
}

fn contributions(story: &str) -> Vec<Collected> {
    let mut collector = Collector::default();
    Story::tell(story).each(|_, person| {
        ReferralLoad::project(&Standing::default().read(*person, &BUNDLE), &BUNDLE, &mut collector)
    });
    collector.into_sorted(CUBES)
}

fn flows(all: &[Collected], cube: usize, measure: usize) -> i64 {
    all.iter().filter(|one| one.cube == cube && one.measure == measure).map(|one| one.weight).sum()
}

fn level(all: &[Collected], cube: usize, measure: usize, on: Day) -> i64 {
    let holds =
        |one: &&Collected| one.cube == cube && one.measure == measure && one.from <= on && on < one.until;
    all.iter().filter(holds).map(|one| one.weight).sum()
}

proptest! {
    #[test]
    fn facets_agree(lines in prop::collection::vec(line(), 1..14)) {
        let story: String = lines.iter().map(|line| format!("p {line}\n")).collect();
        let all = contributions(&story);
        prop_assert!(all.iter().all(|one| one.weight > 0), "a person only adds");
        for measure in referral::OPEN + 1..=referral::RETURNED {
            prop_assert_eq!(flows(&all, PAIR, measure), flows(&all, TIER_PAIR, measure), "measure {}", measure);
        }
        // A referral arrives at most once, and expires at most once.
        let referred = flows(&all, PAIR, referral::REFERRED);
        let arrived = flows(&all, PAIR, referral::ARRIVED) + flows(&all, PAIR, referral::INFERRED);
        prop_assert!(arrived <= referred);
        let by_sender = referred - flows(&all, PAIR, referral::BY_RECEIVER);
        prop_assert!(flows(&all, PAIR, referral::EXPIRED) <= by_sender);
        let issued = story.matches("referral-issued").count() as i64;
        prop_assert!(by_sender <= issued);
        prop_assert!(flows(&all, PAIR, referral::BY_RECEIVER) <= story.matches("referral-arrived").count() as i64);
        // Waiting tells of the same arrivals and the same open ones.
        let waited = flows(&all, WAITING, waiting::ARRIVED) + flows(&all, WAITING, waiting::INFERRED);
        prop_assert_eq!(waited, arrived - flows(&all, PAIR, referral::BY_RECEIVER));
        for on in (0..900).step_by(7).map(|days| Day::new_year(2025) + days) {
            let open = level(&all, PAIR, referral::OPEN, on);
            prop_assert!((0..=by_sender).contains(&open));
            prop_assert_eq!(level(&all, TIER_PAIR, referral::OPEN, on), open);
            prop_assert_eq!(level(&all, WAITING, waiting::OPEN, on), open);
        }
        for measure in [visits::INPATIENT, visits::UNBILLED] {
            prop_assert!(flows(&all, VISITS, measure) <= flows(&all, VISITS, visits::ALL));
        }
        let admitted = flows(&all, INPATIENTS, inpatients::ADMITTED);
        prop_assert_eq!(flows(&all, VISITS, visits::INPATIENT), admitted);
        prop_assert!(flows(&all, INPATIENTS, inpatients::DISCHARGED) <= admitted);
        prop_assert!(!all.iter().any(|one| one.cube == VISITS && one.key[0] == Code::EMPTY));
    }
}
