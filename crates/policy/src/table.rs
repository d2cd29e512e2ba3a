//! A decision table: rows with conditions over named facts; the first that fits answers.

use std::{collections::BTreeMap, fmt};

use contract::{Code, Day};
use reference::BundleFault;
use rustc_hash::FxHashMap;
use toml::{Spanned, de::DeValue};

use crate::{
    Switch,
    read::{Entry, Source},
    schema::{Kind, Schema},
};

/// A fact that is not known: no condition over it holds.
pub(crate) const MISSING: i64 = i64::MIN;

/// One row of a table: what it says, where it comes from, when it holds.
#[derive(Clone)]
pub struct Rule {
    id: String,
    file: &'static str,
    line: usize,
    citation: String,
    confidence: Confidence,
    uncertain: String,
    valid_from: Day,
    valid_until: Day,
    only_if: Vec<(String, String)>,
    in_force: bool,
    conditions: Vec<Condition>,
    /// By outcome column; [`MISSING`] where the row leaves it out.
    numbers: Box<[i64]>,
    texts: Box<[String]>,
}

/// How sure it is that a row says what the law says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// The text of the decision or the law, or two independent sources.
    High,
    /// One secondary source.
    Medium,
    /// Inferred.
    Low,
}

impl Rule {
    /// Its id, unique in the policy.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The text of law it stands on.
    #[must_use]
    pub fn citation(&self) -> &str {
        &self.citation
    }

    /// How sure that is.
    #[must_use]
    pub fn confidence(&self) -> Confidence {
        self.confidence
    }

    /// What is not sure about it; empty: nothing is.
    #[must_use]
    pub fn uncertain(&self) -> &str {
        &self.uncertain
    }

    /// First day.
    #[must_use]
    pub fn valid_from(&self) -> Day {
        self.valid_from
    }

    /// Last day.
    #[must_use]
    pub fn valid_until(&self) -> Day {
        self.valid_until
    }

    /// The file it stands in.
    #[must_use]
    pub fn file(&self) -> &str {
        self.file
    }

    /// The line it begins on.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Whether the chosen readings put it in force: see [`crate::Policy::switches`].
    #[must_use]
    pub fn in_force(&self) -> bool {
        self.in_force
    }

    /// Under which readings it is in force, as (switch, reading); empty: always.
    #[must_use]
    pub fn only_if(&self) -> &[(String, String)] {
        &self.only_if
    }

    /// The outcome in this column, if the row has one.
    #[inline]
    pub(crate) fn number(&self, column: usize) -> Option<i64> {
        (self.numbers[column] != MISSING).then(|| self.numbers[column])
    }

    pub(crate) fn text(&self, column: usize) -> &str {
        &self.texts[column]
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)
    }
}

#[derive(Debug, Clone)]
struct Condition {
    fact: usize,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    OneOf(Box<[i64]>),
    NoneOf(Box<[i64]>),
    Within(i64, i64),
}

impl Condition {
    #[inline]
    fn holds(&self, facts: &[i64]) -> bool {
        let value = facts[self.fact];
        value != MISSING
            && match &self.test {
                Test::OneOf(values) => values.contains(&value),
                Test::NoneOf(values) => !values.contains(&value),
                Test::Within(least, most) => (*least..=*most).contains(&value),
            }
    }
}

impl Test {
    /// Whether every value that `other` accepts is accepted here too.
    fn covers(&self, other: &Test) -> bool {
        match (self, other) {
            (Test::OneOf(here), Test::OneOf(there)) => there.iter().all(|value| here.contains(value)),
            (Test::NoneOf(here), Test::OneOf(there)) => !there.iter().any(|value| here.contains(value)),
            (Test::NoneOf(here), Test::NoneOf(there)) => here.iter().all(|value| there.contains(value)),
            (Test::Within(least, most), Test::OneOf(there)) => {
                there.iter().all(|value| (*least..=*most).contains(value))
            }
            (Test::Within(least, most), Test::Within(from, to)) => least <= from && to <= most,
            _ => false,
        }
    }
}

/// A table, indexed by its first fact so that a question looks at a few rows only.
#[derive(Clone)]
pub(crate) struct Table {
    schema: &'static Schema,
    rules: Vec<Rule>,
    /// For each value that some row asks the first fact for: the rows in force that can fit it, in table order.
    by_first: FxHashMap<i64, Box<[Candidate]>>,
    /// The rows in force for any other value.
    otherwise: Box<[Candidate]>,
}

/// What is left to look at of a row once the first fact is known.
#[derive(Clone)]
struct Candidate {
    valid_from: Day,
    valid_until: Day,
    rule: u16,
    conditions: Box<[Condition]>,
}

