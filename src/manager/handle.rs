//! What others may ask of the manager.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot, watch};

use super::command::{Command, FarmOrder, Input, Reply};
use super::log_reader::LogReader;
use super::removal::RemovalOrder;
use super::{CloudRunnerManager, ManagerError, View};
use crate::guest::Credential;
use crate::model::{
    CloudRunnerInstance, CloudRunnerState, InstanceName, Job, JobId, JobState, JournalEntry,
    NamePrefix, Phase, Pool, Record, RunnerId, RunnerMetrics, Spec,
};
use crate::store::{JournalQuery, Store, StoreError};

/// The manager of runners on one LXD; cheap to clone.
#[derive(Debug, Clone)]
pub struct LxdRunnerManager {
    pub(super) prefix: NamePrefix,
    pub(super) view: watch::Receiver<Arc<View>>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) store: Arc<Store>,
    pub(super) logs: LogReader,
}

/// An order for one runner.
#[derive(Debug, Clone, Default)]
pub struct CreateOrder {
    /// Its name, drawn before with [`LxdRunnerManager::new_name`]: a just-in-time configuration
    /// holds the runner's name. Drawn now without it.
    pub name: Option<InstanceName>,
    /// What it registers with; without it a standby is made.
    pub credential: Option<Credential>,
    /// What its instance is made from; the configuration's without it.
    pub spec: Option<Spec>,
}

impl LxdRunnerManager {
    /// Draws the name of a runner to be.
    pub fn new_name(&self) -> InstanceName {
        new_name(&self.prefix)
    }

    /// All records as of now.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// Follows the records: changes wake the receiver.
    pub fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// Creates a runner; returns once LXD has made its instance.
    pub async fn create(&self, order: CreateOrder) -> Result<RunnerId, ManagerError> {
        self.ask(|reply| Command::Create { order: Box::new(order), reply }).await
    }

    /// Gives a standby its credential.
    pub async fn give(&self, id: &RunnerId, credential: Credential) -> Result<(), ManagerError> {
        self.ask(|reply| Command::Give { id: id.clone(), credential, reply }).await
    }

    /// Does what the farm has decided; returns when that is on disk and in the view. What does not
    /// fit the runners any more is left out.
    pub async fn carry(&self, orders: Vec<FarmOrder>) -> Result<(), ManagerError> {
        self.ask(|reply| Command::Carry { orders, reply }).await
    }

    /// Takes other pools' deadlines from here on.
    pub async fn set_pools(&self, pools: Vec<Arc<Pool>>) -> Result<(), ManagerError> {
        self.ask(|reply| Command::Pools { pools, reply }).await
    }

    /// Waits until a runner has come as far as `phase`, and returns its record then.
    ///
    /// Fails as soon as it cannot come there any more, and after `limit`.
    pub async fn wait_for(
        &self,
        id: &RunnerId,
        phase: Phase,
        limit: Duration,
    ) -> Result<Arc<Record>, ManagerError> {
        let waited = tokio::time::timeout(limit, self.follow(id, |record| arrived(record, phase)));
        match waited.await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out(id, limit)),
        }
    }

    /// The file that records, jobs and journal are kept in.
    pub fn store_file(&self) -> &Path {
        self.store.path()
    }

    /// Reads the journal.
    pub async fn journal(&self, query: JournalQuery) -> Result<Vec<JournalEntry>, ManagerError> {
        self.with_store(move |store| store.journal(&query)).await
    }

    /// Writes jobs down, new or changed.
    pub async fn keep_jobs(&self, jobs: Vec<Job>) -> Result<(), ManagerError> {
        self.with_store(move |store| store.keep_jobs(&jobs)).await
    }

    /// Jobs that were written down, the newest first: those that have not ended, or all.
    pub async fn kept_jobs(&self, limit: usize, all: bool) -> Result<Vec<Job>, ManagerError> {
        let wanted = move |job: &Job| all || job.state != JobState::Completed;
        self.with_store(move |store| store.jobs(limit, wanted)).await
    }

    /// A job that was written down.
    pub async fn kept_job(&self, id: JobId) -> Result<Option<Job>, ManagerError> {
        self.with_store(move |store| store.job(id)).await
    }

    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ManagerError> {
        let store = Arc::clone(&self.store);
        let result = tokio::task::spawn_blocking(move || work(&store)).await;
        result
            .map_err(|error| ManagerError::Store(error.to_string()))?
            .map_err(|error| ManagerError::Store(error.to_string()))
    }

    pub(super) fn record(&self, id: &RunnerId) -> Result<Arc<Record>, ManagerError> {
        self.view
            .borrow()
            .runners
            .get(id)
            .cloned()
            .ok_or_else(|| ManagerError::NotFound(id.clone()))
    }

    pub(super) fn timed_out(&self, id: &RunnerId, limit: Duration) -> ManagerError {
        match self.record(id) {
            Err(gone) => gone,
            Ok(record) => ManagerError::TimedOut {
                name: record.name.clone(),
                phase: record.phase,
                seconds: limit.as_secs(),
            },
        }
    }

    pub(super) async fn ask<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, ManagerError> {
        let (reply, answer) = oneshot::channel();
        let command = Input::Command(command(reply));
        self.inputs.send(command).await.map_err(|_| ManagerError::Stopping)?;
        answer.await.map_err(|_| ManagerError::Stopping)?
    }

    /// Looks at a runner's record whenever it changes, until `decide` has seen enough.
    pub(super) async fn follow<T>(
        &self,
        id: &RunnerId,
        decide: impl Fn(&Arc<Record>) -> Option<Result<T, ManagerError>>,
    ) -> Result<T, ManagerError> {
        let mut view = self.view.clone();
        loop {
            let record = view.borrow_and_update().runners.get(id).cloned();
            let record = record.ok_or_else(|| ManagerError::NotFound(id.clone()))?;
            if let Some(result) = decide(&record) {
                return result;
            }
            view.changed().await.map_err(|_| ManagerError::Stopping)?;
        }
    }
}

