//! The topic is deleted, and made again under the same name.

use event_log::{AppendError, EventLog, ReadError, files::RealFiles};
use projector::{Projector, StoreError};

use crate::{
    broker,
    town::{BENCH, Ended, PARTITIONS, Town, count, events, halves, options, project, write},
};

/// The words that a replaced topic is told with.
#[track_caller]
fn is_named(ended: &Ended, words: &[&str]) {
    let Err(StoreError::Log(error @ ReadError::Replaced { .. })) = &ended.followed else {
        panic!("{:?}", ended.followed)
    };
    let said = error.to_string();
    for word in words {
        assert!(said.contains(word), "{word} is missing: {said}");
    }
}

#[test]
fn a_topic_deleted_while_it_is_followed_is_named_and_the_figures_stay() {
    let Some((cluster, _turn)) = broker() else { return };
    let town = Town::new(&cluster, "deleted-for-good", PARTITIONS, 1);
    let log = events(22, 200, PARTITIONS);
    write(&town.log(), &log);
    let following = town.follow("figures");
    following.wait_for(count(&log));
    cluster.delete_topic(&town.topic()).unwrap();
    let ended = following.ends_by_itself();
    is_named(&ended, &[&town.topic(), "there is no such topic any more", "vertebra log copy"]);
    ended.is_of(&log);
}

#[test]
fn a_topic_made_again_while_it_is_followed_gives_no_record() {
    let Some((cluster, _turn)) = broker() else { return };
    let log = events(23, 200, PARTITIONS);
    // Other people: a record of theirs would show.
    let others = events(24, 600, PARTITIONS);
    assert!(log.iter().zip(&others).all(|(log, others)| log.len() < others.len()));
    let few: Vec<_> = others.iter().map(|records| records[..3].to_vec()).collect();
    for (name, new) in [("made-again-with-few", &few), ("made-again-with-more", &others)] {
        let town = Town::new(&cluster, name, PARTITIONS, 1);
        write(&town.log(), &log);
        let was = town.log().id().to_string();
        let following = town.follow("figures");
        following.wait_for(count(&log));
        cluster.delete_topic(&town.topic()).unwrap();
        town.make_topics(PARTITIONS, 1);
        let is = town.log().id().to_string();
        write(&town.log(), new);
        let ended = following.ends_by_itself();
        is_named(&ended, &[&town.topic(), "deleted and made again", &was, &is, "vertebra log copy"]);
        ended.is_of(&log);

        // Nor does the next one count any of it.
        let after = town.log();
        let root = town.folder("figures");
        let opened = Projector::open(&root, RealFiles::shared(), &after, &BENCH.bundle, options());
        let Err(StoreError::Refused(said)) = opened.map(|_| ()) else { panic!("{name}: it was opened") };
        assert!(said.contains("computed from another log"), "{said}");
        // What it holds now is projected where nothing was.
        project(&after, &town.folder("anew")).is_of(new);
    }
}

#[test]
fn a_topic_made_again_under_an_open_log_takes_and_gives_no_record() {
    let Some((cluster, _turn)) = broker() else { return };
    let log = events(25, 200, PARTITIONS);
    let others = events(26, 600, PARTITIONS);
    let town = Town::new(&cluster, "made-again-under-an-open-log", PARTITIONS, 1);
    let open = town.log();
    let (first, second) = halves(&log);
    write(&open, &first);
    let root = town.folder("figures");
    let opened = Projector::open(&root, RealFiles::shared(), &open, &BENCH.bundle, options());
    let mut projector = opened.unwrap().0;
    projector.catch_up(&|_| {}).unwrap();
    let before = projector.digests();

    cluster.delete_topic(&town.topic()).unwrap();
    town.make_topics(PARTITIONS, 1);
    write(&town.log(), &others);
    let error = projector.catch_up(&|_| {}).unwrap_err();
    assert!(matches!(error, StoreError::Log(ReadError::Replaced { .. })), "{error}");
    assert_eq!(projector.digests(), before);
    for partition in 0..PARTITIONS {
        let from = first[usize::from(partition)].len() as u64;
        let read = open
            .reader(partition, from)
            .and_then(|mut reader| Ok(reader.next_batch(1 << 20)?.map(|batch| batch.first_offset())));
        assert!(matches!(read, Err(ReadError::Replaced { .. })), "partition {partition}: {read:?}");
    }

    // Who appends is told that it is another log: nothing is acknowledged that its readers would not see.
    let ends = town.log().ends().unwrap();
    let bytes = &second[0][0];
    let key = contract::EventView::parse(bytes).unwrap().subject.0;
    let answered = open.append(&[event_log::Append { partition: 0, key: &key, bytes }]);
    let Err(AppendError::Refused(said)) = &answered else { panic!("{answered:?}") };
    assert!(said.contains("deleted and made again"), "{said}");
    assert_eq!(town.log().ends().unwrap(), ends);
}
