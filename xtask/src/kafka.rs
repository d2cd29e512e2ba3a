//! Brokers that live on after the command, in `<cargo target directory>/kafka/dev`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::{
    Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use kafka_harness::{Broker, Installation, Pace, is_free, random_id, wire::Connection};
use rustix::process::{Pid, Signal, kill_process};

/// Controllers listen this far above their brokers.
const CONTROLLERS_ABOVE: u16 = 10;
const PATIENCE: Duration = Duration::from_secs(60);
const HEAP_MIB: u32 = 512;

#[derive(Subcommand)]
pub(crate) enum Task {
    /// Start brokers, wait until they serve, and print their address
    ///
    /// They live on after the command, on 127.0.0.1 only. Topics and records stay from one `up` to the next, for one broker and
    /// for three apart. The first `up` takes half a minute: it gets Kafka's jars through Maven.
    #[command(after_help = "Examples:\n  \
        cargo xtask kafka up\n  \
        vertebra project --log kafka://127.0.0.1:9092\n  \
        cargo xtask kafka tool org.apache.kafka.tools.TopicCommand --bootstrap-server 127.0.0.1:9092 --list\n  \
        cargo xtask kafka down --wipe")]
    Up {
        /// How many brokers: 1, or 3 with three replicas of everything
        #[arg(long, default_value_t = 1, value_parser = PossibleValuesParser::new(["1", "3"])
            .map(|n| if n == "3" { 3_u16 } else { 1 }))]
        nodes: u16,
        /// The first broker's port; more follow it, and controllers listen ten above
        #[arg(long, default_value_t = 9092, value_parser = clap::value_parser!(u16).range(1024..=65_000))]
        port: u16,
    },
    /// End the brokers, by the process ids that `up` has written down
    Down {
        /// Remove their topics and records, too
        #[arg(long)]
        wipe: bool,
    },
    /// Say which brokers run, where they listen, and where their logs are (exit code 1: none runs)
    Status,
    /// Run one of Kafka's own tools, as org.apache.kafka.tools.TopicCommand
    Tool {
        /// Its class
        main: String,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

pub(crate) fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Up { nodes, port } => up(nodes, port),
        Task::Down { wipe } => down(wipe),
        Task::Status => status(),
        Task::Tool { main, arguments } => {
            let status = Installation::get()?
                .java(256, Pace::Quick)
                .arg(&main)
                .args(&arguments)
                .stdin(Stdio::inherit())
                .status()
                .with_context(|| format!("run {main}"))?;
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
        }
    }
}

/// Where everything of `up` stands; found without an installation, for `down` and `status`.
fn folder() -> PathBuf {
    kafka_harness::target_dir().join("kafka/dev")
}

/// A broker that `up` has started.
struct Started {
    id: u16,
    port: u16,
    record: PathBuf,
    log: PathBuf,
    /// Its process, if it still is the one that was written down.
    process: Option<Pid>,
}

/// What `up` has written down: a line `PROCESS STARTED PORT` in `ID.broker`.
fn started() -> anyhow::Result<Vec<Started>> {
    let mut brokers = Vec::new();
    for id in 1..=3 {
        let record = folder().join(format!("{id}.broker"));
        let Ok(line) = fs::read_to_string(&record) else { continue };
        let mut words = line.split_whitespace();
        let (Some(process), Some(since), Some(port)) = (words.next(), words.next(), words.next()) else {
            bail!("{} is not what `up` writes; end its broker by hand and remove it", record.display());
        };
        let process = process.parse().ok().and_then(Pid::from_raw);
        brokers.push(Started {
            id,
            port: port.parse().with_context(|| format!("the port in {}", record.display()))?,
            log: log_file(id),
            process: process.filter(|process| started_at(*process).is_some_and(|found| found == since)),
            record,
        });
    }
    Ok(brokers)
}

fn log_file(id: u16) -> PathBuf {
    folder().join(format!("{id}.log"))
}

/// When a process started, in the kernel's ticks since boot, if it lives: with its id, it names one process for ever.
fn started_at(process: Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    // `pid (name) state ppid ...`: the start is the 22nd word, the 20th behind the name.
    let mut words = stat.rsplit_once(") ")?.1.split(' ');
    let state = words.next()?;
    if matches!(state, "Z" | "X") { None } else { words.nth(18).map(str::to_owned) }
}

fn up(nodes: u16, port: u16) -> anyhow::Result<ExitCode> {
    let running: Vec<_> = started()?.into_iter().filter(|broker| broker.process.is_some()).collect();
    if !running.is_empty() {
        let same = running.len() == usize::from(nodes) && running.iter().all(|b| b.port == port + b.id - 1);
        if same {
            println!("They run already.");
            return status();
        }
        bail!("other brokers run: `cargo xtask kafka down` ends them, `status` shows them");
    }
    for port in (port..port + nodes).chain(port + CONTROLLERS_ABOVE..port + CONTROLLERS_ABOVE + nodes) {
        if !is_free(port) {
            bail!("somebody listens on 127.0.0.1:{port}; choose other ports with `--port`");
        }
    }
    let installation = Installation::get()?;
    let data = data_folder(nodes);
    let cluster_id = cluster_id(&data)?;
    let controllers: Vec<_> =
        (1..=nodes).map(|id| (u32::from(id), port + CONTROLLERS_ABOVE + id - 1)).collect();
    let mut children = Vec::new();
    for id in 1..=nodes {
        let broker = Broker {
            id: u32::from(id),
            folder: data.join(format!("node-{id}")),
            port: port + id - 1,
            controllers: controllers.clone(),
            proxied: None,
            heap_mib: HEAP_MIB,
            pace: Pace::Sustained,
            settings: Vec::new(),
        };
        broker.prepare(installation, &cluster_id)?;
        match launch(installation, &broker, &log_file(id)) {
            Ok(child) => children.push((broker, child)),
            Err(error) => {
                end(&started()?)?;
                return Err(error);
            }
        }
    }
    if let Err(error) = wait_until_up(&mut children) {
        end(&started()?)?;
        return Err(error);
    }
    println!("{}", address(children.iter().map(|(broker, _)| broker.port)));
    println!("cargo xtask kafka down   ends {}", if nodes == 1 { "it" } else { "them" });
    Ok(ExitCode::SUCCESS)
}

