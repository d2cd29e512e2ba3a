//! The annual exemption: five consecutive years, and copay of a calendar year beyond so many months of the reference level.

use contract::Day;

use crate::{Money, Policy, Rule, rule::MISSING};

/// A person's copay of one calendar year against the threshold, as of a day in it.
#[derive(Debug, Clone, Copy)]
pub struct AnnualCopay<'p> {
    /// Copay of the year up to and with the day, as received: a lower bound of what was paid.
    pub paid: Money,
    /// The threshold in force for this person on the day; after a change of the level within the year it depends on what was paid
    /// before the change. Cut to the hundredth.
    pub threshold: Money,
    /// What is still to pay until the threshold; 0 once it is reached.
    pub remaining: Money,
    /// The day on which copay passed the threshold, whatever the five years say.
    pub passed_on: Option<Day>,
    /// The exemption, if both conditions hold by the day.
    pub exemption: Option<Exemption<'p>>,
    /// The row that says so.
    pub rule: &'p Rule,
}

/// No copay from a day until the end of its year.
#[derive(Debug, Clone, Copy)]
pub struct Exemption<'p> {
    /// The day on which both conditions first held: what came after it is free.
    pub since: Day,
    /// 31 December.
    pub until: Day,
    /// The threshold that was passed.
    pub threshold: Money,
    /// The row that says so.
    pub rule: &'p Rule,
}

/// What counts as five consecutive years.
#[derive(Debug, Clone, Copy)]
pub struct FiveYears<'p> {
    /// Five.
    pub years: i64,
    /// A gap of up to so many months does not break them.
    pub gap_months: i64,
    /// The row that says so.
    pub rule: &'p Rule,
}

const YEARS: usize = 0;
const GAP_MONTHS: usize = 1;
const MONTHS: usize = 2;
const STRICTLY_ABOVE: usize = 3;
const MID_YEAR: usize = 4;
const REMAINING_MONTHS: i64 = 0;

/// The threshold as the year goes: what is left of it, in months of the reference level, as an exact fraction.
#[derive(Clone, Copy)]
struct Meter {
    strictly_above: bool,
    carries_months: bool,
    months: i128,
    /// The level in force, in hundredths of a đồng.
    level: i128,
    /// Copay of the year before the level came into force, and since.
    before: i128,
    since: i128,
    /// Months left when it came into force.
    left: (i128, i128),
}

impl Meter {
    /// Copay of the year at which the threshold lies: exact, as numerator and denominator.
    fn threshold(&self) -> (i128, i128) {
        if self.carries_months {
            (self.before * self.left.1 + self.left.0 * self.level, self.left.1)
        } else {
            (self.months * self.level, 1)
        }
    }

    fn passed(&self) -> bool {
        let (threshold, parts) = self.threshold();
        let paid = (self.before + self.since) * parts;
        if self.strictly_above { paid > threshold } else { paid >= threshold }
    }

    /// A new level: what was paid since the last one came is worth its share of months, the rest is due at the new level. A share
    /// above what was left leaves less than nothing, so that whoever has passed stays so.
    fn change_level(&mut self, level: i128) {
        let (months, parts) = self.left;
        self.left = reduced(months * self.level - self.since * parts, parts * self.level);
        self.before += self.since;
        self.since = 0;
        self.level = level;
    }
}

impl Policy {
    /// The whole-year threshold of somebody who pays all copay at the level of `on`: six months of it.
    #[must_use]
    pub fn annual_threshold(&self, on: Day) -> Option<Money> {
        let rule = self.annual_exemption.first(&[], on)?;
        Some(Money(rule.number(MONTHS)?.checked_mul(self.reference_level(on)?.value.0)?))
    }

