//! The client itself: options, and the few ways in which a request is made.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::envelope;
use super::error::Error;
use super::hub::EventHub;
use super::networks::Tagged;
use super::observer::{self, Observed, Observer};
use super::operations::Operation;
use super::route::Route;
use super::socket::SocketPlaces;
use super::transport::{Call, Overflow, Reply, Transport, empty, full};

/// The largest answer in JSON that is read: a thousand instances with their state are 10 MiB.
const JSON_CAP: usize = 64 << 20;

/// For what LXD answers at once, or in newer versions does in the background.
const TELL_LIMIT: Duration = Duration::from_mins(2);

/// How to talk to LXD.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Where its unix socket is.
    pub socket: SocketPlaces,
    /// The project that everything happens in.
    pub project: String,
    /// Time limit of one ordinary request; waiting for operations and uploads have their own.
    pub timeout: Duration,
}

/// A client of one LXD, in one project; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    options: Arc<ClientOptions>,
    transport: Arc<Transport>,
    hub: Option<EventHub>,
    observer: Option<Arc<dyn Observer>>,
}

impl ClientOptions {
    /// Options for a socket: project `default`, 30 s.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        let timeout = Duration::from_secs(30);
        let socket = socket.into().into();
        Self { socket, project: "default".to_owned(), timeout }
    }
}

impl Client {
    /// A client; nothing is connected yet.
    pub fn new(options: ClientOptions) -> Self {
        let transport = Arc::new(Transport::new(options.socket.clone()));
        Self { options: Arc::new(options), transport, hub: None, observer: None }
    }

    /// The project that everything happens in.
    pub fn project(&self) -> &str {
        &self.options.project
    }

    /// The socket it talks to, or would now.
    pub fn socket(&self) -> &Path {
        self.options.socket.current()
    }

    /// The same client in another project. Its operations are waited for without the event hub,
    /// which hears one project only.
    #[must_use]
    pub fn with_project(&self, project: &str) -> Self {
        let options = ClientOptions { project: project.to_owned(), ..(*self.options).clone() };
        let hub = self.hub.clone().filter(|hub| hub.project() == project);
        Self { options: Arc::new(options), hub, ..self.clone() }
    }

