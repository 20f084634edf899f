//! What readers see of the farm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::FarmSettings;
use crate::model::plan::Waiting;
use crate::model::{Cost, Job, JobId, Target};

/// The farm as of its last plan.
#[derive(Debug, Clone, Default)]
pub struct FarmView {
    /// What is wanted.
    pub settings: Arc<FarmSettings>,
    /// Jobs that have not ended, and those that ended lately.
    pub jobs: Arc<BTreeMap<JobId, Arc<Job>>>,
    /// Why each queued job has no runner yet.
    pub waiting: Arc<BTreeMap<JobId, Waiting>>,
    /// What the host has to give, as last measured.
    pub host: Option<Cost>,
    /// What is known of each connection.
    pub connections: BTreeMap<String, ConnectionView>,
    /// Versions of the runner application that GitHub gives no jobs any more.
    pub doomed: BTreeSet<String>,
    /// When a target's runners are to be looked at next because something looks wrong.
    pub(super) suspected: BTreeMap<Target, Timestamp>,
}

/// What is known of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionView {
    /// When its queues were last looked at with success.
    pub polled_at: Option<Timestamp>,
    /// Why the last look at its queues failed, if it did.
    pub poll_trouble: Option<String>,
    /// Why the runners of a target could not be listed, the last time that failed.
    pub list_trouble: BTreeMap<String, String>,
}
