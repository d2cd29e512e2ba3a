//! The laws of sums.

use contract::Code;
use proptest::prelude::*;

use super::*;
use crate::{Axis, Collector, Implied, Measure, Negated, Point, Sink, StandsFor, Storage, Unit};

const MEASURES: &[Measure] = &[
    Measure::Level("people", Unit::Count),
    Measure::Flow("paid", Unit::Money),
    Measure::Flow("due", Unit::Money),
    Measure::Level("seats", Unit::Count),
];

/// What is written at k3 counts at k0 and, as y, at k1.
const STANDS: &[StandsFor] =
    &[StandsFor { dimension: 0, code: "k3", cells: &[&[(0, "k0")], &[(0, "k1"), (1, "y")]] }];

/// Everywhere what was paid was due; at k2 everybody has two seats.
const IMPLIED: &[Implied] = &[
    Implied { at: None, measure: 2, sum_of: &[(1, 1)] },
    Implied { at: Some((0, "k2")), measure: 3, sum_of: &[(0, 2)] },
];

fn specs(storage: Storage) -> Vec<CubeSpec> {
    let axis = Axis::years(2025, 2026);
    ["one", "two"]
        .map(|name| CubeSpec {
            name,
            dimensions: &["where", "what"],
            measures: MEASURES,
            axis,
            storage,
            stands: STANDS,
            implied: IMPLIED,
        })
        .to_vec()
}

/// (cube, key, is level, from, length, weight), days around and outside the axis.
type Contribution = (usize, u8, bool, i32, i32, i64);

fn changes() -> impl Strategy<Value = Vec<Contribution>> {
    let weight = prop_oneof![6 => -3..4i64, 1 => Just(3_000_000_000), 1 => Just(-3_000_000_000), 1 => -(1i64 << 56)..1 << 56];
    prop::collection::vec((0..2usize, 0..4u8, any::<bool>(), -400..1200i32, -5..900i32, weight), 0..60)
}

fn apply(sink: &mut impl Sink, (cube, key, level, from, length, weight): Contribution) {
    let cell = sink.cell(cube, &[Code::new(&format!("k{key}")), Code::new("x")]);
    let from = Day::new_year(2025) + from;
    if level {
        sink.level(cell, if length % 5 == 0 { 3 } else { 0 }, from, from + length, weight);
    } else if length % 2 == 0 {
        sink.flow(cell, 1, from, weight);
    } else {
        sink.flow_each(cell, from, &[(1, weight), (2, -weight)]);
    }
}

fn timeline(storage: Storage, changes: &[Contribution]) -> Timeline {
    let mut timeline = Timeline::new(&specs(storage));
    timeline.post(&mut postings(storage, changes));
    timeline
}

fn postings(storage: Storage, changes: &[Contribution]) -> Postings {
    let mut postings = Postings::new(&specs(storage));
    changes.iter().for_each(|change| apply(&mut postings, *change));
    postings
}

