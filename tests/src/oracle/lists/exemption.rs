//! Who is exempt, who is fully covered, who is near the threshold, which claims were charged wrongly.

use simulator::truth::{DayNumber, Says};

use super::{
    super::{
        days,
        exemption::{Exemption, annual, exemptions, five_years, groups, is_confirmed, judge},
        held,
        in_force::Fact,
        world::{World, came, card_rate, full_card_rule, main_group},
    },
    Sheet, dong, written, written_or_open, yes_no,
};

/// Somebody insured on the day.
struct Insured<'a> {
    world: &'a World,
    facts: &'a [Fact<'a>],
    /// What card or status counts, with its digit.
    main: (String, String),
}

pub(super) fn list_people(world: &World, facts: &[Fact<'_>], sheet: &mut Sheet<'_>) {
    let on = sheet.on;
    if !is_insured(facts, on) {
        return;
    }
    let Some(main) = main_group(&groups(facts, on), on) else { return };
    let insured = Insured { world, facts, main };
    match exemptions(world, facts).iter().find(|exemption| exemption.holds(on)) {
        Some(exemption) => insured.exempt(exemption, sheet),
        None => insured.near(sheet),
    }
    insured.covered(sheet);
}

fn is_insured(facts: &[Fact<'_>], on: DayNumber) -> bool {
    held::died(facts).is_none_or(|died| on < died) && held::cards(facts).iter().any(|card| card.holds(on))
}

impl Insured<'_> {
    fn exempt(&self, exemption: &Exemption, sheet: &mut Sheet<'_>) {
        let annual = annual(self.world, self.facts, sheet.on);
        let columns = [
            ("group", self.main.0.clone()),
            ("since", written(exemption.since)),
            ("until", written(days::last_of(days::year(sheet.on)))),
            ("why", "annual-exemption".to_owned()),
            ("copay_of_year", dong(annual.paid)),
            ("threshold", dong(annual.threshold)),
            ("confirmed", yes_no(is_confirmed(self.facts, sheet.on))),
        ];
        sheet.add("fee-exemption/exempt", &columns, None);
    }

    fn near(&self, sheet: &mut Sheet<'_>) {
        let on = sheet.on;
        let annual = annual(self.world, self.facts, on);
        if annual.paid * 100 < annual.threshold * 80 {
            return;
        }
        let five_years = match five_years(self.facts, days::last_of(days::year(on))) {
            Some(complete) if complete <= on => "yes".to_owned(),
            Some(complete) => format!("on {}", written(complete)),
            None => "unknown".to_owned(),
        };
        let said = self.facts.iter().rev().find_map(|fact| match fact.told.says {
            Says::CopayBalance { year, copay } if year as i32 == days::year(on) && fact.on() <= on => {
                Some(copay)
            }
            _ => None,
        });
        let columns = [
            ("group", self.main.0.clone()),
            ("copay_of_year", dong(annual.paid)),
            ("threshold", dong(annual.threshold)),
            ("remaining", dong((annual.threshold - annual.paid).max(0))),
            ("five_years", five_years),
            ("payer_copay", said.map(dong).unwrap_or_default()),
        ];
        sheet.add("fee-exemption/near", &columns, None);
    }

    fn covered(&self, sheet: &mut Sheet<'_>) {
        let on = sheet.on;
        let (group, digit) = &self.main;
        if card_rate(group, digit, on) != Some(10_000) {
            return;
        }
        let same = |day: DayNumber| {
            let main = main_group(&groups(self.facts, day), day);
            let is_main = main
                .is_some_and(|(main, digit)| main == *group && card_rate(&main, &digit, day) == Some(10_000));
            is_main && is_insured(self.facts, day)
        };
        // Between two of these days nothing changes.
        let changes = changes(self.facts);
        let mut since = on;
        for day in changes.iter().rev().filter(|day| **day <= on) {
            since = *day;
            if !same(day - 1) {
                break;
            }
        }
        let until = changes.iter().find(|day| **day > on && !same(**day));
        let card = held::cards(self.facts).into_iter().rfind(|grant| {
            let card = held::card(grant);
            grant.holds(on) && card.group == group && card_rate(card.group, card.digit, on) == Some(10_000)
        });
        let printed = card.as_ref().map_or("", |grant| held::card(grant).digit);
        let columns = [
            ("group", group.clone()),
            ("since", written(since)),
            ("until", written_or_open(until.map(|day| day - 1))),
            ("why", full_card_rule(group, printed)),
        ];
        sheet.add("fee-exemption/covered", &columns, card.map(|grant| grant.fact.event));
    }
}

/// The days on which what somebody holds, or what it is worth, may change, in order.
fn changes(facts: &[Fact<'_>]) -> Vec<DayNumber> {
    let mut changes = vec![days::day("2026-01-01")];
    changes.extend(held::died(facts));
    for card in held::cards(facts) {
        changes.extend([card.from, card.without]);
    }
    for fact in facts {
        match fact.told.says {
            Says::Entitled { from, until, .. } => {
                changes.push(from);
                changes.extend(until.map(|until| until + 1));
            }
            Says::EntitlementEnded { on, .. } => changes.push(on),
            _ => {}
        }
    }
    changes.retain(|day| *day < DayNumber::MAX);
    changes.sort_unstable();
    changes.dedup();
    changes
}

pub(super) fn list_claims(world: &World, facts: &[Fact<'_>], sheet: &mut Sheet<'_>) {
    let (on, exemptions) = (sheet.on, exemptions(world, facts));
    for fact in facts {
        let Says::Claimed(claim) = &fact.told.says else { continue };
        let ended = days::day_of(claim.ended_ms);
        if ended > on || days::year(ended) != days::year(on) || came(claim.route.as_str()).is_none() {
            continue;
        }
        let judged = judge(world, facts, fact, claim, &exemptions);
        if judged.difference == 0 {
            continue;
        }
        let columns = [
            ("facility", claim.facility.to_string()),
            ("ended", written(ended)),
            ("group", claim.group.to_string()),
            ("route", claim.route.to_string()),
            ("covered", dong(claim.covered)),
            ("copay", dong(claim.copay)),
            ("due", judged.due.map(dong).unwrap_or_default()),
            ("difference", dong(judged.difference)),
            ("charged_rate", per_cent(claim.charged_rate)),
        ];
        sheet.add("fee-exemption/mischarged", &columns, Some(fact.event));
    }
}

/// Hundredths of a per cent, with what decimals there are.
fn per_cent(hundredths: u32) -> String {
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
