//! `vertebra topics`: the topics of a Kafka cluster.

use std::io::Write;

use clap::{Args, Subcommand};
use kafka_log::{Finding, Plan, Roles, Topics};
use query::PARTITIONS;
use serde_json::json;

use crate::{
    cli::Place,
    failure::{Exit, Failure},
    output,
    place::{LogPlace, kafka_settings},
};

/// `vertebra topics`.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// Make the topics that are missing, and mend the settings of those that are there
    Apply(Asked),
    /// Say what is wrong with the topics, and with who may do what; changes nothing
    Check(Asked),
}

/// How the topics are to be.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vertebra topics apply --log kafka://broker:9092                    64 partitions of three replicas
  vertebra topics apply --log kafka://127.0.0.1:9092 --replicas 1    on one broker, to try it
  vertebra topics check --log kafka://broker:9092 --writer User:intake --reader User:projector

There are two topics: PREFIX.events.v1, and PREFIX.control.v1 of one partition. Both are kept for ever, never compacted, and
acknowledge a record when all replicas but one have it; no leader is elected that lacks records. Where the cluster has an
authorizer, writers may write and read them, readers read them, and nobody may delete records or write with transactions:
`check` names who may. `apply` takes no right away, and never changes how many partitions or replicas a topic has.

Exit code 1 where `check` finds something.")]
pub(crate) struct Asked {
    /// Into how many partitions the events are cut, for ever
    #[arg(long, value_name = "COUNT", default_value_t = PARTITIONS, value_parser = clap::value_parser!(u16).range(1..=4096))]
    partitions: u16,
    /// How many brokers hold each record
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=15))]
    replicas: u16,
    /// Who appends, as User:intake; may be given several times
    #[arg(long, value_name = "PRINCIPAL", value_parser = principal)]
    writer: Vec<String>,
    /// Who only reads, as User:projector; may be given several times
    #[arg(long, value_name = "PRINCIPAL", value_parser = principal)]
    reader: Vec<String>,
    /// Print what was done or found as JSON
    #[arg(long)]
    json: bool,
}

fn principal(text: &str) -> Result<String, String> {
    let is_one = text.split_once(':').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty());
    if is_one { Ok(text.to_owned()) } else { Err("a principal is written User:NAME".to_owned()) }
}

impl TopicsCommand {
    pub(crate) fn run(self, place: &Place) -> anyhow::Result<Exit> {
        let LogPlace::Kafka(address, config) = LogPlace::of(place)? else {
            let what = "topics are of a Kafka cluster: name it with --log kafka://HOST:PORT";
            return Err(Failure::Usage(what.to_owned()).into());
        };
        let topics = Topics::new(&address, &kafka_settings(config.as_deref())?)?;
        match self {
            TopicsCommand::Apply(asked) => {
                let done = topics.apply(&asked.plan())?;
                tell(&done, "Nothing to do: the topics are as they should be.", asked.json)?;
                Ok(Exit::Ok)
            }
            TopicsCommand::Check(asked) => {
                let found = topics.check(&asked.plan())?;
                tell(&found, "Nothing is wrong.", asked.json)?;
                Ok(if found.is_empty() { Exit::Ok } else { Exit::CheckFailed })
            }
        }
    }
}

impl Asked {
    fn plan(&self) -> Plan {
        let roles = Roles { writers: self.writer.clone(), readers: self.reader.clone() };
        Plan { partitions: self.partitions, replicas: self.replicas, roles }
    }
}

fn tell(findings: &[Finding], nothing: &str, as_json: bool) -> anyhow::Result<()> {
    let mut out = output::stdout();
    if as_json {
        let said = |finding: &Finding| json!({ "about": finding.about, "what": finding.what });
        writeln!(out, "{}", json!({ "findings": findings.iter().map(said).collect::<Vec<_>>() }))?;
    } else if findings.is_empty() {
        writeln!(out, "{nothing}")?;
    } else {
        for Finding { about, what } in findings {
            writeln!(out, "{about}: {what}")?;
        }
    }
    out.flush()?;
    Ok(())
}
