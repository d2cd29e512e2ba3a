//! The folder: its names, and the `meta` file that says what log it is.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::{Files, read_whole, replace_whole};
use crate::{LogId, OpenError, PARTITIONS_MAX};

/// The version of the format that this build reads and writes.
const FORMAT: u32 = 1;
const META_BYTES_MAX: u64 = 4096;

pub(super) fn meta_path(dir: &Path) -> PathBuf {
    dir.join("meta")
}

pub(super) fn lock_path(dir: &Path) -> PathBuf {
    dir.join("lock")
}

pub(super) fn journal_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("journal-{number:010}"))
}

pub(super) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("segment-{number:010}"))
}

/// What a name in the folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Journal(u64),
    Segment(u64),
    Temporary,
    Other,
}

pub(super) fn parse_name(name: &str) -> Name {
    let number = |text: &str| (text.len() == 10).then(|| text.parse().ok()).flatten();
    if name.ends_with(".tmp") && (name.starts_with("segment-") || name.starts_with("meta")) {
        return Name::Temporary;
    }
    if let Some(number) = name.strip_prefix("journal-").and_then(number) {
        return Name::Journal(number);
    }
    if let Some(number) = name.strip_prefix("segment-").and_then(number) {
        return Name::Segment(number);
    }
    Name::Other
}

/// What the `meta` file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) id: LogId,
    pub(super) partitions: u16,
}

impl Meta {
    fn text(&self) -> String {
        let body =
            format!("vertebra event log\nformat {FORMAT}\nid {}\npartitions {}\n", self.id, self.partitions);
        format!("{body}checksum {:08x}\n", crc32c::crc32c(body.as_bytes()))
    }

    pub(super) fn write(&self, files: &dyn Files, dir: &Path) -> io::Result<()> {
        replace_whole(files, &meta_path(dir), self.text().as_bytes())
    }

    pub(super) fn read(files: &dyn Files, dir: &Path) -> Result<Meta, OpenError> {
        let path = meta_path(dir);
        let bytes = match read_whole(files, &path, META_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::Refused {
                    place: dir.into(),
                    what: "there is no event log here (no file `meta`): create one, or name another folder"
                        .into(),
                });
            }
            Err(source) => return Err(OpenError::Unavailable { place: path.into(), source }),
        };
        let text = String::from_utf8_lossy(&bytes);
        let corrupt = |what: &str| OpenError::Corrupt { file: path.clone(), byte: 0, what: what.into() };
        let mut lines = text.lines();
        if lines.next() != Some("vertebra event log") {
            return Err(corrupt("the first line is not `vertebra event log`"));
        }
        let mut field = |name: &str| {
            lines.next().and_then(|line| line.strip_prefix(name)).and_then(|rest| rest.strip_prefix(' '))
        };
        let format: u32 = field("format")
            .and_then(|format| format.parse().ok())
            .ok_or_else(|| corrupt("the second line is not `format` and a number"))?;
        if format != FORMAT {
            return Err(OpenError::Refused {
                place: path.into(),
                what: format!(
                    "the log has format {format}, this build reads format {FORMAT}: use the build that wrote it"
                ),
            });
        }
        let id = field("id")
            .and_then(parse_id)
            .ok_or_else(|| corrupt("the third line is not `id` and 32 hex digits"))?;
        let partitions = field("partitions")
            .and_then(|partitions| partitions.parse().ok())
            .filter(|partitions| (1..=PARTITIONS_MAX).contains(partitions))
            .ok_or_else(|| corrupt("the fourth line is not `partitions` and a number that a log may have"))?;
        let meta = Meta { id, partitions };
        if meta.text().as_bytes() != bytes {
            return Err(corrupt("the checksum is not that of the lines before it"));
        }
        Ok(meta)
    }
}

fn parse_id(text: &str) -> Option<LogId> {
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let mut id = [0; 16];
    for (index, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(LogId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ours_or_not() {
        assert_eq!(parse_name("journal-0000000012"), Name::Journal(12));
        assert_eq!(parse_name("segment-0000000001"), Name::Segment(1));
        assert_eq!(parse_name("segment-0000000001.tmp"), Name::Temporary);
        assert_eq!(parse_name("meta.tmp"), Name::Temporary);
        for name in ["meta", "lock", "journal-1", "journal-00000000ab", "notes.tmp"] {
            assert_eq!(parse_name(name), Name::Other, "{name}");
        }
    }
}
