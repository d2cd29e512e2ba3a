//! Where reference data and policy come from.
//!
//! For each of the two: the folder named on the command line, else the half of the bundle that is active in the data folder,
//! else the folder beside the current one, else what was built into the command.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context;
use event_log::files::RealFiles;
use policy::{Bundle, Policy};
use reference::{BundleFault, Reference};

use crate::failure::Failure;

/// The files of `reference/` and `policy/` as they were when the command was built, by path.
const BUILT_IN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/bundle.rs"));

/// Which folders replace the usual ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// `--reference`.
    pub(crate) reference: Option<PathBuf>,
    /// `--policy`.
    pub(crate) policy: Option<PathBuf>,
}

/// The files of a bundle and where they came from.
pub(crate) struct Found {
    /// By path as `reference/communes.csv`.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Where the reference was found, in words.
    pub(crate) reference: String,
    /// Where the policy was found, in words.
    pub(crate) policy: String,
}

impl Sources {
    /// Whether the command line names one.
    pub(crate) fn are_named(&self) -> bool {
        self.reference.is_some() || self.policy.is_some()
    }

    /// Finds the files. `active`: the bundle that is active in the data folder, if one is.
    pub(crate) fn find(&self, active: Option<&Bundle>) -> anyhow::Result<Found> {
        let mut files = BTreeMap::new();
        let reference =
            gather("reference", self.reference.as_deref(), active, &Reference::FILES, &mut files)?;
        let policy = gather("policy", self.policy.as_deref(), active, &Policy::FILES, &mut files)?;
        Ok(Found { files, reference, policy })
    }
}

impl Found {
    /// Reads the bundle.
    pub(crate) fn parse(&self) -> anyhow::Result<Bundle> {
        Bundle::parse(&self.files).map_err(|faults| refused(&faults).into())
    }
}

/// Every fault on a line of its own.
pub(crate) fn refused(faults: &[BundleFault]) -> Failure {
    let mut said = format!(
        "the reference and policy files cannot be used, {} {} to be corrected:",
        faults.len(),
        if faults.len() == 1 { "fault is" } else { "faults are" }
    );
    for fault in faults {
        let _ = write!(said, "\n  {fault}");
    }
    Failure::Refused(said)
}

fn gather(
    name: &str,
    given: Option<&Path>,
    active: Option<&Bundle>,
    expected: &[&str],
    files: &mut BTreeMap<String, Vec<u8>>,
) -> anyhow::Result<String> {
    if let (None, Some(active)) = (given, active) {
        let half = active.files().iter().filter(|(path, _)| path.starts_with(&format!("{name}/")));
        files.extend(half.map(|(path, content)| (path.clone(), content.clone())));
        return Ok("active in the data folder".to_owned());
    }
    let beside = Path::new(name);
    // A folder of this name may be anybody's: ours has our tables.
    let is_ours = || expected.iter().any(|path| Path::new(path).is_file());
    let folder = match given {
        Some(folder) => folder,
        None if is_ours() => beside,
        None => {
            let built_in = BUILT_IN.iter().filter(|(path, _)| path.starts_with(name));
            files.extend(built_in.map(|(path, content)| ((*path).to_owned(), content.to_vec())));
            return Ok("built into the command".to_owned());
        }
    };
    let mut found = query::bundle_folder(&RealFiles, name, folder)
        .with_context(|| format!("cannot read the {name} folder"))?;
    if found.is_empty() {
        return Err(Failure::Refused(format!(
            "{} holds none of the tables of {name}: {}",
            folder.display(),
            expected.join(", ")
        ))
        .into());
    }
    files.append(&mut found);
    Ok(folder.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_is_whole() {
        let files = BUILT_IN.iter().map(|(path, content)| ((*path).to_owned(), content.to_vec())).collect();
        let bundle = Bundle::parse(&files).expect("the repository's own bundle has no faults");
        assert_eq!(bundle.files().len(), Reference::FILES.len() + Policy::FILES.len());
    }
}
