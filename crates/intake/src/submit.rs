//! From submissions to receipts. `decide` says what becomes of each, `batch` holds what they become until it is in the log.

mod batch;
mod decide;
mod follow;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use contract::{DeploymentKey, EventView, Millis, Subject, v1};
use event_log::{AppendError, EventLog, Position, ReadError};

use crate::{
    index::{Index, IndexError, Pending},
    keys::{self, KeyError, PersonKeys},
    receipt::{Outcome, Receipt, Totals},
};

use batch::{Batch, read};

/// The most submissions one call takes; a longer stream is sent in parts, each answered when it is durable.
pub const SUBMISSIONS_MAX: usize = 10_000;

/// The log is given at most this many bytes and records at once.
const FLUSH_BYTES: usize = 24 << 20;
const FLUSH_RECORDS: usize = 20_000;

/// A submission, and what its door knows about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What was said.
    pub submission: v1::Submission,
    /// The record key, of the same emitter, whose person this is about, where that record is known: a form that names the
    /// visit and not the patient. Otherwise the submission's own person counts.
    pub same_person_as: Option<String>,
    /// A withdrawal just in case: a source that sends whole records says so what a record does not hold (any more). It
    /// counts for the person of the version that is known of what it withdraws, if there is one that is not withdrawn; and
    /// only if the item before it (in this batch, and not just in case itself) was accepted, for a record that changed
    /// nothing takes nothing back.
    pub just_in_case: bool,
    /// Said by an operator of the backbone, on behalf of the emitter.
    pub by_operator: bool,
}

impl Item {
    /// What an emitter says for itself.
    #[must_use]
    pub fn new(submission: v1::Submission) -> Item {
        Item { submission, same_person_as: None, just_in_case: false, by_operator: false }
    }
}

/// Why intake cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A key file.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The log's subjects were made under another key.
    #[error(
        "{}: the key's id is {found}, the log's subjects were made under {expected}; bring back the key of this log",
        path.display()
    )]
    OtherKey {
        /// The key file.
        path: PathBuf,
        /// The id of the key in it.
        found: String,
        /// The id in the log's events.
        expected: String,
    },
}

/// Why a batch got no receipts. Parts of it may be stored: send all of it again, what is stored comes back as a duplicate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// Too many submissions at once.
    #[error("{0} submissions at once; the most is {SUBMISSIONS_MAX}, send them in parts")]
    TooMany(usize),
    /// The log did not take them, or it is not known whether it did.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The file of persons' keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// The front door of one log. One at a time: a batch sees what the batches before it left.
pub struct Intake {
    log: Arc<dyn EventLog>,
    deployment: DeploymentKey,
    keys: PersonKeys,
    index: Index,
    /// Persons whose keys are in the file and may not be in the index: nobody may get a second one.
    unnoted: HashMap<Subject, u64>,
    totals: Totals,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("totals", &self.totals).finish_non_exhaustive()
    }
}

impl Intake {
    /// Opens the front door of `log`. Its keys are in `folder`/keys (made on first use), its index in `folder`/intake.
    pub fn open(folder: &Path, log: Arc<dyn EventLog>) -> Result<Intake, OpenError> {
        let key_path = Intake::deployment_key_path(folder);
        let under = key_id_of(log.as_ref())?;
        let deployment = match (keys::read_deployment_key(&key_path)?, under) {
            (Some(key), Some(expected)) if key.id() != expected => {
                let found = key.id().to_string();
                return Err(OpenError::OtherKey { path: key_path, found, expected });
            }
            (Some(key), _) => key,
            (None, Some(expected)) => {
                return Err(OpenError::OtherKey { path: key_path, found: "missing".into(), expected });
            }
            (None, None) => keys::open_deployment_key(&key_path)?,
        };
        let mut index = Index::open(&folder.join("intake"), log.as_ref())?;
        let path = folder.join("keys").join("persons.keys");
        let mut keys = PersonKeys::open(&path, index.slots(), |persons, slots| {
            index.note_slots(persons, slots).map_err(OpenError::from)
        })?;
        if keys.has_rest() {
            for subject in index.sealed_beyond(log.as_ref())? {
                if index.slot(&Pending::default(), subject)?.is_none() {
                    return Err(keys.rest_is_needed().into());
                }
            }
            keys.cut_rest()?;
        }
        index.catch_up(log.as_ref())?;
        let (unnoted, totals) = (HashMap::new(), Totals::default());
        Ok(Intake { log, deployment, keys, index, unnoted, totals })
    }

