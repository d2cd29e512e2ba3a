//! The repository's own tables, and as their editors would change them: each outcome of each row in turn.

use std::{collections::BTreeMap, fs, path::Path};

use crate::Bundle;

/// Files by name, as [`Bundle::parse`] takes them.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The files in the folders `reference/` and `policy/` of the repository.
///
/// # Panics
/// When they cannot be read.
#[must_use]
pub fn files() -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = BTreeMap::new();
    for folder in ["reference", "policy"] {
        for file in fs::read_dir(root.join(folder)).expect("the folder is there") {
            let file = file.expect("it can be listed");
            let name = format!("{folder}/{}", file.file_name().to_string_lossy());
            if Bundle::belongs(&name) {
                files.insert(name, fs::read(file.path()).expect("it can be read"));
            }
        }
    }
    files
}

/// The bundle in the folders `reference/` and `policy/` of the repository.
///
/// # Panics
/// When it is broken.
#[must_use]
pub fn bundle() -> Bundle {
    Bundle::parse(&files()).unwrap_or_else(|faults| panic!("the bundle is broken: {faults:#?}"))
}

/// One outcome of one row, changed.
#[derive(Debug)]
pub struct Edit {
    /// The table, the row and the column.
    pub name: String,
    /// The row.
    pub row: String,
    /// Whether the tables say that no figure asks for it.
    pub no_figure: bool,
    /// Under which reading of which switches the row answers.
    pub reading: String,
    /// The files under that reading.
    pub before: Files,
    /// The same with the outcome changed.
    pub after: Files,
}

/// Columns that no figure asks for: words, and which drugs are paid in part.
const NO_FIGURE: [&str; 3] = ["name", "none", "ratio_caps"];

/// Every edit of the tables `paths`.
///
/// # Panics
/// When a table cannot be read.
#[must_use]
pub fn edits(files: &Files, paths: &[&str]) -> Vec<Edit> {
    let mut edits = Vec::new();
    for path in paths {
        let text = text(files, path);
        let starts: Vec<usize> = text.match_indices("[[row]]").map(|(at, _)| at).collect();
        for (at, start) in starts.iter().enumerate() {
            let end = starts.get(at + 1).copied().unwrap_or(text.len());
            edits.extend(edits_of_row(files, path, &text[..*start], &text[*start..end], &text[end..]));
        }
    }
    edits
}

fn edits_of_row(files: &Files, path: &str, above: &str, row: &str, below: &str) -> Vec<Edit> {
    let parsed: toml::Table = toml::from_str(row).expect("a row can be read");
    let parsed = &parsed["row"][0];
    let id = parsed["id"].as_str().expect("a row has an id");
    let marked = parsed.get("no_figure").and_then(toml::Value::as_bool) == Some(true);
    // A row of another reading is edited under that reading.
    let only_if = parsed.get("only_if").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let before = only_if.iter().fold(files.clone(), |files, (switch, reading)| {
        under(&files, switch, reading.as_str().expect("a reading has a name"))
    });
    let then = row.lines().find(|line| line.starts_with("then = ")).expect("a row has outcomes");
    let outcomes = parsed["then"].as_table().expect("outcomes are a table");
    let edit = |column: &String| {
        let columns = outcomes.iter().map(|(name, value)| match name == column {
            true => edited(name, value),
            false => kept(name, value),
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        let row = row.replacen(then, &format!("then = {{ {columns} }}"), 1);
        let mut after = before.clone();
        after.insert(path.to_owned(), format!("{above}{row}{below}").into_bytes());
        Edit {
            name: format!("{path}: {id} {column}"),
            row: id.to_owned(),
            no_figure: marked || NO_FIGURE.contains(&column.as_str()),
            reading: format!("{only_if:?}"),
            before: before.clone(),
            after,
        }
    };
    outcomes.keys().map(edit).collect()
}

/// The files under another reading of a switch.
///
/// # Panics
/// When there is no such switch.
#[must_use]
pub fn under(files: &Files, switch: &str, reading: &str) -> Files {
    let mut files = files.clone();
    let text = text(&files, "policy/switches.toml");
    let at = text.find(&format!("id = \"{switch}\"")).expect("a switch of that name");
    let chosen = at + text[at..].find("chosen = \"").expect("a reading is chosen") + "chosen = \"".len();
    let end = chosen + text[chosen..].find('"').expect("the reading ends");
    let text = format!("{}{reading}{}", &text[..chosen], &text[end..]);
    files.insert("policy/switches.toml".to_owned(), text.into_bytes());
    files
}

fn text(files: &Files, path: &str) -> String {
    String::from_utf8(files[path].clone()).expect("tables are UTF-8")
}

/// Another value for an outcome: what an editor of the table might write.
fn edited(column: &str, value: &toml::Value) -> String {
    let other = |text: &str, first: &str, second: &str| {
        let other = if text == first { second } else { first };
        format!("{column} = \"{other}\"")
    };
    match (column, value) {
        (_, toml::Value::Boolean(yes)) => format!("{column} = {}", !yes),
        (_, toml::Value::Integer(number)) => format!("{column} = {}", number + 1),
        ("same_as", _) => "amount = 1".to_owned(),
        ("code", toml::Value::String(text)) => other(text, "1.6", "1.7"),
        ("kind", toml::Value::String(text)) => other(text, "emergency", "station"),
        ("raises", toml::Value::String(text)) => other(text, "card-rate", "claim-rate"),
        ("mid_year", toml::Value::String(text)) => other(text, "remaining-months", "level-in-force"),
        (_, toml::Value::String(text)) if text.ends_with('%') => other(text, "37%", "38%"),
        (_, toml::Value::String(text)) => other(text, "something else", "and something else"),
        _ => panic!("{column} is no outcome"),
    }
}

/// An outcome as it was.
fn kept(column: &str, value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => format!("{column} = \"{text}\""),
        toml::Value::Boolean(yes) => format!("{column} = {yes}"),
        toml::Value::Integer(number) => format!("{column} = {number}"),
        _ => panic!("{column} is no outcome"),
    }
}
