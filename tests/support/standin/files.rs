//! Files inside instances: `/1.0/instances/NAME/files` (LXD documentation, "Instance files").

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::sleep;

use larm::clock;

use super::answer::{Answer, Refusal, settle, sync};
use super::instance::Power;
use super::project_of;
use super::world::{Key, World};

/// How long a call to a frozen virtual machine's agent takes to fail.
const VSOCK_TIMEOUT: Duration = Duration::from_mins(1);

/// What is inside one instance.
#[derive(Debug, Clone)]
pub struct Files(BTreeMap<String, Node>);

/// One file, directory or symlink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// "file", "directory", "symlink" or "fifo".
    pub kind: String,
    /// The permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its content, or the link's target.
    pub bytes: Vec<u8>,
    /// When it was written.
    pub modified: Timestamp,
}

impl Node {
    /// A file of root's.
    pub fn file(bytes: impl Into<Vec<u8>>) -> Self {
        let modified = clock::now();
        Self { kind: "file".into(), mode: 0o644, uid: 0, gid: 0, bytes: bytes.into(), modified }
    }

    /// A directory of root's.
    pub fn directory() -> Self {
        Self { kind: "directory".into(), mode: 0o755, ..Self::file("") }
    }
}

impl Files {
    pub(super) fn new() -> Self {
        let directories = ["/", "/etc", "/opt", "/root", "/run", "/tmp", "/usr", "/usr/local"]
            .into_iter()
            .chain(["/usr/local/lib", "/var", "/var/lib", "/var/log", "/home", "/dev", "/dev/shm"]);
        let mut files =
            Self(directories.map(|path| (path.to_owned(), Node::directory())).collect());
        files.put("/etc/os-release", Node::file("ID=debian\nVERSION_ID=\"12\"\n"));
        files
    }

    /// Looks one up.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.0.get(&tidy(path))
    }

    pub(super) fn get_mut(&mut self, path: &str) -> Option<&mut Node> {
        self.0.get_mut(&tidy(path))
    }

    /// Writes one, whatever is there.
    pub fn put(&mut self, path: &str, node: Node) {
        self.0.insert(tidy(path), node);
    }

    /// Removes one and all below it.
    pub fn remove(&mut self, path: &str) -> bool {
        let path = tidy(path);
        let below = format!("{path}/");
        self.0.retain(|other, _| !other.starts_with(&below));
        self.0.remove(&path).is_some()
    }

    /// Forgets what is on tmpfs.
    pub(super) fn empty_tmpfs(&mut self) {
        for path in ["/run", "/dev/shm"] {
            self.remove(path);
            self.put(path, Node::directory());
        }
    }

    /// The names in a directory.
    pub fn names(&self, path: &str) -> Vec<String> {
        let path = tidy(path);
        let below = if path == "/" { path } else { format!("{path}/") };
        let names = self.0.keys().filter_map(|other| other.strip_prefix(&below));
        names.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect()
    }

    /// Writes one where its directory is there, as the file API does.
    pub(super) fn push(&mut self, path: &str, node: Node, append: bool) -> Result<(), Refusal> {
        let path = tidy(path);
        let parent = path.rsplit_once('/').map_or("/", |(parent, _)| parent);
        if self.get(parent).is_none_or(|node| node.kind != "directory") {
            return Err(not_found());
        }
        if let (true, Some(old)) = (append, self.0.get_mut(&path)) {
            old.bytes.extend(node.bytes);
        } else {
            self.0.insert(path, node);
        }
        Ok(())
    }
}

fn tidy(path: &str) -> String {
    format!("/{}", path.trim_matches('/'))
}

fn not_found() -> Refusal {
    Refusal::new(404, "Not Found")
}

/// All of `/1.0/instances/NAME/files?path=`.
pub(super) async fn handle(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let key = (project_of(&query), name);
    let stuck = match reachable(&world, &key, query.get("path")) {
        Ok(stuck) => stuck,
        Err(refusal) => return refusal.answer(),
    };
    if stuck {
        sleep(VSOCK_TIMEOUT).await;
        let text = "dial vsock vm(3):8443: connect: connection timed out";
        return Refusal::new(500, text).answer();
    }
    let Some(path) = query.get("path") else {
        return Refusal::new(400, "Missing path argument").answer();
    };
    settle(match method {
        Method::GET | Method::HEAD => read(&world, &key, path, &method),
        Method::POST => node_of(&headers, &body)
            .and_then(|(node, append)| push(&world, &key, path, node, append)),
        Method::DELETE => delete(&world, &key, path),
        _ => Err(Refusal::new(405, "Method not allowed")),
    })
}

