//! `larm image`: build, list, show, rollback, prune.

mod application;
mod build;
mod list;
mod prune;
mod rollback;
mod show;

use clap::Subcommand;

use super::block_on;
use super::context::Context;
use super::report::{CliError, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum ImageCommand {
    Build(build::Arguments),
    #[command(visible_alias = "ls")]
    List(list::Arguments),
    Show(show::Arguments),
    Rollback(rollback::Arguments),
    Prune(prune::Arguments),
}

pub(super) fn run(command: ImageCommand, context: &Context) -> Result<Outcome, CliError> {
    match command {
        ImageCommand::Build(arguments) => build::run(arguments, context),
        ImageCommand::List(arguments) => block_on(list::run(arguments, context)),
        ImageCommand::Show(arguments) => block_on(show::run(arguments, context)),
        ImageCommand::Rollback(arguments) => block_on(rollback::run(arguments, context)),
        ImageCommand::Prune(arguments) => block_on(prune::run(arguments, context)),
    }
}
