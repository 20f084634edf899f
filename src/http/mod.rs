//! The control API on a unix socket: what `larm` the command asks of `larm serve`.
//!
//! | route | does |
//! |---|---|
//! | `GET /1.0` | who answers, and how LXD is ([`types::ServerInfo`]) |
//! | `GET /1.0/runners?state=&phase=&all=` | the runners ([`types::Runners`]) |
//! | `POST /1.0/runners` | creates one ([`types::CreateRequest`] -> [`types::Created`]) |
//! | `GET /1.0/runners/{id}?wait=PHASE&timeout=S` | one runner, at once or when it has come so far |
//! | `DELETE /1.0/runners/{id}` | removes one ([`types::DeleteRequest`] -> [`types::Removed`]) |
//! | `POST /1.0/runners/{id}/credential` | gives a standby its credential |
//! | `POST /1.0/runners/{id}/keep` | holds its instance, or lets go ([`types::KeepRequest`]) |
//! | `GET /1.0/runners/{id}/logs`, `.../logs/{name}` | its logs: kept ones, or of one that lives from its guest |
//! | `GET /1.0/runners/{id}/follow` | the log of one that lives, line by line, until it has ended |
//! | `GET /1.0/pools`, `.../pools/{name}` | the pools, and who is in them ([`types::farm::Pools`]) |
//! | `GET /1.0/jobs?all=&limit=`, `.../jobs/{id}` | the jobs ([`types::farm::Jobs`]) |
//! | `GET /1.0/why/{subject}` | why a job waits or a runner is as it is ([`types::farm::Why`]) |
//! | `POST /1.0/reload` | reads the configuration again ([`types::farm::Reloaded`]) |
//! | `POST /1.0/flush`, `POST /1.0/cleanup` | removes many ([`types::Removed`]) |
//! | `GET /metrics` | the metrics, as Prometheus reads them |
//! | `GET /1.0/events?after=&limit=&last=&runner=&part=&wait=S` | the journal; `wait` is a long poll |
//!
//! `{id}` is a runner's id, a unique beginning of it, or its full instance name. Errors are
//! [`types::ErrorBody`]. Every connection's peer is checked (`peer.rs`); there is no other
//! authentication, so whoever passes may do everything.

mod error;
mod events;
mod farm;
mod input;
mod jobs;
mod logs;
mod metrics;
mod peer;
mod pools;
mod reload;
mod runners;
mod socket;
pub mod types;
mod webhook;

use std::io;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::extract::connect_info::Connected;
use axum::middleware;
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::farm::Farm;
use crate::manager::LxdRunnerManager;
use crate::metrics::Scrape;
use crate::model::Spec;

pub use metrics::serve_metrics;
pub use peer::Gate;
pub use reload::{ReloadRequest, Reloads};
pub use socket::{BindError, Socket, bind};
pub use webhook::{ARRIVAL, Counter, Sink, Webhook, serve_webhook};

/// The longest request body that is read. A just-in-time configuration is some 4 KiB.
const MAX_BODY: usize = 256 * 1024;

/// What the routes need.
#[derive(Debug, Clone)]
pub struct ControlApi {
    /// Who does the work.
    pub manager: LxdRunnerManager,
    /// Who decides how many runners there are.
    pub farm: Farm,
    /// What is counted, and how it is looked at.
    pub scrape: Scrape,
    /// Who reads the configuration again.
    pub reloads: Reloads,
    /// What a runner is made from where the request does not say.
    pub default_spec: watch::Receiver<Spec>,
    /// Where runners with a registration token register, `https://github.com`.
    pub github_url: String,
    /// Ends long polls when the daemon stops.
    pub stop: CancellationToken,
}

/// All routes, without the check of the peer.
fn routes(api: ControlApi) -> Router {
    Router::new()
        .route("/1.0", get(farm::info))
        .route("/1.0/runners", get(runners::list).post(runners::create))
        .route("/1.0/runners/{id}", get(runners::show).delete(runners::delete))
        .route("/1.0/runners/{id}/credential", post(runners::give))
        .route("/1.0/runners/{id}/keep", post(runners::keep))
        .route("/1.0/runners/{id}/follow", get(logs::follow))
        .route("/1.0/runners/{id}/logs", get(logs::list))
        .route("/1.0/runners/{id}/logs/{name}", get(logs::read))
        .route("/1.0/pools", get(pools::list))
        .route("/1.0/pools/{name}", get(pools::show))
        .route("/1.0/jobs", get(jobs::list))
        .route("/1.0/jobs/{id}", get(jobs::show))
        .route("/1.0/why/{subject}", get(jobs::why))
        .route("/1.0/reload", post(reload::reload))
        .route("/1.0/flush", post(farm::flush))
        .route("/1.0/cleanup", post(farm::cleanup))
        .route("/1.0/events", get(events::list))
        .route("/metrics", get(metrics::show))
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::no_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(api)
}

/// Serves until [`ControlApi::stop`], then finishes the requests under way. The caller limits how
/// long that may take by dropping the future.
pub async fn serve(socket: Socket, gate: Gate, api: ControlApi) -> io::Result<()> {
    let stop = api.stop.clone();
    let app = routes(api).layer(middleware::from_fn_with_state(gate, peer::check));
    let (listener, _file) = socket.into_parts();
    axum::serve(listener, app.into_make_service_with_connect_info::<peer::Peer>())
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
}

impl Connected<IncomingStream<'_, UnixListener>> for peer::Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self::of(stream.io())
    }
}
