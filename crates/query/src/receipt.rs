//! Receipts: with one, the same bytes can be had again, on another machine, from the log and the bundles it names.

use serde::{Deserialize, Serialize};

use crate::{
    answer::{Stand, Table},
    claims::ClaimsAsked,
    question::Question,
};

/// What was asked, nothing left to defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Figures of a projection.
    Figures(Question),
    /// Totals of claims.
    Claims(ClaimsAsked),
}

/// What an answer stands on and what it was. JSON, with stable names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Version of this form.
    pub receipt: u32,
    /// What was asked.
    pub question: Asked,
    /// The log's id in hex.
    pub log: String,
    /// The next offset of each partition.
    pub positions: Vec<u64>,
    /// Digest of the reference and policy bundle in hex.
    pub bundle: String,
    /// Name of the projection; `claims` for totals of claims, which have rules of their own.
    pub projection: String,
    /// Version of its rules.
    pub version: u32,
    /// Asked for what was known before this moment; the positions say what that was.
    pub known_at: Option<String>,
    /// More could still come that belonged to the answer.
    pub provisional: bool,
    /// BLAKE3 of the table's canonical bytes, in hex.
    pub digest: String,
}

/// The version of the form that this build writes and reads.
pub const RECEIPT_VERSION: u32 = 1;
/// The most bytes of a receipt.
pub const RECEIPT_BYTES_MAX: usize = 1 << 20;

/// The most bytes of an answer with its receipt.
const ANSWER_BYTES_MAX: usize = 64 * RECEIPT_BYTES_MAX;

/// What verifying a receipt found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// The same bytes again.
    Same,
    /// Other bytes: the receipt, the log or a rule is not what it was.
    Different {
        /// The digest of what was computed now.
        digest: String,
        /// What differs first, where the answer was there to compare.
        difference: Option<String>,
    },
}

/// BLAKE3 of a table's canonical bytes, in hex.
pub(crate) fn digest_of(table: &Table) -> String {
    projector::hex(blake3::hash(&table.canonical()).as_bytes())
}

impl Receipt {
    /// The receipt of a table.
    pub(crate) fn of(table: &Table, stand: &Stand, question: Asked, rules: (&str, u32)) -> Receipt {
        Receipt {
            receipt: RECEIPT_VERSION,
            question,
            log: stand.log.clone(),
            positions: stand.positions.clone(),
            bundle: stand.bundle.clone(),
            projection: rules.0.to_owned(),
            version: rules.1,
            known_at: stand.known_at.clone(),
            provisional: stand.provisional,
            digest: digest_of(table),
        }
    }

    /// Reads a receipt, or an answer that holds one (`{"table": .., "receipt": ..}`); then also its table.
    ///
    /// # Errors
    /// In words, when it is neither.
    pub fn parse(json: &[u8]) -> Result<(Receipt, Option<Table>), String> {
        #[derive(Deserialize)]
        struct Whole {
            table: Table,
            receipt: Receipt,
        }
        if json.len() > ANSWER_BYTES_MAX {
            return Err(format!("{} bytes; the most is {ANSWER_BYTES_MAX}", json.len()));
        }
        let neither = |error: serde_json::Error| {
            format!(
                "not a receipt, nor an answer with one: {error}; take the file that `--receipt` or `--json` wrote"
            )
        };
        let read: serde_json::Value = serde_json::from_slice(json).map_err(neither)?;
        // The version first: another form may have other fields.
        let whole = read.get("receipt").is_some_and(serde_json::Value::is_object);
        let version = if whole { read["receipt"].get("receipt") } else { read.get("receipt") };
        if let Some(version) = version
            && version.as_u64() != Some(u64::from(RECEIPT_VERSION))
        {
            return Err(format!("a receipt of version {version}; this build reads {RECEIPT_VERSION}"));
        }
        if whole {
            let Whole { table, receipt } = serde_json::from_value(read).map_err(neither)?;
            return Ok((receipt, Some(table)));
        }
        let receipt = serde_json::from_value(read).map_err(neither)?;
        Ok((receipt, None))
    }
}
