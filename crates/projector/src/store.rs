//! What the projector keeps between bases: for each partition the manifest of its base file and one row of new facts per
//! commit. Each row says from which offset to which it goes, so that the last one is the checkpoint.
//!
//! `store/rows-00000001.log` and those after it are only ever written at the end of the last. What came since the last sync
//! is one group, one write and one sync. A file goes when each of its rows is in a base.

mod file;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use event_log::{
    LogId,
    files::{Access, FileHandle, Files},
};

use self::file::{GROUP_HEAD_BYTES, Groups, Header, Record, Stamp, VERSION};
use crate::error::{Corrupt, StoreError};

/// A group is not made larger than this by further rows: a long catch-up does not wait in memory for its end.
const GROUP_BYTES: usize = 4 << 20;
/// So many files' worth of rows may be in bases already before anything is merged to be rid of them.
const SPARE_FILES: u64 = 3;

/// Which base file a partition's histories begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The number in the file's name.
    pub(crate) number: u64,
    /// The digest the file must have.
    pub(crate) digest: [u8; 32],
    /// It holds every record before this offset, and so every row that begins before it.
    pub(crate) next_offset: u64,
}

/// How a file may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With a whole group: another file follows.
    Whole,
    /// With what a crash tore, which is cut off; the rest is made safe and ready to be gone on from.
    Repaired,
    /// With what a crash tore, which stays.
    Looked,
}

/// The store of one generation.
pub(crate) struct Store {
    folder: PathBuf,
    files: Arc<dyn Files>,
    log: LogId,
    partitions: u16,
    /// A file this long is followed by the next.
    file_bytes: u64,
    inner: Mutex<Inner>,
}

struct Inner {
    manifests: Vec<Option<Manifest>>,
    /// The oldest first; the last is written to.
    rows: VecDeque<RowsFile>,
    /// What is not written yet, with room for the head.
    group: Vec<u8>,
    /// Nothing more is taken: a write or a sync failed, and nobody knows what of it the disk has; or it is only looked at.
    failed: bool,
}

/// One file.
struct RowsFile {
    number: u64,
    file: Arc<dyn FileHandle>,
    length: u64,
    /// The partitions with rows that are in no base.
    held: BTreeMap<u16, Held>,
}

/// A partition's rows in a file.
#[derive(Default)]
struct Held {
    /// Where the last one begins: once a base holds that, it holds the others.
    last_from: u64,
    bytes: u64,
    /// Where the groups begin that they are in.
    groups: Vec<u64>,
}

impl Inner {
    fn bytes(&self) -> u64 {
        self.rows.iter().map(|file| file.length).sum()
    }

    /// Takes in what the group at `at` of the last file says; `None`: it is not what a store writes.
    fn take(&mut self, at: u64, mut body: &[u8]) -> Option<()> {
        while !body.is_empty() {
            match Record::take(&mut body)? {
                Record::Row { partition, from, bytes } => {
                    self.manifests.get(usize::from(partition))?;
                    let held = self.rows.back_mut()?.held.entry(partition).or_default();
                    held.last_from = from;
                    held.bytes += bytes.len() as u64;
                    if held.groups.last() != Some(&at) {
                        held.groups.push(at);
                    }
                }
                Record::Base { partition, manifest } => {
                    *self.manifests.get_mut(usize::from(partition))? = Some(manifest);
                    for file in &mut self.rows {
                        let is_in_base = |held: &mut Held| held.last_from < manifest.next_offset;
                        if file.held.get_mut(&partition).is_some_and(is_in_base) {
                            file.held.remove(&partition);
                        }
                    }
                }
            }
        }
        Some(())
    }
}

impl Store {
    /// Makes the store in `folder`, which exists, for the log `log` of `partitions` partitions. It is safe with its names.
    pub(crate) fn create(
        folder: &Path,
        files: &Arc<dyn Files>,
        log: LogId,
        partitions: u16,
        file_bytes: u64,
    ) -> Result<Store, StoreError> {
        let store = Store::empty(folder, files, log, partitions, file_bytes);
        let first = store.begin_file(1, &[])?;
        store.inner().rows.push_back(first);
        Ok(store)
    }

