//! Claims as charged, against what policy asks for.

use contract::{Code, Day};
use history::{Claim, PersonView, Segment};
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
    /// Free, for the visit was cheap.
    pub(crate) low_cost: bool,
    /// Free, for the year's copay was behind the person.
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
    for (_, claim) in person.claims().filter(|(_, claim)| claim.copay != 0) {
        let facility = facility(claim, bundle);
        for segment in person.view.segments(claim).filter(|segment| segment.copay != 0) {
            let on = decides_on(claim, &segment);
            if counts(claim, facility, on, bundle) {
                copays.push((on, Money(segment.copay)));
            }
        }
    }
    copays.sort_unstable();
    copays
}

/// Whether copay of this claim on that day counts toward the threshold.
pub(crate) fn counts(claim: &Claim, facility: Option<FacilityClass>, on: Day, bundle: &Bundle) -> bool {
    let case = RouteCase { code: claim.route, on, inpatient: claim.admitted.is_some(), facility };
    bundle.policy.route(&case).is_ok_and(|route| route.copay.counts)
}

/// The case of a segment.
pub(crate) fn case(
    claim: &Claim,
    segment: &Segment,
    facility: Option<FacilityClass>,
    exemptions: &Exemptions<'_>,
) -> Case {
    let on = decides_on(claim, segment);
    case_of(claim, segment.group, segment.rate_digit, on, facility, exemptions)
}

#[inline]
fn case_of(
    claim: &Claim,
    group: Code,
    digit: Code,
    on: Day,
    facility: Option<FacilityClass>,
    exemptions: &Exemptions<'_>,
) -> Case {
    Case {
        on,
        group,
        digit,
        route: claim.route,
        inpatient: claim.admitted.is_some(),
        facility,
        covered_cost: Money(claim.covered),
        exempt_since: exemptions.since(on),
    }
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

/// A claim against policy; `facility` is what it was on the claim's last day.
#[inline]
pub(crate) fn verdict(
    view: &PersonView<'_>,
    claim: &Claim,
    facility: Option<FacilityClass>,
    exemptions: &Exemptions<'_>,
    bundle: &Bundle,
) -> Verdict {
    let mut verdict = Verdict { due: Some(0), ..Verdict::default() };
    let parts = view.parts(claim);
    if parts.is_empty() {
        // The claim is the one segment, in the year it ended.
        let case = case_of(claim, claim.group, claim.rate_digit, claim.ended, facility, exemptions);
        verdict.add(claim.covered, &case, bundle);
    }
    for segment in parts {
        verdict.add(segment.covered, &case(claim, segment, facility, exemptions), bundle);
    }
    verdict
}
