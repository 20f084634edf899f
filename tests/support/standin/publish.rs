//! Images that are made from instances, and their properties. What is in the instance's files does
//! not become part of the image.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::Request;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Refusal, settle, sync};
use super::images::fingerprint_of;
use super::instance::Power;
use super::operations::{Ended, Order};
use super::project_of;
use super::world::{State as All, World};

#[derive(Debug, Deserialize)]
struct Asked {
    source: Source,
    #[serde(default)]
    properties: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Source {
    #[serde(rename = "type")]
    kind: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Marks {
    properties: Map<String, Value>,
}

/// `POST /1.0/images` with an instance as its source.
pub(super) async fn publish(world: &Arc<World>, project: String, request: Request<Body>) -> Answer {
    let asked = match axum::body::to_bytes(request.into_body(), usize::MAX).await {
        Ok(bytes) => serde_json::from_slice::<Asked>(&bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let asked = match asked {
        Ok(asked) if asked.source.kind == "instance" => asked,
        Ok(_) => return Refusal::new(400, "Invalid images JSON").answer(),
        Err(error) => return Refusal::new(400, error).answer(),
    };
    let order = Order {
        project: project.clone(),
        class: "task",
        description: "Downloading image",
        resources: Value::Null,
        metadata: Value::Null,
    };
    let making = Arc::clone(world);
    world.operate(order, async move {
        match making.with(|all| make(all, &project, &asked)) {
            Ok(fingerprint) => {
                let metadata = json!({"fingerprint": fingerprint, "size": "1048576"});
                Ended { metadata: Some(metadata), error: None }
            }
            Err(refusal) => Ended { metadata: None, error: Some(refusal) },
        }
    })
}

fn make(all: &mut All, project: &str, asked: &Asked) -> Result<String, Refusal> {
    let serial = all.next_serial();
    let key = (project.to_owned(), asked.source.name.clone());
    let instance = all.instances.get(&key).ok_or_else(|| Refusal::missing("Instance"))?;
    if instance.power != Power::Stopped {
        return Err(Refusal::new(400, "Cannot export a running instance as an image"));
    }
    let kind = if instance.is_vm() { "virtual-machine" } else { "container" };
    let name = asked.source.name.as_bytes();
    let fingerprint = fingerprint_of(&[name, format!("{serial}").as_bytes()]);
    let home = all.host.home(project, "features.images");
    all.host.add_image(&home, &fingerprint, 1_048_576, kind);
    let image = all.host.images.get_mut(&(home, fingerprint.clone()));
    if let Some(image) = image.and_then(Value::as_object_mut) {
        image.insert("properties".to_owned(), Value::Object(asked.properties.clone()));
    }
    Ok(fingerprint)
}

/// `PATCH /1.0/images/FINGERPRINT`: what is not named stays.
pub(super) async fn mark(
    State(world): State<Arc<World>>,
    Path(fingerprint): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Answer {
    let marks: Result<Marks, _> = serde_json::from_slice(&body);
    settle(world.with(|all| {
        let marks = marks.map_err(|error| Refusal::new(400, error.to_string()))?;
        let home = all.host.home(&project_of(&query), "features.images");
        let image = all.host.images.get_mut(&(home, fingerprint));
        let properties = image.and_then(|image| image.get_mut("properties")?.as_object_mut());
        properties.ok_or_else(|| Refusal::missing("Image"))?.extend(marks.properties);
        Ok(sync(&json!({})))
    }))
}
