//! The front door: validate, dedupe, pseudonymise, seal, stamp, append, receipt.
