//! The jobs: what is known of each, taken from every source, by number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Seen;
use crate::model::plan::{self, Waiting};
use crate::model::{DEFAULT_CONNECTION, Job, JobId, JobState, Pool, Sighting};

/// How many of those who have a pool's places are named.
const HOLDERS: usize = 8;
/// How long ended jobs are remembered here; on disk they stay longer.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(30);
/// How many ended jobs are remembered here at most.
pub(super) const MOST_REMEMBERED: usize = 2000;
/// GitHub fails a job that has waited for a day (GitHub documentation, "Actions limits"): one of
/// which nothing was heard for longer is over.
const LOST_QUEUED: SignedDuration = SignedDuration::from_hours(25);
/// The longest that a job may run on a self-hosted runner is five days.
const LOST_RUNNING: SignedDuration = SignedDuration::from_hours(5 * 24 + 1);

/// The jobs.
#[derive(Debug, Default)]
pub(super) struct Demand {
    pub(super) jobs: Arc<BTreeMap<JobId, Arc<Job>>>,
    /// Why each waited when that was last written down.
    reasons: BTreeMap<JobId, Reason>,
    /// Those whose state on disk is an older one.
    dirty: BTreeSet<JobId>,
}

impl Demand {
    /// The jobs that a store had.
    pub(super) fn new(kept: impl Iterator<Item = Job>) -> Self {
        let jobs = kept.map(|job| (job.id, Arc::new(job)));
        Self { jobs: Arc::new(jobs.collect()), ..Self::default() }
    }

    /// Takes in news; returns the jobs of which a runner is known only now.
    pub(super) fn take(&mut self, seen: Seen, pools: &[Arc<Pool>], now: Timestamp) -> Vec<JobId> {
        let Seen { connection, source, at, sightings } = seen;
        let mut placed = Vec::new();
        let jobs = Arc::make_mut(&mut self.jobs);
        for sighting in sightings {
            let id = sighting.id;
            let before = jobs.get(&id).is_some_and(|job| job.runner.is_some());
            if let Some(job) = jobs.get_mut(&id) {
                let job = Arc::make_mut(job);
                if job.meet(&sighting, at, now) {
                    self.dirty.insert(id);
                }
            } else {
                let connection =
                    connection.clone().unwrap_or_else(|| connection_of(&sighting, pools));
                let job = Job::new(&sighting, &connection, source, at, now);
                if !plan::concerns(pools, &job) {
                    continue;
                }
                jobs.insert(id, Arc::new(job));
                self.dirty.insert(id);
            }
            let after = jobs.get(&id).is_some_and(|job| job.runner.is_some());
            if after && !before {
                placed.push(id);
            }
        }
        placed
    }

    /// Writes down why each job waits, where that is another reason than before.
    pub(super) fn note(&mut self, waiting: &BTreeMap<JobId, Waiting>, now: Timestamp) {
        self.reasons.retain(|id, _| waiting.contains_key(id));
        for (id, why) in waiting {
            let reason = reason(why);
            if self.reasons.get(id) == Some(&reason) {
                continue;
            }
            self.reasons.insert(*id, reason);
            if let Some(job) = Arc::make_mut(&mut self.jobs).get_mut(id) {
                Arc::make_mut(job).note(now, in_words(why));
                self.dirty.insert(*id);
            }
        }
    }

