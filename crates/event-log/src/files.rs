//! The seam that all file work goes through: durability is decided by a handful of calls (sync the data, sync the folder,
//! rename), and a test that cannot see a missing one proves nothing. [`RealFiles`] is the machine's disk; its twin in
//! `testing` forgets and tears what was not synced.
//!
//! The rules of the disk, as POSIX has them:
//! - bytes written are safe after [`FileHandle::sync_data`], which covers the length too;
//! - a file's *name* (its creation, renaming or removal) is safe only after [`Files::sync_dir`] on its folder;
//! - after a failed sync nothing is known about what was written since the last good one, and syncing again proves nothing.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// A file system, as far as this project needs one.
pub trait Files: fmt::Debug + Send + Sync {
    /// Makes a new file, for reading and writing; an existing one is an error of kind `AlreadyExists`.
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileHandle>>;
    /// Opens a file that exists.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn FileHandle>>;
    /// Gives a file another name in the same folder, replacing what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name. Handles that are open go on reading.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, sorted.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Makes a folder and those above it; one that exists is fine. Their names are safe after [`make_folder`] only.
    fn create_dir(&self, folder: &Path) -> io::Result<()>;
    /// Removes a folder with all that is in it; one that does not exist is fine. An interruption leaves a part of it.
    fn remove_dir(&self, folder: &Path) -> io::Result<()>;
    /// Makes the folder's names safe.
    fn sync_dir(&self, folder: &Path) -> io::Result<()>;
    /// Takes an exclusive lock that ends with the process, without waiting.
    fn try_lock(&self, path: &Path) -> Result<Box<dyn FileLock>, LockError>;
}

/// An open file. Positions are given with each call, so one handle serves many threads.
pub trait FileHandle: fmt::Debug + Send + Sync {
    /// Reads up to `buffer.len()` bytes at `position`; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `position`; on an error any part of them may have been written.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }
    /// Cuts (or extends with zeros) the file to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes the bytes and the length safe.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes the bytes and all that is known about the file safe (not its name).
    fn sync_all(&self) -> io::Result<()>;
    /// Asks for room up to `len` bytes without changing the length: a hint that may do nothing.
    fn reserve(&self, len: u64) -> io::Result<()>;
}

/// A lock; dropping it gives it back.
pub trait FileLock: fmt::Debug + Send + Sync {}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else has it: the process of this id, where the lock file says.
    Held(Option<u32>),
    /// The lock file could not be opened or written.
    Io(io::Error),
}

/// Fills `buffer` from `position`; a file that ends before is an error of kind `UnexpectedEof`.
pub fn read_exact_at(file: &dyn FileHandle, buffer: &mut [u8], position: u64) -> io::Result<()> {
    let read = file.read_at(buffer, position)?;
    if read == buffer.len() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!(
            "the file ends at byte {}, {} bytes were expected from {position}",
            position + read as u64,
            buffer.len()
        ),
    ))
}

/// Reads a whole file of at most `limit` bytes.
pub fn read_whole(files: &dyn Files, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = files.open(path, Access::Read)?;
    let len = file.len()?;
    if len > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the file has {len} bytes, the most is {limit}"),
        ));
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    read_exact_at(file.as_ref(), &mut bytes, 0)?;
    Ok(bytes)
}

/// Puts a file with these bytes at `path`, at once or not at all: written beside it as `NAME.tmp`, synced, renamed, the
/// folder synced.
pub fn replace_whole(files: &dyn Files, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_path(path);
    remove_if_there(files, &temporary)?;
    let mut writer = SequentialWriter::new(files.create(&temporary)?).gentle();
    writer.write_all(bytes)?;
    writer.finish()?;
    files.rename(&temporary, path)?;
    files.sync_dir(folder_of(path))
}

