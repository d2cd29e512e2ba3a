//! Facilities, and what each was over time.

use contract::{Code, Day};
use rustc_hash::FxHashMap;

use crate::{
    BundleFault, CodeIndex,
    areas::Areas,
    sheet::{Row, Sheet},
};

/// A facility with an insurance code (MA_CSKCB).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facility {
    /// Five characters, the first two of them the province.
    pub code: Code,
    /// Name as listed.
    pub name: String,
    /// The old district it lies in, where that could be told.
    pub district: Option<Code>,
    /// The commune it lies in, where that could be told.
    pub commune: Option<Code>,
    /// What it was, in order of time, without overlaps.
    spans: Vec<FacilitySpan>,
}

/// What a facility was from a day to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacilitySpan {
    /// First day.
    pub valid_from: Day,
    /// Last day.
    pub valid_until: Day,
    /// Tier since 2025.
    pub tier: Tier,
    /// Points out of 100; `None`: not published, or not ranked.
    pub score: Option<u8>,
    /// Level before 2025-01-01.
    pub former_level: FormerLevel,
    /// Ranked provisionally.
    pub provisional: bool,
    /// A commune station or the like: the fund pays the whole covered cost whatever the card (route code 1.2).
    pub station: bool,
    /// Form of organisation.
    pub organisation: Organisation,
    /// Beds.
    pub beds: u32,
    /// Whether tier, score, level and beds are assumptions rather than a published decision.
    pub assumed: bool,
    /// How it is known, or how it was inferred.
    pub basis: String,
}

/// What rules ask of a facility.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FacilityClass {
    /// As [`FacilitySpan::tier`].
    pub tier: Tier,
    /// As [`FacilitySpan::score`].
    pub score: Option<u8>,
    /// As [`FacilitySpan::former_level`].
    pub former_level: FormerLevel,
    /// As [`FacilitySpan::provisional`].
    pub provisional: bool,
    /// As [`FacilitySpan::station`].
    pub station: bool,
}

/// The three tiers of care since 2025-01-01 (Law 15/2023, Decree 96/2023).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Not ranked: before 2025 there were levels instead.
    Unranked,
    /// `ban đầu`: the grassroots.
    Initial,
    /// `cơ bản`.
    Basic,
    /// `chuyên sâu`.
    Specialised,
}

/// The four levels before 2025-01-01, which the benefit rules still ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FormerLevel {
    /// `trung ương`.
    Central,
    /// `tỉnh`.
    Provincial,
    /// `huyện`.
    District,
    /// `xã`.
    Commune,
}

/// Form of organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Organisation {
    Hospital,
    MilitaryHospital,
    SectorHospital,
    PrivateHospital,
    DistrictCentre,
    Clinic,
    CommuneStation,
}

impl Tier {
    /// Names as the files and figures write them.
    pub const NAMED: [(&str, Tier); 4] = [
        ("unranked", Tier::Unranked),
        ("initial", Tier::Initial),
        ("basic", Tier::Basic),
        ("specialised", Tier::Specialised),
    ];

    /// As the files and figures write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMED[self as usize].0
    }
}

impl FormerLevel {
    /// Names as the files write them.
    pub const NAMED: [(&str, FormerLevel); 4] = [
        ("central", FormerLevel::Central),
        ("provincial", FormerLevel::Provincial),
        ("district", FormerLevel::District),
        ("commune", FormerLevel::Commune),
    ];

    /// As the files write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMED[self as usize].0
    }
}

impl Organisation {
    const NAMED: [(&str, Organisation); 7] = [
        ("hospital", Organisation::Hospital),
        ("military-hospital", Organisation::MilitaryHospital),
        ("sector-hospital", Organisation::SectorHospital),
        ("private-hospital", Organisation::PrivateHospital),
        ("district-centre", Organisation::DistrictCentre),
        ("clinic", Organisation::Clinic),
        ("commune-station", Organisation::CommuneStation),
    ];

    /// As the files write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMED[self as usize].0
    }
}

impl FacilitySpan {
    /// What rules ask of it.
    #[must_use]
    pub fn class(&self) -> FacilityClass {
        let FacilitySpan { tier, score, former_level, provisional, station, .. } = *self;
        FacilityClass { tier, score, former_level, provisional, station }
    }
}

impl Facility {
    /// What the facility was on `day`; `None`: the reference does not say.
    #[must_use]
    #[inline]
    pub fn on(&self, day: Day) -> Option<&FacilitySpan> {
        // Newest first: most questions are about now, and a facility has two or three spans.
        self.spans.iter().rev().find(|span| span.valid_from <= day && day <= span.valid_until)
    }

    /// Everything that is known of it, oldest first.
    #[must_use]
    pub fn spans(&self) -> &[FacilitySpan] {
        &self.spans
    }
}

pub(crate) const FACILITY_COLUMNS: &[&str] = &[
    "code",
    "name",
    "district_code",
    "district_basis",
    "commune_code",
    "commune_basis",
    "source",
    "confidence",
    "note",
];
pub(crate) const SPAN_COLUMNS: &[&str] = &[
    "code",
    "valid_from",
    "valid_until",
    "tier",
    "score",
    "former_level",
    "provisional",
    "station",
    "organisation",
    "beds",
    "assumed",
    "basis",
    "source",
    "confidence",
];

