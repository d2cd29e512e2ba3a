//! What somebody holds and where they live, on one day.

use simulator::truth::{DayNumber, Moment, Residence, Says};

use super::{in_force::Fact, world::World};

/// A card on a day on which it is in force.
pub(super) struct HeldCard<'a> {
    pub(super) group: &'a str,
    pub(super) digit: &'a str,
    pub(super) primary: &'a str,
}

/// One grant: from a day up to a first day without.
#[derive(Clone, Copy)]
pub(super) struct Grant<'a> {
    pub(super) fact: Fact<'a>,
    pub(super) from: DayNumber,
    pub(super) without: DayNumber,
}

impl Grant<'_> {
    fn order(&self) -> (DayNumber, (Moment, Moment)) {
        (self.from, self.fact.order())
    }

    pub(super) fn holds(&self, on: DayNumber) -> bool {
        self.from <= on && on < self.without
    }
}

/// The cards somebody was granted, the latest begun last, each until it ends or is ended.
pub(super) fn cards<'a>(facts: &[Fact<'a>]) -> Vec<Grant<'a>> {
    let mut grants: Vec<Grant<'a>> = Vec::new();
    for fact in facts {
        let Says::Insured(card) = &fact.told.says else { continue };
        let mut without = card.until.map_or(DayNumber::MAX, |until| until + 1);
        for end in facts {
            let Says::InsuranceEnded { grant, on } = &end.told.says else { continue };
            let meant = if grant.is_empty() {
                card.from < *on
            } else {
                end.told.emitter == fact.told.emitter && *grant == fact.told.record_key
            };
            if meant {
                without = without.min(*on);
            }
        }
        grants.push(Grant { fact: *fact, from: card.from, without });
    }
    grants.sort_by_key(Grant::order);
    grants
}

pub(super) fn card<'a>(grant: &Grant<'a>) -> HeldCard<'a> {
    let Says::Insured(card) = &grant.fact.told.says else { unreachable!("grants are made of cards") };
    HeldCard { group: card.group.as_str(), digit: card.digit.as_str(), primary: card.primary.as_str() }
}

/// The groups of the statuses that hold on a day.
pub(super) fn statuses<'a>(facts: &[Fact<'a>], on: DayNumber) -> Vec<&'a str> {
    let mut groups = Vec::new();
    for fact in facts {
        let Says::Entitled { group, from, until } = &fact.told.says else { continue };
        let ended = facts.iter().any(|end| match &end.told.says {
            Says::EntitlementEnded { grant, group: named, on: without } => {
                let meant = if grant.is_empty() {
                    named == group && from < without
                } else {
                    end.told.emitter == fact.told.emitter && *grant == fact.told.record_key
                };
                meant && *without <= on
            }
            _ => false,
        });
        if *from <= on && until.is_none_or(|until| on <= until) && !ended {
            groups.push(group.as_str());
        }
    }
    groups
}

/// The communes of permanent registration and of where somebody in fact lives on a day, as figures name them.
pub(super) fn communes(world: &World, facts: &[Fact<'_>], on: DayNumber) -> (String, String) {
    let latest = |wanted: Residence| {
        let holding = facts.iter().filter_map(|fact| match &fact.told.says {
            Says::Lives { kind, commune, from, until }
                if *kind == wanted && *from <= on && until.is_none_or(|until| on <= until) =>
            {
                Some(((*from, fact.order()), commune.as_str()))
            }
            _ => None,
        });
        holding.max().map(|(_, commune)| world.commune(commune))
    };
    let permanent = latest(Residence::Permanent).unwrap_or_else(|| "none".to_owned());
    let actual = latest(Residence::Actual)
        .or_else(|| latest(Residence::Temporary))
        .unwrap_or_else(|| permanent.clone());
    (permanent, actual)
}

/// The day of death.
pub(super) fn died(facts: &[Fact<'_>]) -> Option<DayNumber> {
    let days = facts.iter().filter_map(|fact| match fact.told.says {
        Says::Died { on } => Some(on),
        _ => None,
    });
    days.min()
}
