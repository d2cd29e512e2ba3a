//! Where the law is unclear: its readings, and the chosen one.

use std::collections::BTreeMap;

use reference::BundleFault;

use crate::read::{Entry, Source};

/// A question that the law leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Its name, as rows name it in `only_if`.
    pub id: String,
    /// The question.
    pub question: String,
    /// The readings.
    pub options: Vec<String>,
    /// The reading in force.
    pub chosen: String,
    /// The texts that disagree.
    pub citation: String,
    /// What is not known, and what each reading means.
    pub uncertain: String,
    /// Whether no figure hangs on it yet.
    pub no_figure: bool,
}

const FILE: &str = "policy/switches.toml";

pub(crate) fn read(files: &BTreeMap<String, Vec<u8>>, faults: &mut Vec<BundleFault>) -> Vec<Switch> {
    let Some(source) = Source::new(FILE, files.get(FILE), faults) else { return Vec::new() };
    let Some(root) = source.parse(faults) else { return Vec::new() };
    let mut switches: Vec<Switch> = Vec::new();
    for entry in source.entries(&root, "switch", faults) {
        let known =
            ["id", "question", "options", "chosen", "citation", "confidence", "uncertain", "no_figure"];
        entry.only(&known, faults);
        crate::rule::read_confidence(&entry, faults);
        let switch = Switch {
            id: entry.required("id", faults),
            question: entry.required("question", faults),
            options: options(&entry, faults),
            chosen: entry.required("chosen", faults),
            citation: entry.required("citation", faults),
            uncertain: entry.required("uncertain", faults),
            no_figure: entry.yes("no_figure", faults),
        };
        if !switch.options.contains(&switch.chosen) && entry.get("chosen").is_some() {
            let reason = format!("`{}` is none of {}", switch.chosen, switch.options.join(", "));
            faults.push(entry.fault("chosen", reason));
        }
        if switches.iter().any(|known| known.id == switch.id) {
            faults.push(entry.fault("id", format!("the switch {} is there twice", switch.id)));
        }
        switches.push(switch);
    }
    switches
}

fn options(entry: &Entry<'_>, faults: &mut Vec<BundleFault>) -> Vec<String> {
    let texts = entry.get("options").and_then(|value| value.get_ref().as_array()).map(|array| {
        array.iter().filter_map(|item| item.get_ref().as_str().map(str::to_owned)).collect::<Vec<_>>()
    });
    let texts = texts.unwrap_or_default();
    if texts.len() < 2 {
        faults.push(entry.fault("options", "at least two readings in quotes are needed"));
    }
    texts
}
