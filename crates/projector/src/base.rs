//! Base files: the histories of one partition up to an offset, immutable and checksummed.
//!
//! ```text
//! people in subject order, in blocks of about 8 KB │ meta: counts, codes, known times, set aside, block index │ footer
//! ```
//!
//! A person is found by a binary search of the index and one block. Each block has a checksum in the index, and the
//! digest of the meta names the whole file. The base is also the snapshot of histories, their backup, and what is handed
//! over when a partition moves.

use std::{
    io::{ErrorKind, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use contract::{
    Code, Subject,
    v1::SubjectKind,
    varint::{put, take, take_array, take_bytes},
};
use event_log::{
    Checkpoint,
    files::{Access, FileHandle, Files, SequentialWriter, read_exact_at, temporary_path},
};
use history::{CodeIndex, Dictionary, History};

use crate::{
    error::{Corrupt, StoreError},
    gather::GatheredPerson,
    known::KnownTimes,
    stored::{
        SetAsideRecord, VERSION, decode_facts, put_checkpoint, put_set_aside, take_checkpoint, take_set_aside,
    },
};

const MAGIC: &[u8; 8] = b"vtbase01";
const BLOCK_BYTES: usize = 8 << 10;
/// Who goes through all people reads this much at once: it stays beside the processor.
const PIECE_BYTES: u64 = 128 << 10;
const FOOTER_BYTES: usize = 8 + 4 + 8 + 8 + 32;
/// A meta or a block larger than this is damage.
const SECTION_BYTES_MAX: u64 = 1 << 30;

/// What a base says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Which partition.
    pub partition: u16,
    /// It holds every record before this one's offset.
    pub checkpoint: Checkpoint,
    /// How many subjects.
    pub people: u64,
    /// How many facts, copies of one event each counted.
    pub facts: u64,
    /// How many facts are a further copy of an event that is there already.
    pub copies: u64,
    /// Bytes of the whole file.
    pub bytes: u64,
    /// Names the file's content.
    pub digest: [u8; 32],
}

#[derive(Debug)]
struct BlockEntry {
    first: Subject,
    at: u64,
    length: u32,
    crc: u32,
}

/// Writes one base file: people in ascending order of subject, then [`BaseWriter::finish`].
pub(crate) struct BaseWriter {
    files: Arc<dyn Files>,
    path: PathBuf,
    writer: SequentialWriter,
    block: Vec<u8>,
    block_first: Option<Subject>,
    index: Vec<BlockEntry>,
    summary: Summary,
    /// The codes' numbers in this file.
    pub(crate) dictionary: Dictionary,
}

impl BaseWriter {
    /// Begins the file that will stand at `path`; until it is finished it has a temporary name.
    pub(crate) fn create(
        files: &Arc<dyn Files>,
        path: &Path,
        partition: u16,
    ) -> Result<BaseWriter, StoreError> {
        let temporary = temporary_path(path);
        let file = event_log::files::remove_if_there(files.as_ref(), &temporary)
            .and_then(|_| files.create(&temporary))
            .map_err(|source| StoreError::io(path, source))?;
        Ok(BaseWriter {
            files: Arc::clone(files),
            path: path.to_owned(),
            writer: SequentialWriter::new(file),
            block: Vec::with_capacity(2 * BLOCK_BYTES),
            block_first: None,
            index: Vec::new(),
            summary: Summary { partition, ..Summary::default() },
            dictionary: Dictionary::default(),
        })
    }

    /// The same for a file that is written while something else wants its commits synced soon.
    pub(crate) fn gentle(self) -> BaseWriter {
        BaseWriter { writer: self.writer.gentle(), ..self }
    }

    /// Adds one person: `facts` encoded with [`BaseWriter::dictionary`], `count` of them.
    pub(crate) fn push(
        &mut self,
        subject: Subject,
        kind: SubjectKind,
        count: usize,
        facts: &[u8],
    ) -> Result<(), StoreError> {
        self.push_with(subject, kind, count, facts.len(), |block| block.extend_from_slice(facts))
    }

    /// Adds a person of this base's dictionary.
    pub(crate) fn push_gathered(&mut self, person: &GatheredPerson<'_>) -> Result<(), StoreError> {
        let (count, length) = (person.history.facts().len(), person.facts_bytes());
        let append = |block: &mut Vec<u8>| person.append_facts(block);
        self.push_with(person.subject, person.history.kind(), count, length, append)
    }

    fn push_with(
        &mut self,
        subject: Subject,
        kind: SubjectKind,
        count: usize,
        length: usize,
        append_facts: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), StoreError> {
        if self.block.len() + length > BLOCK_BYTES {
            self.end_block()?;
        }
        self.block_first.get_or_insert(subject);
        self.block.extend_from_slice(&subject.0);
        self.block.push(kind as i32 as u8);
        put(&mut self.block, count as u64);
        put(&mut self.block, length as u64);
        append_facts(&mut self.block);
        self.summary.people += 1;
        self.summary.facts += count as u64;
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), StoreError> {
        if let Some(first) = self.block_first.take() {
            let (at, length, crc) =
                (self.writer.position(), self.block.len() as u32, crc32c::crc32c(&self.block));
            self.index.push(BlockEntry { first, at, length, crc });
            self.writer.write_all(&self.block).map_err(|source| StoreError::io(&self.path, source))?;
            self.block.clear();
        }
        Ok(())
    }

    /// Writes the rest, syncs, and gives the file its name. `copies`: how many facts are a further copy of an event.
    pub(crate) fn finish(
        self,
        checkpoint: Checkpoint,
        copies: u64,
        known: &KnownTimes,
        set_aside: &[SetAsideRecord],
    ) -> Result<Summary, StoreError> {
        let files = Arc::clone(&self.files);
        let unsynced = self.write_rest(checkpoint, copies, known, set_aside)?;
        let folder = unsynced.path.parent().unwrap_or(Path::new(".")).to_owned();
        let summary = unsynced.sync()?;
        files.sync_dir(&folder).map_err(|source| StoreError::io(&folder, source))?;
        Ok(summary)
    }

    /// As [`BaseWriter::finish`], but what takes waiting is left to do, and may be done beside other work.
    pub(crate) fn write_rest(
        mut self,
        checkpoint: Checkpoint,
        copies: u64,
        known: &KnownTimes,
        set_aside: &[SetAsideRecord],
    ) -> Result<Unsynced, StoreError> {
        self.end_block()?;
        (self.summary.checkpoint, self.summary.copies) = (checkpoint, copies);
        let mut meta = Vec::with_capacity(self.index.len() * 32 + 4096);
        meta.extend_from_slice(&VERSION.to_le_bytes());
        let summary = &self.summary;
        put(&mut meta, u64::from(summary.partition));
        put_checkpoint(&mut meta, checkpoint);
        for count in [summary.people, summary.facts, summary.copies] {
            put(&mut meta, count);
        }
        let codes = self.dictionary.codes();
        put(&mut meta, codes.len() as u64);
        codes.iter().for_each(|code| meta.extend_from_slice(&code.packed().to_le_bytes()));
        known.encode_from(0, &mut meta);
        put_set_aside(&mut meta, set_aside);
        put(&mut meta, self.index.len() as u64);
        for block in &self.index {
            meta.extend_from_slice(&block.first.0);
            put(&mut meta, block.at);
            put(&mut meta, u64::from(block.length));
            meta.extend_from_slice(&block.crc.to_le_bytes());
        }
        let meta_at = self.writer.position();
        self.summary.digest = *blake3::hash(&meta).as_bytes();
        let mut footer = Vec::with_capacity(FOOTER_BYTES);
        footer.extend_from_slice(MAGIC);
        footer.extend_from_slice(&VERSION.to_le_bytes());
        footer.extend_from_slice(&meta_at.to_le_bytes());
        footer.extend_from_slice(&(meta.len() as u64).to_le_bytes());
        footer.extend_from_slice(&self.summary.digest);
        let io = |source| StoreError::io(&self.path, source);
        self.writer.write_all(&meta).and_then(|()| self.writer.write_all(&footer)).map_err(io)?;
        self.summary.bytes = self.writer.position();
        let BaseWriter { files, path, writer, summary, .. } = self;
        Ok(Unsynced { files, path, writer, summary })
    }
}

/// A base that is written to its end, under its temporary name, and not yet safe.
pub(crate) struct Unsynced {
    files: Arc<dyn Files>,
    path: PathBuf,
    writer: SequentialWriter,
    summary: Summary,
}

impl Unsynced {
    /// Syncs the file and gives it its name, which is safe once its folder is synced.
    pub(crate) fn sync(self) -> Result<Summary, StoreError> {
        self.writer
            .finish()
            .and_then(|_| self.files.rename(&temporary_path(&self.path), &self.path))
            .map_err(|source| StoreError::io(&self.path, source))?;
        Ok(self.summary)
    }
}

/// An open base file.
#[derive(Debug)]
pub(crate) struct Base {
    path: PathBuf,
    file: Box<dyn FileHandle>,
    pub(crate) summary: Summary,
    pub(crate) codes: Vec<Code>,
    pub(crate) known: KnownTimes,
    pub(crate) set_aside: Vec<SetAsideRecord>,
    index: Vec<BlockEntry>,
}

impl Base {
    /// Opens and checks the meta; blocks are checked as they are read. Whoever asks knows from a manifest that there is such
    /// a file: a missing one is damage.
    pub(crate) fn open(files: &dyn Files, path: &Path) -> Result<Base, StoreError> {
        let io = |source| StoreError::io(path, source);
        let damaged = |byte: u64, what: &str| StoreError::Corrupt(Corrupt::new(path, byte, what));
        let file = files.open(path, Access::Read).map_err(|source| match source.kind() {
            ErrorKind::NotFound => StoreError::Corrupt(Corrupt::missing(path)),
            _ => io(source),
        })?;
        let length = file.len().map_err(io)?;
        let footer_at =
            length.checked_sub(FOOTER_BYTES as u64).ok_or_else(|| damaged(0, "the file is too short"))?;
        let mut footer = [0; FOOTER_BYTES];
        read_exact_at(file.as_ref(), &mut footer, footer_at).map_err(io)?;
        let u64_at = |at: usize| u64::from_le_bytes(footer[at..at + 8].try_into().expect("eight bytes"));
        if &footer[..8] != MAGIC {
            return Err(damaged(footer_at, "the footer is not that of a base file"));
        }
        let version = u32::from_le_bytes(footer[8..12].try_into().expect("four bytes"));
        if version != VERSION {
            return Err(StoreError::OtherVersion {
                path: path.to_owned(),
                found: version,
                expected: VERSION,
            });
        }
        let (meta_at, meta_length) = (u64_at(12), u64_at(20));
        if meta_length > SECTION_BYTES_MAX || meta_at.checked_add(meta_length) != Some(footer_at) {
            return Err(damaged(footer_at, "the footer points outside the file"));
        }
        let mut meta = vec![0; meta_length as usize];
        read_exact_at(file.as_ref(), &mut meta, meta_at).map_err(io)?;
        let digest = *blake3::hash(&meta).as_bytes();
        if digest != footer[28..60] {
            return Err(damaged(meta_at, "the meta does not have its digest"));
        }
        let mut base = Base {
            path: path.to_owned(),
            file,
            summary: Summary { bytes: length, digest, ..Summary::default() },
            codes: Vec::new(),
            known: KnownTimes::default(),
            set_aside: Vec::new(),
            index: Vec::new(),
        };
        base.read_meta(&meta, meta_at).ok_or_else(|| damaged(meta_at, "the meta cannot be read"))?;
        Ok(base)
    }

    fn read_meta(&mut self, meta: &[u8], meta_at: u64) -> Option<()> {
        let bytes = &mut &meta[4..];
        self.summary.partition = u16::try_from(take(bytes)?).ok()?;
        self.summary.checkpoint = take_checkpoint(bytes)?;
        self.summary.people = take(bytes)?;
        self.summary.facts = take(bytes)?;
        self.summary.copies = take(bytes)?;
        for _ in 0..take(bytes)? {
            self.codes.push(Code::from_packed(u64::from_le_bytes(take_array(bytes)?)));
        }
        if self.codes.first() != Some(&Code::EMPTY) {
            return None;
        }
        self.known.decode_more(bytes)?;
        self.set_aside = take_set_aside(bytes)?;
        for _ in 0..take(bytes)? {
            let first = Subject(take_array(bytes)?);
            let (at, length) = (take(bytes)?, u32::try_from(take(bytes)?).ok()?);
            let crc = u32::from_le_bytes(take_array(bytes)?);
            if at + u64::from(length) > meta_at {
                return None;
            }
            self.index.push(BlockEntry { first, at, length, crc });
        }
        bytes.is_empty().then_some(())
    }

    /// Reads and checks blocks that follow each other.
    fn read_blocks(&self, blocks: Range<usize>, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        let lengths = self.index[blocks.clone()].iter().map(|block| block.length as usize);
        buffer.resize(lengths.sum(), 0);
        read_exact_at(self.file.as_ref(), buffer, self.index[blocks.start].at)
            .map_err(|source| StoreError::io(&self.path, source))?;
        let mut rest = buffer.as_slice();
        for number in blocks {
            let block = &self.index[number];
            let (bytes, after) = rest.split_at(block.length as usize);
            if crc32c::crc32c(bytes) != block.crc {
                return Err(self.damaged(number, "a block does not have its checksum"));
            }
            rest = after;
        }
        Ok(())
    }

    /// Block number `first` and those after it that follow each other and are worth one reading.
    fn piece_from(&self, first: usize) -> Range<usize> {
        let mut end = self.index[first].at;
        let follow = self.index[first..].iter().take_while(|block| {
            let follows = block.at == end;
            end += u64::from(block.length);
            follows && end - self.index[first].at <= PIECE_BYTES
        });
        first..first + follow.count().max(1)
    }

    /// Which of `blocks` byte `at` of them belongs to.
    fn block_at(&self, blocks: &Range<usize>, at: usize) -> usize {
        let at = self.index[blocks.start].at + at as u64;
        blocks.start + self.index[blocks.clone()].partition_point(|block| block.at <= at) - 1
    }

    fn damaged(&self, block: usize, what: &str) -> StoreError {
        StoreError::Corrupt(Corrupt::new(&self.path, self.index[block].at, what))
    }

    /// Adds the facts of `subject` to `history`; says whether there are any.
    pub(crate) fn get(
        &self,
        subject: Subject,
        history: &mut History,
        last: &mut LastBlock,
    ) -> Result<bool, StoreError> {
        let number = self.index.partition_point(|block| block.first <= subject);
        let Some(number) = number.checked_sub(1) else { return Ok(false) };
        let wanted = Some((self.summary.digest, number));
        if last.which != wanted {
            last.which = None;
            self.read_blocks(number..number + 1, &mut last.bytes)?;
            last.which = wanted;
            last.last = (Subject::default(), 0);
        }
        let at = if last.last.0 <= subject { last.last.1 } else { 0 };
        let mut rest = &last.bytes[at..];
        while !rest.is_empty() {
            last.last = (subject, last.bytes.len() - rest.len());
            let person =
                Person::take(&mut rest).ok_or_else(|| self.damaged(number, "a person cannot be read"))?;
            if person.subject == subject {
                person
                    .decode(&self.codes, history)
                    .ok_or_else(|| self.damaged(number, "a fact cannot be read"))?;
                return Ok(true);
            }
            if person.subject > subject {
                break;
            }
        }
        Ok(false)
    }

    /// Reads everybody, in the order of subjects.
    pub(crate) fn people(&self) -> People<'_> {
        People { base: self, blocks: 0..0, buffer: Vec::new(), at: 0 }
    }
}

