//! The short ways: of most histories it is plain what counts.

use std::ops::Range;

use contract::{Code, IdHash, Kind, Millis, RecordHash};
use rustc_hash::FxHashMap;

use crate::{body::Body, fact::Fact};

/// How much of the rules a history needs. `again`: the facts, as bits, whose record may stand before them; no other's does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// Every fact is in force.
    Whole,
    /// Some events are there twice, some records have several versions, or a withdrawal; nothing refers to anything.
    Versions { again: u64 },
    /// Some facts take others back as well, or link; nothing was carried.
    References { again: u64 },
    /// As `Versions`, of more facts than a word has bits: [`keep_greatest`].
    ManyVersions,
    /// All of them.
    No,
}

pub(super) fn is_plain(facts: &[Fact]) -> Plain {
    if facts.len() > u64::BITS as usize {
        return is_plain_of_many(facts);
    }
    let (mut ids, mut records) = (Seen::default(), Seen::default());
    let (mut carried, mut refers, mut withdrawn, mut ids_again, mut again) = (false, false, false, 0, 0);
    for (at, fact) in facts.iter().enumerate() {
        carried |= fact.path != 0;
        refers |= refers_to_others(fact);
        withdrawn |= fact.withdrawn;
        ids_again |= u64::from(ids.add(fact.id.0)) << at;
        // A visit and its claim share a record: they are no versions of each other.
        again |= u64::from(records.add(fact.record.0.wrapping_add(17 * fact.kind as u64))) << at;
    }
    let mut copies = false;
    for at in bits(ids_again) {
        for first in facts[..at].iter().filter(|fact| fact.id == facts[at].id) {
            if !is_plain_copy(first, &facts[at]) {
                return Plain::No;
            }
            copies = true;
        }
    }
    let has_version = |at: usize| facts[..at].iter().any(|fact| is_version(fact, &facts[at]));
    if carried {
        Plain::No
    } else if refers {
        Plain::References { again }
    } else if withdrawn || copies || bits(again).any(has_version) {
        Plain::Versions { again }
    } else {
        Plain::Whole
    }
}

fn is_plain_of_many(facts: &[Fact]) -> Plain {
    let mut ids: Vec<IdHash> = facts.iter().map(|fact| fact.id).collect();
    ids.sort_unstable();
    let twice = ids.windows(2).any(|pair| pair[0] == pair[1]);
    if twice || facts.iter().any(|fact| fact.path != 0 || refers_to_others(fact)) {
        Plain::No
    } else {
        Plain::ManyVersions
    }
}

#[inline]
fn refers_to_others(fact: &Fact) -> bool {
    fact.corrects.is_some()
        | fact.voids.is_some()
        | matches!(fact.kind, Kind::IdentityLinked | Kind::IdentityUnlinked)
}

/// Which hashes may have come before: one that did is always told, one that did not, seldom. Comparing every fact of a
/// history with every other would take longer than all the rest.
#[derive(Default)]
struct Seen([u64; 16]);

impl Seen {
    /// Adds a hash; whether it may have been there.
    #[inline]
    fn add(&mut self, hash: u64) -> bool {
        let word = &mut self.0[hash as usize % 16];
        let bit = 1 << (hash >> 4 & 63);
        let there = *word & bit != 0;
        *word |= bit;
        there
    }
}

/// The places of the bits of a word that are set.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = (word != 0).then(|| word.trailing_zeros() as usize);
        word &= word.wrapping_sub(1);
        at
    })
}

/// Whether a later fact says of the event of an earlier one just the same: then the earlier one, which was known first, stands for
/// both.
fn is_plain_copy(first: &Fact, later: &Fact) -> bool {
    let told = |fact: &Fact| (fact.content, fact.record, fact.kind, fact.occurred, fact.asserted);
    told(first) == told(later)
}

fn is_version(fact: &Fact, other: &Fact) -> bool {
    fact.same_record(other) && fact.kind == other.kind
}

/// Of several versions of a record the greatest counts.
fn version(fact: &Fact) -> (Millis, Millis, IdHash) {
    (fact.asserted, fact.recorded, fact.id)
}

