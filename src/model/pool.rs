//! Pools: what runners of one kind are made from, where they register, and how many there may be.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Deadlines, GitHubPath, JobId, Spec};

/// The name of the connection that `[github]` in the configuration describes.
pub const DEFAULT_CONNECTION: &str = "github";

/// Where runners register: an organisation or a repository, and which connection reaches it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The connection's name in the configuration.
    pub connection: String,
    /// The organisation or repository.
    pub path: GitHubPath,
}

/// Runners of one kind, as the configuration wants them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Where its runners register.
    pub target: Target,
    /// All labels of its runners, in lower case: what the configuration says, and `self-hosted`,
    /// the operating system and the architecture, which GitHub does not add to a just-in-time
    /// configuration.
    pub labels: Vec<String>,
    /// What its instances are made from.
    pub spec: Spec,
    /// How many runners are to be registered and waiting for a job.
    pub min_idle: usize,
    /// How many instances are to be booted and not registered. They serve every pool of the same
    /// shape, whose wishes are not added up: the greatest counts.
    pub standby: usize,
    /// How many of its standbys are frozen once they are ready, at most all of them. As with
    /// `standby`, the greatest wish of a shape counts.
    pub frozen: usize,
    /// How long a guest lives without a credential, if not for ever.
    pub lifetime: Option<SignedDuration>,
    /// How many runners it may have at once.
    pub max: usize,
    /// Pools of a higher priority are served first where there is not enough room for all.
    pub priority: i32,
    /// How long a runner or standby that nobody needs is kept.
    pub idle_timeout: SignedDuration,
    /// How long each part of a runner's life may take.
    pub deadlines: Deadlines,
}

/// What a runner was registered for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The pool's name.
    pub pool: String,
    /// Where it registers.
    pub target: Target,
    /// The labels that it registers with.
    pub labels: Vec<String>,
    /// The job that it was wanted for; it may get another.
    pub job: Option<JobId>,
    /// Since when.
    pub since: Timestamp,
}

impl Pool {
    /// Whether a runner with this binding is what the pool makes now.
    pub fn still_makes(&self, binding: &Binding) -> bool {
        binding.pool == self.name && binding.target == self.target && binding.labels == self.labels
    }
}
