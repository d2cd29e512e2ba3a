//! The folder that everything of one deployment stands in, and the bundles kept in it.
//!
//! ```text
//! log/        events                                                   ground state
//! control/    which bundle was active when, and the bytes of every bundle there ever was
//! keys/       the deployment's key and those of people's sealed fields
//! intake/     which record is about whom                               derived
//! projector/  histories, figures                                       derived
//! ```

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use contract::{
    Millis,
    v1::{self, control_record::Body},
};
use event_log::{
    Append, EmbeddedLog, EventLog,
    files::{Files, make_folder},
};
use policy::Bundle;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::{
    bundle_files::{bundle_folder, check_size, parts},
    error::QueryError,
};

/// The most files a bundle may have.
const BUNDLE_FILES_MAX: usize = 256;

/// The folder of a deployment: `--data DIR`.
#[derive(Debug, Clone)]
pub struct DataFolder {
    root: PathBuf,
    files: Arc<dyn Files>,
}

/// What the control log says.
#[derive(Debug, Default)]
pub struct Control {
    /// Under which key subjects are made, by its id; empty: not said yet.
    pub key_id: String,
    /// How many partitions the event log has.
    pub partitions: u32,
    /// Every activation, in the order of the log.
    pub activations: Vec<Activation>,
    contents: BTreeMap<[u8; 32], Vec<u8>>,
    /// The next offset.
    end: u64,
}

/// A bundle became the one that figures stand on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// Where it stands in the control log.
    pub offset: u64,
    /// When it was known: the running maximum of the records' times.
    pub known: Millis,
    /// The bundle's digest.
    pub digest: [u8; 32],
    files: Vec<(String, [u8; 32])>,
}

impl DataFolder {
    /// Makes the folder: an empty event log of `partitions`, and a control log that says under which key (`key_id`)
    /// subjects are made. A folder that was made in part is finished.
    ///
    /// # Errors
    /// When there is a deployment already, or one begun with another number of partitions, or the disk refuses.
    pub fn create(
        root: &Path,
        files: Arc<dyn Files>,
        partitions: u16,
        key_id: &str,
        now: Millis,
    ) -> Result<DataFolder, QueryError> {
        let folder = DataFolder { root: root.to_owned(), files };
        make_folder(folder.files.as_ref(), root).map_err(|source| QueryError::io(root, source))?;
        if !folder.has_log("log")? {
            drop(folder.create_log("log", partitions)?);
        }
        let control = if folder.has_log("control")? {
            EmbeddedLog::open_with(Arc::clone(&folder.files), &folder.path("control"), Default::default())?
        } else {
            folder.create_log("control", 1)?
        };
        if control.ends()? != [0] {
            let what =
                format!("{} holds a deployment already: use it, or name another folder", root.display());
            return Err(QueryError::Refused(what));
        }
        let has = folder.log()?.partitions();
        if has != partitions {
            return Err(QueryError::Refused(format!(
                "{} was begun with {has} partitions: ask for as many, or name another folder",
                root.display()
            )));
        }
        let created = v1::DeploymentCreated { key_id: key_id.to_owned(), partitions: partitions.into() };
        append(&control, &[Body::DeploymentCreated(created)], now)?;
        Ok(folder)
    }

    /// Opens a folder that was made.
    ///
    /// # Errors
    /// When there is no deployment in it.
    pub fn open(root: &Path, files: Arc<dyn Files>) -> Result<DataFolder, QueryError> {
        let folder = DataFolder { root: root.to_owned(), files };
        if folder.has_log("log")? && folder.has_log("control")? && folder.control_log()?.ends()? != [0] {
            return Ok(folder);
        }
        let what = "there is no data in {}: make it with `vertebra simulate`, `vertebra import` or `vertebra append`";
        Err(QueryError::Refused(what.replace("{}", &root.display().to_string())))
    }

