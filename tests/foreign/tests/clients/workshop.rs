//! The clients, made once per cargo target directory: packages fetched by their own tools, classes compiled, code generated
//! from `proto/`. Made again when what they are made of has changed.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use kafka_harness::{Installation, Pace, target_dir};

/// The Python program, with its packages.
pub(crate) struct Python {
    folder: PathBuf,
}

impl Python {
    /// To be given the broker and the topics.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.folder.join("env/bin/python"));
        command.arg(here().join("python/read_events.py")).env("PYTHONPATH", self.folder.join("generated"));
        command
    }
}

/// Makes it. Fails with a sentence where this machine lacks what it needs.
pub(crate) fn python() -> Python {
    const LACKS: &str = "Python 3 with its module venv is missing; install it (Debian: `apt install python3-venv`), or \
                         leave these tests out with KAFKA=skip";
    let version = Command::new("python3")
        .args(["-c", "import sys; print(sys.version, sys.executable)"])
        .stdin(Stdio::null())
        .output();
    let version = version.expect(LACKS);
    let requirements = here().join("python/requirements.txt");
    let stamp = [&String::from_utf8_lossy(&version.stdout), &text(&requirements)[..], &protos()].concat();
    let folder = made_once("python", &stamp, |folder| {
        let environment = folder.join("env");
        let output = run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        // Debian's own Python has the module and says of its other half what is missing.
        assert!(output.status.success(), "{LACKS}\n{}", said(&output));
        let python = environment.join("bin/python");
        succeed(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
                .arg(&requirements),
        );
        let generated = folder.join("generated");
        fs::create_dir_all(&generated).expect("a folder");
        succeed(
            Command::new(&python)
                .args(["-m", "grpc_tools.protoc", "--proto_path"])
                .arg(proto())
                .arg("--python_out")
                .arg(&generated)
                .args(proto_files()),
        );
    });
    Python { folder }
}

/// The Java program, compiled, with its jars.
pub(crate) struct Java {
    folder: PathBuf,
}

impl Java {
    /// To be given the broker and the topics.
    pub(crate) fn command(&self) -> Command {
        let installation = Installation::get().expect("asked for before");
        let mut command = installation.java(256, Pace::Quick);
        // In place of the broker's: a program of somebody else has only its own.
        let classes =
            format!("{}:{}", self.folder.join("classes").display(), self.folder.join("libs/*").display());
        command.args(["-cp", &classes, "vertebra.foreign.ReadEvents"]);
        command
    }
}

/// Makes it. Fails with a sentence where this machine lacks what it needs.
pub(crate) fn java() -> Java {
    const LACKS: &str = "a Java compiler (javac) or Maven (mvn) is missing; install them (Debian: `apt install \
                         openjdk-17-jdk-headless maven`), or leave these tests out with KAFKA=skip";
    let pom = here().join("java/pom.xml");
    let sources = text(&here().join("java/src/main/java/vertebra/foreign/ReadEvents.java"));
    let folder = made_once("java", &[text(&pom), sources, protos()].concat(), |folder| {
        let home = env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/javac"));
        let javac = home.filter(|javac| javac.exists()).unwrap_or_else(|| PathBuf::from("javac"));
        for program in [javac, PathBuf::from("mvn")] {
            let version = Command::new(program).arg("-version").stdin(Stdio::null()).output();
            assert!(version.is_ok_and(|output| output.status.success()), "{LACKS}");
        }
        succeed(
            Command::new("mvn")
                .args(["--quiet", "--batch-mode", "--file"])
                .arg(&pom)
                .args(["compile", "dependency:copy-dependencies"])
                .arg(format!("-Dout={}", folder.display()))
                .arg(format!("-DoutputDirectory={}", folder.join("libs").display())),
        );
    });
    Java { folder }
}

/// A folder of the target directory whose contents `make` makes of what is in `stamp`. Processes that ask at the same time
/// wait for one of them.
fn made_once(name: &str, stamp: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let root = target_dir().join("foreign");
    fs::create_dir_all(&root).expect("a folder of the target directory");
    // Programs that are made say where they are.
    let root = root.canonicalize().expect("it was just made");
    // Held until it is dropped, or until this process is gone.
    let lock = File::create(root.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("a lock");
    let folder = root.join(name);
    let complete = root.join(format!("{name}.complete"));
    if fs::read_to_string(&complete).is_ok_and(|found| found == stamp) && folder.exists() {
        return folder;
    }
    // What is replaced counts as incomplete until it is whole.
    let _ = fs::remove_file(&complete);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("what was made before is removed");
    }
    fs::create_dir_all(&folder).expect("a folder");
    make(&folder);
    fs::write(&complete, stamp).expect("written");
    folder
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn proto() -> PathBuf {
    here().join("../../proto")
}

fn proto_files() -> Vec<PathBuf> {
    let files = fs::read_dir(proto().join("vertebra/v1")).expect("the contract");
    let mut files: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
    files.sort();
    files
}

fn protos() -> String {
    proto_files().iter().map(|file| text(file)).collect()
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{} does not run: {error}", program.display()))
}

fn succeed(command: &mut Command) {
    let output = run(command);
    assert!(output.status.success(), "{command:?} failed:\n{}", said(&output));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}
