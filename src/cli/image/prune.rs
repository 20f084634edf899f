//! `larm image prune`.

use clap::Args;

use super::list::{short, standing};
use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome, notice};
use crate::images;

/// Delete generations that nobody will go back to, and what killed builds have left
///
/// The current generation is never deleted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm image prune --dry-run\n  \
    larm image prune larm-runner --keep 2")]
pub(in crate::cli) struct Arguments {
    /// Generations of this alias only
    #[arg(value_name = "ALIAS")]
    alias: Option<String>,
    /// Keep so many older good generations
    #[arg(long, value_name = "N", default_value_t = 1)]
    keep: usize,
    /// Delete nothing, tell what would be
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let Arguments { alias, keep, dry_run } = arguments;
    let done = images::prune(&context.lxd()?, alias.as_deref(), keep, dry_run).await?;
    if context.global.json {
        print::json(&done)?;
        return Ok(Outcome::Done);
    }
    let word = if dry_run { "would delete" } else { "deleted" };
    for one in &done.generations {
        let (fingerprint, standing) = (short(&one.fingerprint), standing(one.standing));
        let name = format!("{}@{}", one.alias, one.number);
        print::line(&format!("{word} {name}, {standing}, {fingerprint}"))?;
    }
    for name in &done.instances {
        print::line(&format!("{word} instance {name}"))?;
    }
    if done.generations.is_empty() && done.instances.is_empty() {
        notice(context, "there is nothing to delete");
    }
    Ok(Outcome::Done)
}
