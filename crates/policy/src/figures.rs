//! Amounts and numbers with validity: the base salary, the low-cost bound, the parameters of figures.

use std::{collections::BTreeMap, str::FromStr};

use contract::Day;
use reference::BundleFault;

use crate::{
    Money, Policy, Rule,
    rows::{ByDay, Rows},
    schema::{MEASURES, PARAMETERS},
    table::Table,
};

/// A number with the row it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Figure<'p, T> {
    /// The number.
    pub value: T,
    /// The row that says so.
    pub rule: &'p Rule,
}

/// A number that a figure is defined by: `policy/parameters.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// Months within which a check-up or a care contact counts as health management.
    HealthManagementWindowMonths,
    /// A child is insured as such until this birthday.
    ChildUnderYears,
    /// Elderly from this birthday.
    ElderlyFromYears,
    /// Social pension from this birthday.
    SocialPensionFromYears,
    /// Days for which a card that ends during a stay is still paid.
    CardGraceDays,
    /// An arrival joins the sender's latest issue of its form number within these days.
    ArrivalJoinsWithinDays,
    /// Without a matching number, within so many working days.
    InferredArrivalWorkingDays,
    /// After these days an open stay without a claim is stale.
    StaleInpatientDays,
}

impl Parameter {
    /// All of them.
    pub const ALL: [Parameter; 8] = [
        Parameter::HealthManagementWindowMonths,
        Parameter::ChildUnderYears,
        Parameter::ElderlyFromYears,
        Parameter::SocialPensionFromYears,
        Parameter::CardGraceDays,
        Parameter::ArrivalJoinsWithinDays,
        Parameter::InferredArrivalWorkingDays,
        Parameter::StaleInpatientDays,
    ];

    /// As the table writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        PARAMETERS[self as usize]
    }
}

impl FromStr for Parameter {
    type Err = ();

    fn from_str(name: &str) -> Result<Parameter, ()> {
        Self::ALL.into_iter().find(|parameter| parameter.name() == name).ok_or(())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    table: Table,
    /// Each parameter's value and row.
    values: [Rows<(i64, u16)>; Parameter::ALL.len()],
}

/// When a visit is cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LowCost {
    /// Below it; `None`: no reference level is known.
    bound: Option<Money>,
    /// Whether the rule raises the whole claim rather than the card's part of it.
    raises_claim: bool,
    rule: u16,
}

impl Parameters {
    /// A parameter without a row today is a fault: a figure would have no definition.
    pub(crate) fn new(table: Table, faults: &mut Vec<BundleFault>) -> Parameters {
        if table.rules().next().is_some() {
            for parameter in Parameter::ALL {
                // Any row will do: a parameter may begin late, and answers `None` before.
                let facts = [parameter as i64];
                let days = table.change_days().chain([Day(0)]).collect::<Vec<_>>();
                if !days.into_iter().any(|on| table.first(&facts, on).is_some()) {
                    let reason = format!("no row in force says {}", parameter.name());
                    faults.push(BundleFault::file(crate::schema::PARAMETERS_SCHEMA.file, reason));
                }
            }
        }
        let values = Parameter::ALL.map(|parameter| {
            table.answers(Some(parameter as i64), &[], |at, _| {
                (table.rule(at as u16).number(VALUE).unwrap_or_default(), at as u16)
            })
        });
        Parameters { table, values }
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}

/// How often the reference level changes within a year at most; on the first of January is not within.
const LEVEL_CHANGES_MAX: usize = 2;
const LEVEL_MAX: Money = Money::dong(1_000_000_000);
const AMOUNT: usize = 0;
const LOW_COST_BELOW: usize = 0;
const LOW_COST_RAISES: usize = 1;
const VALUE: usize = 0;
const BASE_SALARY: i64 = 0;
const REFERENCE_LEVEL: i64 = 1;

impl Policy {
    /// The base salary of a month.
    #[must_use]
    pub fn base_salary(&self, on: Day) -> Option<Figure<'_, Money>> {
        debug_assert_eq!(MEASURES[BASE_SALARY as usize], "base-salary");
        self.amount(BASE_SALARY, on)
    }

