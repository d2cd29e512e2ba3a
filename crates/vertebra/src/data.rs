//! The data folder: opened, and made where there is none.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use contract::{Day, DeploymentKey, Millis};
use event_log::{EmbeddedLog, EventLog, files::RealFiles};
use intake::{Intake, keys};
use policy::Bundle;
use query::{DataFolder, Desk};

use crate::{cli::Place, failure::Failure};

/// Into how many partitions a log is cut unless somebody says otherwise.
pub(crate) const PARTITIONS: u16 = 64;

/// The wall clock.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A folder that was made before.
pub(crate) fn open(place: &Place) -> anyhow::Result<DataFolder> {
    Ok(DataFolder::open(&place.data, RealFiles::shared())?)
}

/// Makes the folder: its key with this secret, or a random one, its logs, and its first bundle.
pub(crate) fn create(
    place: &Place,
    partitions: u16,
    secret: Option<&[u8; 32]>,
) -> anyhow::Result<(DataFolder, DeploymentKey)> {
    // A broken bundle is found before anything is made.
    let found = place.sources().find()?;
    found.parse()?;
    let key_path = Intake::deployment_key_path(&place.data);
    let key = match secret {
        Some(secret) => match keys::read_deployment_key(&key_path)? {
            Some(key) if key.id() == DeploymentKey::new(secret).id() => key,
            _ => keys::create_deployment_key(&key_path, secret)?,
        },
        None => keys::open_deployment_key(&key_path)?,
    };
    let folder = DataFolder::create(&place.data, RealFiles::shared(), partitions, key.id(), now())?;
    folder.activate_bundle(&found.files, now())?;
    Ok((folder, key))
}

/// The front door; a folder is made where there is none.
pub(crate) fn open_intake(place: &Place) -> anyhow::Result<Intake> {
    let is_made = DataFolder::is_made(&place.data, RealFiles::shared())?;
    let folder = if is_made { open(place)? } else { create(place, PARTITIONS, None)?.0 };
    activate_named(place, &folder)?;
    let log: Arc<dyn EventLog> = Arc::new(folder.log_for_writing()?);
    Ok(Intake::open(&place.data, log)?)
}

/// Makes the bundle that the command line names the active one, if it names any; answers with the active bundle.
pub(crate) fn activate_named(place: &Place, folder: &DataFolder) -> anyhow::Result<Bundle> {
    let sources = place.sources();
    if !sources.are_named() && folder.control()?.active().is_some() {
        return Ok(folder.active_bundle()?);
    }
    let found = sources.find()?;
    found.parse()?;
    Ok(folder.activate_bundle(&found.files, now())?.0)
}

/// The log, to be read beside whoever writes it.
pub(crate) fn open_log(place: &Place) -> anyhow::Result<EmbeddedLog> {
    Ok(open(place)?.log()?)
}

/// Opens a desk on `log`, the folder's own.
pub(crate) fn open_desk<'a>(folder: &DataFolder, log: &'a EmbeddedLog) -> anyhow::Result<Desk<'a>> {
    Ok(Desk::open(folder, log, now())?)
}

/// The day that is asked for where none is named: today, or the day of the last record where that is earlier, as in a city
/// that was simulated to its end.
pub(crate) fn usual_day(desk: &Desk<'_>) -> Day {
    let latest =
        desk.reader().manifest().partitions.iter().filter_map(|partition| partition.known_until_ms).max();
    let today = now().day();
    latest.map_or(today, |latest| Millis(latest).day().min(today))
}

/// The bundle that a question is asked under: the one the command line names, which must have been active here; `None`:
/// none is named.
pub(crate) fn asked_bundle(place: &Place, desk: &Desk<'_>) -> anyhow::Result<Option<[u8; 32]>> {
    let sources = place.sources();
    if !sources.are_named() {
        return Ok(None);
    }
    let digest = sources.find()?.parse()?.digest();
    if desk.control().by_digest(&digest).is_none() {
        let what = "figures stand on bundles that are kept beside the log, and this one is not: \
                    `vertebra project` with the same --reference and --policy makes it the active one";
        return Err(Failure::Refused(what.to_owned()).into());
    }
    Ok(Some(digest))
}
