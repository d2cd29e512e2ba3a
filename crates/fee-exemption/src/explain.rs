//! Why a person is exempt on a day, or not: rule by rule, claim by claim.

use contract::{Code, Day};
use history::{Claim, Fact, PersonView};
use policy::{AnnualCopay, Bundle, Money, Percent, Rule, Step};
use projection::{Span, Standing};
use serde::Serialize;

use crate::{
    claims::{Visit, decides_on, due, facility},
    person::{Exemptions, Person, Says},
    rows::{dong, last_day, pays_all},
};

/// What policy says of a person on a day. Money is in dong, as text with its decimals; days are `YYYY-MM-DD`, both ends of an
/// interval inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The day.
    pub on: String,
    /// Whether a card is in force.
    pub insured: bool,
    /// Cards and entitlements in force.
    pub holds: Vec<CardNow>,
    /// The group that counts: the highest rate, then the order of the table of groups; empty: none.
    pub main_group: String,
    /// Share of the covered cost its card pays on a route that is paid in full, as `95%`; empty: not known.
    pub card_rate: String,
    /// Five years in a row.
    pub five_years: Continuity,
    /// The year's copay against the threshold.
    pub annual: AnnualStep,
    /// No copay on the day, for whatever reason.
    pub exempt: bool,
    /// Since when, until when and why.
    pub why: Vec<Why>,
    /// What the payer says.
    pub payer: PayerSays,
    /// Claims of the calendar year up to the day, in order.
    pub claims: Vec<ClaimStep>,
}

/// A card or an entitlement in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CardNow {
    /// `card` or `entitlement`.
    pub kind: &'static str,
    /// The group.
    pub group: String,
    /// Third character of the card.
    pub digit: String,
    /// First day.
    pub from: String,
    /// Last day, or `open`.
    pub until: String,
    /// What it pays on a route that is paid in full, as `95%`; empty: not known.
    pub rate: String,
    /// The row that says so.
    pub rule: Option<RuleCited>,
}

/// A row of policy, with what it stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleCited {
    /// Its id.
    pub id: String,
    /// The text of law.
    pub citation: String,
    /// What is not sure about it; empty: nothing is.
    pub uncertain: String,
}

/// Whether five years of insurance in a row are complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Continuity {
    /// `yes`, `no` or `unknown`.
    pub answer: &'static str,
    /// The day they complete; empty: not known.
    pub complete_on: String,
    /// `card`: the card says so; `history`: the cards of this history show it; empty: not known.
    pub by: &'static str,
}

/// The year's copay against the threshold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnnualStep {
    /// The calendar year.
    pub year: i32,
    /// Copay that counts, up to and with the day, as received: a lower bound of what was paid.
    pub copay: String,
    /// The threshold in force for this person on the day; empty: no rule is known.
    pub threshold: String,
    /// Still to pay until the threshold.
    pub remaining: String,
    /// The day on which the threshold was passed; empty: it was not.
    pub passed_on: String,
    /// The row that says so.
    pub rule: Option<RuleCited>,
}

/// A reason to pay nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// `card`: the group is fully covered; `annual`: five years and the year's copay, by our reckoning; `payer`: the same, by the
    /// payer's word.
    pub kind: &'static str,
    /// First day.
    pub since: String,
    /// Last day, or `open`.
    pub until: String,
    /// The row that says so.
    pub rule: RuleCited,
}

/// What the payer says of the year, beside what we reckon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PayerSays {
    /// Its own sum of copay, the latest told by the day; empty: none.
    pub copay: String,
    /// The day from which it confirmed the exemption; empty: it did not.
    pub exempt_from: String,
}

/// A claim against policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClaimStep {
    /// The event, as lists name it.
    pub event: String,
    /// The facility.
    pub facility: String,
    /// Its last day.
    pub ended: String,
    /// The route code.
    pub route: String,
    /// What the code says.
    pub route_name: String,
    /// Cost within the scope of insurance.
    pub covered: String,
    /// Copay as charged.
    pub copay: String,
    /// The fund's share as charged.
    pub fund: String,
    /// MUC_HUONG as charged; `0%` where the claim names none of its own.
    pub charged_rate: String,
    /// Copay as policy asks for it; empty: it has no rate.
    pub due: String,
    /// `as due`, `overcharged`, `undercharged` or `no rate`.
    pub verdict: &'static str,
    /// Copay of it that counts toward the year's threshold.
    pub counted: String,
    /// Copay of the year that counts, with this claim.
    pub copay_of_year: String,
    /// The day from which the facility applied an exemption (NGAY_MIEN_CCT); empty: it did not.
    pub exempt_from: String,
    /// Part by part.
    pub segments: Vec<SegmentStep>,
}