    /// What counts as five consecutive years on a day.
    #[must_use]
    pub fn five_years(&self, on: Day) -> Option<FiveYears<'_>> {
        let rule = self.annual_exemption.first(&[], on)?;
        Some(FiveYears { years: rule.number(YEARS)?, gap_months: rule.number(GAP_MONTHS)?, rule })
    }

    /// Copay under which nobody has passed the threshold of any year: the least months of the least level. Passing means that copay in
    /// months of the level of its day adds up to those months, and no level is lower.
    #[inline]
    #[must_use]
    pub fn least_threshold(&self) -> Option<Money> {
        self.least_threshold
    }

    pub(crate) fn least_threshold_of_all(&self) -> Option<Money> {
        let months = self.annual_exemption.rules().filter(|rule| rule.in_force());
        let months = months.filter_map(|rule| rule.number(MONTHS)).min()?;
        let days = self.base_salary.change_days().chain([Day::MIN]);
        let level = days.filter_map(|day| self.reference_level(day)).map(|level| level.value.0).min()?;
        months.checked_mul(level).map(Money)
    }

    /// A person's year as of `on`: `copays` are those that count, ordered by day; other years and later days are not looked at. A
    /// withdrawn or refunded copay is simply not among them. `None`: no rule or no reference level is known for that year.
    #[must_use]
    pub fn annual_copay(
        &self,
        on: Day,
        copays: &[(Day, Money)],
        five_years_complete_on: Option<Day>,
    ) -> Option<AnnualCopay<'_>> {
        debug_assert!(copays.is_sorted_by_key(|(day, _)| *day));
        let first = Day::new_year(on.year());
        let until = Day::new_year(on.year() + 1) - 1;
        let rule = self.annual_exemption.first(&[], on)?;
        let months = i128::from(rule.number(MONTHS)?);
        let mut meter = Meter {
            strictly_above: rule.number(STRICTLY_ABOVE) == Some(1),
            carries_months: rule.number(MID_YEAR) == Some(REMAINING_MONTHS),
            months,
            level: i128::from(self.reference_level(first)?.value.0),
            before: 0,
            since: 0,
            left: (months, 1),
        };
        let mut changes = self.levels.iter().filter(|(day, _)| *day > first && *day <= on).peekable();
        let mut passed: Option<(Day, Money)> = None;
        let mut advance = |meter: &mut Meter, day: Day| {
            while let Some((_, level)) = changes.next_if(|(change, _)| *change <= day) {
                meter.change_level(i128::from(level.0));
            }
        };
        for (day, amount) in copays.iter().filter(|(day, _)| *day >= first && *day <= on) {
            advance(&mut meter, *day);
            meter.since += i128::from(amount.0);
            if passed.is_none() && meter.passed() {
                passed = Some((*day, cut(meter.threshold())));
            }
        }
        advance(&mut meter, on);

        let paid = cut((meter.before + meter.since, 1));
        // Whoever has passed keeps the threshold that was passed: a later change of the level takes nothing back.
        let threshold = passed.map_or_else(|| cut(meter.threshold()), |(_, threshold)| threshold);
        let exemption = passed.zip(five_years_complete_on).and_then(|((passed_on, threshold), complete)| {
            let since = passed_on.max(complete);
            (since <= on).then_some(Exemption { since, until, threshold, rule })
        });
        Some(AnnualCopay {
            paid,
            threshold,
            remaining: Money((threshold.0 - paid.0).max(0)),
            passed_on: passed.map(|(day, _)| day),
            exemption,
            rule,
        })
    }
}

/// An exact amount cut to the hundredth; an amount that no claim reaches is held at the largest.
fn cut((amount, parts): (i128, i128)) -> Money {
    let amount = amount.div_euclid(parts).clamp(i128::from(MISSING) + 1, i128::from(i64::MAX));
    Money(amount as i64)
}

/// The fraction in lowest terms, so that several changes of the level in one year stay exact.
fn reduced(above: i128, below: i128) -> (i128, i128) {
    let (mut a, mut b) = (above.unsigned_abs(), below.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let divisor = (a as i128).max(1);
    (above / divisor, below / divisor)
}
