//! Arbitrary messages, made from their descriptors: a field that is added to `proto/` is in every property test at once.

use contract::{Kind, Millis, descriptors, v1};
use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind as FieldKind, MessageDescriptor, ReflectMessage, Value,
};

/// Choices, read off a tape of bytes, so that proptest can shrink a message by shrinking its tape. Zeros past the end.
pub(crate) struct Tape<'a>(pub(crate) &'a [u8]);

impl Tape<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// A number of any length: most are short, as in life.
    pub(crate) fn number(&mut self) -> u64 {
        let bytes = [0; 8].map(|_: u8| self.byte());
        u64::from_le_bytes(bytes) >> (8 * self.below(9)).min(63)
    }

    fn sixteen(&mut self) -> Vec<u8> {
        (0..16).map(|_| self.byte()).collect()
    }

    fn text(&mut self) -> String {
        const LETTERS: [&str; 8] = ["0", "7", "A", "z", ".", " ", "ễ", "𠀋"];
        let length = self.below(24);
        (0..length).map(|_| LETTERS[self.below(8)]).collect()
    }
}

/// Any message of this type, well-formed on the wire, nonsense otherwise.
pub(crate) fn message(descriptor: &MessageDescriptor, tape: &mut Tape<'_>) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields().filter(|field| field.containing_oneof().is_none()) {
        if field.is_list() {
            let length = tape.below(4);
            message.set_field(&field, Value::List((0..length).map(|_| value(&field, tape)).collect()));
        } else if tape.below(8) < 6 {
            message.set_field(&field, value(&field, tape));
        }
    }
    message
}

/// Takes one field away, or sets it to nonsense, somewhere in a message. Of the bodies it changes the one that is there.
#[allow(dead_code, reason = "each test that takes this file in uses some of it")]
pub(crate) fn change(message: &mut DynamicMessage, tape: &mut Tape<'_>) {
    let fields: Vec<_> = message
        .descriptor()
        .fields()
        .filter(|field| field.containing_oneof().is_none() || message.has_field(field))
        .collect();
    if fields.is_empty() {
        return;
    }
    let field = &fields[tape.below(fields.len())];
    let is_body = field.containing_oneof().is_some();
    if (is_body || tape.below(4) > 0)
        && message.has_field(field)
        && let Some(inner) = message.get_field_mut(field).as_message_mut()
    {
        return change(inner, tape);
    }
    match tape.below(2) {
        _ if is_body => {}
        0 => message.clear_field(field),
        _ if field.is_list() => message.set_field(field, Value::List(vec![value(field, tape)])),
        _ => message.set_field(field, value(field, tape)),
    }
}

fn value(field: &FieldDescriptor, tape: &mut Tape<'_>) -> Value {
    match field.kind() {
        FieldKind::String => Value::String(tape.text()),
        FieldKind::Bytes => Value::Bytes(tape.sixteen().into()),
        FieldKind::Int64 => Value::I64(tape.number() as i64),
        FieldKind::Int32 => Value::I32(tape.number() as i32),
        FieldKind::Uint64 => Value::U64(tape.number()),
        FieldKind::Uint32 => Value::U32(tape.number() as u32),
        FieldKind::Bool => Value::Bool(tape.below(2) == 1),
        FieldKind::Enum(values) => {
            let values: Vec<_> = values.values().collect();
            Value::EnumNumber(values[tape.below(values.len())].number())
        }
        FieldKind::Message(inner) if inner.full_name() == "google.protobuf.Timestamp" => {
            let millis = Millis(tape.number() as i64 % Millis::MAX.0);
            Value::Message(millis.max(Millis::MIN).to_timestamp().into_dynamic())
        }
        FieldKind::Message(inner) => Value::Message(message(&inner, tape)),
        other => panic!("teach this function {other:?}"),
    }
}

trait IntoDynamic {
    fn into_dynamic(self) -> DynamicMessage;
}

impl IntoDynamic for prost_types::Timestamp {
    fn into_dynamic(self) -> DynamicMessage {
        let descriptor = descriptors().get_message_by_name("google.protobuf.Timestamp").expect("imported");
        DynamicMessage::decode(descriptor, &self.encode_to_vec()[..]).expect("just encoded")
    }
}

/// Any event of this kind that has what every event in the log has.
pub(crate) fn event(kind: Kind, tape: &mut Tape<'_>) -> v1::Event {
    let descriptor = descriptors().get_message_by_name("vertebra.v1.Event").expect("declared");
    let mut event = message(&descriptor, tape);
    let body = descriptor.get_field(kind.number()).expect("a kind is a field");
    event.set_field(&body, value(&body, tape));
    let mut event = v1::Event::decode(&event.encode_to_vec()[..]).expect("just encoded");
    event.event_id = tape.sixteen();
    event.subject = tape.sixteen();
    for reference in [&mut event.corrects, &mut event.voids].into_iter().flatten() {
        reference.event_id = tape.sixteen();
    }
    for time in [&mut event.asserted_at, &mut event.occurred_at, &mut event.recorded_at] {
        time.get_or_insert_default();
    }
    event
}
