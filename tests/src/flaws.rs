//! Planted bugs: what a broken engine would make of a log. Every checker must notice every one of them.

use std::collections::{BTreeSet, HashSet};

use contract::{EventId, EventView, Kind, v1::SubjectKind};
use simulator::truth::Moment;

use crate::{
    engine::Log,
    oracle::{Question, Rows},
};

/// A bug in what counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// One event in so many is lost.
    LosesOneIn(usize),
    /// What takes the newest version back revives the one before it.
    RevivesTheOlder,
    /// A void is forgotten, so what it took back counts.
    ForgetsVoids,
    /// A withdrawal is not a version: what was withdrawn counts on.
    ForgetsWithdrawals,
    /// What is linked stays linked.
    ForgetsUnlinks,
    /// What is carried does not arrive.
    LosesWhatIsCarried,
    /// What becomes known a month late is thrown away.
    LosesWhatIsLate,
    /// What comes from no identifier does not count for the facility either.
    LosesWhatIsOfNobody,
    /// What comes from no identifier counts as a person.
    TakesNobodyForSomebody,
    /// Of several versions of a record the last that arrived counts, whenever it was made.
    TakesTheLastArrived,
    /// What arrives twice is two events, of two records.
    CountsCopies,
    /// What comes after so many records of a partition is lost.
    ForgetsAfter(usize),
    /// Two neighbours of a partition have each other's offset.
    SwapsOffsets,
}

impl Flaw {
    /// Those that figures of the truth don't have.
    pub const ALL: [Flaw; 12] = [
        Flaw::LosesOneIn(10_000),
        Flaw::RevivesTheOlder,
        Flaw::ForgetsVoids,
        Flaw::ForgetsWithdrawals,
        Flaw::ForgetsUnlinks,
        Flaw::LosesWhatIsCarried,
        Flaw::LosesWhatIsLate,
        Flaw::LosesWhatIsOfNobody,
        Flaw::TakesNobodyForSomebody,
        Flaw::TakesTheLastArrived,
        Flaw::CountsCopies,
        Flaw::SwapsOffsets,
    ];

    /// Those by which the order, the copies or the partitions of a log would matter.
    pub const OF_ORDER: [Flaw; 3] = [Flaw::TakesTheLastArrived, Flaw::CountsCopies, Flaw::ForgetsAfter(20)];

    /// Those by which a link or an unlink would not do what it says.
    pub const OF_LINKS: [Flaw; 2] = [Flaw::ForgetsUnlinks, Flaw::LosesWhatIsCarried];

    /// The log as an engine with this bug would see it.
    #[must_use]
    pub fn seen(self, log: &Log) -> Log {
        match self {
            Flaw::TakesTheLastArrived => return log.iter().map(|records| last_arrived(records)).collect(),
            Flaw::CountsCopies => return log.iter().map(|records| copies_apart(records)).collect(),
            Flaw::ForgetsAfter(many) => {
                return log.iter().map(|records| records.iter().take(many).cloned().collect()).collect();
            }
            Flaw::SwapsOffsets => {
                let mut swapped = log.clone();
                let pairs = swapped.iter_mut().flat_map(|records| records.chunks_exact_mut(2));
                pairs.for_each(|pair| pair.swap(0, 1));
                return swapped;
            }
            _ => {}
        }
        let taken_back: BTreeSet<EventId> =
            log.iter().flatten().filter_map(|record| view(record).voids.or(view(record).corrects)).collect();
        let month_ms = 30 * 86_400_000;
        let mut count = 0;
        let mut sees = |record: &Vec<u8>| {
            count += 1;
            let event = view(record);
            match self {
                Flaw::LosesOneIn(many) => count % many != many / 2,
                Flaw::RevivesTheOlder => !taken_back.contains(&event.event_id) && event.voids.is_none(),
                Flaw::ForgetsVoids => event.voids.is_none(),
                Flaw::ForgetsWithdrawals => !event.withdrawn,
                Flaw::ForgetsUnlinks => event.kind != Kind::IdentityUnlinked,
                Flaw::LosesWhatIsCarried => event.kind != Kind::CarriedEvent,
                Flaw::LosesWhatIsLate => event.recorded_at.0 - event.occurred_at.0 < month_ms,
                Flaw::LosesWhatIsOfNobody => event.subject_kind != SubjectKind::None,
                _ => true,
            }
        };
        let reads = |record: &Vec<u8>| match self {
            Flaw::TakesNobodyForSomebody => as_somebody(record),
            _ => record.clone(),
        };
        log.iter().map(|records| records.iter().filter(|record| sees(record)).map(reads).collect()).collect()
    }
}

