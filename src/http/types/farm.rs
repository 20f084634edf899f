//! JSON types of the farm: pools, jobs, why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::farm::Why;
use crate::model::{Job, RunnerId, Spec, Target};

/// All pools.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pools {
    /// In the order of the configuration.
    pub pools: Vec<PoolStatus>,
    /// GitHub's connections, as far as something is wrong with them.
    pub troubles: Vec<String>,
    /// Whether GitHub's queues were looked at since the daemon started, those of every connection
    /// that is to be looked at.
    #[serde(default)]
    pub polled: bool,
}

/// A pool, and who is in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// Where its runners register.
    pub target: Target,
    /// All labels of its runners.
    pub labels: Vec<String>,
    /// What its instances are made from.
    pub instance: Spec,
    /// How many runners are to be registered and waiting for a job.
    pub min_idle: usize,
    /// How many instances are to be booted and not registered.
    pub standby: usize,
    /// How many of these are to be frozen.
    #[serde(default)]
    pub frozen: usize,
    /// How many runners it may have at once.
    pub max: usize,
    /// Its priority.
    pub priority: i32,
    /// Runners that have a job.
    pub busy: Vec<RunnerId>,
    /// Runners that wait for a job.
    pub listening: Vec<RunnerId>,
    /// Runners that are being registered.
    pub registering: Vec<RunnerId>,
    /// Instances of its shape that are booted and in no pool.
    pub free: Vec<RunnerId>,
    /// Those of them that are frozen, or will be at once.
    #[serde(default)]
    pub cold: Vec<RunnerId>,
    /// Instances of its shape that are being made.
    pub coming: Vec<RunnerId>,
    /// How many queued jobs it could take.
    pub queued: usize,
}

/// Jobs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Jobs {
    /// The newest first.
    pub jobs: Vec<JobStatus>,
}

/// A job, and why it waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobStatus {
    /// What is known of it.
    #[serde(flatten)]
    pub job: Job,
    /// Why it has no runner yet.
    pub waiting: Option<String>,
    /// How long it was queued, or is, in seconds.
    pub queued_for: i64,
}

/// What a reload has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// When.
    pub at: Option<Timestamp>,
    /// Pools that are new.
    pub added: Vec<String>,
    /// Pools that make other runners now, or others of them.
    pub changed: Vec<String>,
    /// Pools that are no more.
    pub removed: Vec<String>,
    /// Keys that were changed and are taken only by a restart.
    pub need_restart: Vec<String>,
}
