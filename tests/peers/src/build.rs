//! The program and its jars, once per cargo target directory.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use kafka_harness::{Installation, Pace, target_dir};

use crate::{Arguments, Error, Guarantee, Running};

/// What is built: compiled in, so that a change of any is a change of the stamp.
const SOURCES: [&str; 10] = [
    include_str!("../streams/pom.xml"),
    include_str!("../streams/src/vertebra/streams/Bytes8.java"),
    include_str!("../streams/src/vertebra/streams/Counting.java"),
    include_str!("../streams/src/vertebra/streams/Figures.java"),
    include_str!("../streams/src/vertebra/streams/History.java"),
    include_str!("../streams/src/vertebra/streams/Main.java"),
    include_str!("../streams/src/vertebra/streams/Options.java"),
    include_str!("../streams/src/vertebra/streams/Progress.java"),
    include_str!("../streams/src/vertebra/streams/RocksSettings.java"),
    include_str!("../streams/src/vertebra/streams/Told.java"),
];

/// The peer on Kafka Streams, ready to run: `<cargo target directory>/streams-peer`.
#[derive(Debug)]
pub struct Streams {
    java: OsString,
    folder: PathBuf,
}

impl Streams {
    /// The peer; built if it isn't or its sources have changed. Processes that ask at the same time wait for one of them.
    ///
    /// # Errors
    ///
    /// [`Error::Build`] without a JDK or Maven, or when the jars can't be had.
    pub fn build() -> Result<&'static Streams, Error> {
        static STREAMS: OnceLock<Result<Streams, Error>> = OnceLock::new();
        STREAMS.get_or_init(Streams::make).as_ref().map_err(Error::Before)
    }

    fn make() -> Result<Streams, Error> {
        // The same Java as the brokers'.
        let java = Installation::get()?.java(64, Pace::Quick).get_program().to_owned();
        let streams = Streams { java, folder: target_dir().join("streams-peer") };
        let folder = &streams.folder;
        fs::create_dir_all(folder).map_err(Error::io(format!("make {}", folder.display())))?;
        // Held until it is dropped, or until this process is gone.
        let lock = File::create(folder.join("lock"))
            .and_then(|file| file.lock().map(|()| file))
            .map_err(Error::io(format!("lock {}", folder.display())))?;
        let complete = folder.join("complete");
        let stamp = SOURCES.concat();
        if fs::read_to_string(&complete).is_ok_and(|found| found == stamp) {
            return Ok(streams);
        }
        for old in [complete.clone(), streams.classes(), streams.libs()] {
            // What is replaced counts as incomplete until it is whole; what isn't there need not be removed.
            let _ = if old.is_dir() { fs::remove_dir_all(&old) } else { fs::remove_file(&old) };
        }
        let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("streams/pom.xml");
        let done = Command::new("mvn")
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(pom)
            .args(["compile", "dependency:copy-dependencies"])
            .arg(format!("-Dout={}", folder.display()))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::Build(format!("mvn cannot be run: {error}")))?;
        if !done.status.success() {
            let said = [&done.stdout[..], &done.stderr[..]].concat();
            let said = String::from_utf8_lossy(&said);
            let first: Vec<&str> = said.lines().take(30).collect();
            return Err(Error::Build(first.join("\n")));
        }
        fs::write(&complete, stamp).map_err(Error::io(format!("write {}", complete.display())))?;
        drop(lock);
        Ok(streams)
    }

    /// Starts it on the topic `PREFIX.events.v1`. It goes on until it is stopped, or killed with what it returns.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be started.
    pub fn start(&self, bootstrap: &str, prefix: &str, arguments: &Arguments) -> Result<Running, Error> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let log = self.folder.join(format!(
            "run-{}-{}.log",
            std::process::id(),
            RUNS.fetch_add(1, Ordering::Relaxed)
        ));
        let mut command = Command::new(&self.java);
        command
            .arg(format!("-Xmx{}m", arguments.heap_mib))
            .args(["-XX:+UseParallelGC", "-Xshare:auto", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"])
            .arg("-cp")
            .arg(format!("{}:{}/*", self.classes().display(), self.libs().display()))
            .args(["vertebra.streams.Main", "--bootstrap", bootstrap, "--prefix", prefix, "--state-dir"])
            .arg(&arguments.state_dir)
            .args(["--threads", &arguments.threads.to_string(), "--on", &arguments.on, "--end-with-input"])
            .args(["--guarantee", if arguments.guarantee == Guarantee::ExactlyOnce { "eos" } else { "alo" }])
            .args(arguments.report.then_some("--report"))
            .args(&arguments.more);
        Running::start(command, log, arguments.report)
    }

    fn classes(&self) -> PathBuf {
        self.folder.join("classes")
    }

    fn libs(&self) -> PathBuf {
        self.folder.join("libs")
    }
}
