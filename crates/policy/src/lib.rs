//! Decision tables of law: rules with citation and validity, and their explanation.
