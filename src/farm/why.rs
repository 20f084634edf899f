//! Why a job waits, or a runner is as it is, in plain words.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::demand::in_words;
use super::{Farm, FarmView};
use crate::clock;
use crate::manager::{JournalPart, JournalQuery, ManagerError};
use crate::model::plan::Waiting;
use crate::model::{
    Health, Hold, Job, JobId, JobNote, JobState, Kept, Phase, Record, Registration, RunnerId,
    Source,
};

/// How long GitHub takes at most to give a job to a runner that waits for it (GitHub documentation,
/// "Using self-hosted runners in a workflow").
const GITHUBS_TURN: SignedDuration = SignedDuration::from_secs(60);
/// How many lines of a runner's journal are told.
const LINES: usize = 30;

/// Why something is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// What it is about.
    pub subject: String,
    /// The answer in one sentence.
    pub answer: String,
    /// What else is known.
    pub facts: Vec<String>,
    /// What happened so far, the oldest first.
    pub history: Vec<JobNote>,
}

impl Farm {
    /// Why a job is where it is; `None` if nobody told of such a job.
    pub async fn why_job(&self, id: JobId) -> Result<Option<Why>, ManagerError> {
        let Some(job) = self.job(id).await? else { return Ok(None) };
        let (view, now) = (self.view(), clock::now());
        let runners = self.manager.view();
        let runner = |id: &RunnerId| runners.runners.get(id).map(Arc::as_ref);
        Ok(Some(Why {
            subject: subject(&job),
            answer: answer(&job, view.waiting.get(&id), now),
            facts: facts(&job, &view, &runner, now),
            history: job.history,
        }))
    }

    /// Why a runner is as it is; `None` if there is none.
    pub async fn why_runner(&self, id: &RunnerId) -> Result<Option<Why>, ManagerError> {
        let view = self.manager.view();
        let Some(record) = view.runners.get(id) else { return Ok(None) };
        let query = JournalQuery {
            limit: LINES,
            last: true,
            runner: Some(id.clone()),
            part: JournalPart::Story,
            ..Default::default()
        };
        let journal = self.manager.journal(query).await?;
        let history = journal
            .into_iter()
            .filter_map(|entry| Some(JobNote { at: entry.at, text: entry.what.story()? }));
        let now = clock::now();
        Ok(Some(Why {
            subject: format!("runner {}", record.name),
            answer: state(record, now),
            facts: runner_facts(record),
            history: history.collect(),
        }))
    }
}

fn subject(job: &Job) -> String {
    let workflow = job.workflow.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
    let labels = job.labels.join(", ");
    format!("job {} ({}{workflow}) in {}, labels {labels}", job.id, job.name, job.repository)
}

fn answer(job: &Job, waiting: Option<&Waiting>, now: Timestamp) -> String {
    let waited = length(job.waited(now));
    let on = job.runner.as_ref().map(|runner| format!(" on {runner}")).unwrap_or_default();
    match (job.state, waiting) {
        (JobState::Queued, Some(waiting)) => format!("queued {waited}: {}", in_words(waiting)),
        (JobState::Queued, None) => format!("queued {waited}"),
        (JobState::InProgress, _) => format!("in progress{on}, after it was queued {waited}"),
        (JobState::Completed, _) => {
            let end = job.conclusion.as_deref().unwrap_or("nobody told how");
            format!("completed{on}: {end}; it was queued {waited}")
        }
    }
}

fn facts<'a>(
    job: &Job,
    view: &FarmView,
    runner: &impl Fn(&RunnerId) -> Option<&'a Record>,
    now: Timestamp,
) -> Vec<String> {
    let mut facts = vec![found(job)];
    if job.state == JobState::Queued {
        let waiting = view.waiting.get(&job.id);
        facts.extend(waiting.into_iter().flat_map(|why| of_waiting(why, runner, now)));
        facts.extend(of_connection(job, view));
    }
    facts
}

fn found(job: &Job) -> String {
    let late = length(job.heard_at.duration_since(job.queued_at));
    match job.found_by {
        Source::Webhook => format!("its webhook came {late} after it was queued"),
        Source::Poll => {
            format!(
                "found by a look at GitHub's queue, {late} after it was queued; no webhook had come"
            )
        }
    }
}

