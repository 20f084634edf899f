//! What the farm does next: `(pools, records, jobs, budget, now) -> moves`, and why each job
//! waits.
//!
//! Runners are counted, not paired: a job takes whatever fits it, so what matters is that each
//! pool has as many runners without a job as there are jobs for it. The plan is made anew from
//! everything each time; what it wants and already has makes no move.
//!
//! ```text
//! census   who is there: idle, busy, on their way, free for any pool of their shape
//! serve    jobs first, then idle runners, then standbys
//! trim     what nobody needs any more, the idle only
//! frost    which standbys wait frozen, and which warm
//! ```

mod census;
mod frost;
mod serve;
mod trim;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Binding, Budget, GitHubPath, Job, JobId, JobState, Mismatch, Pool, Purpose, Record, RunnerId,
    Spec,
};
use census::Census;
use serve::Server;

/// Everything that the plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Farm<'a> {
    /// The pools of the configuration.
    pub pools: &'a [Arc<Pool>],
    /// All runners.
    pub records: &'a BTreeMap<RunnerId, Arc<Record>>,
    /// Jobs that have not ended, and those that ended lately.
    pub jobs: &'a BTreeMap<JobId, Arc<Job>>,
    /// What runners may use of the host.
    pub budget: &'a Budget,
    /// Versions of the runner application that GitHub gives no jobs any more.
    pub doomed: &'a BTreeSet<String>,
    /// Whether GitHub has told of every place where a runner may be registered.
    pub lists_are_complete: bool,
    /// The time.
    pub now: Timestamp,
}

/// Something that the farm does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Make an instance.
    Create {
        /// From this.
        spec: Spec,
        /// For this.
        purpose: Purpose,
    },
    /// Register a standby for a pool.
    Bind {
        /// The standby.
        runner: RunnerId,
        /// For what.
        binding: Binding,
    },
    /// Remove a runner that has no job; GitHub and its guest may know better and refuse.
    Retire {
        /// The runner.
        runner: RunnerId,
        /// Why, in plain words.
        reason: String,
        /// What is wrong with it, if anything is.
        mismatch: Option<Mismatch>,
    },
    /// Freeze a standby until it is needed.
    Freeze {
        /// The standby.
        runner: RunnerId,
    },
    /// Thaw a standby: it is the next that a job gets.
    Thaw {
        /// The standby.
        runner: RunnerId,
    },
    /// Hold a runner's instance no longer, as its room is needed.
    Release {
        /// The runner.
        runner: RunnerId,
    },
}

/// What the farm does next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What is to be done, in this order.
    pub moves: Vec<Move>,
    /// Why each queued job has no runner yet.
    pub waiting: BTreeMap<JobId, Waiting>,
    /// When to plan again though nothing happens.
    pub look_again: Option<Timestamp>,
}

/// Why a queued job has no runner yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// A runner that has just begun a job probably has this one.
    Taken {
        /// The runner.
        by: RunnerId,
    },
    /// A runner is listening: it is GitHub's turn.
    Idle {
        /// The pool.
        pool: String,
        /// The runner.
        runner: RunnerId,
    },
    /// A runner is being made ready for it.
    Coming {
        /// The pool.
        pool: String,
        /// The runner, unless it is ordered only now.
        runner: Option<RunnerId>,
    },
    /// No pool serves it.
    NoPool {
        /// Pools of its repository or organisation, and the labels that each lacks.
        lacking: Vec<(String, Vec<String>)>,
    },
    /// Every pool that fits has as many runners as it may have.
    PoolFull {
        /// The pool that would serve it.
        pool: String,
        /// How many runners it may have.
        max: usize,
        /// Who has the places.
        held_by: Arc<[RunnerId]>,
    },
    /// The host has no room.
    HostFull {
        /// The pool that would serve it.
        pool: String,
        /// What is lacking, with figures.
        lacking: String,
    },
    /// Instances of its kind failed lately; the next one is tried then.
    BackingOff {
        /// The pool that would serve it.
        pool: String,
        /// When the next one is tried.
        until: Timestamp,
        /// Why the last one failed.
        error: String,
    },
    /// GitHub did not register the last runner; the next one is tried then.
    Unregistrable {
        /// The pool that would serve it.
        pool: String,
        /// When the next one is tried.
        until: Timestamp,
        /// GitHub's words.
        error: String,
    },
}

/// Makes the plan.
pub fn plan(farm: Farm<'_>) -> Plan {
    let census = Census::take(farm);
    let mut server = Server::new(farm, &census);
    server.serve_jobs();
    server.serve_pools();
    server.serve_standbys();
    trim::trim(server)
}

/// Whether a pool's runners can take a job: GitHub gives it to any runner of its repository or
/// organisation that has all its labels, in whatever case (GitHub documentation, "Using
/// self-hosted runners in a workflow").
pub fn fits(pool: &Pool, job: &Job) -> bool {
    is_target(pool, job) && lacking(pool, job).is_empty()
}

/// Whether a job is any of the farm's business: a pool could take it, or it asks for a
/// self-hosted runner where there are pools. Jobs for GitHub's own runners are not.
pub fn concerns(pools: &[Arc<Pool>], job: &Job) -> bool {
    let mut near = pools.iter().filter(|pool| is_target(pool, job)).peekable();
    let asks = job.labels.iter().any(|label| label.eq_ignore_ascii_case("self-hosted"));
    (asks && near.peek().is_some())
        || near.any(|pool| {
            let lacking = lacking(pool, job);
            // A job that asks for a group of runners only has no labels.
            lacking.is_empty() || lacking.len() < job.labels.len()
        })
}

/// Whether runners of an organisation or repository can take jobs of a repository,
/// `OWNER/REPOSITORY`.
pub fn covers(path: &GitHubPath, repository: &str) -> bool {
    let owner = repository.split('/').next().unwrap_or_default();
    match path {
        GitHubPath::Org { org, .. } => org.eq_ignore_ascii_case(owner),
        repo @ GitHubPath::Repo { .. } => repo.to_string().eq_ignore_ascii_case(repository),
    }
}

fn is_target(pool: &Pool, job: &Job) -> bool {
    pool.target.connection == job.connection && covers(&pool.target.path, &job.repository)
}

fn lacking(pool: &Pool, job: &Job) -> Vec<String> {
    let alike = |one: &str, other: &str| {
        one.eq_ignore_ascii_case(other)
            || (!one.is_ascii() && one.to_lowercase() == other.to_lowercase())
    };
    let has = |label: &String| pool.labels.iter().any(|own| alike(own, label));
    job.labels.iter().filter(|label| !has(label)).cloned().collect()
}

fn is_queued(job: &Job) -> bool {
    job.state == JobState::Queued
}

#[cfg(test)]
mod tests;
