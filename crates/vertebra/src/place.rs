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
}

impl LogPlace {
    /// What the command line or the environment names, or else the data folder's settings, or else the data folder.
    pub(crate) fn of(place: &Place) -> anyhow::Result<LogPlace> {
        match &place.log {
            Some(named) => Ok(LogPlace::parse(named, Path::new(""))?),
            None => match Settings::read(&place.data)?.log {
                Some(remembered) => Ok(LogPlace::parse(&remembered, &place.data)?),
                None => Ok(LogPlace::Folder(place.data.clone())),
            },
        }
    }

    /// Reads a place; a folder is one in `beside` where it is not an absolute path.
    fn parse(named: &str, beside: &Path) -> Result<LogPlace, Failure> {
        let is_address = named.contains("://");
        if named.is_empty() || is_address {
            return Err(Failure::Usage(format!(
                "logs stand in a folder of this machine, not at \"{named}\""
            )));
        }
        Ok(LogPlace::Folder(beside.join(named)))
    }

    /// The logs there.
    pub(crate) fn logs(&self) -> anyhow::Result<Arc<dyn Logs>> {
        match self {
            LogPlace::Folder(folder) => Ok(Arc::new(EmbeddedLogs::new(folder, RealFiles::shared()))),
        }
    }

    /// The folder they stand in, where it is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            LogPlace::Folder(folder) => Some(folder),
        }
    }
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
    let settings = Settings { log: Some(log), ..Settings::read(&place.data)? };
    settings.write(&place.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(data: &Path, log: Option<&str>) -> Place {
        Place { data: data.to_owned(), log: log.map(str::to_owned), reference: None, policy: None }
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
