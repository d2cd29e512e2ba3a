//! The file of persons' keys, as intake adds to it.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use contract::{PersonKey, Subject};
use event_log::files::{Access, FileHandle, Files, RealFiles, read_exact_at};
use zeroize::Zeroizing;

use super::{KeyError, PERSONS_MAGIC, SLOT_BYTES, random, refused, sync_names, unavailable};

/// Whose key, and the key.
type Slot = (Subject, Zeroizing<[u8; 32]>);

/// Slots that are read at once: a megabyte of them.
const PIECE_SLOTS: u64 = (1 << 20) / SLOT_BYTES;
/// Slots that are noted at once, or a piece more.
const NOTED_SLOTS: usize = 300_000;

/// The keys of persons, in a file of slots of 52 bytes: subject (16), key (32), CRC-32C of both. Slots are only ever
/// added, so a slot's number stays; 8.6 million people take 450 MB. Who has which slot is in intake's index.
#[derive(Debug)]
pub(crate) struct PersonKeys {
    path: PathBuf,
    file: Box<dyn FileHandle>,
    slots: u64,
    unsynced: Vec<u8>,
    /// There may be something behind the last slot: it is cut off before anything is written.
    has_rest: bool,
}

impl PersonKeys {
    /// Opens the file, or makes it. `indexed` slots are in the index already; `note` gets the others, up to the first that
    /// was not written whole: whose they are, and how many slots there are up to there. What is behind that is left, and
    /// [`PersonKeys::has_rest`] says so: see [`PersonKeys::cut_rest`].
    pub(crate) fn open<E: From<KeyError>>(
        path: &Path,
        indexed: u64,
        note: impl FnMut(HashMap<Subject, u64>, u64) -> Result<(), E>,
    ) -> Result<PersonKeys, E> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(unavailable(folder))?;
        // Made by hand: nobody else may ever read it.
        let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        drop(made.map_err(unavailable(path))?);
        let file = RealFiles.open(path, Access::Write).map_err(unavailable(path))?;
        if file.len().map_err(unavailable(path))? < PERSONS_MAGIC.len() as u64 {
            sync_names(folder).map_err(unavailable(folder))?;
        }
        let mut keys = PersonKeys::of_file(path, file, indexed)?;
        keys.find(indexed, note)?;
        Ok(keys)
    }

    fn of_file(path: &Path, file: Box<dyn FileHandle>, indexed: u64) -> Result<PersonKeys, KeyError> {
        let length = file.len().map_err(unavailable(path))?;
        let mut magic = [0; PERSONS_MAGIC.len()];
        if length >= 16 {
            read_exact_at(file.as_ref(), &mut magic, 0).map_err(unavailable(path))?;
        }
        // A machine that stops while the file is made leaves a part of its first bytes, and no slots.
        let is_begun = magic.iter().zip(PERSONS_MAGIC).all(|(found, byte)| found == byte || *found == 0);
        if length < 16 || length == 16 && is_begun && magic != *PERSONS_MAGIC {
            file.truncate(0)
                .and_then(|()| file.write_at(PERSONS_MAGIC, 0))
                .and_then(|()| file.sync_all())
                .map_err(unavailable(path))?;
        } else if magic != *PERSONS_MAGIC {
            return Err(refused(path, "not a file of persons' keys; restore it, or name the right one"));
        }
        let held = length.saturating_sub(16) / SLOT_BYTES;
        if held < indexed {
            let what = format!(
                "holds {held} keys, {indexed} were given out: bring back the newest copy of it; if there is none, remove \
                 the folder intake, which is then built without them: whoever they were for cannot be read any more"
            );
            return Err(refused(path, what));
        }
        let has_rest = length.max(16) > 16 + held * SLOT_BYTES;
        Ok(PersonKeys { path: path.into(), file, slots: held, unsynced: Vec::new(), has_rest })
    }

    /// Notes whose the slots from `indexed` on are, some at a time: after a long log was written past intake there is one
    /// for everybody.
    fn find<E: From<KeyError>>(
        &mut self,
        indexed: u64,
        mut note: impl FnMut(HashMap<Subject, u64>, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut at, held) = (indexed, self.slots);
        let mut found = HashMap::new();
        while at < self.slots {
            let many = (held - at).min(PIECE_SLOTS);
            let mut piece = Zeroizing::new(vec![0; (many * SLOT_BYTES) as usize]);
            read_exact_at(self.file.as_ref(), &mut piece, slot_at(at)).map_err(unavailable(&self.path))?;
            for bytes in piece.chunks_exact(SLOT_BYTES as usize) {
                let Some((subject, _)) = decode(bytes) else {
                    (self.slots, self.has_rest) = (at, true);
                    break;
                };
                found.insert(subject, at);
                at += 1;
            }
            if found.len() >= NOTED_SLOTS || at == self.slots {
                note(std::mem::take(&mut found), at)?;
            }
        }
        Ok(())
    }

    /// Whether there is something behind the last slot that can be read: of keys that were being written when the machine
    /// stopped, any part may be there. Nothing was sealed under them then; else the file is damaged.
    pub(crate) fn has_rest(&self) -> bool {
        self.has_rest
    }

    /// Cuts that off. Only where nothing in the log was sealed under it.
    pub(crate) fn cut_rest(&mut self) -> Result<(), KeyError> {
        if self.has_rest {
            self.file.truncate(self.end()).map_err(unavailable(&self.path))?;
            self.has_rest = false;
        }
        Ok(())
    }

    /// What to say where something was.
    pub(crate) fn rest_is_needed(&self) -> KeyError {
        self.damaged(self.slots)
    }

    /// Where the next slot begins.
    fn end(&self) -> u64 {
        slot_at(self.slots)
    }

    fn damaged(&self, slot: u64) -> KeyError {
        refused(
            &self.path,
            format!("slot {slot} is damaged; restore this file from a copy: whoever is in it cannot be read"),
        )
    }

    /// Subject and key of a slot; `None` where its checksum does not fit.
    fn slot(&self, slot: u64) -> Result<Option<Slot>, KeyError> {
        let mut bytes = Zeroizing::new([0; SLOT_BYTES as usize]);
        read_exact_at(self.file.as_ref(), &mut bytes[..], slot_at(slot)).map_err(unavailable(&self.path))?;
        Ok(decode(&bytes[..]))
    }

    /// How many slots there are, new ones included.
    pub(crate) fn slots(&self) -> u64 {
        self.slots + self.unsynced.len() as u64 / SLOT_BYTES
    }

    /// The key in a slot, which must be the subject's.
    pub(crate) fn get(&self, slot: u64, subject: Subject) -> Result<PersonKey, KeyError> {
        match self.slot(slot)? {
            Some((found, key)) if found == subject => Ok(PersonKey::new(&key)),
            _ => Err(self.damaged(slot)),
        }
    }

    /// A new key for a subject and the slot it will have; nothing may be sealed under it for the log before
    /// [`PersonKeys::sync`].
    pub(crate) fn create(&mut self, subject: Subject) -> (u64, PersonKey) {
        let slot = self.slots();
        let key = random();
        let from = self.unsynced.len();
        self.unsynced.extend_from_slice(&subject.0);
        self.unsynced.extend_from_slice(&key[..]);
        let sum = crc32c::crc32c(&self.unsynced[from..]);
        self.unsynced.extend_from_slice(&sum.to_le_bytes());
        (slot, PersonKey::new(&key))
    }

    /// Makes the new keys durable. Where that fails they are forgotten, for nothing sealed under them may reach the log, and
    /// what was written of them is taken back: found again later, they would stand in the way of the keys in use.
    pub(crate) fn sync(&mut self) -> Result<(), KeyError> {
        let synced = self.write_unsynced();
        if synced.is_err() {
            self.forget_unsynced();
            self.has_rest = true;
            if let Err(error) = self.cut_rest() {
                tracing::warn!(%error, "what was written of new keys is cut off before the next are written");
            }
        }
        synced
    }

    fn write_unsynced(&mut self) -> Result<(), KeyError> {
        if self.unsynced.is_empty() {
            return Ok(());
        }
        self.cut_rest()?;
        self.file
            .write_at(&self.unsynced, self.end())
            .and_then(|()| self.file.sync_data())
            .map_err(unavailable(&self.path))?;
        self.slots = self.slots();
        self.forget_unsynced();
        Ok(())
    }

    /// Forgets new keys that were not synced: what was sealed under them did not reach the log.
    pub(crate) fn forget_unsynced(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.unsynced);
        self.unsynced.clear();
    }
}

