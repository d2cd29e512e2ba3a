//! Apache Kafka itself for tests and developers, from its published jars, in KRaft mode.
//!
//! A test says
//!
//! ```no_run
//! # fn a_test() -> Result<(), kafka_harness::Error> {
//! if !kafka_harness::required() {
//!     return Ok(());
//! }
//! let cluster = kafka_harness::Cluster::start(kafka_harness::Nodes::Three)?;
//! cluster.create_topic("events", 4, 3, &[])?;
//! let leader = cluster.leader_of("events", 0)?.expect("a fresh topic has leaders");
//! cluster.node(leader).kill()?;
//! # Ok(())
//! # }
//! ```
//!
//! and gets brokers on free loopback ports, with folders of their own under the cargo target directory. They end with the
//! process that started them, whichever way it ends. What the harness asks of brokers it asks over a small protocol client of
//! its own ([`wire`]): it shares no code with the client that tests are about, and an answer takes a millisecond where Kafka's
//! tools, a virtual machine each, take seconds. The tools are there too: [`Cluster::tool`].

mod admin;
mod broker;
mod cluster;
mod error;
mod installation;
mod node;
mod ports;
mod proxy;
pub mod wire;

pub use admin::Partition;
pub use broker::{Broker, Listener, Pace, random_id};
pub use cluster::{Cluster, Nodes, Options, Shared, wait_for};
pub use error::Error;
pub use installation::{Installation, target_dir};
pub use node::Node;
pub use ports::{free_ports, is_free};
pub use proxy::Proxy;

use std::{
    io::{self, Write},
    sync::Once,
};

/// Whether tests against real brokers run: what each of them asks first. `false` with `KAFKA=skip` in the environment, which
/// is said once, past the capture of test output.
///
/// # Panics
///
/// Without Java or Maven, with one sentence that says what to install.
#[must_use]
pub fn required() -> bool {
    static SAID: Once = Once::new();
    if std::env::var_os("KAFKA").is_some_and(|value| value == "skip") {
        SAID.call_once(|| {
            // Nobody to tell if standard error is closed.
            let _ = writeln!(io::stderr(), "KAFKA=skip: tests against real brokers are left out");
        });
        return false;
    }
    if let Err(error) = Installation::get() {
        panic!("{error}");
    }
    true
}
