//! Totals of claims: live and withdrawn ones, visits, and the money of the live ones.
//!
//! A *claim* is a record with a bill. It is *live* when its newest version is in force; *withdrawn* when that version withdraws
//! it (or has the route code that does), or an event in force takes it back. A claim that was replaced by another event counts as that event. A *visit* is a record
//! that was opened or billed and is in force. Withdrawn claims are no contributions of any projection, so this reads histories.

use std::collections::BTreeMap;

use contract::{Code, Day, Kind, RecordHash, Subject};
use history::{Body, Claim, History, Resolver, Standing};
use policy::{Bundle, RouteKind};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::{
    answer::{Column, ColumnKind, Stand, Table, Value, month},
    desk::Desk,
    error::QueryError,
    person::linked_away,
    plan::ROWS_MAX,
    question::{Filter, Standpoint, day_text},
    receipt::{Asked, Receipt},
};

/// A question for totals of claims.
#[derive(Debug, Clone)]
pub struct ClaimsQuestion {
    /// First of the last days of visits.
    pub from: Day,
    /// Last of them.
    pub to: Day,
    /// What rows are told apart by, of [`CLAIM_DIMENSIONS`].
    pub by: Vec<String>,
    /// Only these.
    pub filter: Vec<Filter>,
    /// Which events, under which bundle.
    pub standpoint: Standpoint,
}

/// The question as receipts keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimsAsked {
    /// As in [`ClaimsQuestion`].
    #[serde(with = "day_text")]
    pub from: Day,
    /// As in [`ClaimsQuestion`].
    #[serde(with = "day_text")]
    pub to: Day,
    /// As in [`ClaimsQuestion`].
    pub by: Vec<String>,
    /// As in [`ClaimsQuestion`].
    pub filter: Vec<Filter>,
}

/// How receipts name the rules by which claims are counted.
pub(crate) const CLAIMS: &str = "claims";
/// Changes whenever the same histories give other totals.
pub(crate) const CLAIMS_VERSION: u32 = 1;

/// What claims can be told apart by: facility, its tier on the day and old district, month, group of the card, route code
/// (MA_DOITUONG_KCB), visit type (MA_LOAI_KCB).
pub const CLAIM_DIMENSIONS: [&str; 7] =
    ["facility", "tier", "district", "month", "group", "route", "visit_type"];

/// Totals of claims.
#[derive(Debug, Clone, Serialize)]
pub struct ClaimsAnswer {
    /// The totals. Money in hundredths of a dong.
    pub table: Table,
    /// What they stand on.
    pub stand: Stand,
    /// With it the same bytes can be had again.
    pub receipt: Receipt,
}

/// Names and kinds of what is summed.
const MEASURES: [(&str, ColumnKind); 6] = [
    ("live", ColumnKind::Count),
    ("withdrawn", ColumnKind::Count),
    ("visits", ColumnKind::Count),
    ("T_TONGCHI_BH", ColumnKind::Money),
    ("T_BNCCT", ColumnKind::Money),
    ("T_BHTT", ColumnKind::Money),
];

/// What a row is told apart by, before texts are made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Key {
    facility: Code,
    group: Code,
    route: Code,
    visit_type: Code,
    day: Day,
}

impl Key {
    fn of(claim: &Claim) -> Key {
        let Claim { facility, group, route, visit_type, ended, .. } = *claim;
        Key { facility, group, route, visit_type, day: ended }
    }
}

/// One record of a bill or a visit.
#[derive(Default)]
struct Billed {
    live: Option<Claim>,
    /// The content that a withdrawal took away: the greatest version that has one.
    withdrawn: Option<Key>,
    opened: Option<Key>,
}

#[derive(Default)]
struct Totals {
    resolver: Resolver,
    sums: FxHashMap<Vec<Code>, [i64; 6]>,
    /// More rows than an answer may have.
    full: bool,
}

