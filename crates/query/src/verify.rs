//! Computing the answer of a receipt again.

use projector::{REGISTRY, projection};

use crate::{
    answer::Table,
    claims::{CLAIMS, CLAIMS_VERSION, ClaimsQuestion},
    desk::{Desk, parse_digest},
    error::QueryError,
    plan::Plan,
    question::{Known, Standpoint, parse_known_at},
    receipt::{Asked, Receipt, Verified, digest_of},
};

impl Desk<'_> {
    /// Folds everybody as of the receipt's positions, under its bundle, and compares the bytes; and that the positions are
    /// those of what was known at its moment, unless it was provisional. `table`: the answer as it
    /// was, if it is there, so that a difference can be named.
    ///
    /// # Errors
    /// [`QueryError::Needs`] when the receipt stands on another log, bundle or version than are here: then nothing is
    /// said about it.
    pub fn verify(&self, receipt: &Receipt, table: Option<&Table>) -> Result<Verified, QueryError> {
        if receipt.log != self.log.id().to_string() {
            return Err(QueryError::Needs(format!("the log {}; this one is {}", receipt.log, self.log.id())));
        }
        let (name, version) = match &receipt.question {
            Asked::Figures(question) => {
                let version = projection(&receipt.projection).map(|number| REGISTRY[number].version);
                (question.projection.as_str(), version)
            }
            Asked::Claims(_) => (CLAIMS, Some(CLAIMS_VERSION)),
        };
        if name != receipt.projection {
            let what = "the receipt's question is for another projection than it names";
            return Err(QueryError::Refused(what.to_owned()));
        }
        if version != Some(receipt.version) {
            let has = version.map_or_else(|| "none".to_owned(), |version| format!("version {version}"));
            let needs = receipt.version;
            return Err(QueryError::Needs(format!(
                "version {needs} of the projection {name}; this build has {has}"
            )));
        }
        if let Some(table) = table
            && digest_of(table) != receipt.digest
        {
            let what = "the answer beside the receipt is not the one it was given for: it was changed";
            return Ok(Verified::Different { digest: digest_of(table), difference: Some(what.to_owned()) });
        }
        if let Some(difference) = self.differs_from_then(receipt)? {
            return Ok(Verified::Different { digest: receipt.digest.clone(), difference: Some(difference) });
        }
        let bundle = parse_digest(&receipt.bundle)
            .ok_or_else(|| QueryError::Refused("the receipt's bundle is not 64 hex digits".to_owned()))?;
        let standpoint =
            Standpoint { known: Known::Positions(receipt.positions.clone()), bundle: Some(bundle) };
        let again = match &receipt.question {
            Asked::Figures(question) => {
                let place = self.place(&standpoint)?;
                self.folded(&Plan::new(question, &place.bundle)?, &place)?
            }
            Asked::Claims(asked) => {
                let (from, to) = (asked.from, asked.to);
                let (by, filter) = (asked.by.clone(), asked.filter.clone());
                self.claims(&ClaimsQuestion { from, to, by, filter, standpoint })?.table
            }
        };
        let digest = digest_of(&again);
        if digest == receipt.digest {
            return Ok(Verified::Same);
        }
        let difference = table.and_then(|table| table.first_difference(&again));
        Ok(Verified::Different { digest, difference })
    }

    /// What the receipt says wrongly of the moment of knowing. The answer's bytes do not depend on it.
    fn differs_from_then(&self, receipt: &Receipt) -> Result<Option<String>, QueryError> {
        let Some(text) = &receipt.known_at else {
            let what = "it is provisional, but names no moment of knowing: it was changed";
            return Ok(receipt.provisional.then(|| what.to_owned()));
        };
        let time = parse_known_at(text)
            .ok_or_else(|| QueryError::Refused("the receipt's known_at is no moment".to_owned()))?;
        // What was provisional stood where it could: more became known of the same moment.
        let known = self.reader.known_at(self.log, time, self.now)?;
        let same = receipt.provisional || known.positions == receipt.positions;
        Ok((!same).then(|| format!("its positions are not those of what was known at {text}")))
    }
}
