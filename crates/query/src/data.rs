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
    Append, EmbeddedLogs, EventLog, Logs,
    files::{Files, make_folder},
};
use policy::Bundle;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::{
    bundle_files::{bundle_folder, check_size, parts},
    error::QueryError,
};

/// Into how many partitions an event log is cut unless somebody says otherwise.
pub const PARTITIONS: u16 = 64;
/// The most files a bundle may have.
const BUNDLE_FILES_MAX: usize = 256;

/// The folder of a deployment: `--data DIR`. Its two logs may stand elsewhere.
#[derive(Debug, Clone)]
pub struct DataFolder {
    root: PathBuf,
    files: Arc<dyn Files>,
    logs: Arc<dyn Logs>,
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
    /// The logs of a deployment that stand in its folder `root`: where they are unless somebody says otherwise.
    #[must_use]
    pub fn own_logs(root: &Path, files: &Arc<dyn Files>) -> Arc<dyn Logs> {
        Arc::new(EmbeddedLogs::new(root, Arc::clone(files)))
    }

    /// Makes the folder: an empty event log of `partitions`, or of [`PARTITIONS`] where none are asked for, and a control log
    /// that says under which key (`key_id`) subjects are made. What was made in part is finished: empty logs that stand in
    /// `logs` already are taken, the event log with as many partitions as it has where none are asked for.
    ///
    /// # Errors
    /// When there is a deployment already, or an event log with events or another number of partitions, or the disk refuses.
    pub fn create(
        root: &Path,
        files: Arc<dyn Files>,
        logs: Arc<dyn Logs>,
        partitions: Option<u16>,
        key_id: &str,
        now: Millis,
    ) -> Result<DataFolder, QueryError> {
        let folder = DataFolder { root: root.to_owned(), files, logs };
        make_folder(folder.files.as_ref(), root).map_err(|source| QueryError::io(root, source))?;
        let log = match folder.logs.open("log")? {
            Some(log) => log,
            None => folder.logs.create("log", partitions.unwrap_or(PARTITIONS))?,
        };
        let (has, is_empty) = (log.partitions(), log.ends()?.iter().all(|end| *end == 0));
        drop(log);
        let control = match folder.logs.open("control")? {
            Some(_) => folder.logs.open_for_writing("control")?,
            None => folder.logs.create("control", 1)?,
        };
        if control.ends()? != [0] {
            let what =
                format!("{} holds a deployment already: use it, or name another folder", root.display());
            return Err(QueryError::Refused(what));
        }
        if partitions.is_some_and(|partitions| has != partitions) {
            return Err(QueryError::Refused(format!(
                "{} was begun with {has} partitions: ask for as many, or name another folder",
                root.display()
            )));
        }
        if !is_empty {
            return Err(QueryError::Refused(format!(
                "the event log of {} holds events, but its control log says nothing of them: bring the control log back, or \
                 name another log",
                root.display()
            )));
        }
        let created = v1::DeploymentCreated { key_id: key_id.to_owned(), partitions: has.into() };
        append(control.as_ref(), &[Body::DeploymentCreated(created)], now)?;
        Ok(folder)
    }

    /// Opens a folder that was made.
    ///
    /// # Errors
    /// When there is no deployment in it.
    pub fn open(root: &Path, files: Arc<dyn Files>, logs: Arc<dyn Logs>) -> Result<DataFolder, QueryError> {
        let folder = DataFolder { root: root.to_owned(), files, logs };
        if folder.control_says()? == Some(true) {
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
    pub fn is_made(root: &Path, files: Arc<dyn Files>, logs: Arc<dyn Logs>) -> Result<bool, QueryError> {
        let folder = DataFolder { root: root.to_owned(), files, logs };
        Ok(match folder.control_says()? {
            None => false,
            Some(true) => true,
            // The record may be there, and its maker was stopped before readers could know that it is durable.
            Some(false) => folder.logs.open_for_writing("control")?.ends()? != [0],
        })
    }

    /// Whether readers see a record in the control log; `None`: one of the logs is not there.
    fn control_says(&self) -> Result<Option<bool>, QueryError> {
        let (log, control) = (self.logs.open("log")?, self.logs.open("control")?);
        let Some(control) = control.filter(|_| log.is_some()) else { return Ok(None) };
        Ok(Some(control.ends()? != [0]))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
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
    pub fn log(&self) -> Result<Box<dyn EventLog>, QueryError> {
        self.log_named("log")
    }

    fn log_named(&self, name: &str) -> Result<Box<dyn EventLog>, QueryError> {
        let gone = || {
            let data = self.root.display();
            QueryError::Refused(format!("the {name} of {data} is not where it was: bring it back"))
        };
        self.logs.open(name)?.ok_or_else(gone)
    }

    /// The event log, for writing: one process at a time.
    ///
    /// # Errors
    /// When another process writes, or it cannot be opened.
    pub fn log_for_writing(&self) -> Result<Box<dyn EventLog>, QueryError> {
        Ok(self.logs.open_for_writing("log")?)
    }

    /// Reads the control log.
    ///
    /// # Errors
    /// When it cannot be read, or holds what it cannot hold.
    pub fn control(&self) -> Result<Control, QueryError> {
        Control::read(self.log_named("control")?.as_ref())
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
        let log = self.logs.open_for_writing("control")?;
        let control = Control::read(log.as_ref())?;
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
        append(log.as_ref(), &records, now)?;
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
fn append(log: &dyn EventLog, bodies: &[Body], now: Millis) -> Result<(), QueryError> {
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
