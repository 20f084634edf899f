//! What is not an instance: the server itself, projects, profiles, storage pools, networks.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal, created, etag, settle, sync, sync_tagged};
use super::operations::{Ended, Order};
use super::world::World;
use super::{Shape, StandInOptions, project_of};

type Params = BTreeMap<String, String>;
/// A project's name and a thing's.
type Named = BTreeMap<(String, String), Value>;

/// What the host has.
#[derive(Debug)]
pub struct Host {
    projects: BTreeMap<String, Value>,
    profiles: Named,
    pools: BTreeMap<String, Value>,
    networks: BTreeMap<String, Value>,
    acls: BTreeMap<String, Value>,
    pub(super) images: Named,
    pub(super) aliases: Named,
}

impl Host {
    pub(super) fn new(options: &StandInOptions) -> Self {
        let devices = json!({
            "eth0": {"name": "eth0", "network": "lxdbr0", "type": "nic"},
            "root": {"path": "/", "pool": options.pool, "type": "disk"},
        });
        let profile = json!({
            "config": {}, "description": "Default LXD profile", "devices": devices,
            "name": "default", "used_by": [],
        });
        let mut host = Self {
            projects: [("default".into(), project("default", &json!({})))].into(),
            profiles: [(("default".into(), "default".into()), profile)].into(),
            pools: [(options.pool.clone(), pool(&options.pool, "btrfs"))].into(),
            networks: [(
                "lxdbr0".into(),
                network("lxdbr0", &json!({"ipv4.address": "10.77.0.1/24"})),
            )]
            .into(),
            acls: BTreeMap::new(),
            images: BTreeMap::new(),
            aliases: BTreeMap::new(),
        };
        for alias in &options.images {
            let fingerprint = super::images::fingerprint_of(&[alias.as_bytes()]);
            let kind = if alias.ends_with("-vm") { "virtual-machine" } else { "container" };
            host.add_image("default", &fingerprint, 1_048_576, kind);
            host.add_alias("default", alias, &fingerprint);
        }
        host
    }

    pub(super) fn project(&self, name: &str) -> Option<&Value> {
        self.projects.get(name)
    }

    /// The project that holds another's things of a kind: itself, or "default".
    pub(super) fn home(&self, project: &str, feature: &str) -> String {
        let own = self.projects.get(project).and_then(|one| one.get("config"));
        let own = own.and_then(|config| config.get(feature)).and_then(Value::as_str);
        if own == Some("true") { project.to_owned() } else { "default".to_owned() }
    }

    pub(super) fn profile(&self, project: &str, name: &str) -> Option<&Value> {
        self.profiles.get(&(self.home(project, "features.profiles"), name.to_owned()))
    }

    pub(super) fn pool(&self, name: &str) -> Option<&Value> {
        self.pools.get(name)
    }

    pub(super) fn network(&self, name: &str) -> Option<&Value> {
        self.networks.get(name)
    }
}

fn project(name: &str, config: &Value) -> Value {
    let mut all = json!({
        "features.images": "true", "features.networks": "true", "features.profiles": "true",
        "features.storage.volumes": "true",
    });
    if name != "default" {
        all = json!({"features.images": "true", "features.profiles": "true"});
    }
    merge(&mut all, config);
    json!({"config": all, "description": "", "name": name, "used_by": []})
}

fn pool(name: &str, driver: &str) -> Value {
    json!({
        "config": {"size": "20GiB", "source": format!("/var/lib/lxd/disks/{name}.img")},
        "description": "", "name": name, "driver": driver, "used_by": [], "status": "Created",
        "locations": ["none"],
    })
}

fn network(name: &str, config: &Value) -> Value {
    json!({
        "config": config, "description": "", "name": name, "type": "bridge", "used_by": [],
        "managed": true, "status": "Created", "locations": ["none"],
    })
}

fn merge(into: &mut Value, from: &Value) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        into.extend(from.clone());
    }
}