impl Candidate {
    #[inline]
    fn fits(&self, facts: &[i64], on: Day) -> bool {
        self.valid_from <= on && on <= self.valid_until && self.conditions.iter().all(|c| c.holds(facts))
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} rows)", self.schema.file, self.rules.len())
    }
}

impl Table {
    pub(crate) fn read(
        schema: &'static Schema,
        files: &BTreeMap<String, Vec<u8>>,
        switches: &[Switch],
        faults: &mut Vec<BundleFault>,
    ) -> Table {
        let mut table =
            Table { schema, rules: Vec::new(), by_first: FxHashMap::default(), otherwise: Box::new([]) };
        let Some(source) = Source::new(schema.file, files.get(schema.file), faults) else { return table };
        let Some(root) = source.parse(faults) else { return table };
        for entry in source.entries(&root, "row", faults) {
            table.rules.push(read_rule(schema, &entry, switches, faults));
        }
        if table.rules.len() > usize::from(u16::MAX) {
            faults.push(BundleFault::file(schema.file, "more rows than a table can have, 65,535"));
            table.rules.clear();
        }
        table
    }

    /// A row that can never answer, because one above it fits every case that it fits, is a fault: mostly the row above
    /// was not ended.
    pub(crate) fn refuse_hidden(&self, faults: &mut Vec<BundleFault>) {
        let in_force: Vec<&Rule> = self.rules.iter().filter(|rule| rule.in_force).collect();
        for (at, rule) in in_force.iter().enumerate() {
            let hidden_by = in_force[..at].iter().find(|above| {
                let asks_no_more = above.conditions.iter().all(|asked| {
                    rule.conditions.iter().any(|own| own.fact == asked.fact && asked.test.covers(&own.test))
                });
                above.valid_from <= rule.valid_from && rule.valid_until <= above.valid_until && asks_no_more
            });
            if let Some(above) = hidden_by {
                let reason = format!(
                    "{} never answers: {} in row {} fits first. End that row with valid_until, or put this one above it",
                    rule.id, above.id, above.line
                );
                faults.push(BundleFault::new(rule.file, rule.line, "", reason));
            }
        }
    }

    /// Builds the index; the rows do not change after it.
    pub(crate) fn compile(&mut self) {
        let mut values: Vec<i64> = Vec::new();
        let first = |rule: &Rule| {
            rule.conditions.iter().find_map(|condition| match &condition.test {
                Test::OneOf(values) if condition.fact == 0 => Some(values.to_vec()),
                _ => None,
            })
        };
        let asked: Vec<_> = self.rules.iter().map(first).collect();
        asked.iter().flatten().for_each(|some| values.extend(some));
        let rows = |value: Option<i64>| -> Box<[Candidate]> {
            let can_fit = |at: usize| match (&asked[at], value) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(some), Some(value)) => some.contains(&value),
            };
            let in_force = self.rules.iter().enumerate().filter(|(at, rule)| rule.in_force && can_fit(*at));
            let candidates = in_force.map(|(at, rule)| Candidate {
                valid_from: rule.valid_from,
                valid_until: rule.valid_until,
                rule: at as u16,
                // What a row asks of the first fact the index has answered.
                conditions: rule
                    .conditions
                    .iter()
                    .filter(|c| asked[at].is_none() || c.fact > 0)
                    .cloned()
                    .collect(),
            });
            candidates.collect()
        };
        self.by_first = values.into_iter().map(|value| (value, rows(Some(value)))).collect();
        self.otherwise = rows(None);
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The first row in force that fits the facts, in the order of the schema, on `on`.
    #[inline]
    pub(crate) fn first(&self, facts: &[i64], on: Day) -> Option<&Rule> {
        debug_assert_eq!(facts.len(), self.schema.facts.len(), "{}", self.schema.file);
        let rows = match facts.first() {
            Some(first) => self.by_first.get(first).unwrap_or(&self.otherwise),
            None => &self.otherwise,
        };
        rows.iter().find(|row| row.fits(facts, on)).map(|row| &self.rules[usize::from(row.rule)])
    }

    /// The codes that rows ask the fact `name` for, with the row that asks.
    pub(crate) fn codes_asked(&self, name: &str) -> Vec<(Code, &Rule)> {
        let Some(fact) = self.schema.facts.iter().position(|(fact, _)| *fact == name) else {
            return Vec::new();
        };
        let mut codes = Vec::new();
        for rule in &self.rules {
            for condition in rule.conditions.iter().filter(|condition| condition.fact == fact) {
                if let Test::OneOf(values) | Test::NoneOf(values) = &condition.test {
                    codes.extend(values.iter().map(|value| (Code::from_packed(*value as u64), rule)));
                }
            }
        }
        codes
    }

    /// The first and the after-last days of every row in force: between two of them no answer changes.
    pub(crate) fn change_days(&self) -> impl Iterator<Item = Day> {
        let in_force = self.rules.iter().filter(|rule| rule.in_force);
        let days = in_force.flat_map(|rule| {
            let ended = if rule.valid_until == Day::MAX { Day::MAX } else { rule.valid_until.next() };
            [rule.valid_from, ended]
        });
        days.filter(|day| *day != Day::MIN && *day != Day::MAX)
    }
}

