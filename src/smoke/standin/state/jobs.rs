//! What jobs there are, and who does them.

use std::collections::BTreeSet;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::{Job, Refused, Runner, State, lower};
use crate::smoke::standin::record::{EventKind, JobId, JobRecord, JobSpec, JobState};

/// How long a runner may take to start a job it was given (GitHub: 60 s).
const PICKUP_LIMIT: SignedDuration = SignedDuration::from_secs(15);

/// What is added to a job's number to make that of a run of its own.
const OWN_RUN: u64 = 1000;

impl State {
    pub(in crate::smoke) fn queue_job(&mut self, spec: JobSpec, now: Timestamp) -> JobId {
        self.last_job += 1;
        let id = self.last_job;
        let waits = spec.waits_for_approval;
        let record = record(id, &spec, now);
        let job = Job { spec, record, runner: None, assigned: None, attempts: BTreeSet::new() };
        self.jobs.insert(id, job);
        self.note(now, EventKind::JobQueued, None, Some(id));
        self.tell(now, id, if waits { "waiting" } else { "queued" });
        id
    }

    pub(in crate::smoke) fn jobs(&self) -> Vec<JobRecord> {
        self.jobs.values().map(|job| job.record.clone()).collect()
    }

    /// Approves a job that waits for it.
    pub(in crate::smoke) fn approve_job(
        &mut self,
        id: JobId,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let job = self.jobs.get_mut(&id).ok_or(Refused::NotFound)?;
        if job.record.state == JobState::Waiting {
            job.record.state = JobState::Queued;
            self.note(now, EventKind::JobQueued, None, Some(id));
            self.tell(now, id, "queued");
        }
        Ok(())
    }

    /// Cancels a job that no runner has started.
    pub(in crate::smoke) fn cancel_job(
        &mut self,
        id: JobId,
        now: Timestamp,
    ) -> Result<(), Refused> {
        self.return_jobs(now, |job| job.record.id == id);
        let job = self.jobs.get_mut(&id).ok_or(Refused::NotFound)?;
        if job.record.state == JobState::Running {
            return Err(Refused::Busy);
        }
        if !job.record.state.is_final() {
            job.record.state = JobState::Cancelled;
            job.record.finished = Some(now);
            self.note(now, EventKind::JobFinished, None, Some(id));
            self.tell(now, id, "completed");
        }
        Ok(())
    }

    /// The job that a runner is to do, if there is one: what it was given and has not started,
    /// else the oldest that fits.
    pub(in crate::smoke) fn next_job(
        &mut self,
        id: u64,
        now: Timestamp,
    ) -> Result<Option<JobId>, Refused> {
        let late = |since: Timestamp| now.duration_since(since) > PICKUP_LIMIT;
        self.return_jobs(now, |job| job.assigned.is_some_and(late));
        let runner = self.runners.get(&id).ok_or(Refused::NotFound)?;
        if runner.record.version.as_ref().is_some_and(|v| self.versions.is_past(v, now)) {
            return Err(Refused::Deprecated);
        }
        let mine = |job: &&Job| job.record.state == JobState::Assigned && job.runner == Some(id);
        if let Some(job) = self.jobs.values().find(mine) {
            return Ok(Some(job.record.id));
        }
        let Some(job_id) = self.fitting_job(runner) else { return Ok(None) };
        self.assign(id, job_id, now);
        Ok(Some(job_id))
    }

    /// What a runner is told of its job: one fact per line, texts in base64.
    pub(in crate::smoke) fn job_message(&self, id: JobId) -> Option<String> {
        let Job { spec, record, .. } = self.jobs.get(&id)?;
        let mut text = format!("id {id}\nseconds {:.3}\n", spec.duration.as_secs_f64());
        let facts = [
            ("name", &spec.name),
            ("workflow", &spec.workflow),
            ("repository", &spec.repository),
            ("event", &spec.event),
            ("payload", &spec.payload),
        ];
        let refs = spec.refs.iter().flat_map(|(base, head)| [("base", base), ("head", head)]);
        for (key, value) in facts.into_iter().chain(refs) {
            writeln!(text, "{key} {}", STANDARD.encode(value)).ok()?;
        }
        writeln!(text, "run {}", record.run).ok()?;
        for step in &spec.steps {
            writeln!(text, "step {}", STANDARD.encode(step)).ok()?;
        }
        Some(text)
    }