/// `GET /`.
pub(super) async fn root() -> Answer {
    sync(&json!(["/1.0"]))
}

/// `GET /1.0`.
pub(super) async fn server(State(world): State<Arc<World>>) -> Answer {
    let newer = world.options.shape == Shape::Newer;
    let mut extensions = vec![
        "etag",
        "patch",
        "container_exec_recording",
        "file_delete",
        "file_append",
        "file_symlinks",
        "projects",
        "resources",
        "operation_wait",
        "api_filtering",
        "instances",
        "virtual-machines",
        "image_types",
        "event_lifecycle",
        "cloud_init",
        "console",
        "network_acl",
        "network_bridge_acl",
    ];
    if newer {
        extensions.extend(["instance_ready_state", "instance_boot_mode", "instance_get_full"]);
    }
    let version = if newer { "6.3" } else { "5.0.2" };
    let driver = if world.options.vms { "lxc | qemu" } else { "lxc" };
    sync_tagged(&json!({
        "config": {}, "api_extensions": extensions, "api_status": "stable", "api_version": "1.0",
        "auth": "trusted", "public": false, "auth_methods": ["tls"],
        "environment": {
            "addresses": [], "architectures": ["x86_64", "i686"], "driver": driver,
            "driver_version": "5.0.2", "firewall": "nftables", "kernel": "Linux",
            "kernel_architecture": "x86_64", "kernel_version": "6.1.0-18-amd64",
            "os_name": "Debian GNU/Linux", "os_version": "12", "project": "default",
            "server": "lxd", "server_clustered": false, "server_event_mode": "full-mesh",
            "server_name": "standin", "server_pid": 1, "server_version": version,
            "storage": "btrfs", "storage_version": "6.2",
            "storage_supported_drivers": [
                {"Name": "btrfs", "Version": "6.2", "Remote": false},
                {"Name": "dir", "Version": "1", "Remote": false},
            ],
        },
    }))
}

/// `GET` and `POST` of `/1.0/projects`, `profiles`, `storage-pools` and `networks`.
pub(super) async fn collection(
    State(world): State<Arc<World>>,
    Path(kind): Path<String>,
    Query(query): Query<Params>,
    method: Method,
    body: Bytes,
) -> Answer {
    let project = project_of(&query);
    if method == Method::POST {
        let added = world.with(|all| all.host.add(&kind, &project, &body));
        let in_background = ["storage-pools", "networks"].contains(&kind.as_str());
        if !(in_background && world.options.shape == Shape::Newer) {
            return settle(added);
        }
        let order = Order {
            project,
            class: "task",
            description: "Creating storage pool or network",
            resources: json!({}),
            metadata: Value::Null,
        };
        return world.operate(order, async move { Ended::from(added.map(drop)) });
    }
    let full = query.get("recursion").is_some_and(|depth| depth == "1");
    let shown = world.with(|all| {
        let things = all.host.all(&kind, &project)?;
        let url = |name: &String| json!(format!("/1.0/{kind}/{name}"));
        Some(things.iter().map(|(name, one)| if full { one.clone() } else { url(name) }).collect())
    });
    settle(shown.map(|shown: Vec<Value>| sync(&json!(shown))).ok_or_else(not_found))
}

/// `GET`, `PUT`, `PATCH` and `DELETE` of one of them.
pub(super) async fn member(
    State(world): State<Arc<World>>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<Params>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let project = project_of(&query);
    let tag = headers.get(IF_MATCH).and_then(|tag| tag.to_str().ok());
    settle(world.with(|all| match method {
        Method::GET => {
            let found = all.host.all(&kind, &project).ok_or_else(not_found)?;
            found.get(&name).map(sync_tagged).ok_or_else(|| missing(&kind))
        }
        Method::DELETE => all.host.remove(&kind, &project, &name),
        _ if tag.is_some_and(|tag| all.host.is_other(&kind, &project, &name, tag)) => {
            Err(Refusal::new(412, "ETag doesn't match: it vs what was sent"))
        }
        _ => all.host.update(&kind, &project, &name, &body, method == Method::PUT),
    }))
}

