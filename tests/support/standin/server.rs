//! The HTTP server on its unix socket: routes, the log of requests, and faults of calls.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request as HttpRequest, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, delete, get, post};
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::answer::Refusal;
use super::host::not_found;
use super::world::World;
use super::{events, exec, files, host, images, instances, logs, operations, power, publish};

/// How many requests the log keeps.
const LOG: usize = 200_000;

/// A request that was received.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its path, with the query.
    pub path: String,
    /// When it came.
    pub at: Instant,
}

/// Accepts connections that end with this run of the server.
struct Door {
    listener: UnixListener,
    serving: CancellationToken,
}

/// A connection that breaks when the server is stopped.
struct Line {
    stream: UnixStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl World {
    /// Opens the socket and serves until stopped.
    pub(super) fn serve(self: &Arc<Self>, socket: &Path) -> io::Result<()> {
        if self.with(|all| std::mem::replace(&mut all.serving, true)) {
            return Ok(());
        }
        let listener = UnixListener::bind(socket)?;
        let door = Door { listener, serving: self.serving_token() };
        let app = routes(Arc::clone(self));
        self.work(async move {
            // It ends only by being dropped.
            drop(axum::serve(door, app).await);
        });
        self.autostart();
        Ok(())
    }

    /// Closes the socket and all connections; what the server knew only for itself is lost.
    pub(super) fn close(&self, socket: &Path) -> io::Result<()> {
        if !self.with(|all| std::mem::replace(&mut all.serving, false)) {
            return Ok(());
        }
        self.stop_serving();
        self.with(|all| {
            all.operations.clear();
            all.sessions.clear();
        });
        std::fs::remove_file(socket)
    }
}

fn routes(world: Arc<World>) -> Router {
    let instance = Router::new()
        .route(
            "/",
            get(instances::show)
                .put(instances::put)
                .patch(instances::patch)
                .delete(instances::delete),
        )
        .route("/state", get(power::show).put(power::change))
        .route("/exec", post(exec::start))
        .route("/files", any(files::handle))
        .route("/console", get(logs::console).delete(logs::console))
        .route("/logs", get(logs::list))
        .route("/logs/{log}", get(logs::one).delete(logs::one))
        .route("/logs/exec-output/{log}", get(logs::exec_output).delete(logs::exec_output));
    Router::new()
        .route("/", get(host::root))
        .route("/1.0", get(host::server))
        .route("/1.0/events", get(events::stream))
        .route("/1.0/operations", get(operations::list))
        .route("/1.0/operations/{id}", get(operations::show).delete(operations::cancel))
        .route("/1.0/operations/{id}/wait", get(operations::wait))
        .route("/1.0/operations/{id}/websocket", get(exec::connect))
        .route("/1.0/instances", get(instances::list).post(instances::create))
        .nest("/1.0/instances/{name}", instance)
        .route("/1.0/images", get(images::list).post(images::import))
        .route("/1.0/images/aliases", get(images::aliases).post(images::aliases))
        .route(
            "/1.0/images/aliases/{name}",
            get(images::alias).put(images::alias).delete(images::alias),
        )
        .route(
            "/1.0/images/{fingerprint}",
            get(images::one).patch(publish::mark).delete(images::one),
        )
        .route("/1.0/storage-pools/{name}/resources", get(host::pool_resources))
        .route("/1.0/{kind}", get(host::collection).post(host::collection))
        .route("/1.0/{kind}/{name}", get(host::member).put(host::member).patch(host::member))
        .route("/1.0/{kind}/{name}", delete(host::member))
        .fallback(async || not_found().answer())
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(&world), watched))
        .with_state(world)
}

/// Logs each request, and does to it what was ordered.
async fn watched(State(world): State<Arc<World>>, request: HttpRequest, next: Next) -> Response {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    // Websockets fail by being cut, and a wait is no step of its own.
    let spared = path.starts_with("/1.0/events") || path.contains("/websocket");
    let seen = Request { method: request.method().clone(), path, at: Instant::now() };
    world.with(|all| {
        if all.requests.len() >= LOG {
            all.requests.pop_front();
        }
        all.requests.push_back(seen);
    });
    if spared {
        return next.run(request).await;
    }
    sleep(world.faults.latency()).await;
    let broken = || Refusal::new(500, "Failed to begin transaction: database is locked").answer();
    if world.faults.refuses() {
        return broken();
    }
    let answer = next.run(request).await;
    if world.faults.loses_answer() { broken() } else { answer }
}

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let cut = Box::pin(self.serving.clone().cancelled_owned());
        (Line { stream, cut }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
