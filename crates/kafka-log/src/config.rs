//! How the C client is set up: what an operator may say, and what is ours to say.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use rdkafka::{ClientConfig, config::RDKafkaLogLevel, error::KafkaError, types::RDKafkaConfRes};

use crate::Address;

/// A file is never larger than this.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Settings of which the log's promises depend: nobody else sets them. And the address, which is given elsewhere.
const OURS: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "request.required.acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "check.crcs",
    "debug",
    "delivery.report.only.error",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "isolation.level",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "metadata.broker.list",
    "partitioner",
    "plugin.library.paths",
    "test.mock.num.brokers",
    "transactional.id",
];

/// What an operator adds to the settings: TLS, SASL, sizes and times, by librdkafka's names.
#[derive(Clone, Default)]
pub struct Settings(BTreeMap<String, String>);

impl std::fmt::Debug for Settings {
    // Never the values: there are passwords among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a file of settings cannot be used. Never says a value: it may be a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// A line that is no setting, or one that is not to be set.
    #[error("{}, line {line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

impl Settings {
    /// Reads a file of lines `name=value`, as `kcat -F` reads it too; `#` begins a comment line.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn read(path: &Path) -> Result<Settings, SettingsError> {
        let io = |source| SettingsError::Io { path: path.to_owned(), source };
        if fs::metadata(path).map_err(io)?.len() > FILE_BYTES_MAX {
            let what = format!("the file has more than {FILE_BYTES_MAX} bytes: it is no file of settings");
            return Err(SettingsError::Line { path: path.to_owned(), line: 1, what });
        }
        Settings::parse(&fs::read_to_string(path).map_err(io)?).map_err(|(line, what)| SettingsError::Line {
            path: path.to_owned(),
            line,
            what,
        })
    }

    fn parse(text: &str) -> Result<Settings, (usize, String)> {
        let mut settings = BTreeMap::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let (name, value) =
                content.split_once('=').ok_or((line, "a setting is written name=value".to_owned()))?;
            let name = name.trim();
            if OURS.contains(&name) {
                return Err((line, format!("{name} is not to be set: what the log promises depends on it")));
            }
            // The client itself says of a name whether there is such a setting; the value stays out of what it says.
            if let Err(why) = is_known(name, value.trim()) {
                return Err((line, why));
            }
            settings.insert(name.to_owned(), value.trim().to_owned());
        }
        Ok(Settings(settings))
    }

    fn client(&self, address: &Address) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &address.brokers)
            .set("client.id", "vertebra")
            // A topic that is gone is told, never made by asking for it.
            .set("allow.auto.create.topics", "false")
            // A broker that comes back is found again at once.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true");
        for (name, value) in &self.0 {
            config.set(name, value);
        }
        config
    }

    /// For questions about topics.
    pub(crate) fn for_questions(&self, address: &Address) -> ClientConfig {
        let mut config = self.client(address);
        // Whom to ask is remembered for so long and no longer: a leader that is gone is asked until the question ends, and
        // nothing else makes the client look for another.
        if !self.0.contains_key("metadata.max.age.ms") {
            config.set("metadata.max.age.ms", "1000");
        }
        config
    }

    /// For reading; see the table in the guide for why each is as it is.
    pub(crate) fn for_reading(&self, address: &Address, pace: Pace) -> ClientConfig {
        let mut config = self.client(address);
        let (fetch_bytes, queue_kilobytes, wait_ms, least_bytes) = match pace {
            // The broker answers at once where there is something. Whoever reads to a known end asks for nothing behind it, but
            // the client does, and the next partition would wait for that answer.
            Pace::Bulk => (4 << 20, 32 << 10, 5, 1),
            Pace::Single => (64 << 10, 1 << 10, 2, 1),
            // A record at a time, each would cost the broker an answer of its own.
            Pace::Live => (1 << 20, 32 << 10, 15, 16 << 10),
        };
        let mut ours = |name: &str, value: &str| {
            // Sizes and times an operator may have set otherwise.
            if !self.0.contains_key(name) {
                config.set(name, value);
            }
        };
        ours("group.id", &format!("{}.projector", address.prefix));
        ours("fetch.message.max.bytes", &fetch_bytes.to_string());
        ours("fetch.max.bytes", &(8 << 20).to_string());
        ours("queued.max.messages.kbytes", &queue_kilobytes.to_string());
        ours("queued.min.messages", "1000000");
        ours("fetch.wait.max.ms", &wait_ms.to_string());
        ours("fetch.min.bytes", &least_bytes.to_string());
        ours("fetch.queue.backoff.ms", "10");
        ours("fetch.error.backoff.ms", "100");
        config
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Never jump: whoever reads is told, and decides.
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("enable.partition.eof", "true")
            // The client tells only its log that a topic was made anew: see `Context`.
            .set("debug", "topic")
            .set_log_level(RDKafkaLogLevel::Debug);
        config
    }

    /// For appending.
    pub(crate) fn for_appending(&self, address: &Address) -> ClientConfig {
        let mut config = self.client(address);
        let mut ours = |name: &str, value: &str| {
            if !self.0.contains_key(name) {
                config.set(name, value);
            }
        };
        ours("linger.ms", "5");
        ours("compression.codec", "lz4");
        ours("batch.num.messages", "100000");
        ours("batch.size", &(1 << 20).to_string());
        ours("queue.buffering.max.messages", "1000000");
        ours("queue.buffering.max.kbytes", &(256 << 10).to_string());
        ours("message.timeout.ms", "60000");
        ours("message.max.bytes", &(2 << 20).to_string());
        config.set("enable.idempotence", "true").set("acks", "all");
        config
    }
}

/// Asks the client itself.
fn is_known(name: &str, value: &str) -> Result<(), String> {
    let mut config = ClientConfig::new();
    config.set(name, value);
    match config.create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => Err(format!(
            "{name} is no setting of the Kafka client (librdkafka's names, as security.protocol)"
        )),
        Err(_) => Err(format!("the value of {name} is not one that it can have")),
    }
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A partition to its end.
    Bulk,
    /// A few records.
    Single,
    /// What comes.
    Live,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_and_their_values_never_told() {
        let text = "# TLS\nsecurity.protocol = sasl_ssl\nsasl.password=secret=1\n\n";
        let settings = Settings::parse(text).expect("settings");
        assert_eq!(settings.0["sasl.password"], "secret=1");
        assert!(!format!("{settings:?}").contains("secret"));
        for (text, line, what) in [
            ("acks=1", 1, "acks is not to be set"),
            ("\nsasl.passwort=secret", 2, "sasl.passwort is no setting"),
            ("socket.timeout.ms=secret", 1, "the value of socket.timeout.ms"),
            ("secret", 1, "name=value"),
        ] {
            let (found, why) = Settings::parse(text).expect_err("a fault");
            assert!(found == line && why.contains(what) && !why.contains("secret"), "{text}: {why}");
        }
    }
}
