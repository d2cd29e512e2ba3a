//! What `kcat` shows of a topic.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::{Command, Stdio},
};

/// A record as it stands there.
pub(crate) struct Shown {
    /// `name=value`, with commas between.
    pub(crate) headers: String,
    /// `None`: the record has none, which is not the same as an empty one.
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
}

/// Whether there is a `kcat`; where there is none, that is said past the capture of test output.
pub(crate) fn is_installed() -> bool {
    let installed =
        Command::new("kcat").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !installed {
        // Nobody to tell if standard error is closed.
        let _ = writeln!(
            io::stderr(),
            "kcat is not installed (Debian: `apt install kcat`): what it shows of a record is left out"
        );
    }
    installed
}

/// All records of a topic, by partition and offset.
pub(crate) fn show(brokers: &str, topic: &str) -> BTreeMap<(u16, u64), Shown> {
    let output = Command::new("kcat")
        .args(["-C", "-q", "-e", "-o", "beginning", "-b", brokers, "-t", topic])
        // Lengths first: keys and values are bytes.
        .args(["-f", "%p %o %K %S %h\n%k%s\n"])
        .stdin(Stdio::null())
        .output()
        .expect("kcat runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut shown = BTreeMap::new();
    let mut rest = &output.stdout[..];
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').expect("a line of lengths");
        let line = std::str::from_utf8(&rest[..end]).expect("headers are text");
        let mut fields = line.splitn(5, ' ');
        let mut number = || fields.next().and_then(|field| field.parse::<i64>().ok()).expect("a number");
        let (partition, offset, key, value) = (number(), number(), number(), number());
        let place = (partition.try_into().expect("few"), offset.try_into().expect("from 0"));
        let headers = fields.next().expect("headers come last").to_owned();
        rest = &rest[end + 1..];
        let mut take = |length: i64| {
            let (taken, left) = rest.split_at(usize::try_from(length).expect("a length"));
            rest = left;
            taken.to_vec()
        };
        // A length of -1 says that there is none.
        let key = (key >= 0).then(|| take(key));
        let value = take(value);
        assert_eq!(take(1), b"\n", "{line}");
        shown.insert(place, Shown { headers, key, value });
    }
    shown
}
