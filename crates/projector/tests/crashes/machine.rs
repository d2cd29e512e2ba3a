//! A machine that loses power: base files, snapshots and generations on the disk that forgets, and beside it the store.
//!
//! sled writes by itself, into a real folder. What survives of that is decided like this: what the projector made safe
//! through the seam ([`Files::sync_data`](event_log::files::FileHandle::sync_data) on each file, `sync_dir` on the
//! folders) survives every crash; what was written after it is lost, or kept, or kept in some pages and not in others.
//! What sled still had in memory is lost in any case.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use event_log::{
    files::{Access, FileHandle, FileLock, Files, LockError},
    testing::FaultyFiles,
};
use tempfile::TempDir;

const PAGE_BYTES: usize = 4096;

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
    /// The store's bytes are not made safe.
    StoreBytes,
}

/// What became of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outage {
    /// The process died: what it wrote is there.
    Killed,
    /// The power went: of the store there is what was made safe, or also what was written since.
    PowerLost,
    /// The power went, and of what the store wrote since it was last safe some pages are there and others are not.
    StoreTorn,
}

/// Files of the store, by path.
type Image = BTreeMap<PathBuf, Vec<u8>>;

/// The machine.
pub(crate) struct Machine {
    pub(crate) disk: FaultyFiles,
    flaw: Flaw,
    folder: TempDir,
    store: Arc<Mutex<Store>>,
}

#[derive(Default)]
struct Store {
    safe_bytes: Image,
    safe_names: BTreeSet<PathBuf>,
    /// As it was when the power went.
    at_crash: Option<Image>,
}

impl Machine {
    pub(crate) fn new(seed: u64, flaw: Flaw) -> Machine {
        // In memory where there is such a folder: nothing here waits for a real disk.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        Machine { disk: FaultyFiles::new(seed), flaw, folder: folder.unwrap(), store: Arc::default() }
    }

    /// Where the projector's files stand, on both disks.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("projector")
    }

    /// The files as a process has them until the machine goes or the process is killed.
    pub(crate) fn files(&self) -> Arc<dyn Files> {
        Arc::new(Seam {
            files: self.disk.shared(),
            disk: self.disk.clone(),
            flaw: self.flaw,
            root: self.root(),
            store: Arc::clone(&self.store),
        })
    }

    /// Ends what runs and begins anew with what survived. `random` gives numbers below its argument.
    pub(crate) fn restart(&self, outage: Outage, random: &mut dyn FnMut(u64) -> u64) {
        let mut store = self.store.lock().unwrap();
        let now = store.at_crash.take().unwrap_or_else(|| image(&self.root()));
        match outage {
            Outage::Killed => self.disk.kill(),
            Outage::PowerLost | Outage::StoreTorn => self.disk.crash(),
        }
        let safe: Image = store
            .safe_names
            .iter()
            .map(|path| (path.clone(), store.safe_bytes.get(path).cloned().unwrap_or_default()))
            .collect();
        let survives = match outage {
            Outage::Killed => now,
            Outage::PowerLost if random(2) == 0 => now,
            Outage::PowerLost => safe,
            Outage::StoreTorn => torn(&safe, &now, random),
        };
        if self.root().exists() {
            fs::remove_dir_all(self.root()).unwrap();
        }
        for (path, bytes) in &survives {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        if outage != Outage::Killed {
            store.safe_names = survives.keys().cloned().collect();
            store.safe_bytes = survives;
        }
    }

    /// The files there are, apart from the store's.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let mut paths = self.disk.paths();
        paths.retain(|path| path.starts_with(self.root()));
        paths
    }
}

/// All files under a folder.
fn image(folder: &Path) -> Image {
    let mut files = Image::new();
    let Ok(entries) = fs::read_dir(folder) else { return files };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.append(&mut image(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            files.insert(path, bytes);
        }
    }
    files
}

/// Some of what happened between `safe` and `now`.
fn torn(safe: &Image, now: &Image, random: &mut dyn FnMut(u64) -> u64) -> Image {
    let mut torn = Image::new();
    for path in safe.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
        let empty = Vec::new();
        let (old, new) = (safe.get(path).unwrap_or(&empty), now.get(path).unwrap_or(&empty));
        let changes_name = safe.contains_key(path) != now.contains_key(path);
        if changes_name && random(2) == 0 {
            if safe.contains_key(path) {
                torn.insert(path.clone(), old.clone());
            }
            continue;
        }
        if !now.contains_key(path) {
            continue;
        }
        let mut bytes = old.clone();
        if random(2) == 0 {
            bytes.resize(new.len(), 0);
        }
        for (number, page) in new.chunks(PAGE_BYTES).enumerate() {
            if random(2) == 0 {
                let (from, to) = (number * PAGE_BYTES, number * PAGE_BYTES + page.len());
                if bytes.len() < to {
                    bytes.resize(to, 0);
                }
                bytes[from..to].copy_from_slice(page);
            }
        }
        torn.insert(path.clone(), bytes);
    }
    torn
}

