//! Stories of what counts, told fact by fact.
//!
//! A line is `id kind record asserted recorded`, then words: `voids=ID`, `corrects=ID`, `by=EMITTER`, `operator`,
//! `withdrawn`, `content=N`, `via=LINK,LINK` (carried), `link=LINK` (for links; `away`).

use contract::{
    Code, IdHash, Kind, Millis, RecordHash,
    v1::{self, SubjectKind, event},
};
use expect_test::{Expect, expect};

use super::*;
use crate::fact::LinkHash;

fn history(story: &str) -> History {
    let mut history = History::new();
    history.set_kind(SubjectKind::Card);
    for (offset, line) in story.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |text: &str| text.parse::<u64>().unwrap();
        let has = |word: &str| words.contains(&word);
        let value = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let kind = Kind::from_name(words[1]).unwrap();
        let link = value("link").map(|link| LinkHash(number(link))).unwrap_or_default();
        let body = match kind {
            Kind::IdentityLinked => Body::IdentityLinked { link, away: has("away") },
            Kind::IdentityUnlinked => Body::IdentityUnlinked { link },
            Kind::Retraction => Body::Retraction,
            Kind::CareGiven => Body::CareGiven { facility: Code::new("01001"), care: Code::EMPTY },
            _ => Body::HealthRecordOpened,
        };
        let path = value("via").map(|path| path.split(',').map(|link| LinkHash(number(link))).collect());
        let path = path.map_or(0, |path| history.intern_path(path));
        history.facts.push(Fact {
            occurred: Millis(0),
            asserted: Millis(number(words[3]) as i64),
            recorded: Millis(number(words[4]) as i64),
            id: IdHash(number(words[0])),
            kind,
            record: RecordHash(number(words[2])),
            offset: offset as u64,
            content: value("content").map_or(0, number),
            emitter: Code::new(value("by").unwrap_or("01001")),
            corrects: value("corrects").map(|id| IdHash(number(id))),
            voids: value("voids").map(|id| IdHash(number(id))),
            withdrawn: has("withdrawn"),
            by_operator: has("operator"),
            path,
            body,
        });
    }
    history.sort();
    history
}

fn check(story: &str, expected: Expect) {
    let history = history(story);
    let mut resolver = Resolver::new();
    let standings = resolver.standings(&history, None);
    let mut text = String::new();
    let mut lines: Vec<_> = history.facts.iter().zip(&standings).collect();
    lines.sort_by_key(|(fact, _)| fact.offset);
    for (fact, standing) in lines {
        text.push_str(&format!("{} {standing:?}\n", fact.id.0));
    }
    for aside in resolver.set_aside() {
        text.push_str(&format!("set aside: {aside:?}\n"));
    }
    let in_force = resolver.view(&history, None).facts.iter().map(|fact| fact.id.0).collect::<Vec<_>>();
    text.push_str(&format!("view: {in_force:?}\n"));
    expected.assert_eq(&text);
}

