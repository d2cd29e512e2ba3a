//! Where derived files stand.
//!
//! ```text
//! projector/current            the name of the generation that serves
//! projector/g0001/store/       rows-00000001.log ...
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
        generation.remove(files)?;
        generation.make(files)?;
        // Their names are safe before anything in them is.
        for folder in [root, &generation.folder] {
            files.sync_dir(folder).map_err(|source| StoreError::io(folder, source))?;
        }
        Ok(generation)
    }

    /// Makes the generation's folders where they are missing.
    pub(crate) fn make(&self, files: &dyn Files) -> Result<(), StoreError> {
        for folder in [self.bases(), self.store()] {
            files.create_dir(&folder).map_err(|source| StoreError::io(&folder, source))?;
        }
        Ok(())
    }

    /// Makes this the generation that serves.
    pub(crate) fn serve(&self, files: &dyn Files, root: &Path) -> Result<(), StoreError> {
        let path = root.join("current");
        let name = format!("g{:04}\n", self.number);
        replace_whole(files, &path, name.as_bytes()).map_err(|source| StoreError::io(&path, source))
    }

    /// Removes the generation's files.
    pub(crate) fn remove(&self, files: &dyn Files) -> Result<(), StoreError> {
        files.remove_dir(&self.folder).map_err(|source| StoreError::io(&self.folder, source))
    }

    /// Removes what a crash left: files half written, generations that do not serve, and bases that are not `wanted`; then
    /// makes the names safe that are there: a process that was killed may have left some that only look it, and all that
    /// follows stands on them.
    pub(crate) fn tidy(&self, files: &dyn Files, root: &Path, wanted: &[PathBuf]) -> Result<(), StoreError> {
        let bases = self.bases();
        for folder in [root, &self.folder, &bases] {
            let io = |source| StoreError::io(folder, source);
            for name in files.list(folder).map_err(io)? {
                let path = folder.join(&name);
                let old = folder == bases && name.ends_with(".base") && !wanted.contains(&path);
                if name.ends_with(".tmp") || old {
                    files.remove(&path).map_err(io)?;
                }
            }
        }
        let is_generation = |name: &String| {
            name.strip_prefix('g').is_some_and(|number| number.len() >= 4 && number.parse::<u32>().is_ok())
        };
        let io = |source| StoreError::io(root, source);
        for name in files.list(root).map_err(io)?.into_iter().filter(is_generation) {
            let folder = root.join(name);
            if folder != self.folder {
                files.remove_dir(&folder).map_err(io)?;
            }
        }
        for folder in [root, &self.folder, &bases] {
            files.sync_dir(folder).map_err(|source| StoreError::io(folder, source))?;
        }
        Ok(())
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
