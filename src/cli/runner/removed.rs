//! What became of runners that were to be removed, for `delete`, `flush` and `cleanup`.

use crate::cli::context::Context;
use crate::cli::events::summary;
use crate::cli::print;
use crate::cli::report::{CliError, Outcome, notice};
use crate::http::types::{ErrorKind, Removed};

/// Prints one line for each runner. That a busy one stays, or one that is held, is no failure; that
/// another one does is.
pub(in crate::cli) fn print(context: &Context, removed: &Removed) -> Result<Outcome, CliError> {
    if context.global.json {
        print::json(removed)?;
        return Ok(outcome(removed));
    }
    if removed.metrics.is_empty() && removed.orphans.is_empty() {
        notice(context, "nothing was deleted");
    }
    for metrics in &removed.metrics {
        print::line(&format!("deleted {}: {}", metrics.runner_name, summary(metrics)))?;
    }
    for name in &removed.orphans {
        print::line(&format!("deleted {name}: an instance whose runner was gone"))?;
    }
    for one in &removed.not_removed {
        notice(context, &format!("kept {}: {}", one.name, one.error.message));
    }
    Ok(outcome(removed))
}

fn outcome(removed: &Removed) -> Outcome {
    let busy = |kind| matches!(kind, ErrorKind::Busy | ErrorKind::Held);
    if removed.not_removed.iter().all(|one| busy(one.error.kind)) {
        Outcome::Done
    } else {
        Outcome::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::types::{ErrorInfo, NotRemoved};

    #[test]
    fn only_a_runner_that_is_busy_or_held_may_stay() {
        let stays = |kind| NotRemoved {
            name: "larm-0123456789ab".parse().unwrap(),
            error: ErrorInfo { kind, message: "x".to_owned(), hint: None },
        };
        let removed = |kinds: &[ErrorKind]| Removed {
            not_removed: kinds.iter().copied().map(stays).collect(),
            ..Removed::default()
        };
        assert_eq!(outcome(&removed(&[])), Outcome::Done);
        assert_eq!(outcome(&removed(&[ErrorKind::Busy, ErrorKind::Held])), Outcome::Done);
        assert_eq!(outcome(&removed(&[ErrorKind::Busy, ErrorKind::TimedOut])), Outcome::Wrong);
    }
}
