//! What setup would do: from what is wanted and what is there to steps. Decides, and does nothing.

pub(in crate::cli) mod isolation;
mod limits;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

use super::profile::{MARK, Profile};
use crate::cli::sysctl::{Limits, TooLow, Unkept};
use crate::lxd;

/// The project that always exists, and that owns pools and networks.
pub(in crate::cli) const DEFAULT_PROJECT: &str = "default";

/// What is wanted.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Wanted {
    pub(in crate::cli) project: String,
    pub(in crate::cli) pool: String,
    /// Given by the user; else btrfs where LXD and the kernel can do it, else dir.
    pub(in crate::cli) pool_driver: Option<String>,
    /// Given by the user; else LXD decides.
    pub(in crate::cli) pool_size: Option<String>,
    pub(in crate::cli) bridge: String,
    /// Given by the user; else one that is not in use.
    pub(in crate::cli) bridge_address: Option<String>,
    pub(in crate::cli) profiles: Vec<Profile>,
}

/// What is there.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Found {
    pub(in crate::cli) server: lxd::Server,
    pub(in crate::cli) project: Option<lxd::Project>,
    pub(in crate::cli) pool: Option<lxd::StoragePool>,
    /// Whether the kernel can mount btrfs; looked at only where a new pool needs a driver.
    pub(in crate::cli) kernel_btrfs: bool,
    pub(in crate::cli) bridge: Option<lxd::Network>,
    /// The ACL that isolates bridges.
    pub(in crate::cli) acl: Option<lxd::NetworkAcl>,
    /// This host's own.
    pub(in crate::cli) addresses: Vec<Ipv4Addr>,
    /// By name, only those that are wanted.
    pub(in crate::cli) profiles: BTreeMap<String, lxd::Profile>,
    /// The kernel's.
    pub(in crate::cli) limits: Limits,
    /// Whether this user may change those of the running kernel.
    pub(in crate::cli) may_raise: bool,
    /// Whether this user may write them down for the next boot.
    pub(in crate::cli) may_keep: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Step {
    RaiseLimits(Vec<TooLow>),
    KeepLimits(Vec<Unkept>),
    CreateProject { name: String },
    CreatePool { name: String, driver: String, size: Option<String> },
    CreateAcl(lxd::NewNetworkAcl),
    UpdateAcl(lxd::NewNetworkAcl),
    CreateBridge { name: String, address: Option<String>, isolated: bool },
    IsolateBridge { name: String, changes: lxd::Config },
    CreateProfile(Profile),
    UpdateProfile { profile: Profile, changes: Vec<String> },
}

/// What setup would do, and what it sees but leaves alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Plan {
    pub(in crate::cli) steps: Vec<Step>,
    pub(in crate::cli) remarks: Vec<String>,
}

/// A step, for people and programs.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct StepText {
    kind: &'static str,
    text: String,
}

/// Compares what is wanted with what is there.
pub(in crate::cli) fn plan(wanted: &Wanted, found: &Found) -> Plan {
    let mut plan = Plan::default();
    limits::limits(&mut plan, found);
    project(&mut plan, wanted, found);
    if found.server.environment.server_clustered && (found.pool.is_none() || found.bridge.is_none())
    {
        plan.remark("this LXD is in a cluster: make the storage pool and the bridge by hand, on every member");
    } else {
        pool(&mut plan, wanted, found);
        bridge(&mut plan, wanted, found);
    }
    for profile in &wanted.profiles {
        self::profile(&mut plan, profile, found.profiles.get(&profile.name));
    }
    plan
}

fn project(plan: &mut Plan, wanted: &Wanted, found: &Found) {
    let name = &wanted.project;
    let Some(project) = &found.project else {
        plan.steps.push(Step::CreateProject { name: name.clone() });
        return;
    };
    let feature = |key: &str| project.config.get(key).is_some_and(|value| value == "true");
    if name != DEFAULT_PROJECT && feature("features.images") {
        plan.remark(format!(
            "project {name} has its own images (features.images): import the runners' image there"
        ));
    }
    if name != DEFAULT_PROJECT && !feature("features.profiles") {
        plan.remark(format!(
            "project {name} has no profiles of its own (features.profiles): they go to project default"
        ));
    }
}

fn pool(plan: &mut Plan, wanted: &Wanted, found: &Found) {
    let name = &wanted.pool;
    let Some(pool) = &found.pool else {
        let driver = wanted.pool_driver.clone().unwrap_or_else(|| best_driver(plan, found));
        // A directory has no size of its own.
        let size = wanted.pool_size.clone().filter(|_| driver != "dir");
        plan.steps.push(Step::CreatePool { name: name.clone(), driver, size });
        return;
    };
    if let Some(driver) = wanted.pool_driver.as_ref().filter(|driver| **driver != pool.driver) {
        let is = &pool.driver;
        plan.remark(format!(
            "storage pool {name} is there and is {is}, not {driver}: left as it is"
        ));
    }
    if pool.driver == "dir" {
        plan.remark(format!(
            "storage pool {name} is a plain directory: each runner's start copies the whole image"
        ));
    }
}

