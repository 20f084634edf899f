//! `larm runner logs`.

use std::io::{IsTerminal, stdout};

use clap::Args;
use serde::Serialize;

use crate::cli::client::Daemon;
use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome, notice};

/// Print the logs that were kept of a runner
///
/// They are taken from it when it failed. With --json each log is an object of its name and text.
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

/// A log as JSON. What a guest wrote may be no text: what is none is replaced.
#[derive(Debug, Serialize)]
struct Text<'a> {
    name: &'a str,
    text: String,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let daemon = context.daemon()?;
    let Arguments { runner, log, list } = arguments;
    if let Some(log) = &log {
        if context.global.json {
            print::json(&text(&daemon, &runner, log).await?)?;
        } else {
            copy(&daemon, &runner, log).await?;
        }
        return Ok(Outcome::Done);
    }
    let logs = daemon.logs(&runner).await?.logs;
    match (context.global.json, list) {
        (true, true) => print::json(&logs)?,
        (true, false) => print::json(&texts(&daemon, &runner, &logs).await?)?,
        (false, _) => show(&daemon, &runner, &logs, list, context).await?,
    }
    Ok(Outcome::Done)
}

async fn show(
    daemon: &Daemon,
    runner: &str,
    logs: &[String],
    list: bool,
    context: &Context,
) -> Result<(), CliError> {
    if logs.is_empty() {
        notice(context, "no logs were kept of this runner: they are kept of those that failed");
    }
    for log in logs {
        if list {
            print::line(log)?;
        } else {
            print::line(&format!("==> {log} <=="))?;
            copy(daemon, runner, log).await?;
            print::line("")?;
        }
    }
    Ok(())
}

async fn copy(daemon: &Daemon, runner: &str, log: &str) -> Result<(), CliError> {
    let terminal = stdout().is_terminal();
    let mut log = daemon.log(runner, log).await?;
    while let Some(piece) = log.next().await? {
        print::bytes(&piece, terminal)?;
    }
    Ok(())
}

async fn texts<'a>(
    daemon: &Daemon,
    runner: &str,
    logs: &'a [String],
) -> Result<Vec<Text<'a>>, CliError> {
    let mut texts = Vec::with_capacity(logs.len());
    for log in logs {
        texts.push(text(daemon, runner, log).await?);
    }
    Ok(texts)
}

async fn text<'a>(daemon: &Daemon, runner: &str, name: &'a str) -> Result<Text<'a>, CliError> {
    let mut log = daemon.log(runner, name).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = log.next().await? {
        bytes.extend(piece);
    }
    Ok(Text { name, text: String::from_utf8_lossy(&bytes).into_owned() })
}
