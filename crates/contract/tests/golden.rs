//! Golden events: one of each kind at least, as JSON and as the bytes that every build, for ever, writes and reads.
//!
//! To add one: write `golden/<kind>.json`, or `golden/<kind>-<what is special>.json`, in the protobuf JSON form; then
//! `UPDATE_GOLDEN=1 cargo test -p contract --test golden` writes the `.hex` beside it. A `.hex` that is there is never
//! written again: when it no longer fits, what is in the logs no longer fits, and the change needs an upcast
//! (`contract::decode` says how).

#[path = "support/agree.rs"]
mod agree;

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use contract::{
    DeploymentKey, EventId, EventView, Kind, PersonKey, Subject, decode, encode, event_from_json,
    event_to_json, open_person, open_restricted, v1::event::Body, validate,
};
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Name to JSON, of every golden event.
fn golden() -> BTreeMap<String, String> {
    let files =
        fs::read_dir(folder()).expect("the folder is there").map(|entry| entry.expect("readable").path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("readable"))
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.as_bytes().chunks(120).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|char| char.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn bytes_of(name: &str) -> Vec<u8> {
    unhex(&fs::read_to_string(folder().join(format!("{name}.hex"))).expect("there: see the top of this file"))
}

#[test]
fn golden_events_are_written_and_read_to_the_byte() {
    for (name, json) in golden() {
        let event = event_from_json(json.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let bytes = encode(&event);
        let path = folder().join(format!("{name}.hex"));
        if env::var_os("UPDATE_GOLDEN").is_some() && !path.exists() {
            fs::write(&path, hex(&bytes)).expect("writable");
        }
        let expected = bytes_of(&name);
        assert_eq!(hex(&bytes), hex(&expected), "{name}: written differently");
        assert_eq!(decode(&expected).as_ref(), Ok(&event), "{name}: read differently");
        assert!(EventView::parse(&expected).is_ok(), "{name}: the walk does not read it");
        agree::check(&expected);
        let json: serde_json::Value = serde_json::from_str(&json).expect("read above");
        let again: serde_json::Value =
            serde_json::from_str(&event_to_json(&event).expect("times in range")).expect("JSON");
        assert_eq!(again, json, "{name}: shown differently");
        assert_eq!(validate(&event), [], "{name}: not valid");
    }
}

#[test]
fn every_kind_has_a_golden_event_with_every_field() {
    let golden = golden();
    for &kind in Kind::ALL {
        let json = golden.get(kind.name()).unwrap_or_else(|| panic!("{kind}: add golden/{kind}.json"));
        let event = event_from_json(json.as_bytes()).expect("read above");
        assert_eq!(Kind::of(event.body.as_ref().expect("a body")), kind);
        let message = contract::descriptors().get_message_by_name("vertebra.v1.Event").expect("declared");
        let event = DynamicMessage::decode(message, &bytes_of(kind.name())[..]).expect("an event");
        let body = event.get_field_by_number(kind.number()).expect("the body's field");
        unset(body.as_message().expect("a message"), kind.name());
    }
    for name in golden.keys() {
        let kind = name.split('-').next().unwrap_or_default();
        assert!(Kind::from_name(kind).is_some(), "{name}: not the name of a kind");
    }
}

#[test]
fn every_field_of_the_envelope_stands_in_some_golden_event() {
    let descriptor = contract::descriptors().get_message_by_name("vertebra.v1.Event").expect("declared");
    let events: Vec<_> = golden()
        .keys()
        .map(|name| DynamicMessage::decode(descriptor.clone(), &bytes_of(name)[..]).expect("an event"))
        .collect();
    for field in descriptor.fields() {
        assert!(events.iter().any(|event| event.has_field(&field)), "{}: in no golden event", field.name());
    }
}

/// Fails on a field that the golden event leaves out: its tag would not be pinned.
fn unset(message: &DynamicMessage, path: &str) {
    for field in message.descriptor().fields() {
        let path = format!("{path}.{}", field.name());
        assert!(message.has_field(&field), "{path}: set it in the golden event");
        match message.get_field(&field).as_ref() {
            Value::Message(inner) if inner.descriptor().full_name() != "google.protobuf.Timestamp" => {
                unset(inner, &path)
            }
            Value::List(list) => {
                list.iter().filter_map(Value::as_message).for_each(|inner| unset(inner, &path))
            }
            _ => {}
        }
    }
}

#[test]
fn sealed_fields_open_for_ever() {
    let person_key = PersonKey::new(&[7; 32]);
    let event = |name: &str| {
        let event = decode(&bytes_of(name)).expect("golden");
        let subject = Subject::try_from(&event.subject[..]).expect("16 bytes");
        let id = EventId::try_from(&event.event_id[..]).expect("16 bytes");
        (event, subject, id)
    };
    let (registered, subject, id) = event("person_registered");
    let person = open_person(&person_key, subject, id, &registered.person.expect("sealed")).expect("opens");
    assert_eq!(person.full_name, "Nguyễn Thị Thử");
    // The subject is that of the card inside, under the key the envelope names.
    let deployment = DeploymentKey::new(&[42; 32]);
    assert_eq!(deployment.subject_of(&person, &registered.emitter, &registered.record_key).0, subject);
    assert_eq!(registered.key_id, deployment.id());
    let (claim, subject, id) = event("claim_submitted");
    let restricted =
        open_restricted(&person_key, subject, id, &claim.restricted.expect("sealed")).expect("opens");
    assert_eq!(restricted.diagnoses, ["B20"]);
}

#[test]
fn the_carried_event_is_the_original_byte_for_byte() {
    let Some(Body::CarriedEvent(carried)) = decode(&bytes_of("carried_event")).expect("golden").body else {
        panic!("not a carried event")
    };
    assert_eq!(carried.event, bytes_of("insurance_granted-corrects"));
}
