//! How the patient came, and what share of the card's rate that route pays.

use contract::{Code, Day};
use reference::{BundleFault, CodeIndex, FacilityClass, FacilitySpan};

use crate::{Policy, Rule, read::code_number, rows::Rows, rule::MISSING, schema::ROUTE_KINDS, table::Table};

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
pub struct RouteCase {
    /// MA_DOITUONG_KCB.
    pub code: Code,
    /// The day that decides.
    pub on: Day,
    /// Admitted to a ward.
    pub inpatient: bool,
    /// What the facility was on that day; `None`: not known.
    pub facility: Option<FacilityClass>,
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
    /// What its copay counts for.
    pub copay: CopayCounts<'p>,
    /// The row that says so.
    pub rule: &'p Rule,
}

/// What copay on a route counts for in the year's exemption.
#[derive(Debug, Clone, Copy)]
pub struct CopayCounts<'p> {
    /// Whether it counts toward the threshold.
    pub counts: bool,
    /// Whether the exemption then covers care on this route.
    pub exempts: bool,
    /// The row that says so; `None`: no row fits, and neither holds.
    pub rule: Option<&'p Rule>,
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
    by_code: CodeIndex<Known>,
    /// What routes pay, code by code.
    shares: Vec<Rows<Share>>,
}

/// A route code that the table names.
#[derive(Debug, Clone, Copy)]
struct Known {
    kind: RouteKind,
    /// Where its shares stand.
    shares: u16,
    /// What it pays, and since when, where nothing more is to ask.
    settled: Option<(Day, Share)>,
}

/// What a row of the routes says.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// `None`: it says why there is none.
    factor_basis_points: Option<u32>,
    flat: bool,
    counts: bool,
    exempts: bool,
    copay_rule: Option<u16>,
    rule: u16,
}

impl Share {
    /// What row `at` says of a route of this kind on a day.
    fn of(at: u16, kind: RouteKind, on: Day, route: &Table, copay_counting: &Table) -> Share {
        let rule = route.rule(at);
        let factor = rule.number(ROUTE_FACTOR);
        let copay = factor.and_then(|factor| copay_counting.first_numbered(&[kind as i64, factor], on));
        let says = |column| copay.is_some_and(|(_, rule)| rule.number(column) == Some(1));
        Share {
            factor_basis_points: factor.map(|factor| factor as u32),
            flat: rule.number(ROUTE_FLAT) == Some(1),
            counts: says(COPAY_COUNTS),
            exempts: says(COPAY_EXEMPTS),
            copay_rule: copay.map(|(at, _)| at),
            rule: at,
        }
    }
}

const CODE_KIND: usize = 0;
const CODE_NAME: usize = 1;
const ROUTE_FACTOR: usize = 0;
const ROUTE_FLAT: usize = 1;
const ROUTE_NONE: usize = 2;
const SELF_REFERRAL_CODE: usize = 0;
const COPAY_COUNTS: usize = 0;
const COPAY_EXEMPTS: usize = 1;

impl Codes {
    /// Codes that `others` name and this table doesn't are faults.
    pub(crate) fn new(
        table: Table,
        route: &Table,
        others: &[&Table],
        copay_counting: &Table,
        faults: &mut Vec<BundleFault>,
    ) -> Codes {
        let cuts: Vec<Day> = copay_counting.change_days().collect();
        let mut by_code: Vec<(Code, Known)> = Vec::new();
        let mut shares = Vec::new();
        for (code, rule) in table.codes_asked("code") {
            let kind = rule.number(CODE_KIND).and_then(|at| RouteKind::ALL.get(at as usize).copied());
            let kind = kind.unwrap_or(RouteKind::Own);
            let share = |at: usize, on: Day| Share::of(at as u16, kind, on, route, copay_counting);
            let of_code = route.answers(Some(code_number(code)), &cuts, share);
            let known = Known { kind, shares: shares.len() as u16, settled: of_code.settled() };
            shares.push(of_code);
            if by_code.iter().any(|(known, _)| *known == code) {
                let reason = format!("the code {code} is there twice");
                faults.push(BundleFault::new(rule.file(), rule.line(), "when.code", reason));
            }
            by_code.push((code, known));
        }
        let by_code = CodeIndex::new(by_code);
        for other in others {
            let asked = other.codes_asked("code").into_iter().map(|(code, rule)| (code, rule, "when.code"));
            let given = other.rules().filter(|rule| rule.file() == crate::schema::SELF_REFERRAL.file);
            let given = given.filter_map(|rule| rule.number(SELF_REFERRAL_CODE).map(|code| (code, rule)));
            let given = given.map(|(code, rule)| (Code::from_packed(code as u64), rule, "then.code"));
            for (code, rule, column) in asked.chain(given) {
                if by_code.get(code).is_none() && !shares.is_empty() {
                    let reason = format!("the code {code} is not in route_codes.toml");
                    faults.push(BundleFault::new(rule.file(), rule.line(), column, reason));
                }
            }
        }
        Codes { table, by_code, shares }
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}

/// The facts of a facility, in the order in which both tables name them.
#[inline]
fn facility_facts(facility: Option<FacilityClass>) -> [i64; 5] {
    let Some(class) = facility else { return [MISSING; 5] };
    [
        class.tier as i64,
        class.score.map_or(MISSING, i64::from),
        class.former_level as i64,
        i64::from(class.provisional),
        i64::from(class.station),
    ]
}

/// The facts of a case, in the order in which the table of routes names them.
#[inline]
fn route_facts(kind: RouteKind, case: &RouteCase) -> [i64; 8] {
    let [tier, score, former_level, provisional, station] = facility_facts(case.facility);
    let inpatient = i64::from(case.inpatient);
    [code_number(case.code), kind as i64, inpatient, tier, score, former_level, provisional, station]
}

impl Policy {
    /// What a route code says of how the patient came; `None`: the code is not known.
    #[must_use]
    #[inline]
    pub fn route_kind(&self, code: Code) -> Option<RouteKind> {
        self.route_codes.by_code.get(code).map(|known| known.kind)
    }

