//! What a guest says of itself, after it was read as hostile input.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{PostJobMetrics, PreJobMetrics};

/// How far the guest has come. Later phases compare greater; both last ones are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuestPhase {
    /// cloud-init runs our preparation.
    Preparing,
    /// The runner application is in place; a credential may be handed over.
    Ready,
    /// The credential was taken and the listener is being started.
    Claimed,
    /// The listener waits for a job.
    Listening,
    /// A job runs.
    Busy,
    /// The listener has ended.
    Finished,
    /// Preparation or registration failed.
    Failed,
}

/// One look at the guest's own account, as `guest report` printed it.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestReport {
    /// Grows with each change of phase, and when there is more to report in the same phase.
    pub seq: u64,
    /// How far the guest has come.
    pub phase: GuestPhase,
    /// When each phase was reached, by the guest's clock.
    pub reached: BTreeMap<GuestPhase, Timestamp>,
    /// The listener's true exit code, once finished.
    pub exit_code: Option<i32>,
    /// Why it failed, in the guest's words, cut to a line.
    pub detail: Option<String>,
    /// How many of the runner's processes were killed for lack of memory, once it has ended.
    pub oom_kills: u32,
    /// What the job-started hook wrote.
    pub pre_job: Found<PreJobMetrics>,
    /// What was written when the listener had ended.
    pub post_job: Found<PostJobMetrics>,
}

impl GuestReport {
    /// Whether a job may have run in the guest, by its own account.
    pub fn may_have_had_job(&self) -> bool {
        self.phase == GuestPhase::Busy
            || self.reached.contains_key(&GuestPhase::Busy)
            || self.pre_job != Found::Absent
    }
}

/// A file of the guest's that may be missing or not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T> {
    /// There is none.
    Absent,
    /// It is too large, no regular file, or does not parse.
    Corrupt(String),
    /// It is what it should be.
    Present(T),
}

/// What `cloud-init status` says inside the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloudInitStatus {
    /// Not begun.
    NotStarted,
    /// Setting up, waiting, listening or running the job.
    Running,
    /// The runner ended.
    Done,
    /// A step failed.
    Error,
    /// A recoverable error, on cloud-init that has no base state to tell.
    Degraded,
    /// cloud-init is switched off, or found no data source.
    Disabled,
}

/// `cloud-init status`, understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudInitReading {
    /// The base state.
    pub status: CloudInitStatus,
    /// Whether recoverable errors came with it (`extended_status` "degraded ...").
    pub degraded: bool,
    /// cloud-init's own words on errors, cut to a line.
    pub detail: Option<String>,
}

/// What a probe through exec found in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReading {
    /// What `cloud-init status` said.
    pub cloud_init: CloudInitReading,
    /// Whether a runner was started in this boot: its credential has been taken.
    pub runner_started: bool,
    /// Whether a `Runner.Listener` or `Runner.Worker` process runs.
    pub runner_process: bool,
}

impl GuestPhase {
    /// Whether no other phase follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Failed)
    }
}

impl<T> Found<T> {
    /// The value, if it is there and right.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Corrupt(_) => None,
        }
    }
}
