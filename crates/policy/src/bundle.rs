//! Reference and policy under one digest: what every receipt names.

use std::collections::BTreeMap;

use reference::{BundleFault, Reference};
use sha2::{Digest, Sha256};

use crate::Policy;

/// The reference data and the rules that figures stand on.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Areas, facilities, calendars, populations.
    pub reference: Reference,
    /// The rules.
    pub policy: Policy,
    files: BTreeMap<String, Vec<u8>>,
    digest: [u8; 32],
}

impl Bundle {
    /// Reads a bundle from its files, by their paths as `policy/route.toml`. Other paths, as `policy/README.md`, are left out of it:
    /// words beside the tables change no figure and so no digest.
    ///
    /// # Errors
    /// Every fault in every file: nothing of a broken bundle is used.
    pub fn parse(files: &BTreeMap<String, Vec<u8>>) -> Result<Bundle, Vec<BundleFault>> {
        let files: BTreeMap<String, Vec<u8>> = files
            .iter()
            .filter(|(path, _)| Bundle::belongs(path))
            .map(|(path, content)| (path.clone(), content.clone()))
            .collect();
        let (reference, faults) = match Reference::parse(&files) {
            Ok(reference) => (Some(reference), Vec::new()),
            Err(faults) => (None, faults),
        };
        // The tables of a broken bundle are read all the same, so that all faults come at once.
        let calendar = reference
            .as_ref()
            .map_or_else(|| reference::Calendar::new(&[]), |known| known.calendar().clone());
        match (reference, crate::read_policy(&files, calendar)) {
            (Some(reference), Ok(policy)) => {
                let digest = digest(&files);
                Ok(Bundle { reference, policy, files, digest })
            }
            (_, policy) => Err(faults.into_iter().chain(policy.err().unwrap_or_default()).collect()),
        }
    }

    /// Whether a path is a file of a bundle: `.csv` in `reference/`, `.toml` in `policy/`.
    #[must_use]
    pub fn belongs(path: &str) -> bool {
        (path.starts_with("reference/") && path.ends_with(".csv"))
            || (path.starts_with("policy/") && path.ends_with(".toml"))
    }

    /// SHA-256 over the files, so that equal bytes have equal digests on every machine: the digest of the lines
    /// `<sha-256 of the file, in hex>  <path>\n`, sorted by path. `LC_ALL=C; sha256sum policy/*.toml
    /// reference/*.csv | sha256sum` says the same.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The files, by path: what is kept beside the log.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }
}

fn digest(files: &BTreeMap<String, Vec<u8>>) -> [u8; 32] {
    let mut lines = Sha256::new();
    for (path, content) in files {
        let mut line: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        line.push_str("  ");
        line.push_str(path);
        line.push('\n');
        lines.update(line.as_bytes());
    }
    lines.finalize().into()
}
