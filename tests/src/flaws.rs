//! Planted bugs: what a broken engine would make of a log. Every checker must notice every one of them.

use std::collections::BTreeSet;

use contract::{EventId, EventView, Kind};

use crate::engine::Log;

/// A bug.
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
}

impl Flaw {
    /// All of them.
    pub const ALL: [Flaw; 7] = [
        Flaw::LosesOneIn(10_000),
        Flaw::RevivesTheOlder,
        Flaw::ForgetsVoids,
        Flaw::ForgetsWithdrawals,
        Flaw::ForgetsUnlinks,
        Flaw::LosesWhatIsCarried,
        Flaw::LosesWhatIsLate,
    ];

    /// The log as an engine with this bug would see it.
    #[must_use]
    pub fn seen(self, log: &Log) -> Log {
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
            }
        };
        log.iter().map(|records| records.iter().filter(|record| sees(record)).cloned().collect()).collect()
    }
}

fn view(record: &[u8]) -> EventView<'_> {
    EventView::parse(record).expect("the simulator writes events")
}
