//! Images and their aliases (LXD documentation, "Images").

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use larm::clock;

use super::answer::{Answer, Refusal, created, settle, sync, sync_tagged};
use super::host::Host;
use super::operations::{Ended, Order};
use super::project_of;
use super::publish;
use super::world::World;

type Params = BTreeMap<String, String>;

/// An image's fingerprint: the SHA-256 of its parts one after the other.
pub(super) fn fingerprint_of(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    format!("{:x}", digest.finalize())
}

fn text_of(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Host {
    pub(super) fn add_image(&mut self, project: &str, fingerprint: &str, size: usize, kind: &str) {
        let now = clock::now();
        let image = json!({
            "auto_update": false, "public": false, "cached": false, "profiles": ["default"],
            "properties": {
                "architecture": "amd64", "description": "Debian bookworm (simulated)",
                "os": "Debian", "release": "bookworm", "variant": "cloud",
            },
            "expires_at": "1970-01-01T00:00:00Z", "architecture": "x86_64", "filename": "rootfs",
            "fingerprint": fingerprint, "size": size, "type": kind, "created_at": now,
            "last_used_at": now, "uploaded_at": now,
        });
        self.images.insert((project.to_owned(), fingerprint.to_owned()), image);
    }

    pub(super) fn add_alias(&mut self, project: &str, alias: &str, fingerprint: &str) {
        let kind = self.images.get(&(project.to_owned(), fingerprint.to_owned()));
        let kind = kind.and_then(|image| image.get("type")).cloned().unwrap_or_default();
        let one = json!({"description": "", "target": fingerprint, "name": alias, "type": kind});
        self.aliases.insert((project.to_owned(), alias.to_owned()), one);
    }

    /// The fingerprint that an alias stands for.
    pub(super) fn alias(&self, project: &str, alias: &str) -> Option<String> {
        let home = self.home(project, "features.images");
        let one = self.aliases.get(&(home, alias.to_owned()))?;
        one.get("target").and_then(Value::as_str).map(str::to_owned)
    }

    /// An image with its aliases, by its fingerprint.
    pub(super) fn image(&self, project: &str, fingerprint: &str) -> Option<Value> {
        let home = self.home(project, "features.images");
        let mut image = self.images.get(&(home.clone(), fingerprint.to_owned()))?.clone();
        let aliases: Vec<Value> = self
            .aliases
            .iter()
            .filter(|((project, _), one)| *project == home && text_of(one, "target") == fingerprint)
            .map(|((_, name), _)| json!({"name": name, "description": ""}))
            .collect();
        image.as_object_mut()?.insert("aliases".into(), json!(aliases));
        Some(image)
    }

    fn image_names(&self, home: &str) -> Vec<String> {
        let own = self.images.keys().filter(|(project, _)| project == home);
        own.map(|(_, fingerprint)| fingerprint.clone()).collect()
    }
}

/// `GET /1.0/images`.
pub(super) async fn list(State(world): State<Arc<World>>, Query(query): Query<Params>) -> Answer {
    let project = project_of(&query);
    let full = query.get("recursion").is_some_and(|depth| depth == "1");
    sync(&world.with(|all| {
        let names = all.host.image_names(&all.host.home(&project, "features.images"));
        let url = |name: &String| json!(format!("/1.0/images/{name}"));
        let shown = |name: &String| {
            if full { all.host.image(&project, name) } else { Some(url(name)) }
        };
        json!(names.iter().filter_map(shown).collect::<Vec<Value>>())
    }))
}

/// `POST /1.0/images`: one body, or `metadata` and `rootfs` as a form.
pub(super) async fn import(
    State(world): State<Arc<World>>,
    Query(query): Query<Params>,
    request: Request<Body>,
) -> Answer {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if kind == Some("application/json") {
        return publish::publish(&world, project_of(&query), request).await;
    }
    let form = kind.is_some_and(|kind| kind.starts_with("multipart/form-data"));
    let parts = if form { form_parts(request).await } else { whole_body(request).await };
    let (parts, kind) = match parts {
        Ok(parts) => parts,
        Err(refusal) => return refusal.answer(),
    };
    let project = project_of(&query);
    let order = Order {
        project: project.clone(),
        class: "task",
        description: "Downloading image",
        resources: Value::Null,
        metadata: Value::Null,
    };
    let adding = Arc::clone(&world);
    world.operate(order, async move {
        let slices: Vec<&[u8]> = parts.iter().map(AsRef::as_ref).collect();
        let fingerprint = fingerprint_of(&slices);
        let size = slices.iter().map(|part| part.len()).sum();
        let known = adding.with(|all| {
            let home = all.host.home(&project, "features.images");
            let known = all.host.image(&project, &fingerprint).is_some();
            all.host.add_image(&home, &fingerprint, size, kind);
            known
        });
        let text = "Image with same fingerprint already exists";
        let error = known.then(|| Refusal::new(400, text));
        let metadata = json!({"fingerprint": fingerprint, "size": size.to_string()});
        Ended { metadata: Some(metadata), error }
    })
}

async fn whole_body(request: Request<Body>) -> Result<(Vec<Bytes>, &'static str), Refusal> {
    let bytes = axum::body::to_bytes(request.into_body(), usize::MAX).await;
    let bytes = bytes.map_err(|error| Refusal::new(400, error.to_string()))?;
    Ok((vec![bytes], "container"))
}

async fn form_parts(request: Request<Body>) -> Result<(Vec<Bytes>, &'static str), Refusal> {
    let broken = |error: String| Refusal::new(400, error);
    let mut form =
        Multipart::from_request(request, &()).await.map_err(|e| broken(e.to_string()))?;
    let (mut parts, mut kind) = (Vec::new(), "container");
    while let Some(field) = form.next_field().await.map_err(|e| broken(e.to_string()))? {
        if field.name() == Some("rootfs.img") {
            kind = "virtual-machine";
        }
        parts.push(field.bytes().await.map_err(|e| broken(e.to_string()))?);
    }
    Ok((parts, kind))
}

/// `GET` and `DELETE /1.0/images/FINGERPRINT`.
pub(super) async fn one(
    State(world): State<Arc<World>>,
    Path(fingerprint): Path<String>,
    Query(query): Query<Params>,
    method: Method,
) -> Answer {
    let project = project_of(&query);
    // A prefix of the fingerprint will do.
    let found = world.with(|all| {
        let names = all.host.image_names(&all.host.home(&project, "features.images"));
        let full = names.iter().find(|name| name.starts_with(&fingerprint))?;
        all.host.image(&project, full)
    });
    let Some(image) = found else { return Refusal::missing("Image").answer() };
    if method == Method::GET {
        return sync_tagged(&image);
    }
    let full = text_of(&image, "fingerprint");
    let order = Order {
        project: project.clone(),
        class: "task",
        description: "Deleting image",
        resources: json!({"images": [format!("/1.0/images/{full}")]}),
        metadata: Value::Null,
    };
    let removing = Arc::clone(&world);
    world.operate(order, async move {
        removing.with(|all| {
            let home = all.host.home(&project, "features.images");
            all.host.aliases.retain(|(own, _), one| *own != home || text_of(one, "target") != full);
            all.host.images.remove(&(home, full));
        });
        Ended::default()
    })
}

/// `GET` and `POST /1.0/images/aliases`.
pub(super) async fn aliases(
    State(world): State<Arc<World>>,
    Query(query): Query<Params>,
    method: Method,
    body: Bytes,
) -> Answer {
    let project = project_of(&query);
    settle(world.with(|all| {
        let home = all.host.home(&project, "features.images");
        if method == Method::GET {
            let own = all.host.aliases.keys().filter(|(project, _)| *project == home);
            let urls: Vec<String> =
                own.map(|(_, name)| format!("/1.0/images/aliases/{name}")).collect();
            return Ok(sync(&json!(urls)));
        }
        let asked: Value =
            serde_json::from_slice(&body).map_err(|error| Refusal::new(400, error.to_string()))?;
        let text = |field: &str| asked.get(field).and_then(Value::as_str).unwrap_or_default();
        let (name, target) = (text("name"), text("target"));
        if name.is_empty() || target.is_empty() {
            return Err(Refusal::new(400, "name and target are required"));
        }
        if all.host.alias(&project, name).is_some() {
            return Err(Refusal::new(409, format!("Alias {name:?} already exists")));
        }
        all.host.image(&project, target).ok_or_else(|| Refusal::missing("Image"))?;
        all.host.add_alias(&home, name, target);
        Ok(created(&format!("/1.0/images/aliases/{name}")))
    }))
}

/// `GET`, `PUT`, `PATCH` and `DELETE /1.0/images/aliases/NAME`.
pub(super) async fn alias(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<Params>,
    method: Method,
    body: Bytes,
) -> Answer {
    let project = project_of(&query);
    settle(world.with(|all| {
        let home = all.host.home(&project, "features.images");
        let key = (home.clone(), name.clone());
        let missing = || Refusal::missing("Image alias");
        match method {
            Method::GET => all.host.aliases.get(&key).map(sync_tagged).ok_or_else(missing),
            Method::DELETE => {
                all.host.aliases.remove(&key).map(|_| sync(&json!({}))).ok_or_else(missing)
            }
            _ => {
                all.host.aliases.get(&key).ok_or_else(missing)?;
                let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
                let target = text_of(&asked, "target");
                all.host.image(&project, &target).ok_or_else(|| Refusal::missing("Image"))?;
                all.host.add_alias(&home, &name, &target);
                Ok(sync(&json!({})))
            }
        }
    }))
}
