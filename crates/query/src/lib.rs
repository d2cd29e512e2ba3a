//! The reading door: figures, lists, histories and receipts.
