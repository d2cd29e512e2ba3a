//! The logs of a deployment as topics of a cluster.

use event_log::{EventLog, Logs, OpenError, Place};

use crate::{Address, Contents, KafkaLog, Settings};

/// Logs as topics: `log` is `PREFIX.events.v1`, `control` is `PREFIX.control.v1`.
#[derive(Clone, Debug)]
pub struct KafkaLogs {
    address: Address,
    settings: Settings,
}

impl KafkaLogs {
    /// Those at `address`, which is not asked yet.
    #[must_use]
    pub fn new(address: Address, settings: Settings) -> KafkaLogs {
        KafkaLogs { address, settings }
    }

    fn topic(&self, name: &str) -> (String, Contents) {
        match name {
            "log" => (self.address.events(), Contents::Events),
            "control" => (self.address.control(), Contents::Bytes),
            name => (format!("{}.{name}.v1", self.address.prefix), Contents::Bytes),
        }
    }

    fn existing(&self, name: &str) -> Result<Box<dyn EventLog>, OpenError> {
        self.open(name)?.ok_or_else(|| OpenError::Refused {
            place: Place::from(format!("the topic {} at {}", self.topic(name).0, self.address.brokers)),
            what: "there is no such topic: make it with `vertebra topics apply`".to_owned(),
        })
    }
}

impl Logs for KafkaLogs {
    fn open(&self, name: &str) -> Result<Option<Box<dyn EventLog>>, OpenError> {
        let (topic, contents) = self.topic(name);
        let log = KafkaLog::open(&self.address, &self.settings, &topic, contents)?;
        Ok(log.map(|log| Box::new(log) as Box<dyn EventLog>))
    }

    fn open_for_writing(&self, name: &str) -> Result<Box<dyn EventLog>, OpenError> {
        self.existing(name)
    }

    /// Topics are made by whoever runs the cluster, who decides how many replicas and partitions they have.
    fn create(&self, name: &str, _partitions: u16) -> Result<Box<dyn EventLog>, OpenError> {
        self.existing(name)
    }
}
