//! `larm doctor`: looks at everything that runners need, one line each.

mod agent;
mod application;
mod check;
mod creation;
mod deep;
mod github;
mod image;
mod import;
mod inside;
mod isolation;
mod leftovers;
mod machine;
mod pool;
mod server;
mod stop;

use std::io::stdout;

use clap::Args;

use super::context::Context;
use super::print;
use super::progress::Progress;
use super::report::{CliError, Outcome};
use crate::config::Settings;
use crate::lxd::{self, Client};
pub(super) use check::bytes;
use check::{Check, Status};
use stop::Stop;

/// Check whether this machine can run runners
///
/// Prints one line for each check, and for each failure the command that mends it. GitHub is asked
/// about each account and its pools' targets; nothing is changed there. Exit code 1 if any check
/// failed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm doctor\n  \
    larm doctor --deep     also start a throw-away instance and look into the image\n  \
    larm doctor --json | jq '.[] | select(.status != \"ok\")'")]
pub(super) struct Arguments {
    /// Start a throw-away instance and look into the image
    #[arg(long)]
    deep: bool,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let settings = context.settings()?;
    let progress = Progress::start(context, "looking");
    let mut stop = arguments.deep.then(|| Stop::new(&progress));
    let checks = look(context, &settings, stop.as_mut()).await;
    let interrupted = stop.is_some_and(|stop| stop.asked());
    drop(progress);
    if interrupted {
        return Err(cut_short(&checks));
    }
    if context.global.json {
        print::json(&checks)?;
    } else {
        let colored = context.colored(&stdout());
        for check in &checks {
            show(check, colored)?;
        }
    }
    let failed = checks.iter().any(|check| check.status == Status::Fail);
    Ok(if failed { Outcome::Wrong } else { Outcome::Done })
}

async fn look(context: &Context, settings: &Settings, deep: Option<&mut Stop<'_>>) -> Vec<Check> {
    // First, as from a look inside on no signal ends the program.
    let daemon = daemon(context).await;
    let mut checks = Vec::new();
    match context.lxd() {
        Ok(client) => look_at_lxd(&client, settings, deep, &mut checks).await,
        Err(CliError::Lxd(error)) => {
            checks.push(Check::fail("lxd", error.to_string(), server::unreachable_fix(&error)));
        }
        Err(error) => checks.push(Check::fail("lxd", error.to_string(), "see the configuration")),
    }
    checks.push(machine::limits());
    checks.push(machine::state_dir(&settings.state_dir));
    checks.extend(Box::pin(github::check(settings)).await);
    let daemon_runs = daemon.runs;
    checks.extend(settings.webhook.iter().map(|one| github::webhook(one, daemon_runs)));
    checks.push(daemon.check);
    checks
}

async fn look_at_lxd(
    client: &Client,
    settings: &Settings,
    deep: Option<&mut Stop<'_>>,
    checks: &mut Vec<Check>,
) {
    let Some(server) = server::connect(client, checks).await else { return };
    checks.push(server::extensions(&server));
    checks.push(machine::kvm(&server, settings.runner.spec.instance_type));
    if let Err(error) = server::prepared(client, &server, settings, checks).await {
        checks.push(broke_off(&error));
    }
    match isolation::check(client, &server, settings).await {
        Ok(found) => checks.extend(found),
        Err(error) => checks.push(broke_off(&error)),
    }
    match leftovers::check(client).await {
        Ok(found) => checks.extend(found),
        Err(error) => checks.push(broke_off(&error)),
    }
    match creation::check(client, settings).await {
        Ok(found) => checks.extend(found),
        Err(error) => checks.push(broke_off(&error)),
    }
    match image::image(client, settings, deep).await {
        Ok(found) => checks.extend(found),
        Err(error) => checks.push(broke_off(&error)),
    }
}

/// The error for a look inside that a signal has ended.
fn cut_short(checks: &[Check]) -> CliError {
    let left = checks.iter().find(|check| check.name == deep::NAME);
    let message = left.map_or("the throw-away instance was removed", |check| &check.detail);
    let hint = left.and_then(|check| check.fix.clone());
    CliError::Interrupted {
        message: message.to_owned(),
        hint: hint.unwrap_or_else(|| "`larm doctor` without --deep starts nothing".to_owned()),
    }
}

fn broke_off(error: &lxd::Error) -> Check {
    Check::fail("lxd", error.to_string(), server::unreachable_fix(error))
}

/// What was found of the daemon.
struct Daemon {
    /// Whether it answers.
    runs: bool,
    check: Check,
}

async fn daemon(context: &Context) -> Daemon {
    const NAME: &str = "daemon";
    let answer = match context.daemon() {
        Ok(daemon) => daemon.info().await,
        Err(error) => Err(error),
    };
    let runs = answer.is_ok();
    let check = match answer {
        Ok(info) => match info.lxd_trouble {
            None => Check::ok(NAME, format!("larm {} runs, pid {}", info.version, info.pid)),
            Some(trouble) => Check::fail(
                NAME,
                format!("larm {} runs, but LXD does not answer it: {trouble}", info.version),
                "see its log: `journalctl --unit larm --lines 20`",
            ),
        },
        Err(error) => {
            let fix = error.hint().unwrap_or_else(|| "`systemctl start larm`".to_owned());
            Check::warn(NAME, error.to_string(), fix)
        }
    };
    Daemon { runs, check }
}

fn show(check: &Check, colored: bool) -> Result<(), CliError> {
    let (word, color) = match check.status {
        Status::Ok => ("ok", "32"),
        Status::Warn => ("warn", "33"),
        Status::Fail => ("FAIL", "31"),
    };
    print::marked(word, color, colored, &format!("{:<18} {}", check.name, check.detail))?;
    match &check.fix {
        Some(fix) => print::line(&format!("{:25}-> {fix}", "")),
        None => Ok(()),
    }
}
