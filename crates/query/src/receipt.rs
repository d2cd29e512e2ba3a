//! Receipts: with one, the same bytes can be had again, on another machine, from the log and the bundles it names.

use serde::{Deserialize, Serialize};

use crate::question::Question;

/// What an answer stands on and what it was. JSON, with stable names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Version of this form.
    pub receipt: u32,
    /// What was asked, nothing left to defaults.
    pub question: Question,
    /// The log's id in hex.
    pub log: String,
    /// The next offset of each partition.
    pub positions: Vec<u64>,
    /// Digest of the reference and policy bundle in hex.
    pub bundle: String,
    /// Name of the projection.
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

impl Receipt {
    /// Reads a receipt, or an answer that holds one (`{"table": .., "receipt": ..}`); then also its table.
    ///
    /// # Errors
    /// In words, when it is neither.
    pub fn parse(json: &[u8]) -> Result<(Receipt, Option<crate::Table>), String> {
        #[derive(Deserialize)]
        struct Whole {
            table: crate::Table,
            receipt: Receipt,
        }
        if json.len() > 64 * RECEIPT_BYTES_MAX {
            return Err(format!("{} bytes; the most is {}", json.len(), 64 * RECEIPT_BYTES_MAX));
        }
        if let Ok(whole) = serde_json::from_slice::<Whole>(json) {
            return Ok((whole.receipt, Some(whole.table)));
        }
        let receipt: Receipt = serde_json::from_slice(json)
            .map_err(|error| format!("not a receipt, nor an answer with one: {error}; take the file that `--receipt` or `--json` wrote"))?;
        if receipt.receipt != RECEIPT_VERSION {
            return Err(format!(
                "a receipt of version {}; this build reads {RECEIPT_VERSION}",
                receipt.receipt
            ));
        }
        Ok((receipt, None))
    }
}
