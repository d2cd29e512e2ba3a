//! What is wrong with a file of the bundle.

/// One fault of one file: where it is and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}{}{}: {reason}", place(", row ", *row), place(", column ", column))]
pub struct BundleFault {
    /// Path in the bundle, as `reference/communes.csv`.
    pub file: String,
    /// The row as a spreadsheet numbers it (the header is row 1), for TOML the line; 0: the file as a whole.
    pub row: usize,
    /// Column or key; empty: the row as a whole.
    pub column: String,
    /// What was found, what was expected, what to do.
    pub reason: String,
}

impl BundleFault {
    /// A fault of one cell.
    #[must_use]
    pub fn new(file: &str, row: usize, column: &str, reason: impl Into<String>) -> BundleFault {
        BundleFault { file: file.to_owned(), row, column: column.to_owned(), reason: reason.into() }
    }

    /// A fault of the file as a whole.
    #[must_use]
    pub fn file(file: &str, reason: impl Into<String>) -> BundleFault {
        BundleFault::new(file, 0, "", reason)
    }
}

/// A part of the place, where there is one.
fn place(before: &str, part: impl ToString) -> String {
    match part.to_string() {
        part if part.is_empty() || part == "0" => String::new(),
        part => format!("{before}{part}"),
    }
}
