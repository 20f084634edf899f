//! `larm job list`.

use std::time::Duration;

use clap::Args;

use super::state;
use crate::cli::client::JobsAsk;
use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome};
use crate::http::types::farm::JobStatus;

/// How much of a reason fits into a table.
const REASON: usize = 60;

/// List the jobs that larm has heard of, the newest first
///
/// Ended ones are left out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm job list\n  \
    larm job list --all --limit 20\n  \
    larm job list --json | jq '.[] | select(.waiting) | .id'")]
pub(in crate::cli) struct Arguments {
    /// Ended ones too, as long as they are remembered
    #[arg(short, long)]
    all: bool,
    /// How many at most, from 1 to 10000; 100 without it
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let Arguments { all, limit } = arguments;
    let jobs = context.daemon()?.jobs(&JobsAsk { all, limit }).await?.jobs;
    if context.global.json {
        print::json(&jobs)?;
        return Ok(Outcome::Done);
    }
    let heading =
        ["ID", "REPOSITORY", "NAME", "LABELS", "STATE", "RUNNER", "QUEUED FOR", "WHY IT WAITS"];
    print::table(&heading, jobs.iter().map(row).collect())?;
    Ok(Outcome::Done)
}

fn row(status: &JobStatus) -> Vec<String> {
    let job = &status.job;
    let queued_for = Duration::from_secs(status.queued_for.try_into().unwrap_or(0));
    vec![
        job.id.to_string(),
        job.repository.clone(),
        job.name.clone(),
        job.labels.join(","),
        state(job.state).to_owned(),
        job.runner.clone().unwrap_or_default(),
        print::span(queued_for),
        status.waiting.as_deref().map(short).unwrap_or_default(),
    ]
}

fn short(reason: &str) -> String {
    let short: String = reason.chars().take(REASON).collect();
    if short.len() < reason.len() { format!("{short}...") } else { short }
}
