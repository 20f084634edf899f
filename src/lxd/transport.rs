//! HTTP over the unix socket: one request, one capped answer, one time limit.
//!
//! It knows nothing about LXD but where it listens; envelopes are read in `envelope.rs`,
//! connections are kept in `pool.rs`.

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::error::{Error, ErrorKind};
use super::pool::Pool;
use super::route::Route;
use super::socket::SocketPlaces;

/// A refusal is read up to here, whatever the caller wants to read of the thing itself.
const REFUSAL_CAP: usize = 64 << 10;

/// A request's body.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What to do with an answer that is larger than the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overflow {
    /// Fail with `TooLarge`; reading stops at the cap.
    Refuse,
    /// Keep the beginning; reading stops at the cap.
    KeepHead,
    /// Keep the end: all is read, no more than the cap is held.
    KeepTail,
}

/// One request.
pub(super) struct Call {
    /// What is tried, for errors.
    pub(super) subject: String,
    pub(super) method: Method,
    pub(super) route: Route,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Body,
    /// For the whole exchange.
    pub(super) limit: Duration,
    /// The most bytes of the answer that are held.
    pub(super) cap: usize,
    pub(super) overflow: Overflow,
}

/// One answer.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Something was left out because of the cap.
    pub(super) truncated: bool,
}

/// The way to one LXD.
#[derive(Debug)]
pub(super) struct Transport {
    places: SocketPlaces,
    pool: Pool,
}

impl Transport {
    pub(super) fn new(places: SocketPlaces) -> Self {
        Self { pool: Pool::new(places.clone()), places }
    }

    /// Makes one exchange within the call's time limit.
    pub(super) async fn send(&self, call: Call) -> Result<Reply, Error> {
        let (subject, limit) = (call.subject.clone(), call.limit);
        timeout(limit, self.exchange(call)).await.unwrap_or_else(|_| {
            let reason = format!("no answer within {} s", limit.as_secs_f32());
            Err(Error::new(subject, ErrorKind::Unreachable { reason }))
        })
    }

    async fn exchange(&self, call: Call) -> Result<Reply, Error> {
        let Call { subject, method, route, headers, body, cap, overflow, .. } = call;
        let request = request(method, &route, headers, body)
            .map_err(|e| Error::new(&*subject, local(&e)).with_source(e))?;
        let sent = self.pool.send(request).await;
        let (answer, connection) = sent.map_err(|e| self.failure(&subject, e))?;
        let (parts, body) = answer.into_parts();
        let (most, overflow) = if parts.status.is_success() {
            (cap, overflow)
        } else {
            (REFUSAL_CAP, Overflow::KeepHead)
        };
        let (body, truncated) = match read(body, most, overflow).await {
            Ok(read) => read,
            Err(ReadFault::TooLarge) => {
                return Err(Error::new(subject, ErrorKind::TooLarge { cap }));
            }
            Err(ReadFault::Broken(error)) => return Err(self.failure(&subject, error)),
        };
        // What is left unread closes the connection, which costs less than to read it.
        if !truncated || overflow == Overflow::KeepTail {
            self.pool.give_back(connection);
        }
        Ok(Reply { status: parts.status, headers: parts.headers, body, truncated })
    }

    /// A fresh connection of its own, for a websocket.
    pub(super) async fn connect(&self, subject: &str) -> Result<UnixStream, Error> {
        UnixStream::connect(self.places.current())
            .await
            .map_err(|error| self.failure(subject, error))
    }

    /// What the socket said, as our error.
    fn failure(&self, subject: &str, error: impl StdError + Send + Sync + 'static) -> Error {
        let cause = io_cause(&error);
        let kind = match cause {
            Some(io::ErrorKind::NotFound) => {
                ErrorKind::NoSocket { tried: self.places.all().map(Path::to_owned).collect() }
            }
            Some(io::ErrorKind::PermissionDenied) => {
                let message = self.places.current().display().to_string();
                ErrorKind::PermissionDenied { message }
            }
            _ => ErrorKind::Unreachable { reason: deepest(&error) },
        };
        Error::new(subject, kind).with_source(error)
    }
}

fn request(
    method: Method,
    route: &Route,
    headers: Vec<(&'static str, String)>,
    body: Body,
) -> Result<Request<Body>, http::Error> {
    let uri = Uri::builder().path_and_query(route.to_wire()).build()?;
    let mut request = Request::builder().method(method).uri(uri).header(header::HOST, "lxd");
    for (name, value) in headers {
        request = request.header(name, HeaderValue::try_from(value)?);
    }
    request.body(body)
}

/// A body that is sent as it is.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    UnsyncBoxBody::new(Full::new(bytes.into()).map_err(|never| match never {}))
}

/// No body.
pub(super) fn empty() -> Body {
    UnsyncBoxBody::new(Empty::new().map_err(|never| match never {}))
}

enum ReadFault {
    TooLarge,
    Broken(hyper::Error),
}

async fn read(
    mut body: Incoming,
    cap: usize,
    overflow: Overflow,
) -> Result<(Bytes, bool), ReadFault> {
    let mut held = BytesMut::new();
    let mut truncated = false;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(ReadFault::Broken)?.into_data() else { continue };
        held.extend_from_slice(&data);
        let excess = held.len().saturating_sub(cap);
        if excess == 0 {
            continue;
        }
        truncated = true;
        match overflow {
            Overflow::Refuse => return Err(ReadFault::TooLarge),
            Overflow::KeepHead => {
                held.truncate(cap);
                break;
            }
            Overflow::KeepTail => drop(held.split_to(excess)),
        }
    }
    Ok((held.freeze(), truncated))
}

fn local(error: &http::Error) -> ErrorKind {
    ErrorKind::Local { reason: format!("the request could not be written down: {error}") }
}

/// The kind of the first I/O error in a chain of causes.
fn io_cause(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    chain(error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind)
}

/// The words of the last cause, which are the only ones that say something.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |cause: &&'a (dyn StdError + 'static)| (*cause).source())
}
