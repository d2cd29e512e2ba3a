//! What the law says on a day.

use contract::{Day, v1::ReferralFormKind};
use expect_test::{Expect, expect};
use policy::{Bundle, Case, Decision, Money, Percent, RouteCase, RouteKind};
use reference::{FacilitySpan, FormerLevel, Organisation, Tier};

use crate::{bundle, code, day, under};

fn facility(tier: Tier, score: Option<u8>, former_level: FormerLevel) -> FacilitySpan {
    FacilitySpan {
        valid_from: Day::MIN,
        valid_until: Day::MAX,
        tier,
        score,
        former_level,
        provisional: false,
        station: former_level == FormerLevel::Commune,
        organisation: Organisation::Hospital,
        beds: 0,
        assumed: true,
        basis: String::new(),
    }
}

#[test]
fn the_folder_is_the_law_and_says_how_sure_it_is() {
    let bundle = bundle();
    let policy = &bundle.policy;
    assert_eq!(policy.route_codes().count(), 27);
    assert_eq!(policy.known_groups().count(), 54);
    assert_eq!(
        policy.known_groups().filter(|group| policy.group_order(group.code) != group.order).count(),
        0
    );
    assert!(policy.rules().all(|rule| !rule.citation().is_empty()));
    assert_eq!(policy.card_rate_changes(), [day("2026-01-01")]);
    for group in policy.known_groups() {
        assert!(policy.card_rate(group.code, code(""), day("2025-06-01")).is_some(), "{}", group.code);
    }
}

#[test]
fn near_poor_and_social_pension_pay_nothing_from_2026() {
    let bundle = bundle();
    let rate = |group, digit, on| {
        let rate = bundle.policy.card_rate(code(group), code(digit), day(on))?;
        Some((Percent(rate.basis_points).to_string(), rate.ratio_caps, rate.rule.id().to_owned()))
    };
    let found = |percent: &str, caps, rule: &str| Some((percent.to_owned(), caps, rule.to_owned()));
    // The printed digit lags: group and date beat it.
    assert_eq!(rate("CN", "3", "2025-12-31"), found("95%", true, "card-near-poor-before-2026"));
    assert_eq!(rate("CN", "3", "2026-01-01"), found("100%", true, "card-near-poor"));
    assert_eq!(rate("LH", "4", "2025-12-31"), found("80%", true, "card-social-pension-before-2026"));
    assert_eq!(rate("LH", "4", "2026-01-01"), found("100%", true, "card-social-pension"));
    assert_eq!(rate("TE", "", "2025-01-01"), found("100%", false, "card-digit-1"));
    assert_eq!(rate("HT", "3", "2026-07-01"), found("95%", true, "card-digit-3"));
    assert_eq!(rate("GD", "4", "2026-07-01"), found("80%", true, "card-digit-4"));
    assert_eq!(rate("ZZ", "3", "2026-07-01"), found("95%", true, "card-unknown-group-digit-3"));
    assert_eq!(rate("ZZ", "", "2026-07-01"), None);
    assert_eq!(rate("", "", "2026-07-01"), None);
}

#[test]
fn the_main_group_has_the_highest_rate_then_stands_first_in_the_table() {
    let bundle = bundle();
    let main = |groups: &[&str], on| {
        let cards = groups.iter().map(|group| (code(group), code("")));
        bundle.policy.main_group(cards, day(on)).map(|(group, _)| group.to_string())
    };
    assert_eq!(main(&["GD", "CN"], "2025-12-31").as_deref(), Some("CN"));
    assert_eq!(main(&["DN", "LH", "HT"], "2025-12-31").as_deref(), Some("HT"));
    assert_eq!(main(&["DN", "LH", "HT"], "2026-01-01").as_deref(), Some("LH"));
    assert_eq!(main(&["BT", "HN"], "2026-01-01").as_deref(), Some("HN"));
    assert_eq!(main(&["ZZ", "DN"], "2026-01-01").as_deref(), Some("DN"));
    assert_eq!(main(&[], "2026-01-01"), None);
}

