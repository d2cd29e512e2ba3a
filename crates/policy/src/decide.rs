//! A whole claim: card rate times route, unless the visit is cheap or the year's copay is behind the person; explained.

use contract::{Code, Day};
use reference::FacilityClass;

use crate::{CardRate, Money, NoRate, Percent, Policy, RouteCase, RouteRate, Rule};

/// What is asked about a claim, or about one segment of it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The day that decides: the end of the visit.
    pub on: Day,
    /// First two letters of the card.
    pub group: Code,
    /// Third character of the card; empty where it prints none.
    pub digit: Code,
    /// MA_DOITUONG_KCB.
    pub route: Code,
    /// Admitted to a ward.
    pub inpatient: bool,
    /// What the facility was on that day; `None`: not known.
    pub facility: Option<FacilityClass>,
    /// T_TONGCHI_BH of the whole visit.
    pub covered_cost: Money,
    /// The day since which the person pays no more copay this year, if that was so when this visit ended.
    pub exempt_since: Option<Day>,
}

/// What the fund pays of the covered cost.
#[derive(Debug, Clone, Copy)]
pub struct Rate<'p> {
    /// 10,000 is 100 %. A product with a fraction of a basis point is cut.
    pub basis_points: u32,
    /// The route.
    pub route: RouteRate<'p>,
    /// The card; `None` where the route leaves it no say.
    pub card: Option<CardRate<'p>>,
    /// What raised the card's rate to all, if something did.
    pub raised: Option<Raised<'p>>,
}

/// What raised a card's rate to 100 %.
#[derive(Debug, Clone, Copy)]
pub enum Raised<'p> {
    /// The visit cost less than the low-cost bound.
    LowCost(&'p Rule),
    /// The year's copay was behind the person.
    AnnualExemption(&'p Rule),
}

impl<'p> Raised<'p> {
    /// The row that says so.
    #[must_use]
    pub fn rule(&self) -> &'p Rule {
        match self {
            Raised::LowCost(rule) | Raised::AnnualExemption(rule) => rule,
        }
    }
}

/// A decided claim, line by line.
#[derive(Debug, Clone)]
pub struct Decision<'p> {
    /// 10,000 is 100 %; `None`: the rules give no rate, and the last step says why.
    pub basis_points: Option<u32>,
    /// What was looked at, in order.
    pub steps: Vec<Step<'p>>,
}

/// One line of an explanation.
#[derive(Debug, Clone)]
pub struct Step<'p> {
    /// What was asked.
    pub what: &'static str,
    /// The answer.
    pub value: String,
    /// The row that answered; `None`: no row fits.
    pub rule: Option<&'p Rule>,
}

const ALL: u32 = 10_000;

impl Policy {
    /// What the fund pays, without the words.
    ///
    /// # Errors
    /// [`NoRate`] with its reason: the route has none, or the card is not known.
    #[inline]
    pub fn rate(&self, case: &Case) -> Result<Rate<'_>, NoRate<'_>> {
        let Case { on, inpatient, facility, .. } = *case;
        let route = self.route(&RouteCase { code: case.route, on, inpatient, facility })?;
        if route.flat || route.factor_basis_points == 0 && !self.low_cost_raises_claim(on) {
            // The card cannot change it: flat is all, and any share of nothing is nothing.
            return Ok(Rate { basis_points: route.factor_basis_points, route, card: None, raised: None });
        }
        let Some(card) = self.card_rate(case.group, case.digit, on) else {
            return Err(NoRate {
                reason: "neither the group nor the digit of the card is known",
                rule: None,
            });
        };
        let basis_points = share(card.basis_points, route.factor_basis_points);
        let mut rate = Rate { basis_points, route, card: Some(card), raised: None };
        if rate.basis_points == ALL {
            return Ok(rate);
        }
        if let Some(rule) = self.low_cost(case.covered_cost, on) {
            if self.low_cost_raises_claim(on) {
                (rate.basis_points, rate.raised) = (ALL, Some(Raised::LowCost(rule)));
                return Ok(rate);
            }
            rate.raised = Some(Raised::LowCost(rule));
        } else if case.exempt_since.is_some()
            && route.copay.exempts
            && let Some(years) = self.five_years(on)
        {
            rate.raised = Some(Raised::AnnualExemption(years.rule));
        }
        if rate.raised.is_some() {
            rate.basis_points = share(ALL, route.factor_basis_points);
        }
        Ok(rate)
    }

    /// What the fund pays, line by line: the same answer as [`Policy::rate`].
    #[must_use]
    pub fn decide(&self, case: &Case) -> Decision<'_> {
        let mut steps = Vec::new();
        let rate = match self.rate(case) {
            Ok(rate) => rate,
            Err(none) => {
                steps.push(Step { what: "no rate", value: none.reason.to_owned(), rule: none.rule });
                return Decision { basis_points: None, steps };
            }
        };
        let name = self.route_name(case.route);
        let value = if rate.route.flat {
            format!("{}: {name}: the whole covered cost, whatever the card", case.route)
        } else {
            format!("{}: {name}: {} of the card's rate", case.route, Percent(rate.route.factor_basis_points))
        };
        steps.push(Step { what: "route", value, rule: Some(rate.route.rule) });
        if let Some(card) = rate.card {
            let value = format!("{}: {}", case.group, Percent(card.basis_points));
            steps.push(Step { what: "card", value, rule: Some(card.rule) });
        }
        self.explain_raise(case, &rate, &mut steps);
        steps.push(Step { what: "the fund pays", value: Percent(rate.basis_points).to_string(), rule: None });
        Decision { basis_points: Some(rate.basis_points), steps }
    }

    fn explain_raise<'p>(&'p self, case: &Case, rate: &Rate<'p>, steps: &mut Vec<Step<'p>>) {
        match rate.raised {
            Some(Raised::LowCost(rule)) => {
                let bound = self.low_cost_bound(case.on).map_or(Money(0), |bound| bound.value);
                // On a route that pays a share only, the card's part of it, or the whole.
                let whose = if self.low_cost_raises_claim(case.on) { "the fund" } else { "the card" };
                let value = format!("covered cost {} is below {bound}: {whose} pays all", case.covered_cost);
                steps.push(Step { what: "low cost", value, rule: Some(rule) });
                if let Some(level) = self.reference_level(case.on) {
                    steps.push(Step {
                        what: "reference level",
                        value: level.value.to_string(),
                        rule: Some(level.rule),
                    });
                }
            }
            Some(Raised::AnnualExemption(rule)) => {
                let since = case.exempt_since.map_or_else(String::new, |since| since.to_string());
                let value = format!("no copay since {since}: the card pays all");
                steps.push(Step { what: "annual exemption", value, rule: Some(rule) });
            }
            None if case.exempt_since.is_some() && rate.basis_points < ALL => {
                let copay = rate.route.copay;
                if !copay.exempts {
                    let value = "does not cover care on this route".to_owned();
                    steps.push(Step { what: "annual exemption", value, rule: copay.rule });
                }
            }
            None => {}
        }
    }
}

fn share(rate: u32, factor: u32) -> u32 {
    rate * factor / ALL
}
