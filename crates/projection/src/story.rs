//! Stories: people and what happened to them, one event a line, as tests tell them.
//!
//! ```text
//! p1  2026-03-02        referral-issued   form=77 from=01A to=01B
//! p1  2026-03-04T10:30  referral-arrived  form=77 from=01A at=01B   id=e2
//! p1  2026-03-05        retraction        voids=e2
//! ```
//!
//! A line is who, when it was true (in Hanoi; a bare day is its midnight), what happened, and words. A word `name=value`
//! sets the field of the event's body with that name, or the first whose name begins or ends with it (`form`:
//! `form_number`, `until`: `valid_until`), also in a message inside (`covered`: `totals.covered_cost`). Money is in đồng,
//! `80%` is 8000, `_` may part thousands; messages are written `group:HN,year:2026`. Words that are no field of the body are
//! of the envelope: `emitter`, `key`, `id`, `voids`, `corrects` (an `id`), `asserted`, `recorded` (when), `subject` (its
//! kind), `withdrawn`. What follows `#` is a remark.

use std::collections::BTreeMap;

use contract::{Day, EventId, EventView, Millis, Subject, v1};
use expect_test::Expect;
use history::{History, PersonView, Resolver};
use policy::Bundle;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value};
use timeline::Collector;

use crate::{ListRow, Projection, Standing};

/// People and their histories.
#[derive(Debug, Default)]
pub struct Story {
    people: BTreeMap<String, History>,
}

/// Tells `story` and expects what `P` makes of it, all people together, a line a contribution.
///
/// # Panics
/// When the story can't be read.
pub fn check<P: Projection>(bundle: &Bundle, story: &str, expected: &Expect) {
    expected.assert_eq(&Story::tell(story).figures::<P>(bundle, &[]));
}

/// As [`check`], of the cubes named in `cubes` alone.
///
/// # Panics
/// When the story can't be read.
pub fn check_cubes<P: Projection>(bundle: &Bundle, cubes: &[&str], story: &str, expected: &Expect) {
    expected.assert_eq(&Story::tell(story).figures::<P>(bundle, cubes));
}

/// Tells `story` and expects the rows of the list called `list` on a day, one a line.
///
/// # Panics
/// When the story can't be read, or `P` has no such list.
pub fn check_rows<P: Projection>(bundle: &Bundle, list: &str, on: &str, story: &str, expected: &Expect) {
    let number = P::LISTS.iter().position(|known| known.name == list).expect("a list of that name");
    let on = on.parse().expect("a day as YYYY-MM-DD");
    let mut text = String::new();
    Story::tell(story).each(|name, person| {
        let mut rows: Vec<ListRow> = Vec::new();
        P::rows(&Standing::default().read(*person, bundle), bundle, on, number, &mut rows);
        for row in rows {
            assert_eq!(row.values.len(), P::LISTS[number].columns.len(), "a value a column");
            text.push_str(&format!("{name}: {}\n", row.values.join(" | ")));
        }
    });
    expected.assert_eq(&text);
}

/// The bundle in the folders `reference/` and `policy/` of the repository.
///
/// # Panics
/// When it is broken.
#[must_use]
pub fn bundle() -> Bundle {
    edited(&[])
}

/// The repository's bundle with some words changed: of the file, the text before, the text after.
///
/// # Panics
/// When a file has no such text, or the bundle is broken.
#[must_use]
pub fn edited(edits: &[(&str, &str, &str)]) -> Bundle {
    let mut files = policy::testing::files();
    for (name, before, after) in edits {
        let file = files.get_mut(*name).unwrap_or_else(|| panic!("no file {name}"));
        let text = String::from_utf8_lossy(file).into_owned();
        assert!(text.contains(before), "{name} has no text {before}");
        *file = text.replace(before, after).into_bytes();
    }
    Bundle::parse(&files).unwrap_or_else(|faults| panic!("the bundle is broken: {faults:?}"))
}