    /// Opens the store in `folder`. What a crash tore at its end is cut off; what is there afterwards is safe.
    pub(crate) fn open(
        folder: &Path,
        files: &Arc<dyn Files>,
        log: LogId,
        partitions: u16,
        file_bytes: u64,
    ) -> Result<Store, StoreError> {
        let store = Store::empty(folder, files, log, partitions, file_bytes);
        let mut numbers = store.numbers()?;
        if let Some(last) = store.pop_unbegun(&mut numbers)? {
            let path = store.path(last);
            files.remove(&path).map_err(|source| StoreError::io(&path, source))?;
        }
        for number in &numbers {
            let end = if numbers.last() == Some(number) { End::Repaired } else { End::Whole };
            store.read_file(*number, end)?;
        }
        // The names too: a process that was killed may have left some that only look safe.
        store.sync_names()?;
        while store.remove_oldest(&mut store.inner())? {}
        Ok(store)
    }

    /// Opens the store in `folder` to be looked at as it is: nothing is cut off, written or removed. It can only be read.
    pub(crate) fn look(
        folder: &Path,
        files: &Arc<dyn Files>,
        log: LogId,
        partitions: u16,
    ) -> Result<Store, StoreError> {
        let store = Store::empty(folder, files, log, partitions, u64::MAX);
        let mut numbers = store.numbers()?;
        store.pop_unbegun(&mut numbers)?;
        for number in &numbers {
            let end = if numbers.last() == Some(number) { End::Looked } else { End::Whole };
            store.read_file(*number, end)?;
        }
        store.inner().failed = true;
        Ok(store)
    }

    fn empty(folder: &Path, files: &Arc<dyn Files>, log: LogId, partitions: u16, file_bytes: u64) -> Store {
        let inner = Inner {
            manifests: vec![None; usize::from(partitions)],
            rows: VecDeque::new(),
            group: vec![0; GROUP_HEAD_BYTES],
            failed: false,
        };
        Store {
            folder: folder.to_owned(),
            files: Arc::clone(files),
            log,
            partitions,
            file_bytes,
            inner: Mutex::new(inner),
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("rows-{number:08}.log"))
    }

    fn stamp(&self, number: u64) -> Stamp {
        Stamp { log: self.log, partitions: self.partitions, number }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no thread panics with it")
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        self.files.sync_dir(&self.folder).map_err(|source| StoreError::io(&self.folder, source))
    }

    /// The numbers of the files: without a gap, for the oldest go first.
    fn numbers(&self) -> Result<Vec<u64>, StoreError> {
        let names = match self.files.list(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names.map_err(|source| StoreError::io(&self.folder, source))?,
        };
        let number = |name: &String| name.strip_prefix("rows-")?.strip_suffix(".log")?.parse().ok();
        let numbers: Vec<u64> = names.iter().filter_map(number).collect();
        if numbers.is_empty() && names.iter().any(|name| name == "db") {
            let path = self.folder.join("db");
            return Err(StoreError::OtherVersion { path, found: 1, expected: VERSION });
        }
        let first = numbers.first().copied().unwrap_or(1);
        let missing = (first..).zip(&numbers).find(|(expected, number)| expected != *number);
        let missing = missing.map(|(number, _)| number).or(numbers.is_empty().then_some(first));
        match missing {
            Some(number) => Err(StoreError::Corrupt(Corrupt::missing(&self.path(number)))),
            None => Ok(numbers),
        }
    }

    /// Takes the last of several files away if a crash came before it was begun.
    fn pop_unbegun(&self, numbers: &mut Vec<u64>) -> Result<Option<u64>, StoreError> {
        match numbers[..] {
            [.., _, last] if !self.was_begun(last)? => Ok(numbers.pop()),
            _ => Ok(None),
        }
    }

    /// Whether the last file was ever safe: if not, a crash came before anything could be written into it.
    fn was_begun(&self, number: u64) -> Result<bool, StoreError> {
        let path = self.path(number);
        let io = |source| StoreError::io(&path, source);
        let file = self.files.open(&path, Access::Read).map_err(io)?;
        let (mut groups, header) = Groups::open(file.as_ref(), self.stamp(number)).map_err(io)?;
        if matches!(header, Header::AnotherLog | Header::OtherVersion(_)) {
            return Ok(true);
        }
        let is_whole = header != Header::Damaged && groups.next().map_err(io)?.is_some();
        Ok(is_whole || groups.is_followed().map_err(io)?)
    }