/// The table of self-referred care by facility class: outpatient in three periods, inpatient in the last.
#[test]
fn self_referred_care_by_class_of_facility() {
    let bundle = bundle();
    let check = |bundle: &Bundle, class: &FacilitySpan, expected: [&str; 4]| {
        let days =
            [("2024-12-31", false), ("2025-01-01", false), ("2026-07-01", false), ("2025-01-01", true)];
        let found = days.map(|(on, inpatient)| {
            let rate = bundle.policy.self_referral(class, inpatient, day(on)).unwrap();
            format!("{}{}", Percent(rate.factor_basis_points), if rate.flat { " flat" } else { "" })
        });
        assert_eq!(found, expected, "{class:?}");
        let last = bundle.policy.self_referral(class, false, day("2026-06-30")).unwrap();
        let first = bundle.policy.self_referral(class, false, day("2025-01-01")).unwrap();
        assert_eq!(last.factor_basis_points, first.factor_basis_points, "{class:?}");
    };
    use FormerLevel::{Central, Commune, District, Provincial};
    use Tier::{Basic, Initial, Specialised};
    check(&bundle, &facility(Initial, None, Commune), ["100% flat", "100% flat", "100% flat", "100% flat"]);
    check(&bundle, &facility(Initial, None, District), ["100%", "100%", "100%", "100%"]);
    check(&bundle, &facility(Basic, Some(49), District), ["100%", "100%", "100%", "100%"]);
    check(&bundle, &facility(Basic, Some(50), District), ["100%", "0%", "50%", "100%"]);
    check(&bundle, &facility(Basic, Some(69), District), ["100%", "0%", "50%", "100%"]);
    check(&bundle, &facility(Basic, Some(60), Provincial), ["0%", "0%", "50%", "100%"]);
    check(&bundle, &facility(Basic, Some(45), Provincial), ["0%", "0%", "50%", "100%"]);
    check(&bundle, &facility(Basic, Some(60), Central), ["0%", "0%", "50%", "100%"]);
    check(&bundle, &facility(Basic, None, District), ["100%", "100%", "100%", "100%"]);
    check(&bundle, &facility(Specialised, Some(75), District), ["100%", "100%", "100%", "100%"]);
    check(&bundle, &facility(Specialised, Some(75), Provincial), ["0%", "0%", "50%", "100%"]);
    check(&bundle, &facility(Specialised, Some(92), Central), ["0%", "0%", "0%", "40%"]);
    let provisional = FacilitySpan { provisional: true, ..facility(Basic, Some(60), District) };
    check(&bundle, &provisional, ["100%", "100%", "100%", "100%"]);
    // Where the topmost code and the article of law disagree, the switch decides.
    let law = under("ex-district-50-to-70", "law");
    check(&law, &facility(Basic, Some(50), District), ["100%", "100%", "100%", "100%"]);
    check(&law, &facility(Basic, Some(60), Provincial), ["0%", "0%", "50%", "100%"]);
}

#[test]
fn the_switch_decides_whichever_code_was_written() {
    let class = facility(Tier::Basic, Some(60), FormerLevel::District);
    let factor = |bundle: &Bundle, route| {
        let case = RouteCase {
            code: code(route),
            on: day("2026-07-01"),
            inpatient: false,
            facility: Some(class.class()),
        };
        bundle.policy.route(&case).unwrap().factor_basis_points
    };
    let (topmost, law) = (bundle(), under("ex-district-50-to-70", "law"));
    assert_eq!((factor(&topmost, "1.13"), factor(&topmost, "3.3")), (5_000, 5_000));
    assert_eq!((factor(&law, "1.13"), factor(&law, "3.3")), (10_000, 10_000));
}

