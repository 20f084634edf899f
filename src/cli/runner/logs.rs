//! `larm runner logs`.

use std::io::{IsTerminal, stdout};

use clap::Args;

use crate::cli::client::Daemon;
use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome, notice};

/// Print the logs that were kept of a runner
///
/// They are taken from it when it failed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm runner logs 3f9c --list\n  \
    larm runner logs 3f9c console.log | less\n\n\
    For a runner that is alive: larm runner shell 3f9c -- journalctl --no-pager")]
pub(in crate::cli) struct Arguments {
    /// The runner's id, the beginning of it, or its name
    #[arg(value_name = "RUNNER")]
    runner: String,
    /// Only this log
    #[arg(value_name = "LOG")]
    log: Option<String>,
    /// Print the logs' names only
    #[arg(short, long, conflicts_with = "log")]
    list: bool,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let daemon = context.daemon()?;
    if let Some(log) = &arguments.log {
        copy(&daemon, &arguments.runner, log).await?;
        return Ok(Outcome::Done);
    }
    let logs = daemon.logs(&arguments.runner).await?;
    if context.global.json {
        print::json(&logs.logs)?;
        return Ok(Outcome::Done);
    }
    if logs.logs.is_empty() {
        notice(context, "no logs were kept of this runner: they are kept of those that failed");
    }
    for log in &logs.logs {
        if arguments.list {
            print::line(log)?;
        } else {
            print::line(&format!("==> {log} <=="))?;
            copy(&daemon, &arguments.runner, log).await?;
            print::line("")?;
        }
    }
    Ok(Outcome::Done)
}

async fn copy(daemon: &Daemon, runner: &str, log: &str) -> Result<(), CliError> {
    let terminal = stdout().is_terminal();
    let mut log = daemon.log(runner, log).await?;
    while let Some(piece) = log.next().await? {
        print::bytes(&piece, terminal)?;
    }
    Ok(())
}
