//! Laws that hold for every history.

use contract::{Code, Day};
use projection::{Standing, story::Story};
use proptest::prelude::*;
use timeline::{Collected, Collector};

use super::*;

/// A line of a story about one person: any event that this projection reads, in any order.
fn line() -> impl Strategy<Value = String> {
    let day = (0i32..900).prop_map(|days| Day::new_year(2025) + days);
    let group = prop_oneof![Just("GD"), Just("CN"), Just("HN"), Just("ZZ"), Just("")];
    let route = prop_oneof![Just("1.1"), Just("1.2"), Just("1.13"), Just("3.1"), Just("8"), Just("77")];
    let facility = prop_oneof![Just("01001"), Just("01004"), Just("79001")];
    (day, 1i32..700, group, route, facility, 0i64..30_000_000, 0..9u8).prop_map(
        |(day, days, group, route, facility, money, what)| {
            let until = day + days;
            match what {
                0 | 1 => format!("{day} insurance-granted group={group} digit=4 from={day} until={until}"),
                2 => format!(
                    "{day} insurance-granted group={group} from={day} until={until} five={}",
                    day - days
                ),
                3 => format!("{day} entitlement-granted group={group} from={day} until={until}"),
                4 => format!("{day} insurance-ended on={day}"),
                5 => format!("{day} exemption-confirmed year={} exempt_from={day}", day.year()),
                6 => format!("{day} residence-changed kind=permanent commune=00004 from={day}"),
                _ => {
                    let (covered, fund) = (money * 3, money * 2);
                    format!(
                        "{day} claim-submitted facility={facility} route={route} group={group} digit=4 \
                         covered={covered} copay={money} fund={fund}"
                    )
                }
            }
        },
    )
}

fn contributions(story: &str) -> Vec<Collected> {
    let mut collector = Collector::default();
    Story::tell(story).each(|_, person| {
        FeeExemption::project(&Standing::default().read(*person, &BUNDLE), &BUNDLE, &mut collector)
    });
    collector.into_sorted(CUBES)
}

fn flows(all: &[Collected], cube: usize, measure: usize) -> i64 {
    all.iter().filter(|one| one.cube == cube && one.measure == measure).map(|one| one.weight).sum()
}

proptest! {
    #[test]
    fn facets_agree(lines in prop::collection::vec(line(), 1..14)) {
        let story: String = lines.iter().map(|line| format!("p {line}\n")).collect();
        let all = contributions(&story);
        prop_assert!(all.iter().all(|one| one.weight > 0), "a person only adds");
        for on in (0..1500).step_by(11).map(|days| Day::new_year(2025) + days) {
            let level = |measure: usize| {
                let holds = |one: &&Collected| {
                    one.cube == COMMUNE && one.measure == measure && one.from <= on && on < one.until
                };
                all.iter().filter(holds).map(|one| one.weight).sum::<i64>()
            };
            let insured = level(INSURED);
            prop_assert!((0..=1).contains(&insured), "one person is in one cell");
            prop_assert!(level(EXEMPT) <= insured && level(CONFIRMED) <= insured);
            prop_assert_eq!(level(AGREED), level(EXEMPT).min(level(CONFIRMED)));
        }
        for measure in CLAIMS..=UNPRICED {
            prop_assert_eq!(flows(&all, FACILITY, measure), flows(&all, TIER_GROUP, measure));
        }
        let sum = |measure| flows(&all, FACILITY, measure);
        let claimed = lines.iter().filter(|line| line.contains("claim-submitted") && !line.contains("route=8 "));
        prop_assert_eq!(sum(CLAIMS), claimed.count() as i64);
        prop_assert!(sum(OVERCHARGED) + sum(UNDERCHARGED) + sum(UNPRICED) <= sum(CLAIMS));
        // Every dong of copay is due, or over, or of a claim without a rate.
        if sum(UNPRICED) == 0 {
            let off = (sum(COPAY) - sum(DUE) - sum(OVERCHARGE) + sum(UNDERCHARGE)).abs();
            prop_assert!(off <= crate::claims::TOLERANCE * sum(CLAIMS));
        }
        prop_assert!(!all.iter().any(|one| one.cube == COMMUNE && one.key[1] == Code::EMPTY));
    }

    #[test]
    fn an_explanation_agrees_with_the_figures(lines in prop::collection::vec(line(), 1..14), after in 0..1200i32) {
        let on = Day::new_year(2025) + after;
        let story: String = lines.iter().map(|line| format!("p {line}\n")).collect();
        let all = contributions(&story);
        let holds = |measure: usize| {
            all.iter().any(|one| one.cube == COMMUNE && one.measure == measure && one.from <= on && on < one.until)
        };
        let mut explained = None;
        Story::tell(&story).each(|_, person| explained = Some(explain(person, &BUNDLE, on)));
        let explained = explained.expect("one person");
        prop_assert_eq!(explained.insured, holds(INSURED));
        let annual = explained.why.iter().any(|why| why.kind == "annual");
        prop_assert_eq!(annual, holds(EXEMPT), "{:?}", explained.why);
        let payer = explained.why.iter().any(|why| why.kind == "payer");
        prop_assert_eq!(payer, holds(CONFIRMED), "{:?}", explained.why);
        let full = all.iter().any(|one| {
            one.cube == COMMUNE && one.measure == INSURED && one.key[2] == Code::new("100%") && one.from <= on && on < one.until
        });
        prop_assert_eq!(explained.why.iter().any(|why| why.kind == "card"), full);
    }
}
