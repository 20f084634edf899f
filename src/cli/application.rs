//! `larm application`: what is kept of the runner application.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::context::Context;
use super::doctor::bytes;
use super::print;
use super::report::{CliError, Outcome, notice};
use crate::application::Cached;
use crate::daemon;

#[derive(Debug, Subcommand)]
pub(super) enum ApplicationCommand {
    #[command(visible_alias = "ls")]
    List(ListArguments),
}

/// List the runner applications that are kept on this machine, the oldest version first
///
/// The daemon need not run. Guests get the newest that GitHub still gives jobs to.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm application list\n  \
    larm application list --json | jq -r '.[].version'")]
pub(super) struct ListArguments {}

/// One that is kept.
#[derive(Debug, Serialize)]
struct Kept {
    version: String,
    /// In bytes.
    size: u64,
    path: PathBuf,
    sha256: String,
}

pub(super) async fn run(
    command: ApplicationCommand,
    context: &Context,
) -> Result<Outcome, CliError> {
    let ApplicationCommand::List(ListArguments {}) = command;
    let state_dir = context.settings()?.state_dir;
    let failed =
        |source| CliError::Io { what: "look into the kept runner applications".to_owned(), source };
    let cached = daemon::application_cache(&state_dir).list().await.map_err(failed)?;
    let kept: Vec<Kept> = cached.into_iter().map(kept).collect::<Result<_, _>>().map_err(failed)?;
    if context.global.json {
        print::json(&kept)?;
        return Ok(Outcome::Done);
    }
    print::table(&["VERSION", "SIZE", "PATH"], kept.iter().map(row).collect())?;
    if kept.is_empty() {
        notice(context, "none is kept: `larm serve` fetches it where a pool needs it");
    }
    Ok(Outcome::Done)
}

fn kept(cached: Cached) -> std::io::Result<Kept> {
    let Cached { version, path, sha256 } = cached;
    let size = fs::metadata(&path)?.len();
    Ok(Kept { version, size, path, sha256 })
}

fn row(kept: &Kept) -> Vec<String> {
    vec![kept.version.clone(), bytes(kept.size), kept.path.display().to_string()]
}
