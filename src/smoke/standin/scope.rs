//! Where runners belong, and which repositories they serve.

use std::fmt;

use serde::{Serialize, Serializer};

/// Where a runner, a token or a hook belongs. Names are compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// No place of GitHub's: a runner that takes any job.
    Anywhere,
    /// An organisation, by its name.
    Organization(String),
    /// A repository, as `owner/name`.
    Repository(String),
}

impl Scope {
    /// Whether it is the same place.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.to_string().eq_ignore_ascii_case(&other.to_string())
    }

    /// Whether a job of the repository `owner/name` belongs to this place.
    pub(super) fn covers(&self, repository: &str) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Organization(name) => name.eq_ignore_ascii_case(owner(repository)),
            Self::Repository(name) => name.eq_ignore_ascii_case(repository),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anywhere => f.write_str("*"),
            Self::Organization(name) | Self::Repository(name) => f.write_str(name),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The owner of `owner/name`.
pub(super) fn owner(repository: &str) -> &str {
    repository.split_once('/').map_or(repository, |(owner, _)| owner)
}

/// The name in `owner/name`.
pub(super) fn name(repository: &str) -> &str {
    repository.split_once('/').map_or(repository, |(_, name)| name)
}
