//! A record's bytes to its tables, and a table's content to rows of named fields.

use std::borrow::Cow;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use quick_xml::{Reader, events::Event};

use super::rule::Rule;

const TABLES_MAX: usize = 64;
const DEPTH_MAX: usize = 32;
const FIELDS_MAX: usize = 512;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// One FILEHOSO: the name in LOAIHOSO, and what NOIDUNGFILE held.
pub(crate) struct Table<'a> {
    pub(crate) name: String,
    content: Content<'a>,
}

enum Content<'a> {
    /// Text: base64, or XML that was escaped or in CDATA.
    Text(String),
    /// XML in place.
    Inline(&'a str),
}

/// The fields of one row, by name in capitals, in the order in which they stood.
#[derive(Default)]
pub(crate) struct Row {
    fields: Vec<(String, String)>,
    pub(crate) repeated: bool,
}

impl Row {
    /// The text of the field, trimmed; empty where it is empty or missing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| field == name).map_or("", |(_, text)| text)
    }

    pub(crate) fn put(&mut self, name: String, text: &str) {
        let text = text.trim();
        match self.fields.iter_mut().find(|(field, _)| *field == name) {
            Some((_, first)) => {
                self.repeated = true;
                if first.is_empty() {
                    *first = text.to_string();
                }
            }
            None => self.fields.push((name, text.to_string())),
        }
    }
}

/// The rows of a table.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    pub(crate) other_encoding: bool,
}

/// Reads the tables of `record`, the text from `<HOSO` to `</HOSO>`.
pub(crate) fn tables(record: &str) -> Result<Vec<Table<'_>>, Rule> {
    let mut reader = Reader::from_str(record);
    let mut tables = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let (mut name, mut content) = (String::new(), None::<Content<'_>>);
    let mut text = String::new();
    loop {
        let before = reader.buffer_position() as usize;
        let event = reader.read_event().map_err(|_| Rule::RecordNotXml)?;
        match event {
            Event::Start(start) => {
                let element = local_name(start.local_name().as_ref());
                if path.last().is_some_and(|parent| parent == "NOIDUNGFILE") {
                    let from = before;
                    reader.read_to_end(start.name()).map_err(|_| Rule::RecordNotXml)?;
                    let until = reader.buffer_position() as usize;
                    let inline = record.get(from..until).ok_or(Rule::RecordNotXml)?;
                    content = Some(Content::Inline(inline));
                    continue;
                }
                if path.len() == DEPTH_MAX {
                    return Err(Rule::NestedTooDeep);
                }
                text.clear();
                if element == "FILEHOSO" {
                    (name, content) = (String::new(), None);
                }
                path.push(element);
            }
            Event::Empty(_) if path.last().is_some_and(|parent| parent == "NOIDUNGFILE") => {
                content = record.get(before..reader.buffer_position() as usize).map(Content::Inline);
            }
            Event::End(_) => {
                match path.pop().as_deref() {
                    Some("LOAIHOSO") => name = text.trim().to_ascii_uppercase(),
                    Some("NOIDUNGFILE") if content.is_none() => {
                        content = Some(Content::Text(std::mem::take(&mut text)));
                    }
                    Some("FILEHOSO") => {
                        let content = content.take().unwrap_or(Content::Text(String::new()));
                        tables.push(Table { name: std::mem::take(&mut name), content });
                        if tables.len() > TABLES_MAX {
                            return Err(Rule::TablesTooMany);
                        }
                    }
                    _ => {}
                }
                text.clear();
            }
            Event::Eof if path.is_empty() => return Ok(tables),
            Event::Eof => return Err(Rule::RecordNotXml),
            Event::DocType(_) => return Err(Rule::DoctypeNotAllowed),
            other => append_text(&mut text, other).ok_or(Rule::RecordNotXml)?,
        }
    }
}

