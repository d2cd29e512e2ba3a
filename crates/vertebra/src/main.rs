//! `vertebra`, the command: one binary, every role.
//!
//! `cli` says what can be asked, `commands` has a module for each family of commands, `output` prints for people and
//! programs, `failure` says with which exit code it all ends.

mod bundle;
mod cli;
mod commands;
mod data;
mod failure;
mod output;
mod place;
mod progress;

use std::{io::Write, process::ExitCode};

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::{cli::Cli, failure::Exit};

/// For the Kafka client, which allocates a record's headers one by one on one thread and gives them back on another: with the
/// C library's own allocator that takes half the time of appending.
#[cfg(feature = "kafka")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => {
            // A closed pipe is no failure.
            let _ = said.print();
            return if said.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    let filter = EnvFilter::try_from_env("VERTEBRA_TRACE").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    match commands::run(cli) {
        Ok(exit) => exit.into(),
        Err(error) if failure::is_closed_pipe(&error) => Exit::Ok.into(),
        Err(error) => {
            let mut said = format!("error: {error}\n");
            error.chain().skip(1).for_each(|cause| said.push_str(&format!("  because: {cause}\n")));
            let _ = std::io::stderr().write_all(said.as_bytes());
            failure::exit_of(&error).into()
        }
    }
}
