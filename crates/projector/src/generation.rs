//! Where derived files stand.
//!
//! ```text
//! projector/current            the name of the generation that serves
//! projector/g0001/store/       sled
//! projector/g0001/bases/       p0000-00000001.base ...
//! projector/g0001/snapshot     figures, positions, and the bases they stand on
//! ```
//!
//! A rebuild makes the next generation beside the one that serves; replacing `current` is the swap.

use std::path::{Path, PathBuf};

use event_log::files::{Files, read_whole, replace_whole};

use crate::error::StoreError;

/// One generation of derived files.
#[derive(Debug, Clone)]
pub(crate) struct Generation {
    number: u32,
    folder: PathBuf,
}

impl Generation {
    fn new(root: &Path, number: u32) -> Generation {
        Generation { number, folder: root.join(format!("g{number:04}")) }
    }

    /// The generation that serves, if any does.
    pub(crate) fn current(files: &dyn Files, root: &Path) -> Result<Option<Generation>, StoreError> {
        let path = root.join("current");
        match read_whole(files, &path, 64) {
            Ok(name) => {
                let number = String::from_utf8_lossy(&name)
                    .trim()
                    .strip_prefix('g')
                    .and_then(|text| text.parse().ok());
                let refused = || {
                    StoreError::Refused(format!(
                        "{} does not name a generation; remove it and project again",
                        path.display()
                    ))
                };
                number.map(|number| Some(Generation::new(root, number))).ok_or_else(refused)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(&path, error)),
        }
    }

    /// A new, empty generation after `current`; what a broken rebuild left in its place is removed.
    pub(crate) fn next(
        files: &dyn Files,
        root: &Path,
        current: Option<&Generation>,
    ) -> Result<Generation, StoreError> {
        let generation = Generation::new(root, current.map_or(0, |current| current.number) + 1);
        generation.remove()?;
        for folder in [root, &generation.folder, &generation.bases()] {
            files.create_dir(folder).map_err(|source| StoreError::io(folder, source))?;
        }
        Ok(generation)
    }

    /// Makes this the generation that serves.
    pub(crate) fn serve(&self, files: &dyn Files, root: &Path) -> Result<(), StoreError> {
        let path = root.join("current");
        let name = format!("g{:04}\n", self.number);
        replace_whole(files, &path, name.as_bytes()).map_err(|source| StoreError::io(&path, source))
    }

    /// Removes the generation's files.
    pub(crate) fn remove(&self) -> Result<(), StoreError> {
        match std::fs::remove_dir_all(&self.folder) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(StoreError::io(&self.folder, error)),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    pub(crate) fn bases(&self) -> PathBuf {
        self.folder.join("bases")
    }

    pub(crate) fn snapshot(&self) -> PathBuf {
        self.folder.join("snapshot")
    }

    /// Base file number `number` of `partition`.
    pub(crate) fn base_path(&self, partition: u16, number: u64) -> PathBuf {
        self.bases().join(format!("p{partition:04}-{number:08}.base"))
    }
}