/// `GET /1.0/storage-pools/NAME/resources`.
pub(super) async fn pool_resources(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
) -> Answer {
    let used = world.with(|all| all.host.pool(&name).map(|_| all.instances.len()));
    let used = used.map(|count| 299_962_368 + count * 1_048_576);
    settle(used.ok_or_else(|| missing("storage-pools")).map(|used| {
        sync(&json!({
            "space": {"used": used, "total": 21_474_836_480_u64}, "inodes": {"used": 0, "total": 0},
        }))
    }))
}

impl Host {
    fn all(&self, kind: &str, project: &str) -> Option<BTreeMap<String, Value>> {
        let home = self.home(project, "features.profiles");
        let own = self.profiles.iter().filter(|((project, _), _)| *project == home);
        Some(match kind {
            "projects" => self.projects.clone(),
            "storage-pools" => self.pools.clone(),
            "networks" => self.networks.clone(),
            "network-acls" => {
                self.acls.iter().map(|(name, acl)| (name.clone(), self.used(acl))).collect()
            }
            "profiles" => own.map(|((_, name), one)| (name.clone(), one.clone())).collect(),
            _ => return None,
        })
    }

    fn add(&mut self, kind: &str, project_: &str, body: &[u8]) -> Result<Answer, Refusal> {
        let asked = parsed(body)?;
        let text =
            |field: &str| asked.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, config) = (text("name"), asked.get("config").cloned().unwrap_or(json!({})));
        if name.is_empty() {
            return Err(Refusal::new(400, "No name provided"));
        }
        if self.all(kind, project_).ok_or_else(not_found)?.contains_key(&name) {
            return Err(exists(kind, &name));
        }
        let location = format!("/1.0/{kind}/{name}");
        match kind {
            "projects" => {
                let one = project(&name, &config);
                self.projects.insert(name.clone(), one);
                if self.home(&name, "features.profiles") == name {
                    let empty = json!({"config": {}, "description": "", "devices": {}, "name": "default", "used_by": []});
                    self.profiles.insert((name, "default".into()), empty);
                }
            }
            "storage-pools" => drop(self.pools.insert(name.clone(), pool(&name, &text("driver")))),
            "networks" => {
                self.know_acls(&config)?;
                let mut one = network(&name, &config);
                merge(&mut one, &json!({"description": text("description")}));
                drop(self.networks.insert(name.clone(), one));
            }
            "network-acls" => drop(self.acls.insert(name.clone(), acl(&name, &asked))),
            _ => {
                let devices = asked.get("devices").cloned().unwrap_or(json!({}));
                let one = json!({
                    "config": config, "description": text("description"), "devices": devices,
                    "name": name, "used_by": [],
                });
                self.profiles.insert((self.home(project_, "features.profiles"), name), one);
            }
        }
        Ok(created(&location))
    }

    /// Whether it is not what was read under this tag.
    fn is_other(&self, kind: &str, project: &str, name: &str, tag: &str) -> bool {
        let all = self.all(kind, project).unwrap_or_default();
        all.get(name).is_some_and(|one| etag(one) != tag)
    }

    fn slot(&mut self, kind: &str, project: &str, name: &str) -> Option<&mut Value> {
        match kind {
            "projects" => self.projects.get_mut(name),
            "storage-pools" => self.pools.get_mut(name),
            "networks" => self.networks.get_mut(name),
            "network-acls" => self.acls.get_mut(name),
            _ => {
                let home = self.home(project, "features.profiles");
                self.profiles.get_mut(&(home, name.to_owned()))
            }
        }
    }

    fn update(
        &mut self,
        kind: &str,
        project: &str,
        name: &str,
        body: &[u8],
        whole: bool,
    ) -> Result<Answer, Refusal> {
        let asked = parsed(body)?;
        if kind == "networks" {
            self.know_acls(asked.get("config").unwrap_or(&Value::Null))?;
        }
        let one = self.slot(kind, project, name).ok_or_else(|| missing(kind))?;
        if kind == "networks" && asked.get("description").is_none() {
            // Also where only the settings are to change.
            merge(one, &json!({"description": ""}));
        }
        for field in ["config", "devices", "description", "egress", "ingress"] {
            match (one.get_mut(field), asked.get(field)) {
                (Some(old), Some(new)) if whole || !new.is_object() => *old = new.clone(),
                (Some(old), Some(new)) => merge(old, new),
                _ => {}
            }
        }
        Ok(sync(&json!({})))
    }

    fn remove(&mut self, kind: &str, project: &str, name: &str) -> Result<Answer, Refusal> {
        let gone = match kind {
            "projects" => {
                self.profiles.retain(|(owner, _), _| owner != name);
                self.projects.remove(name)
            }
            "storage-pools" => self.pools.remove(name),
            "networks" => self.networks.remove(name),
            "network-acls" => {
                let used = self.acls.get(name).map(|acl| self.used(acl));
                if used.is_some_and(|acl| acl.get("used_by") != Some(&json!([]))) {
                    return Err(Refusal::new(500, "Cannot delete an ACL that is in use"));
                }
                self.acls.remove(name)
            }
            _ => self.profiles.remove(&(self.home(project, "features.profiles"), name.to_owned())),
        };
        gone.map(|_| sync(&json!({}))).ok_or_else(|| missing(kind))
    }
}

