//! The log on real brokers: the promises of every log, the same figures as on the embedded one, and what breaks.

#![allow(clippy::unwrap_used, reason = "these are tests: a panic is how they fail")]
#![allow(clippy::print_stdout, reason = "a test prints what it measured")]

mod canaries;
mod faults;
mod same;

use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use kafka_harness::{Cluster, Nodes, Options};

/// Three brokers for all tests of this program, one test at a time, whole at its beginning.
fn three() -> MutexGuard<'static, Cluster> {
    static THREE: OnceLock<Mutex<Cluster>> = OnceLock::new();
    let three = THREE.get_or_init(|| {
        let options = Options { nodes: Nodes::Three, proxied: true, ..Options::default() };
        Mutex::new(Cluster::with(options).unwrap())
    });
    let cluster = three.lock().unwrap_or_else(PoisonError::into_inner);
    for proxy in cluster.proxies() {
        proxy.delay(Duration::ZERO);
        proxy.limit(None);
        proxy.heal().unwrap();
    }
    for node in cluster.nodes() {
        node.resume().unwrap();
    }
    cluster.start_all().unwrap();
    cluster
}
