//! The floor: the same instance as larm makes, by bare REST calls.

use std::time::Duration;

use larm::guest::{application, paths};
use reqwest::Method;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::figures::{Life, Round};
use crate::ground::PATIENCE;
use crate::machine;
use crate::meter::Meter;
use crate::rest::Rest;
use crate::rig::{PREFIX, Rig, Template};

/// How often a status file is read. The guest's own time in it is what counts.
const LOOK: Duration = Duration::from_millis(100);

/// What instances are made with.
pub(crate) struct Maker {
    rest: Rest,
    template: Template,
    archive: Vec<u8>,
    mark: Vec<u8>,
    places: Places,
}

impl Maker {
    pub(crate) fn new(rig: &Rig) -> Self {
        Self {
            rest: rig.rest.clone(),
            template: rig.template.clone(),
            archive: rig.archive.to_vec(),
            mark: rig.mark.clone(),
            places: Places::new(rig),
        }
    }

    async fn push_application(&self, name: &str) {
        self.rest.push(name, paths::INCOMING, None).await;
        self.rest.push(name, application::ARCHIVE, Some(self.archive.clone())).await;
        self.rest.push(name, application::COMPLETE, Some(self.mark.clone())).await;
    }

    /// Waits until the guest's status file says that it is ready, and since when. A container's is
    /// read through its first process, which costs neither LXD nor the guest anything: the floor has
    /// no wait of its own.
    pub(crate) async fn ready(&self, name: &str) -> f64 {
        let container = self.template.instance_type == "container";
        let pid = if container { Some(self.rest.pid(name).await) } else { None };
        let looks = async {
            loop {
                let status = match pid {
                    Some(pid) => {
                        std::fs::read_to_string(format!("/proc/{pid}/root{}", paths::STATUS)).ok()
                    }
                    None => self.rest.read(name, paths::STATUS).await,
                };
                let status = status.unwrap_or_default();
                if let Some(at) = status.lines().find_map(|line| line.strip_prefix("at ready ")) {
                    return at.parse().unwrap();
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, looks).await.unwrap()
    }
}

impl Contender for Maker {
    async fn make(&self, name: &str) -> f64 {
        let body = json!(Template { name: name.to_owned(), ..self.template.clone() });
        let create = self.places.creates.acquire().await.unwrap();
        self.rest.call(Method::POST, "/1.0/instances", &body).await;
        drop(create);
        let start = self.places.starts.acquire().await.unwrap();
        self.rest.change(name, &json!({ "action": "start" })).await;
        drop(start);
        self.push_application(name).await;
        self.ready(name).await
    }

    async fn remove(&self, name: &str) {
        let _delete = self.places.deletes.acquire().await.unwrap();
        self.rest.change(name, &json!({ "action": "stop", "force": true })).await;
        // LXD deletes ephemeral ones by itself.
        if !self.template.ephemeral {
            self.rest.call(Method::DELETE, &format!("/1.0/instances/{name}"), &json!({})).await;
        }
    }
}

/// Who makes and removes an instance by itself.
pub(crate) trait Contender {
    /// Creates and starts it; when its guest was ready, by the guest's own clock.
    async fn make(&self, name: &str) -> f64;
    /// Stops and deletes it.
    async fn remove(&self, name: &str);
}

/// How many are created, started and deleted at a time, as larm's limits are.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) creates: Semaphore,
    pub(crate) starts: Semaphore,
    pub(crate) deletes: Semaphore,
}

impl Places {
    pub(crate) fn new(rig: &Rig) -> Self {
        let places = || Semaphore::new(rig.parallel);
        Self { creates: places(), starts: places(), deletes: places() }
    }
}

/// So many instances at once, each made, ready, and removed by itself.
pub(crate) async fn round(rig: &Rig, size: usize, contender: &impl Contender) -> Round {
    machine::quiet().await;
    let names: Vec<String> = (0..size).map(|_| name()).collect();
    let meter = Meter::begin(rig, None);
    let one = async |name: &String| {
        let ready = contender.make(name).await;
        let end = now();
        contender.remove(name).await;
        (ready, end)
    };
    let ends = futures_util::future::join_all(names.iter().map(one)).await;
    rig.watch.until(&names, "instance-deleted").await;
    let (cost, begin) = (meter.end(), meter.began());
    let lives = names.iter().zip(ends);
    let lives = lives.map(|(name, (ready, end))| life(rig, name, begin, ready, end));
    Round { lives: lives.collect(), cost }
}

fn life(rig: &Rig, name: &str, begin: f64, ready: f64, end: f64) -> Life {
    let at = |what| rig.watch.at(name, what);
    let stages = [
        ("created", at("instance-created"), begin),
        ("started", at("instance-started"), begin),
        ("ready", Some(ready), begin),
        ("end to gone", at("instance-deleted"), end),
    ];
    stages
        .into_iter()
        .filter_map(|(stage, at, from)| Some((stage, (at? - from) * 1000.0)))
        .collect()
}

pub(crate) fn name() -> String {
    format!("{PREFIX}-{:08x}", uuid::Uuid::new_v4().as_u64_pair().0 & 0xffff_ffff)
}

/// Seconds since the epoch.
pub(crate) fn now() -> f64 {
    larm::clock::now().as_duration().as_secs_f64()
}
