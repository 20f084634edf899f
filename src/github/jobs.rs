//! Jobs of workflow runs (GitHub REST API, "Workflow runs", "Workflow jobs"), read as sightings.
//!
//! Every list is asked for with its tag: as long as nothing changes, looking costs no budget.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::connection::Connection;
use super::error::{GitHubError, GitHubErrorKind};
use super::pages::Page;
use super::request::{Call, Need};
use super::text::line;
use crate::model::{GitHubPath, JobState, Sighting};

/// States of runs that may have jobs that wait for a runner or have one. A run in which one job
/// waits for an approval may have others that do not.
const LIVE: [&str; 3] = ["queued", "in_progress", "waiting"];
/// GitHub lists no more than a thousand runs for a filter.
const MOST_PAGES: usize = 10;
/// Lists of jobs that are asked for at once.
const AT_ONCE: usize = 8;
/// The longest text of a job that is kept, in characters.
const TEXT: usize = 256;
/// How many labels of a job are kept.
const MOST_LABELS: usize = 100;

/// A job as GitHub writes it, in lists and in webhooks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JobWire {
    id: u64,
    run_id: u64,
    run_attempt: Option<u32>,
    #[serde(default)]
    name: String,
    workflow_name: Option<String>,
    #[serde(default, deserialize_with = "nothing_is_empty")]
    labels: Vec<String>,
    #[serde(default)]
    pub(super) status: String,
    conclusion: Option<String>,
    runner_name: Option<String>,
    created_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Jobs {
    total_count: usize,
    jobs: Vec<JobWire>,
}

#[derive(Serialize, Deserialize)]
struct Run {
    id: u64,
}

#[derive(Serialize, Deserialize)]
struct Runs {
    total_count: usize,
    workflow_runs: Vec<Run>,
}

impl Page for Jobs {
    type Item = JobWire;

    fn total(&self) -> Option<usize> {
        Some(self.total_count)
    }

    fn into_items(self) -> Vec<JobWire> {
        self.jobs
    }
}

impl Page for Runs {
    type Item = Run;

    fn total(&self) -> Option<usize> {
        Some(self.total_count)
    }

    fn into_items(self) -> Vec<Run> {
        self.workflow_runs
    }
}

impl JobWire {
    /// How far it has come; `None` for one that waits for something else than a runner.
    pub(super) fn state(&self) -> Option<JobState> {
        match self.status.as_str() {
            "queued" => Some(JobState::Queued),
            "in_progress" => Some(JobState::InProgress),
            "completed" => Some(JobState::Completed),
            _ => None,
        }
    }

    /// What it says of a job that has come so far.
    pub(super) fn sighting(self, repository: &str, state: JobState) -> Sighting {
        let short = |text: String| line(&text, TEXT);
        let full = |text: Option<String>| text.map(short).filter(|text| !text.is_empty());
        // GitHub gives a queued job the time of its creation as that of its start.
        let started = state != JobState::Queued;
        Sighting {
            id: self.id,
            run_id: self.run_id,
            run_attempt: self.run_attempt.unwrap_or(1),
            repository: repository.to_owned(),
            name: short(self.name),
            workflow: full(self.workflow_name),
            labels: self.labels.into_iter().take(MOST_LABELS).map(short).collect(),
            state,
            runner: full(self.runner_name),
            conclusion: full(self.conclusion),
            created_at: self.created_at,
            started_at: self.started_at.filter(|_| started),
            completed_at: self.completed_at.filter(|_| state == JobState::Completed),
        }
    }
}

/// What GitHub says of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobLookup {
    /// It has come so far.
    Found(Box<Sighting>),
    /// It is there, and not in the queue yet: it waits for an approval or for other jobs.
    Held,
    /// It is not there, or the credential cannot see it.
    NotThere,
}

impl Connection {
    /// The jobs of a repository's runs that are not over: those that wait for a runner, and their
    /// neighbours that have one or have ended. Jobs that wait for an approval are left out.
    ///
    /// `repository` is `OWNER/REPOSITORY`.
    pub async fn queued_jobs(&self, repository: &str) -> Result<Vec<Sighting>, GitHubError> {
        let path = parsed(repository)?;
        let mut runs = BTreeSet::new();
        for status in LIVE {
            let rest = format!("/actions/runs?status={status}");
            let call = Call::at("list the workflow runs", &path, Method::GET, &rest);
            let listed = self.list::<Runs>(&call.needing(Need::Actions), MOST_PAGES).await?;
            runs.extend(listed.items.into_iter().map(|run| run.id));
        }
        let looks = runs.into_iter().map(|run| self.jobs_of(&path, repository, run));
        let mut found = stream::iter(looks).buffered(AT_ONCE);
        let (mut sightings, mut failed) = (Vec::new(), None);
        while let Some(jobs) = found.next().await {
            match jobs {
                Ok(jobs) => sightings.extend(jobs),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) if sightings.is_empty() => Err(error),
            // One run that cannot be read hides no other.
            Some(error) => {
                tracing::warn!(repository, %error, "some runs were not looked at");
                Ok(sightings)
            }
            None => Ok(sightings),
        }
    }

    /// The jobs of one workflow run, those of its latest attempt; none where there is no such run.
    ///
    /// `repository` is `OWNER/REPOSITORY`.
    pub async fn jobs_of_run(
        &self,
        repository: &str,
        run: u64,
    ) -> Result<Vec<Sighting>, GitHubError> {
        self.jobs_of(&parsed(repository)?, repository, run).await
    }

    async fn jobs_of(
        &self,
        path: &GitHubPath,
        repository: &str,
        run: u64,
    ) -> Result<Vec<Sighting>, GitHubError> {
        let rest = format!("/actions/runs/{run}/jobs?filter=latest");
        let call = Call::at("list the jobs", path, Method::GET, &rest).needing(Need::Actions);
        let jobs = match Box::pin(self.list::<Jobs>(&call, MOST_PAGES)).await {
            Ok(listed) => listed.items,
            // Somebody removed the run in between.
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let seen = |job: JobWire| job.state().map(|state| job.sighting(repository, state));
        Ok(jobs.into_iter().filter_map(seen).collect())
    }

    /// One job, as far as it has come.
    ///
    /// `repository` is `OWNER/REPOSITORY`.
    pub async fn job(&self, repository: &str, id: u64) -> Result<JobLookup, GitHubError> {
        let path = parsed(repository)?;
        let rest = format!("/actions/jobs/{id}");
        let call = Call::at("look at a job", &path, Method::GET, &rest).needing(Need::Actions);
        match self.ask_kept::<JobWire>(&call).await {
            Ok(job) => Ok(match job.state() {
                Some(state) => JobLookup::Found(Box::new(job.sighting(repository, state))),
                None => JobLookup::Held,
            }),
            Err(error) if error.is_not_found() => Ok(JobLookup::NotThere),
            Err(error) => Err(error),
        }
    }
}

/// `OWNER/REPOSITORY`, of which no part leads out of the address that it becomes part of.
pub(super) fn repository_path(repository: &str) -> Option<GitHubPath> {
    if repository.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return None;
    }
    repository.parse().ok().filter(|path| matches!(path, GitHubPath::Repo { .. }))
}

fn parsed(repository: &str) -> Result<GitHubPath, GitHubError> {
    let wrong = || {
        let reason = format!("\"{}\" is no OWNER/REPOSITORY", line(repository, TEXT));
        let kind = GitHubErrorKind::Options { reason };
        GitHubError::new("look at the jobs", "a repository", Need::Actions, kind)
    };
    repository_path(repository).ok_or_else(wrong)
}

/// Reads `null` as an empty list.
fn nothing_is_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}
