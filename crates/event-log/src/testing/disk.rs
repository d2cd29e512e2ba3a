//! What a disk in memory holds, and what of it survives a loss of power.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::files::folder_of;

const SECTOR_BYTES: usize = 512;

/// Bugs to plant, to see that a test would catch them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs {
    /// Syncing a file's bytes says yes and does nothing.
    pub ignore_sync_data: bool,
    /// Syncing a folder says yes and does nothing.
    pub ignore_sync_dir: bool,
    /// Syncing a folder leaves out the folders that were made in it.
    pub ignore_new_folders: bool,
}
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) random: u64,
    pub(super) bugs: Bugs,
    /// Counts restarts of the machine or the process: handles of an earlier one are dead.
    pub(super) boot: u64,
    pub(super) crashed: bool,
    pub(super) operations: u64,
    pub(super) crash_at: Option<u64>,
    pub(super) fail_at: Option<u64>,
    pub(super) fail_read_after: Option<u64>,
    pub(super) space_bytes: Option<u64>,
    pub(super) read_only: bool,
    pub(super) read_only_at: Option<u64>,
    pub(super) inodes: Vec<Inode>,
    pub(super) folders: BTreeSet<PathBuf>,
    pub(super) safe_folders: BTreeSet<PathBuf>,
    pub(super) names: BTreeMap<PathBuf, usize>,
    pub(super) safe_names: BTreeMap<PathBuf, usize>,
    pub(super) unsynced_names: Vec<(PathBuf, NameChange)>,
    pub(super) locks: BTreeSet<PathBuf>,
}

/// A file's bytes: as everybody sees them, as they would be after a crash, and what lies between.
#[derive(Clone, Default)]
pub(super) struct Inode {
    pub(super) now: Vec<u8>,
    pub(super) safe: Vec<u8>,
    pub(super) unsynced: Vec<Change>,
}

impl std::fmt::Debug for Inode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inode {{ {} bytes, {} changes not synced }}", self.now.len(), self.unsynced.len())
    }
}

#[derive(Clone)]
pub(super) enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Cut(usize),
}

impl Change {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
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
pub(super) enum NameChange {
    Put(PathBuf, usize),
    Move {
        from: PathBuf,
        to: PathBuf,
        inode: usize,
    },
    Remove(PathBuf),
    MakeFolder(PathBuf),
    /// With all that is in it.
    RemoveFolder(PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>, folders: &mut BTreeSet<PathBuf>) {
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
            NameChange::MakeFolder(path) => {
                folders.insert(path.clone());
            }
            NameChange::RemoveFolder(folder) => {
                names.retain(|path, _| !path.starts_with(folder));
                folders.retain(|path| !path.starts_with(folder));
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
impl Disk {
    pub(super) fn new(seed: u64, bugs: Bugs) -> Disk {
        Disk {
            random: seed,
            bugs,
            boot: 0,
            crashed: false,
            operations: 0,
            crash_at: None,
            fail_at: None,
            fail_read_after: None,
            space_bytes: None,
            read_only: false,
            read_only_at: None,
            inodes: Vec::new(),
            folders: BTreeSet::new(),
            safe_folders: BTreeSet::new(),
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            locks: BTreeSet::new(),
        }
    }

    /// SplitMix64.
    pub(super) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.random;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// From 0 to `limit`, both included.
    pub(super) fn up_to(&mut self, limit: usize) -> usize {
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

    pub(super) fn check(&self, boot: u64) -> io::Result<()> {
        if self.crashed || boot != self.boot {
            return Err(io::Error::other("the machine has lost power"));
        }
        Ok(())
    }

    /// Counts a changing operation. `Ok(true)`: do it. `Ok(false)`: the power goes; do any part of it, and fail.
    pub(super) fn change(&mut self, boot: u64) -> io::Result<bool> {
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
    pub(super) fn fails(&mut self) -> bool {
        let fails = self.fail_at == Some(self.operations - 1);
        if fails {
            self.fail_at = None;
        }
        fails
    }

    /// Whether this read was told to fail.
    pub(super) fn read_fails(&mut self) -> bool {
        let after = self.fail_read_after.take();
        self.fail_read_after = after.and_then(|after| after.checked_sub(1));
        after == Some(0)
    }

    /// An error where there is no such folder.
    pub(super) fn find_folder(&self, folder: &Path) -> io::Result<()> {
        if is_given(folder) || self.folders.contains(folder) {
            return Ok(());
        }
        Err(io::ErrorKind::NotFound.into())
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.names.values().map(|inode| self.inodes[*inode].now.len() as u64).sum()
    }

    pub(super) fn write(&mut self, inode: usize, at: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let change = Change::Write { at, bytes: bytes.to_vec() };
        change.apply(&mut self.inodes[inode].now);
        self.inodes[inode].unsynced.push(change);
    }

    pub(super) fn rename(&mut self, change: NameChange, folder: &Path) {
        change.apply(&mut self.names, &mut self.folders);
        self.unsynced_names.push((folder.into(), change));
    }

    pub(super) fn sync_names(&mut self, folder: &Path) {
        let left_out =
            |change: &NameChange| self.bugs.ignore_new_folders && matches!(change, NameChange::MakeFolder(_));
        let synced = self.unsynced_names.extract_if(.., |(own, change)| own == folder && !left_out(change));
        for (_, change) in synced {
            change.apply(&mut self.safe_names, &mut self.safe_folders);
        }
    }

    pub(super) fn sync_file(&mut self, inode: usize) {
        let inode = &mut self.inodes[inode];
        for change in inode.unsynced.drain(..) {
            change.apply(&mut inode.safe);
        }
    }

    /// Keeps what survives a loss of power.
    pub(super) fn forget(&mut self) {
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
                change.apply(&mut self.safe_names, &mut self.safe_folders);
            }
        }
        // What is in a folder that was forgotten is gone with it.
        let folders = std::mem::take(&mut self.safe_folders);
        let is_there = |path: &Path| path.ancestors().all(|path| is_given(path) || folders.contains(path));
        self.safe_folders = folders.iter().filter(|path| is_there(path)).cloned().collect();
        self.safe_names.retain(|path, _| is_there(folder_of(path)));
        self.folders.clone_from(&self.safe_folders);
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

    pub(super) fn reboot(&mut self) {
        self.boot += 1;
        self.crashed = false;
        self.crash_at = None;
        self.fail_at = None;
        self.fail_read_after = None;
        self.locks.clear();
    }
}

/// The folder that everything stands in.
fn is_given(folder: &Path) -> bool {
    matches!(folder.to_str(), Some("" | "." | "/"))
}

pub(super) fn power_lost() -> io::Error {
    io::Error::other("the machine has lost power")
}

pub(super) fn failed() -> io::Error {
    io::Error::other("input/output error")
}