fn of_waiting<'a>(
    waiting: &Waiting,
    runner: &impl Fn(&RunnerId) -> Option<&'a Record>,
    now: Timestamp,
) -> Vec<String> {
    let told =
        |id: &RunnerId| runner(id).map(|record| format!("{}: {}", record.name, state(record, now)));
    match waiting {
        Waiting::Taken { by } => told(by).into_iter().collect(),
        Waiting::Idle { runner: by, .. } => {
            let waits =
                runner(by).is_some_and(|one| now.duration_since(one.since()) > GITHUBS_TURN);
            let hint = "GitHub gives it no job: may its runner group serve this repository, and \
                        are its labels at GitHub those of the pool?";
            told(by).into_iter().chain(waits.then(|| hint.to_owned())).collect()
        }
        Waiting::Coming { runner, .. } => runner.iter().filter_map(told).collect(),
        Waiting::PoolFull { held_by, .. } => held_by.iter().filter_map(told).collect(),
        Waiting::BackingOff { until, .. } | Waiting::Unregistrable { until, .. } => {
            vec![format!("tried again in {}", length(until.duration_since(now)))]
        }
        Waiting::NoPool { .. } | Waiting::HostFull { .. } => vec![],
    }
}

fn of_connection(job: &Job, view: &FarmView) -> Vec<String> {
    let Some(known) = view.connections.get(&job.connection) else { return vec![] };
    let poll = known
        .poll_trouble
        .iter()
        .map(|error| format!("GitHub's queue cannot be looked at: {error}"));
    let list = known.list_trouble.iter();
    let list = list.map(|(path, error)| format!("runners of {path} cannot be listed: {error}"));
    poll.chain(list).collect()
}

/// How a runner is, in one sentence.
fn state(record: &Record, now: Timestamp) -> String {
    let since = length(now.duration_since(record.since()));
    let held = record.held_until().filter(|_| record.is_held(now));
    let held = held.map(|at| format!("; its instance is kept until {at:.0}")).unwrap_or_default();
    let frost = Some(record.frost).filter(|frost| frost.is_cold());
    let frost = frost.map(|frost| format!(" and {}", frost.as_str())).unwrap_or_default();
    let phase = format!("{}{frost} for {since}{held}", record.phase);
    if let Some(failure) = &record.failure {
        return format!("{phase}; it failed when it was {}: {}", failure.phase, failure.reason);
    }
    if let Some(removal) = &record.removal {
        return format!("{phase}; to be removed: {}", removal.reason);
    }
    if let (Some(retry), true) = (&record.retry, record.phase < Phase::Gone) {
        return format!("{phase}; tried {} times, last: {}", retry.attempts, retry.last_error);
    }
    match (&record.binding, record.phase) {
        (None, Phase::Standby) => format!("{phase}: ready for any pool of its shape"),
        (Some(binding), Phase::Listening) => format!("{phase} for jobs of pool {}", binding.pool),
        _ => phase,
    }
}

fn runner_facts(record: &Record) -> Vec<String> {
    let mut facts = Vec::new();
    match &record.binding {
        Some(one) => facts.push(format!("of pool {}, for {}", one.pool, one.target.path)),
        None => facts.push(format!("made for pool {}, given to none", record.spec.pool)),
    }
    if let Some(job) = record.binding.as_ref().and_then(|binding| binding.job) {
        facts.push(format!("wanted for job {job}"));
    }
    facts.push(match record.registration {
        Registration::None => "not registered at GitHub".to_owned(),
        Registration::Sought => "registration asked for at GitHub".to_owned(),
        Registration::Known(id) => format!("registered at GitHub with number {id}"),
        Registration::Ended => "no longer registered at GitHub".to_owned(),
    });
    if let Some(refused) = &record.unregistrable {
        facts.push(format!(
            "GitHub did not register it at {}: {}",
            refused.target.path, refused.error
        ));
    }
    match &record.health {
        Health::Healthy => {}
        Health::Unhealthy(reason) => facts.push(format!("unhealthy: {reason}")),
        Health::Unknown(why) => facts.push(format!("health unknown, so it is kept: {why}")),
    }
    if let Some(Hold::For(length)) = record.hold {
        facts.push(format!("its instance is kept for {length:#} once it has ended"));
    }
    if record.oom_kills > 0 {
        let count = record.oom_kills;
        facts.push(format!("{count} of its processes were killed for lack of memory (OOM)"));
    }
    match &record.kept {
        None => {}
        Some(Kept::Busy) => facts.push("its last removal was refused: it had a job".to_owned()),
        Some(Kept::Unreachable(why)) => {
            facts.push(format!(
                "its last removal was refused: whether it has a job is not known: {why}"
            ));
        }
    }
    facts
}

/// Whole seconds, in words: "41s", "2m 3s".
fn length(length: SignedDuration) -> String {
    let seconds = SignedDuration::from_secs(length.as_secs().max(0));
    format!("{seconds:#}")
}
