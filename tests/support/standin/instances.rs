//! Instances made, listed, changed and deleted (LXD documentation, "Instances").

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;
use uuid::Uuid;

use larm::clock;
use larm::guest::paths::{APPLICATION_PATH, SCRIPT};
use larm::model::InstanceType;

use super::answer::{Answer, Refusal, etag, settle, sync, sync_tagged};
use super::files::Files;
use super::guest::Guest;
use super::instance::{Down, FIRST_START, Instance, Power};
use super::operations::{Ended, Order};
use super::project_of;
use super::world::{Key, State as All, World};

type Params = BTreeMap<String, String>;

/// What a create asks for.
#[derive(Debug, Deserialize)]
struct Asked {
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    ephemeral: bool,
    profiles: Option<Vec<String>>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    devices: Value,
    #[serde(default)]
    description: String,
    source: Source,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Source {
    #[serde(rename = "type")]
    kind: String,
    alias: Option<String>,
    fingerprint: Option<String>,
    #[serde(rename = "source")]
    from: Option<String>,
    server: Option<String>,
}

/// What an update changes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Update {
    config: BTreeMap<String, String>,
    devices: Option<Value>,
    ephemeral: Option<bool>,
    profiles: Option<Vec<String>>,
    description: Option<String>,
}

/// `GET /1.0/instances?recursion=&filter=`.
pub(super) async fn list(State(world): State<Arc<World>>, Query(query): Query<Params>) -> Answer {
    let project = project_of(&query);
    let everywhere = query.get("all-projects").is_some_and(|all| all == "true");
    let filter = query.get("filter").map(String::as_str).unwrap_or_default();
    let depth = query.get("recursion").map_or("0", String::as_str);
    let shown: Vec<Value> = world.with(|all| {
        let wanted = all.instances.iter().filter(|(key, _)| everywhere || key.0 == project);
        wanted
            .filter(|(key, one)| filter.is_empty() || matches(&all.show_instance(key, one), filter))
            .map(|(key, one)| match depth {
                "1" => all.show_instance(key, one),
                "2" => all.show_whole(key, one),
                _ => json!(format!("/1.0/instances/{}", key.1)),
            })
            .collect()
    });
    sync(&json!(shown))
}

/// Whether an instance passes a filter of the form `FIELD eq VALUE and ...`.
fn matches(shown: &Value, filter: &str) -> bool {
    filter.split(" and ").all(|clause| {
        let Some((field, value)) = clause.split_once(" eq ") else { return false };
        let found = match field.split_once('.') {
            Some((object, key)) => shown.get(object).and_then(|object| object.get(key)),
            None => shown.get(field),
        };
        let value = value.trim().trim_matches('"');
        // Numbers and truth values are written as they are shown.
        found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned))
            == Some(value.to_owned())
    })
}

/// `GET /1.0/instances/NAME?recursion=`.
pub(super) async fn show(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<Params>,
) -> Answer {
    let key = (project_of(&query), name);
    let whole = query.get("recursion").is_some_and(|depth| depth == "1");
    let shown = world.with(|all| {
        let one = all.instances.get(&key)?;
        Some(if whole { all.show_whole(&key, one) } else { all.show_instance(&key, one) })
    });
    settle(shown.map(|shown| sync_tagged(&shown)).ok_or_else(|| Refusal::missing("Instance")))
}

/// `POST /1.0/instances`.
pub(super) async fn create(
    State(world): State<Arc<World>>,
    Query(query): Query<Params>,
    body: Bytes,
) -> Answer {
    settle(begin(&world, project_of(&query), &body))
}