/// Whether the files can be reached; `true` where no answer will come: from a virtual machine's
/// agent that is paused, or from a fifo, which blocks LXD's own helper.
fn reachable(world: &World, key: &Key, path: Option<&String>) -> Result<bool, Refusal> {
    world.with(|all| {
        let instance = all.instances.get(key).ok_or_else(|| Refusal::missing("Instance"))?;
        if instance.starting {
            all.file_calls_during_start += 1;
        }
        let node = path.and_then(|path| instance.files.get(path));
        match instance.power {
            _ if node.is_some_and(|node| node.kind == "fifo") => Ok(true),
            _ if !instance.is_vm() => Ok(false),
            Power::Stopped | Power::Error => Err(Refusal::new(500, "Instance is not running")),
            Power::Frozen => Ok(true),
            Power::Running if !instance.guest.agent => Err(agent_down(500)),
            Power::Running => Ok(false),
        }
    })
}

/// What LXD says when a virtual machine's agent does not answer.
pub(super) fn agent_down(code: u16) -> Refusal {
    Refusal::new(code, "LXD VM agent isn't currently running")
}

fn read(world: &World, key: &Key, path: &str, method: &Method) -> Result<Answer, Refusal> {
    let (node, names): (Node, Vec<String>) = world.with(|all| {
        let files = &all.instances.get(key).ok_or_else(|| Refusal::missing("Instance"))?.files;
        let node = files.get(path).ok_or_else(not_found)?.clone();
        Ok((node, files.names(path)))
    })?;
    if method == Method::GET {
        tell_of_file(world, key, "instance-file-retrieved", path);
    }
    let body = match node.kind.as_str() {
        _ if method == Method::HEAD => Body::empty(),
        "directory" => sync(&json!(names)).into_body(),
        _ => Body::from(node.bytes),
    };
    let octets = if node.kind == "directory" { "json" } else { "octet-stream" };
    Response::builder()
        .header("Content-Type", format!("application/{octets}"))
        .header("X-LXD-uid", node.uid)
        .header("X-LXD-gid", node.gid)
        .header("X-LXD-mode", format!("{:04o}", node.mode))
        .header("X-LXD-modified", node.modified.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string())
        .header("X-LXD-type", node.kind)
        .body(body)
        .map_err(|error| Refusal::new(500, error.to_string()))
}

fn node_of(headers: &HeaderMap, body: &Bytes) -> Result<(Node, bool), Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &str| match header(name) {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| Refusal::new(400, format!("Invalid {name}"))),
    };
    let kind = header("X-LXD-type").unwrap_or("file").to_owned();
    if !["file", "directory", "symlink"].contains(&kind.as_str()) {
        return Err(Refusal::new(400, format!("Bad file type: {kind}")));
    }
    let default = if kind == "directory" { "0755" } else { "0644" };
    let mode = u32::from_str_radix(header("X-LXD-mode").unwrap_or(default), 8);
    let node = Node {
        mode: mode.map_err(|_| Refusal::new(400, "Invalid X-LXD-mode"))?,
        uid: number("X-LXD-uid")?,
        gid: number("X-LXD-gid")?,
        bytes: if kind == "directory" { Vec::new() } else { body.to_vec() },
        modified: clock::now(),
        kind,
    };
    Ok((node, header("X-LXD-write") == Some("append")))
}

fn push(
    world: &Arc<World>,
    key: &Key,
    path: &str,
    node: Node,
    append: bool,
) -> Result<Answer, Refusal> {
    world.with(|all| {
        let instance = all.instances.get_mut(key).ok_or_else(|| Refusal::missing("Instance"))?;
        instance.files.push(path, node, append)
    })?;
    tell_of_file(world, key, "instance-file-pushed", path);
    world.see_application(key);
    world.see_handover(key);
    let hasty = world.with(|all| all.instances.get(key).is_some_and(|one| one.guest.plan.hasty));
    if hasty { Err(not_found()) } else { Ok(sync(&json!({}))) }
}

fn delete(world: &World, key: &Key, path: &str) -> Result<Answer, Refusal> {
    world.with(|all| {
        let instance = all.instances.get_mut(key).ok_or_else(|| Refusal::missing("Instance"))?;
        if !instance.files.names(path).is_empty() {
            return Err(Refusal::new(400, "Directory not empty"));
        }
        if instance.files.remove(path) { Ok(()) } else { Err(not_found()) }
    })?;
    tell_of_file(world, key, "instance-file-deleted", path);
    Ok(sync(&json!({})))
}

fn tell_of_file(world: &World, key: &Key, action: &str, path: &str) {
    let context: Value = json!({"path": path});
    world.lifecycle(&key.0, action, &format!("/1.0/instances/{}", key.1), Some(context), false);
}
