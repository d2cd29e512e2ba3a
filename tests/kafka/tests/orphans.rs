//! Brokers end with the process that started them, whichever way it ends.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use kafka_harness::{Cluster, Error, Installation, Nodes, required, wait_for};

/// Which role a copy of this test program plays, if it is one.
const ROLE: &str = "HARNESS_TEST_ROLE";

#[test]
fn a_process_that_is_killed_leaves_no_broker() -> Result<(), Error> {
    if !required() {
        return Ok(());
    }
    let mut holder = Holder::start("killed");
    assert!(Path::new("/proc").join(&holder.broker).exists());
    holder.process.kill().unwrap();
    holder.process.wait().unwrap();
    holder.wait_until_all_is_gone()
}

#[test]
fn logs_stay_if_a_test_failed() -> Result<(), Error> {
    if !required() {
        return Ok(());
    }
    // A broker of its own, and one that is shared, which nobody drops.
    for role in ["failing", "failing-shared"] {
        let mut holder = Holder::start(role);
        // It fails as a test does, by a panic.
        assert!(!holder.process.wait().unwrap().success());
        holder.wait_until_all_is_gone()?;
        let name = holder.folder.file_name().unwrap();
        let kept = Installation::get()?.folder().join("failed").join(name);
        assert!(kept.join("node-1.log").exists(), "{role}");
        fs::remove_dir_all(kept).unwrap();
    }
    Ok(())
}

/// Not a test of its own: what the copies do that the tests start.
#[test]
fn holder() -> Result<(), Error> {
    let Ok(role) = env::var(ROLE) else { return Ok(()) };
    let announce = |cluster: &Cluster| {
        let broker = cluster.node(1).process_id().expect("it was started");
        println!("\nholds {broker} {}", cluster.folder().display());
    };
    match role.as_str() {
        "killed" => {
            let cluster = Cluster::start(Nodes::One)?;
            announce(&cluster);
            loop {
                std::thread::park();
            }
        }
        "failing" => {
            let cluster = Cluster::start(Nodes::One)?;
            announce(&cluster);
            panic!("a test that fails");
        }
        "failing-shared" => {
            let cluster = Cluster::shared()?;
            announce(&cluster);
            panic!("a test that fails");
        }
        _ => panic!("no such role"),
    }
}

/// A copy of this program that holds a broker.
struct Holder {
    process: Child,
    /// Kept open: it must not fail on what it prints.
    _said: BufReader<ChildStdout>,
    broker: String,
    folder: PathBuf,
}

impl Holder {
    fn start(role: &str) -> Self {
        let mut process = Command::new(env::current_exe().expect("a program knows its file"))
            .args(["holder", "--exact", "--nocapture"])
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a copy of this program starts");
        let mut said = BufReader::new(process.stdout.take().expect("it was asked for"));
        let mut line = String::new();
        while !line.starts_with("holds ") {
            line.clear();
            assert_ne!(
                said.read_line(&mut line).expect("it prints text"),
                0,
                "it ended before it held a broker"
            );
        }
        let mut words = line.trim().splitn(3, ' ').skip(1).map(str::to_owned);
        let broker = words.next().expect("a process id and a folder");
        let folder = PathBuf::from(words.next().expect("a process id and a folder"));
        Self { process, _said: said, broker, folder }
    }

    fn wait_until_all_is_gone(&self) -> Result<(), Error> {
        wait_for("the broker and its folder to be gone", Duration::from_secs(10), || {
            let gone = !Path::new("/proc").join(&self.broker).exists() && !self.folder.exists();
            Ok(gone.then_some(()))
        })
    }
}
