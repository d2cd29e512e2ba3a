//! How the patient came, and what share of the card's rate that route pays.

use contract::{Code, Day};
use reference::{BundleFault, FacilitySpan};
use rustc_hash::FxHashMap;

use crate::{Policy, Rule, read::code_number, rule::MISSING, schema::ROUTE_KINDS, table::Table};

/// What a route code says of how the patient came, as figures count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteKind {
    /// At the facility of registration.
    Own,
    /// At a commune station or the like.
    Station,
    /// With a transfer form.
    Referred,
    /// Change of stay or residence.
    Moved,
    /// By re-examination slip.
    Reexamination,
    /// Organ donor.
    Donor,
    /// Newborn.
    Newborn,
    /// Self-referred, at any tier: load, but no referral.
    SelfReferral,
    /// Emergency.
    Emergency,
    /// Drugs are picked up.
    Drugs,
    /// Not a visit: a payment request is withdrawn.
    Withdrawal,
    /// The patient does not use insurance.
    Uninsured,
}

/// What is asked about a route.
#[derive(Debug, Clone, Copy)]
pub struct RouteCase<'f> {
    /// MA_DOITUONG_KCB.
    pub code: Code,
    /// The day that decides.
    pub on: Day,
    /// Admitted to a ward.
    pub inpatient: bool,
    /// What the facility was on that day; `None`: not known.
    pub facility: Option<&'f FacilitySpan>,
}

/// What a route pays.
#[derive(Debug, Clone, Copy)]
pub struct RouteRate<'p> {
    /// Share of the card's rate in basis points: 10,000 is all of it.
    pub factor_basis_points: u32,
    /// The fund pays the whole covered cost whatever the card says.
    pub flat: bool,
    /// How the patient came.
    pub kind: RouteKind,
    /// The row that says so.
    pub rule: &'p Rule,
}

/// Why a route has no share.
#[derive(Debug, Clone, Copy)]
pub struct NoRate<'p> {
    /// The reason, in words.
    pub reason: &'p str,
    /// The row that says so; `None`: no row fits.
    pub rule: Option<&'p Rule>,
}

impl RouteKind {
    const ALL: [RouteKind; 12] = [
        RouteKind::Own,
        RouteKind::Station,
        RouteKind::Referred,
        RouteKind::Moved,
        RouteKind::Reexamination,
        RouteKind::Donor,
        RouteKind::Newborn,
        RouteKind::SelfReferral,
        RouteKind::Emergency,
        RouteKind::Drugs,
        RouteKind::Withdrawal,
        RouteKind::Uninsured,
    ];

    /// As the tables write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        ROUTE_KINDS[self as usize]
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Codes {
    table: Table,
    kinds: FxHashMap<Code, RouteKind>,
}

const CODE_KIND: usize = 0;
const CODE_NAME: usize = 1;
const ROUTE_FACTOR: usize = 0;
const ROUTE_FLAT: usize = 1;
const ROUTE_NONE: usize = 2;
const SELF_REFERRAL_CODE: usize = 0;

impl Codes {
    /// Codes that `others` name and this table doesn't are faults.
    pub(crate) fn new(table: Table, others: &[&Table], faults: &mut Vec<BundleFault>) -> Codes {
        let mut kinds = FxHashMap::default();
        for (code, rule) in table.codes_asked("code") {
            let kind = rule.number(CODE_KIND).and_then(|at| RouteKind::ALL.get(at as usize).copied());
            if kinds.insert(code, kind.unwrap_or(RouteKind::Own)).is_some() {
                let reason = format!("the code {code} is there twice");
                faults.push(BundleFault::new(rule.file(), rule.line(), "when.code", reason));
            }
        }
        for other in others {
            let asked = other.codes_asked("code").into_iter().map(|(code, rule)| (code, rule, "when.code"));
            let given = other.rules().filter(|rule| rule.file() == crate::schema::SELF_REFERRAL.file);
            let given = given.filter_map(|rule| rule.number(SELF_REFERRAL_CODE).map(|code| (code, rule)));
            let given = given.map(|(code, rule)| (Code::from_packed(code as u64), rule, "then.code"));
            for (code, rule, column) in asked.chain(given) {
                if !kinds.contains_key(&code) && !kinds.is_empty() {
                    let reason = format!("the code {code} is not in route_codes.toml");
                    faults.push(BundleFault::new(rule.file(), rule.line(), column, reason));
                }
            }
        }
        Codes { table, kinds }
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}

/// The facts of a facility, in the order in which both tables name them.
fn facility_facts(facility: Option<&FacilitySpan>) -> [i64; 5] {
    let Some(span) = facility else { return [MISSING; 5] };
    [
        span.tier as i64,
        span.score.map_or(MISSING, i64::from),
        span.former_level as i64,
        i64::from(span.provisional),
        i64::from(span.station),
    ]
}

impl Policy {
    /// What a route code says of how the patient came; `None`: the code is not known.
    #[must_use]
    #[inline]
    pub fn route_kind(&self, code: Code) -> Option<RouteKind> {
        self.route_codes.kinds.get(&code).copied()
    }

