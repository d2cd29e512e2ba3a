//! Fee exemption.

use simulator::truth::{Claim, DayNumber, Money, Says, Segment};

use super::{
    FIRST_YEAR, LAST_YEAR, Sums, days, held,
    in_force::Fact,
    referral::admitted,
    world::{Span, World, base_salary, came, card_rate, copay_counts, main_group, route_factor},
};

/// An exemption of a calendar year.
pub(super) struct Exemption {
    year: i32,
    pub(super) since: DayNumber,
    passed_on: DayNumber,
}

impl Exemption {
    pub(super) fn holds(&self, on: DayNumber) -> bool {
        self.year == days::year(on) && self.since <= on
    }
}

/// The copay of a calendar year up to a day, against the threshold.
pub(super) struct Annual {
    pub(super) paid: Money,
    /// What copay must exceed, cut to the hundredth; once it is passed, what was passed.
    pub(super) threshold: Money,
    passed_on: Option<DayNumber>,
}

pub(super) fn count_claims(world: &World, facts: &[Fact<'_>], sums: &mut Sums) {
    let exemptions = exemptions(world, facts);
    for fact in facts {
        count_claim(world, facts, fact, &exemptions, sums);
    }
}

pub(super) fn exemptions(world: &World, facts: &[Fact<'_>]) -> Vec<Exemption> {
    (FIRST_YEAR - 1..=LAST_YEAR + 1).filter_map(|year| exemption(world, facts, year)).collect()
}

pub(super) fn count_person(world: &World, facts: &[Fact<'_>], sums: &mut Sums) {
    let on = sums.on();
    let alive = held::died(facts).is_none_or(|died| on < died);
    if !alive || !held::cards(facts).iter().any(|grant| grant.holds(on)) {
        return;
    }
    let Some((group, digit)) = main_group(&groups(facts, on), on) else { return };
    let rate = match card_rate(&group, &digit, on) {
        Some(10_000) => "100%",
        Some(9_500) => "95%",
        Some(8_000) => "80%",
        Some(_) => unreachable!("cards pay one of three rates"),
        None => "unknown",
    };
    let (_, actual) = held::communes(world, facts, on);
    let exempt = exemptions(world, facts).iter().any(|exemption| exemption.holds(on));
    let confirmed = is_confirmed(facts, on);
    let codes: &[&str] = &[&actual, &World::group(&group), rate];
    sums.level("fee-exemption/commune", codes, "insured", true);
    sums.level("fee-exemption/commune", codes, "exempt", exempt);
    sums.level("fee-exemption/commune", codes, "confirmed", confirmed);
    sums.level("fee-exemption/commune", codes, "agreed", exempt && confirmed);
}

/// The groups of the cards and the statuses that hold on a day, with their digits.
pub(super) fn groups(facts: &[Fact<'_>], on: DayNumber) -> Vec<(String, String)> {
    let cards = held::cards(facts).into_iter().filter(|grant| grant.holds(on));
    let of_card = |grant| {
        let card = held::card(&grant);
        (card.group.to_owned(), card.digit.to_owned())
    };
    let statuses = held::statuses(facts, on).into_iter().map(|group| (group.to_owned(), String::new()));
    cards.map(of_card).chain(statuses).collect()
}

/// Whether the payer's word makes a day free of copay.
pub(super) fn is_confirmed(facts: &[Fact<'_>], on: DayNumber) -> bool {
    facts.iter().any(|fact| match fact.told.says {
        Says::Exempted { year, from } => year as i32 == days::year(on) && from <= on,
        _ => false,
    })
}

/// The parts of a claim, each with the day that decides about it: the last of the claim within the part's year.
fn parts(claim: &Claim) -> Vec<(DayNumber, Segment)> {
    let ended = days::day_of(claim.ended_ms);
    let mut parts: Vec<Segment> = claim.segments.iter().flatten().copied().collect();
    if parts.is_empty() {
        parts.push(Segment {
            group: claim.group,
            digit: claim.digit,
            charged_rate: claim.charged_rate,
            year: days::year(ended) as u32,
            covered: claim.covered,
            copay: claim.copay,
            fund: claim.fund,
        });
    }
    let decides = |part: &Segment| ended.min(days::last_of(part.year as i32));
    parts.into_iter().map(|part| (decides(&part), part)).collect()
}

/// The exemption of a year: copay strictly above six months' base salary, and five years in a row.
fn exemption(world: &World, facts: &[Fact<'_>], year: i32) -> Option<Exemption> {
    let last = days::last_of(year);
    let passed_on = annual(world, facts, last).passed_on?;
    let since = passed_on.max(five_years(facts, last)?);
    (since <= last).then_some(Exemption { year, since, passed_on })
}

/// The copay of the year of a day, up to and with the day.
pub(super) fn annual(world: &World, facts: &[Fact<'_>], on: DayNumber) -> Annual {
    let mut copays: Vec<(DayNumber, Money)> = Vec::new();
    for fact in facts {
        let Says::Claimed(claim) = &fact.told.says else { continue };
        let visit = Visit::new(world, facts, fact, claim);
        for (day, part) in parts(claim) {
            let of_year = days::year(day) == days::year(on) && day <= on;
            if of_year && visit.factor(day).is_some_and(|factor| copay_counts(claim.route.as_str(), factor)) {
                copays.push((day, part.copay));
            }
        }
    }
    copays.sort_unstable();
    let mut paid = 0;
    for (day, copay) in &copays {
        paid += copay;
        let (exact, parts) = threshold(&copays, *day);
        if i128::from(paid) * parts > exact {
            let paid = copays.iter().map(|(_, copay)| copay).sum();
            return Annual { paid, threshold: cut(exact, parts), passed_on: Some(*day) };
        }
    }
    let (exact, parts) = threshold(&copays, on);
    Annual { paid, threshold: cut(exact, parts), passed_on: None }
}

/// What copay must exceed on a day, as a fraction.
fn threshold(copays: &[(DayNumber, Money)], on: DayNumber) -> (i128, i128) {
    let change = days::day("2026-07-01");
    let level = i128::from(base_salary(on));
    if days::year(on) != 2026 || on < change {
        return (6 * level, 1);
    }
    // Decree 188/2025, art. 18(2)(c): what was paid before counts in months of the old level, the rest is due at the new one:
    // A + (6 - A / old) x new. Without fractions:
    let old = i128::from(base_salary(change - 1));
    let before: Money = copays.iter().filter(|(day, _)| *day < change).map(|(_, copay)| *copay).sum();
    let before = i128::from(before);
    (before * old + (6 * old - before) * level, old)
}

fn cut(exact: i128, parts: i128) -> Money {
    exact.div_euclid(parts) as Money
}

/// When five years in a row complete, as far as is known by `on`: as the latest begun card says, unless too long a gap came after
/// it, else by the cards themselves.
pub(super) fn five_years(facts: &[Fact<'_>], on: DayNumber) -> Option<DayNumber> {
    let died = held::died(facts).unwrap_or(DayNumber::MAX);
    let mut cards = held::cards(facts);
    for card in &mut cards {
        card.without = card.without.min(died);
    }
    cards.retain(|card| card.from < card.without);
    let says = |card: &held::Grant<'_>| match &card.fact.told.says {
        Says::Insured(said) => said.five_years_on,
        _ => None,
    };
    let printed = cards.iter().rfind(|card| card.from <= on && says(card).is_some());
    if let Some(printed) = printed
        && goes_on(&cards, printed, on)
    {
        return says(printed);
    }
    let mut run: Option<(DayNumber, DayNumber)> = None;
    for card in &cards {
        // What follows without a day between belongs to what began before.
        if card.from > on && run.is_none_or(|(_, without)| card.from > without) {
            continue;
        }
        run = match run {
            Some((first, without)) if card.from <= days::months_later(without, 3) => {
                Some((first, without.max(card.without)))
            }
            _ => Some((card.from, card.without)),
        };
    }
    let (first, without) = run?;
    let complete = days::years_later(first, 5);
    (complete < without).then_some(complete)
}

/// Whether, after a card, no card of those begun by `on` comes more than three months after all before it have ended.
fn goes_on(cards: &[held::Grant<'_>], after: &held::Grant<'_>, on: DayNumber) -> bool {
    cards.iter().filter(|card| after.from < card.from && card.from <= on).all(|later| {
        let before = cards.iter().filter(|card| card.from < later.from).map(|card| card.without);
        let without = before.max().expect("the card it is asked of began before");
        later.from <= days::months_later(without, 3)
    })
}

/// A claim, with what is known around it.
struct Visit<'a> {
    claim: &'a Claim,
    inpatient: bool,
    /// What the facility was when the claim ended.
    facility: Option<&'a Span>,
}

impl<'a> Visit<'a> {
    fn new(world: &'a World, facts: &[Fact<'_>], fact: &Fact<'_>, claim: &'a Claim) -> Visit<'a> {
        let facility = world.class(claim.facility.as_str(), days::day_of(claim.ended_ms));
        Visit { claim, inpatient: admitted(facts, fact, claim).is_some(), facility }
    }

    /// The share that its route pays.
    fn factor(&self, on: DayNumber) -> Option<i64> {
        route_factor(self.claim.route.as_str(), self.facility, self.inpatient, on)
    }
}

/// A claim against the law.
pub(super) struct Judged {
    /// The copay that is due; `None`: no rule says.
    pub(super) due: Option<Money>,
    /// What was charged above it; below it, negative. A dong more or less is none.
    pub(super) difference: Money,
    low_cost: bool,
    exempted: bool,
}

pub(super) fn judge(
    world: &World,
    facts: &[Fact<'_>],
    fact: &Fact<'_>,
    claim: &Claim,
    exemptions: &[Exemption],
) -> Judged {
    let visit = Visit::new(world, facts, fact, claim);
    let mut due = Some(0);
    let (mut low_cost, mut exempted) = (false, false);
    for (on, part) in parts(claim) {
        match rate(&visit, &part, on, free_on(facts, exemptions, on)) {
            Some((rate, why)) => {
                let fund = (i128::from(part.covered) * i128::from(rate) + 5_000) / 10_000;
                due = due.map(|due| due + part.covered - fund as i64);
                low_cost |= why == Why::LowCost;
                exempted |= why == Why::Exempt;
            }
            None => due = None,
        }
    }
    let difference = due.map_or(0, |due| claim.copay - due);
    let difference = if difference.abs() <= 100 { 0 } else { difference };
    Judged { due, difference, low_cost, exempted }
}

fn count_claim(
    world: &World,
    facts: &[Fact<'_>],
    fact: &Fact<'_>,
    exemptions: &[Exemption],
    sums: &mut Sums,
) {
    let Says::Claimed(claim) = &fact.told.says else { return };
    let Some(came) = came(claim.route.as_str()) else { return };
    let ended = days::day_of(claim.ended_ms);
    let Judged { due, difference, low_cost, exempted } = judge(world, facts, fact, claim, exemptions);
    let tier = world.tier(claim.facility.as_str(), ended);
    let facility = world.facility(claim.facility.as_str());
    let group = World::group(claim.group.as_str());
    let flows = [
        ("claims", 1),
        ("covered", claim.covered),
        ("copay", claim.copay),
        ("fund", claim.fund),
        ("due", due.unwrap_or(0)),
        ("overcharged", i64::from(difference > 0)),
        ("overcharge", difference.max(0)),
        ("undercharged", i64::from(difference < 0)),
        ("undercharge", (-difference).max(0)),
        ("low_cost", i64::from(low_cost)),
        ("exempted", i64::from(exempted)),
        ("unpriced", i64::from(due.is_none())),
    ];
    let cubes: [(&str, &[&str]); 2] =
        [("fee-exemption/facility", &[&facility, came]), ("fee-exemption/tier_group", &[&tier, &group])];
    for (cube, codes) in cubes {
        for (measure, amount) in flows {
            sums.flow(cube, codes, measure, ended, amount);
        }
    }
}

/// Whether nothing is to pay for care that ended on a day: the payer said so, or the year's copay was paid before. The claim
/// that passes the threshold is still paid.
fn free_on(facts: &[Fact<'_>], exemptions: &[Exemption], on: DayNumber) -> bool {
    let reckoned = exemptions.iter().any(|exemption| {
        exemption.year == days::year(on)
            && exemption.since <= on
            && (exemption.since < on || exemption.passed_on < on)
    });
    reckoned || is_confirmed(facts, on)
}

#[derive(PartialEq, Eq)]
enum Why {
    AsCardAndRoute,
    LowCost,
    Exempt,
}

/// What the fund pays of a part, and what made it more than card and route; `None`: no rule says.
fn rate(visit: &Visit<'_>, part: &Segment, on: DayNumber, free: bool) -> Option<(i64, Why)> {
    let (route, factor) = (visit.claim.route.as_str(), visit.factor(on)?);
    if route == "1.2" || factor == 0 {
        return Some((factor, Why::AsCardAndRoute));
    }
    let card = card_rate(part.group.as_str(), part.digit.as_str(), on)?;
    let plain = card * factor / 10_000;
    let cheap = visit.claim.covered * 100 < base_salary(on) * 15;
    if plain == 10_000 {
        Some((plain, Why::AsCardAndRoute))
    } else if cheap {
        Some((factor, Why::LowCost))
    } else if free && copay_counts(route, factor) {
        Some((factor, Why::Exempt))
    } else {
        Some((plain, Why::AsCardAndRoute))
    }
}
