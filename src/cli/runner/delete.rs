//! `larm runner delete`.

use std::path::PathBuf;

use clap::Args;

use super::removed;
use crate::cli::context::Context;
use crate::cli::progress::Progress;
use crate::cli::report::{CliError, Outcome};
use crate::cli::secret;
use crate::http::types::{DeleteRequest, Removed};

/// Delete runners
///
/// Prints what they left behind. One that runs a job is refused without --force.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The runner's id, the beginning of it, or its name
    #[arg(value_name = "RUNNER", required = true)]
    runners: Vec<String>,
    /// Delete it even if it runs a job, which ends the job
    #[arg(short, long)]
    force: bool,
    /// A file with a remove token, to remove the registration from inside the guest; - for stdin
    #[arg(long, value_name = "FILE")]
    remove_token_file: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let remove_token = secret::read_option(arguments.remove_token_file.as_deref())?;
    let daemon = context.daemon()?;
    let how = DeleteRequest { force: arguments.force, remove_token };
    let mut metrics = Vec::new();
    let mut failed = None;
    for runner in &arguments.runners {
        let progress = Progress::start(context, &format!("deleting {runner}"));
        let answer = daemon.delete(runner, &how).await;
        drop(progress);
        match answer {
            Ok(removed) => metrics.extend(removed.metrics),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    // What was deleted before a failure is told in any case: its metrics are nowhere else.
    if failed.is_none() || !metrics.is_empty() {
        removed::print(context, &Removed { metrics, ..Removed::default() })?;
    }
    failed.map_or(Ok(Outcome::Done), Err)
}
