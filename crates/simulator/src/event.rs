//! One person's truth as events: ids, subjects, seals, bytes.

use contract::{
    DeploymentKey, EventContent, EventId, EventName, Millis, NamingScratch, PersonKey, Subject,
    seal_person_encoded,
    v1::{Identifier, IdentifierKind, PersonDetails, SubjectKind},
};

use crate::{
    City, Key, Short,
    dice::{Dice, mix},
    names,
    person::Traits,
    truth::{Moment, Person, Says, Told},
    wire::{self, Fields, LinkNames},
};

/// Field numbers of `Event`.
mod field {
    pub(super) const EVENT_ID: u32 = 1;
    pub(super) const SUBJECT: u32 = 2;
    pub(super) const SUBJECT_KIND: u32 = 3;
    pub(super) const EMITTER: u32 = 4;
    pub(super) const RECORD_KEY: u32 = 5;
    pub(super) const ASSERTED_AT: u32 = 6;
    pub(super) const OCCURRED_AT: u32 = 7;
    pub(super) const RECORDED_AT: u32 = 8;
    pub(super) const CORRECTS: u32 = 12;
    pub(super) const VOIDS: u32 = 13;
    pub(super) const KEY_ID: u32 = 14;
    pub(super) const CONTENT_HASH: u32 = 15;
    pub(super) const PERSON: u32 = 16;
    pub(super) const WITHDRAWAL: u32 = 18;
    pub(super) const AUTHORITY: u32 = 19;
}

/// Field numbers of `PersonDetails`.
mod details_field {
    pub(super) const FULL_NAME: u32 = 1;
    pub(super) const ADDRESS: u32 = 2;
    pub(super) const PHONE: u32 = 3;
    pub(super) const IDENTIFIERS: u32 = 4;
}

/// The kind of a carried event.
pub(crate) const CARRIED_EVENT: u32 = 42;

/// One identity of a person: what the log knows them by, and what is sealed for them.
pub(crate) struct Identity {
    pub(crate) subject: Subject,
    pub(crate) kind: SubjectKind,
    /// The 32 bytes behind `key`, for a key file.
    pub(crate) secret: [u8; 32],
    key: PersonKey,
    /// What a registration says of the person, encoded.
    full: Vec<u8>,
    /// What a claim says of the person, encoded.
    short: Vec<u8>,
}

/// Makes identities from a person's number: the strongest identifier that this person has.
pub(crate) fn strongest(index: u64) -> IdentifierKind {
    // By number and not by chance, so that which partition somebody belongs to is cheap to know.
    match mix(index) % 1000 {
        0..=964 => IdentifierKind::PersonalNumber,
        965..=994 => IdentifierKind::Card,
        _ => IdentifierKind::Passport,
    }
}

/// The one identifier that `identity` of the person stands on.
pub(crate) fn identifier(traits: &Traits, identity: u8) -> Identifier {
    let kinds =
        [strongest(traits.index), IdentifierKind::Card, IdentifierKind::Passport, IdentifierKind::Local];
    let kind = match identity {
        0 => kinds[0],
        // A second identity stands on a weaker kind, and the first may be one of those.
        _ => kinds[1..]
            .iter()
            .copied()
            .filter(|kind| *kind != kinds[0])
            .nth(usize::from(identity) - 1)
            .unwrap_or(IdentifierKind::Local),
    };
    let (value, facility) = match kind {
        IdentifierKind::PersonalNumber => (names::personal_number(traits), ""),
        IdentifierKind::Card => (names::social_insurance_number(traits.index), ""),
        IdentifierKind::Passport => (names::passport_number(traits.index), ""),
        _ => (names::local_number(traits.index), "01001"),
    };
    Identifier {
        kind: kind as i32,
        value: value.as_str().to_owned(),
        facility: facility.to_owned(),
        ..Identifier::default()
    }
}

/// The one record that an identity without any identifier comes from: its emitter and its key.
pub(crate) fn nameless_record(index: u64, identity: u8) -> (Short, Key) {
    let mut key = Key::new("N");
    key.push_number(index * 10 + u64::from(identity), 1);
    (Short::new("01001"), key)
}