impl Desk<'_> {
    /// Totals of claims whose visits ended in a period.
    ///
    /// # Errors
    /// When something cannot be told apart by, there are too many rows, or the log cannot be read.
    pub fn claims(&self, question: &ClaimsQuestion) -> Result<ClaimsAnswer, QueryError> {
        for name in question.by.iter().chain(question.filter.iter().map(|filter| &filter.name)) {
            if !CLAIM_DIMENSIONS.contains(&name.as_str()) {
                let known = CLAIM_DIMENSIONS.join(", ");
                return Err(QueryError::Question(format!(
                    "claims cannot be told apart by {name}; they can by {known}"
                )));
            }
        }
        let place = self.place(&question.standpoint)?;
        let bundle = &place.bundle;
        let visit = |totals: &mut Totals, _: Subject, history: &History, as_of: Option<u64>| {
            totals.visit(history, as_of, question, bundle);
        };
        let folded = self.reader.fold_histories(self.log, &place.stand.positions, Totals::default, visit)?;
        let mut sums: BTreeMap<Vec<String>, [i64; 6]> = BTreeMap::new();
        for totals in folded {
            if totals.full {
                let what = format!("more than {ROWS_MAX} rows: tell fewer apart, or leave some out");
                return Err(QueryError::Question(what));
            }
            for (key, values) in totals.sums {
                let sum = sums.entry(key.iter().map(Code::to_string).collect()).or_default();
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        if question.by.is_empty() {
            sums.entry(Vec::new()).or_default();
        }
        let kind = |name: &String| if name == "month" { ColumnKind::Text } else { ColumnKind::Code };
        let by = question.by.iter().map(|name| Column { name: name.clone(), kind: kind(name) });
        let measures = MEASURES.iter().map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind });
        let columns = by.chain(measures).collect();
        let row = |(key, values): (Vec<String>, [i64; 6])| {
            let key = key.iter().zip(&question.by).map(|(code, name)| shown(name, code, bundle));
            key.chain(values.map(Value::Number)).collect()
        };
        let rows = sums.into_iter().map(row).collect();
        let table = Table { columns, rows };
        let ClaimsQuestion { from, to, by, filter, .. } = question.clone();
        let asked = Asked::Claims(ClaimsAsked { from, to, by, filter });
        let receipt = Receipt::of(&table, &place.stand, asked, (CLAIMS, CLAIMS_VERSION));
        Ok(ClaimsAnswer { table, stand: place.stand, receipt })
    }
}

impl Totals {
    fn visit(&mut self, history: &History, as_of: Option<u64>, question: &ClaimsQuestion, bundle: &Bundle) {
        let bills = |kind: Kind| matches!(kind, Kind::ClaimSubmitted | Kind::VisitOpened);
        if !history.facts().iter().any(|fact| bills(fact.kind)) {
            return;
        }
        let standings = self.resolver.standings(history, as_of);
        if linked_away(history, &standings) {
            return;
        }
        for billed in records(history, &standings, bundle).into_values() {
            let mut values = [0; 6];
            let key = match &billed {
                Billed { live: Some(claim), .. } => {
                    values = [1, 0, 1, claim.covered, claim.copay, claim.fund];
                    Key::of(claim)
                }
                Billed { withdrawn: Some(key), opened, .. } => {
                    values[1] = 1;
                    values[2] = i64::from(opened.is_some());
                    *key
                }
                Billed { opened: Some(key), .. } => {
                    values[2] = 1;
                    *key
                }
                _ => continue,
            };
            if key.day < question.from || key.day > question.to {
                continue;
            }
            let kept =
                |filter: &Filter| filter.values.contains(&code_of(&filter.name, &key, bundle).to_string());
            if !question.filter.iter().all(kept) {
                continue;
            }
            let by: Vec<Code> = question.by.iter().map(|name| code_of(name, &key, bundle)).collect();
            let sum = self.sums.entry(by).or_default();
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            self.full |= self.sums.len() > ROWS_MAX;
        }
    }
}

