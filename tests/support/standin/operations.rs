//! Background operations: made, told of, waited for, forgotten (LXD documentation, "Operations").

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;
use uuid::Uuid;

use larm::clock;

use super::answer::{Answer, Refusal, background, error_in_success, settle, sync};
use super::faults::Fate;
use super::world::World;
use super::{Shape, project_of};

/// How long an operation can still be asked for after its end.
const AFTERLIFE: Duration = Duration::from_secs(5);

/// One operation.
#[derive(Debug)]
pub struct Operation {
    project: String,
    class: &'static str,
    description: &'static str,
    resources: Value,
    created: Timestamp,
    updated: Timestamp,
    status: (&'static str, u16),
    error: String,
    metadata: Value,
    done: watch::Sender<bool>,
}

/// How an operation's work ends: its metadata (none: as it was), and the error if it failed.
#[derive(Debug, Default)]
pub struct Ended {
    /// What is left in `metadata`.
    pub metadata: Option<Value>,
    /// LXD's words, when it failed.
    pub error: Option<Refusal>,
}

/// What an operation is to be made of.
#[derive(Debug)]
pub struct Order {
    /// The project.
    pub project: String,
    /// "task" or "websocket".
    pub class: &'static str,
    /// Like "Starting instance".
    pub description: &'static str,
    /// What it is about.
    pub resources: Value,
    /// What `metadata` holds from the start.
    pub metadata: Value,
}

impl Order {
    /// A task about one instance; `both` lists it among the containers too, as LXD does for
    /// some.
    pub fn about(project: &str, name: &str, description: &'static str, both: bool) -> Self {
        let mut resources = json!({"instances": [format!("/1.0/instances/{name}")]});
        if let (true, Some(fields)) = (both, resources.as_object_mut()) {
            fields.insert("containers".into(), json!([format!("/1.0/containers/{name}")]));
        }
        let project = project.to_owned();
        Self { project, class: "task", description, resources, metadata: Value::Null }
    }
}

impl From<Result<(), Refusal>> for Ended {
    fn from(outcome: Result<(), Refusal>) -> Self {
        Self { metadata: None, error: outcome.err() }
    }
}

impl Operation {
    fn show(&self, id: &str) -> Value {
        json!({
            "id": id, "class": self.class, "description": self.description,
            "created_at": self.created, "updated_at": self.updated,
            "status": self.status.0, "status_code": self.status.1, "resources": self.resources,
            "metadata": self.metadata, "may_cancel": false, "err": self.error, "location": "none",
        })
    }
}

impl World {
    /// Starts an operation and answers with its URL, as LXD does before the work is done.
    pub(super) fn operate<F>(self: &Arc<Self>, order: Order, work: F) -> Answer
    where
        F: Future<Output = Ended> + Send + 'static,
    {
        let id = Uuid::new_v4().to_string();
        self.operate_as(&id, order, work)
    }

    /// As `operate`, with an id that the work knows.
    pub(super) fn operate_as<F>(self: &Arc<Self>, id: &str, order: Order, work: F) -> Answer
    where
        F: Future<Output = Ended> + Send + 'static,
    {
        let fate = self.faults.fate(order.description);
        let shown = self.open_operation(id, order);
        let (world, worked) = (Arc::clone(self), id.to_owned());
        self.work(async move {
            match fate {
                Fate::EndlessBeforeWork => {}
                Fate::EndlessAfterWork => drop(work.await),
                Fate::Normal => {
                    let ended = work.await;
                    world.close_operation(&worked, ended);
                }
                Fate::Fails(text) => {
                    let error = Some(Refusal::new(400, text));
                    world.close_operation(&worked, Ended { metadata: None, error });
                }
            }
        });
        background(&format!("/1.0/operations/{id}"), &shown)
    }

    fn open_operation(&self, id: &str, order: Order) -> Value {
        let now = clock::now();
        let mut operation = Operation {
            project: order.project,
            class: order.class,
            description: order.description,
            resources: order.resources,
            created: now,
            updated: now,
            status: ("Pending", 105),
            error: String::new(),
            metadata: order.metadata,
            done: watch::Sender::new(false),
        };
        self.operation_event(&operation.project, &operation.show(id));
        operation.status = ("Running", 103);
        let shown = operation.show(id);
        self.operation_event(&operation.project, &shown);
        self.with(|all| all.operations.insert(id.to_owned(), operation));
        shown
    }

