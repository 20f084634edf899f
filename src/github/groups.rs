//! Runner groups of organisations (GitHub REST API, "Self-hosted runner groups"): a name in the
//! configuration, a number in requests. A number is looked up once and kept.

use std::sync::PoisonError;

use http::Method;
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::error::{GitHubError, GitHubErrorKind};
use super::pages::Page;
use super::request::Call;
use crate::model::GitHubPath;

/// The group of every runner of a repository.
const REPOSITORY_GROUP: u64 = 1;
/// No organisation has so many groups.
const MOST_PAGES: usize = 20;
/// What the group that every organisation has is called in the configuration.
const DEFAULT: &str = "default";

/// A runner group as GitHub writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) id: u64,
    pub(super) name: String,
    #[serde(default)]
    pub(super) default: bool,
    #[serde(default)]
    pub(super) visibility: String,
    #[serde(default)]
    pub(super) allows_public_repositories: bool,
    #[serde(default)]
    pub(super) restricted_to_workflows: bool,
}

#[derive(Serialize, Deserialize)]
struct Groups {
    total_count: usize,
    runner_groups: Vec<Group>,
}

impl Page for Groups {
    type Item = Group;

    fn total(&self) -> Option<usize> {
        Some(self.total_count)
    }

    fn into_items(self) -> Vec<Group> {
        self.runner_groups
    }
}

impl Connection {
    /// The number of the group that runners of a path join.
    pub(super) async fn group_id(&self, path: &GitHubPath) -> Result<u64, GitHubError> {
        let GitHubPath::Org { org, group } = path else { return Ok(REPOSITORY_GROUP) };
        let key = (org.to_ascii_lowercase(), group.to_ascii_lowercase());
        let known = self.groups().lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(id) = known {
            return Ok(id);
        }
        let id = Box::pin(self.group(path, group)).await?.id;
        self.groups().lock().unwrap_or_else(PoisonError::into_inner).insert(key, id);
        Ok(id)
    }

    /// Forgets the number of a path's group.
    pub(super) fn forget_group(&self, path: &GitHubPath) {
        if let GitHubPath::Org { org, group } = path {
            let key = (org.to_ascii_lowercase(), group.to_ascii_lowercase());
            self.groups().lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
    }

    /// The group of an organisation that has this name, in whatever case.
    pub(super) async fn group(&self, path: &GitHubPath, name: &str) -> Result<Group, GitHubError> {
        let rest = "/actions/runner-groups";
        let call = Call::at("find the runner group", path, Method::GET, rest);
        let groups = self.list::<Groups>(&call, MOST_PAGES).await?.items;
        let named = groups.iter().find(|group| group.name.eq_ignore_ascii_case(name));
        let default = || groups.iter().find(|group| group.default);
        let found = if name.eq_ignore_ascii_case(DEFAULT) { default().or(named) } else { named };
        let none = || call.failed(GitHubErrorKind::NoGroup { group: name.to_owned() });
        found.cloned().ok_or_else(none)
    }
}
