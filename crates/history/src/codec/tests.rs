//! Facts of every kind read back as they were, and damage never panics.

use contract::{
    Code, Day, Kind,
    v1::{ReferralFormKind, ResidenceKind, Sex, SubjectKind},
};
use proptest::prelude::*;

use super::*;
use crate::body::{Claim, Segment, Transfer};

fn code() -> impl Strategy<Value = Code> {
    prop_oneof![
        Just(""),
        Just("01001"),
        Just("TE"),
        Just("8934567890123"),
        Just("a code far too long to keep")
    ]
    .prop_map(Code::new)
}

fn day() -> impl Strategy<Value = Day> {
    prop_oneof![Just(Day::MIN), Just(Day::MAX), (-30_000..60_000i32).prop_map(Day)]
}

fn some_day() -> impl Strategy<Value = Option<Day>> {
    prop::option::of((-30_000..60_000i32).prop_map(Day))
}

fn record() -> impl Strategy<Value = RecordHash> {
    (0..1u64 << 48).prop_map(RecordHash)
}

fn money() -> impl Strategy<Value = i64> {
    prop_oneof![-1_000i64..1_000, (-1i64 << 50)..(1i64 << 50), (0i64..1 << 40).prop_map(|dong| dong * 100)]
}

fn transfer() -> impl Strategy<Value = Transfer> {
    (any::<u64>(), code(), code()).prop_map(|(form, from, to)| Transfer { form, from, to })
}

fn body() -> impl Strategy<Value = (Kind, Body)> {
    let sex = prop_oneof![Just(Sex::Male), Just(Sex::Female), Just(Sex::Unspecified)];
    let shares = (money(), money(), money());
    prop_oneof![
        Just((Kind::HealthRecordOpened, Body::HealthRecordOpened)),
        Just((Kind::HealthRecordClosed, Body::HealthRecordClosed)),
        Just((Kind::SubjectErased, Body::SubjectErased)),
        Just((Kind::Retraction, Body::Retraction)),
        (some_day(), sex)
            .prop_map(|(birth, sex)| (Kind::PersonRegistered, Body::PersonRegistered { birth, sex })),
        (code(), day(), day()).prop_map(|(commune, from, until)| {
            (
                Kind::ResidenceChanged,
                Body::ResidenceChanged { kind: ResidenceKind::Actual, commune, from, until },
            )
        }),
        (code(), code(), day(), day(), code(), some_day(), code()).prop_map(
            |(group, rate_digit, from, until, primary, five_years, area)| {
                (
                    Kind::InsuranceGranted,
                    Body::InsuranceGranted { group, rate_digit, from, until, primary, five_years, area },
                )
            }
        ),
        (prop::option::of(record()), day())
            .prop_map(|(grant, on)| (Kind::InsuranceEnded, Body::InsuranceEnded { grant, on })),
        (code(), day(), day()).prop_map(|(group, from, until)| (
            Kind::EntitlementGranted,
            Body::EntitlementGranted { group, from, until }
        )),
        (prop::option::of(record()), code(), day()).prop_map(|(grant, group, on)| (
            Kind::EntitlementEnded,
            Body::EntitlementEnded { grant, group, on }
        )),
        (any::<u64>(), any::<bool>()).prop_map(|(link, away)| (
            Kind::IdentityLinked,
            Body::IdentityLinked { link: LinkHash(link), away }
        )),
        any::<u64>()
            .prop_map(|link| (Kind::IdentityUnlinked, Body::IdentityUnlinked { link: LinkHash(link) })),
        day().prop_map(|on| (Kind::PersonDied, Body::PersonDied { on })),
        (code(), code(), code(), code(), some_day()).prop_map(
            |(facility, programme, payer, class, follow_up)| {
                (
                    Kind::CheckUpCompleted,
                    Body::CheckUpCompleted { facility, programme, payer, class, follow_up },
                )
            }
        ),
        (code(), code()).prop_map(|(facility, care)| (Kind::CareGiven, Body::CareGiven { facility, care })),
        (transfer(), code(), some_day()).prop_map(|(transfer, reason, valid_until)| {
            let form_kind = ReferralFormKind::OneYear;
            (Kind::ReferralIssued, Body::ReferralIssued { transfer, reason, form_kind, valid_until })
        }),
        transfer().prop_map(|transfer| (Kind::ReferralAccepted, Body::ReferralAccepted(transfer))),
        transfer().prop_map(|transfer| (Kind::ReferralDeclined, Body::ReferralDeclined(transfer))),
        transfer().prop_map(|transfer| (Kind::ReferralArrived, Body::ReferralArrived(transfer))),
        transfer().prop_map(|transfer| (Kind::ReferralReturned, Body::ReferralReturned(transfer))),
        transfer().prop_map(|transfer| (Kind::ReferralCancelled, Body::ReferralCancelled(transfer))),
        (code(), code(), code(), some_day()).prop_map(|(facility, visit_type, route, admitted)| {
            (Kind::VisitOpened, Body::VisitOpened { facility, visit_type, route, admitted })
        }),
        (
            (code(), code(), code(), code()),
            day(),
            some_day(),
            day(),
            some_day(),
            any::<u32>(),
            shares,
            0..3u32
        )
            .prop_map(
                |(
                    (facility, visit_type, route, group),
                    started,
                    admitted,
                    ended,
                    exempt_from,
                    charged_rate,
                    (covered, copay, fund),
                    segments,
                )| {
                    let rate_digit = group;
                    (
                        Kind::ClaimSubmitted,
                        Body::ClaimSubmitted(Claim {
                            facility,
                            visit_type,
                            route,
                            started,
                            admitted,
                            ended,
                            group,
                            rate_digit,
                            charged_rate,
                            covered,
                            copay,
                            fund,
                            exempt_from,
                            segments: (0, segments),
                        }),
                    )
                }
            ),
        (record(), money(), money()).prop_map(|(claim, approved, refused)| (
            Kind::ClaimAdjudicated,
            Body::ClaimAdjudicated { claim, approved, refused }
        )),
        (record(), money(), some_day())
            .prop_map(|(claim, amount, on)| (Kind::ClaimPaid, Body::ClaimPaid { claim, amount, on })),
        (any::<u32>(), money()).prop_map(|(year, copay)| (
            Kind::CopayBalanceReported,
            Body::CopayBalanceReported { year, copay }
        )),
        (any::<u32>(), some_day())
            .prop_map(|(year, from)| (Kind::ExemptionConfirmed, Body::ExemptionConfirmed { year, from })),
    ]
}