/// The seam of one process.
#[derive(Clone)]
struct Seam {
    files: Arc<dyn Files>,
    disk: FaultyFiles,
    flaw: Flaw,
    root: PathBuf,
    store: Arc<Mutex<Store>>,
}

impl std::fmt::Debug for Seam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seam")
    }
}

impl Seam {
    /// Gives a result back; where the power just went, keeps what the store has written until now.
    fn noted<T>(&self, result: T) -> T {
        if self.disk.has_crashed() {
            let mut store = self.store();
            if store.at_crash.is_none() {
                store.at_crash = Some(image(&self.root));
            }
        }
        result
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    fn is_of_store(&self, path: &Path) -> bool {
        path.starts_with(&self.root) && path.components().any(|part| part.as_os_str() == "store")
    }

    /// An operation that may fail or be the last, in place of one on the store's own files.
    fn operation(&self) -> io::Result<()> {
        self.noted(self.files.sync_dir(Path::new("store")))
    }
}

impl Files for Seam {
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        let file = self.noted(self.files.create(path))?;
        let name = path.to_string_lossy();
        let skips = match self.flaw {
            Flaw::BaseBytes => name.contains(".base"),
            Flaw::SnapshotBytes => name.contains("snapshot"),
            _ => false,
        };
        Ok(Box::new(Handle { file, seam: self.clone(), skips }))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn FileHandle>> {
        if self.is_of_store(path) {
            fs::File::open(path)?;
            return Ok(Box::new(StoreHandle { path: path.to_owned(), seam: self.clone() }));
        }
        let file = self.noted(self.files.open(path, access))?;
        Ok(Box::new(Handle { file, seam: self.clone(), skips: false }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.noted(self.files.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.noted(self.files.remove(path))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let real = |folder: &Path| -> io::Result<Vec<String>> {
            fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().into_string().unwrap())).collect()
        };
        if self.is_of_store(folder) {
            return real(folder);
        }
        // The disk that forgets lists files alone; a generation may also have no other files than the store's.
        let mut names: BTreeSet<String> = self.files.list(folder)?.into_iter().collect();
        let below = self.disk.paths().into_iter().filter_map(|path| {
            let inside = path.strip_prefix(folder).ok()?;
            Some(inside.components().next()?.as_os_str().to_str()?.to_owned())
        });
        names.extend(below);
        if folder == self.root {
            names.extend(real(folder).unwrap_or_default());
        }
        Ok(names.into_iter().collect())
    }

    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        self.files.create_dir(folder)
    }

    fn remove_dir(&self, folder: &Path) -> io::Result<()> {
        self.noted(self.files.remove_dir(folder))?;
        let mut store = self.store();
        store.safe_names.retain(|path| !path.starts_with(folder));
        store.safe_bytes.retain(|path, _| !path.starts_with(folder));
        if folder.exists() { fs::remove_dir_all(folder) } else { Ok(()) }
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        let skips = match self.flaw {
            Flaw::BaseNames => folder.ends_with("bases"),
            Flaw::CurrentName => folder == self.root,
            _ => false,
        };
        if skips {
            return Ok(());
        }
        if self.is_of_store(folder) {
            self.operation()?;
            let names: Vec<_> =
                image(folder).into_keys().filter(|path| path.parent() == Some(folder)).collect();
            let mut store = self.store();
            store.safe_names.retain(|path| path.parent() != Some(folder));
            store.safe_names.extend(names);
            return Ok(());
        }
        self.noted(self.files.sync_dir(folder))
    }

    fn try_lock(&self, path: &Path) -> Result<Box<dyn FileLock>, LockError> {
        self.files.try_lock(path)
    }
}

/// A file of the store, which only syncs.
#[derive(Debug)]
struct StoreHandle {
    path: PathBuf,
    seam: Seam,
}

impl FileHandle for StoreHandle {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.seam.flaw != Flaw::StoreBytes {
            self.seam.operation()?;
            let bytes = fs::read(&self.path)?;
            self.seam.store().safe_bytes.insert(self.path.clone(), bytes);
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
}

/// Any other file.
#[derive(Debug)]
struct Handle {
    file: Box<dyn FileHandle>,
    seam: Seam,
    /// Its syncs are left out.
    skips: bool,
}

impl FileHandle for Handle {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.seam.noted(self.file.write_at(bytes, position))
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.seam.noted(self.file.truncate(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.skips { Ok(()) } else { self.seam.noted(self.file.sync_data()) }
    }

    fn sync_all(&self) -> io::Result<()> {
        if self.skips { Ok(()) } else { self.seam.noted(self.file.sync_all()) }
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.file.reserve(len)
    }
}
