//! What a projection sees.

use contract::v1::SubjectKind;

use crate::{
    body::{Claim, Segment},
    fact::Fact,
};

/// One person as a projection sees them: the facts in force, in the order (occurred_at, asserted_at, recorded_at, id
/// hash). Empty for a subject that is linked away.
#[derive(Debug, Clone, Copy)]
pub struct PersonView<'a> {
    /// From which identifier the subject was made.
    pub kind: SubjectKind,
    /// The facts in force.
    pub facts: &'a [Fact],
    pub(crate) segments: &'a [Segment],
}

impl<'a> PersonView<'a> {
    /// Whether this is a person at all: a record without any identifier counts for its facility only.
    #[must_use]
    pub fn is_person(&self) -> bool {
        self.kind != SubjectKind::None
    }

    /// The segments of a claim of this view; a claim without any is one segment itself, in the year it ended.
    pub fn segments(&self, claim: &Claim) -> impl Iterator<Item = Segment> + use<'a> {
        let parts = self.parts(claim);
        let whole = parts.is_empty().then(|| Segment {
            group: claim.group,
            rate_digit: claim.rate_digit,
            charged_rate: claim.charged_rate,
            year: claim.ended.year() as u32,
            covered: claim.covered,
            copay: claim.copay,
            fund: claim.fund,
        });
        parts.iter().copied().chain(whole)
    }

    /// The segments that a claim of this view was sent in; none: the claim itself is the one segment.
    #[must_use]
    #[inline]
    pub fn parts(&self, claim: &Claim) -> &'a [Segment] {
        let (start, count) = (claim.segments.0 as usize, claim.segments.1 as usize);
        &self.segments[start..start + count]
    }
}
