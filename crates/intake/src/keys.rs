//! The secrets: the deployment's key, and one key for each person.
//!
//! Both are files that nobody else may read (0600). Whoever has them and the log has everybody's names; without them the
//! log has none. Back them up apart from the log.

mod persons;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use contract::{DeploymentKey, Subject};
use event_log::files::{Files, RealFiles};
use zeroize::Zeroizing;

pub(crate) use persons::PersonKeys;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is not what it should be.
    #[error("{}: {what}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What was found and what to do.
        what: String,
    },
    /// The file system failed.
    #[error(
        "cannot use the key file {}: make room on the disk, or give the right to read and write there, then try again",
        path.display()
    )]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
}

fn unavailable(path: &Path) -> impl FnOnce(io::Error) -> KeyError + '_ {
    move |source| KeyError::Unavailable { path: path.into(), source }
}

fn refused(path: &Path, what: impl Into<String>) -> KeyError {
    KeyError::Refused { path: path.into(), what: what.into() }
}

/// Makes the names in a folder of keys safe, and the folder's own: it may be new.
fn sync_names(folder: &Path) -> io::Result<()> {
    RealFiles.sync_dir(folder)?;
    match folder.parent() {
        Some(above) if !above.as_os_str().is_empty() => RealFiles.sync_dir(above),
        _ => RealFiles.sync_dir(Path::new(".")),
    }
}

fn random() -> Zeroizing<[u8; 32]> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut secret[..]).expect("the operating system gives random bytes");
    secret
}

const DEPLOYMENT_MAGIC: &str = "vertebra-deployment-key-1";

/// Reads the deployment's key, one line of text: `vertebra-deployment-key-1 ID SECRET`, both in hex. `None`: no such file.
pub fn read_deployment_key(path: &Path) -> Result<Option<DeploymentKey>, KeyError> {
    Ok(read_secret(path)?.map(|secret| DeploymentKey::new(&secret)))
}

/// The secret of a simulated city's deployment key. Nobody in the city exists, so it is none: it is made from the seed, and
/// the log is the same each time.
#[must_use]
pub fn simulated_secret(seed: u64) -> [u8; 32] {
    let mut secret = *SIMULATED;
    secret[24..].copy_from_slice(&seed.to_le_bytes());
    secret
}

/// Whether the deployment's key is a [`simulated_secret`]: then anybody can compute the subject of any number under it. No
/// such file: it is not.
pub fn is_simulated(path: &Path) -> Result<bool, KeyError> {
    Ok(read_secret(path)?.is_some_and(|secret| secret[..24] == SIMULATED[..24]))
}

/// What a simulated secret begins with; the last eight bytes are the seed.
const SIMULATED: &[u8; 32] = b"a simulated city has no secrets ";

fn read_secret(path: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, KeyError> {
    let mut text = Zeroizing::new(String::new());
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.and_then(|file| file.take(1024).read_to_string(&mut text)).map_err(unavailable(path))?,
    };
    let mut words = text.split_whitespace();
    let (magic, id, secret) = (words.next(), words.next(), words.next());
    if magic != Some(DEPLOYMENT_MAGIC) {
        return Err(refused(path, "not a deployment key; restore the file, or name the right one"));
    }
    let secret =
        secret.and_then(unhex).ok_or_else(|| refused(path, "the key is cut short; restore the file"))?;
    if id != Some(DeploymentKey::new(&secret).id()) {
        return Err(refused(path, "the key does not fit its own id, the file was altered; restore it"));
    }
    Ok(Some(secret))
}

/// Writes a new deployment key of this secret; a file that is there already is refused, because every subject in the log
/// was made under it.
pub fn create_deployment_key(path: &Path, secret: &[u8; 32]) -> Result<DeploymentKey, KeyError> {
    let key = DeploymentKey::new(secret);
    let mut line = Zeroizing::new(format!("{DEPLOYMENT_MAGIC} {} ", key.id()));
    for byte in secret {
        line.push_str(&format!("{byte:02x}"));
    }
    line.push('\n');
    // Written beside and linked in: a crash leaves no half key, and two that begin at once leave one.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(unavailable(folder))?;
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = (|| {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        fs::hard_link(&beside, path)?;
        sync_names(folder)
    })();
    let _ = fs::remove_file(&beside);
    match written {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(refused(path, "there is a deployment key already; the log's subjects were made under it"))
        }
        Err(error) => Err(unavailable(path)(error)),
    }
}