fn begin(world: &Arc<World>, project: String, body: &[u8]) -> Result<Answer, Refusal> {
    let asked: Asked =
        serde_json::from_slice(body).map_err(|error| Refusal::new(400, error.to_string()))?;
    let image = world.with(|all| {
        let missing = || Refusal::new(404, "Failed loading project: Project not found");
        all.host.project(&project).ok_or_else(missing)?;
        check_name(&asked.name)?;
        for profile in asked.profiles.iter().flatten() {
            if all.host.profile(&project, profile).is_none() {
                return Err(Refusal::new(
                    500,
                    format!("Requested profile \"{profile}\" doesn't exist"),
                ));
            }
        }
        source_of(all, &project, &asked)
    })?;
    let vm = asked.kind == "virtual-machine";
    let order = Order::about(&project, &asked.name, "Creating instance", !vm);
    let making = Arc::clone(world);
    let key = (project, asked.name.clone());
    let trigger = if asked.source.kind == "copy" { "copy" } else { "create" };
    Ok(world.operate(order, async move {
        let begun = making.make(&key, asked, image);
        if begun.is_ok() {
            sleep(making.options.create_time).await;
            making.complete(&key, trigger);
        }
        begun.into()
    }))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let refused = |why: &str| Err(Refusal::new(400, format!("Invalid instance name: {why}")));
    if name.is_empty() || name.len() > 63 {
        return refused("Name must be 1-63 characters long");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return refused("Name can only contain alphanumeric and hyphen characters");
    }
    if name.starts_with('-') {
        return refused("Name must not start with \"-\" character");
    }
    if name.ends_with('-') {
        return refused("Name must not end with \"-\" character");
    }
    if name.starts_with(|letter: char| letter.is_ascii_digit()) {
        return refused("Name must not start with a number");
    }
    Ok(())
}

/// What the source brings along: an image's fingerprint and properties, or a copied instance.
fn source_of(all: &All, project: &str, asked: &Asked) -> Result<Image, Refusal> {
    let source = &asked.source;
    if source.kind == "copy" {
        let name = source.from.clone().unwrap_or_default();
        let from = all.instances.get(&(project.to_owned(), name));
        let from = from.ok_or_else(|| Refusal::missing("Instance"))?;
        let config = from.config.iter().filter(|(key, _)| !key.starts_with("volatile."));
        let config = config.map(|(key, value)| (key.clone(), value.clone())).collect();
        return Ok(Image { kind: None, config, files: Some(from.files.clone()), away: None });
    }
    if let Some(server) = &source.server {
        return Ok(Image { away: Some(server.clone()), ..Image::default() });
    }
    let fingerprint = match (&source.alias, &source.fingerprint) {
        (Some(alias), _) => {
            all.host.alias(project, alias).ok_or_else(|| Refusal::missing("Image alias"))?
        }
        (None, Some(fingerprint)) => fingerprint.clone(),
        (None, None) => return Ok(Image::default()),
    };
    let image = all.host.image(project, &fingerprint).ok_or_else(|| Refusal::missing("Image"))?;
    let properties = image.get("properties").and_then(Value::as_object).into_iter().flatten();
    let mut config: BTreeMap<String, String> = properties
        .map(|(key, value)| (format!("image.{key}"), value.as_str().unwrap_or_default().into()))
        .collect();
    config.insert("volatile.base_image".into(), fingerprint);
    let kind = image.get("type").and_then(Value::as_str).map(str::to_owned);
    Ok(Image { kind, config, files: None, away: None })
}

#[derive(Debug, Default)]
struct Image {
    /// The kind of instance that it is for.
    kind: Option<String>,
    config: BTreeMap<String, String>,
    files: Option<Files>,
    /// The server that it is on; a stand-in reaches none.
    away: Option<String>,
}

impl World {
    /// As far as its record: an LXD that is ended now leaves a part of an instance.
    fn make(&self, key: &Key, asked: Asked, image: Image) -> Result<(), Refusal> {
        let vm = asked.kind == "virtual-machine";
        let kind = if vm { "virtual-machine" } else { "container" };
        if let Some(server) = image.away {
            let why =
                "Failed getting remote image info: Failed getting image: Failed parsing stream";
            let text = format!("{why}: Get \"{server}/streams/v1/index.json\": Unable to connect");
            return Err(Refusal::new(400, text));
        }
        if let Some(other) = image.kind.as_deref().filter(|other| *other != kind) {
            return Err(Refusal::new(
                400,
                format!("Requested image's type {other:?} doesn't match instance type {kind:?}"),
            ));
        }
        self.with(|all| {
            let serial = all.next_serial();
            let instance = build(all, key, asked, image, serial)?;
            self.check(all, key, &instance)?;
            if all.instances.contains_key(key) {
                let text =
                    "Add instance info to the database: This \"instances\" entry already exists";
                return Err(unmade(text));
            }
            all.instances.insert(key.clone(), instance);
            Ok(())
        })
    }

