//! Totals of claims: live and withdrawn ones, visits, and the money of the live ones.
//!
//! A *claim* is a record with a bill. It is *live* when its newest version is in force; *withdrawn* when that version withdraws
//! it (or has the route code that does), or an event in force takes it back. A claim that was replaced by another event counts as that event,
//! and one that was taken back because its record is about another person counts as that person's. A *visit* is a record
//! that was opened or billed and is in force. Withdrawn claims are no contributions of any projection, so this reads histories.

use std::{cell::LazyCell, collections::BTreeMap};

use contract::{Code, Day, EventId, IdHash, Kind, RecordHash, Subject};
use event_log::{EventLog, partition_of};
use history::{Body, Claim, Fact, History, Resolver, Standing};
use policy::{Bundle, RouteKind};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::{
    answer::{Column, ColumnKind, Stand, Table, Value, month},
    desk::Desk,
    error::QueryError,
    person::{event_at, linked_away},
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
pub(crate) const CLAIMS_VERSION: u32 = 2;

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
    /// Why no more is added up.
    failed: Option<QueryError>,
}

/// What is counted, and from what.
struct Count<'a> {
    question: &'a ClaimsQuestion,
    bundle: &'a Bundle,
    log: &'a dyn EventLog,
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
        let count = Count { question, bundle, log: self.log };
        let visit = |totals: &mut Totals, subject: Subject, history: &History, as_of: Option<u64>| {
            totals.visit(subject, history, as_of, &count);
        };
        let folded = self.reader.fold_histories(self.log, &place.stand.positions, Totals::default, visit)?;
        let mut sums: BTreeMap<Vec<String>, [i64; 6]> = BTreeMap::new();
        for totals in folded {
            if let Some(error) = totals.failed {
                return Err(error);
            }
            for (key, values) in totals.sums {
                let sum = sums.entry(key.iter().map(Code::to_string).collect()).or_default();
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            if sums.len() > ROWS_MAX {
                return Err(too_many_rows());
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
    fn visit(&mut self, subject: Subject, history: &History, as_of: Option<u64>, count: &Count<'_>) {
        let bills = |kind: Kind| matches!(kind, Kind::ClaimSubmitted | Kind::VisitOpened);
        if self.failed.is_some() || !history.facts().iter().any(|fact| bills(fact.kind)) {
            return;
        }
        let Count { question, bundle, .. } = *count;
        let standings = self.resolver.standings(history, as_of);
        if linked_away(history, &standings) {
            return;
        }
        let records = match records(subject, history, &standings, count) {
            Ok(records) => records,
            Err(error) => {
                self.failed = Some(error);
                return;
            }
        };
        for billed in records.into_values() {
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
            if self.sums.len() > ROWS_MAX {
                self.failed = Some(too_many_rows());
                return;
            }
        }
    }
}

fn too_many_rows() -> QueryError {
    QueryError::Question(format!("more than {ROWS_MAX} rows: tell fewer apart, or leave some out"))
}

/// The records of bills and visits in a history.
fn records(
    subject: Subject,
    history: &History,
    standings: &[Standing],
    count: &Count<'_>,
) -> Result<FxHashMap<(RecordHash, Code), Billed>, QueryError> {
    let facts = || history.facts().iter().zip(standings);
    // Few histories need these three, and one that does may need them often.
    let by_id = LazyCell::new(|| -> FxHashMap<IdHash, &Fact> {
        history.facts().iter().map(|fact| (fact.id, fact)).collect()
    });
    // Which events claims in force take the place of, and who said so.
    let taken_over = LazyCell::new(|| {
        let mut taken_over: FxHashMap<IdHash, Vec<&Fact>> = FxHashMap::default();
        for (fact, standing) in facts() {
            if fact.kind == Kind::ClaimSubmitted && *standing == Standing::InForce {
                for target in fact.corrects.into_iter().chain(fact.voids) {
                    taken_over.entry(target).or_default().push(fact);
                }
            }
        }
        taken_over
    });
    // The newest version of each record that was replaced and says something.
    let replaced = LazyCell::new(|| {
        let mut versions: FxHashMap<(RecordHash, Code), &Fact> = FxHashMap::default();
        for (fact, standing) in facts() {
            if fact.kind == Kind::ClaimSubmitted
                && !fact.withdrawn
                && matches!(standing, Standing::Superseded { .. })
            {
                let newest = versions.entry((fact.record, fact.emitter)).or_insert(fact);
                if (fact.asserted, fact.recorded, fact.id) > (newest.asserted, newest.recorded, newest.id) {
                    *newest = fact;
                }
            }
        }
        versions
    });
    let mut records: FxHashMap<(RecordHash, Code), Billed> = FxHashMap::default();
    for (fact, standing) in facts() {
        match (&fact.body, standing) {
            (Body::ClaimSubmitted(claim), Standing::InForce) => {
                let record = records.entry((fact.record, fact.emitter)).or_default();
                // The route says so too, however the emitter wrote the rest.
                if count.bundle.policy.route_kind(claim.route) == Some(RouteKind::Withdrawal) {
                    record.withdrawn = Some(Key::of(claim));
                } else {
                    record.live = Some(*claim);
                }
            }
            (Body::ClaimSubmitted(claim), Standing::Withdrawal) => {
                // A withdrawal repeats what it takes away, or says nothing: then the version before it says it.
                let said = match replaced.get(&(fact.record, fact.emitter)).map(|version| &version.body) {
                    Some(Body::ClaimSubmitted(said)) => Key::of(said),
                    _ if claim.facility.is_empty() => {
                        Key { facility: fact.emitter, day: fact.occurred.day(), ..Key::default() }
                    }
                    _ => Key::of(claim),
                };
                records.entry((fact.record, fact.emitter)).or_default().withdrawn = Some(said);
            }
            (Body::ClaimSubmitted(claim), Standing::TakenBack { by }) => {
                let may = |by: &&Fact| by.by_operator || by.emitter == fact.emitter;
                let as_another = taken_over.get(&fact.id).is_some_and(|claims| claims.iter().any(may));
                let lives_on = as_another
                    || match by_id.get(by) {
                        Some(by) => is_moved(subject, fact, by, count.log)?,
                        None => false,
                    };
                if !lives_on {
                    records.entry((fact.record, fact.emitter)).or_default().withdrawn = Some(Key::of(claim));
                }
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
    Ok(records)
}

/// Whether `by` takes `claim` back only because the record turned out to be about another person, where it stands again:
/// intake says this, under a record key of its own ([`contract::retraction_key`]), which no fact keeps: the event itself is
/// read.
fn is_moved(subject: Subject, claim: &Fact, by: &Fact, log: &dyn EventLog) -> Result<bool, QueryError> {
    // All that can be told from the facts, so that few events are read.
    if by.kind != Kind::Retraction || by.occurred != claim.occurred || by.emitter != claim.emitter {
        return Ok(false);
    }
    let (event, _) = event_at(log, partition_of(&subject, log.partitions()), by.offset)?;
    let target = event.voids.and_then(|target| EventId::try_from(&target.event_id[..]).ok());
    Ok(target.is_some_and(|target| event.record_key == contract::retraction_key(target)))
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
