//! What an entry of the journal counts for.

use std::time::Duration;

use super::Metrics;
use super::instruments::Instruments;
use crate::manager::View;
use crate::model::{
    JournalEntry, JournalKind, MetricFact, Mismatch, Phase, PostJobStatus, Record, StatusInfo,
};

/// All mismatches, to begin at zero with.
pub(super) const MISMATCHES: [Mismatch; 7] = [
    Mismatch::Ghost,
    Mismatch::LeakedRecord,
    Mismatch::Zombie,
    Mismatch::Stolen,
    Mismatch::Deaf,
    Mismatch::Orphan,
    Mismatch::Doomed,
];

/// How a runner's process can end, to begin at zero with.
pub(super) const STATUSES: [PostJobStatus; 4] = [
    PostJobStatus::Normal,
    PostJobStatus::Abnormal,
    PostJobStatus::ExternalContributorCheckFailure,
    PostJobStatus::RepoPolicyCheckFailure,
];

/// The longest time that is believed. GitHub ends a workflow run, waiting included, after 35 days
/// (GitHub documentation, "Usage limits"); guests have clocks that can say anything.
const LONGEST: Duration = Duration::from_hours(24 * 36);

impl Metrics {
    /// Counts an entry; `view` is one that is no older than the entry.
    pub(super) fn count(&self, entry: &JournalEntry, view: &View) {
        let name = entry.runner.as_ref();
        let record = name.and_then(|name| view.runners.get(name.id())).map(AsRef::as_ref);
        match &entry.what {
            JournalKind::Phase { phase, from: Some(from), reason, .. } => {
                let step = Change { from: *from, to: *phase, reason: reason.as_deref() };
                self.changed(&step, entry, record);
            }
            JournalKind::Mismatch { mismatch, .. } => self.mismatch(*mismatch),
            JournalKind::Metric { metric } => self.metric(&metric.what, self.pool(record)),
            JournalKind::Phase { from: None, .. }
            | JournalKind::Metrics { .. }
            | JournalKind::Note { .. } => {}
        }
    }

    fn pool<'a>(&self, record: Option<&'a Record>) -> &'a str {
        record.map_or("unknown", |record| self.instruments.pools.value(record.pool()))
    }

    fn changed(&self, change: &Change<'_>, entry: &JournalEntry, record: Option<&Record>) {
        let Instruments { stage, extract, delete_vm, .. } = &*self.instruments;
        let (pool, flavor) = (self.pool(record), &*self.flavor);
        if let Some(begin) = record.and_then(|record| record.marks.0.get(&change.from)) {
            // A clock that was set back must not take anything away.
            let took = entry.at.duration_since(*begin).as_secs_f64().max(0.0);
            if change.from != Phase::Deleting || !record.is_some_and(was_held) {
                stage.with_label_values(&[change.from.as_str(), pool]).observe(took);
            }
            match change.from {
                Phase::Finished | Phase::Failed => {
                    extract.with_label_values(&[flavor, pool]).observe(took);
                }
                // One that somebody wanted to look at was not deleted all that time.
                Phase::Deleting if record.is_some_and(was_held) => {}
                Phase::Deleting => delete_vm.with_label_values(&[flavor, pool]).observe(took),
                Phase::Planned
                | Phase::Creating
                | Phase::Booting
                | Phase::Standby
                | Phase::Listening
                | Phase::Busy
                | Phase::Gone => {}
            }
        }
        self.ended(change, pool);
    }

    fn ended(&self, change: &Change<'_>, pool: &str) {
        if change.to == Phase::Failed {
            self.instruments.failures.with_label_values(&[change.from.as_str(), pool]).inc();
        }
        if change.is_late() {
            self.instruments.timed_out.inc();
        }
        if change.from == Phase::Deleting && change.to == Phase::Gone {
            self.instruments.deleted_vms.with_label_values(&[&*self.flavor]).inc();
        }
    }

    fn mismatch(&self, mismatch: Mismatch) {
        self.instruments.mismatches.with_label_values(&[mismatch.as_str()]).inc();
        match mismatch {
            Mismatch::LeakedRecord => self.instruments.dangling.inc(),
            Mismatch::Ghost => self.instruments.missing.inc(),
            Mismatch::Zombie
            | Mismatch::Stolen
            | Mismatch::Deaf
            | Mismatch::Orphan
            | Mismatch::Doomed => {}
        }
    }

    fn metric(&self, fact: &MetricFact, pool: &str) {
        let all = &*self.instruments;
        let observe = |histogram: &prometheus::HistogramVec, seconds: f64| {
            if let Some(seconds) = believed(seconds) {
                histogram.with_label_values(&[&*self.flavor, pool]).observe(seconds);
            }
        };
        match fact {
            MetricFact::RunnerInstalled { duration, .. } => observe(&all.spawn, *duration),
            MetricFact::RunnerStart { repo, github_event, idle, queue_duration, .. } => {
                observe(&all.idle, *idle);
                if let Some(seconds) = queue_duration {
                    observe(&all.queue, *seconds);
                }
                all.by_repository.add(repo);
                all.by_event.add(github_event);
            }
            MetricFact::RunnerStop {
                status, status_info, job_duration, job_conclusion, ..
            } => {
                observe(&all.job, *job_duration);
                all.by_status.add(status_word(*status));
                if let Some(conclusion) = job_conclusion {
                    all.by_conclusion.add(conclusion);
                }
                self.policy(*status, status_info.as_ref());
            }
            MetricFact::Reconciliation { crashed_runners, duration, .. } => {
                let flavor = [&*self.flavor];
                if let Some(seconds) = believed(*duration) {
                    all.reconcile.with_label_values(&flavor).observe(seconds);
                }
                all.crashed.with_label_values(&flavor).inc_by(*crashed_runners);
            }
        }
    }

    fn policy(&self, status: PostJobStatus, info: Option<&StatusInfo>) {
        if status != PostJobStatus::RepoPolicyCheckFailure {
            return;
        }
        let class = match info.map(|info| info.code) {
            Some(400..=499) => "4xx",
            Some(500..=599) => "5xx",
            Some(_) | None => "other",
        };
        self.instruments.policy_failures.with_label_values(&[class]).inc();
    }
}

/// A change of phase.
struct Change<'a> {
    from: Phase,
    to: Phase,
    reason: Option<&'a str>,
}

impl Change<'_> {
    /// Whether a runner failed because it did not come up in time: the model says so in words.
    fn is_late(&self) -> bool {
        let early = (Phase::Creating..=Phase::Standby).contains(&self.from);
        let says_so = self.reason.is_some_and(|reason| reason.contains(" in time"));
        self.to == Phase::Failed && early && says_so
    }
}

/// A time as it may be counted: a number, not negative, and not longer than anything can take.
fn believed(seconds: f64) -> Option<f64> {
    (0.0..=LONGEST.as_secs_f64()).contains(&seconds).then_some(seconds)
}

/// Whether its instance was held for a while, or may have been.
fn was_held(record: &Record) -> bool {
    record.hold.is_some()
}

pub(super) fn status_word(status: PostJobStatus) -> &'static str {
    match status {
        PostJobStatus::Normal => "normal",
        PostJobStatus::Abnormal => "abnormal",
        PostJobStatus::ExternalContributorCheckFailure => "external-contributor-check-failure",
        PostJobStatus::RepoPolicyCheckFailure => "repo-policy-check-failure",
    }
}

#[cfg(test)]
mod tests;