#[test]
fn care_before_2025_goes_by_the_former_level() {
    let bundle = bundle();
    let factor = |level, on, inpatient| {
        let class = facility(Tier::Unranked, None, level);
        let route = bundle.policy.self_referral(&class, inpatient, day(on)).unwrap();
        Percent(route.factor_basis_points).to_string()
    };
    assert_eq!(factor(FormerLevel::Central, "2019-01-01", true), "40%");
    assert_eq!(factor(FormerLevel::Provincial, "2020-12-31", true), "60%");
    assert_eq!(factor(FormerLevel::Provincial, "2021-01-01", true), "100%");
    assert_eq!(factor(FormerLevel::Provincial, "2021-01-01", false), "0%");
    assert_eq!(factor(FormerLevel::District, "2015-12-31", true), "70%");
    assert_eq!(factor(FormerLevel::District, "2016-01-01", false), "100%");
    assert_eq!(factor(FormerLevel::Commune, "2015-06-01", false), "100%");
}

#[test]
fn codes_without_a_share_say_why() {
    let bundle = bundle();
    let reason = |route| {
        let case = RouteCase { code: code(route), on: day("2026-07-01"), inpatient: false, facility: None };
        bundle.policy.route(&case).expect_err("no share").reason.to_owned()
    };
    assert_eq!(reason("8"), "a withdrawal: nothing is paid");
    assert_eq!(reason("10"), "case by case");
    assert_eq!(reason("7.2"), "by the route of the visit that prescribed the drugs");
    assert_eq!(reason("4"), "the route code is not known");
    assert_eq!(reason(""), "the route code is not known");
    let kind = |route| bundle.policy.route_kind(code(route));
    assert_eq!(kind("1.3"), Some(RouteKind::Referred));
    assert_eq!(kind("1.18"), Some(RouteKind::SelfReferral));
    assert_eq!(kind("8"), Some(RouteKind::Withdrawal));
    assert_eq!(kind("9"), Some(RouteKind::Uninsured));
    assert_eq!(kind("1.19"), None);
    for (_, kind, _) in bundle.policy.route_codes() {
        let named = bundle.policy.route_codes().find(|(_, other, _)| other.name() == kind.name());
        assert_eq!(named.unwrap().1, kind);
    }
}

#[test]
fn a_fact_that_is_not_known_fits_no_comparison_not_even_a_negative_one() {
    let row = "code = \"1.11\"";
    let bundle = crate::with("route.toml", row, "code = \"1.11\", former_level = { not = [\"central\"] }");
    let pays = |facility: Option<&FacilitySpan>| {
        let facility = facility.map(FacilitySpan::class);
        let case = RouteCase { code: code("1.11"), on: day("2026-07-01"), inpatient: false, facility };
        bundle.policy.route(&case).is_ok()
    };
    assert!(pays(Some(&facility(Tier::Initial, None, FormerLevel::District))));
    assert!(!pays(Some(&facility(Tier::Initial, None, FormerLevel::Central))));
    assert!(!pays(None));
}

#[test]
fn the_base_salary_by_date() {
    let bundle = bundle();
    let figures = |on| {
        let policy = &bundle.policy;
        let figure = |money: Option<Money>| money.map_or("-".to_owned(), |money| money.to_string());
        [
            figure(policy.base_salary(day(on)).map(|figure| figure.value)),
            figure(policy.low_cost_bound(day(on)).map(|figure| figure.value)),
            figure(policy.annual_threshold(day(on))),
        ]
    };
    assert_eq!(figures("2019-06-30"), ["-", "-", "-"]);
    assert_eq!(figures("2019-07-01"), ["1,490,000", "223,500", "8,940,000"]);
    assert_eq!(figures("2023-07-01"), ["1,800,000", "270,000", "10,800,000"]);
    assert_eq!(figures("2024-07-01"), ["2,340,000", "351,000", "14,040,000"]);
    assert_eq!(figures("2026-06-30"), ["2,340,000", "351,000", "14,040,000"]);
    assert_eq!(figures("2026-07-01"), ["2,530,000", "379,500", "15,180,000"]);
}