    pub(in crate::smoke) fn started(
        &mut self,
        runner: u64,
        id: JobId,
        attempt: &str,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let of_runner = &self.runners.get(&runner).ok_or(Refused::NotFound)?.record;
        let (name, group) = (of_runner.name.clone(), of_runner.group);
        let job = self.jobs.get_mut(&id).ok_or(Refused::NotFound)?;
        if !job.attempts.insert(attempt.to_owned()) {
            return Ok(());
        }
        job.record.runs += 1;
        job.record.started.get_or_insert(now);
        job.record.runner = Some(name.clone());
        job.record.runner_place = Some((runner, group));
        job.runner = Some(runner);
        job.assigned = None;
        if !job.record.state.is_final() {
            job.record.state = JobState::Running;
        }
        self.note(now, EventKind::JobStarted, Some(&name), Some(id));
        self.tell(now, id, "in_progress");
        Ok(())
    }

    /// A job's end; the runner was for this one job, and its registration ends with it.
    pub(in crate::smoke) fn finished(
        &mut self,
        runner: u64,
        id: JobId,
        succeeded: bool,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let job = self.jobs.get_mut(&id).ok_or(Refused::NotFound)?;
        if !job.record.state.is_final() {
            job.record.state = if succeeded { JobState::Succeeded } else { JobState::Failed };
            job.record.finished = Some(now);
            let name = job.record.runner.clone();
            self.note(now, EventKind::JobFinished, name.as_deref(), Some(id));
            self.tell(now, id, "completed");
        }
        self.remove_runner(runner, now)
    }

    pub(super) fn return_jobs(&mut self, now: Timestamp, wanted: impl Fn(&Job) -> bool) {
        let mut returned = Vec::new();
        for job in self.jobs.values_mut() {
            if job.record.state == JobState::Assigned && wanted(job) {
                job.record.state = JobState::Queued;
                job.record.runner_place = None;
                job.assigned = None;
                returned.push((job.record.id, job.runner.take(), job.record.runner.take()));
            }
        }
        for (id, runner, name) in returned {
            if let Some(runner) = runner.and_then(|runner| self.runners.get_mut(&runner)) {
                runner.record.busy = false;
            }
            self.note(now, EventKind::JobReturned, name.as_deref(), Some(id));
        }
    }

    fn fitting_job(&self, runner: &Runner) -> Option<JobId> {
        let runner = &runner.record;
        let labels = lower(&runner.labels);
        let fits = |job: &&Job| {
            job.record.state == JobState::Queued
                && lower(&job.spec.labels).is_subset(&labels)
                && self.places.allow(&runner.scope, runner.group, &job.spec.repository)
        };
        self.jobs.values().find(fits).map(|job| job.record.id)
    }

    fn assign(&mut self, runner: u64, id: JobId, now: Timestamp) {
        let (Some(of_runner), Some(job)) = (self.runners.get_mut(&runner), self.jobs.get_mut(&id))
        else {
            return;
        };
        of_runner.record.busy = true;
        let name = of_runner.record.name.clone();
        job.record.state = JobState::Assigned;
        job.record.runner = Some(name.clone());
        job.record.runner_place = Some((runner, of_runner.record.group));
        job.runner = Some(runner);
        job.assigned = Some(now);
        self.note(now, EventKind::JobAssigned, Some(&name), Some(id));
    }
}

impl Job {
    pub(super) fn runs_on(&self, runner: u64) -> bool {
        self.record.state == JobState::Running && self.runner == Some(runner)
    }
}

fn record(id: JobId, spec: &JobSpec, now: Timestamp) -> JobRecord {
    let waits = spec.waits_for_approval;
    JobRecord {
        id,
        name: spec.name.clone(),
        repository: spec.repository.clone(),
        run: spec.run.unwrap_or(OWN_RUN + id),
        attempt: spec.attempt,
        workflow: spec.workflow.clone(),
        labels: spec.labels.clone(),
        state: if waits { JobState::Waiting } else { JobState::Queued },
        runner: None,
        runner_place: None,
        queued: now,
        started: None,
        finished: None,
        runs: 0,
    }
}
