//! LXD's REST API by a client that can do nothing else: one request, and a wait for the operation.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// A plain client of one project.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    http: reqwest::Client,
    project: String,
}

impl Rest {
    pub(crate) fn new(socket: &Path, project: &str) -> Self {
        // One connection for each request, as `curl` does it: a pool opens some that it does not use, and
        // LXD takes no other before such a one has sent its first byte.
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_mins(10))
            .build()
            .unwrap();
        Self { http, project: project.to_owned() }
    }

    /// Asks, and waits for the operation.
    pub(crate) async fn call(&self, method: Method, path: &str, body: &Value) {
        let what = format!("{method} {path}");
        let answer = json(self.request(method, path).json(body)).await;
        if let Some(operation) = text(&answer, "/operation").filter(|url| !url.is_empty()) {
            let url = operation.split('?').next().unwrap_or_default();
            let end = json(self.request(Method::GET, &format!("{url}/wait"))).await;
            let error = text(&end, "/metadata/err").unwrap_or_default();
            assert!(error.is_empty(), "{what}: {error}");
        }
    }

    /// The host's number of a container's first process.
    pub(crate) async fn pid(&self, name: &str) -> u64 {
        let state = self.state(name).await;
        state.pointer("/metadata/pid").and_then(Value::as_u64).unwrap()
    }

    /// CPU time that an instance has taken so far.
    pub(crate) async fn cpu_seconds(&self, name: &str) -> f64 {
        let state = self.state(name).await;
        state.pointer("/metadata/cpu/usage").and_then(Value::as_f64).unwrap() / 1e9
    }

    async fn state(&self, name: &str) -> Value {
        json(self.request(Method::GET, &format!("/1.0/instances/{name}/state"))).await
    }

    /// Changes an instance's state.
    pub(crate) async fn change(&self, name: &str, body: &Value) {
        self.call(Method::PUT, &format!("/1.0/instances/{name}/state"), body).await;
    }

    /// Writes a file, or makes a directory if there is no content.
    pub(crate) async fn push(&self, name: &str, path: &str, content: Option<Vec<u8>>) {
        let (kind, mode) = if content.is_some() { ("file", "0600") } else { ("directory", "0700") };
        let request = self.file(Method::POST, name, path);
        let request = request.header("X-LXD-type", kind).header("X-LXD-mode", mode);
        let request = request.header("X-LXD-uid", "0").header("X-LXD-gid", "0");
        json(request.body(content.unwrap_or_default())).await;
    }

    /// Reads a file, if it is there.
    pub(crate) async fn read(&self, name: &str, path: &str) -> Option<String> {
        let answer = self.file(Method::GET, name, path).send().await.unwrap();
        if answer.status().is_success() { answer.text().await.ok() } else { None }
    }

    fn file(&self, method: Method, name: &str, path: &str) -> RequestBuilder {
        self.request(method, &format!("/1.0/instances/{name}/files")).query(&[("path", path)])
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("http://lxd{path}"));
        request.query(&[("project", &self.project)])
    }
}

async fn json(request: RequestBuilder) -> Value {
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_ne!(text(&answer, "/type"), Some("error"), "LXD says {answer}");
    answer
}

fn text<'a>(answer: &'a Value, at: &str) -> Option<&'a str> {
    answer.pointer(at).and_then(Value::as_str)
}
