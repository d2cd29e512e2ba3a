//! Kafka's jars, and what makes brokers start fast, once per cargo target directory.

use std::{
    env,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use crate::{Broker, Error, Pace, error::tail, ports::free_ports, random_id, wire::Connection};

/// The pom is the list of jars.
const POM: &str = include_str!("../pom.xml");
const LOGGING: &str = include_str!("../log4j2.properties");
/// Kafka 4's brokers are compiled for it.
const OLDEST_JAVA: u32 = 17;

/// Kafka, ready to run: `<cargo target directory>/kafka`.
///
/// Beside the jars stand the record of feature levels that every formatted folder begins with, and an archive of classes as a
/// broker has them loaded when it is up: with it, one is up in half the time.
#[derive(Debug)]
pub struct Installation {
    java: PathBuf,
    folder: PathBuf,
}

impl Installation {
    /// The installation; made if it isn't there or its pom or Java has changed. Processes that ask at the same time wait for
    /// one of them.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without Java (17 or newer) or Maven; [`Error::Program`] when the jars can't be had.
    pub fn get() -> Result<&'static Self, Error> {
        static INSTALLATION: OnceLock<Result<Installation, Error>> = OnceLock::new();
        INSTALLATION.get_or_init(Self::make).as_ref().map_err(Error::Before)
    }

    fn make() -> Result<Self, Error> {
        let (java, version) = find_java()?;
        let folder = target_dir().join("kafka");
        fs::create_dir_all(&folder).map_err(Error::io(format!("make {}", folder.display())))?;
        let installation = Self { java, folder };
        let lock = installation.folder.join("lock");
        // Held until it is dropped, or until this process is gone.
        let lock = File::create(&lock)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(Error::io(format!("lock {}", lock.display())))?;
        let complete = installation.folder.join("complete");
        let stamp = format!("{version}\n{POM}{LOGGING}");
        if fs::read_to_string(&complete).is_ok_and(|found| found == stamp) {
            return Ok(installation);
        }
        // What is replaced counts as incomplete until it is whole.
        let _ = fs::remove_file(&complete);
        installation.copy_jars()?;
        installation.write("log4j2.properties", LOGGING)?;
        installation.train()?;
        installation.write("complete", &stamp)?;
        drop(lock);
        Ok(installation)
    }

    /// The folder of everything that the harness makes.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the jars; `<libs>/*` is a class path.
    #[must_use]
    pub fn libs(&self) -> PathBuf {
        self.folder.join("libs")
    }

    pub(crate) fn bootstrap_checkpoint(&self) -> PathBuf {
        self.folder.join("bootstrap.checkpoint")
    }

    fn archive(&self) -> PathBuf {
        self.folder.join("classes.jsa")
    }

    /// Java with Kafka's jars; the main class and its arguments are to be added.
    #[must_use]
    pub fn java(&self, heap_mib: u32, pace: Pace) -> Command {
        let mut command = Command::new(&self.java);
        command.arg(format!("-Xmx{heap_mib}m"));
        match pace {
            Pace::Quick => command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]),
            Pace::Sustained => command.arg("-XX:+UseG1GC"),
        };
        // An archive that doesn't fit (another Java) is not used, and that is not worth a word.
        command.args(["-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr"]);
        if self.archive().exists() {
            command.arg(format!("-XX:SharedArchiveFile={}", self.archive().display()));
        }
        command
            .arg(format!("-Dlog4j2.configurationFile={}", self.folder.join("log4j2.properties").display()));
        command.arg("-cp").arg(self.libs().join("*")).stdin(Stdio::null());
        command
    }

    /// Runs one of Kafka's tools to its end.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be started. What it thinks of its arguments is in its exit code.
    pub fn tool(&self, main_class: &str, arguments: &[&str]) -> Result<Output, Error> {
        self.java(256, Pace::Quick)
            .arg(main_class)
            .args(arguments)
            .output()
            .map_err(Error::io(format!("run {main_class}")))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let file = self.folder.join(name);
        fs::write(&file, text).map_err(Error::io(format!("write {}", file.display())))
    }

    fn copy_jars(&self) -> Result<(), Error> {
        let pom = self.folder.join("pom.xml");
        self.write("pom.xml", POM)?;
        let libs = self.libs();
        // Jars of another version must not stay on the class path.
        if libs.exists() {
            fs::remove_dir_all(&libs).map_err(Error::io(format!("remove {}", libs.display())))?;
        }
        let done = Command::new("mvn")
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(&pom)
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", libs.display()))
            .stdin(Stdio::null())
            .output()
            .map_err(|_| Error::Missing {
                what: "Maven (mvn) is missing: Kafka's jars come through it".into(),
            })?;
        succeeded("mvn dependency:copy-dependencies (Kafka's jars)", &done)
    }

    /// Formats a folder with Kafka's own tool, to have its record of feature levels; then runs a broker in it, which leaves the
    /// archive of its classes when it ends.
    fn train(&self) -> Result<(), Error> {
        let folder = self.folder.join("training");
        let _ = fs::remove_dir_all(&folder);
        let archive = self.archive();
        let _ = fs::remove_file(&archive);
        let ports = free_ports(2)?;
        let broker = Broker {
            id: 1,
            folder: folder.clone(),
            port: ports[0],
            controllers: vec![(1, ports[1])],
            proxied: None,
            heap_mib: 256,
            pace: Pace::Quick,
            settings: Vec::new(),
        };
        fs::create_dir_all(&folder).map_err(Error::io(format!("make {}", folder.display())))?;
        let properties = broker.properties_file();
        fs::write(&properties, broker.properties())
            .map_err(Error::io(format!("write {}", properties.display())))?;
        let properties = properties.to_string_lossy();
        let id = random_id();
        let formatted =
            self.tool("kafka.tools.StorageTool", &["format", "--cluster-id", &id, "--config", &properties])?;
        succeeded("kafka.tools.StorageTool format", &formatted)?;
        let checkpoint = self.bootstrap_checkpoint();
        fs::copy(folder.join("data/bootstrap.checkpoint"), &checkpoint)
            .map_err(Error::io(format!("copy {}", checkpoint.display())))?;

        let log = folder.join("log");
        let out = File::create(&log).map_err(Error::io(format!("make {}", log.display())))?;
        let mut child = self
            .java(256, Pace::Quick)
            .arg(format!("-XX:ArchiveClassesAtExit={}", archive.display()))
            .args(["kafka.Kafka", &properties])
            .stdout(out.try_clone().map_err(Error::io("a second handle of a log"))?)
            .stderr(out)
            .spawn()
            .map_err(Error::io("start java"))?;
        let deadline = Instant::now() + Duration::from_secs(60);
        let up = loop {
            if Connection::open(ports[0]).and_then(|mut c| c.metadata(Some(&[]))).is_ok() {
                break true;
            }
            if Instant::now() > deadline || child.try_wait().map_err(Error::io("wait for java"))?.is_some() {
                break false;
            }
            thread::sleep(Duration::from_millis(20));
        };
        if up {
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                    .map_err(|e| Error::io("end the first broker")(e.into()))?;
            }
        } else {
            let _ = child.kill();
        }
        child.wait().map_err(Error::io("wait for java"))?;
        if !up {
            let said = tail(&fs::read_to_string(&log).unwrap_or_default());
            return Err(Error::Program { what: "the first broker".into(), said });
        }
        // Nothing in it is needed any more, and `train` begins by removing it.
        let _ = fs::remove_dir_all(&folder);
        Ok(())
    }
}

