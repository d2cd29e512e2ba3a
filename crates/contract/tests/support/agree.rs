//! The check that the walk reads what prost reads. The fuzz target uses it too, so it stands on its own.

use contract::{
    EventView, Kind, Millis, v1,
    wire::{Fields, Value},
};
use prost::Message;

/// Whatever the bytes: where the walk reads them, prost reads the same. What the walk leaves closed (sealed fields and
/// the body) may be broken inside; then prost must agree about the rest.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(view) = EventView::parse(bytes) else { return };
    let event = match v1::Event::decode(bytes) {
        Ok(event) => event,
        Err(_) => v1::Event::decode(&emptied(bytes)[..]).expect("prost refuses what the walk reads"),
    };
    check_equal(&view, &event);
}

/// The same event with what the walk leaves closed made empty.
fn emptied(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in Fields::new(bytes) {
        let (number, value) = field.expect("the walk has read it");
        let closed = matches!(number, 16 | 17 | 32..);
        let (wire_type, content): (u32, Vec<u8>) = match value {
            Value::Varint(number) => (0, varint(number)),
            Value::Fixed64(number) => (1, number.to_le_bytes().to_vec()),
            Value::Bytes(_) if closed => (2, varint(0)),
            Value::Bytes(bytes) => (2, [&varint(bytes.len() as u64)[..], bytes].concat()),
            Value::Fixed32(number) => (5, number.to_le_bytes().to_vec()),
        };
        out.extend(varint(u64::from(number << 3 | wire_type)));
        out.extend(content);
    }
    out
}

fn varint(number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_varint(number, &mut out);
    out
}

/// Every field of the view against prost's reading.
pub(crate) fn check_equal(view: &EventView<'_>, event: &v1::Event) {
    let millis = |time: &Option<prost_types::Timestamp>| {
        Millis::from_timestamp(time.as_ref().expect("the view has it"))
    };
    let referred = |reference: &Option<v1::EventReference>| {
        reference.as_ref().map(|reference| reference.event_id.clone())
    };
    assert_eq!(view.event_id.0[..], event.event_id);
    assert_eq!(view.subject.0[..], event.subject);
    assert_eq!(view.subject_kind as i32, event.subject_kind);
    assert_eq!(view.emitter.as_str(), event.emitter);
    assert_eq!(view.record_key.as_str(), event.record_key);
    assert_eq!(view.asserted_at, millis(&event.asserted_at));
    assert_eq!(view.occurred_at, millis(&event.occurred_at));
    assert_eq!(view.recorded_at, millis(&event.recorded_at));
    assert_eq!(view.emitter_sequence, event.emitter_sequence);
    assert_eq!(view.corrects.map(|id| id.0.to_vec()), referred(&event.corrects));
    assert_eq!(view.voids.map(|id| id.0.to_vec()), referred(&event.voids));
    assert_eq!(view.key_id.as_str(), event.key_id);
    let hash = if event.content_hash.is_empty() { &[0; 16] } else { &event.content_hash[..] };
    assert_eq!(&view.content_hash[..], hash);
    assert_eq!(view.withdrawn, event.withdrawal.is_some());
    assert_eq!(view.by_operator, event.authority() == v1::Authority::Operator);
    let body = event.body.as_ref().expect("the view has a body");
    assert_eq!(view.kind, Kind::of(body));
}
