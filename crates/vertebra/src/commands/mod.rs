//! The commands, a module for each family.

pub(crate) mod answer;
pub(crate) mod append;
pub(crate) mod audit;
pub(crate) mod claims;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod figures;
pub(crate) mod import;
pub(crate) mod log;
pub(crate) mod person;
pub(crate) mod policy;
pub(crate) mod project;
pub(crate) mod report;
pub(crate) mod rows;
pub(crate) mod simulate;
#[cfg(feature = "kafka")]
pub(crate) mod topics;
pub(crate) mod verify;

use crate::{
    cli::{Cli, Command},
    failure::Exit,
};

/// Runs a command.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Exit> {
    let place = cli.place;
    match cli.command {
        Command::Simulate(command) => command.run(&place),
        Command::Import(command) => command.run(&place),
        Command::Append(command) => command.run(&place),
        Command::Project(command) => command.run(&place),
        Command::Coverage(command) => command.run(&place),
        Command::Referrals(command) => command.run(&place),
        Command::Exemption(command) => command.run(&place),
        Command::Claims(command) => command.run(&place),
        Command::Rows(command) => command.run(&place),
        Command::Person(command) => command.run(&place),
        Command::Verify(command) => command.run(&place),
        Command::Audit(command) => command.run(&place),
        Command::Doctor(command) => command.run(&place),
        Command::Events(command) => command.run(&place),
        Command::Log(command) => command.run(&place),
        #[cfg(feature = "kafka")]
        Command::Topics(command) => command.run(&place),
        Command::Policy(command) => command.run(&place),
        Command::Completions(command) => command.run(),
    }
}
