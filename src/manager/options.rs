//! What the manager is told when it starts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{AccountsReceiver, GuestsReceiver, LogBounds, StockReceiver};
use crate::application::Cached;
use crate::guest::RunnerSource;
use crate::lxd::Client;
use crate::model::{Deadlines, NamePrefix, Pool, Record, Spec};
use crate::services::PolicyClient;

/// What the manager is told when it starts.
#[derive(Debug, Clone)]
pub struct ManagerOptions {
    /// What decides.
    pub rules: Rules,
    /// The client of the LXD that instances are made in.
    pub client: Client,
    /// Where a guest gets the runner application from.
    pub runner: RunnerSource,
    /// What guests are given beside it; another setup is for those that come after it. Nothing
    /// without it.
    pub guests: Option<GuestsReceiver>,
    /// The accounts at GitHub that the farm's runners are registered with.
    pub accounts: AccountsReceiver,
    /// What instances are copied from. Nothing without it.
    pub stock: Option<StockReceiver>,
    /// The archive that is pushed where [`RunnerSource::Pushed`] says so; guests wait as long as
    /// there is none. Another one is given to those that come after it.
    pub application: watch::Receiver<Option<Arc<Cached>>>,
    /// Where the store and the logs are kept.
    pub state_dir: PathBuf,
    /// How many entries the journal keeps.
    pub journal: u64,
    /// How much is kept of what runners left that ended badly.
    pub logs: LogBounds,
    /// How many actions on instances run at once.
    pub parallel: Parallel,
    /// How long a guest may take to answer a command.
    pub exec_limit: Duration,
    /// How long LXD may take for each of its operations.
    pub limits: OperationLimits,
}

/// How many actions on instances run at once, of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parallel {
    /// Creations: the storage driver's work.
    pub creates: usize,
    /// Starts: work for the CPUs.
    pub starts: usize,
    /// Removals.
    pub deletes: usize,
}

impl Parallel {
    /// So many of each kind.
    pub fn all(number: usize) -> Self {
        Self { creates: number, starts: number, deletes: number }
    }

    /// How many runners are made at once: some are created while others start.
    pub(super) fn makings(self) -> usize {
        self.creates.saturating_add(self.starts).max(1)
    }
}

/// How long LXD may take for each of its operations; what takes longer is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationLimits {
    /// Making an instance: a first one unpacks the image.
    pub create: Duration,
    /// Starting it.
    pub start: Duration,
    /// Stopping it.
    pub stop: Duration,
    /// Deleting it.
    pub delete: Duration,
}

impl Default for OperationLimits {
    fn default() -> Self {
        Self {
            create: Duration::from_mins(3),
            start: Duration::from_mins(1),
            stop: Duration::from_mins(1),
            delete: Duration::from_mins(2),
        }
    }
}

/// What the dispatcher decides by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What all instance names begin with; the owner's mark on instances.
    pub prefix: NamePrefix,
    /// What instances are made from where an order does not say.
    pub spec: Spec,
    /// How long each part of a runner's life may take, where its pool does not say.
    pub deadlines: Deadlines,
    /// The pools of the farm.
    pub pools: Vec<Arc<Pool>>,
    /// How often everything is looked at though nothing was heard.
    pub sweep: Duration,
    /// How many gone runners are remembered.
    pub remembered: usize,
    /// How many runners there may be at once; no limit without it.
    pub max_runners: Option<usize>,
}

impl Rules {
    /// How long each part of this runner's life may take.
    pub fn deadlines_of(&self, record: &Record) -> &Deadlines {
        let pool = self.pools.iter().filter(|_| record.is_of_farm());
        pool.into_iter()
            .find(|pool| pool.name == record.pool())
            .map_or(&self.deadlines, |pool| &pool.deadlines)
    }
}

/// What executors need to know.
#[derive(Debug, Clone)]
pub(super) struct Workplace {
    pub(super) client: Client,
    pub(super) prefix: NamePrefix,
    pub(super) accounts: AccountsReceiver,
    pub(super) guests: GuestsReceiver,
    pub(super) stock: StockReceiver,
    pub(super) policy: Option<PolicyClient>,
    pub(super) application: watch::Receiver<Option<Arc<Cached>>>,
    pub(super) exec_limit: Duration,
    pub(super) limits: OperationLimits,
}