/// A part of a claim under one card and year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentStep {
    /// The group of the card shown.
    pub group: String,
    /// The calendar year.
    pub year: u32,
    /// Cost within the scope of insurance.
    pub covered: String,
    /// Copay as charged.
    pub copay: String,
    /// Copay as policy asks for it; empty: it has no rate.
    pub due: String,
    /// What was asked of policy, and what it answered, in order.
    pub steps: Vec<StepSaid>,
}

/// A question to policy and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepSaid {
    /// What was asked.
    pub what: &'static str,
    /// The answer.
    pub value: String,
    /// The row that answered.
    pub rule: Option<RuleCited>,
}

/// Explains what policy says of `view` on a day, from the claims of that calendar year up to it.
#[must_use]
pub fn explain(view: &PersonView<'_>, bundle: &Bundle, on: Day) -> Explanation {
    let mut standing = Standing::default();
    let all = standing.read(*view, bundle);
    let person = Person::read(&all, bundle);
    let exemptions = person.exemptions(bundle);
    let insured = all.insured.at(on);
    let main = all.mains.iter().find(|main| main.span.contains(on)).filter(|_| insured.is_some());
    let annual = person.annual(on, bundle);
    let holds = holds(&all, bundle, on);
    let mut why = Vec::new();
    let mut push = |kind, span: Span, rule: &Rule| {
        let (since, until) = (span.from.to_string(), last_day(span.until));
        why.push(Why { kind, since, until, rule: cited(rule) });
    };
    if let Some(found) = main.and_then(|main| pays_all(&all, main, bundle, on)) {
        push("card", found.span, found.rule);
    }
    if insured.is_some() {
        if let Some(exemption) = annual.and_then(|annual| annual.exemption) {
            push("annual", Span { from: exemption.since, until: exemption.until.next() }, exemption.rule);
        }
        if let Some((confirmed, years)) = exemptions.confirmed.at(on).zip(bundle.policy.five_years(on)) {
            push("payer", confirmed, years.rule);
        }
    }
    Explanation {
        on: on.to_string(),
        insured: insured.is_some(),
        holds,
        main_group: main.map_or_else(String::new, |main| main.group.to_string()),
        card_rate: main.and_then(|main| main.rate).map_or_else(String::new, |rate| Percent(rate).to_string()),
        five_years: continuity(&person, bundle, on),
        annual: annual_step(annual, bundle, on),
        exempt: !why.is_empty(),
        why,
        payer: payer(&person, on),
        claims: claim_steps(&all, &exemptions, bundle, on),
    }
}

fn cited(rule: &Rule) -> RuleCited {
    RuleCited {
        id: rule.id().to_owned(),
        citation: rule.citation().to_owned(),
        uncertain: rule.uncertain().to_owned(),
    }
}

fn holds(person: &projection::Person<'_>, bundle: &Bundle, on: Day) -> Vec<CardNow> {
    let now = |kind, group: Code, digit: Code, span: Span| {
        let rate = bundle.policy.card_rate(group, digit, on);
        CardNow {
            kind,
            group: group.to_string(),
            digit: digit.to_string(),
            from: span.from.to_string(),
            until: last_day(span.until),
            rate: rate.map_or_else(String::new, |rate| Percent(rate.basis_points).to_string()),
            rule: rate.map(|rate| cited(rate.rule)),
        }
    };
    let cards = person.holdings.cards.iter().filter(|card| card.span.contains(on));
    let statuses = person.holdings.entitlements.iter().filter(|held| held.span.contains(on));
    let cards = cards.map(|card| now("card", card.group, card.digit, card.span));
    cards.chain(statuses.map(|held| now("entitlement", held.group, Code::EMPTY, held.span))).collect()
}

fn continuity(person: &Person<'_>, bundle: &Bundle, on: Day) -> Continuity {
    match person.five_years(on, bundle) {
        Some(known) => Continuity {
            answer: if known.complete_on <= on { "yes" } else { "no" },
            complete_on: known.complete_on.to_string(),
            by: if known.printed { "card" } else { "history" },
        },
        None => Continuity { answer: "unknown", complete_on: String::new(), by: "" },
    }
}

