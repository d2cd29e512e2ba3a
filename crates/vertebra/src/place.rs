//! Where the logs of a data folder stand: in it, in another folder, or where a scheme like `kafka://` says.

use std::{
    fs, io,
    path::{Path, PathBuf, absolute},
    sync::Arc,
};

use anyhow::Context;
use event_log::{
    EmbeddedLogs, Logs,
    files::{RealFiles, make_folder, replace_whole},
};
use serde::Deserialize;

use crate::{cli::Place, failure::Failure};

/// A place that logs stand in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogPlace {
    /// A folder on this machine.
    Folder(PathBuf),
    /// Topics of a cluster, and the file with the settings of the connection.
    #[cfg(feature = "kafka")]
    Kafka(kafka_log::Address, Option<PathBuf>),
}

impl LogPlace {
    /// What the command line or the environment names, or else the data folder's settings, or else the data folder.
    pub(crate) fn of(place: &Place) -> anyhow::Result<LogPlace> {
        let remembered = Settings::read(&place.data)?;
        let beside = |file: &String| place.data.join(file);
        let kafka_config = place.kafka_config.clone().or(remembered.kafka_config.as_ref().map(beside));
        match (&place.log, remembered.log) {
            (Some(named), _) => Ok(LogPlace::parse(named, Path::new(""), kafka_config)?),
            (None, Some(remembered)) => Ok(LogPlace::parse(&remembered, &place.data, kafka_config)?),
            (None, None) => Ok(LogPlace::Folder(place.data.clone())),
        }
    }

    /// Reads a place; a folder is one in `beside` where it is not an absolute path.
    pub(crate) fn parse(
        named: &str,
        beside: &Path,
        kafka_config: Option<PathBuf>,
    ) -> Result<LogPlace, Failure> {
        if named.starts_with("kafka://") {
            return LogPlace::kafka(named, kafka_config);
        }
        if named.is_empty() || named.contains("://") {
            return Err(Failure::Usage(format!(
                "logs stand in a folder of this machine or at kafka://HOST:PORT, not at \"{named}\""
            )));
        }
        Ok(LogPlace::Folder(beside.join(named)))
    }

    #[cfg(feature = "kafka")]
    fn kafka(named: &str, config: Option<PathBuf>) -> Result<LogPlace, Failure> {
        let address = named.parse().map_err(|what| Failure::Usage(format!("\"{named}\": {what}")))?;
        Ok(LogPlace::Kafka(address, config))
    }

    #[cfg(not(feature = "kafka"))]
    fn kafka(named: &str, _: Option<PathBuf>) -> Result<LogPlace, Failure> {
        let what = format!(
            "\"{named}\": this command was built without Kafka; build it with --features kafka, which needs OpenSSL's headers \
             (Debian: apt install libssl-dev pkg-config)"
        );
        Err(Failure::Usage(what))
    }

    /// The logs there.
    pub(crate) fn logs(&self) -> anyhow::Result<Arc<dyn Logs>> {
        match self {
            LogPlace::Folder(folder) => Ok(Arc::new(EmbeddedLogs::new(folder, RealFiles::shared()))),
            #[cfg(feature = "kafka")]
            LogPlace::Kafka(address, config) => {
                Ok(Arc::new(kafka_log::KafkaLogs::new(address.clone(), kafka_settings(config.as_deref())?)))
            }
        }
    }

    /// The folder they stand in, where it is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            LogPlace::Folder(folder) => Some(folder),
            #[cfg(feature = "kafka")]
            LogPlace::Kafka(..) => None,
        }
    }
}

/// The settings of the connection to the brokers.
#[cfg(feature = "kafka")]
pub(crate) fn kafka_settings(file: Option<&Path>) -> anyhow::Result<kafka_log::Settings> {
    let refused = |error: kafka_log::SettingsError| match error {
        error @ kafka_log::SettingsError::Line { .. } => {
            anyhow::Error::from(Failure::Usage(error.to_string()))
        }
        error => anyhow::Error::from(error),
    };
    Ok(file.map(kafka_log::Settings::read).transpose().map_err(refused)?.unwrap_or_default())
}