impl Identity {
    fn new(
        city: &City,
        deployment: &DeploymentKey,
        traits: &Traits,
        identity: u8,
        is_named: bool,
    ) -> Identity {
        let identifier = is_named.then(|| identifier(traits, identity));
        let (subject, kind) = match &identifier {
            Some(identifier) => deployment
                .subject_of_identifier(identifier)
                .expect("the simulator makes identifiers of their kind's form"),
            None => {
                let (emitter, record_key) = nameless_record(traits.index, identity);
                let (subject, kind, _) =
                    deployment.subject_of(&PersonDetails::default(), emitter.as_str(), record_key.as_str());
                (subject, kind)
            }
        };
        let mut dice = city.details_dice(traits.index * 4 + u64::from(identity));
        let mut secret = [0; 32];
        for part in secret.chunks_exact_mut(8) {
            part.copy_from_slice(&dice.bits().to_le_bytes());
        }
        let mut full = Vec::with_capacity(160);
        let mut fields = Fields(&mut full);
        fields.message(details_field::FULL_NAME, |text| names::full_name(traits.male, &mut dice, text.0));
        let name_end = fields.0.len();
        fields.message(details_field::ADDRESS, |text| names::address(&mut dice, text.0));
        fields.bytes(details_field::PHONE, names::phone(&mut dice).as_bytes());
        let identifiers_start = fields.0.len();
        if let Some(identifier) = &identifier {
            fields.message(details_field::IDENTIFIERS, |fields| {
                fields.number(1, identifier.kind as u64);
                fields.bytes(2, identifier.value.as_bytes());
                fields.bytes(3, identifier.facility.as_bytes());
            });
        }
        let mut short = Vec::with_capacity(name_end + full.len() - identifiers_start);
        short.extend_from_slice(&full[..name_end]);
        short.extend_from_slice(&full[identifiers_start..]);
        Identity { subject, kind, secret, key: PersonKey::new(&secret), full, short }
    }
}

/// Turns truths into events. Keeps its memory from person to person.
pub(crate) struct Encoder<'a> {
    city: &'a City,
    deployment: &'a DeploymentKey,
    pub(crate) identities: Vec<Identity>,
    /// What each that was told is called, as far as that was asked.
    names: Vec<Option<EventName>>,
    /// What of it was submitted.
    parts: Vec<Option<Parts>>,
    /// Where the parts lie.
    content: Vec<u8>,
    /// Those that are named together.
    together: Vec<u32>,
    new_names: Vec<EventName>,
    scratch: NamingScratch,
}