    /// Reads a file.
    fn read_file(&self, number: u64, end: End) -> Result<(), StoreError> {
        let (path, stamp) = (self.path(number), self.stamp(number));
        let io = |source| StoreError::io(&path, source);
        let damaged = |at, what: &str| StoreError::Corrupt(Corrupt::new(&path, at, what));
        let access = if end == End::Repaired { Access::Write } else { Access::Read };
        let file: Arc<dyn FileHandle> = self.files.open(&path, access).map_err(io)?.into();
        let (mut groups, header) = Groups::open(&*file, stamp).map_err(io)?;
        match header {
            Header::Sound => {}
            Header::AnotherLog => return Err(self.of_another_log()),
            Header::OtherVersion(found) => {
                return Err(StoreError::OtherVersion { path, found, expected: VERSION });
            }
            Header::Damaged => return Err(damaged(0, "it does not begin like a file of rows")),
        }
        let mut inner = self.inner();
        inner.rows.push_back(RowsFile { number, file: Arc::clone(&file), length: 0, held: BTreeMap::new() });
        loop {
            let begin = groups.at;
            let Some(body) = groups.next().map_err(io)? else { break };
            inner.take(begin, body).ok_or_else(|| damaged(begin, "a group holds what is no row"))?;
        }
        let Groups { length, at, .. } = groups;
        if at < length || groups.is_empty() {
            if end == End::Whole || groups.is_empty() || groups.is_followed().map_err(io)? {
                return Err(damaged(at, "no whole group of rows begins here"));
            }
            let bytes = length - at;
            tracing::info!(path = %path.display(), at, bytes, "what a crash tore at the end does not count");
        }
        if end == End::Repaired {
            groups.make_safe().map_err(io)?;
        }
        inner.rows.back_mut().expect("it was just put there").length = at;
        Ok(())
    }

    fn of_another_log(&self) -> StoreError {
        StoreError::Refused(format!(
            "the figures in {} were computed from another log; give it a folder of its own, or remove this one: it is derived",
            self.folder.display()
        ))
    }

    /// What `partition` begins with.
    pub(crate) fn manifest(&self, partition: u16) -> Option<Manifest> {
        self.inner().manifests[usize::from(partition)]
    }

