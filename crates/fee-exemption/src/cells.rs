//! What is summed.

use contract::{Code, Day};
use projection::{Span, UNKNOWN};
use timeline::{Axis, CubeSpec, Implied, Measure, Storage, Unit};

/// Insured people by where they in fact live, main group and its rate.
pub const COMMUNE: usize = 0;
/// Claims by facility and how the patient came; by tier, as facilities were on the day, whoever reads adds them up.
pub const FACILITY: usize = 1;
/// Claims by the facility's tier on the day and the group of the card shown.
pub const TIER_GROUP: usize = 2;

/// Measure of [`COMMUNE`]: insured people.
pub const INSURED: usize = 0;
/// Measure of [`COMMUNE`]: of them, exempt from copay by our reckoning.
pub const EXEMPT: usize = 1;
/// Measure of [`COMMUNE`]: of them, exempt by the payer's word.
pub const CONFIRMED: usize = 2;
/// Measure of [`COMMUNE`]: of them, by both.
pub const AGREED: usize = 3;

/// Measure of the cubes of claims: claims in force.
pub const CLAIMS: usize = 0;
/// Measure of the cubes of claims: cost within the scope of insurance.
pub const COVERED: usize = 1;
/// Measure of the cubes of claims: copay as charged.
pub const COPAY: usize = 2;
/// Measure of the cubes of claims: the fund's share as charged.
pub const FUND: usize = 3;
/// Measure of the cubes of claims: copay as policy asks for it.
pub const DUE: usize = 4;
/// Measure of the cubes of claims: claims whose copay is above what is due.
pub const OVERCHARGED: usize = 5;
/// Measure of the cubes of claims: by how much.
pub const OVERCHARGE: usize = 6;
/// Measure of the cubes of claims: claims whose copay is below what is due.
pub const UNDERCHARGED: usize = 7;
/// Measure of the cubes of claims: by how much.
pub const UNDERCHARGE: usize = 8;
/// Measure of the cubes of claims: the card pays all because the visit was cheap.
pub const LOW_COST: usize = 9;
/// Measure of the cubes of claims: the card pays all because of the annual exemption.
pub const EXEMPTED: usize = 10;
/// Measure of the cubes of claims: policy has no rate.
pub const UNPRICED: usize = 11;

/// The days that are kept apart.
const AXIS: Axis = Axis::years(2024, 2028);

/// The axis, as the interval it is.
pub(crate) const WINDOW: Span = Span { from: AXIS.first, until: Day(AXIS.horizon.0 + 1) };

const OF_CLAIMS: &[Measure] = &[
    Measure::Flow("claims", Unit::Count),
    Measure::Flow("covered", Unit::Money),
    Measure::Flow("copay", Unit::Money),
    Measure::Flow("fund", Unit::Money),
    Measure::Flow("due", Unit::Money),
    Measure::Flow("overcharged", Unit::Count),
    Measure::Flow("overcharge", Unit::Money),
    Measure::Flow("undercharged", Unit::Count),
    Measure::Flow("undercharge", Unit::Money),
    Measure::Flow("low_cost", Unit::Count),
    Measure::Flow("exempted", Unit::Count),
    Measure::Flow("unpriced", Unit::Count),
];

/// The fund pays what is covered and not copay, and what is due was charged; what differs is written.
const BY_CLAIMS: &[Implied] = &[
    Implied { at: None, measure: FUND, sum_of: &[(COVERED, 1), (COPAY, -1)] },
    Implied { at: None, measure: DUE, sum_of: &[(COPAY, 1)] },
];

/// The cubes.
pub const CUBES: &[CubeSpec] = &[
    CubeSpec {
        name: "commune",
        dimensions: &["commune", "group", "rate"],
        measures: &[
            Measure::Level("insured", Unit::Count),
            Measure::Level("exempt", Unit::Count),
            Measure::Level("confirmed", Unit::Count),
            Measure::Level("agreed", Unit::Count),
        ],
        axis: AXIS,
        storage: Storage::Dense,
        stands: &[],
        implied: &[],
    },
    CubeSpec {
        name: "facility",
        dimensions: &["facility", "came"],
        measures: OF_CLAIMS,
        axis: AXIS,
        storage: Storage::Dense,
        stands: &[],
        implied: BY_CLAIMS,
    },
    CubeSpec {
        name: "tier_group",
        dimensions: &["tier", "group"],
        measures: OF_CLAIMS,
        axis: AXIS,
        storage: Storage::Dense,
        stands: &[],
        implied: BY_CLAIMS,
    },
];

/// A rate as the cube writes it: `80%`; a broken one in full, as `47.5%`.
#[inline]
pub(crate) fn rate_code(rate: Option<u32>) -> Code {
    match rate {
        Some(10_000) => Code::new("100%"),
        Some(9_500) => Code::new("95%"),
        Some(8_000) => Code::new("80%"),
        Some(other) => Code::new(&policy::Percent(other).to_string()),
        None => Code::new(UNKNOWN),
    }
}