    /// Its volume is there.
    fn complete(&self, key: &Key, trigger: &str) {
        let kind = self.with(|all| {
            let instance = all.instances.get_mut(key)?;
            instance.config.insert(FIRST_START.into(), trigger.into());
            Some(instance.kind.as_str())
        });
        let context = json!({"storage-pool": self.options.pool, "type": kind});
        let source = format!("/1.0/instances/{}", key.1);
        self.lifecycle(&key.0, "instance-created", &source, Some(context), false);
    }

    /// What LXD checks only in the operation.
    fn check(&self, all: &All, key: &Key, instance: &Instance) -> Result<(), Refusal> {
        check_keys(instance.config.keys()).map_err(|text| unmade(&text))?;
        if !instance.is_vm() && instance.config.contains_key("security.secureboot") {
            return Err(unmade("Unknown configuration key: security.secureboot"));
        }
        if let Some(fault) =
            instance.config.get("cloud-init.user-data").and_then(|text| yaml_fault(text))
        {
            return Err(unmade(&fault));
        }
        if instance.is_vm() && !self.options.vms {
            return Err(unmade(
                "Instance type \"virtual-machine\" is not supported on this server",
            ));
        }
        let (_, devices) = all.expanded(&key.0, instance);
        let mut root = None;
        for device in devices.as_object().into_iter().flat_map(|devices| devices.values()) {
            let field = |name: &str| device.get(name).and_then(Value::as_str);
            if field("type") == Some("disk") && field("path") == Some("/") {
                root = field("pool");
            }
            if let Some(network) = field("network").filter(|name| all.host.network(name).is_none())
            {
                return Err(unmade(&format!(
                    "Failed initialising instance: Failed loading device \"eth0\": Failed loading network \"{network}\": Network not found"
                )));
            }
        }
        match root {
            None => Err(unmade(
                "Failed initialising instance: Failed getting root disk: No root device could be found",
            )),
            Some(pool) if all.host.pool(pool).is_none() => Err(unmade(
                "Failed initialising instance: Failed loading storage pool: Storage pool not found",
            )),
            Some(_) => Ok(()),
        }
    }
}

fn build(
    all: &mut All,
    key: &Key,
    asked: Asked,
    image: Image,
    serial: u32,
) -> Result<Instance, Refusal> {
    let kind = match asked.kind.as_str() {
        "virtual-machine" => InstanceType::VirtualMachine,
        "" | "container" => InstanceType::Container,
        other => return Err(Refusal::new(400, format!("Invalid instance type {other:?}"))),
    };
    // A copy takes over no profiles but those that are named.
    let fallback =
        if asked.source.kind == "copy" { Vec::new() } else { vec!["default".to_owned()] };
    let mut config = image.config;
    config.extend(asked.config);
    config.insert("volatile.uuid".into(), Uuid::new_v4().to_string());
    config.insert("volatile.cloud-init.instance-id".into(), Uuid::new_v4().to_string());
    let mut instance = Instance {
        kind,
        ephemeral: asked.ephemeral,
        config,
        devices: if asked.devices.is_object() { asked.devices } else { json!({}) },
        profiles: asked.profiles.unwrap_or(fallback),
        description: asked.description,
        created: clock::now(),
        last_used: jiff::Timestamp::UNIX_EPOCH,
        power: Power::Stopped,
        starting: false,
        torn: false,
        boot: 0,
        down: Down::Graceful,
        pid: 0,
        address: format!("10.77.{}.{}", serial / 250 % 250, serial % 250 + 2),
        guest: Guest::new(),
        files: image.files.unwrap_or_else(Files::new),
        logs: BTreeMap::new(),
        console: Vec::new(),
        console_told: Vec::new(),
        programs: Vec::new(),
        changed: watch::Sender::new(0),
    };
    let (config, _) = all.expanded(&key.0, &instance);
    let user_data = config.get("cloud-init.user-data").and_then(Value::as_str).unwrap_or_default();
    instance.guest.ours = user_data.contains(SCRIPT);
    instance.guest.awaits_application = user_data.contains(APPLICATION_PATH);
    Ok(instance)
}

fn unmade(why: &str) -> Refusal {
    Refusal::new(400, format!("Failed creating instance record: {why}"))
}

