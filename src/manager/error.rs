//! Why an operation of the manager failed.

use jiff::Timestamp;

use crate::model::{InstanceName, Phase, RunnerId};

/// Why an operation of the manager failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ManagerError {
    /// There is no runner with this id.
    #[error("there is no runner {0}")]
    NotFound(RunnerId),
    /// It runs a job, and the caller did not ask to kill it.
    #[error("runner {0} is busy with a job")]
    Busy(InstanceName),
    /// Whether it runs a job could not be found out, and the caller did not ask to remove it anyway.
    #[error("whether runner {name} is busy could not be found out: {reason}")]
    BusyUnknown {
        /// The runner.
        name: InstanceName,
        /// Why.
        reason: String,
    },
    /// The request does not fit the runner's phase.
    #[error("runner {name} is {phase}: {reason}")]
    Refused {
        /// The runner.
        name: InstanceName,
        /// Where in its life it is.
        phase: Phase,
        /// What does not fit.
        reason: String,
    },
    /// Its instance is held for inspection.
    #[error("runner {name} has ended, and its instance is held until {until:.0}")]
    Held {
        /// The runner.
        name: InstanceName,
        /// Until when.
        until: Timestamp,
    },
    /// There are as many runners as there may be.
    #[error("there are {0} runners, as many as there may be")]
    Full(usize),
    /// The runner failed before it came as far as the caller waited for.
    #[error("runner {name} failed: {reason}")]
    Failed {
        /// The runner.
        name: InstanceName,
        /// Why.
        reason: String,
    },
    /// The runner did not come as far as the caller waited for in the time given.
    #[error("runner {name} is {phase} still, after {seconds} s")]
    TimedOut {
        /// The runner.
        name: InstanceName,
        /// How far it has come.
        phase: Phase,
        /// How long the caller waited.
        seconds: u64,
    },
    /// LXD refused, in its own words.
    #[error("{message}")]
    Lxd {
        /// LXD's words, with the operation and the instance.
        message: String,
        /// What to do about it, where that is known.
        hint: Option<String>,
    },
    /// The store could not be read or written.
    #[error("the store failed: {0}")]
    Store(String),
    /// The manager is stopping.
    #[error("the manager is stopping")]
    Stopping,
}

impl ManagerError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Busy(_) | Self::BusyUnknown { .. } => {
                Some("use --force to end its job and remove it".to_owned())
            }
            Self::Held { .. } => Some("`larm runner delete` removes it at once".to_owned()),
            Self::NotFound(_) => Some("`larm runner list` shows the runners there are".to_owned()),
            Self::Full(_) => {
                Some("raise `max_runners` in the configuration, or delete a runner".to_owned())
            }
            Self::Lxd { hint, .. } => hint.clone(),
            Self::Refused { .. }
            | Self::Failed { .. }
            | Self::TimedOut { .. }
            | Self::Store(_)
            | Self::Stopping => None,
        }
    }
}
