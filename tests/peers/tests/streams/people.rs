//! People, what is told of them, and what they then count for, told by whoever made them up: nothing here reads an event.

use std::collections::BTreeMap;

use contract::{Day, Millis, Subject, encode, v1};
use event_log::{Append, EventLog, partition_of};
use peers::Counts;
use v1::event::Body;

/// The day that is counted.
pub(crate) const ON: &str = "2026-06-30";
const COMMUNES: u64 = 126;
const GROUPS: [&str; 4] = ["HN", "TE", "DN", "GD"];
const BATCH: usize = 4000;

/// What is said of a person: in the order in which it is said.
pub(crate) struct Life {
    pub(crate) subject: Subject,
    pub(crate) events: Vec<Vec<u8>>,
}

/// Person `number`; `moved`: they have moved since, which is one event more.
pub(crate) fn person(number: u64, moved: bool) -> Life {
    let luck = Luck::of(number);
    let subject = subject(number);
    let mut told = Telling { subject, number, events: Vec::new() };
    let at = |day: &str| day.parse::<Day>().expect("a day");
    let registered = v1::PersonRegistered { birth_date: "1980-02-03".into(), ..Default::default() };
    told.event(at("2025-12-01"), Body::PersonRegistered(registered));
    told.residence(v1::ResidenceKind::Permanent, luck.commune, "2020-01-01", "");
    if luck.in_100(0, 80) {
        told.event(at("2025-12-02"), Body::HealthRecordOpened(v1::HealthRecordOpened {}));
    }
    if let Some((group, until)) = luck.card() {
        let grant = v1::InsuranceGranted {
            group: group.into(),
            valid_from: "2026-01-01".into(),
            valid_until: until.into(),
            ..Default::default()
        };
        let key = told.event(at("2025-12-03"), Body::InsuranceGranted(grant));
        if luck.card_ends() {
            let ended =
                v1::InsuranceEnded { grant_record_key: key, ended_on: ON.into(), ..Default::default() };
            told.event(at("2026-06-01"), Body::InsuranceEnded(ended));
        }
    }
    let claims = 1 + number % 3;
    for claim in 0..claims {
        let day = at("2025-02-01").0 + (number % 20) as i32 + 10 * claim as i32;
        let claim = v1::ClaimSubmitted {
            facility: "01001".into(),
            visit_type: "01".into(),
            route_code: "1.1".into(),
            main_diagnosis: "J06".into(),
            ended_at: Some(noon(Day(day)).to_timestamp()),
            lines: vec![
                v1::ClaimLine { code: "40.123".into(), covered_cost: 1_200_000, ..Default::default() };
                2
            ],
            ..Default::default()
        };
        told.event(Day(day), Body::ClaimSubmitted(claim));
    }
    if let Some(day) = luck.check_up() {
        let check_up = v1::CheckUpCompleted { facility: "01002".into(), ..Default::default() };
        let key = told.event(at(day), Body::CheckUpCompleted(check_up));
        if luck.check_up_is_taken_back() {
            let taken_back = told.events.len() - 1;
            let id = told.id(taken_back).to_vec();
            told.event_with(at(day), Body::Retraction(v1::Retraction {}), |event| {
                event.voids = Some(v1::EventReference { event_id: id, reason: "mistake".into() });
            });
        } else if luck.check_up_is_withdrawn() {
            let check_up = v1::CheckUpCompleted { facility: "01002".into(), ..Default::default() };
            told.event_with(at(day), Body::CheckUpCompleted(check_up), |event| {
                event.record_key = key;
                event.withdrawal = Some(v1::Withdrawal { reason: "mistake".into() });
            });
        }
    }
    if luck.dies() {
        let died = v1::PersonDied { died_on: "2026-06-30".into() };
        told.event(at("2026-06-30"), Body::PersonDied(died));
    }
    if luck.copies() {
        told.events.push(told.events[told.events.len() - 1].clone());
    }
    if moved && luck.moves() {
        told.residence(v1::ResidenceKind::Actual, luck.commune + 1, "2026-05-01", "");
    }
    Life { subject, events: told.events }
}

/// What person `number` counts for on [`ON`]; the commune, and the group.
pub(crate) fn counted(number: u64, moved: bool) -> Option<((String, String), Counts)> {
    let luck = Luck::of(number);
    let commune = if moved && luck.moves() { luck.commune + 1 } else { luck.commune };
    let card = luck.card().filter(|(_, until)| *until != "2026-06-29" && !luck.card_ends());
    let check_up =
        luck.check_up().filter(|_| !luck.check_up_is_taken_back() && !luck.check_up_is_withdrawn());
    let record = luck.in_100(0, 80);
    let counts = Counts {
        people: 1,
        insured: card.is_some().into(),
        record: record.into(),
        // Of the check-ups one is a year and a day ago; all claims are older.
        managed: (record && check_up.is_some_and(|day| day > "2025-06-30")).into(),
        checked_up: check_up.is_some_and(|day| day >= "2026-01-01").into(),
    };
    let group = card.map_or("", |(group, _)| group);
    (!luck.dies()).then(|| ((commune_code(commune), group.to_owned()), counts))
}

/// The sum over people.
pub(crate) fn sums(people: impl Iterator<Item = (u64, bool)>) -> BTreeMap<(String, String), Counts> {
    let mut sums = BTreeMap::<_, Counts>::new();
    for (cell, counts) in people.filter_map(|(number, moved)| counted(number, moved)) {
        add(sums.entry(cell).or_default(), &counts);
    }
    sums
}

