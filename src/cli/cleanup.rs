//! `larm cleanup`.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::progress::Progress;
use super::report::{CliError, Outcome};
use super::runner::removed;
use super::secret;
use crate::http::types::CleanupRequest;

/// Delete unhealthy runners and whatever was left behind
///
/// That is instances that no record knows, and records that no instance has, too. Healthy runners,
/// and those whose health could not be found out, are kept. Exit code 1 if something stays that
/// should be gone.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A file with a remove token, to remove registrations from inside the guests; - for stdin
    #[arg(long, value_name = "FILE")]
    remove_token_file: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let remove_token = secret::read_option(arguments.remove_token_file.as_deref())?;
    let daemon = context.daemon()?;
    let progress = Progress::start(context, "cleaning up");
    let answer = daemon.cleanup(&CleanupRequest { remove_token }).await;
    drop(progress);
    removed::print(context, &answer?)
}
