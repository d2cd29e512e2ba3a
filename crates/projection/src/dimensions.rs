//! Values of dimensions that several projections share, as cells write them. A cell's code has seven letters, so these are
//! short; the tables say what they mean.

use contract::{Code, Day};
use policy::{Bundle, RouteKind};
use reference::{FacilityClass, Tier};

/// What reference data doesn't know counts as this, however many codes are sent.
pub const UNKNOWN: &str = "unknown";
/// What nobody said.
pub const NONE: &str = "none";

/// Tiers, as cells write them, and what they are.
pub const TIERS: [(&str, &str); 5] = [
    ("none", "before 2025 there were levels, no tiers"),
    ("initial", "initial tier: the grassroots"),
    ("basic", "basic tier"),
    ("special", "specialised tier"),
    (UNKNOWN, "not in the reference data"),
];

/// How patients come, as cells write it, and which route codes that is.
pub const CAME: [(&str, &str); 8] = [
    ("own", "at the facility of registration, a station, or after a change of residence"),
    ("form", "with a transfer form"),
    ("slip", "by re-examination slip"),
    ("self", "self-referred, at any tier"),
    ("urgent", "emergency"),
    ("other", "donors, newborns, pick-up of drugs"),
    ("unused", "insurance not used"),
    (UNKNOWN, "the route code is not known"),
];

/// The code of a commune as cells have it, on every day: figures are by the communes of the reference's one list.
#[must_use]
#[inline]
pub fn known_commune(code: Code, bundle: &Bundle) -> Code {
    known(code, bundle.reference.commune(code).is_some())
}

/// The code of a facility as cells have it.
#[must_use]
#[inline]
pub fn known_facility(code: Code, bundle: &Bundle) -> Code {
    known(code, bundle.reference.facility(code).is_some())
}

/// The code of a facility as cells have it that name the other end of a referral, which may lie in a province whose facilities
/// the reference doesn't list: what it doesn't know stands as it was sent if it has the form of a facility code (QD 384/2019: the
/// province's two digits, then three digits or capitals). So neither a person's number nor a million codes become cells.
#[must_use]
pub fn named_facility(code: Code, bundle: &Bundle) -> Code {
    let cell = known_facility(code, bundle);
    if cell == Code::new(UNKNOWN) && has_form_of_facility(&code.to_string()) { code } else { cell }
}

fn has_form_of_facility(text: &str) -> bool {
    let [province @ .., _, _, _] = text.as_bytes() else { return false };
    let rest = &text.as_bytes()[province.len()..];
    province.len() == 2
        && province.iter().all(u8::is_ascii_digit)
        && rest.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// The code of an insurance group as cells have it.
#[must_use]
#[inline]
pub fn known_group(code: Code, bundle: &Bundle) -> Code {
    known(code, bundle.policy.group_order(code) < u16::MAX)
}

#[inline]
fn known(code: Code, is_known: bool) -> Code {
    if is_known {
        code
    } else if code.is_empty() {
        Code::new(NONE)
    } else {
        Code::new(UNKNOWN)
    }
}

/// A facility on a day: its code as cells have it, and what it was; `None`: the reference doesn't say.
#[must_use]
#[inline]
pub fn facility_on(code: Code, on: Day, bundle: &Bundle) -> (Code, Option<FacilityClass>) {
    let facility = bundle.reference.facility_class(code, on);
    (known(code, facility.is_some()), facility.flatten())
}

/// The tier of a facility on a day; `None`: the reference doesn't know it.
#[must_use]
#[inline]
pub fn tier(facility: Code, on: Day, bundle: &Bundle) -> Option<Tier> {
    Some(bundle.reference.facility_class(facility, on)??.tier)
}

/// A tier as cells write it.
#[must_use]
#[inline]
pub fn tier_code(tier: Option<Tier>) -> Code {
    let at = match tier {
        Some(Tier::Unranked) => 0,
        Some(Tier::Initial) => 1,
        Some(Tier::Basic) => 2,
        Some(Tier::Specialised) => 3,
        None => 4,
    };
    Code::new(TIERS[at].0)
}

/// How a patient came, by the route code (MA_DOITUONG_KCB); `None`: a withdrawn payment request, which is no visit.
#[must_use]
#[inline]
pub fn came(route: Code, bundle: &Bundle) -> Option<Code> {
    let at = match bundle.policy.route_kind(route) {
        Some(RouteKind::Own | RouteKind::Station | RouteKind::Moved) => 0,
        Some(RouteKind::Referred) => 1,
        Some(RouteKind::Reexamination) => 2,
        Some(RouteKind::SelfReferral) => 3,
        Some(RouteKind::Emergency) => 4,
        Some(RouteKind::Donor | RouteKind::Newborn | RouteKind::Drugs) => 5,
        Some(RouteKind::Uninsured) => 6,
        None => 7,
        Some(RouteKind::Withdrawal) => return None,
    };
    Some(Code::new(CAME[at].0))
}
