//! One broker's process: started, killed, ended, held and let go, by its process id.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    Broker, Error, Installation,
    error::tail,
    wire::{Connection, KnownBroker},
};

/// The program that outlives the test process by a moment.
const SUPERVISE: &str = include_str!("supervise.sh");

/// How long a broker may take to come up, or to go down when it is asked to.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where one run's files are, and where its logs go if it fails.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) folder: PathBuf,
    pub(crate) kept: PathBuf,
}

/// One broker of a cluster.
///
/// Faults may come from any thread, beside what others do with the cluster.
#[derive(Debug)]
pub struct Node {
    broker: Broker,
    log: PathBuf,
    folder: PathBuf,
    kept: PathBuf,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    supervisor: Child,
    words: ChildStdin,
    broker: Pid,
    paused: bool,
}

impl Node {
    pub(crate) fn new(broker: Broker, run: &Run) -> Self {
        let log = run.folder.join("logs").join(format!("node-{}.log", broker.id));
        Self { broker, log, folder: run.folder.clone(), kept: run.kept.clone(), process: Mutex::new(None) }
    }

    /// Its `node.id`, from 1.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.broker.id
    }

    /// Its port on 127.0.0.1; the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.broker.port
    }

    /// Its folder of data (`log.dirs`).
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.broker.folder.join("data")
    }

    /// What it logs.
    #[must_use]
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Whether its process was started, and was not killed or stopped since.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process().is_some()
    }

    /// Whether it can answer: it runs and is not paused.
    pub(crate) fn can_answer(&self) -> bool {
        self.process().as_ref().is_some_and(|process| !process.paused)
    }

    /// The process id of its virtual machine.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process().as_ref().map(|process| process.broker.as_raw_nonzero().get().unsigned_abs())
    }

    /// Starts it, with the ports and the data that it had, and waits until it serves. Nothing if it runs.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] with the end of its log, or [`Error::Late`].
    pub fn start(&self) -> Result<(), Error> {
        self.launch()?;
        let deadline = Instant::now() + PATIENCE;
        let id = i32::try_from(self.id()).unwrap_or(i32::MAX);
        while !self.answers(|brokers| brokers.iter().any(|broker| broker.id == id)) {
            self.check_alive()?;
            if Instant::now() > deadline {
                return Err(late(format!("broker {} to serve", self.id())));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Starts its process without waiting for it.
    pub(crate) fn launch(&self) -> Result<(), Error> {
        let mut process = self.process();
        if process.is_some() {
            return Ok(());
        }
        let installation = Installation::get()?;
        let java = installation.java(self.broker.heap_mib, self.broker.pace);
        // A session of its own: an interrupt from the keyboard ends the test, and its brokers then follow in their own way.
        let mut supervisor = Command::new("setsid")
            .args(["sh", "-c", SUPERVISE, "supervise.sh"])
            .args([&self.folder, &self.kept, &self.log])
            .arg(java.get_program())
            .args(java.get_args())
            .arg("kafka.Kafka")
            .arg(self.broker.properties_file())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::io("start a supervisor with `setsid sh`"))?;
        let words = supervisor.stdin.take().expect("standard input was asked for");
        let mut line = String::new();
        let said = supervisor.stdout.take().expect("standard output was asked for");
        BufReader::new(said).read_line(&mut line).map_err(Error::io("read a broker's process id"))?;
        let broker = line.trim().parse().ok().and_then(Pid::from_raw).ok_or_else(|| Error::Program {
            what: "the supervisor of a broker".into(),
            said: format!("{line:?} in the place of a process id"),
        })?;
        *process = Some(Process { supervisor, words, broker, paused: false });
        Ok(())
    }

    /// Kills it (SIGKILL), and waits until it is gone. Nothing if it doesn't run.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn kill(&self) -> Result<(), Error> {
        let Some(process) = self.process().take() else { return Ok(()) };
        let killed = process.signal(Signal::KILL);
        process.leave()?;
        killed
    }

    /// Ends it in order (SIGTERM: it hands over its leaderships first), and waits until it is gone. Nothing if it doesn't run.
    ///
    /// # Errors
    ///
    /// [`Error::Late`] if it doesn't end within a minute; it is killed then.
    pub fn stop(&self) -> Result<(), Error> {
        let Some(mut process) = self.process().take() else { return Ok(()) };
        // If it cannot be signalled it is gone, or will be when its supervisor leaves.
        let _ = process.resume().and_then(|()| process.signal(Signal::TERM));
        let deadline = Instant::now() + PATIENCE;
        let mut ended = process.ended();
        while !ended && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
            ended = process.ended();
        }
        process.leave()?;
        if ended { Ok(()) } else { Err(late(format!("broker {} to end in order", self.id()))) }
    }

    /// Holds it (SIGSTOP): its connections stay, and nothing is answered.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn pause(&self) -> Result<(), Error> {
        match self.process().as_mut() {
            Some(process) => process.pause(),
            None => Ok(()),
        }
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn resume(&self) -> Result<(), Error> {
        match self.process().as_mut() {
            Some(process) => process.resume(),
            None => Ok(()),
        }
    }

    /// Whether it answers, and what it says of the brokers that serve satisfies `enough`.
    pub(crate) fn answers(&self, enough: impl FnOnce(&[KnownBroker]) -> bool) -> bool {
        Connection::open(self.port())
            .and_then(|mut connection| connection.metadata(Some(&[])))
            .is_ok_and(|metadata| enough(&metadata.brokers))
    }

    /// An error if it was started and is no more.
    pub(crate) fn check_alive(&self) -> Result<(), Error> {
        match self.process().as_ref() {
            Some(process) if process.ended() => Err(Error::Ended {
                id: self.id(),
                log: self.log.clone(),
                said: tail(&fs::read_to_string(&self.log).unwrap_or_default()),
            }),
            _ => Ok(()),
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        // What it guards is whole at every step: a test that panicked meanwhile is no reason not to clean up.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    fn signal(&self, signal: Signal) -> Result<(), Error> {
        // The supervisor has not waited for it, so the id is still this process's.
        kill_process(self.broker, signal).map_err(|e| Error::io("signal a broker")(e.into()))
    }

    fn pause(&mut self) -> Result<(), Error> {
        self.signal(Signal::STOP)?;
        self.paused = true;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Error> {
        self.signal(Signal::CONT)?;
        self.paused = false;
        Ok(())
    }

    /// Whether the broker has ended; its supervisor keeps what is left of it until it is told to leave.
    fn ended(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.broker.as_raw_nonzero()));
        // `pid (name) state ...`
        stat.map_or(true, |stat| stat.rsplit(") ").next().is_none_or(|rest| rest.starts_with(['Z', 'X'])))
    }

    /// Lets the supervisor end without removing anything, and waits for it.
    fn leave(mut self) -> Result<(), Error> {
        // If it cannot be told, it is gone.
        let _ = self.words.write_all(b"leave\n");
        drop(self.words);
        let status = self.supervisor.wait().map_err(Error::io("wait for a broker's supervisor"))?;
        match status.signal() {
            None => Ok(()),
            Some(signal) => Err(Error::Program {
                what: "the supervisor of a broker".into(),
                said: format!("ended by signal {signal}"),
            }),
        }
    }
}

pub(crate) fn late(what: String) -> Error {
    Error::Late { what, seconds: PATIENCE.as_secs() }
}
