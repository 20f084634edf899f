//! `larm pool`: list, show.

mod list;
mod show;

use clap::Subcommand;

use super::context::Context;
use super::report::{CliError, Outcome};

#[derive(Debug, Subcommand)]
pub(super) enum PoolCommand {
    #[command(visible_alias = "ls")]
    List(list::Arguments),
    Show(show::Arguments),
}

pub(super) async fn run(command: PoolCommand, context: &Context) -> Result<Outcome, CliError> {
    match command {
        PoolCommand::List(arguments) => list::run(arguments, context).await,
        PoolCommand::Show(arguments) => show::run(arguments, context).await,
    }
}
