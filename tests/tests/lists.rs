//! Every row of every list is that of the truth.

#![allow(clippy::unwrap_used, reason = "these are tests: a panic is how they fail")]

use std::{cell::LazyCell, collections::BTreeSet};

use simulator::{Config, records};
use vertebra_tests::{
    bench::{Bench, fails, questions, same, seeds},
    engine::{self, Log, Whom},
    flaws::{Flaw, ListFlaw},
    oracle::{self, Question, Rows, day},
};

#[test]
fn lists_are_those_of_the_truth() {
    let bench = Bench::new();
    for seed in seeds() {
        let (city, people) = bench.city(Config::adversarial(seed, 2));
        let log = records(&city, &bench.key, 3);
        let whom = Whom::of(&city, &people, &bench.key);
        for question in questions() {
            let engine = engine::rows(&log, &bench.bundle, &question, &whom);
            same(seed, &question, &engine, &oracle::rows(&bench.world, &people, &question));
        }
    }
}

#[test]
fn lists_of_a_plausible_city_are_those_of_the_truth() {
    let bench = Bench::new();
    let (city, people) = bench.city(Config::new(4, 1500));
    let log = records(&city, &bench.key, 4);
    let whom = Whom::of(&city, &people, &bench.key);
    for question in questions() {
        let engine = engine::rows(&log, &bench.bundle, &question, &whom);
        same(4, &question, &engine, &oracle::rows(&bench.world, &people, &question));
    }
}

/// A city that planted bugs are looked for in.
struct Town<'a> {
    bench: &'a Bench,
    log: Log,
    whom: Whom,
    /// What is asked, what the engine says and what is true.
    answers: Vec<(Question, Rows, Rows)>,
}

impl Town<'_> {
    fn new(bench: &Bench, config: Config) -> Town<'_> {
        let (city, people) = bench.city(config);
        let log = records(&city, &bench.key, 3);
        let whom = Whom::of(&city, &people, &bench.key);
        // Most is charged in these weeks, and what is seldom in a list must be seen to change.
        let daily = (day("2026-01-01")..day("2026-02-15")).map(|on| Question { on, ..questions()[0] });
        let answer = |question: Question| {
            let engine = engine::rows(&log, &bench.bundle, &question, &whom);
            (question, engine, oracle::rows(&bench.world, &people, &question))
        };
        let answers = questions().into_iter().chain(daily).map(answer).collect();
        Town { bench, log, whom, answers }
    }

    fn rows(&self, log: &Log, question: &Question) -> Rows {
        engine::rows(log, &self.bench.bundle, question, &self.whom)
    }
}

fn of_list(list: &str, rows: &Rows) -> Rows {
    let is_of_list = |row: &str| row.split(' ').next() == Some(list);
    rows.iter().filter(|(row, _)| is_of_list(row)).map(|(row, count)| (row.clone(), *count)).collect()
}

#[test]
fn the_oracle_of_lists_catches_every_planted_bug_in_every_list() {
    let bench = Bench::new();
    let towns: Vec<LazyCell<Town<'_>, _>> = (6..16)
        .map(|seed| {
            let bench = &bench;
            LazyCell::new(move || Town::new(bench, Config::adversarial(seed, 800)))
        })
        .collect();
    for (list, columns) in engine::lists() {
        let rests_on_events = towns[0]
            .answers
            .iter()
            .any(|(_, _, rows)| of_list(&list, rows).keys().any(|row| row.contains(" event=")));
        for flaw in ListFlaw::of(columns, rests_on_events) {
            let is_noticed = towns.iter().any(|town| {
                town.answers.iter().any(|(question, engine, truth)| {
                    let (truth, asked) = (of_list(&list, truth), flaw.asked(question));
                    let told = if asked == *question {
                        of_list(&list, engine)
                    } else {
                        of_list(&list, &town.rows(&town.log, &asked))
                    };
                    let told = flaw.told(told);
                    fails(|| same(0, question, &told, &truth))
                })
            });
            assert!(is_noticed, "{list}: {flaw:?} went unnoticed");
        }
    }
    for flaw in Flaw::ALL {
        let of_facilities = ["referral-load/open", "referral-load/present", "fee-exemption/mischarged"];
        let must_notice = |list: &str| match flaw {
            // Few of them, and each in the lists it is about: the test below.
            Flaw::LosesOneIn(_) => false,
            // Its rows rest on events that nobody told.
            Flaw::CountsCopies => false,
            // Only whoever became known at the very moment that is asked for shows it: enough for figures, not for each list.
            Flaw::SwapsOffsets => false,
            Flaw::LosesWhatIsOfNobody => of_facilities.contains(&list),
            Flaw::TakesNobodyForSomebody => !of_facilities.contains(&list),
            _ => true,
        };
        let mut blind: BTreeSet<String> =
            engine::lists().into_iter().map(|(list, _)| list).filter(|list| must_notice(list)).collect();
        for town in &towns {
            let log = flaw.seen(&town.log);
            for (question, _, truth) in &town.answers {
                if !blind.is_empty() {
                    let rows = town.rows(&log, question);
                    blind.retain(|list| of_list(list, &rows) == of_list(list, truth));
                }
            }
            if blind.is_empty() {
                break;
            }
        }
        assert!(blind.is_empty(), "{flaw:?} went unnoticed in {blind:?}");
    }
}

#[test]
fn the_oracle_of_lists_notices_one_event_in_ten_thousand() {
    let bench = Bench::new();
    let (city, people) = bench.city(Config::new(4, 1500));
    let log = Flaw::LosesOneIn(10_000).seen(&records(&city, &bench.key, 3));
    let whom = Whom::of(&city, &people, &bench.key);
    assert!(questions().iter().any(|question| {
        engine::rows(&log, &bench.bundle, question, &whom) != oracle::rows(&bench.world, &people, question)
    }));
}
