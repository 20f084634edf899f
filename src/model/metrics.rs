//! What one runner left behind.

use serde::{Deserialize, Serialize};

use super::InstanceName;

/// What one runner left behind. All times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunnerMetrics {
    /// The runner's name.
    pub runner_name: InstanceName,
    /// When its creation began, by the host's clock.
    pub installation_start_timestamp: Option<f64>,
    /// When the guest said that the runner application was in place.
    pub installed_timestamp: Option<f64>,
    /// What the job-started hook wrote.
    pub pre_job: Option<PreJobMetrics>,
    /// What was written when the runner's process had ended.
    pub post_job: Option<PostJobMetrics>,
}

/// What the job-started hook wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreJobMetrics {
    /// When the hook ran.
    pub timestamp: f64,
    /// The workflow's name (`GITHUB_WORKFLOW`).
    pub workflow: String,
    /// The workflow run's id (`GITHUB_RUN_ID`).
    pub workflow_run_id: String,
    /// `OWNER/REPOSITORY` (`GITHUB_REPOSITORY`).
    pub repository: String,
    /// What triggered the workflow (`GITHUB_EVENT_NAME`).
    pub event: String,
}

/// What was written when the runner's process had ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostJobMetrics {
    /// When it ended.
    pub timestamp: f64,
    /// How it ended.
    pub status: PostJobStatus,
    /// More about it.
    pub status_info: Option<StatusInfo>,
}

/// How the runner's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PostJobStatus {
    /// The listener returned 0; that says nothing about the job's own outcome.
    Normal,
    /// The listener returned another code.
    Abnormal,
    /// The repository did not pass the policy check.
    RepoPolicyCheckFailure,
    /// The job was one of a pull request from outside, and those are refused.
    ExternalContributorCheckFailure,
}

/// More about how the runner's process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusInfo {
    /// The exit code, or the HTTP status of the policy check: 0 if its service did not answer.
    pub code: i64,
}
