//! The command under limits: small files in place of a full disk, and permissions that bind even the superuser.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Folder, Ran};

/// `nobody`, whom permissions bind.
const NOBODY: u32 = 65_534;

impl Folder {
    /// Runs the command; no file may grow past so many bytes. A write past them fails, as on a full disk.
    pub(crate) fn run_with_small_files(&self, bytes: u64, arguments: &[&str]) -> Ran {
        let run = self.command(arguments);
        let mut command = Command::new("sh");
        // The shell counts blocks of 512 bytes. Ignored, the signal leaves the write to fail.
        let script = r#"trap '' XFSZ; ulimit -f "$0"; exec "$@""#;
        command.args(["-c", script, &(bytes / 512).to_string()]).arg(run.get_program()).args(run.get_args());
        command.current_dir(self.path("")).env_remove("VERTEBRA_DATA").env_remove("VERTEBRA_LOG");
        command.stdin(Stdio::null());
        Ran { command: arguments.join(" "), output: command.output().unwrap() }
    }

    /// Makes the data folder and all in it writable or not, and its owner somebody whom that binds.
    pub(crate) fn set_writable(&self, writable: bool) {
        let owner = (!writable && self.is_of_superuser()).then_some(NOBODY);
        let owner = owner.or((writable && self.is_of_superuser()).then_some(0));
        fs::set_permissions(self.path(""), Permissions::from_mode(0o755)).unwrap();
        set_writable(Path::new(&self.path("data")), writable, owner);
    }

    fn is_of_superuser(&self) -> bool {
        fs::metadata(self.path("")).unwrap().uid() == 0
    }

    /// The command as somebody whom permissions bind.
    fn bound(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        if self.is_of_superuser() {
            command.uid(NOBODY);
        }
        command
    }

    /// Whether the command can be run like that: another user may have no way to it.
    pub(crate) fn can_run_bound_by_permissions(&self) -> bool {
        self.bound(&["--version"]).output().is_ok_and(|output| output.status.success())
    }

    pub(crate) fn run_bound_by_permissions(&self, arguments: &[&str]) -> Ran {
        Ran { command: arguments.join(" "), output: self.bound(arguments).output().unwrap() }
    }
}

fn set_writable(path: &Path, writable: bool, owner: Option<u32>) {
    if let Some(owner) = owner {
        chown(path, Some(owner), None).unwrap();
    }
    let is_dir = path.is_dir();
    let mode = match (is_dir, writable) {
        (true, true) => 0o755,
        (true, false) => 0o555,
        (false, true) => 0o644,
        (false, false) => 0o444,
    };
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    if is_dir {
        for entry in fs::read_dir(path).unwrap() {
            set_writable(&entry.unwrap().path(), writable, owner);
        }
    }
}

impl Ran {
    pub(crate) fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// What it printed.
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// What it complained of.
    pub(crate) fn error(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}
