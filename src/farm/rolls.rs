//! GitHub's list of a target's runners, again and again: there is no event that tells of them.
//! A list that has not changed costs nothing of the budget (GitHub documentation, "Best practices
//! for using the REST API", conditional requests).

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Input;
use super::tasks::Tasks;
use crate::clock;
use crate::github::{Connection, Deletion};
use crate::model::{Finding, InstanceName, Target};

/// How often a list is asked for.
const EVERY: Duration = Duration::from_mins(1);
/// How soon it is asked for again where something looks wrong.
const SOONEST: Duration = Duration::from_secs(5);

/// What became of a registration without an instance.
#[derive(Debug)]
pub(super) struct Leak {
    pub(super) name: InstanceName,
    pub(super) result: Result<Deletion, String>,
}

/// Calls the roll of a target for ever.
pub(super) async fn call(tasks: Tasks, connection: Connection, target: Target) {
    loop {
        let (begin, asked_at) = (Instant::now(), clock::now());
        let runners = Box::pin(connection.runners(&target.path)).await;
        let retry_at = runners.as_ref().err().and_then(crate::github::GitHubError::retry_at);
        let runners = runners.map_err(|error| in_words(&error));
        tasks.send(Input::Rolled { target: target.clone(), asked_at, runners }).await;
        let pause = retry_at.map(|at| Duration::try_from(at.duration_since(clock::now())));
        match pause {
            Some(Ok(pause)) => sleep(pause.max(SOONEST)).await,
            Some(Err(_)) | None => until_next(&tasks, &target, begin).await,
        }
    }
}

/// Waits for a minute, or until a suspicion is to be looked at.
async fn until_next(tasks: &Tasks, target: &Target, begin: Instant) {
    let mut view = tasks.view.clone();
    let end = begin + EVERY;
    loop {
        let suspected = view.borrow_and_update().suspected.get(target).copied();
        let due = suspected.map(|at| {
            let wait = Duration::try_from(at.duration_since(clock::now())).unwrap_or_default();
            (Instant::now() + wait).max(begin + SOONEST).min(end)
        });
        tokio::select! {
            () = sleep_until(due.unwrap_or(end)) => return,
            changed = view.changed() => if changed.is_err() { return },
        }
    }
}

/// Removes a registration without an instance.
pub(super) async fn remove(tasks: Tasks, connection: Connection, finding: Finding) {
    let Some(number) = finding.registration else { return };
    let result = connection.delete_runner(&finding.target.path, number).await;
    let result = result.map_err(|error| in_words(&error));
    tasks.send(Input::Leaked(Leak { name: finding.name, result })).await;
}

/// An error with what to do about it.
pub(super) fn in_words(error: &crate::github::GitHubError) -> String {
    match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}
