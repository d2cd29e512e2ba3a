//! The figures with the positions they stand at, in one file that replaces the last.

use std::path::Path;

use event_log::files::{Access, Files, read_exact_at, read_whole, replace_whole};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Corrupt, StoreError},
    figures::{Digests, Figures},
    registry::REGISTRY,
};

/// Behind it the version, two digits.
const MAGIC: &[u8; 6] = b"vtsnap";
const VERSION: u32 = 2;
/// Magic, version, length and CRC-32C of the manifest.
const HEAD_BYTES: usize = 8 + 8 + 4;
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
    /// Hash of the last record before it (XXH3 of its bytes, 16 digits of hex), where it is known: another record that stands
    /// there later is another log's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_hash: Option<String>,
    /// Under which leader of its partition that record was written, where the log has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_epoch: Option<u32>,
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

    /// Writes the snapshot at `path`, at once or not at all: head, manifest, figures, checksum of all. The manifest has a
    /// checksum of its own: most readers need nothing else and read no further.
    pub(crate) fn write(mut self, files: &dyn Files, path: &Path) -> Result<(), StoreError> {
        let manifest = serde_json::to_vec(self.manifest()).expect("a manifest has only texts and numbers");
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(format!("{VERSION:02}").as_bytes());
        bytes.extend_from_slice(&(manifest.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&manifest).to_le_bytes());
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

/// What the head says of the manifest: its length and checksum.
fn parse_head(path: &Path, head: &[u8; HEAD_BYTES]) -> Result<(u64, u32), StoreError> {
    let other = || damaged(path, "it does not begin like a snapshot");
    let rest = head.strip_prefix(MAGIC).ok_or_else(other)?;
    let (version, rest) = rest.split_at(2);
    let version =
        std::str::from_utf8(version).ok().and_then(|digits| digits.parse().ok()).ok_or_else(other)?;
    if version != VERSION {
        return Err(StoreError::OtherVersion { path: path.to_owned(), found: version, expected: VERSION });
    }
    let (length, crc) = rest.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
    let crc = u32::from_le_bytes(crc.try_into().expect("four bytes"));
    if length > MANIFEST_BYTES_MAX { Err(other()) } else { Ok((length, crc)) }
}

fn parse_manifest(path: &Path, bytes: &[u8], crc: u32) -> Result<Manifest, StoreError> {
    if crc32c::crc32c(bytes) != crc {
        return Err(damaged(path, "the manifest does not have its checksum"));
    }
    serde_json::from_slice(bytes).map_err(|_| damaged(path, "the manifest cannot be read"))
}

/// Reads the manifest alone; `None`: there is no snapshot.
pub(crate) fn read_manifest(files: &dyn Files, path: &Path) -> Result<Option<Manifest>, StoreError> {
    let io = |source| StoreError::io(path, source);
    let file = match files.open(path, Access::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io)?,
    };
    let mut head = [0; HEAD_BYTES];
    read_exact_at(file.as_ref(), &mut head, 0).map_err(io)?;
    let (length, crc) = parse_head(path, &head)?;
    let mut bytes = vec![0; length as usize];
    read_exact_at(file.as_ref(), &mut bytes, HEAD_BYTES as u64).map_err(io)?;
    parse_manifest(path, &bytes, crc).map(Some)
}

/// Reads the whole snapshot; `None`: there is none.
pub(crate) fn read(files: &dyn Files, path: &Path) -> Result<Option<(Manifest, Figures)>, StoreError> {
    let bytes = match read_whole(files, path, SNAPSHOT_BYTES_MAX) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|source| StoreError::io(path, source))?,
    };
    let short = || damaged(path, "it is too short");
    let (head, rest) = bytes.split_first_chunk().ok_or_else(short)?;
    let (length, manifest_crc) = parse_head(path, head)?;
    let (rest, crc) = rest.split_last_chunk().ok_or_else(short)?;
    if crc32c::crc32c(&bytes[..HEAD_BYTES + rest.len()]) != u32::from_le_bytes(*crc) {
        return Err(damaged(path, "it does not have its checksum"));
    }
    let split = rest.split_at_checked(length as usize);
    let (manifest, figures) = split.ok_or_else(|| damaged(path, "the manifest is cut"))?;
    let manifest = parse_manifest(path, manifest, manifest_crc)?;
    let figures = Figures::decode(figures).map_err(|error| damaged(path, &error.to_string()))?;
    Ok(Some((manifest, figures)))
}
