//! Stories. 01001 and 01003 are specialised, 01004 is basic, 01020 is initial in the reference of the repository.

mod laws;

use std::sync::LazyLock;

use expect_test::{Expect, expect};
use policy::Bundle;
use projection::story::{self, Story, check_cubes, check_rows};

use super::*;

static BUNDLE: LazyLock<Bundle> = LazyLock::new(story::bundle);

fn pairs(story: &str, expected: &Expect) {
    check_cubes::<ReferralLoad>(&BUNDLE, &["pair"], story, expected);
}

fn visits(story: &str, expected: &Expect) {
    check_cubes::<ReferralLoad>(&BUNDLE, &["visits", "inpatients"], story, expected);
}

#[test]
fn a_referral_reported_by_both_ends_counts_once() {
    check_cubes::<ReferralLoad>(
        &BUNDLE,
        &[],
        "
        p1 2026-03-02 referral-issued  form=77 from=01020 to=01004
        p1 2026-03-04 referral-arrived form=77 from=01020 at=01004
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-03-02..2026-03-04: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] arrived on 2026-03-04: 1
            tiers[initial basic up] open 2026-03-02..2026-03-04: 1
            tiers[initial basic up] referred on 2026-03-02: 1
            tiers[initial basic up] arrived on 2026-03-04: 1
            waiting[initial basic 0] open 2026-03-02..2026-03-03: 1
            waiting[initial basic 1-2] open 2026-03-03..2026-03-04: 1
            waiting[initial basic 1-2] arrived on 2026-03-04: 1
        "#]],
    );
}

#[test]
fn numbers_match_whatever_their_case_and_spaces() {
    pairs(
        "
        p1 2026-03-02 referral-issued  form=ct-77a from=01020 to=01004
        p1 2026-03-04 referral-arrived form=CT-77A from=01020 at=01004
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-03-02..2026-03-04: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] arrived on 2026-03-04: 1
        "#]],
    );
}

