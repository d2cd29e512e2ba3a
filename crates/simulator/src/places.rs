//! Where people live and where they are treated: what the city is built on.

use crate::{Short, dice::Dice};

/// Communes and facilities, as reference data lists them.
#[derive(Debug, Clone, Default)]
pub struct Places {
    communes: Vec<Commune>,
    facilities: Vec<Facility>,
    /// Facilities in which people of a commune register and go first: those of its district.
    first_choice: Vec<Vec<u16>>,
    /// Hospitals that anybody may end up in, by tier.
    hospitals: Vec<u16>,
    /// For each commune, the people of it and of those before it.
    people_up_to: Vec<u64>,
}

/// A commune or ward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commune {
    /// Five digits.
    pub code: Short,
    /// The old district that holds most of it.
    pub district: String,
    /// People who live there.
    pub population: u64,
}

/// A place that treats people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facility {
    /// As claims name it.
    pub code: Short,
    /// The old district it stands in; empty where unknown.
    pub district: String,
    /// Its tier.
    pub tier: Tier,
    /// Whether it keeps patients overnight.
    pub has_beds: bool,
    /// Whether a visit there is a commune station's, free for everybody.
    pub is_station: bool,
}

/// Tier of a facility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Initial.
    Initial,
    /// Basic.
    Basic,
    /// Specialised.
    Specialised,
}

/// What is missing to build a city.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlacesError {
    /// No commune has people.
    #[error("no commune with people: reference data must list communes of the city with their population")]
    NoCommunes,
    /// A kind of facility is missing.
    #[error("no facility of the {0} tier: reference data must list at least one of each tier, with its code")]
    NoFacilities(&'static str),
}

impl Places {
    /// From lists.
    ///
    /// # Errors
    /// When there is nowhere to live or nowhere to go.
    pub fn new(communes: Vec<Commune>, facilities: Vec<Facility>) -> Result<Places, PlacesError> {
        let communes: Vec<Commune> = communes.into_iter().filter(|commune| commune.population > 0).collect();
        if communes.is_empty() {
            return Err(PlacesError::NoCommunes);
        }
        let of = |tier: Tier| facilities.iter().filter(move |facility| facility.tier == tier).count();
        for (tier, name) in
            [(Tier::Initial, "initial"), (Tier::Basic, "basic"), (Tier::Specialised, "specialised")]
        {
            if of(tier) == 0 {
                return Err(PlacesError::NoFacilities(name));
            }
        }
        let numbered = || facilities.iter().enumerate().map(|(number, facility)| (number as u16, facility));
        let everywhere: Vec<u16> = numbered()
            .filter(|(_, facility)| facility.tier == Tier::Initial)
            .map(|(number, _)| number)
            .collect();
        let first_choice = communes
            .iter()
            .map(|commune| {
                let near: Vec<u16> = numbered()
                    .filter(|(_, facility)| {
                        facility.district == commune.district && facility.tier < Tier::Specialised
                    })
                    .map(|(number, _)| number)
                    .collect();
                if near.is_empty() { everywhere.clone() } else { near }
            })
            .collect();
        let mut hospitals: Vec<u16> = numbered()
            .filter(|(_, facility)| facility.tier > Tier::Initial && facility.has_beds)
            .map(|(number, _)| number)
            .collect();
        if hospitals.is_empty() {
            hospitals = numbered()
                .filter(|(_, facility)| facility.tier > Tier::Initial)
                .map(|(number, _)| number)
                .collect();
        }
        let people_up_to = communes
            .iter()
            .scan(0, |people, commune| {
                *people += commune.population;
                Some(*people)
            })
            .collect();
        Ok(Places { communes, facilities, first_choice, hospitals, people_up_to })
    }

    /// Communes with people.
    #[must_use]
    pub fn communes(&self) -> &[Commune] {
        &self.communes
    }

    /// Facilities.
    #[must_use]
    pub fn facilities(&self) -> &[Facility] {
        &self.facilities
    }

    /// People of all communes.
    #[must_use]
    pub fn population(&self) -> u64 {
        self.people_up_to.last().copied().unwrap_or(0)
    }

    /// A commune, as likely as it has people.
    pub(crate) fn some_commune(&self, dice: &mut Dice) -> u16 {
        let drawn = dice.below(self.population());
        self.people_up_to.partition_point(|people| *people <= drawn) as u16
    }

    /// Where people of a commune go first.
    pub(crate) fn near(&self, commune: u16) -> &[u16] {
        &self.first_choice[usize::from(commune)]
    }

    /// Hospitals of the basic and specialised tiers.
    pub(crate) fn hospitals(&self) -> &[u16] {
        &self.hospitals
    }

    pub(crate) fn facility(&self, number: u16) -> &Facility {
        &self.facilities[usize::from(number)]
    }

    pub(crate) fn commune(&self, number: u16) -> &Commune {
        &self.communes[usize::from(number)]
    }
}

impl Places {
    /// The places of a reference, as they are on `day`.
    ///
    /// # Errors
    /// As [`Places::new`].
    pub fn of(reference: &reference::Reference, day: contract::Day) -> Result<Places, PlacesError> {
        let short = |code: contract::Code| Short::fitting(&code.to_string());
        let communes = reference.communes().iter().filter_map(|commune| {
            Some(Commune {
                code: short(commune.code)?,
                district: commune.old_district.to_string(),
                population: u64::from(commune.population),
            })
        });
        let facilities = reference.facilities().iter().filter_map(|facility| {
            let span = facility.on(day)?;
            let tier = match span.tier {
                reference::Tier::Unranked | reference::Tier::Initial => Tier::Initial,
                reference::Tier::Basic => Tier::Basic,
                reference::Tier::Specialised => Tier::Specialised,
            };
            Some(Facility {
                code: short(facility.code)?,
                district: facility.district.map(|code| code.to_string()).unwrap_or_default(),
                tier,
                has_beds: span.beds > 0,
                is_station: span.station,
            })
        });
        Places::new(communes.collect(), facilities.collect())
    }
}
