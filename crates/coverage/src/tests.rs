//! Stories.

mod laws;

use std::sync::LazyLock;

use expect_test::expect;
use policy::Bundle;
use projection::story::{self, check_cubes, check_rows};

use super::*;

static BUNDLE: LazyLock<Bundle> = LazyLock::new(story::bundle);

/// What happened, in the cube of communes.
fn communes(story: &str, expected: &expect_test::Expect) {
    check_cubes::<Coverage>(&BUNDLE, &["commune"], story, expected);
}

/// What happened, in the cube of groups.
fn groups(story: &str, expected: &expect_test::Expect) {
    check_cubes::<Coverage>(&BUNDLE, &["group"], story, expected);
}

/// What happened, in the cube of facilities.
fn facilities(story: &str, expected: &expect_test::Expect) {
    check_cubes::<Coverage>(&BUNDLE, &["facility"], story, expected);
}

#[test]
fn a_card_counts_from_its_first_day_to_its_last() {
    communes(
        "
        p1 2026-01-05 person-registered birth=1990-03-02 sex=male
        p1 2026-01-05 residence-changed kind=permanent commune=00004 from=2020-01-01
        p1 2026-01-05 insurance-granted group=DN from=2026-02-01 until=2026-12-31
        ",
        &expect![[r#"
            commune[perm 00004 18-39 male] people 2024-01-01..open: 1
            commune[perm 00004 18-39 male] insured 2026-02-01..2027-01-01: 1
            commune[actual 00004 18-39 male] people 2024-01-01..open: 1
            commune[actual 00004 18-39 male] insured 2026-02-01..2027-01-01: 1
            commune[insured 00004 18-39 male] people 2026-02-01..2027-01-01: 1
            commune[insured 00004 18-39 male] insured 2026-02-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn cards_that_overlap_or_follow_one_another_are_one_insurance() {
    communes(
        "
        p1 2026-01-05 person-registered birth=1990-03-02 sex=male
        p1 2026-01-05 insurance-granted group=DN from=2026-01-01 until=2026-06-30
        p1 2026-01-05 insurance-granted group=GD from=2026-05-01 until=2026-09-30
        p1 2026-01-05 insurance-granted group=GD from=2026-10-01 until=2026-12-31
        ",
        &expect![[r#"
            commune[perm none 18-39 male] people 2024-01-01..open: 1
            commune[perm none 18-39 male] insured 2026-01-01..2027-01-01: 1
            commune[actual none 18-39 male] people 2024-01-01..open: 1
            commune[actual none 18-39 male] insured 2026-01-01..2027-01-01: 1
            commune[insured none 18-39 male] people 2026-01-01..2027-01-01: 1
            commune[insured none 18-39 male] insured 2026-01-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn a_card_that_is_ended_counts_until_the_day_before() {
    communes(
        "
        p1 2026-01-05 person-registered birth=1990-03-02 sex=male
        p1 2026-01-05 insurance-granted key=k1 emitter=BHXH01 group=DN from=2026-01-01
        p1 2026-03-10 insurance-ended grant=k1 emitter=BHXH01 on=2026-03-10
        ",
        &expect![[r#"
            commune[perm none 18-39 male] people 2024-01-01..open: 1
            commune[perm none 18-39 male] insured 2026-01-01..2026-03-10: 1
            commune[actual none 18-39 male] people 2024-01-01..open: 1
            commune[actual none 18-39 male] insured 2026-01-01..2026-03-10: 1
            commune[insured none 18-39 male] people 2026-01-01..2026-03-10: 1
            commune[insured none 18-39 male] insured 2026-01-01..2026-03-10: 1
        "#]],
    );
}

#[test]
fn an_end_of_every_card_spares_the_one_that_begins_later() {
    communes(
        "
        p1 2026-01-05 person-registered birth=1990-03-02 sex=male
        p1 2026-01-05 insurance-granted group=DN from=2026-01-01
        p1 2026-01-05 insurance-granted group=HN from=2026-04-01
        p1 2026-03-10 insurance-ended on=2026-03-10
        ",
        &expect![[r#"
            commune[perm none 18-39 male] people 2024-01-01..open: 1
            commune[perm none 18-39 male] insured 2026-01-01..2026-03-10: 1
            commune[perm none 18-39 male] insured 2026-04-01..open: 1
            commune[actual none 18-39 male] people 2024-01-01..open: 1
            commune[actual none 18-39 male] insured 2026-01-01..2026-03-10: 1
            commune[actual none 18-39 male] insured 2026-04-01..open: 1
            commune[insured none 18-39 male] people 2026-01-01..2026-03-10: 1
            commune[insured none 18-39 male] people 2026-04-01..open: 1
            commune[insured none 18-39 male] insured 2026-01-01..2026-03-10: 1
            commune[insured none 18-39 male] insured 2026-04-01..open: 1
        "#]],
    );
}

#[test]
fn an_end_by_another_emitter_ends_nothing_of_that_key() {
    communes(
        "
        p1 2026-01-05 person-registered birth=1990-03-02 sex=male
        p1 2026-01-05 insurance-granted key=k1 emitter=BHXH01 group=DN from=2026-01-01
        p1 2026-03-10 insurance-ended grant=k1 emitter=BHXH02 on=2026-03-10
        ",
        &expect![[r#"
            commune[perm none 18-39 male] people 2024-01-01..open: 1
            commune[perm none 18-39 male] insured 2026-01-01..open: 1
            commune[actual none 18-39 male] people 2024-01-01..open: 1
            commune[actual none 18-39 male] insured 2026-01-01..open: 1
            commune[insured none 18-39 male] people 2026-01-01..open: 1
            commune[insured none 18-39 male] insured 2026-01-01..open: 1
        "#]],
    );
}

#[test]
fn a_child_changes_its_band_on_the_sixth_birthday() {
    communes(
        "
        p1 2026-01-05 person-registered birth=2020-05-04 sex=female
        p1 2026-01-05 residence-changed kind=permanent commune=00004 from=2020-05-04
        ",
        &expect![[r#"
            commune[perm 00004 0-5 female] people 2024-01-01..2026-05-04: 1
            commune[perm 00004 6-17 female] people 2026-05-04..open: 1
            commune[actual 00004 0-5 female] people 2024-01-01..2026-05-04: 1
            commune[actual 00004 6-17 female] people 2026-05-04..open: 1
        "#]],
    );
}

#[test]
fn who_was_born_on_a_leap_day_ages_on_the_first_of_march() {
    communes(
        "
        p1 2026-01-05 person-registered birth=2020-02-29 sex=female
        ",
        &expect![[r#"
            commune[perm none 0-5 female] people 2024-01-01..2026-03-01: 1
            commune[perm none 6-17 female] people 2026-03-01..open: 1
            commune[actual none 0-5 female] people 2024-01-01..2026-03-01: 1
            commune[actual none 6-17 female] people 2026-03-01..open: 1
        "#]],
    );
}

#[test]
fn a_newborn_counts_from_birth_and_the_dead_until_the_day_before() {
    communes(
        "
        p1 2026-01-05 person-registered birth=2026-01-02 sex=female
        p1 2026-01-05 residence-changed kind=permanent commune=00004 from=2026-01-02
        p1 2026-01-05 insurance-granted group=TE from=2026-01-02 until=2032-01-01
        p1 2026-06-01 person-died on=2026-05-30
        ",
        &expect![[r#"
            commune[perm 00004 0-5 female] people 2026-01-02..2026-05-30: 1
            commune[perm 00004 0-5 female] insured 2026-01-02..2026-05-30: 1
            commune[actual 00004 0-5 female] people 2026-01-02..2026-05-30: 1
            commune[actual 00004 0-5 female] insured 2026-01-02..2026-05-30: 1
            commune[insured 00004 0-5 female] people 2026-01-02..2026-05-30: 1
            commune[insured 00004 0-5 female] insured 2026-01-02..2026-05-30: 1
        "#]],
    );
}

#[test]
fn without_an_actual_residence_the_temporary_holds_and_then_the_permanent() {
    communes(
        "
        p1 2026-01-05 person-registered birth=1990-03-02 sex=male
        p1 2026-01-05 residence-changed kind=permanent commune=00004 from=2020-01-01
        p1 2026-01-05 residence-changed kind=temporary commune=00008 from=2026-02-01 until=2026-05-31
        p1 2026-01-05 residence-changed kind=actual commune=00025 from=2026-03-01 until=2026-03-31
        ",
        &expect![[r#"
            commune[perm 00004 18-39 male] people 2024-01-01..open: 1
            commune[actual 00004 18-39 male] people 2024-01-01..2026-02-01: 1
            commune[actual 00004 18-39 male] people 2026-06-01..open: 1
            commune[actual 00008 18-39 male] people 2026-02-01..2026-03-01: 1
            commune[actual 00008 18-39 male] people 2026-04-01..2026-06-01: 1
            commune[actual 00025 18-39 male] people 2026-03-01..2026-04-01: 1
        "#]],
    );
}

#[test]
fn of_residences_that_disagree_the_latest_begun_holds_and_then_the_earlier_again() {
    communes(
        "
        p1 2026-01-05 person-registered birth=1990-03-02 sex=male
        p1 2026-03-05 residence-changed kind=permanent commune=00008 from=2026-02-01 until=2026-02-28
        p1 2026-01-05 residence-changed kind=permanent commune=00004 from=2020-01-01
        ",
        &expect![[r#"
            commune[perm 00004 18-39 male] people 2024-01-01..2026-02-01: 1
            commune[perm 00004 18-39 male] people 2026-03-01..open: 1
            commune[perm 00008 18-39 male] people 2026-02-01..2026-03-01: 1
            commune[actual 00004 18-39 male] people 2024-01-01..2026-02-01: 1
            commune[actual 00004 18-39 male] people 2026-03-01..open: 1
            commune[actual 00008 18-39 male] people 2026-02-01..2026-03-01: 1
        "#]],
    );
}

#[test]
fn of_residences_begun_on_one_day_the_later_asserted_holds() {
    communes(
        "
        p1 2026-01-05 person-registered birth=1990-03-02 sex=male
        p1 2026-01-05 residence-changed kind=permanent commune=00008 from=2020-01-01 asserted=2026-01-09
        p1 2026-01-06 residence-changed kind=permanent commune=00004 from=2020-01-01 asserted=2026-01-08
        ",
        &expect![[r#"
            commune[perm 00008 18-39 male] people 2024-01-01..open: 1
            commune[actual 00008 18-39 male] people 2024-01-01..open: 1
        "#]],
    );
}

#[test]
fn a_commune_that_is_not_in_the_reference_is_unknown_and_one_that_was_not_sent_is_none() {
    communes(
        "
        p1 2026-01-05 residence-changed kind=permanent commune=79001 from=2026-01-03
        p2 2026-01-05 residence-changed kind=permanent from=2026-01-03
        ",
        &expect![[r#"
            commune[perm none unknown unknown] people 2026-01-03..open: 1
            commune[perm unknown unknown unknown] people 2026-01-03..open: 1
            commune[actual none unknown unknown] people 2026-01-03..open: 1
            commune[actual unknown unknown unknown] people 2026-01-03..open: 1
        "#]],
    );
}

#[test]
fn managed_is_a_record_and_a_contact_within_twelve_months() {
    communes(
        "
        p1 2024-12-01 person-registered birth=1990-03-02 sex=male
        p1 2025-01-05 care-given facility=01004
        p1 2025-06-01 health-record-opened
        p1 2026-03-01 claim-submitted facility=01004 type=01 route=1.1
        ",
        &expect![[r#"
            commune[perm none 18-39 male] people 2024-01-01..open: 1
            commune[perm none 18-39 male] managed 2025-06-01..2026-01-05: 1
            commune[perm none 18-39 male] managed 2026-03-01..2027-03-01: 1
            commune[perm none 18-39 male] record 2025-06-01..open: 1
            commune[actual none 18-39 male] people 2024-01-01..open: 1
            commune[actual none 18-39 male] managed 2025-06-01..2026-01-05: 1
            commune[actual none 18-39 male] managed 2026-03-01..2027-03-01: 1
            commune[actual none 18-39 male] record 2025-06-01..open: 1
        "#]],
    );
}

#[test]
fn of_the_insured_only_the_days_with_a_card_count() {
    communes(
        "
        p1 2026-01-01 person-registered birth=1990-03-02 sex=male
        p1 2026-01-01 health-record-opened
        p1 2026-02-01 check-up-completed facility=01004
        p1 2026-03-01 insurance-granted group=DN from=2026-03-01 until=2026-05-31
        ",
        &expect![[r#"
            commune[perm none 18-39 male] people 2024-01-01..open: 1
            commune[perm none 18-39 male] insured 2026-03-01..2026-06-01: 1
            commune[perm none 18-39 male] managed 2026-02-01..2027-02-01: 1
            commune[perm none 18-39 male] checked_up 2026-02-01..2027-01-01: 1
            commune[perm none 18-39 male] record 2026-01-01..open: 1
            commune[actual none 18-39 male] people 2024-01-01..open: 1
            commune[actual none 18-39 male] insured 2026-03-01..2026-06-01: 1
            commune[actual none 18-39 male] managed 2026-02-01..2027-02-01: 1
            commune[actual none 18-39 male] checked_up 2026-02-01..2027-01-01: 1
            commune[actual none 18-39 male] record 2026-01-01..open: 1
            commune[insured none 18-39 male] people 2026-03-01..2026-06-01: 1
            commune[insured none 18-39 male] insured 2026-03-01..2026-06-01: 1
            commune[insured none 18-39 male] managed 2026-03-01..2026-06-01: 1
            commune[insured none 18-39 male] checked_up 2026-03-01..2026-06-01: 1
            commune[insured none 18-39 male] record 2026-03-01..2026-06-01: 1
        "#]],
    );
}

#[test]
fn contacts_less_than_a_year_apart_are_one_stretch() {
    communes(
        "
        p1 2024-12-01 health-record-opened
        p1 2024-12-01 person-registered birth=1990-03-02 sex=male
        p1 2025-01-05 care-given facility=01004
        p1 2026-01-05 care-given facility=01004
        p1 2027-01-06 care-given facility=01004
        ",
        &expect![[r#"
            commune[perm none 18-39 male] people 2024-01-01..open: 1
            commune[perm none 18-39 male] managed 2025-01-05..2027-01-05: 1
            commune[perm none 18-39 male] managed 2027-01-06..2028-01-06: 1
            commune[perm none 18-39 male] record 2024-12-01..open: 1
            commune[actual none 18-39 male] people 2024-01-01..open: 1
            commune[actual none 18-39 male] managed 2025-01-05..2027-01-05: 1
            commune[actual none 18-39 male] managed 2027-01-06..2028-01-06: 1
            commune[actual none 18-39 male] record 2024-12-01..open: 1
        "#]],
    );
}

#[test]
fn a_record_that_is_closed_ends_management() {
    communes(
        "
        p1 2026-01-01 person-registered birth=1990-03-02 sex=male
        p1 2026-01-01 health-record-opened
        p1 2026-02-01 care-given facility=01004
        p1 2026-05-01 health-record-closed
        p1 2026-07-01 health-record-opened
        ",
        &expect![[r#"
            commune[perm none 18-39 male] people 2024-01-01..open: 1
            commune[perm none 18-39 male] managed 2026-02-01..2026-05-01: 1
            commune[perm none 18-39 male] managed 2026-07-01..2027-02-01: 1
            commune[perm none 18-39 male] record 2026-01-01..2026-05-01: 1
            commune[perm none 18-39 male] record 2026-07-01..open: 1
            commune[actual none 18-39 male] people 2024-01-01..open: 1
            commune[actual none 18-39 male] managed 2026-02-01..2026-05-01: 1
            commune[actual none 18-39 male] managed 2026-07-01..2027-02-01: 1
            commune[actual none 18-39 male] record 2026-01-01..2026-05-01: 1
            commune[actual none 18-39 male] record 2026-07-01..open: 1
        "#]],
    );
}

#[test]
fn a_check_up_counts_until_the_end_of_its_year() {
    communes(
        "
        p1 2026-01-01 person-registered birth=1990-03-02 sex=male
        p1 2026-03-02 check-up-completed facility=01004
        p1 2026-12-31 check-up-completed facility=01004
        p1 2027-12-31 claim-submitted facility=01004 type=15 route=1.1
        ",
        &expect![[r#"
            commune[perm none 18-39 male] people 2024-01-01..open: 1
            commune[perm none 18-39 male] checked_up 2026-03-02..2027-01-01: 1
            commune[perm none 18-39 male] checked_up 2027-12-31..2028-01-01: 1
            commune[actual none 18-39 male] people 2024-01-01..open: 1
            commune[actual none 18-39 male] checked_up 2026-03-02..2027-01-01: 1
            commune[actual none 18-39 male] checked_up 2027-12-31..2028-01-01: 1
        "#]],
    );
}

#[test]
fn an_open_visit_is_no_contact_and_a_withdrawn_claim_is_none() {
    communes(
        "
        p1 2026-01-01 person-registered birth=1990-03-02 sex=male
        p1 2026-01-01 health-record-opened
        p1 2026-03-02 visit-opened facility=01004 type=01 route=1.1
        p1 2026-03-03 claim-submitted facility=01004 type=01 route=1.1 key=lk1
        p1 2026-03-03 claim-submitted facility=01004 type=01 route=8 key=lk1 withdrawn asserted=2026-03-09
        ",
        &expect![[r#"
            commune[perm none 18-39 male] people 2024-01-01..open: 1
            commune[perm none 18-39 male] record 2026-01-01..open: 1
            commune[actual none 18-39 male] people 2024-01-01..open: 1
            commune[actual none 18-39 male] record 2026-01-01..open: 1
        "#]],
    );
}

#[test]
fn a_withdrawn_payment_request_is_no_contact_and_a_claim_counts_on_its_last_day() {
    check_cubes::<Coverage>(
        &BUNDLE,
        &["commune", "facility"],
        "
        p1 2026-01-01 person-registered birth=1990-03-02 sex=male
        p1 2026-01-01 health-record-opened
        p1 2026-03-03 claim-submitted facility=01004 type=01 route=8 key=lk1
        p1 2026-03-03 claim-submitted facility=01004 type=15 route=8 key=lk2
        p2 2026-03-09 claim-submitted facility=01003 type=01 route=1.3 key=lk3 ended=2026-03-05 subject=none
        ",
        &expect![[r#"
            commune[perm none 18-39 male] people 2024-01-01..open: 1
            commune[perm none 18-39 male] record 2026-01-01..open: 1
            commune[actual none 18-39 male] people 2024-01-01..open: 1
            commune[actual none 18-39 male] record 2026-01-01..open: 1
            facility[01003] contacts on 2026-03-05: 1
        "#]],
    );
}

#[test]
fn a_card_that_prints_no_group_counts_as_none_member_main_and_any() {
    groups(
        "
        p1 2026-01-01 person-registered birth=1990-03-02 sex=male
        p1 2026-01-01 insurance-granted from=2026-01-01 until=2026-12-31
        ",
        &expect![[r#"
            group[none any ] people 2026-01-01..2027-01-01: 1
            group[none any ] insured 2026-01-01..2027-01-01: 1
            group[none main none] people 2026-01-01..2027-01-01: 1
            group[none main none] insured 2026-01-01..2027-01-01: 1
            group[none member none] people 2026-01-01..2027-01-01: 1
            group[none member none] insured 2026-01-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn a_subject_without_an_identifier_is_no_person_but_its_visit_counts() {
    check_cubes::<Coverage>(
        &BUNDLE,
        &[],
        "
        p1 2026-03-02 person-registered birth=1990-03-02 sex=male subject=none
        p1 2026-03-03 claim-submitted facility=01004 type=01 route=9 subject=none
        ",
        &expect![[r#"
            facility[01004] contacts on 2026-03-03: 1
        "#]],
    );
}

#[test]
fn who_is_only_known_from_a_visit_counts_from_that_day() {
    communes(
        "
        p1 2026-03-03 claim-submitted facility=01004 type=01 route=9 subject=local
        ",
        &expect![[r#"
            commune[perm none unknown unknown] people 2026-03-03..open: 1
            commune[actual none unknown unknown] people 2026-03-03..open: 1
        "#]],
    );
}

#[test]
fn one_group_is_member_main_and_any() {
    groups(
        "
        p1 2026-01-05 person-registered birth=1990-03-02 sex=male
        p1 2026-01-05 residence-changed kind=permanent commune=00004 from=2020-01-01
        p1 2026-01-05 insurance-granted group=DN rate_digit=4 from=2026-01-01 until=2026-12-31
        ",
        &expect![[r#"
            group[00004 any ] people 2026-01-01..2027-01-01: 1
            group[00004 any ] insured 2026-01-01..2027-01-01: 1
            group[00004 main DN] people 2026-01-01..2027-01-01: 1
            group[00004 main DN] insured 2026-01-01..2027-01-01: 1
            group[00004 member DN] people 2026-01-01..2027-01-01: 1
            group[00004 member DN] insured 2026-01-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn the_main_group_changes_on_the_day_the_law_raises_a_rate() {
    // The social pension's card pays 80 % before 2026 and 100 % from then on; a pensioner's pays 95 %.
    groups(
        "
        p1 2025-10-01 person-registered birth=1950-03-02 sex=male
        p1 2025-10-01 residence-changed kind=permanent commune=00004 from=2020-01-01
        p1 2025-10-01 insurance-granted group=HT rate_digit=3 from=2025-10-01 until=2026-12-31
        p1 2025-10-01 entitlement-granted group=LH from=2025-10-01 until=2026-12-31
        ",
        &expect![[r#"
            group[00004 any ] people 2025-10-01..2027-01-01: 1
            group[00004 any ] insured 2025-10-01..2027-01-01: 1
            group[00004 main HT] people 2025-10-01..2026-01-01: 1
            group[00004 main HT] insured 2025-10-01..2026-01-01: 1
            group[00004 main LH] people 2026-01-01..2027-01-01: 1
            group[00004 main LH] insured 2026-01-01..2027-01-01: 1
            group[00004 member HT] people 2025-10-01..2027-01-01: 1
            group[00004 member HT] insured 2025-10-01..2027-01-01: 1
            group[00004 member LH] people 2025-10-01..2027-01-01: 1
            group[00004 member LH] insured 2025-10-01..2027-01-01: 1
        "#]],
    );
}

#[test]
fn the_poor_without_a_card_are_of_their_group_and_not_insured() {
    groups(
        "
        p1 2026-01-05 residence-changed kind=permanent commune=00004 from=2026-01-01
        p1 2026-01-05 entitlement-granted group=HN from=2026-01-01 until=2026-12-31 key=e1
        p1 2026-04-05 entitlement-ended group=HN on=2026-04-01
        ",
        &expect![[r#"
            group[00004 any ] people 2026-01-01..2026-04-01: 1
            group[00004 main HN] people 2026-01-01..2026-04-01: 1
            group[00004 member HN] people 2026-01-01..2026-04-01: 1
        "#]],
    );
}

#[test]
fn of_several_cards_the_latest_begun_says_where_somebody_is_registered() {
    facilities(
        "
        p1 2026-01-05 insurance-granted group=DN primary=01004 from=2026-01-01 until=2026-12-31
        p1 2026-01-05 insurance-granted group=GD primary=01003 from=2026-03-01 until=2026-05-31
        p2 2026-01-05 insurance-granted group=GD primary=99999 from=2026-03-01 until=2026-05-31
        ",
        &expect![[r#"
            facility[01003] registered 2026-03-01..2026-06-01: 1
            facility[01004] registered 2026-01-01..2026-03-01: 1
            facility[01004] registered 2026-06-01..2027-01-01: 1
            facility[unknown] registered 2026-03-01..2026-06-01: 1
        "#]],
    );
}

#[test]
fn a_check_up_told_twice_under_one_key_is_done_once() {
    facilities(
        "
        p1 2026-03-02 check-up-completed facility=01004 key=lk1 emitter=01004
        p1 2026-03-02 claim-submitted facility=01004 type=16 route=1.1 key=lk1 emitter=01004
        p1 2026-03-09 claim-submitted facility=01004 type=15 route=1.1 key=lk2 emitter=01004
        p1 2026-03-12 claim-submitted facility=01004 type=01 route=1.1 key=lk3 emitter=01004
        ",
        &expect![[r#"
            facility[01004] check_ups on 2026-03-02: 1
            facility[01004] check_ups on 2026-03-09: 1
            facility[01004] contacts on 2026-03-12: 1
        "#]],
    );
}

const LISTED: &str = "
    lapses   2026-01-05 residence-changed kind=permanent commune=00004 from=2020-01-01
    lapses   2026-01-05 insurance-granted group=GD primary=01004 from=2025-04-01 until=2026-03-31
    renewed  2026-01-05 insurance-granted group=GD from=2025-04-01 until=2026-03-31
    renewed  2026-03-01 insurance-granted group=GD from=2026-04-01 until=2027-03-31
    gap      2026-01-05 insurance-granted group=GD from=2025-04-01 until=2026-03-31
    gap      2026-03-01 insurance-granted group=GD from=2026-04-15 until=2027-03-31
    later    2026-01-05 insurance-granted group=GD from=2025-04-01 until=2026-04-01
    seen     2026-01-05 health-record-opened
    seen     2026-02-05 check-up-completed facility=01004
    visited  2026-01-05 health-record-opened
    visited  2026-02-05 care-given facility=01004
    future   2026-01-05 residence-changed kind=permanent commune=00008 from=2020-01-01
    future   2026-03-02 check-up-completed facility=01004
    dead     2026-01-05 residence-changed kind=permanent commune=00008 from=2020-01-01
    dead     2026-02-05 person-died on=2026-02-03
    nobody   2026-02-05 care-given facility=01004 subject=none
";

#[test]
fn who_lapses_within_thirty_days_without_a_successor() {
    check_rows::<Coverage>(
        &BUNDLE,
        "lapsing",
        "2026-03-01",
        LISTED,
        &expect![[r#"
        gap: none | GD |  | 2026-03-31
        lapses: 00004 | GD | 01004 | 2026-03-31
    "#]],
    );
}

#[test]
fn who_is_missing() {
    check_rows::<Coverage>(
        &BUNDLE,
        "missing",
        "2026-03-01",
        LISTED,
        &expect![[r#"
        future: 00008 | no | no | no |  | 
        gap: none | no | no | no |  | 
        lapses: 00004 | no | no | no |  | 
        later: none | no | no | no |  | 
        renewed: none | no | no | no |  | 
        visited: none | no | yes | yes |  | 2026-02-05
    "#]],
    );
}

#[test]
fn who_is_not_insured() {
    check_rows::<Coverage>(
        &BUNDLE,
        "uninsured",
        "2026-04-01",
        LISTED,
        &expect![[r#"
        future: 00008 |  | 
        gap: none | GD | 2026-03-31
        lapses: 00004 | GD | 2026-03-31
        seen: none |  | 
        visited: none |  | 
    "#]],
    );
}

#[test]
fn a_card_that_ended_before_the_axis_begins_is_the_last_one_still() {
    check_rows::<Coverage>(
        &BUNDLE,
        "uninsured",
        "2026-04-01",
        "
        p1 2023-01-01 insurance-granted group=GD from=2023-01-01 until=2023-12-31
        ",
        &expect![[r#"
        p1: none | GD | 2023-12-31
    "#]],
    );
}

#[test]
fn the_window_of_health_management_is_a_row_of_policy() {
    let months = [("policy/parameters.toml", "then = { value = 12 }", "then = { value = 6 }")];
    check_cubes::<Coverage>(
        &story::edited(&months),
        &["commune"],
        "
        p1 2026-03-01 health-record-opened
        p1 2026-08-31 care-given facility=01004
        ",
        &expect![[r#"
            commune[perm none unknown unknown] people 2026-03-01..open: 1
            commune[perm none unknown unknown] managed 2026-08-31..2027-03-01: 1
            commune[perm none unknown unknown] record 2026-03-01..open: 1
            commune[actual none unknown unknown] people 2026-03-01..open: 1
            commune[actual none unknown unknown] managed 2026-08-31..2027-03-01: 1
            commune[actual none unknown unknown] record 2026-03-01..open: 1
        "#]],
    );
}
