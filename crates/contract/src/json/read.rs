//! JSON into a message, by its descriptor, knowing at every moment in which field it is.

use std::{borrow::Cow, fmt};

use prost::Message;
use prost_reflect::{Cardinality, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::JsonError;

/// Reads one message and nothing after it.
pub(super) fn message(descriptor: MessageDescriptor, json: &[u8]) -> Result<DynamicMessage, JsonError> {
    let mut place = Place::default();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = Read { kind: &Kind::Message(descriptor), place: &mut place }.deserialize(&mut deserializer);
    let read = read.and_then(|value| deserializer.end().map(|()| value));
    match read {
        Ok(Some(Value::Message(message))) => Ok(message),
        Ok(_) => Err(place.error(0, 0)),
        Err(error) => Err(place.error(error.line(), error.column())),
    }
}

/// Where the reader is, and what it expected there.
#[derive(Default)]
struct Place {
    path: Vec<String>,
    /// Set by the innermost reader that knows better than "not JSON".
    expected: Option<String>,
}

impl Place {
    fn error(self, line: usize, column: usize) -> JsonError {
        let message = self.expected.unwrap_or_else(|| "not well-formed JSON in UTF-8".into());
        JsonError { line, column, field: self.path.join("."), message }
    }

    /// Fails here. The error carries no text: what serde would say quotes values.
    fn fail<E: Error>(&mut self, expected: impl Into<String>) -> E {
        self.expected.get_or_insert(expected.into());
        E::custom("")
    }
}

/// Reads one value of a kind; `None`: null.
struct Read<'a> {
    kind: &'a Kind,
    place: &'a mut Place,
}