/// What a data folder says of itself: `DATA/vertebra.toml`.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// As `--log`; a folder is one beside this file where it is not an absolute path.
    log: Option<String>,
    /// Where the settings of the connection to the brokers stand.
    kafka_config: Option<String>,
}

impl Settings {
    const NAME: &str = "vertebra.toml";

    /// Those of a data folder; it need not have any.
    fn read(data: &Path) -> anyhow::Result<Settings> {
        let path = data.join(Self::NAME);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
            text => {
                let text = text.with_context(|| format!("cannot read {}", path.display()))?;
                let wrong = |error: toml::de::Error| {
                    Failure::Refused(format!("{}: {}", path.display(), error.to_string().trim_end()))
                };
                Ok(toml::from_str(&text).map_err(wrong)?)
            }
        }
    }

    fn write(&self, data: &Path) -> anyhow::Result<()> {
        let mut text = String::new();
        for (name, value) in [("log", &self.log), ("kafka_config", &self.kafka_config)] {
            if let Some(value) = value {
                // Every text in JSON is one in TOML.
                text.push_str(&format!("{name} = {}\n", serde_json::Value::from(value.as_str())));
            }
        }
        let path = data.join(Self::NAME);
        make_folder(&RealFiles, data)
            .and_then(|()| replace_whole(&RealFiles, &path, text.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Writes into a data folder that is being made where its logs stand, if the command line or the environment says so.
pub(crate) fn remember(place: &Place) -> anyhow::Result<()> {
    let Some(named) = &place.log else { return Ok(()) };
    let log = match LogPlace::of(place)?.folder() {
        Some(folder) => {
            let folder = absolute(folder).with_context(|| format!("cannot find {}", folder.display()))?;
            let not_text = || Failure::Usage(format!("{} is not a path in Unicode", folder.display()));
            folder.to_str().ok_or_else(not_text)?.to_owned()
        }
        None => named.clone(),
    };
    let mut settings = Settings { log: Some(log), ..Settings::read(&place.data)? };
    if let Some(file) = &place.kafka_config {
        let file = absolute(file).with_context(|| format!("cannot find {}", file.display()))?;
        let not_text = || Failure::Usage(format!("{} is not a path in Unicode", file.display()));
        settings.kafka_config = Some(file.to_str().ok_or_else(not_text)?.to_owned());
    }
    settings.write(&place.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(data: &Path, log: Option<&str>) -> Place {
        Place {
            data: data.to_owned(),
            log: log.map(str::to_owned),
            kafka_config: None,
            reference: None,
            policy: None,
        }
    }

    #[test]
    fn a_data_folder_remembers_where_its_logs_stand() {
        let folder = tempfile::TempDir::new().unwrap();
        let (data, logs) = (folder.path().join("data"), folder.path().join("the \"logs\"\n"));
        let own = place(&data, None);
        assert_eq!(LogPlace::of(&own).unwrap(), LogPlace::Folder(data.clone()));
        remember(&own).unwrap();
        assert!(!data.exists(), "nothing was named");
        remember(&place(&data, logs.to_str())).unwrap();
        assert_eq!(LogPlace::of(&own).unwrap(), LogPlace::Folder(logs));
        let other = place(&data, Some("other"));
        assert_eq!(LogPlace::of(&other).unwrap(), LogPlace::Folder("other".into()), "what is named counts");
    }

    #[test]
    fn a_folder_in_the_settings_stands_beside_them_and_what_is_wrong_in_them_is_told() {
        let folder = tempfile::TempDir::new().unwrap();
        let data = folder.path().to_owned();
        let with = |text: &str| {
            fs::write(data.join(Settings::NAME), text).unwrap();
            LogPlace::of(&place(&data, None))
        };
        let found = with("log = \"../logs\"\nkafka_config = \"brokers.conf\"\n").unwrap();
        assert_eq!(found, LogPlace::Folder(data.join("../logs")));
        assert_eq!(with("").unwrap(), LogPlace::Folder(data.clone()));
        for wrong in ["logs = \"x\"", "log = 1", "log = \"\"", "log = \"ftp://x\"", "log"] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }
}