fn succeeded(what: &str, output: &Output) -> Result<(), Error> {
    if output.status.success() {
        return Ok(());
    }
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    Err(Error::Program { what: what.into(), said: tail(&String::from_utf8_lossy(&said)) })
}

/// Java, and what it says of its version.
fn find_java() -> Result<(PathBuf, String), Error> {
    let home = env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    let java = home.filter(|java| java.exists()).unwrap_or_else(|| PathBuf::from("java"));
    let said = Command::new(&java)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .map_err(|_| Error::Missing { what: format!("Java {OLDEST_JAVA} or newer is missing") })?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    match major_version(&said) {
        Some(version) if version >= OLDEST_JAVA => Ok((java, said)),
        Some(version) => Err(Error::Missing {
            what: format!("Java {OLDEST_JAVA} or newer is missing ({} is Java {version})", java.display()),
        }),
        None => Err(Error::Missing {
            what: format!("Java {OLDEST_JAVA} or newer is missing ({} names no version)", java.display()),
        }),
    }
}

/// The first number of `openjdk version "17.0.15" 2025-04-15`; 8 of `"1.8.0_312"`.
fn major_version(said: &str) -> Option<u32> {
    let mut numbers = said.split('"').nth(1)?.split(['.', '-', '_', '+']);
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        version => Some(version),
    }
}

/// Cargo's target directory: the one that the running program was built into, else what the environment says, else the
/// workspace's own.
#[must_use]
pub fn target_dir() -> PathBuf {
    let built = env::current_exe().ok().and_then(|program| {
        // Cargo leaves this mark in the directory that it makes.
        program.ancestors().find(|folder| is_cargo_target(folder)).map(Path::to_path_buf)
    });
    built
        .or_else(|| env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute()))
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"))
}

fn is_cargo_target(folder: &Path) -> bool {
    let mut text = String::new();
    File::open(folder.join("CACHEDIR.TAG")).and_then(|mut file| file.read_to_string(&mut text)).is_ok()
        && text.contains("cargo")
}

#[cfg(test)]
mod tests {
    use super::major_version;

    #[test]
    fn versions_of_java_are_read() {
        assert_eq!(major_version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK ..."), Some(17));
        assert_eq!(major_version("openjdk version \"21\" 2023-09-19"), Some(21));
        assert_eq!(major_version("openjdk version \"26-ea\" 2026-03-17"), Some(26));
        assert_eq!(major_version("java version \"1.8.0_312\""), Some(8));
        assert_eq!(major_version("not java"), None);
    }
}
