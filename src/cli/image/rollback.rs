//! `larm image rollback`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome};
use crate::images;

/// Go back to an older generation of an image
///
/// New runners are made from it at once. The generation that is left is marked as withdrawn, and
/// the next build or prune removes it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm image rollback\n  \
    larm image rollback larm-runner --to 3")]
pub(in crate::cli) struct Arguments {
    /// The image's alias
    #[arg(value_name = "ALIAS", default_value = images::DEFAULT_ALIAS)]
    alias: String,
    /// Go to this generation; without it to the good one before the current one
    #[arg(long, value_name = "N")]
    to: Option<u64>,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let done = images::rollback(&context.lxd()?, &arguments.alias, arguments.to).await?;
    if context.global.json {
        print::json(&done)?;
    } else {
        let from = done.from.map(|from| format!(", it was {from}")).unwrap_or_default();
        print::line(&format!("{} is generation {}{from}", done.alias, done.to))?;
    }
    Ok(Outcome::Done)
}
