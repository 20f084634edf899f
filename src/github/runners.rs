//! Runners at GitHub (GitHub REST API, "Self-hosted runners"): registering, listing, removing.

use std::collections::BTreeMap;

use http::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::connection::Connection;
use super::error::{GitHubError, GitHubErrorKind};
use super::pages::Page;
use super::request::Call;
use super::text::{encoded, line};
use crate::model::{GitHubPath, GitHubRunner};

/// A runner group holds no more than ten thousand runners.
const MOST_PAGES: usize = 100;
/// The longest text of a runner that is kept, in characters.
const TEXT: usize = 256;

/// A runner that was made at GitHub with its just-in-time configuration.
#[derive(Debug)]
pub struct Registered {
    /// Its number at GitHub.
    pub id: u64,
    /// What its application starts with; it holds the runner's key.
    pub config: SecretString,
}

/// What became of a wish to remove a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It is removed (204).
    Deleted,
    /// It was not there (404).
    NotThere,
    /// It has a job, and stays (422).
    Busy,
}

/// A runner as GitHub writes it.
#[derive(Serialize, Deserialize)]
pub(super) struct RunnerWire {
    id: u64,
    name: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    busy: bool,
    #[serde(default)]
    labels: Vec<Label>,
    version: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Label {
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Runners {
    total_count: usize,
    runners: Vec<RunnerWire>,
}

#[derive(Deserialize)]
struct Jit {
    runner: RunnerWire,
    encoded_jit_config: SecretString,
}

#[derive(Deserialize)]
struct Token {
    token: SecretString,
}

impl Page for Runners {
    type Item = RunnerWire;

    fn total(&self) -> Option<usize> {
        Some(self.total_count)
    }

    fn into_items(self) -> Vec<RunnerWire> {
        self.runners
    }
}

impl From<RunnerWire> for GitHubRunner {
    fn from(wire: RunnerWire) -> Self {
        Self {
            id: wire.id,
            name: line(&wire.name, TEXT),
            online: wire.status == "online",
            busy: wire.busy,
            labels: wire.labels.iter().map(|label| line(&label.name, TEXT)).collect(),
            version: wire.version.map(|version| line(&version, TEXT)),
        }
    }
}

impl Connection {
    /// Makes a runner with exactly these labels, and its just-in-time configuration.
    ///
    /// The request is not repeated blindly. Where its answer was lost, or the name is taken, a
    /// runner of that name that is offline and has no job can only be what an earlier try left:
    /// it is removed, and the request made once more.
    pub async fn jit_config(
        &self,
        path: &GitHubPath,
        name: &str,
        labels: &[String],
    ) -> Result<Registered, GitHubError> {
        let error = match Box::pin(self.make_runner(path, name, labels)).await {
            Ok(registered) => return Ok(registered),
            Err(error) => error,
        };
        if error.is_not_found() {
            return Err(Box::pin(self.without_jit(path, error)).await);
        }
        let taken = matches!(error.kind(), GitHubErrorKind::NameTaken { .. });
        if !taken && !error.outcome_is_unknown() {
            return Err(error);
        }
        match Box::pin(self.clear_left_over(path, name)).await {
            Ok(true) => Box::pin(self.make_runner(path, name, labels)).await,
            // The first failure says more than that of looking after it.
            Ok(false) | Err(_) => Err(error),
        }
    }

    async fn make_runner(
        &self,
        path: &GitHubPath,
        name: &str,
        labels: &[String],
    ) -> Result<Registered, GitHubError> {
        let group = self.group_id(path).await?;
        let rest = "/actions/runners/generate-jitconfig";
        let mut call = Call::at("register a runner", path, Method::POST, rest);
        call.resources = &["core", "actions_runner_registration"];
        call.body = Some(json!({
            "name": name,
            "runner_group_id": group,
            "labels": labels,
            "work_folder": "_work",
        }));
        let made: Jit = self.ask(&call).await?;
        Ok(Registered { id: made.runner.id, config: made.encoded_jit_config })
    }

    /// Whether there was a runner of that name that nothing uses, and is not any more.
    async fn clear_left_over(&self, path: &GitHubPath, name: &str) -> Result<bool, GitHubError> {
        let Some(left) = self.runner_named(path, name).await? else { return Ok(false) };
        if left.online || left.busy {
            return Ok(false);
        }
        tracing::info!(name, id = left.id, "a runner that an earlier try left is removed");
        Ok(self.delete_runner(path, left.id).await? != Deletion::Busy)
    }

    /// What a 404 to the request for a configuration means: a server that does not know it, where
    /// runners can be listed all the same.
    async fn without_jit(&self, path: &GitHubPath, error: GitHubError) -> GitHubError {
        // The group may have been made anew, with another number.
        self.forget_group(path);
        if self.is_server() && self.may_list_runners(path).await.is_ok() {
            return error.with_kind(GitHubErrorKind::NoJit);
        }
        error
    }

    /// Whether the credential may list the runners of a path.
    pub(super) async fn may_list_runners(&self, path: &GitHubPath) -> Result<(), GitHubError> {
        let rest = "/actions/runners?per_page=1";
        let call = Call::at("list the runners", path, Method::GET, rest);
        self.ask::<Runners>(&call).await.map(|_| ())
    }

    /// A token to register one runner or more with, good for an hour.
    pub async fn registration_token(&self, path: &GitHubPath) -> Result<SecretString, GitHubError> {
        let rest = "/actions/runners/registration-token";
        let mut call = Call::at("get a registration token", path, Method::POST, rest);
        call.resources = &["core", "actions_runner_registration"];
        self.ask::<Token>(&call).await.map(|answer| answer.token)
    }

    /// A token to remove runners with from inside, good for an hour.
    pub async fn remove_token(&self, path: &GitHubPath) -> Result<SecretString, GitHubError> {
        let rest = "/actions/runners/remove-token";
        let call = Call::at("get a remove token", path, Method::POST, rest);
        self.ask::<Token>(&call).await.map(|answer| answer.token)
    }

    /// All runners of an organisation (of all its groups) or a repository, ours or not.
    ///
    /// A runner that is removed while the pages are read shifts another one out of sight, so a
    /// list that is shorter than GitHub says is read once more.
    pub async fn runners(&self, path: &GitHubPath) -> Result<Vec<GitHubRunner>, GitHubError> {
        let call = Call::at("list the runners", path, Method::GET, "/actions/runners");
        let (mut runners, complete) = self.listed_once(&call).await?;
        if !complete {
            runners = self.listed_once(&call).await?.0;
        }
        Ok(runners.into_values().collect())
    }

    async fn listed_once(
        &self,
        call: &Call,
    ) -> Result<(BTreeMap<u64, GitHubRunner>, bool), GitHubError> {
        let listed = self.list::<Runners>(call, MOST_PAGES).await?;
        let by_id = listed.items.into_iter().map(|runner| (runner.id, runner.into()));
        let runners: BTreeMap<u64, GitHubRunner> = by_id.collect();
        let complete = listed.total.is_none_or(|total| runners.len() >= total);
        Ok((runners, complete))
    }

    /// The runner of that name.
    pub async fn runner_named(
        &self,
        path: &GitHubPath,
        name: &str,
    ) -> Result<Option<GitHubRunner>, GitHubError> {
        let rest = format!("/actions/runners?name={}&per_page=100", encoded(name));
        let call = Call::at("look for a runner", path, Method::GET, &rest);
        let found: Runners = self.ask(&call).await?;
        // Servers that do not know the filter list all.
        let named = found.runners.into_iter().find(|runner| runner.name == name);
        Ok(named.map(GitHubRunner::from))
    }

    /// The runner of that number.
    pub async fn runner(
        &self,
        path: &GitHubPath,
        id: u64,
    ) -> Result<Option<GitHubRunner>, GitHubError> {
        let call = Call::at("look at a runner", path, Method::GET, &at(id));
        match self.ask::<RunnerWire>(&call).await {
            Ok(runner) => Ok(Some(runner.into())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a runner. Neither the budget's reserve nor a pause holds a removal back.
    pub async fn delete_runner(&self, path: &GitHubPath, id: u64) -> Result<Deletion, GitHubError> {
        let call = Call::at("remove a runner", path, Method::DELETE, &at(id));
        let Err(error) = Box::pin(self.perform(&call)).await else { return Ok(Deletion::Deleted) };
        if error.is_not_found() {
            return Ok(Deletion::NotThere);
        }
        if matches!(error.kind(), GitHubErrorKind::Invalid { message } if says_busy(message)) {
            return Ok(Deletion::Busy);
        }
        Err(error)
    }
}

fn at(id: u64) -> String {
    format!("/actions/runners/{id}")
}

/// `Runner "..." is currently running a job and cannot be deleted.`, with 422 or 400.
fn says_busy(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["running a job", "still running", "is busy"].iter().any(|words| message.contains(words))
}
