//! Background operations: wait, look, cancel (LXD documentation, "Background operations").
//!
//! Waiting subscribes to the event hub, which also knows of ends that came before. Unless the hub has
//! heard everything since the order, a look at the operation follows: so nothing falls between. While
//! the hub is down, or without one, it is a long poll of `/wait`. What is known of LXD's answers:
//!
//! * The URL can carry a query, so `/wait` must go into the path.
//! * A failed operation comes as `status_code: 400` with `err` in a good answer, or as an error.
//! * The error hides the metadata, so the operation is looked at once more while LXD still has it.
//! * An operation is forgotten 5 s after its end, and when LXD is restarted.
//! * Events of one operation can arrive out of order; the first final one counts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::classify::Origin;
use super::client::{Client, NO_BODY};
use super::envelope::{self, nullable};
use super::error::{Error, ErrorKind};
use super::events::OperationEvent;
use super::hub::{AFTER_GAP, Listener, Mark, News};
use super::observer::Observed;
use super::route::Route;
use super::status::StatusCode;
use super::transport::Call;

/// One long poll lasts so long at most.
const POLL: Duration = Duration::from_mins(1);
/// The answer to a long poll may be late by so much.
const GRACE: Duration = Duration::from_secs(10);
/// What may take so long is waited for without a look in between.
const LONG: Duration = Duration::from_hours(1);

/// Something that LXD does in the background.
///
/// What it prints in logs leaves the metadata out: an exec's has the secrets of its websockets.
#[derive(Clone, PartialEq, Deserialize)]
pub struct Operation {
    /// Its UUID.
    #[serde(default)]
    pub id: String,
    /// `task`, `websocket` or `token`.
    #[serde(default)]
    pub class: String,
    /// LXD's words for what it does.
    #[serde(default)]
    pub description: String,
    /// How far it was when LXD answered.
    pub status_code: StatusCode,
    /// Why it failed.
    #[serde(default)]
    pub err: String,
    /// What it has to say; `null` at first.
    #[serde(default)]
    pub metadata: Value,
    /// Whether it can be cancelled.
    #[serde(default, deserialize_with = "nullable")]
    pub may_cancel: bool,
    /// Its address as LXD returned it, with the query.
    #[serde(skip)]
    pub(super) url: String,
    /// Addresses of what it is about, by their kind.
    #[serde(default, deserialize_with = "nullable")]
    pub(super) resources: BTreeMap<String, Vec<String>>,
    /// What it was ordered for.
    #[serde(skip)]
    pub(super) subject: String,
    /// The same as a word, where it was ordered here.
    #[serde(skip)]
    pub(super) word: &'static str,
    /// The moment of the event stream before it was ordered.
    #[serde(skip)]
    pub(super) mark: Option<Mark>,
}

/// An operation that succeeded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Finished {
    /// What it had to say, like an exec's `return` or an import's `fingerprint`.
    pub metadata: Value,
}

/// An operation that came to an end, good or bad.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ended {
    pub(super) status_code: StatusCode,
    pub(super) err: String,
    pub(super) metadata: Value,
}

/// What came of one turn of waiting.
enum Heard {
    End(Ended),
    /// The stream has left a gap.
    Gap,
    /// Silence for as long as it is believed.
    Nothing,
}

impl Heard {
    fn of(news: News) -> Self {
        match news {
            News::Ended(event) => Self::End(Ended::told(*event)),
            News::Gap => Self::Gap,
            News::Silence => Self::Nothing,
        }
    }
}

impl Ended {
    pub(super) fn into_result(self, subject: &str) -> Result<Finished, Error> {
        match self.status_code {
            StatusCode::SUCCESS => Ok(Finished { metadata: self.metadata }),
            StatusCode::CANCELLED => {
                Err(Error::new(subject, ErrorKind::Cancelled { message: self.err }))
            }
            StatusCode(code) => {
                Err(Error::new(subject, ErrorKind::from_answer(Origin::Operation, code, &self.err)))
            }
        }
    }

    /// The word for its failure, if it failed.
    fn fault(&self) -> Option<&'static str> {
        let ended = self.clone().into_result("");
        ended.err().map(|error| error.kind().word())
    }

    fn of(operation: Operation) -> Option<Self> {
        let Operation { status_code, err, metadata, .. } = operation;
        status_code.is_final().then_some(Self { status_code, err, metadata })
    }

    fn told(event: OperationEvent) -> Self {
        Self { status_code: event.status_code, err: event.err, metadata: event.metadata }
    }
}

impl Operation {
    fn route(&self) -> Route {
        Route::returned(&self.url).unwrap_or_else(|| Route::new(&["operations", &self.id]))
    }

