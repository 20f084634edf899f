//! Somebody who receives webhooks, and keeps them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::LIMIT;

pub(crate) const SECRET: &str = "between us";

/// A webhook as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Value,
    /// Whether its signature is right.
    pub(crate) signed: bool,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    seen: watch::Sender<Vec<Received>>,
    answer: Arc<Mutex<StatusCode>>,
}

impl Receiver {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(StatusCode::ACCEPTED));
        let receiver = Self { url, seen: watch::Sender::new(Vec::new()), answer };
        let router = Router::new().route("/webhook", post(receive)).with_state(receiver.clone());
        TaskTracker::new().spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    pub(crate) fn answers(&self, status: StatusCode) {
        *self.answer.lock().unwrap() = status;
    }

    /// Waits until so many came, and returns all.
    pub(crate) async fn received(&self, count: usize) -> Vec<Received> {
        let mut changes = self.seen.subscribe();
        let enough = changes.wait_for(|seen| seen.len() >= count);
        tokio::time::timeout(LIMIT, enough).await.unwrap().unwrap().clone()
    }
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn action(&self) -> &str {
        self.body["action"].as_str().unwrap()
    }

    pub(crate) fn job(&self) -> u64 {
        self.body["workflow_job"]["id"].as_u64().unwrap()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&body);
    let expected = format!("sha256={:x}", mac.finalize().into_bytes());
    let signed = headers["x-hub-signature-256"] == expected;
    let raw = body.to_vec();
    let body = serde_json::from_slice(&raw).unwrap();
    receiver.seen.send_modify(|seen| seen.push(Received { headers, raw, body, signed }));
    *receiver.answer.lock().unwrap()
}
