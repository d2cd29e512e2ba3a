//! What a card pays, and the groups.

use contract::{Code, Day};
use reference::{BundleFault, CodeIndex};

use crate::{Policy, Rule, read::code_number, rows::Rows, table::Table};

/// What a card pays of the covered cost on a route that is paid in full.
#[derive(Debug, Clone, Copy)]
pub struct CardRate<'p> {
    /// 10,000 is 100 %.
    pub basis_points: u32,
    /// Whether the payment-ratio caps on some drugs, materials and services apply.
    pub ratio_caps: bool,
    /// The row that says so.
    pub rule: &'p Rule,
}

/// A group of insured people: the first two letters of a card.
#[derive(Debug, Clone, Copy)]
pub struct Group<'p> {
    /// The two letters.
    pub code: Code,
    /// Who they are.
    pub name: &'p str,
    /// Place in the table: breaks ties between groups of one rate.
    pub order: u16,
    /// The row it stands in.
    pub rule: &'p Rule,
}

#[derive(Debug, Clone)]
pub(crate) struct Groups {
    table: Table,
    /// Code, order and row, in table order.
    all: Vec<(Code, u16, usize)>,
    by_code: CodeIndex<Known>,
    /// What cards pay, group by group in table order, and last those of other groups.
    rates: Vec<Rows<Pays>>,
}

/// A group of the table.
#[derive(Debug, Clone, Copy)]
struct Known {
    order: u16,
    /// What its cards pay, and since when, where nothing more is to ask.
    settled: Option<(Day, Pays)>,
}

/// What a row of the card rates says.
#[derive(Debug, Clone, Copy)]
struct Pays {
    basis_points: u32,
    ratio_caps: bool,
    rule: u16,
}

const GROUP_NAME: usize = 0;
const CARD_RATE: usize = 0;
const CARD_CAPS: usize = 1;

impl Groups {
    pub(crate) fn new(table: Table, card_rates: &Table, faults: &mut Vec<BundleFault>) -> Groups {
        let pays = |at: usize, _: Day| {
            let rule = card_rates.rule(at as u16);
            let basis_points = rule.number(CARD_RATE).unwrap_or_default() as u32;
            Pays { basis_points, ratio_caps: rule.number(CARD_CAPS) == Some(1), rule: at as u16 }
        };
        let mut all = Vec::new();
        let mut by_code: Vec<(Code, Known)> = Vec::new();
        let mut rates = Vec::new();
        for (code, rule) in table.codes_asked("group") {
            let row = table.rules().position(|known| std::ptr::eq(known, rule)).unwrap_or(0);
            let place = all.len() as u16;
            if by_code.iter().any(|(known, _)| *known == code) {
                let reason = format!("the group {code} is there twice");
                faults.push(BundleFault::new(rule.file(), rule.line(), "when.group", reason));
            }
            all.push((code, place, row));
            let of_group = card_rates.answers(Some(code_number(code)), &[], pays);
            by_code.push((code, Known { order: place, settled: of_group.settled() }));
            rates.push(of_group);
        }
        for (code, rule) in card_rates.codes_asked("group") {
            if !all.is_empty() && !all.iter().any(|(known, ..)| *known == code) {
                let reason = format!("the group {code} is not in groups.toml");
                faults.push(BundleFault::new(rule.file(), rule.line(), "when.group", reason));
            }
        }
        rates.push(card_rates.answers(None, &[], pays));
        Groups { table, all, by_code: CodeIndex::new(by_code), rates }
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}

impl Policy {
    /// What a card of `group` (first two letters) and printed `digit` pays on a day; the digit counts only where the group is not
    /// known. `None`: neither is known.
    #[must_use]
    #[inline]
    pub fn card_rate(&self, group: Code, digit: Code, on: Day) -> Option<CardRate<'_>> {
        let pays = match self.groups.by_code.get(group) {
            Some(Known { settled: Some((since, pays)), .. }) if *since <= on => pays,
            known => {
                let of_group = known.map_or(self.groups.all.len(), |known| usize::from(known.order));
                self.groups.rates[of_group].first(&[code_number(group), code_number(digit)], on)?
            }
        };
        let Pays { basis_points, ratio_caps, rule } = *pays;
        Some(CardRate { basis_points, ratio_caps, rule: self.card_rates.rule(rule) })
    }

    /// The days on which some card rate changes, in order: between two of them every card pays the same.
    #[must_use]
    #[inline]
    pub fn card_rate_changes(&self) -> &[Day] {
        &self.card_rate_changes
    }

    /// The groups, in the order that breaks ties.
    pub fn known_groups(&self) -> impl Iterator<Item = Group<'_>> {
        let rules: Vec<&Rule> = self.groups.table.rules().collect();
        self.groups.all.iter().map(move |(code, order, row)| {
            let rule = rules[*row];
            Group { code: *code, name: rule.text(GROUP_NAME), order: *order, rule }
        })
    }

    /// The place of a group in the table; `u16::MAX` for one that is not in it, so that it comes last.
    #[must_use]
    #[inline]
    pub fn group_order(&self, group: Code) -> u16 {
        self.groups.by_code.get(group).map_or(u16::MAX, |known| known.order)
    }

    /// Of several cards or statuses, as (group, digit), the one that counts: the highest rate on the day, then table order, then the
    /// code, so that the answer never hangs on the order in which they are given.
    #[must_use]
    pub fn main_group(&self, cards: impl IntoIterator<Item = (Code, Code)>, on: Day) -> Option<(Code, Code)> {
        cards.into_iter().min_by_key(|(group, digit)| {
            let rate = self.card_rate(*group, *digit, on).map(|rate| rate.basis_points);
            (std::cmp::Reverse(rate), self.group_order(*group), *group, *digit)
        })
    }
}
