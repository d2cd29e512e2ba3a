//! What rows can be told apart by: the cube's own dimensions, and what the reference says about them.

use contract::{Code, Day};
use policy::Bundle;
use projection::UNKNOWN;
use timeline::{CubeSpec, Key};

use crate::{answer::Value, error::QueryError};

/// The name by which rows become a series of months.
pub(crate) const MONTH: &str = "month";

/// How a name is told from a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimension {
    /// The code at this place of the key.
    Own(usize),
    /// The old district of the commune at this place.
    District(usize),
    /// The old district of the facility at this place.
    FacilityDistrict(usize),
    /// The tier, on the day asked for, of the facility at this place.
    Tier(usize),
}

/// What the codes of a dimension name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Commune,
    Facility,
    Tier,
    Other,
}

fn names_of(dimension: &str) -> Names {
    match dimension {
        "commune" => Names::Commune,
        "facility" | "from" | "to" => Names::Facility,
        "tier" | "from_tier" | "to_tier" => Names::Tier,
        _ => Names::Other,
    }
}

/// Dimensions that hold one population in several ways: adding over them would count people twice.
pub(crate) const ALTERNATIVES: [&str; 2] = ["basis", "as"];

/// Every name by which rows of `cube` can be told apart: its own dimensions, what is told from one, and `month`.
#[must_use]
pub fn dimensions(cube: &CubeSpec) -> Vec<&'static str> {
    Dimension::known(cube)
}

/// The place of a cube's own dimension.
fn own(cube: &CubeSpec, name: &str) -> Option<usize> {
    cube.dimensions.iter().position(|dimension| *dimension == name)
}

impl Dimension {
    /// Finds what `name` means in `cube`.
    pub(crate) fn find(cube: &CubeSpec, name: &str) -> Result<Dimension, QueryError> {
        if name == MONTH {
            let what = "rows can be told apart by month, not left out by it: ask for a month by the first and last day of the period (--from, --to)";
            return Err(QueryError::Question(what.to_owned()));
        }
        let found = own(cube, name).map(Dimension::Own).or_else(|| Dimension::derived(cube, name));
        found.ok_or_else(|| {
            let known = Dimension::known(cube).join(", ");
            QueryError::Question(format!(
                "the cube {} cannot be told apart by {name}; it can by {known}",
                cube.name
            ))
        })
    }

    /// Every name that [`Dimension::find`] finds, and `month`.
    pub(crate) fn known(cube: &CubeSpec) -> Vec<&'static str> {
        let derived = ["district", "tier", "from_tier", "to_tier", "from_district", "to_district"];
        let mut known: Vec<&str> = cube.dimensions.to_vec();
        let new = |name: &&str| own(cube, name).is_none() && Dimension::derived(cube, name).is_some();
        known.extend(derived.into_iter().filter(new));
        known.push(MONTH);
        known
    }

    /// What is told from a dimension of the cube. A plain name is that of the one commune or facility a row is about: where
    /// there are two, the name says which.
    fn derived(cube: &CubeSpec, name: &str) -> Option<Dimension> {
        match name {
            "district" => own(cube, "commune")
                .map(Dimension::District)
                .or_else(|| own(cube, "facility").map(Dimension::FacilityDistrict)),
            "tier" => own(cube, "facility").map(Dimension::Tier),
            "from_tier" => own(cube, "from").map(Dimension::Tier),
            "to_tier" => own(cube, "to").map(Dimension::Tier),
            "from_district" => own(cube, "from").map(Dimension::FacilityDistrict),
            "to_district" => own(cube, "to").map(Dimension::FacilityDistrict),
            _ => None,
        }
    }

    /// Whether what it says of a key depends on the day.
    pub(crate) fn by_day(self) -> bool {
        matches!(self, Dimension::Tier(_))
    }

    /// Whether it is only about right, because communes straddle districts.
    pub(crate) fn approximate(self) -> bool {
        matches!(self, Dimension::District(_))
    }

    /// What it says of a key on a day.
    pub(crate) fn value(self, key: &Key, bundle: &Bundle, on: Day) -> String {
        let reference = &bundle.reference;
        let or_unknown =
            |code: Option<Code>| code.map_or_else(|| UNKNOWN.to_owned(), |code| code.to_string());
        match self {
            Dimension::Own(at) => key[at].to_string(),
            Dimension::District(at) => or_unknown(reference.district_of(key[at])),
            Dimension::FacilityDistrict(at) => {
                or_unknown(reference.facility(key[at]).and_then(|facility| facility.district))
            }
            Dimension::Tier(at) => projection::tier_code(projection::tier(key[at], on, bundle)).to_string(),
        }
    }

    /// The value as an answer shows it.
    pub(crate) fn shown(self, cube: &CubeSpec, value: &str, bundle: &Bundle) -> Value {
        let reference = &bundle.reference;
        let code = Code::new(value);
        let facility = || reference.facility(code).map(|facility| facility.name.clone());
        let listed = |list: &[(&str, &str)]| {
            list.iter().find(|(code, _)| *code == value).map(|(_, name)| (*name).to_owned())
        };
        let tier = || listed(&projection::TIERS);
        let district = || {
            let known = reference.districts().iter().find(|district| district.code == code);
            known.map(|district| district.name.clone())
        };
        let name = match self {
            Dimension::Own(at) => match names_of(cube.dimensions[at]) {
                Names::Commune => reference.commune(code).map(|commune| commune.name.clone()),
                Names::Facility => facility(),
                Names::Tier => tier(),
                Names::Other => match cube.dimensions[at] {
                    "basis" => listed(&coverage::BASES),
                    "came" => listed(&projection::CAME),
                    _ => None,
                },
            },
            Dimension::District(_) | Dimension::FacilityDistrict(_) => district(),
            Dimension::Tier(_) => tier(),
        };
        Value::Code { code: value.to_owned(), name }
    }
}
