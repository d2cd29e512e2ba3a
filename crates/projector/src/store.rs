//! What sled holds: for each partition the checkpoint, the manifest and one row of new facts per commit.

use std::path::{Path, PathBuf};

use contract::varint::{put, take, take_array};
use event_log::{
    LogId,
    files::{Access, Files},
};

use crate::error::{Corrupt, StoreError};

const IDENTITY: &[u8] = b"identity";
const CHECKPOINT: &[u8] = b"checkpoint";
const MANIFEST: &[u8] = b"manifest";
/// Keys of delta rows: this, the commit's number and the piece's, big-endian, so that they come in order.
const ROW: u8 = b'd';
const ROW_KEY_BYTES: usize = 1 + 8;
const PIECE_KEY_BYTES: usize = ROW_KEY_BYTES + 4;
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
    pub(crate) checkpoint: u64,
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
        let get = |key| tree.get(key).map_err(|source| self.failed(source));
        let mut loaded = Loaded::default();
        if let Some(checkpoint) = get(CHECKPOINT)? {
            loaded.checkpoint =
                take(&mut &checkpoint[..]).ok_or_else(|| self.damaged("a checkpoint cannot be read"))?;
        }
        if let Some(manifest) = get(MANIFEST)? {
            let bytes = &mut &manifest[..];
            let read = take(bytes).zip(take_array(bytes));
            let (number, digest) = read.ok_or_else(|| self.damaged("a manifest cannot be read"))?;
            loaded.manifest = Some(Manifest { number, digest });
        }
        for row in tree.scan_prefix([ROW]) {
            let (key, value) = row.map_err(|source| self.failed(source))?;
            let number = key[1..].first_chunk().filter(|_| key.len() == PIECE_KEY_BYTES);
            let number = number.ok_or_else(|| self.damaged("a row has another key than two numbers"))?;
            let number = u64::from_be_bytes(*number);
            match loaded.rows.last_mut() {
                Some((same, row)) if *same == number => row.extend_from_slice(&value),
                _ => loaded.rows.push((number, value.to_vec())),
            }
        }
        Ok(loaded)
    }

    /// Adds one row and moves the checkpoint, at once or not at all. Durable after [`Store::sync`].
    pub(crate) fn commit(
        &self,
        partition: u16,
        number: u64,
        row: &[u8],
        checkpoint: u64,
    ) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (piece, bytes) in (0..).zip(row.chunks(PIECE_BYTES)) {
            batch.insert(piece_key(number, piece).to_vec(), bytes);
        }
        batch.insert(CHECKPOINT, checkpoint_bytes(checkpoint));
        self.trees[usize::from(partition)].apply_batch(batch).map_err(|source| self.failed(source))
    }

    /// Makes `manifest` the partition's base and drops the rows it holds, at once or not at all.
    pub(crate) fn swap_base(
        &self,
        partition: u16,
        manifest: Manifest,
        checkpoint: u64,
        rows: impl Iterator<Item = u64>,
    ) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let mut bytes = Vec::new();
        put(&mut bytes, manifest.number);
        bytes.extend_from_slice(&manifest.digest);
        batch.insert(MANIFEST, bytes);
        batch.insert(CHECKPOINT, checkpoint_bytes(checkpoint));
        let tree = &self.trees[usize::from(partition)];
        for number in rows {
            for key in tree.scan_prefix(&piece_key(number, 0)[..ROW_KEY_BYTES]).keys() {
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

fn piece_key(number: u64, piece: u32) -> [u8; PIECE_KEY_BYTES] {
    let mut key = [ROW; PIECE_KEY_BYTES];
    key[1..ROW_KEY_BYTES].copy_from_slice(&number.to_be_bytes());
    key[ROW_KEY_BYTES..].copy_from_slice(&piece.to_be_bytes());
    key
}

fn checkpoint_bytes(checkpoint: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, checkpoint);
    bytes
}
