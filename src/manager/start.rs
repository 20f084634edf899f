//! Builds the manager's parts and sets them going.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dispatcher::{Dispatcher, Memory};
use super::executor::Executor;
use super::kept_logs::KeptLogs;
use super::log_reader::LogReader;
use super::options::Workplace;
use super::watcher::Watches;
use super::{GuestSetup, GuestsReceiver, LxdRunnerManager, ManagerOptions, View, sources};
use crate::clock;
use crate::guest::RunnerSource;
use crate::lxd::EventHub;
use crate::model::{Record, SupportServiceConfig};
use crate::services::PolicyClient;
use crate::store::{Opened, Store, StoreError};

/// How long tasks may take to notice that they are to end.
const TASKS_END: Duration = Duration::from_secs(5);
/// How many inputs may wait for the dispatcher; senders wait when there are more.
const INPUTS: usize = 1024;

/// Why the manager did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user-data could not be written.
    #[error("the user-data could not be written: {0}")]
    UserData(String),
}

/// A manager that runs.
#[derive(Debug)]
pub struct Running {
    tracker: TaskTracker,
    dispatcher: JoinHandle<()>,
    drain: CancellationToken,
    stop: CancellationToken,
    work: CancellationToken,
    store: Arc<Store>,
    hub: EventHub,
    journal_head: u64,
}

/// Opens the store and sets the manager going. LXD need not answer yet.
pub fn start(options: ManagerOptions) -> Result<(LxdRunnerManager, Running), StartError> {
    let opened = Store::open_bounded(&options.state_dir, clock::now(), options.journal)?;
    opened.set_aside.iter().for_each(|one| tracing::error!("put aside: {one}"));
    let guests = options.guests.map_or_else(|| bare_guests(options.runner.clone()), Ok)?;
    let tracker = TaskTracker::new();
    let (stop, work) = (CancellationToken::new(), CancellationToken::new());
    let drain = CancellationToken::new();
    let hub = EventHub::start(&options.client, &tracker, work.clone());
    let client = options.client.with_events(&hub);
    let (inputs, received) = mpsc::channel(INPUTS);
    let Opened { store, records, journal_head, .. } = opened;
    let store = Arc::new(store);
    let kept = KeptLogs::new(options.state_dir.join("logs"), options.logs);
    let reader = LogReader { client: client.clone(), store: Arc::clone(&store), kept };
    let place = Workplace {
        client: client.clone(),
        prefix: options.rules.prefix.clone(),
        accounts: options.accounts,
        guests,
        stock: options.stock.unwrap_or_else(|| watch::channel(Arc::default()).1),
        policy: policy_client(),
        application: options.application.clone(),
        exec_limit: options.exec_limit,
        limits: options.limits,
    };
    let executor = Executor::new(
        place,
        reader.clone(),
        inputs.clone(),
        tracker.clone(),
        work.clone(),
        options.parallel,
    );
    let watches = Watches::new(client, inputs.clone(), tracker.clone(), work.clone());
    let follow = sources::follow(hub.clone(), options.rules.prefix.clone(), inputs.clone());
    tracker.spawn(work.clone().run_until_cancelled_owned(follow));
    let prefix = options.rules.prefix.clone();
    let (view_sender, view) = watch::channel(Arc::new(View::default()));
    let records = records.into_iter().map(Record::taken_up);
    let records = records.map(|record| (record.id().clone(), Arc::new(record))).collect();
    let dispatcher = Dispatcher {
        rules: options.rules,
        pushes_application: options.runner == RunnerSource::Pushed,
        application: options.application.clone(),
        parallel: options.parallel.makings(),
        records,
        journal_head,
        store: Arc::clone(&store),
        executor,
        watches,
        inputs: received,
        view: view_sender,
        drain: drain.clone(),
        stop: stop.clone(),
        memory: Memory::default(),
    };
    let dispatcher = tracker.spawn(dispatcher.run());
    tracker.close();
    let handle = LxdRunnerManager { prefix, view, inputs, store: Arc::clone(&store), logs: reader };
    Ok((handle, Running { tracker, dispatcher, drain, stop, work, store, hub, journal_head }))
}

/// Guests with a runner and nothing else.
fn bare_guests(runner: RunnerSource) -> Result<GuestsReceiver, StartError> {
    let setup = GuestSetup::new(runner, SupportServiceConfig::default(), None)
        .map_err(|error| StartError::UserData(error.to_string()))?;
    Ok(watch::channel(Arc::new(setup)).1)
}

/// Without one, runners that need it fail with that reason.
fn policy_client() -> Option<PolicyClient> {
    PolicyClient::new().inspect_err(|error| tracing::error!(%error, "policies")).ok()
}

impl Running {
    /// The `seq` of the journal's newest entry when this manager began.
    pub fn journal_head(&self) -> u64 {
        self.journal_head
    }

    /// What LXD tells, of which the manager has a stream open.
    pub fn events(&self) -> EventHub {
        self.hub.clone()
    }

    /// Stops taking requests, gives actions that are under way `grace` to end, and closes the
    /// store. Runners live on: a manager that starts again adopts them.
    pub async fn stop(mut self, grace: Duration) -> Result<(), StoreError> {
        self.drain.cancel();
        if tokio::time::timeout(grace, &mut self.dispatcher).await.is_err() {
            tracing::debug!("actions are left to the next manager");
        }
        self.stop.cancel();
        self.work.cancel();
        if tokio::time::timeout(TASKS_END, self.tracker.wait()).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
        match Arc::try_unwrap(self.store) {
            Ok(store) => store.close(),
            // A reader still holds it: everything that was committed is on disk all the same.
            Err(_) => Ok(()),
        }
    }
}