const ROW_KEYS: [&str; 9] =
    ["id", "citation", "confidence", "uncertain", "valid_from", "valid_until", "only_if", "when", "then"];

fn read_rule(
    schema: &'static Schema,
    entry: &Entry<'_>,
    switches: &[Switch],
    faults: &mut Vec<BundleFault>,
) -> Rule {
    entry.only(&ROW_KEYS, faults);
    let valid_from = entry.day("valid_from", faults).unwrap_or(Day::MIN);
    let valid_until = entry.day("valid_until", faults).unwrap_or(Day::MAX);
    if valid_from > valid_until {
        faults.push(entry.fault("valid_until", format!("{valid_until} is before valid_from {valid_from}")));
    }
    let (only_if, in_force) = read_only_if(entry, switches, faults);
    let (numbers, texts) = read_outcome(schema, entry, faults);
    Rule {
        id: entry.required("id", faults),
        file: schema.file,
        line: entry.line,
        citation: entry.required("citation", faults),
        confidence: read_confidence(entry, faults),
        uncertain: entry.text("uncertain", faults),
        valid_from,
        valid_until,
        only_if,
        in_force,
        conditions: read_conditions(schema, entry, faults),
        numbers,
        texts,
    }
}

pub(crate) fn read_confidence(entry: &Entry<'_>, faults: &mut Vec<BundleFault>) -> Confidence {
    let text = entry.required("confidence", faults);
    match text.as_str() {
        "H" => return Confidence::High,
        "M" => return Confidence::Medium,
        "L" | "" => {}
        _ => faults.push(entry.fault("confidence", format!("`{text}` is none of H, M, L"))),
    }
    Confidence::Low
}

fn read_only_if(
    entry: &Entry<'_>,
    switches: &[Switch],
    faults: &mut Vec<BundleFault>,
) -> (Vec<(String, String)>, bool) {
    let mut only_if = Vec::new();
    let mut in_force = true;
    for (name, value) in entry.pairs("only_if", faults) {
        let column = format!("only_if.{name}");
        let Some(switch) = switches.iter().find(|switch| switch.id == name) else {
            let names: Vec<_> = switches.iter().map(|switch| switch.id.as_str()).collect();
            let reason = format!("unknown switch; switches.toml has {}", names.join(", "));
            faults.push(entry.fault_at(value, &column, reason));
            continue;
        };
        match value.get_ref().as_str().filter(|reading| switch.options.iter().any(|known| known == reading)) {
            Some(reading) => {
                in_force &= switch.chosen == reading;
                only_if.push((name.to_owned(), reading.to_owned()));
            }
            None => {
                let reason = format!("expected one of {}", switch.options.join(", "));
                faults.push(entry.fault_at(value, &column, reason));
            }
        }
    }
    (only_if, in_force)
}

fn read_conditions(
    schema: &'static Schema,
    entry: &Entry<'_>,
    faults: &mut Vec<BundleFault>,
) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (name, value) in entry.pairs("when", faults) {
        let column = format!("when.{name}");
        let Some(fact) = schema.facts.iter().position(|(fact, _)| *fact == name) else {
            let names: Vec<_> = schema.facts.iter().map(|(fact, _)| *fact).collect();
            let known =
                if names.is_empty() { "this table asks for none".to_owned() } else { names.join(", ") };
            faults.push(entry.fault_at(value, &column, format!("unknown fact; expected {known}")));
            continue;
        };
        match read_test(schema.facts[fact].1, value) {
            Ok(test) => conditions.push(Condition { fact, test }),
            Err(reason) => faults.push(entry.fault_at(value, &column, reason)),
        }
    }
    // In the order of the schema, whose first fact is what the index is by.
    conditions.sort_by_key(|condition| condition.fact);
    conditions
}

