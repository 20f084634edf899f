//! One instance as LXD keeps it, and how it is shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use larm::model::InstanceType;

use super::files::Files;
use super::guest::Guest;
use super::world::{Key, State};

/// What LXD says of an instance's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// Not running.
    Stopped,
    /// Running.
    Running,
    /// Paused.
    Frozen,
    /// LXD has trouble with it.
    Error,
}

/// Its key says that it is whole and was never started.
pub(super) const FIRST_START: &str = "volatile.apply_template";

/// How an instance went down, which decides how an exec under way ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// Its power was cut.
    Forced,
    /// It shut itself down.
    Graceful,
}

/// One instance.
#[derive(Debug)]
pub struct Instance {
    pub(super) kind: InstanceType,
    pub(super) ephemeral: bool,
    pub(super) config: BTreeMap<String, String>,
    pub(super) devices: Value,
    pub(super) profiles: Vec<String>,
    pub(super) description: String,
    pub(super) created: Timestamp,
    pub(super) last_used: Timestamp,
    pub(super) power: Power,
    /// Set while a start operation is under way.
    pub(super) starting: bool,
    /// Only a part of it was made, and it was mounted since: LXD cannot delete it.
    pub(super) torn: bool,
    /// Grows with each boot and each end of one: what belongs to another boot is stale.
    pub(super) boot: u64,
    pub(super) down: Down,
    pub(super) pid: u32,
    pub(super) address: String,
    pub(super) guest: Guest,
    pub(super) files: Files,
    pub(super) logs: BTreeMap<String, Vec<u8>>,
    pub(super) console: Vec<u8>,
    /// What of the console was read already.
    pub(super) console_told: Vec<u8>,
    /// The programs that run, as far as anyone asks for them.
    pub(super) programs: Vec<&'static str>,
    pub(super) changed: watch::Sender<u64>,
}

impl Power {
    /// LXD's word and number for it.
    pub fn status(self) -> (&'static str, u16) {
        match self {
            Self::Stopped => ("Stopped", 102),
            Self::Running => ("Running", 103),
            Self::Frozen => ("Frozen", 110),
            Self::Error => ("Error", 112),
        }
    }
}

impl Instance {
    /// Whether it is a virtual machine.
    pub fn is_vm(&self) -> bool {
        self.kind == InstanceType::VirtualMachine
    }

    /// Whether its making broke off, or is under way.
    pub(super) fn is_partial(&self) -> bool {
        self.boot == 0 && !self.config.contains_key(FIRST_START)
    }

    /// Wakes whoever waits for a change of it.
    pub(super) fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// As `GET /1.0/instances/NAME/state` shows it.
    pub(super) fn show_state(&self) -> Value {
        let (status, code) = self.power.status();
        let running = self.power != Power::Stopped;
        let agentless = self.is_vm() && !self.guest.agent;
        let processes = match (running, agentless) {
            (false, _) => 0,
            (true, true) => -1,
            (true, false) => 12,
        };
        let memory = if running && !agentless { 67_506_176 } else { 0 };
        json!({
            "status": status, "status_code": code,
            "disk": if agentless && running { Value::Null } else { json!({}) },
            "memory": {"usage": memory, "usage_peak": memory, "swap_usage": 0, "swap_usage_peak": 0},
            "network": if running { self.show_network(agentless) } else { Value::Null },
            "pid": if running { self.pid } else { 0 },
            "processes": processes,
            "cpu": {"usage": if running { 1_978_459_419_u64 } else { 0 }},
        })
    }

    fn show_network(&self, agentless: bool) -> Value {
        // The guest's own name for its interface is known once its agent tells it.
        let name = if self.is_vm() && !agentless { "enp5s0" } else { "eth0" };
        let addresses = if agentless {
            json!([])
        } else {
            json!([{
                "family": "inet", "address": self.address, "netmask": "24", "scope": "global",
            }])
        };
        let counters = json!({"bytes_received": 0, "bytes_sent": 0});
        json!({name: {
            "addresses": addresses, "counters": counters, "hwaddr": "00:16:3e:00:00:01",
            "host_name": "veth0", "mtu": 1500, "state": "up", "type": "broadcast",
        }})
    }
}

impl State {
    /// An instance as `GET /1.0/instances/NAME` shows it.
    pub(super) fn show_instance(&self, key: &Key, instance: &Instance) -> Value {
        let (status, code) = instance.power.status();
        let (config, devices) = self.expanded(&key.0, instance);
        json!({
            "architecture": "x86_64", "config": instance.config, "devices": instance.devices,
            "ephemeral": instance.ephemeral, "profiles": instance.profiles, "stateful": false,
            "description": instance.description, "created_at": instance.created,
            "expanded_config": config, "expanded_devices": devices,
            "name": key.1, "status": status, "status_code": code,
            "last_used_at": instance.last_used, "location": "none",
            "type": instance.kind.as_str(), "project": key.0,
        })
    }

    /// An instance with its state, backups and snapshots, as a list with `recursion=2` shows it.
    pub(super) fn show_whole(&self, key: &Key, instance: &Instance) -> Value {
        let mut shown = self.show_instance(key, instance);
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("backups".into(), Value::Null);
            fields.insert("state".into(), instance.show_state());
            fields.insert("snapshots".into(), Value::Null);
        }
        shown
    }

    /// Configuration and devices with those of the profiles.
    pub(super) fn expanded(&self, project: &str, instance: &Instance) -> (Value, Value) {
        let (mut config, mut devices) = (Map::new(), Map::new());
        for name in &instance.profiles {
            let profile = self.host.profile(project, name);
            let part = |field| profile.and_then(|one| one.get(field)).and_then(Value::as_object);
            config.extend(part("config").cloned().unwrap_or_default());
            devices.extend(part("devices").cloned().unwrap_or_default());
        }
        config.extend(instance.config.iter().map(|(key, value)| (key.clone(), json!(value))));
        devices.extend(instance.devices.as_object().cloned().unwrap_or_default());
        (Value::Object(config), Value::Object(devices))
    }
}
