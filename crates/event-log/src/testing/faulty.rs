//! A disk in memory that keeps only what it promised to keep.
//!
//! What is written is seen at once by everybody, as with a page cache, but survives [`FaultyFiles::crash`] only if it was
//! synced; names survive only if their folder was. What was not synced survives in part: nothing, all, a beginning cut at
//! any byte, or some sectors and not others; names likewise, in any combination. All of it follows from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::files::{Access, FileHandle, FileLock, Files, LockError, folder_of};

const SECTOR_BYTES: usize = 512;

/// Bugs to plant, to see that a test would catch them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs {
    /// Syncing a file's bytes says yes and does nothing.
    pub ignore_sync_data: bool,
    /// Syncing a folder says yes and does nothing.
    pub ignore_sync_dir: bool,
}

/// Files that forget; see the module's first lines. Clones share the disk.
#[derive(Clone, Debug)]
pub struct FaultyFiles(Arc<Mutex<Disk>>);

#[derive(Debug)]
struct Disk {
    random: u64,
    bugs: Bugs,
    /// Counts restarts of the machine or the process: handles of an earlier one are dead.
    boot: u64,
    crashed: bool,
    operations: u64,
    crash_at: Option<u64>,
    fail_at: Option<u64>,
    space_bytes: Option<u64>,
    read_only: bool,
    read_only_at: Option<u64>,
    inodes: Vec<Inode>,
    folders: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    safe_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<(PathBuf, NameChange)>,
    locks: BTreeSet<PathBuf>,
}

/// A file's bytes: as everybody sees them, as they would be after a crash, and what lies between.
#[derive(Clone, Default)]
struct Inode {
    now: Vec<u8>,
    safe: Vec<u8>,
    unsynced: Vec<Change>,
}

impl std::fmt::Debug for Inode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inode {{ {} bytes, {} changes not synced }}", self.now.len(), self.unsynced.len())
    }
}

#[derive(Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Cut(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write { at, bytes: new } => {
                if bytes.len() < at + new.len() {
                    bytes.resize(at + new.len(), 0);
                }
                bytes[*at..at + new.len()].copy_from_slice(new);
            }
            Change::Cut(len) => bytes.resize(*len, 0),
        }
    }
}

#[derive(Clone, Debug)]
enum NameChange {
    Put(PathBuf, usize),
    Move { from: PathBuf, to: PathBuf, inode: usize },
    Remove(PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameChange::Put(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            NameChange::Move { from, to, inode } => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            NameChange::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

/// How much of what was not synced survives.
enum Survival {
    Nothing,
    Everything,
    Beginning,
    Some,
}

impl FaultyFiles {
    /// An empty disk. The seed decides what survives crashes.
    #[must_use]
    pub fn new(seed: u64) -> FaultyFiles {
        FaultyFiles::with_bugs(seed, Bugs::default())
    }

    /// An empty disk with planted bugs.
    #[must_use]
    pub fn with_bugs(seed: u64, bugs: Bugs) -> FaultyFiles {
        FaultyFiles(Arc::new(Mutex::new(Disk {
            random: seed,
            bugs,
            boot: 0,
            crashed: false,
            operations: 0,
            crash_at: None,
            fail_at: None,
            space_bytes: None,
            read_only: false,
            read_only_at: None,
            inodes: Vec::new(),
            folders: BTreeSet::new(),
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            locks: BTreeSet::new(),
        })))
    }

    /// The disk as [`Files`].
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Files> {
        Arc::new(self.clone())
    }

    /// How many changing operations (writes, cuts, syncs, names) there were.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// The machine loses power during the changing operation that is `operations` after now (0: the next one): it is done
    /// in part, and all that follow fail until [`FaultyFiles::crash`].
    pub fn crash_after(&self, operations: u64) {
        let mut disk = self.disk();
        disk.crash_at = Some(disk.operations + operations);
    }

    /// The changing operation that is `operations` after now fails once, as a bad cable makes it: a write is done in part,
    /// a sync loses what it should have kept though it still looks written.
    pub fn fail_after(&self, operations: u64) {
        let mut disk = self.disk();
        disk.fail_at = Some(disk.operations + operations);
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.disk().crashed
    }

    /// The machine loses power now, and comes up again with what survived.
    pub fn crash(&self) {
        let mut disk = self.disk();
        disk.forget();
        disk.reboot();
    }

    /// The process dies and the machine lives: handles and locks are gone, what was written stays, still not synced.
    pub fn kill(&self) {
        self.disk().reboot();
    }

    /// The disk has room for this many bytes in all; `None`: for any number.
    pub fn set_space_bytes(&self, space_bytes: Option<u64>) {
        self.disk().space_bytes = space_bytes;
    }

    /// How many bytes the files have now.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.disk().used_bytes()
    }

    /// Nothing can be changed, or everything again.
    pub fn set_read_only(&self, read_only: bool) {
        let mut disk = self.disk();
        disk.read_only = read_only;
        disk.read_only_at = None;
    }

    /// Nothing can be changed from the changing operation on that is `operations` after now.
    pub fn set_read_only_after(&self, operations: u64) {
        let mut disk = self.disk();
        disk.read_only_at = Some(disk.operations + operations);
    }

    /// Changes a file behind everybody's back, as a failing disk does; false if there is no such file.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut disk = self.disk();
        let Some(inode) = disk.names.get(path).copied() else { return false };
        let inode = &mut disk.inodes[inode];
        change(&mut inode.now);
        inode.safe = inode.now.clone();
        inode.unsynced.clear();
        true
    }

    /// The bytes of a file.
    #[must_use]
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let disk = self.disk();
        disk.names.get(path).map(|inode| disk.inodes[*inode].now.clone())
    }