/// Draws the name of a runner to be.
pub(super) fn new_name(prefix: &NamePrefix) -> InstanceName {
    let id = RunnerId::from_bits(uuid::Uuid::new_v4().as_u64_pair().0 >> 16);
    InstanceName::new(prefix.clone(), id)
}

fn arrived(record: &Arc<Record>, phase: Phase) -> Option<Result<Arc<Record>, ManagerError>> {
    if record.phase < phase {
        return None;
    }
    // A guest may be seen only after it moved on: a good end has come by all phases before.
    let came_by = record.marks.0.contains_key(&phase)
        || (record.phase <= Phase::Finished && record.failure.is_none());
    if came_by {
        return Some(Ok(Arc::clone(record)));
    }
    let reason = match &record.failure {
        Some(failure) => failure.reason.clone(),
        None => format!("it is {} and was never {phase}", record.phase),
    };
    Some(Err(ManagerError::Failed { name: record.name.clone(), reason }))
}

impl CloudRunnerManager for LxdRunnerManager {
    type Error = ManagerError;

    fn name_prefix(&self) -> &NamePrefix {
        &self.prefix
    }

    async fn create_runner(&self, credential: Credential) -> Result<RunnerId, ManagerError> {
        self.create(CreateOrder { credential: Some(credential), ..CreateOrder::default() }).await
    }

    async fn get_runner(&self, id: &RunnerId) -> Result<Option<CloudRunnerInstance>, ManagerError> {
        Ok(self.view().runners.get(id).map(|record| record.instance()))
    }

    async fn get_runners(
        &self,
        states: Option<&[CloudRunnerState]>,
    ) -> Result<Vec<CloudRunnerInstance>, ManagerError> {
        let wanted = |record: &&Arc<Record>| states.is_none_or(|all| all.contains(&record.state));
        Ok(self.view().runners.values().filter(wanted).map(|record| record.instance()).collect())
    }

    async fn delete_runner(
        &self,
        id: &RunnerId,
        remove_token: Option<SecretString>,
        force: bool,
    ) -> Result<Option<RunnerMetrics>, ManagerError> {
        match self.want_removal(id, remove_token, RemovalOrder { force, release: true }).await {
            Err(ManagerError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => self.until_removed(id).await.map(Some),
        }
    }

    async fn flush_runners(
        &self,
        remove_token: Option<SecretString>,
        busy: bool,
    ) -> Result<Vec<RunnerMetrics>, ManagerError> {
        Ok(self.flush(remove_token, busy).await?.metrics)
    }

    async fn cleanup(
        &self,
        remove_token: Option<SecretString>,
    ) -> Result<Vec<RunnerMetrics>, ManagerError> {
        Ok(self.clean_up(remove_token).await?.metrics)
    }
}
