//! `GET /metrics`: on the control socket always, and over TCP where the configuration wants it.
//!
//! Whoever reaches the TCP port can look, so there are only so many connections, each for one
//! look and only so long.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ControlApi;
use crate::metrics::Scrape;

/// What Prometheus calls its text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How many connections there may be at once.
const CONNECTIONS: usize = 16;
/// How long a connection may take, from its beginning to the end of the answer.
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
/// How long to wait where the host has no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// On the control socket.
pub(super) async fn show(State(api): State<ControlApi>) -> Response {
    answer(api.scrape).await
}

async fn alone(State(scrape): State<Scrape>) -> Response {
    answer(scrape).await
}

async fn answer(scrape: Scrape) -> Response {
    let failed = |why: String| {
        tracing::error!(%why, "the metrics could not be told");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    };
    scrape.catch_up().await;
    match tokio::task::spawn_blocking(move || scrape.text()).await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Ok(Err(error)) => failed(error.to_string()),
        Err(error) => failed(error.to_string()),
    }
}

/// Serves `GET /metrics` and nothing else until told to stop.
pub async fn serve_metrics(listener: TcpListener, scrape: Scrape, stop: CancellationToken) {
    let app = Router::new().route("/metrics", get(alone)).with_state(scrape);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let tracker = TaskTracker::new();
    let accept = async {
        loop {
            // Never closed: there always is a permit in the end. Who waits, waits in the kernel.
            let permit = Arc::clone(&room).acquire_owned().await;
            match listener.accept().await {
                Ok((stream, _)) => {
                    let app = app.clone();
                    tracker.spawn(async move {
                        serve_one(stream, app).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection for metrics could not be taken");
                    sleep(PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accept).await;
    tracker.close();
    tracker.wait().await;
}

async fn serve_one(stream: TcpStream, app: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_LIMIT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    match timeout(CONNECTION_LIMIT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a look at the metrics broke off"),
        Err(_) => tracing::debug!("a look at the metrics took too long"),
    }
}
