//! Kills at random moments: a writer and a projector of one folder.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use super::{Books, Dice, LINES_A_PERSON, Running, lines};
use crate::support::Folder;

pub(crate) fn number_of(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

/// Learns how long a run takes, so that most moments at which it is killed lie inside it, on a fast machine and on a slow one.
pub(crate) struct Moments {
    dice: Dice,
    run: Duration,
}

impl Moments {
    pub(crate) fn new() -> Moments {
        Moments { dice: Dice(number_of("KILL_SEED", 1)), run: Duration::from_millis(500) }
    }

    pub(crate) fn next(&mut self) -> Duration {
        self.dice.millis_below(self.run.as_millis() as u64 * 6 / 5)
    }

    pub(crate) fn learn(&mut self, took: Duration, killed: bool) {
        self.run = if killed { self.run * 21 / 20 } else { took.max(Duration::from_millis(5)) };
    }
}

pub(crate) fn appender(folder: &Folder, file: &str) -> Running {
    Running::start(folder, "append", &["append", "--json", file], Stdio::null())
}

pub(crate) fn follower(folder: &Folder) -> Running {
    Running::start(folder, "follow", &["project", "--follow"], Stdio::null())
}

/// Kills, and sees that nobody threw anything away: after a kill what is derived goes on from where it stood.
pub(crate) fn kill(running: &mut Running) -> bool {
    let killed = running.kill();
    let complaints = running.complaints();
    assert!(!complaints.contains("thrown away") && !complaints.contains("ERROR"), "{complaints}");
    killed
}

/// Kills a writer and a projector that follows, each at random moments, so many times; then tells everything whole, twice. Gives
/// back what was acknowledged, and how many lines there are: all is projected, and the books hold.
pub(crate) fn kill_at_random(folder: &Folder, rounds: u64) -> (Books, usize) {
    let mut moments = Moments::new();
    let mut books = Books::default();
    books.send(folder, 20 * LINES_A_PERSON);
    let mut sent = books.next();
    let (mut appenders_killed, mut followers_killed) = (0, 0);
    let mut following = None;
    for _ in 0..rounds {
        // A sender goes on with what was never answered; now and then with more, for it lost its own notes.
        let again = if moments.dice.below(4) == 0 { moments.dice.below(500) as usize } else { 0 };
        let first = books.next().saturating_sub(again);
        let last = first + 200 + moments.dice.below(6000) as usize;
        sent = sent.max(last);
        let file = lines(folder, "part.jsonl", first..last);

        let mut follower = following.take().unwrap_or_else(|| follower(folder));
        let begun = Instant::now();
        let mut appender = appender(folder, &file);
        let (moment, other) = (moments.next(), moments.next());
        let follower_dies_first = other < moment;
        if follower_dies_first {
            follower.ends_within(other);
            followers_killed += u64::from(kill(&mut follower));
        }
        appender.ends_within(moment.saturating_sub(begun.elapsed()));
        let took = begun.elapsed();
        let killed = kill(&mut appender);
        appenders_killed += u64::from(killed);
        moments.learn(took, killed);
        books.take(first, &appender.said());
        if !follower_dies_first {
            if moments.dice.below(2) == 0 {
                follower.ends_within(other);
                followers_killed += u64::from(kill(&mut follower));
            } else {
                following = Some(follower);
            }
        }
    }
    if let Some(mut follower) = following {
        kill(&mut follower);
    }
    assert!(
        appenders_killed >= rounds / 4 && followers_killed >= rounds / 4,
        "of {rounds} rounds {appenders_killed} killed the appender and {followers_killed} the projector: too few to show anything"
    );

    // Told whole, what was acknowledged comes back as a duplicate at its first place; told twice, all of it.
    let acknowledged = books.acknowledged.len();
    let all = sent.next_multiple_of(LINES_A_PERSON);
    let duplicates = books.send(folder, all);
    assert!(duplicates >= acknowledged, "{duplicates} duplicates of {acknowledged} acknowledged");
    assert_eq!(books.send(folder, all), all);
    folder.run(&["project"]).ok();
    books.check(folder);
    (books, all)
}