fn fact() -> impl Strategy<Value = (Fact, Vec<Segment>, Vec<LinkHash>)> {
    let time = || {
        prop_oneof![
            -4_000_000_000_000i64..8_000_000_000_000,
            (-30_000i64..60_000).prop_map(|days| days * DAY_MS - 25_200_000),
            (0i64..30_000_000).prop_map(|minutes| minutes * MINUTE_MS)
        ]
    };
    let head = (time(), time(), time(), any::<u64>(), record(), any::<u64>(), code());
    let more = (
        prop::option::of(any::<u64>()),
        prop::option::of(any::<u64>()),
        any::<bool>(),
        any::<bool>(),
        prop_oneof![Just(0), any::<u64>()],
    );
    let segment = (code(), money(), money(), money()).prop_map(|(group, covered, copay, fund)| Segment {
        group,
        rate_digit: group,
        charged_rate: 8000,
        year: 2026,
        covered,
        copay,
        fund,
    });
    let path = prop::collection::vec(any::<u64>().prop_map(LinkHash), 0..3);
    (head, more, body(), prop::collection::vec(segment, 3), path).prop_map(
        |(
            (occurred, asserted, recorded, id, record, offset, emitter),
            (corrects, voids, withdrawn, by_operator, content),
            (kind, body),
            segments,
            path,
        )| {
            let fact = Fact {
                occurred: Millis(occurred),
                asserted: Millis(asserted),
                recorded: Millis(recorded),
                id: IdHash(id),
                kind,
                record,
                offset,
                content,
                emitter,
                corrects: corrects.map(IdHash),
                voids: voids.map(IdHash),
                withdrawn,
                by_operator,
                path: 0,
                body,
            };
            (fact, segments, path)
        },
    )
}

proptest! {
    #[test]
    fn facts_read_back_as_they_were(facts in prop::collection::vec(fact(), 1..12), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut history = History::new();
        history.set_kind(SubjectKind::Passport);
        for (mut fact, segments, path) in facts {
            if !path.is_empty() {
                fact.path = history.intern_path(path.into_boxed_slice());
            }
            if let Body::ClaimSubmitted(claim) = &mut fact.body {
                claim.segments.0 = history.segments.len() as u32;
                history.segments.extend_from_slice(&segments[..claim.segments.1 as usize]);
            }
            history.facts.push(fact);
        }
        let (mut dictionary, mut bytes) = (Dictionary::default(), Vec::new());
        for at in 0..history.facts.len() {
            history.encode(at, &mut dictionary, &mut bytes);
        }
        let mut read = History::new();
        let mut rest = bytes.as_slice();
        for _ in 0..history.facts.len() {
            read.decode(&mut rest, dictionary.codes()).unwrap();
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(&read.facts, &history.facts);
        prop_assert_eq!(&read.segments, &history.segments);
        prop_assert_eq!(&read.paths, &history.paths);
        let until = at.get(&history.facts).offset;
        let mut before = History::new();
        let mut rest = bytes.as_slice();
        for _ in 0..history.facts.len() {
            before.decode_before(until, &mut rest, dictionary.codes()).unwrap();
        }
        prop_assert!(rest.is_empty());
        let early = |history: &History| -> Vec<Fact> {
            history.facts.iter().filter(|fact| fact.offset < until).copied().collect()
        };
        prop_assert_eq!(early(&before), early(&history));
        prop_assert_eq!(&before.segments, &history.segments);
        let is_bare = |fact: &&Fact| {
            let has_segments = matches!(fact.body, Body::ClaimSubmitted(claim) if claim.segments.1 > 0);
            let has_more = fact.corrects.is_some() || fact.voids.is_some() || fact.withdrawn || fact.by_operator;
            fact.offset >= until && !has_segments && !has_more && fact.content == 0 && fact.path == 0
        };
        prop_assert!(!before.facts.iter().any(|fact| is_bare(&fact)), "it is passed over");
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        for mut rest in [&bytes[..], &bytes[..at]] {
            let mut damaged = History::new();
            while !rest.is_empty() && damaged.decode(&mut rest, dictionary.codes()).is_ok() {}
        }
        for mut rest in [&bytes[..], &bytes[..at]] {
            let mut damaged = History::new();
            while !rest.is_empty() && damaged.decode_before(until, &mut rest, dictionary.codes()).is_ok() {}
        }
    }
}
