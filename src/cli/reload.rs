//! `larm reload`.

use clap::Args;

use super::context::Context;
use super::print;
use super::report::{self, CliError, Outcome};
use crate::http::types::farm::Reloaded;

/// Make the daemon read its configuration again
///
/// Changed pools roll over runner by runner: idle ones first, busy ones never. Removed pools drain.
/// With a configuration that is wrong nothing changes, the error names file and line, and the exit
/// code is 4.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    larm reload\n  \
    larm config check && larm reload\n  \
    larm reload --json | jq -e '.need_restart == []'")]
pub(super) struct Arguments {}

pub(super) async fn run(_: Arguments, context: &Context) -> Result<Outcome, CliError> {
    let reloaded = context.daemon()?.reload().await?;
    if context.global.json {
        print::json(&reloaded)?;
        return Ok(Outcome::Done);
    }
    for line in lines(&reloaded) {
        print::line(&line)?;
    }
    if !reloaded.need_restart.is_empty() {
        let keys = reloaded.need_restart.join(", ");
        report::warn(context, &format!("these keys are taken only by a restart: {keys}"));
    }
    Ok(Outcome::Done)
}

fn lines(reloaded: &Reloaded) -> Vec<String> {
    let mut lines = vec!["the configuration was read again".to_owned()];
    let told = [
        ("added", &reloaded.added),
        ("changed", &reloaded.changed),
        ("removed", &reloaded.removed),
    ];
    let told = told.into_iter().filter(|(_, names)| !names.is_empty());
    lines.extend(told.map(|(what, names)| format!("pools {what}: {}", names.join(", "))));
    if lines.len() == 1 {
        lines.push("no pool has changed".to_owned());
    }
    lines
}