impl Table<'_> {
    /// The table's XML: in place, escaped, in CDATA, or from base64 (in one line or many, padded or not).
    pub(crate) fn xml(&self) -> Result<Cow<'_, str>, Rule> {
        let text = match &self.content {
            Content::Inline(xml) => return Ok(Cow::Borrowed(xml)),
            Content::Text(text) => text.trim_start_matches('\u{feff}').trim(),
        };
        if text.starts_with('<') {
            return Ok(Cow::Borrowed(text));
        }
        let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let bytes = BASE64.decode(packed).map_err(|_| Rule::TableNotBase64)?;
        String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Rule::TableNotUtf8)
    }
}

/// Reads the rows of a table: the elements named `row_name`, and any other that holds an MA_LK of its own, for wrappers
/// differ between the annexes and what is sent.
///
/// `rows_max`: more are a fault.
pub(crate) fn rows(xml: &str, row_name: &str, rows_max: usize) -> Result<Rows, Rule> {
    let xml = xml.trim_start_matches('\u{feff}').trim_start();
    let mut reader = Reader::from_str(xml);
    let mut found = Rows::default();
    // Each open element with the fields found in it so far; its own text is `text`.
    let mut open: Vec<(String, Row)> = Vec::new();
    let mut text = String::new();
    let (mut leaf, mut root_ended) = (false, false);
    loop {
        let event = reader.read_event().map_err(|_| Rule::TableNotXml)?;
        let empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(start) | Event::Empty(start) => {
                if root_ended {
                    return Err(Rule::TableNotXml);
                }
                if open.len() == DEPTH_MAX {
                    return Err(Rule::NestedTooDeep);
                }
                let element = local_name(start.local_name().as_ref());
                text.clear();
                if empty {
                    put(&mut open, element, "")?;
                    leaf = false;
                    root_ended = open.is_empty();
                } else {
                    open.push((element, Row::default()));
                    leaf = true;
                }
            }
            Event::End(_) => {
                let Some((element, row)) = open.pop() else { return Err(Rule::TableNotXml) };
                if leaf {
                    put(&mut open, element, &text)?;
                } else if element == row_name || row.fields.iter().any(|(field, _)| field == "MA_LK") {
                    if found.rows.len() == rows_max {
                        return Err(Rule::LinesTooMany);
                    }
                    found.rows.push(row);
                }
                text.clear();
                leaf = false;
                root_ended = open.is_empty();
            }
            Event::Eof if root_ended => return Ok(found),
            Event::Eof => return Err(Rule::TableNotXml),
            Event::DocType(_) => return Err(Rule::DoctypeNotAllowed),
            Event::Decl(declaration) => {
                found.other_encoding |= declaration.encoding().and_then(Result::ok).is_some_and(|encoding| {
                    !matches!(encoding.to_ascii_lowercase().as_str(), "utf-8" | "utf8")
                });
            }
            other => append_text(&mut text, other).ok_or(Rule::TableNotXml)?,
        }
    }
}

fn put(open: &mut [(String, Row)], element: String, text: &str) -> Result<(), Rule> {
    let Some((_, row)) = open.last_mut() else { return Ok(()) };
    if row.fields.len() == FIELDS_MAX {
        return Err(Rule::FieldsTooMany);
    }
    row.put(element, text);
    Ok(())
}

/// Appends text, CDATA, character references and the five entities XML knows; `None` for any other entity, because
/// none can be declared without a DOCTYPE.
fn append_text(text: &mut String, event: Event<'_>) -> Option<()> {
    match event {
        Event::Text(part) => text.push_str(&part.into_inner()),
        Event::CData(part) => text.push_str(&part.into_inner()),
        Event::GeneralRef(reference) => match reference.resolve_char_ref() {
            Ok(Some(character)) => text.push(character),
            Ok(None) => text.push(match &*reference {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "apos" => '\'',
                "quot" => '"',
                _ => return None,
            }),
            Err(_) => return None,
        },
        _ => {}
    }
    Some(())
}

fn local_name(name: &str) -> String {
    name.to_ascii_uppercase()
}