/// The block that was read last: people asked for in order share it.
#[derive(Debug, Default)]
pub(crate) struct LastBlock {
    which: Option<([u8; 32], usize)>,
    bytes: Vec<u8>,
    /// Whoever was asked for last stands at this byte or after it.
    last: (Subject, usize),
}

/// One person's bytes in a block.
pub(crate) struct Person<'a> {
    pub(crate) subject: Subject,
    pub(crate) kind: SubjectKind,
    pub(crate) count: usize,
    pub(crate) facts: &'a [u8],
}

impl<'a> Person<'a> {
    fn take(bytes: &mut &'a [u8]) -> Option<Person<'a>> {
        let subject = Subject(take_array(bytes)?);
        let [kind] = take_array(bytes)?;
        let kind = SubjectKind::try_from(i32::from(kind)).ok()?;
        let count = take(bytes)? as usize;
        let length = take(bytes)? as usize;
        Some(Person { subject, kind, count, facts: take_bytes(bytes, length)? })
    }

    /// Adds the facts to `history`.
    pub(crate) fn decode(&self, codes: &CodeIndex, history: &mut History) -> Option<()> {
        self.decode_before(u64::MAX, codes, history)
    }

    /// As [`Person::decode`], perhaps without those that came at the offset `until` or later.
    pub(crate) fn decode_before(&self, until: u64, codes: &CodeIndex, history: &mut History) -> Option<()> {
        history.set_kind(self.kind);
        decode_facts(self.count, self.facts, codes, until, history)
    }
}

/// Goes through a base once.
pub(crate) struct People<'a> {
    base: &'a Base,
    /// Which blocks are in the buffer.
    blocks: Range<usize>,
    buffer: Vec<u8>,
    at: usize,
}

impl People<'_> {
    /// The next person, undecoded.
    pub(crate) fn next(&mut self) -> Result<Option<Person<'_>>, StoreError> {
        while self.at == self.buffer.len() {
            if self.blocks.end == self.base.index.len() {
                return Ok(None);
            }
            self.blocks = self.base.piece_from(self.blocks.end);
            self.base.read_blocks(self.blocks.clone(), &mut self.buffer)?;
            self.at = 0;
        }
        let mut rest = &self.buffer[self.at..];
        let before = rest.len();
        let person = Person::take(&mut rest).ok_or_else(|| {
            self.base.damaged(self.base.block_at(&self.blocks, self.at), "a person cannot be read")
        })?;
        self.at += before - rest.len();
        Ok(Some(person))
    }

    /// What to say when a person of this base cannot be decoded.
    pub(crate) fn damaged(&self) -> StoreError {
        let block = self.base.block_at(&self.blocks, self.at.saturating_sub(1));
        self.base.damaged(block, "a fact cannot be read")
    }
}

#[cfg(test)]
mod tests;