pub(crate) fn add(sum: &mut Counts, counts: &Counts) {
    sum.people += counts.people;
    sum.insured += counts.insured;
    sum.record += counts.record;
    sum.managed += counts.managed;
    sum.checked_up += counts.checked_up;
}

/// Writes what is told of people, first what is told first of each; how many events that are.
pub(crate) fn write(log: &dyn EventLog, people: &[Life]) -> u64 {
    let rounds = people.iter().map(|person| person.events.len()).max().unwrap_or(0);
    let mut written = 0;
    for round in 0..rounds {
        let partitions = log.partitions();
        let events = people.iter().filter_map(|person| Some((&person.subject, person.events.get(round)?)));
        let batch: Vec<Append<'_>> = events
            .map(|(subject, bytes)| Append {
                partition: partition_of(subject, partitions),
                key: &subject.0,
                bytes,
            })
            .collect();
        for batch in batch.chunks(BATCH) {
            written += log.append(batch).expect("the log takes events").len() as u64;
        }
    }
    written
}

fn subject(number: u64) -> Subject {
    let high = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut subject = [0; 16];
    subject[..8].copy_from_slice(&high.to_be_bytes());
    subject[8..].copy_from_slice(&(high.rotate_left(31) ^ number).to_be_bytes());
    Subject(subject)
}

fn commune_code(number: u64) -> String {
    format!("{:05}", 4 + number)
}

fn noon(day: Day) -> Millis {
    Millis(i64::from(day.0) * 86_400_000 + 5 * 3_600_000)
}

/// What a person is like.
struct Luck {
    dice: u64,
    commune: u64,
}

impl Luck {
    fn of(number: u64) -> Luck {
        let mut dice = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        dice = (dice ^ dice >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        dice = (dice ^ dice >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        dice ^= dice >> 31;
        Luck { dice, commune: dice % COMMUNES }
    }

    /// So many of a hundred, each time by another throw.
    fn in_100(&self, throw: u32, many: u64) -> bool {
        (self.dice >> (7 + 5 * throw)) % 100 < many
    }

    fn card(&self) -> Option<(&'static str, &'static str)> {
        let until = match (self.dice >> 20) % 4 {
            0 => "2026-06-29",
            1 => "2026-06-30",
            2 => "2026-12-31",
            _ => "",
        };
        self.in_100(1, 90).then_some((GROUPS[(self.dice >> 40) as usize % 4], until))
    }

    fn card_ends(&self) -> bool {
        self.in_100(2, 5)
    }

    fn check_up(&self) -> Option<&'static str> {
        let day = ["2025-06-30", "2025-07-01", "2025-12-31", "2026-01-01", "2026-06-30", "2026-07-01"];
        let day = day[(self.dice >> 45) as usize % 6];
        // What is after the day does not count on it, and is left out here.
        (self.in_100(3, 60) && day <= ON).then_some(day)
    }

    fn check_up_is_taken_back(&self) -> bool {
        self.in_100(4, 3)
    }

    fn check_up_is_withdrawn(&self) -> bool {
        self.in_100(5, 3)
    }

    fn dies(&self) -> bool {
        self.in_100(6, 2)
    }

    fn copies(&self) -> bool {
        self.in_100(7, 4)
    }

    fn moves(&self) -> bool {
        self.in_100(8, 30)
    }
}

/// A life as it is told.
struct Telling {
    subject: Subject,
    number: u64,
    events: Vec<Vec<u8>>,
}

impl Telling {
    fn residence(&mut self, kind: v1::ResidenceKind, commune: u64, from: &str, until: &str) {
        let mut residence = v1::ResidenceChanged {
            commune: commune_code(commune),
            province: "01".into(),
            valid_from: from.into(),
            valid_until: until.into(),
            ..Default::default()
        };
        residence.set_kind(kind);
        self.event(from.parse().expect("a day"), Body::ResidenceChanged(residence));
    }

    fn event(&mut self, on: Day, body: Body) -> String {
        self.event_with(on, body, |_| {})
    }

    /// Its record key.
    fn event_with(&mut self, on: Day, body: Body, change: impl FnOnce(&mut v1::Event)) -> String {
        let at = self.events.len();
        let record_key = format!("KT-{}-{at}", self.number);
        let mut event = v1::Event {
            event_id: self.id(at).to_vec(),
            subject: self.subject.0.to_vec(),
            emitter: "01001".into(),
            record_key: record_key.clone(),
            // Later than what was told before.
            asserted_at: Some(Millis(noon(on).0 + at as i64).to_timestamp()),
            occurred_at: Some(noon(on).to_timestamp()),
            recorded_at: Some(Millis(noon(on).0 + 1000 + at as i64).to_timestamp()),
            key_id: "k1".into(),
            content_hash: vec![7; 16],
            body: Some(body),
            // As long as what is sealed of a real one.
            person: Some(v1::Sealed { nonce: vec![1; 12], ciphertext: vec![2; 60] }),
            ..Default::default()
        };
        event.set_subject_kind(v1::SubjectKind::PersonalNumber);
        event.set_authority(v1::Authority::Emitter);
        change(&mut event);
        self.events.push(encode(&event));
        record_key
    }

    /// A UUID of version 8.
    fn id(&self, at: usize) -> [u8; 16] {
        let mut id = self.subject.0;
        id[15] = id[15].wrapping_add(1 + at as u8);
        id[14] ^= id[15];
        id[6] = id[6] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        id
    }
}