/// Where the parts of a submission lie, encoded.
#[derive(Clone, Copy, Default)]
struct Parts {
    asserted: (usize, usize),
    occurred: (usize, usize),
    corrects: (usize, usize),
    voids: (usize, usize),
    withdrawal: (usize, usize),
    body: (usize, usize),
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(city: &'a City, deployment: &'a DeploymentKey) -> Encoder<'a> {
        Encoder {
            city,
            deployment,
            identities: Vec::new(),
            names: Vec::new(),
            parts: Vec::new(),
            content: Vec::new(),
            together: Vec::new(),
            new_names: Vec::new(),
            scratch: NamingScratch::default(),
        }
    }

    /// Turns to the next person.
    pub(crate) fn begin(&mut self, traits: &Traits, person: &Person) {
        self.identities.clear();
        for identity in 0..person.identities {
            let named = person.is_named(identity);
            self.identities.push(Identity::new(self.city, self.deployment, traits, identity, named));
        }
        self.content.clear();
        self.parts.clear();
        self.parts.resize(person.told.len(), None);
        self.names.clear();
        self.names.resize(person.told.len(), None);
    }

    /// Names all that is `wanted` and needs no other's name, together: that is faster.
    pub(crate) fn name_all(&mut self, person: &Person, wanted: impl Fn(&Told) -> bool) {
        self.together.clear();
        for (index, told) in (0..).zip(&person.told) {
            if told.copy_of.is_none() && told.takes_back.is_none() && wanted(told) {
                self.together.push(index);
            }
        }
        self.name_together(person);
    }

    /// Appends the event that `person.told[index]` is to `out`. `identity` is the one it is written for: the teller's, but for
    /// links, which are written for both ends.
    pub(crate) fn encode(&mut self, person: &Person, index: u32, identity: u8, out: &mut Vec<u8>) -> EventId {
        let named = self.name(person, index);
        let told = &person.told[index as usize];
        let parts = self.submission(person, index);
        let whose = &self.identities[usize::from(identity)];
        let part = |(start, end): (usize, usize)| &self.content[start..end];
        let mut fields = Fields(out);
        fields.bytes(field::EVENT_ID, &named.id.0);
        fields.bytes(field::SUBJECT, &whose.subject.0);
        fields.number(field::SUBJECT_KIND, whose.kind as u64);
        fields.bytes(field::EMITTER, told.emitter.as_bytes());
        fields.bytes(field::RECORD_KEY, told.record_key.as_bytes());
        fields.message(field::ASSERTED_AT, |fields| fields.0.extend_from_slice(part(parts.asserted)));
        fields.message(field::OCCURRED_AT, |fields| fields.0.extend_from_slice(part(parts.occurred)));
        fields.moment(field::RECORDED_AT, told.recorded_ms);
        fields.bytes(field::CORRECTS, part(parts.corrects));
        fields.bytes(field::VOIDS, part(parts.voids));
        fields.bytes(field::KEY_ID, self.deployment.id().as_bytes());
        fields.bytes(field::CONTENT_HASH, &named.content_hash);
        if let Some(details) = details(whose, &told.says) {
            fields.message(field::PERSON, |fields| {
                seal_person_encoded(&whose.key, whose.subject, named.id, details, fields.0);
            });
        }
        fields.bytes(field::WITHDRAWAL, part(parts.withdrawal));
        fields.number(field::AUTHORITY, if told.by_operator { 2 } else { 1 });
        fields.0.extend_from_slice(part(parts.body));
        named.id
    }

    /// The id of what was told as number `index`, and of what it refers to before it.
    pub(crate) fn name(&mut self, person: &Person, index: u32) -> EventName {
        if let Some(name) = self.names[index as usize] {
            return name;
        }
        let told = &person.told[index as usize];
        let name = match told.copy_of {
            Some(original) => self.name(person, original),
            None => {
                if let Some(back) = told.takes_back {
                    self.name(person, back.target);
                }
                self.together.clear();
                self.together.push(index);
                self.name_together(person);
                self.new_names[0]
            }
        };
        self.names[index as usize] = Some(name);
        name
    }

    /// Names those in `together`. What they refer to must have its name.
    fn name_together(&mut self, person: &Person) {
        for place in 0..self.together.len() {
            self.submission(person, self.together[place]);
        }
        let events = self.together.iter().map(|index| {
            let told = &person.told[*index as usize];
            let parts = self.parts[*index as usize].expect("its parts were just written");
            let part = |(start, end): (usize, usize)| &self.content[start..end];
            let part_of = |range: (usize, usize)| (range.1 > range.0).then(|| part(range));
            let content = EventContent {
                emitter: told.emitter.as_bytes(),
                record_key: told.record_key.as_bytes(),
                asserted_at: Some(part(parts.asserted)),
                occurred_at: Some(part(parts.occurred)),
                corrects: part_of(parts.corrects),
                voids: part_of(parts.voids),
                withdrawal: part_of(parts.withdrawal),
                body: part(parts.body),
                person: details(&self.identities[usize::from(told.identity)], &told.says),
                restricted: None,
            };
            (content, Millis(told.asserted_ms))
        });
        self.deployment.name_events(events, &mut self.scratch, &mut self.new_names);
        for (index, name) in self.together.iter().zip(&self.new_names) {
            self.names[*index as usize] = Some(*name);
        }
    }

    /// Where the parts of what was submitted lie. What it refers to must have its name.
    fn submission(&mut self, person: &Person, index: u32) -> Parts {
        if let Some(parts) = self.parts[index as usize] {
            return parts;
        }
        let told = &person.told[index as usize];
        let mut content = std::mem::take(&mut self.content);
        let mut parts = Parts::default();
        let mut fields = Fields(&mut content);
        let moment = |fields: &mut Fields<'_>, moment: Moment| {
            let start = fields.0.len();
            fields.number(1, moment.div_euclid(1000) as u64);
            fields.number(2, moment.rem_euclid(1000) as u64 * 1_000_000);
            (start, fields.0.len())
        };
        parts.asserted = moment(&mut fields, told.asserted_ms);
        parts.occurred = moment(&mut fields, told.occurred_ms);
        if let Some(back) = told.takes_back {
            let target = self.names[back.target as usize].expect("what is taken back was named first").id;
            let start = fields.0.len();
            fields.bytes(1, &target.0);
            fields.bytes(2, if back.instead { b"wrong entry" } else { b"entered by mistake" });
            let range = (start, fields.0.len());
            if back.instead { parts.corrects = range } else { parts.voids = range }
        }
        if told.withdraws {
            let start = fields.0.len();
            fields.bytes(1, b"request withdrawn");
            parts.withdrawal = (start, fields.0.len());
        }
        let start = fields.0.len();
        fields.message(wire::kind(&told.says), |fields| {
            wire::body(&told.says, fields, |link, from, to| LinkNames {
                id: link_id(person.index, link),
                from: self.identities[usize::from(from)].subject.0,
                to: self.identities[usize::from(to)].subject.0,
            });
        });
        parts.body = (start, fields.0.len());
        self.content = content;
        self.parts[index as usize] = Some(parts);
        parts
    }
}