fn annual_step(annual: Option<AnnualCopay<'_>>, bundle: &Bundle, on: Day) -> AnnualStep {
    // Who paid nothing yet has the threshold before them all the same.
    let annual = annual.or_else(|| bundle.policy.annual_copay(on, &[], None));
    let said = |say: &dyn Fn(&AnnualCopay<'_>) -> String| annual.as_ref().map_or_else(String::new, say);
    AnnualStep {
        year: on.year(),
        copay: said(&|annual| dong(annual.paid)),
        threshold: said(&|annual| dong(annual.threshold)),
        remaining: said(&|annual| dong(annual.remaining)),
        passed_on: said(&|annual| annual.passed_on.map_or_else(String::new, |day| day.to_string())),
        rule: annual.map(|annual| cited(annual.rule)),
    }
}

fn payer(person: &Person<'_>, on: Day) -> PayerSays {
    let of_year = person.payer.iter().filter(|said| said.year == on.year() && said.on <= on);
    let mut says = PayerSays { copay: String::new(), exempt_from: String::new() };
    for said in of_year {
        match said.says {
            Says::Copay(copay) => says.copay = dong(copay),
            Says::Exempt(from) => says.exempt_from = from.to_string(),
        }
    }
    says
}

fn claim_steps(
    person: &projection::Person<'_>,
    exemptions: &Exemptions<'_>,
    bundle: &Bundle,
    on: Day,
) -> Vec<ClaimStep> {
    let first = Day::new_year(on.year());
    let of_year = person.claims().filter(|(_, claim)| claim.ended >= first && claim.ended <= on);
    let mut copay_of_year = 0;
    of_year
        .map(|(fact, claim)| claim_step(person, fact, claim, exemptions, bundle, &mut copay_of_year))
        .collect()
}

fn claim_step(
    person: &projection::Person<'_>,
    fact: &Fact,
    claim: &Claim,
    exemptions: &Exemptions<'_>,
    bundle: &Bundle,
    copay_of_year: &mut i64,
) -> ClaimStep {
    let visit = Visit::new(person, fact, claim, facility(claim, bundle));
    let verdict = visit.verdict(&person.view, exemptions, bundle);
    let mut counted = 0i64;
    let mut segments = Vec::new();
    for segment in person.view.segments(claim) {
        let day = decides_on(claim, &segment);
        if day.year() == claim.ended.year() && visit.counts(day, bundle) {
            counted = counted.saturating_add(segment.copay);
        }
        let decision = bundle.policy.decide(&visit.case(&segment, exemptions));
        let due = decision.basis_points.map(|rate| due(segment.covered, rate));
        segments.push(SegmentStep {
            group: segment.group.to_string(),
            year: segment.year,
            covered: dong(Money(segment.covered)),
            copay: dong(Money(segment.copay)),
            due: due.map_or_else(String::new, |due| dong(Money(due))),
            steps: decision.steps.into_iter().map(step).collect(),
        });
    }
    *copay_of_year = copay_of_year.saturating_add(counted);
    ClaimStep {
        event: format!("{:?}", fact.id),
        facility: claim.facility.to_string(),
        ended: claim.ended.to_string(),
        route: claim.route.to_string(),
        route_name: bundle.policy.route_name(claim.route).to_owned(),
        covered: dong(Money(claim.covered)),
        copay: dong(Money(claim.copay)),
        fund: dong(Money(claim.fund)),
        charged_rate: Percent(claim.charged_rate).to_string(),
        due: verdict.due.map_or_else(String::new, |due| dong(Money(due))),
        verdict: match (verdict.due, verdict.difference(claim.copay)) {
            (None, _) => "no rate",
            (_, 0) => "as due",
            (_, 1..) => "overcharged",
            _ => "undercharged",
        },
        counted: dong(Money(counted)),
        copay_of_year: dong(Money(*copay_of_year)),
        exempt_from: claim.exempt_from.map_or_else(String::new, |day| day.to_string()),
        segments,
    }
}

fn step(step: Step<'_>) -> StepSaid {
    StepSaid { what: step.what, value: step.value, rule: step.rule.map(cited) }
}