    /// Whether a deployment was made in `root`. One whose making was cut short before it was recorded was not:
    /// [`DataFolder::create`] finishes it.
    ///
    /// # Errors
    /// When a log cannot be opened: another process may be making it.
    pub fn is_made(root: &Path, files: Arc<dyn Files>) -> Result<bool, QueryError> {
        let folder = DataFolder { root: root.to_owned(), files };
        if !folder.has_log("log")? || !folder.has_log("control")? {
            return Ok(false);
        }
        if folder.control_log()?.ends()? != [0] {
            return Ok(true);
        }
        // The record may be there, and its maker was stopped before readers could know that it is durable.
        let files = Arc::clone(&folder.files);
        let control = EmbeddedLog::open_with(files, &folder.path("control"), Default::default())?;
        Ok(control.ends()? != [0])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn has_log(&self, name: &str) -> Result<bool, QueryError> {
        let path = self.path(name);
        match self.files.list(&path) {
            Ok(names) => Ok(names.iter().any(|name| name == "meta")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(QueryError::io(&path, source)),
        }
    }

    fn create_log(&self, name: &str, partitions: u16) -> Result<EmbeddedLog, QueryError> {
        let files = Arc::clone(&self.files);
        Ok(EmbeddedLog::create_with(files, &self.path(name), partitions, Default::default())?)
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The files it is read and written through.
    #[must_use]
    pub fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    /// Where keys stand.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.path("keys")
    }

    /// Where intake keeps its index.
    #[must_use]
    pub fn intake(&self) -> PathBuf {
        self.path("intake")
    }

    /// Where the projector keeps histories and figures.
    #[must_use]
    pub fn projector(&self) -> PathBuf {
        self.path("projector")
    }

    /// The event log, for reading, beside a writer or without one.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn log(&self) -> Result<EmbeddedLog, QueryError> {
        Ok(EmbeddedLog::open_reader_with(Arc::clone(&self.files), &self.path("log"))?)
    }

    /// The event log, for writing: one process at a time.
    ///
    /// # Errors
    /// When another process writes, or it cannot be opened.
    pub fn log_for_writing(&self) -> Result<EmbeddedLog, QueryError> {
        Ok(EmbeddedLog::open_with(Arc::clone(&self.files), &self.path("log"), Default::default())?)
    }

    /// Reads the control log.
    ///
    /// # Errors
    /// When it cannot be read, or holds what it cannot hold.
    pub fn control(&self) -> Result<Control, QueryError> {
        Control::read(&self.control_log()?)
    }

    /// The control log, to be read.
    fn control_log(&self) -> Result<EmbeddedLog, QueryError> {
        Ok(EmbeddedLog::open_reader_with(Arc::clone(&self.files), &self.path("control"))?)
    }

    /// Makes `files` (by their paths as `policy/route.toml`) the bundle that figures stand on: those of them that no bundle
    /// had are kept, and the activation is recorded. Nothing is recorded when that bundle is active already; the
    /// answer says whether it was.
    ///
    /// # Errors
    /// Every fault of a broken bundle; then nothing changes. A file that is too large.
    pub fn activate_bundle(
        &self,
        files: &BTreeMap<String, Vec<u8>>,
        now: Millis,
    ) -> Result<(Bundle, bool), QueryError> {
        for (path, content) in files {
            check_size(path, content.len() as u64)?;
        }
        let bundle = Bundle::parse(files).map_err(QueryError::Bundle)?;
        if bundle.files().len() > BUNDLE_FILES_MAX {
            let what = format!("a bundle of {} files; the most is {BUNDLE_FILES_MAX}", bundle.files().len());
            return Err(QueryError::Refused(what));
        }
        let log = EmbeddedLog::open_with(Arc::clone(&self.files), &self.path("control"), Default::default())?;
        let control = Control::read(&log)?;
        if control.activations.last().is_some_and(|last| last.digest == bundle.digest()) {
            return Ok((bundle, false));
        }
        let mut records = Vec::new();
        let mut listed = Vec::new();
        for (path, content) in bundle.files() {
            for part in parts(content) {
                let digest: [u8; 32] = Sha256::digest(part).into();
                if !control.contents.contains_key(&digest) {
                    records.push(Body::BundleFileStored(v1::BundleFileStored {
                        digest: digest.to_vec(),
                        path: path.clone(),
                        content: part.to_vec(),
                    }));
                }
                listed.push(v1::BundleFile { path: path.clone(), digest: digest.to_vec() });
            }
        }
        // The activation last: what it names is there before it.
        records.push(Body::BundleActivated(v1::BundleActivated {
            digest: bundle.digest().to_vec(),
            files: listed,
        }));
        append(&log, &records, now)?;
        Ok((bundle, true))
    }

    /// The bundle that is active now.
    ///
    /// # Errors
    /// When none was ever activated, or the control log cannot be read.
    pub fn active_bundle(&self) -> Result<Bundle, QueryError> {
        let control = self.control()?;
        let none = || QueryError::Refused("no bundle was activated yet: run `vertebra project`".to_owned());
        control.bundle(control.activations.last().ok_or_else(none)?)
    }

    /// The files of a bundle in two folders on this machine, as [`DataFolder::activate_bundle`] takes them.
    ///
    /// # Errors
    /// When a folder cannot be read or a file is too large.
    pub fn bundle_files(
        files: &dyn Files,
        reference: &Path,
        policy: &Path,
    ) -> Result<BTreeMap<String, Vec<u8>>, QueryError> {
        let mut found = bundle_folder(files, "reference", reference)?;
        found.append(&mut bundle_folder(files, "policy", policy)?);
        Ok(found)
    }
}

/// Appends records in as many batches as their bytes need.
fn append(log: &EmbeddedLog, bodies: &[Body], now: Millis) -> Result<(), QueryError> {
    let encode = |body: &Body| {
        v1::ControlRecord { recorded_at: Some(now.to_timestamp()), body: Some(body.clone()) }.encode_to_vec()
    };
    for bodies in bodies.chunks(16) {
        let records: Vec<Vec<u8>> = bodies.iter().map(encode).collect();
        let batch: Vec<Append<'_>> =
            records.iter().map(|bytes| Append { partition: 0, key: &[], bytes }).collect();
        log.append(&batch)?;
    }
    Ok(())
}

impl Control {
    /// Reads a control log to its end.
    ///
    /// # Errors
    /// When it cannot be read, or holds what it cannot hold.
    pub fn read(log: &dyn EventLog) -> Result<Control, QueryError> {
        let mut control = Control::default();
        let mut known = Millis(i64::MIN);
        let mut reader = log.reader(0, 0)?;
        while let Some(batch) = reader.next_batch(4 << 20)? {
            for record in batch.iter() {
                control.take(record.offset, record.bytes, &mut known)?;
                control.end = record.offset + 1;
            }
        }
        Ok(control)
    }