    /// Where the deployment's key is.
    #[must_use]
    pub fn deployment_key_path(folder: &Path) -> PathBuf {
        folder.join("keys").join("deployment.key")
    }

    /// The books since intake was opened.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Why the index was found unusable when intake was opened, if it was: then it was built again from the log.
    #[must_use]
    pub fn rebuilt_index(&self) -> Option<&str> {
        self.index.rebuilt()
    }

    /// The deployment's key.
    #[must_use]
    pub fn deployment_key(&self) -> &DeploymentKey {
        &self.deployment
    }

    /// Takes a batch, and answers when all that it accepted is durable: one receipt for each item, in their order. `now`
    /// is the wall clock; recorded times go forward even where it does not.
    pub fn submit(&mut self, items: Vec<Item>, now: Millis) -> Result<Vec<Receipt>, SubmitError> {
        if items.len() > SUBMISSIONS_MAX {
            return Err(SubmitError::TooMany(items.len()));
        }
        // After a batch that failed once its keys were safe.
        if !self.unnoted.is_empty() {
            self.index.note_slots(self.unnoted.clone(), self.keys.slots())?;
            self.unnoted.clear();
        }
        // After an append whose fate was unknown, or beside another door to the same log.
        if self.index.next() != self.log.ends()? {
            self.index.catch_up(self.log.as_ref())?;
        }
        let mut books = Totals { sent: items.len() as u64, ..Totals::default() };
        // Later than all before: of versions that were asserted on one day the last that was received counts.
        let mut batch = Batch::new(now.max(Millis(self.index.clock().0 + 1)));
        let mut receipts = Vec::with_capacity(items.len());
        let mut changing = false;
        for item in items {
            if !item.just_in_case && (batch.bytes >= FLUSH_BYTES || batch.prepared.len() >= FLUSH_RECORDS) {
                let next = Batch::new(batch.recorded_at);
                books.appended += self.flush(std::mem::replace(&mut batch, next), &mut receipts)?;
            }
            let just_in_case = item.just_in_case;
            if just_in_case && !changing {
                receipts.push(Receipt { outcome: Outcome::NothingToWithdraw, findings: Vec::new() });
                continue;
            }
            let taken = self.take(&mut batch, item, receipts.len());
            match taken {
                Ok(receipt) => {
                    if !just_in_case {
                        changing = matches!(receipt.outcome, Outcome::Accepted { .. });
                    }
                    receipts.push(receipt);
                }
                Err(error) => {
                    self.keys.forget_unsynced();
                    return Err(error);
                }
            }
        }
        books.appended += self.flush(batch, &mut receipts)?;
        receipts.iter().for_each(|receipt| books.add(receipt));
        debug_assert!(books.balance(), "{books:?}");
        self.totals.add_all(&books);
        Ok(receipts)
    }
}

/// The id of the key under which the log's subjects were made; `None`: the log has no events yet.
fn key_id_of(log: &dyn EventLog) -> Result<Option<String>, ReadError> {
    for (partition, end) in log.ends()?.into_iter().enumerate().filter(|(_, end)| *end > 0) {
        debug_assert!(end > 0);
        let position = Position { partition: partition as u16, offset: 0 };
        let key_id = |bytes: &[u8]| EventView::parse(bytes).ok().map(|view| view.key_id.to_string());
        if let Some(id) = read(log, position, key_id)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
