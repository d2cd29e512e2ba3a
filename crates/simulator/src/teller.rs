//! How something gets said: into a person's list, if it becomes known before the city's log ends.

use crate::{
    Key, Short,
    dice::Dice,
    truth::{Moment, Person, Says, TakesBack, Told},
};

/// Who says something, about which record, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    pub(crate) emitter: Short,
    pub(crate) record_key: Key,
    pub(crate) asserted_ms: Moment,
    pub(crate) occurred_ms: Moment,
    pub(crate) recorded_ms: Moment,
}

impl Word {
    /// Said as it happens, and known at once.
    pub(crate) fn new(emitter: Short, record_key: Key, ms: Moment) -> Word {
        Word { emitter, record_key, asserted_ms: ms, occurred_ms: ms, recorded_ms: ms + 400 }
    }
}

/// Collects what is said about one person.
pub(crate) struct Teller<'a> {
    pub(crate) person: &'a mut Person,
    /// What becomes known at or after this moment is not in the log.
    pub(crate) end_ms: Moment,
}

impl Teller<'_> {
    /// Says something about the person's first identity.
    pub(crate) fn tell(&mut self, word: Word, says: Says) -> Option<u32> {
        self.push(Told {
            identity: 0,
            emitter: word.emitter,
            record_key: word.record_key,
            asserted_ms: word.asserted_ms,
            occurred_ms: word.occurred_ms,
            recorded_ms: word.recorded_ms,
            says,
            takes_back: None,
            withdraws: false,
            by_operator: false,
            copy_of: None,
        })
    }

    /// Says something, and answers with its index.
    pub(crate) fn push(&mut self, told: Told) -> Option<u32> {
        if told.recorded_ms >= self.end_ms {
            return None;
        }
        self.person.told.push(told);
        Some(self.person.told.len() as u32 - 1)
    }

    /// What was said as number `index`.
    pub(crate) fn told(&self, index: u32) -> &Told {
        &self.person.told[index as usize]
    }

    /// The same again: a file sent twice.
    pub(crate) fn copy(&mut self, index: u32, recorded_ms: Moment) {
        let told = self.told(index).clone();
        self.push(Told { recorded_ms, copy_of: Some(index), ..told });
    }

    /// A later version of the record that `index` is a version of.
    pub(crate) fn version(
        &mut self,
        index: u32,
        asserted_ms: Moment,
        recorded_ms: Moment,
        says: Says,
    ) -> Option<u32> {
        let told = self.told(index).clone();
        self.push(Told { asserted_ms, recorded_ms, says, ..told })
    }

    /// A withdrawal: the record's newest version says that it no longer holds.
    pub(crate) fn withdraw(&mut self, index: u32, asserted_ms: Moment, recorded_ms: Moment) -> Option<u32> {
        let told = self.told(index).clone();
        self.push(Told { asserted_ms, recorded_ms, withdraws: true, ..told })
    }

    /// Takes one event back by its id, with a record of its own.
    pub(crate) fn take_back(&mut self, index: u32, record_key: Key, ms: Moment) -> Option<u32> {
        let told = self.told(index);
        let taking = Told {
            record_key,
            asserted_ms: ms,
            recorded_ms: ms + 400,
            says: Says::Nothing,
            takes_back: Some(TakesBack { target: index, instead: false }),
            ..told.clone()
        };
        self.push(taking)
    }
}

/// How long after a visit's end its claim becomes known, in milliseconds: most within the day, some weeks late.
pub(crate) fn delay(dice: &mut Dice) -> Moment {
    const MINUTE: i64 = 60_000;
    const DAY: i64 = 86_400_000;
    match dice.below(1000) {
        0..=799 => dice.between(5 * MINUTE, 6 * 60 * MINUTE),
        800..=959 => dice.between(6 * 60 * MINUTE, 3 * DAY),
        960..=989 => dice.between(3 * DAY, 25 * DAY),
        _ => dice.between(25 * DAY, 150 * DAY),
    }
}