    fn take(&mut self, offset: u64, bytes: &[u8], known: &mut Millis) -> Result<(), QueryError> {
        let damaged = |what: &str| QueryError::Control { offset, what: what.to_owned() };
        let record = v1::ControlRecord::decode(bytes).map_err(|_| damaged("not a control record"))?;
        if let Some(recorded) = &record.recorded_at {
            *known = Millis::from_timestamp(recorded).max(*known);
        }
        let thirty_two =
            |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| damaged("a digest has not 32 bytes"));
        match record.body {
            Some(Body::DeploymentCreated(created)) => {
                (self.key_id, self.partitions) = (created.key_id, created.partitions);
            }
            Some(Body::BundleFileStored(stored)) => {
                let digest: [u8; 32] = Sha256::digest(&stored.content).into();
                if digest != thirty_two(&stored.digest)? {
                    return Err(damaged(&format!("the content of {} has not its digest", stored.path)));
                }
                self.contents.insert(digest, stored.content);
            }
            Some(Body::BundleActivated(activated)) => {
                let file = |file: v1::BundleFile| Ok((file.path, thirty_two(&file.digest)?));
                let files = activated.files.into_iter().map(file).collect::<Result<Vec<_>, QueryError>>()?;
                let digest = thirty_two(&activated.digest)?;
                self.activations.push(Activation { offset, known: *known, digest, files });
            }
            None => {
                return Err(QueryError::Needs(format!(
                    "a newer version of Vertebra: record {offset} of the control log is of a kind this build does not know"
                )));
            }
        }
        Ok(())
    }

    /// The activation that counted for what was known before `time`: the last one recorded before it, or else the first
    /// there is, since figures need some bundle.
    #[must_use]
    pub fn at(&self, time: Millis) -> Option<&Activation> {
        self.activations
            .iter()
            .rfind(|activation| activation.known < time)
            .or_else(|| self.activations.first())
    }

    /// The latest activation of the bundle with this digest.
    #[must_use]
    pub fn by_digest(&self, digest: &[u8; 32]) -> Option<&Activation> {
        self.activations.iter().rfind(|activation| activation.digest == *digest)
    }

    /// The last activation.
    #[must_use]
    pub fn active(&self) -> Option<&Activation> {
        self.activations.last()
    }

    /// The next offset of the control log.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The bundle of an activation, from the bytes kept.
    ///
    /// # Errors
    /// When a file is missing or the digest is another: the control log is damaged, or this build reads bundles otherwise.
    pub fn bundle(&self, activation: &Activation) -> Result<Bundle, QueryError> {
        let damaged = |what: String| QueryError::Control { offset: activation.offset, what };
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        // A path stands once for each part of its file, in order.
        for (path, digest) in &activation.files {
            let part =
                self.contents.get(digest).ok_or_else(|| damaged(format!("{path} was never stored")))?;
            files.entry(path.clone()).or_default().extend_from_slice(part);
        }
        let bundle = Bundle::parse(&files).map_err(QueryError::Bundle)?;
        if bundle.digest() != activation.digest {
            return Err(damaged("the files have not the bundle's digest".to_owned()));
        }
        Ok(bundle)
    }
}
