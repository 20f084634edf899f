//! `--wait` and `--timeout` of `create` and `give`.

use std::time::Duration;

use clap::Args;
use tokio::signal;

use super::show;
use crate::cli::client::{Daemon, EventsAsk};
use crate::cli::context::Context;
use crate::cli::events::what;
use crate::cli::print;
use crate::cli::progress::Progress;
use crate::cli::report::{CliError, Outcome};
use crate::http::types::{Created, ErrorKind, Runner};
use crate::model::Phase;

/// How long one look for progress lasts, in seconds.
const PROGRESS_POLL: u64 = 60;

#[derive(Debug, Args)]
pub(super) struct WaitArguments {
    /// Wait until it has come as far as this phase: booting, standby, listening, busy, finished, gone
    #[arg(long, value_name = "PHASE")]
    wait: Option<Phase>,
    /// How many seconds to wait at most
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "wait")]
    timeout: u64,
}

impl WaitArguments {
    /// Prints the runner: its name at once, or what it is once it has come so far.
    pub(super) async fn then_print(
        &self,
        daemon: &Daemon,
        runner: &Created,
        context: &Context,
    ) -> Result<Outcome, CliError> {
        let waited = match self.wait {
            Some(phase) => Some(wait(daemon, runner, phase, self.timeout, context).await?),
            None => None,
        };
        match (context.global.json, waited) {
            (true, Some(waited)) => show::print(context, &waited)?,
            (true, None) => print::json(runner)?,
            (false, _) => print::line(&runner.name.to_string())?,
        }
        Ok(Outcome::Done)
    }
}

async fn wait(
    daemon: &Daemon,
    created: &Created,
    phase: Phase,
    seconds: u64,
    context: &Context,
) -> Result<Runner, CliError> {
    let progress = Progress::start(context, &format!("{}: waiting for {phase}", created.name));
    let id = created.id.as_str();
    let answer = tokio::select! {
        answer = daemon.wait(id, phase, Duration::from_secs(seconds)) => answer,
        never = follow(daemon, created, phase, &progress) => match never {},
        _ = signal::ctrl_c() => Err(CliError::Interrupted {
            message: format!("runner {} goes on", created.name),
            hint: format!("watch it with `larm events --follow --runner {id}`, \
                remove it with `larm runner delete {id}`"),
        }),
    };
    drop(progress);
    answer.map_err(|error| of_wait(error, created, phase, seconds))
}

/// A runner that failed has left logs, and one that is late goes on.
fn of_wait(error: CliError, runner: &Created, phase: Phase, seconds: u64) -> CliError {
    let CliError::Api(mut info) = error else { return error };
    let Created { id, name } = runner;
    let hint = match info.kind {
        ErrorKind::Failed => Some(format!("`larm runner logs {id}` shows what it left")),
        ErrorKind::TimedOut => {
            // The daemon speaks of the last round only.
            info.message = format!("runner {name} did not come to {phase} within {seconds} s");
            Some(format!("it goes on: `larm runner show {id}` shows how far it is"))
        }
        ErrorKind::BadRequest
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::Busy
        | ErrorKind::BusyUnknown
        | ErrorKind::Held
        | ErrorKind::Refused
        | ErrorKind::Lxd
        | ErrorKind::Store
        | ErrorKind::Stopping
        | ErrorKind::Internal => None,
    };
    info.hint = info.hint.or(hint);
    CliError::Api(info)
}

/// Shows what happens to the runner, as long as anyone watches. Never ends: the wait beside it
/// does, and it is the one that tells of errors.
async fn follow(
    daemon: &Daemon,
    created: &Created,
    phase: Phase,
    progress: &Progress,
) -> std::convert::Infallible {
    let id = created.id.as_str();
    let mut ask = EventsAsk { runner: Some(id), wait: Some(PROGRESS_POLL), ..EventsAsk::default() };
    while progress.is_shown() {
        let Ok(answer) = daemon.events(&ask).await else { break };
        if let Some(entry) = answer.events.last() {
            let name = &created.name;
            progress.say(&format!("{name}: {}, waiting for {phase}", what(&entry.what)));
        }
        ask.after = answer.next;
    }
    std::future::pending().await
}