impl<'de> DeserializeSeed<'de> for Read<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Read<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Value>, E> {
        match self.place.path.is_empty() {
            true => Err(self.place.fail(expected(self.kind))),
            false => Ok(None),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Option<Value>, E> {
        match self.kind {
            Kind::Bool => Ok(Some(Value::Bool(value))),
            _ => Err(self.place.fail(expected(self.kind))),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<Value>, E> {
        integer(self.kind, number.into()).map(Some).ok_or_else(|| self.place.fail(expected(self.kind)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<Value>, E> {
        integer(self.kind, number.into()).map(Some).ok_or_else(|| self.place.fail(expected(self.kind)))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Option<Value>, E> {
        Err(self.place.fail(expected(self.kind)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<Value>, E> {
        let value = match self.kind {
            Kind::String => Some(Value::String(text.to_owned())),
            Kind::Bytes => base64(text).map(|bytes| Value::Bytes(bytes.into())),
            Kind::Enum(names) => names.get_value_by_name(text).map(|value| Value::EnumNumber(value.number())),
            Kind::Message(descriptor) => timestamp(descriptor, text).map(Value::Message),
            kind => text.parse().ok().and_then(|number| integer(kind, number)),
        };
        value.map(Some).ok_or_else(|| self.place.fail(expected(self.kind)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Option<Value>, A::Error> {
        Err(self.place.fail(expected(self.kind)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Value>, A::Error> {
        let Read { kind, place } = self;
        let descriptor = match kind {
            Kind::Message(descriptor) if descriptor.full_name() != TIMESTAMP => descriptor,
            _ => return Err(place.fail(expected(kind))),
        };
        let mut message = DynamicMessage::new(descriptor.clone());
        let mut seen = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            let field =
                descriptor.get_field_by_json_name(&name).or_else(|| descriptor.get_field_by_name(&name));
            let Some(field) = field else {
                return Err(place.fail(unknown_field(&name, descriptor)));
            };
            place.path.push(match field.containing_oneof() {
                Some(oneof) => format!("{}.{}", oneof.name(), field.name()),
                None => field.name().to_owned(),
            });
            if seen.contains(&field.number()) {
                return Err(place.fail("comes twice; send it once"));
            }
            seen.push(field.number());
            let body = field.containing_oneof();
            if body.is_some_and(|body| body.fields().any(|other| message.has_field(&other))) {
                return Err(place.fail("comes beside another body; send one event for each"));
            }
            if let Some(value) = map.next_value_seed(ReadField { field: &field, place })? {
                message.set_field(&field, value);
            }
            place.path.pop();
        }
        Ok(Some(Value::Message(message)))
    }
}

/// Reads the value of a field: one, or a list.
struct ReadField<'a> {
    field: &'a FieldDescriptor,
    place: &'a mut Place,
}

impl<'de> DeserializeSeed<'de> for ReadField<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        let ReadField { field, place } = self;
        let kind = field.kind();
        if field.cardinality() == Cardinality::Repeated {
            deserializer.deserialize_any(ReadList { kind: &kind, place })
        } else {
            Read { kind: &kind, place }.deserialize(deserializer)
        }
    }
}

struct ReadList<'a> {
    kind: &'a Kind,
    place: &'a mut Place,
}

impl ReadList<'_> {
    fn no_list<E: Error>(self) -> Result<Option<Value>, E> {
        Err(self.place.fail(format!("expected a list; of each: {}", form_of(self.kind))))
    }
}

impl<'de> Visitor<'de> for ReadList<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Option<Value>, E> {
        self.no_list()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Option<Value>, E> {
        self.no_list()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Option<Value>, E> {
        self.no_list()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Option<Value>, E> {
        self.no_list()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Option<Value>, E> {
        self.no_list()
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Option<Value>, A::Error> {
        self.no_list()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<Value>, A::Error> {
        let ReadList { kind, place } = self;
        let list = place.path.pop().unwrap_or_default();
        let mut values = Vec::new();
        loop {
            place.path.push(format!("{list}[{}]", values.len()));
            match seq.next_element_seed(Read { kind, place })? {
                Some(Some(value)) => values.push(value),
                Some(None) => return Err(place.fail(expected(kind))),
                None => break,
            }
            place.path.pop();
        }
        place.path.pop();
        place.path.push(list);
        Ok(Some(Value::List(values)))
    }
}

/// A field's name. Anything else in its place is not JSON.
struct Name<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<'de>, D::Error> {
        <Cow<'de, str>>::deserialize(deserializer).map(Name)
    }
}

const TIMESTAMP: &str = "google.protobuf.Timestamp";

fn timestamp(descriptor: &MessageDescriptor, text: &str) -> Option<DynamicMessage> {
    if descriptor.full_name() != TIMESTAMP {
        return None;
    }
    // prost takes a bare day, and a time without its distance from UTC for one in UTC: seven hours off in Hanoi.
    let (_, clock) = text.split_once(['T', 't', ' '])?;
    if !clock.contains(['Z', 'z', '+', '-']) {
        return None;
    }
    let timestamp: prost_types::Timestamp = text.parse().ok()?;
    DynamicMessage::decode(descriptor.clone(), &timestamp.encode_to_vec()[..]).ok()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    // Standard or URL-safe, padded or not, as protobuf's JSON allows.
    let standard: String = text
        .trim_end_matches('=')
        .chars()
        .map(|char| match char {
            '-' => '+',
            '_' => '/',
            char => char,
        })
        .collect();
    base64::Engine::decode(&base64::prelude::BASE64_STANDARD_NO_PAD, standard).ok()
}

fn integer(kind: &Kind, number: i128) -> Option<Value> {
    match kind {
        Kind::Int64 => i64::try_from(number).ok().map(Value::I64),
        Kind::Int32 => i32::try_from(number).ok().map(Value::I32),
        Kind::Uint64 => u64::try_from(number).ok().map(Value::U64),
        Kind::Uint32 => u32::try_from(number).ok().map(Value::U32),
        Kind::Enum(_) => i32::try_from(number).ok().map(Value::EnumNumber),
        _ => None,
    }
}

fn expected(kind: &Kind) -> String {
    format!("expected {}", form_of(kind))
}

/// What a value of this kind looks like.
fn form_of(kind: &Kind) -> String {
    match kind {
        Kind::String => "a text in quotes".into(),
        Kind::Bytes => "bytes in base64".into(),
        Kind::Enum(names) => {
            let names: Vec<_> = names.values().map(|value| value.name().to_owned()).collect();
            format!("one of {}", names.join(", "))
        }
        Kind::Message(descriptor) if descriptor.full_name() == TIMESTAMP => {
            "a time as 2026-03-02T08:15:00.000+07:00".into()
        }
        Kind::Message(_) => "an object in braces".into(),
        Kind::Bool => "true or false".into(),
        Kind::Uint32 | Kind::Uint64 => "a whole number, not negative, that fits".into(),
        _ => "a whole number that fits".into(),
    }
}

/// Quotes the name only if it is one: a name typed into the wrong place is personal.
fn unknown_field(name: &str, descriptor: &MessageDescriptor) -> String {
    let letters = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_name =
        name.len() <= 40 && name.starts_with(|char: char| char.is_ascii_lowercase()) && letters(name);
    let name = if is_name { format!("field '{name}'") } else { "such field".into() };
    format!("{} has no {name}; correct or remove it", descriptor.name())
}