/// The records of bills and visits in a history.
fn records(
    history: &History,
    standings: &[Standing],
    bundle: &Bundle,
) -> FxHashMap<(RecordHash, Code), Billed> {
    let facts = || history.facts().iter().zip(standings);
    // A claim that another claim replaced is not withdrawn: it lives on as that one.
    let replaced_by_claim = |by: contract::IdHash| {
        facts().any(|(fact, _)| fact.id == by && fact.kind == Kind::ClaimSubmitted && !fact.withdrawn)
    };
    let mut records: FxHashMap<(RecordHash, Code), Billed> = FxHashMap::default();
    for (fact, standing) in facts() {
        match (&fact.body, standing) {
            (Body::ClaimSubmitted(claim), Standing::InForce) => {
                let record = records.entry((fact.record, fact.emitter)).or_default();
                // The route says so too, however the emitter wrote the rest.
                if bundle.policy.route_kind(claim.route) == Some(RouteKind::Withdrawal) {
                    record.withdrawn = Some(Key::of(claim));
                } else {
                    record.live = Some(*claim);
                }
            }
            (Body::ClaimSubmitted(claim), Standing::Withdrawal) => {
                // A withdrawal repeats what it takes away, or says nothing: then the version before it says it.
                let earlier = facts().filter(|(other, _)| {
                    other.same_record(fact) && other.kind == fact.kind && !other.withdrawn
                });
                let version = earlier
                    .filter(|(_, standing)| matches!(standing, Standing::Superseded { .. }))
                    .max_by_key(|(other, _)| (other.asserted, other.recorded, other.id));
                let said = match version.map(|(other, _)| &other.body) {
                    Some(Body::ClaimSubmitted(said)) => Key::of(said),
                    _ if claim.facility.is_empty() => {
                        Key { facility: fact.emitter, day: fact.occurred.day(), ..Key::default() }
                    }
                    _ => Key::of(claim),
                };
                records.entry((fact.record, fact.emitter)).or_default().withdrawn = Some(said);
            }
            (Body::ClaimSubmitted(claim), Standing::TakenBack { by }) if !replaced_by_claim(*by) => {
                records.entry((fact.record, fact.emitter)).or_default().withdrawn = Some(Key::of(claim));
            }
            (Body::VisitOpened { facility, visit_type, route, .. }, Standing::InForce) => {
                let day = fact.occurred.day();
                let key = Key {
                    facility: *facility,
                    visit_type: *visit_type,
                    route: *route,
                    day,
                    ..Key::default()
                };
                records.entry((fact.record, fact.emitter)).or_default().opened = Some(key);
            }
            _ => {}
        }
    }
    records
}

fn code_of(name: &str, key: &Key, bundle: &Bundle) -> Code {
    match name {
        "facility" => key.facility,
        "tier" => projection::tier_code(projection::tier(key.facility, key.day, bundle)),
        "district" => {
            let district = bundle.reference.facility(key.facility).and_then(|facility| facility.district);
            district.unwrap_or(Code::new(projection::UNKNOWN))
        }
        "month" => Code::new(&month(key.day)),
        "group" => key.group,
        "route" => key.route,
        _ => key.visit_type,
    }
}

fn shown(name: &str, code: &str, bundle: &Bundle) -> Value {
    let known = Code::new(code);
    let title = match name {
        "month" => return Value::Text(code.to_owned()),
        "facility" => bundle.reference.facility(known).map(|facility| facility.name.clone()),
        "district" => {
            let districts = bundle.reference.districts().iter();
            districts.clone().find(|district| district.code == known).map(|district| district.name.clone())
        }
        "tier" => projection::TIERS.iter().find(|tier| tier.0 == code).map(|tier| tier.1.to_owned()),
        "route" => Some(bundle.policy.route_name(known).to_owned()).filter(|name| !name.is_empty()),
        _ => None,
    };
    Value::Code { code: code.to_owned(), name: title }
}
