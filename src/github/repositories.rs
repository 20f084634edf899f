//! Repositories of an organisation (GitHub REST API, "List organization repositories"): where to
//! look for jobs when nobody tells of them.

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::error::GitHubError;
use super::jobs::repository_path;
use super::pages::Page;
use super::request::{Call, Need};
use crate::model::GitHubPath;

/// Those pushed to last come first, so the first two hundred are where jobs are.
const MOST_PAGES: usize = 2;

/// A repository of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRef {
    /// `OWNER/REPOSITORY`.
    pub full_name: String,
    /// When it was pushed to last.
    pub pushed_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RepositoryWire {
    pub(super) full_name: String,
    pushed_at: Option<Timestamp>,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    disabled: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Repositories(Vec<RepositoryWire>);

impl Page for Repositories {
    type Item = RepositoryWire;

    fn total(&self) -> Option<usize> {
        None
    }

    fn into_items(self) -> Vec<RepositoryWire> {
        self.0
    }
}

impl Connection {
    /// The repositories of an organisation that the credential can see, the one pushed to last
    /// first, at most two hundred. Archived and disabled ones, which run nothing, are left out.
    pub async fn repositories(&self, org: &str) -> Result<Vec<RepositoryRef>, GitHubError> {
        let path = GitHubPath::Org { org: org.to_owned(), group: String::new() };
        let rest = "/repos?sort=pushed&direction=desc";
        let call = Call::at("list the repositories", &path, Method::GET, rest);
        let listed = self.list::<Repositories>(&call.needing(Need::Nothing), MOST_PAGES).await?;
        let live = listed.items.into_iter().filter(|repository| {
            // A name that is none would make a wrong address.
            let named = repository_path(&repository.full_name).is_some();
            named && !repository.archived && !repository.disabled
        });
        let refer = |wire: RepositoryWire| RepositoryRef {
            full_name: wire.full_name,
            pushed_at: wire.pushed_at,
        };
        Ok(live.map(refer).collect())
    }
}