impl Story {
    /// Reads a story.
    ///
    /// # Panics
    /// When a line can't be read, saying which and why.
    #[must_use]
    pub fn tell(text: &str) -> Story {
        let mut story = Story::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                let mut words = line.split_whitespace();
                let name = words.next().expect("the line is not empty");
                let event = read_line(name, number + 1, words);
                story.add(name, &event);
            }
        }
        for history in story.people.values_mut() {
            history.sort();
        }
        story
    }

    fn add(&mut self, name: &str, event: &v1::Event) {
        let bytes = contract::encode(event);
        let view = EventView::parse(&bytes).expect("what was encoded can be read");
        let history = self.people.entry(name.to_owned()).or_default();
        let offset = history.facts().len() as u64;
        history.push(&view, offset).expect("the story's event gives a fact");
    }

    /// Shows every person of the story, with the name the story gives, to `see`.
    pub fn each(&self, mut see: impl FnMut(&str, &PersonView<'_>)) {
        let mut resolver = Resolver::new();
        for (name, history) in &self.people {
            see(name, &resolver.view(history, None));
        }
    }

    /// What `P` makes of the story, a line a contribution; of the cubes named in `cubes` alone, if any is.
    #[must_use]
    pub fn figures<P: Projection>(&self, bundle: &Bundle, cubes: &[&str]) -> String {
        let mut collector = Collector::default();
        self.each(|_, person| P::project(&Standing::default().read(*person, bundle), bundle, &mut collector));
        let text = collector.render(P::CUBES);
        let wanted = |line: &&str| {
            cubes.is_empty() || line.split_once('[').is_some_and(|(cube, _)| cubes.contains(&cube))
        };
        text.lines().filter(wanted).map(|line| format!("{line}\n")).collect()
    }
}

fn read_line<'a>(name: &str, number: usize, mut words: impl Iterator<Item = &'a str>) -> v1::Event {
    let when = words.next().unwrap_or_else(|| panic!("line {number}: when did it happen?"));
    let what = words.next().unwrap_or_else(|| panic!("line {number}: what happened?")).replace('-', "_");
    let descriptor = contract::descriptors().get_message_by_name("vertebra.v1.Event").expect("it is there");
    let body =
        descriptor.get_field_by_name(&what).unwrap_or_else(|| panic!("line {number}: no event {what}"));
    let Kind::Message(message) = body.kind() else { panic!("line {number}: {what} is no event") };

    let occurred = moment(when, number);
    let mut envelope = v1::Event {
        event_id: id(&format!("line {number}")),
        subject: id(name),
        subject_kind: v1::SubjectKind::PersonalNumber.into(),
        emitter: "REG".to_owned(),
        asserted_at: Some(occurred.to_timestamp()),
        occurred_at: Some(occurred.to_timestamp()),
        recorded_at: Some(occurred.to_timestamp()),
        ..v1::Event::default()
    };
    let mut said = DynamicMessage::new(message);
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        if !set(&mut said, key, value, number) {
            set_envelope(&mut envelope, key, value, number);
        }
    }
    let mut event = DynamicMessage::new(descriptor);
    event.transcode_from(&envelope).expect("the same message");
    event.set_field(&body, Value::Message(said));
    event.transcode_to().expect("the same message")
}

fn set_envelope(event: &mut v1::Event, key: &str, value: &str, number: usize) {
    let reference = || Some(v1::EventReference { event_id: id(value), ..v1::EventReference::default() });
    match key {
        "emitter" => event.emitter = value.to_owned(),
        "key" => event.record_key = value.to_owned(),
        "id" => event.event_id = id(value),
        "voids" => event.voids = reference(),
        "corrects" => event.corrects = reference(),
        "asserted" => event.asserted_at = Some(moment(value, number).to_timestamp()),
        "recorded" => event.recorded_at = Some(moment(value, number).to_timestamp()),
        "withdrawn" => event.withdrawal = Some(v1::Withdrawal::default()),
        "subject" => {
            let name = format!("SUBJECT_KIND_{}", value.to_uppercase());
            let kind = v1::SubjectKind::from_str_name(&name);
            event.subject_kind = kind.unwrap_or_else(|| panic!("line {number}: no kind {value}")).into();
        }
        _ => panic!("line {number}: neither the event nor the envelope has a field {key}"),
    }
}

