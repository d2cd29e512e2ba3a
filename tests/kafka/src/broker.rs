//! What one broker is started with: its properties and its formatted folder.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{Error, Installation};

/// A second listener, on which clients come through a proxy.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// The port that the broker listens on.
    pub port: u16,
    /// The port that it tells clients to connect to.
    pub advertised: u16,
}

/// How a broker's virtual machine is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// Up soon and small: the first compiler only. For tests.
    #[default]
    Quick,
    /// Both compilers: what a broker in production does after a minute. For measurements.
    Sustained,
}

/// One broker that is a controller, too.
#[derive(Clone, Debug)]
pub struct Broker {
    /// `node.id`, from 1.
    pub id: u32,
    /// Its folder: properties and data.
    pub folder: PathBuf,
    /// Where clients and other brokers connect.
    pub port: u16,
    /// Node id and port of every controller, its own included.
    pub controllers: Vec<(u32, u16)>,
    /// Where clients connect through a proxy.
    pub proxied: Option<Listener>,
    /// The virtual machine's heap, in MiB.
    pub heap_mib: u32,
    /// How the virtual machine is set.
    pub pace: Pace,
    /// More properties; they win over the harness's own.
    pub settings: Vec<(String, String)>,
}

impl Broker {
    /// Where its properties stand.
    #[must_use]
    pub fn properties_file(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    /// Its properties, as Kafka reads them.
    #[must_use]
    pub fn properties(&self) -> String {
        let voters: Vec<_> =
            self.controllers.iter().map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
        let own = self.controllers.iter().find(|(id, _)| *id == self.id).map_or(0, |(_, port)| *port);
        let mut listeners = format!("PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{own}", self.port);
        let mut advertised = listeners.clone();
        if let Some(proxied) = self.proxied {
            // Writing into a string cannot fail.
            let _ = write!(listeners, ",PROXIED://127.0.0.1:{}", proxied.port);
            let _ = write!(advertised, ",PROXIED://127.0.0.1:{}", proxied.advertised);
        }
        let nodes = self.controllers.len();
        let replicas = nodes.min(3).to_string();
        // Alone, broker and controller starve together on a busy machine; three do not.
        let session_ms = if nodes >= 3 { "3000" } else { "1000" };
        let in_sync = if nodes >= 3 { "2" } else { "1" };
        let (id, voters) = (self.id.to_string(), voters.join(","));
        let data = self.folder.join("data");
        let data = data.to_string_lossy();
        let mut text = String::new();
        let settings = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in [
            ("process.roles", "broker,controller"),
            ("node.id", id.as_str()),
            ("controller.quorum.voters", voters.as_str()),
            ("listeners", listeners.as_str()),
            ("advertised.listeners", advertised.as_str()),
            ("inter.broker.listener.name", "PLAINTEXT"),
            ("controller.listener.names", "CONTROLLER"),
            ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT"),
            ("log.dirs", data.as_ref()),
            ("default.replication.factor", replicas.as_str()),
            ("min.insync.replicas", in_sync),
            ("offsets.topic.replication.factor", replicas.as_str()),
            ("offsets.topic.num.partitions", "2"),
            ("transaction.state.log.replication.factor", replicas.as_str()),
            ("transaction.state.log.min.isr", in_sync),
            ("transaction.state.log.num.partitions", "2"),
            ("share.coordinator.state.topic.replication.factor", replicas.as_str()),
            ("share.coordinator.state.topic.min.isr", in_sync),
            ("share.coordinator.state.topic.num.partitions", "1"),
            ("group.initial.rebalance.delay.ms", "0"),
            ("auto.create.topics.enable", "false"),
            ("unclean.leader.election.enable", "false"),
            ("controlled.shutdown.enable", "true"),
            // A record of 1 MiB, its headers, and what a batch adds.
            ("message.max.bytes", "2097152"),
            // A broker that was killed is missed, and let in again, after this: tests wait for both.
            ("broker.session.timeout.ms", session_ms),
            ("broker.heartbeat.interval.ms", "300"),
            ("replica.lag.time.max.ms", "5000"),
            // Small: the cleaner's map alone takes 128 MiB if it may, and most tests have one client.
            ("log.cleaner.dedupe.buffer.size", "2097152"),
            ("num.network.threads", "2"),
            ("num.io.threads", "4"),
            ("num.recovery.threads.per.data.dir", "2"),
        ]
        .into_iter()
        // Of a property that is given twice, Java takes the last.
        .chain(settings)
        {
            let _ = writeln!(text, "{name}={value}");
        }
        text
    }

    /// Writes its properties, and formats its data folder unless it is formatted.
    ///
    /// What `kafka.tools.StorageTool format` would do in a second and a half: the same cluster-wide record of feature levels,
    /// which the tool wrote once for the installation, and the ids of this folder beside it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn prepare(&self, installation: &Installation, cluster_id: &str) -> Result<(), Error> {
        let data = self.folder.join("data");
        fs::create_dir_all(&data).map_err(Error::io(format!("make {}", data.display())))?;
        write(&self.properties_file(), &self.properties())?;
        let meta = data.join("meta.properties");
        if meta.exists() {
            return Ok(());
        }
        let checkpoint = data.join("bootstrap.checkpoint");
        fs::copy(installation.bootstrap_checkpoint(), &checkpoint)
            .map_err(Error::io(format!("copy {}", checkpoint.display())))?;
        write(
            &meta,
            &format!(
                "version=1\ncluster.id={cluster_id}\nnode.id={}\ndirectory.id={}\n",
                self.id,
                random_id()
            ),
        )
    }
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    fs::write(file, text).map_err(Error::io(format!("write {}", file.display())))
}

/// An id as Kafka writes them: 16 random bytes in base 64, 22 characters.
#[must_use]
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    // Kafka doesn't give out ids that begin with a dash: its tools would take them for options.
    bytes[0] &= 0x7f;
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
