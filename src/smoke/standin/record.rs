//! What goes into the stand-in GitHub and what comes out: jobs, runners, events, faults.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::scope::Scope;

/// A job's number.
pub type JobId = u64;

/// A job to be queued.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// Its name.
    pub name: String,
    /// What it asks for with `runs-on`: a runner must have all of them, in whatever case.
    pub labels: Vec<String>,
    /// How long it takes, before its steps.
    pub duration: Duration,
    /// Shell scripts that it runs one after the other; the first that fails fails the job.
    pub steps: Vec<String>,
    /// `GITHUB_WORKFLOW`.
    pub workflow: String,
    /// `GITHUB_REPOSITORY`.
    pub repository: String,
    /// `GITHUB_EVENT_NAME`.
    pub event: String,
    /// What GitHub tells of that event, as JSON (`GITHUB_EVENT_PATH`).
    pub payload: String,
    /// `GITHUB_BASE_REF` and `GITHUB_HEAD_REF`, of a pull request.
    pub refs: Option<(String, String)>,
    /// The run that it belongs to; without one it is a run of its own.
    pub run: Option<u64>,
    /// Which attempt of the run it is.
    pub attempt: u32,
    /// Whether it waits for somebody's approval before it is queued.
    pub waits_for_approval: bool,
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for somebody's approval.
    Waiting,
    /// It waits for a runner.
    Queued,
    /// It was given to a runner that has not started it yet.
    Assigned,
    /// It runs.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobRecord {
    /// Its number.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// `owner/name` of its repository.
    pub repository: String,
    /// The run that it belongs to.
    pub run: u64,
    /// Which attempt of the run it is.
    pub attempt: u32,
    /// The name of its workflow.
    pub workflow: String,
    /// What it asks for.
    pub labels: Vec<String>,
    /// How far it has come.
    pub state: JobState,
    /// The runner that it was given to last.
    pub runner: Option<String>,
    /// That runner's number and its group.
    pub runner_place: Option<(u64, u64)>,
    /// When it was queued.
    pub queued: Timestamp,
    /// When it was started first.
    pub started: Option<Timestamp>,
    /// When it was reported as ended.
    pub finished: Option<Timestamp>,
    /// How many times a worker ran it; anything but 1 in the end is wrong.
    pub runs: u32,
}

/// A runner that is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunnerRecord {
    /// Its number.
    pub id: u64,
    /// Its name; no other at the same place has it.
    pub name: String,
    /// Where it belongs.
    pub scope: Scope,
    /// The number of its group.
    pub group: u64,
    /// Its labels.
    pub labels: Vec<String>,
    /// The version of its application, once it has connected.
    pub version: Option<String>,
    /// Whether its listener has connected.
    pub online: bool,
    /// Whether it has a job.
    pub busy: bool,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// The runner's name.
    pub runner: Option<String>,
    /// The job.
    pub job: Option<JobId>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A job was queued.
    JobQueued,
    /// A runner was registered.
    RunnerRegistered,
    /// A runner's listener connected.
    RunnerOnline,
    /// A job was given to a runner.
    JobAssigned,
    /// A worker started a job.
    JobStarted,
    /// A job ended.
    JobFinished,
    /// A job went back to the queue: its runner did not start it in time, or was removed.
    JobReturned,
    /// A runner's registration was removed.
    RunnerRemoved,
}

impl JobSpec {
    /// A job that takes `duration`, for runners with `labels`.
    pub fn new(name: &str, labels: &[&str], duration: Duration) -> Self {
        Self {
            name: name.to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            duration,
            steps: Vec::new(),
            workflow: "smoke".to_owned(),
            repository: "larm/smoke".to_owned(),
            event: "workflow_dispatch".to_owned(),
            payload: "{}".to_owned(),
            refs: None,
            run: None,
            attempt: 1,
            waits_for_approval: false,
        }
    }
}

impl JobState {
    /// Whether it has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}
