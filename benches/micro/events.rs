//! LXD's events, from the socket through the hub to a reader: read from a websocket, decoded, handed
//! on. A server of the benchmark's own sends them, as many as it is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use criterion::{Criterion, Throughput};
use larm::lxd::{Client, ClientOptions, Event, EventHub, Events};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Fewer than the hub keeps for a slow reader, so that none is missed.
const MANY: usize = 500;

/// Each permit is one batch of events to send.
type Batches = Arc<Semaphore>;

pub(crate) fn measure(criterion: &mut Criterion) {
    let (runtime, directory) = (Runtime::new().unwrap(), TempDir::new().unwrap());
    let (batches, stop) = (Batches::new(Semaphore::new(0)), CancellationToken::new());
    let tracker = TaskTracker::new();
    let mut events = runtime.block_on(async {
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        let app = Router::new().route("/1.0/events", get(upgrade)).with_state(Arc::clone(&batches));
        tracker.spawn(async move { axum::serve(listener, app).await.unwrap() });
        let client = Client::new(ClientOptions::new(directory.path().join("socket")));
        let hub = EventHub::start(&client, &tracker, stop.clone());
        let events = hub.subscribe();
        hub.connected().await;
        events
    });
    let mut group = criterion.benchmark_group("LXD's events");
    group.throughput(Throughput::Elements(MANY.try_into().unwrap()));
    group.bench_function("500 operations, from the socket to a reader", |bencher| {
        bencher.iter_custom(|times| {
            (0..times).map(|_| runtime.block_on(batch(&batches, &mut events))).sum()
        });
    });
    group.finish();
    stop.cancel();
}

async fn batch(batches: &Batches, events: &mut Events) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "criterion counts in std's time")]
    let begin = Instant::now();
    batches.add_permits(1);
    let mut seen = 0;
    while seen < MANY {
        match events.next().await.unwrap() {
            Event::Operation(_) => seen += 1,
            Event::Connected | Event::Lifecycle(_) => {}
            Event::Missed { count } => panic!("{count} events were missed"),
            Event::Disconnected { reason } => panic!("{reason}"),
        }
    }
    begin.elapsed()
}

async fn upgrade(State(batches): State<Batches>, socket: WebSocketUpgrade) -> Response {
    socket.on_upgrade(async move |socket| send(socket, batches).await)
}

async fn send(mut socket: WebSocket, batches: Batches) {
    let text = operation();
    loop {
        batches.acquire().await.unwrap().forget();
        for _ in 0..MANY {
            // It ends when the hub has gone.
            if socket.send(Message::text(text.clone())).await.is_err() {
                return;
            }
        }
    }
}

/// An event as LXD 5.0 sends it when an exec ends.
fn operation() -> String {
    json!({
        "type": "operation",
        "timestamp": "2026-11-28T03:10:12.123456789Z",
        "location": "none",
        "project": "default",
        "metadata": {
            "id": "6b2f1f3e-3d0a-4c53-9d0f-2f6d1b7f3c11",
            "class": "task",
            "description": "Executing command",
            "created_at": "2026-11-28T03:10:11.123456789Z",
            "updated_at": "2026-11-28T03:10:12.123456789Z",
            "status": "Success",
            "status_code": 200,
            "resources": { "instances": ["/1.0/instances/larm-0123456789ab"] },
            "metadata": {
                "output": {
                    "1": "/1.0/instances/larm-0123456789ab/logs/exec-output/exec_6b2f.stdout",
                    "2": "/1.0/instances/larm-0123456789ab/logs/exec-output/exec_6b2f.stderr",
                },
                "return": 0,
            },
            "may_cancel": false,
            "err": "",
            "location": "none",
        },
    })
    .to_string()
}
