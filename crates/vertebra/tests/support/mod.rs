//! Runs the command that was built, on folders of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A claim file of the demonstration.
pub(crate) fn claim_file(name: &str) -> String {
    repository().join("deploy/demo/claims").join(name).display().to_string()
}

/// An empty folder, gone at the end.
pub(crate) struct Folder {
    folder: TempDir,
    /// Where the logs of its data folder stand, if not in it.
    log: Option<String>,
}

/// What a run said.
pub(crate) struct Ran {
    pub(crate) command: String,
    pub(crate) output: Output,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder { folder: TempDir::new().unwrap(), log: None }
    }

    /// One whose logs stand elsewhere.
    pub(crate) fn with_log(log: &str) -> Folder {
        Folder { log: Some(log.to_owned()), ..Folder::new() }
    }

    /// Whether others write to where its logs stand.
    pub(crate) fn is_shared(&self) -> bool {
        self.log.is_some()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vertebra"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("VERTEBRA_DATA")
            .env_remove("VERTEBRA_LOG")
            .env_remove("VERTEBRA_TRACE");
        command.envs(self.log.iter().map(|log| ("VERTEBRA_LOG", log)));
        command.stdin(Stdio::null());
        command
    }

    /// Runs the command with `data` in this folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran { command: arguments.join(" "), output: self.command(arguments).output().unwrap() }
    }

    /// Runs the command with `text` on its standard input.
    pub(crate) fn run_on(&self, arguments: &[&str], text: &str) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        Ran { command: arguments.join(" "), output: child.wait_with_output().unwrap() }
    }

    /// A copy of a folder of the repository.
    pub(crate) fn copy_of(&self, name: &str) -> String {
        let copy = self.folder.path().join(name);
        std::fs::create_dir(&copy).unwrap();
        for entry in std::fs::read_dir(repository().join(name)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
        copy.display().to_string()
    }

    /// Starts a command that goes on, and waits until it says `word` on standard error.
    pub(crate) fn starts(&self, arguments: &[&str], word: &str) -> Running {
        let mut child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let error = BufReader::new(child.stderr.take().unwrap());
        let said = error.lines().map(Result::unwrap).any(|line| line.contains(word));
        assert!(said, "vertebra {} ended without a word of it", arguments.join(" "));
        Running(child)
    }

    /// Runs the command, reads its first bytes and hangs up.
    pub(crate) fn closes_its_ears(&self, arguments: &[&str]) {
        let mut child =
            self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 100];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{}: {said}", output.status);
    }
}

/// A command that goes on.
pub(crate) struct Running(Child);

impl Running {
    /// Asks it to end, as Ctrl-C does, and sees that it does well.
    pub(crate) fn ends_when_asked(mut self) {
        let asked = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap();
        assert!(asked.success());
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something holds, but not for ever.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not after a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Ran {
    /// What it printed, where it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        self.fails_or_not(0)
    }

    /// What it printed, on both streams, where it ended with this code.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        self.fails_or_not(code)
    }

    #[track_caller]
    fn fails_or_not(self, code: i32) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, error) = (text(&self.output.stdout), text(&self.output.stderr));
        assert_eq!(self.output.status.code(), Some(code), "vertebra {}\n{out}\n{error}", self.command);
        assert!(!error.contains("panicked"), "{error}");
        if code == 0 { out } else { out + &error }
    }
}
