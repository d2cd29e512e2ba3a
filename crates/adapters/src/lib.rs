//! Foreign formats to submissions: bytes in, submissions and rejections out.
//!
//! An adapter is pure. It knows one foreign format and the contract, and neither a clock, a file, nor the log; what it
//! cannot say truthfully it refuses or reports, naming record, table, field and rule, and never a person's data.

pub mod insurance_xml;
