//! The tasks that bring news from GitHub and the host; begun anew with each reload.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{FarmSettings, FarmView, Input, host, polls, redeliveries, rolls};
use crate::lxd::Client;
use crate::manager::AccountsReceiver;
use crate::model::Target;

/// What the tasks need.
#[derive(Debug, Clone)]
pub(super) struct Tasks {
    pub(super) client: Client,
    pub(super) accounts: AccountsReceiver,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) view: watch::Receiver<Arc<FarmView>>,
    pub(super) tracker: TaskTracker,
    /// Ends those of the present settings.
    generation: CancellationToken,
    stop: CancellationToken,
}

impl Tasks {
    pub(super) fn new(
        client: Client,
        accounts: AccountsReceiver,
        inputs: mpsc::Sender<Input>,
        view: watch::Receiver<Arc<FarmView>>,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let generation = stop.child_token();
        Self { client, accounts, inputs, view, tracker, generation, stop }
    }

    /// Ends the tasks of the settings before, and begins those of `settings`; `targets` are all
    /// places where runners may be registered.
    pub(super) fn begin(&mut self, settings: &Arc<FarmSettings>, targets: BTreeSet<Target>) {
        self.generation.cancel();
        self.generation = self.stop.child_token();
        if settings.pools.is_empty() && targets.is_empty() {
            return;
        }
        self.spawn(host::measure(self.clone(), Arc::clone(settings)));
        let mut by_connection: BTreeMap<String, BTreeSet<Target>> = BTreeMap::new();
        for target in targets {
            by_connection.entry(target.connection.clone()).or_default().insert(target);
        }
        for (name, targets) in by_connection {
            let Some(account) = self.accounts.borrow().get(&name).cloned() else { continue };
            for target in targets {
                let connection = account.connection.clone();
                self.spawn(rolls::call(self.clone(), connection.clone(), target.clone()));
                if let Some(url) = settings.webhook_url.clone() {
                    self.spawn(redeliveries::sweep(connection, target.path, url));
                }
            }
            let every = settings.polls.get(&name).and_then(|polls| polls.every);
            let settings = Arc::clone(settings);
            self.spawn(polls::poll(self.clone(), account.connection, name, settings, every));
        }
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let generation = self.generation.clone();
        let task = async move {
            // Whether it ended or was ended is all the same.
            generation.run_until_cancelled_owned(task).await.unwrap_or_default();
        };
        self.tracker.spawn(task);
    }

    pub(super) async fn send(&self, input: Input) {
        if self.inputs.send(input).await.is_err() {
            tracing::debug!("the farmer has stopped");
        }
    }
}
