//! What can be asked on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use contract::{Day, Millis};

use crate::{bundle::Sources, commands, output::Form};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  a check failed or a difference was found
  2  the command line is wrong, or names what there is not
  3  input was refused, or there is no data or no figures yet
  4  unavailable: a lock, the disk, a file that cannot be read; try again
  5  stored bytes are damaged

Environment:
  VERTEBRA_DATA   the data folder, as --data
  VERTEBRA_LOG    where the logs stand, as --log
  VERTEBRA_KAFKA_CONFIG  settings of the connection to the brokers, as --kafka-config
  VERTEBRA_TRACE  what is told on stderr: error, warn (the default), info, debug";

const EXAMPLES: &str = "\
Begin here, with a city that was invented:
  vertebra simulate --people 20000 --data town    a synthetic city into ./town
  vertebra project --data town                    log to figures
  vertebra coverage --by commune --data town      who is insured and under care, by commune

With data of your own, into ./data:
  vertebra import claims/*.xml                    insurance-claim files
  vertebra project
  vertebra person --id 001090012345               one person's history and every decision, explained";

/// Under which heading help lists what every command takes.
const PLACE: &str = "Data, reference and policy";

/// An event-sourced health-record backbone: events in, figures out, every answer with a receipt.
#[derive(Debug, Parser)]
#[command(name = "vertebra", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the data and the logs stand, and what replaces the reference and the policy.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The data folder: log, keys, bundles and everything computed from them
    #[arg(long, global = true, env = "VERTEBRA_DATA", default_value = "data", value_name = "DIR", help_heading = PLACE)]
    pub(crate) data: PathBuf,
    /// Where the event log and the control log stand: a folder, or kafka://HOST:PORT[,HOST:PORT...][/PREFIX] [default: what
    /// the data folder says, or the data folder]
    #[arg(long, global = true, env = "VERTEBRA_LOG", value_name = "PLACE", help_heading = PLACE)]
    pub(crate) log: Option<String>,
    /// Settings of the connection to the brokers, as TLS and SASL: lines of name=value, by librdkafka's names
    #[arg(long, global = true, env = "VERTEBRA_KAFKA_CONFIG", value_name = "FILE", help_heading = PLACE)]
    pub(crate) kafka_config: Option<PathBuf>,
    /// Reference data from this folder [default: the data folder's, ./reference, or the built-in]
    #[arg(long, global = true, value_name = "DIR", help_heading = PLACE)]
    pub(crate) reference: Option<PathBuf>,
    /// Policy from this folder [default: the data folder's, ./policy, or the built-in]
    #[arg(long, global = true, value_name = "DIR", help_heading = PLACE)]
    pub(crate) policy: Option<PathBuf>,
}

impl Place {
    /// The folders that replace the usual ones.
    pub(crate) fn sources(&self) -> Sources {
        Sources { reference: self.reference.clone(), policy: self.policy.clone() }
    }
}

/// A command, in the order in which one meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a synthetic city, from a seed, in an empty data folder
    Simulate(commands::simulate::Simulate),
    /// Take in insurance-claim files
    Import(commands::import::Import),
    /// Take in submissions as JSON lines
    Append(commands::append::Append),
    /// Bring histories and figures up with the log
    Project(commands::project::Project),
    /// Who is insured, under health management and checked up
    Coverage(commands::figures::Coverage),
    /// Who sends whom where, what arrives, what is open; visits and inpatients
    Referrals(commands::figures::Referrals),
    /// Who pays no copay, by group and rate; what was charged and what policy asks for
    Exemption(commands::figures::Exemption),
    /// Totals of claims: live and withdrawn, visits, and the money
    Claims(commands::claims::Claims),
    /// Lists of people: who is missing, will lapse, is exempt; open referrals
    Rows(commands::rows::Rows),
    /// One person's history on both clocks, and every decision explained
    Person(commands::person::Person),
    /// Compute an answer again from its receipt, and compare
    Verify(commands::verify::Verify),
    /// Compute everything again from the log, and compare
    #[command(subcommand)]
    Audit(commands::audit::Audit),
    /// Say what there is, how large, how far behind; do the books balance
    Doctor(commands::doctor::Doctor),
    /// Show records of the event log
    #[command(subcommand)]
    Events(commands::events::Events),
    /// Copy the logs of a deployment to another place
    #[command(subcommand)]
    Log(commands::log::Log),
    /// Make the topics of a Kafka cluster, and say what is wrong with them
    #[cfg(feature = "kafka")]
    #[command(subcommand)]
    Topics(commands::topics::TopicsCommand),
    /// Read and check the reference and policy files
    #[command(subcommand)]
    Policy(commands::policy::PolicyCommand),
    /// Print the completions of a shell
    Completions(commands::completions::Completions),
}

/// As of when, and on which part of the log.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhenArgs {
    /// As things were on this day [default: today, or the last day recorded where that is earlier]
    #[arg(long, value_name = "DAY", value_parser = day)]
    pub(crate) on: Option<Day>,
    /// As it was known at this moment: a day (to its end in Hanoi) or a time
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub(crate) known_at: Option<Millis>,
}

/// In which form to answer.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct FormArgs {
    /// Print JSON; field names are stable, docs/guides/json.md tells them
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print CSV
    #[arg(long)]
    pub(crate) csv: bool,
}

impl FormArgs {
    /// The form.
    pub(crate) fn form(self) -> Form {
        match (self.json, self.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Table,
        }
    }
}

/// An offset for each partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Positions(pub(crate) Vec<u64>);

/// Reads positions, also as the JSON of an answer says them.
pub(crate) fn positions(text: &str) -> Result<Positions, String> {
    let offsets = text.trim().trim_start_matches('[').trim_end_matches(']').split(',');
    let offsets = offsets.map(|offset| offset.trim().parse()).collect::<Result<Vec<u64>, _>>();
    offsets
        .map(Positions)
        .map_err(|_| "positions are an offset for each partition, with commas between".to_owned())
}

/// Reads how many of something to show: at least one.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "a count is a number from 1".to_owned())
}

/// Reads a day.
pub(crate) fn day(text: &str) -> Result<Day, String> {
    text.parse().map_err(|_| "a day is written YYYY-MM-DD, as 2026-06-30".to_owned())
}

/// Reads a moment at which something was known. A bare day means its end in Hanoi.
pub(crate) fn moment(text: &str) -> Result<Millis, String> {
    query::parse_known_at(text).ok_or_else(|| {
        "a moment is a day (2026-06-30: to its end in Hanoi) or a time (2026-06-30T14:00, or with an offset)".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bare_day_is_known_at_its_end_in_hanoi() {
        assert_eq!(moment("2026-06-30").unwrap(), moment("2026-07-01T00:00:00+07:00").unwrap());
        assert_eq!(moment("2026-06-30T17:00:00Z").unwrap(), moment("2026-06-30").unwrap());
        assert!(moment("yesterday").is_err());
        assert!(day("2026-02-30").is_err());
    }
}
