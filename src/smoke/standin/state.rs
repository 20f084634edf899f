//! The stand-in's state and its rules; no I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::record::{Event, EventKind, Faults, JobId, JobRecord, JobSpec, JobState, RunnerRecord};

/// How long a runner may take to start a job it was given (GitHub: 60 s).
const PICKUP_LIMIT: SignedDuration = SignedDuration::from_secs(15);

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A runner with this name is registered.
    #[error("a runner with this name exists")]
    NameTaken,
    /// The fault knob says so.
    #[error("registration is switched off")]
    Registration,
    /// There is none with this number, or the token is wrong.
    #[error("not found")]
    NotFound,
    /// The runner has a job.
    #[error("the runner is currently running a job")]
    Busy,
}

/// All that the stand-in knows.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) faults: Faults,
    jobs: BTreeMap<JobId, Job>,
    runners: BTreeMap<u64, Runner>,
    last_job: JobId,
    last_runner: u64,
    /// What happened since the last look.
    pub(super) events: Vec<Event>,
    /// Registration and remove tokens that were given out.
    tokens: Vec<SecretString>,
}

#[derive(Debug)]
struct Job {
    spec: JobSpec,
    record: JobRecord,
    assigned: Option<Timestamp>,
    /// One mark per worker that ran it: a report that is repeated is no second run.
    attempts: BTreeSet<String>,
}

#[derive(Debug)]
struct Runner {
    record: RunnerRecord,
    token: SecretString,
}

impl State {
    pub(super) fn queue_job(&mut self, spec: JobSpec, now: Timestamp) -> JobId {
        self.last_job += 1;
        let id = self.last_job;
        let record = JobRecord {
            id,
            name: spec.name.clone(),
            state: JobState::Queued,
            runner: None,
            queued: now,
            started: None,
            finished: None,
            runs: 0,
        };
        self.jobs.insert(id, Job { spec, record, assigned: None, attempts: BTreeSet::new() });
        self.note(now, EventKind::JobQueued, None, Some(id));
        id
    }

    pub(super) fn jobs(&self) -> Vec<JobRecord> {
        self.jobs.values().map(|job| job.record.clone()).collect()
    }

    pub(super) fn runners(&self) -> Vec<RunnerRecord> {
        self.runners.values().map(|runner| runner.record.clone()).collect()
    }

    /// A registration or remove token.
    pub(super) fn new_token(&mut self) -> SecretString {
        let token = SecretString::from(Uuid::new_v4().simple().to_string().to_uppercase());
        self.tokens.push(token.clone());
        token
    }

    pub(super) fn knows_token(&self, token: &str) -> bool {
        self.tokens.iter().any(|known| known.expose_secret() == token)
    }

    /// Registers a runner; `replace` as `config.sh --replace` means it.
    pub(super) fn register(
        &mut self,
        name: &str,
        labels: Vec<String>,
        replace: bool,
        now: Timestamp,
    ) -> Result<(u64, SecretString), Refused> {
        if self.faults.refuse_registration {
            return Err(Refused::Registration);
        }
        let same_name = self.runners.values().find(|runner| runner.record.name == name);
        match same_name.map(|runner| runner.record.id) {
            Some(_) if !replace => return Err(Refused::NameTaken),
            Some(id) => self.remove_runner(id, now)?,
            None => {}
        }
        self.last_runner += 1;
        let id = self.last_runner;
        let token = SecretString::from(Uuid::new_v4().simple().to_string());
        let record = RunnerRecord { id, name: name.to_owned(), labels, online: false, busy: false };
        self.runners.insert(id, Runner { record, token: token.clone() });
        self.note(now, EventKind::RunnerRegistered, Some(name), None);
        Ok((id, token))
    }

    pub(super) fn remove_runner(&mut self, id: u64, now: Timestamp) -> Result<(), Refused> {
        let runner = self.runners.get(&id).ok_or(Refused::NotFound)?;
        let name = runner.record.name.clone();
        if self.jobs.values().any(|job| job.runs_on(&name)) {
            return Err(Refused::Busy);
        }
        self.runners.remove(&id);
        self.note(now, EventKind::RunnerRemoved, Some(&name), None);
        self.return_jobs(now, |job| job.record.runner.as_deref() == Some(&name));
        Ok(())
    }

    /// The runner that a token belongs to.
    pub(super) fn runner_by_token(&self, token: &str) -> Result<u64, Refused> {
        let known = |runner: &&Runner| runner.token.expose_secret() == token;
        self.runners.values().find(known).map(|r| r.record.id).ok_or(Refused::NotFound)
    }

    pub(super) fn open_session(&mut self, id: u64, now: Timestamp) -> Result<(), Refused> {
        if self.faults.refuse_registration {
            return Err(Refused::Registration);
        }
        let runner = self.runners.get_mut(&id).ok_or(Refused::NotFound)?;
        runner.record.online = true;
        let name = runner.record.name.clone();
        self.note(now, EventKind::RunnerOnline, Some(&name), None);
        Ok(())
    }

