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

impl Dimension {
    /// Finds what `name` means in `cube`.
    pub(crate) fn find(cube: &CubeSpec, name: &str) -> Result<Dimension, QueryError> {
        let own = |wanted: &str| cube.dimensions.iter().position(|dimension| *dimension == wanted);
        let first = |names: Names| cube.dimensions.iter().position(|dimension| names_of(dimension) == names);
        if let Some(at) = own(name) {
            return Ok(Dimension::Own(at));
        }
        let found = match name {
            "district" => first(Names::Commune)
                .map(Dimension::District)
                .or_else(|| first(Names::Facility).map(Dimension::FacilityDistrict)),
            "tier" => first(Names::Facility).map(Dimension::Tier),
            "from_tier" => own("from").map(Dimension::Tier),
            "to_tier" => own("to").map(Dimension::Tier),
            "from_district" => own("from").map(Dimension::FacilityDistrict),
            "to_district" => own("to").map(Dimension::FacilityDistrict),
            _ => None,
        };
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
        let new = |name: &&str| !cube.dimensions.contains(name) && Dimension::is_derived(cube, name);
        known.extend(derived.into_iter().filter(new));
        known.push(MONTH);
        known
    }

    fn is_derived(cube: &CubeSpec, name: &str) -> bool {
        let has = |names: Names| cube.dimensions.iter().any(|dimension| names_of(dimension) == names);
        match name {
            "district" => has(Names::Commune) || has(Names::Facility),
            "tier" => has(Names::Facility),
            "from_tier" | "from_district" => cube.dimensions.contains(&"from"),
            "to_tier" | "to_district" => cube.dimensions.contains(&"to"),
            _ => false,
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