impl Host {
    /// An ACL with the networks that use it.
    fn used(&self, acl: &Value) -> Value {
        let name = acl.get("name").and_then(Value::as_str).unwrap_or_default();
        let has_it = |network: &Value| {
            network.get("config").is_some_and(|config| acls_of(config).any(|one| one == name))
        };
        let networks = self.networks.iter().filter(|(_, network)| has_it(network));
        let networks: Vec<String> =
            networks.map(|(name, _)| format!("/1.0/networks/{name}")).collect();
        let mut acl = acl.clone();
        merge(&mut acl, &json!({"used_by": networks}));
        acl
    }

    /// A network's ACLs must be there.
    fn know_acls(&self, config: &Value) -> Result<(), Refusal> {
        match acls_of(config).find(|name| !self.acls.contains_key(*name)) {
            Some(name) => Err(Refusal::new(400, format!("Network ACL \"{name}\" does not exist"))),
            None => Ok(()),
        }
    }
}

fn acls_of(config: &Value) -> impl Iterator<Item = &str> {
    let list = config.get("security.acls").and_then(Value::as_str).unwrap_or_default();
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

fn acl(name: &str, asked: &Value) -> Value {
    let mut acl = json!({
        "name": name, "description": "", "config": {}, "egress": [], "ingress": [], "used_by": [],
    });
    merge(&mut acl, asked);
    acl
}

fn parsed(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::new(400, error.to_string()))
}

pub(super) fn not_found() -> Refusal {
    Refusal::new(404, "not found")
}

fn missing(kind: &str) -> Refusal {
    match kind {
        "projects" => Refusal::missing("Project"),
        "storage-pools" => Refusal::missing("Storage pool"),
        "networks" => Refusal::missing("Network"),
        "network-acls" => Refusal::missing("Network ACL"),
        _ => Refusal::new(404, "Fetch profile: Profile not found"),
    }
}

fn exists(kind: &str, name: &str) -> Refusal {
    match kind {
        "projects" => Refusal::new(
            409,
            format!(
                "Failed creating project \"{name}\": Failed adding database record: \
                 This \"projects\" entry already exists"
            ),
        ),
        "storage-pools" => {
            Refusal::new(409, "The storage pool already exists: The record already exists")
        }
        "networks" => Refusal::new(400, "The network already exists"),
        "network-acls" => Refusal::new(400, "The network ACL already exists"),
        _ => Refusal::new(
            500,
            format!("Error inserting \"{name}\" into database: The profile already exists"),
        ),
    }
}
