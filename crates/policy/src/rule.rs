//! One row of a table: what it says, where it comes from, when it holds; and how it is read.

use std::fmt;

use contract::Day;
use reference::BundleFault;
use toml::{Spanned, de::DeValue};

use crate::{
    Switch,
    read::Entry,
    schema::{Kind, Schema},
};

/// A fact that is not known: no condition over it holds.
pub(crate) const MISSING: i64 = i64::MIN;

/// One row of a table: what it says, where it comes from, when it holds.
#[derive(Clone)]
pub struct Rule {
    pub(crate) id: String,
    pub(crate) file: &'static str,
    pub(crate) line: usize,
    citation: String,
    confidence: Confidence,
    uncertain: String,
    pub(crate) valid_from: Day,
    pub(crate) valid_until: Day,
    only_if: Vec<(String, String)>,
    no_figure: bool,
    pub(crate) in_force: bool,
    pub(crate) conditions: Vec<Condition>,
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

    /// Whether it is there to be read, and no figure, list or explanation of a claim asks for it yet.
    #[must_use]
    pub fn no_figure(&self) -> bool {
        self.no_figure
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
pub(crate) struct Condition {
    pub(crate) fact: usize,
    pub(crate) test: Test,
}

#[derive(Debug, Clone)]
pub(crate) enum Test {
    OneOf(Box<[i64]>),
    NoneOf(Box<[i64]>),
    Within(i64, i64),
}

impl Condition {
    #[inline]
    pub(crate) fn holds(&self, facts: &[i64]) -> bool {
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
    pub(crate) fn covers(&self, other: &Test) -> bool {
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

const ROW_KEYS: [&str; 10] = [
    "id",
    "citation",
    "confidence",
    "uncertain",
    "no_figure",
    "valid_from",
    "valid_until",
    "only_if",
    "when",
    "then",
];

pub(crate) fn read_rule(
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
        no_figure: entry.yes("no_figure", faults),
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
