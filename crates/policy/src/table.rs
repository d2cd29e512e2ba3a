//! A decision table: rows with conditions over named facts; the first that fits answers.

use std::{collections::BTreeMap, fmt};

use contract::{Code, Day};
use reference::BundleFault;
use rustc_hash::FxHashMap;

use crate::{
    Rule, Switch,
    read::Source,
    rows::{Row, Rows},
    rule::{Test, read_rule},
    schema::Schema,
};

/// A table, indexed by its first fact so that a question looks at a few rows only.
#[derive(Clone)]
pub(crate) struct Table {
    schema: &'static Schema,
    rules: Vec<Rule>,
    /// For each value that some row asks the first fact for: the rows in force that can fit it, in table order.
    by_first: FxHashMap<i64, Rows<u16>>,
    /// The rows in force for any other value.
    otherwise: Rows<u16>,
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
        let mut table = Table {
            schema,
            rules: Vec::new(),
            by_first: FxHashMap::default(),
            otherwise: Rows::from_iter([]),
        };
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

    /// A table that says what codes are, and is asked without a day: a row that names no code, or that shall hold on some days or
    /// under some reading only, would be passed over in silence, and is a fault.
    pub(crate) fn refuse_all_but_codes(&self, faults: &mut Vec<BundleFault>) {
        for rule in &self.rules {
            let refused = [
                ("valid_from", rule.valid_from > Day::MIN),
                ("valid_until", rule.valid_until < Day::MAX),
                ("only_if", !rule.only_if().is_empty()),
            ];
            for (column, _) in refused.iter().filter(|(_, is_there)| *is_there) {
                let reason = "a code is the same on every day and under every reading: leave it out here, and let the \
                              tables that ask for the code say when it counts";
                faults.push(BundleFault::new(rule.file, rule.line, column, reason));
            }
            if Table::asks_first(rule).is_none() {
                let (fact, _) = self.schema.facts[0];
                let reason = format!("name the code: when = {{ {fact} = \"...\" }}");
                faults.push(BundleFault::new(rule.file, rule.line, "when", reason));
            }
        }
    }

    /// Builds the index; the rows do not change after it.
    pub(crate) fn compile(&mut self) {
        let asked = self.rules.iter().filter_map(Table::asks_first).flatten();
        let number = |at: usize, _: Day| at as u16;
        self.by_first = asked.map(|value| (*value, self.answers(Some(*value), &[], number))).collect();
        self.otherwise = self.answers(None, &[], number);
    }

    /// The values that a row asks the first fact for; `None`: it doesn't, or names those that it isn't.
    fn asks_first(rule: &Rule) -> Option<&[i64]> {
        rule.conditions.iter().find_map(|condition| match &condition.test {
            Test::OneOf(values) if condition.fact == 0 => Some(&**values),
            _ => None,
        })
    }

    /// The rows in force that can fit this first fact (`None`: one that no row asks for), in table order, each with what `answer`
    /// makes of its number and of a day on which it holds. A row is cut on the days of `cuts`, where its answer may change.
    pub(crate) fn answers<A>(
        &self,
        first: Option<i64>,
        cuts: &[Day],
        answer: impl Fn(usize, Day) -> A,
    ) -> Rows<A> {
        let mut rows = Vec::new();
        for (at, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.in_force) {
            let asked = Table::asks_first(rule);
            if asked.is_some_and(|asked| first.is_none_or(|first| !asked.contains(&first))) {
                continue;
            }
            // What a row asks of the first fact is answered.
            let left = rule.conditions.iter().filter(|condition| asked.is_none() || condition.fact > 0);
            let inside =
                cuts.iter().copied().filter(|cut| rule.valid_from < *cut && *cut <= rule.valid_until);
            let mut begins: Vec<Day> = inside.chain([rule.valid_from]).collect();
            begins.sort_unstable();
            begins.dedup();
            for (part, valid_from) in begins.iter().enumerate() {
                rows.push(Row {
                    valid_from: *valid_from,
                    valid_until: begins.get(part + 1).map_or(rule.valid_until, |next| *next - 1),
                    conditions: left.clone().cloned().collect(),
                    answer: answer(at, *valid_from),
                });
            }
        }
        rows.into_iter().collect()
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The row of this number.
    #[inline]
    pub(crate) fn rule(&self, at: u16) -> &Rule {
        &self.rules[usize::from(at)]
    }

    /// The first row in force that fits the facts, in the order of the schema, on `on`.
    #[inline]
    pub(crate) fn first(&self, facts: &[i64], on: Day) -> Option<&Rule> {
        self.first_numbered(facts, on).map(|(_, rule)| rule)
    }

    /// The same, with the number of the row.
    #[inline]
    pub(crate) fn first_numbered(&self, facts: &[i64], on: Day) -> Option<(u16, &Rule)> {
        debug_assert_eq!(facts.len(), self.schema.facts.len(), "{}", self.schema.file);
        let rows = match facts.first() {
            Some(first) => self.by_first.get(first).unwrap_or(&self.otherwise),
            None => &self.otherwise,
        };
        rows.first(facts, on).map(|at| (*at, self.rule(*at)))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{rule::MISSING, schema};

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
