//! The program as it runs.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::Error;

/// How long it may take to end in order.
const CLOSING: Duration = Duration::from_secs(90);

/// A peer that runs. It is killed when this is dropped, and when this process ends.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<Line>,
    log: PathBuf,
    report: bool,
    ready: Option<f64>,
}

/// What is counted of some people, by the coverage projection's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "measures bear the names of the coverage projection's")]
pub struct Counts {
    pub people: i64,
    pub insured: i64,
    pub record: i64,
    pub managed: i64,
    pub checked_up: i64,
}

/// What a catch-up was.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct CaughtUp {
    /// Events it read: more than were pending if it had to read some again.
    pub events: u64,
    /// Events that were not yet committed when it started.
    pub pending: u64,
    /// From ready to everything read, counted, served and committed.
    pub seconds: f64,
    /// `pending` in a second of `seconds`.
    pub events_per_s: f64,
    /// From ready to everything counted and served, though not all committed.
    pub counted_s: f64,
    /// From the start of the process until it was assigned its partitions, and all its state restored.
    pub ready_s: f64,
    /// Resident memory of the process at the end, in MiB.
    pub rss_mb: u64,
    /// The most it was.
    pub rss_mb_max: u64,
    /// Time on processors since the process began, of all its threads, in seconds: what to compare where others run beside it.
    pub cpu_s: f64,
    /// Copies of events that were known.
    pub copies: u64,
    /// Records that are no events.
    pub set_aside: u64,
    /// Records that went through the repartition topic.
    pub sent: u64,
    /// Counts by commune, if a report was asked for; of `none` who is known to live nowhere.
    #[serde(skip)]
    pub counts: BTreeMap<String, Counts>,
    /// Counts by commune and group.
    #[serde(skip)]
    pub cells: BTreeMap<(String, String), Counts>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum Line {
    Ready {
        ready_s: f64,
    },
    Progress {},
    Done(CaughtUp),
    Commune {
        commune: String,
        #[serde(flatten)]
        counts: Counts,
    },
    Cell {
        commune: String,
        group: String,
        #[serde(flatten)]
        counts: Counts,
    },
    Reported {},
}

impl Running {
    pub(crate) fn start(mut command: Command, log: PathBuf, report: bool) -> Result<Running, Error> {
        let out = File::create(&log).map_err(Error::io(format!("make {}", log.display())))?;
        let mut child = command
            // It ends with this pipe.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(out)
            .spawn()
            .map_err(Error::io("start java"))?;
        let said = child.stdout.take().expect("standard output was asked for");
        let (lines, received) = mpsc::channel();
        thread::spawn(move || read(said, &lines));
        Ok(Running { child, lines: received, log, report, ready: None })
    }

    /// Its process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes, now; `None`: it runs no more.
    #[must_use]
    pub fn rss_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
    }

    /// Waits until it has its partitions and its state: the seconds since its process began, by its own clock.
    ///
    /// # Errors
    ///
    /// [`Error::Late`] after `patience`, [`Error::Ended`].
    pub fn wait_ready(&mut self, patience: Duration) -> Result<f64, Error> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(ready) = self.ready {
                return Ok(ready);
            }
            if let Line::Ready { ready_s } = self.line("to be ready", deadline, patience)? {
                self.ready = Some(ready_s);
            }
        }
    }

    /// Waits until everything that was in the topic when it started is counted and committed.
    ///
    /// # Errors
    ///
    /// [`Error::Late`] after `patience`, [`Error::Ended`].
    pub fn wait_caught_up(&mut self, patience: Duration) -> Result<CaughtUp, Error> {
        let deadline = Instant::now() + patience;
        let mut caught_up = CaughtUp::default();
        loop {
            match self.line("to catch up", deadline, patience)? {
                Line::Ready { ready_s } => self.ready = Some(ready_s),
                Line::Progress {} => {}
                Line::Done(done) if self.report => caught_up = done,
                Line::Done(done) => return Ok(done),
                Line::Commune { commune, counts } => {
                    caught_up.counts.insert(commune, counts);
                }
                Line::Cell { commune, group, counts } => {
                    caught_up.cells.insert((commune, group), counts);
                }
                Line::Reported {} => return Ok(caught_up),
            }
        }
    }

    /// Ends it in order (SIGTERM): it commits, and its next start finds its state.
    ///
    /// # Errors
    ///
    /// [`Error::Late`] if it doesn't end within a minute and a half; it is killed then.
    pub fn stop(mut self) -> Result<(), Error> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.has_not_ended()) {
            kill_process(pid, Signal::TERM).map_err(|error| Error::io("end the peer")(error.into()))?;
        }
        let deadline = Instant::now() + CLOSING;
        while self.has_not_ended() {
            if Instant::now() > deadline {
                return Err(Error::Late { what: "to end", seconds: CLOSING.as_secs() });
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    pub fn kill(self) {
        drop(self);
    }

    fn has_not_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn line(&self, what: &'static str, deadline: Instant, patience: Duration) -> Result<Line, Error> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.lines.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Timeout => Error::Late { what, seconds: patience.as_secs() },
            RecvTimeoutError::Disconnected => {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                let lines: Vec<&str> = said.lines().take(40).collect();
                Error::Ended(lines.join("\n"))
            }
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already, if it cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            let _ = fs::remove_file(&self.log);
        }
    }
}

fn read(said: ChildStdout, lines: &mpsc::Sender<Line>) {
    for line in BufReader::new(said).lines() {
        let Ok(line) = line else { return };
        // What is no line of ours, as a library's greeting, is passed over.
        if let Ok(line) = serde_json::from_str(&line)
            && lines.send(line).is_err()
        {
            return;
        }
    }
}
