//! Jobs of GitHub workflows: what is known of each, and how news of it is taken in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A job's number at GitHub; a job that is run again has another.
pub type JobId = u64;

/// How far a job has come. Later states compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// It waits for a runner.
    Queued,
    /// A runner has it.
    InProgress,
    /// It has ended.
    Completed,
}

/// Who told of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A `workflow_job` webhook.
    Webhook,
    /// A look at GitHub's queue.
    Poll,
}

/// What one piece of news says of a job (GitHub documentation, "Webhook events and payloads",
/// `workflow_job`; REST API, "Workflow jobs").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The job's number.
    pub id: JobId,
    /// The number of the workflow run that it belongs to.
    pub run_id: u64,
    /// Which attempt of that run.
    pub run_attempt: u32,
    /// `OWNER/REPOSITORY`.
    pub repository: String,
    /// Its name.
    pub name: String,
    /// Its workflow's name.
    pub workflow: Option<String>,
    /// What it asks for with `runs-on`.
    pub labels: Vec<String>,
    /// How far it has come.
    pub state: JobState,
    /// The runner that has it, once one has.
    pub runner: Option<String>,
    /// How it ended: `success`, `failure`, `cancelled`.
    pub conclusion: Option<String>,
    /// When GitHub made it.
    pub created_at: Option<Timestamp>,
    /// When a runner started it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// The connection that told of it.
    pub connection: String,
    /// The number of the workflow run that it belongs to.
    pub run_id: u64,
    /// Which attempt of that run.
    pub run_attempt: u32,
    /// `OWNER/REPOSITORY`.
    pub repository: String,
    /// Its name.
    pub name: String,
    /// Its workflow's name.
    pub workflow: Option<String>,
    /// What it asks for with `runs-on`.
    pub labels: Vec<String>,
    /// How far it has come.
    pub state: JobState,
    /// The runner that has it, once one has.
    pub runner: Option<String>,
    /// How it ended.
    pub conclusion: Option<String>,
    /// Since when it waits, by GitHub's clock where GitHub told.
    pub queued_at: Timestamp,
    /// When a runner started it, by GitHub's clock.
    pub started_at: Option<Timestamp>,
    /// When it ended, by GitHub's clock.
    pub completed_at: Option<Timestamp>,
    /// Who told of it first.
    pub found_by: Source,
    /// When larm heard of it first.
    pub heard_at: Timestamp,
    /// When larm heard last that it is as far as `state` says.
    pub confirmed_at: Timestamp,
    /// What happened to it, the oldest first.
    pub history: Vec<JobNote>,
}

/// A line of a job's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobNote {
    /// When.
    pub at: Timestamp,
    /// In plain words.
    pub text: String,
}
