//! GitHub's webhooks (GitHub documentation, "Validating webhook deliveries").
//!
//! A delivery is checked, taken note of and answered; what follows from it comes afterwards.
//! GitHub gives ten seconds, and calls what takes longer failed.
//!
//! Whoever reaches the address can send, so bodies that are not verified yet get only so much
//! memory together, and only so much time.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::StreamExt;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::farm::Overrun;
use crate::github::{self, Delivery, WebhookError};
use crate::model::Sighting;

/// The longest body that GitHub sends (GitHub documentation, "Webhook events and payloads").
const MAX_BODY: usize = 25 * 1024 * 1024;
/// How many bytes all bodies that are arriving may have together.
const MAX_ARRIVING: usize = 64 * 1024 * 1024;
/// How many deliveries are remembered, so that what comes twice is looked at once.
const REMEMBERED: usize = 10_000;
/// GitHub's ids have 36 characters; they are not signed, and longer ones are not kept.
const LONGEST_ID: usize = 100;

/// Takes in what a webhook says of a job. Never waits.
pub type Sink = Arc<dyn Fn(Sighting, Timestamp) -> Result<(), Overrun> + Send + Sync>;

/// Is told what became of each delivery, in a word of a fixed set. Never waits.
pub type Counter = Arc<dyn Fn(&'static str) + Send + Sync>;

/// What a webhook needs.
#[derive(Clone)]
pub struct Webhook {
    /// Where the news goes.
    pub sink: Sink,
    /// What GitHub signs deliveries with.
    pub secret: SecretString,
    /// The path of its URL.
    pub path: String,
    /// How long a body may take to arrive; [`ARRIVAL`] suits GitHub.
    pub arrival: Duration,
    /// What became of them.
    pub counter: Counter,
}

/// How long GitHub waits for an answer (GitHub documentation, "Best practices for using webhooks").
pub const ARRIVAL: Duration = Duration::from_secs(10);

struct Receiver {
    webhook: Webhook,
    seen: Mutex<Seen>,
    /// In bytes.
    room: Semaphore,
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

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("path", &self.path).finish_non_exhaustive()
    }
}

fn router(webhook: Webhook) -> Router {
    let path = webhook.path.clone();
    let room = Semaphore::new(MAX_ARRIVING);
    let receiver = Arc::new(Receiver { webhook, seen: Mutex::default(), room });
    Router::new().route(&path, post(receive)).with_state(receiver)
}

async fn receive(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut arriving = Arriving { room: &receiver.room, bytes: Vec::new(), permit: None };
    let outcome = match tokio::time::timeout(receiver.webhook.arrival, arriving.read(body)).await {
        Ok(Ok(())) => receiver.take(&parts.headers, &arriving.bytes),
        Ok(Err(outcome)) => outcome,
        Err(_) => Outcome::Slow,
    };
    (receiver.webhook.counter)(outcome.word());
    outcome.into_response()
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It tells of a job, and was passed on.
    Taken,
    /// It came before.
    Known,
    /// It tells of nothing that larm looks at.
    Ignored,
    /// Its signature is wrong.
    Unsigned,
    /// It is signed, and not what GitHub documents.
    Malformed,
    /// The farm takes no more now.
    Overrun,
    /// Bodies that are arriving leave it no room.
    NoRoom,
    /// It is larger than GitHub sends.
    TooLarge,
    /// Its body broke off.
    BrokenOff,
    /// Its body took too long.
    Slow,
}

impl Outcome {
    /// The word that metrics have for it.
    fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Known => "known",
            Self::Ignored => "ignored",
            Self::Unsigned => "unsigned",
            Self::Malformed => "malformed",
            Self::Overrun => "overrun",
            Self::NoRoom => "no-room",
            Self::TooLarge => "too-large",
            Self::BrokenOff => "broken-off",
            Self::Slow => "slow",
        }
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        match self {
            Self::Taken => (StatusCode::ACCEPTED, "taken\n").into_response(),
            Self::Known => (StatusCode::ACCEPTED, "known\n").into_response(),
            Self::Ignored => (StatusCode::ACCEPTED, "nothing to do\n").into_response(),
            Self::Unsigned => {
                (StatusCode::UNAUTHORIZED, "the signature is not right\n").into_response()
            }
            Self::Malformed => (StatusCode::BAD_REQUEST, "this cannot be read\n").into_response(),
            Self::Overrun => {
                (StatusCode::SERVICE_UNAVAILABLE, "too much at once\n").into_response()
            }
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            Self::BrokenOff => StatusCode::BAD_REQUEST.into_response(),
            Self::Slow => StatusCode::REQUEST_TIMEOUT.into_response(),
        }
    }
}

