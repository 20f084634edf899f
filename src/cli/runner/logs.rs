//! `larm runner logs`.

use std::io::{IsTerminal, stdout};

use clap::Args;
use serde::Serialize;
use tokio::signal;

use crate::cli::client::Daemon;
use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome, notice};
use crate::http::types::ErrorKind;

/// Print a runner's logs, whether it lives or is dead
///
/// Of one that lives it is what its guest has now, of a dead one what was kept. Logs are kept of runners that failed, were killed or ended with an error. Secrets are masked. With
/// --json each log is an object of its name and text.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm runner logs 3f9c --list\n  \
    larm runner logs 3f9c console.log | less\n  \
    larm runner logs 3f9c --follow       until it has ended, then what was kept")]
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
    /// Print the runner's phases and its log as they come, and what was kept when it has ended
    #[arg(short, long, conflicts_with_all = ["log", "list"])]
    follow: bool,
}

/// A log as JSON. What a guest wrote may be no text: what is none is replaced.
#[derive(Debug, Serialize)]
struct Text<'a> {
    name: &'a str,
    text: String,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let daemon = context.daemon()?;
    let Arguments { runner, log, list, follow } = arguments;
    if follow && !follow_it(&daemon, &runner, context).await? {
        return Ok(Outcome::Done);
    }
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

/// Prints what comes until the runner has ended; `false` where the user has seen enough before.
async fn follow_it(daemon: &Daemon, runner: &str, context: &Context) -> Result<bool, CliError> {
    let mut log = match daemon.follow(runner).await {
        Ok(log) => log,
        // It is remembered no more: there is what was kept.
        Err(CliError::Api(info)) if info.kind == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let terminal = stdout().is_terminal();
    loop {
        // The connection ends with this function, and with it the command in the guest.
        let piece = tokio::select! {
            piece = log.next() => piece?,
            _ = signal::ctrl_c() => return Ok(false),
        };
        let Some(piece) = piece else { return Ok(!context.global.json) };
        print::bytes(&piece, terminal)?;
    }
}

async fn show(
    daemon: &Daemon,
    runner: &str,
    logs: &[String],
    list: bool,
    context: &Context,
) -> Result<(), CliError> {
    if logs.is_empty() {
        notice(
            context,
            "no logs were kept of this runner: they are kept of those that ended badly",
        );
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
