//! [`CloudRunnerManager`] on LXD.
//!
//! ```text
//!            requests (handle)   LXD events (sources)   bells (watcher)
//!                      \               |               /
//!                       v              v              v
//!                     dispatcher: step, commit, publish  --> view: what readers see
//!                       |                          ^
//!                       v                          |
//!                     executor: one action, one answer
//! ```

mod accounts;
mod command;
mod dispatcher;
mod error;
mod executor;
mod follow;
mod guests;
mod handle;
mod kept_logs;
mod keys;
mod log_reader;
mod log_why;
mod logs;
mod options;
mod removal;
mod sources;
mod start;
mod stock;
mod view;
mod watcher;

use std::future::Future;

use secrecy::SecretString;

use crate::guest::Credential;
use crate::model::{CloudRunnerInstance, CloudRunnerState, NamePrefix, RunnerId, RunnerMetrics};

pub use crate::store::{JournalPart, JournalQuery};
pub use accounts::{Account, Accounts, AccountsReceiver, RegistersWith};
pub use command::FarmOrder;
pub use error::ManagerError;
pub use follow::Followed;
pub use guests::{GuestSetup, GuestsReceiver};
pub use handle::{CreateOrder, LxdRunnerManager};
pub use kept_logs::LogBounds;
pub use keys::MANAGER as MANAGER_KEY;
pub use keys::SEED as SEED_KEY;
pub use logs::{LogFile, RunnerLog};
pub use options::{ManagerOptions, OperationLimits, Parallel, Rules};
pub use removal::Removals;
pub use start::{Running, StartError, start};
pub use stock::{Grain, Stock, StockReceiver};
pub use view::View;

/// Creates, watches and removes runners.
pub trait CloudRunnerManager: Send + Sync {
    /// Why an operation failed.
    type Error: std::error::Error;

    /// What all of this manager's instance names begin with.
    fn name_prefix(&self) -> &NamePrefix;

    /// Creates a runner that will register with `credential`; returns once LXD has accepted it.
    fn create_runner(
        &self,
        credential: Credential,
    ) -> impl Future<Output = Result<RunnerId, Self::Error>> + Send;

    /// One runner, or `None` if there is none with this id.
    fn get_runner(
        &self,
        id: &RunnerId,
    ) -> impl Future<Output = Result<Option<CloudRunnerInstance>, Self::Error>> + Send;

    /// All runners, or those in one of `states`.
    fn get_runners(
        &self,
        states: Option<&[CloudRunnerState]>,
    ) -> impl Future<Output = Result<Vec<CloudRunnerInstance>, Self::Error>> + Send;

    /// Removes a runner and returns its metrics; `None` if there is none with this id. A busy one is refused unless
    /// `force`. With `remove_token` its registration is removed from inside the guest too.
    fn delete_runner(
        &self,
        id: &RunnerId,
        remove_token: Option<SecretString>,
        force: bool,
    ) -> impl Future<Output = Result<Option<RunnerMetrics>, Self::Error>> + Send;

    /// Removes every idle runner, or with `busy` every runner, and returns the metrics of those
    /// removed. Idle or busy is decided inside the guest, in one step with ending the listener.
    fn flush_runners(
        &self,
        remove_token: Option<SecretString>,
        busy: bool,
    ) -> impl Future<Output = Result<Vec<RunnerMetrics>, Self::Error>> + Send;

    /// Removes every unhealthy runner and every orphan, and returns the metrics of those removed.
    fn cleanup(
        &self,
        remove_token: Option<SecretString>,
    ) -> impl Future<Output = Result<Vec<RunnerMetrics>, Self::Error>> + Send;
}