#[test]
fn the_greatest_version_counts_and_a_tie_goes_to_the_later_known() {
    check(
        "1 care_given 7 10 11
         2 care_given 7 10 12
         3 care_given 8 10 13
         4 health_record_opened 7 1 1",
        expect![[r#"
            1 Superseded { by: 0000000000000002 }
            2 InForce
            3 InForce
            4 InForce
            view: [4, 2, 3]
        "#]],
    );
}

#[test]
fn a_withdrawal_is_a_version_and_revives_nothing() {
    check(
        "1 care_given 7 10 11
         2 care_given 7 12 13
         3 care_given 7 14 15 withdrawn",
        expect![[r#"
            1 Superseded { by: 0000000000000003 }
            2 Superseded { by: 0000000000000003 }
            3 Withdrawal
            view: []
        "#]],
    );
}

#[test]
fn a_good_version_after_a_withdrawal_counts_again() {
    check(
        "1 care_given 7 10 11
         2 care_given 7 12 13 withdrawn
         3 care_given 7 14 15",
        expect![[r#"
            1 Superseded { by: 0000000000000003 }
            2 Superseded { by: 0000000000000003 }
            3 InForce
            view: [3]
        "#]],
    );
}

#[test]
fn voiding_the_newest_version_revives_no_older_one() {
    check(
        "1 care_given 7 10 11
         2 care_given 7 12 13
         3 retraction 9 14 15 voids=2",
        expect![[r#"
            1 Superseded { by: 0000000000000002 }
            2 TakenBack { by: 0000000000000003 }
            3 InForce
            view: [3]
        "#]],
    );
}

#[test]
fn a_void_of_a_void_restores_and_a_correction_replaces() {
    check(
        "1 care_given 1 10 11
         2 retraction 2 12 13 voids=1
         3 retraction 3 14 15 voids=2
         4 care_given 4 16 17
         5 care_given 5 18 19 corrects=4",
        expect![[r#"
            1 InForce
            2 TakenBack { by: 0000000000000003 }
            3 InForce
            4 TakenBack { by: 0000000000000005 }
            5 InForce
            view: [1, 3, 5]
        "#]],
    );
}

#[test]
fn only_the_emitter_or_an_operator_takes_back() {
    check(
        "1 care_given 1 10 11 by=01001
         2 retraction 2 12 13 voids=1 by=01002
         3 care_given 3 10 11 by=01001
         4 retraction 4 12 13 voids=3 by=01002 operator",
        expect![[r#"
            1 InForce
            2 InForce
            3 TakenBack { by: 0000000000000004 }
            4 InForce
            view: [1, 2, 4]
        "#]],
    );
}

#[test]
fn circles_are_set_aside_whole_and_what_hangs_on_them_is_judged_without_them() {
    check(
        "1 retraction 1 10 11 voids=2
         2 retraction 2 10 12 voids=1
         3 retraction 3 10 13 voids=3
         4 care_given 4 10 14
         5 retraction 5 10 15 voids=4
         6 retraction 6 10 16 voids=5
         1 retraction 1 10 11 voids=2
         7 care_given 7 10 17",
        expect![[r#"
            1 Circle
            2 Circle
            3 Circle
            4 InForce
            5 TakenBack { by: 0000000000000006 }
            6 InForce
            1 Copy
            7 InForce
            set aside: Circle(0000000000000001)
            set aside: Circle(0000000000000002)
            set aside: Circle(0000000000000003)
            view: [4, 6, 7]
        "#]],
    );
}

#[test]
fn copies_are_one_event_known_since_the_earliest_and_a_conflict_goes_to_the_lower_content() {
    check(
        "1 care_given 7 10 20
         1 care_given 7 10 5
         2 care_given 7 10 12
         3 care_given 8 10 11 content=9
         3 care_given 8 10 12 content=4",
        expect![[r#"
            1 Copy
            1 Superseded { by: 0000000000000002 }
            2 InForce
            3 Copy
            3 InForce
            set aside: Conflict(0000000000000003)
            view: [2, 3]
        "#]],
    );
}

#[test]
fn a_carried_event_counts_while_a_path_is_wholly_in_force() {
    // Link 1 joined A to B, link 2 B to here; 4 came along both, 5 along link 2 alone, and 6 is our own.
    let carried = "1 identity_linked 1 10 10 link=1 via=2
         2 identity_linked 2 10 11 link=2
         4 care_given 4 10 12 via=1,2
         5 care_given 5 10 13 via=2
         6 care_given 6 10 14";
    check(
        carried,
        expect![[r#"
            1 InForce
            2 InForce
            4 InForce
            5 InForce
            6 InForce
            view: [1, 2, 4, 5, 6]
        "#]],
    );
    check(
        &format!("{carried}\n 7 identity_unlinked 7 20 20 link=1 via=2"),
        expect![[r#"
            1 TakenBack { by: 0000000000000007 }
            2 InForce
            4 NotCarried
            5 InForce
            6 InForce
            7 InForce
            view: [2, 5, 6, 7]
        "#]],
    );
    check(
        &format!("{carried}\n 7 identity_unlinked 7 20 20 link=2\n 8 retraction 8 30 30 voids=7"),
        expect![[r#"
            1 InForce
            2 InForce
            4 InForce
            5 InForce
            6 InForce
            7 TakenBack { by: 0000000000000008 }
            8 InForce
            view: [1, 2, 4, 5, 6, 8]
        "#]],
    );
}

#[test]
fn links_that_travelled_along_each_other_are_no_circle_and_carry_nothing_alone() {
    check(
        "1 identity_linked 1 10 10 link=1
         2 identity_linked 2 10 11 link=2
         1 identity_linked 1 10 10 link=1 via=2
         2 identity_linked 2 10 11 link=2 via=1
         3 care_given 3 10 12 via=1",
        expect![[r#"
            1 InForce
            2 InForce
            1 Copy
            2 Copy
            3 InForce
            view: [1, 2, 3]
        "#]],
    );
    check(
        "1 identity_linked 1 10 10 link=1 via=2
         2 identity_linked 2 10 11 link=2 via=1
         3 care_given 3 10 12 via=1
         4 care_given 4 10 13",
        expect![[r#"
            1 NotCarried
            2 NotCarried
            3 NotCarried
            4 InForce
            view: [4]
        "#]],
    );
}

#[test]
fn who_is_linked_away_adds_nothing_until_the_link_is_taken_back() {
    let linked = "1 care_given 1 10 10
         2 identity_linked 2 20 20 link=1 away";
    check(
        linked,
        expect![[r#"
            1 InForce
            2 InForce
            view: []
        "#]],
    );
    check(
        &format!("{linked}\n 3 identity_unlinked 3 30 30 link=1"),
        expect![[r#"
            1 InForce
            2 TakenBack { by: 0000000000000003 }
            3 InForce
            view: [1, 3]
        "#]],
    );
}

#[test]
fn the_past_is_seen_as_it_was_known() {
    let history = history(
        "1 care_given 7 10 11
         2 care_given 7 12 13 withdrawn
         3 care_given 7 14 15",
    );
    let mut resolver = Resolver::new();
    let mut known =
        |until| resolver.view(&history, Some(until)).facts.iter().map(|fact| fact.id.0).collect::<Vec<_>>();
    assert_eq!([known(0), known(1), known(2), known(3)], [vec![], vec![1], vec![], vec![3]]);
}

/// The short ways and the whole rules must agree wherever the short ways are taken.
#[test]
fn the_short_ways_agree_with_the_whole_rules() {
    use proptest::{bool::weighted, option};
    let facts = (0..2_000u64, 0..4u64, 0..4u64, 0..5u64, weighted(0.2));
    let references = (option::weighted(0.1, (0..90usize, proptest::bool::ANY)), 0..2u64, weighted(0.2));
    proptest::proptest!(proptest::test_runner::Config::with_cases(1_000), |(
        facts in proptest::collection::vec((facts, references), 0..90),
        refers: bool,
        length in 0..90usize,
    )| {
        let mut story = String::new();
        let facts = &facts[..length.min(facts.len())];
        let id = |(id, record, asserted, _, withdrawn): (u64, u64, u64, u64, bool)| {
            id * 1000 + record.min(id % 4) * 100 + asserted.min(id % 3) * 10 + u64::from(!(withdrawn && id % 2 == 0))
        };
        for (fact, (reference, emitter, operator)) in facts {
            // An id has one content: everything follows from it, but for references, which no copy is told by short ways.
            let (_, record, asserted, recorded, _) = *fact;
            let (record, asserted) = (record.min(fact.0 % 4), asserted.min(fact.0 % 3));
            // Some link or unlink, never away: that empties the view, whatever else stands.
            let (kind, link) = match (refers, fact.0 % 16) {
                (true, 0) => ("identity_linked", "link=1"),
                (true, 1) => ("identity_unlinked", "link=1"),
                _ => ("care_given", ""),
            };
            story.push_str(&format!("{} {kind} {record} {asserted} {recorded} {link} by={emitter}", id(*fact)));
            if fact.4 && fact.0 % 2 == 0 {
                story.push_str(" withdrawn");
            }
            if let Some((target, voids)) = reference.filter(|_| refers) {
                let word = if voids { "voids" } else { "corrects" };
                story.push_str(&format!(" {word}={}", id(facts[target % facts.len()].0)));
            }
            story.push_str(if *operator { " operator\n" } else { "\n" });
        }
        let history = history(&story);
        let mut resolver = Resolver::new();
        for until in [None, Some(7)] {
            let standings = resolver.standings(&history, until);
            let counted = history.facts.iter().zip(&standings).filter(|(_, standing)| **standing == Standing::InForce);
            let expected: Vec<u64> = counted.map(|(fact, _)| fact.id.0).collect();
            let seen: Vec<u64> = resolver.view(&history, until).facts.iter().map(|fact| fact.id.0).collect();
            proptest::prop_assert_eq!(seen, expected);
        }
    });
}

#[test]
fn a_record_is_its_emitters_though_keys_have_one_hash() {
    check(
        "1 care_given 7 10 11 by=01001
         2 care_given 7 12 13 by=01002
         3 care_given 7 14 15 by=01002
         4 care_given 7 16 17 by=01003 withdrawn",
        expect![[r#"
            1 InForce
            2 Superseded { by: 0000000000000003 }
            3 InForce
            4 Withdrawal
            view: [1, 3]
        "#]],
    );
    // The same in a long history, which is read another way.
    let line = |at: u64| format!("{at} care_given {} {at} {at} by=0100{}\n", at / 2, at % 2);
    let long = history(&(0..100).map(line).collect::<String>());
    assert_eq!(Resolver::new().view(&long, None).facts.len(), 100);
}

#[test]
fn retractions_under_one_key_all_hold() {
    let event = |id: u8, body: event::Body, voids: Option<u8>| v1::Event {
        event_id: vec![id; 16],
        subject: vec![9; 16],
        subject_kind: SubjectKind::Card as i32,
        emitter: "01001".into(),
        record_key: "LK1".into(),
        asserted_at: Some(Millis(i64::from(id)).to_timestamp()),
        occurred_at: Some(Millis(0).to_timestamp()),
        recorded_at: Some(Millis(i64::from(id)).to_timestamp()),
        key_id: "k".into(),
        voids: voids.map(|id| v1::EventReference { event_id: vec![id; 16], ..Default::default() }),
        authority: v1::Authority::Emitter as i32,
        body: Some(body),
        ..Default::default()
    };
    let retraction = |id, voids| event(id, event::Body::Retraction(v1::Retraction {}), Some(voids));
    let mut history = History::new();
    let events = [
        event(1, event::Body::CareGiven(v1::CareGiven::default()), None),
        event(2, event::Body::PersonDied(v1::PersonDied { died_on: "2026-03-02".into() }), None),
        retraction(3, 1),
        retraction(4, 2),
    ];
    for (offset, event) in (0..).zip(&events) {
        let bytes = contract::encode(event);
        history.push(&contract::EventView::parse(&bytes).unwrap(), offset).unwrap();
    }
    history.sort();
    let left: Vec<Kind> = Resolver::new().view(&history, None).facts.iter().map(|fact| fact.kind).collect();
    assert_eq!(left, [Kind::Retraction, Kind::Retraction]);
}
