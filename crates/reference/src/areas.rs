//! Communes and wards, and the old districts that most people still think in.

use contract::{Code, Day};
use rustc_hash::FxHashMap;

use crate::{BundleFault, CodeIndex, sheet::Sheet};

/// A ward or commune: the lower of the two tiers of administration since 2025-07-01.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commune {
    /// Five digits.
    pub code: Code,
    /// Name without `Phường` or `Xã`.
    pub name: String,
    /// Ward or commune.
    pub kind: CommuneKind,
    /// Area in hundredths of a square kilometre.
    pub area_km2_hundredths: u32,
    /// The published population: a denominator of its own, never mixed with a sum of residents.
    pub population: u32,
    /// The day the population is said for.
    pub population_on: Day,
    /// The old district that holds most of it.
    pub old_district: Code,
    /// Whether another old district holds a part of it: figures by old district are then approximate.
    pub straddles: bool,
    /// First day it exists.
    pub valid_from: Day,
    /// Last day it exists.
    pub valid_until: Day,
}

/// Ward (`Phường`) or commune (`Xã`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommuneKind {
    /// Urban.
    Ward,
    /// Rural.
    Commune,
}

/// An old district, abolished on 2025-07-01.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct District {
    /// Three digits.
    pub code: Code,
    /// Name with `Quận`, `Huyện` or `Thị xã`.
    pub name: String,
    /// First day it existed.
    pub valid_from: Day,
    /// Last day it existed.
    pub valid_until: Day,
}

pub(crate) const COMMUNE_COLUMNS: &[&str] = &[
    "code",
    "name",
    "kind",
    "area_km2",
    "population",
    "population_source",
    "population_date",
    "old_district_code",
    "old_district",
    "straddles",
    "valid_from",
    "valid_until",
    "source",
    "confidence",
];
pub(crate) const DISTRICT_COLUMNS: &[&str] =
    &["code", "name", "valid_from", "valid_until", "source", "confidence"];

#[derive(Debug, Clone, Default)]
pub(crate) struct Areas {
    communes: Vec<Commune>,
    by_code: CodeIndex<u32>,
    districts: Vec<District>,
}

impl Areas {
    pub(crate) fn read(communes: &Sheet, districts: &Sheet, faults: &mut Vec<BundleFault>) -> Areas {
        let mut areas = Areas::default();
        for row in districts.rows() {
            let (valid_from, valid_until) = row.validity(faults);
            row.check_source(faults);
            let district = District {
                code: row.required_code("code", faults),
                name: row.required("name", faults),
                valid_from,
                valid_until,
            };
            if areas.districts.iter().any(|known| known.code == district.code) {
                faults.push(row.fault("code", format!("the code {} is there twice", district.code)));
            }
            areas.districts.push(district);
        }
        areas.districts.sort_by_key(|district| district.code);

        let mut seen = FxHashMap::default();
        for row in communes.rows() {
            let (valid_from, valid_until) = row.validity(faults);
            row.check_source(faults);
            row.required("population_source", faults);
            let code = row.required_code("code", faults);
            if let Some(first) = seen.insert(code, row.number) {
                faults.push(row.fault("code", format!("the code {code} is also in row {first}")));
            }
            let old_district = row.required_code("old_district_code", faults);
            match areas.districts.iter().find(|district| district.code == old_district) {
                Some(district) if district.name == row.text("old_district") => {}
                Some(district) => {
                    let reason =
                        format!("the district {old_district} is called {} in districts.csv", district.name);
                    faults.push(row.fault("old_district", reason));
                }
                None => {
                    let reason = format!("the district {old_district} is not in districts.csv");
                    faults.push(row.fault("old_district_code", reason));
                }
            }
            let area_km2_hundredths = row.hundredths("area_km2", 100_000, faults);
            let population = row.number("population", (0, 10_000_000), faults);
            for (column, missing) in
                [("area_km2", area_km2_hundredths.is_none()), ("population", population.is_none())]
            {
                if missing && row.text(column).is_empty() {
                    row.required(column, faults);
                }
            }
            areas.communes.push(Commune {
                code,
                name: row.required("name", faults),
                kind: row
                    .choice("kind", &[("ward", CommuneKind::Ward), ("commune", CommuneKind::Commune)], faults)
                    .unwrap_or(CommuneKind::Commune),
                area_km2_hundredths: area_km2_hundredths.unwrap_or(0),
                population: population.unwrap_or(0),
                population_on: row.day("population_date", faults).unwrap_or_default(),
                old_district,
                straddles: row.yes_no("straddles", faults),
                valid_from,
                valid_until,
            });
        }
        areas.communes.sort_by_key(|commune| commune.code);
        let codes = areas.communes.iter().zip(0..).map(|(commune, at)| (commune.code, at));
        areas.by_code = CodeIndex::new(codes.collect());
        areas
    }

    pub(crate) fn communes(&self) -> &[Commune] {
        &self.communes
    }

    pub(crate) fn districts(&self) -> &[District] {
        &self.districts
    }

    #[inline]
    pub(crate) fn commune(&self, code: Code) -> Option<&Commune> {
        self.by_code.get(code).map(|at| &self.communes[*at as usize])
    }
}
