//! What is summed.

use contract::Code;
use reference::Tier;
use timeline::{Axis, CubeSpec, Measure, Storage, Unit};

/// Referrals by sending and receiving facility.
pub const PAIR: usize = 0;
/// Referrals by the tiers of sender and receiver on the day of issue, and direction.
pub const TIER_PAIR: usize = 1;
/// Days from issue to arrival, and days open so far, by tiers.
pub const WAITING: usize = 2;
/// Visits by facility and how the patient came; by tier, as facilities were on the day, whoever reads adds them up.
pub const VISITS: usize = 3;
/// Inpatients by facility.
pub const INPATIENTS: usize = 4;

/// Measures of [`PAIR`] and [`TIER_PAIR`].
pub(crate) mod referral {
    pub(crate) const OPEN: usize = 0;
    pub(crate) const REFERRED: usize = 1;
    pub(crate) const BY_RECEIVER: usize = 2;
    pub(crate) const ARRIVED: usize = 3;
    pub(crate) const INFERRED: usize = 4;
    pub(crate) const ACCEPTED: usize = 5;
    pub(crate) const DECLINED: usize = 6;
    pub(crate) const CANCELLED: usize = 7;
    pub(crate) const EXPIRED: usize = 8;
    pub(crate) const RETURNED: usize = 9;
}

/// Measures of [`WAITING`].
pub(crate) mod waiting {
    pub(crate) const OPEN: usize = 0;
    pub(crate) const ARRIVED: usize = 1;
    pub(crate) const INFERRED: usize = 2;
}

/// Measures of [`VISITS`].
pub(crate) mod visits {
    pub(crate) const ALL: usize = 0;
    pub(crate) const INPATIENT: usize = 1;
    pub(crate) const UNBILLED: usize = 2;
}

/// Measures of [`INPATIENTS`].
pub(crate) mod inpatients {
    pub(crate) const PRESENT: usize = 0;
    pub(crate) const STALE: usize = 1;
    pub(crate) const ADMITTED: usize = 2;
    pub(crate) const DISCHARGED: usize = 3;
}

/// The days that are kept apart.
const AXIS: Axis = Axis::years(2024, 2028);

/// Directions, as the cubes write them.
pub const DIRECTIONS: [&str; 4] = ["up", "down", "level", "unknown"];

/// Days from issue to arrival, or open so far, by the first day of each cell.
pub const ARRIVAL_TIMES: [(i32, &str); 5] = [(0, "0"), (1, "1-2"), (3, "3-5"), (6, "6-10"), (11, "11+")];

const REFERRALS: &[Measure] = &[
    Measure::Level("open", Unit::Count),
    Measure::Flow("referred", Unit::Count),
    Measure::Flow("by_receiver", Unit::Count),
    Measure::Flow("arrived", Unit::Count),
    Measure::Flow("inferred", Unit::Count),
    Measure::Flow("accepted", Unit::Count),
    Measure::Flow("declined", Unit::Count),
    Measure::Flow("cancelled", Unit::Count),
    Measure::Flow("expired", Unit::Count),
    Measure::Flow("returned", Unit::Count),
];

/// The cubes.
pub const CUBES: &[CubeSpec] = &[
    CubeSpec {
        name: "pair",
        dimensions: &["from", "to"],
        measures: REFERRALS,
        axis: AXIS,
        storage: Storage::Sparse,
        stands: &[],
        implied: &[],
    },
    CubeSpec {
        name: "tiers",
        dimensions: &["from_tier", "to_tier", "direction"],
        measures: REFERRALS,
        axis: AXIS,
        storage: Storage::Dense,
        stands: &[],
        implied: &[],
    },
    CubeSpec {
        name: "waiting",
        dimensions: &["from_tier", "to_tier", "days"],
        measures: &[
            Measure::Level("open", Unit::Count),
            Measure::Flow("arrived", Unit::Count),
            Measure::Flow("inferred", Unit::Count),
        ],
        axis: AXIS,
        storage: Storage::Dense,
        stands: &[],
        implied: &[],
    },
    CubeSpec {
        name: "visits",
        dimensions: &["facility", "came"],
        measures: &[
            Measure::Flow("visits", Unit::Count),
            Measure::Flow("inpatient", Unit::Count),
            Measure::Flow("unbilled", Unit::Count),
        ],
        axis: AXIS,
        storage: Storage::Dense,
        stands: &[],
        implied: &[],
    },
    CubeSpec {
        name: "inpatients",
        dimensions: &["facility"],
        measures: &[
            Measure::Level("present", Unit::Count),
            Measure::Level("stale", Unit::Count),
            Measure::Flow("admitted", Unit::Count),
            Measure::Flow("discharged", Unit::Count),
        ],
        axis: AXIS,
        storage: Storage::Dense,
        stands: &[],
        implied: &[],
    },
];

pub(crate) fn direction(from: Option<Tier>, to: Option<Tier>) -> Code {
    let ranked = |tier: Option<Tier>| tier.filter(|tier| *tier != Tier::Unranked);
    Code::new(match ranked(from).zip(ranked(to)) {
        Some((from, to)) if from < to => DIRECTIONS[0],
        Some((from, to)) if from > to => DIRECTIONS[1],
        Some(_) => DIRECTIONS[2],
        None => DIRECTIONS[3],
    })
}

/// The cell of a number of days.
pub(crate) fn days_code(days: i32) -> Code {
    let at = ARRIVAL_TIMES.iter().rposition(|(first, _)| *first <= days).unwrap_or(0);
    Code::new(ARRIVAL_TIMES[at].1)
}
