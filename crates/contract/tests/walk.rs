//! The borrowed walk reads what prost reads, or nothing.

#[path = "support/agree.rs"]
mod agree;
#[path = "support/arbitrary.rs"]
mod arbitrary;

use arbitrary::{Tape, event};
use contract::{
    EventView, Kind, v1,
    wire::{Fields, WireFault},
};
use proptest::prelude::*;
use prost::Message;

fn kinds() -> impl Strategy<Value = Kind> {
    proptest::sample::select(Kind::ALL)
}

fn tapes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..1500)
}

/// One thing that happens to bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Flip { at: usize, mask: u8 },
    Cut { at: usize },
    Remove { at: usize, length: usize },
    Repeat { at: usize, length: usize },
    Insert { at: usize, bytes: Vec<u8> },
}

fn mutations() -> impl Strategy<Value = Mutation> {
    let at = || any::<usize>();
    prop_oneof![
        4 => (at(), 1..=255u8).prop_map(|(at, mask)| Mutation::Flip { at, mask }),
        1 => at().prop_map(|at| Mutation::Cut { at }),
        1 => (at(), 1..20usize).prop_map(|(at, length)| Mutation::Remove { at, length }),
        1 => (at(), 1..20usize).prop_map(|(at, length)| Mutation::Repeat { at, length }),
        1 => (at(), proptest::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Mutation::Insert { at, bytes }),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    match mutation {
        Mutation::Flip { at, mask } => bytes[at % length] ^= mask,
        Mutation::Cut { at } => bytes.truncate(at % length),
        Mutation::Remove { at, length: gone } => {
            let from = at % length;
            bytes.drain(from..(from + gone).min(length));
        }
        Mutation::Repeat { at, length: again } => {
            let from = at % length;
            let copy = bytes[from..(from + again).min(length)].to_vec();
            bytes.splice(from..from, copy);
        }
        Mutation::Insert { at, bytes: new } => {
            let from = at % length;
            bytes.splice(from..from, new.iter().copied());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn canonical_bytes_read_as_prost_reads_them(kind in kinds(), tape in tapes()) {
        let event = event(kind, &mut Tape(&tape));
        let bytes = event.encode_to_vec();
        let view = EventView::parse(&bytes).expect("canonical bytes are read");
        agree::check_equal(&view, &event);
        // A field of a newer version takes another path through the walk, to the same view.
        let envelope = v1::Event { body: None, ..event.clone() }.encode_to_vec();
        let body = v1::Event { body: event.body.clone(), ..Default::default() }.encode_to_vec();
        let newer = [&envelope[..], &[0xa0, 0x01, 5], &body].concat();
        prop_assert_eq!(EventView::parse(&newer), Ok(view));
        let mut fields = 0;
        for field in Fields::new(view.body) {
            field.expect("a canonical body is read");
            fields += 1;
        }
        prop_assert_eq!(fields == 0, view.body.is_empty());
        prop_assert_eq!(v1::Event::decode(&bytes[..]).expect("prost reads what it wrote"), event);
    }

    #[test]
    fn broken_bytes_are_never_read_differently(
        kind in kinds(),
        tape in tapes(),
        mutations in proptest::collection::vec(mutations(), 1..4),
    ) {
        let mut bytes = event(kind, &mut Tape(&tape)).encode_to_vec();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        agree::check(&bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in tapes()) {
        agree::check(&bytes);
        Fields::new(&bytes).for_each(drop);
    }
}

fn plain() -> v1::Event {
    event(Kind::PersonDied, &mut Tape(&[]))
}

#[test]
fn an_event_of_a_newer_version_says_so() {
    let mut event = plain();
    event.body = None;
    let mut bytes = event.encode_to_vec();
    assert_eq!(EventView::parse(&bytes).unwrap_err().fault, WireFault::Missing);
    bytes.extend([0xfa, 0x3f, 0]);
    let error = EventView::parse(&bytes).unwrap_err();
    assert_eq!((error.field, error.fault), (1023, WireFault::UnknownKind));
    assert_eq!(error.to_string(), "field 1023: an event kind of a newer version; upgrade to read it");
}

#[test]
fn an_unknown_plain_field_is_skipped() {
    let event = plain();
    let mut bytes = v1::Event { body: None, ..event.clone() }.encode_to_vec();
    bytes.extend([0xf8, 0x01, 5]);
    bytes.extend(v1::Event { body: event.body.clone(), ..Default::default() }.encode_to_vec());
    agree::check_equal(&EventView::parse(&bytes).unwrap(), &event);
}

#[test]
fn two_bodies_or_a_repeated_field_are_refused() {
    let bytes = plain().encode_to_vec();
    for more in [&[0xe2, 0x02, 0][..], &[0xea, 0x02, 0], &[0x0a, 0]] {
        let error = EventView::parse(&[&bytes[..], more].concat()).unwrap_err();
        assert_eq!(error.fault, WireFault::Order);
    }
}

#[test]
fn faults_name_the_field_of_the_envelope() {
    let fault = |change: fn(&mut v1::Event)| {
        let mut event = plain();
        change(&mut event);
        let error = EventView::parse(&event.encode_to_vec()).unwrap_err();
        (error.field, error.fault)
    };
    assert_eq!(fault(|event| event.subject = vec![1; 15]), (2, WireFault::NotSixteen));
    assert_eq!(fault(|event| event.event_id.clear()), (1, WireFault::Missing));
    assert_eq!(fault(|event| event.recorded_at = None), (8, WireFault::Missing));
    assert_eq!(fault(|event| event.subject_kind = 77), (3, WireFault::UnknownValue));
    assert_eq!(fault(|event| event.authority = -1), (19, WireFault::UnknownValue));
    assert_eq!(fault(|event| event.voids = Some(v1::EventReference::default())), (13, WireFault::Missing));
}
