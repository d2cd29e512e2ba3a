//! The data folder: opened, and made where there is none.

use std::{
    fs::{self, File},
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use contract::{Day, DeploymentKey, Millis};
use event_log::{
    EventLog,
    files::{Files, RealFiles},
};
use intake::{Intake, keys};
use policy::Bundle;
use query::{Control, DataFolder, Desk};

use crate::{
    cli::Place,
    failure::Failure,
    place::{self, LogPlace},
};

/// The wall clock.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A folder that was made before.
pub(crate) fn open(place: &Place) -> anyhow::Result<DataFolder> {
    refuse_unfinished(place)?;
    Ok(DataFolder::open(&place.data, RealFiles::shared(), LogPlace::of(place)?.logs()?)?)
}

/// Whether a data folder was made.
pub(crate) fn is_made(place: &Place) -> anyhow::Result<bool> {
    Ok(DataFolder::is_made(&place.data, RealFiles::shared(), LogPlace::of(place)?.logs()?)?)
}

/// A folder that was made before, for a command that takes the rules from there and no others.
pub(crate) fn open_under_its_rules(place: &Place) -> anyhow::Result<DataFolder> {
    if place.sources().are_named() {
        let what = "this command takes its rules from the data folder: leave out --reference and --policy";
        return Err(Failure::Usage(what.to_owned()).into());
    }
    open(place)
}

/// Says of a data folder, while a city is simulated into it, that it is not finished: whoever is stopped meanwhile leaves half
/// a city, which looks like a whole one.
pub(crate) struct Unfinished(PathBuf);

impl Unfinished {
    const NAME: &str = "unfinished";

    /// Marks a folder that nothing was made in yet.
    pub(crate) fn begin(place: &Place) -> anyhow::Result<Unfinished> {
        refuse_unfinished(place)?;
        let path = place.data.join(Self::NAME);
        if !is_made(place)? {
            let cannot = || format!("cannot write to {}", place.data.display());
            fs::create_dir_all(&place.data).with_context(cannot)?;
            File::create(&path).and_then(|file| file.sync_all()).with_context(cannot)?;
            RealFiles.sync_dir(&place.data).with_context(cannot)?;
        }
        Ok(Unfinished(path))
    }

    /// The folder is finished: all that was made in it is durable.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        let removed = fs::remove_file(&self.0);
        removed.with_context(|| format!("cannot remove {}", self.0.display()))
    }
}

fn refuse_unfinished(place: &Place) -> Result<(), Failure> {
    if !place.data.join(Unfinished::NAME).exists() {
        return Ok(());
    }
    let data = place.data.display();
    Err(Failure::Refused(format!(
        "{data} holds a part of a simulated city: its making goes on, or was cut short; then remove {data} and simulate again"
    )))
}

/// Makes the folder: its key with this secret, or a random one, its logs, of which the event log is cut into `partitions` or
/// as many as are usual, and its first bundle.
pub(crate) fn create(
    place: &Place,
    partitions: Option<u16>,
    secret: Option<&[u8; 32]>,
) -> anyhow::Result<(DataFolder, DeploymentKey)> {
    // A broken bundle is found before anything is made.
    let found = place.sources().find(None)?;
    found.parse()?;
    let logs = LogPlace::of(place)?.logs()?;
    place::remember(place)?;
    let key_path = Intake::deployment_key_path(&place.data);
    let key = match secret {
        Some(secret) => match keys::read_deployment_key(&key_path)? {
            Some(key) if key.id() == DeploymentKey::new(secret).id() => key,
            _ => keys::create_deployment_key(&key_path, secret)?,
        },
        None => keys::open_deployment_key(&key_path)?,
    };
    let folder = DataFolder::create(&place.data, RealFiles::shared(), logs, partitions, key.id(), now())?;
    folder.activate_bundle(&found.files, now())?;
    Ok((folder, key))
}

/// The front door; a folder is made where there is none. `into_simulated`: also that of a simulated city.
pub(crate) fn open_intake(place: &Place, into_simulated: bool) -> anyhow::Result<Intake> {
    refuse_unfinished(place)?;
    let folder = if is_made(place)? {
        let folder = open(place)?;
        if place.sources().are_named() && folder.control()?.active().is_some() {
            let what = "taking in changes no rules: leave out --reference and --policy; \
                        `vertebra project` makes other ones the active ones";
            return Err(Failure::Usage(what.to_owned()).into());
        }
        if !into_simulated && keys::is_simulated(&Intake::deployment_key_path(folder.root()))? {
            let what = format!(
                "{} holds a simulated city, whose key anybody can make: it hides no real number. Take real data into \
                 another folder (--data DIR); what is invented goes in with --into-simulated",
                place.data.display()
            );
            return Err(Failure::Usage(what).into());
        }
        // One whose making was cut short may have no bundle yet.
        activate_named(place, &folder)?;
        folder
    } else {
        create(place, None, None)?.0
    };
    let log: Arc<dyn EventLog> = Arc::from(folder.log_for_writing()?);
    Ok(Intake::open(&place.data, log)?)
}

/// Makes the bundle that the command line names the active one, if it names any; answers with the active bundle.
pub(crate) fn activate_named(place: &Place, folder: &DataFolder) -> anyhow::Result<Bundle> {
    let sources = place.sources();
    let active = active_bundle(&folder.control()?)?;
    if let (false, Some(active)) = (sources.are_named(), &active) {
        return Ok(active.clone());
    }
    let found = sources.find(active.as_ref())?;
    found.parse()?;
    Ok(folder.activate_bundle(&found.files, now())?.0)
}

/// The bundle that is active by this control log; `None`: the folder's making was cut short before one was.
pub(crate) fn active_bundle(control: &Control) -> anyhow::Result<Option<Bundle>> {
    Ok(control.active().map(|activation| control.bundle(activation)).transpose()?)
}

/// The log, to be read beside whoever writes it.
pub(crate) fn open_log(place: &Place) -> anyhow::Result<Box<dyn EventLog>> {
    Ok(open_under_its_rules(place)?.log()?)
}

/// Opens a desk on `log`, the folder's own.
pub(crate) fn open_desk<'a>(folder: &DataFolder, log: &'a dyn EventLog) -> anyhow::Result<Desk<'a>> {
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

/// The bundle that a question is asked under: the one the command line names, a draft where it was never active here;
/// `None`: none is named.
pub(crate) fn asked_bundle(place: &Place, desk: &mut Desk<'_>) -> anyhow::Result<Option<[u8; 32]>> {
    let sources = place.sources();
    if !sources.are_named() {
        return Ok(None);
    }
    let active = active_bundle(desk.control())?;
    let asked = sources.find(active.as_ref())?.parse()?;
    let digest = asked.digest();
    desk.try_out(asked);
    Ok(Some(digest))
}