    /// The paths of all files.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.disk().names.keys().cloned().collect()
    }

    /// Another disk with the same files, all of them safe.
    #[must_use]
    pub fn copy(&self, seed: u64) -> FaultyFiles {
        let copy = FaultyFiles::new(seed);
        {
            let (disk, mut other) = (self.disk(), copy.disk());
            other.folders.clone_from(&disk.folders);
            other.names.clone_from(&disk.names);
            other.safe_names.clone_from(&disk.names);
            other.inodes = disk
                .inodes
                .iter()
                .map(|inode| Inode { now: inode.now.clone(), safe: inode.now.clone(), unsynced: Vec::new() })
                .collect();
        }
        copy
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.random;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// From 0 to `limit`, both included.
    fn up_to(&mut self, limit: usize) -> usize {
        (self.random() % (limit as u64 + 1)) as usize
    }

    fn survival(&mut self) -> Survival {
        match self.up_to(5) {
            0 => Survival::Nothing,
            1 => Survival::Everything,
            2 | 3 => Survival::Beginning,
            _ => Survival::Some,
        }
    }

    fn check(&self, boot: u64) -> io::Result<()> {
        if self.crashed || boot != self.boot {
            return Err(io::Error::other("the machine has lost power"));
        }
        Ok(())
    }

    /// Counts a changing operation. `Ok(true)`: do it. `Ok(false)`: the power goes; do any part of it, and fail.
    fn change(&mut self, boot: u64) -> io::Result<bool> {
        self.check(boot)?;
        self.read_only |= self.read_only_at.is_some_and(|at| at <= self.operations);
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let operation = self.operations;
        self.operations += 1;
        if self.crash_at == Some(operation) {
            self.crashed = true;
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether this operation, just counted, was told to fail.
    fn fails(&mut self) -> bool {
        let fails = self.fail_at == Some(self.operations - 1);
        if fails {
            self.fail_at = None;
        }
        fails
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().map(|inode| self.inodes[*inode].now.len() as u64).sum()
    }

    fn write(&mut self, inode: usize, at: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let change = Change::Write { at, bytes: bytes.to_vec() };
        change.apply(&mut self.inodes[inode].now);
        self.inodes[inode].unsynced.push(change);
    }

    fn rename(&mut self, change: NameChange, folder: &Path) {
        change.apply(&mut self.names);
        self.unsynced_names.push((folder.into(), change));
    }

    fn sync_names(&mut self, folder: &Path) {
        for (_, change) in self.unsynced_names.extract_if(.., |(own, _)| own == folder) {
            change.apply(&mut self.safe_names);
        }
    }

    fn sync_file(&mut self, inode: usize) {
        let inode = &mut self.inodes[inode];
        for change in inode.unsynced.drain(..) {
            change.apply(&mut inode.safe);
        }
    }

    /// Keeps what survives a loss of power.
    fn forget(&mut self) {
        for index in 0..self.inodes.len() {
            let mut inode = std::mem::take(&mut self.inodes[index]);
            if !inode.unsynced.is_empty() {
                self.tear(&mut inode);
            }
            inode.now = inode.safe.clone();
            inode.unsynced.clear();
            self.inodes[index] = inode;
        }
        let changes = std::mem::take(&mut self.unsynced_names);
        let survival = self.survival();
        let beginning = self.up_to(changes.len());
        for (index, (_, change)) in changes.iter().enumerate() {
            let survives = match survival {
                Survival::Nothing => false,
                Survival::Everything => true,
                Survival::Beginning => index < beginning,
                Survival::Some => self.up_to(1) == 1,
            };
            if survives {
                change.apply(&mut self.safe_names);
            }
        }
        self.names.clone_from(&self.safe_names);
    }

    fn tear(&mut self, inode: &mut Inode) {
        match self.survival() {
            Survival::Nothing => {}
            Survival::Everything => inode.safe.clone_from(&inode.now),
            Survival::Beginning => {
                let whole = self.up_to(inode.unsynced.len() - 1);
                for change in &inode.unsynced[..whole] {
                    change.apply(&mut inode.safe);
                }
                if let Change::Write { at, bytes } = &inode.unsynced[whole] {
                    let kept = self.up_to(bytes.len());
                    Change::Write { at: *at, bytes: bytes[..kept].to_vec() }.apply(&mut inode.safe);
                }
            }
            Survival::Some => {
                // The length is written apart from the bytes: it may be either, or what is needed for a sector that is.
                let mut kept = inode.safe.clone();
                if self.up_to(1) == 1 {
                    kept.resize(inode.now.len(), 0);
                }
                let mut start = 0;
                while start < inode.now.len() {
                    let end = (start + SECTOR_BYTES).min(inode.now.len());
                    if self.up_to(1) == 1 {
                        let sector = Change::Write { at: start, bytes: inode.now[start..end].to_vec() };
                        sector.apply(&mut kept);
                    }
                    start = end;
                }
                inode.safe = kept;
            }
        }
    }

    fn reboot(&mut self) {
        self.boot += 1;
        self.crashed = false;
        self.crash_at = None;
        self.fail_at = None;
        self.locks.clear();
    }
}

fn power_lost() -> io::Error {
    io::Error::other("the machine has lost power")
}

fn failed() -> io::Error {
    io::Error::other("input/output error")
}

impl Files for FaultyFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        let mut disk = self.disk();
        let boot = disk.boot;
        disk.check(boot)?;
        if disk.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !disk.folders.contains(folder_of(path)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let go_on = disk.change(boot)?;
        if disk.fails() {
            return Err(failed());
        }
        if go_on || disk.up_to(1) == 1 {
            disk.inodes.push(Inode::default());
            let inode = disk.inodes.len() - 1;
            disk.rename(NameChange::Put(path.into(), inode), folder_of(path));
            if go_on {
                return Ok(Box::new(FaultyFile { files: self.clone(), boot, inode, writable: true }));
            }
        }
        Err(power_lost())
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn FileHandle>> {
        let disk = self.disk();
        disk.check(disk.boot)?;
        let inode = *disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        if access == Access::Write && disk.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let writable = access == Access::Write;
        Ok(Box::new(FaultyFile { files: self.clone(), boot: disk.boot, inode, writable }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let boot = disk.boot;
        disk.check(boot)?;
        let inode = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let go_on = disk.change(boot)?;
        if disk.fails() {
            return Err(failed());
        }
        if go_on || disk.up_to(1) == 1 {
            disk.rename(NameChange::Move { from: from.into(), to: to.into(), inode }, folder_of(to));
        }
        if go_on { Ok(()) } else { Err(power_lost()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let boot = disk.boot;
        disk.check(boot)?;
        if !disk.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let go_on = disk.change(boot)?;
        if disk.fails() {
            return Err(failed());
        }
        if go_on || disk.up_to(1) == 1 {
            disk.rename(NameChange::Remove(path.into()), folder_of(path));
        }
        if go_on { Ok(()) } else { Err(power_lost()) }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk();
        disk.check(disk.boot)?;
        if !disk.folders.contains(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let own = disk.names.keys().filter(|path| folder_of(path) == folder);
        Ok(own.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    // Folders themselves are not forgotten: they are made once, by hand as often as not.
    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.check(disk.boot)?;
        if disk.read_only && !disk.folders.contains(folder) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        disk.folders.extend(folder.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        let boot = disk.boot;
        let go_on = disk.change(boot)?;
        if disk.fails() {
            return Err(failed());
        }
        if !disk.bugs.ignore_sync_dir && (go_on || disk.up_to(1) == 1) {
            disk.sync_names(folder);
        }
        if go_on { Ok(()) } else { Err(power_lost()) }
    }

    fn try_lock(&self, path: &Path) -> Result<Box<dyn FileLock>, LockError> {
        let mut disk = self.disk();
        disk.check(disk.boot).map_err(LockError::Io)?;
        if disk.read_only {
            return Err(LockError::Io(io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        if !disk.locks.insert(path.into()) {
            return Err(LockError::Held(None));
        }
        Ok(Box::new(FaultyLock { files: self.clone(), boot: disk.boot, path: path.into() }))
    }
}

#[derive(Debug)]
struct FaultyFile {
    files: FaultyFiles,
    boot: u64,
    inode: usize,
    writable: bool,
}

impl FaultyFile {
    fn for_writing(&self) -> io::Result<MutexGuard<'_, Disk>> {
        if self.writable { Ok(self.files.disk()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.files.disk();
        let go_on = disk.change(self.boot)?;
        if disk.fails() {
            // The kernel reports the error once and holds the pages for clean: they look written and are not.
            disk.inodes[self.inode].unsynced.clear();
            return Err(failed());
        }
        if !disk.bugs.ignore_sync_data && (go_on || disk.up_to(1) == 1) {
            disk.sync_file(self.inode);
        }
        if go_on { Ok(()) } else { Err(power_lost()) }
    }
}

impl FileHandle for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let disk = self.files.disk();
        disk.check(self.boot)?;
        let bytes = &disk.inodes[self.inode].now;
        let from = usize::try_from(position).map_or(bytes.len(), |position| position.min(bytes.len()));
        let count = buffer.len().min(bytes.len() - from);
        buffer[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut disk = self.for_writing()?;
        let at = usize::try_from(position).map_err(io::Error::other)?;
        let go_on = disk.change(self.boot)?;
        let part = disk.up_to(bytes.len());
        if !go_on {
            disk.write(self.inode, at, &bytes[..part]);
            return Err(power_lost());
        }
        if disk.fails() {
            disk.write(self.inode, at, &bytes[..part]);
            return Err(failed());
        }
        let growth = (at + bytes.len()).saturating_sub(disk.inodes[self.inode].now.len()) as u64;
        if let Some(space) = disk.space_bytes
            && growth > 0
            && disk.used_bytes() + growth > space
        {
            let over = usize::try_from(disk.used_bytes() + growth - space).unwrap_or(usize::MAX);
            disk.write(self.inode, at, &bytes[..bytes.len().saturating_sub(over)]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.write(self.inode, at, bytes);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let disk = self.files.disk();
        disk.check(self.boot)?;
        Ok(disk.inodes[self.inode].now.len() as u64)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut disk = self.for_writing()?;
        let go_on = disk.change(self.boot)?;
        if disk.fails() {
            return Err(failed());
        }
        if go_on || disk.up_to(1) == 1 {
            let change = Change::Cut(usize::try_from(len).map_err(io::Error::other)?);
            let inode = &mut disk.inodes[self.inode];
            change.apply(&mut inode.now);
            inode.unsynced.push(change);
        }
        if go_on { Ok(()) } else { Err(power_lost()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn reserve(&self, _len: u64) -> io::Result<()> {
        self.files.disk().check(self.boot)
    }
}

#[derive(Debug)]
struct FaultyLock {
    files: FaultyFiles,
    boot: u64,
    path: PathBuf,
}

impl FileLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        let mut disk = self.files.disk();
        if disk.boot == self.boot {
            disk.locks.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_files(seed: u64, bugs: Bugs) -> (FaultyFiles, Vec<Option<Vec<u8>>>) {
        let files = FaultyFiles::with_bugs(seed, bugs);
        let (synced, not) = (Path::new("d/synced"), Path::new("d/not"));
        files.create_dir(Path::new("d")).unwrap();
        let file = files.create(synced).unwrap();
        file.write_at(b"kept", 0).unwrap();
        file.sync_data().unwrap();
        files.sync_dir(Path::new("d")).unwrap();
        file.write_at(&[7; 2000], 4).unwrap();
        files.create(not).unwrap();
        files.crash();
        let bytes = vec![files.bytes(synced), files.bytes(not)];
        (files, bytes)
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_comes_and_goes() {
        let (mut lens, mut seen_not) = (BTreeSet::new(), BTreeSet::new());
        for seed in 0..500 {
            let (_, bytes) = two_files(seed, Bugs::default());
            let synced = bytes[0].as_ref().expect("its folder was synced");
            assert_eq!(&synced[..4], b"kept");
            lens.insert(synced.len());
            seen_not.insert(bytes[1].is_some());
            assert_eq!(two_files(seed, Bugs::default()).1, bytes, "the same seed does the same");
        }
        assert!(lens.contains(&4) && lens.contains(&2004) && lens.len() > 50);
        assert_eq!(seen_not.len(), 2);
    }

    #[test]
    fn planted_bugs_lose_what_was_synced() {
        let lost = |bugs| {
            (0..100).any(|seed| {
                two_files(seed, bugs).1[0].as_ref().is_none_or(|bytes| !bytes.starts_with(b"kept"))
            })
        };
        assert!(!lost(Bugs::default()));
        assert!(lost(Bugs { ignore_sync_data: true, ..Bugs::default() }));
        assert!(lost(Bugs { ignore_sync_dir: true, ..Bugs::default() }));
    }

    #[test]
    fn a_full_disk_takes_a_part_and_says_so() {
        let files = FaultyFiles::new(1);
        files.create_dir(Path::new("d")).unwrap();
        let file = files.create(Path::new("d/f")).unwrap();
        files.set_space_bytes(Some(10));
        file.write_at(&[1; 8], 0).unwrap();
        assert_eq!(file.write_at(&[1; 8], 8).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!((file.len().unwrap(), files.used_bytes()), (10, 10));
        files.set_space_bytes(None);
        file.write_at(&[1; 8], 8).unwrap();
        files.set_read_only(true);
        assert_eq!(file.write_at(&[1], 0).unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    }

    #[test]
    fn handles_and_locks_end_with_their_process() {
        let files = FaultyFiles::new(1);
        files.create_dir(Path::new("d")).unwrap();
        let file = files.create(Path::new("d/f")).unwrap();
        let lock = files.try_lock(Path::new("d/lock")).unwrap();
        assert!(matches!(files.try_lock(Path::new("d/lock")), Err(LockError::Held(_))));
        file.write_at(b"x", 0).unwrap();
        files.kill();
        assert!(file.write_at(b"y", 0).is_err());
        let again = files.try_lock(Path::new("d/lock")).unwrap();
        drop(lock);
        assert!(matches!(files.try_lock(Path::new("d/lock")), Err(LockError::Held(_))));
        drop(again);
        assert_eq!(files.bytes(Path::new("d/f")).unwrap(), b"x");
    }
}
