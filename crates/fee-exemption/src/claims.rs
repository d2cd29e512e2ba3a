//! Claims as charged, against what policy asks for.

use contract::{Code, Day};
use history::{Claim, Fact, PersonView, Segment};
use policy::{Bundle, Case, Money, Raised, RouteCase};
use reference::FacilityClass;

use crate::person::Exemptions;

/// What a copay may differ from what is due without being called wrong: a dong, for lines are rounded one by one.
pub(crate) const TOLERANCE: i64 = 100;

/// A claim against policy.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Verdict {
    /// The copay policy asks for; `None`: it has no rate for some segment.
    pub(crate) due: Option<i64>,
    /// The card pays all, for the visit was cheap.
    pub(crate) low_cost: bool,
    /// The card pays all, for the year's copay was behind the person.
    pub(crate) exempted: bool,
}

impl Verdict {
    /// How much was charged above what is due; below it, negative; 0 within the tolerance and where nothing is known.
    #[inline]
    pub(crate) fn difference(&self, copay: i64) -> i64 {
        let difference = self.due.map_or(0, |due| copay.saturating_sub(due));
        if difference.abs() <= TOLERANCE { 0 } else { difference }
    }

    /// Adds a segment of this covered cost.
    #[inline]
    fn add(&mut self, covered: i64, case: &Case, bundle: &Bundle) {
        match bundle.policy.rate(case) {
            Ok(rate) => {
                let due = due(covered, rate.basis_points);
                self.due = self.due.map(|sum| sum.saturating_add(due));
                self.low_cost |= matches!(rate.raised, Some(Raised::LowCost(_)));
                self.exempted |= matches!(rate.raised, Some(Raised::AnnualExemption(_)));
            }
            Err(_) => self.due = None,
        }
    }
}

/// A claim, with what is known around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit<'a> {
    claim: &'a Claim,
    /// Whether the patient lay in a ward, by the claim or by its check-in.
    inpatient: bool,
    /// What the facility was on the claim's last day.
    facility: Option<FacilityClass>,
}

impl<'a> Visit<'a> {
    /// The visit that `claim` tells.
    #[inline]
    pub(crate) fn new(
        person: &projection::Person<'_>,
        fact: &Fact,
        claim: &'a Claim,
        facility: Option<FacilityClass>,
    ) -> Visit<'a> {
        Visit { claim, inpatient: person.admitted(fact, claim).is_some(), facility }
    }

    /// Whether its copay on that day counts toward the threshold.
    pub(crate) fn counts(&self, on: Day, bundle: &Bundle) -> bool {
        let Visit { claim, inpatient, facility } = *self;
        let case = RouteCase { code: claim.route, on, inpatient, facility };
        bundle.policy.route(&case).is_ok_and(|route| route.copay.counts)
    }

    /// The case of a segment.
    pub(crate) fn case(&self, segment: &Segment, exemptions: &Exemptions<'_>) -> Case {
        let on = decides_on(self.claim, segment);
        self.case_of(segment.group, segment.rate_digit, on, exemptions)
    }

    #[inline]
    fn case_of(&self, group: Code, digit: Code, on: Day, exemptions: &Exemptions<'_>) -> Case {
        let Visit { claim, inpatient, facility } = *self;
        Case {
            on,
            group,
            digit,
            route: claim.route,
            inpatient,
            facility,
            covered_cost: Money(claim.covered),
            exempt_since: exemptions.since(on),
        }
    }

    /// The claim against policy.
    #[inline]
    pub(crate) fn verdict(
        &self,
        view: &PersonView<'_>,
        exemptions: &Exemptions<'_>,
        bundle: &Bundle,
    ) -> Verdict {
        let claim = self.claim;
        let mut verdict = Verdict { due: Some(0), ..Verdict::default() };
        let parts = view.parts(claim);
        if parts.is_empty() {
            // The claim is the one segment, in the year it ended.
            let case = self.case_of(claim.group, claim.rate_digit, claim.ended, exemptions);
            verdict.add(claim.covered, &case, bundle);
        }
        for segment in parts {
            verdict.add(segment.covered, &self.case(segment, exemptions), bundle);
        }
        verdict
    }
}

/// What the facility was on the last day of the claim.
pub(crate) fn facility(claim: &Claim, bundle: &Bundle) -> Option<FacilityClass> {
    bundle.reference.facility_class(claim.facility, claim.ended)?
}

/// The day that decides about a segment: the claim's last day, within the segment's calendar year (a stay over New Year
/// counts per year).
pub(crate) fn decides_on(claim: &Claim, segment: &Segment) -> Day {
    match i32::try_from(segment.year) {
        Ok(year @ 1..=9998) if claim.ended.year() > year => Day::new_year(year + 1) - 1,
        _ => claim.ended,
    }
}

/// At most so much copay of this claim counts toward a threshold.
#[inline]
pub(crate) fn copay_at_most(view: &PersonView<'_>, claim: &Claim) -> i64 {
    match view.parts(claim) {
        [] => claim.copay.max(0),
        parts => parts.iter().fold(0, |sum: i64, part| sum.saturating_add(part.copay.max(0))),
    }
}

/// The copay that counts toward the annual threshold, by day. Copay on a route for which policy has no rate does not.
pub(crate) fn counted_copays(person: &projection::Person<'_>, bundle: &Bundle) -> Vec<(Day, Money)> {
    let mut copays = Vec::new();
    for (fact, claim) in person.claims().filter(|(_, claim)| claim.copay != 0) {
        let visit = Visit::new(person, fact, claim, facility(claim, bundle));
        for segment in person.view.segments(claim).filter(|segment| segment.copay != 0) {
            let on = decides_on(claim, &segment);
            if visit.counts(on, bundle) {
                copays.push((on, Money(segment.copay)));
            }
        }
    }
    copays.sort_unstable();
    copays
}

/// The copay of a covered cost at a rate: what the fund does not pay, its share rounded to the hundredth.
#[inline]
pub(crate) fn due(covered: i64, basis_points: u32) -> i64 {
    // Hardly a cost needs the longer numbers, whose division is slow.
    let short = covered.checked_mul(i64::from(basis_points)).and_then(|share| share.checked_add(5_000));
    let fund = match short {
        Some(share) => i128::from(share.div_euclid(10_000)),
        None => (i128::from(covered) * i128::from(basis_points) + 5_000).div_euclid(10_000),
    };
    (i128::from(covered) - fund) as i64
}