    fn close_operation(self: &Arc<Self>, id: &str, ended: Ended) {
        let told = self.with(|all| {
            let operation = all.operations.get_mut(id)?;
            operation.updated = clock::now();
            if let Some(metadata) = ended.metadata {
                operation.metadata = metadata;
            }
            // LXD stores the metadata while the operation is running, and tells of that too.
            let running = operation.show(id);
            operation.status = ("Success", 200);
            if let Some(error) = ended.error {
                operation.status = ("Failure", 400);
                operation.error = error.text;
            }
            operation.done.send_replace(true);
            let is_exec = operation.description == "Executing command";
            Some((operation.project.clone(), is_exec.then_some(running), operation.show(id)))
        });
        let Some((project, running, last)) = told else { return };
        // Both come from goroutines of their own: the last may overtake the one before it.
        let overtaken = running.is_some() && self.faults.coin();
        if overtaken {
            self.operation_event(&project, &last);
        }
        if let Some(running) = running {
            self.operation_event(&project, &running);
        }
        if !overtaken {
            self.operation_event(&project, &last);
        }
        let gone = id.to_owned();
        self.later(AFTERLIFE, move |world| {
            world.with(|all| all.operations.remove(&gone));
        });
    }

    fn shown_operation(&self, id: &str) -> Result<Value, Refusal> {
        let shown = self.with(|all| all.operations.get(id).map(|operation| operation.show(id)));
        shown.ok_or_else(|| Refusal::missing("Operation"))
    }
}

/// `GET /1.0/operations`.
pub(super) async fn list(
    State(world): State<Arc<World>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    let project = project_of(&query);
    let mut groups = BTreeMap::<String, Vec<Value>>::new();
    let full = query.get("recursion").is_some_and(|depth| depth == "1");
    world.with(|all| {
        for (id, operation) in all.operations.iter().filter(|(_, one)| one.project == project) {
            let shown =
                if full { operation.show(id) } else { json!(format!("/1.0/operations/{id}")) };
            groups.entry(operation.status.0.to_lowercase()).or_default().push(shown);
        }
    });
    sync(&json!(groups))
}

/// `GET /1.0/operations/ID`.
pub(super) async fn show(State(world): State<Arc<World>>, Path(id): Path<String>) -> Answer {
    settle(world.shown_operation(&id).map(|shown| sync(&shown)))
}

/// `DELETE /1.0/operations/ID`: none of ours can be cancelled.
pub(super) async fn cancel(State(world): State<Arc<World>>, Path(id): Path<String>) -> Answer {
    settle(
        world
            .shown_operation(&id)
            .and_then(|_| Err(Refusal::new(400, "This operation can't be cancelled"))),
    )
}

/// `GET /1.0/operations/ID/wait?timeout=SECONDS`.
pub(super) async fn wait(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    let done = world.with(|all| all.operations.get(&id).map(|one| one.done.subscribe()));
    let Some(mut done) = done else { return Refusal::missing("Operation").answer() };
    let seconds = query.get("timeout").and_then(|text| text.parse::<u64>().ok());
    let ended = match seconds {
        Some(seconds) => {
            let limit = Duration::from_secs(seconds);
            timeout(limit, done.wait_for(|done| *done)).await.is_ok()
        }
        None => done.wait_for(|done| *done).await.is_ok(),
    };
    if !ended && world.options.shape == Shape::Newer {
        return error_in_success(500, "context deadline exceeded");
    }
    match world.shown_operation(&id) {
        Err(refusal) => refusal.answer(),
        Ok(shown) => match shown.get("err").and_then(Value::as_str) {
            Some(text) if world.options.shape == Shape::Newer && !text.is_empty() => {
                error_in_success(400, text)
            }
            Some(_) | None => sync(&shown),
        },
    }
}