#[test]
fn an_arrival_on_the_day_of_issue_closes_it_at_once() {
    check_cubes::<ReferralLoad>(
        &BUNDLE,
        &["pair", "waiting"],
        "
        p1 2026-03-02T08:00 referral-issued  form=77 from=01020 to=01004
        p1 2026-03-02T15:00 referral-arrived form=77 from=01020 at=01004
        ",
        &expect![[r#"
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] arrived on 2026-03-02: 1
            waiting[initial basic 0] arrived on 2026-03-02: 1
        "#]],
    );
}

#[test]
fn an_arrival_before_its_issue_does_not_join_by_number_but_by_pair() {
    pairs(
        "
        p1 2026-03-02 referral-arrived form=77 from=01020 at=01004
        p1 2026-03-03 referral-issued  form=77 from=01020 to=01004
        ",
        &expect![[r#"
            pair[01020 01004] referred on 2026-03-03: 1
            pair[01020 01004] inferred on 2026-03-02: 1
        "#]],
    );
}

#[test]
fn a_number_that_restarts_joins_the_latest_issue() {
    pairs(
        "
        p1 2025-03-03 referral-issued  form=77 from=01020 to=01004
        p1 2026-02-02 referral-issued  form=77 from=01020 to=01001
        p1 2026-02-04 referral-arrived form=77 from=01020 at=01001
        ",
        &expect![[r#"
            pair[01020 01001] open 2026-02-02..2026-02-04: 1
            pair[01020 01001] referred on 2026-02-02: 1
            pair[01020 01001] arrived on 2026-02-04: 1
            pair[01020 01004] open 2025-03-03..2025-03-18: 1
            pair[01020 01004] referred on 2025-03-03: 1
            pair[01020 01004] expired on 2025-03-18: 1
        "#]],
    );
}

#[test]
fn an_arrival_joins_within_366_days_and_not_after() {
    pairs(
        "
        p1 2025-03-03 referral-issued  form=77 from=01020 to=01004 form_kind=one-year
        p1 2026-03-04 referral-arrived form=77 from=01020 at=01004
        p2 2025-03-03 referral-issued  form=77 from=01020 to=01004 form_kind=one-year
        p2 2026-03-05 referral-arrived form=77 from=01020 at=01004
        ",
        &expect![[r#"
            pair[01020 01004] open 2025-03-03..2026-03-04: 2
            pair[01020 01004] referred on 2025-03-03: 2
            pair[01020 01004] referred on 2026-03-05: 1
            pair[01020 01004] by_receiver on 2026-03-05: 1
            pair[01020 01004] arrived on 2026-03-04: 1
            pair[01020 01004] arrived on 2026-03-05: 1
            pair[01020 01004] expired on 2026-03-04: 2
        "#]],
    );
}

#[test]
fn without_a_number_an_arrival_within_ten_working_days_is_inferred() {
    check_cubes::<ReferralLoad>(
        &BUNDLE,
        &["pair", "waiting"],
        "
        p1 2026-03-02 referral-issued  form=77 from=01020 to=01004 until=2026-12-31
        p1 2026-03-16 referral-arrived from=01020 at=01004
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-03-02..2026-03-16: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] inferred on 2026-03-16: 1
            waiting[initial basic 0] open 2026-03-02..2026-03-03: 1
            waiting[initial basic 1-2] open 2026-03-03..2026-03-05: 1
            waiting[initial basic 11+] open 2026-03-13..2026-03-16: 1
            waiting[initial basic 11+] inferred on 2026-03-16: 1
            waiting[initial basic 3-5] open 2026-03-05..2026-03-08: 1
            waiting[initial basic 6-10] open 2026-03-08..2026-03-13: 1
        "#]],
    );
}

#[test]
fn the_eleventh_working_day_is_too_late_to_infer() {
    pairs(
        "
        p1 2026-03-02 referral-issued  form=77 from=01020 to=01004 until=2026-12-31
        p1 2026-03-17 referral-arrived from=01020 at=01004
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-03-02..2027-01-01: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] referred on 2026-03-17: 1
            pair[01020 01004] by_receiver on 2026-03-17: 1
            pair[01020 01004] arrived on 2026-03-17: 1
            pair[01020 01004] expired on 2027-01-01: 1
        "#]],
    );
}

#[test]
fn a_number_counts_for_more_than_a_guess() {
    pairs(
        "
        p1 2026-03-02 referral-issued  form=77 from=01020 to=01004
        p1 2026-03-03 referral-arrived from=01020 at=01004
        p1 2026-03-04 referral-arrived form=77 from=01020 at=01004
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-03-02..2026-03-04: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] arrived on 2026-03-04: 1
        "#]],
    );
}

#[test]
fn two_forms_of_one_pair_take_an_arrival_each() {
    pairs(
        "
        p1 2026-03-02 referral-issued  form=77 from=01020 to=01004
        p1 2026-03-06 referral-issued  form=78 from=01020 to=01004
        p1 2026-03-06 referral-arrived from=01020 at=01004
        p1 2026-03-09 referral-arrived from=01020 at=01004
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-03-02..2026-03-09: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] referred on 2026-03-06: 1
            pair[01020 01004] inferred on 2026-03-06: 1
            pair[01020 01004] inferred on 2026-03-09: 1
        "#]],
    );
}

#[test]
fn a_referral_told_only_by_its_receiver_counts_on_arrival_and_once() {
    pairs(
        "
        p1 2026-03-04 referral-arrived form=77 from=01020 at=01004 emitter=01004 key=a
        p1 2026-03-04 referral-arrived form=77 from=01020 at=01004 emitter=01004 key=b
        ",
        &expect![[r#"
            pair[01020 01004] referred on 2026-03-04: 1
            pair[01020 01004] by_receiver on 2026-03-04: 1
            pair[01020 01004] arrived on 2026-03-04: 1
        "#]],
    );
}

#[test]
fn a_form_for_a_test_only_is_no_referral() {
    pairs("p1 2026-03-02 referral-issued form=77 from=01020 to=01004 form_kind=test-only", &expect![""]);
}

#[test]
fn the_same_form_told_twice_on_its_day_is_issued_once() {
    pairs(
        "
        p1 2026-03-02 referral-issued form=77 from=01020 to=01004 emitter=01020 key=a
        p1 2026-03-02 referral-issued form=77 from=01020 to=01004 emitter=01020 key=b
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-03-02..2026-03-17: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] expired on 2026-03-17: 1
        "#]],
    );
}

#[test]
fn a_form_expires_after_ten_working_days_by_itself() {
    // Tet 2026: no work from 16 to 20 February.
    pairs(
        "
        p1 2026-03-02 referral-issued form=77 from=01020 to=01004
        p2 2026-02-09 referral-issued form=78 from=01020 to=01004
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-02-09..2026-03-03: 1
            pair[01020 01004] open 2026-03-02..2026-03-17: 1
            pair[01020 01004] referred on 2026-02-09: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] expired on 2026-03-03: 1
            pair[01020 01004] expired on 2026-03-17: 1
        "#]],
    );
}

#[test]
fn a_one_year_form_expires_after_a_year_and_one_that_says_its_day_on_it() {
    pairs(
        "
        p1 2026-03-02 referral-issued form=77 from=01020 to=01004 form_kind=one-year
        p2 2026-03-02 referral-issued form=78 from=01020 to=01004 until=2026-03-05
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-03-02..2026-03-06: 1
            pair[01020 01004] open 2026-03-02..2027-03-03: 1
            pair[01020 01004] referred on 2026-03-02: 2
            pair[01020 01004] expired on 2026-03-06: 1
            pair[01020 01004] expired on 2027-03-03: 1
        "#]],
    );
}

#[test]
fn an_arrival_on_the_last_day_is_in_time_and_a_day_later_it_is_late() {
    pairs(
        "
        p1 2026-03-02 referral-issued  form=77 from=01020 to=01004 until=2026-03-05
        p1 2026-03-05 referral-arrived form=77 from=01020 at=01004
        p2 2026-03-02 referral-issued  form=77 from=01020 to=01003 until=2026-03-05
        p2 2026-03-06 referral-arrived form=77 from=01020 at=01003
        ",
        &expect![[r#"
            pair[01020 01003] open 2026-03-02..2026-03-06: 1
            pair[01020 01003] referred on 2026-03-02: 1
            pair[01020 01003] arrived on 2026-03-06: 1
            pair[01020 01003] expired on 2026-03-06: 1
            pair[01020 01004] open 2026-03-02..2026-03-05: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] arrived on 2026-03-05: 1
        "#]],
    );
}

#[test]
fn it_is_open_until_declined_cancelled_or_returned() {
    pairs(
        "
        p1 2026-03-02 referral-issued    form=77 from=01020 to=01004
        p1 2026-03-03 referral-accepted  form=77 from=01020 to=01004
        p1 2026-03-05 referral-declined  form=77 from=01020 to=01004
        p2 2026-03-02 referral-issued    form=78 from=01020 to=01003
        p2 2026-03-05 referral-cancelled form=78 from=01020 to=01003
        p3 2026-03-02 referral-issued    form=79 from=01020 to=01001
        p3 2026-03-05 referral-returned  form=79 from=01001 to=01020
        ",
        &expect![[r#"
            pair[01001 01020] returned on 2026-03-05: 1
            pair[01020 01001] open 2026-03-02..2026-03-05: 1
            pair[01020 01001] referred on 2026-03-02: 1
            pair[01020 01003] open 2026-03-02..2026-03-05: 1
            pair[01020 01003] referred on 2026-03-02: 1
            pair[01020 01003] cancelled on 2026-03-05: 1
            pair[01020 01004] open 2026-03-02..2026-03-05: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] accepted on 2026-03-03: 1
            pair[01020 01004] declined on 2026-03-05: 1
        "#]],
    );
}

#[test]
fn a_return_told_by_both_ends_counts_once() {
    pairs(
        "
        p1 2026-03-05 referral-returned form=79  from=01001 to=01020 emitter=01001
        p1 2026-03-06 referral-returned form=79  from=01001 to=01020 emitter=01020
        p1 2027-03-06 referral-returned form=79  from=01001 to=01020 emitter=01001
        p1 2027-03-07 referral-returned form=79  from=01001 to=01020 emitter=01020
        p2 2026-04-05 referral-returned          from=01001 to=01020 emitter=01001
        p2 2026-04-05 referral-returned form=80  from=01001 to=01020 emitter=01020
        p2 2026-04-06 referral-returned          from=01001 to=01020 emitter=01020
        p3 2026-05-05 referral-returned form=81  from=01001 to=01020 emitter=01001
        p3 2026-05-05 referral-returned form=82  from=01001 to=01020 emitter=01020
        p3 2026-05-05 referral-returned form=81  from=01001 to=01004 emitter=01004
        ",
        &expect![[r#"
            pair[01001 01004] returned on 2026-05-05: 1
            pair[01001 01020] returned on 2026-03-05: 1
            pair[01001 01020] returned on 2026-04-05: 1
            pair[01001 01020] returned on 2026-04-06: 1
            pair[01001 01020] returned on 2026-05-05: 2
            pair[01001 01020] returned on 2027-03-07: 1
        "#]],
    );
}

#[test]
fn what_cannot_be_the_code_of_a_facility_is_unknown() {
    pairs(
        "
        p1 2026-03-02 referral-issued from=001090012345 to=79A01 until=2026-03-02
        p1 2026-03-02 referral-issued from=79b01 to=7901 until=2026-03-02
        p1 2026-03-02 referral-issued from=01020 to= until=2026-03-02
        ",
        &expect![[r#"
            pair[01020 none] open 2026-03-02..2026-03-03: 1
            pair[01020 none] referred on 2026-03-02: 1
            pair[01020 none] expired on 2026-03-03: 1
            pair[unknown 79A01] open 2026-03-02..2026-03-03: 1
            pair[unknown 79A01] referred on 2026-03-02: 1
            pair[unknown 79A01] expired on 2026-03-03: 1
            pair[unknown unknown] open 2026-03-02..2026-03-03: 1
            pair[unknown unknown] referred on 2026-03-02: 1
            pair[unknown unknown] expired on 2026-03-03: 1
        "#]],
    );
}

/// Days outside the calendar's table, thousands of them: with steps day by day for each pair this would not end.
#[test]
fn thousands_of_forms_long_ago_and_arrivals_far_ahead_are_told_apart_at_once() {
    let issued = (0..1_500).map(|number| Day::new_year(1950) + number);
    let arrived = (0..1_500).map(|number| Day::new_year(2090) + number * 20);
    let lines = issued.map(|day| format!("p1 {day} referral-issued from=01020 to=01004\n"));
    let story: String =
        lines.chain(arrived.map(|day| format!("p1 {day} referral-arrived from=01020 at=01004\n"))).collect();
    let figures = Story::tell(&story).figures::<ReferralLoad>(&BUNDLE, &["pair"]);
    for (measure, count) in [("expired", 1_500), ("by_receiver", 1_500), ("inferred", 0)] {
        let told: i64 = figures
            .lines()
            .filter(|line| line.contains(&format!("] {measure} on ")))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<i64>().ok())
            .sum();
        assert_eq!(told, count, "{measure}");
    }
}

#[test]
fn an_answer_without_a_number_means_the_latest_of_the_pair() {
    pairs(
        "
        p1 2026-03-02 referral-issued   form=77 from=01020 to=01004
        p1 2026-03-04 referral-issued   form=78 from=01020 to=01004
        p1 2026-03-05 referral-declined from=01020 to=01004
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-03-02..2026-03-17: 1
            pair[01020 01004] open 2026-03-04..2026-03-05: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] referred on 2026-03-04: 1
            pair[01020 01004] declined on 2026-03-05: 1
            pair[01020 01004] expired on 2026-03-17: 1
        "#]],
    );
}

#[test]
fn death_closes_what_is_open() {
    pairs(
        "
        p1 2026-03-02 referral-issued form=77 from=01020 to=01004
        p1 2026-03-09 person-died on=2026-03-05
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-03-02..2026-03-05: 1
            pair[01020 01004] referred on 2026-03-02: 1
        "#]],
    );
}

#[test]
fn who_arrives_elsewhere_counts_there() {
    pairs(
        "
        p1 2026-03-02 referral-issued  form=77 from=01020 to=01004
        p1 2026-03-04 referral-arrived form=77 from=01020 at=01003
        ",
        &expect![[r#"
            pair[01020 01003] arrived on 2026-03-04: 1
            pair[01020 01004] open 2026-03-02..2026-03-04: 1
            pair[01020 01004] referred on 2026-03-02: 1
        "#]],
    );
}

#[test]
fn a_withdrawn_issue_leaves_a_referral_told_by_the_receiver() {
    pairs(
        "
        p1 2026-03-02 referral-issued  form=77 from=01020 to=01004 emitter=01020 key=a
        p1 2026-03-02 referral-issued  form=77 from=01020 to=01004 emitter=01020 key=a withdrawn asserted=2026-03-08
        p1 2026-03-04 referral-arrived form=77 from=01020 at=01004
        ",
        &expect![[r#"
            pair[01020 01004] referred on 2026-03-04: 1
            pair[01020 01004] by_receiver on 2026-03-04: 1
            pair[01020 01004] arrived on 2026-03-04: 1
        "#]],
    );
}

#[test]
fn directions_go_by_the_tiers_of_the_day_and_before_2025_there_are_none() {
    check_cubes::<ReferralLoad>(
        &BUNDLE,
        &["tiers"],
        "
        p1 2026-03-02 referral-arrived form=1 from=01020 at=01004
        p2 2026-03-02 referral-arrived form=2 from=01001 at=01020
        p3 2026-03-02 referral-arrived form=3 from=01001 at=01003
        p4 2026-03-02 referral-arrived form=4 from=01001 at=79001
        p5 2024-12-31 referral-arrived form=5 from=01020 at=01001
        ",
        &expect![[r#"
            tiers[none none unknown] referred on 2024-12-31: 1
            tiers[none none unknown] by_receiver on 2024-12-31: 1
            tiers[none none unknown] arrived on 2024-12-31: 1
            tiers[initial basic up] referred on 2026-03-02: 1
            tiers[initial basic up] by_receiver on 2026-03-02: 1
            tiers[initial basic up] arrived on 2026-03-02: 1
            tiers[special initial down] referred on 2026-03-02: 1
            tiers[special initial down] by_receiver on 2026-03-02: 1
            tiers[special initial down] arrived on 2026-03-02: 1
            tiers[special special level] referred on 2026-03-02: 1
            tiers[special special level] by_receiver on 2026-03-02: 1
            tiers[special special level] arrived on 2026-03-02: 1
            tiers[special unknown unknown] referred on 2026-03-02: 1
            tiers[special unknown unknown] by_receiver on 2026-03-02: 1
            tiers[special unknown unknown] arrived on 2026-03-02: 1
        "#]],
    );
}

#[test]
fn open_referrals_grow_older_without_any_event() {
    check_cubes::<ReferralLoad>(
        &BUNDLE,
        &["waiting"],
        "p1 2026-03-02 referral-issued form=77 from=01020 to=01004 until=2026-03-20",
        &expect![[r#"
            waiting[initial basic 0] open 2026-03-02..2026-03-03: 1
            waiting[initial basic 1-2] open 2026-03-03..2026-03-05: 1
            waiting[initial basic 11+] open 2026-03-13..2026-03-21: 1
            waiting[initial basic 3-5] open 2026-03-05..2026-03-08: 1
            waiting[initial basic 6-10] open 2026-03-08..2026-03-13: 1
        "#]],
    );
}

#[test]
fn self_referral_is_load_and_no_referral() {
    check_cubes::<ReferralLoad>(
        &BUNDLE,
        &[],
        "
        p1 2026-03-04 claim-submitted facility=01004 type=01 route=1.12 started=2026-03-03T09:00
        p1 2026-03-05 claim-submitted facility=01004 type=01 route=1.3
        p1 2026-03-06 claim-submitted facility=01004 type=01 route=2
        p1 2026-03-07 claim-submitted facility=01004 type=01 route=77
        p1 2026-03-08 claim-submitted facility=77777 type=01 route=1.1
        p1 2026-03-09 claim-submitted facility=01004 type=01 route=8
        ",
        &expect![[r#"
            visits[01004 form] visits on 2026-03-05: 1
            visits[01004 self] visits on 2026-03-03: 1
            visits[01004 urgent] visits on 2026-03-06: 1
            visits[01004 unknown] visits on 2026-03-07: 1
            visits[unknown own] visits on 2026-03-08: 1
        "#]],
    );
}

#[test]
fn a_visit_and_its_claim_are_one_visit() {
    visits(
        "
        p1 2026-03-03 visit-opened    facility=01004 type=01 route=1.1 emitter=01004 key=lk1
        p1 2026-03-04 claim-submitted facility=01004 type=01 route=1.5 emitter=01004 key=lk1 started=2026-03-03
        p1 2026-03-09 visit-opened    facility=01004 type=01 route=1.1 emitter=01004 key=lk2
        ",
        &expect![[r#"
            visits[01004 own] visits on 2026-03-09: 1
            visits[01004 own] unbilled on 2026-03-09: 1
            visits[01004 slip] visits on 2026-03-03: 1
        "#]],
    );
}

#[test]
fn an_inpatient_is_present_from_admission_until_before_discharge() {
    visits(
        "
        p1 2026-03-03 visit-opened    facility=01004 type=03 route=1.1 emitter=01004 key=lk1 admitted=2026-03-03T10:00
        p1 2026-03-09 claim-submitted facility=01004 type=03 route=1.1 emitter=01004 key=lk1 started=2026-03-03
        ",
        &expect![[r#"
            visits[01004 own] visits on 2026-03-03: 1
            visits[01004 own] inpatient on 2026-03-03: 1
            inpatients[01004] present 2026-03-03..2026-03-09: 1
            inpatients[01004] admitted on 2026-03-03: 1
            inpatients[01004] discharged on 2026-03-09: 1
        "#]],
    );
}

#[test]
fn a_stay_without_a_claim_is_stale_after_sixty_days() {
    visits(
        "
        p1 2026-03-03 visit-opened facility=01004 type=03 route=1.1 admitted=2026-03-03T10:00
        p2 2026-03-03 visit-opened facility=01003 type=03 route=1.1 admitted=2026-03-03T10:00
        p2 2026-03-20 person-died on=2026-03-20
        ",
        &expect![[r#"
            visits[01003 own] visits on 2026-03-03: 1
            visits[01003 own] inpatient on 2026-03-03: 1
            visits[01003 own] unbilled on 2026-03-03: 1
            visits[01004 own] visits on 2026-03-03: 1
            visits[01004 own] inpatient on 2026-03-03: 1
            visits[01004 own] unbilled on 2026-03-03: 1
            inpatients[01003] present 2026-03-03..2026-03-20: 1
            inpatients[01003] admitted on 2026-03-03: 1
            inpatients[01004] present 2026-03-03..2026-05-02: 1
            inpatients[01004] stale 2026-05-02..open: 1
            inpatients[01004] admitted on 2026-03-03: 1
        "#]],
    );
}

const LISTED: &str = "
    waits    2026-03-02 referral-issued   form=77 from=01020 to=01004
    waits    2026-03-03 referral-accepted form=77 from=01020 to=01004
    today    2026-03-10 referral-issued   form=78 from=01020 to=01004 until=2026-03-10
    arrives  2026-03-02 referral-issued   form=79 from=01020 to=01004
    arrives  2026-03-10 referral-arrived  form=79 from=01020 at=01004
    later    2026-03-11 referral-issued   form=80 from=01020 to=01004
    lies     2026-03-03 visit-opened facility=01004 type=03 route=1.1 admitted=2026-03-03T10:00
    leaves   2026-03-10 claim-submitted facility=01004 type=03 route=1.1 started=2026-03-03 admitted=2026-03-04
    stale    2026-01-01 visit-opened facility=01004 type=03 route=1.1 admitted=2026-01-09
";

#[test]
fn which_referrals_are_open() {
    check_rows::<ReferralLoad>(
        &BUNDLE,
        "open",
        "2026-03-10",
        LISTED,
        &expect![[r#"
        today: 01020 | 01004 | 2026-03-10 | 2026-03-10 | 0 | no
        waits: 01020 | 01004 | 2026-03-02 | 2026-03-16 | 8 | yes
    "#]],
    );
}

#[test]
fn a_withdrawn_payment_request_lies_in_no_bed() {
    check_rows::<ReferralLoad>(
        &BUNDLE,
        "present",
        "2026-03-05",
        "
        p1 2026-03-09 claim-submitted facility=01004 route=8 started=2026-03-03 admitted=2026-03-03 ended=2026-03-09
        p2 2026-03-03 visit-opened facility=01004 route=8 admitted=2026-03-03
        ",
        &expect![""],
    );
}

#[test]
fn who_is_in_the_beds() {
    check_rows::<ReferralLoad>(
        &BUNDLE,
        "present",
        "2026-03-10",
        LISTED,
        &expect![[r#"
        lies: 01004 | 2026-03-03 | 7 | present
        stale: 01004 | 2026-01-09 | 60 | stale
    "#]],
    );
    check_rows::<ReferralLoad>(
        &BUNDLE,
        "present",
        "2026-03-09",
        LISTED,
        &expect![[r#"
        leaves: 01004 | 2026-03-04 | 5 | present
        lies: 01004 | 2026-03-03 | 6 | present
        stale: 01004 | 2026-01-09 | 59 | present
    "#]],
    );
}

#[test]
fn how_long_a_form_holds_and_what_joins_are_rows_of_policy() {
    let rows = [
        ("policy/referral_validity.toml", "then = { working_days = 10 }", "then = { working_days = 5 }"),
        ("policy/parameters.toml", "then = { value = 60 }", "then = { value = 30 }"),
    ];
    check_cubes::<ReferralLoad>(
        &story::edited(&rows),
        &["pair", "inpatients"],
        "
        p1 2026-03-02 referral-issued form=77 from=01020 to=01004
        p2 2026-03-03 visit-opened facility=01004 type=03 route=1.1 admitted=2026-03-03T10:00
        ",
        &expect![[r#"
            pair[01020 01004] open 2026-03-02..2026-03-10: 1
            pair[01020 01004] referred on 2026-03-02: 1
            pair[01020 01004] expired on 2026-03-10: 1
            inpatients[01004] present 2026-03-03..2026-04-02: 1
            inpatients[01004] stale 2026-04-02..open: 1
            inpatients[01004] admitted on 2026-03-03: 1
        "#]],
    );
}
