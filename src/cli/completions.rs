//! `larm completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::arguments;
use super::context::Context;
use super::print;
use super::report::{CliError, Outcome};

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm completions bash > /etc/bash_completion.d/larm\n  \
    larm completions zsh > \"${fpath[1]}/_larm\"\n  \
    larm completions fish > ~/.config/fish/completions/larm.fish")]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, _context: &Context) -> Result<Outcome, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut arguments::Arguments::command(),
        "larm",
        &mut script,
    );
    print::bytes(&script, false)?;
    Ok(Outcome::Done)
}
