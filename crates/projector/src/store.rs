//! What sled holds: for each partition the manifest of its base file and one row of new facts per commit. Each row says
//! from which offset to which it goes, so that the last one is the checkpoint.

use std::path::{Path, PathBuf};

use contract::varint::{put, take, take_array};
use event_log::{
    LogId,
    files::{Access, Files},
};

use crate::error::{Corrupt, StoreError};

const IDENTITY: &[u8] = b"identity";
const MANIFEST: &[u8] = b"manifest";
/// Keys of delta rows: this, the commit's number, the piece's and how many pieces there are, big-endian, so that they come in
/// order.
const ROW: u8 = b'd';
const ROW_KEY_BYTES: usize = 1 + 8;
const PIECE_KEY_BYTES: usize = ROW_KEY_BYTES + 4 + 4;
/// Rows lie in pieces: sled writes a leaf of sixteen entries anew with every few of them, so one large row, as a long
/// catch-up leaves it, would be written again and again with the small ones that come after it.
const PIECE_BYTES: usize = 4 << 10;
const CACHE_BYTES: u64 = 64 << 20;
const SEGMENT_BYTES: usize = 4 << 20;

/// The store of one generation.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    path: PathBuf,
    db: sled::Db,
    trees: Vec<sled::Tree>,
}

/// Which base file a partition's histories begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The number in the file's name.
    pub(crate) number: u64,
    /// The digest the file must have.
    pub(crate) digest: [u8; 32],
}

/// What the store holds of one partition.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) manifest: Option<Manifest>,
    /// Number and bytes of each row, in order.
    pub(crate) rows: Vec<(u64, Vec<u8>)>,
}

impl Store {
    /// Opens the store in `path`, or makes it for the log `log` of `partitions` partitions.
    pub(crate) fn open(path: &Path, log: LogId, partitions: u16) -> Result<Store, StoreError> {
        let failed = |source| failed(path, source);
        let config = sled::Config::default()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::HighThroughput)
            // A commit fits into what sled buffers, a segment: else it waits for the disk in the middle of its rows.
            .segment_size(SEGMENT_BYTES)
            // Commits sync themselves.
            .flush_every_ms(None);
        let db = config.open().map_err(failed)?;
        let mut identity = log.0.to_vec();
        put(&mut identity, u64::from(partitions));
        match db.get(IDENTITY).map_err(failed)? {
            None => drop(db.insert(IDENTITY, identity).map_err(failed)?),
            Some(found) if found == identity => {}
            Some(_) => {
                return Err(StoreError::Refused(format!(
                    "the figures in {} were computed from another log; give it a folder of its own, or remove this one: it is derived",
                    path.display()
                )));
            }
        }
        let trees = (0..partitions)
            .map(|partition| db.open_tree(format!("p{partition:04}")))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        Ok(Store { path: path.to_owned(), db, trees })
    }

    fn failed(&self, source: sled::Error) -> StoreError {
        failed(&self.path, source)
    }

    fn damaged(&self, what: &str) -> StoreError {
        StoreError::Corrupt(Corrupt::new(&self.path, 0, what))
    }

    /// Everything of one partition.
    pub(crate) fn load(&self, partition: u16) -> Result<Loaded, StoreError> {
        let tree = &self.trees[usize::from(partition)];
        let mut loaded = Loaded::default();
        if let Some(manifest) = tree.get(MANIFEST).map_err(|source| self.failed(source))? {
            let bytes = &mut &manifest[..];
            let read = take(bytes).zip(take_array(bytes));
            let (number, digest) = read.ok_or_else(|| self.damaged("a manifest cannot be read"))?;
            loaded.manifest = Some(Manifest { number, digest });
        }
        let mut missing = 0;
        for row in tree.scan_prefix([ROW]) {
            let (key, value) = row.map_err(|source| self.failed(source))?;
            let (number, piece, pieces) =
                read_piece_key(&key).ok_or_else(|| self.damaged("a row has another key than numbers"))?;
            if piece == 0 && missing == 0 {
                loaded.rows.push((number, Vec::new()));
                missing = pieces;
            }
            let Some((_, row)) = loaded
                .rows
                .last_mut()
                .filter(|(last, _)| *last == number && missing > 0 && piece == pieces - missing)
            else {
                return Err(self.damaged("a piece of a row is missing"));
            };
            row.extend_from_slice(&value);
            missing -= 1;
        }
        if missing > 0 {
            // A commit that a crash cut short: what it held is read from the log again.
            let (number, _) = loaded.rows.pop().unwrap_or_default();
            for key in tree.scan_prefix(row_key(number)).keys() {
                let removed = key.and_then(|key| tree.remove(key));
                removed.map_err(|source| self.failed(source))?;
            }
        }
        Ok(loaded)
    }

    /// Adds one row, at once or not at all. Durable after [`Store::sync`].
    ///
    /// Piece by piece and not as a batch: sled hands each batch to the disk by itself, and a commit has one row for each
    /// partition. What sled recovers is a beginning of what it was given, so a row that was cut short is the last one, and
    /// its keys say that pieces are missing.
    pub(crate) fn commit(&self, partition: u16, number: u64, row: &[u8]) -> Result<(), StoreError> {
        let tree = &self.trees[usize::from(partition)];
        let pieces = row.len().div_ceil(PIECE_BYTES) as u32;
        for (piece, bytes) in (0..).zip(row.chunks(PIECE_BYTES)) {
            tree.insert(piece_key(number, piece, pieces), bytes).map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Makes `manifest` the partition's base and drops the rows it holds, at once or not at all.
    pub(crate) fn swap_base(
        &self,
        partition: u16,
        manifest: Manifest,
        rows: impl Iterator<Item = u64>,
    ) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let mut bytes = Vec::new();
        put(&mut bytes, manifest.number);
        bytes.extend_from_slice(&manifest.digest);
        batch.insert(MANIFEST, bytes);
        let tree = &self.trees[usize::from(partition)];
        for number in rows {
            for key in tree.scan_prefix(row_key(number)).keys() {
                batch.remove(key.map_err(|source| self.failed(source))?);
            }
        }
        tree.apply_batch(batch).map_err(|source| self.failed(source))
    }

    /// Hands everything committed so far to the disk: it survives the process, and most often the machine; see
    /// [`Store::settle`].
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map(drop).map_err(|source| self.failed(source))
    }

    /// Makes everything committed so far safe from a loss of power. On Linux sled asks for its bytes to be written
    /// (`sync_file_range`) but neither for the file's length nor for the disk's own memory to be written, nor for names or
    /// for the files of large rows: after [`Store::sync`] a loss of power may still take commits back. That is no harm while
    /// the log is there to be read again, so commits don't pay for more; but before a base file or a generation is
    /// removed that an older state of the store names, and before a snapshot says how far the store is, it must not.
    pub(crate) fn settle(&self, files: &dyn Files) -> Result<(), StoreError> {
        self.sync()?;
        for folder in [&self.path, &self.path.join("blobs")] {
            let io = |source| StoreError::io(folder, source);
            for name in files.list(folder).map_err(io)?.into_iter().filter(|name| name != "blobs") {
                let file = files.open(&folder.join(name), Access::Write).map_err(io)?;
                file.sync_data().map_err(io)?;
            }
            files.sync_dir(folder).map_err(io)?;
        }
        Ok(())
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}