/// Sets the field of `message` that `key` means; false: there is none.
fn set(message: &mut DynamicMessage, key: &str, value: &str, number: usize) -> bool {
    let descriptor = message.descriptor();
    if let Some(field) = meant(&descriptor, key) {
        let value = read_value(&field, value, number);
        if field.is_list() {
            let list = message.get_field_mut(&field).as_list_mut().expect("a list");
            list.push(value);
        } else {
            message.set_field(&field, value);
        }
        return true;
    }
    let inside = descriptor.fields().filter(|field| {
        let plain = matches!(field.kind(), Kind::Message(kind) if kind.name() != "Timestamp");
        plain && !field.is_list()
    });
    for field in inside {
        let Kind::Message(kind) = field.kind() else { continue };
        if meant(&kind, key).is_some() {
            let inner = message.get_field_mut(&field).as_message_mut().expect("a message");
            return set(inner, key, value, number);
        }
    }
    false
}

/// The field called `key`, or the first whose name begins with it, or the first whose name ends with it.
fn meant(descriptor: &MessageDescriptor, key: &str) -> Option<FieldDescriptor> {
    let key = key.replace('-', "_");
    if let Some(field) = descriptor.get_field_by_name(&key) {
        return Some(field);
    }
    let first = |matches: &dyn Fn(&str) -> bool| descriptor.fields().find(|field| matches(field.name()));
    first(&|name| name.starts_with(&format!("{key}_")))
        .or_else(|| first(&|name| name.ends_with(&format!("_{key}"))))
}

fn read_value(field: &FieldDescriptor, text: &str, number: usize) -> Value {
    let bad = || -> ! { panic!("line {number}: {text} is no value of {}", field.name()) };
    let amount = || -> f64 {
        let (digits, factor) = text.strip_suffix('%').map_or((text, 1.0), |share| (share, 100.0));
        digits.replace('_', "").parse::<f64>().unwrap_or_else(|_| bad()) * factor
    };
    match field.kind() {
        Kind::String => Value::String(text.to_owned()),
        Kind::Bytes => Value::Bytes(id(text).into()),
        Kind::Uint32 => Value::U32(amount().round() as u32),
        // Every int64 of a body is money, in hundredths.
        Kind::Int64 => Value::I64((amount() * 100.0).round() as i64),
        Kind::Enum(kind) => {
            let ending = format!("_{}", text.to_uppercase().replace('-', "_"));
            let value = kind.values().find(|value| value.name().ends_with(&ending));
            Value::EnumNumber(value.unwrap_or_else(|| bad()).number())
        }
        Kind::Message(kind) if kind.name() == "Timestamp" => {
            let mut stamp = DynamicMessage::new(kind);
            stamp.transcode_from(&moment(text, number).to_timestamp()).expect("the same message");
            Value::Message(stamp)
        }
        Kind::Message(kind) => {
            let mut message = DynamicMessage::new(kind);
            for part in text.split(',') {
                let (key, value) = part.split_once(':').unwrap_or_else(|| bad());
                assert!(set(&mut message, key, value, number), "line {number}: no field {key}");
            }
            Value::Message(message)
        }
        _ => bad(),
    }
}

/// `2026-03-02` or `2026-03-02T08:30`, in Hanoi.
fn moment(text: &str, number: usize) -> Millis {
    let (day, time) = text.split_once('T').unwrap_or((text, "00:00"));
    let minutes = time
        .split_once(':')
        .and_then(|(hours, minutes)| Some(hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?));
    let day: Day = day.parse().unwrap_or_else(|_| panic!("line {number}: {text} is no day"));
    Millis(day.start().0 + minutes.unwrap_or_else(|| panic!("line {number}: {text} is no time")) * 60_000)
}

/// Sixteen bytes that stand for a name: of an event, a subject, a link.
fn id(name: &str) -> Vec<u8> {
    assert!(name.len() <= 15, "{name} is too long for an id");
    let mut bytes = vec![0; 16];
    bytes[1..=name.len()].copy_from_slice(name.as_bytes());
    debug_assert!(EventId::try_from(&bytes[..]).is_ok() && Subject::try_from(&bytes[..]).is_ok());
    bytes
}