    /// The level (`mức tham chiếu`) that thresholds are multiples of: the base salary, until the Government decides otherwise.
    #[must_use]
    pub fn reference_level(&self, on: Day) -> Option<Figure<'_, Money>> {
        self.amount(REFERENCE_LEVEL, on)
    }

    fn amount(&self, measure: i64, on: Day) -> Option<Figure<'_, Money>> {
        let rule = self.base_salary.first(&[measure], on)?;
        match rule.number(AMOUNT) {
            Some(amount) => Some(Figure { value: Money(amount), rule }),
            // The one other thing a row can say is that it is the base salary.
            None if measure == BASE_SALARY => None,
            None => self.amount(BASE_SALARY, on),
        }
    }

    /// The reference level as it goes: from each of these days on it is this, in order of time.
    pub(crate) fn levels_by_day(&self) -> Vec<(Day, Money)> {
        let mut days: Vec<Day> = self.base_salary.change_days().collect();
        days.sort_unstable();
        days.dedup();
        let levels = days.into_iter().filter_map(|day| Some((day, self.reference_level(day)?.value)));
        levels.collect()
    }

    /// Levels that a year's copay cannot be reckoned with: what is left of the threshold is an exact fraction, which grows by a level
    /// with each change, and more than these do not fit.
    pub(crate) fn refuse_levels(&self, faults: &mut Vec<BundleFault>) {
        let file = crate::schema::BASE_SALARY.file;
        let within_years = self.levels.iter().filter(|(day, _)| *day > Day::new_year(day.year()));
        let mut changes: BTreeMap<i32, usize> = BTreeMap::new();
        within_years.for_each(|(day, _)| *changes.entry(day.year()).or_default() += 1);
        for (year, count) in changes.into_iter().filter(|(_, count)| *count > LEVEL_CHANGES_MAX) {
            let reason = format!(
                "the reference level changes {count} times within {year}; the most is {LEVEL_CHANGES_MAX}: check the days"
            );
            faults.push(BundleFault::file(file, reason));
        }
        if self.levels.iter().any(|(_, level)| level.0 <= 0) {
            faults.push(BundleFault::file(file, "a level of nothing: check the amounts".to_owned()));
        }
        if self.levels.iter().any(|(_, level)| *level > LEVEL_MAX) {
            let reason = format!("a level above {LEVEL_MAX} dong a month: check the amounts");
            faults.push(BundleFault::file(file, reason));
        }
    }

    /// The cost of one visit under which nothing is to pay.
    #[must_use]
    pub fn low_cost_bound(&self, on: Day) -> Option<Figure<'_, Money>> {
        let known = self.low_costs.on(on).as_ref()?;
        Some(Figure { value: known.bound?, rule: self.low_cost.rule(known.rule) })
    }

    /// The low-cost rule as it goes.
    pub(crate) fn low_costs_by_day(&self) -> ByDay<Option<LowCost>> {
        let changes = self.low_cost.change_days().chain(self.base_salary.change_days());
        ByDay::new(changes, |on| {
            let (at, rule) = self.low_cost.first_numbered(&[], on)?;
            let bound = self.reference_level(on).zip(rule.number(LOW_COST_BELOW)).map(|(level, share)| {
                // Costs are whole hundredths: below the exact bound is below the bound rounded up.
                Money((i128::from(level.value.0) * i128::from(share)).div_ceil_10_000() as i64)
            });
            Some(LowCost { bound, raises_claim: rule.number(LOW_COST_RAISES) == Some(1), rule: at })
        })
    }

    /// The rule that makes a visit of this covered cost free of copay, if it is cheap enough: strictly below the bound.
    #[must_use]
    #[inline]
    pub fn low_cost(&self, covered_cost: Money, on: Day) -> Option<&Rule> {
        let known = self.low_costs.on(on).as_ref()?;
        known.bound.is_some_and(|bound| covered_cost < bound).then(|| self.low_cost.rule(known.rule))
    }

    /// Whether the low-cost rule of a day raises the whole claim rather than the card's part of it.
    #[inline]
    pub(crate) fn low_cost_raises_claim(&self, on: Day) -> bool {
        self.low_costs.on(on).is_some_and(|known| known.raises_claim)
    }

    /// A number that a figure is defined by, by its name in `parameters.toml`; `None`: no such name, or no row on that day.
    #[must_use]
    pub fn parameter(&self, name: &str, on: Day) -> Option<Figure<'_, i64>> {
        self.number(name.parse().ok()?, on)
    }

    /// A number that a figure is defined by.
    #[must_use]
    #[inline]
    pub fn number(&self, parameter: Parameter, on: Day) -> Option<Figure<'_, i64>> {
        let (value, at) = self.parameters.values[parameter as usize].first(&[parameter as i64], on)?;
        Some(Figure { value: *value, rule: self.parameters.table.rule(*at) })
    }
}

trait DivCeil {
    fn div_ceil_10_000(self) -> Self;
}

impl DivCeil for i128 {
    fn div_ceil_10_000(self) -> i128 {
        (self + 9_999).div_euclid(10_000)
    }
}