#[derive(Debug, Clone, Default)]
pub(crate) struct Facilities {
    all: Vec<Facility>,
    by_code: CodeIndex<Newest>,
}

/// A facility's number, and what it has been lately: most questions are about now.
#[derive(Debug, Clone, Copy)]
struct Newest {
    facility: u32,
    /// First and last day of its newest span; nothing lies between them where it has none.
    valid_from: Day,
    valid_until: Day,
    class: FacilityClass,
}

impl Newest {
    fn of(facility: &Facility, number: u32) -> Newest {
        let (valid_from, valid_until, class) = match facility.spans.last() {
            Some(span) => (span.valid_from, span.valid_until, span.class()),
            None => {
                let (tier, former_level) = (Tier::Unranked, FormerLevel::Commune);
                let class =
                    FacilityClass { tier, score: None, former_level, provisional: false, station: false };
                (Day::MAX, Day::MIN, class)
            }
        };
        Newest { facility: number, valid_from, valid_until, class }
    }
}

impl Facilities {
    pub(crate) fn read(
        facilities: &Sheet,
        spans: &Sheet,
        areas: &Areas,
        faults: &mut Vec<BundleFault>,
    ) -> Facilities {
        let mut all = Vec::new();
        let mut seen = FxHashMap::default();
        for row in facilities.rows() {
            let code = row.required_code("code", faults);
            if let Some(first) = seen.insert(code, row.number) {
                faults.push(row.fault("code", format!("the code {code} is also in row {first}")));
            }
            row.check_source(faults);
            let known = |column, known: bool, file: &str, faults: &mut Vec<BundleFault>| {
                let code = row.code(column);
                if !code.is_empty() && !known {
                    faults.push(row.fault(column, format!("{code} is not in {file}")));
                }
                (!code.is_empty()).then_some(code)
            };
            let district = row.code("district_code");
            let district_known = areas.districts().iter().any(|known| known.code == district);
            let commune_known = areas.commune(row.code("commune_code")).is_some();
            all.push(Facility {
                code,
                name: row.required("name", faults),
                district: known("district_code", district_known, "districts.csv", faults),
                commune: known("commune_code", commune_known, "communes.csv", faults),
                spans: Vec::new(),
            });
        }
        all.sort_by_key(|facility: &Facility| facility.code);
        let by_code: FxHashMap<Code, u32> =
            all.iter().zip(0..).map(|(facility, at)| (facility.code, at)).collect();

        let mut read = Vec::new();
        for row in spans.rows() {
            let code = row.required_code("code", faults);
            let span = read_span(row, faults);
            match by_code.get(&code) {
                Some(at) => read.push((*at, span, row)),
                None => faults.push(row.fault("code", format!("{code} is not in facilities.csv"))),
            }
        }
        read.sort_by_key(|(facility, span, row)| (*facility, span.valid_from, row.number));
        for pair in read.windows(2) {
            let [(facility, earlier, first), (same, later, row)] = pair else { continue };
            if facility == same && earlier.valid_until >= later.valid_from {
                let (code, until) = (all[*same as usize].code, earlier.valid_until);
                let reason = format!(
                    "{code} overlaps row {}, which holds until {until}: end that row on {}",
                    first.number,
                    later.valid_from - 1,
                );
                faults.push(row.fault("valid_from", reason));
            }
        }
        for (facility, span, _) in read {
            all[facility as usize].spans.push(span);
        }
        let newest = all.iter().zip(0..).map(|(facility, at)| (facility.code, Newest::of(facility, at)));
        let by_code = CodeIndex::new(newest.collect());
        Facilities { all, by_code }
    }

    pub(crate) fn all(&self) -> &[Facility] {
        &self.all
    }

    #[inline]
    pub(crate) fn get(&self, code: Code) -> Option<&Facility> {
        self.by_code.get(code).map(|newest| &self.all[newest.facility as usize])
    }

    #[inline]
    pub(crate) fn class(&self, code: Code, on: Day) -> Option<Option<FacilityClass>> {
        let newest = self.by_code.get(code)?;
        if newest.valid_from <= on && on <= newest.valid_until {
            return Some(Some(newest.class));
        }
        Some(self.all[newest.facility as usize].on(on).map(FacilitySpan::class))
    }
}

fn read_span(row: Row<'_>, faults: &mut Vec<BundleFault>) -> FacilitySpan {
    let (valid_from, valid_until) = row.validity(faults);
    row.check_source(faults);
    let beds = row.number("beds", (0, 20_000), faults);
    if row.text("beds").is_empty() {
        row.required("beds", faults);
    }
    FacilitySpan {
        valid_from,
        valid_until,
        tier: row.choice("tier", &Tier::NAMED, faults).unwrap_or(Tier::Unranked),
        score: row.number("score", (0, 100), faults),
        former_level: row.choice("former_level", &FormerLevel::NAMED, faults).unwrap_or(FormerLevel::Commune),
        provisional: row.yes_no("provisional", faults),
        station: row.yes_no("station", faults),
        organisation: row
            .choice("organisation", &Organisation::NAMED, faults)
            .unwrap_or(Organisation::Clinic),
        beds: beds.unwrap_or(0),
        assumed: row.yes_no("assumed", faults),
        basis: row.required("basis", faults),
    }
}
