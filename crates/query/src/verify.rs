//! Computing the answer of a receipt again.

use projector::{REGISTRY, hex, projection};

use crate::{
    answer::Table,
    desk::{Desk, parse_digest},
    error::QueryError,
    plan::Plan,
    question::{Known, Standpoint},
    receipt::{Receipt, Verified},
};

impl Desk<'_> {
    /// Folds everybody as of the receipt's positions, under its bundle, and compares the bytes. `table`: the answer as it
    /// was, if it is there, so that a difference can be named.
    ///
    /// # Errors
    /// [`QueryError::Needs`] when the receipt stands on another log, bundle or version than are here: then nothing is
    /// said about it.
    pub fn verify(&self, receipt: &Receipt, table: Option<&Table>) -> Result<Verified, QueryError> {
        if receipt.log != self.log.id().to_string() {
            return Err(QueryError::Needs(format!("the log {}; this one is {}", receipt.log, self.log.id())));
        }
        let version = projection(&receipt.projection).map(|number| REGISTRY[number].version);
        if version != Some(receipt.version) {
            let has = version.map_or_else(|| "none".to_owned(), |version| format!("version {version}"));
            let (name, needs) = (&receipt.projection, receipt.version);
            return Err(QueryError::Needs(format!(
                "version {needs} of the projection {name}; this build has {has}"
            )));
        }
        if receipt.question.projection != receipt.projection {
            return Err(QueryError::Refused(
                "the receipt's question is for another projection than it names".to_owned(),
            ));
        }
        let bundle = parse_digest(&receipt.bundle);
        let bundle =
            Some(bundle.ok_or_else(|| {
                QueryError::Refused("the receipt's bundle is not 64 hex digits".to_owned())
            })?);
        if let Some(table) = table
            && hex(blake3::hash(&table.canonical()).as_bytes()) != receipt.digest
        {
            let difference =
                "the answer beside the receipt is not the one the receipt was given for: it was changed"
                    .to_owned();
            return Ok(Verified::Different { digest: receipt.digest.clone(), difference: Some(difference) });
        }
        let place = self.place(&Standpoint { known: Known::Positions(receipt.positions.clone()), bundle })?;
        let plan = Plan::new(&receipt.question, &place.bundle)?;
        let again = self.folded(&plan, &place)?;
        let digest = hex(blake3::hash(&again.canonical()).as_bytes());
        if digest == receipt.digest {
            return Ok(Verified::Same);
        }
        let difference = table.and_then(|table| table.first_difference(&again));
        Ok(Verified::Different { digest, difference })
    }
}
