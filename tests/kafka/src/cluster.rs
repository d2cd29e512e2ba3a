//! One broker or three, for as long as a test wants them.

use std::{
    fs::{self, File},
    io::{self, Write},
    ops::Deref,
    path::{Path, PathBuf},
    process::{self, Output},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    Broker, Error, Installation, Listener, Node, Pace, Proxy,
    node::{PATIENCE, Run},
    ports::free_ports,
    random_id,
};

/// How many brokers; each is a controller, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nodes {
    /// One: one replica of everything.
    #[default]
    One,
    /// Three: three replicas, two in sync; any one may be lost.
    Three,
}

impl Nodes {
    /// As a number.
    #[must_use]
    pub fn count(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

/// What a cluster is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many brokers.
    pub nodes: Nodes,
    /// Whether each broker has a [`Proxy`] in front of a second listener: [`Cluster::proxied_bootstrap`].
    pub proxied: bool,
    /// Each broker's heap, in MiB.
    pub heap_mib: u32,
    /// How each broker's virtual machine is set.
    pub pace: Pace,
    /// More broker properties; they win over the harness's own.
    pub settings: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: Nodes::One, proxied: false, heap_mib: 256, pace: Pace::Quick, settings: Vec::new() }
    }
}

/// Brokers that belong to this process: they are gone when it is dropped, and when the process ends in whichever way.
///
/// Dropped while its thread panics, it leaves its logs, and says where.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    proxies: Vec<Proxy>,
    run: Run,
}

impl Cluster {
    /// Starts brokers on free ports with folders of their own, and waits until all of them serve.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without Java or Maven; [`Error::Ended`] with the end of the log of a broker that didn't stay;
    /// [`Error::Late`].
    pub fn start(nodes: Nodes) -> Result<Self, Error> {
        Self::with(Options { nodes, ..Options::default() })
    }

    /// [`Cluster::start`], with everything that can be chosen.
    ///
    /// # Errors
    ///
    /// As [`Cluster::start`].
    pub fn with(options: Options) -> Result<Self, Error> {
        let installation = Installation::get()?;
        let cluster = Self::prepare(installation, &options)?;
        let started = cluster.start_all();
        if started.is_err() {
            cluster.keep_logs();
        }
        started.map(|()| cluster)
    }

