//! New events about people of the city: what comes after it was loaded.

use contract::{
    EventId, EventView, Kind, Millis, Subject,
    v1::{self, SubjectKind},
};
use event_log::{Append, EventLog, partition_of};

/// One in so many registered people is somebody an event may be about: millions, and no gigabyte of the bench's own.
const PEOPLE_STEP: u64 = 4;

/// Templates of events, and who they may be about.
pub(crate) struct Templates {
    events: Vec<v1::Event>,
    people: Vec<(Subject, SubjectKind)>,
    state: u64,
    recorded: Millis,
}

/// An event ready for the log.
pub(crate) struct Ready {
    partition: u16,
    subject: Subject,
    bytes: Vec<u8>,
}

impl Templates {
    /// Every so many-th claim, check-up and contact of the log, `count` of them, and of the people who were registered one in four.
    pub(crate) fn of(log: &dyn EventLog, count: usize) -> Templates {
        let (mut events, mut people) = (Vec::new(), Vec::new());
        let partitions = usize::from(log.partitions());
        let mut recorded = Millis(0);
        for partition in 0..log.partitions() {
            let mut reader = log.reader(partition, 0).unwrap();
            let wanted = (count / partitions).max(1);
            let end = log.ends().unwrap()[usize::from(partition)];
            let step = (end / wanted as u64 / 3).max(1);
            let mut taken = 0;
            while let Some(batch) = reader.next_batch(1 << 20).unwrap() {
                for record in batch.iter() {
                    let view = EventView::parse(record.bytes).unwrap();
                    if view.kind == Kind::PersonRegistered && record.offset % PEOPLE_STEP == 0 {
                        people.push((view.subject, view.subject_kind));
                    }
                    if record.offset % step != 0 {
                        continue;
                    }
                    let event = contract::decode(record.bytes).unwrap();
                    recorded =
                        recorded.max(event.recorded_at.as_ref().map_or(Millis(0), Millis::from_timestamp));
                    let kind = event.body.as_ref().map(Kind::of);
                    let wanted_kind =
                        matches!(kind, Some(Kind::ClaimSubmitted | Kind::CheckUpCompleted | Kind::CareGiven));
                    if wanted_kind && taken < wanted {
                        events.push(event);
                        taken += 1;
                    }
                }
            }
        }
        assert!(!events.is_empty() && !people.is_empty(), "the city has nobody, or no claims");
        Templates { events, people, state: 0x9e37_79b9_7f4a_7c15, recorded }
    }

    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// `count` new events, each about somebody at random: a visit like one that somebody had.
    pub(crate) fn batch(&mut self, count: usize, partitions: u16) -> Vec<Ready> {
        (0..count).map(|_| self.next(partitions)).collect()
    }

    fn next(&mut self, partitions: u16) -> Ready {
        let (one, two) = (self.random(), self.random());
        let mut id = EventId::default();
        id.0[..8].copy_from_slice(&one.to_le_bytes());
        id.0[8..].copy_from_slice(&two.to_le_bytes());
        // RFC 9562: version 8, variant 10.
        id.0[6] = id.0[6] & 0x0f | 0x80;
        id.0[8] = id.0[8] & 0x3f | 0x80;
        self.recorded.0 += 1;
        let recorded = self.recorded.to_timestamp();
        let at = one as usize % self.events.len();
        let (subject, kind) = self.people[two as usize % self.people.len()];
        let event = &mut self.events[at];
        event.event_id = id.0.to_vec();
        event.subject = subject.0.to_vec();
        event.subject_kind = kind.into();
        event.record_key = format!("{two:016x}");
        event.recorded_at = Some(recorded);
        Ready { partition: partition_of(&subject, partitions), subject, bytes: contract::encode(event) }
    }
}

/// As the log takes them.
pub(crate) fn appends(ready: &[Ready]) -> Vec<Append<'_>> {
    ready
        .iter()
        .map(|event| Append { partition: event.partition, key: &event.subject.0, bytes: &event.bytes })
        .collect()
}
