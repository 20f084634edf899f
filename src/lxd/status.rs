//! LXD's status codes (LXD documentation, "Status codes").

use serde::{Deserialize, Serialize};

/// A status code; one that is not known here keeps its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusCode(pub i64);

impl StatusCode {
    /// The operation was created.
    pub const OPERATION_CREATED: Self = Self(100);
    /// Started.
    pub const STARTED: Self = Self(101);
    /// The instance is stopped.
    pub const STOPPED: Self = Self(102);
    /// The instance, or the operation, runs.
    pub const RUNNING: Self = Self(103);
    /// The operation is being cancelled.
    pub const CANCELLING: Self = Self(104);
    /// Waiting to begin.
    pub const PENDING: Self = Self(105);
    /// The instance is starting.
    pub const STARTING: Self = Self(106);
    /// The instance is stopping.
    pub const STOPPING: Self = Self(107);
    /// The instance is being aborted.
    pub const ABORTING: Self = Self(108);
    /// The instance is being frozen.
    pub const FREEZING: Self = Self(109);
    /// The instance is frozen.
    pub const FROZEN: Self = Self(110);
    /// The instance was thawed.
    pub const THAWED: Self = Self(111);
    /// The instance is in error, or its cluster member does not answer.
    pub const ERROR: Self = Self(112);
    /// The instance runs and has said that it is ready (`instance_ready_state`).
    pub const READY: Self = Self(113);
    /// The operation succeeded.
    pub const SUCCESS: Self = Self(200);
    /// The operation failed.
    pub const FAILURE: Self = Self(400);
    /// The operation was cancelled.
    pub const CANCELLED: Self = Self(401);

    /// Whether an operation with this status has ended: it never leaves such a status again.
    pub fn is_final(self) -> bool {
        self.0 >= Self::SUCCESS.0
    }

    /// Whether an instance with this status runs: Running, Ready or Thawed.
    pub fn is_running(self) -> bool {
        [Self::RUNNING, Self::READY, Self::THAWED].contains(&self)
    }
}
