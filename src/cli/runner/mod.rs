//! `larm runner`: create, give, list, show, keep, delete, logs, shell.

mod create;
mod credential;
mod delete;
mod give;
mod keep;
mod list;
mod logs;
pub(super) mod removed;
mod shell;
mod show;
mod wait;

pub(super) use create::instance_type;
pub(super) use show::instance;

use clap::Subcommand;

use super::context::Context;
use super::report::{CliError, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum RunnerCommand {
    Create(create::Arguments),
    Give(give::Arguments),
    #[command(visible_alias = "ls")]
    List(list::Arguments),
    Show(show::Arguments),
    #[command(visible_alias = "rm")]
    Delete(delete::Arguments),
    Keep(keep::Arguments),
    Logs(logs::Arguments),
    Shell(shell::Arguments),
}

pub(super) async fn run(command: RunnerCommand, context: &Context) -> Result<Outcome, CliError> {
    match command {
        RunnerCommand::Create(arguments) => create::run(arguments, context).await,
        RunnerCommand::Give(arguments) => give::run(arguments, context).await,
        RunnerCommand::List(arguments) => list::run(arguments, context).await,
        RunnerCommand::Show(arguments) => show::run(arguments, context).await,
        RunnerCommand::Delete(arguments) => delete::run(arguments, context).await,
        RunnerCommand::Keep(arguments) => keep::run(arguments, context).await,
        RunnerCommand::Logs(arguments) => logs::run(arguments, context).await,
        RunnerCommand::Shell(arguments) => shell::run(arguments, context).await,
    }
}