/// btrfs makes an instance from an image in 0.2 s, a directory takes seconds.
fn best_driver(plan: &mut Plan, found: &Found) -> String {
    let drivers = &found.server.environment.storage_supported_drivers;
    let tools = drivers.iter().any(|driver| driver.name == "btrfs");
    let why = match (tools, found.kernel_btrfs) {
        (true, true) => return "btrfs".to_owned(),
        (false, true) => "LXD finds no tools for btrfs (`apt install btrfs-progs`)",
        (_, false) => "this kernel has no btrfs",
    };
    plan.remark(format!(
        "{why}: the new storage pool is a plain directory, and each runner's start copies the whole image"
    ));
    "dir".to_owned()
}

fn bridge(plan: &mut Plan, wanted: &Wanted, found: &Found) {
    let name = &wanted.bridge;
    let isolated = isolation::acl(plan, found);
    let Some(bridge) = &found.bridge else {
        let address = wanted.bridge_address.clone();
        plan.steps.push(Step::CreateBridge { name: name.clone(), address, isolated });
        return;
    };
    if bridge.kind != "bridge" || !bridge.managed {
        plan.remark(format!("{name} is there and is no bridge of LXD's: left as it is"));
        return;
    }
    if isolated {
        isolation::bridge(plan, wanted, bridge);
    }
    if bridge.config.get("ipv4.nat").is_none_or(|nat| nat != "true") {
        plan.remark(format!(
            "bridge {name} has no NAT (ipv4.nat): do runners reach GitHub another way?"
        ));
    }
}

fn profile(plan: &mut Plan, wanted: &Profile, found: Option<&lxd::Profile>) {
    let Some(found) = found else {
        plan.steps.push(Step::CreateProfile(wanted.clone()));
        return;
    };
    let changes = changes(wanted, found);
    if changes.is_empty() {
        return;
    }
    if found.config.contains_key(MARK) {
        if !found.used_by.is_empty() && pool_of(&wanted.devices) != pool_of(&found.devices) {
            let (name, count) = (&wanted.name, found.used_by.len());
            plan.remark(format!(
                "{count} instances use profile {name}: LXD changes its pool only once they are gone (`larm flush`)"
            ));
        }
        plan.steps.push(Step::UpdateProfile { profile: wanted.clone(), changes });
    } else {
        plan.remark(format!(
            "profile {} is there and is not of larm's making: left as it is, though it differs in {}",
            wanted.name,
            changes.join(", ")
        ));
    }
}

fn pool_of(devices: &lxd::Devices) -> Option<&String> {
    devices.get("root").and_then(|root| root.get("pool"))
}

/// What would change, as `key: old -> new`.
pub(in crate::cli) fn changes(wanted: &Profile, found: &lxd::Profile) -> Vec<String> {
    let mut changes = difference("", &wanted.config, &found.config);
    let none = BTreeMap::new();
    let names = wanted.devices.keys().chain(found.devices.keys());
    for name in names.collect::<std::collections::BTreeSet<_>>() {
        let wanted = wanted.devices.get(name).unwrap_or(&none);
        let found = found.devices.get(name).unwrap_or(&none);
        changes.extend(difference(&format!("{name}."), wanted, found));
    }
    if wanted.description != found.description {
        changes.push("description".to_owned());
    }
    changes
}

fn difference(prefix: &str, wanted: &lxd::Config, found: &lxd::Config) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    let value = |config: &lxd::Config, key: &str| {
        config.get(key).cloned().unwrap_or_else(|| "(none)".to_owned())
    };
    keys.into_iter()
        .filter(|key| wanted.get(*key) != found.get(*key))
        .map(|key| format!("{prefix}{key}: {} -> {}", value(found, key), value(wanted, key)))
        .collect()
}

impl Plan {
    fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }
}

impl Step {
    /// The step, for people and programs.
    pub(in crate::cli) fn describe(&self) -> StepText {
        let (kind, text) = match self {
            Self::RaiseLimits(low) => ("raise-limits", limits::raise_text(low)),
            Self::KeepLimits(unkept) => ("keep-limits", limits::keep_text(unkept)),
            Self::CreateProject { name } => {
                ("create-project", format!("create LXD project {name}"))
            }
            Self::CreatePool { name, driver, size } => {
                let size = size.as_ref().map_or_else(String::new, |size| format!(", {size}"));
                ("create-pool", format!("create storage pool {name} ({driver}{size})"))
            }
            Self::CreateAcl(acl) => {
                ("create-acl", format!("create network ACL {} ({})", acl.name, acl.description))
            }
            Self::UpdateAcl(acl) => {
                ("update-acl", format!("update network ACL {} ({})", acl.name, acl.description))
            }
            Self::CreateBridge { name, address, isolated } => {
                let address = address.as_deref().unwrap_or("IPv4");
                let isolated = if *isolated { ", isolated" } else { "" };
                (
                    "create-bridge",
                    format!("create bridge {name} ({address} with NAT, no IPv6{isolated})"),
                )
            }
            Self::IsolateBridge { name, changes } => (
                "isolate-bridge",
                format!("isolate bridge {name}: {}", isolation::changes_text(changes)),
            ),
            Self::CreateProfile(profile) => {
                ("create-profile", format!("create profile {}", profile.name))
            }
            Self::UpdateProfile { profile, changes } => (
                "update-profile",
                format!("update profile {}: {}", profile.name, changes.join(", ")),
            ),
        };
        StepText { kind, text }
    }
}

impl StepText {
    /// For people.
    pub(in crate::cli) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests;