    /// Visits the rows of `partitions` that are in no base, each partition's in order; `visit` says whether it could read
    /// one.
    pub(crate) fn for_each_row(
        &self,
        partitions: Range<u16>,
        mut visit: impl FnMut(u16, &[u8]) -> Option<()>,
    ) -> Result<(), StoreError> {
        // What is looked at is written down first: several may read at a time.
        let (manifests, files) = {
            let inner = self.inner();
            let groups = |file: &RowsFile| {
                let held = file.held.range(partitions.clone()).flat_map(|(_, held)| &held.groups);
                (file.number, Arc::clone(&file.file), held.copied().collect::<BTreeSet<u64>>())
            };
            (inner.manifests.clone(), inner.rows.iter().map(groups).collect::<Vec<_>>())
        };
        for (number, file, places) in files.iter().filter(|(.., places)| !places.is_empty()) {
            let path = self.path(*number);
            let io = |source| StoreError::io(&path, source);
            let damaged = |at, what: &str| StoreError::Corrupt(Corrupt::new(&path, at, what));
            let (mut groups, _) = Groups::open(&**file, self.stamp(*number)).map_err(io)?;
            for at in places.iter().copied() {
                groups.at = at;
                let body = groups.next().map_err(io)?;
                let mut body = body.ok_or_else(|| damaged(at, "a group of rows was whole and is not"))?;
                while let Some(record) = Record::take(&mut body) {
                    let Record::Row { partition, from, bytes } = record else { continue };
                    let manifest = manifests[usize::from(partition)];
                    let is_in_base = manifest.is_some_and(|manifest| from < manifest.next_offset);
                    if partitions.contains(&partition) && !is_in_base {
                        let read = visit(partition, bytes);
                        read.ok_or_else(|| {
                            damaged(at, "a delta row cannot be read, or the one before it is missing")
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds the row of `partition` that begins at the offset `from`. Durable after [`Store::sync`].
    pub(crate) fn commit(&self, partition: u16, from: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(&Record::Row { partition, from, bytes })
    }

    /// Makes `manifest` the partition's base, in place of the rows that are in it. Durable after [`Store::sync`].
    pub(crate) fn swap_base(&self, partition: u16, manifest: Manifest) -> Result<(), StoreError> {
        self.put(&Record::Base { partition, manifest })
    }

    fn put(&self, record: &Record<'_>) -> Result<(), StoreError> {
        let mut inner = self.inner();
        self.refuse_if_failed(&inner)?;
        record.put(&mut inner.group);
        if inner.group.len() < GROUP_BYTES { Ok(()) } else { self.write(&mut inner) }
    }

    /// Makes safe what was put since the last time, all of it or a beginning. After an error the store must be opened
    /// again: what the disk has then is known only by reading it.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let mut inner = self.inner();
        self.refuse_if_failed(&inner)?;
        if inner.group.len() > GROUP_HEAD_BYTES {
            self.write(&mut inner)
        } else {
            self.remove_oldest(&mut inner).map(drop)
        }
    }

    fn refuse_if_failed(&self, inner: &Inner) -> Result<(), StoreError> {
        let why = "an earlier write failed: open the store again";
        if inner.failed { Err(StoreError::io(&self.folder, io::Error::other(why))) } else { Ok(()) }
    }

    /// Writes the group that was collected, and removes a file if its last rows are replaced: one at a time, for a live
    /// commit waits for it.
    fn write(&self, inner: &mut Inner) -> Result<(), StoreError> {
        inner.failed = true;
        let last = inner.rows.back().expect("a store has a file");
        if last.length >= self.file_bytes {
            let next = self.begin_file(last.number + 1, &inner.manifests)?;
            inner.rows.push_back(next);
        }
        let last = inner.rows.back_mut().expect("a store has a file");
        self.stamp(last.number).seal(&mut inner.group, last.length);
        let written = last.file.write_at(&inner.group, last.length).and_then(|()| last.file.sync_data());
        written.map_err(|source| StoreError::io(&self.path(last.number), source))?;
        let at = last.length;
        last.length += inner.group.len() as u64;
        let mut group = std::mem::take(&mut inner.group);
        inner.take(at, &group[GROUP_HEAD_BYTES..]).expect("it holds what was put");
        group.truncate(GROUP_HEAD_BYTES);
        // The row of a long catch-up may be much larger than any other.
        group.shrink_to(GROUP_BYTES);
        inner.group = group;
        self.remove_oldest(inner)?;
        inner.failed = false;
        Ok(())
    }

    /// Makes the file `number`, which says first which bases are in force: those before it may go. Safe with its name.
    fn begin_file(&self, number: u64, manifests: &[Option<Manifest>]) -> Result<RowsFile, StoreError> {
        let (path, stamp) = (self.path(number), self.stamp(number));
        let mut group = vec![0; GROUP_HEAD_BYTES];
        for (partition, manifest) in (0..).zip(manifests) {
            let record = manifest.map(|manifest| Record::Base { partition, manifest });
            record.inspect(|record| record.put(&mut group));
        }
        let mut bytes = stamp.header();
        stamp.seal(&mut group, bytes.len() as u64);
        bytes.append(&mut group);
        let write = || {
            let file = self.files.create(&path)?;
            file.write_at(&bytes, 0)?;
            file.sync_data()?;
            Ok(file.into())
        };
        let file = write().map_err(|source| StoreError::io(&path, source))?;
        self.sync_names()?;
        Ok(RowsFile { number, file, length: bytes.len() as u64, held: BTreeMap::new() })
    }

    /// Removes the oldest file, if all its rows are in bases and it is not the last; says whether it did. It is gone for good
    /// before the next may go: those that are there have no gap.
    fn remove_oldest(&self, inner: &mut Inner) -> Result<bool, StoreError> {
        let goes = inner.rows.len() > 1 && inner.rows[0].held.is_empty();
        if goes {
            let path = self.path(inner.rows[0].number);
            self.files.remove(&path).map_err(|source| StoreError::io(&path, source))?;
            self.sync_names()?;
            inner.rows.pop_front();
        }
        Ok(goes)
    }

    /// The partitions whose rows keep the oldest file, where the files hold much more than rows that are in no base: with
    /// them merged, it can go. What was put since the last sync does not count.
    pub(crate) fn pinning(&self) -> Vec<u16> {
        let inner = self.inner();
        // Those that nothing keeps go with the next commits.
        let kept = || inner.rows.iter().skip_while(|file| file.held.is_empty());
        let held: u64 = kept().flat_map(|file| file.held.values()).map(|held| held.bytes).sum();
        let bytes: u64 = kept().map(|file| file.length).sum();
        let is_much = bytes > 2 * held + SPARE_FILES * self.file_bytes;
        let oldest = kept().next().filter(|_| is_much);
        oldest.into_iter().flat_map(|oldest| oldest.held.keys().copied()).collect()
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.inner().bytes()
    }
}

#[cfg(test)]
mod tests;
