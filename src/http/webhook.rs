//! GitHub's webhooks (GitHub documentation, "Validating webhook deliveries").
//!
//! A delivery is checked, taken note of and answered; what follows from it comes afterwards.
//! GitHub gives ten seconds, and calls what takes longer failed.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::farm::Farm;
use crate::github::{self, Delivery, WebhookError};

/// The longest body that GitHub sends (GitHub documentation, "Webhook events and payloads").
const MAX_BODY: usize = 25 * 1024 * 1024;
/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How many deliveries are remembered, so that what comes twice is looked at once.
const REMEMBERED: usize = 10_000;

/// What a webhook needs.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where the news goes.
    pub farm: Farm,
    /// What GitHub signs deliveries with.
    pub secret: SecretString,
    /// The path of its URL.
    pub path: String,
}

#[derive(Debug, Clone)]
struct Receiver {
    webhook: Webhook,
    seen: Arc<Mutex<Seen>>,
}

/// Deliveries that were taken, the oldest forgotten first.
#[derive(Debug, Default)]
struct Seen {
    order: VecDeque<String>,
    ids: BTreeSet<String>,
}

/// Serves until told to stop.
pub async fn serve_webhook(
    listener: TcpListener,
    webhook: Webhook,
    stop: CancellationToken,
) -> io::Result<()> {
    let app = router(webhook);
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
}

fn router(webhook: Webhook) -> Router {
    let path = webhook.path.clone();
    let receiver = Receiver { webhook, seen: Arc::default() };
    Router::new()
        .route(&path, post(receive))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(receiver)
}

async fn receive(State(receiver): State<Receiver>, request: Request) -> Response {
    let headers = request.headers().clone();
    let arrival = Bytes::from_request(request, &());
    let body = match tokio::time::timeout(ARRIVAL, arrival).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return rejection.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    receiver.take(&headers, &body).into_response()
}

impl Receiver {
    fn take(&self, headers: &HeaderMap, body: &[u8]) -> (StatusCode, &'static str) {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let signature = header("x-hub-signature-256").unwrap_or_default();
        if github::verify(&self.webhook.secret, signature, body).is_err() {
            tracing::warn!("a webhook delivery with a wrong signature was refused");
            return (StatusCode::UNAUTHORIZED, "the signature is not right\n");
        }
        let delivery = match github::parse(header("x-github-event").unwrap_or_default(), body) {
            Ok(delivery) => delivery,
            Err(WebhookError::Signature | WebhookError::Malformed) => {
                tracing::warn!("a webhook delivery could not be read");
                return (StatusCode::BAD_REQUEST, "this cannot be read\n");
            }
        };
        let Delivery::Job { sighting, .. } = delivery else {
            return (StatusCode::ACCEPTED, "nothing to do\n");
        };
        let id = header("x-github-delivery").unwrap_or_default();
        if self.lock().knows(id) {
            return (StatusCode::ACCEPTED, "known\n");
        }
        match self.webhook.farm.deliver(*sighting, clock::now()) {
            Ok(()) => {
                self.lock().remember(id);
                (StatusCode::ACCEPTED, "taken\n")
            }
            Err(error) => {
                tracing::warn!(%error, "a webhook delivery was refused");
                (StatusCode::SERVICE_UNAVAILABLE, "too much at once\n")
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn knows(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    fn remember(&mut self, id: &str) {
        if id.is_empty() || !self.ids.insert(id.to_owned()) {
            return;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}
