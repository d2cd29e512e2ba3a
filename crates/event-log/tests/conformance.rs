//! The embedded log passes what every log must pass.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use event_log::files::RealFiles;
use event_log::testing::{FaultyFiles, conformance};
use event_log::{EmbeddedLog, EventLog, Options};

#[test]
fn on_the_machines_own_disk() {
    let dir = tempfile::tempdir().unwrap();
    let number = AtomicU64::new(0);
    conformance(&|partitions| {
        let dir = dir.path().join(number.fetch_add(1, Ordering::Relaxed).to_string());
        Box::new(EmbeddedLog::create(&dir, partitions).unwrap())
    });
}

#[test]
fn with_journals_that_are_sealed_all_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let number = AtomicU64::new(0);
    conformance(&|partitions| {
        let dir = dir.path().join(number.fetch_add(1, Ordering::Relaxed).to_string());
        let options =
            Options { journal_bytes: 1 << 10, group_bytes: 100, queue_bytes: 200, ..Options::default() };
        Box::new(EmbeddedLog::create_with(RealFiles::shared(), &dir, partitions, options).unwrap())
    });
}

/// Writes with one handle and reads with another, as two processes do.
struct WriterAndReader {
    writer: EmbeddedLog,
    reader: EmbeddedLog,
}

impl EventLog for WriterAndReader {
    fn id(&self) -> event_log::LogId {
        self.reader.id()
    }

    fn partitions(&self) -> u16 {
        self.reader.partitions()
    }

    fn append_async(
        &self,
        batch: &[event_log::Append<'_>],
    ) -> Result<event_log::Ticket, event_log::AppendError> {
        self.writer.append_async(batch)
    }

    fn ends(&self) -> Result<Vec<u64>, event_log::ReadError> {
        self.reader.ends()
    }

    fn reader(
        &self,
        partition: u16,
        from: u64,
    ) -> Result<Box<dyn event_log::PartitionReader + '_>, event_log::ReadError> {
        self.reader.reader(partition, from)
    }

    fn follow(
        &self,
        from: &[(u16, event_log::Checkpoint)],
    ) -> Result<Box<dyn event_log::Follower + '_>, event_log::ReadError> {
        self.reader.follow(from)
    }
}

#[test]
fn written_by_one_handle_and_read_by_another() {
    let number = AtomicU64::new(0);
    conformance(&|partitions| {
        let files = FaultyFiles::new(number.fetch_add(1, Ordering::Relaxed)).shared();
        files.create_dir(Path::new("log")).unwrap();
        let options = Options { journal_bytes: 2 << 10, ..Options::default() };
        let writer = EmbeddedLog::create_with(files.clone(), Path::new("log"), partitions, options).unwrap();
        let reader = EmbeddedLog::open_reader_with(files, Path::new("log")).unwrap();
        Box::new(WriterAndReader { writer, reader })
    });
}
