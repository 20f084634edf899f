//! The stand-in GitHub: its handle and its server.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State as Extract};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::application::Application;
use super::hooks::Outgoing;
use super::jit::{self, Identity};
use super::record::{Event, JobId, JobRecord, JobSpec, RunnerRecord};
use super::scope::Scope;
use super::state::{NewRunner, Refused, State};
use super::{rest, sender, service};
use crate::clock;
use crate::guest::RunnerSource;

/// How many events a slow reader may be behind before it misses some.
const EVENTS: usize = 1024;

/// Where the runner application is served.
const APPLICATION_PATH: &str = "/actions-runner.tar";

/// The stand-in GitHub; cheap to clone.
#[derive(Debug, Clone)]
pub struct StandIn {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    url: String,
    application: Application,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    events: broadcast::Sender<Event>,
    stop: CancellationToken,
}

impl StandIn {
    /// A stand-in that guests reach at `url`, like `http://10.77.0.1:8080`.
    pub fn new(url: &str) -> io::Result<Self> {
        let inner = Inner {
            url: url.trim_end_matches('/').to_owned(),
            application: Application::build()?,
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            events: broadcast::Sender::new(EVENTS),
            stop: CancellationToken::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Serves on `listener` and sends webhooks until [`Self::stop`].
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let stop = self.inner.stop.clone();
        let sender = TaskTracker::new();
        sender.spawn(sender::run(self.clone()));
        let server = axum::serve(listener, self.router());
        server.with_graceful_shutdown(stop.cancelled_owned()).await
    }

    /// Ends the server and every long poll.
    pub fn stop(&self) {
        self.inner.stop.cancel();
    }

    /// Queues a job.
    pub fn queue_job(&self, spec: JobSpec) -> JobId {
        self.change(|state| state.queue_job(spec, clock::now()))
    }

    /// Every job there was.
    pub fn jobs(&self) -> Vec<JobRecord> {
        self.lock().jobs()
    }

    /// Every runner that is registered.
    pub fn runners(&self) -> Vec<RunnerRecord> {
        self.lock().runners()
    }

    /// Registers a runner that takes jobs of any repository and returns its encoded just-in-time
    /// configuration.
    pub fn jit_config(&self, name: &str, labels: &[&str]) -> Result<SecretString, Refused> {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let (name, scope) = (name.to_owned(), Scope::Anywhere);
        let new = NewRunner { name, labels, scope, group: 1, replace: false };
        self.register(new).map(|identity| jit::encode(&identity))
    }

    /// A token to register runners with; the URL to register at is [`Self::url`] and a path.
    pub fn registration_token(&self) -> SecretString {
        self.change(|state| state.new_token(Scope::Anywhere))
    }

    /// A token to remove a runner's registration with.
    pub fn remove_token(&self) -> SecretString {
        self.change(|state| state.new_token(Scope::Anywhere))
    }

    /// Removes a runner's registration; refused while it runs a job.
    pub fn remove_runner(&self, id: u64) -> Result<(), Refused> {
        self.change(|state| state.remove_runner(id, clock::now()))
    }

    /// What happens from here on. A reader that is 1024 events behind misses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.events.subscribe()
    }

    /// Waits until every job that was queued has ended.
    pub async fn all_finished(&self) {
        let mut changes = self.changes();
        while !self.jobs().iter().all(|job| job.state.is_final()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Where guests reach it, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The runner application.
    pub fn application(&self) -> &Application {
        &self.inner.application
    }

    /// The runner application as a guest downloads it from here.
    pub fn runner_source(&self) -> RunnerSource {
        RunnerSource::Download {
            url: format!("{}{APPLICATION_PATH}", self.inner.url),
            sha256: self.inner.application.sha256().to_owned(),
        }
    }

    pub(super) fn register(&self, new: NewRunner) -> Result<Identity, Refused> {
        let name = new.name.clone();
        let (id, token) = self.change(|state| state.register(new, clock::now()))?;
        let service = format!("{}{}", self.inner.url, service::PREFIX);
        Ok(Identity { id, name, service, token })
    }

    /// The runners as lists show them.
    pub(super) fn listed_runners(&self) -> Vec<RunnerRecord> {
        self.lock().listed_runners(clock::now())
    }

    /// The jobs as lists show them.
    pub(super) fn listed_jobs(&self) -> Vec<JobRecord> {
        self.lock().listed_jobs(clock::now())
    }

    /// The time of this server's clock, which may be wrong.
    pub(super) fn now(&self) -> Timestamp {
        let now = clock::now();
        now.saturating_add(self.lock().skew).unwrap_or(now)
    }

    /// The webhooks that are to be sent.
    pub(super) fn take_outbox(&self) -> Vec<Outgoing> {
        std::mem::take(&mut self.lock().hooks.outbox)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere is no reason to stop: every change is made whole before the next.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, publishes what happened, and wakes whoever waits.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, events, is_to_send) = {
            let mut state = self.lock();
            let result = change(&mut state);
            let events = std::mem::take(&mut state.events);
            (result, events, !state.hooks.outbox.is_empty())
        };
        if is_to_send || !events.is_empty() {
            self.inner.changed.send_modify(|count| *count += 1);
        }
        for event in events {
            // Nobody may listen, which is no error.
            drop(self.inner.events.send(event));
        }
        result
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    pub(super) fn stopped(&self) -> &CancellationToken {
        &self.inner.stop
    }

    fn router(&self) -> Router {
        rest::routes(self)
            .merge(service::routes())
            .route(APPLICATION_PATH, routing::get(application))
            .layer(middleware::from_fn_with_state(self.clone(), misbehave))
            .with_state(self.clone())
    }
}

async fn application(Extract(stand_in): Extract<StandIn>) -> Response {
    stand_in.application().archive().into_response()
}

async fn misbehave(Extract(stand_in): Extract<StandIn>, request: Request, next: Next) -> Response {
    let (delay, fails) = stand_in.lock().next_fault();
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
    if fails || draws_error(&stand_in, request.uri().path()) {
        return (StatusCode::INTERNAL_SERVER_ERROR, "ordered failure\n").into_response();
    }
    next.run(request).await
}

/// Whether a request of a runner fails as those of the REST API do, where that is ordered.
fn draws_error(stand_in: &StandIn, path: &str) -> bool {
    let mut state = stand_in.lock();
    path.starts_with(service::PREFIX) && state.faults().errors_for_runners && state.draws_error()
}
