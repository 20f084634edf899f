//! What goes into the stand-in GitHub and what comes out: jobs, runners, events, faults.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

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
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
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
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobRecord {
    /// Its number.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// How far it has come.
    pub state: JobState,
    /// The runner that it was given to last.
    pub runner: Option<String>,
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
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Vec<String>,
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

/// How the server misbehaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// Runners' registrations and sessions are refused.
    pub refuse_registration: bool,
    /// Every answer waits for so long first.
    pub delay: Duration,
    /// So many of the next requests are answered with status 500.
    pub failures: u32,
    /// So many of the next jobs are given to a runner whose connection then breaks before it is
    /// told.
    pub drop_assignments: u32,
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
        }
    }
}

impl JobState {
    /// Whether it has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}
