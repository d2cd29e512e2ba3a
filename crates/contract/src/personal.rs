//! Messages that hold what identifies a person print how much they hold, never what: a log line or a panic that prints a
//! submission gives nobody away.

use std::fmt;

use crate::v1::{Identifier, PersonDetails, RestrictedDetails};

impl fmt::Debug for PersonDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonDetails({} identifiers)", self.identifiers.len())
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({:?})", self.kind())
    }
}

impl fmt::Debug for RestrictedDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RestrictedDetails({} diagnoses)", self.diagnoses.len())
    }
}
