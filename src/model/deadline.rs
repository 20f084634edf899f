//! How long a runner may take for each part of its life.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// How long a runner may take for each part of its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deadlines {
    /// From the beginning of its creation to the running instance.
    pub create: SignedDuration,
    /// From the running instance to a guest that is ready.
    pub boot: SignedDuration,
    /// From the hand-over of the credential to a listening runner.
    pub register: SignedDuration,
    /// The longest that a job may run; without it as long as GitHub allows.
    pub job: Option<SignedDuration>,
    /// How long a stopped, frozen or faulty instance is given to come back: a guest that reboots
    /// itself is seen stopped for a moment.
    pub trouble_grace: SignedDuration,
    /// How long the runner's process may be missing before the runner counts as dead.
    pub process_grace: SignedDuration,
    /// How long the instance of a runner that ended badly is held for inspection, if it is.
    pub keep_failed: Option<SignedDuration>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            create: SignedDuration::from_mins(5),
            boot: SignedDuration::from_mins(5),
            register: SignedDuration::from_mins(2),
            job: None,
            trouble_grace: SignedDuration::from_secs(10),
            process_grace: SignedDuration::from_secs(10),
            keep_failed: None,
        }
    }
}