    fn is_under_way(&self, instance: &str) -> bool {
        let path = |url: &str| {
            url.split('?').next().and_then(|path| path.rsplit('/').next()) == Some(instance)
        };
        let mut instances = self.resources.get("instances").into_iter().flatten();
        !self.status_code.is_final() && instances.any(|url| path(url))
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("id", &self.id)
            .field("subject", &self.subject)
            .field("status_code", &self.status_code)
            .field("err", &self.err)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Waits until an operation has ended, for `limit` at most.
    ///
    /// # Errors
    /// Why it failed, in LXD's words; [`ErrorKind::TimedOut`] after `limit` (the operation goes
    /// on); [`ErrorKind::OperationLost`] if LXD does not know it any more.
    pub async fn wait(&self, operation: &Operation, limit: Duration) -> Result<Finished, Error> {
        self.end_of(operation, limit).await?.into_result(&operation.subject)
    }

    /// An operation as it is, or `None` if LXD does not know it (any more).
    pub async fn operation(&self, id: &str) -> Result<Option<Operation>, Error> {
        let what = format!("look at operation {id}");
        let route = Route::new(&["operations", id]);
        let found: Option<Operation> = self.get_if_there(&what, route).await?;
        Ok(found.map(|operation| Operation { subject: self.subject(&what), ..operation }))
    }

    /// What LXD does with an instance at the moment.
    pub async fn operations_of(&self, instance: &str) -> Result<Vec<Operation>, Error> {
        let what = format!("list the operations of instance {instance}");
        let route = Route::new(&["operations"]).query("recursion", "1");
        let by_status: BTreeMap<String, Vec<Operation>> = self.get(&what, route).await?;
        let subject = self.subject(&what);
        let all = by_status.into_values().flatten().filter(|one| one.is_under_way(instance));
        Ok(all.map(|operation| Operation { subject: subject.clone(), ..operation }).collect())
    }

    /// Asks LXD to cancel an operation. Those of an exec cannot be cancelled.
    pub async fn cancel(&self, operation: &Operation) -> Result<(), Error> {
        let what = format!("cancel operation {}", operation.id);
        self.tell(&what, Method::DELETE, operation.route(), NO_BODY).await
    }

    /// Waits for the end, good or bad.
    pub(super) async fn end_of(
        &self,
        operation: &Operation,
        limit: Duration,
    ) -> Result<Ended, Error> {
        let begin = Instant::now();
        let ended = self.end_in_time(operation, limit).await;
        if let Some(observer) = self.observer() {
            let error = match &ended {
                Ok(ended) => ended.fault(),
                Err(error) => Some(error.kind().word()),
            };
            let what = if operation.word.is_empty() { "other" } else { operation.word };
            let took = begin.elapsed();
            observer.operation(Observed { what, took, error });
        }
        ended
    }

    async fn end_in_time(&self, operation: &Operation, limit: Duration) -> Result<Ended, Error> {
        if let Some(ended) = Ended::of(operation.clone()) {
            return Ok(ended);
        }
        let timed_out = || Error::new(&*operation.subject, ErrorKind::TimedOut { limit });
        timeout(limit, self.until_end(operation, patience(limit))).await.map_err(|_| timed_out())?
    }

    async fn until_end(
        &self,
        operation: &Operation,
        patience: Option<Duration>,
    ) -> Result<Ended, Error> {
        let mut listener = self.events().map(|hub| hub.listen(&operation.id, operation.mark));
        let mut after_gap = false;
        loop {
            let patience = if after_gap { Some(AFTER_GAP) } else { patience };
            match self.turn(operation, listener.as_mut(), patience).await? {
                Heard::End(ended) => return Ok(ended),
                Heard::Gap => after_gap = true,
                Heard::Nothing => after_gap = false,
            }
        }
    }

    /// One turn of waiting.
    async fn turn(
        &self,
        operation: &Operation,
        listener: Option<&mut Listener>,
        patience: Option<Duration>,
    ) -> Result<Heard, Error> {
        if let Some(listener) = listener {
            if listener.is_whole() {
                return Ok(Heard::of(listener.news(patience).await));
            }
            if listener.is_connected() {
                return self.look_then_listen(operation, listener, patience).await;
            }
        }
        Ok(self.poll(operation).await?.map_or(Heard::Gap, Heard::End))
    }

    async fn look_then_listen(
        &self,
        operation: &Operation,
        listener: &mut Listener,
        patience: Option<Duration>,
    ) -> Result<Heard, Error> {
        match self.look(operation).await {
            Ok(Some(ended)) => return Ok(Heard::End(ended)),
            Ok(None) => {}
            // LXD itself is in trouble for a moment, which says nothing about the operation.
            Err(error) if error.is_transient() && is_answer(&error) => {
                tracing::debug!(%error, "an operation could not be looked at");
            }
            Err(error) => return Err(error),
        }
        Ok(Heard::of(listener.news(patience).await))
    }

    /// The operation's end, if it has come.
    async fn look(&self, operation: &Operation) -> Result<Option<Ended>, Error> {
        let subject = operation.subject.clone();
        let call = self.call("look", Method::GET, operation.route());
        let reply = self.send(Call { subject: subject.clone(), ..call }).await?;
        if reply.status == http::StatusCode::NOT_FOUND {
            return Err(Error::new(subject, ErrorKind::OperationLost));
        }
        envelope::sync::<Operation>(&subject, &reply).map(Ended::of)
    }

    /// One long poll: the operation's end, or `None` if it has not come in this time.
    async fn poll(&self, operation: &Operation) -> Result<Option<Ended>, Error> {
        let seconds = POLL.as_secs().to_string();
        let route = operation.route().join("wait").query("timeout", &seconds);
        let call = self.call("wait", Method::GET, route);
        let subject = operation.subject.clone();
        let reply =
            self.send(Call { subject: subject.clone(), limit: POLL + GRACE, ..call }).await?;
        let refusal = match envelope::sync::<Operation>(&subject, &reply) {
            Ok(now) => return Ok(Ended::of(now)),
            Err(error) => error,
        };
        match self.look(operation).await {
            Err(lost) if *lost.kind() == ErrorKind::OperationLost && !refusal.is_not_found() => {
                Err(refusal)
            }
            seen => seen,
        }
    }
}

/// Whether LXD has answered, and not the socket.
fn is_answer(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Api { .. } | ErrorKind::OperationFailed { .. })
}

/// How long the hub's silence is believed. What is to end soon is looked at now and then, which is
/// cheap. What may last for hours is many, and there the hub is trusted, which leaves no gap
/// untold.
fn patience(limit: Duration) -> Option<Duration> {
    (limit < LONG).then(|| limit / 4)
}
