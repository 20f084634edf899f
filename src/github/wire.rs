//! One exchange with GitHub: octocrab's client below, one time limit, one capped answer.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use octocrab::{OctoBody, Octocrab};
use tokio::time::timeout;

use super::error::GitHubErrorKind;
use super::text;

/// The version of the REST API that answers are read by.
const API_VERSION: &str = "2022-11-28";
/// Who asks. octocrab adds a second name, its own, after it, and cannot be told not to.
const AGENT: &str = concat!("larm/", env!("CARGO_PKG_VERSION"));
/// Larger than a page of a hundred of anything.
const MOST_BYTES: usize = 16 << 20;
/// The longest that a reason may be, in characters.
const REASON: usize = 200;

/// The way to one GitHub.
#[derive(Clone)]
pub(super) struct Wire {
    crab: Octocrab,
    host: String,
    limit: Duration,
}

/// One request.
#[derive(Clone)]
pub(super) struct Outgoing<'a> {
    pub(super) method: Method,
    /// Below the API's address, with its query.
    pub(super) path: &'a str,
    pub(super) bearer: &'a HeaderValue,
    pub(super) etag: Option<&'a str>,
    pub(super) body: Option<Vec<u8>>,
}

/// One answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Wire {
    /// Must be called inside the runtime: octocrab starts a task.
    pub(super) fn new(api: &str, limit: Duration) -> Result<Self, String> {
        let version = HeaderName::from_static("x-github-api-version");
        let crab = Octocrab::builder()
            .base_uri(api)
            .map_err(|_| format!("\"{api}\" is no address"))?
            .add_header(header::ACCEPT, "application/vnd.github+json".to_owned())
            .add_header(version, API_VERSION.to_owned())
            .set_connect_timeout(Some(limit))
            .set_read_timeout(Some(limit))
            .set_write_timeout(Some(limit))
            .build()
            .map_err(|error| {
                let reason = deepest(&error);
                format!("no client could be built ({reason}): is `ca-certificates` installed?")
            })?;
        let host = api.split("//").nth(1).and_then(|rest| rest.split('/').next());
        Ok(Self { crab, host: host.unwrap_or(api).to_owned(), limit })
    }

    /// Makes one exchange. Any status is an answer, not an error.
    pub(super) async fn send(&self, outgoing: Outgoing<'_>) -> Result<Answer, GitHubErrorKind> {
        let request = request(outgoing).map_err(|reason| GitHubErrorKind::Options { reason })?;
        match timeout(self.limit, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(GitHubErrorKind::TimedOut { after: self.limit }),
        }
    }

    async fn exchange(&self, request: Request<OctoBody>) -> Result<Answer, GitHubErrorKind> {
        let answer = self.crab.execute(request).await.map_err(|error| self.broken(&error))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await;
        let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            // Asked for again it would be as large.
            Some(_) => {
                let reason = format!("it has more than {MOST_BYTES} bytes");
                GitHubErrorKind::Malformed { reason }
            }
            None => self.broken(&*error),
        });
        let body = body?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    fn broken(&self, error: &(dyn StdError + 'static)) -> GitHubErrorKind {
        let reason = deepest(error);
        // The time limits of the connection end a little before or after our own.
        if reason.contains("timed out") || reason.contains("deadline has elapsed") {
            return GitHubErrorKind::TimedOut { after: self.limit };
        }
        GitHubErrorKind::Unreachable { host: self.host.clone(), reason }
    }
}

fn request(outgoing: Outgoing<'_>) -> Result<Request<OctoBody>, String> {
    let mut request = Request::builder()
        .method(outgoing.method)
        .uri(outgoing.path)
        .header(header::USER_AGENT, AGENT)
        .header(header::AUTHORIZATION, outgoing.bearer);
    if let Some(etag) = outgoing.etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    let request = match outgoing.body {
        Some(body) => {
            request.header(header::CONTENT_TYPE, "application/json").body(OctoBody::from(body))
        }
        None => request.header(header::CONTENT_LENGTH, "0").body(OctoBody::empty()),
    };
    request.map_err(|error| format!("no request can be made of this: {error}"))
}

/// The words of the last cause, which are the only ones that say something: octocrab's own are
/// the name of the kind, and a backtrace where one is wanted.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    text::line(&last.to_string(), REASON)
}
