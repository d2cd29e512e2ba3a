//! Record keys that are made, not given: whoever makes one and whoever looks for it spells it here.

use std::borrow::Cow;

use crate::EventId;

/// The key of the `number`th of several records that a source sends under one key of its own, from 1: the first has the
/// key as it is, as if it were alone.
#[must_use]
pub fn numbered_key(record_key: &str, number: usize) -> Cow<'_, str> {
    match number {
        0 | 1 => record_key.into(),
        _ => format!("{record_key}#{number}").into(),
    }
}

/// How the key of a retraction of intake's own begins; the id of an event follows.
const RETRACTION: &str = "void-";

/// The key of the retraction by which intake takes `target` back, because the record turned out to be about another
/// person. No emitter's record may have one ([`is_retraction_key`]): by it alone intake's own are known.
#[must_use]
pub fn retraction_key(target: EventId) -> String {
    format!("{RETRACTION}{target}")
}

/// Whether a key is of the form of [`retraction_key`], in whatever case and with hyphens or without.
#[must_use]
pub fn is_retraction_key(record_key: &str) -> bool {
    let is_retraction =
        |(start, id): (&str, &str)| start.eq_ignore_ascii_case(RETRACTION) && EventId::from_hex(id).is_some();
    record_key.split_at_checked(RETRACTION.len()).is_some_and(is_retraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_intakes_own_is_told_from_those_that_only_look_like_one() {
        let own = retraction_key(EventId([0xab; 16]));
        let hyphens = "void-abababab-abab-abab-abab-abababababab";
        assert!([&own, &own.to_uppercase(), hyphens].into_iter().all(is_retraction_key));
        let (short, long, bare) = (&own[..own.len() - 1], format!("{own}0"), &own[RETRACTION.len()..]);
        let (letters, begin) = (own.replace('a', "g"), own.replace("void", "hủy"));
        for key in ["", "void", "void-", "void-77", short, &long, bare, &letters, &begin] {
            assert!(!is_retraction_key(key), "{key}");
        }
    }
}
