//! `larm runner list`.

use clap::Args;
use jiff::Timestamp;

use super::show::held;
use crate::cli::client::ListAsk;
use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome};
use crate::clock;
use crate::http::types::Runner;
use crate::model::{HealthState, Phase};

/// How much of a reason fits into a table.
const REASON: usize = 60;

/// List the runners, the oldest first
///
/// Gone ones are left out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm runner list --phase busy,listening\n  \
    larm runner list --json | jq -r '.[].name'")]
pub(in crate::cli) struct Arguments {
    /// Only those whose instance is in one of these states: created, active, deleted, error,
    /// stopped, unknown, unexpected
    #[arg(long, value_name = "STATE,...")]
    state: Option<String>,
    /// Only those in one of these phases: planned, creating, booting, standby, listening, busy,
    /// finished, failed, deleting, gone
    #[arg(long, value_name = "PHASE,...")]
    phase: Option<String>,
    /// Gone ones too, as long as they are remembered
    #[arg(short, long)]
    all: bool,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let Arguments { state, phase, all } = arguments;
    let runners = context.daemon()?.runners(&ListAsk { state, phase, all }).await?.runners;
    if context.global.json {
        print::json(&runners)?;
    } else {
        let now = clock::now();
        let rows = runners.iter().map(|runner| row(runner, now)).collect();
        print::table(&["NAME", "PHASE", "SINCE", "HEALTH", "STATE", "AGE"], rows)?;
    }
    Ok(Outcome::Done)
}

fn row(runner: &Runner, now: Timestamp) -> Vec<String> {
    // A gone runner does not age.
    let end = if runner.phase == Phase::Gone { runner.since } else { now };
    vec![
        runner.name.to_string(),
        runner.phase.to_string(),
        print::age(runner.since, now),
        note(runner),
        state(runner),
        print::age(runner.created_at, end),
    ]
}

/// The state; of a frozen standby that it is frozen.
fn state(runner: &Runner) -> String {
    if runner.frost.is_cold() {
        format!("{}, {}", runner.state, runner.frost.as_str())
    } else {
        runner.state.to_string()
    }
}

/// The health; of one that is held how long.
fn note(runner: &Runner) -> String {
    match held(runner) {
        Some(kept) => format!("{}; kept {kept}", health(runner)),
        None => health(runner),
    }
}

/// The health, with as much of the reason as fits.
fn health(runner: &Runner) -> String {
    match (runner.health, &runner.health_reason) {
        (HealthState::Healthy, _) | (_, None) => runner.health.to_string(),
        (state, Some(reason)) => {
            let short: String = reason.chars().take(REASON).collect();
            let cut = if short.len() < reason.len() { "..." } else { "" };
            format!("{state}: {short}{cut}")
        }
    }
}