fn slot_at(slot: u64) -> u64 {
    16 + slot * SLOT_BYTES
}

/// Subject and key of a slot's bytes; `None` where its checksum does not fit.
fn decode(bytes: &[u8]) -> Option<Slot> {
    let (content, sum) = bytes.split_at_checked(48)?;
    if crc32c::crc32c(content).to_le_bytes() != *sum {
        return None;
    }
    let mut subject = Subject::default();
    subject.0.copy_from_slice(&content[..16]);
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&content[16..]);
    Some((subject, key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use event_log::testing::FaultyFiles;

    use super::*;

    const PATH: &str = "keys/persons.keys";

    /// A disk that forgets, with an empty file of keys whose name is safe.
    fn disk(seed: u64) -> FaultyFiles {
        let disk = FaultyFiles::new(seed);
        let files = disk.shared();
        files.create_dir(Path::new("keys")).unwrap();
        files.create(Path::new(PATH)).unwrap();
        for folder in ["keys", "."] {
            let _ = files.sync_dir(Path::new(folder));
        }
        disk
    }

    /// What a disk holds, as somebody finds it who knows of no slot.
    fn open(disk: &FaultyFiles) -> Result<(PersonKeys, Held), KeyError> {
        let file =
            disk.shared().open(Path::new(PATH), Access::Write).map_err(unavailable(Path::new(PATH)))?;
        let mut slots = Vec::new();
        let mut keys = PersonKeys::of_file(Path::new(PATH), file, 0)?;
        keys.find(0, |found, _| {
            slots.extend(found);
            Ok::<_, KeyError>(())
        })?;
        let held = slots.into_iter().map(|(subject, slot)| {
            let (found, key) = keys.slot(slot).unwrap().unwrap();
            assert_eq!(found, subject);
            (subject, (slot, *key))
        });
        let held: Vec<_> = held.collect();
        let by_subject = Held::from_iter(held.iter().copied());
        assert_eq!(by_subject.len(), held.len(), "somebody has two keys");
        Ok((keys, by_subject))
    }

    /// Slot and key of each person.
    type Held = BTreeMap<Subject, (u64, [u8; 32])>;

    fn person(number: u64) -> Subject {
        let mut subject = Subject::default();
        subject.0[..8].copy_from_slice(&number.to_le_bytes());
        subject
    }

    /// Makes keys of `people` that have none, and what they are.
    fn create(keys: &mut PersonKeys, held: &Held, people: std::ops::Range<u64>) -> Held {
        let mut made = Held::new();
        for subject in people.map(person).filter(|subject| !held.contains_key(subject)) {
            let (slot, _) = keys.create(subject);
            let key = keys.unsynced[keys.unsynced.len() - 36..][..32].try_into().unwrap();
            made.insert(subject, (slot, key));
        }
        made
    }

    fn holds(found: &Held, promised: &Held) -> bool {
        promised.iter().all(|(subject, key)| found.get(subject) == Some(key))
    }

    #[test]
    fn keys_that_are_safe_outlive_a_crash_at_any_moment_and_nobody_gets_two() {
        let mut torn = 0;
        for seed in 0..1500 {
            let disk = disk(seed);
            let mut promised = Held::new();
            for life in 0..4 {
                disk.crash_after(seed % 7 + life % 2);
                // As long as the power is there: three batches, of one key and of some more than a sector holds.
                let lived: Result<(), KeyError> = (|| {
                    let (mut keys, found) = open(&disk)?;
                    torn += u32::from(keys.has_rest());
                    assert!(holds(&found, &promised), "seed {seed}, life {life}");
                    keys.cut_rest()?;
                    promised.extend(found);
                    for batch in 0..3 {
                        let first = life * 90 + batch * 30;
                        let made = create(&mut keys, &promised, first..first + 1 + (seed + batch) % 30);
                        keys.sync()?;
                        promised.extend(made);
                    }
                    Ok(())
                })();
                assert!(lived.is_ok() || disk.has_crashed(), "seed {seed}, life {life}: {lived:?}");
                disk.crash();
            }
            let (_, found) = open(&disk).unwrap();
            assert!(holds(&found, &promised), "seed {seed}");
        }
        assert!(torn > 100, "{torn}");
    }

    #[test]
    fn what_was_written_of_keys_that_are_not_safe_is_never_found() {
        for seed in 0..200 {
            for failing in 0..2 {
                let disk = disk(seed);
                let (mut keys, none) = open(&disk).unwrap();
                let mut promised = create(&mut keys, &none, 0..20);
                keys.sync().unwrap();
                create(&mut keys, &promised, 20..60);
                // The write, or the sync.
                disk.fail_after(failing);
                assert!(matches!(keys.sync(), Err(KeyError::Unavailable { .. })));
                assert_eq!(keys.slots(), 20);
                let made = create(&mut keys, &promised, 59..60);
                keys.sync().unwrap();
                promised.extend(made);
                drop(keys);
                disk.kill();
                let (keys, found) = open(&disk).unwrap();
                assert_eq!((found, keys.has_rest()), (promised, false), "seed {seed}");
            }
        }
    }

    #[test]
    fn many_keys_are_found_some_at_a_time() {
        let disk = disk(1);
        let (mut keys, none) = open(&disk).unwrap();
        let people = 2 * NOTED_SLOTS as u64 + 10_000;
        create(&mut keys, &none, 0..people);
        keys.sync().unwrap();
        let damaged = people - 5;
        disk.damage(Path::new(PATH), |bytes| bytes[slot_at(damaged) as usize] ^= 1);
        let file = disk.shared().open(Path::new(PATH), Access::Write).unwrap();
        let mut keys = PersonKeys::of_file(Path::new(PATH), file, 7).unwrap();
        let (mut noted, mut next) = (Vec::new(), 7);
        keys.find(7, |found, slots| {
            let found: BTreeMap<u64, Subject> =
                found.into_iter().map(|(subject, slot)| (slot, subject)).collect();
            assert!(found.into_iter().eq((next..slots).map(|slot| (slot, person(slot)))));
            noted.push(slots - next);
            next = slots;
            Ok::<_, KeyError>(())
        })
        .unwrap();
        assert_eq!((next, keys.slots(), keys.has_rest()), (damaged, damaged, true));
        assert!(
            noted.len() == 3 && noted.iter().all(|many| *many < NOTED_SLOTS as u64 + PIECE_SLOTS),
            "{noted:?}"
        );
    }

    #[test]
    fn a_full_disk_is_told_costs_no_key_and_can_be_mended() {
        let disk = disk(1);
        let (mut keys, none) = open(&disk).unwrap();
        let mut promised = create(&mut keys, &none, 0..20);
        keys.sync().unwrap();
        disk.set_space_bytes(Some(disk.used_bytes() + 100));
        create(&mut keys, &promised, 20..30);
        let error = keys.sync().unwrap_err();
        expect_test::expect![
            "cannot use the key file keys/persons.keys: make room on the disk, or give the right to read and write there, then try again"
        ]
        .assert_eq(&error.to_string());
        assert_eq!(disk.used_bytes(), keys.end(), "the room is given back");
        disk.set_read_only(true);
        create(&mut keys, &promised, 20..30);
        assert!(keys.sync().is_err());
        disk.set_read_only(false);
        disk.set_space_bytes(None);
        let made = create(&mut keys, &promised, 25..35);
        keys.sync().unwrap();
        promised.extend(made);
        drop(keys);
        disk.crash();
        assert_eq!(open(&disk).unwrap().1, promised);
    }

    #[test]
    fn a_file_with_fewer_keys_than_were_given_out_is_an_old_copy() {
        let disk = disk(1);
        let (mut keys, none) = open(&disk).unwrap();
        create(&mut keys, &none, 0..3);
        keys.sync().unwrap();
        let file = disk.shared().open(Path::new(PATH), Access::Write).unwrap();
        let error = PersonKeys::of_file(Path::new(PATH), file, 4).unwrap_err();
        assert!(
            error.to_string().contains("holds 3 keys, 4 were given out: bring back the newest copy"),
            "{error}"
        );
    }
}
