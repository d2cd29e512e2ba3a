//! What a deployment weighs, and what of it grows with what.

use std::{fs, io, path::Path};

use projector::Manifest;
use serde::Serialize;

/// Sizes on disk, and what each comes to for one record or fact. Means are in hundredths of a byte; `None`: nothing to
/// divide by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Weights {
    /// The event log: grows with every record, for ever.
    pub log_bytes: u64,
    /// Records in the log.
    pub log_records: u64,
    /// Records of the log that the figures stand on.
    pub records: u64,
    /// Log bytes for one record in it.
    pub log_bytes_per_record_hundredths: Option<u64>,
    /// The control log: grows with every file of a bundle that changes.
    pub control_bytes: u64,
    /// The deployment's key, and one for each person: grows with every person.
    pub keys_bytes: u64,
    /// Intake's index: grows with every record key.
    pub intake_bytes: u64,
    /// Histories, figures and checkpoint: can be built again from the log.
    pub projector_bytes: u64,
    /// Facts in the histories.
    pub facts: u64,
    /// Projector bytes for one fact.
    pub projector_bytes_per_fact_hundredths: Option<u64>,
    /// Further copies of events among the facts.
    pub copies: u64,
    /// Records set aside.
    pub set_aside: u64,
    /// Partitions that stopped.
    pub stopped: u64,
    /// Records of the fullest partition.
    pub partition_records_max: u64,
    /// Records of the emptiest.
    pub partition_records_min: u64,
}

/// Weighs the folder of a deployment, whose log holds `log_records`. `logs`: the folder that its logs stand in; `None`: they
/// stand on no disk of this machine, and weigh nothing here.
///
/// # Errors
/// When a folder cannot be read.
pub fn weigh(
    root: &Path,
    logs: Option<&Path>,
    log_records: u64,
    manifest: Option<&Manifest>,
) -> io::Result<Weights> {
    let of_log = |name| logs.map_or(Ok(0), |logs| bytes_of(&logs.join(name)));
    let mut weights = Weights {
        log_records,
        log_bytes: of_log("log")?,
        control_bytes: of_log("control")?,
        keys_bytes: bytes_of(&root.join("keys"))?,
        intake_bytes: bytes_of(&root.join("intake"))?,
        projector_bytes: bytes_of(&root.join("projector"))?,
        ..Weights::default()
    };
    let partitions = manifest.map_or(&[][..], |manifest| &manifest.partitions);
    for partition in partitions {
        weights.records += partition.next_offset;
        weights.facts += partition.facts;
        weights.copies += partition.copies;
        weights.set_aside += partition.set_aside.len() as u64;
        weights.stopped += u64::from(partition.stopped.is_some());
    }
    let records = || partitions.iter().map(|partition| partition.next_offset);
    weights.partition_records_max = records().max().unwrap_or(0);
    weights.partition_records_min = records().min().unwrap_or(0);
    let mean = |bytes: u64, count: u64| (bytes * 100).checked_div(count);
    weights.log_bytes_per_record_hundredths = mean(weights.log_bytes, log_records).filter(|_| logs.is_some());
    weights.projector_bytes_per_fact_hundredths = mean(weights.projector_bytes, weights.facts);
    Ok(weights)
}

/// Bytes of the files in a folder and those below it; 0 where there is none. What is removed meanwhile does not count.
fn bytes_of(folder: &Path) -> io::Result<u64> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let entries = match fs::read_dir(folder) {
        Err(error) if gone(&error) => return Ok(0),
        entries => entries?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        match entry.metadata() {
            Ok(found) if found.is_dir() => bytes += bytes_of(&entry.path())?,
            Ok(found) => bytes += found.len(),
            Err(error) if gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}