proptest! {
    #[test]
    fn any_order_any_parts_any_storage_give_the_same_digest(changes in changes(), cut in 0..60usize, back in any::<bool>()) {
        let digest = timeline(Storage::Dense, &changes).digest();
        let (mut left, mut right) = (changes[..cut.min(changes.len())].to_vec(), changes[cut.min(changes.len())..].to_vec());
        left.reverse();
        if back { std::mem::swap(&mut left, &mut right); }
        let mut sum = timeline(Storage::Sparse, &left);
        sum.merge(&timeline(Storage::Sparse, &right));
        prop_assert_eq!(sum.digest(), digest);
    }

    #[test]
    fn what_is_taken_out_leaves_nothing(changes in changes(), others in changes()) {
        let digest = timeline(Storage::Dense, &others).digest();
        let mut sum = timeline(Storage::Dense, &others);
        sum.settle();
        let mut more = postings(Storage::Dense, &changes);
        sum.post(&mut more);
        changes.iter().for_each(|change| apply(&mut Negated(&mut more), *change));
        sum.post(&mut more);
        prop_assert_eq!(sum.digest(), digest);
    }

    #[test]
    fn what_is_exchanged_leaves_what_was_put_in(before in changes(), at in 0..60usize, after in changes(), others in changes()) {
        // Most of what is taken out comes back, as it is for a person that changed.
        let mut after_all = before.clone();
        after_all.splice(at.min(before.len()).., after);
        for storage in [Storage::Dense, Storage::Sparse] {
            let mut sum = timeline(storage, &before);
            let mut exchanged = postings(storage, &[]);
            let mut taking_out = exchanged.taking_out();
            before.iter().for_each(|change| apply(&mut taking_out, *change));
            let mut putting_back = exchanged.putting_back();
            after_all.iter().for_each(|change| apply(&mut putting_back, *change));
            exchanged.settle();
            others.iter().for_each(|change| apply(&mut exchanged, *change));
            sum.post(&mut exchanged);
            let expected: Vec<Contribution> = after_all.iter().chain(&others).copied().collect();
            prop_assert_eq!(sum.digest(), timeline(storage, &expected).digest());
        }
    }

    #[test]
    fn threads_that_share_a_timeline_give_what_one_gives(changes in changes(), cut in 0..60usize) {
        for storage in [Storage::Dense, Storage::Sparse] {
            let mut sum = Timeline::new(&specs(storage));
            let shared = sum.share();
            let parts = changes.split_at(cut.min(changes.len()));
            std::thread::scope(|scope| {
                for part in [parts.0, parts.1] {
                    let shared = &shared;
                    scope.spawn(move || shared.post(&mut postings(storage, part)));
                }
            });
            prop_assert_eq!(sum.digest(), timeline(storage, &changes).digest());
        }
    }

    #[test]
    fn a_clone_stays_as_it_was(changes in changes(), later in changes()) {
        let mut sum = timeline(Storage::Dense, &changes);
        let (clone, digest) = (sum.clone(), sum.digest());
        sum.post(&mut postings(Storage::Dense, &later));
        let all: Vec<Contribution> = changes.iter().chain(&later).copied().collect();
        prop_assert_eq!(sum.digest(), timeline(Storage::Dense, &all).digest());
        prop_assert_eq!(clone.digest(), digest);
        prop_assert!(clone.differences(&timeline(Storage::Dense, &changes)).is_empty());
    }

    #[test]
    fn a_point_a_timeline_and_its_anchors_agree(changes in changes(), on in -10..760i32, from in -10..760i32, length in 0..400i32) {
        let day = |offset: i32| Day::new_year(2025) + offset;
        let period = Period { on: day(on), from: day(from), to: day(from + length) };
        for storage in [Storage::Dense, Storage::Sparse] {
            let mut sums = timeline(storage, &changes);
            let mut point = Point::new(&specs(storage), period);
            changes.iter().for_each(|change| apply(&mut point, *change));
            for cube in 0..2 {
                let expected = point.rows(cube);
                prop_assert_eq!(&sums.rows(cube, period), &expected);
            }
            sums.settle();
            for cube in 0..2 {
                prop_assert_eq!(sums.rows(cube, period), point.rows(cube));
            }
        }
    }

    #[test]
    fn what_stands_for_others_and_what_follows_counts_where_it_is_meant(changes in changes(), on in -10..760i32, length in 0..400i32) {
        let on = Day::new_year(2025) + on;
        let (mut collector, specs) = (Collector::default(), specs(Storage::Dense));
        prop_assume!(specs[0].axis.slot(on).is_some());
        changes.iter().for_each(|change| apply(&mut collector, *change));
        let period = Period { on, from: on - length, to: on };
        let mut expected = std::collections::BTreeMap::new();
        for one in collector.into_sorted(&specs).iter().filter(|one| one.cube == 0) {
            let counts = if MEASURES[one.measure].is_level() {
                one.from <= on && on < one.until
            } else {
                specs[0].axis.contains(one.from) && one.from >= period.from && one.from <= period.to
            };
            let values = expected.entry(text_of(&one.key)).or_insert_with(|| vec![0; MEASURES.len()]);
            values[one.measure] += if counts { one.weight } else { 0 };
        }
        expected.retain(|_, values| values.iter().any(|value| *value != 0));
        prop_assert!(expected.keys().all(|key| key[0] != "k3"));
        let rows = timeline(Storage::Dense, &changes).rows(0, period);
        let rows: std::collections::BTreeMap<_, _> =
            rows.into_iter().map(|row| (text_of(&row.key), row.values)).collect();
        prop_assert_eq!(rows, expected);
    }

    #[test]
    fn bytes_read_back_as_they_were_and_damage_never_panics(changes in changes(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let sums = timeline(Storage::Dense, &changes);
        let mut bytes = Vec::new();
        sums.encode(&mut bytes);
        let read = Timeline::decode(&specs(Storage::Sparse), &bytes).unwrap();
        prop_assert_eq!(read.digest(), sums.digest());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = Timeline::decode(&specs(Storage::Dense), &bytes);
        let _ = Timeline::decode(&specs(Storage::Dense), &bytes[..at]);
    }
}

#[test]
fn a_timeline_of_other_cubes_is_refused() {
    let mut bytes = Vec::new();
    timeline(Storage::Dense, &[]).encode(&mut bytes);
    let mut other = specs(Storage::Dense);
    other[1].dimensions = &["where"];
    assert!(matches!(Timeline::decode(&other, &bytes), Err(crate::CodecError::OtherCubes(_))));
}