#[test]
fn low_cost_is_strictly_below() {
    let bundle = bundle();
    let low = |hundredths, on| bundle.policy.low_cost(Money(hundredths), day(on)).is_some();
    assert!(low(35_099_999, "2026-06-30"));
    assert!(!low(35_100_000, "2026-06-30"));
    assert!(low(37_949_999, "2026-07-01"));
    assert!(!low(37_950_000, "2026-07-01"));
}

#[test]
fn a_bound_with_a_fraction_is_not_cut() {
    let mut files = crate::files_with("low_cost.toml", "15%", "15.01%");
    let salaries = crate::files_with("base_salary.toml", "2_530_000", "2_530_001");
    files.insert("policy/base_salary.toml".to_owned(), salaries["policy/base_salary.toml"].clone());
    let bundle = Bundle::parse(&files).unwrap();
    // 15.01 % of 2,530,001 is 379,753.1501.
    let low = |hundredths| bundle.policy.low_cost(Money(hundredths), day("2026-07-01")).is_some();
    assert!(low(37_975_315));
    assert!(!low(37_975_316));
}

fn case(group: &str, route: &str, on: &str) -> Case {
    Case {
        on: day(on),
        group: code(group),
        digit: code(""),
        route: code(route),
        inpatient: false,
        facility: None,
        covered_cost: Money::dong(1_000_000),
        exempt_since: None,
    }
}

fn told(decision: &Decision<'_>) -> String {
    let line = |step: &policy::Step<'_>| {
        let rule = step.rule.map_or(String::new(), |rule| format!(" [{}]", rule.id()));
        format!("{}: {}{rule}\n", step.what, step.value)
    };
    decision.steps.iter().map(line).collect()
}

fn check(case: Case, expected: Expect) {
    expected.assert_eq(&told(&bundle().policy.decide(&case)));
}

