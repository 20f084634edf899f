//! `larm pool list`.

use clap::Args;

use crate::cli::context::Context;
use crate::cli::print;
use crate::cli::report::{self, CliError, Outcome, notice};
use crate::http::types::farm::PoolStatus;

/// List the pools, in the order of the configuration
///
/// BUSY, LISTENING and REGISTERING are runners of the pool. FREE and COMING are instances of its
/// shape that no pool has yet: booted, and on their way. What is wrong with a connection to GitHub
/// is told on standard error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm pool list\n  \
    larm pool list --json | jq '.pools[] | select(.queued > 0) | .name'")]
pub(in crate::cli) struct Arguments {}

pub(super) async fn run(_: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let pools = context.daemon()?.pools().await?;
    if context.global.json {
        print::json(&pools)?;
        return Ok(Outcome::Done);
    }
    let heading = [
        "NAME",
        "TARGET",
        "LABELS",
        "BUSY",
        "LISTENING",
        "REGISTERING",
        "FREE",
        "COMING",
        "MAX",
        "QUEUED",
    ];
    print::table(&heading, pools.pools.iter().map(row).collect())?;
    if pools.pools.is_empty() {
        notice(context, "there are no pools: `larm init` writes a first one");
    }
    for trouble in &pools.troubles {
        report::warn(context, trouble);
    }
    Ok(Outcome::Done)
}

/// How many are free, and how many of them are frozen if any are.
fn free(pool: &PoolStatus) -> String {
    match pool.cold.len() {
        0 => pool.free.len().to_string(),
        cold => format!("{} ({cold} frozen)", pool.free.len()),
    }
}

fn row(pool: &PoolStatus) -> Vec<String> {
    vec![
        pool.name.clone(),
        pool.target.path.to_string(),
        pool.labels.join(","),
        pool.busy.len().to_string(),
        pool.listening.len().to_string(),
        pool.registering.len().to_string(),
        free(pool),
        pool.coming.len().to_string(),
        pool.max.to_string(),
        pool.queued.to_string(),
    ]
}
