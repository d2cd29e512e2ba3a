//! A disk in memory that keeps only what it promised to keep.
//!
//! What is written is seen at once by everybody, as with a page cache, but survives [`FaultyFiles::crash`] only if it was
//! synced; names, those of folders too, survive only if the folder they stand in was. What was not synced survives in part: nothing, all, a beginning cut at
//! any byte, or some sectors and not others; names likewise, in any combination. All of it follows from a seed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Bugs, Change, Disk, Inode, NameChange, failed, power_lost};
use crate::files::{Access, FileHandle, FileLock, Files, LockError, folder_of};

/// Files that forget; see the module's first lines. Clones share the disk.
#[derive(Clone, Debug)]
pub struct FaultyFiles(Arc<Mutex<Disk>>);
impl FaultyFiles {
    /// An empty disk. The seed decides what survives crashes.
    #[must_use]
    pub fn new(seed: u64) -> FaultyFiles {
        FaultyFiles::with_bugs(seed, Bugs::default())
    }

    /// An empty disk with planted bugs.
    #[must_use]
    pub fn with_bugs(seed: u64, bugs: Bugs) -> FaultyFiles {
        FaultyFiles(Arc::new(Mutex::new(Disk::new(seed, bugs))))
    }

    /// The disk as a process has it, until it dies: after [`FaultyFiles::crash`] and [`FaultyFiles::kill`] its threads,
    /// should there be any left, can do nothing more.
    #[must_use]
    pub fn shared(&self) -> Arc<dyn Files> {
        Arc::new(self.process())
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

    /// The read that is `reads` after now fails once.
    pub fn fail_read_after(&self, reads: u64) {
        self.disk().fail_read_after = Some(reads);
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
            other.safe_folders.clone_from(&disk.folders);
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

    fn process(&self) -> Process {
        Process { files: self.clone(), boot: self.disk().boot }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process that uses the disk.
#[derive(Clone, Debug)]
struct Process {
    files: FaultyFiles,
    boot: u64,
}

impl Process {
    fn disk(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.files.disk();
        disk.check(self.boot)?;
        Ok(disk)
    }
}
impl Files for Process {
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        let mut disk = self.disk()?;
        if disk.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.find_folder(folder_of(path))?;
        let go_on = disk.change(self.boot)?;
        if disk.fails() {
            return Err(failed());
        }
        if go_on || disk.up_to(1) == 1 {
            disk.inodes.push(Inode::default());
            let inode = disk.inodes.len() - 1;
            disk.rename(NameChange::Put(path.into(), inode), folder_of(path));
            if go_on {
                return Ok(Box::new(FaultyFile { process: self.clone(), inode, writable: true }));
            }
        }
        Err(power_lost())
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn FileHandle>> {
        let disk = self.disk()?;
        let inode = *disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        if access == Access::Write && disk.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let writable = access == Access::Write;
        Ok(Box::new(FaultyFile { process: self.clone(), inode, writable }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk()?;
        let inode = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let go_on = disk.change(self.boot)?;
        if disk.fails() {
            return Err(failed());
        }
        if go_on || disk.up_to(1) == 1 {
            disk.rename(NameChange::Move { from: from.into(), to: to.into(), inode }, folder_of(to));
        }
        if go_on { Ok(()) } else { Err(power_lost()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk()?;
        if !disk.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let go_on = disk.change(self.boot)?;
        if disk.fails() {
            return Err(failed());
        }
        if go_on || disk.up_to(1) == 1 {
            disk.rename(NameChange::Remove(path.into()), folder_of(path));
        }
        if go_on { Ok(()) } else { Err(power_lost()) }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk()?;
        disk.find_folder(folder)?;
        let own = disk.names.keys().filter(|path| folder_of(path) == folder);
        Ok(own.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        let mut disk = self.disk()?;
        let missing: Vec<_> = folder.ancestors().take_while(|path| disk.find_folder(path).is_err()).collect();
        for path in missing.into_iter().rev() {
            let go_on = disk.change(self.boot)?;
            if disk.fails() {
                return Err(failed());
            }
            if go_on || disk.up_to(1) == 1 {
                disk.rename(NameChange::MakeFolder(path.into()), folder_of(path));
            }
            if !go_on {
                return Err(power_lost());
            }
        }
        Ok(())
    }

    fn remove_dir(&self, folder: &Path) -> io::Result<()> {
        // A name after the other: whatever goes wrong in between leaves the rest.
        let within = |path: &&PathBuf| path.starts_with(folder);
        let paths: Vec<PathBuf> = self.disk()?.names.keys().filter(within).cloned().collect();
        paths.iter().try_for_each(|path| self.remove(path))?;
        let mut disk = self.disk()?;
        if disk.find_folder(folder).is_err() {
            return Ok(());
        }
        let go_on = disk.change(self.boot)?;
        if disk.fails() {
            return Err(failed());
        }
        if go_on || disk.up_to(1) == 1 {
            disk.rename(NameChange::RemoveFolder(folder.into()), folder_of(folder));
        }
        if go_on { Ok(()) } else { Err(power_lost()) }
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        let mut disk = self.disk()?;
        let go_on = disk.change(self.boot)?;
        if disk.fails() {
            return Err(failed());
        }
        if !disk.bugs.ignore_sync_dir && (go_on || disk.up_to(1) == 1) {
            disk.sync_names(folder);
        }
        if go_on { Ok(()) } else { Err(power_lost()) }
    }

    fn try_lock(&self, path: &Path) -> Result<Box<dyn FileLock>, LockError> {
        let mut disk = self.disk().map_err(LockError::Io)?;
        if disk.read_only {
            return Err(LockError::Io(io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        if !disk.locks.insert(path.into()) {
            return Err(LockError::Held(None));
        }
        Ok(Box::new(FaultyLock { process: self.clone(), path: path.into() }))
    }
}

#[derive(Debug)]
struct FaultyFile {
    process: Process,
    inode: usize,
    writable: bool,
}

impl FaultyFile {
    fn for_writing(&self) -> io::Result<MutexGuard<'_, Disk>> {
        if self.writable { self.process.disk() } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.process.disk()?;
        let go_on = disk.change(self.process.boot)?;
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
        let mut disk = self.process.disk()?;
        if disk.read_fails() {
            return Err(failed());
        }
        let bytes = &disk.inodes[self.inode].now;
        let from = usize::try_from(position).map_or(bytes.len(), |position| position.min(bytes.len()));
        let count = buffer.len().min(bytes.len() - from);
        buffer[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut disk = self.for_writing()?;
        let at = usize::try_from(position).map_err(io::Error::other)?;
        let go_on = disk.change(self.process.boot)?;
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
        let disk = self.process.disk()?;
        Ok(disk.inodes[self.inode].now.len() as u64)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut disk = self.for_writing()?;
        let go_on = disk.change(self.process.boot)?;
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
        self.process.disk().map(drop)
    }
}

#[derive(Debug)]
struct FaultyLock {
    process: Process,
    path: PathBuf,
}

impl FileLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        // A lock of a dead process is gone already, and may be another's by now.
        if let Ok(mut disk) = self.process.disk() {
            disk.locks.remove(&self.path);
        }
    }
}