#[test]
fn a_claim_is_explained_line_by_line() {
    check(
        case("GD", "1.1", "2026-07-01"),
        expect![[r#"
            route: 1.1: at the facility of registration: 100% of the card's rate [route-1.1]
            card: GD: 80% [card-digit-4]
            the fund pays: 80%
        "#]],
    );
    check(
        case("HT", "1.18", "2026-07-01"),
        expect![[r#"
            route: 1.18: self-referred outpatient, specialised tier, provincial before 2025: 50% of the card's rate [route-1.18]
            card: HT: 95% [card-digit-3]
            the fund pays: 47.5%
        "#]],
    );
    check(
        case("GD", "1.2", "2026-07-01"),
        expect![[r#"
            route: 1.2: commune station, family-medicine facility, military-civil station, former district centre licensed as a clinic, agency station: the whole covered cost, whatever the card [route-1.2]
            the fund pays: 100%
        "#]],
    );
    check(
        Case { covered_cost: Money::dong(379_499), ..case("GD", "1.18", "2026-07-01") },
        expect![[r#"
            route: 1.18: self-referred outpatient, specialised tier, provincial before 2025: 50% of the card's rate [route-1.18]
            card: GD: 80% [card-digit-4]
            low cost: covered cost 379,499 is below 379,500: the card pays all [low-cost]
            reference level: 2,530,000 [base-salary-2026]
            the fund pays: 50%
        "#]],
    );
    check(
        Case { exempt_since: Some(day("2026-05-02")), ..case("GD", "1.3", "2026-07-01") },
        expect![[r#"
            route: 1.3: with a transfer form, the one-year form included: 100% of the card's rate [route-1.3]
            card: GD: 80% [card-digit-4]
            annual exemption: no copay since 2026-05-02: the card pays all [annual-exemption]
            the fund pays: 100%
        "#]],
    );
    check(
        Case { exempt_since: Some(day("2026-05-02")), ..case("GD", "1.18", "2026-07-01") },
        expect![[r#"
            route: 1.18: self-referred outpatient, specialised tier, provincial before 2025: 50% of the card's rate [route-1.18]
            card: GD: 80% [card-digit-4]
            annual exemption: does not cover care on this route [copay-self-referral-excluded]
            the fund pays: 40%
        "#]],
    );
    check(
        case("GD", "8", "2026-07-01"),
        expect![[r#"
            no rate: a withdrawal: nothing is paid [route-8]
        "#]],
    );
    check(
        case("ZZ", "1.1", "2026-07-01"),
        expect![[r#"
            no rate: neither the group nor the digit of the card is known
        "#]],
    );
}

#[test]
fn low_cost_off_route_is_a_switch() {
    let cheap = Case { covered_cost: Money::dong(1_000), ..case("GD", "1.18", "2026-06-30") };
    let rate = |bundle: &Bundle| bundle.policy.rate(&cheap).unwrap().basis_points;
    assert_eq!(rate(&bundle()), 0);
    let under = under("low-cost-off-route", "claim-rate");
    assert_eq!(rate(&under), 10_000);
    let steps = under.policy.decide(&cheap).steps;
    let said = steps.iter().find(|step| step.what == "low cost").map(|step| step.value.as_str());
    assert_eq!(said, Some("covered cost 1,000 is below 351,000: the fund pays all"));
}

/// The year as of `on`: paid, threshold, remaining, passed, exempt since.
fn year(bundle: &Bundle, on: &str, copays: &[(&str, i64)], complete: Option<&str>) -> String {
    let copays: Vec<_> = copays.iter().map(|(on, dong)| (day(on), Money::dong(*dong))).collect();
    let year = bundle.policy.annual_copay(day(on), &copays, complete.map(day)).unwrap();
    let shown = |day: Option<Day>| day.map_or("-".to_owned(), |day| day.to_string());
    let since = year.exemption.map(|exemption| exemption.since);
    format!(
        "{} of {}, {} left, passed {}, exempt {}",
        year.paid,
        year.threshold,
        year.remaining,
        shown(year.passed_on),
        shown(since)
    )
}

#[test]
fn the_published_example_of_a_salary_that_changes_within_the_year() {
    let bundle = bundle();
    let copays = [("2026-02-10", 9_000_000), ("2026-06-30", 4_000_000)];
    assert_eq!(
        year(&bundle, "2026-06-30", &copays, Some("2024-01-01")),
        "13,000,000 of 14,040,000, 1,040,000 left, passed -, exempt -"
    );
    assert_eq!(
        year(&bundle, "2026-07-01", &copays, Some("2024-01-01")),
        "13,000,000 of 14,124,444.44, 1,124,444.44 left, passed -, exempt -"
    );
    let then = |dong| [copays[0], copays[1], ("2026-08-05", dong)];
    assert_eq!(
        year(&bundle, "2026-12-31", &then(1_124_444), Some("2024-01-01")),
        "14,124,444 of 14,124,444.44, 0.44 left, passed -, exempt -"
    );
    assert_eq!(
        year(&bundle, "2026-12-31", &then(1_124_445), Some("2024-01-01")),
        "14,124,445 of 14,124,444.44, 0 left, passed 2026-08-05, exempt 2026-08-05"
    );
}

#[test]
fn whoever_has_passed_before_the_change_stays_exempt() {
    let bundle = bundle();
    assert_eq!(
        year(&bundle, "2026-12-31", &[("2026-03-01", 14_040_001)], Some("2024-01-01")),
        "14,040,001 of 14,040,000, 0 left, passed 2026-03-01, exempt 2026-03-01"
    );
    // Five years complete later in the year: the later of the two.
    let copays = [("2026-03-01", 14_040_001)];
    assert!(year(&bundle, "2026-12-31", &copays, Some("2026-09-01")).ends_with("exempt 2026-09-01"));
    assert!(year(&bundle, "2026-08-31", &copays, Some("2026-09-01")).ends_with("exempt -"));
    assert!(year(&bundle, "2026-12-31", &copays, Some("2027-01-01")).ends_with("exempt -"));
    assert!(year(&bundle, "2026-12-31", &copays, None).ends_with("passed 2026-03-01, exempt -"));
}

#[test]
fn exactly_six_months_is_a_switch() {
    let copays = [("2026-03-01", 14_040_000)];
    let strict = bundle();
    assert_eq!(
        year(&strict, "2026-06-30", &copays, Some("2024-01-01")),
        "14,040,000 of 14,040,000, 0 left, passed -, exempt -"
    );
    // By the formula nothing more is to pay; by the law the next đồng exempts.
    assert_eq!(
        year(&strict, "2026-12-31", &[copays[0], ("2026-09-01", 1)], Some("2024-01-01")),
        "14,040,001 of 14,040,000, 0 left, passed 2026-09-01, exempt 2026-09-01"
    );
    let lenient = under("exactly-six-months", "exempt");
    assert_eq!(
        year(&lenient, "2026-12-31", &copays, Some("2024-01-01")),
        "14,040,000 of 14,040,000, 0 left, passed 2026-03-01, exempt 2026-03-01"
    );
}

#[test]
fn each_calendar_year_starts_anew() {
    let bundle = bundle();
    let copays = [("2025-12-31", 20_000_000), ("2026-01-01", 5_000_000)];
    assert!(year(&bundle, "2025-12-31", &copays, Some("2020-01-01")).contains("exempt 2025-12-31"));
    assert!(year(&bundle, "2026-01-01", &copays, Some("2020-01-01")).starts_with("5,000,000 of 14,040,000"));
    let exemption = bundle.policy.annual_copay(
        day("2025-12-31"),
        &[(day("2025-02-01"), Money::dong(20_000_000))],
        Some(day("2020-01-01")),
    );
    assert_eq!(exemption.unwrap().exemption.unwrap().until, day("2025-12-31"));
    assert!(bundle.policy.annual_copay(day("2010-05-01"), &[], None).is_none());
}

#[test]
fn copay_of_self_referred_care_does_not_count_unless_switched() {
    let counts = |bundle: &Bundle, route, on| {
        let case = RouteCase { code: code(route), on: day(on), inpatient: false, facility: None };
        bundle.policy.route(&case).unwrap().copay.counts
    };
    let excluded = bundle();
    assert!(!counts(&excluded, "1.18", "2026-07-01"));
    assert!(counts(&excluded, "1.11", "2026-07-01"));
    assert!(counts(&excluded, "1.3", "2026-07-01"));
    assert!(!counts(&excluded, "9", "2026-07-01"));
    assert!(counts(&under("self-referral-copay", "counted"), "1.18", "2026-07-01"));
}

#[test]
fn a_form_holds_ten_working_days_or_a_year() {
    let bundle = bundle();
    let last = |form, issued| {
        bundle.policy.referral_validity(form, day(issued)).ok().map(|validity| validity.last_day.to_string())
    };
    assert_eq!(last(ReferralFormKind::Standard, "2026-03-02").as_deref(), Some("2026-03-16"));
    // The Lunar New Year lies between.
    assert_eq!(last(ReferralFormKind::Standard, "2026-02-13").as_deref(), Some("2026-03-06"));
    assert_eq!(last(ReferralFormKind::Unspecified, "2026-03-02").as_deref(), Some("2026-03-16"));
    assert_eq!(last(ReferralFormKind::OneYear, "2026-03-02").as_deref(), Some("2027-03-02"));
    assert_eq!(last(ReferralFormKind::TestOnly, "2026-03-02"), None);
}

#[test]
fn figures_are_defined_by_named_numbers() {
    let bundle = bundle();
    let number = |name, on| bundle.policy.parameter(name, day(on)).map(|figure| figure.value);
    assert_eq!(number("health-management-window-months", "2026-01-01"), Some(12));
    assert_eq!(number("child-under-years", "2026-01-01"), Some(6));
    assert_eq!(number("social-pension-from-years", "2025-06-30"), Some(80));
    assert_eq!(number("social-pension-from-years", "2025-07-01"), Some(75));
    assert_eq!(number("no-such-number", "2025-07-01"), None);
}
