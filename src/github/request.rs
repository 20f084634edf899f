//! One call: may it be sent, with which credential, is it to be repeated, what went wrong.
//!
//! ```text
//! permit (one write, eight reads) -> credential -> gate (budget, pause) -> exchange
//!     ^                                                                     |   |
//!     +---- once more: 401 with an App's token, which is renewed first <----+   |
//!     +---- after a pause: GET and DELETE on 5xx or a broken connection <-------+
//! ```
//!
//! A POST is never repeated here: whether it did its work is for its caller to find out.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::answer::Refusal;
use super::connection::Connection;
use super::credentials::{Bearer, Owner};
use super::error::{GitHubError, GitHubErrorKind};
use super::observer::Observed;
use super::wire::{Answer, Outgoing};
use crate::model::GitHubPath;

/// Repetitions of a call that may be repeated.
const REPEATS: usize = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a credential needs for a call (GitHub documentation, "Permissions required for GitHub
/// Apps" and "for fine-grained personal access tokens", "Scopes for OAuth apps").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Runners of an organisation.
    OrgRunners,
    /// Runners of a repository.
    RepoRunners,
    /// Runs and jobs of a repository.
    Actions,
    /// Webhooks of an organisation.
    OrgHooks,
    /// Webhooks of a repository.
    RepoHooks,
    /// Nothing that has a name.
    Nothing,
}

impl Need {
    /// For the runners of a path.
    pub(super) fn runners(path: &GitHubPath) -> Self {
        match path {
            GitHubPath::Org { .. } => Self::OrgRunners,
            GitHubPath::Repo { .. } => Self::RepoRunners,
        }
    }

    /// For the webhooks of a path.
    pub(super) fn hooks(path: &GitHubPath) -> Self {
        match path {
            GitHubPath::Org { .. } => Self::OrgHooks,
            GitHubPath::Repo { .. } => Self::RepoHooks,
        }
    }

    /// The permission's names.
    pub(super) fn in_words(self) -> Option<&'static str> {
        let words = match self {
            Self::OrgRunners => {
                "the organisation permission \"Self-hosted runners: read and write\" \
                 (fine-grained token or App) or the scope `admin:org` (classic token of an owner)"
            }
            Self::RepoRunners => {
                "the repository permission \"Administration: read and write\" (fine-grained token \
                 or App) or the scope `repo` (classic token of an admin)"
            }
            Self::Actions => {
                "the repository permission \"Actions: read\" (fine-grained token or App) or the \
                 scope `repo` (classic token)"
            }
            Self::OrgHooks => {
                "the organisation permission \"Webhooks: read and write\" (fine-grained token or \
                 App) or the scope `admin:org_hook` (classic token of an owner)"
            }
            Self::RepoHooks => {
                "the repository permission \"Webhooks: read and write\" (fine-grained token or \
                 App) or the scope `admin:repo_hook` (classic token of an admin)"
            }
            Self::Nothing => return None,
        };
        Some(words)
    }
}

/// Who a call is made as.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    /// The token, or the App's installation at an owner.
    Owner(Owner),
    /// The App itself.
    App,
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// What is tried: `could not {operation} of {target}`.
    pub(super) operation: &'static str,
    pub(super) target: String,
    pub(super) need: Need,
    pub(super) identity: Identity,
    pub(super) method: Method,
    /// Below the API's address, with its query.
    pub(super) path: String,
    pub(super) body: Option<serde_json::Value>,
    /// What of the budget it costs.
    pub(super) resources: &'static [&'static str],
    etag: Option<String>,
}

impl Call {
    /// A call about an organisation or repository; `rest` follows its address.
    pub(super) fn at(
        operation: &'static str,
        path: &GitHubPath,
        method: Method,
        rest: &str,
    ) -> Self {
        let base = match path {
            GitHubPath::Org { org, .. } => format!("/orgs/{org}"),
            GitHubPath::Repo { owner, repo } => format!("/repos/{owner}/{repo}"),
        };
        Self {
            operation,
            target: path.to_string(),
            need: Need::runners(path),
            identity: Identity::Owner(Owner::of(path)),
            method,
            path: format!("{base}{rest}"),
            body: None,
            resources: &["core"],
            etag: None,
        }
    }

    /// The same call with another need.
    #[must_use]
    pub(super) fn needing(self, need: Need) -> Self {
        Self { need, ..self }
    }

    /// The same call to another address.
    #[must_use]
    pub(super) fn to(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// The same call as the App itself.
    #[must_use]
    pub(super) fn by_app(self) -> Self {
        Self { identity: Identity::App, ..self }
    }

    /// The call failed.
    pub(super) fn failed(&self, kind: GitHubErrorKind) -> GitHubError {
        GitHubError::new(self.operation, self.target.clone(), self.need, kind)
    }

    /// Reads an answer. What is wrong is told by place and never by content, which may be secret.
    pub(super) fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, GitHubError> {
        serde_json::from_slice(body).map_err(|error| {
            let what = if error.is_data() { "not what is documented" } else { "not JSON" };
            let reason = format!("{what} at line {} column {}", error.line(), error.column());
            self.failed(GitHubErrorKind::Malformed { reason })
        })
    }

    /// Whether a repetition does no harm.
    fn may_be_repeated(&self) -> bool {
        self.method == Method::GET || self.method == Method::DELETE
    }
}

/// A success.
pub(super) struct Done {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Connection {
    /// Makes a call and reads its answer.
    pub(super) async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, GitHubError> {
        let done = Box::pin(self.perform(call)).await?;
        call.read(&done.body)
    }

