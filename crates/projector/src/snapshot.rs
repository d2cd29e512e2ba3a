//! The figures with the positions they stand at, in one file that replaces the last.

use std::path::Path;

use event_log::files::{Access, Files, read_exact_at, read_whole, replace_whole};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Corrupt, StoreError},
    figures::{Digests, Figures},
    registry::REGISTRY,
};

const MAGIC: &[u8; 8] = b"vtsnap01";
const SNAPSHOT_BYTES_MAX: u64 = 8 << 30;
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// What a snapshot says of itself. Texts in hex.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The log it was computed from.
    pub log: String,
    /// The reference and policy bundle.
    pub bundle: String,
    /// Name and version of each projection.
    pub projections: Vec<ProjectionVersion>,
    /// One for each partition, in order.
    pub partitions: Vec<PartitionState>,
    /// Digest of the events in force.
    pub events_digest: String,
}

/// A projection as it stands in manifests and receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Digest of its sums.
    pub digest: String,
}

/// Where one partition stood.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PartitionState {
    /// The next offset: every record before it is in the figures or set aside.
    pub next_offset: u64,
    /// Facts, further copies of one event each counted.
    pub facts: u64,
    /// How many facts are a further copy.
    pub copies: u64,
    /// Records that gave no fact: offset and reason.
    pub set_aside: Vec<(u64, String)>,
    /// Why the partition stands still, if it does.
    pub stopped: Option<String>,
    /// The running maximum of recorded_at, in milliseconds.
    pub known_until_ms: Option<i64>,
    /// The base file's number and digest, and the offset before which it holds everything.
    pub base: Option<BaseState>,
}

/// A base file as a snapshot names it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BaseState {
    /// The number in the file's name.
    pub number: u64,
    /// Its digest.
    pub digest: String,
    /// It holds every record before this offset.
    pub next_offset: u64,
}

impl Manifest {
    /// The next offset of each partition.
    #[must_use]
    pub fn positions(&self) -> Vec<u64> {
        self.partitions.iter().map(|partition| partition.next_offset).collect()
    }
}

/// The names, versions and digests of all projections.
#[must_use]
fn projection_versions(digests: &Digests) -> Vec<ProjectionVersion> {
    let version = |(projection, digest): (&crate::Registered, &[u8; 32])| ProjectionVersion {
        name: projection.name.to_owned(),
        version: projection.version,
        digest: hex(digest),
    };
    REGISTRY.iter().zip(&digests.projections).map(version).collect()
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Figures that no longer change and what they stand on: what a snapshot is made of.
pub(crate) struct Frozen {
    /// Without the digests: those cost time, and whoever froze the figures may have none.
    pub(crate) manifest: Manifest,
    pub(crate) figures: Figures,
}

impl Frozen {
    /// The manifest, digests and all.
    pub(crate) fn manifest(&mut self) -> &Manifest {
        let digests = self.figures.digests();
        self.manifest.projections = projection_versions(&digests);
        self.manifest.events_digest = hex(&digests.events);
        &self.manifest
    }

    /// Writes the snapshot at `path`, at once or not at all: magic, length and bytes of the manifest, figures, checksum.
    pub(crate) fn write(mut self, files: &dyn Files, path: &Path) -> Result<(), StoreError> {
        let manifest = serde_json::to_vec(self.manifest()).expect("a manifest has only texts and numbers");
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&(manifest.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&manifest);
        self.figures.encode(&mut bytes);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        replace_whole(files, path, &bytes).map_err(|source| StoreError::io(path, source))
    }
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Corrupt(Corrupt::new(path, 0, what))
}

fn parse_manifest(path: &Path, bytes: &[u8]) -> Result<Manifest, StoreError> {
    serde_json::from_slice(bytes).map_err(|_| damaged(path, "the manifest cannot be read"))
}

/// Reads the manifest alone; `None`: there is no snapshot.
pub(crate) fn read_manifest(files: &dyn Files, path: &Path) -> Result<Option<Manifest>, StoreError> {
    let io = |source| StoreError::io(path, source);
    let file = match files.open(path, Access::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io)?,
    };
    let mut head = [0; 16];
    read_exact_at(file.as_ref(), &mut head, 0).map_err(io)?;
    let length = u64::from_le_bytes(head[8..].try_into().expect("eight bytes"));
    if &head[..8] != MAGIC || length > MANIFEST_BYTES_MAX {
        return Err(damaged(path, "it does not begin like a snapshot"));
    }
    let mut bytes = vec![0; length as usize];
    read_exact_at(file.as_ref(), &mut bytes, 16).map_err(io)?;
    parse_manifest(path, &bytes).map(Some)
}

/// Reads the whole snapshot; `None`: there is none.
pub(crate) fn read(files: &dyn Files, path: &Path) -> Result<Option<(Manifest, Figures)>, StoreError> {
    let bytes = match read_whole(files, path, SNAPSHOT_BYTES_MAX) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|source| StoreError::io(path, source))?,
    };
    let (body, crc) = bytes.split_last_chunk().ok_or_else(|| damaged(path, "it is too short"))?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(damaged(path, "it does not have its checksum"));
    }
    let rest = body.strip_prefix(MAGIC).ok_or_else(|| damaged(path, "it does not begin like a snapshot"))?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(|| damaged(path, "it is too short"))?;
    let split = rest.split_at_checked(u64::from_le_bytes(*length) as usize);
    let (manifest, figures) = split.ok_or_else(|| damaged(path, "the manifest is cut"))?;
    let manifest = parse_manifest(path, manifest)?;
    let figures = Figures::decode(figures).map_err(|error| damaged(path, &error.to_string()))?;
    Ok(Some((manifest, figures)))
}