fn failed(path: &Path, source: sled::Error) -> StoreError {
    use std::io::ErrorKind;
    match &source {
        sled::Error::Corruption { .. } => {
            StoreError::Corrupt(Corrupt::new(path, 0, "sled finds its file damaged"))
        }
        // A file for a large row that is missing or short.
        sled::Error::Io(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::UnexpectedEof | ErrorKind::InvalidData
            ) =>
        {
            StoreError::Corrupt(Corrupt::new(path, 0, "a file of sled's is missing or short"))
        }
        _ => StoreError::Sled { path: path.to_owned(), source },
    }
}

fn row_key(number: u64) -> [u8; ROW_KEY_BYTES] {
    let mut key = [ROW; ROW_KEY_BYTES];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn piece_key(number: u64, piece: u32, pieces: u32) -> [u8; PIECE_KEY_BYTES] {
    let mut key = [0; PIECE_KEY_BYTES];
    key[..ROW_KEY_BYTES].copy_from_slice(&row_key(number));
    key[ROW_KEY_BYTES..][..4].copy_from_slice(&piece.to_be_bytes());
    key[ROW_KEY_BYTES + 4..].copy_from_slice(&pieces.to_be_bytes());
    key
}

/// The number of the row, that of the piece, and how many there are.
fn read_piece_key(key: &[u8]) -> Option<(u64, u32, u32)> {
    let mut key = key.strip_prefix(&[ROW]).filter(|_| key.len() == PIECE_KEY_BYTES)?;
    let number = u64::from_be_bytes(take_array(&mut key)?);
    let (piece, pieces) =
        (u32::from_be_bytes(take_array(&mut key)?), u32::from_be_bytes(take_array(&mut key)?));
    (piece < pieces).then_some((number, piece, pieces))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &Path) -> Store {
        Store::open(folder, LogId([7; 16]), 2).expect("it opens")
    }

    #[test]
    fn a_row_cut_short_is_dropped_and_its_number_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(folder.path());
        let long = vec![1; 2 * PIECE_BYTES + 1];
        store.commit(0, 0, &long).expect("it is committed");
        store.commit(0, 1, &long).expect("it is committed");
        assert_eq!(store.load(0).expect("it loads").rows, [(0, long.clone()), (1, long.clone())]);
        for lost in [2, 1] {
            store.trees[0].remove(piece_key(1, lost, 3)).expect("it is removed");
        }
        assert_eq!(store.load(0).expect("it loads").rows, [(0, long.clone())]);
        store.commit(0, 1, &[2]).expect("it is committed");
        assert_eq!(store.load(0).expect("it loads").rows, [(0, long), (1, vec![2])]);
    }

    #[test]
    fn a_piece_missing_before_others_is_damage() {
        let long = vec![1; 2 * PIECE_BYTES + 1];
        for lost in [0, 1] {
            let folder = tempfile::tempdir().expect("a folder");
            let store = store(folder.path());
            store.commit(1, 4, &long).expect("it is committed");
            store.trees[1].remove(piece_key(4, lost, 3)).expect("it is removed");
            assert!(matches!(store.load(1), Err(StoreError::Corrupt(_))), "without piece {lost}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(folder.path());
        store.commit(1, 4, &long).expect("it is committed");
        store.commit(1, 5, &[2]).expect("it is committed");
        store.trees[1].remove(piece_key(4, 2, 3)).expect("it is removed");
        assert!(matches!(store.load(1), Err(StoreError::Corrupt(_))), "another row comes after it");
    }
}