/// The facts, as bits, that are the greatest version of their record and don't withdraw it. `again` as in [`Plain`].
pub(super) fn greatest(facts: &[Fact], again: u64, visible: impl Fn(&Fact) -> bool) -> u64 {
    let bit = |at: usize, is_set: bool| u64::from(is_set) << at;
    let visible = facts.iter().enumerate().fold(0, |word, (at, fact)| word | bit(at, visible(fact)));
    // A copy has the record of the first, so `again` names it: see `is_plain_copy`.
    let is_copy =
        |at: &usize| bits(visible & ((1 << at) - 1)).any(|before| facts[before].id == facts[*at].id);
    let visible = bits(again & visible).filter(is_copy).fold(visible, |word, at| word & !bit(at, true));
    let mut counts = visible;
    for at in bits(again & visible) {
        for before in bits(visible & ((1 << at) - 1)) {
            let (one, other) = (&facts[before], &facts[at]);
            if is_version(one, other) {
                counts &= !bit(if version(one) < version(other) { before } else { at }, true);
            }
        }
    }
    facts.iter().enumerate().fold(counts, |word, (at, fact)| word & !bit(at, fact.withdrawn))
}

/// Keeps of each record the greatest version, unless it withdraws the record. The order stays.
pub(super) fn keep_greatest(facts: &mut Vec<Fact>) {
    let record = |fact: &Fact| (fact.record, fact.emitter, fact.kind);
    let mut greatest: FxHashMap<(RecordHash, Code, Kind), (Millis, Millis, IdHash)> = FxHashMap::default();
    for fact in facts.iter() {
        let best = greatest.entry(record(fact)).or_insert(version(fact));
        *best = (*best).max(version(fact));
    }
    facts.retain(|fact| !fact.withdrawn && greatest[&record(fact)] == version(fact));
}

/// The facts, as bits, of those in `counts` that none of them takes back. No id is there twice, and nothing was carried.
/// `None`: they take each other back in a circle, or too many refer to something: then the whole rules are needed.
pub(super) fn not_taken_back(facts: &[Fact], counts: u64) -> Option<u64> {
    /// Who takes whom back: hardly a history has more.
    const TAKEN_MAX: usize = 16;
    let mut taken = [(0, 0); TAKEN_MAX];
    let mut count = 0;
    for taker in bits(counts) {
        let fact = &facts[taker];
        let is_meant = |other: &Fact| match (&fact.body, &other.body) {
            (Body::IdentityUnlinked { link }, Body::IdentityLinked { link: linked, .. })
                if link == linked =>
            {
                true
            }
            _ => fact.corrects == Some(other.id) || fact.voids == Some(other.id),
        };
        if !refers_to_others(fact) {
            continue;
        }
        for meant in bits(counts).filter(|at| is_meant(&facts[*at])) {
            if fact.by_operator || fact.emitter == facts[meant].emitter {
                *taken.get_mut(count)? = (meant, taker);
                count += 1;
            }
        }
    }
    let taken = &taken[..count];
    let mut open = taken.iter().fold(0, |word, (meant, _)| word | 1 << meant);
    let mut in_force = counts & !open;
    while open != 0 {
        let before = open;
        for meant in bits(before) {
            let mut takers = taken.iter().filter(|(taken, _)| *taken == meant).map(|(_, taker)| 1 << taker);
            if takers.clone().any(|taker: u64| in_force & taker != 0) {
                open &= !(1 << meant);
            } else if takers.all(|taker| open & taker == 0) {
                open &= !(1 << meant);
                in_force |= 1 << meant;
            }
        }
        if open == before {
            return None;
        }
    }
    Some(in_force)
}

/// The runs of bits of a word that are set.
pub(super) fn runs(mut word: u64) -> impl Iterator<Item = Range<usize>> {
    std::iter::from_fn(move || {
        let start = word.trailing_zeros();
        let run = (word != 0).then(|| start + (!(word >> start)).trailing_zeros());
        // The bits below the end of the run are done with.
        word = run.map_or(0, |end| word & u64::MAX.checked_shl(end).unwrap_or(0));
        run.map(|end| start as usize..end as usize)
    })
}