fn data_folder(nodes: u16) -> PathBuf {
    folder().join(if nodes == 1 { "one" } else { "three" })
}

/// The id of the cluster whose data these are; a new one where there are none.
fn cluster_id(data: &Path) -> anyhow::Result<String> {
    fs::create_dir_all(data).with_context(|| format!("make {}", data.display()))?;
    let file = data.join("cluster-id");
    if let Ok(id) = fs::read_to_string(&file) {
        return Ok(id);
    }
    let id = random_id();
    fs::write(&file, &id).with_context(|| format!("write {}", file.display()))?;
    Ok(id)
}

/// Starts a broker in a session of its own, so that closing the terminal doesn't end it, and writes down its process.
fn launch(installation: &Installation, broker: &Broker, log: &Path) -> anyhow::Result<Child> {
    let out = File::create(log).with_context(|| format!("make {}", log.display()))?;
    let java = installation.java(broker.heap_mib, broker.pace);
    // The process that is started is the one that becomes Java: its id is the broker's.
    let mut child = Command::new("setsid")
        .arg(java.get_program())
        .args(java.get_args())
        .arg("kafka.Kafka")
        .arg(broker.properties_file())
        .stdin(Stdio::null())
        .stdout(out.try_clone().context("a second handle of a log")?)
        .stderr(out)
        .spawn()
        .context("start a broker with `setsid java`")?;
    let written = write_down(broker, &child);
    if written.is_err() {
        // What nobody could end later must not live on.
        child.kill().context("end a broker that could not be written down")?;
    }
    written.map(|()| child)
}

fn write_down(broker: &Broker, child: &Child) -> anyhow::Result<()> {
    let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let since = process.and_then(started_at).context("the broker ended at once")?;
    let record = folder().join(format!("{}.broker", broker.id));
    fs::write(&record, format!("{} {since} {}\n", child.id(), broker.port))
        .with_context(|| format!("write {}", record.display()))
}

fn wait_until_up(children: &mut [(Broker, Child)]) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let count = children.len();
    loop {
        let mut up = 0;
        for (broker, child) in children.iter_mut() {
            let log = log_file(u16::try_from(broker.id)?);
            if child.try_wait()?.is_some() {
                bail!("broker {} ended; why stands in {}", broker.id, log.display());
            }
            let known = Connection::open(broker.port).and_then(|mut broker| broker.metadata(Some(&[])));
            up += usize::from(known.is_ok_and(|known| known.brokers.len() == count));
        }
        if up == count {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("waited a minute for {count} brokers; their logs: {}", folder().join("*.log").display());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn address(ports: impl Iterator<Item = u16>) -> String {
    let addresses: Vec<_> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
    format!("kafka://{}", addresses.join(","))
}

fn down(wipe: bool) -> anyhow::Result<ExitCode> {
    let brokers = started()?;
    let running = brokers.iter().filter(|broker| broker.process.is_some()).count();
    end(&brokers)?;
    if wipe && folder().exists() {
        fs::remove_dir_all(folder()).with_context(|| format!("remove {}", folder().display()))?;
    }
    let data = if wipe { "; their data is gone" } else { "" };
    println!("{running} broker{} ended{data}", if running == 1 { "" } else { "s" });
    Ok(ExitCode::SUCCESS)
}

/// Ends brokers in order, all at once (the last ones of three have nobody to hand over to), and those that don't end by force.
fn end(brokers: &[Started]) -> anyhow::Result<()> {
    let gone = |broker: &Started| broker.process.is_none_or(|process| started_at(process).is_none());
    for (signal, patience) in
        [(Signal::TERM, Duration::from_secs(20)), (Signal::KILL, Duration::from_secs(5))]
    {
        for process in brokers.iter().filter(|broker| !gone(broker)).filter_map(|broker| broker.process) {
            // It may have ended since.
            let _ = kill_process(process, signal);
        }
        let deadline = Instant::now() + patience;
        while !brokers.iter().all(gone) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }
    for broker in brokers {
        if !gone(broker) {
            bail!("broker {} doesn't end; its log: {}", broker.id, broker.log.display());
        }
        fs::remove_file(&broker.record).with_context(|| format!("remove {}", broker.record.display()))?;
    }
    Ok(())
}

fn status() -> anyhow::Result<ExitCode> {
    let brokers = started()?;
    for broker in &brokers {
        let state = match broker.process {
            Some(process) => format!("runs as process {}", process.as_raw_nonzero()),
            None => "has ended without `down`".into(),
        };
        println!("broker {} on 127.0.0.1:{} {state}, log {}", broker.id, broker.port, broker.log.display());
    }
    let running: Vec<_> = brokers.iter().filter(|broker| broker.process.is_some()).collect();
    if running.is_empty() {
        println!("No broker runs. `cargo xtask kafka up` starts one.");
        return Ok(ExitCode::FAILURE);
    }
    println!("{}", address(running.iter().map(|broker| broker.port)));
    Ok(ExitCode::SUCCESS)
}
