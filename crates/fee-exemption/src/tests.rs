//! Stories. 01020 is initial and a clinic, 01004 basic, 01003 and 01001 specialised in the reference of the repository. Six
//! months of the level are 14,040,000 dong until June 2026; who has paid 13,000,000 by then has a threshold of 14,124,444.44
//! afterwards (the example of the hospitals' notice on Decree 188/2025, art. 18(2)(c)).

mod laws;

use std::sync::LazyLock;

use expect_test::{Expect, expect};
use policy::Bundle;
use projection::story::{self, Story, check_cubes, check_rows};

use super::*;

static BUNDLE: LazyLock<Bundle> = LazyLock::new(story::bundle);

fn people(story: &str, expected: &Expect) {
    check_cubes::<FeeExemption>(&BUNDLE, &["commune"], story, expected);
}

fn facilities(story: &str, expected: &Expect) {
    check_cubes::<FeeExemption>(&BUNDLE, &["facility"], story, expected);
}

#[test]
fn a_near_poor_card_pays_all_from_2026_whatever_it_prints() {
    people(
        "
        p1 2025-10-01 residence-changed kind=permanent commune=00004 from=2020-01-01
        p1 2025-10-01 insurance-granted group=CN digit=3 from=2025-10-01 until=2026-12-31
        ",
        &expect![[r#"
            commune[00004 CN 95%] insured 2025-10-01..2026-01-01: 1
            commune[00004 CN 100%] insured 2026-01-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn a_social_pension_card_pays_all_from_2026() {
    people(
        "p1 2025-10-01 insurance-granted group=LH digit=4 from=2025-10-01 until=2026-12-31",
        &expect![[r#"
        commune[none LH 80%] insured 2025-10-01..2026-01-01: 1
        commune[none LH 100%] insured 2026-01-01..2027-01-01: 1
    "#]],
    );
}

#[test]
fn an_entitlement_raises_the_rate_while_a_card_is_in_force() {
    people(
        "
        p1 2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-09-30
        p1 2026-03-01 entitlement-granted group=HN from=2026-03-01 until=2026-12-31
        ",
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2026-03-01: 1
            commune[none HN 100%] insured 2026-03-01..2026-10-01: 1
        "#]],
    );
}

#[test]
fn a_group_that_is_not_known_goes_by_its_digit_and_else_is_unknown() {
    people(
        "
        p1 2026-01-01 insurance-granted group=ZZ digit=3 from=2026-01-01 until=2026-09-30
        p2 2026-01-01 insurance-granted group=ZZ from=2026-01-01 until=2026-09-30
        ",
        &expect![[r#"
            commune[none unknown 95%] insured 2026-01-01..2026-10-01: 1
            commune[none unknown unknown] insured 2026-01-01..2026-10-01: 1
        "#]],
    );
}

/// A man with a card since 2020 and five years complete, and a claim with so much copay.
const LONG_INSURED: &str = "
    p1 2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31 five=2025-02-01
";

#[test]
fn five_years_and_copay_above_six_months_exempt_until_the_end_of_the_year() {
    people(
        &format!(
            "{LONG_INSURED}
            p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=70_000_000 copay=14_000_000 fund=56_000_000
            p1 2026-04-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=200_005 copay=40_001 fund=160_004
            "
        ),
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2027-01-01: 1
            commune[none GD 80%] exempt 2026-04-02..2027-01-01: 1
        "#]],
    );
}

#[test]
fn exactly_six_months_is_not_above_it() {
    people(
        &format!(
            "{LONG_INSURED}
            p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=70_200_000 copay=14_040_000 fund=56_160_000
            "
        ),
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn a_new_level_within_the_year_leaves_the_share_that_was_not_yet_paid() {
    // 13,000,000 by June; then 1,124,444.44 are missing: one dong less is not enough.
    people(
        &format!(
            "{LONG_INSURED}
            p1 2026-06-30 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=65_000_000 copay=13_000_000 fund=52_000_000
            p1 2026-07-01 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=5_622_220 copay=1_124_444 fund=4_497_776
            p1 2026-08-03 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=5 copay=1 fund=4
            "
        ),
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2027-01-01: 1
            commune[none GD 80%] exempt 2026-08-03..2027-01-01: 1
        "#]],
    );
}

#[test]
fn five_years_that_complete_later_exempt_from_then() {
    people(
        "
        p1 2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31 five=2026-09-01
        p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000
        ",
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2027-01-01: 1
            commune[none GD 80%] exempt 2026-09-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn without_five_years_nobody_is_exempt() {
    people(
        "
        p1 2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31
        p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000
        ",
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn five_years_of_cards_in_this_history_count_where_no_card_says_a_day() {
    // A gap of three months does not break them, one day more does.
    people(
        "
        p1 2026-01-01 insurance-granted group=GD digit=4 from=2020-01-01 until=2022-12-31
        p1 2026-01-01 insurance-granted group=GD digit=4 from=2023-04-01 until=2026-12-31
        p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000
        p2 2026-01-01 insurance-granted group=HX digit=4 from=2020-01-01 until=2022-12-31
        p2 2026-01-01 insurance-granted group=HX digit=4 from=2023-04-02 until=2026-12-31
        p2 2026-03-02 claim-submitted facility=01003 route=1.3 group=HX digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000
        ",
        &expect![[r#"
            commune[none GD 80%] insured 2024-01-01..2027-01-01: 1
            commune[none GD 80%] exempt 2026-03-02..2027-01-01: 1
            commune[none HX 80%] insured 2024-01-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn what_a_card_says_of_five_years_ends_with_the_insurance_it_was_printed_for() {
    // Five years without insurance lie between the two cards of p1, three months between those of p2.
    people(
        "
        p1 2016-01-01 insurance-granted group=GD digit=4 from=2016-01-01 until=2020-12-31 five=2020-01-01
        p1 2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31
        p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000
        p2 2016-01-01 insurance-granted group=HX digit=4 from=2025-01-01 until=2025-09-30 five=2025-02-01
        p2 2026-01-01 insurance-granted group=HX digit=4 from=2026-01-01 until=2026-12-31
        p2 2026-03-02 claim-submitted facility=01003 route=1.3 group=HX digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000
        ",
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2027-01-01: 1
            commune[none HX 80%] insured 2025-01-01..2025-10-01: 1
            commune[none HX 80%] insured 2026-01-01..2027-01-01: 1
            commune[none HX 80%] exempt 2026-03-02..2027-01-01: 1
        "#]],
    );
}

#[test]
fn who_was_admitted_by_the_check_in_alone_is_an_inpatient() {
    // At a hospital that was central, self-referral is paid for inpatients alone: 40 %.
    facilities(
        "
        p1 2026-03-01 visit-opened    facility=01001 route=3.1 admitted=2026-03-01 key=lk1
        p1 2026-03-04 claim-submitted facility=01001 route=3.1 group=HN digit=2 covered=1_000_000 copay=600_000 fund=400_000 key=lk1
        ",
        &expect![[r#"
            facility[01001 self] claims on 2026-03-04: 1
            facility[01001 self] covered on 2026-03-04: 100000000
            facility[01001 self] copay on 2026-03-04: 60000000
            facility[01001 self] fund on 2026-03-04: 40000000
            facility[01001 self] due on 2026-03-04: 60000000
        "#]],
    );
}

#[test]
fn a_cheap_visit_on_a_route_that_pays_half_counts_as_low_cost_and_half_is_due() {
    facilities(
        "
        p1 2026-07-06 claim-submitted facility=01003 route=1.18 group=GD digit=4 covered=200_000 copay=100_000 fund=100_000
        p1 2026-07-07 claim-submitted facility=01003 route=1.3  group=HN digit=2 covered=200_000 copay=0 fund=200_000
        ",
        &expect![[r#"
            facility[01003 form] claims on 2026-07-07: 1
            facility[01003 form] covered on 2026-07-07: 20000000
            facility[01003 form] fund on 2026-07-07: 20000000
            facility[01003 self] claims on 2026-07-06: 1
            facility[01003 self] covered on 2026-07-06: 20000000
            facility[01003 self] copay on 2026-07-06: 10000000
            facility[01003 self] fund on 2026-07-06: 10000000
            facility[01003 self] due on 2026-07-06: 10000000
            facility[01003 self] low_cost on 2026-07-06: 1
        "#]],
    );
}

/// Each of thousands of homes with each of thousands of cards would not end.
#[test]
fn thousands_of_homes_and_cards_are_laid_beside_one_another() {
    let lines = (0..2_500).map(|number| {
        let day = Day::new_year(1920) + number * 10;
        let commune = if number % 2 == 0 { "00004" } else { "00008" };
        format!(
            "p1 {day} residence-changed kind=permanent commune={commune} from={day}\n\
             p1 {day} insurance-granted group=GD digit=4 from={} until={} key=K{number}\n",
            day + 2,
            day + 4
        )
    });
    let last = "p1 2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31 key=K";
    let story: String = lines.chain([last.to_owned()]).collect();
    expect![[r#"
        commune[00008 GD 80%] insured 2026-01-01..2027-01-01: 1
    "#]]
    .assert_eq(&Story::tell(&story).figures::<FeeExemption>(&BUNDLE, &["commune"]));
}

#[test]
fn copay_of_self_referral_that_is_not_paid_in_full_does_not_count() {
    people(
        &format!(
            "{LONG_INSURED}
            p1 2026-08-02 claim-submitted facility=01003 route=1.18 group=GD digit=4 covered=50_000_000 copay=30_000_000 fund=20_000_000
            "
        ),
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn a_stay_over_new_year_counts_per_year() {
    people(
        "
        p1 2026-01-01 insurance-granted group=GD digit=4 from=2025-01-01 until=2027-12-31 five=2025-02-01
        p1 2026-01-09 claim-submitted facility=01003 route=1.3 group=GD digit=4 admitted=2025-12-20 started=2025-12-20 covered=100_000_000 copay=20_000_000 fund=80_000_000 segments=group:GD,digit:4,year:2025,covered:75_000_000,copay:15_000_000,fund:60_000_000 segments=group:GD,digit:4,year:2026,covered:25_000_000,copay:5_000_000,fund:20_000_000
        ",
        &expect![[r#"
            commune[none GD 80%] insured 2025-01-01..2028-01-01: 1
            commune[none GD 80%] exempt 2025-12-31..2026-01-01: 1
        "#]],
    );
}

#[test]
fn the_payer_confirms_beside_what_we_reckon() {
    people(
        "
        p1 2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31 five=2025-02-01
        p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000
        p1 2026-03-20 exemption-confirmed year=2026 exempt_from=2026-03-10
        p2 2026-01-01 insurance-granted group=HX digit=4 from=2026-01-01 until=2026-12-31
        p2 2026-03-20 exemption-confirmed year=2026
        ",
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2027-01-01: 1
            commune[none GD 80%] exempt 2026-03-02..2027-01-01: 1
            commune[none GD 80%] confirmed 2026-03-10..2027-01-01: 1
            commune[none GD 80%] agreed 2026-03-10..2027-01-01: 1
            commune[none HX 80%] insured 2026-01-01..2027-01-01: 1
            commune[none HX 80%] confirmed 2026-03-20..2027-01-01: 1
        "#]],
    );
}

#[test]
fn an_exemption_ends_with_the_card() {
    people(
        "
        p1 2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-06-30 five=2025-02-01
        p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000
        ",
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2026-07-01: 1
            commune[none GD 80%] exempt 2026-03-02..2026-07-01: 1
        "#]],
    );
}

#[test]
fn a_withdrawn_claim_takes_its_exemption_with_it() {
    people(
        &format!(
            "{LONG_INSURED}
            p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000 key=lk1
            p1 2026-03-02 claim-submitted facility=01003 route=8 key=lk1 withdrawn asserted=2026-03-09
            "
        ),
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn claims_are_held_against_the_rate_of_policy() {
    // In order: as due, a dong off, two dong off, free though cheap, not free though cheap.
    facilities(
        "
        p1 2026-03-02 claim-submitted facility=01004 route=1.3 group=GD digit=4 covered=1_000_000 copay=200_000 fund=800_000
        p1 2026-03-03 claim-submitted facility=01004 route=1.3 group=GD digit=4 covered=1_000_000 copay=200_001 fund=799_999
        p1 2026-03-04 claim-submitted facility=01004 route=1.3 group=GD digit=4 covered=1_000_000 copay=200_002 fund=799_998
        p1 2026-03-05 claim-submitted facility=01004 route=1.3 group=GD digit=4 covered=350_999 copay=0 fund=350_999
        p1 2026-03-06 claim-submitted facility=01004 route=1.3 group=GD digit=4 covered=351_000 copay=0 fund=351_000
        ",
        &expect![[r#"
            facility[01004 form] claims on 2026-03-02: 1
            facility[01004 form] claims on 2026-03-03: 1
            facility[01004 form] claims on 2026-03-04: 1
            facility[01004 form] claims on 2026-03-05: 1
            facility[01004 form] claims on 2026-03-06: 1
            facility[01004 form] covered on 2026-03-02: 100000000
            facility[01004 form] covered on 2026-03-03: 100000000
            facility[01004 form] covered on 2026-03-04: 100000000
            facility[01004 form] covered on 2026-03-05: 35099900
            facility[01004 form] covered on 2026-03-06: 35100000
            facility[01004 form] copay on 2026-03-02: 20000000
            facility[01004 form] copay on 2026-03-03: 20000100
            facility[01004 form] copay on 2026-03-04: 20000200
            facility[01004 form] fund on 2026-03-02: 80000000
            facility[01004 form] fund on 2026-03-03: 79999900
            facility[01004 form] fund on 2026-03-04: 79999800
            facility[01004 form] fund on 2026-03-05: 35099900
            facility[01004 form] fund on 2026-03-06: 35100000
            facility[01004 form] due on 2026-03-02: 20000000
            facility[01004 form] due on 2026-03-03: 20000000
            facility[01004 form] due on 2026-03-04: 20000000
            facility[01004 form] due on 2026-03-06: 7020000
            facility[01004 form] overcharged on 2026-03-04: 1
            facility[01004 form] overcharge on 2026-03-04: 200
            facility[01004 form] undercharged on 2026-03-06: 1
            facility[01004 form] undercharge on 2026-03-06: 7020000
            facility[01004 form] low_cost on 2026-03-05: 1
        "#]],
    );
}

#[test]
fn a_station_is_paid_in_full_and_an_unknown_code_has_no_rate() {
    check_cubes::<FeeExemption>(
        &BUNDLE,
        &[],
        "
        p1 2026-03-02 claim-submitted facility=01020 route=1.2 group=GD digit=4 covered=1_000_000 copay=0 fund=1_000_000
        p2 2026-03-02 claim-submitted facility=77777 route=77 group=ZZ covered=1_000_000 copay=200_000 fund=800_000 subject=none
        p3 2026-03-02 claim-submitted facility=01004 route=8 group=GD digit=4 covered=1_000_000 copay=200_000 fund=800_000
        ",
        &expect![[r#"
            facility[01020 own] claims on 2026-03-02: 1
            facility[01020 own] covered on 2026-03-02: 100000000
            facility[01020 own] fund on 2026-03-02: 100000000
            facility[unknown unknown] claims on 2026-03-02: 1
            facility[unknown unknown] covered on 2026-03-02: 100000000
            facility[unknown unknown] copay on 2026-03-02: 20000000
            facility[unknown unknown] fund on 2026-03-02: 80000000
            facility[unknown unknown] unpriced on 2026-03-02: 1
            tier_group[initial GD] claims on 2026-03-02: 1
            tier_group[initial GD] covered on 2026-03-02: 100000000
            tier_group[initial GD] fund on 2026-03-02: 100000000
            tier_group[unknown unknown] claims on 2026-03-02: 1
            tier_group[unknown unknown] covered on 2026-03-02: 100000000
            tier_group[unknown unknown] copay on 2026-03-02: 20000000
            tier_group[unknown unknown] fund on 2026-03-02: 80000000
            tier_group[unknown unknown] unpriced on 2026-03-02: 1
        "#]],
    );
}

#[test]
fn after_the_threshold_nothing_is_due() {
    facilities(
        &format!(
            "{LONG_INSURED}
            p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000
            p1 2026-03-03 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=1_000_000 copay=200_000 fund=800_000
            p1 2027-01-04 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=1_000_000 copay=200_000 fund=800_000
            "
        ),
        &expect![[r#"
            facility[01003 form] claims on 2026-03-02: 1
            facility[01003 form] claims on 2026-03-03: 1
            facility[01003 form] claims on 2027-01-04: 1
            facility[01003 form] covered on 2026-03-02: 10000000000
            facility[01003 form] covered on 2026-03-03: 100000000
            facility[01003 form] covered on 2027-01-04: 100000000
            facility[01003 form] copay on 2026-03-02: 2000000000
            facility[01003 form] copay on 2026-03-03: 20000000
            facility[01003 form] copay on 2027-01-04: 20000000
            facility[01003 form] fund on 2026-03-02: 8000000000
            facility[01003 form] fund on 2026-03-03: 80000000
            facility[01003 form] fund on 2027-01-04: 80000000
            facility[01003 form] due on 2026-03-02: 2000000000
            facility[01003 form] due on 2027-01-04: 20000000
            facility[01003 form] overcharged on 2026-03-03: 1
            facility[01003 form] overcharge on 2026-03-03: 20000000
            facility[01003 form] exempted on 2026-03-03: 1
        "#]],
    );
}

#[test]
fn from_the_day_the_payer_says_nothing_is_due() {
    facilities(
        "
        p1 2026-03-09 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=1_000_000 copay=200_000 fund=800_000
        p1 2026-03-10 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=1_000_000 copay=0 fund=1_000_000
        p1 2026-03-20 exemption-confirmed year=2026 exempt_from=2026-03-10
        ",
        &expect![[r#"
            facility[01003 form] claims on 2026-03-09: 1
            facility[01003 form] claims on 2026-03-10: 1
            facility[01003 form] covered on 2026-03-09: 100000000
            facility[01003 form] covered on 2026-03-10: 100000000
            facility[01003 form] copay on 2026-03-09: 20000000
            facility[01003 form] fund on 2026-03-09: 80000000
            facility[01003 form] fund on 2026-03-10: 100000000
            facility[01003 form] due on 2026-03-09: 20000000
            facility[01003 form] exempted on 2026-03-10: 1
        "#]],
    );
}

const LISTED: &str = "
    exempt  2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31 five=2025-02-01
    exempt  2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000
    near    2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31 five=2026-09-01
    near    2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=60_000_000 copay=12_000_000 fund=48_000_000
    near    2026-04-02 copay-balance-reported year=2026 copay=13_500_000.50
    far     2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31
    far     2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=50_000_000 copay=9_000_000 fund=41_000_000
    poor    2026-01-01 insurance-granted group=HN digit=2 from=2026-01-01 until=2026-12-31
";

#[test]
fn who_pays_no_more_copay() {
    check_rows::<FeeExemption>(
        &BUNDLE,
        "exempt",
        "2026-05-01",
        LISTED,
        &expect![[r#"
        exempt: GD | 2026-03-02 | 2026-12-31 | annual-exemption | 20000000 | 14040000 | no
    "#]],
    );
    check_rows::<FeeExemption>(&BUNDLE, "exempt", "2026-03-01", LISTED, &expect![""]);
}

#[test]
fn who_is_fully_covered() {
    check_rows::<FeeExemption>(
        &BUNDLE,
        "covered",
        "2026-05-01",
        LISTED,
        &expect![[r#"
        poor: HN | 2026-01-01 | 2026-12-31 | card-digit-2
    "#]],
    );
}

#[test]
fn of_two_cards_of_an_unknown_group_the_one_that_pays_all_says_why() {
    check_rows::<FeeExemption>(
        &BUNDLE,
        "covered",
        "2026-05-01",
        "
        p1 2026-01-01 insurance-granted group=ZZ digit=1 from=2026-01-01 until=2026-12-31
        p1 2026-02-01 insurance-granted group=ZZ digit=3 from=2026-02-01 until=2026-12-31 key=K2
        ",
        &expect![[r#"
        p1: ZZ | 2026-01-01 | 2026-12-31 | card-unknown-group-digit-1
    "#]],
    );
}

#[test]
fn an_explanation_says_why_by_the_card_that_pays_all_and_by_the_payers_word() {
    let story = Story::tell(
        "
        p1 2026-01-01 insurance-granted group=ZZ digit=3 from=2026-01-01 until=2026-12-31
        p1 2026-02-01 insurance-granted group=ZZ digit=1 from=2026-02-01 until=2026-12-31 key=K2
        p2 2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31
        p2 2026-03-20 exemption-confirmed year=2026 exempt_from=2026-03-10
        p3 2026-03-20 exemption-confirmed year=2026 exempt_from=2026-03-10
        ",
    );
    let mut text = String::new();
    story.each(|name, person| {
        let explanation = explain(person, &BUNDLE, "2026-05-01".parse().unwrap());
        text.push_str(&format!("{name}: exempt {}\n", explanation.exempt));
        for why in explanation.why {
            text.push_str(&format!("  {} {}..{}: {}\n", why.kind, why.since, why.until, why.rule.id));
        }
    });
    expect![[r#"
        p1: exempt true
          card 2026-02-01..2026-12-31: card-unknown-group-digit-1
        p2: exempt true
          payer 2026-03-10..2026-12-31: annual-exemption
        p3: exempt false
    "#]]
    .assert_eq(&text);
}

#[test]
fn who_is_near_the_threshold() {
    check_rows::<FeeExemption>(
        &BUNDLE,
        "near",
        "2026-05-01",
        LISTED,
        &expect![[r#"
        near: GD | 12000000 | 14040000 | 2040000 | on 2026-09-01 | 13500000.50
    "#]],
    );
}

#[test]
fn which_claims_were_charged_wrongly() {
    check_rows::<FeeExemption>(
        &BUNDLE,
        "mischarged",
        "2026-05-01",
        LISTED,
        &expect![[r#"
        far: 01003 | 2026-03-02 | GD | 1.3 | 50000000 | 9000000 | 10000000 | -1000000 | 0%
    "#]],
    );
}

#[test]
fn an_explanation_names_each_rule_and_its_citation() {
    let story = Story::tell(
        "
        p1 2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31 five=2025-02-01
        p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=100_000_000 copay=20_000_000 fund=80_000_000
        p1 2026-03-09 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=1_000_000 copay=200_000 fund=800_000
        p1 2026-04-02 copay-balance-reported year=2026 copay=20_200_000
        ",
    );
    let mut text = String::new();
    story.each(|_, person| {
        let explanation = explain(person, &BUNDLE, "2026-05-01".parse().unwrap());
        text = serde_json::to_string_pretty(&explanation).unwrap();
    });
    expect![[r#"
        {
          "on": "2026-05-01",
          "insured": true,
          "holds": [
            {
              "kind": "card",
              "group": "GD",
              "digit": "4",
              "from": "2026-01-01",
              "until": "2026-12-31",
              "rate": "80%",
              "rule": {
                "id": "card-digit-4",
                "citation": "Law on Health Insurance, art. 22(1)(c); QD 1018/QD-BHXH (2024)",
                "uncertain": ""
              }
            }
          ],
          "main_group": "GD",
          "card_rate": "80%",
          "five_years": {
            "answer": "yes",
            "complete_on": "2025-02-01",
            "by": "card"
          },
          "annual": {
            "year": 2026,
            "copay": "20200000",
            "threshold": "14040000",
            "remaining": "0",
            "passed_on": "2026-03-02",
            "rule": {
              "id": "annual-exemption",
              "citation": "Law on Health Insurance, art. 22(1)(d); Decree 188/2025, art. 18(2)",
              "uncertain": "At exactly six months: switch exactly-six-months. The tolerated gap of three months: one source."
            }
          },
          "exempt": true,
          "why": [
            {
              "kind": "annual",
              "since": "2026-03-02",
              "until": "2026-12-31",
              "rule": {
                "id": "annual-exemption",
                "citation": "Law on Health Insurance, art. 22(1)(d); Decree 188/2025, art. 18(2)",
                "uncertain": "At exactly six months: switch exactly-six-months. The tolerated gap of three months: one source."
              }
            }
          ],
          "payer": {
            "copay": "20200000",
            "exempt_from": ""
          },
          "claims": [
            {
              "event": "b43680c29fa772eb",
              "facility": "01003",
              "ended": "2026-03-02",
              "route": "1.3",
              "route_name": "with a transfer form, the one-year form included",
              "covered": "100000000",
              "copay": "20000000",
              "fund": "80000000",
              "charged_rate": "0%",
              "due": "20000000",
              "verdict": "as due",
              "counted": "20000000",
              "copay_of_year": "20000000",
              "exempt_from": "",
              "segments": [
                {
                  "group": "GD",
                  "year": 2026,
                  "covered": "100000000",
                  "copay": "20000000",
                  "due": "20000000",
                  "steps": [
                    {
                      "what": "route",
                      "value": "1.3: with a transfer form, the one-year form included: 100% of the card's rate",
                      "rule": {
                        "id": "route-1.3",
                        "citation": "Law on Health Insurance, art. 22 as amended by Law 51/2024; QD 3276/QD-BYT of 2025-10-17; Circular 01/2025/TT-BYT",
                        "uncertain": ""
                      }
                    },
                    {
                      "what": "card",
                      "value": "GD: 80%",
                      "rule": {
                        "id": "card-digit-4",
                        "citation": "Law on Health Insurance, art. 22(1)(c); QD 1018/QD-BHXH (2024)",
                        "uncertain": ""
                      }
                    },
                    {
                      "what": "the fund pays",
                      "value": "80%",
                      "rule": null
                    }
                  ]
                }
              ]
            },
            {
              "event": "ec5cb65285568420",
              "facility": "01003",
              "ended": "2026-03-09",
              "route": "1.3",
              "route_name": "with a transfer form, the one-year form included",
              "covered": "1000000",
              "copay": "200000",
              "fund": "800000",
              "charged_rate": "0%",
              "due": "0",
              "verdict": "overcharged",
              "counted": "200000",
              "copay_of_year": "20200000",
              "exempt_from": "",
              "segments": [
                {
                  "group": "GD",
                  "year": 2026,
                  "covered": "1000000",
                  "copay": "200000",
                  "due": "0",
                  "steps": [
                    {
                      "what": "route",
                      "value": "1.3: with a transfer form, the one-year form included: 100% of the card's rate",
                      "rule": {
                        "id": "route-1.3",
                        "citation": "Law on Health Insurance, art. 22 as amended by Law 51/2024; QD 3276/QD-BYT of 2025-10-17; Circular 01/2025/TT-BYT",
                        "uncertain": ""
                      }
                    },
                    {
                      "what": "card",
                      "value": "GD: 80%",
                      "rule": {
                        "id": "card-digit-4",
                        "citation": "Law on Health Insurance, art. 22(1)(c); QD 1018/QD-BHXH (2024)",
                        "uncertain": ""
                      }
                    },
                    {
                      "what": "annual exemption",
                      "value": "no copay since 2026-03-02: the card pays all",
                      "rule": {
                        "id": "annual-exemption",
                        "citation": "Law on Health Insurance, art. 22(1)(d); Decree 188/2025, art. 18(2)",
                        "uncertain": "At exactly six months: switch exactly-six-months. The tolerated gap of three months: one source."
                      }
                    },
                    {
                      "what": "the fund pays",
                      "value": "100%",
                      "rule": null
                    }
                  ]
                }
              ]
            }
          ]
        }"#]].assert_eq(&text);
}

#[test]
fn rates_and_thresholds_are_rows_of_policy() {
    let rows = [
        ("policy/annual_exemption.toml", "months = 6,", "months = 3,"),
        ("policy/low_cost.toml", "below = \"15%\"", "below = \"30%\""),
    ];
    check_cubes::<FeeExemption>(
        &story::edited(&rows),
        &["commune", "facility"],
        "
        p1 2026-01-01 insurance-granted group=GD digit=4 from=2026-01-01 until=2026-12-31 five=2025-02-01
        p1 2026-03-02 claim-submitted facility=01003 route=1.3 group=GD digit=4 covered=40_000_000 copay=8_000_000 fund=32_000_000
        p2 2026-03-02 claim-submitted facility=01004 route=1.3 group=GD digit=4 covered=700_000 copay=140_000 fund=560_000
        ",
        &expect![[r#"
            commune[none GD 80%] insured 2026-01-01..2027-01-01: 1
            commune[none GD 80%] exempt 2026-03-02..2027-01-01: 1
            facility[01003 form] claims on 2026-03-02: 1
            facility[01003 form] covered on 2026-03-02: 4000000000
            facility[01003 form] copay on 2026-03-02: 800000000
            facility[01003 form] fund on 2026-03-02: 3200000000
            facility[01003 form] due on 2026-03-02: 800000000
            facility[01004 form] claims on 2026-03-02: 1
            facility[01004 form] covered on 2026-03-02: 70000000
            facility[01004 form] copay on 2026-03-02: 14000000
            facility[01004 form] fund on 2026-03-02: 56000000
            facility[01004 form] overcharged on 2026-03-02: 1
            facility[01004 form] overcharge on 2026-03-02: 14000000
            facility[01004 form] low_cost on 2026-03-02: 1
        "#]],
    );
}
