//! The city's bytes: the contract's, the same however they are made, and about what a city of its size would send.

#![allow(clippy::unwrap_used, reason = "these are tests: a panic is how they fail")]

use std::collections::BTreeMap;

use contract::{
    Day, DeploymentKey, EventView, Kind, PersonKey, Subject, decode, encode, open_person, v1,
    v1::{Submission, event::Body},
};
use event_log::{EmbeddedLog, EventLog};
use simulator::{City, Commune, Config, Facility, Places, Summary, Tier, records, simulate, truth::Says};

fn places() -> Places {
    let commune = |code: &str, district: &str, population| Commune {
        code: code.into(),
        district: district.to_owned(),
        population,
    };
    let facility = |code: &str, district: &str, tier, has_beds, is_station| Facility {
        code: code.into(),
        district: district.to_owned(),
        tier,
        has_beds,
        is_station,
    };
    Places::new(
        vec![
            commune("00004", "001", 65_000),
            commune("00070", "002", 98_000),
            commune("00097", "003", 120_000),
        ],
        vec![
            facility("01101", "001", Tier::Initial, false, true),
            facility("01102", "001", Tier::Basic, true, false),
            facility("01201", "002", Tier::Initial, false, true),
            facility("01202", "002", Tier::Initial, false, false),
            facility("01301", "003", Tier::Basic, true, false),
            facility("01001", "001", Tier::Specialised, true, false),
            facility("01007", "003", Tier::Specialised, true, false),
        ],
    )
    .expect("there is everything in it")
}

fn deployment() -> DeploymentKey {
    DeploymentKey::new(&[5; 32])
}

fn write(config: Config, threads: usize) -> (Summary, BTreeMap<Subject, [u8; 32]>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::create(folder.path(), 8).unwrap();
    let city = City::new(config, places());
    let mut keys = BTreeMap::new();
    let mut sink = |subject: Subject, key: &[u8; 32]| {
        keys.insert(subject, *key);
    };
    let summary = simulate(&city, &deployment(), &log, threads, &mut sink, &mut |_| ()).unwrap();
    (summary, keys, folder)
}

#[test]
fn a_seed_gives_the_same_bytes_however_many_threads_write_them() {
    let (one, ..) = write(Config::new(7, 3000), 1);
    for threads in [2, 5] {
        let (many, ..) = write(Config::new(7, 3000), threads);
        assert_eq!(one, many);
    }
    let (other, ..) = write(Config::new(8, 3000), 2);
    assert_ne!(one.digest, other.digest);
    let (smaller, ..) = write(Config::new(7, 2999), 2);
    assert_ne!(one.digest, smaller.digest);
}

#[test]
fn the_log_holds_what_the_summary_says_in_the_order_it_was_recorded() {
    let (summary, keys, folder) = write(Config::new(3, 2000), 2);
    let log = EmbeddedLog::open(folder.path()).unwrap();
    let in_memory = records(&City::new(Config::new(3, 2000), places()), &deployment(), 8);
    let mut events = 0;
    for partition in 0..8 {
        let mut reader = log.reader(partition, 0).unwrap();
        let mut last = 0;
        let mut at = 0;
        while let Some(batch) = reader.next_batch(1 << 20).unwrap() {
            for record in batch {
                assert_eq!(record.bytes, in_memory[usize::from(partition)][at]);
                let view = EventView::parse(record.bytes).unwrap();
                assert_eq!(event_log::partition_of(&view.subject, 8), partition);
                assert!(keys.contains_key(&view.subject));
                assert!(view.recorded_at.0 >= last);
                last = view.recorded_at.0;
                at += 1;
                events += 1;
            }
        }
        assert_eq!(at, in_memory[usize::from(partition)].len());
    }
    assert_eq!(events, summary.events);
    assert_eq!(keys.len(), 2000);
}

#[test]
fn a_log_that_holds_something_is_refused() {
    let (_, _, folder) = write(Config::new(3, 10), 2);
    let log = EmbeddedLog::open(folder.path()).unwrap();
    let city = City::new(Config::new(3, 10), places());
    let error = simulate(&city, &deployment(), &log, 2, &mut |_, _| (), &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("empty log"), "{error}");
}

/// Every event of a city is canonical, valid, and named and sealed as intake would.
fn check_events(config: Config) {
    let key = deployment();
    let city = City::new(config, places());
    let mut keys = BTreeMap::new();
    let log = records(&city, &key, 4);
    {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::create(folder.path(), 4).unwrap();
        let mut sink = |subject: Subject, key: &[u8; 32]| {
            keys.insert(subject, *key);
        };
        simulate(&city, &key, &log, 1, &mut sink, &mut |_| ()).unwrap();
    }
    for bytes in log.iter().flatten() {
        let event = decode(bytes).unwrap();
        assert_eq!(encode(&event), *bytes, "not canonical: {event:?}");
        check_event(&key, &keys, event);
    }
}

