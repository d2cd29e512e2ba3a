//! What developers of this repository run: `cargo xtask --help`.

// The output is this program's own.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod kafka;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "What developers of this repository run.",
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Apache Kafka on this machine, for trying things out
    #[command(subcommand, arg_required_else_help = true)]
    Kafka(kafka::Task),
}

fn main() -> ExitCode {
    let Arguments { task: Task::Kafka(task) } = Arguments::parse();
    kafka::run(task).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
