//! The stand-in GitHub itself: that it answers as GitHub's documentation says, and misbehaves as
//! ordered.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]
#![expect(clippy::struct_field_names, reason = "the fields have GitHub's names")]

mod access;
mod application;
mod client;
mod faults;
mod limits;
mod listener;
mod receiver;
mod shapes;
mod webhooks;

use std::time::Duration;

use larm::smoke::standin::{JobSpec, StandIn};
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

/// A stand-in that serves on this host until it is dropped.
struct Hub {
    github: StandIn,
    client: reqwest::Client,
    token: Option<String>,
    _guard: DropGuard,
}

impl Hub {
    async fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let github = StandIn::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (server, ended) = (github.clone(), CancellationToken::new());
        let tracker = TaskTracker::new();
        tracker.spawn(async move { server.serve(listener).await.unwrap() });
        let (stopped, stand_in) = (ended.clone(), github.clone());
        tracker.spawn(async move {
            stopped.cancelled().await;
            stand_in.stop();
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { github, client, token: None, _guard: ended.drop_guard() }
    }

    /// Asks with a token from here on.
    fn with_token(&mut self, token: &str) -> &mut Self {
        self.token = Some(token.to_owned());
        self
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.github.url()));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status().as_u16()
    }

    /// The answer to a question that is to succeed.
    async fn read<T: DeserializeOwned>(&self, path: &str) -> T {
        let answer = self.get(path).await;
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// A just-in-time configuration at `orgs/ORG` or `repos/OWNER/NAME`.
    async fn jit(&self, place: &str, name: &str, labels: &[&str]) -> Response {
        let body = json!({"name": name, "labels": labels, "runner_group_id": 1});
        self.post(&format!("/{place}/actions/runners/generate-jitconfig"), body).await
    }
}

async fn message(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["message"].as_str().unwrap().to_owned())
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
}

fn job(repository: &str, labels: &[&str]) -> JobSpec {
    let spec = JobSpec::new("build", labels, Duration::ZERO);
    JobSpec { repository: repository.to_owned(), ..spec }
}
