use std::collections::BTreeSet;

use contract::{DeploymentKey, Subject};
use query::{Known, ListQuestion, PersonQuestion, QueryError, Standpoint, subjects_of};

use crate::city::{city, day, end_of};

fn question(subject: Subject, standpoint: Standpoint) -> PersonQuestion {
    PersonQuestion { subject, on: day("2026-09-30"), standpoint, skip: 0, limit: 2_000 }
}

fn latest() -> Standpoint {
    Standpoint { known: Known::Latest, bundle: None }
}

fn people() -> Vec<Subject> {
    let question = ListQuestion {
        list: "missing".to_owned(),
        on: day("2026-09-30"),
        standpoint: Standpoint::default(),
        filter: Vec::new(),
        limit: 10_000,
        after: None,
    };
    let page = city().desk().list(&question).unwrap();
    page.rows.iter().map(|row| Subject::from_hex(&row.subject).unwrap()).collect()
}

#[test]
fn a_history_says_of_every_fact_whether_it_counts() {
    let desk = city().desk();
    let mut standings = BTreeSet::new();
    let mut carried = 0;
    for subject in people().into_iter().take(150) {
        let answer = desk.person(&question(subject, latest())).unwrap();
        assert_eq!(answer.facts.len(), answer.facts_total);
        for fact in &answer.facts {
            assert_eq!(fact.by.is_some(), ["superseded", "taken_back"].contains(&fact.standing), "{fact:?}");
            assert_eq!(fact.event_id.len(), 32);
            standings.insert(fact.standing);
            carried += u32::from(fact.carried);
        }
        let explanation = answer.explanation.expect("who is on a list is not linked away");
        assert_eq!(explanation.on, "2026-09-30");
        for claim in &explanation.claims {
            assert!(answer.facts.iter().any(|fact| fact.event == claim.event && fact.standing == "in_force"));
        }
    }
    for standing in ["in_force", "copy", "superseded", "taken_back"] {
        assert!(standings.contains(standing), "{standing} is in an adversarial city: {standings:?}");
    }
    assert!(carried > 0, "some events came along links");
}

#[test]
fn known_at_shows_what_was_known_then_and_pages_are_parts_of_it() {
    let desk = city().desk();
    let standpoint = Standpoint::at(end_of("2026-05-31"));
    let mut fewer = 0;
    for subject in people().into_iter().take(40) {
        let now = desk.person(&question(subject, latest())).unwrap();
        let Ok(then) = desk.person(&question(subject, standpoint.clone())) else { continue };
        assert!(then.facts.iter().all(|fact| fact.recorded_at.as_str() < "2026-06-01T00:00:00.000+07:00"));
        assert!(then.facts_total <= now.facts_total);
        fewer += u32::from(then.facts_total < now.facts_total);
        let page = PersonQuestion { skip: 1, limit: 2, ..question(subject, latest()) };
        let page = desk.person(&page).unwrap();
        let offsets = |facts: &[query::FactLine]| facts.iter().map(|fact| fact.offset).collect::<Vec<_>>();
        assert_eq!(offsets(&page.facts), offsets(&now.facts[1..now.facts.len().min(3)]));
    }
    assert!(fewer > 0, "events came after");
}

#[test]
fn whoever_has_no_event_is_not_there() {
    let refused = city().desk().person(&question(Subject([1; 16]), latest()));
    assert!(matches!(refused, Err(QueryError::Refused(why)) if why.contains("no event about 0101")));
}

#[test]
fn a_number_is_looked_up_with_the_key_and_never_repeated() {
    let key = DeploymentKey::new(&[7; 32]);
    let subject = people()[0];
    assert_eq!(subjects_of(&subject.to_string(), "", None).unwrap(), vec![subject]);
    let first = |text: &str| subjects_of(text, "", Some(&key)).unwrap()[0];
    let personal =
        contract::v1::Identifier { kind: 1, value: "001085012345".to_owned(), ..Default::default() };
    assert_eq!(
        first("001 085 012 345"),
        key.subject_of_identifier(&personal).unwrap().0,
        "the strongest first"
    );
    assert_eq!(first("DN4010123456780"), first("0123456780"), "of a card the last ten digits count");
    let passport = |country: &str| subjects_of("C1234567", country, Some(&key)).unwrap();
    assert_eq!(passport(""), [first("c1234567")]);
    assert_ne!(passport("USA"), passport(""), "each country numbers its passports by itself");
    let without = subjects_of("001085012345", "", None).unwrap_err().to_string();
    let nonsense = subjects_of("what is this?", "", Some(&key)).unwrap_err().to_string();
    assert!(!without.contains("001085012345") && !nonsense.contains("what"));
}
