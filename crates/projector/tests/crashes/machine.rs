//! A machine that loses power: the disk that forgets, and a seam on it that can leave a step out.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use event_log::{
    files::{Access, FileHandle, FileLock, Files, LockError},
    testing::FaultyFiles,
};

/// A bug to plant: a step that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// The bytes of a base file are not synced.
    BaseBytes,
    /// The folder of the base files is not synced: not before the manifest names a new one, nor later.
    BaseNames,
    /// The bytes of a snapshot are not synced.
    SnapshotBytes,
    /// The folder of `current` is not synced.
    CurrentName,
    /// The bytes of the store's files are not synced.
    StoreBytes,
    /// The folder of the store's files is not synced.
    StoreNames,
}

impl Flaw {
    fn skips_bytes(self, path: &Path) -> bool {
        let name = path.to_string_lossy();
        match self {
            Flaw::BaseBytes => name.contains(".base"),
            Flaw::SnapshotBytes => name.contains("snapshot"),
            Flaw::StoreBytes => name.contains("rows-"),
            _ => false,
        }
    }

    fn skips_names(self, folder: &Path) -> bool {
        match self {
            Flaw::BaseNames => folder.ends_with("bases"),
            Flaw::StoreNames => folder.ends_with("store"),
            Flaw::CurrentName => folder == Machine::root(),
            _ => false,
        }
    }
}

/// What became of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outage {
    /// The process died: what it wrote is there.
    Killed,
    /// The power went: what was not made safe is there, or not, or in part.
    PowerLost,
}

/// The machine.
pub(crate) struct Machine {
    pub(crate) disk: FaultyFiles,
    flaw: Flaw,
}

impl Machine {
    pub(crate) fn new(seed: u64, flaw: Flaw) -> Machine {
        Machine { disk: FaultyFiles::new(seed), flaw }
    }

    /// Where the projector's files stand.
    pub(crate) fn root() -> PathBuf {
        PathBuf::from("projector")
    }

    /// The files as a process has them until the machine goes or the process is killed.
    pub(crate) fn files(&self) -> Arc<dyn Files> {
        Arc::new(Seam { files: self.disk.shared(), disk: self.disk.clone(), flaw: self.flaw })
    }

    /// Ends what runs and begins anew with what survived.
    pub(crate) fn restart(&self, outage: Outage) {
        match outage {
            Outage::Killed => self.disk.kill(),
            Outage::PowerLost => self.disk.crash(),
        }
    }
}

/// The seam of one process.
#[derive(Clone)]
struct Seam {
    files: Arc<dyn Files>,
    disk: FaultyFiles,
    flaw: Flaw,
}

impl std::fmt::Debug for Seam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seam")
    }
}

impl Files for Seam {
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        let file = self.files.create(path)?;
        Ok(Box::new(Handle { file, skips: self.flaw.skips_bytes(path) }))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn FileHandle>> {
        let file = self.files.open(path, access)?;
        Ok(Box::new(Handle { file, skips: self.flaw.skips_bytes(path) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.files.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.remove(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        // The disk that forgets lists files alone; generations are folders.
        let mut names: BTreeSet<String> = self.files.list(folder)?.into_iter().collect();
        let below = self.disk.paths().into_iter().filter_map(|path| {
            let inside = path.strip_prefix(folder).ok()?;
            Some(inside.components().next()?.as_os_str().to_str()?.to_owned())
        });
        names.extend(below);
        Ok(names.into_iter().collect())
    }

    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        self.files.create_dir(folder)
    }

    fn remove_dir(&self, folder: &Path) -> io::Result<()> {
        self.files.remove_dir(folder)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        if self.flaw.skips_names(folder) { Ok(()) } else { self.files.sync_dir(folder) }
    }

    fn try_lock(&self, path: &Path) -> Result<Box<dyn FileLock>, LockError> {
        self.files.try_lock(path)
    }
}

#[derive(Debug)]
struct Handle {
    file: Box<dyn FileHandle>,
    /// Its syncs are left out.
    skips: bool,
}

impl FileHandle for Handle {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_at(bytes, position)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.skips { Ok(()) } else { self.file.sync_data() }
    }

    fn sync_all(&self) -> io::Result<()> {
        if self.skips { Ok(()) } else { self.file.sync_all() }
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.file.reserve(len)
    }
}