/// `"CN"`, `["CN", "LH"]`, `{ not = [...] }`, `{ at_least = 50, below = 70 }`, `{ above = 5, at_most = 9 }`.
fn read_test(kind: Kind, value: &Spanned<DeValue<'_>>) -> Result<Test, String> {
    let list = |value: &DeValue<'_>| -> Result<Box<[i64]>, String> {
        match value.as_array() {
            Some(array) if array.is_empty() => Err("an empty list fits nothing".to_owned()),
            Some(array) => array.iter().map(|item| kind.number(item.get_ref())).collect(),
            None => Ok(Box::new([kind.number(value)?])),
        }
    };
    let Some(table) = value.get_ref().as_table() else { return list(value.get_ref()).map(Test::OneOf) };
    if let (Some(not), 1) = (table.get("not"), table.len()) {
        return list(not.get_ref()).map(Test::NoneOf);
    }
    if !matches!(kind, Kind::Whole | Kind::Share | Kind::Dong) {
        return Err("expected a value, a list of values, or { not = [...] }".to_owned());
    }
    let (mut least, mut most) = (0, i64::MAX);
    for (key, bound) in table {
        let bound = kind.number(bound.get_ref())?;
        match key.get_ref().as_ref() {
            "at_least" => least = least.max(bound),
            "above" => least = least.max(bound + 1),
            "at_most" => most = most.min(bound),
            "below" => most = most.min(bound - 1),
            other => {
                return Err(format!(
                    "unknown bound {other}; expected at_least, above, at_most, below, or not"
                ));
            }
        }
    }
    if table.is_empty() || least > most {
        return Err("a range that nothing is in".to_owned());
    }
    Ok(Test::Within(least, most))
}

fn read_outcome(
    schema: &'static Schema,
    entry: &Entry<'_>,
    faults: &mut Vec<BundleFault>,
) -> (Box<[i64]>, Box<[String]>) {
    let mut numbers = vec![MISSING; schema.outcome.len()];
    let mut texts = vec![String::new(); schema.outcome.len()];
    let mut there = Vec::new();
    for (name, value) in entry.pairs("then", faults) {
        let column = format!("then.{name}");
        let Some(at) = schema.outcome.iter().position(|(outcome, _)| *outcome == name) else {
            let names: Vec<_> = schema.outcome.iter().map(|(outcome, _)| *outcome).collect();
            let reason = format!("unknown outcome; expected {}", names.join(", "));
            faults.push(entry.fault_at(value, &column, reason));
            continue;
        };
        there.push(name);
        match (schema.outcome[at].1, value.get_ref().as_str()) {
            (Kind::Text, Some(text)) if !text.trim().is_empty() => text.clone_into(&mut texts[at]),
            (Kind::Text, _) => faults.push(entry.fault_at(value, &column, "expected words in quotes")),
            (kind, _) => match kind.number(value.get_ref()) {
                Ok(number) => numbers[at] = number,
                Err(reason) => faults.push(entry.fault_at(value, &column, reason)),
            },
        }
    }
    for (name, _) in schema.outcome {
        if !there.contains(name) && !schema.optional.contains(name) && !schema.one_of.contains(name) {
            faults.push(entry.fault(&format!("then.{name}"), "missing: the outcome needs it"));
        }
    }
    if !schema.one_of.is_empty() && schema.one_of.iter().filter(|name| there.contains(name)).count() != 1 {
        faults.push(entry.fault("then", format!("expected exactly one of {}", schema.one_of.join(", "))));
    }
    (numbers.into(), texts.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema;

    fn route() -> Table {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |path: &str| (path.to_owned(), std::fs::read(folder.join(path)).unwrap());
        let files = BTreeMap::from([read("policy/route.toml"), read("policy/switches.toml")]);
        let mut faults = Vec::new();
        let switches = crate::switches::read(&files, &mut faults);
        let mut table = Table::read(&schema::ROUTE, &files, &switches, &mut faults);
        table.compile();
        assert_eq!(faults, []);
        table
    }

    fn fact(most: i64) -> impl Strategy<Value = i64> {
        prop_oneof![4 => 0..=most, 1 => Just(MISSING)]
    }

    proptest! {
        #[test]
        fn the_index_answers_as_reading_the_table_from_the_top(
            route in prop::sample::select(vec!["1.1", "1.2", "1.12", "1.13", "1.18", "3.1", "3.3", "8", "?"]),
            facts in (fact(11), fact(1), fact(3), fact(100), fact(3), fact(1), fact(1)),
            on in 16_000i32..22_000,
        ) {
            let table = route_table();
            let (kind, inpatient, tier, score, former_level, provisional, station) = facts;
            let code = crate::read::code_number(Code::new(route));
            let facts = [code, kind, inpatient, tier, score, former_level, provisional, station];
            let from_the_top = table.rules.iter().find(|rule| {
                rule.in_force
                    && (rule.valid_from..=rule.valid_until).contains(&Day(on))
                    && rule.conditions.iter().all(|condition| condition.holds(&facts))
            });
            prop_assert_eq!(table.first(&facts, Day(on)).map(Rule::id), from_the_top.map(Rule::id));
        }
    }

    fn route_table() -> &'static Table {
        static TABLE: std::sync::LazyLock<Table> = std::sync::LazyLock::new(route);
        &TABLE
    }
}
