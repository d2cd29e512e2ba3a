//! What figures, lists and explanations of fee exemption ask of a person: the copay of each year and what follows from it.

use contract::Day;
use history::Body;
use policy::{AnnualCopay, Bundle, Money};
use projection::{Span, Spans};
use smallvec::SmallVec;

use crate::claims::{copay_at_most, counted_copays};

/// A person, with what they paid.
#[derive(Debug)]
pub(crate) struct Person<'p> {
    pub(crate) all: projection::Person<'p>,
    /// Copay that counts toward the threshold, by day.
    pub(crate) copays: Vec<(Day, Money)>,
    pub(crate) payer: SmallVec<[Payer; 1]>,
}

/// What the payer says of a calendar year.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payer {
    pub(crate) year: i32,
    pub(crate) says: Says,
    /// When it was said.
    pub(crate) on: Day,
}

/// A balance, or an exemption from a day on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Says {
    Copay(Money),
    Exempt(Day),
}

/// When five years of insurance in a row complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FiveYears {
    pub(crate) complete_on: Day,
    /// As a card says; else as the cards of this history show.
    pub(crate) printed: bool,
}

/// Days without copay.
#[derive(Debug)]
pub(crate) struct Exemptions<'b> {
    /// By our reckoning, year by year.
    pub(crate) reckoned: Vec<(Span, AnnualCopay<'b>)>,
    /// By the payer's word.
    pub(crate) confirmed: Spans,
}

impl Exemptions<'_> {
    /// Since when the person paid no more copay, if that was so for a visit that ended on `on`. By our reckoning the claim
    /// that passes the threshold is still paid; the payer, who knows of copay we do not, names the first day itself.
    #[inline]
    pub(crate) fn since(&self, on: Day) -> Option<Day> {
        if self.is_empty() { None } else { self.earliest(on) }
    }

    /// Whether there are none.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.reckoned.is_empty() && self.confirmed.is_empty()
    }

    fn earliest(&self, on: Day) -> Option<Day> {
        let holds = |(span, annual): &&(Span, AnnualCopay<'_>)| {
            span.contains(on) && (span.from < on || annual.passed_on.is_some_and(|passed| passed < on))
        };
        let reckoned = self.reckoned.iter().find(holds).map(|(span, _)| span.from);
        let confirmed = self.confirmed.at(on).map(|span| span.from);
        [reckoned, confirmed].into_iter().flatten().min()
    }
}

impl<'p> Person<'p> {
    /// All there is to know of a person.
    pub(crate) fn read(all: &projection::Person<'p>, bundle: &Bundle) -> Person<'p> {
        Person { all: *all, copays: counted_copays(all, bundle), payer: payer(all) }
    }

    /// What sums need of a person. Copay is only counted where it can have passed a threshold, which is seldom.
    #[inline]
    pub(crate) fn read_for_sums(all: &projection::Person<'p>, bundle: &Bundle) -> Person<'p> {
        let of_claims = all.claims().map(|(_, claim)| copay_at_most(&all.view, claim));
        let at_most = Money(of_claims.fold(0, i64::saturating_add));
        let may_pass = bundle.policy.least_threshold().is_none_or(|least| least <= at_most);
        let copays = if may_pass { counted_copays(all, bundle) } else { Vec::new() };
        Person { all: *all, copays, payer: payer(all) }
    }

    /// When five years in a row complete, by the cards that began up to the end of the year of `on`; `None`: it is not known.
    /// The whole year: a card that tells the day is often newer than the day, and the exemption holds from the day. What a card
    /// says holds as long as the insurance it was printed for, without a longer gap than the rule allows.
    pub(crate) fn five_years(&self, on: Day, bundle: &Bundle) -> Option<FiveYears> {
        let on = Day::new_year(on.year() + 1) - 1;
        let rule = bundle.policy.five_years(on)?;
        let mut run: Option<Span> = None;
        for span in self.all.insured.as_slice().iter().take_while(|span| span.from <= on) {
            run = Some(match run {
                Some(run) if span.from <= run.until.add_months(rule.gap_months as i32) => {
                    Span { from: run.from, until: span.until }
                }
                _ => *span,
            });
        }
        let run = run?;
        let cards = self.all.holdings.cards.iter().rev();
        let mut of_run = cards.filter(|card| run.from <= card.span.from && card.span.from <= on);
        if let Some(complete_on) = of_run.find_map(|card| card.five_years) {
            return Some(FiveYears { complete_on, printed: true });
        }
        // A card whose first day wasn't sent says nothing of how long.
        if run.from == Day::MIN {
            return None;
        }
        let complete_on = run.from.anniversary(rule.years as i32);
        (complete_on < run.until).then_some(FiveYears { complete_on, printed: false })
    }

    /// The copay of the year of `on`, up to and with `on`, against the threshold; `None`: no copay of the year counts, or no rule
    /// is known.
    pub(crate) fn annual<'b>(&self, on: Day, bundle: &'b Bundle) -> Option<AnnualCopay<'b>> {
        let year = on.year();
        self.copays.iter().any(|(day, _)| day.year() == year).then_some(())?;
        let five_years = self.five_years(on, bundle).map(|known| known.complete_on);
        bundle.policy.annual_copay(on, &self.copays, five_years)
    }

    /// The days without copay, by our reckoning and by the payer's word.
    #[inline]
    pub(crate) fn exemptions<'b>(&self, bundle: &'b Bundle) -> Exemptions<'b> {
        let mut reckoned = Vec::new();
        let mut last = i32::MIN;
        for (day, _) in &self.copays {
            let year = day.year();
            if year == last {
                continue;
            }
            last = year;
            if let Some(annual) = self.annual(Day::new_year(year + 1) - 1, bundle)
                && let Some(exemption) = annual.exemption
            {
                reckoned.push((Span { from: exemption.since, until: exemption.until.next() }, annual));
            }
        }
        Exemptions { reckoned, confirmed: self.confirmed() }
    }

    /// The days for which the payer confirmed an exemption.
    fn confirmed(&self) -> Spans {
        let mut confirmed = Spans::new();
        for said in &self.payer {
            if let Says::Exempt(from) = said.says
                && (1..9999).contains(&said.year)
            {
                let year = Span { from: Day::new_year(said.year), until: Day::new_year(said.year + 1) };
                confirmed.add(Span { from, until: Day::MAX }.and(year));
            }
        }
        confirmed
    }
}

/// What the payer said, in the order of the facts.
fn payer(person: &projection::Person<'_>) -> SmallVec<[Payer; 1]> {
    let said = person.others().filter_map(|fact| {
        let on = fact.occurred.day();
        match fact.body {
            Body::CopayBalanceReported { year, copay } => {
                Some(Payer { year: year as i32, says: Says::Copay(Money(copay)), on })
            }
            Body::ExemptionConfirmed { year, from } => {
                Some(Payer { year: year as i32, says: Says::Exempt(from.unwrap_or(on)), on })
            }
            _ => None,
        }
    });
    said.collect()
}
