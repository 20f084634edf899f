//! Logs of instances: recorded output of commands, and the console (LXD documentation,
//! "Instance logs" and "Instance console").

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{Method, Response};
use serde_json::json;

use super::answer::{Answer, Refusal, settle, sync};
use super::instance::{Instance, Power};
use super::world::{Key, World};
use super::{Shape, project_of};

type Params = BTreeMap<String, String>;

/// `GET /1.0/instances/NAME/logs`.
pub(super) async fn list(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<Params>,
) -> Answer {
    let key = (project_of(&query), name);
    let own = |one: &Instance| if one.is_vm() { "qemu.log" } else { "lxc.log" };
    let names = world.with(|all| {
        let one = all.instances.get(&key)?;
        let recorded = one.logs.keys().filter(|log| !log.contains('/')).map(String::as_str);
        let url = |log: &str| format!("/1.0/instances/{}/logs/{log}", key.1);
        Some(recorded.chain([own(one)]).map(url).collect::<Vec<String>>())
    });
    settle(names.map(|names| sync(&json!(names))).ok_or_else(|| Refusal::missing("Instance")))
}

/// `GET` and `DELETE /1.0/instances/NAME/logs/FILE`.
pub(super) async fn one(
    State(world): State<Arc<World>>,
    Path((name, log)): Path<(String, String)>,
    Query(query): Query<Params>,
    method: Method,
) -> Answer {
    settle(log_file(&world, &(project_of(&query), name), &log, &method))
}

/// `GET` and `DELETE /1.0/instances/NAME/logs/exec-output/FILE`, as newer servers have it.
pub(super) async fn exec_output(
    State(world): State<Arc<World>>,
    Path((name, log)): Path<(String, String)>,
    Query(query): Query<Params>,
    method: Method,
) -> Answer {
    let log = format!("exec-output/{log}");
    settle(log_file(&world, &(project_of(&query), name), &log, &method))
}

fn log_file(world: &World, key: &Key, log: &str, method: &Method) -> Result<Answer, Refusal> {
    let known = log.trim_start_matches("exec-output/").starts_with("exec_")
        || ["lxc.log", "lxc.conf", "qemu.log"].contains(&log);
    if !known {
        return Err(Refusal::new(400, format!("log file name {log} not valid")));
    }
    let bytes = world.with(|all| {
        let one = all.instances.get_mut(key).ok_or_else(|| Refusal::missing("Instance"))?;
        let found = match log {
            "lxc.log" if !one.is_vm() => Some(b"lxc: simulated\n".to_vec()),
            "qemu.log" if one.is_vm() => Some(b"qemu: simulated\n".to_vec()),
            _ if method == Method::DELETE => one.logs.remove(log),
            _ => one.logs.get(log).cloned(),
        };
        let path = format!("/var/lib/lxd/logs/{}/{log}", key.1);
        let verb = if method == Method::DELETE { "remove" } else { "open" };
        found.ok_or_else(|| Refusal::new(500, format!("{verb} {path}: no such file or directory")))
    })?;
    let action =
        if method == Method::DELETE { "instance-log-deleted" } else { "instance-log-retrieved" };
    // LXD names another path here than the one that was asked for.
    let source = format!("/1.0/instances/{}/backups/{log}", key.1);
    world.lifecycle(&key.0, action, &source, None, true);
    if method == Method::DELETE {
        return Ok(sync(&json!({})));
    }
    raw(bytes)
}

/// `GET` and `DELETE /1.0/instances/NAME/console`.
pub(super) async fn console(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<Params>,
    method: Method,
) -> Answer {
    let key = (project_of(&query), name);
    let shown = world.with(|all| {
        let one = all.instances.get_mut(&key).ok_or_else(|| Refusal::missing("Instance"))?;
        if one.is_vm() && world.options.shape == Shape::Lxd50 {
            return Err(Refusal::new(500, "Instance is not container type"));
        }
        let path = if one.power == Power::Stopped {
            format!("/var/lib/lxd/logs/{}/console.log", key.1)
        } else {
            String::new()
        };
        read_console(one)
            .ok_or_else(|| Refusal::new(500, format!("open {path}: no such file or directory")))
    });
    settle(shown.and_then(|text| match method {
        Method::DELETE => Ok(sync(&json!({}))),
        _ => raw(text),
    }))
}

/// While a container runs each line is told once. When it has stopped, what was never told is all
/// there is; where all was told, all of it is there.
fn read_console(one: &mut Instance) -> Option<Vec<u8>> {
    let new = std::mem::take(&mut one.console);
    let stopped = one.power == Power::Stopped;
    if !new.is_empty() {
        one.console_told = if stopped { new.clone() } else { [&*one.console_told, &new].concat() };
        return Some(new);
    }
    (stopped && !one.console_told.is_empty()).then(|| one.console_told.clone())
}

fn raw(bytes: Vec<u8>) -> Result<Answer, Refusal> {
    Response::builder()
        .header("Content-Type", "application/octet-stream")
        .body(Body::from(bytes))
        .map_err(|error| Refusal::new(500, error.to_string()))
}
