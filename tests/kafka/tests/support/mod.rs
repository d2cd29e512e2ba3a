//! What tests of the harness do with a cluster.

use kafka_harness::{Cluster, Error};

/// Appends records of 100 bytes with Kafka's own tool, and waits until all are acknowledged.
pub(crate) fn produce(cluster: &Cluster, topic: &str, records: u32) -> Result<(), Error> {
    let (records, bootstrap) = (records.to_string(), cluster.bootstrap());
    let done = cluster.tool(
        "org.apache.kafka.tools.ProducerPerformance",
        &[
            ["--bootstrap-server", &bootstrap],
            ["--topic", topic],
            ["--num-records", &records],
            ["--record-size", "100"],
            ["--throughput", "-1"],
        ]
        .concat(),
    )?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
