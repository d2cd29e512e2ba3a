//! What figures and lists of referral load ask of a person.

use contract::{Code, Day};
use history::{Body, Claim, Fact};
use policy::Bundle;
use projection::came;

use crate::{
    referral::Referrals,
    stay::{CheckIn, Stay},
};

/// A person, with their referrals and visits.
#[derive(Debug)]
pub(crate) struct Person<'p> {
    pub(crate) all: projection::Person<'p>,
    pub(crate) referrals: Referrals,
    pub(crate) died: Option<Day>,
}

impl<'p> Person<'p> {
    /// Reads a person; cheap for the many who have no referrals.
    #[inline]
    pub(crate) fn read(all: &projection::Person<'p>, bundle: &Bundle) -> Person<'p> {
        let mut person = Person {
            all: *all,
            referrals: Referrals::default(),
            died: (all.died < Day::MAX).then_some(all.died),
        };
        let mut others = false;
        for fact in all.others() {
            match &fact.body {
                Body::ReferralIssued { transfer, form_kind, valid_until, .. } => {
                    person.referrals.issue(*transfer, *form_kind, *valid_until, fact, bundle);
                }
                Body::ReferralArrived(_)
                | Body::ReferralAccepted(_)
                | Body::ReferralDeclined(_)
                | Body::ReferralReturned(_)
                | Body::ReferralCancelled(_) => others = true,
                _ => {}
            }
        }
        if others {
            person.referrals.join(all, bundle);
        }
        person
    }

    /// In the order of the facts.
    #[inline]
    fn check_ins(&self) -> impl Iterator<Item = CheckIn<'p>> + use<'p> {
        self.all.others().filter_map(|fact| match fact.body {
            Body::VisitOpened { facility, route, admitted, .. } => {
                Some(CheckIn { fact, facility, route, admitted })
            }
            _ => None,
        })
    }

    /// The check-ins that no claim tells better.
    #[inline]
    pub(crate) fn unbilled(&self) -> impl Iterator<Item = CheckIn<'p>> {
        self.check_ins().filter(|check_in| !self.has_claim(check_in.fact))
    }

    /// Whether a claim tells the visit of this record.
    #[inline]
    fn has_claim(&self, check_in: &Fact) -> bool {
        self.all.claims().any(|(fact, _)| fact.same_record(check_in))
    }

    /// The stay that a claim tells, if it does.
    #[inline]
    pub(crate) fn billed_stay(&self, fact: &Fact, claim: &Claim) -> Option<Stay> {
        Some(Stay::of_claim(fact, claim, self.all.admitted(fact, claim)?))
    }

    /// The stays of all visits, those that claims tell first. A withdrawn payment request is no visit.
    pub(crate) fn stays(&self, bundle: &Bundle) -> impl Iterator<Item = Stay> {
        let is_visit = |route: Code| came(route, bundle).is_some();
        let claims = self.all.claims().filter(move |(_, claim)| is_visit(claim.route));
        let billed = claims.filter_map(|(fact, claim)| self.billed_stay(fact, claim));
        let check_ins = self.unbilled().filter(move |known| is_visit(known.route));
        billed.chain(check_ins.filter_map(|known| known.stay(self.died, bundle)))
    }
}
