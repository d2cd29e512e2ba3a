//! A person's history, read once: referrals and visits.

use contract::{Day, RecordHash};
use history::{Body, Claim, Fact, PersonView};
use policy::Bundle;
use smallvec::SmallVec;

use crate::{
    referral::Referrals,
    stay::{CheckIn, Stay},
};

/// What figures and lists need of a person.
#[derive(Debug, Default)]
pub(crate) struct Person<'v> {
    pub(crate) referrals: Referrals,
    /// In the order of the facts, with the number of each.
    pub(crate) claims: SmallVec<[(usize, &'v Fact, &'v Claim); 4]>,
    /// In the order of the facts.
    pub(crate) check_ins: SmallVec<[CheckIn<'v>; 4]>,
    pub(crate) died: Option<Day>,
}

impl<'v> Person<'v> {
    /// Reads a person; cheap for the many who have no referrals.
    #[inline]
    pub(crate) fn read(view: &PersonView<'v>, bundle: &Bundle) -> Person<'v> {
        let mut person = Person::default();
        let mut others = false;
        for (at, fact) in view.facts.iter().enumerate() {
            match &fact.body {
                Body::ClaimSubmitted(claim) => person.claims.push((at, fact, claim)),
                Body::VisitOpened { facility, route, admitted, .. } => person.check_ins.push(CheckIn {
                    at,
                    fact,
                    facility: *facility,
                    route: *route,
                    admitted: *admitted,
                }),
                Body::ReferralIssued { transfer, form_kind, valid_until, .. } => {
                    person.referrals.issue(*transfer, *form_kind, *valid_until, fact, bundle);
                }
                Body::ReferralArrived(_)
                | Body::ReferralAccepted(_)
                | Body::ReferralDeclined(_)
                | Body::ReferralReturned(_)
                | Body::ReferralCancelled(_) => others = true,
                Body::PersonDied { on } => {
                    person.died = Some(person.died.map_or(*on, |known| known.min(*on)));
                }
                _ => {}
            }
        }
        if others {
            person.referrals.join(view, bundle);
        }
        person
    }

    /// Whether a claim tells the visit of this record.
    #[inline]
    pub(crate) fn has_claim(&self, record: RecordHash) -> bool {
        self.claims.iter().any(|(_, fact, _)| fact.record == record)
    }

    /// The check-ins that no claim tells better.
    #[inline]
    pub(crate) fn unbilled(&self) -> impl Iterator<Item = &CheckIn<'v>> {
        self.check_ins.iter().filter(|check_in| !self.has_claim(check_in.fact.record))
    }

    /// The stay that a claim tells, if it does.
    #[inline]
    pub(crate) fn billed_stay(&self, fact: &Fact, claim: &Claim) -> Option<Stay> {
        // Some claims leave out what the check-in said.
        let checked_in = || {
            let of_record = self.check_ins.iter().filter(|check_in| check_in.fact.record == fact.record);
            of_record.filter_map(|check_in| check_in.admitted).next()
        };
        Some(Stay::of_claim(fact, claim, claim.admitted.or_else(checked_in)?))
    }

    /// All stays, in the order of the facts that tell them.
    pub(crate) fn stays(&self, bundle: &Bundle) -> Vec<Stay> {
        let billed =
            self.claims.iter().filter_map(|(at, fact, claim)| Some((*at, self.billed_stay(fact, claim)?)));
        let unbilled = self.unbilled().filter_map(|known| Some((known.at, known.stay(self.died, bundle)?)));
        let mut stays: Vec<(usize, Stay)> = billed.chain(unbilled).collect();
        stays.sort_unstable_by_key(|(at, _)| *at);
        stays.into_iter().map(|(_, stay)| stay).collect()
    }
}