    /// The same for a GET whose answer is kept: where it is unchanged it costs no budget.
    pub(super) async fn ask_kept<T>(&self, call: &Call) -> Result<T, GitHubError>
    where
        T: DeserializeOwned + Serialize,
    {
        self.ask_sized(call).await.map(|(read, _)| read)
    }

    /// The same with how many bytes it was.
    pub(super) async fn ask_sized<T>(&self, call: &Call) -> Result<(T, usize), GitHubError>
    where
        T: DeserializeOwned + Serialize,
    {
        let address = call.path.as_str();
        let kept = self.etags().get(address);
        let etag = kept.as_ref().map(|(etag, _)| etag.clone());
        let done = Box::pin(self.perform(&Call { etag, ..call.clone() })).await?;
        if done.status == StatusCode::NOT_MODIFIED {
            let body = kept.map(|(_, body)| body).unwrap_or_default();
            let read = call.read(&body);
            if read.is_err() {
                self.etags().forget(address);
            }
            return read.map(|read| (read, body.len()));
        }
        let read: T = call.read(&done.body)?;
        let etag = done.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
        if let (Some(etag), Ok(body)) = (etag, serde_json::to_vec(&read)) {
            self.etags().put(address, etag, body.into());
        }
        Ok((read, done.body.len()))
    }

    /// Makes a call; a status that is no success is an error.
    pub(super) async fn perform(&self, call: &Call) -> Result<Done, GitHubError> {
        let _permit = self.permit(call).await;
        let once = || self.perform_observed(call);
        if !call.may_be_repeated() {
            return once().await;
        }
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(REPEATS)
            .with_jitter();
        once.retry(pauses)
            .when(|error| error.outcome_is_unknown() && error.retry_at().is_none())
            .notify(|error, _| tracing::debug!(%error, "a request to GitHub is repeated"))
            .await
    }

    async fn perform_observed(&self, call: &Call) -> Result<Done, GitHubError> {
        let begin = Instant::now();
        let result = self.perform_once(call).await;
        if let Some(observer) = self.observer() {
            observer.request(Observed::of(call, begin, &result));
        }
        result
    }

    async fn perform_once(&self, call: &Call) -> Result<Done, GitHubError> {
        // In a pause no token is fetched either.
        if call.method != Method::DELETE {
            self.budgets().admit(0, &[], self.now()).map_err(|kind| call.failed(kind))?;
        }
        let bearer = self.bearer(call).await?;
        let answer = self.exchange(call, &bearer).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.credentials().renew(&bearer) {
            return self.judged(call, answer);
        }
        // A token may end before its time: a clock that is off, an installation that was changed.
        let bearer = self.bearer(call).await?;
        let answer = self.exchange(call, &bearer).await?;
        self.judged(call, answer)
    }

    async fn bearer(&self, call: &Call) -> Result<Bearer, GitHubError> {
        let credentials = self.credentials();
        let found = match &call.identity {
            Identity::App => credentials.app(),
            Identity::Owner(owner) => Box::pin(credentials.of_owner(self.wire(), owner)).await,
        };
        found.map_err(|kind| self.refused(call, kind))
    }

    async fn exchange(&self, call: &Call, bearer: &Bearer) -> Result<Answer, GitHubError> {
        let failed = |kind| call.failed(kind);
        let now = self.now();
        if call.method != Method::DELETE {
            let admitted = self.budgets().admit(bearer.installation, call.resources, now);
            admitted.map_err(failed)?;
        }
        let body = call.body.as_ref().map(|body| body.to_string().into_bytes());
        let outgoing = Outgoing {
            method: call.method.clone(),
            path: &call.path,
            bearer: &bearer.header,
            etag: call.etag.as_deref(),
            body,
        };
        let answer = self.wire().send(outgoing).await.map_err(failed)?;
        self.budgets().note(bearer.installation, &answer.headers, now);
        let status = answer.status.as_u16();
        tracing::debug!(method = %call.method, path = %call.path, status, "asked GitHub");
        Ok(answer)
    }

    fn judged(&self, call: &Call, answer: Answer) -> Result<Done, GitHubError> {
        let Answer { status, headers, body } = answer;
        let unchanged = status == StatusCode::NOT_MODIFIED && call.etag.is_some();
        if status.is_success() || unchanged {
            return Ok(Done { status, headers, body });
        }
        let refusal = Refusal { status, headers: &headers, body: &body, now: self.now() };
        Err(self.refused(call, refusal.kind()).with_request_id(request_id(&headers)))
    }

    fn refused(&self, call: &Call, kind: GitHubErrorKind) -> GitHubError {
        if let GitHubErrorKind::Paused { until } = kind {
            self.budgets().pause(until);
        }
        call.failed(kind)
    }
}

/// GitHub's number of a request.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-github-request-id")?.to_str().ok()?;
    Some(super::text::line(id, 60))
}
