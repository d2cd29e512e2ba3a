//! Decision tables of law: rules with citation and validity, and their explanation.
//!
//! The rules are rows of `policy/*.toml`, none of them here: this crate knows how a table is read, checked and asked, which
//! facts each table may ask for, and the arithmetic between the answers. A table is asked with a case of named facts and a
//! day; the first row that fits answers, with its id and citation.
//!
//! Three doors: the typed questions of [`Policy`] (card rate, route, base salary ...), [`Policy::rate`] and
//! [`Policy::decide`] for a whole claim, and [`Bundle`], which is the reference and the policy under one digest.

mod bundle;
mod card;
mod decide;
mod exemption;
mod figures;
mod money;
mod read;
mod referral;
mod route;
mod rows;
mod rule;
mod schema;
mod switches;
mod table;
#[cfg(feature = "testing")]
pub mod testing;

use std::collections::BTreeMap;

use contract::Day;
use reference::{BundleFault, Calendar, Reference};

pub use bundle::Bundle;
pub use card::{CardRate, Group};
pub use decide::{Case, Decision, Raised, Rate, Step};
pub use exemption::{AnnualCopay, Exemption, FiveYears};
pub use figures::{Figure, Parameter};
pub use money::{Money, Percent};
pub use referral::Validity;
pub use route::{CopayCounts, NoRate, RouteCase, RouteKind, RouteRate};
pub use rule::{Confidence, Rule};
pub use switches::Switch;

use rows::ByDay;
use table::Table;

/// Every table of `policy/`, checked and indexed.
#[derive(Debug, Clone)]
pub struct Policy {
    switches: Vec<Switch>,
    base_salary: Table,
    /// The reference level from each day on: what `base_salary` answers, laid out for the sums of a year.
    levels: Vec<(Day, Money)>,
    card_rates: Table,
    groups: card::Groups,
    route_codes: route::Codes,
    route: Table,
    self_referral: Table,
    low_cost: Table,
    /// The low-cost bound, day by day.
    low_costs: ByDay<Option<figures::LowCost>>,
    annual_exemption: Table,
    /// Copay under which nobody has passed the threshold of any year; `None`: no such amount is known.
    least_threshold: Option<Money>,
    copay_counting: Table,
    referral_validity: Table,
    parameters: figures::Parameters,
    calendar: Calendar,
    /// The days on which some card rate changes, in order.
    card_rate_changes: Vec<Day>,
}

impl Policy {
    /// The files it reads. All must be there.
    pub const FILES: [&str; 12] = [
        "policy/annual_exemption.toml",
        "policy/base_salary.toml",
        "policy/card_rates.toml",
        "policy/copay_counting.toml",
        "policy/groups.toml",
        "policy/low_cost.toml",
        "policy/parameters.toml",
        "policy/referral_validity.toml",
        "policy/route.toml",
        "policy/route_codes.toml",
        "policy/self_referral.toml",
        "policy/switches.toml",
    ];

    /// Reads the files of a bundle, by their paths as `policy/route.toml`; working days are the reference's. Paths outside
    /// `policy/` are not looked at; a file inside it that is none of [`Policy::FILES`] is a fault.
    ///
    /// # Errors
    /// Every fault in every file: nothing of a broken policy is used.
    pub fn parse(
        files: &BTreeMap<String, Vec<u8>>,
        reference: &Reference,
    ) -> Result<Policy, Vec<BundleFault>> {
        read_policy(files, reference.calendar().clone())
    }

    /// Every row of every table, table by table in table order; the rows that a switch has put out of force too.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.tables().into_iter().flat_map(Table::rules)
    }

    /// The rule with this id.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules().find(|rule| rule.id() == id)
    }

    /// Where the law is unclear, and which reading is chosen.
    #[must_use]
    pub fn switches(&self) -> &[Switch] {
        &self.switches
    }

    fn tables(&self) -> [&Table; 11] {
        [
            &self.base_salary,
            &self.card_rates,
            self.groups.table(),
            self.route_codes.table(),
            &self.route,
            &self.self_referral,
            &self.low_cost,
            &self.annual_exemption,
            &self.copay_counting,
            &self.referral_validity,
            self.parameters.table(),
        ]
    }
}

fn read_policy(files: &BTreeMap<String, Vec<u8>>, calendar: Calendar) -> Result<Policy, Vec<BundleFault>> {
    let mut faults = Vec::new();
    for path in files.keys() {
        if path.starts_with("policy/") && !Policy::FILES.contains(&path.as_str()) {
            let known = Policy::FILES.join(", ");
            faults.push(BundleFault::file(path, format!("not a table of the policy, which has {known}")));
        }
    }
    let switches = switches::read(files, &mut faults);
    let mut ids = BTreeMap::new();
    let mut table = |schema: &'static schema::Schema| {
        let mut table = Table::read(schema, files, &switches, &mut faults);
        for rule in table.rules() {
            if let Some((file, line)) = ids.insert(rule.id().to_owned(), (schema.file, rule.line())) {
                let reason = format!("the id {} is also in {file}, row {line}", rule.id());
                faults.push(BundleFault::new(schema.file, rule.line(), "id", reason));
            }
        }
        table.refuse_hidden(&mut faults);
        table.compile();
        table
    };
    let base_salary = table(&schema::BASE_SALARY);
    let card_rates = table(&schema::CARD_RATES);
    let groups = table(&schema::GROUPS);
    let route_codes = table(&schema::ROUTE_CODES);
    let route = table(&schema::ROUTE);
    let self_referral = table(&schema::SELF_REFERRAL);
    let low_cost = table(&schema::LOW_COST);
    let annual_exemption = table(&schema::ANNUAL_EXEMPTION);
    let copay_counting = table(&schema::COPAY_COUNTING);
    let referral_validity = table(&schema::REFERRAL_VALIDITY);
    let parameters = table(&schema::PARAMETERS_SCHEMA);
    groups.refuse_all_but_codes(&mut faults);
    route_codes.refuse_all_but_codes(&mut faults);
    let groups = card::Groups::new(groups, &card_rates, &mut faults);
    let route_codes =
        route::Codes::new(route_codes, &route, &[&route, &self_referral], &copay_counting, &mut faults);
    let parameters = figures::Parameters::new(parameters, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut card_rate_changes: Vec<Day> = card_rates.change_days().collect();
    card_rate_changes.sort_unstable();
    card_rate_changes.dedup();
    let mut policy = Policy {
        switches,
        base_salary,
        levels: Vec::new(),
        card_rates,
        groups,
        route_codes,
        route,
        self_referral,
        low_cost,
        low_costs: ByDay::new([], |_| None),
        annual_exemption,
        least_threshold: None,
        copay_counting,
        referral_validity,
        parameters,
        calendar,
        card_rate_changes,
    };
    policy.levels = policy.levels_by_day();
    policy.refuse_levels(&mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    policy.low_costs = policy.low_costs_by_day();
    policy.least_threshold = policy.least_threshold_of_all();
    Ok(policy)
}
