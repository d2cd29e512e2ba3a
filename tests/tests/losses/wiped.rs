//! What the projector keeps is lost.

use std::fs;

use event_log::EventLog;

use crate::{
    broker,
    town::{PARTITIONS, Town, events, project, write},
};

#[test]
fn the_store_wiped_or_begun_elsewhere_gives_the_same_figures() {
    let Some((cluster, _turn)) = broker() else { return };
    let town = Town::new(&cluster, "wiped", PARTITIONS, 1);
    let log = events(21, 400, PARTITIONS);
    write(&town.log(), &log);

    let root = town.folder("projector");
    let first = project(&town.log(), &root);
    first.is_of(&log);
    fs::remove_dir_all(&root).unwrap();
    let again = project(&town.log(), &root);
    again.is_of(&log);
    assert_eq!(again.manifest.events_digest, first.manifest.events_digest);

    // The same for those that follow.
    let following = town.follow("projector");
    following.wait_for(town.log().ends().unwrap().iter().sum());
    following.end().is_of(&log);
    fs::remove_dir_all(&root).unwrap();
    let elsewhere = town.follow("elsewhere");
    elsewhere.wait_for(town.log().ends().unwrap().iter().sum());
    elsewhere.end().is_of(&log);
}
