//! larm's own end of webhooks, over HTTP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, Mac};
use larm::farm::Overrun;
use larm::http::{ARRIVAL, Webhook, serve_webhook};
use larm::model::{JobState, Sighting};
use larm::smoke::standin::{Faults, Hook, Scope, WebhookFaults};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::receiver::SECRET;
use crate::webhooks::settled;
use crate::{Hub, LIMIT, job};

/// larm's end, and what came out of it.
struct Endpoint {
    url: String,
    address: String,
    taken: Arc<Mutex<Vec<Sighting>>>,
    full: Arc<Mutex<bool>>,
    client: reqwest::Client,
    _guard: DropGuard,
}

impl Endpoint {
    async fn open(arrival: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (taken, full) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(false)));
        let (into, is_full) = (Arc::clone(&taken), Arc::clone(&full));
        let sink = Arc::new(move |sighting, _| {
            if *is_full.lock().unwrap() {
                return Err(Overrun);
            }
            into.lock().unwrap().push(sighting);
            Ok(())
        });
        let path = "/hook".to_owned();
        let counter = Arc::new(|_| ());
        let webhook = Webhook { sink, secret: SECRET.into(), path, arrival, counter };
        let stop = CancellationToken::new();
        let serve = serve_webhook(listener, webhook, stop.clone());
        TaskTracker::new().spawn(async move { serve.await.unwrap() });
        Self {
            url: format!("http://{address}/hook"),
            address,
            taken,
            full,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            _guard: stop.drop_guard(),
        }
    }

    /// Sends a body as GitHub does.
    async fn send(&self, event: &str, guid: &str, body: &[u8]) -> StatusCode {
        self.send_signed(event, guid, body, &signature(SECRET, body)).await
    }

    async fn send_signed(&self, event: &str, guid: &str, body: &[u8], sign: &str) -> StatusCode {
        let request = self.client.post(&self.url).header("x-github-event", event);
        let request = request.header("x-github-delivery", guid);
        let request = request.header("x-hub-signature-256", sign).body(body.to_vec());
        request.send().await.unwrap().status()
    }

    /// Sends raw bytes and returns the first line of the answer.
    async fn raw(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        let read = stream.read_exact(&mut answer);
        tokio::time::timeout(LIMIT, read).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn taken(&self) -> Vec<u64> {
        self.taken.lock().unwrap().iter().map(|one| one.id).collect()
    }
}

fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={:x}", mac.finalize().into_bytes())
}

fn body(action: &str, id: u64) -> Vec<u8> {
    let job = json!({
        "id": id, "run_id": 7, "run_attempt": 1, "name": "build", "status": action,
        "labels": ["x"], "created_at": "2026-01-02T03:04:05Z",
    });
    let repository = json!({"full_name": "acme/site"});
    let body: Value = json!({"action": action, "workflow_job": job, "repository": repository});
    body.to_string().into_bytes()
}

#[tokio::test]
async fn a_delivery_is_taken_once() {
    let end = Endpoint::open(ARRIVAL).await;
    for (guid, id) in [("a", 1), ("a", 1), ("b", 2), ("", 3), ("", 3)] {
        let status = end.send("workflow_job", guid, &body("queued", id)).await;
        assert_eq!(status, StatusCode::ACCEPTED);
    }
    // Without an id nothing says that it came twice.
    assert_eq!(end.taken(), [1, 2, 3, 3]);
    assert_eq!(end.taken.lock().unwrap()[0].state, JobState::Queued);
}

#[tokio::test]
async fn of_many_copies_at_once_one_is_taken() {
    let end = Endpoint::open(ARRIVAL).await;
    let body = body("queued", 1);
    let copies = (0..20).map(|_| end.send("workflow_job", "a", &body));
    let answers = futures_util::future::join_all(copies).await;
    assert!(answers.iter().all(|status| *status == StatusCode::ACCEPTED), "{answers:?}");
    assert_eq!(end.taken(), [1]);
}

