//! Areas, facilities, calendars and populations, with validity: what figures are counted by.
//!
//! Pure: [`Reference::parse`] takes the bytes of the files of `reference/`, and either gives all of them, checked, or every
//! fault in them at once, each with file, row and column.

mod areas;
mod calendar;
mod facilities;
mod fault;
mod index;
mod populations;
mod sheet;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use contract::{Code, Day};

pub use areas::{Commune, CommuneKind, District};
pub use calendar::{Calendar, Holiday};
pub use facilities::{Facility, FacilityClass, FacilitySpan, FormerLevel, Organisation, Tier};
pub use fault::BundleFault;
pub use index::CodeIndex;
pub use populations::{Counted, Population};

use areas::Areas;
use facilities::Facilities;
use sheet::Sheet;

/// Everything of `reference/`, checked and indexed.
#[derive(Debug, Clone)]
pub struct Reference {
    areas: Areas,
    facilities: Facilities,
    calendar: Calendar,
    holidays: Vec<Holiday>,
    populations: Vec<Population>,
}

impl Reference {
    /// The files it reads. All must be there.
    pub const FILES: [&str; 6] = [
        "reference/communes.csv",
        "reference/districts.csv",
        "reference/facilities.csv",
        "reference/facility_spans.csv",
        "reference/holidays.csv",
        "reference/populations.csv",
    ];

    /// Reads the files of a bundle, by their paths as `reference/communes.csv`. Paths outside `reference/` are not looked at;
    /// a file inside it that is none of [`Reference::FILES`] is a fault.
    ///
    /// # Errors
    /// Every fault in every file: nothing of a broken reference is used.
    pub fn parse(files: &BTreeMap<String, Vec<u8>>) -> Result<Reference, Vec<BundleFault>> {
        let mut faults = Vec::new();
        for path in files.keys() {
            if path.starts_with("reference/") && !Self::FILES.contains(&path.as_str()) {
                let known = Self::FILES.join(", ");
                faults
                    .push(BundleFault::file(path, format!("not a file of the reference, which has {known}")));
            }
        }
        let open = |path: &'static str, columns: &[&'static str], faults: &mut Vec<BundleFault>| {
            Sheet::read(path, files.get(path).map(Vec::as_slice), columns, faults)
        };
        let [communes, districts, facilities, spans, holidays, populations] = Self::FILES;
        let communes = open(communes, areas::COMMUNE_COLUMNS, &mut faults);
        let districts = open(districts, areas::DISTRICT_COLUMNS, &mut faults);
        let facilities = open(facilities, facilities::FACILITY_COLUMNS, &mut faults);
        let spans = open(spans, facilities::SPAN_COLUMNS, &mut faults);
        let holidays = open(holidays, calendar::COLUMNS, &mut faults);
        let populations = open(populations, populations::COLUMNS, &mut faults);

        let areas = Areas::read(&communes, &districts, &mut faults);
        let facilities = Facilities::read(&facilities, &spans, &areas, &mut faults);
        let holidays = calendar::read(&holidays, &mut faults);
        let populations = populations::read(&populations, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let days: Vec<Day> = holidays.iter().map(|holiday| holiday.day).collect();
        Ok(Reference { areas, facilities, calendar: Calendar::new(&days), holidays, populations })
    }

    /// Every commune and ward, in the order of their codes.
    #[must_use]
    pub fn communes(&self) -> &[Commune] {
        self.areas.communes()
    }

    /// The commune or ward with this code; `None`: unknown.
    #[must_use]
    #[inline]
    pub fn commune(&self, code: Code) -> Option<&Commune> {
        self.areas.commune(code)
    }

    /// The old districts, in the order of their codes.
    #[must_use]
    pub fn districts(&self) -> &[District] {
        self.areas.districts()
    }

    /// The old district that holds most of the commune. Where [`Commune::straddles`] says so, figures by it are approximate.
    #[must_use]
    #[inline]
    pub fn district_of(&self, commune: Code) -> Option<Code> {
        self.areas.commune(commune).map(|commune| commune.old_district)
    }

    /// Every facility, in the order of their codes.
    #[must_use]
    pub fn facilities(&self) -> &[Facility] {
        self.facilities.all()
    }

    /// The facility with this code (MA_CSKCB); `None`: unknown.
    #[must_use]
    #[inline]
    pub fn facility(&self, code: Code) -> Option<&Facility> {
        self.facilities.get(code)
    }

    /// What rules ask of the facility with this code on a day; `None`: the code is unknown; `Some(None)`: the reference does not say
    /// what it was on that day.
    #[must_use]
    #[inline]
    pub fn facility_class(&self, code: Code, on: Day) -> Option<Option<FacilityClass>> {
        self.facilities.class(code, on)
    }

    /// Days off and working days.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The weekdays off, in order, with their names and sources.
    #[must_use]
    pub fn holidays(&self) -> &[Holiday] {
        &self.holidays
    }

    /// Whether nobody works: a weekend or a listed holiday.
    #[must_use]
    pub fn is_day_off(&self, day: Day) -> bool {
        self.calendar.is_day_off(day)
    }

    /// The `n`-th working day after `day` (before it, for a negative `n`); `day` itself for 0. See [`Calendar::add_working_days`].
    #[must_use]
    #[inline]
    pub fn add_working_days(&self, day: Day, n: i32) -> Day {
        self.calendar.add_working_days(day, n)
    }

    /// The last day of the last year whose holidays are listed: after it only weekends are known to be off.
    #[must_use]
    pub fn holidays_known_until(&self) -> Day {
        self.calendar.known_until()
    }

    /// Published figures, each with its own date and denominator.
    #[must_use]
    pub fn populations(&self) -> &[Population] {
        &self.populations
    }

    /// The published population of a scope (`Hanoi`, `Vietnam`) by its id in `populations.csv`.
    #[must_use]
    pub fn population(&self, id: &str) -> Option<&Population> {
        self.populations.iter().find(|population| population.id == id)
    }
}