    /// A route code in words; empty where it is not known.
    #[must_use]
    pub fn route_name(&self, code: Code) -> &str {
        let rule = self.route_codes.table.first(&[code_number(code)], Day(0));
        rule.map_or("", |rule| rule.text(CODE_NAME))
    }

    /// The route codes, in table order.
    pub fn route_codes(&self) -> impl Iterator<Item = (Code, RouteKind, &str)> {
        let codes = self.route_codes.table.codes_asked("code").into_iter();
        codes.filter_map(|(code, rule)| Some((code, self.route_kind(code)?, rule.text(CODE_NAME))))
    }

    /// What the route pays.
    ///
    /// # Errors
    /// [`NoRate`] with its reason: an unknown code, a withdrawal, what the law leaves open, or a facility whose former level is
    /// needed and not known.
    #[inline]
    pub fn route(&self, case: &RouteCase) -> Result<RouteRate<'_>, NoRate<'_>> {
        let Some(known) = self.route_codes.by_code.get(case.code) else {
            return Err(NoRate { reason: "the route code is not known", rule: None });
        };
        if let Some((since, share)) = &known.settled
            && *since <= case.on
        {
            return self.share(Some(share), known.kind);
        }
        let shares = &self.route_codes.shares[usize::from(known.shares)];
        self.share(shares.first(&route_facts(known.kind, case), case.on), known.kind)
    }

    #[inline]
    fn share(&self, share: Option<&Share>, kind: RouteKind) -> Result<RouteRate<'_>, NoRate<'_>> {
        let Some(share) = share else {
            let reason =
                "no row fits: before 2025 the former level of the facility decides, and it is not known";
            return Err(NoRate { reason, rule: None });
        };
        let rule = self.route.rule(share.rule);
        match share.factor_basis_points {
            Some(factor_basis_points) => Ok(RouteRate {
                factor_basis_points,
                flat: share.flat,
                kind,
                copay: CopayCounts {
                    counts: share.counts,
                    exempts: share.exempts,
                    rule: share.copay_rule.map(|at| self.copay_counting.rule(at)),
                },
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
        let [tier, score, former_level, provisional, station] = facility_facts(Some(facility.class()));
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
        let case = RouteCase { code, on, inpatient, facility: Some(facility.class()) };
        if self.route_kind(code).is_some() {
            return self.route(&case);
        }
        let kind = RouteKind::SelfReferral;
        let row = self.route.first_numbered(&route_facts(kind, &case), on);
        let share = row.map(|(at, _)| Share::of(at, kind, on, &self.route, &self.copay_counting));
        self.share(share.as_ref(), kind)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::LazyLock};

    use proptest::prelude::*;
    use reference::{FormerLevel, Tier};

    use super::*;
    use crate::Bundle;

    static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let paths = Policy::FILES.into_iter().chain(reference::Reference::FILES);
        let files: BTreeMap<_, _> =
            paths.map(|path| (path.to_owned(), std::fs::read(folder.join(path)).unwrap())).collect();
        Bundle::parse(&files).unwrap()
    });

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn what_is_laid_out_by_code_is_what_the_tables_say(
            (route, group) in (0usize..28, 0usize..60),
            digit in prop::sample::select(vec!["", "1", "4", "9"]),
            on in 15_000i32..22_000,
            inpatient: bool,
            class in prop::option::of((0usize..4, prop::option::of(0u8..=100), 0usize..4, any::<bool>(), any::<bool>())),
        ) {
            let (policy, on) = (&BUNDLE.policy, Day(on));
            let facility = class.map(|(tier, score, former_level, provisional, station)| FacilityClass {
                tier: Tier::NAMED[tier].1,
                score,
                former_level: FormerLevel::NAMED[former_level].1,
                provisional,
                station,
            });
            let Some((code, kind, _)) = policy.route_codes().nth(route) else { return Ok(()) };
            let case = RouteCase { code, on, inpatient, facility };
            let row = policy.route.first(&route_facts(kind, &case), on);
            let said = policy.route(&case);
            prop_assert_eq!(
                said.map_or_else(|none| none.rule, |rate| Some(rate.rule)).map(Rule::id),
                row.map(Rule::id)
            );
            if let Ok(rate) = said {
                let copay = policy.copay_counting.first(&[kind as i64, i64::from(rate.factor_basis_points)], on);
                prop_assert_eq!(rate.copay.rule.map(Rule::id), copay.map(Rule::id));
            }

            let group = policy.known_groups().nth(group).map_or(Code::new("ZZ"), |group| group.code);
            let digit = Code::new(digit);
            let row = policy.card_rates.first(&[code_number(group), code_number(digit)], on);
            let said = policy.card_rate(group, digit, on).map(|rate| rate.rule.id());
            prop_assert_eq!(said, row.map(Rule::id));
        }
    }
}
