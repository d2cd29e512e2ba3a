//! Fee exemption: who pays nothing or less, by which rule, since when.
