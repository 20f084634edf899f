//! Jobs of GitHub workflows: what is known of each, and how news of it is taken in.

use std::fmt;

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

/// How many lines of a job's history are kept.
const HISTORY: usize = 32;

impl Job {
    /// A job that nobody told of before; `seen_at` is when GitHub said so.
    pub fn new(
        sighting: &Sighting,
        connection: &str,
        found_by: Source,
        seen_at: Timestamp,
        now: Timestamp,
    ) -> Self {
        let mut job = Self {
            id: sighting.id,
            connection: connection.to_owned(),
            run_id: sighting.run_id,
            run_attempt: sighting.run_attempt,
            repository: sighting.repository.clone(),
            name: sighting.name.clone(),
            workflow: sighting.workflow.clone(),
            labels: sighting.labels.clone(),
            state: JobState::Queued,
            runner: None,
            conclusion: None,
            queued_at: sighting.created_at.unwrap_or(now).min(now),
            started_at: None,
            completed_at: None,
            found_by,
            heard_at: now,
            confirmed_at: seen_at,
            history: Vec::new(),
        };
        let late = now.duration_since(job.queued_at).as_secs();
        job.note(now, format!("heard of by {found_by}, {late} s after it was queued"));
        job.meet(sighting, seen_at, now);
        job
    }

    /// Takes in news; whether anything changed beyond when it was heard of last.
    ///
    /// News comes twice, late and in any order (GitHub documentation, "Best practices for using
    /// webhooks"): a job is only ever taken further.
    pub fn meet(&mut self, news: &Sighting, seen_at: Timestamp, now: Timestamp) -> bool {
        if news.state < self.state {
            return false;
        }
        self.confirmed_at = self.confirmed_at.max(seen_at);
        let before = (self.state, self.runner.clone(), self.conclusion.clone());
        self.state = news.state;
        self.runner = news.runner.clone().or(self.runner.take());
        self.conclusion = news.conclusion.clone().or(self.conclusion.take());
        self.started_at = self.started_at.or(news.started_at.filter(|_| self.runner.is_some()));
        self.completed_at = self.completed_at.or(news.completed_at);
        if before == (self.state, self.runner.clone(), self.conclusion.clone()) {
            return false;
        }
        self.tell(now);
        true
    }

    fn tell(&mut self, now: Timestamp) {
        let on = self.runner.as_ref().map(|runner| format!(" on {runner}")).unwrap_or_default();
        match (self.state, &self.conclusion) {
            (JobState::Queued, _) => {}
            (JobState::InProgress, _) => self.note(now, format!("in progress{on}")),
            (JobState::Completed, None) => self.note(now, format!("completed{on}")),
            (JobState::Completed, Some(end)) => self.note(now, format!("completed{on}: {end}")),
        }
    }

    /// Adds a line to its history, unless it says what the last one said.
    pub fn note(&mut self, at: Timestamp, text: String) {
        if self.history.last().is_some_and(|last| last.text == text) {
            return;
        }
        if self.history.len() >= HISTORY {
            self.history.remove(1);
        }
        self.history.push(JobNote { at, text });
    }

    /// How long it waited for a runner, or has waited so far.
    pub fn waited(&self, now: Timestamp) -> jiff::SignedDuration {
        self.started_at.or(self.completed_at).unwrap_or(now).duration_since(self.queued_at)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Webhook => "webhook",
            Self::Poll => "poll",
        })
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Queued => "queued",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn news(state: JobState, runner: Option<&str>) -> Sighting {
        Sighting {
            id: 7,
            run_id: 1,
            run_attempt: 1,
            repository: "acme/web".to_owned(),
            name: "build".to_owned(),
            workflow: Some("ci".to_owned()),
            labels: vec!["small".to_owned()],
            state,
            runner: runner.map(str::to_owned),
            conclusion: (state == JobState::Completed).then(|| "success".to_owned()),
            created_at: Some(Timestamp::UNIX_EPOCH),
            started_at: None,
            completed_at: None,
        }
    }

    fn all() -> [Sighting; 3] {
        [
            news(JobState::Queued, None),
            news(JobState::InProgress, Some("larm-000000000001")),
            news(JobState::Completed, Some("larm-000000000001")),
        ]
    }

    proptest! {
        #[test]
        fn any_order_and_any_repetition_ends_alike(order in prop::collection::vec(0..3usize, 1..9)) {
            let start = Timestamp::UNIX_EPOCH;
            let mut told = order.iter().map(|n| all()[*n].clone());
            let mut job = Job::new(&told.next().unwrap(), "github", Source::Webhook, start, start);
            for sighting in told {
                let before = job.state;
                job.meet(&sighting, start, start);
                prop_assert!(job.state >= before, "a job went back");
                prop_assert!(!job.meet(&sighting, start, start), "the same news twice is no news");
            }
            let furthest = order.iter().max().copied().unwrap();
            prop_assert_eq!(job.state, all()[furthest].state);
            prop_assert_eq!(job.runner.is_some(), furthest > 0);
        }
    }

    #[test]
    fn a_history_has_an_end() {
        let start = Timestamp::UNIX_EPOCH;
        let mut job = Job::new(&all()[0], "github", Source::Poll, start, start);
        for n in 0..100 {
            job.note(start, format!("line {n}"));
        }
        assert_eq!(job.history.len(), HISTORY);
        assert_eq!(job.history[0].text, "heard of by poll, 0 s after it was queued");
        assert_eq!(job.history[HISTORY - 1].text, "line 99");
    }
}