/// Of each record of a subject the event that stands last.
fn last_arrived(records: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let record = |bytes: &[u8]| {
        let event = view(bytes);
        (event.subject, event.emitter.to_string(), event.record_key.to_string(), event.kind)
    };
    let mut seen = HashSet::new();
    let mut kept: Vec<Vec<u8>> =
        records.iter().rev().filter(|bytes| seen.insert(record(bytes))).cloned().collect();
    kept.reverse();
    kept
}

/// Every copy as an event of its own.
fn copies_apart(records: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut seen = HashSet::new();
    let apart = records.iter().zip(0u32..).map(|(bytes, number)| {
        let event = view(bytes);
        if seen.insert((event.subject, event.event_id)) {
            return bytes.clone();
        }
        let mut event = contract::decode(bytes).expect("the simulator writes events");
        event.event_id[..4].copy_from_slice(&number.to_be_bytes());
        event.record_key.push_str(&format!(" {number}"));
        contract::encode(&event)
    });
    apart.collect()
}

/// The record, about the same subject as if it came from a card.
fn as_somebody(record: &[u8]) -> Vec<u8> {
    if view(record).subject_kind != SubjectKind::None {
        return record.to_vec();
    }
    let mut event = contract::decode(record).expect("the simulator writes events");
    event.set_subject_kind(SubjectKind::Card);
    contract::encode(&event)
}

/// A bug in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFlaw {
    /// The list is that of so many days later.
    OfDaysLater(i32),
    /// What was not yet known is in it.
    KnowsTheFuture,
    /// A row is missing.
    LosesARow,
    /// A row is there twice.
    TellsARowTwice,
    /// Rows are another person's.
    NamesAnother,
    /// Rows rest on another event, if they rest on one.
    RestsOnAnother,
    /// A column is empty.
    Blanks(&'static str),
}

impl ListFlaw {
    /// Those of a list with these columns.
    pub fn of(columns: &'static [&'static str], rests_on_events: bool) -> Vec<ListFlaw> {
        let mut flaws = vec![
            ListFlaw::OfDaysLater(1),
            ListFlaw::OfDaysLater(-1),
            ListFlaw::KnowsTheFuture,
            ListFlaw::LosesARow,
            ListFlaw::TellsARowTwice,
            ListFlaw::NamesAnother,
        ];
        flaws.extend(rests_on_events.then_some(ListFlaw::RestsOnAnother));
        flaws.extend(columns.iter().map(|column| ListFlaw::Blanks(column)));
        flaws
    }

    /// What an engine with this bug is asked.
    #[must_use]
    pub fn asked(self, question: &Question) -> Question {
        match self {
            ListFlaw::OfDaysLater(days) => Question { on: question.on + days, ..*question },
            ListFlaw::KnowsTheFuture => Question { known_before: Moment::MAX, ..*question },
            _ => *question,
        }
    }

    /// What it answers, where a good one gives these rows.
    #[must_use]
    pub fn told(self, mut rows: Rows) -> Rows {
        match self {
            ListFlaw::OfDaysLater(_) | ListFlaw::KnowsTheFuture => rows,
            ListFlaw::LosesARow => {
                rows.pop_first();
                rows
            }
            ListFlaw::TellsARowTwice => {
                rows.first_entry().into_iter().for_each(|mut row| *row.get_mut() += 1);
                rows
            }
            ListFlaw::NamesAnother => with(rows, |row| row.replacen(' ', " 1", 1)),
            ListFlaw::RestsOnAnother => with(rows, |row| row.replace(" event=", " event=1")),
            ListFlaw::Blanks(column) => with(rows, |row| {
                let value = format!(" {column}=");
                let Some(at) = row.find(&value) else { return row.to_owned() };
                let rest = &row[at + value.len()..];
                let next = rest.find([' ']).unwrap_or(rest.len());
                format!("{}{value}{}", &row[..at], &rest[next..])
            }),
        }
    }
}

fn with(rows: Rows, change: impl Fn(&str) -> String) -> Rows {
    rows.into_iter().map(|(row, count)| (change(&row), count)).collect()
}

fn view(record: &[u8]) -> EventView<'_> {
    EventView::parse(record).expect("the simulator writes events")
}
