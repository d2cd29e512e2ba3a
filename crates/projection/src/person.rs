//! A person's history, read once for every projection.

use std::ops::Deref;

use contract::{Day, v1::Sex};
use history::{Body, Claim, Fact, PersonView};
use policy::Bundle;

use crate::{Holdings, Main, Places, Span, Spans, standing::Residences};

/// A person as projections see them: the facts in force, and what was read from them.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// The facts in force.
    pub view: PersonView<'a>,
    standing: &'a Standing,
}

/// Who a person is, what they hold and where they live. Its memory serves one person after the other.
///
/// Nothing is cut to the days of birth or to the days of cubes: five years of insurance reach back, and lists tell how it
/// was. What comes after death is.
#[derive(Debug)]
pub struct Standing {
    /// The day of birth, if it is known.
    pub birth: Option<Day>,
    /// As registered.
    pub sex: Sex,
    /// The day of death, the first that no longer counts; [`Day::MAX`]: nothing is known of one.
    pub died: Day,
    /// The first day on which anything is known of them; [`Day::MAX`]: nothing is.
    pub known: Day,
    /// Cards and entitlements.
    pub holdings: Holdings,
    /// The days on which some card is in force.
    pub insured: Spans,
    /// The main group of each of those days, and of days with an entitlement.
    pub mains: Vec<Main>,
    /// The commune on each day.
    pub places: Places,
    residences: Residences,
    /// Numbers of the facts that are claims, check-ups and other care.
    care: Vec<u32>,
    /// Numbers of the facts that are read into nothing above.
    others: Vec<u32>,
    /// Admissions that check-ins tell, with the number of the fact, in the order of the view.
    admissions: Vec<(u32, Day)>,
}

impl Default for Standing {
    fn default() -> Standing {
        Standing {
            birth: None,
            sex: Sex::Unspecified,
            died: Day::MAX,
            known: Day::MAX,
            holdings: Holdings::default(),
            insured: Spans::new(),
            mains: Vec::new(),
            places: Places::default(),
            residences: Residences::default(),
            care: Vec::new(),
            others: Vec::new(),
            admissions: Vec::new(),
        }
    }
}

impl Standing {
    /// Reads a person.
    pub fn read<'a>(&'a mut self, view: PersonView<'a>, bundle: &Bundle) -> Person<'a> {
        self.clear();
        for (at, fact) in view.facts.iter().enumerate() {
            self.known = self.known.min(fact.occurred.day());
            match &fact.body {
                Body::PersonRegistered { birth, sex } => {
                    self.birth = birth.or(self.birth);
                    self.sex = if *sex == Sex::Unspecified { self.sex } else { *sex };
                }
                Body::PersonDied { on } => self.died = self.died.min(*on),
                Body::ResidenceChanged { .. } => self.residences.take(fact),
                Body::InsuranceGranted { .. }
                | Body::InsuranceEnded { .. }
                | Body::EntitlementGranted { .. }
                | Body::EntitlementEnded { .. } => self.holdings.take(fact),
                Body::ClaimSubmitted(_) | Body::CheckUpCompleted { .. } | Body::CareGiven { .. } => {
                    self.care.push(at as u32);
                }
                body => {
                    if let Body::VisitOpened { admitted: Some(on), .. } = body {
                        self.admissions.push((at as u32, *on));
                    }
                    self.others.push(at as u32);
                }
            }
        }
        // Cards and residences may reach back before anything was told.
        let begins = [self.residences.begins(), self.holdings.begins()];
        self.known = begins.into_iter().flatten().fold(self.known, Day::min);
        let until_death = Span { from: Day::MIN, until: self.died };
        self.holdings.settle(until_death);
        self.holdings.insured(&mut self.insured);
        self.holdings.main_groups(bundle, &mut self.mains);
        self.residences.places(until_death, bundle, &mut self.places);
        Person { view, standing: self }
    }

    fn clear(&mut self) {
        (self.birth, self.sex) = (None, Sex::Unspecified);
        (self.died, self.known) = (Day::MAX, Day::MAX);
        self.holdings.clear();
        self.insured.clear();
        self.mains.clear();
        self.residences.clear();
        self.care.clear();
        self.others.clear();
        self.admissions.clear();
    }
}

impl Deref for Person<'_> {
    type Target = Standing;

    #[inline]
    fn deref(&self) -> &Standing {
        self.standing
    }
}

impl<'a> Person<'a> {
    /// Claims, check-ups and other care, in the order of the view.
    #[inline]
    pub fn care(&self) -> impl Iterator<Item = &'a Fact> + use<'a> {
        let facts = self.view.facts;
        self.standing.care.iter().map(|at| &facts[*at as usize])
    }

    /// What tells neither who they are, what they hold, where they live nor of care, in the order of the view.
    #[inline]
    pub fn others(&self) -> impl Iterator<Item = &'a Fact> + use<'a> {
        let facts = self.view.facts;
        self.standing.others.iter().map(|at| &facts[*at as usize])
    }

    /// The claims, with the fact of each, in the order of the view.
    #[inline]
    pub fn claims(&self) -> impl Iterator<Item = (&'a Fact, &'a Claim)> + use<'a> {
        self.care().filter_map(|fact| match &fact.body {
            Body::ClaimSubmitted(claim) => Some((fact, claim)),
            _ => None,
        })
    }

    /// The day on which the patient of a claim was admitted to a ward, as the claim says, else as the check-in of its record does:
    /// some claims leave out what the check-in said. `None`: they were no inpatient.
    #[must_use]
    #[inline]
    pub fn admitted(&self, fact: &Fact, claim: &Claim) -> Option<Day> {
        claim.admitted.or_else(|| {
            let mut told = self.standing.admissions.iter();
            told.find(|(at, _)| self.view.facts[*at as usize].same_record(fact)).map(|(_, on)| *on)
        })
    }

    /// From birth, where it isn't known from the first day anything is known of them, to before death.
    #[must_use]
    #[inline]
    pub fn life(&self) -> Span {
        Span { from: self.birth.unwrap_or(self.known), until: self.died }
    }
}
