//! What reaches the dispatcher: news of runners, answers to its actions, and requests.

use secrecy::SecretString;
use tokio::sync::oneshot;

use super::removal::Orphans;
use super::{CreateOrder, ManagerError};
use crate::guest::Credential;
use crate::lxd;
use crate::model::{Action, Event, Fault, InstanceName, Observed, RunnerId};

/// Where a request's answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, ManagerError>>;

/// All that can reach the dispatcher.
#[derive(Debug)]
pub(super) enum Input {
    /// News of a runner that nobody asked for.
    News(RunnerId, Event),
    /// The answer to an action.
    Answer(RunnerId, Action, Event),
    /// Something happened to a runner's instance: LXD is to be asked what it is now.
    Ask(RunnerId, Action),
    /// The event stream may have missed something: LXD's list is to be compared with the records.
    Compare,
    /// LXD has made an instance with this runner's name.
    Made(RunnerId),
    /// LXD's list of our instances, or why there is none.
    Listed(Result<Vec<Observed>, lxd::Error>),
    /// What became of an instance whose runner was gone before: whether it was there, and removed.
    OrphanEnded(InstanceName, Result<bool, Fault>),
    /// Somebody asks for something.
    Command(Command),
}

/// Requests.
#[derive(Debug)]
pub(super) enum Command {
    /// Make a runner.
    Create { order: Box<CreateOrder>, reply: Reply<RunnerId> },
    /// Give a standby its credential.
    Give { id: RunnerId, credential: Credential, reply: Reply<()> },
    /// Remove a runner.
    Remove { id: RunnerId, force: bool, token: Option<SecretString>, reply: Reply<()> },
    /// Compare with LXD's list, and probe every guest; answered when all probes are, and when all
    /// orphans are gone.
    Sweep { token: Option<SecretString>, reply: Reply<Orphans> },
}
