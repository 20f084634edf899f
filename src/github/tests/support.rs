//! What the tests of the room share: a mock of GitHub with a connection to it, and bodies as
//! GitHub documents them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockBuilder, MockServer, Request, ResponseTemplate};

use crate::github::{Auth, Connection, ConnectionOptions};
use crate::model::GitHubPath;

pub(super) const TOKEN: &str = "ghp_a-token-nobody-may-see";
pub(super) const KEY: &str = include_str!("app-key.pem");
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

/// A mock of GitHub, a connection to it, and the connection's clock.
pub(super) struct Stage {
    pub(super) server: MockServer,
    pub(super) connection: Connection,
    clock: Arc<Mutex<Timestamp>>,
}

impl Stage {
    /// github.com, with a token.
    pub(super) async fn new() -> Self {
        Self::with(Auth::Token(TOKEN.into()), "https://github.com", "", TIMEOUT).await
    }

    /// The same with another limit per request.
    pub(super) async fn impatient(timeout: Duration) -> Self {
        Self::with(Auth::Token(TOKEN.into()), "https://github.com", "", timeout).await
    }

    /// A GitHub Enterprise Server, with a token.
    pub(super) async fn ghes() -> Self {
        Self::with(Auth::Token(TOKEN.into()), "https://ghes.acme.com", "/api/v3", TIMEOUT).await
    }

    /// github.com, as an App.
    pub(super) async fn app(installation: Option<u64>) -> Self {
        let auth = Auth::App { id: "Iv23liXYZ".to_owned(), key: KEY.into(), installation };
        Self::with(auth, "https://github.com", "", TIMEOUT).await
    }

    async fn with(auth: Auth, url: &str, base: &str, timeout: Duration) -> Self {
        let server = MockServer::start().await;
        let clock = Arc::new(Mutex::new(at(1_000_000)));
        let options = ConnectionOptions {
            name: "main".to_owned(),
            url: url.to_owned(),
            api_url: Some(format!("{}{base}", server.uri())),
            auth,
            timeout,
        };
        let read = Arc::clone(&clock);
        let now = Arc::new(move || *read.lock().unwrap());
        let connection = Connection::with_clock(options, now).unwrap();
        Self { server, connection, clock }
    }

    /// Lets time pass on the connection's clock, or turns it back.
    pub(super) fn pass(&self, seconds: i64) {
        *self.clock.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    /// Answers a request with a status and a body.
    pub(super) async fn answer(&self, what: &str, status: u16, body: Value) {
        let template = ResponseTemplate::new(status).set_body_json(body);
        self.mount(what, template).await;
    }

    /// Answers a request; `what` is `METHOD /path`.
    pub(super) async fn mount(&self, what: &str, template: ResponseTemplate) {
        on(what).respond_with(template).mount(&self.server).await;
    }

    /// Answers a request once; what is mounted later answers after that.
    pub(super) async fn once(&self, what: &str, template: ResponseTemplate) {
        on(what).respond_with(template).up_to_n_times(1).mount(&self.server).await;
    }

    /// Everything that was asked, as `METHOD /path?query`.
    pub(super) async fn asked(&self) -> Vec<String> {
        self.requests().await.iter().map(line).collect()
    }

    /// How often it was asked for what begins so.
    pub(super) async fn count(&self, what: &str) -> usize {
        self.asked().await.iter().filter(|asked| asked.starts_with(what)).count()
    }

    pub(super) async fn requests(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap()
    }
}

/// A mock for `METHOD /path`, with any query.
pub(super) fn on(what: &str) -> MockBuilder {
    let (verb, place) = what.split_once(' ').unwrap();
    Mock::given(method(verb)).and(path(place))
}

fn line(request: &Request) -> String {
    let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{} {}{query}", request.method, request.url.path())
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn repo() -> GitHubPath {
    "acme/web".parse().unwrap()
}

pub(super) fn org() -> GitHubPath {
    "acme".parse().unwrap()
}

pub(super) fn secret(text: &str) -> SecretString {
    text.into()
}

pub(super) fn status(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status)
}

/// GitHub's words with a status.
pub(super) fn says(code: u16, message: &str) -> ResponseTemplate {
    status(code).set_body_json(json!({"message": message, "status": code.to_string()}))
}

/// GitHub REST API, "Get a self-hosted runner for a repository".
pub(super) fn runner(id: u64, name: &str, state: &str, busy: bool) -> Value {
    json!({
        "id": id, "name": name, "os": "linux", "status": state, "busy": busy,
        "runner_group_id": 1, "ephemeral": true, "version": "2.335.1",
        "labels": [{"id": 5, "name": "self-hosted", "type": "read-only"},
                   {"id": 6, "name": "small", "type": "custom"}],
    })
}

pub(super) fn runners(runners: &[Value]) -> Value {
    json!({"total_count": runners.len(), "runners": runners})
}

/// GitHub REST API, "Create configuration for a just-in-time runner".
pub(super) fn jit(id: u64, name: &str) -> Value {
    json!({"runner": runner(id, name, "offline", false), "encoded_jit_config": "a-jit-secret"})
}

/// GitHub REST API, "List self-hosted runner groups for an organization".
pub(super) fn groups() -> Value {
    let group = |id: u64, name: &str, default: bool, public: bool| {
        json!({"id": id, "name": name, "visibility": "all", "default": default,
               "allows_public_repositories": public, "restricted_to_workflows": false})
    };
    json!({"total_count": 2, "runner_groups": [
        group(3, "Default", true, true), group(8, "Closed", false, false),
    ]})
}

/// GitHub REST API, "Get a job for a workflow run".
pub(super) fn job(id: u64, state: &str) -> Value {
    json!({
        "id": id, "run_id": 7, "run_attempt": 2, "name": "build", "workflow_name": "CI",
        "status": state, "conclusion": null, "labels": ["self-hosted", "Small"],
        "created_at": "2026-01-02T03:04:05Z", "started_at": "2026-01-02T03:04:05Z",
        "completed_at": null, "runner_id": null, "runner_name": "", "steps": [],
    })
}