    /// A route code in words; empty where it is not known.
    #[must_use]
    pub fn route_name(&self, code: Code) -> &str {
        let rule = self.route_codes.table.first(&[code_number(code)], Day(0));
        rule.map_or("", |rule| rule.text(CODE_NAME))
    }

    /// The route codes, in table order.
    pub fn route_codes(&self) -> impl Iterator<Item = (Code, RouteKind, &str)> {
        let codes = self.route_codes.table.codes_asked("code");
        codes.into_iter().map(|(code, rule)| (code, self.route_codes.kinds[&code], rule.text(CODE_NAME)))
    }

    /// What the route pays.
    ///
    /// # Errors
    /// [`NoRate`] with its reason: an unknown code, a withdrawal, what the law leaves open, or a facility whose former level is
    /// needed and not known.
    #[inline]
    pub fn route(&self, case: &RouteCase<'_>) -> Result<RouteRate<'_>, NoRate<'_>> {
        match self.route_kind(case.code) {
            Some(kind) => self.route_by_kind(code_number(case.code), kind, case),
            None => Err(NoRate { reason: "the route code is not known", rule: None }),
        }
    }

    fn route_by_kind(
        &self,
        code: i64,
        kind: RouteKind,
        case: &RouteCase<'_>,
    ) -> Result<RouteRate<'_>, NoRate<'_>> {
        let [tier, score, former_level, provisional, station] = facility_facts(case.facility);
        let inpatient = i64::from(case.inpatient);
        let facts = [code, kind as i64, inpatient, tier, score, former_level, provisional, station];
        let Some(rule) = self.route.first(&facts, case.on) else {
            let reason =
                "no row fits: before 2025 the former level of the facility decides, and it is not known";
            return Err(NoRate { reason, rule: None });
        };
        match rule.number(ROUTE_FACTOR) {
            Some(factor) => Ok(RouteRate {
                factor_basis_points: factor as u32,
                flat: rule.number(ROUTE_FLAT) == Some(1),
                kind,
                rule,
            }),
            None => Err(NoRate { reason: rule.text(ROUTE_NONE), rule: Some(rule) }),
        }
    }

    /// The route code that a patient who comes by themselves falls under at this facility, with no emergency, listed disease or
    /// slip; `None`: before 2025 there was none.
    #[must_use]
    pub fn self_referral_code(
        &self,
        facility: &FacilitySpan,
        inpatient: bool,
        on: Day,
    ) -> Option<(Code, &Rule)> {
        let [tier, score, former_level, provisional, station] = facility_facts(Some(facility));
        let facts = [i64::from(inpatient), tier, score, former_level, provisional, station];
        let rule = self.self_referral.first(&facts, on)?;
        Some((Code::from_packed(rule.number(SELF_REFERRAL_CODE)? as u64), rule))
    }

    /// What the fund pays a patient who comes by themselves, at the desk of this facility.
    ///
    /// # Errors
    /// [`NoRate`], as [`Policy::route`].
    pub fn self_referral(
        &self,
        facility: &FacilitySpan,
        inpatient: bool,
        on: Day,
    ) -> Result<RouteRate<'_>, NoRate<'_>> {
        let code = self.self_referral_code(facility, inpatient, on).map_or(Code::EMPTY, |(code, _)| code);
        let case = RouteCase { code, on, inpatient, facility: Some(facility) };
        let kind = self.route_kind(code).unwrap_or(RouteKind::SelfReferral);
        self.route_by_kind(code_number(code), kind, &case)
    }
}
