//! `vertebra completions`.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{cli::Cli, failure::Exit, output};

/// `vertebra completions SHELL`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  vertebra completions bash > /etc/bash_completion.d/vertebra")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "vertebra", &mut script);
        let mut out = output::stdout();
        out.write_all(&script)?;
        out.flush()?;
        Ok(Exit::Ok)
    }
}
