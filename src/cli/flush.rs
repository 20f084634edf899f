//! `larm flush`.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::progress::Progress;
use super::report::{CliError, Outcome};
use super::runner::removed;
use super::secret;
use crate::http::types::FlushRequest;

/// Delete all idle runners, or with --busy all runners
///
/// Idle are standbys and those that wait for a job. Whether a runner is idle is decided inside its
/// guest, so that no job that has just begun is lost. Exit code 1 if a runner stays for another
/// reason than its job.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm flush           delete what is idle; jobs go on\n  \
    larm flush --busy    delete every runner and end its job")]
pub(super) struct Arguments {
    /// Delete busy runners too, which ends their jobs
    #[arg(long)]
    busy: bool,
    /// A file with a remove token, to remove registrations from inside the guests; - for stdin
    #[arg(long, value_name = "FILE")]
    remove_token_file: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let remove_token = secret::read_option(arguments.remove_token_file.as_deref())?;
    let daemon = context.daemon()?;
    let progress = Progress::start(context, "flushing");
    let answer = daemon.flush(&FlushRequest { busy: arguments.busy, remove_token }).await;
    drop(progress);
    removed::print(context, &answer?)
}
