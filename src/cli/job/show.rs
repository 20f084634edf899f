//! `larm job show`.

use std::time::Duration;

use clap::Args;

use super::state;
use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome};
use crate::http::types::farm::JobStatus;

/// Show all about one job
///
/// `larm why` tells in plain words why it waits.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm job show 4123\n  \
    larm job show 4123 --json | jq .history")]
pub(in crate::cli) struct Arguments {
    /// The job's number, as `larm job list` and the end of its page's URL have it
    #[arg(value_name = "ID")]
    id: u64,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let job = context.daemon()?.job(arguments.id).await?;
    if context.global.json {
        print::json(&job)?;
    } else {
        let rows = facts(&job).into_iter().map(|(name, value)| vec![name.to_owned(), value]);
        print::table(&[], rows.collect())?;
    }
    Ok(Outcome::Done)
}

fn facts(status: &JobStatus) -> Vec<(&'static str, String)> {
    let job = &status.job;
    let queued_for = Duration::from_secs(status.queued_for.try_into().unwrap_or(0));
    let mut facts = vec![
        ("id", job.id.to_string()),
        ("repository", job.repository.clone()),
        ("name", job.name.clone()),
        ("workflow", job.workflow.clone().unwrap_or_else(|| "not told".to_owned())),
        ("run", format!("{}, attempt {}", job.run_id, job.run_attempt)),
        ("labels", job.labels.join(", ")),
        ("state", state(job.state).to_owned()),
        ("queued", format!("at {}, for {}", job.queued_at, print::span(queued_for))),
        ("found by", format!("{} at {}", job.found_by, job.heard_at)),
    ];
    let rest = [
        ("waits", status.waiting.clone()),
        ("runner", job.runner.clone()),
        ("started", job.started_at.map(|at| at.to_string())),
        ("completed", job.completed_at.map(|at| at.to_string())),
        ("conclusion", job.conclusion.clone()),
    ];
    facts.extend(rest.into_iter().filter_map(|(name, value)| Some((name, value?))));
    facts
}
