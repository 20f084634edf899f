//! The stand-in's state and its rules; no I/O.
//!
//! `state/runners.rs` has who is registered, `state/jobs.rs` what they do.

mod jobs;
mod past;
mod runners;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::accounts::Accounts;
use super::chance::Chance;
use super::faults::Faults;
use super::hooks::Hooks;
use super::limits::Limits;
use super::places::Places;
use super::record::{Event, EventKind, JobId, JobRecord, JobSpec, RunnerRecord};
use super::scope::Scope;
use super::versions::Versions;
use past::Past;

pub(super) use runners::NewRunner;

/// Why something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A runner with this name is registered at this place.
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
    /// The version of the runner's application is past its date.
    #[error("this version gets no jobs any more")]
    Deprecated,
}

/// All that the stand-in knows.
#[derive(Debug, Default)]
pub(super) struct State {
    faults: Faults,
    pub(super) chance: Chance,
    pub(super) accounts: Accounts,
    pub(super) hooks: Hooks,
    pub(super) limits: Limits,
    pub(super) places: Places,
    pub(super) versions: Versions,
    /// How far this server's clock is ahead.
    pub(super) skew: SignedDuration,
    jobs: BTreeMap<JobId, Job>,
    runners: BTreeMap<u64, Runner>,
    last_job: JobId,
    last_runner: u64,
    past: Past,
    /// What happened since the last look.
    pub(super) events: Vec<Event>,
    /// Registration and remove tokens that were given out, and for where.
    tokens: Vec<(SecretString, Scope)>,
    /// The tokens of listeners that are kept waiting although they are not registered.
    ghosts: Vec<SecretString>,
}

#[derive(Debug)]
struct Job {
    spec: JobSpec,
    record: JobRecord,
    /// The runner that it was given to last.
    runner: Option<u64>,
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
    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.chance = Chance::new(faults.seed);
        // What is now is what lists show until the lag is over.
        self.past = Past::beginning(self.runners(), self.jobs());
        self.faults = faults;
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
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

    /// Takes one of the broken downloads that were ordered.
    pub(super) fn breaks_download(&mut self) -> bool {
        let breaks = self.faults.break_downloads > 0;
        self.faults.break_downloads = self.faults.break_downloads.saturating_sub(1);
        breaks
    }

    /// Draws whether a request has no effect and gets 500.
    pub(super) fn draws_error(&mut self) -> bool {
        self.chance.happens(self.faults.errors)
    }

    /// Draws whether a request has its effect and gets 502.
    pub(super) fn draws_error_after(&mut self) -> bool {
        self.chance.happens(self.faults.errors_after)
    }

    fn note(&mut self, at: Timestamp, kind: EventKind, runner: Option<&str>, job: Option<JobId>) {
        self.events.push(Event { at, kind, runner: runner.map(str::to_owned), job });
        if self.faults.list_lag > Duration::ZERO {
            let (runners, jobs) = (self.runners(), self.jobs());
            self.past.keep(at, self.faults.list_lag, runners, jobs);
        }
    }

    fn tell(&mut self, now: Timestamp, id: JobId, action: &'static str) {
        let Some(job) = self.jobs.get(&id) else { return };
        let record = job.record.clone();
        let wanted = self.faults.webhooks.clone();
        let installation = |scope: &Scope| self.accounts.installation_at(scope);
        let body = super::webhooks::body(action, &record, &self.places, &installation);
        self.hooks.plan(&body, action, &record.repository, &wanted, &mut self.chance, now);
    }
}

fn lower(labels: &[String]) -> BTreeSet<String> {
    labels.iter().map(|label| label.to_lowercase()).collect()
}

#[cfg(test)]
#[path = "state/tests.rs"]
mod tests;