/// Reads the deployment's key, or makes one of random bytes where there is none.
pub fn open_deployment_key(path: &Path) -> Result<DeploymentKey, KeyError> {
    match read_deployment_key(path)? {
        Some(key) => Ok(key),
        None => create_deployment_key(path, &random()),
    }
}

fn unhex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in secret.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(secret)
}

/// The first bytes of a file of persons' keys.
const PERSONS_MAGIC: &[u8; 16] = b"vertebra.pkeys.1";
const SLOT_BYTES: u64 = 52;

/// Writes the keys of persons whose events came into the log by another way than intake, as those of a simulated city.
#[derive(Debug)]
pub struct PersonKeysWriter {
    path: PathBuf,
    file: BufWriter<File>,
    /// The first failure: told at the end.
    failed: Option<io::Error>,
}

impl PersonKeysWriter {
    /// Makes the file of persons' keys in `folder`, a data folder that has none yet.
    pub fn create(folder: &Path) -> Result<PersonKeysWriter, KeyError> {
        let path = folder.join("keys").join("persons.keys");
        let keys = folder.join("keys");
        fs::create_dir_all(&keys).map_err(unavailable(&keys))?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let mut file = BufWriter::with_capacity(1 << 20, file.map_err(unavailable(&path))?);
        let failed = file.write_all(PERSONS_MAGIC).err();
        Ok(PersonKeysWriter { path, file, failed })
    }

    /// Adds a person's key, each person once. A failure is told by [`PersonKeysWriter::finish`].
    pub fn push(&mut self, subject: Subject, key: &[u8; 32]) {
        let mut slot = Zeroizing::new([0; SLOT_BYTES as usize]);
        slot[..16].copy_from_slice(&subject.0);
        slot[16..48].copy_from_slice(key);
        let sum = crc32c::crc32c(&slot[..48]);
        slot[48..].copy_from_slice(&sum.to_le_bytes());
        if self.failed.is_none() {
            self.failed = self.file.write_all(&slot[..]).err();
        }
    }

    /// Makes the file durable.
    pub fn finish(mut self) -> Result<(), KeyError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let written = match self.failed {
            Some(error) => Err(error),
            None => self
                .file
                .flush()
                .and_then(|()| self.file.get_ref().sync_all())
                .and_then(|()| sync_names(folder)),
        };
        written.map_err(unavailable(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_key_is_known_by_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(!is_simulated(&path("none")).unwrap());
        create_deployment_key(&path("simulated"), &simulated_secret(u64::MAX)).unwrap();
        assert!(is_simulated(&path("simulated")).unwrap());
        open_deployment_key(&path("random")).unwrap();
        assert!(!is_simulated(&path("random")).unwrap());
    }

    #[test]
    fn keys_that_were_written_at_once_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = PersonKeysWriter::create(folder.path()).unwrap();
        let subjects = [Subject([1; 16]), Subject([2; 16])];
        subjects.iter().for_each(|subject| writer.push(*subject, &[subject.0[0]; 32]));
        writer.finish().unwrap();
        let mut found = Vec::new();
        let path = folder.path().join("keys").join("persons.keys");
        let keys = PersonKeys::open(&path, 0, |persons, slots| {
            found.push((persons, slots));
            Ok::<_, KeyError>(())
        })
        .unwrap();
        assert_eq!(found, [([(subjects[0], 0), (subjects[1], 1)].into(), 2)]);
        assert_eq!(keys.slots(), 2);
        assert!(keys.get(1, subjects[1]).is_ok() && keys.get(1, subjects[0]).is_err());
        assert!(PersonKeysWriter::create(folder.path()).is_err(), "a second file would forget the first");
    }
}
