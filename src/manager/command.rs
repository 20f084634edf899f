//! What reaches the dispatcher: news of runners, answers to its actions, and requests.

use std::sync::Arc;

use jiff::SignedDuration;
use secrecy::SecretString;
use tokio::sync::oneshot;

use super::removal::Orphans;
use super::{CreateOrder, ManagerError};
use crate::guest::Credential;
use crate::lxd;
use crate::model::plan::Move;
use crate::model::{
    Action, Binding, Event, Fault, InstanceName, JobFacts, Mismatch, Observed, Pool, RunnerId,
};

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

/// What the farm has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FarmOrder {
    /// A move of the plan.
    Move(Move),
    /// GitHub's list tells what a runner is registered as, of which no record knows that.
    Recognize {
        /// The runner.
        runner: RunnerId,
        /// What it is registered as.
        binding: Binding,
        /// Its number at GitHub.
        registration: u64,
    },
    /// What GitHub says of a runner's job.
    JobFacts {
        /// The runner.
        runner: RunnerId,
        /// What it says.
        facts: JobFacts,
    },
    /// A line for the journal.
    Tell {
        /// The runner's name.
        runner: InstanceName,
        /// What is wrong.
        mismatch: Mismatch,
        /// What was seen and what is done, in plain words.
        text: String,
    },
}

/// Requests.
#[derive(Debug)]
pub(super) enum Command {
    /// Make a runner.
    Create { order: Box<CreateOrder>, reply: Reply<RunnerId> },
    /// Give a standby its credential.
    Give { id: RunnerId, credential: Credential, reply: Reply<()> },
    /// Remove a runner.
    Remove {
        id: RunnerId,
        force: bool,
        token: Option<SecretString>,
        /// Whether its instance goes even if it is held.
        release: bool,
        reply: Reply<()>,
    },
    /// Hold a runner's instance once it has ended, or let go of it.
    Hold { id: RunnerId, length: Option<SignedDuration>, reply: Reply<()> },
    /// Do what the farm has decided; answered when that is on disk.
    Carry { orders: Vec<FarmOrder>, reply: Reply<()> },
    /// Other pools from here on.
    Pools { pools: Vec<Arc<Pool>>, reply: Reply<()> },
    /// Compare with LXD's list, and probe every guest; answered when all probes are, and when all
    /// orphans are gone.
    Sweep { token: Option<SecretString>, reply: Reply<Orphans> },
}