    /// The same client with another time limit for ordinary requests.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let options = ClientOptions { timeout, ..(*self.options).clone() };
        Self { options: Arc::new(options), ..self.clone() }
    }

    /// The same client waiting for operations by `hub`'s events. A hub of another project is not
    /// taken.
    #[must_use]
    pub fn with_events(&self, hub: &EventHub) -> Self {
        let hub = Some(hub.clone()).filter(|hub| hub.project() == self.project());
        Self { hub, ..self.clone() }
    }

    /// The same client, which tells how LXD answers.
    #[must_use]
    pub fn observed_by(&self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self.clone() }
    }

    pub(super) fn observer(&self) -> Option<&dyn Observer> {
        self.observer.as_deref()
    }

    /// The event hub it waits with, if it has one.
    pub fn events(&self) -> Option<&EventHub> {
        self.hub.as_ref()
    }

    /// The same client, of which nobody is told.
    #[must_use]
    pub fn unobserved(&self) -> Self {
        Self { observer: None, ..self.clone() }
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// "start instance x in project y".
    pub(super) fn subject(&self, what: &str) -> String {
        format!("{what} in project {}", self.project())
    }

    /// A request in this project with the ordinary limits.
    pub(super) fn call(&self, what: &str, method: Method, route: Route) -> Call {
        Call {
            subject: self.subject(what),
            method,
            route: route.in_project(self.project()),
            headers: Vec::new(),
            body: empty(),
            limit: self.timeout(),
            cap: JSON_CAP,
            overflow: Overflow::Refuse,
        }
    }

    /// Sends a call and returns the answer as it is.
    pub(super) async fn send(&self, call: Call) -> Result<Reply, Error> {
        let Some(observer) = self.observer() else { return self.transport.send(call).await };
        let what = observer::word(&call.method, &call.route, &call.subject);
        let (method, begin) = (call.method.clone(), Instant::now());
        let sent = self.transport.send(call).await;
        let error = observer::fault(&method, &sent);
        observer.request(Observed { what, took: begin.elapsed(), error });
        sent
    }

    /// GET, decoded.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        what: &str,
        route: Route,
    ) -> Result<T, Error> {
        let call = self.call(what, Method::GET, route);
        let subject = call.subject.clone();
        envelope::sync(&subject, &self.send(call).await?)
    }

    /// GET, decoded; 404 is `None`.
    pub(super) async fn get_if_there<T: DeserializeOwned>(
        &self,
        what: &str,
        route: Route,
    ) -> Result<Option<T>, Error> {
        let call = self.call(what, Method::GET, route);
        let subject = call.subject.clone();
        let reply = self.send(call).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        envelope::sync(&subject, &reply).map(Some)
    }

    /// As [`Self::get_if_there`], with the version of what was read.
    pub(super) async fn get_tagged<T: DeserializeOwned>(
        &self,
        what: &str,
        route: Route,
    ) -> Result<Option<Tagged<T>>, Error> {
        let call = self.call(what, Method::GET, route);
        let subject = call.subject.clone();
        let reply = self.send(call).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let etag = reply.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        let etag = etag.unwrap_or_default().to_owned();
        Ok(Some(Tagged { value: envelope::sync(&subject, &reply)?, etag }))
    }

    /// POST, PUT or DELETE of something small: LXD answers at once, or, where it has become an
    /// operation (API extension `storage_and_network_operations`), when that has ended.
    pub(super) async fn tell(
        &self,
        what: &str,
        method: Method,
        route: Route,
        body: Option<&impl Serialize>,
    ) -> Result<(), Error> {
        self.settle(with_body(self.call(what, method, route), body)?).await
    }

    /// As [`Self::tell`], of what has not changed since `etag` was read.
    pub(super) async fn tell_if(
        &self,
        what: &str,
        method: Method,
        route: Route,
        body: &impl Serialize,
        etag: &str,
    ) -> Result<(), Error> {
        let mut call = with_body(self.call(what, method, route), Some(body))?;
        if !etag.is_empty() {
            call.headers.push(("if-match", etag.to_owned()));
        }
        self.settle(call).await
    }

    /// Sends a call, and waits for the operation that it may have become.
    async fn settle(&self, call: Call) -> Result<(), Error> {
        let subject = call.subject.clone();
        match envelope::sync_or_operation(&subject, &self.send(call).await?)? {
            Some(operation) => {
                self.wait(&operation, TELL_LIMIT.max(self.timeout())).await.map(drop)
            }
            None => Ok(()),
        }
    }

    /// POST, PUT or DELETE that LXD carries out in the background.
    pub(super) async fn order(
        &self,
        what: &str,
        method: Method,
        route: Route,
        body: Option<&impl Serialize>,
    ) -> Result<Operation, Error> {
        let call = with_body(self.call(what, method, route), body)?;
        let subject = call.subject.clone();
        let word = observer::word(&call.method, &call.route, &subject);
        let mark = self.events().and_then(EventHub::mark);
        let operation = envelope::operation(&subject, &self.send(call).await?)?;
        Ok(Operation { word, mark, ..operation })
    }
}

fn with_body(call: Call, body: Option<&impl Serialize>) -> Result<Call, Error> {
    let Some(body) = body else { return Ok(call) };
    let text =
        serde_json::to_vec(body).map_err(|error| envelope::undecodable(&call.subject, &error))?;
    let headers = vec![("content-type", "application/json".to_owned())];
    Ok(Call { headers, body: full(text), ..call })
}

/// For [`Client::tell`] and [`Client::order`] without a body.
pub(super) const NO_BODY: Option<&Value> = None;