    /// The job that a runner is to do, if there is one: what it was given and has not started,
    /// else the oldest that fits.
    pub(super) fn next_job(&mut self, id: u64, now: Timestamp) -> Result<Option<JobId>, Refused> {
        let late = |since: Timestamp| now.duration_since(since) > PICKUP_LIMIT;
        self.return_jobs(now, |job| job.assigned.is_some_and(late));
        let runner = self.runners.get_mut(&id).ok_or(Refused::NotFound)?;
        let (name, labels) = (runner.record.name.clone(), lower(&runner.record.labels));
        let mine = |job: &&mut Job| {
            job.record.state == JobState::Assigned && job.record.runner.as_deref() == Some(&name)
        };
        if let Some(job) = self.jobs.values_mut().find(mine) {
            return Ok(Some(job.record.id));
        }
        let fits = |job: &&mut Job| {
            job.record.state == JobState::Queued && lower(&job.spec.labels).is_subset(&labels)
        };
        let Some(job) = self.jobs.values_mut().find(fits) else { return Ok(None) };
        job.record.state = JobState::Assigned;
        job.record.runner = Some(name.clone());
        job.assigned = Some(now);
        let job_id = job.record.id;
        runner.record.busy = true;
        self.note(now, EventKind::JobAssigned, Some(&name), Some(job_id));
        Ok(Some(job_id))
    }

    /// What a runner is told of its job: one fact per line, texts in base64.
    pub(super) fn job_message(&self, id: JobId) -> Option<String> {
        let spec = &self.jobs.get(&id)?.spec;
        let mut text = format!("id {id}\nseconds {:.3}\n", spec.duration.as_secs_f64());
        let facts = [
            ("name", &spec.name),
            ("workflow", &spec.workflow),
            ("repository", &spec.repository),
            ("event", &spec.event),
        ];
        let steps = spec.steps.iter().map(|step| ("step", step));
        for (key, value) in facts.into_iter().chain(steps) {
            writeln!(text, "{key} {}", STANDARD.encode(value)).ok()?;
        }
        Some(text)
    }

    pub(super) fn started(
        &mut self,
        runner: u64,
        id: JobId,
        attempt: &str,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let name = self.runners.get(&runner).ok_or(Refused::NotFound)?.record.name.clone();
        let job = self.jobs.get_mut(&id).ok_or(Refused::NotFound)?;
        if !job.attempts.insert(attempt.to_owned()) {
            return Ok(());
        }
        job.record.runs += 1;
        job.record.started.get_or_insert(now);
        job.record.runner = Some(name.clone());
        job.assigned = None;
        if !job.record.state.is_final() {
            job.record.state = JobState::Running;
        }
        self.note(now, EventKind::JobStarted, Some(&name), Some(id));
        Ok(())
    }

    /// A job's end; the runner was for this one job, and its registration ends with it.
    pub(super) fn finished(
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
        }
        self.remove_runner(runner, now)
    }

    fn return_jobs(&mut self, now: Timestamp, wanted: impl Fn(&Job) -> bool) {
        let mut returned = Vec::new();
        for job in self.jobs.values_mut() {
            if job.record.state == JobState::Assigned && wanted(job) {
                job.record.state = JobState::Queued;
                job.assigned = None;
                returned.push((job.record.id, job.record.runner.take()));
            }
        }
        for (id, name) in returned {
            for runner in self.runners.values_mut() {
                runner.record.busy &= Some(&runner.record.name) != name.as_ref();
            }
            self.note(now, EventKind::JobReturned, name.as_deref(), Some(id));
        }
    }

    fn note(&mut self, at: Timestamp, kind: EventKind, runner: Option<&str>, job: Option<JobId>) {
        self.events.push(Event { at, kind, runner: runner.map(str::to_owned), job });
    }

    /// Takes one of the failures that were ordered, and the delay.
    pub(super) fn next_fault(&mut self) -> (Duration, bool) {
        let fails = self.faults.failures > 0;
        self.faults.failures = self.faults.failures.saturating_sub(1);
        (self.faults.delay, fails)
    }

    /// Takes one of the dropped assignments that were ordered.
    pub(super) fn drops_assignment(&mut self) -> bool {
        let drops = self.faults.drop_assignments > 0;
        self.faults.drop_assignments = self.faults.drop_assignments.saturating_sub(1);
        drops
    }
}

impl Job {
    fn runs_on(&self, name: &str) -> bool {
        self.record.state == JobState::Running && self.record.runner.as_deref() == Some(name)
    }
}

fn lower(labels: &[String]) -> BTreeSet<String> {
    labels.iter().map(|label| label.to_lowercase()).collect()
}

#[cfg(test)]
#[path = "state/tests.rs"]
mod tests;
