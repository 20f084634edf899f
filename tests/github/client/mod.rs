//! larm's own client against the stand-in GitHub, over HTTP: what one half takes for GitHub's
//! behaviour, the other half has to show.

mod app;
mod check;
mod deliveries;
mod endpoint;
mod faults;
mod jobs;
mod limits;
mod runners;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use larm::github::{Auth, Connection, ConnectionOptions, Registered};
use larm::model::GitHubPath;
use larm::smoke::standin::RunnerRecord;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::Hub;
use crate::access::classic;

const TOKEN: &str = "ghp_larm";

/// A stand-in where only one token counts, and a connection to it as to a GitHub Enterprise
/// Server.
struct Stage {
    hub: Hub,
    connection: Connection,
}

impl Stage {
    async fn open() -> Self {
        let mut hub = Hub::open().await;
        hub.github.add_account(classic(TOKEN, &["admin:org", "repo"]));
        hub.with_token(TOKEN);
        let connection = connect(&hub, Auth::Token(TOKEN.into()));
        Self { hub, connection }
    }

    /// Whoever is registered under that name.
    fn named(&self, name: &str) -> Vec<RunnerRecord> {
        let mut runners = self.hub.github.runners();
        runners.retain(|one| one.name == name);
        runners
    }
}

/// Connects as to a server, whose API is below `/api/v3`.
fn connect(hub: &Hub, auth: Auth) -> Connection {
    let options = ConnectionOptions {
        name: "main".to_owned(),
        url: hub.github.url().to_owned(),
        api_url: None,
        auth,
        timeout: Duration::from_secs(20),
    };
    Connection::new(options).unwrap()
}

/// Connects as to github.com, whose API is at the root.
fn connect_as_cloud(hub: &Hub, auth: Auth) -> Connection {
    let options = ConnectionOptions {
        name: "main".to_owned(),
        url: "https://github.com".to_owned(),
        api_url: Some(hub.github.url().to_owned()),
        auth,
        timeout: Duration::from_secs(20),
    };
    Connection::new(options).unwrap()
}

fn org() -> GitHubPath {
    "acme".parse().unwrap()
}

fn repo() -> GitHubPath {
    "acme/site".parse().unwrap()
}

fn labels(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|label| (*label).to_owned()).collect()
}

/// What a runner shows to GitHub, out of its configuration.
fn key(made: &Registered) -> String {
    let decode =
        |text: &str| -> Value { serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap() };
    let files = decode(made.config.expose_secret());
    let credentials = decode(files[".credentials"].as_str().unwrap());
    credentials["data"]["token"].as_str().unwrap().to_owned()
}

/// Does what a runner does.
async fn as_runner(hub: &Hub, key: &str, method: Method, rest: &str) -> u16 {
    let url = format!("{}/runner-service/{rest}", hub.github.url());
    let answer = hub.client.request(method, url).bearer_auth(key).send().await.unwrap();
    answer.status().as_u16()
}
