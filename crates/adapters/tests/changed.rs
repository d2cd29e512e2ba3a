//! Thousands of changed files, each with all that holds of any bytes; the fuzz target beside this crate goes on from here.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "support/law.rs"]
mod law;
#[allow(dead_code, reason = "other tests need the rest of it")]
mod support;

use proptest::{prelude::*, sample::Index};
use support::{EVERY_AS, file};

/// One change to a file's bytes.
#[derive(Clone, Debug)]
enum Change {
    Put(Index, u8),
    Insert(Index, &'static str),
    Remove(Index, usize),
    /// A stretch again at another place: records in records, tables twice, rows without end.
    Copy(Index, Index, usize),
    /// Both stretches change places.
    Swap(Index, Index, usize),
}

/// What framing, base64, XML and fields each take for the end or the beginning of something.
const WORDS: [&str; 34] = [
    "<",
    ">",
    "</",
    "/>",
    "&",
    ";",
    "\"",
    "\0",
    "\u{feff}",
    "\u{301}",
    "=",
    "====",
    "\r\n",
    "<HOSO>",
    "</HOSO>",
    "<HOSO/>",
    "<FILEHOSO>",
    "</FILEHOSO>",
    "</NOIDUNGFILE>",
    "<LOAIHOSO>XML1</LOAIHOSO>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml encoding=\"utf-16\"?>",
    "<!DOCTYPE a>",
    "&#0;",
    "&#x110000;",
    "&lol;",
    "</GIAMDINHHS>",
    "<MA_LK></MA_LK>",
    "99999999999999999999",
    "-0.0000001",
    "999912312359",
];

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        let stretch = |at: &Index, count: usize| {
            let from = at.index(length);
            from..(from + count).min(length)
        };
        match self {
            Change::Put(at, byte) => bytes[at.index(length)] = *byte,
            Change::Insert(at, word) => {
                let at = at.index(length);
                bytes.splice(at..at, word.bytes());
            }
            Change::Remove(at, count) => drop(bytes.drain(stretch(at, *count))),
            Change::Copy(from, to, count) => {
                let (copied, to) = (bytes[stretch(from, *count)].to_vec(), to.index(length));
                bytes.splice(to..to, copied);
            }
            Change::Swap(one, other, count) => {
                let (one, other) = (one.index(length), other.index(length));
                let count = (*count).min(length - one.max(other)).min(one.abs_diff(other));
                (0..count).for_each(|at| bytes.swap(one + at, other + at));
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (at(), prop::sample::select(&WORDS[..])).prop_map(|(at, word)| Change::Insert(at, word)),
        (at(), 1..300usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (at(), at(), 1..3000usize).prop_map(|(from, to, count)| Change::Copy(from, to, count)),
        (at(), at(), 1..300usize).prop_map(|(one, other, count)| Change::Swap(one, other, count)),
    ]
}

/// Files of a few records in both wordings, held in every way.
fn base() -> impl Strategy<Value = String> {
    let wrap = prop::sample::select(&EVERY_AS[..]);
    let wording = prop::sample::select(vec!["4750", "3176"]);
    let record = prop::sample::select(vec![
        "record XML0\nXML0 MA_LK=L0\n",
        "record\n",
        "record XML1 XML2 XML3 XML13\nXML1 MA_LK=L3 MA_BENH_CHINH=B20\nXML2 MA_LK=L3\nXML3 MA_LK=L3\nXML13 MA_LK=L3\n",
        "record XML13\n",
        "record XML4 XML1\nXML1 MA_DOITUONG_KCB=8\n",
        "record XML1 XML2\nXML1 MA_THE_BHYT=DN4010000000001;HN2010000000001 T_THUOC=x900*9\nXML2+ STT=2\n",
    ]);
    (wrap, wording, prop::collection::vec(record, 1..4)).prop_map(|(wrap, wording, records)| {
        let wrap = format!("{wrap:?}").to_lowercase();
        file(&format!("file as={wrap} wording={wording}\n{}", records.concat()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_file_is_an_answer_and_a_cut_one_keeps_its_whole_records(
        text in base(),
        changes in prop::collection::vec(change(), 0..10),
        piece in prop::sample::select(vec![1, 7, 64, 4096]),
        cuts in prop::collection::vec(any::<usize>(), 2),
    ) {
        let mut bytes = text.into_bytes();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        law::check(&bytes, piece, &cuts);
    }
}
