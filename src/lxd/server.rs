//! What kind of server it is (LXD documentation, "API extensions"; `GET /1.0`).

use std::collections::BTreeSet;

use serde::Deserialize;

use super::client::Client;
use super::envelope::nullable;
use super::error::Error;
use super::route::Route;

/// The server's answer to "who are you".
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Server {
    /// What it can do beyond the first version of the API.
    #[serde(default, deserialize_with = "nullable")]
    pub api_extensions: BTreeSet<String>,
    /// What it runs on.
    #[serde(default)]
    pub environment: Environment,
    /// `trusted` or `untrusted`: what it thinks of this client.
    #[serde(default)]
    pub auth: String,
    /// The server's own settings.
    #[serde(default, deserialize_with = "nullable")]
    pub config: super::Config,
}

/// What a server runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// `lxd` or `incus`.
    pub server: String,
    /// Like `5.0.2`. For people: what it can do is in the extensions.
    pub server_version: String,
    /// The host's name.
    pub server_name: String,
    /// Whether it is a member of a cluster.
    pub server_clustered: bool,
    /// The daemon's process id.
    pub server_pid: i64,
    /// `lxc`, `qemu` or `lxc | qemu`: what kinds of instance it can run.
    pub driver: String,
    /// Versions of the drivers.
    pub driver_version: String,
    /// The storage drivers in use, like `btrfs | dir`.
    pub storage: String,
    /// Every storage driver that would work here.
    #[serde(deserialize_with = "nullable")]
    pub storage_supported_drivers: Vec<StorageDriver>,
    /// `Linux`.
    pub kernel: String,
    /// The kernel's release.
    pub kernel_version: String,
    /// The architectures it can run, the best one first.
    #[serde(deserialize_with = "nullable")]
    pub architectures: Vec<String>,
    /// `nftables` or `xtables`.
    pub firewall: String,
    /// The host's distribution.
    pub os_name: String,
    /// The distribution's version.
    pub os_version: String,
}

/// A storage driver that would work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StorageDriver {
    /// Like `btrfs`.
    #[serde(rename = "Name")]
    pub name: String,
    /// The version of its tools.
    #[serde(rename = "Version")]
    pub version: String,
}

impl Server {
    /// Whether it has an API extension, like `instance_ready_state`.
    pub fn has(&self, extension: &str) -> bool {
        self.api_extensions.contains(extension)
    }

    /// Whether it can run virtual machines: their driver is there only when it found all it needs.
    pub fn runs_virtual_machines(&self) -> bool {
        self.environment.driver.split('|').any(|driver| driver.trim() == "qemu")
    }
}

impl Client {
    /// Asks the server what it is (`GET /1.0`).
    pub async fn server(&self) -> Result<Server, Error> {
        self.get("ask the server what it is", Route::new(&[])).await
    }
}
