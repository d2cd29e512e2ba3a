//! What is written: every golden event, copies of one of them, and events of many other people.

use std::{fs, path::Path};

use contract::{EventId, Kind, Millis, Subject, decode, encode, event_from_json, v1::Event};

/// An event, and what a reader should find.
pub(crate) struct Expected {
    pub(crate) event: Event,
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) id: EventId,
    pub(crate) subject: Subject,
}

impl Expected {
    fn new(event: Event) -> Expected {
        let bytes = encode(&event);
        let kind = Kind::of(event.body.as_ref().expect("a body"));
        let id = EventId::try_from(&event.event_id[..]).expect("16 bytes");
        let subject = Subject::try_from(&event.subject[..]).expect("16 bytes");
        Expected { event, bytes, kind, id, subject }
    }

    /// The id as RFC 9562 writes it.
    pub(crate) fn uuid(&self) -> String {
        let digits = self.id.to_string();
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }

    /// The attributes of a CloudEvent, in the order in which they stand.
    pub(crate) fn headers(&self) -> [(&'static str, String); 6] {
        let occurred = Millis::from_timestamp(self.event.occurred_at.as_ref().expect("set"));
        [
            ("content-type", "application/protobuf".to_owned()),
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.uuid()),
            ("ce_source", format!("/emitters/{}", self.event.emitter)),
            ("ce_type", format!("vertebra.v1.{}", self.kind)),
            ("ce_time", occurred.to_string()),
        ]
    }
}

/// In the order in which they are appended.
pub(crate) fn all_events() -> Vec<Expected> {
    let golden = golden();
    let mut events: Vec<Event> = golden.clone();
    // Intake that cannot know whether its first try was stored sends again: one event may stand in the log more than once.
    events.extend([golden[0].clone(), golden[0].clone()]);
    // Several of each of many people, one after the other.
    for turn in 0..3u8 {
        for person in 0..100u8 {
            let mut event = golden[(usize::from(person) + usize::from(turn)) % golden.len()].clone();
            // As evenly as real ones, which are keyed hashes.
            event.subject = (0..16u8).map(|at| (person ^ at).wrapping_mul(167).wrapping_add(at)).collect();
            event.event_id[8..].fill(0x80 | person);
            event.event_id[9] = turn;
            events.push(event);
        }
    }
    events.into_iter().map(Expected::new).collect()
}

/// Kinds of which none is among `events`.
pub(crate) fn missing_kinds(events: &[Expected]) -> Vec<Kind> {
    Kind::ALL.iter().copied().filter(|kind| !events.iter().any(|event| event.kind == *kind)).collect()
}

/// The contract's golden events, by name.
fn golden() -> Vec<Event> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/contract/golden");
    let files = fs::read_dir(folder).expect("the contract's golden events");
    let mut files: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let events = files.iter().map(|file| {
        let event = event_from_json(&fs::read(file).expect("readable")).expect("a golden event");
        assert_eq!(decode(&encode(&event)).as_ref(), Ok(&event), "{}", file.display());
        event
    });
    events.collect()
}

#[test]
fn headers_are_as_the_guide_shows_them() {
    let event = all_events().into_iter().find(|event| event.kind == Kind::PersonRegistered).expect("golden");
    let shown = event.headers().map(|(name, value)| format!("{name}: {value}")).join("\n");
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/kafka.md");
    let guide = fs::read_to_string(guide).expect("the guide");
    assert!(guide.contains(&shown), "docs/guides/kafka.md does not show\n{shown}");
}