fn check_event(key: &DeploymentKey, keys: &BTreeMap<Subject, [u8; 32]>, event: v1::Event) {
    let faults = contract::validate(&event);
    assert!(faults.is_empty(), "{faults:?} in {event:?}");
    if let Some(Body::CarriedEvent(carried)) = &event.body {
        return check_event(key, keys, decode(&carried.event).unwrap());
    }
    let id = contract::EventId(event.event_id[..].try_into().unwrap());
    let subject = Subject(event.subject[..].try_into().unwrap());
    let person = event.person.as_ref().map(|sealed| {
        let details = open_person(&PersonKey::new(&keys[&subject]), subject, id, sealed).unwrap();
        assert_eq!(key.subject_of(&details, &event.emitter, &event.record_key).0, subject);
        details
    });
    let registers = matches!(event.body, Some(Body::PersonRegistered(_) | Body::ClaimSubmitted(_)));
    assert_eq!(person.is_some(), registers);
    let asserted = event.asserted_at.as_ref().map(contract::Millis::from_timestamp);
    let submission = Submission { event: Some(event.clone()), person, restricted: None };
    let content_hash = key.content_hash(&submission);
    assert_eq!(event.content_hash, content_hash);
    assert_eq!(key.derive_event_id(&event.emitter, &event.record_key, asserted, &content_hash), id);
}

#[test]
fn every_event_of_a_city_is_the_contracts() {
    check_events(Config::new(11, 1500));
}

#[test]
fn every_event_of_an_adversarial_city_is_the_contracts() {
    check_events(Config::adversarial(11, 400));
}

#[test]
fn the_city_is_about_what_a_city_is() {
    let (summary, ..) = write(Config::new(1, 20_000), 2);
    let per_person = |kind: Kind| summary.by_kind.get(kind.name()).copied().unwrap_or(0) as f64 / 20_000.0;
    println!("{} bytes an event, {:?}", summary.mean_event_bytes(), summary.by_kind);
    assert!(summary.mean_event_bytes() >= 180, "{}", summary.mean_event_bytes());
    let events = summary.events as f64 / 20_000.0;
    assert!((6.6..7.4).contains(&events), "{events} events a person-year");
    let claims = per_person(Kind::ClaimSubmitted);
    assert!((1.9..2.6).contains(&claims), "{claims} claims a person-year");
    let issued = per_person(Kind::ReferralIssued) / claims;
    assert!((0.01..0.05).contains(&issued), "{issued} referrals a claim");
    assert!((0.28..0.5).contains(&per_person(Kind::CheckUpCompleted)));
    for kind in Kind::ALL.iter().filter(|kind| !ABSENT.contains(kind)) {
        assert!(per_person(*kind) > 0.0, "no {kind:?}");
    }

    // Coverage on a day in the middle of the year, from the truth; nothing here is corrected.
    let city = City::new(Config::new(1, 20_000), places());
    let day = Day::from_ymd(2026, 6, 30).unwrap();
    let (mut living, mut insured) = (0, 0);
    for index in 0..20_000 {
        let person = city.person(index);
        let born = |says: &Says| matches!(says, Says::Registered { born, .. } if *born <= day.0);
        let died = |says: &Says| matches!(says, Says::Died { on } if *on <= day.0);
        if !person.told.iter().any(|told| born(&told.says)) || person.told.iter().any(|told| died(&told.says))
        {
            continue;
        }
        living += 1;
        let ended = person
            .told
            .iter()
            .any(|told| matches!(told.says, Says::InsuranceEnded { on, .. } if on <= day.0));
        let card = person.told.iter().filter(|told| match &told.says {
            Says::Insured(card) => card.from <= day.0 && card.until.is_none_or(|until| day.0 <= until),
            _ => false,
        });
        insured += i32::from(card.count() > usize::from(ended));
    }
    let coverage = f64::from(insured) / f64::from(living) * 100.0;
    assert!((94.0..96.5).contains(&coverage), "{coverage} % insured of {living}");
}

/// A plausible city has one identity a person, and erases nobody.
const ABSENT: [Kind; 5] = [
    Kind::IdentityLinked,
    Kind::IdentityUnlinked,
    Kind::CarriedEvent,
    Kind::SubjectErased,
    Kind::HealthRecordClosed,
];
