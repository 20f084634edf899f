//! Where runners register.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where runners register, and what jobs they take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitHubRunnerConfig {
    /// The organisation or repository.
    pub github_path: GitHubPath,
    /// The labels that jobs ask for with `runs-on`.
    pub labels: Vec<String>,
}

/// An organisation with a runner group, or a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GitHubPath {
    /// An organisation.
    Org {
        /// Its name.
        org: String,
        /// The runner group that its runners join.
        group: String,
    },
    /// A repository.
    Repo {
        /// Its owner.
        owner: String,
        /// Its name.
        repo: String,
    },
}

/// A runner as GitHub lists it (GitHub REST API, "Self-hosted runners").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitHubRunner {
    /// Its number at GitHub.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Whether its listener is connected.
    pub online: bool,
    /// Whether it has a job.
    pub busy: bool,
    /// Its labels.
    pub labels: Vec<String>,
    /// The version of its application, where GitHub tells.
    pub version: Option<String>,
}

/// Why a path was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no GitHub path: write ORGANISATION or OWNER/REPOSITORY")]
pub struct GitHubPathError(String);

impl GitHubPath {
    /// The runner group, which only organisations have.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Org { group, .. } => Some(group),
            Self::Repo { .. } => None,
        }
    }

    /// The same path with another runner group; a repository stays as it is.
    #[must_use]
    pub fn with_group(self, group: &str) -> Self {
        match self {
            Self::Org { org, .. } => Self::Org { org, group: group.to_owned() },
            repo @ Self::Repo { .. } => repo,
        }
    }
}

impl FromStr for GitHubPath {
    type Err = GitHubPathError;

    /// `ORG` (with the group "default") or `OWNER/REPO`.
    fn from_str(text: &str) -> Result<Self, GitHubPathError> {
        let wrong = || GitHubPathError(text.to_owned());
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        // `.` and `..` would lead elsewhere in an address that the path becomes part of.
        let plain = |part: &&str| {
            !matches!(*part, "." | "..")
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        if !parts.iter().all(plain) {
            return Err(wrong());
        }
        match parts.as_slice() {
            [org] if !text.contains('/') => {
                Ok(Self::Org { org: (*org).to_owned(), group: "default".to_owned() })
            }
            [owner, repo] => {
                Ok(Self::Repo { owner: (*owner).to_owned(), repo: (*repo).to_owned() })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for GitHubPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Org { org, .. } => f.write_str(org),
            Self::Repo { owner, repo } => write!(f, "{owner}/{repo}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_an_organisation_or_a_repository() {
        assert_eq!("acme".parse::<GitHubPath>().unwrap().group(), Some("default"));
        assert_eq!("acme/web".parse::<GitHubPath>().unwrap().to_string(), "acme/web");
        assert_eq!("/acme//web/".parse::<GitHubPath>().unwrap().to_string(), "acme/web");
        assert!("acme/.github".parse::<GitHubPath>().is_ok());
        for wrong in ["", "/", "acme/", "a/b/c", "a b", "a\nb/c", ".", "..", "../a", "a/..", "a/."]
        {
            assert!(wrong.parse::<GitHubPath>().is_err(), "{wrong:?}");
        }
    }
}
