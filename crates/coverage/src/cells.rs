//! What is summed.

use projection::Span;
use timeline::{Axis, CubeSpec, Implied, Measure, StandsFor, Storage, Unit};

/// People by basis, commune, age band and sex.
pub const COMMUNE: usize = 0;
/// People by commune and group, by where they in fact live.
pub const GROUP: usize = 1;
/// Insured people by the facility they are registered at, and its check-ups and contacts.
pub const FACILITY: usize = 2;

/// Measure of [`COMMUNE`] and [`GROUP`]: people; in [`GROUP`], those of the group.
pub const PEOPLE: usize = 0;
/// Measure of [`COMMUNE`] and [`GROUP`]: of them, insured.
pub const INSURED: usize = 1;
/// Measure of [`COMMUNE`] and [`GROUP`]: of them, with a record and a check-up or contact in the last months.
pub const MANAGED: usize = 2;
/// Measure of [`COMMUNE`] and [`GROUP`]: of them, checked up this calendar year.
pub const CHECKED_UP: usize = 3;
/// Measure of [`COMMUNE`]: of them, with an electronic record.
pub const RECORD: usize = 4;

/// Measure of [`FACILITY`]: insured people registered at it.
pub const REGISTERED: usize = 0;
/// Measure of [`FACILITY`]: check-ups it did; those of people without any identifier too.
pub const CHECK_UPS: usize = 1;
/// Measure of [`FACILITY`]: contacts with care, check-ups left out.
pub const CONTACTS: usize = 2;

/// The days that are kept apart.
pub(crate) const AXIS: Axis = Axis::years(2024, 2028);

/// The axis, as the interval it is.
pub(crate) const WINDOW: Span = Span { from: AXIS.first, until: contract::Day(AXIS.horizon.0 + 1) };

/// The bases, as the cube writes them, and what they are.
pub const BASES: [(&str, &str); 3] = [
    ("perm", "residents by permanent registration"),
    ("actual", "residents by where they in fact live"),
    ("insured", "insured people by where they in fact live"),
];

/// Stands for all three bases: insured where they live, and where they live is where they are registered.
pub(crate) const EVERY_BASIS: &str = "p+a+i";
/// Stands for both bases of residents: the same without a card.
pub(crate) const BOTH_RESIDENCES: &str = "p+a";
/// Stands for the bases of where they in fact live, of an insured person who is registered elsewhere.
pub(crate) const ACTUAL_INSURED: &str = "a+i";
/// Stands for a group as member and as main, and for any: the group that counts is this one.
pub(crate) const MEMBER_AND_MAIN: &str = "m+m";

/// Age bands in completed years, by their first; the bounds are ages the rules ask for (6, 18, 60, 75) and the middle of the
/// rest.
pub const AGE_BANDS: [(i32, &str); 6] =
    [(0, "0-5"), (6, "6-17"), (18, "18-39"), (40, "40-59"), (60, "60-74"), (75, "75+")];

const PERSONS: Unit = Unit::Count;

/// The cubes.
pub const CUBES: &[CubeSpec] = &[
    CubeSpec {
        name: "commune",
        dimensions: &["basis", "commune", "age", "sex"],
        measures: &[
            Measure::Level("people", PERSONS),
            Measure::Level("insured", PERSONS),
            Measure::Level("managed", PERSONS),
            Measure::Level("checked_up", PERSONS),
            Measure::Level("record", PERSONS),
        ],
        axis: AXIS,
        storage: Storage::Dense,
        stands: &[
            StandsFor {
                dimension: 0,
                code: EVERY_BASIS,
                cells: &[&[(0, "perm")], &[(0, "actual")], &[(0, "insured")]],
            },
            StandsFor { dimension: 0, code: BOTH_RESIDENCES, cells: &[&[(0, "perm")], &[(0, "actual")]] },
            StandsFor { dimension: 0, code: ACTUAL_INSURED, cells: &[&[(0, "actual")], &[(0, "insured")]] },
        ],
        // Of who counts as insured, everybody is.
        implied: &[
            Implied { at: Some((0, EVERY_BASIS)), measure: INSURED, sum_of: &[(PEOPLE, 1)] },
            Implied { at: Some((0, ACTUAL_INSURED)), measure: INSURED, sum_of: &[(PEOPLE, 1)] },
        ],
    },
    CubeSpec {
        name: "group",
        dimensions: &["commune", "as", "group"],
        measures: &[
            Measure::Level("people", PERSONS),
            Measure::Level("insured", PERSONS),
            Measure::Level("managed", PERSONS),
            Measure::Level("checked_up", PERSONS),
        ],
        axis: AXIS,
        storage: Storage::Dense,
        // Only main groups sum to any: who is in a main group is in any.
        stands: &[StandsFor {
            dimension: 1,
            code: MEMBER_AND_MAIN,
            cells: &[&[(1, "member")], &[(1, "main")], &[(1, "any"), (2, "")]],
        }],
        // Most are in a group by a card.
        implied: &[Implied { at: None, measure: INSURED, sum_of: &[(PEOPLE, 1)] }],
    },
    CubeSpec {
        name: "facility",
        dimensions: &["facility"],
        measures: &[
            Measure::Level("registered", PERSONS),
            Measure::Flow("check_ups", Unit::Count),
            Measure::Flow("contacts", Unit::Count),
        ],
        axis: AXIS,
        storage: Storage::Dense,
        stands: &[],
        implied: &[],
    },
];
