//! What holds for every case.

use std::sync::LazyLock;

use contract::Day;
use policy::{Bundle, Case, Money};
use proptest::prelude::*;
use reference::FacilitySpan;

use crate::{code, day};

static BUNDLE: LazyLock<Bundle> = LazyLock::new(crate::bundle);

prop_compose! {
    fn cases()(
        on in 16_000i32..22_000,
        group in 0usize..56,
        digit in prop::sample::select(vec!["", "1", "2", "3", "4", "5", "9"]),
        route in 0usize..29,
        inpatient: bool,
        facility in prop::option::of(0usize..645),
        covered_cost in prop_oneof![0i64..100_000_000, Just(0), Just(i64::MAX)],
        exempt in prop::option::of(0i32..300),
    ) -> Case {
        let on = Day(on);
        let groups: Vec<_> = BUNDLE.policy.known_groups().map(|group| group.code).collect();
        let routes: Vec<_> = BUNDLE.policy.route_codes().map(|(code, ..)| code).collect();
        Case {
            on,
            group: groups.get(group).copied().unwrap_or(code("ZZ")),
            digit: code(digit),
            route: routes.get(route).copied().unwrap_or(code("0")),
            inpatient,
            facility: facility.and_then(|at| BUNDLE.reference.facilities()[at].on(on)).map(FacilitySpan::class),
            covered_cost: Money(covered_cost),
            exempt_since: exempt.map(|days| on - days),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_rate_is_a_share_and_its_explanation_says_the_same(case in cases()) {
        let policy = &BUNDLE.policy;
        let decision = policy.decide(&case);
        let rate = policy.rate(&case).ok();
        prop_assert_eq!(decision.basis_points, rate.map(|rate| rate.basis_points));
        prop_assert!(!decision.steps.is_empty());
        if let Some(rate) = rate {
            prop_assert!(rate.basis_points <= 10_000);
            prop_assert!(rate.basis_points <= rate.route.factor_basis_points || rate.raised.is_some());
            prop_assert!(decision.steps.iter().any(|step| step.rule.map(|rule| rule.id()) == Some(rate.route.rule.id())));
            prop_assert!(rate.route.rule.valid_from() <= case.on && case.on <= rate.route.rule.valid_until());
        }
    }

    #[test]
    fn nobody_passes_below_the_least_threshold(
        copays in prop::collection::vec((19_000i32..21_000, -2_000_000i64..9_000_000), 0..9),
    ) {
        let policy = &BUNDLE.policy;
        let mut copays: Vec<_> =
            copays.into_iter().map(|(on, dong)| (Day(on), Money::dong(dong))).collect();
        copays.sort_unstable();
        let paid = copays.iter().map(|(_, copay)| copay.0.max(0)).sum();
        let least = policy.least_threshold().expect("there are levels");
        for year in 2022..2028 {
            let told = policy.annual_copay(Day::new_year(year + 1) - 1, &copays, Some(Day(0)));
            let passed = told.is_some_and(|told| told.passed_on.is_some());
            prop_assert!(!passed || least <= Money(paid), "{year}");
        }
    }

    #[test]
    fn an_exemption_never_costs_the_patient(case in cases()) {
        let rate = |case: &Case| BUNDLE.policy.rate(case).ok().map(|rate| rate.basis_points);
        let without = Case { exempt_since: None, ..case };
        prop_assert!(rate(&case) >= rate(&without));
        let dearer = Case { covered_cost: Money(i64::MAX), ..case };
        prop_assert!(rate(&dearer) <= rate(&case));
    }

    /// Against the formula as it is published: before the change copay above six old salaries; after it what was paid since above
    /// (6 - A / old) new salaries.
    #[test]
    fn the_year_of_a_change_follows_the_published_formula(
        paid in prop::collection::vec((0i32..365, 0i64..400_000_000), 0..12),
        on in 0i32..365,
        complete in -10i32..400,
    ) {
        let (old, new) = (234_000_000i128, 253_000_000i128);
        let (first, change) = (day("2026-01-01"), day("2026-07-01"));
        let mut paid: Vec<_> = paid.into_iter().map(|(at, amount)| (first + at, Money(amount))).collect();
        paid.sort();
        let (on, complete) = (first + on, first + complete);
        let (mut before, mut since, mut passed) = (0i128, 0i128, None);
        for (at, amount) in paid.iter().filter(|(at, _)| *at <= on) {
            let over = if *at < change {
                before += i128::from(amount.0);
                before > 6 * old
            } else {
                since += i128::from(amount.0);
                since * old > (6 * old - before) * new
            };
            if over && passed.is_none() {
                passed = Some(*at);
            }
        }
        let year = BUNDLE.policy.annual_copay(on, &paid, Some(complete)).unwrap();
        prop_assert_eq!(year.passed_on, passed);
        let expected = passed.map(|passed| passed.max(complete)).filter(|since| *since <= on);
        prop_assert_eq!(year.exemption.map(|exemption| exemption.since), expected);
        prop_assert_eq!(i128::from(year.paid.0), before + since);
        if passed.is_none() && on >= change {
            let threshold = before + (6 * old - before) * new / old;
            prop_assert_eq!(i128::from(year.threshold.0), threshold);
            prop_assert_eq!(i128::from(year.remaining.0), (threshold - before - since).max(0));
        }
    }

    #[test]
    fn the_order_of_cards_does_not_choose_the_main_group(
        mut cards in prop::collection::vec((0usize..54, 0usize..6), 1..6), on in 16_000i32..22_000,
    ) {
        let groups: Vec<_> = BUNDLE.policy.known_groups().map(|group| group.code).collect();
        let named = |cards: &[(usize, usize)]| {
            let cards: Vec<_> = cards.iter().map(|(at, digit)| (groups[*at], code(&digit.to_string()))).collect();
            BUNDLE.policy.main_group(cards, Day(on))
        };
        let first = named(&cards);
        cards.reverse();
        prop_assert_eq!(named(&cards), first);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever bytes stand in a file: an answer or faults, never a panic, and faults name the files they are in.
    #[test]
    fn no_bytes_make_reading_panic(
        file in 0usize..18,
        at in any::<prop::sample::Index>(),
        cut in 0usize..40,
        put in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..8),
            prop::sample::select(vec!["\"", "[", "]]", "{", "=", ",", "\n", "-1", "9999999999999999999", "0x7f", "1e9", "''", "é"])
                .prop_map(|text| text.as_bytes().to_vec()),
        ],
    ) {
        let mut files = BUNDLE.files().clone();
        let path = files.keys().nth(file).unwrap().clone();
        let content = files.get_mut(&path).unwrap();
        let at = at.index(content.len());
        content.splice(at..(at + cut).min(content.len()), put);
        if let Err(faults) = Bundle::parse(&files) {
            prop_assert!(!faults.is_empty());
            for fault in faults {
                prop_assert!(files.contains_key(&fault.file), "{}", fault);
                prop_assert!(!fault.reason.is_empty());
            }
        }
    }
}
