//! The files of a bundle: read from folders, and cut into parts that fit the records of the control log.

use std::{collections::BTreeMap, fmt::Display, path::Path};

use event_log::{
    RECORD_BYTES_MAX,
    files::{Access, Files, read_whole},
};
use policy::Bundle;

use crate::error::QueryError;

/// The most bytes of one file of a bundle: a nation's facilities with their history fit well.
pub const BUNDLE_FILE_BYTES_MAX: u64 = 64 << 20;
/// The most bytes of a part: with what stands around it, it fits a record.
const PART_BYTES_MAX: usize = RECORD_BYTES_MAX - 1024;

/// The files of a bundle in one folder, by their paths as `policy/route.toml`; `name` is the `policy` of it. What is no table of
/// a bundle is left out.
///
/// # Errors
/// When the folder cannot be read or a file is too large.
pub fn bundle_folder(
    files: &dyn Files,
    name: &str,
    folder: &Path,
) -> Result<BTreeMap<String, Vec<u8>>, QueryError> {
    let mut found = BTreeMap::new();
    for file in files.list(folder).map_err(|source| QueryError::io(folder, source))? {
        let path = format!("{name}/{file}");
        if !Bundle::belongs(&path) {
            continue;
        }
        let place = folder.join(&file);
        let io = |source| QueryError::io(&place, source);
        let bytes = files.open(&place, Access::Read).and_then(|file| file.len()).map_err(io)?;
        check_size(place.display(), bytes)?;
        found.insert(path, read_whole(files, &place, BUNDLE_FILE_BYTES_MAX).map_err(io)?);
    }
    Ok(found)
}

/// Refuses a file that is too large for a bundle.
pub(crate) fn check_size(file: impl Display, bytes: u64) -> Result<(), QueryError> {
    if bytes <= BUNDLE_FILE_BYTES_MAX {
        return Ok(());
    }
    Err(QueryError::Refused(format!(
        "{file} has {bytes} bytes, a table of a bundle has at most {BUNDLE_FILE_BYTES_MAX}"
    )))
}

/// What of a file goes into one record each; of an empty one, nothing goes into one.
pub(crate) fn parts(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let empty = content.is_empty().then_some(content);
    content.chunks(PART_BYTES_MAX).chain(empty)
}