fn check_keys<'a>(keys: impl Iterator<Item = &'a String>) -> Result<(), String> {
    const SPACES: [&str; 12] = [
        "user.",
        "cloud-init.",
        "boot.",
        "limits.",
        "security.",
        "volatile.",
        "image.",
        "raw.",
        "environment.",
        "linux.",
        "migration.",
        "snapshots.",
    ];
    for key in keys {
        if !SPACES.iter().any(|space| key.starts_with(space)) {
            return Err(format!("Unknown configuration key: {key}"));
        }
    }
    Ok(())
}

/// LXD reads `#cloud-config` as YAML. Only what tests write by way of broken YAML is found here:
/// a flow collection that is not closed.
fn yaml_fault(user_data: &str) -> Option<String> {
    let text = user_data.strip_prefix("#cloud-config\n")?;
    let balance =
        |open: char, close: char| text.matches(open).count() != text.matches(close).count();
    // Real user-data is longer, and holds scripts.
    let broken = text.len() < 500 && (balance('[', ']') || balance('{', '}'));
    broken.then(|| "yaml: line 1: did not find expected ',' or ']'".to_owned())
}

/// `PATCH` and `PUT /1.0/instances/NAME`.
pub(super) async fn patch(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<Params>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let key = (project_of(&query), name);
    settle(update(&world, &key, &headers, &body, false).map(|()| sync(&json!({}))))
}

/// `PUT /1.0/instances/NAME`, which is an operation.
pub(super) async fn put(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<Params>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let key = (project_of(&query), name);
    settle(update(&world, &key, &headers, &body, true).map(|()| {
        let order = Order::about(&key.0, &key.1, "Updating instance", true);
        world.operate(order, async { Ended::default() })
    }))
}

fn update(
    world: &World,
    key: &Key,
    headers: &HeaderMap,
    body: &[u8],
    whole: bool,
) -> Result<(), Refusal> {
    let update: Update =
        serde_json::from_slice(body).map_err(|error| Refusal::new(400, error.to_string()))?;
    check_keys(update.config.keys())
        .map_err(|text| Refusal::new(500, format!("Invalid config: {text}")))?;
    world.with(|all| {
        let shown = all.instances.get(key).map(|one| all.show_instance(key, one));
        let shown = shown.ok_or_else(|| Refusal::missing("Instance"))?;
        if let Some(expected) = headers.get(IF_MATCH)
            && expected.to_str().ok() != Some(etag(&shown).as_str())
        {
            return Err(Refusal::new(412, "ETag doesn't match"));
        }
        let one = all.instances.get_mut(key).ok_or_else(|| Refusal::missing("Instance"))?;
        if whole {
            one.config.retain(|key, _| key.starts_with("volatile.") || key.starts_with("image."));
        }
        one.config.extend(update.config);
        one.devices = update.devices.unwrap_or_else(|| one.devices.clone());
        one.ephemeral = update.ephemeral.unwrap_or(one.ephemeral);
        one.profiles = update.profiles.unwrap_or_else(|| one.profiles.clone());
        one.description = update.description.unwrap_or_else(|| one.description.clone());
        Ok(())
    })?;
    world.tell(key, "instance-updated", false);
    Ok(())
}

/// `DELETE /1.0/instances/NAME`.
pub(super) async fn delete(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<Params>,
) -> Answer {
    let key = (project_of(&query), name);
    let found =
        world.with(|all| all.instances.get(&key).map(|one| (one.power, one.is_vm(), one.torn)));
    let (vm, torn) = match found {
        None => return Refusal::missing("Instance").answer(),
        Some((Power::Running | Power::Frozen, ..)) => {
            return Refusal::new(400, "Instance is running").answer();
        }
        Some((Power::Stopped | Power::Error, vm, torn)) => (vm, torn),
    };
    let order = Order::about(&key.0, &key.1, "Deleting instance", !vm);
    let deleting = Arc::clone(&world);
    world.operate(order, async move {
        sleep(deleting.options.delete_time).await;
        if torn {
            let text = "Error deleting storage volume: Failed setting subvolume writable";
            return Err(Refusal::new(400, text)).into();
        }
        deleting.forget(&key);
        Ended::default()
    })
}
