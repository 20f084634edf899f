//! Removing runners: one, all that are idle, all that are unhealthy; and what became of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use secrecy::SecretString;

use super::command::Command;
use super::{LxdRunnerManager, ManagerError};
use crate::clock;
use crate::model::{InstanceName, Kept, Phase, Record, RunnerId, RunnerMetrics};

/// How long a removal may take before its caller is told that it goes on without them.
const REMOVAL_LIMIT: Duration = Duration::from_mins(5);

/// What became of a request to remove several runners.
#[derive(Debug, Clone, Default)]
pub struct Removals {
    /// What the removed runners left behind.
    pub metrics: Vec<RunnerMetrics>,
    /// Instances that were removed though their runners were gone before.
    pub orphans: Vec<InstanceName>,
    /// What is still there that should be gone, and why.
    pub not_removed: Vec<(InstanceName, ManagerError)>,
}

/// How a runner is removed.
#[derive(Debug, Clone, Copy)]
pub(super) struct RemovalOrder {
    /// Whether a running job may be killed.
    pub(super) force: bool,
    /// Whether its instance goes even if it is held.
    pub(super) release: bool,
}

/// Instances whose runners were gone before, as a sweep has met them.
#[derive(Debug, Clone, Default)]
pub(super) struct Orphans {
    pub(super) removed: Vec<InstanceName>,
    pub(super) not_removed: Vec<(InstanceName, ManagerError)>,
}

impl LxdRunnerManager {
    /// Removes every idle runner, or with `busy` every runner.
    ///
    /// # Errors
    /// If the manager is stopping. A runner that is not removed is told of in the answer.
    pub async fn flush(
        &self,
        remove_token: Option<SecretString>,
        busy: bool,
    ) -> Result<Removals, ManagerError> {
        let mut removals = Removals::default();
        let mut wanted = BTreeSet::new();
        for (id, name) in self.names(|record| record.phase < Phase::Gone) {
            let wanted_gone = RemovalOrder { force: busy, release: busy };
            match self.want_removal(&id, remove_token.clone(), wanted_gone).await {
                Ok(()) => drop(wanted.insert((id, name))),
                Err(ManagerError::Stopping) => return Err(ManagerError::Stopping),
                Err(error) => removals.not_removed.push((name, error)),
            }
        }
        self.await_removals(wanted, &mut removals).await;
        Ok(removals)
    }

    /// Removes every unhealthy runner and every orphan.
    ///
    /// # Errors
    /// If LXD could not be asked what there is, or the manager is stopping.
    pub async fn clean_up(
        &self,
        remove_token: Option<SecretString>,
    ) -> Result<Removals, ManagerError> {
        let gone_before = self.names(|record| record.phase == Phase::Gone);
        let Orphans { removed, not_removed } =
            self.ask(|reply| Command::Sweep { token: remove_token, reply }).await?;
        let mut removals = Removals { metrics: Vec::new(), orphans: removed, not_removed };
        let doomed =
            self.names(|record| record.phase >= Phase::Finished || record.removal.is_some());
        let doomed = doomed.difference(&gone_before).cloned().collect();
        self.await_removals(doomed, &mut removals).await;
        Ok(removals)
    }

    pub(super) async fn want_removal(
        &self,
        id: &RunnerId,
        token: Option<SecretString>,
        how: RemovalOrder,
    ) -> Result<(), ManagerError> {
        let RemovalOrder { force, release } = how;
        self.ask(|reply| Command::Remove { id: id.clone(), force, token, release, reply }).await
    }

    /// Waits for the end of a removal that was granted, or for its refusal.
    pub(super) async fn until_removed(&self, id: &RunnerId) -> Result<RunnerMetrics, ManagerError> {
        let waited = tokio::time::timeout(REMOVAL_LIMIT, self.follow(id, removed));
        match waited.await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out(id, REMOVAL_LIMIT)),
        }
    }

    /// Waits for several removals at once.
    async fn await_removals(
        &self,
        wanted: BTreeSet<(RunnerId, InstanceName)>,
        removals: &mut Removals,
    ) {
        let waits = wanted.into_iter().map(|(id, name)| async move {
            let result = self.until_removed(&id).await;
            (name, result)
        });
        for (name, result) in join_all(waits).await {
            match result {
                Ok(metrics) => removals.metrics.push(metrics),
                Err(error) => removals.not_removed.push((name, error)),
            }
        }
    }

    fn names(&self, wanted: impl Fn(&Record) -> bool) -> BTreeSet<(RunnerId, InstanceName)> {
        let view = self.view();
        let found = view.runners.iter().filter(|(_, record)| wanted(record));
        found.map(|(id, record)| (id.clone(), record.name.clone())).collect()
    }
}

fn removed(record: &Arc<Record>) -> Option<Result<RunnerMetrics, ManagerError>> {
    if record.phase == Phase::Gone {
        return Some(Ok(record.metrics.clone()));
    }
    if let Some(until) = record.held_until().filter(|_| record.is_held(clock::now())) {
        return Some(Err(ManagerError::Held { name: record.name.clone(), until }));
    }
    if record.phase >= Phase::Finished || record.removal.is_some() {
        return None;
    }
    let name = record.name.clone();
    match record.kept.clone() {
        Some(Kept::Busy) => Some(Err(ManagerError::Busy(name))),
        Some(Kept::Unreachable(reason)) => Some(Err(ManagerError::BusyUnknown { name, reason })),
        None => None,
    }
}
