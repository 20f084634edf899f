//! What removed runners left behind, for `delete`, `flush` and `cleanup`.

use crate::cli::context::Context;
use crate::cli::events::summary;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome, notice};
use crate::http::types::Removed;

/// Prints one line for each runner that was removed.
pub(in crate::cli) fn print(context: &Context, removed: &Removed) -> Result<Outcome, CliError> {
    if context.global.json {
        print::json(removed)?;
        return Ok(Outcome::Done);
    }
    if removed.metrics.is_empty() {
        notice(context, "nothing was deleted");
    }
    for metrics in &removed.metrics {
        print::line(&format!("deleted {}: {}", metrics.runner_name, summary(metrics)))?;
    }
    Ok(Outcome::Done)
}
