//! `vertebra events`: the log as it is.

use std::{io::Write, ops::Range};

use anyhow::Context;
use clap::{Args, Subcommand};
use contract::{EventView, Kind, Subject};
use event_log::{EventLog, Record};
use serde_json::json;

use crate::{
    cli::Place,
    data,
    failure::{Exit, Failure},
    output,
};

/// Bytes of a partition that are looked at in one go.
const READ_BYTES: usize = 1 << 20;

/// `vertebra events ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Print records as JSON lines: {"partition", "offset", "event_id", "subject", "event"}
    ///
    /// Names, addresses and numbers stay sealed: the log shows persons as pseudonyms. A record that is no event is shown
    /// as {"partition", "offset", "unreadable"}.
    #[command(after_help = "\
Examples:
  vertebra events cat --limit 5                       the first five of every partition
  vertebra events cat --partition 3 --offsets 100..110
  vertebra events cat --kind referral_issued | head
  vertebra events cat --subject 0f3a...               one person's records, in log order")]
    Cat(Cat),
}

/// `vertebra events cat`.
#[derive(Debug, Args)]
pub(crate) struct Cat {
    /// Only this partition
    #[arg(long, value_name = "NUMBER")]
    partition: Option<u16>,
    /// Only these offsets, FROM..BEFORE, either end may be left out
    #[arg(long, value_name = "FROM..BEFORE", value_parser = offsets)]
    offsets: Option<Range<u64>>,
    /// At most so many records of each partition
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Only events of this kind, as claim_submitted
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<Kind>,
    /// Only events about this subject, 32 hex digits
    #[arg(long, value_name = "SUBJECT", value_parser = subject)]
    subject: Option<Subject>,
}

fn offsets(text: &str) -> Result<Range<u64>, String> {
    let wrong = || "offsets are written FROM..BEFORE, as 100..110".to_owned();
    let (from, before) = text.split_once("..").ok_or_else(wrong)?;
    let number =
        |text: &str, open: u64| if text.is_empty() { Ok(open) } else { text.parse().map_err(|_| wrong()) };
    let range = number(from, 0)?..number(before, u64::MAX)?;
    if range.is_empty() { Err(wrong()) } else { Ok(range) }
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::from_name(text).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("no kind of event; there are {}", known.join(", "))
    })
}

fn subject(text: &str) -> Result<Subject, String> {
    Subject::from_hex(text).ok_or_else(|| "a subject has 32 hex digits".to_owned())
}

impl Events {
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        let Events::Cat(cat) = self;
        cat.run(place)
    }
}

impl Cat {
    fn run(&self, place: &Place) -> anyhow::Result<Exit> {
        let log = data::open_log(place)?;
        let partitions = match (self.partition, self.subject) {
            (Some(partition), _) if partition >= log.partitions() => {
                return Err(Failure::Usage(format!(
                    "the log has partitions 0 to {}, not {partition}",
                    log.partitions() - 1
                ))
                .into());
            }
            (Some(partition), _) => partition..partition + 1,
            (None, Some(subject)) => {
                let partition = event_log::partition_of(&subject, log.partitions());
                partition..partition + 1
            }
            (None, None) => 0..log.partitions(),
        };
        let ends = log.ends()?;
        let mut out = output::stdout();
        for partition in partitions {
            self.cat(&*log, partition, ends[usize::from(partition)], &mut out)?;
        }
        out.flush()?;
        Ok(Exit::Ok)
    }

    fn cat(&self, log: &dyn EventLog, partition: u16, end: u64, out: &mut dyn Write) -> anyhow::Result<()> {
        let wanted = self.offsets.clone().unwrap_or(0..u64::MAX);
        let (from, before) = (wanted.start, wanted.end.min(end));
        let mut left = self.limit.unwrap_or(u64::MAX);
        if from >= before || left == 0 {
            return Ok(());
        }
        let mut reader = log.reader(partition, from)?;
        while reader.position() < before {
            let Some(batch) = reader.next_batch(READ_BYTES)? else { break };
            for record in batch.iter().take_while(|record| record.offset < before) {
                if !self.wants(&record) {
                    continue;
                }
                let (offset, line) = (record.offset, shown(partition, &record)?);
                writeln!(out, "{line}").with_context(|| format!("cannot print offset {offset}"))?;
                left -= 1;
                if left == 0 {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What cannot be read is of no kind, and is shown only where everything is.
    fn wants(&self, record: &Record<'_>) -> bool {
        if self.kind.is_none() && self.subject.is_none() {
            return true;
        }
        let Ok(event) = EventView::parse(record.bytes) else { return false };
        record.flaw.is_none()
            && self.kind.is_none_or(|kind| event.kind == kind)
            && self.subject.is_none_or(|subject| event.subject == subject)
    }
}

fn shown(partition: u16, record: &Record<'_>) -> anyhow::Result<String> {
    let offset = record.offset;
    let unreadable = |reason: String| {
        json!({ "partition": partition, "offset": offset, "unreadable": reason }).to_string()
    };
    if let Some(flaw) = record.flaw {
        return Ok(unreadable(flaw.to_string()));
    }
    // As the projector reads it: what decodes may lack what every event has, as no bytes at all do.
    let (id, subject) = match EventView::parse(record.bytes) {
        Ok(view) => (view.event_id, view.subject),
        Err(error) => return Ok(unreadable(error.to_string())),
    };
    let event = match contract::decode(record.bytes) {
        Ok(event) => event,
        Err(error) => return Ok(unreadable(error.to_string())),
    };
    // In hex, as every other command names them; protobuf's JSON says bytes in base64.
    Ok(match contract::event_to_json(&event) {
        Ok(event) => format!(
            "{{\"partition\":{partition},\"offset\":{offset},\"event_id\":\"{id}\",\"subject\":\"{subject}\",\"event\":{event}}}"
        ),
        Err(error) => unreadable(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_may_leave_an_end_open() {
        assert_eq!(offsets("3..5"), Ok(3..5));
        assert_eq!(offsets("3.."), Ok(3..u64::MAX));
        assert_eq!(offsets("..5"), Ok(0..5));
        for wrong in ["", "3", "5..3", "3..3", "a..b", "-1..2"] {
            assert!(offsets(wrong).is_err(), "{wrong}");
        }
    }
}
