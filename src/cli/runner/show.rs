//! `larm runner show`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::events::summary;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome};
use crate::http::types::Runner;
use crate::model::{Handover, Hold, Phase, Spec};

/// Show all about one runner
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The runner's id, the beginning of it, or its name
    #[arg(value_name = "RUNNER")]
    runner: String,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let runner = context.daemon()?.runner(&arguments.runner).await?;
    print(context, &runner)?;
    Ok(Outcome::Done)
}

/// Prints one runner.
pub(super) fn print(context: &Context, runner: &Runner) -> Result<(), CliError> {
    if context.global.json {
        return print::json(runner);
    }
    let rows = facts(runner).into_iter().map(|(name, value)| vec![name.to_owned(), value]);
    print::table(&[], rows.collect())
}

fn facts(runner: &Runner) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("name", runner.name.to_string()),
        ("id", runner.id.to_string()),
        ("phase", format!("{} since {}", runner.phase, runner.since)),
        ("state", runner.state.to_string()),
        ("health", health(runner)),
        ("instance", instance(&runner.instance)),
        ("credential", credential(runner.handover).to_owned()),
    ];
    if runner.frost.is_cold() {
        facts.push(("frost", runner.frost.as_str().to_owned()));
    }
    if let Some(removal) = &runner.removal {
        let force = if removal.force { ", by force" } else { "" };
        facts.push(("removal", format!("{}{force}", removal.reason)));
    }
    if let Some(failure) = &runner.failure {
        facts.push(("failure", format!("while {}: {}", failure.phase, failure.reason)));
    }
    if let Some(code) = runner.exit_code {
        facts.push(("exit code", code.to_string()));
    }
    if runner.oom_kills > 0 {
        facts.push(("out of memory", format!("{} processes killed", runner.oom_kills)));
    }
    if let Some(kept) = held(runner) {
        facts.push(("kept", kept));
    }
    if let Some(retry) = &runner.retry {
        let text = format!("attempt {} at {}: {}", retry.attempts + 1, retry.at, retry.last_error);
        facts.push(("retry", text));
    }
    facts.push(("metrics", summary(&runner.metrics)));
    let mut reached: Vec<_> = runner.reached.iter().collect();
    reached.sort_by_key(|(_, at)| **at);
    facts.extend(reached.into_iter().map(|(phase, at)| (phase.as_str(), at.to_string())));
    facts
}

/// How long its instance is held, in words.
pub(super) fn held(runner: &Runner) -> Option<String> {
    match runner.hold.filter(|_| runner.phase < Phase::Gone)? {
        Hold::For(length) => Some(format!("for {length:#} once it has ended")),
        Hold::Until(until) | Hold::Failed(until) => Some(format!("until {until:.0}")),
        Hold::Off => None,
    }
}

fn health(runner: &Runner) -> String {
    match &runner.health_reason {
        Some(reason) => format!("{}: {reason}", runner.health),
        None => runner.health.to_string(),
    }
}

/// What an instance is made from, on one line.
pub(in crate::cli) fn instance(spec: &Spec) -> String {
    let mut text = format!(
        "{} from {} with profiles {}",
        spec.instance_type,
        spec.image,
        spec.profiles.join(", ")
    );
    let limits = [
        spec.cpu.map(|cpu| format!("cpu {cpu}")),
        spec.memory.as_ref().map(|memory| format!("memory {memory}")),
        spec.disk.as_ref().map(|disk| format!("disk {disk}")),
    ];
    for limit in limits.into_iter().flatten() {
        text.extend([", ", &limit]);
    }
    text
}

fn credential(handover: Handover) -> &'static str {
    match handover {
        Handover::None => "none: a standby",
        Handover::Wanted => "waits until the guest is ready",
        Handover::Pushing => "is being handed over",
        Handover::Pushed => "handed over, not taken yet",
        Handover::Unknown => "not known since a restart",
        Handover::Taken => "taken by the guest",
    }
}
