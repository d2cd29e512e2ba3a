//! A person's history, read once for every projection.

use contract::{Day, v1::Sex};
use history::{Body, Claim, Fact, PersonView};
use policy::Bundle;
use smallvec::SmallVec;

use crate::{Holdings, Main, Places, Span, Spans, standing::Residences};

/// Who a person is, what they hold, where they live, and the facts about everything else.
///
/// Nothing is cut to the days of birth or to the days of cubes: five years of insurance reach back, and lists tell how it
/// was. What comes after death is.
#[derive(Debug)]
pub struct Person<'v> {
    /// The facts in force it was read from.
    pub view: PersonView<'v>,
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
    pub mains: SmallVec<[Main; 4]>,
    /// The commune on each day.
    pub places: Places,
    /// Claims, check-ups and other care, in the order of the view.
    pub care: SmallVec<[&'v Fact; 8]>,
    /// What is read into nothing above, in the order of the view.
    pub others: SmallVec<[&'v Fact; 8]>,
}

impl<'v> Person<'v> {
    /// Reads a person.
    #[must_use]
    #[inline]
    pub fn read(view: &PersonView<'v>, bundle: &Bundle) -> Person<'v> {
        // Filled where it stands: a person is long to move.
        let mut person = Person {
            view: *view,
            birth: None,
            sex: Sex::Unspecified,
            died: Day::MAX,
            known: Day::MAX,
            holdings: Holdings::default(),
            insured: Spans::new(),
            mains: SmallVec::new(),
            places: Places::default(),
            care: SmallVec::new(),
            others: SmallVec::new(),
        };
        person.take(bundle);
        person
    }

    fn take(&mut self, bundle: &Bundle) {
        let mut residences = Residences::default();
        for fact in self.view.facts {
            self.known = self.known.min(fact.occurred.day());
            match &fact.body {
                Body::PersonRegistered { birth, sex } => {
                    self.birth = birth.or(self.birth);
                    self.sex = if *sex == Sex::Unspecified { self.sex } else { *sex };
                }
                Body::PersonDied { on } => self.died = self.died.min(*on),
                Body::ResidenceChanged { .. } => residences.take(fact),
                Body::InsuranceGranted { .. }
                | Body::InsuranceEnded { .. }
                | Body::EntitlementGranted { .. }
                | Body::EntitlementEnded { .. } => self.holdings.take(fact),
                Body::ClaimSubmitted(_) | Body::CheckUpCompleted { .. } | Body::CareGiven { .. } => {
                    self.care.push(fact);
                }
                _ => self.others.push(fact),
            }
        }
        // Cards and residences may reach back before anything was told.
        let begins = [residences.begins(), self.holdings.begins()];
        self.known = begins.into_iter().flatten().fold(self.known, Day::min);
        let until_death = Span { from: Day::MIN, until: self.died };
        self.holdings.settle(until_death);
        self.holdings.insured(&mut self.insured);
        self.holdings.main_groups(bundle, &mut self.mains);
        residences.places(until_death, bundle, &mut self.places);
    }

    /// The claims, with the fact of each, in the order of the view.
    #[inline]
    pub fn claims(&self) -> impl Iterator<Item = (&'v Fact, &'v Claim)> {
        self.care.iter().filter_map(|fact| match &fact.body {
            Body::ClaimSubmitted(claim) => Some((*fact, claim)),
            _ => None,
        })
    }

    /// From birth, where it isn't known from the first day anything is known of them, to before death.
    #[must_use]
    #[inline]
    pub fn life(&self) -> Span {
        Span { from: self.birth.unwrap_or(self.known), until: self.died }
    }
}
