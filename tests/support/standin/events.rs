//! The event stream: `GET /1.0/events` as a websocket (LXD documentation, "Events").

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use larm::clock;

use super::world::World;

/// How many events may wait for the slowest listener before it is cut off.
const QUEUE: usize = 16_384;

/// Tells every listener what happens.
#[derive(Debug)]
pub struct Bus {
    sender: broadcast::Sender<Arc<Event>>,
}

/// One event.
#[derive(Debug)]
pub struct Event {
    kind: &'static str,
    project: String,
    text: String,
}

impl Bus {
    pub(super) fn new() -> Self {
        Self { sender: broadcast::channel(QUEUE).0 }
    }

    fn tell(&self, kind: &'static str, project: &str, metadata: &Value) {
        let text = json!({
            "type": kind, "timestamp": clock::now(), "metadata": metadata,
            "location": "none", "project": project,
        })
        .to_string();
        // Fails when nobody listens, which is nothing to mind.
        let _told = self.sender.send(Arc::new(Event { kind, project: project.into(), text }));
    }

    /// How many listeners there are.
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }
}

impl World {
    /// Tells of a change of an instance; `asked` when an API call asked for it.
    pub(super) fn lifecycle(
        &self,
        project: &str,
        action: &str,
        source: &str,
        context: Option<Value>,
        asked: bool,
    ) {
        if self.faults.drops_lifecycle() {
            return;
        }
        let mut metadata = json!({"action": action, "source": source});
        if let Some(fields) = metadata.as_object_mut() {
            if let Some(context) = context {
                fields.insert("context".into(), context);
            }
            if asked {
                let by = json!({"username": "root", "protocol": "unix", "address": "@"});
                fields.insert("requestor".into(), by);
            }
        }
        self.bus.tell("lifecycle", project, &metadata);
    }

    /// Tells of a change of an operation.
    pub(super) fn operation_event(&self, project: &str, operation: &Value) {
        if !self.faults.drops_operation() {
            self.bus.tell("operation", project, operation);
        }
    }
}

/// `GET /1.0/events?type=&project=`.
pub(super) async fn stream(
    State(world): State<Arc<World>>,
    Query(query): Query<BTreeMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let kinds = query.get("type").cloned();
    let everywhere = query.get("all-projects").is_some_and(|all| all == "true");
    let project = query.get("project").cloned().unwrap_or_else(|| "default".into());
    let wanted = move |event: &Event| {
        kinds.as_ref().is_none_or(|kinds| kinds.split(',').any(|kind| kind == event.kind))
            && (everywhere || event.project == project)
    };
    let events = world.bus.sender.subscribe();
    let cut = world.listeners_token();
    upgrade.on_upgrade(move |socket| forward(socket, events, wanted, cut))
}

async fn forward(
    mut socket: WebSocket,
    mut events: broadcast::Receiver<Arc<Event>>,
    wanted: impl Fn(&Event) -> bool,
    cut: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            () = cut.cancelled() => return,
            event = events.recv() => event,
            said = socket.recv() => match said {
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
        };
        match event {
            Ok(event) if wanted(&event) => {
                if socket.send(Message::text(event.text.clone())).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            // LXD drops a listener that does not keep up, too.
            Err(RecvError::Lagged(_) | RecvError::Closed) => return,
        }
    }
}