#[tokio::test]
async fn what_is_no_news_of_a_job_is_answered_and_not_taken() {
    let end = Endpoint::open(ARRIVAL).await;
    for (event, body) in [
        ("ping", b"{\"zen\": \"Keep it logically awesome.\"}".to_vec()),
        ("workflow_job", body("waiting", 1)),
        ("push", b"{}".to_vec()),
    ] {
        assert_eq!(end.send(event, "a", &body).await, StatusCode::ACCEPTED, "{event}");
    }
    assert!(end.taken().is_empty());
    // Its id is not used up by that.
    end.send("workflow_job", "a", &body("queued", 1)).await;
    assert_eq!(end.taken(), [1]);
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let end = Endpoint::open(ARRIVAL).await;
    let good = body("queued", 1);
    let guessed = signature("guessed", &good);
    for sign in [guessed.as_str(), "", "sha256=", "sha256=zz", "sha1=00"] {
        let status = end.send_signed("workflow_job", "a", &good, sign).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{sign}");
    }
    for malformed in [&b"{"[..], b"{}", b"", b"[]", b"\xff"] {
        let status = end.send("workflow_job", "a", malformed).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    assert!(end.taken().is_empty());
    assert_eq!(end.send("workflow_job", "a", &good).await, StatusCode::ACCEPTED);
    let get = end.client.get(&end.url).send().await.unwrap();
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_body_is_as_large_as_github_may_send_and_no_larger() {
    const MOST: usize = 25 * 1024 * 1024;
    let end = Endpoint::open(LIMIT).await;
    // Read whole, or its signature would not be found right.
    let largest = vec![b' '; MOST];
    assert_eq!(end.send("ping", "a", &largest).await, StatusCode::ACCEPTED);
    let head = "POST /hook HTTP/1.1\r\nHost: larm\r\n";
    let said = format!("{head}Content-Length: {}\r\n\r\n", MOST + 1);
    assert_eq!(end.raw(&said).await, "HTTP/1.1 413");
    // One that does not say how large it is: the last chunk is one byte too much.
    let chunk = format!("{MOST:x}\r\n{}\r\n1\r\n \r\n", " ".repeat(MOST));
    let unsaid = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}");
    assert_eq!(end.raw(&unsaid).await, "HTTP/1.1 413");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let end = Endpoint::open(Duration::from_millis(50)).await;
    let head = "POST /hook HTTP/1.1\r\nHost: larm\r\nContent-Length: 100\r\n\r\n{";
    assert_eq!(end.raw(head).await, "HTTP/1.1 408");
    assert!(end.taken().is_empty());
}

#[tokio::test]
async fn what_the_farm_cannot_take_is_to_come_again() {
    let end = Endpoint::open(ARRIVAL).await;
    *end.full.lock().unwrap() = true;
    let body = body("queued", 1);
    assert_eq!(end.send("workflow_job", "a", &body).await, StatusCode::SERVICE_UNAVAILABLE);
    *end.full.lock().unwrap() = false;
    assert_eq!(end.send("workflow_job", "a", &body).await, StatusCode::ACCEPTED);
    assert_eq!(end.taken(), [1]);
}

#[tokio::test]
async fn of_what_github_sends_twice_and_others_forge_the_truth_is_taken() {
    let (hub, end) = (Hub::open().await, Endpoint::open(ARRIVAL).await);
    let scope = Scope::Organization("acme".to_owned());
    hub.github.add_hook(Hook { url: end.url.clone(), secret: SECRET.into(), scope });
    let webhooks = WebhookFaults { duplicated: 500, forged: 300, ..WebhookFaults::default() };
    hub.github.set_faults(Faults { seed: 3, webhooks, ..Faults::default() });
    let ids: Vec<u64> = (0..40).map(|_| hub.github.queue_job(job("acme/site", &["x"]))).collect();
    let sent = settled(&hub.github).await;
    assert!(sent.iter().all(|one| one.status.1 == 202), "{sent:?}");
    assert_eq!(end.taken(), ids);
}