    /// One broker for all tests of this process that can share it, started by the first that asks.
    ///
    /// # Errors
    ///
    /// As [`Cluster::start`]; to all who ask, if it failed.
    pub fn shared() -> Result<Shared, Error> {
        static SHARED: OnceLock<Result<Cluster, Error>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Nodes::One)).as_ref().map(Shared).map_err(Error::Before)
    }

    fn prepare(installation: &Installation, options: &Options) -> Result<Self, Error> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        sweep(installation.folder());
        let name = format!("run-{}-{}", process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        let run = Run {
            folder: installation.folder().join(&name),
            kept: installation.folder().join("failed").join(&name),
        };
        let logs = run.folder.join("logs");
        fs::create_dir_all(&logs).map_err(Error::io(format!("make {}", logs.display())))?;

        let count = options.nodes.count();
        let ports = free_ports(count as usize * 4)?;
        // Of each broker: for clients, for controllers, for the proxy, and the proxy's own.
        let ports: Vec<&[u16]> = ports.chunks(4).collect();
        let controllers: Vec<_> = (1..=count).zip(&ports).map(|(id, ports)| (id, ports[1])).collect();
        let cluster_id = random_id();
        // Made first, so that whatever fails from here on is cleaned up.
        let mut cluster = Self { nodes: Vec::new(), proxies: Vec::new(), run };
        for (id, ports) in (1..=count).zip(&ports) {
            let proxied = options.proxied.then_some(Listener { port: ports[2], advertised: ports[3] });
            let broker = Broker {
                id,
                folder: cluster.run.folder.join(format!("node-{id}")),
                port: ports[0],
                controllers: controllers.clone(),
                proxied,
                heap_mib: options.heap_mib,
                pace: options.pace,
                settings: options.settings.clone(),
            };
            broker.prepare(installation, &cluster_id)?;
            if let Some(listener) = proxied {
                cluster.proxies.push(Proxy::start_on(listener.advertised, listener.port)?);
            }
            cluster.nodes.push(Node::new(broker, &cluster.run));
        }
        Ok(cluster)
    }

    /// Starts every broker that doesn't run, and waits until each of them says that all of them serve.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`], [`Error::Late`].
    pub fn start_all(&self) -> Result<(), Error> {
        for node in &self.nodes {
            node.launch()?;
        }
        wait_for(&format!("{} brokers to serve", self.nodes.len()), PATIENCE, || {
            for node in &self.nodes {
                node.check_alive()?;
                if !node.answers(|brokers| brokers.len() == self.nodes.len()) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    }

    /// Where clients connect first: `127.0.0.1:p,127.0.0.1:p`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        addresses(self.nodes.iter().map(Node::port))
    }

    /// Where clients connect first to come through the proxies, to every broker and always.
    ///
    /// # Panics
    ///
    /// If the cluster was started without [`Options::proxied`].
    #[must_use]
    pub fn proxied_bootstrap(&self) -> String {
        assert!(!self.proxies.is_empty(), "start the cluster with `proxied`");
        addresses(self.proxies.iter().map(Proxy::port))
    }

    /// A broker, by its id from 1.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn node(&self, id: u32) -> &Node {
        self.nodes.iter().find(|node| node.id() == id).expect("brokers have ids from 1")
    }

    /// All brokers, by id.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The proxy in front of a broker, by the broker's id from 1.
    ///
    /// # Panics
    ///
    /// If there is no such broker, or the cluster was started without [`Options::proxied`].
    #[must_use]
    pub fn proxy(&self, id: u32) -> &Proxy {
        let at = self.nodes.iter().position(|node| node.id() == id).expect("brokers have ids from 1");
        self.proxies.get(at).expect("start the cluster with `proxied`")
    }

    /// All proxies, by broker id; none without [`Options::proxied`].
    #[must_use]
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// The folder of this cluster's run: data, properties, logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.run.folder
    }

    /// Runs one of Kafka's tools, as `org.apache.kafka.tools.TopicCommand`, to its end. Each is a virtual machine of its own
    /// and takes a second or two.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be started. What it thinks of its arguments is in its exit code.
    pub fn tool(&self, main_class: &str, arguments: &[&str]) -> Result<Output, Error> {
        Installation::get()?.tool(main_class, arguments)
    }

    /// Lets the logs stay when the cluster is gone. A test that panics does so by itself.
    pub fn keep_logs(&self) {
        // For supervisors, too: they clean up if this process doesn't. Without room for an empty file, logs are lost as well.
        let _ = File::create(self.failed_mark());
    }

    fn logs_are_kept(&self) -> bool {
        self.failed_mark().exists()
    }

    fn failed_mark(&self) -> PathBuf {
        self.run.folder.join("failed")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &self.nodes {
            // Its supervisor ends it if this can't.
            let _ = node.kill();
        }
        if (thread::panicking() || self.logs_are_kept()) && move_logs(&self.run).is_ok() {
            say_where_logs_are(&self.run.kept);
        }
        // What stays is swept by a later run.
        let _ = fs::remove_dir_all(&self.run.folder);
    }
}

/// The broker that the tests of a process share.
#[derive(Debug)]
pub struct Shared(&'static Cluster);

impl Deref for Shared {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.0
    }
}

impl Drop for Shared {
    /// The cluster itself is never dropped: its supervisors keep the logs when the process ends, if a test failed.
    fn drop(&mut self) {
        if thread::panicking() && !self.0.logs_are_kept() {
            self.0.keep_logs();
            say_where_logs_are(&self.0.run.kept);
        }
    }
}

/// Waits until `check` gives something. For whatever takes its time in a cluster: a new leader, a replica in sync again.
///
/// # Errors
///
/// [`Error::Late`] after `patience`, and what `check` fails with.
pub fn wait_for<T>(
    what: &str,
    patience: Duration,
    mut check: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = check()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(Error::Late { what: what.into(), seconds: patience.as_secs() });
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn addresses(ports: impl Iterator<Item = u16>) -> String {
    ports.map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
}

fn move_logs(run: &Run) -> io::Result<()> {
    if let Some(folder) = run.kept.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::rename(run.folder.join("logs"), &run.kept)
}

fn say_where_logs_are(kept: &Path) {
    // Nobody to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "The brokers' logs: {}", kept.display());
}

/// Removes what runs left whose process is gone without its supervisors having cleaned up: the machine went down.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let left = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.strip_prefix("run-")?;
        let process = name.split('-').next()?;
        let age = fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()?;
        // Supervisors of a process that has just ended are about to remove it.
        (!Path::new("/proc").join(process).exists() && age > Duration::from_secs(600)).then_some(())
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if left(&path).is_some() {
            let _ = fs::remove_dir_all(path);
        }
    }
}
