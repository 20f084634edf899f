//! Instances going up and down: by API, by themselves, by someone else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;

use larm::clock;

use super::answer::{Answer, Refusal, settle, sync};
use super::files::Node;
use super::instance::{Down, FIRST_START, Instance, Power};
use super::operations::{Ended, Order};
use super::project_of;
use super::world::{Key, State as All, World};

/// How long LXD takes between the events that belong together.
const BEAT: Duration = Duration::from_millis(2);

#[derive(Debug, Deserialize)]
struct Asked {
    action: String,
    #[serde(default)]
    timeout: i64,
    #[serde(default)]
    force: bool,
}

/// `GET /1.0/instances/NAME/state`.
pub(super) async fn show(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    let key = (project_of(&query), name);
    let shown = world.with(|all| all.instances.get(&key).map(Instance::show_state));
    settle(shown.map(|shown| sync(&shown)).ok_or_else(|| Refusal::missing("Instance")))
}

/// `PUT /1.0/instances/NAME/state`.
pub(super) async fn change(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Answer {
    let key = (project_of(&query), name);
    settle(begin(&world, key, &body))
}

fn begin(world: &Arc<World>, key: Key, body: &[u8]) -> Result<Answer, Refusal> {
    let asked: Asked =
        serde_json::from_slice(body).map_err(|error| Refusal::new(400, error.to_string()))?;
    if !world.with(|all| all.instances.contains_key(&key)) {
        return Err(Refusal::missing("Instance"));
    }
    let description = match asked.action.as_str() {
        "start" => "Starting instance",
        "stop" => "Stopping instance",
        "restart" => "Restarting instance",
        "freeze" => "Freezing instance",
        "unfreeze" => "Unfreezing instance",
        other => return Err(Refusal::new(400, format!("Unknown action: '{other}'"))),
    };
    let order = Order::about(&key.0, &key.1, description, false);
    let acting = Arc::clone(world);
    Ok(world.operate(order, async move { acting.act(&key, &asked).await }))
}

impl World {
    async fn act(self: &Arc<Self>, key: &Key, asked: &Asked) -> Ended {
        match asked.action.as_str() {
            "start" => self.start(key).await,
            "stop" => self.stop(key, asked).await.into(),
            "freeze" => self.freeze(key, true).into(),
            "unfreeze" => self.freeze(key, false).into(),
            _ => self.restart(key, asked).await.into(),
        }
    }

    async fn start(self: &Arc<Self>, key: &Key) -> Ended {
        let admitted = self.with(|all| {
            let instance = instance(all, key)?;
            match instance.power {
                Power::Running | Power::Frozen => refused("The instance is already running"),
                Power::Stopped | Power::Error if instance.starting => {
                    refused("Instance is busy running a start operation")
                }
                Power::Stopped | Power::Error if instance.is_partial() => {
                    instance.torn = true;
                    refused("Failed to handle idmapped storage: Failed expanding symlinks")
                }
                Power::Stopped | Power::Error => {
                    instance.starting = true;
                    Ok(instance.is_vm())
                }
            }
        });
        let vm = match admitted {
            Ok(vm) => vm,
            Err(refusal) => return Err(refusal).into(),
        };
        sleep(self.options.start_time).await;
        self.power_up(key);
        self.tell(key, "instance-started", true);
        let metadata = (!vm).then(|| json!({"container_progress": ""}));
        Ended { metadata, error: None }
    }

    /// Puts an instance into its next boot.
    pub(super) fn power_up(self: &Arc<Self>, key: &Key) {
        self.with(|all| {
            let pid = 30_000 + all.next_serial();
            // With an init of its own no guest comes up that could follow a plan.
            let is_first = instance(all, key)
                .is_ok_and(|one| one.boot == 0 && !one.config.contains_key("raw.lxc"));
            let plan = is_first.then(|| all.plans.pop_front()).flatten();
            let Ok(instance) = instance(all, key) else { return };
            if let Some(plan) = plan {
                instance.guest.plan = plan;
            }
            instance.starting = false;
            instance.power = Power::Running;
            instance.boot += 1;
            instance.pid = pid;
            instance.last_used = clock::now();
            instance.config.insert("volatile.last_state.power".into(), "RUNNING".into());
            instance.config.remove(FIRST_START);
            instance.files.empty_tmpfs();
            for path in ["/run/systemd", "/run/systemd/system"] {
                instance.files.put(path, Node::directory());
            }
            instance.console =
                format!("Welcome to a simulated guest!\n{} login: \n", key.1).into_bytes();
            instance.console_told.clear();
            instance.files.put("/etc/hostname", Node::file(format!("{}\n", key.1)));
            instance.touch();
        });
        self.boot_guest(key);
    }

    async fn stop(self: &Arc<Self>, key: &Key, asked: &Asked) -> Result<(), Refusal> {
        self.past_start(key).await;
        let (power, vm) = self.with(|all| {
            let instance = instance(all, key)?;
            Ok((instance.power, instance.is_vm()))
        })?;
        if power == Power::Stopped {
            return refused("The instance is already stopped");
        }
        if vm && !asked.force {
            return self.press_button(asked.timeout).await;
        }
        sleep(self.options.stop_time).await;
        let down = if asked.force { Down::Forced } else { Down::Graceful };
        // Someone else may have been faster.
        let Some(ephemeral) = self.power_down(key, down) else { return Ok(()) };
        if ephemeral && asked.force {
            // LXD tells of the deletion before it tells of the stop.
            self.forget(key);
            self.tell(key, "instance-stopped", true);
        } else if asked.force {
            self.tell(key, "instance-stopped", true);
        } else {
            self.tell(key, "instance-shutdown", true);
            if ephemeral {
                self.forget(key);
            }
        }
        Ok(())
    }

    /// The power button of a virtual machine: its guest has no handler for it.
    async fn press_button(&self, seconds: i64) -> Result<(), Refusal> {
        match u64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => {
                sleep(Duration::from_secs(seconds)).await;
                refused(
                    "Failed shutting down instance, status is \"Running\": \
                     Instance was not shutdown after timeout",
                )
            }
            Ok(_) | Err(_) => std::future::pending().await,
        }
    }

    async fn restart(self: &Arc<Self>, key: &Key, asked: &Asked) -> Result<(), Refusal> {
        let vm = self.with(|all| instance(all, key).map(|one| one.is_vm()))?;
        if vm && !asked.force {
            return self.press_button(asked.timeout).await;
        }
        sleep(self.options.stop_time).await;
        let down = if asked.force { Down::Forced } else { Down::Graceful };
        if self.power_down(key, down).is_none() {
            return refused("The instance is not running");
        }
        self.power_up(key);
        self.tell(key, "instance-restarted", true);
        Ok(())
    }

    /// Waits until no start operation is under way.
    async fn past_start(&self, key: &Key) {
        let Some(mut changed) =
            self.with(|all| all.instances.get(key).map(|one| one.changed.subscribe()))
        else {
            return;
        };
        while self.with(|all| all.instances.get(key).is_some_and(|one| one.starting)) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Pauses or resumes an instance.
    pub(super) fn freeze(&self, key: &Key, freeze: bool) -> Result<(), Refusal> {
        self.with(|all| {
            let instance = instance(all, key)?;
            match (instance.power, freeze) {
                (Power::Stopped | Power::Error, _) => refused("The container isn't running"),
                (Power::Frozen, true) => refused("The container is already frozen"),
                (Power::Running, false) => refused("The container is already running"),
                (Power::Running, true) => {
                    instance.power = Power::Frozen;
                    instance.touch();
                    Ok(())
                }
                (Power::Frozen, false) => {
                    instance.power = Power::Running;
                    instance.touch();
                    Ok(())
                }
            }
        })?;
        self.tell(key, if freeze { "instance-paused" } else { "instance-resumed" }, true);
        Ok(())
    }

    /// Ends an instance's boot; tells whether it is ephemeral, or nothing if it was not up.
    pub(super) fn power_down(&self, key: &Key, down: Down) -> Option<bool> {
        self.with(|all| {
            let serving = all.serving;
            let instance = all.instances.get_mut(key)?;
            if instance.power == Power::Stopped {
                return None;
            }
            instance.power = Power::Stopped;
            instance.boot += 1;
            instance.down = down;
            instance.guest.power_down();
            instance.files.empty_tmpfs();
            if serving {
                instance.config.insert("volatile.last_state.power".into(), "STOPPED".into());
            }
            instance.touch();
            Some(instance.ephemeral)
        })
    }

    /// The guest shuts itself down.
    pub(super) fn guest_power_off(self: &Arc<Self>, key: &Key) {
        let key = key.clone();
        self.later(self.options.power_off_time, move |world| {
            let ephemeral = world.power_down(&key, Down::Graceful);
            // While the server is down it sees nothing, and deletes nothing.
            if !world.with(|all| all.serving) {
                return;
            }
            if let Some(ephemeral) = ephemeral {
                world.tell(&key, "instance-shutdown", false);
                if ephemeral {
                    world.later(BEAT, move |world| world.forget(&key));
                }
            }
        });
    }

    /// Removes an instance, and tells of it.
    pub(super) fn forget(&self, key: &Key) {
        let gone = self.with(|all| all.instances.remove(key));
        if let Some(instance) = gone {
            self.tell(key, "instance-deleted", false);
            instance.touch();
        }
    }

    pub(super) fn tell(&self, key: &Key, action: &str, asked: bool) {
        self.lifecycle(&key.0, action, &format!("/1.0/instances/{}", key.1), None, asked);
    }

    /// What LXD does at its start with instances that it saw running and that are not any more:
    /// it starts them again, unless `boot.autostart` says no.
    pub(super) fn autostart(self: &Arc<Self>) {
        let keys: Vec<Key> = self.with(|all| {
            for instance in all.instances.values_mut() {
                instance.starting = false;
            }
            let ran = |one: &Instance| {
                let value = |key: &str| one.config.get(key).map(String::as_str);
                one.power == Power::Stopped
                    && match value("boot.autostart") {
                        None => value("volatile.last_state.power") == Some("RUNNING"),
                        Some(autostart) => autostart == "true",
                    }
            };
            all.instances.iter().filter(|(_, one)| ran(one)).map(|(key, _)| key.clone()).collect()
        });
        for key in keys {
            self.power_up(&key);
            self.tell(&key, "instance-started", false);
        }
    }
}

fn instance<'a>(all: &'a mut All, key: &Key) -> Result<&'a mut Instance, Refusal> {
    all.instances.get_mut(key).ok_or_else(|| Refusal::missing("Instance"))
}

fn refused<T>(text: &str) -> Result<T, Refusal> {
    Err(Refusal::new(400, text))
}