/// Makes a folder and those above it, all of them safe: each new one is synced into the folder it stands in before anything
/// is made in it.
pub fn make_folder(files: &dyn Files, folder: &Path) -> io::Result<()> {
    let above: Vec<&Path> = folder.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
    let is_missing =
        |folder: &&&Path| matches!(files.list(folder), Err(error) if error.kind() == io::ErrorKind::NotFound);
    let missing = above.iter().take_while(is_missing).count();
    if let Some(there) = above.get(missing) {
        // Whoever made it may have been stopped before this; one that stands where we may not read was not made by us.
        match files.sync_dir(folder_of(there)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    for folder in above[..missing].iter().rev() {
        files.create_dir(folder)?;
        files.sync_dir(folder_of(folder))?;
    }
    Ok(())
}

/// The name a file has while it is being written: whoever opens the folder may remove it.
#[must_use]
pub fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// Removes a file if it exists; says whether it did.
pub fn remove_if_there(files: &dyn Files, path: &Path) -> io::Result<bool> {
    match files.remove(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The folder a file stands in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes a file from its beginning in big pieces.
pub struct SequentialWriter {
    file: Box<dyn FileHandle>,
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    is_gentle: bool,
}

/// The size of the pieces: they stay in the processor's cache until they are written.
const PIECE_BYTES: usize = 128 << 10;
/// What a gentle writer leaves unsynced at most.
const GENTLE_BYTES: u64 = 4 << 20;

impl SequentialWriter {
    /// Begins at byte 0 of an empty file.
    #[must_use]
    pub fn new(file: Box<dyn FileHandle>) -> SequentialWriter {
        SequentialWriter {
            file,
            buffer: Vec::with_capacity(PIECE_BYTES),
            written: 0,
            synced: 0,
            is_gentle: false,
        }
    }

    /// The same, but synced every few megabytes: file systems make one file's sync wait for what others have written, and a
    /// long file that is written beside a log or a store would hold up their commits.
    #[must_use]
    pub fn gentle(self) -> SequentialWriter {
        SequentialWriter { is_gentle: true, ..self }
    }

    /// How many bytes were put so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Writes what is buffered and makes all so far safe: in between, a long file does not hold up the syncs of others.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.synced = self.written;
        self.file.sync_data()
    }

    /// Writes what is buffered, syncs all of it and gives the file back.
    pub fn finish(mut self) -> io::Result<Box<dyn FileHandle>> {
        self.flush()?;
        self.file.sync_all()?;
        Ok(self.file)
    }
}

impl fmt::Debug for SequentialWriter {
    // Never the buffer: it may be about people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SequentialWriter").field("position", &self.position()).finish_non_exhaustive()
    }
}

impl Write for SequentialWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(PIECE_BYTES - self.buffer.len())];
        self.buffer.extend_from_slice(bytes);
        // Whole pieces: then no page is written twice.
        if self.buffer.len() == PIECE_BYTES {
            self.flush()?;
            if self.is_gentle && self.written - self.synced >= GENTLE_BYTES {
                self.sync()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_at(&self.buffer, self.written)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// The machine's own files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFiles;

impl RealFiles {
    /// The machine's own files, ready to be shared.
    #[must_use]
    pub fn shared() -> Arc<dyn Files> {
        Arc::new(RealFiles)
    }
}

impl Files for RealFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileHandle>> {
        let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn FileHandle>> {
        let file = fs::OpenOptions::new().read(true).write(access == Access::Write).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn remove_dir(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        fs::File::open(folder)?.sync_all()
    }

    fn try_lock(&self, path: &Path) -> Result<Box<dyn FileLock>, LockError> {
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The lock file may be unreadable or half written: then nobody can say who holds it.
                let _ = file.take(32).read_to_string(&mut text);
                return Err(LockError::Held(text.trim().parse().ok()));
            }
            Err(fs::TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        let write_pid = || -> io::Result<()> {
            file.set_len(0)?;
            file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0)
        };
        // On a full disk the lock still holds: the process id is only a courtesy.
        if let Err(error) = write_pid() {
            tracing::debug!(%error, lock = %path.display(), "cannot note the process id in the lock file");
        }
        file.flush().map_err(LockError::Io)?;
        Ok(Box::new(RealLock(file)))
    }
}

#[derive(Debug)]
struct RealFile(fs::File);

impl FileHandle for RealFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.0.read_at(&mut buffer[read..], position + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, position)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use rustix::fs::{FallocateFlags, fallocate};
            match fallocate(&self.0, FallocateFlags::KEEP_SIZE, 0, len) {
                // Not every file system can: it is a hint.
                Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        {
            let _ = len;
            Ok(())
        }
    }
}

/// Holds the lock by holding the file.
#[derive(Debug)]
struct RealLock(#[allow(dead_code, reason = "closing it gives the lock back")] fs::File);

impl FileLock for RealLock {}
