//! Where questions are asked: a log, the last snapshot, and the bundles.

use contract::Millis;
use event_log::EventLog;
use policy::Bundle;
use projector::{Reader, hex};

use crate::{
    answer::{Stand, moment},
    data::{Control, DataFolder},
    error::QueryError,
    question::{Known, Standpoint},
};

/// Answers questions.
pub struct Desk<'a> {
    pub(crate) log: &'a dyn EventLog,
    pub(crate) reader: Reader,
    pub(crate) control: Control,
    draft: Option<Bundle>,
    pub(crate) now: Millis,
}

/// What a standpoint comes to.
pub(crate) struct Place {
    pub(crate) stand: Stand,
    pub(crate) bundle: Bundle,
    /// The snapshot's figures are those asked for.
    pub(crate) snapshot: bool,
}

impl<'a> Desk<'a> {
    /// Opens the last snapshot of `folder`, whose log is `log`. `now`: the time of asking, by which a known-at in the
    /// future is told.
    ///
    /// # Errors
    /// When nothing was projected yet, or the snapshot is of another log.
    pub fn open(folder: &DataFolder, log: &'a dyn EventLog, now: Millis) -> Result<Desk<'a>, QueryError> {
        let reader = Reader::open(&folder.projector(), std::sync::Arc::clone(folder.files()))?;
        if reader.manifest().log != log.id().to_string() {
            let what =
                "the figures are of another log than the one in `log`: project again into an empty folder";
            return Err(QueryError::Refused(what.to_owned()));
        }
        let control = folder.control()?;
        let (made, has) = (control.partitions, log.partitions());
        if made != u32::from(has) {
            let what = format!(
                "the log has {has} partitions, the deployment was made with {made}: `log` and `control` do not belong together"
            );
            return Err(QueryError::Refused(what));
        }
        Ok(Desk { log, reader, control, draft: None, now })
    }

    /// The last snapshot.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The control log as it was when the desk was opened.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Also answers under `draft`, a bundle that need not ever have been active here. Nothing of it is kept: what stands on a
    /// draft says so ([`Stand::draft`]), and its receipt cannot be verified by anybody.
    pub fn try_out(&mut self, draft: Bundle) {
        self.draft = Some(draft);
    }

    /// The bundle with this digest, or why not.
    ///
    /// # Errors
    /// When it was never active here, nor is the draft.
    pub fn bundle(&self, digest: &[u8; 32]) -> Result<Bundle, QueryError> {
        if let Some(draft) = self.draft.as_ref().filter(|draft| draft.digest() == *digest) {
            return Ok(draft.clone());
        }
        let activation = self.control.by_digest(digest).ok_or_else(|| {
            QueryError::Needs(format!("the bundle {}, which was never active in this folder", hex(digest)))
        })?;
        self.control.bundle(activation)
    }

    /// Finds the positions and the bundle of a standpoint.
    pub(crate) fn place(&self, standpoint: &Standpoint) -> Result<Place, QueryError> {
        let manifest = self.reader.manifest();
        let served = parse_digest(&manifest.bundle)
            .ok_or_else(|| QueryError::Refused("the snapshot names no bundle: project again".to_owned()))?;
        let ends = self.log.ends()?;
        let (positions, provisional, known_at, default) = match &standpoint.known {
            Known::Snapshot => (manifest.positions(), false, None, served),
            Known::Latest => (ends.clone(), false, None, served),
            Known::At(time) => {
                let known = self.reader.known_at(self.log, *time, self.now)?;
                let active = self.control.at(*time).map_or(served, |activation| activation.digest);
                (known.positions, known.provisional, Some(moment(*time)), active)
            }
            Known::Positions(positions) => {
                if positions.len() != ends.len() {
                    let (given, has) = (positions.len(), ends.len());
                    return Err(QueryError::Refused(format!(
                        "{given} positions were given; the log has {has} partitions"
                    )));
                }
                if let Some(partition) =
                    (0..ends.len()).find(|partition| positions[*partition] > ends[*partition])
                {
                    return Err(QueryError::Needs(format!(
                        "offset {} of partition {partition}; this log ends at {}",
                        positions[partition], ends[partition]
                    )));
                }
                (positions.clone(), false, None, served)
            }
        };
        let digest = standpoint.bundle.unwrap_or(default);
        let stopped = manifest.partitions.iter().zip(0u16..);
        let stopped = stopped.filter_map(|(state, at)| state.stopped.clone().map(|why| (at, why))).collect();
        let snapshot = digest == served && positions == manifest.positions();
        let behind = ends.iter().zip(&positions).map(|(end, at)| end.saturating_sub(*at)).sum();
        let log = self.log.id().to_string();
        let draft = self.control.by_digest(&digest).is_none();
        let bundle = hex(&digest);
        let stand = Stand { log, positions, bundle, draft, known_at, provisional, behind, stopped };
        Ok(Place { stand, bundle: self.bundle(&digest)?, snapshot })
    }
}

/// A digest of 64 hex digits.
pub(crate) fn parse_digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}
