//! What monitoring is told of a runner: each event once, when it happens.
//!
//! GitHub's facts on the job (how long it waited, how it ended) come by webhook, a moment before or
//! after the guest's own news. An event of the farm's runner waits for them, and not for long.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{MetricEvent, MetricFact, PostJobMetrics, PreJobMetrics, Record};

/// How long an event waits for GitHub's facts.
const PATIENCE: SignedDuration = SignedDuration::from_secs(15);

/// What monitoring was told of a runner.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    /// That it was installed.
    pub installed: bool,
    /// That it began a job.
    pub start: bool,
    /// That it ended.
    pub stop: bool,
}

/// What GitHub says of a runner's job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JobFacts {
    /// How long it waited for a runner.
    pub queued_for: Option<SignedDuration>,
    /// How it ended: `success`, `failure`, `cancelled`.
    pub conclusion: Option<String>,
}

/// The event of a runner's that waits for GitHub's facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Untold {
    /// That it began a job; how long that one waited is not known.
    Start,
    /// That it ended; how its job ended is not known.
    Stop,
}

impl JobFacts {
    /// Takes over what was not known before.
    pub(super) fn learn(&mut self, news: &Self) {
        self.queued_for = self.queued_for.or(news.queued_for);
        self.conclusion = self.conclusion.take().or_else(|| news.conclusion.clone());
    }
}

/// The event that is there to be told but for GitHub's facts.
pub fn untold(record: &Record) -> Option<Untold> {
    let (told, metrics) = (&record.told, &record.metrics);
    metrics.pre_job.as_ref()?;
    if !told.start {
        return Some(Untold::Start);
    }
    (metrics.post_job.is_some() && !told.stop).then_some(Untold::Stop)
}

/// What can be told of it by now, in order; marks it as told.
pub(super) fn tell(record: &mut Record, now: Timestamp) -> Vec<MetricEvent> {
    let mut events: Vec<MetricEvent> = installed(record).into_iter().collect();
    while let Some(event) = next(record, now) {
        events.push(event);
    }
    events
}

/// When the event that waits is told in any case.
pub(super) fn due(record: &Record) -> Option<Timestamp> {
    record.facts_due.filter(|_| untold(record).is_some())
}

fn installed(record: &mut Record) -> Option<MetricEvent> {
    let timestamp = record.metrics.installed_timestamp?;
    let begin = record.metrics.installation_start_timestamp?;
    if std::mem::replace(&mut record.told.installed, true) {
        return None;
    }
    let flavor = flavor(record);
    let duration = span(begin, timestamp);
    Some(MetricEvent { timestamp, what: MetricFact::RunnerInstalled { flavor, duration } })
}

fn next(record: &mut Record, now: Timestamp) -> Option<MetricEvent> {
    let which = untold(record)?;
    if must_wait(record, which, now) {
        return None;
    }
    record.facts_due = None;
    let pre = record.metrics.pre_job.clone()?;
    match which {
        Untold::Start => {
            record.told.start = true;
            Some(start(record, &pre))
        }
        Untold::Stop => {
            record.told.stop = true;
            let post = record.metrics.post_job.clone()?;
            Some(stop(record, &pre, &post))
        }
    }
}

/// Whether the facts may yet come: only the farm hears of jobs.
fn must_wait(record: &mut Record, which: Untold, now: Timestamp) -> bool {
    let known = match which {
        Untold::Start => record.job.queued_for.is_some(),
        Untold::Stop => record.job.conclusion.is_some(),
    };
    if known || record.binding.is_none() {
        return false;
    }
    let later = now.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
    now < *record.facts_due.get_or_insert(later)
}

fn start(record: &Record, pre: &PreJobMetrics) -> MetricEvent {
    let ready = record.metrics.installed_timestamp.unwrap_or(pre.timestamp);
    let what = MetricFact::RunnerStart {
        flavor: flavor(record),
        workflow: pre.workflow.clone(),
        repo: pre.repository.clone(),
        github_event: pre.event.clone(),
        idle: span(ready, pre.timestamp),
        queue_duration: record.job.queued_for.map(|length| length.as_secs_f64()),
    };
    MetricEvent { timestamp: pre.timestamp, what }
}

fn stop(record: &Record, pre: &PreJobMetrics, post: &PostJobMetrics) -> MetricEvent {
    let what = MetricFact::RunnerStop {
        flavor: flavor(record),
        workflow: pre.workflow.clone(),
        repo: pre.repository.clone(),
        github_event: pre.event.clone(),
        status: post.status,
        status_info: post.status_info.clone(),
        job_duration: span(pre.timestamp, post.timestamp),
        job_conclusion: record.job.conclusion.clone(),
    };
    MetricEvent { timestamp: post.timestamp, what }
}

fn flavor(record: &Record) -> String {
    record.name.prefix().to_string()
}

/// From one time to a later one, in seconds to the microsecond, as the times are.
fn span(from: f64, to: f64) -> f64 {
    ((to - from) * 1e6).round().max(0.0) / 1e6
}
