//! Looks at GitHub's queues, for hosts that no webhook reaches and for webhooks that are lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

use super::rolls::in_words;
use super::tasks::Tasks;
use super::{FarmSettings, Input, Seen};
use crate::clock;
use crate::github::{Connection, GitHubError, JobLookup};
use crate::model::{GitHubPath, Job, JobState, Sighting, Source};

/// How often it is tried where it is to be done once.
const ONCE: Duration = Duration::from_mins(1);
/// How many repositories are looked at at once.
const AT_ONCE: usize = 4;
/// How many repositories of one organisation are looked at: those that were pushed to last, unless
/// the configuration names them.
const MOST_REPOSITORIES: usize = 50;
/// How long nothing is heard of a job that GitHub does not find before it counts as gone.
const CERTAINLY_GONE: SignedDuration = SignedDuration::from_mins(2);
/// How many jobs of one repository that are missing in its queue are looked at, each by itself.
const MOST_MISSING: usize = 20;

/// Looks at a connection's queues for ever; without `every` until that has worked once, for what came
/// while nobody listened.
pub(super) async fn poll(
    tasks: Tasks,
    connection: Connection,
    name: String,
    settings: Arc<FarmSettings>,
    every: Option<Duration>,
) {
    let mut ticks = interval(every.unwrap_or(ONCE));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let poller = Arc::new(Poller { tasks, connection, name, settings });
    loop {
        ticks.tick().await;
        let result = Box::pin(poller.look()).await;
        let connection = poller.name.clone();
        let result = result.map_err(|error| in_words(&error));
        let well = result.is_ok();
        poller.tasks.send(Input::Polled { connection, result }).await;
        if every.is_none() && well {
            return;
        }
    }
}

struct Poller {
    tasks: Tasks,
    connection: Connection,
    name: String,
    settings: Arc<FarmSettings>,
}

impl Poller {
    /// One look at all queues; the last of the errors, if there were any.
    async fn look(self: &Arc<Self>) -> Result<(), GitHubError> {
        let (repositories, mut result) = self.repositories().await;
        let looks = repositories.into_iter().map(|repository| {
            let this = Arc::clone(self);
            async move { this.look_at(&repository).await }
        });
        let mut looks = futures_util::stream::iter(looks).buffer_unordered(AT_ONCE);
        while let Some(looked) = looks.next().await {
            result = result.and(looked);
        }
        result
    }

    async fn look_at(&self, repository: &str) -> Result<(), GitHubError> {
        let at = clock::now();
        let mut sightings = Box::pin(self.connection.queued_jobs(repository)).await?;
        let seen: BTreeSet<_> = sightings.iter().map(|one| one.id).collect();
        let known = Arc::clone(&self.tasks.view.borrow());
        let missing = known.jobs.values().filter(|job| {
            self.is_live(job, repository) && !seen.contains(&job.id) && job.heard_at < at
        });
        let mut missing: Vec<_> = missing.collect();
        missing.sort_by_key(|job| job.confirmed_at);
        let mut result = Ok(());
        for job in missing.into_iter().take(MOST_MISSING) {
            match self.connection.job(repository, job.id).await {
                Ok(JobLookup::Found(sighting)) => sightings.push(*sighting),
                Ok(JobLookup::NotThere) if is_old(job, at) => sightings.push(gone(job, at)),
                // GitHub's answers are late at times: what was there a moment ago is there.
                Ok(JobLookup::NotThere | JobLookup::Held) => {}
                Err(error) => result = result.and(Err(error)),
            }
        }
        // What was found is told, whatever else went wrong.
        let connection = Some(self.name.clone());
        let seen = Seen { connection, source: Source::Poll, at, sightings };
        self.tasks.send(Input::Seen(seen)).await;
        result
    }

    fn is_live(&self, job: &Job, repository: &str) -> bool {
        job.state != JobState::Completed
            && job.connection == self.name
            && job.repository.eq_ignore_ascii_case(repository)
    }

    /// Whose queues are looked at. Where an organisation's list cannot be had, the others are.
    async fn repositories(&self) -> (BTreeSet<String>, Result<(), GitHubError>) {
        let known = Arc::clone(&self.tasks.view.borrow());
        let live = known.jobs.values().filter(|job| self.is_live(job, &job.repository));
        let mut all: BTreeSet<String> = live.map(|job| job.repository.to_lowercase()).collect();
        let mut result = Ok(());
        let pools = self.settings.pools.iter().filter(|pool| pool.target.connection == self.name);
        let paths: BTreeSet<_> = pools.map(|pool| &pool.target.path).collect();
        for path in paths {
            match path {
                GitHubPath::Repo { .. } => drop(all.insert(path.to_string().to_lowercase())),
                GitHubPath::Org { org, .. } => match self.of_organisation(org).await {
                    Ok(found) => all.extend(found),
                    Err(error) => result = Err(error),
                },
            }
        }
        (all, result)
    }

    async fn of_organisation(&self, org: &str) -> Result<Vec<String>, GitHubError> {
        let polls = self.settings.polls.get(&self.name);
        if let Some(wanted) = polls.and_then(|polls| polls.repositories.as_ref()) {
            let owned = wanted.iter().filter(|path| owner(path).eq_ignore_ascii_case(org));
            return Ok(owned.map(|path| path.to_string().to_lowercase()).collect());
        }
        let all = Box::pin(self.connection.repositories(org)).await?;
        let newest = all.into_iter().take(MOST_REPOSITORIES);
        Ok(newest.map(|one| one.full_name.to_lowercase()).collect())
    }
}

fn owner(path: &GitHubPath) -> &str {
    match path {
        GitHubPath::Org { org, .. } => org,
        GitHubPath::Repo { owner, .. } => owner,
    }
}

fn is_old(job: &Job, now: Timestamp) -> bool {
    now.duration_since(job.heard_at.max(job.confirmed_at)) > CERTAINLY_GONE
}

/// A job that GitHub does not know any more: its run was deleted.
fn gone(job: &Job, at: Timestamp) -> Sighting {
    Sighting {
        id: job.id,
        run_id: job.run_id,
        run_attempt: job.run_attempt,
        repository: job.repository.clone(),
        name: job.name.clone(),
        workflow: job.workflow.clone(),
        labels: job.labels.clone(),
        state: JobState::Completed,
        runner: job.runner.clone(),
        conclusion: Some("gone from GitHub".to_owned()),
        created_at: None,
        started_at: None,
        completed_at: Some(at),
    }
}
