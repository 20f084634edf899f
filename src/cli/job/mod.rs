//! `larm job`: list, show.

mod list;
mod show;

use clap::Subcommand;

use super::context::Context;
use super::report::{CliError, Outcome};
use crate::model::JobState;

#[derive(Debug, Subcommand)]
pub(super) enum JobCommand {
    #[command(visible_alias = "ls")]
    List(list::Arguments),
    Show(show::Arguments),
}

pub(super) async fn run(command: JobCommand, context: &Context) -> Result<Outcome, CliError> {
    match command {
        JobCommand::List(arguments) => list::run(arguments, context).await,
        JobCommand::Show(arguments) => show::run(arguments, context).await,
    }
}

/// How far a job has come, as GitHub calls it.
fn state(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::InProgress => "in progress",
        JobState::Completed => "completed",
    }
}