    /// Ends jobs of which nothing was heard for too long, and forgets the oldest that have ended.
    pub(super) fn prune(&mut self, now: Timestamp) {
        let jobs = Arc::make_mut(&mut self.jobs);
        for (id, job) in jobs.iter_mut() {
            let limit = match job.state {
                JobState::Queued => LOST_QUEUED,
                JobState::InProgress => LOST_RUNNING,
                JobState::Completed => continue,
            };
            if now.duration_since(job.confirmed_at) > limit {
                let job = Arc::make_mut(job);
                job.state = JobState::Completed;
                // Only what is on disk may be forgotten here.
                job.confirmed_at = now;
                job.note(now, "nothing was heard of it for too long: it is over".to_owned());
                self.dirty.insert(*id);
            }
        }
        let ended = jobs.values().filter(|job| job.state == JobState::Completed);
        let mut ended: Vec<_> = ended.map(|job| (job.confirmed_at, job.id)).collect();
        ended.sort();
        let surplus = ended.len().saturating_sub(MOST_REMEMBERED);
        let old = |at: Timestamp| now.duration_since(at) > REMEMBERED;
        for (n, (at, id)) in ended.into_iter().enumerate() {
            if n < surplus || old(at) {
                jobs.remove(&id);
            }
        }
    }

    /// What is to be written to disk.
    pub(super) fn take_dirty(&mut self) -> Vec<Job> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.iter().filter_map(|id| self.jobs.get(id)).map(|job| job.as_ref().clone()).collect()
    }

    /// Puts back what could not be written.
    pub(super) fn still_dirty(&mut self, jobs: &[Job]) {
        self.dirty.extend(jobs.iter().map(|job| job.id));
    }
}

/// A webhook does not say which of our connections it belongs to: the first that has a pool for
/// the job's repository.
fn connection_of(sighting: &Sighting, pools: &[Arc<Pool>]) -> String {
    let pool = pools.iter().find(|pool| plan::covers(&pool.target.path, &sighting.repository));
    pool.map_or_else(|| DEFAULT_CONNECTION.to_owned(), |pool| pool.target.connection.clone())
}

/// What makes a reason another one: its kind and the pool. Who holds the places of a full pool
/// changes all the time.
type Reason = (std::mem::Discriminant<Waiting>, String);

fn reason(waiting: &Waiting) -> Reason {
    let pool = match waiting {
        Waiting::Taken { .. } | Waiting::NoPool { .. } => String::new(),
        Waiting::Idle { pool, .. }
        | Waiting::Coming { pool, .. }
        | Waiting::PoolFull { pool, .. }
        | Waiting::HostFull { pool, .. }
        | Waiting::BackingOff { pool, .. }
        | Waiting::Unregistrable { pool, .. } => pool.clone(),
    };
    (std::mem::discriminant(waiting), pool)
}

/// Why a job waits, in plain words and without anything that changes by itself.
pub fn in_words(waiting: &Waiting) -> String {
    match waiting {
        Waiting::Taken { by } => format!("runner {by} has just begun a job, probably this one"),
        Waiting::Idle { pool, runner } => {
            format!("runner {runner} of pool {pool} is listening: GitHub gives it the job")
        }
        Waiting::Coming { pool, .. } => {
            format!("a runner of pool {pool} is being made ready for it")
        }
        Waiting::NoPool { lacking } if lacking.is_empty() => {
            "no pool serves its repository".to_owned()
        }
        Waiting::NoPool { lacking } => {
            let one = |(pool, labels): &(String, Vec<String>)| {
                format!("pool {pool} lacks {}", labels.join(", "))
            };
            let lacking: Vec<_> = lacking.iter().map(one).collect();
            format!("no pool has all its labels: {}", lacking.join("; "))
        }
        Waiting::PoolFull { pool, max, held_by } => {
            let some: Vec<_> = held_by.iter().take(HOLDERS).map(ToString::to_string).collect();
            let more = held_by.len().saturating_sub(HOLDERS);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!(
                "pool {pool} is at max {}/{max}, held by {}{more}",
                held_by.len(),
                some.join(", ")
            )
        }
        Waiting::HostFull { pool, lacking } => {
            format!("the host has no room for a runner of pool {pool}: {lacking}")
        }
        Waiting::BackingOff { pool, error, .. } => {
            format!("the last instance for pool {pool} failed, the next one waits: {error}")
        }
        Waiting::Unregistrable { pool, error, .. } => {
            format!("GitHub registers no runner of pool {pool}: {error}")
        }
    }
}