/// A body on its way, with the room that it takes.
struct Arriving<'a> {
    room: &'a Semaphore,
    bytes: Vec<u8>,
    permit: Option<SemaphorePermit<'a>>,
}

impl Arriving<'_> {
    async fn read(&mut self, body: Body) -> Result<(), Outcome> {
        // What says that it is too large need not be read to find out.
        if body.size_hint().lower() > u64::try_from(MAX_BODY).unwrap_or(u64::MAX) {
            return Err(Outcome::TooLarge);
        }
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Outcome::BrokenOff)?;
            if self.bytes.len() + chunk.len() > MAX_BODY {
                return Err(Outcome::TooLarge);
            }
            let size = u32::try_from(chunk.len()).map_err(|_| Outcome::TooLarge)?;
            let more = self.room.try_acquire_many(size).map_err(|_| Outcome::NoRoom)?;
            match &mut self.permit {
                Some(permit) => permit.merge(more),
                None => self.permit = Some(more),
            }
            self.bytes.extend_from_slice(&chunk);
        }
        Ok(())
    }
}

impl Receiver {
    fn take(&self, headers: &HeaderMap, body: &[u8]) -> Outcome {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let signature = header("x-hub-signature-256").unwrap_or_default();
        if github::verify(&self.webhook.secret, signature, body).is_err() {
            tracing::debug!("a webhook delivery with a wrong signature was refused");
            return Outcome::Unsigned;
        }
        match github::parse(header("x-github-event").unwrap_or_default(), body) {
            Ok(Delivery::Job { sighting, .. }) => {
                self.pass_on(header("x-github-delivery").unwrap_or_default(), *sighting)
            }
            Ok(Delivery::Waiting | Delivery::Ping | Delivery::Other(_)) => Outcome::Ignored,
            Err(WebhookError::Signature | WebhookError::Malformed) => {
                tracing::warn!("a webhook delivery could not be read");
                Outcome::Malformed
            }
        }
    }

    fn pass_on(&self, id: &str, sighting: Sighting) -> Outcome {
        // Locked all along, so that of two that come at once one is known already.
        let mut seen = self.lock();
        if seen.knows(id) {
            return Outcome::Known;
        }
        match (self.webhook.sink)(sighting, clock::now()) {
            Ok(()) => {
                seen.remember(id);
                Outcome::Taken
            }
            Err(error) => {
                tracing::warn!(%error, "a webhook delivery was refused");
                Outcome::Overrun
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
        if id.is_empty() || id.len() > LONGEST_ID || !self.ids.insert(id.to_owned()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_that_arrive_together_have_only_so_much_room() {
        let room = Semaphore::new(10);
        let arriving = || Arriving { room: &room, bytes: Vec::new(), permit: None };
        let (mut first, mut second, mut third) = (arriving(), arriving(), arriving());
        assert_eq!(first.read(Body::from("123456")).await, Ok(()));
        let parts = ["12", "34"].map(Ok::<_, io::Error>);
        let in_parts = Body::from_stream(futures_util::stream::iter(parts));
        assert_eq!(second.read(in_parts).await, Ok(()));
        assert_eq!(second.bytes, b"1234");
        assert_eq!(third.read(Body::from("1")).await, Err(Outcome::NoRoom));
        drop(first);
        assert_eq!(third.read(Body::from("1")).await, Ok(()));
        drop((second, third));
        assert_eq!(room.available_permits(), 10);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        let room = Semaphore::new(10);
        let mut arriving = Arriving { room: &room, bytes: Vec::new(), permit: None };
        let parts = [Ok("12"), Err(io::Error::other("gone"))];
        let broken = Body::from_stream(futures_util::stream::iter(parts));
        assert_eq!(arriving.read(broken).await, Err(Outcome::BrokenOff));
    }

    #[test]
    fn the_oldest_ids_are_forgotten_and_long_ones_are_not_kept() {
        let mut seen = Seen::default();
        for n in 0..=REMEMBERED {
            seen.remember(&n.to_string());
        }
        seen.remember(&"x".repeat(LONGEST_ID + 1));
        assert_eq!((seen.ids.len(), seen.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!seen.knows("0") && seen.knows("1") && seen.knows(&REMEMBERED.to_string()));
    }
}
