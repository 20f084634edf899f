//! Two servers of the test on the guests' bridge: a proxy, through which jobs report what they find
//! inside, and a policy service.

use std::net::{IpAddr, TcpListener};

use larm::smoke::bridge_address;
use serde_json::json;
use wiremock::matchers::{any, body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::ground::Ground;
use crate::host;

/// What larm shows the policy service, and what a runner does.
pub(crate) const FARM_TOKEN: &str = "policy-farm-token";
pub(crate) const ONCE: &str = "policy-once-only";

/// Answers everything, and remembers it.
pub(crate) struct Proxy(MockServer);

impl Proxy {
    pub(crate) async fn start(address: IpAddr) -> Self {
        let server = on(address).await;
        let answer = ResponseTemplate::new(200).set_body_string("from the proxy");
        Mock::given(any()).respond_with(answer).mount(&server).await;
        Self(server)
    }

    pub(crate) fn url(&self) -> String {
        self.0.uri()
    }

    /// What was sent to a URL, as text; `None` if nothing was.
    pub(crate) async fn told(&self, url: &str) -> Option<String> {
        let requests = self.0.received_requests().await.unwrap();
        let request = requests.into_iter().find(|request| request.url.as_str() == url)?;
        Some(String::from_utf8(request.body).unwrap())
    }

    /// All that was asked for.
    pub(crate) async fn urls(&self) -> Vec<String> {
        let requests = self.0.received_requests().await.unwrap();
        requests.iter().map(|request| request.url.to_string()).collect()
    }
}

/// A policy service that lets pushes pass and refuses pull requests.
pub(crate) async fn policy(address: IpAddr) -> MockServer {
    let server = on(address).await;
    let bearer = |token: &str| header("authorization", format!("Bearer {token}").as_str());
    Mock::given(method("GET"))
        .and(path("/policy/one-time-token"))
        .and(bearer(FARM_TOKEN))
        .respond_with(ResponseTemplate::new(200).set_body_string(ONCE))
        .mount(&server)
        .await;
    let asked = |event: &str| {
        let path = path(format!("/policy/{event}/check-run"));
        Mock::given(method("POST")).and(path).and(bearer(ONCE))
    };
    asked("push")
        .and(body_json(json!({"repository_name": "acme/web"})))
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    asked("pull_request")
        .and(body_json(json!({
            "repository_name": "acme/web",
            "source_repository_name": "acme/web",
            "target_branch_name": "main",
            "source_branch_name": "idea",
            "commit_sha": "0123abc",
        })))
        .respond_with(ResponseTemplate::new(403).set_body_string("main is not protected"))
        .mount(&server)
        .await;
    server
}

/// The host's address on the guests' bridge.
pub(crate) async fn bridge(ground: &Ground) -> IpAddr {
    bridge_address(&ground.client, &[host::profile()]).await.unwrap()
}

async fn on(address: IpAddr) -> MockServer {
    MockServer::builder().listener(TcpListener::bind((address, 0)).unwrap()).start().await
}