/// What of the person goes with the event, encoded: with a registration everything, with a claim what the card says.
fn details<'a>(whose: &'a Identity, says: &Says) -> Option<&'a [u8]> {
    match says {
        Says::Registered { .. } => Some(&whose.full),
        Says::Claimed(_) => Some(&whose.short),
        _ => None,
    }
}

/// The id of a link of a person.
pub(crate) fn link_id(index: u64, link: u32) -> [u8; 16] {
    let mut dice = Dice::new(0x6c69_6e6b, index << 16 | u64::from(link));
    let mut id = [0; 16];
    id[..8].copy_from_slice(&dice.bits().to_le_bytes());
    id[8..].copy_from_slice(&dice.bits().to_le_bytes());
    id
}

/// An event of a linked-away identity, as it is appended again for another.
pub(crate) struct Carried<'a> {
    /// Ids of the links it came along, first hop first.
    pub(crate) path: &'a [[u8; 16]],
    pub(crate) origin_partition: u16,
    pub(crate) origin_offset: u64,
    /// The original event.
    pub(crate) event: &'a [u8],
    /// When it is appended again.
    pub(crate) recorded_ms: Moment,
}

impl Encoder<'_> {
    /// Appends to `out` the event that carries what `person.told[index]` says to `identity`.
    pub(crate) fn carry(
        &mut self,
        person: &Person,
        index: u32,
        identity: u8,
        carried: &Carried<'_>,
        out: &mut Vec<u8>,
    ) {
        let named = self.name(person, index);
        let told = &person.told[index as usize];
        let whose = &self.identities[usize::from(identity)];
        let mut fields = Fields(out);
        fields.bytes(field::EVENT_ID, &named.id.0);
        fields.bytes(field::SUBJECT, &whose.subject.0);
        fields.number(field::SUBJECT_KIND, whose.kind as u64);
        fields.bytes(field::EMITTER, told.emitter.as_bytes());
        fields.bytes(field::RECORD_KEY, told.record_key.as_bytes());
        fields.moment(field::ASSERTED_AT, told.asserted_ms);
        fields.moment(field::OCCURRED_AT, told.occurred_ms);
        fields.moment(field::RECORDED_AT, carried.recorded_ms);
        fields.bytes(field::KEY_ID, self.deployment.id().as_bytes());
        fields.bytes(field::CONTENT_HASH, &named.content_hash);
        fields.number(field::AUTHORITY, 1);
        fields.message(CARRIED_EVENT, |fields| {
            for link in carried.path {
                fields.bytes(1, link);
            }
            fields.number(2, u64::from(carried.origin_partition));
            fields.number(3, carried.origin_offset);
            fields.bytes(4, carried.event);
        });
    }
}
